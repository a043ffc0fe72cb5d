// An endpoint of a pipeline, tried through the control API: the web UI's page has another origin
// than the endpoints, and asks nobody but the process that it came from.
#pragma once

#include "control/api.h"

namespace millrace::control {

class Control;
class Watched;

/// Asks as a client would, but past the endpoints' own users and limits of rates: `{target:
/// "/path?query"}`. Gives the answer's status, headers and body, and how long it took. Blocks until
/// then; an endpoint has a timeout of its own.
[[nodiscard]] Answer try_endpoint(const Control& control, const Watched& of, const Json& body);

}  // namespace millrace::control
