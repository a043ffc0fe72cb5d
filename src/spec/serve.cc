// Reads `serve:`.
#include "spec/serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/strings.h"
#include "spec/loader.h"
#include "spec/serve_shape.h"
#include "spec/serve_tables.h"
#include "spec/sql_text.h"

namespace millrace {
namespace {

using Segment = EndpointSpec::Segment;

/// What a client that follows changes may be behind.
constexpr Bytes kStreamQueue{4 << 20};
constexpr std::string_view kOwnPaths[] = {"/openapi.json", "/docs", "/healthz", "/readyz"};

/// Turns `serve:` into a ServeSpec. Reports what is wrong on the way.
class ServeReader {
 public:
  ServeReader(const YamlFile& yaml, const std::string& file, Diagnostics& diagnostics)
      : yaml_(yaml), file_(file), diagnostics_(diagnostics) {}

  ServeSpec read(const Node::Entry& section) {
    serve_.at = section.at;
    if (!section.value.is_mapping()) {
      diagnostics_.error(section.value.at, "`serve` must be a mapping of options",
                         "for example `serve: { endpoints: [{ get: /totals, query: FROM totals }] "
                         "}`");
      return std::move(serve_);
    }
    (void)serve_table().parse(section.value, diagnostics_, options_, "serve");
    read_server(section.value);
    serve_.title = options_.title;
    serve_.description = options_.description;
    serve_.cache_bytes = options_.cache_size.count;
    serve_.file_cache_bytes = options_.file_cache_size.count;
    serve_.query_threads = options_.query_threads;
    serve_.query_queue = options_.query_queue;
    serve_.refresh = options_.refresh;
    serve_.wait_timeout = options_.wait_timeout;
    serve_.errors = read_errors(options_.errors, "serve", {});
    read_envelope();
    read_endpoints();
    return std::move(serve_);
  }

 private:
  /// What the server's options say together stands nowhere; `listen` is the nearest.
  void read_server(const Node& section) {
    Diagnostics found;
    (void)options_.server.read_nested(found, "serve");
    const Node* listen = section.find("listen");
    for (const Diagnostic& each : found.all()) {
      const auto at = each.at.line != 0 ? each.at : listen != nullptr ? listen->at : section.at;
      if (each.severity == Diagnostic::Severity::error) {
        diagnostics_.error(at, each.message, each.hint);
      } else {
        diagnostics_.warning(at, each.message, each.hint);
      }
    }
    serve_.server = options_.server;
    serve_.server.open_paths = {"/healthz", "/readyz"};
    serve_.server.max_stream_queue = kStreamQueue;
  }

  void read_envelope() {
    EnvelopeOptions envelope;
    if (options_.envelope.at.line == 0) {
      return;
    }
    (void)envelope_table().parse(options_.envelope, diagnostics_, envelope, "`envelope`");
    if (envelope.success.at.line != 0) {
      serve_.success = read_shape(envelope.success, diagnostics_);
    }
    if (envelope.error.at.line != 0) {
      serve_.error = read_shape(envelope.error, diagnostics_);
    }
  }

  /// `errors`: those that stand where nothing else is said.
  ErrorSpecs read_errors(const Node& node, const std::string& of, ErrorSpecs errors) {
    if (!node.is_mapping() && !node.is_null()) {
      diagnostics_.error(node.at, fmt::format("`errors` of {} must be a mapping of codes", of),
                         "for example `{ not_found: nothing here }`");
      return errors;
    }
    const auto codes = fault_codes();
    for (const auto& [code, at, value] : node.entries) {
      const auto found = std::ranges::find(codes, code);
      if (found == codes.end()) {
        diagnostics_.error(
            at, fmt::format("`errors` of {} names `{}`, which is no code of an error", of, code),
            did_you_mean(code, codes));
        continue;
      }
      read_error(value, fmt::format("error `{}` of {}", code, of),
                 errors[static_cast<Fault>(found - codes.begin())]);
    }
    return errors;
  }

