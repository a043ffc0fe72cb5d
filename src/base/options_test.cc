#include "base/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/files.h"
#include "base/strings.h"
#include "base/test_folder.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;

enum class Color { red, green };

struct Inner {
  bool header = true;
};

struct Everything {
  std::string text = "hello";
  std::string file;
  int count = 3;
  std::int64_t big = 4'000'000'000;
  std::int64_t size = 64 << 20;
  double ratio = 0.5;
  bool on = false;
  char delimiter = ',';
  std::chrono::milliseconds wait{1500};
  Bytes limit{2'000'000};
  std::vector<std::string> list;
  std::map<std::string, std::string> map;
  std::vector<std::pair<std::string, std::string>> pairs;
  Secret password;
  Node anything;
  std::optional<int> maybe;
  std::optional<std::chrono::milliseconds> maybe_wait;
  Inner inner;
  Color color = Color::green;
};

}  // namespace

template <>
struct EnumNames<Color> {
  static constexpr EnumWord<Color> kWords[] = {{Color::red, "red"}, {Color::green, "green"}};
};

namespace {

const OptionTable<Everything>& table() {
  using O = Everything;
  static const OptionTable<Everything> the_table = {
      Option<O>{&O::text, "text", "A text."}.example("hi"),
      Option<O>{&O::file, "file", "A path."}.path(),
      Option<O>{&O::count, "count", "A number."}.at_least(1).at_most(10),
      Option<O>{&O::big, "big", "A large number."},
      Option<O>{&O::size, "size", "A size in an int64."}.bytes(),
      Option<O>{&O::ratio, "ratio", "A fraction."}.at_most(1),
      Option<O>{&O::on, "on", "A switch."},
      Option<O>{&O::delimiter, "delimiter", "A character."},
      Option<O>{&O::wait, "wait", "A duration."}.at_least(10ms).at_most(1h),
      Option<O>{&O::limit, "limit", "A size."}.at_least(Bytes{1000}),
      Option<O>{&O::list, "list", "Some texts."},
      Option<O>{&O::map, "map", "Texts by name."},
      Option<O>{&O::pairs, "pairs", "Texts by name, in order."},
      Option<O>{&O::password, "password", "A secret."},
      Option<O>{&O::anything, "anything", "Whatever."},
      Option<O>{&O::maybe, "maybe", "A number or nothing."}.at_least(0),
      Option<O>{&O::maybe_wait, "maybe_wait", "A duration or nothing."},
      Option<O>{[](O& o) -> auto& { return o.inner.header; }, "header", "A member's member."},
      Option<O>{&O::color, "color", "A word."}.default_text("what suits"),
  };
  return the_table;
}

Node scalar(const std::string& text, int line = 1, int column = 1) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.at = {"f.yaml", line, column};
  node.quoted = text.starts_with('"');
  node.text = node.quoted ? text.substr(1, text.size() - 2) : text;
  return node;
}

/// A mapping with one entry a line, its value at column 20. A text of "" is no value.
Node mapping(const std::vector<std::pair<std::string, Node>>& entries) {
  Node node;
  node.kind = Node::Kind::mapping;
  node.at = {"f.yaml", 1, 1};
  int line = 1;
  for (const auto& [key, value] : entries) {
    node.entries.push_back({key, {"f.yaml", line, 1}, value});
    node.entries.back().value.at = {"f.yaml", line++, 20};
  }
  return node;
}

Node sequence(const std::vector<std::string>& texts) {
  Node node;
  node.kind = Node::Kind::sequence;
  int column = 30;
  for (const auto& text : texts) {
    node.items.push_back(scalar(text, 1, column++));
  }
  return node;
}

Node nothing() { return {}; }

/// Reads one option; `messages` gets what was wrong.
Everything parsed(const std::string& name, const Node& value, std::string* messages = nullptr) {
  Everything into;
  Diagnostics diagnostics;
  const bool good = table().parse(mapping({{name, value}}), diagnostics, into, "thing x");
  EXPECT_EQ(good, !diagnostics.has_errors());
  if (messages != nullptr) {
    *messages = diagnostics.text();
  } else {
    EXPECT_EQ(diagnostics.text(), "");
  }
  return into;
}

