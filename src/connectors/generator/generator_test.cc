#include "connectors/generator/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "connectors/generator/transactions.h"
#include "sql/database.h"
#include "support/rows.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using Entries = std::initializer_list<std::pair<std::string, std::string>>;

std::unique_ptr<Source> source(Entries entries, Diagnostics& diagnostics) {
  const auto options = support::mapping(entries);
  const auto connection = support::mapping({});
  ConnectorRequest request;
  request.name = "made";
  request.connection = &connection;
  request.options = &options;
  return generator_connector()->make_source(request, diagnostics);
}

std::unique_ptr<Source> source(Entries entries) {
  Diagnostics diagnostics;
  auto made = source(entries, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors());
  made->open(std::nullopt);
  return made;
}

TEST(Generator, HasTheColumnsOfTheReferencePipeline) {
  EXPECT_EQ(
      source({{"kind", "transactions"}})->schema().text(),
      "transaction_id VARCHAR, user_id VARCHAR, product_id VARCHAR, product_category VARCHAR, "
      "amount DOUBLE, quantity INTEGER, payment_method VARCHAR, status VARCHAR, "
      "event_time VARCHAR, country_code VARCHAR, discount_percent DOUBLE, "
      "customer_segment VARCHAR");
}

// A repeated batch must have the same rows, however the rows were cut into batches before.
TEST(Generator, RowsDependOnTheirNumberAlone) {
  sql::Database database({.threads = 1});
  support::Rows rows(database);
  auto whole = source({{"kind", "transactions"}, {"rows", "5000"}, {"invalid", "0.2"}});
  const auto all = rows.of(*whole, whole->plan(1)->offsets);
  ASSERT_EQ(all.size(), 5000U);
  EXPECT_EQ(rows.of_parts(*whole, whole->plan(1)->offsets, 1234), all);

  auto parts = source({{"kind", "transactions"},
                       {"rows", "5000"},
                       {"invalid", "0.2"},
                       {"rows_per_trigger", "1999"}});
  std::vector<std::string> gathered;
  while (const auto slice = parts->plan(1)) {
    const auto part = rows.of(*parts, slice->offsets);
    EXPECT_EQ(rows.of(*parts, slice->offsets), part);
    EXPECT_EQ(slice->rows, static_cast<std::int64_t>(part.size()));
    gathered.insert(gathered.end(), part.begin(), part.end());
    parts->advance(slice->offsets);
  }
  EXPECT_EQ(gathered, all);
  EXPECT_TRUE(parts->finished());

  auto other = source({{"kind", "transactions"}, {"rows", "5000"}, {"seed", "43"}});
  EXPECT_NE(rows.of(*other, other->plan(1)->offsets), all);
}

TEST(Generator, GoesOnFromItsPosition) {
  const Entries entries{{"kind", "transactions"}, {"rows", "30"}, {"rows_per_trigger", "20"}};
  auto before = source(entries);
  before->advance(before->plan(1)->offsets);
  auto after = source(entries);
  after->open(before->position());
  EXPECT_EQ(after->plan(1)->offsets.at("from"), 20);
  EXPECT_EQ(after->plan(1)->rows, 10);
}

TEST(Generator, KeepsToItsRate) {
  auto paced = source({{"kind", "transactions"}, {"rate", "100"}});
  const std::int64_t begin = 1'000'000'000;
  paced->advance(paced->plan(begin)->offsets);
  EXPECT_FALSE(paced->plan(begin));
  EXPECT_EQ(paced->plan(begin + 500'000)->rows, 50);
}

TEST(Generator, ValuesLookAsTheyShould) {
  const TransactionStream stream{7, 0};
  std::set<std::string_view> categories;
  int no_discount = 0;
  int no_segment = 0;
  std::int64_t cents = 0;
  constexpr int kRows = 20'000;
  for (int i = 0; i < kRows; i++) {
    Transaction row;
    stream.make(static_cast<std::uint64_t>(i), row);
    ASSERT_EQ(row.flaw, Transaction::Flaw::none);
    ASSERT_GT(row.cents, 0);
    ASSERT_GT(row.quantity, 0);
    categories.insert(row.category);
    no_discount += row.discount_percent ? 0 : 1;
    no_segment += row.segment.empty() ? 1 : 0;
    cents += row.cents;
  }
  EXPECT_EQ(categories, (std::set<std::string_view>{"electronics", "clothing", "home", "books",
                                                    "sports", "toys"}));
  EXPECT_NEAR(no_discount, 0.30 * kRows, 0.02 * kRows);
  EXPECT_NEAR(no_segment, 0.25 * kRows, 0.02 * kRows);
  EXPECT_NEAR(static_cast<double>(cents) / kRows, 8050, 200);
}

TEST(Generator, TheShareOfFlawedRowsIsTheOneAskedFor) {
  const TransactionStream stream{7, 0.1};
  std::map<Transaction::Flaw, int> flaws;
  for (std::uint64_t i = 0; i < 20'000; i++) {
    Transaction row;
    stream.make(i, row);
    flaws[row.flaw]++;
  }
  EXPECT_EQ(flaws.size(), 7U);
  EXPECT_NEAR(20'000 - flaws[Transaction::Flaw::none], 2'000, 150);
}

TEST(Generator, LinesOfCsvHaveAllFieldsUnlessTheyAreCutShort) {
  const TransactionStream stream{7, 0.3};
  const auto columns = transaction_schema().size();
  for (std::uint64_t i = 0; i < 2'000; i++) {
    Transaction row;
    stream.make(i, row);
    std::string line;
    append_csv(row, line);
    const auto fields = split(trim(line), ',').size();
    if (row.flaw == Transaction::Flaw::cut_short) {
      EXPECT_LT(fields, columns);
    } else {
      EXPECT_EQ(fields, columns) << line;
    }
    std::string object;
    append_json(row, object);
    EXPECT_EQ(Json::accept(object), row.flaw != Transaction::Flaw::cut_short) << object;
  }
}

TEST(Generator, MistakesAreReported) {
  Diagnostics diagnostics;
  EXPECT_EQ(source({{"kind", "transaction"}, {"invalid", "2"}, {"row", "5"}}, diagnostics),
            nullptr);
  EXPECT_EQ(diagnostics.error_count(), 3U);
}

}  // namespace
}  // namespace millrace
