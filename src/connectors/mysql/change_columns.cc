#include "connectors/mysql/change_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "connectors/mysql/binlog_values.h"
#include "connectors/mysql/catalog.h"
#include "sql/database.h"

namespace millrace::mysql {

namespace {

struct FactWord {
  ChangeFact fact;
  std::string_view word;
  std::string_view type;
};
constexpr auto kFacts = std::to_array<FactWord>({
    {ChangeFact::op, "op", "VARCHAR"},
    {ChangeFact::change_time, "change_time", "TIMESTAMP WITH TIME ZONE"},
    {ChangeFact::sequence, "sequence", "BIGINT"},
    {ChangeFact::position, "position", "VARCHAR"},
});

Column column_of(const std::string& name, const MYSQL_FIELD& field) {
  const auto type = sql_type_of(field);
  return {name, type, physical_of(type)};
}

Schema columns_of(const Statement& statement) {
  Schema columns;
  for (const auto& field : statement.fields()) {
    columns.columns.push_back(column_of(field.name, field));
  }
  return columns;
}

void check_columns(const std::string& table, const Schema& wanted, const Statement& statement,
                   ZeroDates zero_dates) {
  const auto there = columns_of(statement);
  for (const auto& column : wanted.columns) {
    const int at = there.find(column.name);
    if (at < 0) {
      throw Error(Blame::user,
                  fmt::format("{} has no column {}; it has: {}", table, column.name, there.text()));
    }
    (void)ColumnDecoder(statement.fields()[static_cast<std::size_t>(at)], column, zero_dates);
  }
}

void add_facts(const std::string& source, const SourceOptions& options, ChangeLayout& layout) {
  for (const auto& [column, word] : options.metadata) {
    const auto fact = std::ranges::find(kFacts, word, &FactWord::word);
    if (fact == kFacts.end() || layout.plan.schema.find(column) >= 0) {
      throw Error(Blame::user,
                  fact == kFacts.end()
                      ? fmt::format("source {}: `metadata` has no {}; there are op, change_time, "
                                    "sequence and position",
                                    source, word)
                      : fmt::format("source {}: {} is a column of the table, too; call the one of "
                                    "`metadata` otherwise",
                                    source, column));
    }
    layout.facts.push_back(fact->fact);
    layout.schema.columns.push_back({column, std::string(fact->type), physical_of(fact->type)});
  }
}

}  // namespace

ChangeLayout make_layout(const std::string& source, const SourceOptions& options,
                         const Schema& so_far, Connection& connection, sql::Database& database) {
  ChangeLayout layout;
  layout.plan = {.name = options.table,
                 .from = quote(options.table),
                 .zero_dates = options.zero_dates,
                 .on_malformed = options.on_malformed};
  if (options.schema.empty() && !so_far.empty()) {
    layout.plan.schema = so_far;
  } else {
    const Statement statement(connection, fmt::format("SELECT * FROM {}", layout.plan.from));
    layout.plan.schema =
        options.schema.empty() ? columns_of(statement) : database.parse_schema(options.schema);
    check_columns(options.table, layout.plan.schema, statement, options.zero_dates);
  }
  for (const auto& column : catalog_of(connection, options.table).columns) {
    layout.all.push_back(column.name);
    if (column.form != BinlogForm::plain) {
      layout.forms[column.name] = column.form;
    }
  }
  layout.schema = layout.plan.schema;
  add_facts(source, options, layout);
  return layout;
}

Schema fresh_columns(const ChangeLayout& layout,
                     std::span<const std::shared_ptr<const RowsEvent>> events,
                     const ConnectionOptions& connection, const std::stop_token& stop) {
  Schema fresh;
  const BinlogTable* seen = nullptr;
  for (const auto& event : events) {
    if (std::exchange(seen, event->table.get()) == event->table.get()) {
      continue;
    }
    for (const auto& column : event->table->columns) {
      if (layout.plan.schema.find(column.name) < 0 && fresh.find(column.name) < 0) {
        fresh.columns.push_back(column_of(column.name, field_of(column)));
      }
    }
  }
  if (!fresh.empty()) {
    Connection asked(connection, stop);
    const auto now =
        columns_of(Statement(asked, fmt::format("SELECT * FROM {}", layout.plan.from)));
    for (auto& column : fresh.columns) {
      if (const int at = now.find(column.name); at >= 0) {
        column = now.columns[static_cast<std::size_t>(at)];
      }
    }
  }
  return fresh;
}

}  // namespace millrace::mysql
