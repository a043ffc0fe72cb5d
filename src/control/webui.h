// The web UI: a few files in the binary.
#pragma once

#include "http/router.h"

namespace millrace::control {

/// Answers GET of all that nobody else answers: a file by its path, and otherwise the page, which
/// finds its way by the path itself. Not under /api/. For a router that is not served yet.
void add_webui(http::Router& router);

}  // namespace millrace::control
