// millrace query: SQL over what a pipeline wrote, and over its tables.
#include "cli/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/table.h"
#include "engine/committed_tables.h"
#include "engine/graph.h"
#include "sql/names.h"

namespace millrace::cli {
namespace {

void print_csv(const sql::TextTable& table) {
  const auto field = [](const std::string& text) {
    return text.find_first_of(",\"\r\n") == std::string::npos ? text : in_quotes(text, '"');
  };
  std::vector<std::string> line;
  line.reserve(table.schema.size());
  for (const auto& column : table.schema.columns) {
    line.push_back(field(column.name));
  }
  fmt::print("{}\n", fmt::join(line, ","));
  for (const auto& row : table.rows) {
    line.clear();
    for (const auto& value : row) {
      line.push_back(value ? field(*value) : "");
    }
    fmt::print("{}\n", fmt::join(line, ","));
  }
}

/// The schema in which what datasets hold can be read, whatever the sinks are called.
constexpr std::string_view kState = "state";

using Reads = std::vector<sql::TableRead>;

/// What the SQL reads. Nothing if it is wrong: running it will tell.
Reads tables_named(const std::string& sql, sql::Database& database) {
  try {
    return sql::tables_read(database, sql);
  } catch (const sql::SqlError&) {
    return {};
  }
}

bool names(const Reads& reads, const std::string& name) {
  return std::any_of(reads.begin(), reads.end(), [&](const auto& read) {
    return read.schema.empty() && equal_ignoring_case(read.name, name);
  });
}

/// Gives every sink that can be read back as a view by the sink's name. Views come before the names
/// that datasets were declared under, so a sink may be called as its dataset. Returns the names of
/// the views, in lower case.
std::set<std::string> create_views(const Graph& graph, sql::Database& database,
                                   const Reads& reads) {
  std::set<std::string> views;
  for (const auto& node : graph.sinks) {
    const auto& name = node.spec->name;
    try {
      const auto select = node.sink->query();
      if (!select.empty()) {
        database.query("CREATE OR REPLACE VIEW " + sql::quote_name(name) + " AS " + select);
        views.insert(to_lower(name));
      }
    } catch (const Error& error) {
      if (error.blame() == Blame::external && names(reads, name)) {
        throw;  // such as a store that a running pipeline has open
      }
      fmt::print(stderr, "note: {} can't be read yet: {}\n", name, error.what());
    }
  }
  return views;
}

/// The datasets whose state can be read.
std::vector<std::string> table_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const auto& node : graph.datasets) {
    if (node.spec != nullptr &&
        (node.plan->shape() == sql::Shape::table || node.plan->holds_windows())) {
      names.push_back(node.name);
    }
  }
  return names;
}

/// Why a stream can't be read.
Error is_stream(const std::string& name, const sql::Plan* plan) {
  std::string reason = "whose rows are not kept";
  std::string way_out = "query a sink that writes it, or see `millrace preview`";
  if (plan != nullptr && plan->holds_windows()) {
    way_out = fmt::format("query a sink that writes it; its open windows are state.{}", name);
  } else if (plan != nullptr && plan->has_state()) {
    reason = "of which DISTINCT keeps the keys it has seen, and no rows";
  }
  return {Blame::user, fmt::format("{} is a stream, {}: {}", name, reason, way_out)};
}

/// The dataset that a name in the SQL means; nullopt: something else. Throws Error if the dataset
/// keeps no rows that could be read.
std::optional<std::size_t> dataset_read(const Graph& graph, const sql::TableRead& read,
                                        const std::set<std::string>& views) {
  const bool of_state = equal_ignoring_case(read.schema, kState);
  const auto producer = graph.find(read.name);
  if (of_state && !producer) {
    throw Error(Blame::user, fmt::format("there is no dataset called `{}`; tables are: {}",
                                         read.name, fmt::join(table_names(graph), ", ")));
  }
  if (!producer || (!of_state && (!read.schema.empty() || views.contains(to_lower(read.name))))) {
    return std::nullopt;
  }
  const auto index = static_cast<std::size_t>(producer->index);
  const bool is_dataset = producer->kind == Producer::Kind::dataset;
  const sql::Plan* plan = is_dataset ? graph.datasets[index].plan.get() : nullptr;
  const bool stream =
      is_dataset ? plan->shape() == sql::Shape::stream : !graph.sources[index].spec->table;
  if (stream && !(of_state && is_dataset && plan->holds_windows())) {
    throw is_stream(read.name, plan);
  }
  return is_dataset && graph.datasets[index].spec != nullptr ? std::optional(index) : std::nullopt;
}

