#include "sql/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/fault.h"
#include "base/files.h"
#include "base/strings.h"
#include "sql/batch.h"
#include "sql/internal/batch.h"
#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"
#include "sql/internal/types.h"

namespace millrace::sql {
namespace {

/// Which batch each writer committed last: in the same file, so in the same transaction.
constexpr std::string_view kBatches = "__millrace_batches";

duckdb::unique_ptr<duckdb::MaterializedQueryResult> execute(duckdb::Connection& connection,
                                                            const std::string& sql) {
  auto result = connection.Query(sql);
  if (result->HasError()) {
    throw run_error(result->GetErrorObject());
  }
  return result;
}

Error cannot_open(const std::string& file, const std::string& reason) {
  const bool locked = reason.find("lock on file") != std::string::npos;
  const bool damaged = reason.find("not a valid DuckDB") != std::string::npos;
  const auto* const way_out =
      locked    ? "another process has it open, such as a running pipeline; stop that first"
      : damaged ? "restore it from a copy, or name another file to start a new store"
                : "see that the folder is there and may be written, and that the disk is not full";
  return {Blame::external,
          fmt::format("cannot open the store `{}`: {}; {}", file, reason, way_out)};
}

/// What differs between a table's columns and a dataset's, column by column; empty: nothing.
std::vector<std::string> differences(const Schema& there, const Schema& ours) {
  std::vector<std::string> out;
  for (std::size_t c = 0; c < std::max(there.size(), ours.size()); c++) {
    if (c >= there.size()) {
      out.push_back(fmt::format("`{}` is missing in the table", ours.columns[c].name));
    } else if (c >= ours.size()) {
      out.push_back(fmt::format("`{}` is not in the dataset", there.columns[c].name));
    } else if (!equal_ignoring_case(there.columns[c].name, ours.columns[c].name) ||
               there.columns[c].type != ours.columns[c].type) {
      out.push_back(fmt::format("column {} is `{} {}` in the table and `{} {}` in the dataset",
                                c + 1, there.columns[c].name, there.columns[c].type,
                                ours.columns[c].name, ours.columns[c].type));
    }
  }
  return out;
}

/// Whether a table only lacks columns: those that it has are there, in the same order.
bool lacks_columns(const Schema& there, const Schema& ours) {
  std::size_t known = 0;
  for (const auto& column : ours.columns) {
    known += known < there.size() && equal_ignoring_case(there.columns[known].name, column.name) &&
                     there.columns[known].type == column.type
                 ? 1
                 : 0;
  }
  return known == there.size() && ours.size() > there.size();
}

void attach_as(duckdb::Connection& connection, const std::string& path, const std::string& name,
               const std::string& file) {
  const auto attached =
      connection.Query(fmt::format("ATTACH {} AS {}", quote_text(path), quote_name(name)));
  if (attached->HasError()) {
    throw cannot_open(file, attached->GetErrorObject().RawMessage());
  }
}

/// Makes an empty store. DuckDB takes several writes for that, so it is done under another name: a
/// process that dies meanwhile must not leave half a store.
void make_store(duckdb::Connection& connection, const std::string& path, const std::string& file) {
  const auto aside = path + ".new";
  remove_file(aside);
  attach_as(connection, aside, "new_store", file);
  execute(connection, "DETACH new_store");
  fault_point("store.before_link");
  // Unlike a rename this never takes the place of a store that another process has just made. Not
  // all file systems can do it.
  if (::link(aside.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    rename_file(aside, path);
  }
  remove_file(aside);
  fsync_folder(folder_of(path));
}

/// The name under which a file is attached to the instance; attaches it if it is not yet.
std::string attach(duckdb::Connection& connection, const std::string& file) {
  std::error_code ignored;  // two names of one file must not attach it twice
  const auto canonical = std::filesystem::weakly_canonical(absolute_path(file), ignored);
  const auto path = ignored ? absolute_path(file) : canonical.string();
  const auto known = execute(
      connection, "SELECT database_name FROM duckdb_databases() WHERE path = " + quote_text(path));
  if (known->RowCount() > 0) {
    return known->GetValue(0, 0).ToString();
  }
  const auto count = execute(connection, "SELECT count(*) FROM duckdb_databases()");
  const auto name = "store_" + count->GetValue(0, 0).ToString();
  make_folders(folder_of(path));
  if (!exists(path)) {
    make_store(connection, path, file);
  }
  attach_as(connection, path, name, file);
  return name;
}

}  // namespace

struct StoreTable::Impl {
  Impl(Database& database, std::string path, std::string name)
      : file(std::move(path)), table(std::move(name)), connection(*database.impl().duck) {
    catalog = attach(connection, file);
    qualified = in_store(table);
  }

