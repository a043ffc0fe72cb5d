#include "connectors/store/store.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/files.h"
#include "connectors/store/options.h"
#include "core/readable_sink.h"
#include "sql/store.h"

namespace millrace {
namespace {

/// How often a table is looked at for new rows.
constexpr auto kPoll = std::chrono::milliseconds(200);

/// Reads a table: whole, or incrementally by a growing column.
class StoreSource final : public Source {
 public:
  StoreSource(std::unique_ptr<sql::StoreTable> table, std::string file, StoreSourceOptions options)
      : table_(std::move(table)), file_(std::move(file)), options_(std::move(options)) {}

  const Schema& schema() override {
    if (schema_.empty()) {
      const auto schema = table_->schema();
      if (!schema) {
        throw Error(Blame::user,
                    fmt::format("the store `{}` has no table {}", file_, options_.table));
      }
      schema_ = *schema;
      if (options_.incremental && schema_.find(*options_.incremental) < 0) {
        throw Error(Blame::user,
                    fmt::format("table {} of the store `{}` has no column {}; it has: {}",
                                options_.table, file_, *options_.incremental, schema_.text()));
      }
    }
    return schema_;
  }
  void open(const std::optional<Json>& position) override {
    if (position) {
      advance(*position);
    }
  }
  [[nodiscard]] Json position() const override {
    return {{"to", position_ ? Json(*position_) : Json()}};
  }
  std::optional<Slice> plan(std::int64_t now) override {
    Slice slice;
    if (!options_.incremental) {
      slice.offsets = {{"as_of_us", now}};
      slice.text = "the whole table";
      return slice;
    }
    if (ended_) {
      return std::nullopt;
    }
    const auto to =
        table_->end_of_range(*options_.incremental, position_, options_.max_rows_per_trigger);
    if (!to) {
      ended_ = at_present_;
      return std::nullopt;
    }
    slice.offsets = {{"from", position_ ? Json(*position_) : Json()}, {"to", *to}};
    slice.text = fmt::format("{} up to {}", *options_.incremental, *to);
    return slice;
  }
  void advance(const Json& offsets) override {
    if (offsets.contains("to") && offsets.at("to").is_string()) {
      position_ = offsets.at("to").get<std::string>();
    }
  }
  SliceInput read(const Json& offsets, MalformedReceiver& /*malformed*/) override {
    if (!options_.incremental) {
      return SqlScan{table_->select_sql()};
    }
    std::optional<std::string> from;
    if (offsets.at("from").is_string()) {
      from = offsets.at("from").get<std::string>();
    }
    return SqlScan{
        table_->select_range_sql(*options_.incremental, from, offsets.at("to").get<std::string>())};
  }
  [[nodiscard]] std::optional<std::string> why_no_history() const override { return std::nullopt; }
  // One slice: what lies between two values is known only by asking, and the table may have
  // changed.
  Slices history() override {
    return [this, given = !position_]() mutable -> std::optional<Slice> {
      if (std::exchange(given, true)) {
        return std::nullopt;
      }
      Slice slice;
      slice.offsets = {{"from", Json()}, {"to", *position_}};
      return slice;
    };
  }
  void stop_at_present() override { at_present_ = true; }
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override {
    const auto end = std::min(until, std::chrono::steady_clock::now() + kPoll);
    std::unique_lock guard(lock_);
    condition_.wait_until(guard, stop, end, [] { return false; });
  }

 private:
  std::unique_ptr<sql::StoreTable> table_;
  std::string file_;
  StoreSourceOptions options_;
  Schema schema_;
  std::optional<std::string> position_;  ///< an SQL literal
  bool at_present_ = false;
  bool ended_ = false;
  std::mutex lock_;
  std::condition_variable_any condition_;
};

/// What all batches of a sink have in common.
struct StoreTarget {
  std::unique_ptr<sql::StoreTable> table;
  Schema schema;
  sql::StoreTable::Publication how;
};

class StoreBatch final : public SinkBatch {
 public:
  StoreBatch(const StoreTarget& target, std::int64_t batch)
      : target_(target), how_(target.how), staged_(target.schema) {
    how_.batch.batch = batch;
  }
  std::unique_ptr<SinkWriter> writer() override { return staged_.writer(); }
  void stage() override { rows_ = staged_.rows().rows(); }
  void publish() override { target_.table->publish(staged_, how_); }
  [[nodiscard]] SinkStats stats() const override { return {.rows = rows_}; }

