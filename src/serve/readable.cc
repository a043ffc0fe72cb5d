#include "serve/readable.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "core/readable_sink.h"
#include "engine/live_sink.h"
#include "serve/lake.h"
#include "serve/sources.h"

namespace millrace::serve {
namespace {

using Kind = sql::Relation::Kind;

/// A dataset that is a table.
class LiveReadable final : public Readable {
 public:
  LiveReadable(std::string name, sql::LiveTables& tables)
      : Readable(std::move(name)), tables_(tables), table_(tables.find(this->name())) {}

  [[nodiscard]] sql::Relation relation() const override {
    return {.name = name(), .kind = Kind::live, .live = table()};
  }
  /// The table of a restart with more columns is another one.
  [[nodiscard]] std::int64_t revision() const override {
    const auto now = tables_.find(name());
    const std::lock_guard guard(lock_);
    if (now != table_) {
      table_ = now;
      ++revision_;
    }
    return revision_;
  }
  [[nodiscard]] std::optional<std::int64_t> stamp(const sql::LiveSnapshot& of) const override {
    return of.stamp(*table());
  }

 private:
  [[nodiscard]] std::shared_ptr<sql::LiveTable> table() const {
    const std::lock_guard guard(lock_);
    return table_;
  }

  sql::LiveTables& tables_;
  mutable std::mutex lock_;
  mutable std::shared_ptr<sql::LiveTable> table_;  // shared with the tables and queries
  mutable std::int64_t revision_ = 0;
};

/// A sink that one SELECT reads, such as a table of the embedded store; it may be made by the first
/// batch only.
class StoreReadable final : public Readable {
 public:
  StoreReadable(std::string name, Schema schema, std::shared_ptr<Sink> sink)
      : Readable(std::move(name)), schema_(std::move(schema)), sink_(std::move(sink)) {
    (void)revision();
  }

  [[nodiscard]] sql::Relation relation() const override {
    const std::lock_guard guard(lock_);
    sql::Relation relation{.name = name(), .schema = schema_};
    relation.kind = select_.empty() ? Kind::fresh : Kind::fixed;
    relation.select = select_;
    return relation;
  }
  [[nodiscard]] std::int64_t revision() const override {
    const std::lock_guard guard(lock_);
    if (select_.empty()) {
      select_ = sink_->query();
    }
    return select_.empty() ? 0 : 1;
  }
  [[nodiscard]] std::optional<std::int64_t> stamp(const sql::LiveSnapshot& of) const override {
    return of.version().batch;
  }
  void bring(const QueryRun& run, sql::ReadMoment& into) override {
    (void)run;
    into.selects.emplace_back(name(), empty_select(schema_));
  }

