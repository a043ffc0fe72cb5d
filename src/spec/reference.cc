// The reference of pipeline files in Markdown, made from the option tables.
#include <fmt/core.h>

#include "base/strings.h"
#include "spec/alert_findings.h"
#include "spec/alert_tables.h"
#include "spec/control.h"
#include "spec/pipeline.h"
#include "spec/serve_tables.h"
#include "spec/tables.h"

namespace millrace {
namespace {

std::string_view kind_text(OptionKind kind) {
  switch (kind) {
    case OptionKind::string:
      return "text";
    case OptionKind::integer:
      return "whole number";
    case OptionKind::number:
      return "number";
    case OptionKind::boolean:
      return "`true` or `false`";
    case OptionKind::duration:
      return "duration";
    case OptionKind::bytes:
      return "size";
    case OptionKind::choice:
      return "choice";
    case OptionKind::string_list:
      return "list of texts";
    case OptionKind::string_map:
      return "mapping of texts";
    case OptionKind::secret:
      return "secret";
    case OptionKind::path:
      return "path";
    case OptionKind::any:
      return "its own form";
  }
  std::unreachable();
}

/// A bound as one would write it in the file.
std::string bound_text(const OptionInfo& info, double bound) {
  const auto whole = static_cast<std::int64_t>(bound);
  switch (info.kind) {
    case OptionKind::duration:
      return duration_text(std::chrono::milliseconds(whole));
    case OptionKind::bytes:
      return bytes_text(whole);
    default:
      return fmt::format("{}", bound);
  }
}

std::string type_text(const OptionInfo& info) {
  if (info.kind == OptionKind::choice) {
    return alternatives(info.choices);
  }
  std::string result(kind_text(info.kind));
  if (info.minimum && info.maximum) {
    result +=
        fmt::format(", {} to {}", bound_text(info, *info.minimum), bound_text(info, *info.maximum));
  } else if (info.minimum) {
    result += ", at least " + bound_text(info, *info.minimum);
  } else if (info.maximum) {
    result += ", at most " + bound_text(info, *info.maximum);
  }
  return result;
}

/// A cell of a table: a `|` would begin the next one.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
  }
  return result;
}

std::string default_text(const OptionInfo& info) {
  if (info.required) {
    return "**required**";
  }
  // Defaults that are said in words stand as they are; those that could be written, as code.
  if (info.default_text.empty() || info.default_text.find(' ') != std::string::npos) {
    return info.default_text;
  }
  return "`" + info.default_text + "`";
}

std::string option_table(const OptionSet& set) {
  std::string out = "| option | type | default | description |\n|---|---|---|---|\n";
  for (const OptionInfo& info : set.infos()) {
    std::string doc = info.doc;
    if (!info.example.empty()) {
      doc += fmt::format(" Example: `{}`.", info.example);
    }
    out += fmt::format("| `{}` | {} | {} | {} |\n", info.name, cell(type_text(info)),
                       cell(default_text(info)), cell(doc));
  }
  return out + "\n";
}

/// The options that have to be there, with their examples, as lines of YAML.
std::string required_lines(const OptionSet* set, std::string_view indent) {
  std::string out;
  if (set != nullptr) {
    for (const OptionInfo& info : set->infos()) {
      if (info.required) {
        out += fmt::format("{}{}: {}\n", indent, info.name,
                           info.example.empty() ? "..." : info.example);
      }
    }
  }
  return out;
}

/// How a source or sink of a connector looks at its shortest.
std::string role_example(const Connector& connector, bool source) {
  const OptionSet* connection = connector.connection_options();
  const bool connected = connection != nullptr && !connection->infos().empty();
  std::string out = "```yaml\n";
  std::string link(connector.type());
  if (connected) {
    link = "my_" + link;
    out += fmt::format("connections:\n  {}:\n    type: {}\n", link, connector.type());
    out += required_lines(connection, "    ");
  }
  if (source) {
    out += fmt::format("sources:\n  orders:\n    from: {}\n", link);
    out += required_lines(connector.source_options(), "    ");
  } else {
    out += fmt::format("sinks:\n  result:\n    from: orders\n    to: {}\n", link);
    out += required_lines(connector.sink_options(), "    ");
  }
  return out + "```\n\n";
}

std::string role_section(const Connector& connector, std::string_view title, const OptionSet& set,
                         std::optional<bool> source) {
  std::string out = fmt::format("### {} {}\n\n", connector.type(), title);
  out += set.infos().empty() ? std::string("No options.\n\n") : option_table(set);
  if (source) {
    out += role_example(connector, *source);
  }
  return out;
}

std::string connector_section(const Connector& connector) {
  std::string out = fmt::format("## {}\n\n{}\n\n", connector.type(), connector.summary());
  const OptionSet* set = connector.connection_options();
  if (set != nullptr && !set->infos().empty()) {
    out += role_section(connector, "connection", *set, std::nullopt);
  }
  set = connector.source_options();
  if (set != nullptr) {
    out += role_section(connector, "source", *set, true);
  }
  set = connector.sink_options();
  if (set != nullptr) {
    out += role_section(connector, "sink", *set, false);
  }
  return out;
}

