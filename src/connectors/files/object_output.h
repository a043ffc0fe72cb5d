// Files in an object store.
#pragma once

#include <memory>

#include "connectors/files/output_place.h"
#include "core/object_store.h"

namespace millrace {

/// Files are written into a folder of the checkpoint, and put whole: a reader sees all of one, or
/// nothing.
///
/// Append, and complete with one file: as in a folder. Complete with several files: new ones are
/// put beside the old ones, under names with the batch; then `_<sink>.manifest.json`, which lists
/// the files that count, is replaced; then the old ones are removed. Who reads what the manifest
/// lists sees one version; who reads all there is may see two for the time in between.
[[nodiscard]] std::unique_ptr<OutputPlace> object_output(ObjectPlace place);

}  // namespace millrace
