// What is JSON and what isn't, checked against another parser; and memory, with a page behind each
// record that must not be touched.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json/decoder.h"
#include "formats/testing/columns.h"

namespace millrace::json {
namespace {

constexpr std::size_t kPage = 4096;

/// Memory for a text whose last byte is the last one of a page; the next page can't be read.
class GuardedText {
 public:
  GuardedText() {
    memory_ = static_cast<char*>(
        mmap(nullptr, kSize + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(memory_ + kSize, kPage, PROT_NONE), 0);
  }
  ~GuardedText() { munmap(memory_, kSize + kPage); }
  GuardedText(const GuardedText&) = delete;
  GuardedText& operator=(const GuardedText&) = delete;

  std::string_view put(std::string_view text) {
    char* const at = memory_ + kSize - text.size();
    std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }

 private:
  static constexpr std::size_t kSize = 16 * kPage;
  char* memory_ = nullptr;
};

/// Says what nlohmann::json accepts. Numbers that a double can't hold are JSON all the same.
class Acceptor : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(nlohmann::json::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    too_large = error.id == 406;
    return false;
  }
  bool too_large = false;
};

const std::vector<std::string>& seeds() {
  static const std::vector<std::string> kSeeds = {
      R"({"id":12,"text":"a \"b\" \u00e9 \\ é €","f":-0.5e+3,"list":[1,2,[3,null]],"ok":true})",
      R"( { "other" : { "a" : [ { } , [ ] , "" ] , "b" : false } , "id" : null } )",
      R"({"text":"\ud834\udd1e","map":{"k":"v","k2":"w"},"row":{"x":1,"y":{"z":[0.1,1E9]}}})",
      R"({"unknown":[[[[{"deep":[1,2,3,"x"]}]]]],"text":{"as":"text"},"f":"1.5","list":[]})",
      R"({"text":")" + std::string(70, 'x') + "\\n\",\"pad\":                    1e5\n\t}",
  };
  return kSeeds;
}

/// A seed with a few bytes replaced, taken out, doubled or swapped, or its end cut off.
std::string damaged(std::mt19937_64& random) {
  constexpr std::string_view kBytes =
      "{}[]:,\"\\ \n\t09-+.eEtrufalsn/x\x01\x0c\x1a\x80\xc3\xed\xff";
  std::string text = seeds()[random() % seeds().size()];
  for (auto count = random() % 4; count > 0 && !text.empty(); --count) {
    const std::size_t at = random() % text.size();
    switch (random() % 6) {
      case 0:
        text[at] = kBytes[random() % kBytes.size()];
        break;
      case 1:
        text.erase(at, 1 + random() % 3);
        break;
      case 2:
        text.insert(at, 1, kBytes[random() % kBytes.size()]);
        break;
      case 3:
        text.insert(at, text.substr(random() % text.size(), random() % 12));
        break;
      case 4:
        std::swap(text[at], text[random() % text.size()]);
        break;
      default:
        text.resize(random() % 8 == 0 ? at + 1 : text.size());
        break;
    }
  }
  return text;
}

Schema schema_of(bool nested) {
  Schema schema{
      .columns = {{.name = "text", .type = "VARCHAR"}, {.name = "id", .type = "VARCHAR"}}};
  if (nested) {
    schema.columns.push_back({.name = "list", .type = "VARCHAR[]"});
    schema.columns.push_back({.name = "map", .type = "MAP(VARCHAR, VARCHAR)"});
    schema.columns.push_back({.name = "row", .type = "STRUCT(x VARCHAR, y STRUCT(z VARCHAR[]))"});
    schema.columns.push_back({.name = "f", .type = "DOUBLE"});
  }
  return schema;
}

class DamageTest : public ::testing::TestWithParam<bool> {};

TEST_P(DamageTest, AgreesWithAnotherParser) {
  const Schema schema = schema_of(GetParam());
  Decoder decoder(schema, {.rescue_column = GetParam() ? "id" : ""});
  testing::MemoryColumns columns(schema);
  decoder.begin(columns.writers());
  GuardedText guarded;
  std::mt19937_64 random(20240229);
  int accepted = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string text = damaged(random);
    Acceptor acceptor;
    const bool is_json = nlohmann::json::sax_parse(text, &acceptor);
    columns.mark();
    const auto wrong = decoder.decode(guarded.put(text), 0);
    columns.forget(0);
    if (acceptor.too_large) {
      continue;
    }
    // A byte order mark is no part of JSON; other values than objects are JSON, and malformed.
    if (!is_json) {
      EXPECT_TRUE(wrong) << text;
    } else if (wrong) {
      EXPECT_TRUE(!wrong->column.empty() || wrong->reason == "the record is not a JSON object" ||
                  text.starts_with("\xef\xbb\xbf"))
          << text << ": " << wrong->reason;
    } else {
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 10'000);
}

INSTANTIATE_TEST_SUITE_P(FlatAndNested, DamageTest, ::testing::Bool());

TEST(DamageTest, EveryLengthAtTheEndOfAPage) {
  const Schema schema = schema_of(true);
  Decoder decoder(schema, {});
  testing::MemoryColumns columns(schema);
  decoder.begin(columns.writers());
  GuardedText guarded;
  for (std::size_t length = 0; length < 300; ++length) {
    const std::string record = R"({"text":")" + std::string(length, 'y') + R"("})";
    columns.mark();
    ASSERT_FALSE(decoder.decode(guarded.put(record), 0)) << length;
    EXPECT_EQ(columns.row(0)["text"], std::string(length, 'y'));
    for (std::size_t cut = 0; cut < record.size(); cut += 7) {
      columns.mark();
      EXPECT_TRUE(decoder.decode(guarded.put(record.substr(0, cut)), 0));
      columns.forget(0);
    }
  }
}

}  // namespace
}  // namespace millrace::json