/// Makes a table of each dataset that the SQL reads and no view stands for.
void create_tables(Graph graph, sql::Database& database, const Reads& reads,
                   const std::set<std::string>& views) {
  std::set<std::size_t> wanted;
  for (const auto& read : reads) {
    if (const auto dataset = dataset_read(graph, read, views)) {
      wanted.insert(*dataset);
    }
  }
  if (wanted.empty()) {
    return;
  }
  const std::vector<std::size_t> datasets(wanted.begin(), wanted.end());
  std::vector<std::pair<std::string, Schema>> tables;
  std::vector<std::string> more;  // SQL to run on them
  for (const auto dataset : datasets) {
    const auto& node = graph.datasets[dataset];
    const auto& schema = tables.emplace_back(node.name, node.plan->schema()).second;
    const auto quoted = sql::quote_name(node.name);
    for (std::size_t c = 0; c < schema.size() && node.trimmed; c++) {
      if (!node.kept[c]) {  // nothing reads it, so it is not computed
        fmt::print(stderr, "note: {} has no {}, as nothing reads it\n", node.name,
                   schema.columns[c].name);
        more.push_back(fmt::format("ALTER TABLE {}.{} DROP COLUMN {}", kState, quoted,
                                   sql::quote_name(schema.columns[c].name)));
      }
    }
    if (node.plan->shape() == sql::Shape::table && !views.contains(to_lower(node.name))) {
      more.push_back(fmt::format("CREATE VIEW {1} AS FROM {0}.{1}", kState, quoted));
    }
  }
  const auto rows = read_committed_tables(std::move(graph), datasets, SystemClock());
  for (std::size_t i = 0; i < tables.size(); i++) {
    const auto& [name, schema] = tables[i];
    database.create_table(kState, name, schema, rows[i]);
  }
  for (const auto& sql : more) {
    database.query(sql);
  }
}

}  // namespace

void query(const QueryOptions& options, Context& context) {
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  Diagnostics diagnostics;
  sql::Database database({.threads = spec->threads,
                          .memory_limit_bytes = spec->memory_limit_bytes,
                          .temp_directory = ""});
  auto graph = build_graph(*spec, context.connectors, database, diagnostics);
  print_diagnostics(diagnostics, "the query was not run.");
  if (!graph) {
    context.exit_code = kMistake;
    return;
  }
  const auto reads = tables_named(options.sql, database);
  const auto views = create_views(*graph, database, reads);
  create_tables(std::move(*graph), database, reads, views);
  auto sql = options.format == OutputFormat::json
                 ? fmt::format("SELECT to_json(__row) AS row FROM ({}) AS __row", options.sql)
                 : options.sql;
  const auto table = database.query(sql, options.limit);
  switch (options.format) {
    case OutputFormat::table:
      print_table(table.schema, table.rows);
      fmt::print("{}{}\n", human_count(static_cast<std::int64_t>(table.rows.size()), "row"),
                 table.truncated ? ", and more: see --limit" : "");
      break;
    case OutputFormat::csv:
      print_csv(table);
      break;
    case OutputFormat::json:
      for (const auto& row : table.rows) {
        fmt::print("{}\n", row[0].value_or("null"));
      }
      break;
  }
}

void add_query_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<QueryOptions>();
  auto* command = app.add_subcommand("query", "Run SQL over the outputs and tables of a pipeline");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_option("SQL", options->sql, "A SELECT over the pipeline's sinks and tables")
      ->required();
  const std::map<std::string, OutputFormat> formats{
      {"table", OutputFormat::table}, {"csv", OutputFormat::csv}, {"json", OutputFormat::json}};
  command->add_option("--format", options->format, "table, csv, or json (one object a line)")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
      ->option_text("FORMAT");
  command->add_option("--limit", options->limit, "At most this many rows")->capture_default_str();
  command->footer(
      "A name after FROM is, in this order:\n"
      "  a sink: what it has written, if that can be read back;\n"
      "  a dataset that is a table (it aggregates, or reads only tables): its rows as of the last\n"
      "  committed batch, from the checkpoint, whether or not a sink writes it.\n"
      "Where a sink is called as a dataset, state.NAME is the dataset. Of a dataset that is a "
      "stream\n"
      "of windows, state.NAME has what would come out if all open windows were closed now: their\n"
      "groups as they stand, or the rows of open sessions. A running pipeline is not disturbed.\n"
      "Sources `as: table` are read as they are now.\n\n"
      "Examples:\n  millrace query pipeline.yaml 'SELECT count(*) FROM events'\n"
      "  millrace query pipeline.yaml 'FROM totals ORDER BY revenue DESC LIMIT 5' --format json\n"
      "  millrace query pipeline.yaml 'FROM state.totals' --format csv");
  command->callback([options, &context] { query(*options, context); });
}

}  // namespace millrace::cli
