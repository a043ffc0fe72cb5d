// What the server finds by itself of a pipeline, as alerts can watch it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/alert_metrics.h"

namespace millrace {

/// All kinds, in the order of the reference: their names, what they can be of, and when they are
/// so.
[[nodiscard]] std::span<const AlertMetric> alert_findings() noexcept;
[[nodiscard]] const AlertMetric* find_alert_finding(std::string_view name) noexcept;
[[nodiscard]] std::vector<std::string> alert_finding_names();

}  // namespace millrace
