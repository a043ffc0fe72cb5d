// Random types and values, for tests that what is written is read back.
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <string>

#include "core/chunk.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::testing {

/// Columns `c0`, `c1`, ... of types out of `leaves`, and of STRUCTs, LISTs and MAPs (with VARCHAR
/// keys) of them, up to `depth` in one another.
[[nodiscard]] Schema random_schema(std::span<const std::string> leaves, int depth,
                                   std::mt19937& random);

/// Fills row `row` of a column: NULLs at each level, empty lists, texts that are inlined and longer
/// ones. Times are whole milliseconds of the years 1700 to 2200, which all formats have words for.
void fill(ColumnWriter& to, const Type& type, std::size_t row, std::mt19937& random);

}  // namespace millrace::testing
