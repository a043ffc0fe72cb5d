#include "spec/pipeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/files.h"
#include "base/references.h"
#include "base/strings.h"
#include "spec/loader.h"
#include "spec/sql_text.h"
#include "spec/tables.h"
#include "spec/yaml.h"

namespace millrace {
namespace {

constexpr std::size_t kLargestSql = 1024UL * 1024;
constexpr std::size_t kLongestName = 100;  // it is the name of a folder, too

bool is_pipeline_name(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kLongestName && letter_or_digit(name.front()) &&
         std::ranges::all_of(name,
                             [&](char c) { return letter_or_digit(c) || c == '_' || c == '-'; });
}

/// What a name might have been meant to be, as far as the rule of pipeline names allows.
std::string pipeline_name_like(std::string_view name) {
  std::string result;
  for (const char c : to_lower(name)) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (fine) {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  const std::size_t first = result.find_first_not_of("-_");
  result.erase(0, first);
  result.erase(result.find_last_not_of('-') + 1);
  return result.substr(0, kLongestName);
}

/// Turns a pipeline file into a PipelineSpec. One use each.
class Loader {
 public:
  Loader(const std::string& path, const ConnectorList& connectors, Diagnostics& diagnostics)
      : connectors_(connectors), diagnostics_(diagnostics), named_(connectors, diagnostics) {
    spec_.file = path;
    spec_.base_dir = absolute_path(folder_of(path));
  }

  PipelineSpec load(const YamlFile& yaml) {
    Node root = yaml.root;
    remove_later_keys(root, kLaterKeys, diagnostics_);
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
      check_name(*name);
    }
    read_trigger(options.trigger);
    read_checkpoint(options.checkpoint);
    read_section(options.connections, "connections", [](const Node::Entry&) {});
    named_.read(options.connections);
    read_section(options.sources, "sources", [&](const auto& entry) { read_source(entry); });
    read_section(options.datasets, "datasets",
                 [&](const auto& entry) { read_dataset(yaml, entry); });
    read_section(options.sinks, "sinks", [&](const auto& entry) { read_sink(entry); });
    if (const Node* sinks = root.find("sinks");
        sinks != nullptr && sinks->entries.empty() && (sinks->is_null() || sinks->is_mapping())) {
      diagnostics_.error(sinks->at, "the pipeline has no sink, so it would do nothing",
                         "add one, for example `show: { from: orders, to: console }`");
    }
    check_names(spec_, declared_, diagnostics_);
    check_connectors(spec_, connectors_, diagnostics_);
    if (!diagnostics_.has_errors()) {
      named_.report_unused();
    }
    return std::move(spec_);
  }

 private:
  void check_name(const Node& node) {
    if (is_pipeline_name(spec_.name)) {
      return;
    }
    const std::string like = pipeline_name_like(spec_.name);
    diagnostics_.error(node.at,
                       fmt::format("`{}` cannot be the name of a pipeline: lower-case letters, "
                                   "digits, `-` and `_`, at most {}",
                                   spec_.name, kLongestName),
                       like.empty() ? "" : fmt::format("for example `{}`", like));
  }

  void read_trigger(const Node& node) {
    if (node.is_null()) {
      // A node that was never filled has no place; `trigger:` without a value has one.
      if (node.at.line > 0) {
        diagnostics_.error(node.at, "`trigger` of the pipeline has no value",
                           "give it a duration such as `60s`, or remove it");
      }
      return;
    }
    std::vector<std::string> words;
    for (const auto& each : EnumNames<TriggerSpec::Kind>::kWords) {
      words.emplace_back(each.word);
    }
    std::optional<std::string> text;
    if (node.is_scalar()) {
      text = interpolate(node, diagnostics_);
      if (!text) {
        return;
      }
    }
    const std::string given = text.value_or("");
    for (const auto& each : EnumNames<TriggerSpec::Kind>::kWords) {
      if (given == each.word) {
        spec_.trigger.kind = each.value;
        return;
      }
    }
    const auto interval = parse_duration(given);
    if (interval && interval->count() > 0) {
      spec_.trigger = {TriggerSpec::Kind::interval, *interval};
      return;
    }
    std::string hint;
    if (parse_number(given)) {
      hint = interval || given == "0" ? "" : fmt::format("say the unit, for example `{}s`", given);
    } else if (const auto near = suggest(given, words)) {
      hint = fmt::format("did you mean `{}`?", *near);
    }
    diagnostics_.error(
        node.at,
        fmt::format("`trigger` of the pipeline must be a duration such as `60s`, or {}{}",
                    alternatives(words), given.empty() ? "" : ", not `" + given + "`"),
        hint);
  }

  void read_checkpoint(const Node& node) {
    if (node.is_scalar()) {
      diagnostics_.error(node.at, "`checkpoint` must be a mapping of options, not a single value",
                         fmt::format("write `checkpoint: {{ path: {} }}`", node.text));
      return;
    }
    (void)checkpoint_table().parse(node, diagnostics_, spec_.checkpoint, "checkpoint");
    std::string& path = spec_.checkpoint.path;
    if (path.find("://") != std::string::npos) {
      diagnostics_.error(node.find("path")->at,
                         fmt::format("`path` of checkpoint must be a folder of this machine, not "
                                     "`{}`",
                                     path),
                         "rows go to remote systems, progress is kept locally");
    }
    if (path.empty()) {
      path = ".millrace/" + spec_.name;
    }
    path = absolute_path(resolve_path(spec_.base_dir, path));
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
                             options.as == ReadAs::table, read_watermark(options.watermark, what),
                             options.refresh, options.alert_malformed_share});
    if (options.as != ReadAs::table && options.refresh) {
      diagnostics_.error(parts.own.find("refresh")->at,
                         fmt::format("{} is a stream; `refresh` is for tables", what),
                         "remove it, or add `as: table`");
    }
    if (options.as == ReadAs::table && spec_.sources.back().watermark) {
      diagnostics_.error(options.watermark.at,
                         fmt::format("{} is a table, which has no watermark", what),
                         "remove `watermark`, or `as: table`");
    }
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
    const bool is_file = sql->text.ends_with(".sql") && !sql->text.contains('\n');
    auto text = is_file ? read_sql_file(*sql, what) : sql_in_yaml(yaml, *sql);
    if (text && check_sql(*text, what)) {
      spec_.datasets.push_back({entry.key, entry.at, std::move(*text),
                                read_watermark(options.watermark, what), options.state_ttl});
    }
  }

