#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "spec/loader.h"
#include "spec/sql_text.h"

namespace millrace {
namespace {

/// A source or dataset: what SQL can read by its name.
struct Relation {
  std::string_view kind;
  std::string_view name;
  const Location* at;
  const SqlText* sql;  ///< of a dataset
};

std::vector<Relation> relations_of(const PipelineSpec& spec) {
  std::vector<Relation> all;
  all.reserve(spec.sources.size() + spec.datasets.size());
  for (const SourceSpec& source : spec.sources) {
    all.push_back({"source", source.name, &source.at, nullptr});
  }
  for (const DatasetSpec& dataset : spec.datasets) {
    all.push_back({"dataset", dataset.name, &dataset.at, &dataset.sql});
  }
  return all;
}

void check_unique(const std::vector<Relation>& relations, Diagnostics& diagnostics) {
  std::map<std::string, const Relation*> seen;
  for (const Relation& relation : relations) {
    const auto [first, is_new] = seen.emplace(to_lower(relation.name), &relation);
    if (!is_new) {
      diagnostics.error(*relation.at,
                        fmt::format("{} `{}` has the same name as the {} `{}` on line {}",
                                    relation.kind, relation.name, first->second->kind,
                                    first->second->name, first->second->at->line),
                        "sources and datasets share their names, without regard to case");
    }
  }
}

/// Follows the names from the sinks back to the sources. A name that stands in a dataset's SQL may
/// be a column's as well, so this can take something for used that is not, but never the reverse.
void check_used(const PipelineSpec& spec, const std::vector<Relation>& relations,
                Diagnostics& diagnostics) {
  std::set<std::string> used;
  std::vector<std::string> open;
  open.reserve(spec.sinks.size());
  for (const SinkSpec& sink : spec.sinks) {
    open.push_back(to_lower(sink.from));
  }
  for (const std::string& name : spec.serve ? spec.serve->names() : std::vector<std::string>()) {
    open.push_back(name);
  }
  for (const std::string& name : spec.alerts.names()) {
    open.push_back(name);
  }
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    if (!used.insert(name).second) {
      continue;
    }
    if (const ChecksSpec* checks = spec.checks_of(name)) {
      for (const CheckSpec& check : checks->checks) {
        open.push_back(to_lower(check.table));
      }
    }
    for (const Relation& relation : relations) {
      if (relation.sql != nullptr && equal_ignoring_case(relation.name, name)) {
        const SqlWords words = scan_sql(relation.sql->text);
        open.insert(open.end(), words.names.begin(), words.names.end());
      }
    }
  }
  for (const Relation& relation : relations) {
    if (!used.contains(to_lower(relation.name))) {
      diagnostics.warning(*relation.at,
                          fmt::format("{} `{}` is never used", relation.kind, relation.name),
                          "no sink or endpoint reads it, directly or through datasets");
    }
  }
}

/// What `checks` names has to be there, and to be a stream as far as that can be seen here.
void check_checked(const PipelineSpec& spec, const std::vector<std::string>& declared,
                   Diagnostics& diagnostics) {
  const auto known = [&](const std::string& name) {
    return std::ranges::any_of(
        declared, [&](const std::string& each) { return equal_ignoring_case(each, name); });
  };
  for (const ChecksSpec& checks : spec.checks) {
    if (!known(checks.of)) {
      diagnostics.error(
          checks.at,
          fmt::format("`checks` names `{}`, which is neither a dataset nor a source", checks.of),
          did_you_mean(checks.of, declared));
    }
    for (const SourceSpec& source : spec.sources) {
      if (source.table && equal_ignoring_case(source.name, checks.of)) {
        diagnostics.error(checks.at,
                          fmt::format("source `{}` is a table, and checks are for the rows of "
                                      "streams",
                                      source.name),
                          "check the stream that is joined with it, for example by `references`");
      }
    }
    for (const CheckSpec& check : checks.checks) {
      if (!check.table.empty() && !known(check.table)) {
        diagnostics.error(check.subject_at,
                          fmt::format("check `{}` refers to `{}`, which is neither a dataset nor a "
                                      "source",
                                      check.name, check.table),
                          did_you_mean(check.table, declared));
      }
    }
  }
}

}  // namespace

void check_names(const PipelineSpec& spec, const std::vector<std::string>& declared,
                 Diagnostics& diagnostics) {
  const auto relations = relations_of(spec);
  check_unique(relations, diagnostics);
  for (const SinkSpec& sink : spec.sinks) {
    if (sink.quarantine) {
      continue;
    }
    const bool source = std::ranges::any_of(spec.sources, [&](const SourceSpec& each) {
      return equal_ignoring_case(each.name, sink.from);
    });
    if (sink.late && source) {
      diagnostics.error(sink.from_at,
                        fmt::format("sink `{}` asks for the late rows of `{}`, which is a source; "
                                    "rows come too late for a dataset",
                                    sink.name, sink.from),
                        "name the dataset that groups them by a window");
      continue;
    }
    const bool looked_up = std::ranges::any_of(spec.sources, [&](const SourceSpec& each) {
      return each.lookup && equal_ignoring_case(each.name, sink.from);
    });
    if (looked_up) {
      diagnostics.error(
          sink.from_at,
          fmt::format("sink `{}` asks for all rows of `{}`, which is looked up by key", sink.name,
                      sink.from),
          "let the source be read whole: `as: table`, without `key`");
      continue;
    }
    const bool known = std::ranges::any_of(
        declared, [&](const std::string& name) { return equal_ignoring_case(name, sink.from); });
    if (!known) {
      diagnostics.error(sink.from_at,
                        fmt::format("sink `{}` reads `{}`, which is neither a dataset nor a source",
                                    sink.name, sink.from),
                        did_you_mean(sink.from, declared));
    }
  }
  check_checked(spec, declared, diagnostics);
  check_alerts(spec, diagnostics);
  // With mistakes around, what seems unused may only be misspelt.
  if (!diagnostics.has_errors()) {
    check_used(spec, relations, diagnostics);
  }
}

void check_connectors(const PipelineSpec& spec, const ConnectorList& connectors,
                      Diagnostics& diagnostics) {
  for (const SourceSpec& source : spec.sources) {
    if (const Connector* connector = find_connector(connectors, source.connector)) {
      (void)connector->make_source({source.name, source.at, &source.connection, &source.options,
                                    spec.base_dir, nullptr, source.table},
                                   diagnostics);
    }
  }
  for (const SinkSpec& sink : spec.sinks) {
    if (const Connector* connector = find_connector(connectors, sink.connector)) {
      (void)connector->make_sink(
          {sink.name, sink.at, &sink.connection, &sink.options, spec.base_dir, nullptr, false},
          diagnostics);
    }
  }
  for (const AlertReceiverSpec& receiver : spec.alerts.receivers) {
    const Connector* connector = find_connector(connectors, receiver.connector);
    const auto sink = connector == nullptr
                          ? nullptr
                          : connector->make_sink({receiver.name, receiver.at, &receiver.connection,
                                                  &receiver.options, spec.base_dir},
                                                 diagnostics);
    if (sink != nullptr && !sink->traits().append) {
      diagnostics.error(receiver.at, fmt::format("receiver `{}`: {} appends no rows", receiver.name,
                                                 receiver.connector));
    }
  }
}

}  // namespace millrace
