// UUIDs as Type::Id::uuid keeps them: their 128 bits, of which the highest is flipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/int128.h"

namespace millrace {

/// A UUID out of its 16 bytes.
[[nodiscard]] Int128 uuid_of(std::string_view bytes) noexcept;

enum class UuidHyphens : std::uint8_t { required, optional };
/// A UUID out of "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", in letters of any case; nullopt: it is
/// none. Hyphens: all four or, if `optional`, none.
[[nodiscard]] std::optional<Int128> parse_uuid(
    std::string_view text, UuidHyphens hyphens = UuidHyphens::required) noexcept;
/// The same 36 characters back, in small letters.
[[nodiscard]] std::string uuid_text(Int128 uuid);

}  // namespace millrace
