#include "engine/checked_rows.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace millrace {
namespace {

/// Keeps what it gets.
class Kept final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override { rows.push_back(row); }
  std::vector<MalformedRow> rows;
};

CheckSpec check(const std::string& name, Otherwise otherwise,
                std::optional<double> max_share = {}) {
  CheckSpec spec{.name = name};
  spec.expect.text = name + " > 0";
  spec.otherwise = otherwise;
  spec.max_share = max_share;
  return spec;
}

/// A step of one check, and what it gets: rows whose text is their number, all of which violate.
struct Bench {
  explicit Bench(CheckSpec of) : spec(std::move(of)) {
    step = {.of = "d", .rows = {&spec}, .first_sequence = 0, .verdict = 0, .text = 1};
    step.removing = spec.otherwise == Otherwise::quarantine ? 1 : 0;
  }

  std::vector<CheckCounts> run(const std::vector<std::int64_t>& verdicts) {
    CheckedRows rows(step, kept);
    std::vector<StringRef> texts(verdicts.size());
    for (std::size_t i = 0; i < texts.size(); i++) {
      texts[i].length = 1;
      texts[i].rest[0] = static_cast<char>('a' + i);
    }
    const std::vector<ColumnView> columns = {{Physical::i64, verdicts.data()},
                                             {Physical::string, texts.data()}};
    auto observer = rows.observer();
    observer.observe({verdicts.size(), columns});
    rows.take(observer);
    removed = rows.removed();
    return rows.end(totals, alerts);
  }

  CheckSpec spec;
  CheckStep step;
  Kept kept;
  TotalsByCheck totals;
  std::vector<std::string> alerts;
  std::int64_t removed = 0;
};

std::vector<std::pair<std::int64_t, std::int64_t>> joined(NumberRanges& ranges) {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for (const auto& range : ranges.joined()) {
    out.emplace_back(range.first, range.last);
  }
  return out;
}

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

TEST(NumberRanges, JoinWhatMeets) {
  NumberRanges ranges;
  EXPECT_EQ(joined(ranges), Pairs{});
  for (const int number : {5, 6, 6, 2, 1, 9, 3, 8}) {
    ranges.add(number);
  }
  EXPECT_EQ(joined(ranges), (Pairs{{1, 3}, {5, 6}, {8, 9}}));
  NumberRanges others;
  others.add(4);
  others.add(7);
  ranges.add(others);
  EXPECT_EQ(joined(ranges), (Pairs{{1, 9}}));
}

TEST(NumberRanges, TheEndsOfTheirType) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  NumberRanges ranges;
  for (const auto number : {kMost, kLeast, kMost - 1, kLeast + 1, kMost}) {
    ranges.add(number);
  }
  EXPECT_EQ(joined(ranges), (Pairs{{kLeast, kLeast + 1}, {kMost - 1, kMost}}));
}

TEST(NumberRanges, NumbersInNoOrderTakeLittleMemory) {
  NumberRanges ranges;
  for (std::int64_t i = 0; i < 100'003; i++) {
    ranges.add(i * 7919 % 100'003);
  }
  EXPECT_EQ(joined(ranges), (Pairs{{0, 100'002}}));
}

TEST(CheckedRows, PutsAsideWhatItTakesOut) {
  Bench bench(check("amount", Otherwise::quarantine));
  const auto counts = bench.run({0, 1, 0, 1});
  EXPECT_EQ(counts[0].rows, 4);
  EXPECT_EQ(counts[0].violations, 2);
  EXPECT_EQ(bench.removed, 2);
  ASSERT_EQ(bench.kept.rows.size(), 2U);
  EXPECT_EQ(bench.kept.rows[1].raw, "d");
  EXPECT_EQ(bench.kept.rows[1].reason, "check amount: amount > 0");
  (void)bench.run({1});
  EXPECT_EQ(bench.totals["amount"].rows, 5);
  EXPECT_EQ(bench.totals["amount"].violations, 3);
}

TEST(CheckedRows, FailsABatchAndSaysWhy) {
  Bench bench(check("amount", Otherwise::fail));
  (void)bench.run({0, 0});
  try {
    (void)bench.run({0, 1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::external);
    EXPECT_EQ(std::string(error.what()),
              "d: 1 of 2 rows violate check amount (amount > 0); the row: b; nothing of this batch "
              "was committed");
  }
}

TEST(CheckedRows, AShareMayViolate) {
  Bench failing(check("amount", Otherwise::fail, 0.5));
  (void)failing.run({0, 1});
  EXPECT_THROW((void)failing.run({0, 1, 1}), Error);
  Bench warning(check("amount", Otherwise::warn, 0.5));
  (void)warning.run({0, 1});
  EXPECT_TRUE(warning.alerts.empty());
  (void)warning.run({0, 1, 1});
  EXPECT_EQ(warning.alerts.size(), 1U);
}

TEST(CheckedRows, TotalsComeBackAsTheyWere) {
  std::map<std::string, TotalsByCheck> totals;
  totals["d"]["a"] = {.rows = 3, .violations = 1, .last = std::nullopt};
  totals["d"]["b"] = {.rows = 3, .violations = 0, .last = -7};
  const auto back = totals_of(Json::parse(totals_json(totals).dump()));
  EXPECT_EQ(totals_json(back), totals_json(totals));
  EXPECT_EQ(back.at("d").at("b").last, -7);
  EXPECT_TRUE(totals_of(Json::object()).empty());
}

}  // namespace
}  // namespace millrace
