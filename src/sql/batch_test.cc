#include "sql/batch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/type.h"
#include "sql/plan.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using testing::Collect;
using testing::Rows;

/// Gives rows (i, "text i", NULL for every third) in slices of a given size.
class Counting final : public RowReader {
 public:
  Counting(std::size_t rows, std::size_t slice) : rows_(rows), slice_(slice) {}

  std::size_t read(ChunkWriter& to) override {
    const std::size_t n = std::min({slice_, rows_ - next_, kChunkRows});
    for (std::size_t i = 0; i < n; ++i, ++next_) {
      to.values<std::int64_t>(0)[i] = static_cast<std::int64_t>(next_);
      to.set_string(1, i, fmt::format("a text that is not inlined {}", next_));
      to.values<std::int32_t>(2)[i] = 7;
      if (next_ % 3 == 0) {
        to.set_null(1, i);
        to.set_null(2, i);
      }
    }
    return n;
  }

 private:
  std::size_t rows_;
  std::size_t slice_;
  std::size_t next_ = 0;
};

class BatchTest : public ::testing::Test {
 protected:
  BatchTest() { database_.declare("s", schema_, Shape::stream); }

  Rows rows_in(const std::shared_ptr<const Batch>& batch, const std::string& sql = "FROM s",
               const std::string& stream = "s") {
    const auto plan = database_.plan("test", sql);
    plan->begin_batch(0, 0);
    plan->give(stream, batch);
    Collect out;
    plan->run(plan->has_state() ? sql::Run::complete : sql::Run::rows, out);
    return out.sorted();
  }
  static Rows expected(std::size_t rows) {
    Rows all;
    for (std::size_t i = 0; i < rows; ++i) {
      all.push_back(i % 3 == 0 ? fmt::format("{}|NULL|NULL", i)
                               : fmt::format("{}|a text that is not inlined {}|7", i, i));
    }
    std::ranges::sort(all);
    return all;
  }

  Database database_{{.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""}};
  Schema schema_ = database_.parse_schema("id BIGINT, text VARCHAR, n INTEGER");
};

TEST_F(BatchTest, ReadsSlicesOfAnySize) {
  for (const std::size_t slice : {1UL, 63UL, 64UL, 65UL, 1000UL, 2047UL, 2048UL}) {
    for (const std::size_t rows : {0UL, 1UL, 64UL, 5000UL}) {
      const auto batch = std::make_shared<Batch>(schema_);
      Counting reader(rows, slice);
      batch->read(reader);
      EXPECT_EQ(batch->rows(), static_cast<std::int64_t>(rows));
      EXPECT_EQ(rows_in(batch), expected(rows)) << rows << " in slices of " << slice;
    }
  }
}