  void read_error(const Node& node, const std::string& what, ErrorSpec& error) {
    if (node.is_scalar()) {
      error.message = node.text;
      return;
    }
    ErrorOptions options;
    (void)error_table().parse(node, diagnostics_, options, what);
    const Node* status = node.find("status");
    if (options.status && *options.status != 200 && *options.status < 400) {
      diagnostics_.error(
          status->at,
          fmt::format("{} has the status {}, which is not of an answer", what, *options.status),
          "an error has 400 to 599; 200 is for clients that want it so");
    }
    error.message = options.message.empty() ? error.message : options.message;
    error.code = options.code.empty() ? error.code : options.code;
    error.status = options.status.value_or(error.status);
  }

  void read_endpoints() {
    if (!options_.endpoints.is_sequence()) {
      if (options_.endpoints.at.line != 0) {
        diagnostics_.error(options_.endpoints.at, "`endpoints` must be a list",
                           "for example `- { get: /totals, query: FROM totals }`");
      }
      return;
    }
    if (options_.endpoints.items.empty()) {
      diagnostics_.error(options_.endpoints.at, "`endpoints` is empty, so nothing would be served");
    }
    serve_.endpoints.reserve(options_.endpoints.items.size());
    for (const Node& item : options_.endpoints.items) {
      if (auto endpoint = read_endpoint(item)) {
        check_twice(*endpoint);
        serve_.endpoints.push_back(std::move(*endpoint));
      }
    }
  }

  std::optional<EndpointSpec> read_endpoint(const Node& node) {
    EndpointOptions options;
    if (!node.is_mapping()) {
      diagnostics_.error(node.at, "an endpoint must be a mapping of options",
                         "for example `- { get: /totals, query: FROM totals }`");
      return std::nullopt;
    }
    const auto errors_before = diagnostics_.error_count();
    (void)endpoint_table().parse(node, diagnostics_, options, "an endpoint");
    const bool is_changes = !options.changes.empty();
    if (is_changes == !options.get.empty()) {
      if (diagnostics_.error_count() == errors_before) {
        diagnostics_.error(node.at, "an endpoint has either `get` or `changes`",
                           "for example `get: /totals`");
      }
      return std::nullopt;
    }
    EndpointSpec endpoint;
    endpoint.at = node.find(is_changes ? "changes" : "get")->at;
    endpoint.changes = options.changes;
    endpoint.path = is_changes && options.path.empty() ? "/" + options.changes + "/changes"
                    : is_changes                       ? options.path
                                                       : options.get;
    endpoint.returns = options.returns;
    endpoint.empty =
        options.empty.value_or(options.returns == Returns::one ? Empty::not_found : Empty::ok);
    endpoint.message = options.message;
    endpoint.data = options.data;
    endpoint.description = options.description;
    endpoint.max_rows = options.max_rows.value_or(options_.max_rows);
    endpoint.timeout = options.timeout.value_or(options_.timeout);
    endpoint.cache = options.cache;
    endpoint.max_age = options.max_age;
    endpoint.unknown_parameters = options.unknown_parameters.value_or(options_.unknown_parameters);
    const std::string what = fmt::format("endpoint `{}`", endpoint.path);
    endpoint.errors = read_errors(options.errors, what, serve_.errors);
    read_path(endpoint, what);
    if (is_changes) {
      refuse_in_changes(node, what);
      return endpoint;
    }
    if (const Node* path = node.find("path")) {
      diagnostics_.error(path->at, fmt::format("{} has `path`, which is for `changes`", what),
                         "`get` is the path already; remove it");
    }
    read_parameters(options.parameters, endpoint, what);
    read_query(options.query, node, endpoint, what);
    return endpoint;
  }

  void refuse_in_changes(const Node& node, const std::string& what) {
    for (const Node::Entry& entry : node.entries) {
      if (entry.key != "changes" && entry.key != "path" && entry.key != "description" &&
          entry.key != "errors") {
        diagnostics_.error(entry.at,
                           fmt::format("{} sends changes, and has no `{}`", what, entry.key),
                           "remove it");
      }
    }
  }

