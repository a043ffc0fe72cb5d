#include "spec/yaml.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace {
namespace {

/// The messages of reading a text as "f.yaml".
std::string messages(std::string text) {
  Diagnostics diagnostics;
  (void)parse_yaml("f.yaml", std::move(text), diagnostics);
  return diagnostics.text();
}

Node root_of(std::string text) {
  Diagnostics diagnostics;
  auto yaml = parse_yaml("f.yaml", std::move(text), diagnostics);
  EXPECT_EQ(diagnostics.text(), "");
  return yaml ? yaml->root : Node();
}

TEST(Yaml, EveryValueKnowsItsPlace) {
  const Node root = root_of("name: orders\nlist:\n  - one\n  - {é: 'two', b: \"three\"}\nnone:\n");
  EXPECT_TRUE(root.is_mapping());
  EXPECT_EQ(root.find("name")->at.text(), "f.yaml:1:7");
  EXPECT_EQ(root.entries[1].at.text(), "f.yaml:2:1");
  const Node& list = *root.find("list");
  EXPECT_EQ(list.items[0].at.text(), "f.yaml:3:5");
  EXPECT_FALSE(list.items[0].quoted);
  // Columns count characters, not bytes.
  EXPECT_EQ(list.items[1].find("é")->at.text(), "f.yaml:4:9");
  EXPECT_EQ(list.items[1].find("b")->at.text(), "f.yaml:4:19");
  EXPECT_TRUE(list.items[1].find("b")->quoted);
  EXPECT_TRUE(root.find("none")->is_null());
  EXPECT_EQ(root.find("none")->at.text(), "f.yaml:5:1");
}

TEST(Yaml, ReferencesMayStandInFlowMappings) {
  const Node root = root_of("c: { password: ${env:A}, list: [${env:B:-x,[y]#z}, $${d}] }\n");
  EXPECT_EQ(root.find("c")->find("password")->text, "${env:A}");
  EXPECT_EQ(root.find("c")->find("list")->items[0].text, "${env:B:-x,[y]#z}");
  EXPECT_EQ(root.find("c")->find("list")->items[1].text, "$${d}");
}

TEST(Yaml, EscapesThatLookLikeStandInsStay) {
  EXPECT_EQ(root_of("delimiter: \"\\x01\"\n").find("delimiter")->text, "\x01");
  EXPECT_EQ(root_of("delimiter: \"\\xF8\"\n").find("delimiter")->text, "\xC3\xB8");
}

TEST(Yaml, AnchorsAndMergeKeysAreResolved) {
  const Node root = root_of(
      "base: &base { a: 1, b: 2 }\n"
      "more: { <<: *base, b: 3 }\n"
      "both: { <<: [*base, { c: 4 }] }\n"
      "word: \"<<\"\n");
  EXPECT_EQ(root.find("more")->find("a")->text, "1");
  EXPECT_EQ(root.find("more")->find("b")->text, "3");
  EXPECT_EQ(root.find("both")->find("c")->text, "4");
  EXPECT_EQ(root.find("word")->text, "<<");
}

TEST(Yaml, WindowsLineEndsAndByteOrderMarksAreNoDifference) {
  const Node root = root_of(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: |\r\n  x\r\n  y\r\n");
  EXPECT_EQ(root.find("a")->at.text(), "f.yaml:1:4");
  EXPECT_EQ(root.find("b")->text, "x\ny\n");
}

TEST(Yaml, MistakesAreReportedAtTheirPlaces) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: b: c\n",
       "f.yaml:1:5: error: a `:` is not expected here; put a text that holds `: ` in quotes, and "
       "check the indentation\n"},
      {"a:\n\tb: c\n", "f.yaml:2:1: error: a tab cannot be used to indent; use spaces\n"},
      {"a: 1\nx: {b: c\n",
       "f.yaml:2:4: error: this `{` is not closed; add the missing `}` or `,`\n"},
      {"a: [b, c\nd: e\n",
       "f.yaml:1:4: error: this `[` is not closed; add the missing `]` or `,`\n"},
      {"a: \"x\n", "f.yaml:1:4: error: this quote is not closed; add the missing one\n"},
      {"a: 'it''s\n", ""},  // the doubled quote cannot be told from a closing one and text
      {"a: @x\n", "f.yaml:1:4: error: a value cannot begin with `@`; put the value in quotes\n"},
      {"a: b\n- c\n",
       "f.yaml:2:1: error: this line does not fit to the ones above it; check its indentation\n"},
      {"a: *x\n",
       "f.yaml:1:4: error: no anchor of this name stands above; put a text that begins with `*` "
       "in quotes\n"},
      {"a: &a [*a]\n", "f.yaml:1:8: error: an anchor cannot stand for a value that holds it\n"},
      {"a: 1\n---\nb: 2\n",
       "f.yaml:2:1: error: a second document begins here; a pipeline file holds one; remove the "
       "`---`\n"},
      {"a: !foo b\n", "f.yaml:1:4: error: the tag `!foo` is not known; remove it\n"},
      {"a: !foo [b]\n", "f.yaml:1:4: error: the tag `!foo` is not known; remove it\n"},
      {"? [a, b]\n: c\n", "f.yaml:1:3: error: a key must be a single word or text\n"},
      {"a: { <<: b }\n", "f.yaml:1:10: error: `<<` must be given a mapping or a list of them\n"},
      {"a: 1\nb: 2\na: 3\n",
       "f.yaml:3:1: error: `a` is given twice; it stands on line 1 already\n"},
      {"a: \xFF\n", "f.yaml:1:4: error: the file is not in UTF-8; save it in that encoding\n"},
      {"é: \x01\n",
       "f.yaml:1:4: error: a control character (0x01) cannot stand in YAML; remove it, or write "
       "it as an escape in double quotes\n"},
      {"%YAML 3.0\n---\na: 1\n",
       "f.yaml:1:1: error: this is not valid YAML: YAML major version too large\n"},
      {std::string(100, '[') + std::string(100, ']'),
       "f.yaml:1:65: error: more than 64 levels inside of each other\n"},
      {std::string(2'000'000, '#'),
       "f.yaml: error: the file is too large: 2.0 MB, of at most 1MiB\n"},
  };
  for (const auto& [text, expected] : cases) {
    if (!expected.empty()) {
      EXPECT_EQ(messages(text), expected) << text.substr(0, 40);
    }
  }
}

