#include "sql/kept_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "sql/internal/batch.h"
#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"
#include "sql/internal/live_tables.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

using duckdb::LogicalType;
using duckdb::Value;

/// Files that may wait to be read into memory; more are not worth it, as the newest ask counts.
constexpr std::size_t kMostWaiting = 256;
/// Files whose first ask is remembered.
constexpr std::size_t kMostAsked = 20'000;
/// Of a key that more rows of a file have than this, on average, nothing is gained by memory.
constexpr std::size_t kMostOfKey = kChunkRows;

duckdb::hash_t hash_of(const Value& value) {
  duckdb::Vector one(value);
  duckdb::Vector hash(LogicalType::HASH, duckdb::idx_t{1});
  duckdb::VectorOperations::Hash(one, hash, 1);
  return duckdb::FlatVector::GetData<duckdb::hash_t>(hash)[0];
}

/// Runs a query and gives its chunks, flat.
template <class Take>
void for_each_chunk(Database& database, const std::string& sql, const Take& take) {
  duckdb::Connection connection(*database.impl().duck);
  const auto result = connection.SendQuery(sql);
  while (true) {
    if (result->HasError()) {
      throw run_error(result->GetErrorObject());
    }
    auto chunk = result->Fetch();
    if (result->HasError()) {
      throw run_error(result->GetErrorObject());
    }
    if (chunk == nullptr || chunk->size() == 0) {
      return;
    }
    chunk->Flatten();
    take(*chunk);
  }
}

/// The rows of one file, sorted by the key, and where those of each key lie. Never changed.
class KeptRows {
 public:
  KeptRows(Database& database, const Schema& schema, std::size_t key, const std::string& select)
      : rows_(schema) {
    const auto sql = fmt::format("SELECT * FROM ({}) ORDER BY {} NULLS LAST", select,
                                 quote_name(schema.columns[key].name));
    for_each_chunk(database, sql, [&](duckdb::DataChunk& chunk) {
      add_runs(chunk, key);
      rows_.impl().copy(chunk, 0, chunk.size());
    });
    std::ranges::sort(runs_, {}, &Run::hash);
    runs_.shrink_to_fit();
  }

  /// Appends the rows whose key has this hash.
  void find(duckdb::hash_t hash, Batch& to) const {
    const auto [begin, end] = std::ranges::equal_range(runs_, hash, {}, &Run::hash);
    for (const auto& run : std::ranges::subrange(begin, end)) {
      std::size_t at = run.begin;
      const std::size_t behind = at + run.rows;
      while (at < behind) {
        auto& chunk = *rows_.impl().chunks[at / kChunkRows];
        const std::size_t row = at % kChunkRows;
        const auto count = std::min<std::size_t>(behind - at, chunk.size() - row);
        to.impl().copy(chunk, row, count);
        at += count;
      }
    }
  }

  /// Rows of a key, on average.
  [[nodiscard]] std::size_t rows_of_key() const {
    return static_cast<std::size_t>(rows_.rows()) / std::max<std::size_t>(runs_.size(), 1);
  }
  [[nodiscard]] std::int64_t bytes() const {
    return rows_.bytes() + static_cast<std::int64_t>(runs_.size() * sizeof(Run));
  }

 private:
  struct Run {
    duckdb::hash_t hash = 0;
    std::uint32_t begin = 0;
    std::uint32_t rows = 0;
  };

  /// Rows of equal keys stand one after the other, so a run goes on as long as the hash is the
  /// same.
  void add_runs(duckdb::DataChunk& chunk, std::size_t key) {
    duckdb::Vector hashes(LogicalType::HASH);
    duckdb::VectorOperations::Hash(chunk.data[key], hashes, chunk.size());
    hashes.Flatten(chunk.size());
    const auto* hash = duckdb::FlatVector::GetData<duckdb::hash_t>(hashes);
    const auto& valid = duckdb::FlatVector::Validity(chunk.data[key]);
    auto at = static_cast<std::uint32_t>(rows_.rows());
    for (std::size_t row = 0; row < chunk.size() && valid.RowIsValid(row); ++row, ++at) {
      if (runs_.empty() || runs_.back().hash != hash[row]) {
        runs_.push_back({.hash = hash[row], .begin = at});
      }
      ++runs_.back().rows;
    }
  }

  Batch rows_;
  std::vector<Run> runs_;
};

}  // namespace

struct KeptFiles::Impl {
  using Rows = std::shared_ptr<const KeptRows>;  // shared with those who copy out of it
  struct Entry {
    Rows rows;
    std::list<std::string>::iterator used;
    int asked = 0;  ///< how often, beside those asks that let it stay
  };
  struct Load {
    std::string name;
    KeptTable table;
    KeptFile file;
  };

  Impl(Database& of, std::int64_t most)
      : database(of),
        max_bytes(most),
        loader([this](const std::stop_token& stop) { load(stop); }) {}

  /// What is in memory of the files, and the others.
  std::vector<Rows> take(const KeptTable& table, std::span<const KeptFile* const> files,
                         std::vector<const KeptFile*>& others) {
    std::vector<Rows> taken;
    taken.reserve(files.size());
    std::string name;
    const std::lock_guard guard(lock);
    for (const auto* file : files) {
      name.assign(table.name).append("\n").append(file->path).append("\n").append(file->version);
      if (const auto found = entries.find(name); found != entries.end()) {
        order.splice(order.begin(), order, found->second.used);
        taken.push_back(found->second.rows);
        ++found->second.asked;
        ++stats.found;
        continue;
      }
      ++stats.read;
      others.push_back(file);
      want(name, table, *file);
    }
    return taken;
  }

