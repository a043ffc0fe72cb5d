#include "engine/checkpoint/checkpoint.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/fault.h"
#include "base/log.h"
#include "engine/checkpoint/files.h"
#include "engine/checkpoint/recovery.h"

namespace millrace {
namespace {

using checkpoint_files::log_path;
using checkpoint_files::numbered;
using checkpoint_files::snapshot_path;

std::string new_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

FileLock take_lock(const std::string& path, bool sync, const std::string& pipeline) {
  make_folders(path + "/log", sync);
  make_folders(path + "/snapshots", sync);
  return {path + "/LOCK", "pipeline " + pipeline};
}

}  // namespace

Checkpoint::Checkpoint(Options options, const std::string& pipeline)
    : options_(std::move(options)),
      lock_(take_lock(options_.path, options_.sync, pipeline)),
      pipeline_(pipeline) {
  for (const auto& name : list_folder(options_.path + "/snapshots")) {
    if (name.ends_with(".tmp")) {  // a process died while it wrote one
      remove_file(options_.path + "/snapshots/" + name);
    }
  }
  const auto path = options_.path + "/checkpoint.json";
  if (exists(path)) {
    read_description();
    return;
  }
  if (!numbered(options_.path + "/log", ".log").empty()) {
    throw Error(Blame::external,
                fmt::format("`{}` is missing, but there are logs beside it; restore "
                            "the folder from a copy, or remove it to start over",
                            path));
  }
  id_ = new_id();
  created_ = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  write_description();
}

void Checkpoint::read_description() {
  const auto [json, ahead] = checkpoint_files::read_description(options_.path, pipeline_);
  id_ = json.at("id");
  created_ = json.value("created", "");
  fingerprints_ = json.value("fingerprints", Json());
  rebuilt_ = json.value("rebuilt", Json());
  if (ahead) {
    write_description();
  }
}

void Checkpoint::write_description() const {
  Json json = {{"version", kCheckpointVersion},
               {"id", id_},
               {"pipeline", pipeline_},
               {"created", created_},
               {"fingerprints", fingerprints_}};
  if (!rebuilt_.is_null()) {
    json["rebuilt"] = rebuilt_;
  }
  json["crc32c"] = checkpoint_files::checksum_of(json);
  write_file_atomically(options_.path + "/checkpoint.json", json.dump(2) + "\n", options_.sync);
}

void Checkpoint::set_fingerprints(const Json& fingerprints) {
  if (fingerprints_ != fingerprints) {
    fingerprints_ = fingerprints;
    write_description();
  }
}

std::vector<std::string> Checkpoint::just_rebuilt() const {
  const bool just = !rebuilt_.is_null() && rebuilt_.at("after") == last_committed_;
  return just ? rebuilt_.at("datasets").get<std::vector<std::string>>()
              : std::vector<std::string>();
}

Recovered Checkpoint::recover(const RecoveryVisitor& visitor) {
  const auto rebuilt_after = checkpoint_files::rebuilt_after({{"rebuilt", rebuilt_}});
  Recovery recovery(options_.path, id_, visitor, rebuilt_after);
  auto result = recovery.run();
  if (!result.torn_end.empty()) {
    Log().info("{}, as a crash leaves it, is dropped", result.torn_end);
  }
  last_committed_ = result.last_committed.value_or(-1);
  commits_ = result.replayed;
  base_snapshot_ = result.snapshot.value_or(-1);
  remove_unusable_snapshots();
  if (!recovery.last_segment()) {
    if (!fingerprints_.is_null()) {  // written only when there was a log
      throw Error(Blame::external,
                  fmt::format("`{}` is missing; restore the checkpoint folder from "
                              "a copy, or remove it to start over",
                              log_path(options_.path, 0)));
    }
    start_segment(0);
    return result;
  }
  segment_ = AppendFile(log_path(options_.path, *recovery.last_segment()));
  if (recovery.whole_bytes() < segment_.size()) {
    segment_.truncate(recovery.whole_bytes());
    if (options_.sync) {
      segment_.sync();
    }
  }
  if (segment_.size() == 0) {  // the process died while it made the file
    start_segment(*recovery.last_segment());
  }
  logged_bytes_ = segment_.size();
  return result;
}

/// The ones newer than the one that recovery used are damaged, and would else count as the
/// fall-back of the next one.
void Checkpoint::remove_unusable_snapshots() const {
  for (const auto batch : numbered(options_.path + "/snapshots", ".snapshot")) {
    if (batch > base_snapshot_) {
      remove_file(snapshot_path(options_.path, batch));
    }
  }
}

void Checkpoint::start_segment(std::int64_t first_batch) {
  segment_ = AppendFile(log_path(options_.path, first_batch));
  std::string header;
  append_record(header, Record::Kind::header, first_batch,
                checkpoint_files::header_payload(id_, Json::object()));
  segment_.write(header);
  if (options_.sync) {
    segment_.sync();
    fsync_folder(options_.path + "/log");
  }
  logged_bytes_ = 0;
}

void Checkpoint::log_offsets(const LoggedBatch& batch) {
  std::string record;
  append_record(record, Record::Kind::offsets, batch.batch,
                checkpoint_files::offsets_payload(batch));
  fault_point("checkpoint.offsets.before_write");
  segment_.write(record);
  if (options_.sync) {
    segment_.sync();
  }
  logged_bytes_ += static_cast<std::int64_t>(record.size());
  fault_point("checkpoint.offsets.after_sync");
}

void Checkpoint::append_state(std::string& states, std::int64_t batch, const std::string& dataset,
                              std::string_view piece) {
  append_record(states, Record::Kind::state, batch,
                checkpoint_files::state_payload(dataset, piece));
}

void Checkpoint::log_commit(std::int64_t batch, std::string states, const Json& summary) {
  append_record(states, Record::Kind::commit, batch, summary.dump());
  fault_point("checkpoint.commit.before_write");
  segment_.write(states);
  fault_point("checkpoint.commit.before_sync");
  if (options_.sync) {
    segment_.sync();
  }
  logged_bytes_ += static_cast<std::int64_t>(states.size());
  last_committed_ = batch;
  commits_++;
  fault_point("checkpoint.commit.after_sync");
}

std::int64_t Checkpoint::bytes_to_snapshot() const {
  const auto age = std::chrono::steady_clock::now() - last_snapshot_;
  return age >= options_.snapshot_interval
             ? 0
             : std::max<std::int64_t>(0, options_.snapshot_log_bytes - logged_bytes_);
}

void Checkpoint::write_snapshot(const std::map<std::string, Json>& positions,
                                const Json& event_time,
                                const std::function<void(const PutState& put)>& states) {
  check_snapshot(/*wait=*/true);
  auto aside = write_aside({{"positions", positions}, {"event_time", event_time}}, states);
  start_next_segment();
  commits_ = 0;
  last_snapshot_ = std::chrono::steady_clock::now();
  snapshot_ = std::async(std::launch::async, [this, aside = std::move(aside)]() mutable {
    put_in_place(aside);
    keep_two_snapshots();
  });
}

void Checkpoint::check_snapshot(bool wait) {
  const bool ended = snapshot_.valid() && (wait || snapshot_.wait_for(std::chrono::seconds(0)) ==
                                                       std::future_status::ready);
  if (ended) {
    snapshot_.get();
  }
}

void Checkpoint::keep_two_snapshots() const {
  const auto snapshots = numbered(options_.path + "/snapshots", ".snapshot");
  if (snapshots.size() > 1) {
    remove_before(snapshots[snapshots.size() - 2]);
  }
}

void Checkpoint::write_rebuilt(const std::map<std::string, Json>& positions, const Json& event_time,
                               const std::function<void(const PutState& put)>& states,
                               const Rebuilt& rebuilt) {
  const auto count = rebuilt_.is_null() ? 0 : rebuilt_.at("count").get<std::int64_t>();
  const Json note = {
      {"count", count + 1}, {"after", last_committed_}, {"datasets", rebuilt.datasets}};
  auto aside = write_aside({{"positions", positions},
                            {"event_time", event_time},
                            {"rebuilt", note},
                            {"fingerprints", rebuilt.fingerprints}},
                           states);
  start_next_segment();
  if (rebuilt.unfinished) {  // the log that it is in may go
    log_offsets(*rebuilt.unfinished);
  }
  put_in_place(aside);
  commits_ = 0;
  last_snapshot_ = std::chrono::steady_clock::now();
  rebuilt_ = note;
  fingerprints_ = rebuilt.fingerprints;
  write_description();
  fault_point("checkpoint.rebuilt.after_description");
  remove_before(last_committed_);
}

Checkpoint::Aside Checkpoint::write_aside(const Json& header,
                                          const std::function<void(const PutState& put)>& states) {
  const auto path = snapshot_path(options_.path, last_committed_) + ".tmp";
  remove_file(path);
  Aside aside{.file = AppendFile(path), .batch = last_committed_};
  std::string buffer;
  std::int64_t records = 1;
  append_record(buffer, Record::Kind::header, last_committed_,
                checkpoint_files::header_payload(id_, header));
  states([&](const std::string& dataset, std::string_view piece) {
    append_state(buffer, last_committed_, dataset, piece);
    records++;
    if (buffer.size() >= 4U << 20U) {
      aside.file.write(buffer);
      buffer.clear();
    }
  });
  append_record(buffer, Record::Kind::footer, last_committed_, std::to_string(records));
  aside.file.write(buffer);
  fault_point("checkpoint.snapshot.before_segment");
  return aside;
}

/// The log file that follows a snapshot is made first: then a snapshot without one means that the
/// log was lost. It is there if nothing was committed since the last snapshot.
void Checkpoint::start_next_segment() {
  const auto first = last_committed_ + 1;
  if (segment_.path() != log_path(options_.path, first)) {
    start_segment(first);
  }
}

void Checkpoint::put_in_place(Aside& aside) const {
  if (options_.sync) {
    aside.file.sync();
  }
  fault_point("checkpoint.snapshot.before_rename");
  rename_file(aside.file.path(), snapshot_path(options_.path, aside.batch));
  if (options_.sync) {
    fsync_folder(options_.path + "/snapshots");
  }
  fault_point("checkpoint.snapshot.after_rename");
}

/// Removes older snapshots than this one, and the log before it.
void Checkpoint::remove_before(std::int64_t snapshot) const {
  for (const auto batch : numbered(options_.path + "/snapshots", ".snapshot")) {
    if (batch < snapshot) {
      remove_file(snapshot_path(options_.path, batch));
      fault_point("checkpoint.remove_old");
    }
  }
  for (const auto first : numbered(options_.path + "/log", ".log")) {
    if (first <= snapshot) {
      remove_file(log_path(options_.path, first));
    }
  }
}

}  // namespace millrace
