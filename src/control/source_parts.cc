#include "control/source_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::control {
namespace {

bool is_range(const Json& value) {
  return value.is_array() && value.size() == 2 && value[0].is_number_integer() &&
         value[1].is_number_integer();
}

/// {"orders": {"0": ...}}: as sources with partitions have their offsets, and Lag its own.
bool has_partitions(const Json& offsets) {
  return offsets.is_object() && !offsets.empty() &&
         std::ranges::all_of(offsets, [](const Json& topic) {
           return topic.is_object() && !topic.empty() &&
                  std::ranges::all_of(topic, [](const Json& partition) {
                    return is_range(partition) || partition.is_number_integer();
                  });
         });
}

/// A value two levels down; nullptr: there is none.
const Json* find(const Json& json, const std::string& topic, const std::string& partition) {
  const auto outer = json.is_object() ? json.find(topic) : json.end();
  if (!json.is_object() || outer == json.end() || !outer->is_object()) {
    return nullptr;
  }
  const auto inner = outer->find(partition);
  return inner == outer->end() ? nullptr : &*inner;
}

void add_partitions(const SourceProgress& source, std::vector<SourcePart>& parts) {
  const auto& latest = source.lag ? source.lag->latest : source.offsets;
  const auto& all = has_partitions(latest) ? latest : source.offsets;
  for (const auto& [topic, partitions] : all.items()) {
    for (const auto& [number, place] : partitions.items()) {
      if (parts.size() >= kSourcePartsMax) {
        return;
      }
      SourcePart part{.name = fmt::format("{}/{}", topic, number)};
      if (const auto* range = find(source.offsets, topic, number);
          range != nullptr && is_range(*range)) {
        part.from = (*range)[0];
        part.to = (*range)[1];
      }
      if (source.lag && place.is_number_integer()) {
        part.head = place;
        const auto* behind = find(source.lag->behind, topic, number);
        if (part.to.is_null() && behind != nullptr && behind->is_number_integer()) {
          part.from = part.to = place.get<std::int64_t>() - behind->get<std::int64_t>();
        }
      }
      parts.push_back(std::move(part));
    }
  }
}

void add_whole(const SourceProgress& source, std::vector<SourcePart>& parts) {
  const auto& offsets = source.offsets;
  if (!offsets.is_object()) {
    return;
  }
  if (const auto files = offsets.find("files"); files != offsets.end() && files->is_array()) {
    parts.push_back({.name = "files", .from = 0, .to = files->size()});
    return;
  }
  const auto to = offsets.find("to");
  if (to != offsets.end() && (to->is_number() || to->is_string())) {
    const auto from = offsets.value("from", Json());
    parts.push_back({.name = "all", .from = from.is_structured() ? Json() : from, .to = *to});
  }
}

/// Whether a partition of a watermark, which is a value of a column, means this part.
bool means(const std::string& value, const SourcePart& part) {
  return part.name == value || part.name.ends_with("/" + value);
}

void add_watermarks(const WatermarkProgress& mark, std::vector<SourcePart>& parts) {
  const auto places = parts.size();
  for (const auto& partition : mark.partitions) {
    const auto at = partition.newest_us - mark.delay_us;
    bool found = partition.name.empty();
    for (std::size_t i = 0; i < places; i++) {
      if (partition.name.empty() || means(partition.name, parts[i])) {
        parts[i].watermark_us = at;
        parts[i].active_us = partition.active_us;
        found = true;
      }
    }
    if (!found && (parts.size() < kSourcePartsMax || partition.name == mark.partition)) {
      parts.push_back(
          {.name = partition.name, .watermark_us = at, .active_us = partition.active_us});
    }
  }
}

}  // namespace

std::vector<SourcePart> parts_of(const SourceProgress& source, const WatermarkProgress* watermark) {
  std::vector<SourcePart> parts;
  if (has_partitions(source.offsets) || (source.lag && has_partitions(source.lag->latest))) {
    add_partitions(source, parts);
  } else {
    add_whole(source, parts);
  }
  if (watermark != nullptr) {
    add_watermarks(*watermark, parts);
  }
  return parts;
}

const WatermarkProgress* watermark_of(const BatchProgress& batch, std::string_view name) {
  const auto found = std::ranges::find(batch.watermarks, name, &WatermarkProgress::name);
  return found == batch.watermarks.end() ? nullptr : &*found;
}

}  // namespace millrace::control
