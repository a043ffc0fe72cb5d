#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "spec/test_support.h"

namespace millrace {
namespace {

using testing::load;
using testing::Loaded;

std::string file_with_checks(const std::string& checks) {
  return "pipeline: p\nsources: { ticks: { from: rate }, names: { from: rate, as: table } }\n"
         "checks:\n" +
         checks +
         "sinks: { show: { from: ticks, to: console }, n: { from: names, to: console } }\n";
}

/// The messages of a pipeline with one check of `ticks`.
std::string with_check(const std::string& check) {
  return load(file_with_checks("  ticks:\n    - " + check + "\n")).messages;
}

TEST(QualityChecks, EveryKind) {
  const TempFolder folder;
  const Loaded loaded =
      load(folder,
           file_with_checks("  Ticks:\n"
                            "    - { name: a, expect: v > 0, otherwise: warn, max_share: 0.5 }\n"
                            "    - { name: b, references: names.id, column: n, otherwise: drop }\n"
                            "    - { name: c, unique: [x, y], otherwise: quarantine }\n"
                            "    - { name: d, sequence: id, otherwise: fail }\n"));
  ASSERT_EQ(loaded.messages, "");
  const ChecksSpec* checks = loaded.spec->checks_of("ticks");
  ASSERT_NE(checks, nullptr);
  EXPECT_EQ(loaded.spec->checks_of("names"), nullptr);
  ASSERT_EQ(checks->checks.size(), 4U);
  EXPECT_EQ(checks->find("A")->expect.text, "v > 0");
  EXPECT_EQ(checks->find("a")->expect.locate(4).text(), folder.path() + "/p.yaml:5:30");
  EXPECT_EQ(checks->find("a")->max_share, 0.5);
  EXPECT_EQ(checks->find("b")->table, "names");
  EXPECT_EQ(checks->find("b")->table_column, "id");
  EXPECT_EQ(checks->find("b")->columns, std::vector<std::string>{"n"});
  EXPECT_EQ(checks->find("c")->columns, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(checks->find("c")->otherwise, Otherwise::quarantine);
  EXPECT_EQ(checks->find("d")->kind, CheckSpec::Kind::sequence);
  EXPECT_EQ(checks->find("e"), nullptr);
}

TEST(QualityChecks, Mistakes) {
  EXPECT_EQ(with_check("{ name: a, otherwise: warn }"),
            "p.yaml:5:7: error: check `a` does not say what it checks; it has one of `expect`, "
            "`references`, `unique` and `sequence`\n");
  EXPECT_EQ(with_check("{ name: a, sequence: id, otherwise: drop }"),
            "p.yaml:5:43: error: check `a` finds gaps, and there is no row in a gap to be taken "
            "out; use `warn` or `fail`\n");
  EXPECT_EQ(with_check("{ name: a, references: names, otherwise: drop }"),
            "p.yaml:5:30: error: `references` of check `a` must be `table.column`, not `names`; "
            "for example `customers.customer_id`\n");
  EXPECT_EQ(with_check("{ name: a, references: nmaes.id, otherwise: drop }"),
            "p.yaml:5:30: error: check `a` refers to `nmaes`, which is neither a dataset nor a "
            "source; did you mean `names`?\n");
  EXPECT_EQ(load(file_with_checks("  tics: []\n")).messages,
            "p.yaml:4:3: error: `checks` names `tics`, which is neither a dataset nor a source; "
            "did you mean `ticks`?\n");
  EXPECT_EQ(load(file_with_checks("  names: []\n")).messages,
            "p.yaml:4:3: error: source `names` is a table, and checks are for the rows of "
            "streams; check the stream that is joined with it, for example by `references`\n");
  EXPECT_EQ(load(file_with_checks("  ticks: {}\n")).messages,
            "p.yaml:4:10: error: the checks of `ticks` must be a list; for example `- { name: "
            "positive, expect: amount > 0, otherwise: warn }`\n");
}

}  // namespace
}  // namespace millrace