  [[nodiscard]] std::string in_store(std::string_view name) const {
    return quote_name(catalog) + ".main." + quote_name(name);
  }
  [[nodiscard]] bool has(std::string_view name) {
    const auto found = execute(
        connection, fmt::format("SELECT 1 FROM duckdb_tables() WHERE database_name = {} AND "
                                "schema_name = 'main' AND lower(table_name) = lower({})",
                                quote_text(catalog), quote_text(name)));
    return found->RowCount() > 0;
  }
  void widen(const Schema& there, const Schema& ours);
  void apply(StagedRows& rows, const Publication& how);
  void append(Batch& rows, const std::string& to_catalog, const std::string& to_table);
  void upsert(StagedRows& rows, const Publication& how);

  std::string file;
  std::string table;
  mutable duckdb::Connection connection;
  std::string catalog;    ///< the attached file's name in this instance
  std::string qualified;  ///< catalog.main.table
};

StoreTable::StoreTable(Database& database, std::string file, std::string table)
    : impl_(std::make_unique<Impl>(database, std::move(file), std::move(table))) {}
StoreTable::~StoreTable() = default;

std::optional<Schema> StoreTable::schema() const {
  if (!impl_->has(impl_->table)) {
    return std::nullopt;
  }
  const auto rows =
      execute(impl_->connection, fmt::format("SELECT * FROM {} LIMIT 0", impl_->qualified));
  Schema schema;
  for (duckdb::idx_t c = 0; c < rows->types.size(); c++) {
    schema.columns.push_back(column_of(rows->names[c], rows->types[c]));
  }
  return schema;
}

void StoreTable::create(const Schema& schema, const std::string& writer) {
  execute(impl_->connection,
          fmt::format("CREATE TABLE IF NOT EXISTS {} (writer VARCHAR, checkpoint VARCHAR, "
                      "batch BIGINT)",
                      impl_->in_store(kBatches)));
  if (const auto there = this->schema()) {
    if (lacks_columns(*there, schema) && last_batch(writer)) {
      impl_->widen(*there, schema);
      return;
    }
    const auto wrong = differences(*there, schema);
    if (!wrong.empty()) {
      throw Error(Blame::user,
                  fmt::format("table {} of the store `{}` has other columns than the dataset: {}; "
                              "write to another table, or drop this one",
                              impl_->table, impl_->file, join(wrong, ", ")));
    }
    return;
  }
  std::vector<std::string> columns;
  columns.reserve(schema.size());
  for (const auto& column : schema.columns) {
    columns.push_back(quote_name(column.name) + " " + column.type);
  }
  execute(impl_->connection, fmt::format("DELETE FROM {} WHERE writer = {}",
                                         impl_->in_store(kBatches), quote_text(writer)));
  execute(impl_->connection,
          fmt::format("CREATE TABLE {} ({})", impl_->qualified, join(columns, ", ")));
}

/// Gives the table the columns that it lacks, with NULLs in the rows that are there. It is written
/// anew if they are not the last ones: rows are appended by the places of columns.
void StoreTable::Impl::widen(const Schema& there, const Schema& ours) {
  std::vector<std::string> added;
  std::vector<std::string> select;
  bool is_tail = true;
  for (std::size_t c = 0; c < ours.size(); c++) {
    const auto& column = ours.columns[c];
    const auto name = quote_name(column.name);
    const bool is_known = there.find(column.name) >= 0;
    is_tail = is_tail && is_known == (c < there.size());
    select.push_back(is_known ? name : fmt::format("CAST(NULL AS {}) AS {}", column.type, name));
    if (!is_known) {
      added.push_back(fmt::format("ALTER TABLE {} ADD COLUMN {} {}", qualified, name, column.type));
    }
  }
  execute(connection, is_tail ? join(added, "; ")
                              : fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1} FROM {0}",
                                            qualified, join(select, ", ")));
}

std::optional<PublishedBatch> StoreTable::last_batch(const std::string& writer) const {
  if (!impl_->has(kBatches)) {
    return std::nullopt;
  }
  const auto rows =
      execute(impl_->connection, fmt::format("SELECT checkpoint, batch FROM {} WHERE writer = {}",
                                             impl_->in_store(kBatches), quote_text(writer)));
  if (rows->RowCount() == 0) {
    return std::nullopt;
  }
  return PublishedBatch{rows->GetValue(0, 0).ToString(),
                        rows->GetValue(1, 0).GetValue<std::int64_t>()};
}

void StoreTable::Impl::append(Batch& rows, const std::string& to_catalog,
                              const std::string& to_table) {
  duckdb::Appender appender(connection, to_catalog, "main", to_table);
  for (auto& chunk : rows.impl().chunks) {
    appender.AppendDataChunk(*chunk);
  }
  appender.Close();
}