 private:
  const StoreTarget& target_;
  sql::StoreTable::Publication how_;
  sql::StagedRows staged_;
  std::int64_t rows_ = 0;
};

/// Writes a table, each batch in one transaction together with the batch's id.
class StoreSink final : public Sink, public ReadableSink {
 public:
  StoreSink(sql::Database& database, std::string name, std::string file, StoreSinkOptions options)
      : database_(database),
        name_(std::move(name)),
        file_(std::move(file)),
        options_(std::move(options)) {}

  [[nodiscard]] SinkTraits traits() const override {
    return {.append = true,
            .update = true,
            .complete = true,
            .deletes = true,
            .preferred_for_tables = OutputMode::update,
            .guarantee =
                "exactly once: the rows and the batch's id are in one transaction, and a "
                "batch that is already there is recognised"};
  }
  void open(const SinkStart& start) override {
    target_.schema = start.schema;
    target_.how = {.writer = start.pipeline + "/" + name_,
                   .batch = {.checkpoint = start.checkpoint},
                   .mode = start.mode,
                   .key = start.key,
                   .delete_column = start.delete_column};
    target_.table = std::make_unique<sql::StoreTable>(database_, file_, options_.table);
    target_.table->create(written_columns(start), target_.how.writer);
    if (const auto there = target_.table->last_batch(target_.how.writer)) {
      check_published(*there, start,
                      fmt::format("table {} of the store `{}`", options_.table, file_));
    }
  }
  std::unique_ptr<SinkBatch> begin(std::int64_t batch, MalformedReceiver&) override {
    return std::make_unique<StoreBatch>(target_, batch);
  }
  [[nodiscard]] bool has_published(std::int64_t batch) const override {
    const auto there = target_.table->last_batch(target_.how.writer);
    return there && there->checkpoint == target_.how.batch.checkpoint && there->batch >= batch;
  }
  [[nodiscard]] std::string query() const override {
    return exists(file_) ? sql::StoreTable(database_, file_, options_.table).select_sql()
                         : std::string();
  }

 private:
  sql::Database& database_;
  std::string name_;
  std::string file_;
  StoreSinkOptions options_;
  StoreTarget target_;
};

class StoreConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "store"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Reads and writes tables of an embedded DuckDB file, in transactions.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &StoreConnection::table();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &StoreSourceOptions::options();
  }
  [[nodiscard]] const OptionSet* sink_options() const noexcept override {
    return &StoreSinkOptions::options();
  }
  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    StoreConnection connection;
    StoreSourceOptions options;
    const bool good =
        StoreConnection::table().parse(*request.connection, diagnostics, connection, what);
    if (!StoreSourceOptions::options().parse(*request.options, diagnostics, options, what) ||
        !good) {
      return nullptr;
    }
    if (!request.as_table && !options.incremental) {
      diagnostics.error(request.at, what + " needs `incremental` to be read as a stream",
                        "name a column that only grows, or read the table whole with `as: table`");
      return nullptr;
    }
    if (request.database == nullptr) {
      return nullptr;
    }
    const auto file = resolve_path(request.base_dir, connection.path);
    if (!exists(file)) {
      throw Error(Blame::external, fmt::format("the store `{}` is not there", file));
    }
    auto table = std::make_unique<sql::StoreTable>(*request.database, file, options.table);
    return std::make_unique<StoreSource>(std::move(table), file, std::move(options));
  }
  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    StoreConnection connection;
    StoreSinkOptions options;
    const bool good =
        StoreConnection::table().parse(*request.connection, diagnostics, connection, what);
    if (!StoreSinkOptions::options().parse(*request.options, diagnostics, options, what) || !good ||
        request.database == nullptr) {
      return nullptr;
    }
    return std::make_unique<StoreSink>(*request.database, request.name,
                                       resolve_path(request.base_dir, connection.path),
                                       std::move(options));
  }
};

}  // namespace

std::unique_ptr<Connector> store_connector() { return std::make_unique<StoreConnector>(); }

}  // namespace millrace