/// The message about one option, without what all of them begin with.
std::string message(const std::string& name, const Node& value) {
  std::string messages;
  (void)parsed(name, value, &messages);
  const std::string prefix = "f.yaml:1:20: error: `" + name + "` of thing x ";
  EXPECT_TRUE(messages.starts_with(prefix)) << messages;
  return messages.substr(std::min(prefix.size(), messages.size()));
}

TEST(Options, EveryKindIsRead) {
  EXPECT_EQ(parsed("text", scalar("12")).text, "12");
  EXPECT_EQ(parsed("file", scalar("a/b")).file, "a/b");
  EXPECT_EQ(parsed("count", scalar("7")).count, 7);
  EXPECT_EQ(parsed("big", scalar("-5000000000")).big, -5'000'000'000);
  EXPECT_EQ(parsed("size", scalar("1MB")).size, 1'000'000);
  EXPECT_EQ(parsed("ratio", scalar("0.25")).ratio, 0.25);
  EXPECT_TRUE(parsed("on", scalar("true")).on);
  EXPECT_EQ(parsed("delimiter", scalar("\";\"")).delimiter, ';');
  EXPECT_EQ(parsed("wait", scalar("1m")).wait, 60s);
  EXPECT_EQ(parsed("limit", scalar("1GiB")).limit.count, 1 << 30);
  EXPECT_EQ(parsed("list", sequence({"a", "b"})).list, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed("list", scalar("a")).list, std::vector<std::string>{"a"});
  EXPECT_EQ(parsed("map", mapping({{"z", scalar("1")}, {"a", scalar("2")}})).map.at("z"), "1");
  EXPECT_EQ(parsed("pairs", mapping({{"z", scalar("1")}, {"a", scalar("2")}})).pairs[0].first, "z");
  EXPECT_EQ(parsed("anything", sequence({"a"})).anything.items.size(), 1U);
  EXPECT_EQ(parsed("maybe", scalar("0")).maybe, 0);
  EXPECT_EQ(parsed("maybe_wait", scalar("1s")).maybe_wait, 1s);
  EXPECT_EQ(parsed("text", scalar("x")).maybe, std::nullopt);
  EXPECT_FALSE(parsed("header", scalar("false")).inner.header);
  EXPECT_EQ(parsed("color", scalar("red")).color, Color::red);
}

TEST(Options, WrongValuesAreExplained) {
  EXPECT_EQ(message("text", nothing()), "has no value; it must be a text\n");
  EXPECT_EQ(message("text", sequence({"a"})), "must be a text, not a list\n");
  EXPECT_EQ(message("text", mapping({})), "must be a text, not a mapping\n");
  EXPECT_EQ(message("file", sequence({"a"})), "must be a path, not a list\n");
  EXPECT_EQ(message("count", scalar("x")), "must be a whole number, not `x`\n");
  EXPECT_EQ(message("count", scalar("1.5")), "must be a whole number, not `1.5`\n");
  EXPECT_EQ(message("count", scalar("\"7\"")),
            "must be a whole number, not the text `7`; remove the quotes\n");
  EXPECT_EQ(message("count", scalar("0")), "must be at least 1, not `0`\n");
  EXPECT_EQ(message("count", scalar("11")), "must be at most 10, not `11`\n");
  EXPECT_EQ(message("maybe", scalar("5000000000")),
            "must be between -2147483648 and 2147483647, not `5000000000`\n");
  EXPECT_EQ(message("big", scalar("1_000")),
            "must be a whole number, not `1_000`; write it without separators\n");
  EXPECT_EQ(message("size", scalar("1M")),
            "must be a size such as `64MB`, `1GiB` or `4096`, not `1M`\n");
  EXPECT_EQ(message("limit", scalar("999")), "must be at least 1KB, not `999`\n");
  EXPECT_EQ(message("ratio", scalar("a")), "must be a number, not `a`\n");
  EXPECT_EQ(message("ratio", scalar("1.5")), "must be at most 1, not `1.5`\n");
  EXPECT_EQ(message("on", scalar("yes")), "must be `true` or `false`, not `yes`; write `true`\n");
  EXPECT_EQ(message("on", scalar("maybe")), "must be `true` or `false`, not `maybe`\n");
  EXPECT_EQ(message("delimiter", scalar("||")), "must be one character (of ASCII), not `||`\n");
  EXPECT_EQ(message("delimiter", scalar("\\t")),
            "must be one character (of ASCII), not `\\t`; write a tab as \"\\t\", in double "
            "quotes\n");
  EXPECT_EQ(message("wait", scalar("10")),
            "must be a duration such as `250ms`, `10s` or `1h30m`, not `10`; say the unit, for "
            "example `10s`\n");
  EXPECT_EQ(message("wait", scalar("5ms")), "must be at least 10ms, not `5ms`\n");
  EXPECT_EQ(message("wait", scalar("61m")), "must be at most 1h, not `61m`\n");
  EXPECT_EQ(message("list", mapping({})), "must be a text or a list of texts, not a mapping\n");
  EXPECT_EQ(message("map", scalar("a")), "must be a mapping of texts, not `a`\n");
  EXPECT_EQ(message("color", scalar("gren")),
            "must be `red` or `green`, not `gren`; did you mean `green`?\n");
  EXPECT_EQ(message("color", scalar("blue")), "must be `red` or `green`, not `blue`\n");
  EXPECT_EQ(message("count", scalar(std::string(59, 'x') + "éé")),
            "must be a whole number, not `" + std::string(59, 'x') + "...`\n");
}

TEST(Options, PartsOfListsAndMapsHaveTheirOwnPlaces) {
  std::string messages;
  Node list = sequence({"a", "b"});
  list.items[1] = mapping({});
  list.items[1].at = {"f.yaml", 1, 31};
  (void)parsed("list", list, &messages);
  EXPECT_EQ(messages,
            "f.yaml:1:31: error: `list` of thing x must be a text or a list of texts, not a "
            "mapping\n");
  (void)parsed("map", mapping({{"a", scalar("1")}, {"b", nothing()}}), &messages);
  EXPECT_EQ(messages, "f.yaml:2:20: error: `b` in `map` of thing x must be a text, not nothing\n");
}

TEST(Options, KeysAreCheckedAllAtOnce) {
  struct Two {
    std::string topic;
    std::string brokers;
  };
  const OptionTable<Two> two = {
      Option<Two>{&Two::topic, "topic", "The topic."}.required().example("orders"),
      Option<Two>{&Two::brokers, "brokers", "The brokers."}.required(),
  };
  Two into;
  Diagnostics diagnostics;
  EXPECT_FALSE(two.parse(mapping({{"topics", scalar("x")},
                                  {"topic", scalar("\"\"")},
                                  {"zzz", scalar("x")},
                                  {"topic", scalar("b")}}),
                         diagnostics, into, "source kafka"));
  diagnostics.sort();
  EXPECT_EQ(diagnostics.text(),
            "f.yaml:1:1: error: source kafka has no option `topics`; did you mean `topic`?\n"
            "f.yaml:1:1: error: source kafka needs the option `brokers`\n"
            "f.yaml:2:20: error: `topic` of source kafka must not be empty\n"
            "f.yaml:3:1: error: source kafka has no option `zzz`; known are topic, brokers\n"
            "f.yaml:4:1: error: `topic` is given twice in source kafka; it stands on line 2 "
            "already\n");
  EXPECT_EQ(diagnostics.error_count(), 5U);
  Diagnostics none;
  EXPECT_FALSE(two.check(nothing(), none, "source kafka"));
  EXPECT_TRUE(none.text().starts_with(
      "error: source kafka needs the option `topic`; for example `topic: orders`\n"));
  Diagnostics list;
  EXPECT_FALSE(two.check(sequence({}), list, "source kafka"));
  EXPECT_EQ(list.text(), "error: source kafka must be a mapping of options, not a list\n");
}

TEST(Options, ReferencesToTheEnvironment) {
  ::setenv("MILLRACE_TEST_A", "7", 1);
  ::unsetenv("MILLRACE_TEST_NONE");
  EXPECT_EQ(parsed("text", scalar("a${env:MILLRACE_TEST_A}b")).text, "a7b");
  EXPECT_EQ(parsed("text", scalar("${env:MILLRACE_TEST_NONE:-x:y}!")).text, "x:y!");
  EXPECT_EQ(parsed("text", scalar("$${env:A} costs $5")).text, "${env:A} costs $5");
  EXPECT_EQ(parsed("count", scalar("\"${env:MILLRACE_TEST_A}\"")).count, 7);
  EXPECT_EQ(parsed("list", sequence({"${env:MILLRACE_TEST_A}"})).list[0], "7");
  std::string messages;
  (void)parsed("text", scalar("ab${env:MILLRACE_TEST_NONE}"), &messages);
  EXPECT_EQ(messages,
            "f.yaml:1:22: error: the environment variable `MILLRACE_TEST_NONE` is not set; set it, "
            "or give a default: `${env:MILLRACE_TEST_NONE:-default}`\n");
  (void)parsed("text", scalar("\"${HOME}\""), &messages);
  EXPECT_EQ(messages,
            "f.yaml:1:21: error: `${HOME}` cannot be used here; write `${env:NAME}` for a variable "
            "of the environment, or `$${` for the text `${`\n");
  (void)parsed("text", scalar("${file:x}"), &messages);
  EXPECT_EQ(messages,
            "f.yaml:1:20: error: `${file:x}` cannot be used here; files can be referred to by "
            "secrets alone; here it can be `${env:NAME}`\n");
  (void)parsed("text", scalar("${env:a-b}"), &messages);
  EXPECT_EQ(messages,
            "f.yaml:1:20: error: `a-b` is not the name of an environment variable; write "
            "`${env:NAME}` or `${env:NAME:-default}`\n");
  (void)parsed("text", scalar("x ${env:A"), &messages);
  EXPECT_EQ(messages,
            "f.yaml:1:22: error: `${` has no closing `}`; write `${env:NAME}`, or `$${` for the "
            "text `${`\n");
  ::setenv("MILLRACE_TEST_A", "confidential", 1);
  EXPECT_EQ(message("count", scalar("${env:MILLRACE_TEST_A}")),
            "must be a whole number, which the value of `${env:MILLRACE_TEST_A}` is not\n");
}

TEST(Options, Secrets) {
  ::setenv("MILLRACE_TEST_A", "s3cret", 1);
  ::unsetenv("MILLRACE_TEST_NONE");
  EXPECT_EQ(parsed("password", scalar("${env:MILLRACE_TEST_A}")).password.reveal(), "s3cret");
  const std::string hint =
      "; put it into an environment variable and write `password: ${env:NAME}`, or into a file of "
      "its own and write `password: ${file:PATH}`\n";
  EXPECT_EQ(message("password", scalar("hunter2")), "must not be written into the file" + hint);
  EXPECT_EQ(message("password", scalar("x${env:MILLRACE_TEST_A}")),
            "must not be written into the file" + hint);
  EXPECT_EQ(message("password", sequence({"a"})), "must not be written into the file" + hint);
  EXPECT_EQ(message("password", scalar("${env:MILLRACE_TEST_A:-hunter2}")),
            "must not have a default in the file" + hint);
  EXPECT_EQ(message("password", nothing()), "has no value" + hint);
  std::string messages;
  (void)parsed("password", scalar("${env:MILLRACE_TEST_NONE}"), &messages);
  EXPECT_EQ(messages.find("f.yaml:1:20: error: the environment variable `MILLRACE_TEST_NONE` is "
                          "not set"),
            0U);
}

TEST(Options, SecretsInFilesLieBesideTheFileThatNamesThem) {
  const TempFolder temporary;
  const auto& folder = temporary.path();
  write_file_atomically(folder + "/password", "s3cret\n", false);
  write_file_atomically(folder + "/empty", "\n", false);
  const auto read = [&](const std::string& text, Everything& into) {
    Node node = mapping({{"password", scalar(text)}});
    node.entries[0].value.at.file = folder + "/f.yaml";
    Diagnostics diagnostics;
    (void)table().parse(node, diagnostics, into, "thing x");
    return diagnostics.text();
  };
  Everything into;
  EXPECT_EQ(read("${file:password}", into), "");
  EXPECT_EQ(into.password.reveal(), "s3cret");
  EXPECT_EQ(read("${file:none}", into), folder + "/f.yaml:1:20: error: `password` of thing x " +
                                            "cannot be read from `" + folder +
                                            "/none`: No such file or directory\n");
  EXPECT_EQ(read("${file:empty}", into), folder + "/f.yaml:1:20: error: `password` of thing x " +
                                             "is read from `" + folder +
                                             "/empty`, which is empty\n");
}

TEST(Options, SecretsAreNeverPrinted) {
  std::ostringstream out;
  out << Secret("s3cret") << Secret();
  EXPECT_EQ(out.str(), "***");
  EXPECT_EQ(fmt::format("[{}] [{}]", Secret("s3cret"), Secret()), "[***] []");
}

TEST(Options, DocsComeFromTheTable) {
  std::map<std::string, OptionInfo> infos;
  for (const OptionInfo& info : table().infos()) {
    infos[info.name] = info;
  }
  EXPECT_EQ(infos["text"].default_text, "hello");
  EXPECT_EQ(infos["file"].default_text, "");
  EXPECT_EQ(infos["file"].kind, OptionKind::path);
  EXPECT_EQ(infos["count"].default_text, "3");
  EXPECT_EQ(infos["count"].maximum, 10);
  EXPECT_EQ(infos["size"].default_text, "64MiB");
  EXPECT_EQ(infos["size"].kind, OptionKind::bytes);
  EXPECT_EQ(infos["ratio"].default_text, "0.5");
  EXPECT_EQ(infos["on"].default_text, "false");
  EXPECT_EQ(infos["delimiter"].default_text, "\",\"");
  EXPECT_EQ(infos["wait"].default_text, "1s500ms");
  EXPECT_EQ(infos["wait"].minimum, 10);
  EXPECT_EQ(infos["limit"].default_text, "2MB");
  EXPECT_EQ(infos["list"].default_text, "");
  EXPECT_EQ(infos["maybe"].default_text, "");
  EXPECT_EQ(infos["header"].default_text, "true");
  EXPECT_EQ(infos["color"].default_text, "what suits");
  EXPECT_EQ(infos["color"].choices, (std::vector<std::string>{"red", "green"}));
  EXPECT_EQ(infos["anything"].kind, OptionKind::any);
  EXPECT_EQ(enum_word(Color::red), "red");
}

TEST(Diagnostics, AreKeptOnceAndInOrder) {
  Diagnostics diagnostics;
  diagnostics.error({"b.yaml", 2, 1}, "second");
  diagnostics.warning({"a.yaml", 1, 1}, "other file", "way out");
  diagnostics.error({"b.yaml", 1, 9}, "first");
  diagnostics.error({"b.yaml", 2, 1}, "second");
  diagnostics.sort();
  EXPECT_EQ(diagnostics.error_count(), 2U);
  EXPECT_EQ(diagnostics.text(),
            "b.yaml:1:9: error: first\nb.yaml:2:1: error: second\n"
            "a.yaml:1:1: warning: other file; way out\n");
}

}  // namespace
}  // namespace millrace
