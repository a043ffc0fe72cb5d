// The formats of records, as sources and sinks declare them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "core/connector.h"
#include "core/format.h"
#include "formats/json/decoder.h"

namespace millrace::formats {

enum class Kind : std::uint8_t { raw, json };

/// The options of how records become rows.
struct DecodingOptions {
  Kind kind = Kind::raw;
  std::string schema;
  json::DecoderOptions json;
  OnMalformed on_malformed = OnMalformed::quarantine;

  /// As options of a source that has them as a member.
  template <class T>
  [[nodiscard]] static std::vector<Option<T>> options(DecodingOptions T::* member);
};

/// Makes decoders of records into the columns of a schema. Empty for raw records.
using DecoderFactory = std::function<std::unique_ptr<RecordDecoder>()>;
/// Throws Error if there can be none.
[[nodiscard]] DecoderFactory make_decoders(const DecodingOptions& options, const Schema& schema);

}  // namespace millrace::formats

namespace millrace {

template <>
struct EnumNames<formats::Kind> {
  static constexpr EnumWord<formats::Kind> kWords[] = {{formats::Kind::raw, "raw"},
                                                       {formats::Kind::json, "json"}};
};

template <>
struct EnumNames<json::TimestampUnit> {
  using U = json::TimestampUnit;
  static constexpr EnumWord<U> kWords[] = {{U::seconds, "s"},
                                           {U::milliseconds, "ms"},
                                           {U::microseconds, "us"},
                                           {U::nanoseconds, "ns"},
                                           {U::automatic, "auto"}};
};

template <class T>
std::vector<Option<T>> formats::DecodingOptions::options(DecodingOptions T::* member) {
  return {
      Option<T>{[member](T& o) -> auto& { return (o.*member).kind; }, "format",
                "What records are: raw, bytes that are not looked at; or json, one object each."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema; }, "schema",
                "The columns of records, as in CREATE TABLE."}
          .example("id BIGINT, amount DECIMAL(12,2), created_at TIMESTAMP"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).on_malformed; }, "on_malformed",
                "What to do with a record that does not fit: quarantine puts it aside with its "
                "bytes, place and the reason; drop only counts it; fail stops the pipeline."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).json.timestamp_unit; },
                "timestamp_unit",
                "JSON: what a number means where a time is wanted; auto goes by its size."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).json.numbers_in_strings; },
                "numbers_in_strings", "JSON: a number or a boolean may be a string of one."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).json.strict; }, "strict",
                "JSON: what is no string is malformed for VARCHAR, and so are digits that a "
                "DECIMAL does not have."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).json.ignore_case; }, "ignore_case",
                "JSON: a key that differs from a column's name in case alone counts, if the exact "
                "one is not there."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).json.rescue_column; }, "rescue_column",
                "JSON: a VARCHAR column of `schema` for all keys that are no columns, as one JSON "
                "object. Without it they are left out."},
  };
}

}  // namespace millrace
