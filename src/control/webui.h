// The web UI: a few files in the binary.
#pragma once

#include <span>
#include <string_view>

#include "http/router.h"

namespace millrace::control {

/// A file of the UI.
struct WebFile {
  std::string_view path;  ///< "index.html", "assets/index-Bz81.js"
  std::string_view body;
};

/// All of them, as the build has embedded them (cmake/WebUi.cmake).
[[nodiscard]] std::span<const WebFile> web_files();

/// Answers GET of all that nobody else answers: a file by its path, and otherwise the page, which
/// finds its way by the path itself. Not under /api/. For a router that is not served yet.
void add_webui(http::Router& router);

}  // namespace millrace::control
