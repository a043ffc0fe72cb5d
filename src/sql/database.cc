#include "sql/database.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/strings.h"
#include "sql/internal/batch.h"
#include "sql/internal/database.h"
#include "sql/internal/error.h"
#include "sql/internal/object_files.h"
#include "sql/internal/plan.h"
#include "sql/internal/planner.h"
#include "sql/internal/read_query.h"
#include "sql/internal/stream_scan.h"
#include "sql/internal/types.h"
#include "sql/internal/windows.h"
#include "sql/plan.h"

namespace millrace::sql {

namespace {

// The state of aggregates is kept in DuckDB's own bytes, and plans are rewritten through its
// internals: another version must be looked at before it may run.
constexpr std::string_view kDuckdbVersion = "v1.5.5";

// statistics_propagation would freeze the contents of tables at planning time into plans that live
// on: rows added later are lost. The others change the types or the order of what our operators
// keep, or share work between plans, in ways that the rewrite does not follow.
constexpr std::string_view kDisabledOptimizers =
    "statistics_propagation,compressed_materialization,late_materialization,common_subplan,"
    "window_self_join,top_n_window_elimination,join_filter_pushdown,duplicate_groups";

/// Throws SqlError for a syntax error. DuckDB tells its place here; once it has run a query, only
/// within the text of the message.
void check_syntax(duckdb::Connection& connection, const std::string& sql) {
  try {
    duckdb::Parser parser(connection.context->GetParserOptions());
    parser.ParseQuery(sql);
  } catch (const std::exception& error) {
    throw sql_error(duckdb::ErrorData(error));
  }
}

void must_run(duckdb::Connection& connection, const std::string& sql) {
  check_syntax(connection, sql);
  const auto result = connection.Query(sql);
  if (result->HasError()) {
    throw sql_error(result->GetErrorObject());
  }
}

std::unique_ptr<duckdb::DuckDB> open_duckdb(const Database::Options& options, int threads) {
  if (kDuckdbVersion != duckdb::DuckDB::LibraryVersion()) {
    throw Error(Blame::internal,
                fmt::format("this millrace works with DuckDB {} only; the library found is {}",
                            kDuckdbVersion, duckdb::DuckDB::LibraryVersion()));
  }
  duckdb::DBConfig config;
  const auto set = [&config](const char* name, const duckdb::Value& value) {
    config.SetOptionByName(name, value);
  };
  set("threads", duckdb::Value::BIGINT(threads));
  if (options.memory_limit_bytes > 0) {
    set("memory_limit", duckdb::Value(fmt::format("{}B", options.memory_limit_bytes)));
  }
  // DuckDB's default would be a folder in the working directory.
  // What batches free goes back to the system soon: by default each thread keeps up to 128 MB.
  set("allocator_flush_threshold", duckdb::Value("8MB"));
  set("allocator_bulk_deallocation_flush_threshold", duckdb::Value("32MB"));
  set("allocator_background_threads", duckdb::Value::BOOLEAN(true));
  set("temp_directory", duckdb::Value(options.temp_directory));
  // Streams have no order to preserve, and keeping one costs parallelism. ORDER BY is not affected.
  set("preserve_insertion_order", duckdb::Value::BOOLEAN(false));
  // Files are read once, and what is read of an object must not take memory from state.
  set("enable_external_file_cache", duckdb::Value::BOOLEAN(false));
  set("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
  set("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
  auto duck = std::make_unique<duckdb::DuckDB>(nullptr, &config);
  duckdb::Connection connection(*duck);
  must_run(connection, fmt::format("SET GLOBAL disabled_optimizers = '{}'", kDisabledOptimizers));
  must_run(connection, "SET GLOBAL TimeZone = 'UTC'");
  return duck;
}

std::shared_ptr<Declaration> declaration_of(std::string_view name, const Schema& schema,
                                            Shape shape) {
  auto declaration = std::make_shared<Declaration>();
  declaration->name = name;
  declaration->schema = schema;
  declaration->types = types_of(schema);
  for (const Column& column : schema.columns) {
    declaration->names.push_back(column.name);
  }
  declaration->shape = shape;
  return declaration;
}

}  // namespace

void Registry::add(std::shared_ptr<const Declaration> declaration) {
  const std::lock_guard guard(lock_);
  // Plans that were made with an earlier declaration keep it.
  by_lower_name_[duckdb::StringUtil::Lower(declaration->name)] = std::move(declaration);
}

std::shared_ptr<const Declaration> Registry::find(std::string_view name) const {
  const std::lock_guard guard(lock_);
  const auto found = by_lower_name_.find(duckdb::StringUtil::Lower(std::string(name)));
  return found == by_lower_name_.end() ? nullptr : found->second;
}

std::string Registry::names() const {
  const std::lock_guard guard(lock_);
  std::string text;
  for (const auto& [lower, declaration] : by_lower_name_) {
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", declaration->name);
  }
  return text;
}

Database::Impl::Impl(const Options& options)
    : watermark_policy(options.watermark_policy),
      threads(options.threads > 0
                  ? options.threads
                  : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))),
      memory_limit_bytes_(options.memory_limit_bytes) {
  try {
    duck = open_duckdb(options, threads);
    auto files = duckdb::make_uniq<ObjectFiles>();
    objects = files.get();
    duck->GetFileSystem().RegisterSubSystem(std::move(files));
    register_stream_scan(*duck, registry);
    register_windows(*duck);
    register_read_scan(*duck);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw run_error(duckdb::ErrorData(error));
  }
}

duckdb::DuckDB& Database::Impl::for_small_queries() {
  std::call_once(small_opened_, [this] {
    small_ = open_duckdb({.memory_limit_bytes = memory_limit_bytes_}, 1);
    register_read_scan(*small_);
  });
  return *small_;
}

Database::Database(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Database::~Database() = default;

Schema Database::parse_schema(std::string_view columns) {
  constexpr std::string_view kBefore = "CREATE TEMP TABLE schema_to_parse (";
  return as_sql_error([&] {
    try {
      // On a connection of its own, so that the temporary table cannot be seen and dies with it.
      duckdb::Connection connection(*impl_->duck);
      must_run(connection, fmt::format("{}{}\n)", kBefore, columns));
      const auto result = connection.Query("FROM schema_to_parse");
      return schema_of(result->names, result->types);
    } catch (const SqlError& error) {
      auto position = error.position();
      if (position) {  // make it count from the text that was given
        *position -= std::min(*position, kBefore.size());
      }
      throw SqlError(error.what(), position);
    }
  });
}

void Database::declare(std::string_view name, const Schema& schema, Shape shape,
                       const std::optional<FileFormat>& files, const EventTimes& event_times) {
  auto declaration = declaration_of(name, schema, shape);
  declaration->files = files;
  declaration->event_times = event_times;
  impl_->registry.add(std::move(declaration));
}

void Database::declare(std::shared_ptr<LookupTable> table) {
  auto declaration = declaration_of(table->name(), table->schema(), Shape::table);
  declaration->lookup = std::move(table);
  impl_->registry.add(std::move(declaration));
}

std::unique_ptr<Plan> Database::plan(std::string_view name, std::string_view sql,
                                     const PlanOptions& options) {
  const std::unique_lock guard(impl_->planning);
  return std::make_unique<Plan>(make_plan(*impl_, std::string(name), std::string(sql), options));
}

std::unique_ptr<Plan> Database::plan(std::string_view name, std::string_view sql) {
  return plan(name, sql, PlanOptions());
}

TextTable Database::query(std::string_view sql, std::size_t limit) {
  duckdb::Connection connection(*impl_->duck);
  check_syntax(connection, std::string(sql));
  const auto result = connection.SendQuery(std::string(sql));
  if (result->HasError()) {
    throw sql_error(result->GetErrorObject());
  }
  TextTable table;
  table.schema = schema_of(result->names, result->types);
  while (true) {
    const auto chunk = result->Fetch();
    if (result->HasError()) {
      throw sql_error(result->GetErrorObject());
    }
    if (chunk == nullptr || chunk->size() == 0) {
      return table;
    }
    for (std::size_t row = 0; row < chunk->size(); ++row) {
      if (table.rows.size() == limit) {
        table.truncated = true;
        return table;
      }
      auto& texts = table.rows.emplace_back();
      for (std::size_t column = 0; column < chunk->ColumnCount(); ++column) {
        const duckdb::Value value = chunk->GetValue(column, row);
        texts.push_back(value.IsNull() ? std::nullopt : std::optional(value.ToString()));
      }
    }
  }
}

void Database::create_table(std::string_view schema, std::string_view name, const Schema& columns,
                            const Batch& rows) {
  std::vector<std::string> definitions;
  definitions.reserve(columns.columns.size());
  for (const Column& column : columns.columns) {
    definitions.push_back(fmt::format("{} {}", quote_name(column.name), column.type));
  }
  duckdb::Connection connection(*impl_->duck);
  must_run(connection, "CREATE SCHEMA IF NOT EXISTS " + quote_name(schema));
  must_run(connection, fmt::format("CREATE TABLE {}.{} ({})", quote_name(schema), quote_name(name),
                                   join(definitions, ", ")));
  try {
    duckdb::Appender appender(connection, std::string(schema), std::string(name));
    for (const auto& chunk : rows.impl().chunks) {
      appender.AppendDataChunk(*chunk);
    }
    appender.Close();
  } catch (const std::exception& error) {
    throw run_error(duckdb::ErrorData(error));
  }
}

Schema Database::parquet_schema(const std::string& path) {
  duckdb::Connection connection(*impl_->duck);
  const auto prepared = connection.Prepare(
      fmt::format("SELECT * FROM read_parquet({}, hive_partitioning = false)", quote_text(path)));
  if (prepared->HasError()) {
    throw run_error(prepared->GetErrorObject());
  }
  return schema_of(prepared->GetNames(), prepared->GetTypes());
}

std::string Database::mount(std::shared_ptr<const ObjectStore> store) {
  return impl_->objects->mount(std::move(store));
}

int Database::threads() const noexcept { return impl_->threads; }

std::int64_t Database::memory_bytes() const {
  auto& manager = duckdb::BufferManager::GetBufferManager(*impl_->duck->instance);
  return static_cast<std::int64_t>(manager.GetUsedMemory());
}

std::int64_t Database::memory_limit_bytes() const {
  auto& manager = duckdb::BufferManager::GetBufferManager(*impl_->duck->instance);
  return static_cast<std::int64_t>(manager.GetMaxMemory());
}

std::string quote_text(std::string_view text) { return in_quotes(text, '\''); }
std::string quote_name(std::string_view name) { return in_quotes(name, '"'); }

}  // namespace millrace::sql
