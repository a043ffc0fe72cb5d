#include "spec/pipeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/files.h"
#include "base/references.h"
#include "base/strings.h"
#include "spec/control.h"
#include "spec/loader.h"
#include "spec/sql_text.h"
#include "spec/tables.h"
#include "spec/yaml.h"

namespace millrace {
namespace {

/// Turns a pipeline file into a PipelineSpec. One use each.
class Loader {
 public:
  Loader(const std::string& path, const ConnectorList& connectors, Diagnostics& diagnostics)
      : connectors_(connectors), diagnostics_(diagnostics), named_(connectors, diagnostics) {
    spec_.file = path;
    spec_.base_dir = absolute_path(folder_of(path));
  }

  PipelineSpec load(const YamlFile& yaml) {
    const Node& root = yaml.root;
    PipelineOptions options;
    (void)pipeline_table().parse(root, diagnostics_, options, "the pipeline");
    if (!root.is_mapping()) {
      return std::move(spec_);
    }
    spec_.name = options.pipeline;
    spec_.threads = options.threads;
    spec_.memory_limit_bytes = options.memory_limit_bytes;
    spec_.watermark_policy = options.watermark_policy;
    if (const Node* name = root.find("pipeline"); name != nullptr && !spec_.name.empty()) {
      check_pipeline_name(*name, spec_.name, diagnostics_);
    }
    read_trigger(options.trigger, spec_.trigger, diagnostics_);
    read_checkpoint(options.checkpoint, spec_, diagnostics_);
    read_section(options.connections, "connections", [](const Node::Entry&) {});
    named_.read(options.connections);
    read_section(options.sources, "sources", [&](const auto& entry) { read_source(entry); });
    read_section(options.datasets, "datasets",
                 [&](const auto& entry) { read_dataset(yaml, entry); });
    read_section(options.checks, "checks", [](const Node::Entry&) {});
    spec_.checks = read_checks(yaml, options.checks, diagnostics_);
    read_section(options.sinks, "sinks", [&](const auto& entry) { read_sink(entry); });
    const auto quarantine = std::ranges::find(root.entries, "quarantine", &Node::Entry::key);
    if (quarantine != root.entries.end()) {
      read_quarantine(*quarantine);
    }
    const auto serve = std::ranges::find(root.entries, "serve", &Node::Entry::key);
    if (serve != root.entries.end()) {
      spec_.serve = read_serve(yaml, *serve, spec_.file, diagnostics_);
    }
    const auto alerts = std::ranges::find(root.entries, "alerts", &Node::Entry::key);
    if (alerts != root.entries.end()) {
      spec_.alerts = read_alerts(yaml, *alerts, spec_.file, named_, diagnostics_);
    }
    (void)read_control(root, diagnostics_);  // it is the process's; its mistakes are told of here
    check_does_something(root);
    check_names(spec_, declared_, diagnostics_);
    check_connectors(spec_, connectors_, diagnostics_);
    if (!diagnostics_.has_errors()) {
      named_.report_unused();
    }
    return std::move(spec_);
  }

 private:
  /// Who serves needs no sink.
  void check_does_something(const Node& root) {
    const Node* sinks = root.find("sinks");
    const bool empty =
        sinks == nullptr || (sinks->entries.empty() && (sinks->is_null() || sinks->is_mapping()));
    if (!empty || spec_.serve) {
      return;
    }
    constexpr const char* kExample = "show: { from: orders, to: console }";
    if (sinks == nullptr) {
      diagnostics_.error(root.at, "the pipeline needs the option `sinks`",
                         fmt::format("for example `sinks: {{ {} }}`", kExample));
    } else {
      diagnostics_.error(sinks->at, "the pipeline has no sink, so it would do nothing",
                         fmt::format("add one, for example `{}`", kExample));
    }
  }

  /// Calls `read` for each entry of one of the file's sections.
  template <class Read>
  void read_section(const Node& section, std::string_view name, Read read) {
    if (section.is_scalar() || section.is_sequence()) {
      diagnostics_.error(section.at, fmt::format("`{}` must be a mapping of names", name),
                         section.is_sequence() ? "write `name: ...` instead of `- ...`" : "");
      return;
    }
    for (const Node::Entry& entry : section.entries) {
      read(entry);
    }
  }

