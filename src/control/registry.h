// How processes of this machine find each other: a small file for each, while it runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/source.h"

namespace millrace::control {

/// A process that can be asked.
struct Registered {
  std::int64_t pid = 0;
  std::string url;  ///< "http://127.0.0.1:8420"
  std::string name;
  std::vector<std::string> pipelines;
  std::string path;  ///< of its file
};

/// The folder of this user's files: $XDG_RUNTIME_DIR/millrace, or /tmp/millrace-<user's number>.
/// Made if it is missing, for its owner alone. Throws Error if it is somebody else's.
[[nodiscard]] std::string registry_folder();

/// Says that this process is there, for as long as it lives.
class Registration {
 public:
  Registration(const std::string& url, const std::string& name,
               const std::vector<std::string>& pipelines);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::string path_;
};

/// All that are there. Files of processes that have died are removed.
[[nodiscard]] std::vector<Registered> registered();

}  // namespace millrace::control
