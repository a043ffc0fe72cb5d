#include "sql/internal/file_partition.h"

#include <fmt/format.h>

#include "base/error.h"
#include "duckdb/common/hive_partitioning.hpp"

namespace millrace::sql {

namespace {

// What a folder is called may not be longer on any usual file system.
constexpr std::size_t kNameLimit = 255;

}  // namespace

void Partitioner::append_key(const duckdb::UnifiedVectorFormat& column, duckdb::PhysicalType type,
                             duckdb::idx_t row) {
  const duckdb::idx_t index = column.sel->get_index(row);
  const bool valid = column.validity.RowIsValid(index);
  key_ += valid ? '\1' : '\0';
  if (!valid) {
    return;
  }
  if (type == duckdb::PhysicalType::VARCHAR) {
    const auto& text = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(column)[index];
    const std::uint32_t size = text.GetSize();
    key_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    key_.append(text.GetData(), size);
  } else {
    const duckdb::idx_t width = duckdb::GetTypeIdSize(type);
    key_.append(reinterpret_cast<const char*>(column.data) + (index * width), width);
  }
}

std::string Partitioner::folder_of(const duckdb::DataChunk& chunk, duckdb::idx_t row) const {
  std::string path;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const duckdb::Value value = chunk.GetValue(columns_[i], row);
    const std::string name =
        fmt::format("{}={}", duckdb::HivePartitioning::Escape(names_[i]),
                    value.IsNull() ? "__HIVE_DEFAULT_PARTITION__"
                                   : duckdb::HivePartitioning::Escape(value.ToString()));
    if (name.size() > kNameLimit) {
      throw Error(Blame::user,
                  fmt::format("`{}...` is too long for the name of a folder: column `{}` cannot be "
                              "in `partition_by`",
                              name.substr(0, 60), names_[i]));
    }
    path += (path.empty() ? "" : "/") + name;
  }
  return path;
}

const std::vector<std::size_t>& Partitioner::split(duckdb::DataChunk& chunk) {
  const duckdb::idx_t rows = chunk.size();
  std::vector<duckdb::UnifiedVectorFormat> formats(columns_.size());
  std::vector<duckdb::PhysicalType> types;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    chunk.data[columns_[i]].ToUnifiedFormat(rows, formats[i]);
    types.push_back(chunk.data[columns_[i]].GetType().InternalType());
  }
  partition_of_row_.resize(rows);
  std::string last_key;
  std::size_t last = 0;
  for (duckdb::idx_t row = 0; row < rows; ++row) {
    key_.clear();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      append_key(formats[i], types[i], row);
    }
    if (row == 0 || key_ != last_key) {
      const auto [found, added] = by_key_.try_emplace(key_, folders_.size());
      if (added) {
        folders_.push_back(folder_of(chunk, row));
      }
      last = found->second;
      std::swap(last_key, key_);
    }
    partition_of_row_[row] = last;
  }
  return partition_of_row_;
}

}  // namespace millrace::sql
