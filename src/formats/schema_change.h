// What a source does with fields of its records that its columns do not have.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/options.h"
#include "core/format.h"

namespace millrace::formats {

enum class OnSchemaChange : std::uint8_t { ignore, fail, add_columns, rescue };

/// Why a source can't do it, as the rest of a sentence, and the way out.
struct CannotChange {
  std::string text;
  std::string hint;
};
/// What a format or a connector has against it; nullopt: nothing.
using WhyNot = std::function<std::optional<CannotChange>(OnSchemaChange)>;

/// Columns of JSON can't be added.
[[nodiscard]] CannotChange json_has_no_types();

/// Sets `mode` by `rescue_column` if it is left to us. Reports what `why_not` has against it, and a
/// mode and a column that contradict each other; false: it did.
[[nodiscard]] bool settle_schema_change(std::optional<OnSchemaChange>& mode,
                                        std::string_view rescue_column, const WhyNot& why_not,
                                        const Location& at, Diagnostics& diagnostics,
                                        std::string_view what);

/// Ends a pipeline that is not to go on with such records.
class SchemaChange final : public Error {
 public:
  explicit SchemaChange(const std::string& text) : Error(Blame::user, text) {}
  /// For people. `place`: of the record; `way_out`: how to have the new fields as columns.
  SchemaChange(std::string_view place, const Malformation& why, std::string_view way_out);
};

}  // namespace millrace::formats

namespace millrace {

template <>
struct EnumNames<formats::OnSchemaChange> {
  using C = formats::OnSchemaChange;
  static constexpr EnumWord<C> kWords[] = {{C::ignore, "ignore"},
                                           {C::fail, "fail"},
                                           {C::add_columns, "add_columns"},
                                           {C::rescue, "rescue"}};
};

}  // namespace millrace
