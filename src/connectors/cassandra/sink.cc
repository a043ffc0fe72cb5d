#include "connectors/cassandra/sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/fault.h"
#include "base/log.h"
#include "base/strings.h"
#include "connectors/cassandra/protocol/row_cells.h"
#include "connectors/cassandra/protocol/token.h"
#include "connectors/cassandra/same_value.h"

namespace millrace::cassandra {

namespace {

constexpr std::int64_t kBatchStatements = 100;
constexpr std::int64_t kKeyspacesBatchStatements = 30;  // its quota
constexpr std::size_t kBatchBytes = std::size_t{64} << 10;
constexpr std::int64_t kRowBytes = 15LL << 20;          // below the 16 MiB of a server's frame
constexpr std::int64_t kKeyspacesRowBytes = 1LL << 20;  // its quota

std::string hex_text(std::string_view bytes) {
  std::string text = "0x";
  for (const char byte : bytes.substr(0, 64)) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

}  // namespace

class CassandraSink::Batch final : public SinkBatch {
 public:
  Batch(CassandraSink& sink, MalformedReceiver& refused)
      : sink_(sink),
        refused_(refused),
        time_us_(sink.time_us_),
        rows_(sink.options_.buffer.count) {}

  std::unique_ptr<SinkWriter> writer() override;
  void stage() override {}
  void publish() override { sink_.publish(rows_, time_us_); }
  [[nodiscard]] SinkStats stats() const override {
    return {.rows = count_, .bytes = rows_.bytes(), .files = 0};
  }

 private:
  friend class Writer;

  CassandraSink& sink_;
  MalformedReceiver& refused_;
  std::int64_t time_us_;
  Staging rows_;
  std::atomic<std::int64_t> count_ = 0;
};

class CassandraSink::Writer final : public SinkWriter {
 public:
  explicit Writer(Batch& batch)
      : batch_(batch),
        encoder_(batch.sink_.plan_),
        refused_(batch.sink_.refusing_, batch.refused_) {}

  void write(const Chunk& chunk) override {
    rows_.clear();
    std::int64_t count = 0;
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      if (const auto why = encoder_.encode(chunk, row, rows_)) {
        refused_.add(chunk, row, *why);
      } else {
        count++;
      }
    }
    batch_.rows_.add(rows_);
    batch_.count_ += count;
  }
  void finish() override {}

