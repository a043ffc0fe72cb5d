// Files that the build puts into the binary (cmake/Embed.cmake).
#pragma once

#include <span>
#include <string_view>

namespace millrace::control {

struct EmbeddedFile {
  std::string_view path;  ///< in its folder: "index.html", "assets/index-Bz81.js"
  std::string_view body;
};

/// The web UI.
[[nodiscard]] std::span<const EmbeddedFile> web_files();
/// contract.json: OpenAPI without the paths. The shapes of all that the control API gives and
/// takes, of which the web UI's types are made, too.
[[nodiscard]] std::span<const EmbeddedFile> contract_files();
[[nodiscard]] inline std::string_view contract() { return contract_files().front().body; }

}  // namespace millrace::control
