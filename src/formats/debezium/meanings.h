// What the values of fields mean beyond their JSON: the semantic types of Kafka Connect and
// Debezium, as a message's wrapper names them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/type.h"

namespace millrace::debezium {

struct Meaning {
  enum class Kind : std::uint8_t {
    plain,             ///< what the JSON says
    decimal,           ///< base64 of a two's complement number; `digits`: behind the point
    variable_decimal,  ///< an object of `scale` and the same
    date,              ///< days since 1970-01-01
    time,              ///< since midnight, in units of 10^-`digits` seconds
    zoned_time,        ///< "10:15:30Z": always in UTC
    timestamp,         ///< since 1970-01-01, in units of 10^-`digits` seconds
  };
  Kind kind = Kind::plain;
  int digits = 0;

  bool operator==(const Meaning&) const = default;
};

/// By the names of a record's fields; without those that are plain.
using Meanings = std::map<std::string, Meaning, std::less<>>;

/// What a schema (valid JSON) says of a record's fields. `part`: the record is this field of what
/// it describes; empty: it is the whole.
[[nodiscard]] Meanings read_meanings(std::string_view schema, std::string_view part);

/// Remembers what the schemas of the last messages said: a topic has few, and each message carries
/// one. Used by one thread.
class MeaningCache {
 public:
  /// Valid until the next call. An empty schema: all is plain.
  [[nodiscard]] const Meanings& find(std::string_view schema, std::string_view part);

 private:
  struct Known {
    std::string schema;
    std::string part;
    Meanings meanings;
  };
  std::vector<Known> known_;
  std::size_t known_bytes_ = 0;
  Meanings plain_;
};

/// Appends a value so that json::Decoder takes it right for a column of type `to`: decimals as
/// their digits; for DATE, TIME and TIMESTAMP, times as ISO 8601 has them, whatever their unit. A
/// column of another type gets times as they are written. `value`: valid JSON. Gives why it can't;
/// nullptr: it is done.
[[nodiscard]] const char* write_value(const Meaning& meaning, Type::Id to, std::string_view value,
                                      std::string& out);

}  // namespace millrace::debezium
