#include "engine/part_readers.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

/// Rows that readers of ours decode before the datasets run over them, and how many of them one
/// thread decodes at a time.
constexpr std::size_t kPartRows = 60 * kChunkRows;
constexpr std::size_t kReaderRows = 10 * kChunkRows;

/// Ends a slice early, so that it can be read in parts.
class LimitedReader final : public RowReader {
 public:
  LimitedReader(RowReader& inner, std::size_t rows) : inner_(inner), left_(rows) {}
  std::size_t read(ChunkWriter& to) override {
    if (left_ == 0) {
      return 0;
    }
    const auto rows = inner_.read(to);
    left_ -= std::min(left_, rows);
    return rows;
  }

 private:
  RowReader& inner_;
  std::size_t left_;
};

}  // namespace

PartReaders::PartReaders(std::unique_ptr<RowReader> slice, bool in_parts)
    : slice_(std::move(slice)), in_parts_(in_parts), split_(slice_->split(kReaderRows)) {}

std::span<const std::unique_ptr<RowReader>> PartReaders::next() {
  if (split_.empty()) {
    limited_ = std::make_unique<LimitedReader>(*slice_, in_parts_ ? kPartRows : SIZE_MAX);
    return {&limited_, 1};
  }
  const auto begin = next_;
  const auto left = split_.size() - begin;
  const auto count = in_parts_ ? std::min(kPartRows / kReaderRows, left) : left;
  next_ += count;
  return std::span(split_).subspan(begin, count);
}

bool PartReaders::at_end(std::int64_t rows) const {
  return split_.empty() ? !in_parts_ || std::cmp_less(rows, kPartRows) : next_ == split_.size();
}

}  // namespace millrace
