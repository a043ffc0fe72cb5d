#include <fmt/format.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/files.h"

namespace millrace {
namespace {

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

}  // namespace

CheckpointView view_checkpoint(const std::string& path) {
  using checkpoint_files::log_path;
  using checkpoint_files::numbered;
  using checkpoint_files::size_of;
  using checkpoint_files::snapshot_path;
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
    if (!exists(file)) {
      continue;  // a running pipeline has removed it since
    }
    view.logs.push_back({fmt::format("{:012}.log", first), size_of(file)});
    read_log(file, view);
  }
  return view;
}

}  // namespace millrace
