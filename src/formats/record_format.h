// The formats of records, as sources and sinks declare them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "core/connector.h"
#include "core/format.h"
#include "formats/avro/plans.h"
#include "formats/csv/options.h"
#include "formats/debezium/change_decoder.h"
#include "formats/json/decoder.h"
#include "formats/schema_change.h"

namespace millrace::formats {

enum class Kind : std::uint8_t { raw, json, avro, string, csv };

/// What comes before a record in its message.
enum class Framing : std::uint8_t {
  none,
  confluent,  ///< the number of its schema in a registry (avro/framing.h)
};

/// What a record is about its row.
enum class Envelope : std::uint8_t {
  none,      ///< the record is the row
  debezium,  ///< a change of the row (debezium/change_decoder.h)
};

/// The options of how records become rows.
struct DecodingOptions {
  Kind kind = Kind::raw;
  Envelope envelope = Envelope::none;
  std::string schema;
  std::string schema_file;
  std::optional<Framing> framing;
  std::string subject;
  json::DecoderOptions json;
  csv::Options csv;
  OnMalformed on_malformed = OnMalformed::quarantine;
  std::string corrupt_record_column;
  std::optional<OnSchemaChange> on_schema_change;

  /// As options of a source that has them as a member.
  template <class T>
  [[nodiscard]] static std::vector<Option<T>> options(DecodingOptions T::* member);
};

/// How records become rows: the columns, and what fills them; nothing does for raw records.
struct Decoding {
  Schema schema;
  std::function<std::unique_ptr<RecordDecoder>()> make;  ///< empty: records are raw, or changes
  std::function<std::unique_ptr<debezium::ChangeDecoder>()> make_changes;  ///< of change events
};
/// What the options name, fetched.
struct DecodingInputs {
  Schema declared;                            ///< the columns of `schema`; empty: it names none
  std::string schema_json;                    ///< what is in `schema_file`
  avro::NumberedSchemas* registry = nullptr;  ///< of framed records; outlives what is made
  avro::SharedSchema latest;  ///< of the subject; for framed records without other columns
  /// `add_columns`: the columns so far, in place of those of `latest`; empty: there are none yet.
  Schema so_far;
  /// `add_columns`: throws ColumnsGrew; gets all columns, and the new ones among them.
  std::function<void(const Schema& columns, const Schema& fresh)> grow;
  /// What the column is called of records that are one value: texts, Avro's strings and numbers.
  std::string value_column = "value";
  std::string prefix;  ///< of the options' names, for messages: "key_"
};
/// Throws Error (the user's) for what does not fit.
[[nodiscard]] Decoding make_decoding(const DecodingOptions& options, const DecodingInputs& inputs);
/// Whether the columns of framed records are to come from the subject's latest schema.
[[nodiscard]] bool needs_latest(const DecodingOptions& options);

/// The options of how rows become records.
struct EncodingOptions {
  Kind kind = Kind::raw;
  std::string schema_file;
  std::optional<Framing> framing;
  std::string subject;
  bool auto_register = true;
  std::string record_name = "Row";
  csv::Options csv;
  OnRefused on_refused = OnRefused::quarantine;

  template <class T>
  [[nodiscard]] static std::vector<Option<T>> options(EncodingOptions T::* member);
};

/// Avro: the schema that rows of these columns are written with: what `schema_file` has, or made of
/// the columns. Throws Error (the user's) for columns that it has no words for.
[[nodiscard]] avro::SharedSchema writer_schema(const EncodingOptions& options,
                                               const Schema& columns, std::string_view schema_json);

/// nullptr for raw records. `writer`: of Avro; `id`: its number, of framed records. Throws Error
/// (the user's) for columns that do not fit.
[[nodiscard]] std::unique_ptr<RecordEncoder> make_encoder(const EncodingOptions& options,
                                                          const Schema& columns,
                                                          const avro::SharedSchema& writer,
                                                          std::optional<std::uint32_t> id);

}  // namespace millrace::formats

