// What of a row becomes which part of a message.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/kafka/options.h"
#include "connectors/kafka/producer.h"
#include "core/chunk.h"
#include "core/format.h"
#include "core/schema.h"

namespace millrace::kafka {

/// Columns that are encoded together.
struct EncodedColumns {
  std::vector<std::size_t> places;  ///< among the row's columns
  Schema schema;
};

/// Where a message's parts are among a row's columns; -1: it has none.
struct MessageColumns {
  int key = -1;    ///< of raw keys
  int value = -1;  ///< of raw values
  int partition = -1;
  int timestamp = -1;
  int headers = -1;
  int deleted = -1;  ///< tells of rows whose key is to be deleted
  EncodedColumns key_fields;
  EncodedColumns value_fields;
};

/// Throws Error (user) for columns that are missing or of a wrong type.
[[nodiscard]] MessageColumns find_columns(const std::string& sink, const SinkOptions& options,
                                          const Schema& schema,
                                          const std::string& delete_column = {});

/// Encodes the key or value of messages. Used by one thread.
class PartEncoder {
 public:
  /// `columns` must outlive it. `null_is_none`: NULL in the (one) column is no part at all, rather
  /// than a record.
  PartEncoder(std::unique_ptr<RecordEncoder> encoder, const EncodedColumns& columns,
              bool null_is_none)
      : encoder_(std::move(encoder)),
        columns_(columns),
        null_is_none_(null_is_none),
        views_(columns.places.size()) {}

  /// Before the first row of a chunk, which must outlive them.
  void begin(const Chunk& chunk);
  /// The bytes of a row, until the next one; nullopt: none.
  [[nodiscard]] std::optional<Malformation> encode(std::size_t row,
                                                   std::optional<std::string_view>& to);

 private:
  std::unique_ptr<RecordEncoder> encoder_;
  const EncodedColumns& columns_;
  bool null_is_none_;
  std::vector<ColumnView> views_;
  std::size_t rows_ = 0;
  std::string bytes_;
};

/// Appends the headers of a row, out of a column that find_columns() has found.
[[nodiscard]] std::optional<Malformation> read_headers(const ColumnView& column,
                                                       const std::string& name, std::size_t row,
                                                       std::vector<OutgoingHeader>& to);

}  // namespace millrace::kafka
