#include "control/segments.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/checkpoint/record.h"

namespace millrace::control {
namespace {

/// So many files hold what is to be kept: that much more is there until the oldest goes.
constexpr std::int64_t kSegments = 8;

}  // namespace

Segments::Segments(Options options, const Visit& visit) : options_(std::move(options)) {
  make_folders(options_.folder, false);
  const auto prefix = options_.name + "-";
  for (const auto& file : list_folder(options_.folder)) {
    if (!file.starts_with(prefix) || !file.ends_with(".log")) {
      continue;
    }
    const std::string_view digits(file.data() + prefix.size(), file.size() - prefix.size() - 4);
    if (const auto number = parse_integer(digits)) {
      segments_.push_back({.number = *number});
    }
  }
  std::ranges::sort(segments_, {}, &Segment::number);
  for (auto& segment : segments_) {
    RecordReader reader(path_of(segment.number));
    Record record;
    auto result = reader.next(record);
    while (result != RecordReader::Result::end) {
      if (result == RecordReader::Result::damaged) {
        if (segment.number == segments_.back().number) {
          AppendFile(path_of(segment.number)).truncate(reader.offset());
          break;
        }
        if (!reader.skip_to_record(record)) {
          break;
        }
      }
      segment.records++;
      records_++;
      visit(record.batch, std::move(record.payload), {segment.number, reader.offset()});
      result = reader.next(record);
    }
  }
  if (segments_.empty()) {
    start_segment();
  } else {
    file_ = AppendFile(path_of(segments_.back().number));
  }
  drop_old();
}

std::string Segments::path_of(std::int64_t segment) const {
  return fmt::format("{}/{}-{:012}.log", options_.folder, options_.name, segment);
}

void Segments::start_segment() {
  const auto number = segments_.empty() ? 1 : segments_.back().number + 1;
  file_ = AppendFile(path_of(number));
  segments_.push_back({.number = number});
}

Segments::Place Segments::append(std::int64_t number, std::string_view payload) {
  const auto each = std::max<std::int64_t>(options_.records_max / kSegments, 1);
  if (segments_.back().records >= each || file_.size() >= options_.segment_bytes_max) {
    start_segment();
    drop_old();
  }
  std::string record;
  append_record(record, Record::Kind::history, number, payload);
  const Place place{segments_.back().number, file_.size()};
  file_.write(record);
  segments_.back().records++;
  records_++;
  return place;
}

void Segments::drop_old() {
  while (segments_.size() > 1 && records_ - segments_.front().records >= options_.records_max) {
    remove_file(path_of(segments_.front().number));
    records_ -= segments_.front().records;
    segments_.pop_front();
  }
}

std::optional<std::string> Segments::read(std::int64_t number, Place place) const {
  const auto path = path_of(place.segment);
  if (!exists(path)) {
    return std::nullopt;
  }
  RecordReader reader(path, place.offset);
  Record record;
  if (reader.next(record) != RecordReader::Result::record || record.batch != number) {
    return std::nullopt;
  }
  return std::move(record.payload);
}

}  // namespace millrace::control
