#include "sql/batch.h"

#include <algorithm>
#include <utility>

#include "sql/internal/batch.h"
#include "sql/internal/chunk_writer.h"
#include "sql/internal/column_views.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

using duckdb::FlatVector;
using duckdb::PhysicalType;
using duckdb::VectorOperations;

// A chunk for 2,048 rows of 25 columns takes 400 KB. Most batches of a quiet stream are a few rows,
// so the first chunk starts small.
constexpr std::size_t kSmallestChunk = 64;

}  // namespace

std::int64_t bytes_of(const duckdb::DataChunk& chunk, const duckdb::vector<bool>& kept) {
  std::int64_t bytes = 0;
  for (std::size_t c = 0; c < chunk.ColumnCount(); ++c) {
    if (!kept.empty() && !kept[c]) {
      continue;
    }
    bytes += static_cast<std::int64_t>(chunk.data[c].GetAllocationSize(chunk.size()));
    if (chunk.data[c].GetType().InternalType() == PhysicalType::VARCHAR) {
      const auto* texts = FlatVector::GetData<duckdb::string_t>(chunk.data[c]);
      const auto& valid = FlatVector::Validity(chunk.data[c]);
      for (std::size_t row = 0; row < chunk.size(); ++row) {
        if (valid.RowIsValid(row) && !texts[row].IsInlined()) {
          bytes += texts[row].GetSize();
        }
      }
    }
  }
  return bytes;
}

Batch::Impl::Impl(const Schema& schema, std::vector<bool> kept_columns)
    : types(types_of(schema)), kept(types.size(), true) {
  for (std::size_t c = 0; c < kept_columns.size(); ++c) {
    kept[c] = kept_columns[c];
  }
}

Batch::Impl::DuckChunk Batch::Impl::make_chunk(std::size_t capacity) const {
  auto chunk = std::make_unique<duckdb::DataChunk>();
  chunk->Initialize(duckdb::Allocator::DefaultAllocator(), types, kept, capacity);
  return chunk;
}

void Batch::Impl::seal() {
  if (!chunks.empty()) {
    sealed_bytes += bytes_of(*chunks.back(), kept);
  }
}

duckdb::DataChunk& Batch::Impl::room_for(std::size_t wanted) {
  std::size_t capacity = kSmallestChunk;
  if (!chunks.empty()) {
    duckdb::DataChunk& last = *chunks.back();
    if (last.size() + 1 <= last.GetCapacity()) {
      return last;
    }
    if (last.GetCapacity() < kChunkRows) {
      // Grow by copying into a chunk of at least twice the size: few full chunks are faster to
      // process than many small ones.
      capacity = last.GetCapacity() * 2;
      while (capacity < last.size() + wanted && capacity < kChunkRows) {
        capacity *= 2;
      }
      DuckChunk grown = make_chunk(std::min(capacity, kChunkRows));
      for (std::size_t c = 0; c < types.size(); ++c) {
        if (kept[c]) {
          VectorOperations::Copy(last.data[c], grown->data[c], last.size(), 0, 0);
        }
      }
      grown->SetCardinality(last.size());
      chunks.back() = std::move(grown);
      return *chunks.back();
    }
    seal();
    capacity = kChunkRows;  // a second chunk: this batch is not small
  }
  while (capacity < wanted && capacity < kChunkRows) {
    capacity *= 2;
  }
  return *chunks.emplace_back(make_chunk(std::min(capacity, kChunkRows)));
}

void Batch::Impl::copy(duckdb::DataChunk& from, std::size_t begin, std::size_t count) {
  while (count > 0) {
    duckdb::DataChunk& last = room_for(count);
    const std::size_t at = last.size();
    const std::size_t now = std::min<std::size_t>(count, last.GetCapacity() - at);
    for (std::size_t c = 0; c < types.size(); ++c) {
      if (kept[c]) {
        VectorOperations::Copy(from.data[c], last.data[c], begin + now, begin, at);
      }
    }
    last.SetCardinality(at + now);
    rows += static_cast<std::int64_t>(now);
    begin += now;
    count -= now;
  }
}

void Batch::Impl::take(DuckChunk chunk) {
  seal();
  rows += static_cast<std::int64_t>(chunk->size());
  chunks.push_back(std::move(chunk));
}

Batch::Batch(const Schema& schema, std::vector<bool> kept)
    : impl_(std::make_unique<Impl>(schema, std::move(kept))) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;

void Batch::append(const Chunk& chunk) {
  auto& native = *static_cast<duckdb::DataChunk*>(chunk.native);
  impl_->copy(native, 0, chunk.rows);
}

void Batch::append(Batch&& other) {
  for (auto& chunk : other.impl_->chunks) {
    const std::size_t rows = chunk->size();
    if (rows == 0) {
      continue;
    }
    const bool fits = !impl_->chunks.empty() && impl_->chunks.back()->size() + rows <= kChunkRows;
    if (fits) {
      impl_->copy(*chunk, 0, rows);
    } else {
      impl_->take(std::move(chunk));
    }
  }
  other.clear();
}

void Batch::read(RowReader& reader) {
  const auto make_room = [this] {
    auto chunk = std::make_unique<duckdb::DataChunk>();
    chunk->Initialize(duckdb::Allocator::DefaultAllocator(), impl_->types);
    return chunk;
  };
  Impl::DuckChunk chunk = make_room();
  DecodingWriter writer(impl_->types, impl_->kept);
  while (true) {
    writer.attach(*chunk);
    const std::size_t rows = reader.read(writer);
    if (rows == 0) {
      return;
    }
    writer.finish();
    chunk->SetCardinality(rows);
    if (rows < kChunkRows) {  // copied to a chunk of the right size; the room is used again
      impl_->copy(*chunk, 0, rows);
      chunk->Reset();
      continue;
    }
    for (std::size_t c = 0; c < impl_->types.size(); ++c) {
      if (!impl_->kept[c]) {
        duckdb::Vector nothing(impl_->types[c], nullptr);
        chunk->data[c].Reference(nothing);
      }
    }
    impl_->take(std::move(chunk));
    chunk = make_room();
  }
}

void Batch::for_each(const std::function<void(const Chunk&)>& call) {
  ColumnViews views;
  for (auto& chunk : impl_->chunks) {
    call(views.of(*chunk));
  }
}

std::int64_t Batch::rows() const noexcept { return impl_->rows; }

std::int64_t Batch::bytes() const noexcept {
  return impl_->sealed_bytes +
         (impl_->chunks.empty() ? 0 : bytes_of(*impl_->chunks.back(), impl_->kept));
}

void Batch::clear() {
  impl_->chunks.clear();
  impl_->rows = 0;
  impl_->sealed_bytes = 0;
}

}  // namespace millrace::sql