  void read_path(EndpointSpec& endpoint, const std::string& what) {
    const auto refuse = [&](const std::string& why, const std::string& hint) {
      diagnostics_.error(endpoint.at, fmt::format("the path of {} {}", what, why), hint);
    };
    if (!endpoint.path.starts_with('/')) {
      refuse("does not begin with `/`", fmt::format("write `/{}`", endpoint.path));
      return;
    }
    if (std::ranges::find(kOwnPaths, endpoint.path) != std::end(kOwnPaths)) {
      refuse("is one that every service has", "choose another one");
    }
    if (endpoint.path == "/") {
      return;
    }
    for (const auto piece : split(std::string_view(endpoint.path).substr(1), '/')) {
      const bool is_parameter = piece.starts_with('{') && piece.ends_with('}');
      const auto name = is_parameter ? piece.substr(1, piece.size() - 2) : piece;
      if (name.empty() || name.find_first_of("{}?#%") != std::string_view::npos) {
        refuse(name.empty() ? "has an empty piece"
                            : fmt::format("has the piece `{}`, which is not read", piece),
               "pieces are words, or parameters such as `{id}`");
        return;
      }
      if (is_parameter && !is_identifier(name)) {
        refuse(fmt::format("has the parameter `{}`, which is no name", name),
               "names are of letters, digits and `_`");
      }
      if (is_parameter && std::ranges::find(endpoint.segments, Segment{std::string(name), true}) !=
                              endpoint.segments.end()) {
        refuse(fmt::format("has the parameter `{}` twice", name), "");
      }
      endpoint.segments.push_back({std::string(name), is_parameter});
    }
  }

  void check_twice(const EndpointSpec& endpoint) {
    for (const EndpointSpec& other : serve_.endpoints) {
      const bool same = std::ranges::equal(
          endpoint.segments, other.segments, [](const Segment& a, const Segment& b) {
            return a.is_parameter == b.is_parameter && (a.is_parameter || a.text == b.text);
          });
      if (same) {
        diagnostics_.error(endpoint.at,
                           fmt::format("endpoint `{}` answers the same requests as the one on line "
                                       "{}",
                                       endpoint.path, other.at.line),
                           "give one of them another path");
      }
    }
  }

  void read_parameters(const Node& node, EndpointSpec& endpoint, const std::string& what) {
    if (!node.is_mapping() && !node.is_null()) {
      diagnostics_.error(node.at,
                         fmt::format("`parameters` of {} must be a mapping of names", what),
                         "for example `{ id: { type: int } }`");
      return;
    }
    for (const Node::Entry& entry : node.entries) {
      endpoint.parameters.push_back(read_one_parameter(entry, endpoint, what));
    }
    for (const Segment& segment : endpoint.segments) {
      if (segment.is_parameter && endpoint.find(segment.text) == nullptr) {
        diagnostics_.error(
            endpoint.at,
            fmt::format("{} does not say what its parameter `{}` is", what, segment.text),
            fmt::format("add `parameters: {{ {}: {{ type: int }} }}`", segment.text));
      }
    }
  }

  ParameterSpec read_one_parameter(const Node::Entry& entry, const EndpointSpec& endpoint,
                                   const std::string& of) {
    const std::string what = fmt::format("parameter `{}` of {}", entry.key, of);
    ParameterSpec parameter;
    parameter.name = entry.key;
    parameter.at = entry.at;
    if (!is_identifier(entry.key)) {
      diagnostics_.error(entry.at, fmt::format("`{}` cannot be the name of a parameter: letters, "
                                               "digits and `_`, not beginning with a digit",
                                               entry.key));
    }
    ParameterOptions options;
    (void)parameter_table().parse(entry.value, diagnostics_, options, what);
    const bool in_path =
        std::ranges::find(endpoint.segments, Segment{entry.key, true}) != endpoint.segments.end();
    parameter.in = in_path ? ParameterPlace::path : ParameterPlace::query;
    if (options.in && *options.in != parameter.in) {
      diagnostics_.error(
          entry.value.find("in")->at,
          fmt::format("{} {} in the path `{}`", what, in_path ? "is" : "is not", endpoint.path),
          "remove `in`");
    }
    parameter.type = options.type;
    parameter.required = options.required || in_path;
    parameter.pattern = options.pattern;
    parameter.allowed = options.allowed;
    parameter.error = options.error;
    parameter.description = options.description;
    parameter.example = options.example;
    const bool is_text = parameter.type == ParameterType::string;
    for (const auto* name : {"pattern", "enum"}) {
      if (const Node* one = entry.value.find(name); one != nullptr && !is_text) {
        diagnostics_.error(one->at, fmt::format("`{}` of {} is for strings", name, what),
                           "remove it, or write `type: string`");
      }
    }
    check_pattern(entry.value, parameter, what);
    const auto bounds = is_text ? ParameterType::integer : parameter.type;
    parameter.minimum = value_of(options.minimum, {.name = "minimum", .type = bounds}, what);
    parameter.maximum = value_of(options.maximum, {.name = "maximum", .type = bounds}, what);
    ParameterSpec for_default = parameter;
    for_default.name = "default";
    parameter.default_value = value_of(options.default_value, for_default, what);
    if (options.default_value.at.line != 0 && parameter.required) {
      diagnostics_.error(options.default_value.at,
                         fmt::format("{} has to be given, so it needs no default", what),
                         "remove `default`");
    }
    return parameter;
  }

