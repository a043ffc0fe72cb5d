#include "engine/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "engine/check_graph.h"
#include "engine/kept_columns.h"
#include "engine/live_sink.h"
#include "engine/output_modes.h"
#include "engine/watermarks.h"
#include "sql/names.h"

namespace millrace {
namespace {

/// The name under which the files of a source are declared when the source is read once for several
/// datasets: users' names can't begin with two underscores.
std::string scan_name(const std::string& source) { return "__scan_" + source; }

/// Builds a Graph step by step. A step that finds mistakes reports them and goes on with what is
/// still sound, so that a person sees all mistakes at once.
class GraphBuilder {
 public:
  GraphBuilder(const PipelineSpec& spec, const ConnectorList& connectors, sql::Database& database,
               Diagnostics& diagnostics, std::stop_token stop, const Serving& serving, bool goes_on)
      : spec_(spec),
        connectors_(connectors),
        database_(database),
        diagnostics_(diagnostics),
        stop_(std::move(stop)),
        serving_(serving),
        goes_on_(goes_on) {
    graph_.spec = &spec;
  }

  std::optional<Graph> build() {
    make_sources();
    find_references();
    declare_sources();
    std::vector<bool> done(spec_.datasets.size(), false);
    std::vector<bool> visiting(spec_.datasets.size(), false);
    for (std::size_t i = 0; i < spec_.datasets.size(); i++) {
      plan_in_order(i, done, visiting);
    }
    make_sinks();
    add_live_sinks(
        graph_, serving_, [this](const auto& name) { return broken_.contains(to_lower(name)); },
        diagnostics_);
    connect_readers();
    if (diagnostics_.has_errors()) {
      return std::nullopt;
    }
    return std::move(graph_);
  }

 private:
  ConnectorRequest request(const std::string& name, const Location& at, const Node& connection,
                           const Node& options) const {
    return {name, at, &connection, &options, spec_.base_dir, &database_, false, stop_};
  }

  void make_sources() {
    for (const auto& spec : spec_.sources) {
      SourceNode node;
      node.spec = &spec;
      const auto errors = diagnostics_.error_count();
      try {
        const auto* connector = find_connector(connectors_, spec.connector);
        auto asked = request(spec.name, spec.at, spec.connection, spec.options);
        asked.as_table = spec.table;
        node.source = connector->make_source(asked, diagnostics_);
        if (node.source) {
          begin_with_kept_columns(*node.source, spec.name, spec_);
          node.source->schema();  // may look at a file: do it once, and report it here
        }
      } catch (const Error& error) {
        if (goes_on_ && error.retry() != Retry::no) {
          throw;
        }
        diagnostics_.error(spec.at, fmt::format("source {}: {}", spec.name, error.what()));
        node.source.reset();
      }
      if (!node.source && diagnostics_.error_count() == errors) {
        diagnostics_.error(spec.at, fmt::format("source {} can't be made", spec.name));
      }
      graph_.sources.push_back(std::move(node));
    }
  }

  void find_references() {
    for (const auto& dataset : spec_.datasets) {
      try {
        references_.push_back(sql::names_read(database_, dataset.sql.text));
      } catch (const sql::SqlError& error) {
        references_.emplace_back();
        report(dataset, error);
        broken_.insert(to_lower(dataset.name));
      }
    }
  }

  void report(const DatasetSpec& dataset, const sql::SqlError& error) {
    const auto at = error.position() ? dataset.sql.locate(*error.position()) : dataset.sql.at;
    diagnostics_.error(at, fmt::format("dataset {}: {}", dataset.name, error.what()));
  }

  std::size_t readers_of(const std::string& name) const {
    std::size_t readers = 0;
    for (const auto& names : references_) {
      readers += std::any_of(names.begin(), names.end(), [&](const auto& read) {
        return equal_ignoring_case(read.name, name);
      });
    }
    return readers;
  }

  bool written_by_sink(const std::string& name) const {
    return std::any_of(spec_.sinks.begin(), spec_.sinks.end(),
                       [&](const auto& sink) { return equal_ignoring_case(sink.from, name); });
  }

  void declare_sources() {
    for (std::size_t i = 0; i < graph_.sources.size(); i++) {
      auto& node = graph_.sources[i];
      const auto& name = node.spec->name;
      if (!node.source) {
        broken_.insert(to_lower(name));
        continue;
      }
      const auto& schema = node.source->schema();
      const auto format = node.source->file_format();
      if (node.spec->lookup) {
        declare_lookup(node);
      } else if (node.spec->table) {
        database_.declare(scan_name(name), schema, sql::Shape::table, format);
        add_scan(i, scan_name(name));
        database_.declare(name, schema, sql::Shape::table);
      } else if (readers_of(name) <= 1 && !written_by_sink(name) && !node.spec->watermark &&
                 spec_.checks_of(name) == nullptr) {
        database_.declare(name, schema, sql::Shape::stream, format);
      } else {
        read_once(i);
      }
    }
    // Once all tables are declared, to which they may refer.
    for (const auto i : checked_sources_) {
      const auto& spec = *graph_.sources[i].spec;
      add_checks(static_cast<std::size_t>(graph_.sources[i].scanned_by), spec.watermark);
    }
  }

