#include "sql/internal/live_page.h"

#include <algorithm>

#include "sql/internal/batch.h"

namespace millrace::sql {

using duckdb::DataChunk;
using duckdb::SelectionVector;

LivePage::LivePage(const duckdb::vector<duckdb::LogicalType>& types, std::size_t capacity)
    : capacity_(capacity), ends_(std::make_unique<std::atomic<std::int64_t>[]>(capacity)) {
  rows_.Initialize(duckdb::Allocator::DefaultAllocator(), types, capacity);
  begins_.reserve(capacity);
}

void LivePage::copy(const DataChunk& from, const SelectionVector& rows, std::size_t count) {
  const std::size_t at = size();
  for (std::size_t c = 0; c < rows_.ColumnCount(); ++c) {
    duckdb::VectorOperations::Copy(from.data[c], rows_.data[c], rows, count, 0, at);
  }
  rows_.SetCardinality(at + count);
  for (std::size_t i = 0; i < count; ++i) {
    ends_[at + i].store(kNotEnded, std::memory_order_relaxed);
  }
  live += count;
}

void LivePage::append(const DataChunk& from, const SelectionVector& rows, std::size_t count,
                      std::int64_t begin) {
  copy(from, rows, count);
  begins_.resize(begins_.size() + count, begin);
  last_begin_ = std::max(last_begin_, begin);
}

void LivePage::append(const LivePage& from, const SelectionVector& rows, std::size_t count) {
  copy(from.rows(), rows, count);
  for (std::size_t i = 0; i < count; ++i) {
    begins_.push_back(from.begin(rows.get_index(i)));
    last_begin_ = std::max(last_begin_, begins_.back());
  }
}

void LivePage::seal() {
  constexpr std::size_t kTimesOfRow = 2 * sizeof(std::int64_t);
  bytes_ = bytes_of(rows_) +
           static_cast<std::int64_t>(sizeof(*this) + (capacity_ * kTimesOfRow) +
                                     (rows_.ColumnCount() * sizeof(duckdb::Vector) * 2));
  chunk_ = views_.of(rows_);
}

void LivePage::begin_at(std::int64_t commit) {
  std::ranges::fill(begins_, commit);
  last_begin_ = commit;
}

void LivePage::end_row(std::size_t row, std::int64_t commit) {
  ends_[row].store(commit, std::memory_order_relaxed);
  if (first_end_.load(std::memory_order_relaxed) == kNotEnded) {
    first_end_.store(commit, std::memory_order_relaxed);
  }
  live--;
}

void LivePage::prefetch(std::size_t row) const noexcept {
  for (auto& column : rows_.data) {
    const auto size = duckdb::GetTypeIdSize(column.GetType().InternalType());
    __builtin_prefetch(duckdb::FlatVector::GetData(column) + (row * size));
  }
  __builtin_prefetch(&ends_[row]);
}

std::size_t LivePage::select(std::int64_t commit, std::int64_t after, SelectionVector& to) const {
  std::size_t count = 0;
  for (std::size_t row = 0; row < size(); ++row) {
    to.set_index(count, row);
    count += is_there(row, commit) && begins_[row] > after ? 1 : 0;
  }
  return count;
}

LivePage& LivePageBuilder::last() {
  if (pages_.empty() || pages_.back()->room() == 0) {
    pages_.push_back(std::make_shared<LivePage>(types_, std::min(left_, kChunkRows)));
  }
  return *pages_.back();
}

LivePages LivePageBuilder::take() {
  for (const auto& page : pages_) {
    page->seal();
  }
  return std::move(pages_);
}

}  // namespace millrace::sql
