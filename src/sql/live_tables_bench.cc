// How fast live tables are: look-ups by key, and batches that change some rows of a large table.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <random>

#include "sql/live_tables.h"

namespace millrace::sql {
namespace {

using Steady = std::chrono::steady_clock;

const Schema kSchema{{{"id", "BIGINT", Physical::i64},
                      {"name", "VARCHAR", Physical::string},
                      {"orders", "BIGINT", Physical::i64},
                      {"total", "DOUBLE", Physical::f64}}};

/// Rows of ids that a function gives.
template <class NextId>
class Customers final : public RowReader {
 public:
  Customers(std::int64_t rows, std::int64_t version, NextId next)
      : left_(rows), version_(version), next_(next) {}
  std::size_t read(ChunkWriter& to) override {
    std::size_t row = 0;
    for (; left_ > 0 && row < kChunkRows; ++row, --left_) {
      const std::int64_t id = next_();
      to.values<std::int64_t>(0)[row] = id;
      to.set_string(1, row, fmt::format("customer number {}", id));
      to.values<std::int64_t>(2)[row] = version_;
      to.values<double>(3)[row] = static_cast<double>(id) / 7;
    }
    return row;
  }

 private:
  std::int64_t left_;
  std::int64_t version_;
  NextId next_;
};

template <class NextId>
Batch batch_of(std::int64_t rows, std::int64_t version, NextId next) {
  Batch batch(kSchema);
  Customers<NextId> reader(rows, version, next);
  batch.read(reader);
  return batch;
}

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

void run(std::int64_t rows) {
  LiveTables tables;
  const auto table = tables.open("customers", kSchema, {0});
  std::mt19937_64 random(1);
  const auto any = [&] {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(rows));
  };

  auto start = Steady::now();
  table->replace(batch_of(rows, 0, [id = std::int64_t{0}]() mutable { return id++; }), 0);
  tables.commit({.batch = 0});
  fmt::print("{} rows: filled in {:.2f} s, {} bytes a row\n", rows, seconds_since(start),
             table->bytes() / rows);

  constexpr int kBatches = 50;
  constexpr int kChanged = 10'000;
  double in_upsert = 0;
  double in_commit = 0;
  double slowest = 0;
  for (int batch = 1; batch <= kBatches; ++batch) {
    auto changed = batch_of(kChanged, batch, any);
    start = Steady::now();
    table->upsert(std::move(changed), batch);
    in_upsert += seconds_since(start);
    const auto begin = Steady::now();
    tables.commit({.batch = batch});
    in_commit += seconds_since(begin);
    slowest = std::max(slowest, seconds_since(start));
  }
  fmt::print(
      "{} rows upserted in {:.2f} ms, committed in {:.2f} ms; the slowest took {:.2f} ms; "
      "{} bytes a row\n",
      kChanged, in_upsert / kBatches * 1e3, in_commit / kBatches * 1e3, slowest * 1e3,
      table->bytes() / rows);

  constexpr int kFinds = 1'000'000;
  const auto snapshot = tables.snapshot();
  std::int64_t sum = 0;
  start = Steady::now();
  for (int i = 0; i < kFinds; ++i) {
    const ReadValue key = any();
    (void)snapshot.find(*table, {&key, 1}, [&](const Chunk& chunk, std::size_t row) {
      sum += chunk.columns[2].values<std::int64_t>()[row];
    });
  }
  fmt::print("find: {:.0f} ns ({})\n", seconds_since(start) / kFinds * 1e9, sum);
}

}  // namespace
}  // namespace millrace::sql

int main(int argc, char** argv) {
  millrace::sql::run(argc > 1 ? std::strtoll(argv[1], nullptr, 10) : 5'000'000);
}
