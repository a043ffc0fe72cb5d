#include "formats/record_format.h"

#include <fmt/format.h>

#include <utility>

#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/encoder.h"
#include "formats/avro/framing.h"
#include "formats/avro/reading.h"
#include "formats/avro/resolve.h"
#include "formats/avro/value_record.h"
#include "formats/csv/decoder.h"
#include "formats/csv/encoder.h"
#include "formats/csv/text.h"
#include "formats/debezium/avro_decoder.h"
#include "formats/debezium/avro_plans.h"
#include "formats/debezium/json_decoder.h"
#include "formats/json/encoder.h"
#include "formats/rescue_decoder.h"

namespace millrace::formats {

namespace {

bool is_framed(const std::optional<Framing>& framing) { return framing == Framing::confluent; }

/// Takes the number of a schema away from records that say themselves what they are.
class UnframedDecoder final : public RecordDecoder {
 public:
  explicit UnframedDecoder(std::unique_ptr<RecordDecoder> inner) : inner_(std::move(inner)) {}
  void begin(std::span<ColumnWriter* const> columns) override { inner_->begin(columns); }
  std::optional<Malformation> decode(std::string_view record, std::size_t row) override {
    const auto frame = avro::parse_frame(record);
    return frame ? inner_->decode(frame->body, row)
                 : Malformation{.column = "", .reason = std::string(avro::no_frame(record))};
  }

 private:
  std::unique_ptr<RecordDecoder> inner_;
};

/// Writes the number of the schema before each record.
class FramedEncoder final : public RecordEncoder {
 public:
  FramedEncoder(std::unique_ptr<RecordEncoder> inner, std::uint32_t id) : inner_(std::move(inner)) {
    avro::write_frame(id, frame_);
  }
  std::optional<Malformation> encode(const Chunk& rows, std::size_t row, std::string& to) override {
    const auto before = to.size();
    to += frame_;
    auto why = inner_->encode(rows, row, to);
    if (why) {
      to.resize(before);
    }
    return why;
  }