  /// A name that SQL uses.
  void declare(std::string_view kind, const Node::Entry& entry) {
    declared_.push_back(entry.key);
    if (!is_identifier(entry.key)) {
      diagnostics_.error(entry.at,
                         fmt::format("`{}` cannot be the name of a {}: letters, digits and `_`, "
                                     "not beginning with a digit",
                                     entry.key, kind));
    } else if (is_reserved_word(entry.key)) {
      diagnostics_.warning(entry.at, fmt::format("`{}` is a reserved word of SQL", entry.key),
                           fmt::format("queries have to write \"{}\" in double quotes", entry.key));
    }
  }

  /// A source's or sink's value, which has to be a mapping; nullopt if it is not.
  std::optional<Node> mapping_of(const Node::Entry& entry, const std::string& what,
                                 std::string_view example) {
    if (!entry.value.is_mapping()) {
      diagnostics_.error(entry.value.at, fmt::format("{} must be a mapping of options", what),
                         fmt::format("for example `{}: {}`", entry.key, example));
      return std::nullopt;
    }
    return entry.value;
  }

  void report_role(const Node& at, const Endpoint& endpoint, bool source) {
    std::vector<std::string> able;
    for (const auto& each : connectors_) {
      if ((source ? each->source_options() : each->sink_options()) != nullptr) {
        able.emplace_back(each->type());
      }
    }
    diagnostics_.error(at.at,
                       fmt::format("{} cannot be {}", endpoint.connector->type(),
                                   source ? "read from" : "written to"),
                       able.empty() ? "" : "these can: " + join(able, ", "));
  }

  void read_source(const Node::Entry& entry) {
    declare("source", entry);
    const std::string what = fmt::format("source `{}`", entry.key);
    auto mapping = mapping_of(entry, what, "{ from: rate }");
    if (!mapping) {
      return;
    }
    const auto table = source_table();
    SplitNode parts = split_mapping(*mapping, table.names());
    SourceOptions options;
    (void)table.parse(parts.own, diagnostics_, options, what);
    const Node* from = parts.own.find("from");
    const auto endpoint =
        from != nullptr ? named_.resolve(*from, "from", what) : std::optional<Endpoint>();
    if (!endpoint) {
      return;
    }
    const Connector& connector = *endpoint->connector;
    if (connector.source_options() == nullptr) {
      report_role(*from, *endpoint, true);
      return;
    }
    remove_unknown_options(parts.rest, connector.source_options(), table.names(),
                           connector.connection_options(),
                           fmt::format("source {}", connector.type()), diagnostics_);
    spec_.sources.push_back({entry.key, entry.at, std::string(connector.type()),
                             endpoint->connection, std::move(parts.rest),
                             options.as != ReadAs::stream, read_watermark(options.watermark, what),
                             options.refresh, options.alert_malformed_share,
                             read_lookup(parts.own, options, what)});
    if (options.as != ReadAs::table && options.refresh) {
      const bool stream = options.as == ReadAs::stream;
      diagnostics_.error(
          parts.own.find("refresh")->at,
          fmt::format("{} is a {}; `refresh` is for tables", what, stream ? "stream" : "lookup"),
          stream ? "remove it, or add `as: table`"
                 : "`cache_ttl` says how old what was found may be");
    }
    if (options.as != ReadAs::stream && spec_.sources.back().watermark) {
      diagnostics_.error(options.watermark.at,
                         fmt::format("{} is a table, which has no watermark", what),
                         fmt::format("remove `watermark`, or `as: {}`", enum_word(options.as)));
    }
  }

  std::optional<LookupSpec> read_lookup(const Node& own, const SourceOptions& options,
                                        const std::string& what) {
    if (options.as != ReadAs::lookup) {
      for (const auto* name : {"key", "cache_ttl", "cache_rows", "cache_size"}) {
        if (const Node* one = own.find(name)) {
          diagnostics_.error(one->at, fmt::format("{} has `{}`, which is for lookups", what, name),
                             "remove it, or write `as: lookup`");
        }
      }
      return std::nullopt;
    }
    const Node* key = own.find("key");
    if (key == nullptr || options.key.empty()) {
      diagnostics_.error(key == nullptr ? own.at : key->at,
                         fmt::format("{} needs the option `key`, to be looked up by", what),
                         "for example `key: customer_id`");
      return std::nullopt;
    }
    check_key(own, options.key, what);
    LookupSpec lookup{.key = options.key, .key_at = key->at};
    lookup.cache_ttl = options.cache_ttl.value_or(lookup.cache_ttl);
    lookup.cache_rows = options.cache_rows.value_or(lookup.cache_rows);
    lookup.cache_bytes = options.cache_size.value_or(Bytes{lookup.cache_bytes}).count;
    return lookup;
  }

