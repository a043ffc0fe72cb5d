// Sources that only endpoints read, and whose systems are away when a pipeline starts: it starts
// without them, and they are waited for.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/connector.h"
#include "serve/readable.h"
#include "serve/sources.h"
#include "spec/pipeline.h"
#include "sql/database.h"

namespace millrace::serve {

/// The pipeline without the sources that nothing but endpoints reads and that are away now. What is
/// left can be planned and run; a Service of all of it waits for the others.
[[nodiscard]] PipelineSpec without_absent(const PipelineSpec& spec, const ConnectorList& connectors,
                                          sql::Database& database, const std::stop_token& stop);

/// Thread-safe.
class Absent {
 public:
  /// What the parts refer to outlives it.
  explicit Absent(const SourceParts& parts) : parts_(parts) {}

  void add(const SourceSpec& source, std::string why);
  [[nodiscard]] bool empty() const;
  /// Whether one of them is among these names.
  [[nodiscard]] bool has_one_of(const std::vector<std::string>& names) const;
  /// Calls `look` now and then, on a thread of its own, until it says that all is there.
  void wait(std::function<bool()> look);
  /// Those that are back.
  [[nodiscard]] std::vector<std::shared_ptr<Readable>> look();
  void stop();

 private:
  struct Missing {
    const SourceSpec* spec;
    std::string why;
  };
  void note(Missing& missing, std::string why) const;

  SourceParts parts_;
  mutable std::mutex lock_;
  std::vector<Missing> missing_;
  std::jthread thread_;
};

}  // namespace millrace::serve
