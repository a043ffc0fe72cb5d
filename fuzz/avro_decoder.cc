#include "formats/avro/decoder.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "formats/avro/columns.h"
#include "formats/avro/encoder.h"
#include "formats/avro/resolve.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using avro::AvroSchema;
using Writer = std::shared_ptr<const AvroSchema>;

constexpr std::array kSchemas{
    // What an encoder writes, too.
    R"({"type":"record","name":"Flat","fields":[
      {"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},
      {"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"s","type":"string"},
      {"name":"raw","type":"bytes"},{"name":"n","type":["null","long"]},
      {"name":"m","type":["string","null"]},
      {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
      {"name":"x","type":{"type":"fixed","name":"X","size":3}}]})",
    R"({"type":"record","name":"Logical","fields":[
      {"name":"date","type":{"type":"int","logicalType":"date"}},
      {"name":"tm","type":{"type":"int","logicalType":"time-millis"}},
      {"name":"tu","type":{"type":"long","logicalType":"time-micros"}},
      {"name":"sm","type":{"type":"long","logicalType":"timestamp-millis"}},
      {"name":"su","type":{"type":"long","logicalType":"timestamp-micros"}},
      {"name":"sn","type":{"type":"long","logicalType":"timestamp-nanos"}},
      {"name":"lm","type":{"type":"long","logicalType":"local-timestamp-millis"}},
      {"name":"lu","type":{"type":"long","logicalType":"local-timestamp-micros"}},
      {"name":"db","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
      {"name":"df","type":{"type":"fixed","name":"D","size":16,"logicalType":"decimal",
                           "precision":38,"scale":9}},
      {"name":"us","type":{"type":"string","logicalType":"uuid"}},
      {"name":"uf","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}},
      {"name":"du","type":{"type":"fixed","name":"I","size":12,"logicalType":"duration"}}]})",
    R"({"type":"record","name":"Nested","fields":[
      {"name":"list","type":{"type":"array","items":["null","string"]}},
      {"name":"lists","type":{"type":"array","items":{"type":"array","items":"long"}}},
      {"name":"map","type":{"type":"map","values":{"type":"array","items":"int"}}},
      {"name":"row","type":["null",{"type":"record","name":"Inner","fields":[
        {"name":"x","type":"double"},{"name":"maps","type":{"type":"map","values":"bytes"}}]}]},
      {"name":"again","type":{"type":"array","items":"Inner"}}]})",
    R"({"type":"record","name":"Unions","fields":[
      {"name":"u","type":["null","long","string",{"type":"array","items":"long"}]},
      {"name":"v","type":{"type":"array","items":["int",{"type":"record","name":"P","fields":[
        {"name":"a","type":"string"}]},{"type":"enum","name":"Q","symbols":["Y","N"]}]}},
      {"name":"w","type":["double"]},{"name":"after","type":"string"}]})",
    // Values without bytes, of which a few bytes can claim any number.
    R"({"type":"record","name":"Empty","fields":[
      {"name":"nulls","type":{"type":"array","items":"null"}},
      {"name":"rows","type":{"type":"array","items":{"type":"record","name":"Z","fields":[
        {"name":"a","type":"null"},{"name":"b","type":{"type":"fixed","name":"F0","size":0}}]}}},
      {"name":"nested","type":{"type":"array","items":{"type":"array","items":"null"}}}]})",
};

const std::vector<Writer>& our_schemas() {
  static const std::vector<Writer> kParsed = [] {
    std::vector<Writer> parsed;
    parsed.reserve(kSchemas.size());
    for (const char* const schema : kSchemas) {
      parsed.push_back(std::make_shared<const AvroSchema>(avro::parse_schema(schema)));
    }
    return parsed;
  }();
  return kParsed;
}

/// The writer's schema that the input begins with; null: it is none.
Writer take_schema(std::string_view& input) {
  if (!input.empty() && std::string_view("{[\"").contains(input.front())) {
    const std::string_view json = take_until('\0', input);
    return unless_refused(
               [&] { return std::make_shared<const AvroSchema>(avro::parse_schema(json)); })
        .value_or(nullptr);
  }
  return our_schemas()[take_byte(input) % our_schemas().size()];
}

/// Records one after the other, as in a block of a file.
void read_one_by_one(avro::Decoder& decoder, OneRow& row, std::string_view records) {
  constexpr int kRecordsMax = 1'000;  // those without bytes would never end
  for (int i = 0; i < kRecordsMax && !records.empty(); i++) {
    const std::size_t before = records.size();
    const Outcome outcome = row.read_by([&] { return decoder.decode_next(records, 0); });
    expect(records.size() <= before, "a record took bytes that are not there");
    if (outcome.row.empty()) {
      break;
    }
  }
}

/// What an encoder writes is read as the same row; nested columns can't be written yet.
void check_round_trip(const Writer& writer, const Schema& schema, OneRow& row,
                      const std::string& before) {
  const auto encoder =
      unless_refused([&] { return std::make_unique<avro::Encoder>(*writer, schema); });
  const auto record = encoder ? encoded(**encoder, row.columns()) : std::nullopt;
  if (record) {
    avro::Decoder decoder(avro::resolve(writer));
    const Outcome after = OneRow(decoder, schema).read(*record);
    expect(after.row == before,
           "another row is read than was written:\n" + before + "\n" + after.row + after.reason);
  }
}

}  // namespace

void avro_decoder(std::string_view input) {
  const Writer writer = take_schema(input);
  const auto plan = writer ? unless_refused([&] { return avro::resolve(writer); }) : std::nullopt;
  if (!plan) {
    return;
  }
  // A few bytes can claim any number of values without bytes, and each row is written as JSON. A
  // schema of the input's choice may be wide, too.
  const bool is_ours = std::ranges::find(our_schemas(), writer) != our_schemas().end();
  const avro::Limits limits{.elements = is_ours ? std::size_t{1'000} : std::size_t{100}};
  const Schema schema = avro::columns_of(*writer);
  avro::Decoder decoder(*plan, limits);
  OneRow row(decoder, schema);
  const Exact record(input);
  const Outcome first = row.read_by([&] { return decoder.decode(record.view(), 0); });
  expect_same(first, row.read(record.view()), "another row at the second time");
  if (!first.row.empty()) {
    check_round_trip(writer, schema, row, first.row);
  }
  read_one_by_one(decoder, row, record.view());

  avro::Decoder declared(avro::resolve(writer, schema), limits);
  expect_same(first, OneRow(declared, schema).read(record.view()), "declared columns differ");
  avro::Decoder jumper(*plan);
  const std::vector<ColumnWriter*> nobody(schema.size(), nullptr);
  jumper.begin(nobody);
  const auto unread = jumper.decode(record.view(), 0);
  expect(first.row.empty() || !unread, "malformed only when nobody reads it");
}

}  // namespace millrace::fuzz