std::string serve_sections() {
  return "## serve\n\nA mapping. See [serving](../serving.md).\n\n" + option_table(serve_table()) +
         "### envelope\n\n" + option_table(envelope_table()) +
         "### errors\n\nBy the code of the error, each is a message, or a mapping:\n\n" +
         option_table(error_table()) + "### endpoints\n\nEach is a mapping:\n\n" +
         option_table(endpoint_table()) + "### parameters\n\nEach is a mapping:\n\n" +
         option_table(parameter_table()) + "### tls\n\n" + option_table(http::TlsOptions::table()) +
         "### users\n\nEach is a mapping:\n\n" + option_table(http::UserOptions::table());
}

std::string of_text(std::uint8_t of) {
  std::vector<std::string> kinds;
  const auto add = [&](AlertOf bit, const char* word) {
    if ((of & bit) != 0) {
      kinds.emplace_back(word);
    }
  };
  add(kOfSource, "source");
  add(kOfDataset, "dataset");
  add(kOfSink, "sink");
  add(kOfCheck, "check");
  add(kOfWatermark, "watermark");
  return join(kinds, ", ");
}

std::string metric_table() {
  std::string out = "| metric | `of` | `over` | what it is |\n|---|---|---|---|\n";
  for (const AlertMetric& metric : alert_metrics()) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", metric.name, of_text(metric.of),
                       metric.counted ? "yes" : "", metric.doc);
  }
  return out + "\n";
}

std::string finding_table() {
  std::string out = "| finding | `of` | when it is so |\n|---|---|---|\n";
  for (const AlertMetric& kind : alert_findings()) {
    out += fmt::format("| `{}` | {} | {} |\n", kind.name, of_text(kind.of), kind.doc);
  }
  return out + "\n";
}

std::string alert_sections() {
  return "## alerts\n\nA mapping. See [alerts](../alerts.md).\n\n" + option_table(alerts_table()) +
         "### receivers\n\nEach is a mapping. One with `to` has the options of that system's sink, "
         "too.\n\n" +
         option_table(receiver_table()) + "One of type webhook:\n\n" +
         option_table(webhook_table()) + "### rules\n\nEach is a mapping:\n\n" +
         option_table(alert_rule_table()) + "### metrics\n\n" + metric_table() +
         "### findings\n\n" + finding_table();
}

constexpr std::string_view kIntroduction = R"(# Reference of pipeline files

Made by `millrace docs` from the tables that the parser itself uses. `millrace schema` prints the
same as a JSON Schema, for editors.

A pipeline file is YAML. Keys that are not listed here are mistakes, and `millrace validate` says
where they stand and what was probably meant.

## Values

| type | how it is written |
|---|---|
| duration | `250ms`, `10s`, `5m`, `1h30m`, `1d`; always with a unit |
| size | `64MB` (millions of bytes), `64MiB` (2^20 bytes each), `4096` (bytes) |
| path | relative to the folder of the pipeline file, or absolute |
| secret | `${env:NAME}` or `${file:PATH}`, never the secret itself; it is never printed |

Every value but SQL may hold `${env:NAME}`, the value of a variable of the environment, or
`${env:NAME:-default}`; `$${` stands for `${`.

)";

}  // namespace

std::string reference_markdown(const ConnectorList& connectors) {
  std::string out(kIntroduction);
  out += "## The file\n\n" + option_table(pipeline_table());
  out +=
      "```yaml\npipeline: orders\ntrigger: 10s\nsources:\n  ticks: { from: rate }\n"
      "datasets:\n  even: SELECT * FROM ticks WHERE value % 2 = 0\n"
      "sinks:\n  show: { from: even, to: console }\n```\n\n";
  out += "## checkpoint\n\n" + option_table(checkpoint_table());
  out += "## connections\n\nEach is a mapping with these keys and those of its type.\n\n" +
         option_table(connection_table());
  out += "## sources\n\nEach is a mapping with these keys and those of the system it reads.\n\n" +
         option_table(source_table());
  out += "### watermark\n\nOf a source or dataset. See [event time](../event-time.md).\n\n" +
         option_table(watermark_table());
  out +=
      "## datasets\n\nEach is a SELECT, the path of a `.sql` file that holds one, or a mapping:"
      "\n\n" +
      option_table(dataset_table());
  out +=
      "## checks\n\nA list of checks for each source or dataset that is a stream; see "
      "[quality checks](../checks.md). Each check is a mapping:\n\n" +
      option_table(check_table());
  out += "## sinks\n\nEach is a mapping with these keys and those of the system it writes.\n\n" +
         option_table(sink_table());
  out +=
      "## quarantine\n\nA mapping with these keys and those of the system it writes. See "
      "[bad input](../bad-input.md#writing-it-elsewhere-too).\n\n" +
      option_table(quarantine_table());
  out += serve_sections();
  out += alert_sections();
  out +=
      "## control\n\nA mapping. `tls` and `users` are as those of `serve`. See "
      "[control API](../control-api.md#who-may-ask).\n\n" +
      option_table(control_table());
  out += "## history\n\n" + option_table(history_table());
  for (const auto& connector : connectors) {
    out += connector_section(*connector);
  }
  return out;
}

}  // namespace millrace