TEST_F(BatchTest, ColumnsNotKeptTakeNoMemory) {
  const auto all = std::make_shared<Batch>(schema_);
  const auto ids = std::make_shared<Batch>(schema_, std::vector<bool>{true, false, false});
  Counting first(20000, 2048);
  all->read(first);
  Counting second(20000, 2048);
  ids->read(second);
  EXPECT_LT(ids->bytes(), 200'000);
  EXPECT_GT(all->bytes(), 900'000);
  EXPECT_EQ(rows_in(ids, "SELECT count(*) AS c, sum(id) AS s FROM s"), Rows{"20000|199990000"});
}

TEST_F(BatchTest, ABatchOfOneRowIsSmall) {
  Batch batch(schema_);
  Counting reader(1, 1);
  batch.read(reader);
  EXPECT_LT(batch.bytes(), 200);
}

TEST_F(BatchTest, AppendsChunksAndBatches) {
  const auto batch = std::make_shared<Batch>(schema_);
  const auto source = std::make_shared<Batch>(schema_);
  Counting reader(5000, 700);
  source->read(reader);
  const auto plan = database_.plan("test", "FROM s");
  plan->begin_batch(0, 0);
  plan->give("s", source);
  Collect out;
  out.on_write = [&](const Chunk& chunk) {
    Batch part(schema_);
    part.append(chunk);
    batch->append(chunk);
    batch->append(std::move(part));
  };
  plan->run(sql::Run::rows, out);
  EXPECT_EQ(batch->rows(), 10000);
  Rows twice = expected(5000);
  const Rows once = twice;
  twice.insert(twice.end(), once.begin(), once.end());
  std::ranges::sort(twice);
  EXPECT_EQ(rows_in(batch), twice);
  batch->clear();
  EXPECT_EQ(batch->rows(), 0);
  EXPECT_EQ(batch->bytes(), 0);
  EXPECT_TRUE(rows_in(batch).empty());
}

/// Fills a nested column of each kind from a row's number, as `kNestedRows` makes them in SQL.
/// After every third row it writes half of another one and forgets it.
class NestedRows final : public RowReader {
 public:
  explicit NestedRows(std::size_t rows) : rows_(rows) {}

  std::size_t read(ChunkWriter& to) override {
    const std::size_t n = std::min(rows_ - next_, kChunkRows);
    for (std::size_t row = 0; row < n; ++row, ++next_) {
      if (next_ % 3 == 0) {
        write_half(to, row);
      }
      to.values<std::int64_t>(0)[row] = static_cast<std::int64_t>(next_);
      write_lists(*to.column(1), row);
      write_struct(*to.column(2), row);
      write_map(*to.column(3), row);
    }
    return n;
  }

 private:
  static std::string text(std::size_t number) {
    return (number % 2 == 0 ? "t" : "a text that is not inlined ") + std::to_string(number);
  }

  /// VARCHAR[][]: up to 3 lists of up to 4 texts, every fifth of them NULL.
  void write_lists(ColumnWriter& lists, std::size_t row) const {
    if (next_ % 7 == 0) {
      lists.set_null(row);
      return;
    }
    lists.begin_list(row);
    for (std::size_t i = 0; i < next_ % 4; ++i) {
      const std::size_t list = lists.add_element(row);
      ColumnWriter& inner = *lists.parts()[0];
      if (i == 2) {
        inner.set_null(list);
        continue;
      }
      inner.begin_list(list);
      for (std::size_t j = 0; j < (next_ + i) % 5; ++j) {
        const std::size_t element = inner.add_element(list);
        if ((next_ + j) % 5 == 0) {
          inner.parts()[0]->set_null(element);
        } else {
          inner.parts()[0]->set_string(element, text(next_ + j));
        }
      }
    }
  }

  /// STRUCT(a INTEGER, t VARCHAR, s STRUCT(l BIGINT[]))
  void write_struct(ColumnWriter& whole, std::size_t row) const {
    if (next_ % 5 == 0) {
      whole.set_null(row);
      return;
    }
    whole.parts()[0]->values<std::int32_t>()[row] = static_cast<std::int32_t>(next_);
    if (next_ % 2 == 0) {
      whole.parts()[1]->set_null(row);
    } else {
      whole.parts()[1]->set_string(row, text(next_));
    }
    ColumnWriter& inner = *whole.parts()[2];
    if (next_ % 3 == 0) {
      inner.set_null(row);
      return;
    }
    ColumnWriter& numbers = *inner.parts()[0];
    numbers.begin_list(row);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t element = numbers.add_element(row);
      numbers.parts()[0]->values<std::int64_t>()[element] = static_cast<std::int64_t>(next_ + i);
    }
  }

  /// MAP(VARCHAR, STRUCT(x INTEGER))
  void write_map(ColumnWriter& map, std::size_t row) const {
    map.begin_list(row);
    for (std::size_t i = 0; i < next_ % 3; ++i) {
      const std::size_t entry = map.add_element(row);
      map.parts()[0]->set_string(entry, text(next_ + i));
      if (i == 1) {
        map.parts()[1]->set_null(entry);
      } else {
        map.parts()[1]->parts()[0]->values<std::int32_t>()[entry] = 8;
      }
    }
  }

  void write_half(ChunkWriter& to, std::size_t row) const {
    constexpr std::size_t kColumns = 4;
    for (std::size_t c = 1; c < kColumns; ++c) {
      to.column(c)->mark();
    }
    ColumnWriter& lists = *to.column(1);
    lists.begin_list(row);
    for (int i = 0; i < 3; ++i) {
      const std::size_t list = lists.add_element(row);
      ColumnWriter& inner = *lists.parts()[0];
      inner.begin_list(list);
      inner.parts()[0]->set_string(inner.add_element(list), "a text that is to be forgotten");
      inner.parts()[0]->set_null(inner.add_element(list));
    }
    lists.parts()[0]->set_null(lists.add_element(row));
    to.column(2)->set_null(row);
    to.column(3)->begin_list(row);
    to.column(3)->parts()[1]->set_null(to.column(3)->add_element(row));
    for (std::size_t c = 1; c < kColumns; ++c) {
      to.column(c)->forget(row);
    }
  }

  std::size_t rows_;
  std::size_t next_ = 0;
};

constexpr const char* kNestedRows = R"(
  SELECT i AS id,
         CASE WHEN i % 7 <> 0 THEN [CASE WHEN k <> 2 THEN
             [CASE WHEN (i + j) % 5 <> 0 THEN text(i + j) END for j in range((i + k) % 5)] END
           for k in range(i % 4)] END AS lists,
         CASE WHEN i % 5 <> 0 THEN
           {{'a': i::INTEGER, 't': CASE WHEN i % 2 <> 0 THEN text(i) END,
             's': CASE WHEN i % 3 <> 0 THEN {{'l': [i, i + 1, i + 2]}} END}} END AS s,
         map_from_entries([{{'key': text(i + k), 'value': CASE WHEN k <> 1 THEN {{'x': 8::INTEGER}}
           END}} for k in range(i % 3)]) AS m
  FROM range({}) AS r(i))";