 private:
  Schema schema_;
  std::shared_ptr<Sink> sink_;  // as it was made
  mutable std::mutex lock_;
  mutable std::string select_;
};

const SinkNode* find_sink(const Graph& graph, std::string_view name) {
  const auto found = std::ranges::find_if(graph.sinks, [&](const SinkNode& node) {
    return equal_ignoring_case(node.spec->name, name);
  });
  if (found == graph.sinks.end() || found->spec->quarantine) {
    return nullptr;
  }
  const auto* const readable = dynamic_cast<const ReadableSink*>(found->sink.get());
  return readable != nullptr && readable->is_readable() ? &*found : nullptr;
}

const DatasetNode* find_dataset(const Graph& graph, std::string_view name) {
  const auto found = std::ranges::find_if(graph.datasets, [&](const DatasetNode& node) {
    return node.spec != nullptr && equal_ignoring_case(node.name, name);
  });
  return found == graph.datasets.end() ? nullptr : &*found;
}

const SourceNode* find_source(const Graph& graph, std::string_view name) {
  const auto found = std::ranges::find_if(graph.sources, [&](const SourceNode& node) {
    return equal_ignoring_case(node.spec->name, name);
  });
  return found == graph.sources.end() ? nullptr : &*found;
}

/// A sink of ours, that is never opened: that of the pipeline is busy, and made anew after losses.
std::shared_ptr<Readable> readable_sink(const ReadableParts& parts, const SinkNode& node) {
  const SinkSpec& spec = *node.spec;
  Diagnostics diagnostics;
  std::shared_ptr<Sink> sink =
      find_connector(parts.connectors, spec.connector)
          ->make_sink({spec.name, spec.at, &spec.connection, &spec.options, parts.spec.base_dir,
                       &parts.database, false, parts.stop},
                      diagnostics);
  if (!sink) {
    throw Error(Blame::internal, diagnostics.text());
  }
  Schema schema = parts.graph.schema_of(node);
  if (!spec.delete_column.empty()) {
    std::erase_if(schema.columns, [&](const Column& column) {
      return equal_ignoring_case(column.name, spec.delete_column);
    });
  }
  const std::shared_ptr<ReadableSink> readable = std::dynamic_pointer_cast<ReadableSink>(sink);
  if (!readable->files(-1)) {
    return std::make_shared<StoreReadable>(spec.name, std::move(schema), std::move(sink));
  }
  return std::make_shared<Lake>(
      spec.name, std::move(schema), std::nullopt,
      [readable](std::int64_t batch) { return readable->files(batch).value_or(ReadableFiles()); },
      parts.kept);
}

}  // namespace

const sql::ReadValue* QueryRun::value_of(std::string_view parameter) const {
  const auto found = std::ranges::find_if(
      names, [&](const std::string& name) { return equal_ignoring_case(name, parameter); });
  return found == names.end() ? nullptr : &values[static_cast<std::size_t>(found - names.begin())];
}

const sql::ReadValue* QueryRun::equal_to(std::string_view relation, std::string_view column) const {
  for (const sql::Demand& demand : query.demands()) {
    if (demand.op == sql::Demand::Op::equal && equal_ignoring_case(demand.relation, relation) &&
        equal_ignoring_case(demand.column, column)) {
      return value_of(demand.parameter);
    }
  }
  return nullptr;
}

std::shared_ptr<Readable> make_readable(const ReadableParts& parts, const std::string& name) {
  if (const SinkNode* sink = find_sink(parts.graph, name)) {
    return readable_sink(parts, *sink);
  }
  if (const DatasetNode* dataset = find_dataset(parts.graph, name)) {
    return parts.tables.find(name) == nullptr
               ? nullptr
               : std::make_shared<LiveReadable>(dataset->name, parts.tables);
  }
  const SourceNode* source = find_source(parts.graph, name);
  return source != nullptr && source->spec->table
             ? readable_source({parts.spec, parts.connectors, parts.database, parts.refresh,
                                parts.stop, parts.kept},
                               *source->spec)
             : nullptr;
}

std::string why_unreadable(const ReadableParts& parts, const std::string& name) {
  if (find_dataset(parts.graph, name) != nullptr) {
    return fmt::format("`{}` is a stream, whose rows are not kept: read a sink that writes it",
                       name);
  }
  if (find_source(parts.graph, name) != nullptr) {
    return fmt::format(
        "`{}` is a stream: read a sink that writes it, or a source with `as: table` "
        "or `as: lookup`",
        name);
  }
  const bool is_sink = std::ranges::any_of(parts.graph.sinks, [&](const SinkNode& node) {
    return equal_ignoring_case(node.spec->name, name);
  });
  return is_sink ? fmt::format("sink `{}` can't be read back", name) : "";
}

std::vector<std::string> live_datasets(const PipelineSpec& spec, const Graph& graph) {
  std::vector<std::string> names;
  if (!spec.serve) {
    return names;
  }
  for (const std::string& name : spec.serve->names()) {
    const DatasetNode* dataset = find_dataset(graph, name);
    if (dataset != nullptr && dataset->plan->shape() == sql::Shape::table &&
        find_sink(graph, name) == nullptr) {
      names.push_back(dataset->name);
    }
  }
  return names;
}

void open_live_tables(const ReadableParts& parts) {
  for (const std::string& name : parts.spec.serve->names()) {
    const DatasetNode* dataset = find_dataset(parts.graph, name);
    if (dataset != nullptr && parts.tables.find(name) == nullptr &&
        dataset->plan->shape() == sql::Shape::table && find_sink(parts.graph, name) == nullptr) {
      (void)parts.tables.open(dataset->name, dataset->plan->schema(), live_choice(*dataset).key);
    }
  }
}

std::string empty_select(const Schema& schema) {
  std::vector<std::string> columns;
  columns.reserve(schema.size());
  for (const Column& column : schema.columns) {
    columns.push_back(
        fmt::format("CAST(NULL AS {}) AS {}", column.type, sql::quote_name(column.name)));
  }
  return fmt::format("SELECT {} WHERE false", join(columns, ", "));
}

}  // namespace millrace::serve