 private:
  std::unique_ptr<RecordEncoder> inner_;
  std::string frame_;
};

/// What has no names of its own for columns needs them declared.
void check_declared(const DecodingInputs& inputs, std::string_view format) {
  if (inputs.declared.empty()) {
    throw Error(Blame::user,
                fmt::format("`{0}format: {1}` needs a `{0}schema`: the columns of the records, "
                            "such as `{0}schema: id BIGINT, name VARCHAR`{2}",
                            inputs.prefix, format,
                            format == "json" ? "; `millrace infer` makes one from samples" : ""));
  }
}

Decoding string_decoding(const DecodingInputs& inputs) {
  Schema schema = inputs.declared;
  if (schema.empty()) {
    schema.columns.push_back({inputs.value_column, "VARCHAR", Physical::string});
  }
  (void)csv::TextDecoder(schema);  // once now, for what it refuses
  return {schema, [schema] { return std::make_unique<csv::TextDecoder>(schema); }};
}

Decoding csv_decoding(const DecodingOptions& options, const DecodingInputs& inputs) {
  check_declared(inputs, "csv");
  (void)csv::Decoder(inputs.declared, options.csv);  // once now, for what it refuses
  return {inputs.declared, [schema = inputs.declared, csv = options.csv] {
            return std::make_unique<csv::Decoder>(schema, csv);
          }};
}

Decoding json_decoding(const DecodingOptions& options, const DecodingInputs& inputs) {
  check_declared(inputs, "json");
  const Schema& declared = inputs.declared;
  auto json = options.json;
  json.refuse_unknown = options.on_schema_change == OnSchemaChange::fail;
  (void)json::Decoder(declared, json);  // once now, for what it refuses
  const bool framed = is_framed(options.framing);
  if (options.envelope == Envelope::debezium) {
    return {.schema = declared, .make_changes = [declared, framed, json] {
              return std::make_unique<debezium::JsonChangeDecoder>(declared, json, framed);
            }};
  }
  return {declared, [declared, framed, json]() -> std::unique_ptr<RecordDecoder> {
            auto decoder = std::make_unique<json::Decoder>(declared, json);
            if (framed) {
              return std::make_unique<UnframedDecoder>(std::move(decoder));
            }
            return decoder;
          }};
}

avro::SharedSchema parsed(std::string_view schema_json) {
  return std::make_shared<const avro::AvroSchema>(avro::parse_schema(schema_json));
}

avro::SharedSchema as_record(const avro::SharedSchema& schema, const DecodingInputs& inputs) {
  return avro::as_record(schema, inputs.declared, inputs.value_column, inputs.prefix + "schema");
}

/// Change events in Avro, of one schema (EventPlans) or framed.
template <class Plans>
Decoding change_decoding(const Plans& plans, const Schema& columns) {
  return {.schema = columns, .make_changes = [plans, columns] {
            return std::make_unique<debezium::AvroChangeDecoder>(plans, columns);
          }};
}

/// All records are of one writer's schema.
Decoding avro_decoding(const DecodingOptions& options, const DecodingInputs& inputs) {
  if (inputs.schema_json.empty()) {
    throw Error(Blame::user,
                fmt::format("`{0}format: avro` needs a `{0}schema_file` with the schema that the "
                            "records were written with, or a `schema_registry` in the connection",
                            inputs.prefix));
  }
  const auto& declared = inputs.declared;
  if (options.envelope == Envelope::debezium) {
    const auto events = parsed(inputs.schema_json);
    const auto columns = declared.empty() ? debezium::columns_of_events(*events) : declared;
    return change_decoding(debezium::plans_of(events, columns), columns);
  }
  const auto writer = as_record(parsed(inputs.schema_json), inputs);
  const auto plan = declared.empty() ? avro::resolve(writer) : avro::resolve(writer, declared);
  return {declared.empty() ? avro::columns_of(*writer) : declared,
          [plan] { return std::make_unique<avro::Decoder>(plan); }};
}

/// Change events of which each names its writer's schema.
Decoding framed_change_decoding(const avro::Wanted& wanted, avro::NumberedSchemas& registry) {
  const auto columns =
      avro::stream_columns(wanted, [&] { return debezium::columns_of_events(*wanted.reader); });
  const auto plans =
      debezium::plans_of(registry, columns.all, columns.known, [&](avro::Plans::Resolve resolve) {
        return framed_plans(registry, avro::reading_by(std::move(resolve), wanted, columns));
      });
  return change_decoding(plans, columns.all);
}

/// Each record names its writer's schema.
Decoding framed_avro_decoding(const DecodingOptions& options, const DecodingInputs& inputs) {
  if (!inputs.declared.empty() && !inputs.schema_json.empty()) {
    throw Error(Blame::user,
                fmt::format("with `{0}framing: confluent` either `{0}schema` or `{0}schema_file` "
                            "says what the columns are; leave one of them out",
                            inputs.prefix));
  }
  const avro::Wanted wanted{
      .declared = inputs.declared,
      .reader = inputs.schema_json.empty() ? inputs.latest : parsed(inputs.schema_json),
      .on_change = options.on_schema_change.value_or(OnSchemaChange::ignore),
      .rescue_column = options.json.rescue_column,
      .so_far = inputs.so_far,
      .grow = inputs.grow,
      .value_column = inputs.value_column,
      .schema_option = inputs.prefix + "schema"};
  if (options.envelope == Envelope::debezium) {
    return framed_change_decoding(wanted, *inputs.registry);
  }
  const auto reading = avro::make_reading(wanted);
  return {reading.columns,
          [plans = framed_plans(*inputs.registry, reading)] { return make_framed_decoder(plans); }};
}

}  // namespace

bool needs_latest(const DecodingOptions& options) {
  return options.kind == Kind::avro && is_framed(options.framing) && options.schema.empty() &&
         options.schema_file.empty();
}

Decoding make_decoding(const DecodingOptions& options, const DecodingInputs& inputs) {
  switch (options.kind) {
    case Kind::raw:
      break;
    case Kind::string:
      return string_decoding(inputs);
    case Kind::json:
      return json_decoding(options, inputs);
    case Kind::csv:
      return csv_decoding(options, inputs);
    case Kind::avro:
      return is_framed(options.framing) ? framed_avro_decoding(options, inputs)
                                        : avro_decoding(options, inputs);
  }
  return {};
}

avro::SharedSchema writer_schema(const EncodingOptions& options, const Schema& columns,
                                 std::string_view schema_json) {
  return schema_json.empty() ? std::make_shared<const avro::AvroSchema>(
                                   avro::record_schema(columns, options.record_name))
                             : parsed(schema_json);
}

std::unique_ptr<RecordEncoder> make_encoder(const EncodingOptions& options, const Schema& columns,
                                            const avro::SharedSchema& writer,
                                            std::optional<std::uint32_t> id) {
  std::unique_ptr<RecordEncoder> encoder;
  switch (options.kind) {
    case Kind::raw:
      break;
    case Kind::string:
      return std::make_unique<csv::TextEncoder>(columns);
    case Kind::json:
      return std::make_unique<json::Encoder>(columns, json::EncoderOptions{});
    case Kind::csv:
      return std::make_unique<csv::Encoder>(columns, options.csv);
    case Kind::avro:
      encoder = std::make_unique<avro::Encoder>(*writer, columns);
      break;
  }
  return id ? std::make_unique<FramedEncoder>(std::move(encoder), *id) : std::move(encoder);
}

}  // namespace millrace::formats