  std::optional<WatermarkSpec> read_watermark(const Node& node, const std::string& what) {
    if (node.at.line == 0) {
      return std::nullopt;
    }
    if (!node.is_mapping()) {
      diagnostics_.error(node.at, fmt::format("`watermark` of {} must be a mapping", what),
                         "for example `watermark: { column: event_time, delay: 10m }`");
      return std::nullopt;
    }
    WatermarkSpec watermark;
    watermark.at = node.at;
    (void)watermark_table().parse(node, diagnostics_, watermark, "watermark");
    return watermark;
  }

  void read_dataset(const YamlFile& yaml, const Node::Entry& entry) {
    declare("dataset", entry);
    const std::string what = fmt::format("dataset `{}`", entry.key);
    DatasetOptions options;
    const Node* sql = &entry.value;
    if (entry.value.is_mapping()) {
      if (!dataset_table().parse(entry.value, diagnostics_, options, what) &&
          options.sql.at.line == 0) {
        return;
      }
      sql = &options.sql;
    }
    if (!sql->is_scalar()) {
      diagnostics_.error(sql->at, fmt::format("{} must be SQL, or the path of a .sql file", what),
                         fmt::format("for example `{}: SELECT * FROM orders`", entry.key));
      return;
    }
    if (auto text = read_sql(yaml, *sql, spec_.file, what, diagnostics_)) {
      spec_.datasets.push_back({entry.key, entry.at, std::move(*text),
                                read_watermark(options.watermark, what), options.state_ttl});
    }
  }

  void read_sink(const Node::Entry& entry) {
    check_sink_name(entry);
    const std::string what = fmt::format("sink `{}`", entry.key);
    const auto mapping = mapping_of(entry, what, "{ from: orders, to: console }");
    if (!mapping) {
      return;
    }
    const auto table = sink_table();
    SplitNode parts = split_mapping(*mapping, table.names());
    SinkOptions options;
    (void)table.parse(parts.own, diagnostics_, options, what);
    check_key(parts.own, options.key, what);
    SinkSpec sink;
    sink.name = entry.key;
    sink.at = entry.at;
    const Node* from = subject(parts.own, what);
    read_target(parts, table.names(), what, sink);
    if (const Node* mode = parts.own.find("mode")) {
      sink.mode = options.mode;
      sink.mode_at = mode->at;
    }
    if (const Node* deleted = parts.own.find("delete")) {
      sink.delete_column = options.delete_column;
      sink.delete_at = deleted->at;
    }
    sink.key = std::move(options.key);
    sink.late = !options.late.empty();
    sink.from = sink.late ? options.late : options.from;
    if (from != nullptr && !sink.from.empty()) {
      sink.from_at = from->at;
      check_late(parts.own, sink, what);
      spec_.sinks.push_back(std::move(sink));
    }
  }

  /// What a sink writes to: the connection that is its `to`, and the options of that system.
  void read_target(SplitNode& parts, const std::vector<std::string>& own, const std::string& what,
                   SinkSpec& sink) {
    const Node* to = parts.own.find("to");
    const auto endpoint =
        to != nullptr ? named_.resolve(*to, "to", what) : std::optional<Endpoint>();
    if (endpoint && endpoint->connector->sink_options() == nullptr) {
      report_role(*to, *endpoint, false);
    } else if (endpoint) {
      const Connector& connector = *endpoint->connector;
      remove_unknown_options(parts.rest, connector.sink_options(), own,
                             connector.connection_options(),
                             fmt::format("sink {}", connector.type()), diagnostics_);
      sink.connector = connector.type();
      sink.connection = endpoint->connection;
    }
    sink.options = std::move(parts.rest);
  }

  /// The sink of all that is put aside: one that does not say what it gets, and how.
  void read_quarantine(const Node::Entry& entry) {
    const std::string what = fmt::format("`{}`", entry.key);
    const auto mapping = mapping_of(entry, what, "{ to: lake, format: json }");
    if (!mapping) {
      return;
    }
    if (const auto other = sink_lines_.find(entry.key); other != sink_lines_.end()) {
      diagnostics_.error(entry.at,
                         fmt::format("{} is a sink of this name, and line {} has another one", what,
                                     other->second),
                         "give that one another name");
    }
    const auto table = quarantine_table();
    SplitNode parts = split_mapping(*mapping, table.names());
    const auto of_sinks = sink_table().names();
    std::erase_if(parts.rest.entries, [&](const Node::Entry& each) {
      const bool of_sink = std::ranges::find(of_sinks, each.key) != of_sinks.end();
      if (of_sink) {
        diagnostics_.error(each.at, fmt::format("{} has no `{}`", what, each.key),
                           "it appends all that is put aside; remove it");
      }
      return of_sink;
    });
    QuarantineOptions options;
    (void)table.parse(parts.own, diagnostics_, options, what);
    SinkSpec sink{.name = entry.key, .at = entry.at, .quarantine = true};
    read_target(parts, table.names(), what, sink);
    spec_.sinks.push_back(std::move(sink));
  }

