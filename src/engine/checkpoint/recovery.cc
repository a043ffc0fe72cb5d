#include "engine/checkpoint/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "engine/checkpoint/files.h"

namespace millrace {

using checkpoint_files::numbered;
using checkpoint_files::throw_damaged;

Recovered Recovery::run() {
  const auto segments = numbered(path_ + "/log", ".log");
  load_newest_snapshot(segments);
  const auto first = result_.snapshot ? *result_.snapshot + 1 : 0;
  std::vector<std::int64_t> needed;
  for (const auto segment : segments) {
    if (segment >= first) {
      needed.push_back(segment);
    }
  }
  // A snapshot is put in place only when the log file after it is there.
  if (needed.empty() ? result_.snapshot.has_value() : needed.front() != first) {
    throw Error(Blame::external,
                fmt::format("`{}` is missing: the log must go on with batch {} there; restore the "
                            "checkpoint folder from a copy, or remove it to start over",
                            checkpoint_files::log_path(path_, first), first));
  }
  for (std::size_t i = 0; i < needed.size(); i++) {
    const auto expected = result_.last_committed.value_or(-1) + 1;
    if (needed[i] != expected) {
      throw Error(Blame::external,
                  fmt::format("the log has a gap: `{}` should begin with batch {}; restore the "
                              "checkpoint folder from a copy, or remove it to start over",
                              checkpoint_files::log_path(path_, needed[i]), expected));
    }
    replay(needed[i], i + 1 == needed.size());
  }
  return std::move(result_);
}

/// Takes the newest snapshot that is sound, if the log goes on from it.
void Recovery::load_newest_snapshot(const std::vector<std::int64_t>& segments) {
  auto snapshots = numbered(path_ + "/snapshots", ".snapshot");
  std::erase_if(snapshots, [&](std::int64_t batch) { return batch < rebuilt_after_; });
  std::string first_damage;
  while (!snapshots.empty()) {
    const auto batch = snapshots.back();
    snapshots.pop_back();
    const auto damage = damage_of(batch);
    const bool log_reaches_back =
        std::find(segments.begin(), segments.end(), batch + 1) != segments.end() ||
        first_damage.empty();
    if (!damage && log_reaches_back) {
      load(batch);
      return;
    }
    const auto path = checkpoint_files::snapshot_path(path_, batch);
    first_damage =
        first_damage.empty() ? fmt::format("`{}`: {}", path, damage.value_or("")) : first_damage;
    Log().warn("snapshot {} can't be used: {}; trying an older one", path,
               damage.value_or("no log"));
  }
  if (rebuilt_after_) {
    throw Error(Blame::external,
                fmt::format("no snapshot since the last rebuild can be used{}{}, and what is older "
                            "is of another query; restore the checkpoint folder from a copy, or "
                            "remove it to start over",
                            first_damage.empty() ? "" : ": ", first_damage));
  }
  if (!first_damage.empty() && (segments.empty() || segments.front() != 0)) {
    throw Error(Blame::external,
                fmt::format("no snapshot can be used: {}; and the log does not reach back to the "
                            "beginning; restore the checkpoint folder from a copy, or remove it to "
                            "start over",
                            first_damage));
  }
}

/// Reads a snapshot to its end, without using it: what is wrong with it, if anything.
std::optional<std::string> Recovery::damage_of(std::int64_t snapshot) const {
  RecordReader reader(checkpoint_files::snapshot_path(path_, snapshot));
  Record record;
  std::int64_t records = 0;
  while (true) {
    const auto result = reader.next(record);
    if (result != RecordReader::Result::record) {
      return fmt::format("damaged at byte {}", reader.offset());
    }
    if (records == 0) {
      (void)checkpoint_files::parse_header(record, id_, reader.path());
    }
    if (record.kind == Record::Kind::footer) {
      const bool complete = record.payload == std::to_string(records);
      return complete ? std::nullopt : std::optional<std::string>("it is not whole");
    }
    records++;
  }
}

void Recovery::load(std::int64_t snapshot) {
  RecordReader reader(checkpoint_files::snapshot_path(path_, snapshot));
  Record record;
  reader.next(record);
  const auto header = checkpoint_files::parse_header(record, id_, reader.path());
  visitor_.positions(header.at("positions").get<std::map<std::string, Json>>());
  visitor_.event_time(header.value("event_time", Json()));
  std::string dataset;
  const auto advance = [&] {
    if (reader.next(record) == RecordReader::Result::record && record.kind == Record::Kind::state) {
      checkpoint_files::cut_state(record.payload, dataset);
      return true;
    }
    return false;
  };
  bool more = advance();
  while (more) {
    const auto current = dataset;
    const NextPiece next = [&](std::string& piece) {
      if (!more || dataset != current) {
        return false;
      }
      piece = std::move(record.payload);
      more = advance();
      return true;
    };
    visitor_.state(current, next);
    for (std::string unwanted; next(unwanted);) {  // of a dataset that is no more
    }
  }
  result_.snapshot = snapshot;
  result_.last_committed = snapshot;
}

void Recovery::replay(std::int64_t segment, bool last) {
  const auto path = checkpoint_files::log_path(path_, segment);
  RecordReader reader(path);
  Record record;
  bool first = true;
  last_segment_ = segment;
  whole_bytes_ = 0;
  while (true) {
    const auto read = reader.next(record);
    if (read == RecordReader::Result::end) {
      break;
    }
    if (read == RecordReader::Result::damaged) {
      if (!last || !is_torn_write(reader)) {
        throw_damaged(path, reader.offset(), "a record there is not as it was written");
      }
      result_.torn_end = fmt::format("{}: a torn record at byte {}", path, reader.offset());
      break;
    }
    if (first) {
      (void)checkpoint_files::parse_header(record, id_, path);
      first = false;
    } else {
      take(record, path, reader.offset());
    }
    if (record.kind != Record::Kind::state) {
      whole_bytes_ = reader.end_offset();
    }
  }
  changes_.clear();
}

/// Whether the damage that a reader has met can be a write that never became durable. Offsets are a
/// write of one record. A batch's state and commit are another, of many, and a power cut may keep
/// any part of it. Whatever else follows was written after the damaged bytes had been synced.
bool Recovery::is_torn_write(RecordReader& reader) const {
  Record found;
  while (reader.skip_to_record(found)) {
    const bool same_write =
        result_.unfinished && found.batch == result_.unfinished->batch &&
        (found.kind == Record::Kind::state || found.kind == Record::Kind::commit);
    if (!same_write) {
      return false;
    }
  }
  return true;
}

namespace {

Json event_time_after(const Record& commit) {
  const auto summary = Json::parse(commit.payload, nullptr, false);
  return summary.is_object() ? summary.value("event_time", Json()) : Json();
}

}  // namespace

void Recovery::take(Record& record, const std::string& path, std::int64_t offset) {
  const auto next = result_.last_committed.value_or(-1) + 1;
  if (record.batch != next) {
    throw_damaged(
        path, offset,
        fmt::format("a record of batch {} stands where batch {} should", record.batch, next));
  }
  switch (record.kind) {
    case Record::Kind::offsets:
      result_.unfinished = checkpoint_files::parse_offsets(record, path);
      changes_.clear();
      return;
    case Record::Kind::state: {
      std::string dataset;
      checkpoint_files::cut_state(record.payload, dataset);
      changes_[dataset].push_back(std::move(record.payload));
      return;
    }
    case Record::Kind::commit:
      if (!result_.unfinished) {
        throw_damaged(path, offset,
                      fmt::format("batch {} has a commit but no offsets", record.batch));
      }
      for (auto& [dataset, pieces] : changes_) {
        std::size_t i = 0;
        visitor_.state(dataset, [&, &list = pieces](std::string& piece) {
          if (i == list.size()) {
            return false;
          }
          piece = std::move(list[i++]);
          return true;
        });
      }
      changes_.clear();
      visitor_.committed(*result_.unfinished);
      visitor_.event_time(event_time_after(record));
      result_.unfinished.reset();
      result_.last_committed = record.batch;
      result_.replayed++;
      return;
    case Record::Kind::header:
    case Record::Kind::footer:
    case Record::Kind::history:
      break;
  }
  throw_damaged(path, offset, "a record of a kind that does not belong there");
}

}  // namespace millrace
