// The steps of reading a pipeline file, for pipeline.cc: what is named, and what the names mean.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "core/connector.h"
#include "spec/pipeline.h"
#include "spec/yaml.h"

namespace millrace {

/// What a source reads from, or a sink writes to.
struct Endpoint {
  const Connector* connector = nullptr;
  Node connection;  ///< a mapping without `type`
};

/// The `connections:` of a file, and every other way to say `from` and `to`.
class Connections {
 public:
  Connections(const ConnectorList& connectors, Diagnostics& diagnostics)
      : connectors_(connectors), diagnostics_(diagnostics) {}

  /// Takes in the mapping under `connections:`.
  void read(const Node& section);
  /// What the value of a `from` or `to` means; reports what it cannot. `owner`: "source `orders`".
  [[nodiscard]] std::optional<Endpoint> resolve(const Node& value, std::string_view key,
                                                const std::string& owner);
  /// Warns of connections that nobody asked for.
  void report_unused() const;

 private:
  struct Named {
    std::string name;
    Location at;
    std::optional<Endpoint> endpoint;  ///< none: it has a mistake, which was reported
    bool used = false;
  };
  [[nodiscard]] std::optional<Endpoint> read_mapping(const Node& mapping, const std::string& what);

  const ConnectorList& connectors_;
  Diagnostics& diagnostics_;
  std::vector<Named> named_;
};

/// Reports keys of an options mapping that neither the connector nor millrace knows, and takes them
/// out, so that the connector does not report them again. `own`: keys that millrace reads itself.
void remove_unknown_options(Node& options, const OptionSet* known,
                            const std::vector<std::string>& own, const OptionSet* connection,
                            const std::string& what, Diagnostics& diagnostics);

/// Parts of a mapping: the entries with these keys, and all others.
struct SplitNode {
  Node own;
  Node rest;
};
[[nodiscard]] SplitNode split_mapping(const Node& mapping, const std::vector<std::string>& keys);

/// What a pipeline says of itself; mistakes are reported.
void check_pipeline_name(const Node& node, const std::string& name, Diagnostics& diagnostics);
void read_trigger(const Node& node, TriggerSpec& trigger, Diagnostics& diagnostics);
void read_checkpoint(const Node& node, PipelineSpec& spec, Diagnostics& diagnostics);

/// Reads `checks:`, and reports what is wrong with it. What the names in it mean is checked later.
[[nodiscard]] std::vector<ChecksSpec> read_checks(const YamlFile& yaml, const Node& section,
                                                  Diagnostics& diagnostics);

/// SQL that is a value of the file `file`, or that a .sql file beside it holds: one statement,
/// without its semicolon. Reports what is wrong with it; `what` has it: "dataset `d`".
[[nodiscard]] std::optional<SqlText> read_sql(const YamlFile& yaml, const Node& node,
                                              const std::string& file, const std::string& what,
                                              Diagnostics& diagnostics);

/// Reads `serve:` of the file `file`, and reports what is wrong with it. What its queries read is
/// checked later.
[[nodiscard]] ServeSpec read_serve(const YamlFile& yaml, const Node::Entry& section,
                                   const std::string& file, Diagnostics& diagnostics);
/// Reads `alerts:` of the file `file`, and reports what is wrong with it. What its queries read is
/// checked later.
[[nodiscard]] AlertsSpec read_alerts(const YamlFile& yaml, const Node::Entry& section,
                                     const std::string& file, Connections& connections,
                                     Diagnostics& diagnostics);
/// What the rules of alerts are of has to be there, and to have the metrics that they watch.
void check_alerts(const PipelineSpec& spec, Diagnostics& diagnostics);

/// What can be said of the pipeline as a whole: names that clash, that nobody knows, and that
/// nobody uses. `declared`: all names of sources and datasets, also of those with mistakes.
void check_names(const PipelineSpec& spec, const std::vector<std::string>& declared,
                 Diagnostics& diagnostics);

}  // namespace millrace