  std::optional<SqlText> read_sql_file(const Node& node, const std::string& what) {
    const auto path = interpolate(node, diagnostics_);
    if (!path) {
      return std::nullopt;
    }
    SqlText sql;
    // Named as the pipeline file is, so that the messages' places can be opened from here.
    sql.at = {resolve_path(folder_of(spec_.file), *path), 1, 1};
    if (const int error = read_file_or_errno(sql.at.file, sql.text); error != 0) {
      diagnostics_.error(
          node.at,
          fmt::format("cannot read `{}`, the SQL of {}: {}", sql.at.file, what, errno_text(error)),
          error == ENOENT ? "paths are relative to the pipeline file" : "");
      return std::nullopt;
    }
    if (sql.text.size() > kLargestSql) {
      diagnostics_.error({sql.at.file},
                         fmt::format("the file is too large: {}, of at most {}",
                                     human_bytes(static_cast<std::int64_t>(sql.text.size())),
                                     bytes_text(kLargestSql)));
      return std::nullopt;
    }
    if (sql.text.starts_with("\xEF\xBB\xBF")) {
      sql.text.erase(0, 3);
    }
    if (const auto bad = find_invalid_utf8(sql.text)) {
      diagnostics_.error(sql.locate(*bad), "the file is not in UTF-8", "save it in that encoding");
      return std::nullopt;
    }
    return sql;
  }

  bool check_sql(SqlText& sql, const std::string& what) {
    const SqlWords words = scan_sql(sql.text);
    if (words.empty) {
      diagnostics_.error(sql.at, fmt::format("the SQL of {} is empty", what), "write a SELECT");
      return false;
    }
    if (words.second_statement) {
      diagnostics_.error(sql.locate(*words.second_statement),
                         fmt::format("the SQL of {} holds several statements", what),
                         "give each SELECT a dataset of its own");
      return false;
    }
    if (words.end) {
      sql.text.resize(*words.end);
    }
    return true;
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
    const Node* to = parts.own.find("to");
    const auto endpoint =
        to != nullptr ? named_.resolve(*to, "to", what) : std::optional<Endpoint>();
    if (endpoint && endpoint->connector->sink_options() == nullptr) {
      report_role(*to, *endpoint, false);
    } else if (endpoint) {
      const Connector& connector = *endpoint->connector;
      remove_unknown_options(parts.rest, connector.sink_options(), table.names(),
                             connector.connection_options(),
                             fmt::format("sink {}", connector.type()), diagnostics_);
      sink.connector = connector.type();
      sink.connection = endpoint->connection;
    }
    if (const Node* mode = parts.own.find("mode")) {
      sink.mode = options.mode;
      sink.mode_at = mode->at;
    }
    sink.options = std::move(parts.rest);
    sink.key = std::move(options.key);
    sink.late = !options.late.empty();
    sink.from = sink.late ? options.late : options.from;
    if (from != nullptr && !sink.from.empty()) {
      sink.from_at = from->at;
      check_late(parts.own, sink, what);
      spec_.sinks.push_back(std::move(sink));
    }
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
    if (const Node* key = own.find("key")) {
      diagnostics_.error(key->at, fmt::format("{} gets late rows, which have no `key`", what),
                         "remove it");
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
