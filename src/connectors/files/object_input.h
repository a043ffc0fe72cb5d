// Files in an object store.
#pragma once

#include <memory>
#include <string>

#include "connectors/files/input_place.h"
#include "core/object_store.h"
#include "sql/database.h"

namespace millrace {

/// Objects below a prefix, or one, or those that a pattern names. What is done is not listed again:
/// a look begins behind the last key before which everything was given. Keys that come later and
/// are lower are found by a look at all of them, at each `full_listing_interval`; if all of them
/// are one page, each look is one. `database` may be null while nothing is read.
[[nodiscard]] std::unique_ptr<InputPlace> object_input(ObjectPlace place,
                                                       const FilesSourceOptions& options,
                                                       sql::Database* database);

}  // namespace millrace
