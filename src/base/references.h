// What a configuration file takes from outside itself: ${env:NAME}, ${env:NAME:-default}, and for
// secrets ${file:PATH}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/node.h"

namespace millrace {

/// The text of a scalar with each ${env:NAME} replaced by the variable's value, and each
/// ${env:NAME:-default} by its default where the variable is not set. `$${` stands for `${`.
/// Reports what cannot be replaced at its place and returns nullopt.
[[nodiscard]] std::optional<std::string> interpolate(const Node& scalar, Diagnostics& diagnostics);

/// Whether a text holds a reference, so that a value is not known from the file alone.
[[nodiscard]] bool has_reference(std::string_view text) noexcept;

}  // namespace millrace