  void check_pattern(const Node& mapping, const ParameterSpec& parameter, const std::string& what) {
    try {
      (void)std::regex(parameter.pattern);
    } catch (const std::regex_error& error) {
      diagnostics_.error(
          mapping.find("pattern")->at,
          fmt::format("`pattern` of {} is no regular expression: {}", what, error.what()));
    }
  }

  ParameterValue value_of(const Node& node, const ParameterSpec& as, const std::string& what) {
    if (node.at.line == 0) {
      return {};
    }
    const auto value =
        node.is_scalar() ? read_parameter(as, node.text) : std::optional<ParameterValue>();
    if (!value) {
      diagnostics_.error(node.at,
                         fmt::format("`{}` of {} must be {}{}", as.name, what, wanted_of(as),
                                     node.is_scalar() ? ", not `" + node.text + "`" : ""));
    }
    return value.value_or(ParameterValue());
  }

  void read_query(const Node& node, const Node& mapping, EndpointSpec& endpoint,
                  const std::string& what) {
    if (!node.is_scalar()) {
      diagnostics_.error(node.at.line == 0 ? mapping.at : node.at,
                         fmt::format("{} needs a `query`: SQL, or the path of a .sql file", what),
                         "for example `query: FROM totals`");
      return;
    }
    auto sql = read_sql(yaml_, node, file_, what, diagnostics_);
    if (!sql) {
      return;
    }
    endpoint.query = std::move(*sql);
    const SqlWords words = scan_sql(endpoint.query.text);
    std::vector<std::string> names;
    names.reserve(endpoint.parameters.size());
    for (const ParameterSpec& parameter : endpoint.parameters) {
      names.push_back(parameter.name);
      const bool used = std::ranges::any_of(words.parameters, [&](const auto& each) {
        return equal_ignoring_case(each.name, parameter.name);
      });
      if (!used) {
        diagnostics_.error(parameter.at,
                           fmt::format("the query of {} does not use its parameter "
                                       "`{}`",
                                       what, parameter.name),
                           fmt::format("use `${}` in it, or remove the parameter", parameter.name));
      }
    }
    for (const auto& used : words.parameters) {
      if (endpoint.find(used.name) == nullptr) {
        const auto like = std::ranges::find_if(
            names, [&](const std::string& name) { return equal_ignoring_case(name, used.name); });
        diagnostics_.error(
            endpoint.query.locate(used.offset),
            fmt::format("the query of {} uses `${}`, which is no parameter of it", what, used.name),
            like != names.end() ? fmt::format("write `${}`", *like)
            : names.empty()     ? "declare it under `parameters`"
                                : did_you_mean(used.name, names));
      }
    }
  }

  const YamlFile& yaml_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  ServeOptions options_;
  ServeSpec serve_;
};

}  // namespace

std::vector<std::string> ServeSpec::names() const {
  std::vector<std::string> all;
  for (const EndpointSpec& endpoint : endpoints) {
    if (!endpoint.changes.empty()) {
      all.push_back(to_lower(endpoint.changes));
    }
    const SqlWords words = scan_sql(endpoint.query.text);
    all.insert(all.end(), words.names.begin(), words.names.end());
  }
  std::ranges::sort(all);
  const auto repeats = std::ranges::unique(all);
  all.erase(repeats.begin(), repeats.end());
  return all;
}

ServeSpec read_serve(const YamlFile& yaml, const Node::Entry& section, const std::string& file,
                     Diagnostics& diagnostics) {
  return ServeReader(yaml, file, diagnostics).read(section);
}

}  // namespace millrace
