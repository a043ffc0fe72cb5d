#include "formats/avro/framing.h"

#include <array>
#include <memory>

#include "base/error.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/resolve.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using avro::AvroSchema;
using Shared = std::shared_ptr<const AvroSchema>;

// What a topic holds after its schema has changed twice.
constexpr std::array kSchemas{
    R"({"type":"record","name":"R","fields":[{"name":"id","type":"int"}]})",
    R"({"type":"record","name":"R","fields":[{"name":"id","type":"long"},
      {"name":"tags","type":{"type":"array","items":"string"}}]})",
    R"({"type":"record","name":"R","fields":[{"name":"name","type":["null","string"]},
      {"name":"gone","type":{"type":"map","values":"double"}},{"name":"id","type":"long"}]})",
};

const std::array<Shared, kSchemas.size()>& known() {
  static const std::array<Shared, kSchemas.size()> kParsed = [] {
    std::array<Shared, kSchemas.size()> parsed;
    for (std::size_t i = 0; i < kSchemas.size(); i++) {
      parsed[i] = std::make_shared<const AvroSchema>(avro::parse_schema(kSchemas[i]));
    }
    return parsed;
  }();
  return kParsed;
}

const Schema& columns() {
  static const Schema kColumns{
      .columns = {{.name = "id", .type = "BIGINT", .physical = Physical::i64},
                  {.name = "name", .type = "VARCHAR", .physical = Physical::string},
                  {.name = "tags", .type = "VARCHAR[]"}}};
  return kColumns;
}

avro::Plan plan_for(const Shared& schema) {
  return avro::resolve(schema, columns(), avro::Missing::null);
}

class Known final : public avro::NumberedSchemas {
 public:
  avro::SchemaLookup find(std::uint32_t id) override {
    return id < kSchemas.size() ? avro::SchemaLookup{.schema = known()[id], .reason = ""}
                                : avro::SchemaLookup{.schema = nullptr, .reason = "no such schema"};
  }
};

/// The message without its frame, by a decoder that knows nothing of others.
void compare(std::string_view message, const std::optional<Outcome>& outcome) {
  const auto frame = avro::parse_frame(message);
  if (!frame || frame->schema_id >= kSchemas.size()) {
    expect(!outcome || outcome->row.empty(), "a row without a schema");
    return;
  }
  std::string again;
  avro::write_frame(frame->schema_id, again);
  expect(again + std::string(frame->body) == message, "another frame than was read");
  const auto alone = std::make_unique<avro::Decoder>(plan_for(known()[frame->schema_id]));
  expect(outcome.has_value(), "no outcome of a known schema");
  expect_same(*outcome, OneRow(*alone, columns()).read(frame->body), "read differently alone");
}

}  // namespace

void avro_framing(std::string_view input) {
  constexpr unsigned kNextChunk = 255;
  Known schemas;
  avro::FramedDecoder decoder(std::make_shared<avro::Plans>(schemas, plan_for));
  auto row = std::make_unique<OneRow>(decoder, columns());
  while (!input.empty()) {
    const unsigned length = take_byte(input);
    if (length == kNextChunk) {
      row = std::make_unique<OneRow>(decoder, columns());
      continue;
    }
    const Exact message(input.substr(0, length));
    input.remove_prefix(message.view().size());
    compare(message.view(), unless_refused([&] { return row->read(message.view()); }));
  }
}

}  // namespace millrace::fuzz
