#include <fmt/format.h>

#include <filesystem>
#include <thread>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/files.h"
#include "engine/checkpoint/recovery.h"

namespace millrace {
namespace {

using checkpoint_files::log_path;
using checkpoint_files::numbered;
using checkpoint_files::size_of;
using checkpoint_files::snapshot_path;

constexpr int kAttempts = 6;
constexpr auto kFirstPause = std::chrono::milliseconds(10);

/// What fails may do so because a pipeline has just removed a file, or is about to write the rest
/// of a record. What is really missing or damaged is so the last time, too.
template <class Read>
auto beside_a_pipeline(const Read& read) {
  auto pause = kFirstPause;
  for (int attempt = 1; attempt < kAttempts; attempt++) {
    try {
      return read();
    } catch (const Error& error) {
      if (error.blame() != Blame::external) {
        throw;
      }
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
  return read();
}

void read_log(const std::string& path, CheckpointView& view) {
  RecordReader reader(path);
  Record record;
  RecordReader::Result result{};
  while ((result = reader.next(record)) == RecordReader::Result::record) {
    if (record.kind == Record::Kind::offsets) {
      view.batches.push_back(checkpoint_files::parse_offsets(record, path));
    } else if (record.kind == Record::Kind::state) {
      view.state_bytes[record.batch] += static_cast<std::int64_t>(record.payload.size());
    } else if (record.kind == Record::Kind::commit) {
      view.commits[record.batch] = Json::parse(record.payload, nullptr, false);
    }
  }
  if (result == RecordReader::Result::damaged) {
    view.note = fmt::format("`{}` ends with an unfinished or damaged record at byte {}", path,
                            reader.offset());
  }
}

CheckpointView read_view(const std::string& path) {
  CheckpointView view;
  view.description = Json::parse(read_file(path + "/checkpoint.json"), nullptr, false);
  if (!view.description.is_object()) {
    checkpoint_files::throw_damaged(path + "/checkpoint.json", 0,
                                    "it is not the description of a checkpoint");
  }
  for (const auto batch : numbered(path + "/snapshots", ".snapshot")) {
    view.snapshots.push_back(
        {fmt::format("{:012}.snapshot", batch), size_of(snapshot_path(path, batch))});
  }
  for (const auto first : numbered(path + "/log", ".log")) {
    const auto file = log_path(path, first);
    view.logs.push_back({fmt::format("{:012}.log", first), size_of(file)});
    read_log(file, view);
  }
  return view;
}

/// Looks a batch up in the log. It is there as long as no later batch has a snapshot.
LoggedBatch find_batch(const std::string& path, std::int64_t batch) {
  auto logs = numbered(path + "/log", ".log");
  while (!logs.empty() && logs.back() > batch) {
    logs.pop_back();
  }
  if (!logs.empty()) {
    RecordReader reader(log_path(path, logs.back()));
    Record record;
    while (reader.next(record) == RecordReader::Result::record) {
      if (record.kind == Record::Kind::offsets && record.batch == batch) {
        return checkpoint_files::parse_offsets(record, reader.path());
      }
    }
  }
  throw Error(Blame::external, fmt::format("batch {} is not in the log of the checkpoint `{}`, but "
                                           "there is a snapshot of it; restore the folder from a "
                                           "copy, or remove it to start over",
                                           batch, path));
}

std::optional<LoggedBatch> try_read_states(const std::string& path, const Json& description,
                                           const StateVisitor& visitor) {
  std::optional<LoggedBatch> last;
  visitor.begin();
  const RecoveryVisitor steps{
      .positions = [](const auto&) {},
      .state = visitor.state,
      .committed = [&](const LoggedBatch& batch) { last = batch; },
      .event_time =
          [&](const Json& saved) {
            if (visitor.event_time) {
              visitor.event_time(saved);
            }
          },
  };
  const auto recovered =
      Recovery(path, description.at("id"), steps, checkpoint_files::rebuilt_after(description))
          .run();
  return recovered.last_committed && !last ? find_batch(path, *recovered.last_committed) : last;
}

Standing try_read_standing(const std::string& path, const Json& description) {
  Standing standing{.id = description.at("id")};
  const RecoveryVisitor steps{
      .positions = [&](const auto& positions) { standing.positions = positions; },
      .state = [](const auto&, const auto&) {},
      .committed =
          [&](const LoggedBatch& batch) {
            for (const auto& [source, offsets] : batch.slices) {
              standing.slices[source].push_back(offsets);
            }
          },
      .event_time = [&](const Json& saved) { standing.event_time = saved; },
  };
  const auto recovered =
      Recovery(path, standing.id, steps, checkpoint_files::rebuilt_after(description)).run();
  standing.last_committed = recovered.last_committed;
  return standing;
}

}  // namespace

CheckpointView view_checkpoint(const std::string& path) {
  return beside_a_pipeline([&] { return read_view(path); });
}

std::optional<LoggedBatch> read_states(const std::string& path, const std::string& pipeline,
                                       const StateVisitor& visitor) {
  return beside_a_pipeline([&] {
    const auto description = checkpoint_files::read_description(path, pipeline);
    return try_read_states(path, description.json, visitor);
  });
}

std::optional<Standing> read_standing(const std::string& path, const std::string& pipeline) {
  if (!std::filesystem::exists(path + "/checkpoint.json")) {
    return std::nullopt;
  }
  return beside_a_pipeline([&] {
    const auto description = checkpoint_files::read_description(path, pipeline);
    return try_read_standing(path, description.json);
  });
}

}  // namespace millrace
