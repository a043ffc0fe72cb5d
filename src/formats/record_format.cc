#include "formats/record_format.h"

#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/encoder.h"
#include "formats/avro/resolve.h"
#include "formats/json/encoder.h"

namespace millrace::formats {

namespace {

Decoding json_decoding(const DecodingOptions& options, const Schema& declared) {
  if (declared.empty()) {
    throw Error(Blame::user,
                "`format: json` needs a `schema`: the columns of the records, such as "
                "`schema: id BIGINT, name VARCHAR`");
  }
  (void)json::Decoder(declared, options.json);  // once now, for what it refuses
  return {declared, [declared, json = options.json] {
            return std::make_unique<json::Decoder>(declared, json);
          }};
}

Decoding avro_decoding(const Schema& declared, std::string_view schema_json) {
  if (schema_json.empty()) {
    throw Error(Blame::user,
                "`format: avro` needs a `schema_file` with the schema that the records were "
                "written with");
  }
  const auto writer = std::make_shared<const avro::AvroSchema>(avro::parse_schema(schema_json));
  const auto plan = declared.empty() ? avro::resolve(writer) : avro::resolve(writer, declared);
  return {declared.empty() ? avro::columns_of(*writer) : declared,
          [plan] { return std::make_unique<avro::Decoder>(plan); }};
}

}  // namespace

Decoding make_decoding(const DecodingOptions& options, const Schema& declared,
                       std::string_view schema_json) {
  switch (options.kind) {
    case Kind::raw:
      break;
    case Kind::json:
      return json_decoding(options, declared);
    case Kind::avro:
      return avro_decoding(declared, schema_json);
  }
  return {};
}

std::unique_ptr<RecordEncoder> make_encoder(const EncodingOptions& options, const Schema& schema,
                                            std::string_view schema_json) {
  switch (options.kind) {
    case Kind::raw:
      break;
    case Kind::json:
      return std::make_unique<json::Encoder>(schema, json::EncoderOptions{});
    case Kind::avro:
      return std::make_unique<avro::Encoder>(schema_json.empty()
                                                 ? avro::record_schema(schema, options.record_name)
                                                 : avro::parse_schema(schema_json),
                                             schema);
  }
  return nullptr;
}

}  // namespace millrace::formats
