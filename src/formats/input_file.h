// Files as streams of bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "core/source.h"

namespace millrace::formats {

/// Reads up to so many bytes; 0 at the end. Throws Error that names the file.
using ReadBytes = std::function<std::size_t(char* to, std::size_t bytes)>;

/// The bytes of a file, which may be in a store. Throws Error if it can't be opened.
[[nodiscard]] ReadBytes open_file(const FileScan& scan, const FileScan::File& file);
/// The same; what a name that ends in .gz or .zst promises to be packed is unpacked.
[[nodiscard]] ReadBytes open_unpacked(const FileScan& scan, const FileScan::File& file);

}  // namespace millrace::formats