  void declare_lookup(SourceNode& node) {
    const auto& name = node.spec->name;
    const auto& spec = *node.spec->lookup;
    const auto& schema = node.source->schema();
    const auto refuse = [&](const std::string& text, const std::string& hint) {
      diagnostics_.error(spec.key_at, fmt::format("source {}: {}", name, text), hint);
      broken_.insert(to_lower(name));
    };
    sql::LookupOptions options{.key = {},
                               .ttl = spec.cache_ttl,
                               .max_rows = spec.cache_rows,
                               .max_bytes = spec.cache_bytes};
    for (const auto& column : spec.key) {
      const int at = schema.find(column);
      if (at < 0) {
        refuse(fmt::format("there is no column {} to be looked up by", column),
               "there is: " + schema.text());
        return;
      }
      options.key.push_back(static_cast<std::size_t>(at));
    }
    try {
      auto lookup = node.source->lookup(options.key);
      if (lookup == nullptr) {
        refuse(fmt::format("{} can't be looked up by a key", node.spec->connector),
               "let it be read whole: `as: table`, without `key`");
        return;
      }
      node.lookup =
          std::make_shared<sql::LookupTable>(name, schema, std::move(options), std::move(lookup));
      database_.declare(node.lookup);
    } catch (const Error& error) {
      refuse(error.what(), "");
    }
  }

  /// Puts the checks of a dataset, or source, between it and its readers.
  void add_checks(std::size_t dataset, const std::optional<WatermarkSpec>& watermark) {
    const auto name = graph_.datasets[dataset].name;
    if (!CheckBuilder(graph_, database_, diagnostics_)
             .add(dataset, *spec_.checks_of(name), watermark ? &*watermark : nullptr)) {
      broken_.insert(to_lower(name));
    }
  }

  void add_scan(std::size_t source, const std::string& declared) {
    const auto& spec = *graph_.sources[source].spec;
    DatasetNode node;
    node.name = spec.name;
    node.plan = database_.plan(node.name, "SELECT * FROM " + sql::quote_name(declared));
    if (spec.watermark && spec_.checks_of(spec.name) == nullptr) {
      set_watermark(node, *spec.watermark, "source " + spec.name, diagnostics_);
    }
    node.inputs.push_back({Producer::Kind::source, static_cast<int>(source)});
    graph_.sources[source].scanned_by = static_cast<int>(graph_.datasets.size());
    graph_.datasets.push_back(std::move(node));
  }

  /// Depth first, so that what a dataset reads is planned and declared before it.
  void plan_in_order(std::size_t i, std::vector<bool>& done, std::vector<bool>& visiting) {
    const auto& dataset = spec_.datasets[i];
    if (done[i]) {
      return;
    }
    if (visiting[i]) {
      diagnostics_.error(dataset.at, fmt::format("dataset {} reads itself, directly or through "
                                                 "other datasets",
                                                 dataset.name));
      broken_.insert(to_lower(dataset.name));
      return;
    }
    visiting[i] = true;
    for (const auto& [name, position] : references_[i]) {
      plan_named(name, done, visiting);
    }
    if (const auto* checks = spec_.checks_of(dataset.name)) {
      for (const auto& check : checks->checks) {
        plan_named(check.table, done, visiting);
      }
    }
    visiting[i] = false;
    done[i] = true;
    plan_dataset(i);
  }

  void plan_named(const std::string& name, std::vector<bool>& done, std::vector<bool>& visiting) {
    for (std::size_t j = 0; j < spec_.datasets.size(); j++) {
      if (equal_ignoring_case(spec_.datasets[j].name, name)) {
        plan_in_order(j, done, visiting);
      }
    }
  }

