// millrace generate: tables of MySQL or MariaDB.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "cli/connection_node.h"
#include "cli/generate.h"
#include "connectors/mysql/batch_writer.h"
#include "connectors/mysql/connection.h"

namespace millrace::cli {

namespace {

constexpr std::string_view kMysqlOption = "--mysql-option";
constexpr std::int64_t kRowsPerStatement = 1'024;

/// "db.example.com:3307", or without the port; "[::1]:3306".
void add_address(Node& node, std::string_view text) {
  const auto colon = text.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (text.find(':') == colon || text[colon - 1] == ']');
  auto host = text.substr(0, has_port ? colon : text.size());
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  add_entry(node, "host", scalar_node(std::string(host)));
  if (has_port) {
    add_entry(node, "port", scalar_node(std::string(text.substr(colon + 1))));
  }
}

mysql::ConnectionOptions connection_of(const GenerateOptions& options) {
  Node node{.kind = Node::Kind::mapping};
  add_address(node, options.mysql);
  for (const std::string_view each : options.mysql_options) {
    const auto [name, value] = name_and_value(each, kMysqlOption);
    add_entry(node, name, scalar_node(std::string(value)));
  }
  return parse_connection<mysql::ConnectionOptions>(node, kMysqlOption, mysql::check_connection);
}

/// A made-up row is one that the table takes; if not, the table is another one.
class NoRefusals final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override {
    throw Error(Blame::user,
                fmt::format("table {} does not take a row: {}", row.origin, row.reason));
  }
};

/// A transaction for each piece.
class MysqlTables final : public TableOutput {
 public:
  MysqlTables(const GenerateOptions& options, const DatabaseKind& kind, const std::stop_token& stop)
      : options_(connection_of(options)), connection_(options_, stop) {
    for (const auto& table : kind.tables) {
      connection_.execute(fmt::format("CREATE TABLE IF NOT EXISTS {} ({})",
                                      mysql::quote(table.name), table.definition));
      auto made = std::make_unique<Table>(table);
      made->writer = std::make_unique<mysql::BatchWriter>(made->plan, connection_, made->refused);
      tables_.emplace(table.name, std::move(made));
    }
    for (const auto other : kind.others) {
      connection_.execute(fmt::format("CREATE TABLE IF NOT EXISTS {}", other));
    }
  }

  std::int64_t rows_of(const TableKind& table) override {
    const auto last = connection_.query_value(
        fmt::format("SELECT MAX({}) FROM {}", mysql::quote(table.columns.columns.front().name),
                    mysql::quote(table.name)));
    return parse_integer(last.value_or("0")).value_or(0);
  }

  void write(const TableKind& table, const Chunk& rows) override {
    if (!std::exchange(in_transaction_, true)) {
      connection_.execute("START TRANSACTION");
    }
    tables_.at(table.name)->writer->write(rows);
  }

  void commit() override {
    if (std::exchange(in_transaction_, false)) {
      connection_.execute("COMMIT");
    }
  }

  [[nodiscard]] std::string where() const override { return options_.text(); }

 private:
  struct Table {
    explicit Table(const TableKind& kind)
        : refusing{.name = std::string(kind.name),
                   .origin = std::string(kind.name),
                   .schema = kind.columns},
          plan(refusing.name, {.schema = kind.columns}, kRowsPerStatement),
          refused(refusing, receiver) {}

    formats::RefusedRows::Sink refusing;
    NoRefusals receiver;
    mysql::WritePlan plan;
    formats::RefusedRows refused;
    std::unique_ptr<mysql::BatchWriter> writer;
  };

  mysql::ConnectionOptions options_;
  mysql::Connection connection_;
  std::map<std::string_view, std::unique_ptr<Table>> tables_;
  bool in_transaction_ = false;
};

}  // namespace

std::unique_ptr<TableOutput> tables_in_mysql(const GenerateOptions& options,
                                             const DatabaseKind& kind,
                                             const std::stop_token& stop) {
  return std::make_unique<MysqlTables>(options, kind, stop);
}

}  // namespace millrace::cli
