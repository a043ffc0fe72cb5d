#include "engine/watermarks.h"

#include <fmt/format.h>

namespace millrace {
namespace {

bool can_tell_partition(Physical physical) {
  return physical == Physical::string || physical == Physical::i16 || physical == Physical::i32 ||
         physical == Physical::i64;
}

}  // namespace

void set_watermark(DatasetNode& node, const WatermarkSpec& watermark, const std::string& what,
                   Diagnostics& diagnostics) {
  const auto& schema = node.plan->schema();
  const int time = schema.find(watermark.column);
  const int partition = schema.find(watermark.partition);
  const auto fail = [&](const std::string& text, const std::string& hint) {
    diagnostics.error(watermark.at, fmt::format("watermark of {}: {}", what, text), hint);
  };
  const auto is_time = [](const std::string& type) {
    return type == "TIMESTAMP" || type == "TIMESTAMP WITH TIME ZONE";
  };
  if (node.plan->shape() != sql::Shape::stream) {
    fail("it is a table, whose rows change; only streams have a watermark", "remove it");
  } else if (time < 0) {
    fail(fmt::format("there is no column {}", watermark.column), "there is: " + schema.text());
  } else if (const auto& type = schema.columns[static_cast<std::size_t>(time)].type;
             !is_time(type)) {
    fail(fmt::format("{} is {}, and an event time is TIMESTAMP", watermark.column, type),
         "compute the TIMESTAMP in a dataset, and give that one the watermark");
  } else if (!watermark.partition.empty() && partition < 0) {
    fail(fmt::format("there is no column {}", watermark.partition), "there is: " + schema.text());
  } else if (partition >= 0 &&
             !can_tell_partition(schema.columns[static_cast<std::size_t>(partition)].physical)) {
    fail(fmt::format("{} can't tell partitions: it is neither a text nor a whole number",
                     watermark.partition),
         "use another column");
  } else {
    node.watermark = &watermark;
    node.time_column = static_cast<std::size_t>(time);
    node.partition_column = watermark.partition.empty() ? -1 : partition;
  }
}

EventTimes event_times_of(const DatasetNode& node) {
  auto times = node.plan->event_times();
  if (node.watermark != nullptr) {
    times[node.time_column] = {std::chrono::microseconds(node.watermark->delay).count()};
  }
  return times;
}

}  // namespace millrace
