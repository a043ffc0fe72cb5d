// What a source may do with fields that its columns do not have.
#pragma once

#include <string>

#include "base/error.h"
#include "formats/record_format.h"

namespace millrace::kafka {

/// Sets `on_schema_change` if it is left to us; reports what can't be.
[[nodiscard]] bool settle_schema_change(formats::DecodingOptions& records, const Location& at,
                                        Diagnostics& diagnostics, const std::string& what);

}  // namespace millrace::kafka
