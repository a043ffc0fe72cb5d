// Values of results as JSON.
#pragma once

#include <optional>
#include <string>

#include "core/schema.h"
#include "spec/alert_template.h"

namespace millrace::control {

/// Whether values of a column are numbers, and not times.
[[nodiscard]] bool is_numeric(const Column& column);

/// A value, as sql::render() has it; numbers that JSON may not have exactly stay texts.
[[nodiscard]] OrderedJson json_value(const Column& column, const std::optional<std::string>& text);

}  // namespace millrace::control
