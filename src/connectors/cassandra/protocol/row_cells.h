// Rows of an answer, one after the other.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "connectors/cassandra/protocol/messages.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

/// Both outlive it. Throws BadFrame.
class RowCells {
 public:
  RowCells(const Rows& rows, std::string_view body)
      : rows_(rows),
        reader_(body.substr(rows.begin)),
        left_(rows.count),
        cells_(rows.columns.size()) {}

  /// False: there are no more.
  bool next() {
    if (left_ == 0) {
      return false;
    }
    left_--;
    for (auto& cell : cells_) {
      cell = reader_.bytes();
    }
    return true;
  }
  [[nodiscard]] const std::vector<std::optional<std::string_view>>& all() const { return cells_; }
  /// By the column's name; nullopt: NULL, or there is none.
  [[nodiscard]] std::optional<std::string_view> operator[](std::string_view column) const {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (rows_.columns[i].name == column) {
        return cells_[i];
      }
    }
    return std::nullopt;
  }

 private:
  const Rows& rows_;
  WireReader reader_;
  std::size_t left_;
  std::vector<std::optional<std::string_view>> cells_;
};

}  // namespace millrace::cassandra