/// Deletes the rows whose keys were staged, then inserts the staged ones that are not to be
/// deleted, the last of each key. No index: DuckDB 1.5 never frees the rows that an index let go
/// of.
void StoreTable::Impl::upsert(StagedRows& rows, const Publication& how) {
  std::vector<std::string> columns;
  for (const auto& column : rows.schema().columns) {
    columns.push_back(quote_name(column.name) + " " + column.type);
  }
  execute(connection, fmt::format("CREATE OR REPLACE TEMP TABLE staged ({})", join(columns, ", ")));
  append(rows.rows(), "temp", "staged");
  const bool deletes = !how.delete_column.empty();
  const auto deleted = quote_name(how.delete_column);
  const auto kept =
      fmt::format("SELECT *{} FROM ({{}}){}", deletes ? fmt::format(" EXCLUDE ({})", deleted) : "",
                  deletes ? fmt::format(" WHERE {} IS NOT TRUE", deleted) : "");
  if (how.key.empty()) {  // a table of one row
    execute(connection,
            fmt::format("DELETE FROM {} WHERE (SELECT count(*) FROM temp.staged) > 0", qualified));
    execute(connection, fmt::format("INSERT INTO {} {}", qualified,
                                    fmt::format(fmt::runtime(kept), "FROM temp.staged")));
    return;
  }
  std::vector<std::string> same;
  std::vector<std::string> names;
  for (const auto& column : how.key) {
    const auto name = quote_name(column);
    names.push_back(name);
    same.push_back(fmt::format("t.{} IS NOT DISTINCT FROM s.{}", name, name));
  }
  execute(connection, fmt::format("DELETE FROM {} AS t USING temp.staged AS s WHERE {}", qualified,
                                  join(same, " AND ")));
  const auto last_of_each = fmt::format(
      "SELECT * FROM temp.staged QUALIFY row_number() OVER (PARTITION BY {} ORDER BY rowid DESC) = "
      "1",
      join(names, ", "));
  execute(connection, fmt::format("INSERT INTO {} {}", qualified,
                                  fmt::format(fmt::runtime(kept), last_of_each)));
}

void StoreTable::Impl::apply(StagedRows& rows, const Publication& how) {
  if (how.mode == OutputMode::complete) {
    execute(connection, "DELETE FROM " + qualified);
  }
  if (how.mode == OutputMode::update) {
    upsert(rows, how);
  } else {
    append(rows.rows(), catalog, table);
  }
}

void StoreTable::publish(StagedRows& rows, const Publication& how) {
  const auto& writer = how.writer;
  const auto& batch = how.batch;
  const auto last = last_batch(writer);
  if (last && last->checkpoint == batch.checkpoint &&
      last->batch >= batch.batch) {  // the process died between this commit and the commit log
    return;
  }
  auto& in = *impl_;
  try {
    in.connection.BeginTransaction();
    in.apply(rows, how);
    execute(in.connection, fmt::format("DELETE FROM {} WHERE writer = {}", in.in_store(kBatches),
                                       quote_text(writer)));
    execute(in.connection,
            fmt::format("INSERT INTO {} VALUES ({}, {}, {})", in.in_store(kBatches),
                        quote_text(writer), quote_text(batch.checkpoint), batch.batch));
    fault_point("store.before_commit");
    in.connection.Commit();
  } catch (const Error&) {
    if (!in.connection.IsAutoCommit()) {
      in.connection.Rollback();
    }
    throw;
  } catch (const std::exception& error) {
    if (!in.connection.IsAutoCommit()) {
      in.connection.Rollback();
    }
    throw run_error(duckdb::ErrorData(error));
  }
  fault_point("store.after_commit");
}

std::string StoreTable::select_sql() const { return "SELECT * FROM " + impl_->qualified; }

std::string StoreTable::select_range_sql(const std::string& column,
                                         const std::optional<std::string>& from,
                                         const std::string& to) const {
  const auto name = quote_name(column);
  return fmt::format("SELECT * FROM {} WHERE {} <= {}{}", impl_->qualified, name, to,
                     from ? fmt::format(" AND {} > {}", name, *from) : "");
}

std::optional<std::string> StoreTable::end_of_range(const std::string& column,
                                                    const std::optional<std::string>& from,
                                                    std::optional<std::int64_t> limit) const {
  const auto name = quote_name(column);
  const auto after = from ? fmt::format("WHERE {} > {}", name, *from) : std::string();
  const auto sql =
      limit ? fmt::format("SELECT max({0}) FROM (SELECT {0} FROM {1} {2} ORDER BY {0} LIMIT {3})",
                          name, impl_->qualified, after, *limit)
            : fmt::format("SELECT max({}) FROM {} {}", name, impl_->qualified, after);
  const auto value = execute(impl_->connection, sql)->GetValue(0, 0);
  return value.IsNull() ? std::nullopt : std::optional(std::string(value.ToSQLString()));
}

}  // namespace millrace::sql