namespace millrace {

template <>
struct EnumNames<formats::Kind> {
  static constexpr EnumWord<formats::Kind> kWords[] = {{formats::Kind::raw, "raw"},
                                                       {formats::Kind::string, "string"},
                                                       {formats::Kind::json, "json"},
                                                       {formats::Kind::csv, "csv"},
                                                       {formats::Kind::avro, "avro"}};
};

template <>
struct EnumNames<formats::Framing> {
  static constexpr EnumWord<formats::Framing> kWords[] = {
      {formats::Framing::none, "none"}, {formats::Framing::confluent, "confluent"}};
};

template <>
struct EnumNames<formats::Envelope> {
  static constexpr EnumWord<formats::Envelope> kWords[] = {
      {formats::Envelope::none, "none"}, {formats::Envelope::debezium, "debezium"}};
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
  std::vector<Option<T>> all = {
      Option<T>{[member](T& o) -> auto& { return (o.*member).kind; }, "format",
                "What records are: raw, bytes that are not looked at; string, a text each; json, "
                "one object each; csv, one line each, without a header; or avro, one record of "
                "the binary encoding."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).envelope; }, "envelope",
                "What a record is about its row: none, it is the row; or debezium, it is a change "
                "of the row of a table, with JSON or Avro. See docs/change-streams.md."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema; }, "schema",
                "The columns of records, as in CREATE TABLE. With Avro it may be left out: then "
                "they are the fields; and with `format: string`: then it is `value VARCHAR`."}
          .example("id BIGINT, amount DECIMAL(12,2), created_at TIMESTAMP"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema_file; }, "schema_file",
                "Avro: a file with a schema (.avsc): the one that records were written with; with "
                "`framing: confluent`, where each record names its own, the one to read them as."}
          .path(),
      Option<T>{[member](T& o) -> auto& { return (o.*member).framing; }, "framing",
                "What comes before each record: none, or confluent, a byte 0 and the number of its "
                "schema in the connection's `schema_registry`."}
          .default_text("confluent for Avro if there is a registry and no `schema_file`"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).subject; }, "subject",
                "Avro with `framing: confluent`: whose latest schema says what the columns are, if "
                "neither `schema` nor `schema_file` does."}
          .default_text("<topic>-value"),
      Option<T>{
          [member](T& o) -> auto& { return (o.*member).on_malformed; }, "on_malformed",
          "What to do with a record that does not fit: quarantine puts it aside with its "
          "bytes, place and the reason; permissive gives a row of NULLs; drop only counts it; "
          "fail stops the pipeline."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).corrupt_record_column; },
                "corrupt_record_column",
                "With `on_malformed: permissive`: a BLOB column more, of the bytes of records that "
                "do not fit; NULL in other rows."}
          .example("_corrupt_record"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).on_schema_change; },
                "on_schema_change",
                "JSON, Avro: what to do with fields of records that the columns do not have: "
                "ignore leaves them out; fail ends the pipeline before anything of their batch is "
                "committed; add_columns, for Avro whose columns come from a registry, makes them "
                "columns; "
                "rescue keeps them in `rescue_column`. See docs/schema-evolution.md."}
          .default_text("rescue with a `rescue_column`, else ignore"),
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
                "JSON, Avro: a VARCHAR column for all fields that are no columns, as one JSON "
                "object; one of `schema`, or, where the columns are not declared, one more."}
          .example("_rescued"),
  };
  std::ranges::move(
      csv::Options::options<T>([member](T& o) -> csv::Options& { return (o.*member).csv; }),
      std::back_inserter(all));
  return all;
}

template <class T>
std::vector<Option<T>> formats::EncodingOptions::options(EncodingOptions T::* member) {
  std::vector<Option<T>> all = {
      Option<T>{[member](T& o) -> auto& { return (o.*member).kind; }, "format",
                "What records are: raw, the bytes of a column `value`; string, the one column as "
                "text; json, one object each; csv, one line each, without a line end; or avro, one "
                "record of the binary encoding."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).schema_file; }, "schema_file",
                "Avro: a file with the schema to write with (.avsc). Without it, it is made from "
                "the columns, each of which may be null."}
          .path(),
      Option<T>{[member](T& o) -> auto& { return (o.*member).framing; }, "framing",
                "What comes before each record: none, or confluent, a byte 0 and the number of its "
                "schema in the connection's `schema_registry`."}
          .default_text("confluent for Avro if there is a registry"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).subject; }, "subject",
                "Avro with `framing: confluent`: where the schema is registered."}
          .default_text("<topic>-value"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).auto_register; },
                "auto_register_schemas",
                "Avro with `framing: confluent`: register the schema under the subject; the "
                "registry refuses one that is not compatible with those before. false: write with "
                "the subject's latest schema."},
      Option<T>{[member](T& o) -> auto& { return (o.*member).record_name; }, "record_name",
                "Avro: the record's full name in a schema that is made."}
          .example("com.example.Order"),
      Option<T>{[member](T& o) -> auto& { return (o.*member).on_refused; }, "on_refused",
                "What to do with a row that can't be written: quarantine puts it aside with the "
                "reason, in the checkpoint's folder `refused`; drop only counts it; fail stops the "
                "pipeline."},
  };
  std::ranges::move(
      csv::Options::options<T>([member](T& o) -> csv::Options& { return (o.*member).csv; }),
      std::back_inserter(all));
  return all;
}

}  // namespace millrace