// Ten lines that ask for 10^9 values.
TEST(Yaml, AliasesCannotAskForEverything) {
  std::string text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 1; k < 10; ++k) {
      text += ", " + last;
    }
    text += "]\n";
  }
  EXPECT_TRUE(messages(text).ends_with(
      "error: the file holds more than 100,000 values; aliases may repeat too much\n"));
}

// Whatever stands in the file, the answer is a tree or a message, and places lie in the file.
TEST(Yaml, SurvivesAnything) {
  const std::string good =
      "pipeline: x\nsources:\n  a: { from: ${env:A}, b: [1, 'two', \"th\\x41ree\"] }\n"
      "datasets:\n  d: |2\n    SELECT 1\n  e: >-\n    SELECT\n    2\nmore: &m {a: 1}\nx: *m\n";
  std::mt19937 random(7);
  const std::string letters = "{}[]:,#&*!|>'\"%@`-? \n\t$abc\\\x01\xC3\xA9";
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (unsigned changes = 1 + random() % 6; changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = letters[random() % letters.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 5);
          break;
        default:
          text.insert(at, 1, letters[random() % letters.size()]);
      }
    }
    Diagnostics diagnostics;
    const auto yaml = parse_yaml("f.yaml", text, diagnostics);
    ASSERT_TRUE(yaml.has_value() || diagnostics.has_errors()) << text;
    for (const auto& each : diagnostics.all()) {
      ASSERT_LE(each.at.line, std::count(text.begin(), text.end(), '\n') + 1) << text;
    }
  }
}

}  // namespace
}  // namespace millrace
