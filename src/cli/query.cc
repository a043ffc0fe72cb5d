// millrace query: SQL over what a pipeline wrote.
#include <fmt/format.h>

#include <iterator>
#include <memory>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/table.h"
#include "engine/graph.h"

namespace millrace::cli {
namespace {

enum class OutputFormat : std::uint8_t { table, csv, json };

struct QueryOptions {
  std::string file;
  std::string sql;
  OutputFormat format = OutputFormat::table;
  std::size_t limit = 1000;
};

void print_csv(const sql::TextTable& table) {
  const auto quoted = [](const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) {
      return text;
    }
    std::string out = "\"";
    for (char c : text) {
      out += c == '"' ? "\"\"" : std::string(1, c);
    }
    return out + "\"";
  };
  std::vector<std::string> line;
  for (const auto& column : table.schema.columns) {
    line.push_back(quoted(column.name));
  }
  fmt::print("{}\n", fmt::join(line, ","));
  for (const auto& row : table.rows) {
    line.clear();
    for (const auto& value : row) {
      line.push_back(value ? quoted(*value) : "");
    }
    fmt::print("{}\n", fmt::join(line, ","));
  }
}

/// Gives every sink that can be read back as a view by the sink's name. Views come before the names
/// that datasets were declared under, so a sink may be called as its dataset.
std::size_t create_views(const Graph& graph, sql::Database& database) {
  std::size_t views = 0;
  for (const auto& node : graph.sinks) {
    const auto select = node.sink->query();
    if (select.empty()) {
      continue;
    }
    try {
      database.query("CREATE OR REPLACE VIEW " + sql::quote_name(node.spec->name) + " AS " +
                     select);
      views++;
    } catch (const Error& error) {
      fmt::print(stderr, "note: {} can't be read yet: {}\n", node.spec->name, error.what());
    }
  }
  return views;
}

void query(const QueryOptions& options, Context& context) {
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  Diagnostics diagnostics;
  sql::Database database({.threads = spec->threads,
                          .memory_limit_bytes = spec->memory_limit_bytes,
                          .temp_directory = ""});
  const auto graph = build_graph(*spec, context.connectors, database, diagnostics);
  print_diagnostics(diagnostics, "the query was not run.");
  if (!graph) {
    context.exit_code = kMistake;
    return;
  }
  create_views(*graph, database);
  auto sql = options.format == OutputFormat::json
                 ? fmt::format("SELECT to_json(q) AS row FROM ({}) AS q", options.sql)
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

}  // namespace

void add_query_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<QueryOptions>();
  auto* command =
      app.add_subcommand("query", "Run SQL over what a pipeline wrote: each sink is a table");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_option("SQL", options->sql, "A SELECT; sinks are tables by their names")->required();
  const std::map<std::string, OutputFormat> formats{
      {"table", OutputFormat::table}, {"csv", OutputFormat::csv}, {"json", OutputFormat::json}};
  command->add_option("--format", options->format, "table, csv, or json (one object a line)")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
      ->option_text("FORMAT");
  command->add_option("--limit", options->limit, "At most this many rows")->capture_default_str();
  command->footer(
      "Examples:\n  millrace query pipeline.yaml 'SELECT count(*) FROM events'\n"
      "  millrace query pipeline.yaml 'FROM totals ORDER BY revenue DESC LIMIT 5' --format json");
  command->callback([options, &context] { query(*options, context); });
}

}  // namespace millrace::cli
