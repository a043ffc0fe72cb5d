#include "engine/checkpoint/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/crc32c.h"
#include "base/strings.h"

namespace millrace::checkpoint_files {

std::vector<std::int64_t> numbered(const std::string& folder, const std::string& ending) {
  std::vector<std::int64_t> out;
  for (const auto& name : list_folder(folder)) {
    if (name.size() > ending.size() && name.ends_with(ending)) {
      if (const auto number = parse_integer(name.substr(0, name.size() - ending.size()))) {
        out.push_back(*number);
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string log_path(const std::string& checkpoint, std::int64_t first_batch) {
  return fmt::format("{}/log/{:012}.log", checkpoint, first_batch);
}

std::string snapshot_path(const std::string& checkpoint, std::int64_t batch) {
  return fmt::format("{}/snapshots/{:012}.snapshot", checkpoint, batch);
}

std::int64_t size_of(const std::string& path) {
  std::error_code ignored;  // the file may have gone since it was listed
  const auto size = std::filesystem::file_size(path, ignored);
  return ignored ? 0 : static_cast<std::int64_t>(size);
}

namespace {

std::int64_t rebuilds(const Json& description) {
  const auto rebuilt = description.value("rebuilt", Json());
  return rebuilt.is_object() ? rebuilt.value("count", std::int64_t{0}) : 0;
}

/// Takes over what the newest snapshot says, if it is that of a rebuild that is not known yet.
bool catch_up(const std::string& checkpoint, Json& description) {
  const auto snapshots = numbered(checkpoint + "/snapshots", ".snapshot");
  if (snapshots.empty()) {
    return false;
  }
  RecordReader reader(snapshot_path(checkpoint, snapshots.back()));
  Record record;
  if (reader.next(record) != RecordReader::Result::record) {
    return false;
  }
  const auto header = parse_header(record, description.at("id"), reader.path());
  if (rebuilds(header) <= rebuilds(description)) {
    return false;
  }
  description["rebuilt"] = header.at("rebuilt");
  description["fingerprints"] = header.at("fingerprints");
  return true;
}

}  // namespace

std::optional<std::int64_t> rebuilt_after(const Json& description) {
  return rebuilds(description) == 0
             ? std::nullopt
             : std::optional(description.at("rebuilt").at("after").get<std::int64_t>());
}

Description read_description(const std::string& checkpoint, const std::string& pipeline) {
  const auto path = checkpoint + "/checkpoint.json";
  auto json = Json::parse(read_file(path), nullptr, false);
  if (!json.is_object() || !json.contains("id") || !json.contains("version")) {
    throw_damaged(path, 0, "it is not the description of a checkpoint");
  }
  if (json.at("version") != kCheckpointVersion) {
    throw Error(
        Blame::user,
        fmt::format("the checkpoint `{}` has format version {}, and this millrace reads "
                    "version {}; use the millrace that wrote it, or remove it to start over",
                    checkpoint, json.at("version").dump(), kCheckpointVersion));
  }
  const auto checksum = json.value("crc32c", Json());
  json.erase("crc32c");
  if (checksum != checksum_of(json)) {
    throw_damaged(path, 0, "its checksum does not fit, so something changed it");
  }
  if (json.value("pipeline", "") != pipeline) {
    throw Error(Blame::user,
                fmt::format("the checkpoint `{}` is that of pipeline {}, not of {}; give this "
                            "pipeline another `checkpoint: path`",
                            checkpoint, json.value("pipeline", "?"), pipeline));
  }
  const bool ahead = catch_up(checkpoint, json);
  return {std::move(json), ahead};
}

std::string checksum_of(const Json& description) {
  return fmt::format("{:08x}", crc32c(description.dump()));
}

std::string offsets_payload(const LoggedBatch& batch) {
  return Json{{"batch", batch.batch},
              {"time_us", batch.time_us},
              {"sources", batch.slices},
              {"event_time", batch.event_time}}
      .dump();
}

LoggedBatch parse_offsets(const Record& record, const std::string& path) {
  const auto json = Json::parse(record.payload, nullptr, false);
  if (!json.is_object() || !json.contains("time_us") || !json.contains("sources")) {
    throw_damaged(path, 0, fmt::format("the offsets of batch {} can't be read", record.batch));
  }
  return {record.batch, json.at("time_us"), json.at("sources").get<std::map<std::string, Json>>(),
          json.value("event_time", Json())};
}

std::string state_payload(const std::string& dataset, std::string_view piece) {
  std::string out = dataset;
  out += '\0';
  out += piece;
  return out;
}

void cut_state(std::string& payload, std::string& dataset) {
  const auto end = std::min(payload.find('\0'), payload.size());
  dataset = payload.substr(0, end);
  payload.erase(0, std::min(end + 1, payload.size()));
}

std::string header_payload(const std::string& id, const Json& more) {
  Json json = {{"version", kCheckpointVersion}, {"id", id}};
  json.update(more);
  return json.dump();
}

Json parse_header(const Record& record, const std::string& id, const std::string& path) {
  auto json = Json::parse(record.payload, nullptr, false);
  if (record.kind != Record::Kind::header || !json.is_object() || !json.contains("version")) {
    throw_damaged(path, 0, "it does not begin with a header");
  }
  if (json.at("version") != kCheckpointVersion) {
    throw Error(
        Blame::user,
        fmt::format("`{}` has format version {}, and this millrace reads version {}; use the "
                    "millrace that wrote it, or remove the checkpoint to start over",
                    path, json.at("version").dump(), kCheckpointVersion));
  }
  if (json.value("id", "") != id) {
    throw Error(Blame::user,
                fmt::format("`{}` belongs to another checkpoint; somebody has mixed the "
                            "files of two",
                            path));
  }
  return json;
}

void throw_damaged(const std::string& path, std::int64_t offset, const std::string& what) {
  throw Error(
      Blame::external,
      fmt::format("`{}` is damaged at byte {}: {}; restore the checkpoint folder from a copy, "
                  "or remove it to start over from the beginning of the sources",
                  path, offset, what));
}

}  // namespace millrace::checkpoint_files