  /// A file that is asked for again is to be read into memory.
  void want(const std::string& name, const KeptTable& table, const KeptFile& file) {
    if (asked.size() >= kMostAsked) {
      asked.clear();
    }
    int& times = asked[name];
    if (times == kOnItsWay) {
      return;
    }
    ++times;
    if (times < 2 || waiting.size() >= kMostWaiting || file.bytes >= max_bytes / 4 ||
        !has_room(times)) {
      return;
    }
    times = kOnItsWay;
    waiting.push_back({name, table, file});
    changed.notify_all();
  }

  /// Whether what was asked for so often may be read, which may need the place of another. So of
  /// files that are all asked for alike, but don't fit, some stay.
  bool has_room(int times) {
    if (order.empty() || stats.bytes + (stats.bytes / std::ssize(entries)) <= max_bytes) {
      return true;
    }
    int& of_last = entries.find(order.back())->second.asked;
    return of_last-- < times;
  }

  void load(const std::stop_token& stop) {
    std::unique_lock guard(lock);
    while (changed.wait(guard, stop, [&] { return !waiting.empty(); })) {
      auto next = std::move(waiting.front());
      waiting.pop_front();
      is_loading = true;
      guard.unlock();
      Rows rows;
      const auto* const file = &next.file;
      try {
        rows = std::make_shared<const KeptRows>(database, *next.table.schema, next.table.key,
                                                next.table.select(std::span(&file, 1)));
      } catch (const std::exception& error) {  // whoever needs the file gets the error itself
        Log().debug("{} was not read into memory: {}", next.file.path, error.what());
      }
      guard.lock();
      is_loading = false;
      if (rows != nullptr && rows->rows_of_key() <= kMostOfKey && rows->bytes() <= max_bytes) {
        asked.erase(next.name);
        keep(next.name, std::move(rows));
      }  // else it is not asked for again until it is forgotten
      changed.notify_all();
    }
  }

  /// Appends the rows of files that are not in memory. False: there are too many, or they can't be
  /// read without the others.
  bool query(const KeptTable& table, std::span<const KeptFile* const> files, const Value& key,
             Batch& to) const {
    const auto sql = fmt::format("SELECT * FROM ({}) WHERE {} = {} LIMIT {}", table.select(files),
                                 quote_name(table.schema->columns[table.key].name),
                                 key.ToSQLString(), kMostRows + 1);
    try {
      for_each_chunk(database, sql,
                     [&](duckdb::DataChunk& chunk) { to.impl().copy(chunk, 0, chunk.size()); });
    } catch (const Error& error) {
      Log().debug("rows of some files: {}", error.what());
      return false;
    }
    return to.rows() <= kMostRows;
  }

  void keep(const std::string& name, Rows rows) {
    const auto bytes = rows->bytes();
    while (stats.bytes + bytes > max_bytes && !order.empty()) {
      const auto last = entries.find(order.back());
      stats.bytes -= last->second.rows->bytes();
      entries.erase(last);
      order.pop_back();
    }
    order.push_front(name);
    entries.emplace(name, Entry{std::move(rows), order.begin(), 0});
    stats.bytes += bytes;
  }

  static constexpr int kOnItsWay = -1;

  Database& database;
  std::int64_t max_bytes;
  std::mutex lock;  // guards what follows
  std::condition_variable_any changed;
  std::unordered_map<std::string, Entry> entries;
  std::list<std::string> order;  ///< names of entries, the one asked for last first
  std::unordered_map<std::string, int> asked;
  std::deque<Load> waiting;
  bool is_loading = false;
  Stats stats;
  std::jthread loader;  // last, so that it ends first
};

KeptFiles::KeptFiles(Database& database, std::int64_t max_bytes)
    : impl_(std::make_unique<Impl>(database, max_bytes)) {}
KeptFiles::~KeptFiles() = default;

std::optional<Batch> KeptFiles::find(const KeptTable& table, std::span<const KeptFile* const> files,
                                     const ReadValue& key) {
  const auto& column = table.schema->columns[table.key];
  const auto value = value_of(key);
  std::string why;
  Value cast;
  if (!value.DefaultTryCastAs(type_of(column.type), cast, &why)) {
    throw Error(Blame::user, fmt::format("`{}` is no {}, which {} is", value.ToString(),
                                         column.type, column.name));
  }
  Batch found(*table.schema);
  if (cast.IsNull()) {
    return found;
  }
  std::vector<const KeptFile*> others;
  const auto rows = impl_->take(table, files, others);
  if (others.size() * 2 > files.size()) {
    return std::nullopt;
  }
  const bool found_all = as_run_error([&] {
    const auto hash = hash_of(cast);
    for (const auto& each : rows) {
      each->find(hash, found);
      if (found.rows() > kMostRows) {
        return false;
      }
    }
    return others.empty() || impl_->query(table, others, cast, found);
  });
  return found_all ? std::optional(std::move(found)) : std::nullopt;
}

KeptFiles::Stats KeptFiles::stats() const {
  const std::lock_guard guard(impl_->lock);
  auto stats = impl_->stats;
  stats.files = static_cast<std::int64_t>(impl_->entries.size());
  return stats;
}

void KeptFiles::settle() {
  std::unique_lock guard(impl_->lock);
  impl_->changed.wait(guard, [&] { return impl_->waiting.empty() && !impl_->is_loading; });
}

}  // namespace millrace::sql
