// The description of the API as a page for people, complete in itself.
#pragma once

#include <string>

#include "core/source.h"

namespace millrace::serve {

struct Page {
  std::string html;
  std::string policy;  ///< its Content-Security-Policy: nothing from elsewhere, and no scripts
};

/// Of an OpenAPI document.
[[nodiscard]] Page page_of(const Json& openapi);

}  // namespace millrace::serve