 private:
  Batch& batch_;
  RowEncoder encoder_;
  formats::RefusedRows refused_;
  std::string rows_;
};

std::unique_ptr<SinkWriter> CassandraSink::Batch::writer() {
  return std::make_unique<Writer>(*this);
}

CassandraSink::CassandraSink(std::string name, ConnectionOptions connection, SinkOptions options,
                             std::stop_token stop)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      stop_(std::move(stop)),
      table_{.keyspace = options_.keyspace, .table = options_.table},
      max_batch_statements_(static_cast<std::size_t>(options_.max_batch_statements.value_or(
          connection_.is_keyspaces() ? kKeyspacesBatchStatements : kBatchStatements))) {}
CassandraSink::~CassandraSink() = default;

SinkTraits CassandraSink::traits() const {
  return {
      .append = true,
      .update = true,
      .complete = false,
      .deletes = true,
      .preferred_for_tables = OutputMode::update,
      .guarantee = options_.timestamps == Timestamps::batch
                       ? "exactly once by key: rows are upserted with the batch's time, so that "
                         "a batch that is repeated writes the same again"
                       : "exactly once by key, as long as nobody else writes the same rows: a "
                         "batch that is repeated is written again, with a later time"};
}

std::string CassandraSink::target() const { return table_.text(); }

void CassandraSink::check_connection(const SinkStart* start, Findings& findings) {
  Cluster cluster(connection_, name_, stop_);
  const auto table = find_table(cluster.session(), table_);
  if (table && start != nullptr) {
    (void)make_plan(cluster.session(), table_, options_, *start, *table, "sink " + name_);
  } else if (!table && !options_.create_table) {
    findings.error(fmt::format("there is no table {}", table_.text()),
                   "make it, or have it made by `create_table: true`");
  } else if (!table && start != nullptr) {
    (void)statement_for(*start);  // says why it can't be made
  }
}

void CassandraSink::open(const SinkStart& start) {
  start_ = start;
  refusing_ = {.name = name_,
               .origin = table_.text(),
               .schema = start.schema,
               .on_refused = options_.on_refused};
  auto cluster = std::make_unique<Cluster>(connection_, name_, stop_);
  Session& session = cluster->session();
  session.tell(start.tell_trouble);
  const auto who = "sink " + name_;
  plan_ = make_plan(session, table_, options_, start_, find_or_create(session), who);
  const auto servers = connection_.is_keyspaces() ? kKeyspacesRowBytes
                                                  : max_mutation_bytes(session).value_or(kRowBytes);
  plan_.max_row_bytes =
      std::min(options_.max_row_bytes ? options_.max_row_bytes->count : kRowBytes, servers);
  cluster_ = std::move(cluster);
}

std::string CassandraSink::statement_for(const SinkStart& start) const {
  Schema schema = start.schema;
  std::erase_if(schema.columns, [&](const Column& column) {
    return equal_ignoring_case(column.name, start.delete_column);
  });
  return create_statement(table_, options_, schema, start.key, connection_.is_keyspaces());
}

TableInfo CassandraSink::find_or_create(Session& session) {
  const auto who = "sink " + name_;
  if (auto table = find_table(session, table_)) {
    return *std::move(table);
  }
  if (!options_.create_table) {
    throw Error(Blame::user, fmt::format("{}: there is no table {}; make it, or have it made by "
                                         "`create_table: true`",
                                         who, table_.text()));
  }
  create_table(session, table_, statement_for(start_), stop_);
  Log().with("sink", name_).info("made table {}", table_.text());
  return get_table(session, table_, who);
}

std::unique_ptr<SinkBatch> CassandraSink::begin(std::int64_t /*batch*/,
                                                MalformedReceiver& refused) {
  return std::make_unique<Batch>(*this, refused);
}

void CassandraSink::publish(const Staging& rows, std::int64_t time_us) {
  fault_point("cassandra.before_publish");
  rows.for_each_part([&](const std::vector<StagedRow>& part) {
    write(part, time_us);
    if (options_.read_back) {
      read_back(part);
    }
  });
  fault_point("cassandra.after_publish");
}

void CassandraSink::write(const std::vector<StagedRow>& rows, std::int64_t time_us) {
  Session& session = cluster_->session();
  const auto take = [&] {
    session.next().check("writing to " + table_.text());
    fault_point("cassandra.during_publish");
  };
  const StagedRow* begin = rows.data();
  const StagedRow* const last = rows.data() + rows.size();
  while (begin != last) {
    const StagedRow* end = begin;
    std::size_t bytes = 0;
    do {
      bytes += end->values.size();
      ++end;
    } while (end != last && end->partition_key == begin->partition_key &&
             std::cmp_less(end - begin, max_batch_statements_) &&
             bytes + end->values.size() <= kBatchBytes);
    while (std::cmp_greater_equal(session.pending(), connection_.max_in_flight)) {
      take();
    }
    session.submit(write_request(begin, end, time_us));
    begin = end;
  }
  while (session.pending() > 0) {
    take();
  }
}

/// One statement, or an unlogged batch of several of one partition.
Request CassandraSink::write_request(const StagedRow* begin, const StagedRow* end,
                                     std::int64_t time_us) const {
  std::string timestamp;
  if (plan_.has_timestamp) {
    put(std::int32_t{sizeof(time_us)}, timestamp);
    put(time_us, timestamp);
  }
  // In the order of the marks in the texts.
  const auto values_of = [&](const StagedRow& row) {
    return row.is_delete ? timestamp + std::string(row.values)
                         : std::string(row.values) + timestamp;
  };
  const auto statement_of = [&](const StagedRow& row) -> const Prepared& {
    return row.is_delete ? plan_.remove : plan_.insert;
  };
  const int version = cluster_->session().version();
  Request request{.token = token_of(begin->partition_key)};
  if (end - begin == 1) {
    request.opcode = Opcode::execute;
    request.body = execute_body(version, statement_of(*begin), values_of(*begin),
                                {.consistency = consistency()});
    return request;
  }
  std::string statements;
  for (const StagedRow* row = begin; row != end; ++row) {
    add_to_batch(statement_of(*row), values_of(*row), statements);
  }
  request.opcode = Opcode::batch;
  request.body =
      batch_body(version, static_cast<std::uint16_t>(end - begin), statements, consistency());
  return request;
}

void CassandraSink::read_back(const std::vector<StagedRow>& rows) {
  Session& session = cluster_->session();
  const auto take = [&] {
    const auto answer = session.next();
    answer.check("reading back from " + table_.text());
    compare(rows[answer.tag], answer);
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    while (std::cmp_greater_equal(session.pending(), connection_.max_in_flight)) {
      take();
    }
    const auto key_size = static_cast<std::size_t>(
        rows[i].clustering.data() + rows[i].clustering.size() - rows[i].values.data());
    session.submit(
        {.opcode = Opcode::execute,
         .body = execute_body(session.version(), plan_.select, rows[i].values.substr(0, key_size),
                              {.consistency = consistency()}),
         .token = token_of(rows[i].partition_key),
         .tag = i});
  }
  while (session.pending() > 0) {
    take();
  }
}

void CassandraSink::compare(const StagedRow& row, const Answer& answer) const {
  const auto fail = [&](const std::string& why) {
    throw Error(Blame::external,
                fmt::format("sink {}: read back from {}: the row with the partition key {} {}; was "
                            "it written by somebody else, too?",
                            name_, table_.text(), hex_text(row.partition_key), why));
  };
  const auto rows = read_rows(answer.body);
  if (!rows || rows->count != (row.is_delete ? 0U : 1U)) {
    fail(row.is_delete ? "was deleted, and is there" : "was written, and is not there");
  }
  if (row.is_delete) {
    return;
  }
  RowCells cells(*rows, answer.body);
  (void)cells.next();
  WireReader written(row.values);
  for (std::size_t i = 0; i < plan_.values.size(); ++i) {
    const auto length = load_big_endian<std::int32_t>(written.rest().data());
    const auto value = written.bytes();
    if (length != -2 && !is_same_value(plan_.values[i].type, value, cells.all()[i])) {
      fail(fmt::format("has another value of {} than was written", plan_.values[i].name));
    }
  }
}

}  // namespace millrace::cassandra