  void plan_dataset(std::size_t i) {
    const auto& dataset = spec_.datasets[i];
    bool sound = !broken_.contains(to_lower(dataset.name));
    for (const auto& read : references_[i]) {
      sound = sound && !broken_.contains(to_lower(read.name));
      sound = check_reference(dataset, read) && sound;
    }
    if (!sound) {  // its own mistakes, if any, show once those below are mended
      broken_.insert(to_lower(dataset.name));
      return;
    }
    DatasetNode node;
    node.name = dataset.name;
    node.spec = &dataset;
    try {
      node.plan = plan(dataset.name, &dataset, dataset.sql.text);
      if (read_sources_once(*node.plan)) {
        node.plan = plan(dataset.name, &dataset, dataset.sql.text);
      }
    } catch (const sql::SqlError& error) {
      report(dataset, error);
      broken_.insert(to_lower(dataset.name));
      return;
    }
    for (const auto& input : node.plan->inputs()) {
      node.inputs.push_back(*graph_.rows_of(input.name));
    }
    for (const auto& warning : node.plan->warnings()) {
      diagnostics_.warning(dataset.sql.at, fmt::format("dataset {}: {}", dataset.name, warning));
    }
    if (spec_.checks_of(dataset.name) != nullptr) {
      graph_.datasets.push_back(std::move(node));
      add_checks(graph_.datasets.size() - 1, dataset.watermark);
      return;
    }
    if (dataset.watermark) {
      set_watermark(node, *dataset.watermark, "dataset " + dataset.name, diagnostics_);
    }
    database_.declare(dataset.name, node.plan->schema(), node.plan->shape(), std::nullopt,
                      event_times_of(node));
    graph_.datasets.push_back(std::move(node));
  }

  /// A sink of a stream of windows in mode complete wants all of them, so they are kept; a table is
  /// the same in each mode. A sink of late rows wants the rows of the stream as they came.
  std::unique_ptr<sql::Plan> plan(const std::string& dataset, const DatasetSpec* spec,
                                  const std::string& sql) {
    bool whole = false;
    auto late = sql::Database::Late::drop;
    for (const auto& sink : spec_.sinks) {
      if (!equal_ignoring_case(sink.from, dataset)) {
        continue;
      }
      if (sink.late) {
        late = sql::Database::Late::give;
      } else if (sink.mode == OutputMode::complete) {
        whole = true;
      }
    }
    const auto ttl = spec != nullptr && spec->state_ttl
                         ? std::chrono::microseconds(*spec->state_ttl).count()
                         : std::int64_t{0};
    sql::Database::PlanOptions options{.late = late, .state_ttl_us = ttl};
    auto plan = database_.plan(dataset, sql, options);
    if (whole && plan->shape() == sql::Shape::stream) {
      options.windows = sql::Database::Windows::keep;
      plan = database_.plan(dataset, sql, options);
    }
    return plan;
  }

  /// A source that a plan scans several times is read by a plan of its own first: its files are
  /// decoded once, and its malformed rows counted once. True if there was such a source.
  bool read_sources_once(const sql::Plan& plan) {
    bool changed = false;
    for (const auto& input : plan.inputs()) {
      const auto producer = graph_.find(input.name);
      if (input.scans > 1 && input.shape == sql::Shape::stream && producer &&
          producer->kind == Producer::Kind::source) {
        const auto i = static_cast<std::size_t>(producer->index);
        read_once(i);
        changed = true;
      }
    }
    return changed;
  }

  /// Has a plan of its own read the source, and hand its rows on under the source's name.
  void read_once(std::size_t i) {
    auto& source = *graph_.sources[i].source;
    const auto& name = graph_.sources[i].spec->name;
    database_.declare(scan_name(name), source.schema(), sql::Shape::stream, source.file_format());
    add_scan(i, scan_name(name));
    if (spec_.checks_of(name) != nullptr) {
      checked_sources_.push_back(i);
      return;
    }
    database_.declare(name, source.schema(), sql::Shape::stream, std::nullopt,
                      event_times_of(graph_.datasets.back()));
  }

  bool check_reference(const DatasetSpec& dataset, const sql::NameRead& read) {
    std::vector<std::string> known;
    known.reserve(spec_.sources.size() + spec_.datasets.size());
    for (const auto& source : spec_.sources) {
      known.push_back(source.name);
    }
    for (const auto& other : spec_.datasets) {
      known.push_back(other.name);
    }
    if (std::any_of(known.begin(), known.end(),
                    [&](const auto& k) { return equal_ignoring_case(k, read.name); })) {
      return true;
    }
    diagnostics_.error(dataset.sql.locate(read.position.value_or(0)),
                       fmt::format("dataset {} reads {}, which is neither a source nor a dataset",
                                   dataset.name, read.name),
                       did_you_mean(read.name, known));
    return false;
  }