/// A value as DuckDB prints it, out of views.
std::string text_of(const Type& type, const ColumnView& column, std::size_t row) {
  if (column.is_null(row)) {
    return "NULL";
  }
  const auto parts = column.parts();
  std::string text;
  switch (type.id) {
    case Type::Id::i32:
      return std::to_string(column.values<std::int32_t>()[row]);
    case Type::Id::i64:
      return std::to_string(column.values<std::int64_t>()[row]);
    case Type::Id::f64:
      return fmt::format("{:.1f}", column.values<double>()[row]);
    case Type::Id::varchar:
      return std::string(column.string(row));
    case Type::Id::structure:
      for (std::size_t i = 0; i < type.parts.size(); ++i) {
        text += fmt::format("{}'{}': {}", i == 0 ? "" : ", ", type.parts[i].name,
                            text_of(type.parts[i].type, parts[i], row));
      }
      return "{" + text + "}";
    default:
      break;
  }
  const auto [offset, length] = column.values<ListEntry>()[row];
  for (std::size_t i = offset; i < offset + length; ++i) {
    text += i == offset ? "" : ", ";
    text += type.id == Type::Id::map ? text_of(type.parts[0].type, parts[0], i) + "=" : "";
    text += text_of(type.parts.back().type, parts.back(), i);
  }
  return type.id == Type::Id::map ? "{" + text + "}" : "[" + text + "]";
}

class NestedBatchTest : public BatchTest {
 protected:
  NestedBatchTest() {
    database_.declare("n", nested_, Shape::stream);
    (void)testing::rows_of(database_,
                           "CREATE MACRO text(i) AS if(i % 2 = 0, 't', 'a text that is not "
                           "inlined ') || i");
  }

  static std::shared_ptr<Batch> read(const Schema& schema, std::size_t rows) {
    auto batch = std::make_shared<Batch>(schema);
    NestedRows reader(rows);
    batch->read(reader);
    return batch;
  }
  /// The rows that a plan over the stream gives, as its views show them; they are to be what DuckDB
  /// itself says.
  Rows shown(const std::string& sql, std::size_t rows) {
    const auto plan = database_.plan("test", sql);
    plan->begin_batch(0, 0);
    plan->give("n", read(nested_, rows));
    std::vector<Type> types;
    for (const Column& column : plan->schema().columns) {
      types.push_back(parse_type(column.type));
    }
    Rows seen;
    Collect out;
    out.on_write = [&](const Chunk& chunk) {
      for (std::size_t row = 0; row < chunk.rows; ++row) {
        std::string& text = seen.emplace_back();
        for (std::size_t c = 0; c < types.size(); ++c) {
          text += (c > 0 ? "|" : "") + text_of(types[c], chunk.columns[c], row);
        }
      }
    };
    plan->run(plan->has_state() ? sql::Run::complete : sql::Run::rows, out);
    EXPECT_EQ(seen, out.rows()) << sql;
    return seen;
  }

  Schema nested_ = database_.parse_schema(
      "id BIGINT, lists VARCHAR[][], s STRUCT(a INTEGER, t VARCHAR, s STRUCT(l BIGINT[])), "
      "m MAP(VARCHAR, STRUCT(x INTEGER))");
};

TEST_F(NestedBatchTest, IsReadAsItWasWritten) {
  // 5,000 rows have 7,500 lists, and a full chunk more than 2,048 elements of each kind.
  for (const std::size_t rows : {1UL, 64UL, 2048UL, 5000UL}) {
    const auto batch = read(nested_, rows);
    EXPECT_EQ(rows_in(batch, "FROM n", "n"),
              testing::rows_of(database_, fmt::format(kNestedRows, rows)))
        << rows;
  }
}

