// A kind of system that pipelines can read or write, and the list of all of them.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "base/options.h"
#include "core/sink.h"
#include "core/source.h"

namespace millrace {

namespace sql {
class Database;
}

template <>
struct EnumNames<OnMalformed> {
  using K = OnMalformed;
  static constexpr EnumWord<K> kWords[] = {{K::quarantine, "quarantine"},
                                           {K::permissive, "permissive"},
                                           {K::drop, "drop"},
                                           {K::fail, "fail"}};
};

template <>
struct EnumNames<OnRefused> {
  using K = OnRefused;
  static constexpr EnumWord<K> kWords[] = {
      {K::quarantine, "quarantine"}, {K::drop, "drop"}, {K::fail, "fail"}};
};

/// One source or sink of a pipeline file, as its connector gets it.
struct ConnectorRequest {
  std::string name;  ///< of the source or sink
  Location at;
  const Node* connection;  ///< the mapping under `connections:` or inline, less `type`; never null
  const Node* options;     ///< the source's or sink's own mapping, without from, to, as, mode, key
  std::string base_dir;    ///< relative paths are relative to this: the pipeline file's folder
  sql::Database* database = nullptr;  ///< null while only validating
  bool as_table = false;              ///< a source to be read whole every batch (`as: table`)
  /// When it is requested, waits for the system end with Stopped, within a second or two; what the
  /// system does at once is still done. A batch that was under way is repeated by the next start.
  std::stop_token stop;
};

/// For a connection or a sink that takes no options: whatever is given is a mistake.
const OptionSet& no_options();

/// A kind of system. Stateless; one instance each, in the list of connectors/all.cc.
class Connector {
 public:
  virtual ~Connector() = default;
  [[nodiscard]] virtual std::string_view type() const noexcept = 0;     ///< "files"
  [[nodiscard]] virtual std::string_view summary() const noexcept = 0;  ///< one sentence
  /// Descriptions of the options, for checks, docs and the JSON Schema. nullptr: no such role.
  [[nodiscard]] virtual const OptionSet* connection_options() const noexcept { return nullptr; }
  [[nodiscard]] virtual const OptionSet* source_options() const noexcept { return nullptr; }
  [[nodiscard]] virtual const OptionSet* sink_options() const noexcept { return nullptr; }
  /// Checks the options, reports every mistake, and builds the object if there was none. Touches no
  /// system: that is left to open(). Returns nullptr if there was a mistake.
  virtual std::unique_ptr<Source> make_source(const ConnectorRequest&, Diagnostics&) const;
  virtual std::unique_ptr<Sink> make_sink(const ConnectorRequest&, Diagnostics&) const;
};

/// All connectors of this binary, built in main and passed down.
using ConnectorList = std::vector<std::unique_ptr<Connector>>;
[[nodiscard]] const Connector* find_connector(const ConnectorList& list, std::string_view type);

}  // namespace millrace
