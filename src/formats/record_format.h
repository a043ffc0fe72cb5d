// The formats of records, as sources and sinks declare them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "core/connector.h"
#include "core/format.h"
#include "formats/json/decoder.h"

namespace millrace::formats {

enum class Kind : std::uint8_t { raw, json, avro };

/// The options of how records become rows.
struct DecodingOptions {
  Kind kind = Kind::raw;
  std::string schema;
  std::string schema_file;
  json::DecoderOptions json;
  OnMalformed on_malformed = OnMalformed::quarantine;

  /// As options of a source that has them as a member.
  template <class T>
  [[nodiscard]] static std::vector<Option<T>> options(DecodingOptions T::* member);
};

/// How records become rows: the columns, and what fills them; nothing does for raw records.
struct Decoding {
  Schema schema;
  std::function<std::unique_ptr<RecordDecoder>()> make;
};
/// `declared`: the columns that the options name; empty: they name none. `schema_json`: what is in
/// `schema_file`. Throws Error (the user's) for what does not fit.
[[nodiscard]] Decoding make_decoding(const DecodingOptions& options, const Schema& declared,
                                     std::string_view schema_json);

/// The options of how rows become records.
struct EncodingOptions {
  Kind kind = Kind::raw;
  std::string schema_file;
  std::string record_name = "Row";

  template <class T>
  [[nodiscard]] static std::vector<Option<T>> options(EncodingOptions T::* member);
};

/// nullptr for raw records. Throws Error (the user's) for columns that do not fit.
[[nodiscard]] std::unique_ptr<RecordEncoder> make_encoder(const EncodingOptions& options,
                                                          const Schema& schema,
                                                          std::string_view schema_json);

}  // namespace millrace::formats

namespace millrace {

template <>
struct EnumNames<formats::Kind> {
  static constexpr EnumWord<formats::Kind> kWords[] = {
      {formats::Kind::raw, "raw"}, {formats::Kind::json, "json"}, {formats::Kind::avro, "avro"}};
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
                "What records are: raw, bytes that are not looked at; json, one object each; or "
                "avro, one record of the binary encoding."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema; }, "schema",
                "The columns of records, as in CREATE TABLE. With Avro it may be left out: then "
                "they are the fields."}
          .example("id BIGINT, amount DECIMAL(12,2), created_at TIMESTAMP"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema_file; }, "schema_file",
                "Avro: a file with the schema that records were written with (.avsc)."}
          .path(),
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

template <class T>
std::vector<Option<T>> formats::EncodingOptions::options(EncodingOptions T::* member) {
  return {
      Option<T>{[member](T& o) -> auto& { return (o.*member).kind; }, "format",
                "What records are: raw, the bytes of a column `value`; json, one object each; or "
                "avro, one record of the binary encoding."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema_file; }, "schema_file",
                "Avro: a file with the schema to write with (.avsc). Without it, it is made from "
                "the columns, each of which may be null."}
          .path(),
      Option<T>{[member](T& o) -> auto& { return (o.*member).record_name; }, "record_name",
                "Avro: the record's full name in a schema that is made."}
          .example("com.example.Order"),
  };
}

}  // namespace millrace