TEST_F(NestedBatchTest, IsCopiedAndAppended) {
  const auto batch = std::make_shared<Batch>(nested_);
  batch->append(std::move(*read(nested_, 3000)));
  batch->append(std::move(*read(nested_, 10)));
  Rows expected = testing::rows_of(database_, fmt::format(kNestedRows, 3000));
  const Rows few = testing::rows_of(database_, fmt::format(kNestedRows, 10));
  expected.insert(expected.end(), few.begin(), few.end());
  std::ranges::sort(expected);
  EXPECT_EQ(rows_in(batch, "FROM n", "n"), expected);
}

TEST_F(NestedBatchTest, ViewsShowWhatDuckdbGives) {
  for (const auto* sql :
       {"FROM n",
        // Dictionaries, of the whole and of parts.
        "SELECT lists, s.s AS s, s.t AS t, m FROM n WHERE id % 3 = 1",
        "SELECT {'id': id, 'lists': lists, 's': {'m': m, 't': s.t}} AS s FROM n WHERE id % 2 = 0",
        "SELECT [s, NULL, s] AS l, MAP([id], [lists]) AS m FROM n WHERE id % 3 > 0",
        "SELECT unnest(lists) AS l, s FROM n",
        "SELECT id, lists[2:3] AS some, m['t2'] AS of_key FROM n",
        // Constants.
        "SELECT id, [1, NULL, 3] AS l, [[1], [], NULL] AS ll, {'a': 1, 'b': [{'c': 'a text that is "
        "not inlined'}]} AS s, MAP {'k': [{'x': 1}, NULL]} AS m FROM n",
        "SELECT NULL::INTEGER[] AS l, NULL::STRUCT(a INTEGER, b VARCHAR[]) AS s, "
        "NULL::MAP(VARCHAR, INTEGER[]) AS m, [NULL::STRUCT(a INTEGER)] AS ls FROM n",
        "SELECT {'a': 1, 'id': id, 'l': [5, 6]} AS s, [{'a': 'x', 'id': id}] AS ls FROM n",
        // NULLs that an expression makes.
        "SELECT CASE WHEN id % 2 = 0 THEN {'a': id, 'b': CASE WHEN id % 3 = 0 THEN lists END} END "
        "AS s FROM n",
        // More elements than a vector has rows.
        "SELECT id, range(3000) AS l, [range(id)] AS ll FROM n WHERE id < 5",
        // Out of a state.
        "SELECT id % 5 AS k, max(lists) AS l, min(s) AS s, count(*) AS c FROM n GROUP BY k"}) {
    EXPECT_FALSE(shown(sql, 3000).empty()) << sql;
  }
}

TEST_F(NestedBatchTest, PartsHaveTheirLayouts) {
  const auto plan = database_.plan(
      "test",
      "SELECT {'a': 1::SMALLINT, 'b': 'x', 'c': [1.5]} AS s, MAP {'k': 1::DECIMAL(9,2)} AS m, "
      "row(1, 'a') AS unnamed, [1, 2]::INTEGER[2] AS fixed, 'a'::ENUM('a', 'b') AS word, "
      "[row(1)] AS rows, id FROM n");
  plan->begin_batch(0, 0);
  plan->give("n", read(nested_, 1));
  Collect out;
  out.on_write = [&](const Chunk& chunk) {
    const auto fields = chunk.columns[0].parts();
    ASSERT_EQ(fields.size(), 3);
    EXPECT_EQ(fields[0].physical, Physical::i16);
    EXPECT_EQ(fields[1].physical, Physical::string);
    EXPECT_EQ(fields[2].physical, Physical::other);
    ASSERT_EQ(fields[2].parts().size(), 1);
    EXPECT_EQ(fields[2].parts()[0].physical, Physical::i16);  // DECIMAL(2,1)
    const auto map = chunk.columns[1].parts();
    ASSERT_EQ(map.size(), 2);
    EXPECT_EQ(map[0].physical, Physical::string);
    EXPECT_EQ(map[1].physical, Physical::i32);
    for (const std::size_t column : {2U, 3U, 4U, 6U}) {
      EXPECT_TRUE(chunk.columns[column].parts().empty()) << column;
    }
    ASSERT_EQ(chunk.columns[5].parts().size(), 1);
    EXPECT_TRUE(chunk.columns[5].parts()[0].parts().empty());
  };
  plan->run(sql::Run::rows, out);
  EXPECT_EQ(out.rows().size(), 1);
}

}  // namespace
}  // namespace millrace::sql
