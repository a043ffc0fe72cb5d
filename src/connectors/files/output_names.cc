#include "connectors/files/output_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace {

namespace {

std::string extension_of(const FilesSinkOptions& options) {
  auto plain = fmt::format(".{}", enum_word(options.format));
  if (options.format == FileKind::parquet || options.format == FileKind::avro) {
    return plain;  // compressed inside
  }
  return plain + (options.compression == "gzip"   ? ".gz"
                  : options.compression == "zstd" ? ".zst"
                                                  : "");
}

}  // namespace

bool is_number(std::string_view text) noexcept {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

OutputNames::OutputNames(std::string sink, const FilesSinkOptions& options)
    : sink_(std::move(sink)), extension_(extension_of(options)) {}

std::string OutputNames::of_batch(std::int64_t batch, int part) const {
  return fmt::format("{}-{:010}-{:03}{}", sink_, batch, part, extension_);
}

std::string OutputNames::behind(std::int64_t batch) const {
  return batch < 0 ? sink_ + "-" : fmt::format("{}-{:010}-~", sink_, batch);
}

std::string OutputNames::of_part(int part) const {
  return fmt::format("{}-{:03}{}", sink_, part, extension_);
}

std::string OutputNames::of_whole() const { return sink_ + extension_; }

std::optional<std::int64_t> OutputNames::batch_of(std::string_view path) const {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (!name.starts_with(sink_) || !name.ends_with(extension_) ||
      name.size() < sink_.size() + extension_.size()) {
    return std::nullopt;
  }
  name.remove_prefix(sink_.size());
  name.remove_suffix(extension_.size());
  if (name.empty()) {
    return -1;
  }
  if (name.size() >= 4 && name.front() == '-' && is_number(name.substr(1)) && name.size() <= 10) {
    return -1;
  }
  if (name.size() < 15 || name.front() != '-' || name[11] != '-' ||
      !is_number(name.substr(1, 10)) || !is_number(name.substr(12))) {
    return std::nullopt;
  }
  std::int64_t batch = 0;
  std::from_chars(name.data() + 1, name.data() + 11, batch);
  return batch;
}

}  // namespace millrace
