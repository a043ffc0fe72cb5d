#include "spec/control.h"

#include <fmt/format.h>

#include <functional>

#include "base/files.h"
#include "spec/yaml.h"

namespace millrace {
namespace {

/// What the millrace.yaml of a folder may say.
struct FolderOptions {
  Node control;
  Node history;
};

OptionTable<FolderOptions> folder_table() {
  using O = FolderOptions;
  return {Option<O>{&O::control, "control", "The server of the control API."},
          Option<O>{&O::history, "history", "How much is remembered of each pipeline."}};
}

/// False: it is none; that was reported.
bool is_mapping(const Node& section, std::string_view name, std::string_view example,
                Diagnostics& diagnostics) {
  if (!section.is_mapping()) {
    diagnostics.error(section.at, fmt::format("`{}` must be a mapping of options", name),
                      fmt::format("for example `{}: {}`", name, example));
    return false;
  }
  return true;
}

/// What the server's options say together stands nowhere; `listen` is the nearest.
void check_server(const Node& section, ControlOptions& options, Diagnostics& diagnostics) {
  Diagnostics found;
  (void)options.server.read_nested(found, "control");
  const Node* listen = section.find("listen");
  for (const Diagnostic& each : found.all()) {
    const auto at = each.at.line != 0 ? each.at : listen != nullptr ? listen->at : section.at;
    if (each.severity == Diagnostic::Severity::error) {
      diagnostics.error(at, each.message, each.hint);
    } else {
      diagnostics.warning(at, each.message, each.hint);
    }
  }
}

using Read = std::function<ControlSpec(const Node& root, Diagnostics& diagnostics)>;

ControlSpec load(const std::string& path, const Read& read) {
  Diagnostics diagnostics;
  ControlSpec spec;
  if (const auto yaml = parse_yaml(path, read_file(path), diagnostics)) {
    spec = read(yaml->root, diagnostics);
  }
  if (diagnostics.has_errors()) {
    throw Error(Blame::user, diagnostics.text());
  }
  return spec;
}

}  // namespace

OptionTable<ControlOptions> control_table() {
  return OptionTable<ControlOptions>(http::ServerOptions::options<ControlOptions>(
      [](ControlOptions& o) -> auto& { return o.server; }));
}

OptionTable<HistoryOptions> history_table() {
  using O = HistoryOptions;
  return {
      Option<O>{&O::batches, "batches", "Of how many batches a line is kept."}
          .at_least(100)
          .at_most(1'000'000),
      Option<O>{&O::details, "details", "Of how many of them all that is known is kept."}
          .at_least(1)
          .at_most(100'000),
      Option<O>{&O::events, "events", "How many events are kept."}.at_least(100).at_most(1'000'000),
  };
}

ControlSpec read_control(const Node& root, Diagnostics& diagnostics) {
  ControlSpec spec;
  if (const Node* section = root.find("control");
      section != nullptr &&
      is_mapping(*section, "control", "{ listen: 127.0.0.1:8420 }", diagnostics)) {
    (void)control_table().parse(*section, diagnostics, spec.options, "control");
    check_server(*section, spec.options, diagnostics);
    spec.has_address = section->find("listen") != nullptr;
  }
  if (const Node* section = root.find("history");
      section != nullptr && is_mapping(*section, "history", "{ batches: 10000 }", diagnostics)) {
    (void)history_table().parse(*section, diagnostics, spec.history, "history");
  }
  return spec;
}

ControlSpec load_control(const std::string& pipeline_file) {
  return load(pipeline_file, [](const Node& root, Diagnostics& diagnostics) {
    return read_control(root, diagnostics);
  });
}

HistoryOptions load_history(const std::string& pipeline_file, HistoryOptions otherwise) {
  Diagnostics mistakes;
  auto options = otherwise;
  if (exists(pipeline_file)) {
    const auto yaml = parse_yaml(pipeline_file, read_file(pipeline_file), mistakes);
    const Node* section = yaml ? yaml->root.find("history") : nullptr;
    if (section != nullptr && section->is_mapping()) {
      (void)history_table().parse(*section, mistakes, options, "history");
    }
  }
  return mistakes.has_errors() ? otherwise : options;
}

ControlSpec load_control_of(const std::string& folder) {
  const auto path = resolve_path(folder, kFolderFile);
  return !exists(path) ? ControlSpec() : load(path, [](const Node& root, Diagnostics& diagnostics) {
    if (root.is_null() || root.find("pipeline") != nullptr) {
      return ControlSpec();  // that is a pipeline
    }
    FolderOptions options;
    (void)folder_table().parse(root, diagnostics, options, kFolderFile);
    return read_control(root, diagnostics);
  });
}

}  // namespace millrace
