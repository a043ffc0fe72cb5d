#include "sql/support_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sql/internal/column_views.h"
#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql::testing {

namespace {

/// Sums of doubles depend on the order of the rows in their last digits.
std::string text_of(const duckdb::Value& value) {
  if (!value.IsNull() && value.type().id() == duckdb::LogicalTypeId::DOUBLE) {
    return fmt::format("{:.9g}", value.GetValue<double>());
  }
  return value.ToString();
}

void add_rows(const duckdb::DataChunk& chunk, Rows& rows) {
  for (std::size_t row = 0; row < chunk.size(); ++row) {
    std::string text;
    for (std::size_t column = 0; column < chunk.ColumnCount(); ++column) {
      text += (column > 0 ? "|" : "") + text_of(chunk.GetValue(column, row));
    }
    rows.push_back(std::move(text));
  }
}

/// Calls use(chunk) for every chunk of a query's result.
template <class Use>
void for_chunks(Database& database, const std::string& sql, const Use& use) {
  duckdb::Connection connection(*database.impl().duck);
  const auto result = connection.Query(sql);
  if (result->HasError()) {
    throw std::runtime_error(result->GetError() + "\n" + sql);
  }
  while (const auto chunk = result->Fetch()) {
    if (chunk->size() == 0) {
      return;
    }
    use(*chunk);
  }
}

}  // namespace

class Collect::Writer final : public SinkWriter {
 public:
  explicit Writer(Collect& to) : to_(to) {}
  void write(const Chunk& chunk) override {
    if (to_.on_write) {
      to_.on_write(chunk);
    }
    const std::lock_guard guard(*to_.lock_);
    add_rows(*static_cast<duckdb::DataChunk*>(chunk.native), to_.rows_);
  }
  void finish() override {
    const std::lock_guard guard(*to_.lock_);
    ++to_.finished;
  }

 private:
  Collect& to_;
};

std::unique_ptr<SinkWriter> Collect::writer() {
  const std::lock_guard guard(*lock_);
  ++writers;
  return std::make_unique<Writer>(*this);
}

Rows Collect::sorted() const {
  Rows rows = rows_;
  std::ranges::sort(rows);
  return rows;
}

Rows rows_of(Database& database, const std::string& sql) {
  Rows rows;
  for_chunks(database, sql, [&](duckdb::DataChunk& chunk) { add_rows(chunk, rows); });
  std::ranges::sort(rows);
  return rows;
}

std::shared_ptr<Batch> batch_of(Database& database, const Schema& schema, const std::string& sql) {
  auto batch = std::make_shared<Batch>(schema);
  ColumnViews views;
  std::string casts;
  for (std::size_t i = 0; i < schema.size(); ++i) {
    casts += fmt::format("{}CAST(#{} AS {})", i > 0 ? ", " : "", i + 1, schema.columns[i].type);
  }
  for_chunks(database, fmt::format("SELECT {} FROM ({})", casts, sql),
             [&](duckdb::DataChunk& chunk) { batch->append(views.of(chunk)); });
  return batch;
}

std::string over(std::string sql, const std::string& stream, const std::string& table) {
  return duckdb::StringUtil::Replace(duckdb::StringUtil::Replace(std::move(sql), "%s", stream),
                                     "%d", table);
}

std::string refusal(Database& database, const std::string& sql) {
  try {
    const auto plan = database.plan("test", sql);
    ADD_FAILURE() << "not refused: " << sql;
  } catch (const SqlError& error) {
    return error.what();
  }
  return {};
}

PutBytes Pieces::put() {
  return [this](std::string_view piece) { pieces_.emplace_back(piece); };
}

GetBytes Pieces::get() {
  next_ = 0;
  return [this](std::string& piece) {
    if (next_ == pieces_.size()) {
      return false;
    }
    piece = pieces_[next_++];
    return true;
  };
}

void expect_rows_add_up(const RunCounts& counts) {
  EXPECT_EQ(counts.scanned + counts.expanded + counts.emitted,
            counts.absorbed + counts.filtered + counts.cut + counts.out + counts.duplicates +
                counts.late.rows);
}

}  // namespace millrace::sql::testing