  void make_sinks() {
    for (const auto& spec : spec_.sinks) {
      SinkNode node;
      node.spec = &spec;
      const auto* connector = find_connector(connectors_, spec.connector);
      node.sink = connector->make_sink(request(spec.name, spec.at, spec.connection, spec.options),
                                       diagnostics_);
      if (spec.quarantine && node.sink) {
        check_appends(node, diagnostics_);
        graph_.sinks.push_back(std::move(node));
        continue;
      }
      const auto producer = spec.late ? graph_.find(spec.from) : graph_.rows_of(spec.from);
      if (!node.sink || !producer || broken_.contains(to_lower(spec.from))) {
        continue;
      }
      node.dataset = producer->kind == Producer::Kind::dataset
                         ? producer->index
                         : graph_.sources[static_cast<std::size_t>(producer->index)].scanned_by;
      const auto& plan = *graph_.datasets[static_cast<std::size_t>(node.dataset)].plan;
      if (spec.late) {
        check_late(node, plan, spec_, diagnostics_);
      } else {
        choose_mode(node, plan, diagnostics_);
      }
      graph_.sinks.push_back(std::move(node));
    }
  }

  /// Who reads whom, and which columns have to be computed and kept in memory for that. From the
  /// end, because a dataset needs what its readers need.
  void connect_readers() {
    for (std::size_t i = 0; i < graph_.sinks.size(); i++) {
      if (graph_.sinks[i].dataset < 0) {
        continue;
      }
      auto& dataset = graph_.datasets[static_cast<std::size_t>(graph_.sinks[i].dataset)];
      (graph_.sinks[i].late() ? dataset.late_sinks : dataset.sinks).push_back(static_cast<int>(i));
    }
    for (std::size_t i = graph_.datasets.size(); i-- > 0;) {
      auto& node = graph_.datasets[i];
      drop_unread_columns(node);
      for (std::size_t k = 0; k < node.inputs.size(); k++) {
        connect(i, node.inputs[k], node.plan->inputs()[k].columns);
      }
    }
  }

  void connect(std::size_t reader, const Producer& input, const std::vector<bool>& used) {
    if (input.kind == Producer::Kind::source) {
      auto& source = graph_.sources[static_cast<std::size_t>(input.index)];
      if (!source.spec->table) {
        source.scanned_by = static_cast<int>(reader);
      }
      return;
    }
    auto& producer = graph_.datasets[static_cast<std::size_t>(input.index)];
    producer.readers.push_back(static_cast<int>(reader));
    producer.kept.resize(producer.plan->schema().size(), false);
    for (std::size_t c = 0; c < used.size(); c++) {
      producer.kept[c] = producer.kept[c] || used[c];
    }
  }

  /// A stream that only datasets read is planned again with NULLs in place of the columns that none
  /// of them reads: these are then neither decoded nor computed.
  void drop_unread_columns(DatasetNode& node) {
    if (node.watermark != nullptr && !node.kept.empty()) {
      node.kept[node.time_column] = true;
      if (node.partition_column >= 0) {
        node.kept[static_cast<std::size_t>(node.partition_column)] = true;
      }
    }
    const bool all_kept = std::find(node.kept.begin(), node.kept.end(), false) == node.kept.end();
    if (diagnostics_.has_errors() || !node.sinks.empty() || node.readers.empty() || all_kept ||
        node.plan->shape() != sql::Shape::stream || node.checks) {
      return;
    }
    node.trimmed = true;
    const auto& columns = node.plan->schema().columns;
    std::vector<std::string> select;
    for (std::size_t c = 0; c < columns.size(); c++) {
      const auto name = sql::quote_name(columns[c].name);
      select.push_back(node.kept[c] ? name
                                    : fmt::format("CAST(NULL AS {}) AS {}", columns[c].type, name));
    }
    const auto sql = node.spec != nullptr ? node.spec->sql.text
                     : node.checked >= 0
                         ? node.sql
                         : "SELECT * FROM " + sql::quote_name(node.plan->inputs()[0].name);
    node.plan = plan(node.name, node.spec,
                     fmt::format("SELECT {} FROM (\n{}\n) AS d", fmt::join(select, ", "), sql));
  }

  const PipelineSpec& spec_;
  const ConnectorList& connectors_;
  sql::Database& database_;
  Diagnostics& diagnostics_;
  std::stop_token stop_;
  const Serving& serving_;
  bool goes_on_;
  Graph graph_;
  std::vector<std::vector<sql::NameRead>> references_;  ///< of each dataset of the spec
  std::vector<std::size_t> checked_sources_;
  std::set<std::string> broken_;  ///< names whose mistakes are reported; dependents keep quiet
};

}  // namespace

std::optional<Graph> build_graph(const PipelineSpec& spec, const ConnectorList& connectors,
                                 sql::Database& database, Diagnostics& diagnostics,
                                 std::stop_token stop, const Serving& serving, bool goes_on) {
  return GraphBuilder(spec, connectors, database, diagnostics, std::move(stop), serving, goes_on)
      .build();
}

}  // namespace millrace
