#include "spec/alert_findings.h"

#include <algorithm>
#include <array>

namespace millrace {
namespace {

constexpr AlertMetric finding(std::string_view name, std::uint8_t of, std::string_view doc) {
  return {.id = AlertMetric::Id::finding,
          .name = name,
          .unit = AlertUnit::none,
          .of = of,
          .counted = false,
          .doc = doc};
}

constexpr std::array kFindings = {
    finding("falling_behind", 0, "Batches in a row take longer than their trigger."),
    finding("lag_growing", kOfSource, "More comes than is read."),
    finding("watermark_held", kOfWatermark,
            "It, or a partition of it, holds the watermark back by a minute or more."),
    finding("state_growing", kOfDataset,
            "Its state grows from batch to batch, and has 16 MiB or more."),
    finding("check_failing", kOfCheck, "Rows of the last batch break it."),
    finding("late_rows_rising", kOfDataset, "More and more of its rows come too late."),
    finding("small_files", kOfSink, "It writes many files of less than 1 MiB."),
    finding("stuck", 0,
            "A batch takes ten times as long as any of late, and ten seconds or more: it may wait "
            "for a system that does not answer."),
    finding("retrying", 0, "A system is lost; the batch, or a sink of it, is tried again."),
    finding("failing", 0, "The last batch has failed, and will not be tried again."),
};

}  // namespace

std::span<const AlertMetric> alert_findings() noexcept { return kFindings; }

const AlertMetric* find_alert_finding(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kFindings, name, &AlertMetric::name);
  return found == kFindings.end() ? nullptr : found;
}

std::vector<std::string> alert_finding_names() {
  std::vector<std::string> names;
  names.reserve(kFindings.size());
  for (const AlertMetric& kind : kFindings) {
    names.emplace_back(kind.name);
  }
  return names;
}

}  // namespace millrace