  /// What a sink says that it writes: the value of `from` or of `late`, of which it has one.
  const Node* subject(const Node& own, const std::string& what) {
    const Node* from = own.find("from");
    const Node* late = own.find("late");
    if (from != nullptr && late != nullptr) {
      diagnostics_.error(late->at, fmt::format("{} has both `from` and `late`", what),
                         "a sink gets the rows of a dataset, or those that came too late for it: "
                         "give the late rows a sink of their own");
      return nullptr;
    }
    const Node* one = from != nullptr ? from : late;
    if (one == nullptr) {
      diagnostics_.error(own.at, fmt::format("{} needs the option `from`", what),
                         "for example `from: orders`, or `late: hourly` for rows that came too "
                         "late for a dataset");
    }
    return one;
  }

  /// Late rows are rows of a stream: they do not change.
  void check_late(const Node& own, const SinkSpec& sink, const std::string& what) {
    if (!sink.late) {
      return;
    }
    if (sink.mode && *sink.mode != OutputMode::append) {
      diagnostics_.error(
          sink.mode_at, fmt::format("{} gets late rows, which are final; its mode is append", what),
          "remove `mode`");
    }
    for (const auto* name : {"key", "delete"}) {
      if (const Node* one = own.find(name)) {
        diagnostics_.error(
            one->at, fmt::format("{} gets late rows, which have no `{}`", what, name), "remove it");
      }
    }
  }

  void check_sink_name(const Node::Entry& entry) {
    if (!is_identifier(entry.key)) {
      diagnostics_.error(entry.at, fmt::format("`{}` cannot be the name of a sink: letters, digits "
                                               "and `_`, not beginning with a digit",
                                               entry.key));
    }
    const auto [first, is_new] = sink_lines_.emplace(to_lower(entry.key), entry.at.line);
    if (!is_new) {
      diagnostics_.error(entry.at,
                         fmt::format("sink `{}` has the same name as the one on line {}", entry.key,
                                     first->second),
                         "names are compared without regard to case");
    }
  }

  void check_key(const Node& own, const std::vector<std::string>& key, const std::string& what) {
    for (auto column = key.begin(); column != key.end(); ++column) {
      const bool again = std::any_of(key.begin(), column, [&](const std::string& before) {
        return equal_ignoring_case(before, *column);
      });
      if (again) {
        diagnostics_.error(own.find("key")->at,
                           fmt::format("`key` of {} holds `{}` twice", what, *column));
      }
    }
  }

  const ConnectorList& connectors_;
  Diagnostics& diagnostics_;
  PipelineSpec spec_;
  Connections named_;
  std::vector<std::string> declared_;      ///< names of sources and datasets, also of bad ones
  std::map<std::string, int> sink_lines_;  ///< by name in lower case
};

}  // namespace

const CheckSpec* ChecksSpec::find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      checks, [&](const CheckSpec& each) { return equal_ignoring_case(each.name, name); });
  return found == checks.end() ? nullptr : &*found;
}

const ChecksSpec* PipelineSpec::checks_of(std::string_view name) const {
  const auto found = std::ranges::find_if(
      checks, [&](const ChecksSpec& each) { return equal_ignoring_case(each.of, name); });
  return found == checks.end() ? nullptr : &*found;
}

std::optional<PipelineSpec> load_pipeline(const std::string& path, const ConnectorList& connectors,
                                          Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  std::string content;
  if (const int error = read_file_or_errno(path, content); error != 0) {
    diagnostics.error({path}, fmt::format("cannot read the pipeline file: {}", errno_text(error)));
    return std::nullopt;
  }
  const auto yaml = parse_yaml(path, std::move(content), diagnostics);
  if (!yaml) {
    return std::nullopt;
  }
  if (yaml->root.is_null()) {
    diagnostics.error({path, 1, 1}, "the pipeline file is empty",
                      "it needs `pipeline`, `sources` and `sinks`");
    return std::nullopt;
  }
  PipelineSpec spec = Loader(path, connectors, diagnostics).load(*yaml);
  diagnostics.sort();
  if (diagnostics.error_count() != errors_before) {
    return std::nullopt;
  }
  return spec;
}

}  // namespace millrace
