// `control:` and `history:` of a pipeline file, or of the millrace.yaml of a folder of them: how a
// process is watched and steered, and how much is remembered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/node.h"
#include "base/options.h"
#include "http/options.h"

namespace millrace {

/// How much is kept of a pipeline.
struct HistoryOptions {
  std::int64_t batches = 10'000;  ///< with a line each
  std::int64_t details = 400;     ///< of them with all that is known
  std::int64_t events = 10'000;
};

/// The server of the control API.
struct ControlOptions {
  ControlOptions() { server.listen = kAddress; }
  http::ServerOptions server;

  /// Where it listens by default, if nobody does yet.
  static constexpr const char* kAddress = "127.0.0.1:8420";
};

struct ControlSpec {
  ControlOptions options;
  bool has_address = false;  ///< somebody has asked for it: no other one will do
  HistoryOptions history;

  /// Listens there instead. Empty: as it was.
  void listen_at(const std::string& address) {
    if (!address.empty()) {
      options.server.listen = address;
      has_address = true;
    }
  }
};

[[nodiscard]] OptionTable<ControlOptions> control_table();
[[nodiscard]] OptionTable<HistoryOptions> history_table();

/// Reads both sections of a file, as far as they are there, and reports what is wrong with them.
[[nodiscard]] ControlSpec read_control(const Node& root, Diagnostics& diagnostics);

/// What a pipeline file says of it. Throws Error (user) that names each mistake.
[[nodiscard]] ControlSpec load_control(const std::string& pipeline_file);
/// The same of the millrace.yaml of a folder; the defaults if there is none.
[[nodiscard]] ControlSpec load_control_of(const std::string& folder);
/// `history:` of a pipeline file; what it does not say is as `otherwise`. Mistakes are passed over:
/// who loads the pipeline reports them.
[[nodiscard]] HistoryOptions load_history(const std::string& pipeline_file,
                                          HistoryOptions otherwise);
/// Its name.
inline constexpr const char* kFolderFile = "millrace.yaml";

}  // namespace millrace
