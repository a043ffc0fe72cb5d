#include "connectors/mysql/sink.h"

#include <fmt/format.h>

#include <utility>

#include "base/fault.h"
#include "connectors/mysql/check.h"
#include "sql/staged_rows.h"

namespace millrace::mysql {

namespace {

/// Keeps what is refused until it is known that the transaction will have the other rows.
class RefusedList final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override { rows.push_back(row); }
  void drop(const MalformedRow& row) override { dropped.push_back(row); }

  std::vector<MalformedRow> rows;
  std::vector<MalformedRow> dropped;
};

}  // namespace

/// The transaction is begun and filled by stage(), which the next batch goes on beside, and ended
/// by publish(). A deadlock or a lost connection begins it anew with the rows that are kept here.
class MysqlSink::Batch final : public SinkBatch {
 public:
  Batch(MysqlSink& sink, std::int64_t id, MalformedReceiver& refused)
      : sink_(sink), refused_(refused), id_(id), rows_(sink.refusing_.schema) {}

  std::unique_ptr<SinkWriter> writer() override { return rows_.writer(); }

  void stage() override {
    sink_.retrier_([&] { fill(); });
    for (const auto& row : first_refused_->rows) {
      refused_.add(row);
    }
    for (const auto& row : first_refused_->dropped) {
      refused_.drop(row);
    }
    fault_point("mysql.staged");
  }

  void publish() override {
    sink_.retrier_([&] {
      if (connection_ == nullptr) {
        fill();  // the connection was lost, perhaps behind a commit that was heard
      }
      commit();
    });
    sink_.idle_ = std::move(connection_);
    fault_point("mysql.after_commit");
  }

  [[nodiscard]] SinkStats stats() const override {
    return {.rows = written_rows_, .bytes = written_bytes_, .files = 0};
  }

 private:
  [[nodiscard]] bool is_there(const std::optional<PublishedBatch>& last) const {
    return last && last->checkpoint == sink_.checkpoint_ && last->batch >= id_;
  }

  /// Begins the transaction and writes all of the batch.
  void fill() {
    try {
      connection_ = std::move(sink_.idle_);
      if (connection_ == nullptr) {
        connection_ = std::make_unique<Connection>(sink_.connection_options_, sink_.stop_);
      }
      again_ = false;
      connection_->execute("START TRANSACTION");
      if (is_there(sink_.log_of_batches_->lock(*connection_))) {
        take_as_it_is();
      } else {
        write_rows();
      }
    } catch (...) {
      connection_.reset();
      throw;
    }
  }

  /// An earlier process wrote it, and died before it could say so in the checkpoint.
  void take_as_it_is() {
    again_ = true;
    if (!first_refused_) {
      first_refused_.emplace();
      first_refused_->rows = sink_.log_of_batches_->refused(*connection_);
      written_rows_ = rows_.rows().rows() - static_cast<std::int64_t>(first_refused_->rows.size());
    }
  }

  void write_rows() {
    RefusedList list;
    formats::RefusedRows refused(sink_.refusing_, list);
    if (sink_.plan_->mode == OutputMode::complete) {
      connection_->execute("DELETE FROM " + sink_.plan_->table);
    }
    {
      BatchWriter writer(*sink_.plan_, *connection_, refused);
      rows_.rows().for_each([&](const Chunk& chunk) { writer.write(chunk); });
      written_rows_ = writer.rows();
      written_bytes_ = writer.bytes();
    }
    sink_.log_of_batches_->write(*connection_, {sink_.checkpoint_, id_}, list.rows);
    if (!first_refused_) {
      first_refused_.emplace(std::move(list));
    } else if (first_refused_->rows.size() != list.rows.size()) {
      // What was put aside does not fit what would be written now.
      throw Error(Blame::external,
                  fmt::format("sink {}: other rows are refused than a moment ago", sink_.name_),
                  Retry::yes);
    }
  }

  void commit() {
    fault_point("mysql.before_commit");
    try {
      connection_->execute(again_ ? "ROLLBACK" : "COMMIT");
    } catch (...) {
      connection_.reset();
      throw;
    }
  }

  MysqlSink& sink_;
  MalformedReceiver& refused_;
  std::int64_t id_;
  sql::StagedRows rows_;
  std::unique_ptr<Connection> connection_;
  bool again_ = false;                        // it is there already
  std::optional<RefusedList> first_refused_;  // when it was first written
  std::int64_t written_rows_ = 0;
  std::int64_t written_bytes_ = 0;
};

MysqlSink::MysqlSink(std::string name, ConnectionOptions connection, SinkOptions options,
                     std::stop_token stop)
    : name_(std::move(name)),
      connection_options_(std::move(connection)),
      options_(std::move(options)),
      stop_(std::move(stop)),
      log_(Log().with("sink", name_)),
      retrier_(stop_, log_,
               {.first_pause = std::chrono::milliseconds(50),
                .longest_pause = std::chrono::milliseconds(5000),
                .patience = std::nullopt}) {}
MysqlSink::~MysqlSink() = default;

SinkTraits MysqlSink::traits() const {
  return {.append = true,
          .update = true,
          .complete = true,
          .deletes = true,
          .preferred_for_tables = OutputMode::update,
          .guarantee =
              "exactly once: the rows and the batch's id are in one transaction, and a "
              "batch that is already there is recognised"};
}

std::string MysqlSink::target() const {
  return fmt::format("{} in {}", options_.table, connection_options_.text());
}

void MysqlSink::check_connection(const SinkStart* start, Findings& findings) {
  Connection connection(connection_options_, stop_);
  if (start != nullptr) {
    const WritePlan plan(options_.table, *start, options_.rows_per_statement);
    check_target(connection, wanted(*start), !start->delete_column.empty(), findings);
  }
  check_batch_log(connection, findings);
}

Wanted MysqlSink::wanted(const SinkStart& start) const {
  if (start.mode == OutputMode::update && start.key.empty()) {
    throw Error(Blame::user,
                fmt::format("sink {}: mode update needs a key, and the dataset is one row without "
                            "one; write it in mode complete",
                            name_));
  }
  return {.table = options_.table,
          .columns = written_columns(start),
          .key = start.key,
          .mode = start.mode,
          .may_create = options_.create_table};
}

void MysqlSink::open(const SinkStart& start) {
  const auto table = wanted(start);
  checkpoint_ = start.checkpoint;
  retrier_.tell(start.tell_trouble);
  refusing_ = {.name = name_,
               .origin = options_.table,
               .schema = start.schema,
               .on_refused = options_.on_refused};
  plan_.emplace(options_.table, start, options_.rows_per_statement);
  log_of_batches_.emplace(start.pipeline + "/" + name_);
  Connection connection(connection_options_, stop_);
  BatchLog::create(connection);
  if (prepare_table(connection, table)) {
    log_.info("made the table {} in {}", options_.table, connection_options_.text());
    log_of_batches_->forget(connection);
  }
  there_ = log_of_batches_->last(connection);
  if (there_) {
    check_published(*there_, start,
                    fmt::format("table {} in {}", options_.table, connection_options_.text()));
  }
}

std::unique_ptr<SinkBatch> MysqlSink::begin(std::int64_t batch, MalformedReceiver& refused) {
  return std::make_unique<Batch>(*this, batch, refused);
}

bool MysqlSink::has_published(std::int64_t batch) const {
  return there_ && there_->checkpoint == checkpoint_ && there_->batch >= batch;
}

}  // namespace millrace::mysql
