// Rows as JSON objects (RFC 8259), one a row, without a line end. What json::Decoder reads back as
// the same values:
//   numbers, HUGEINT, DECIMAL   as numbers, with all their digits (FLOAT, DOUBLE: the fewest that
//                               mean the same)
//   DATE, TIME, TIMESTAMP...    "2024-02-29", "23:59:59.123", "2024-02-29T23:59:59.123"; with Z for
//                               TIMESTAMP WITH TIME ZONE
//   BLOB                        base64
//   STRUCT, LIST                as objects and arrays
//   MAP                         as objects; keys that are not VARCHAR by their text, which the
//                               decoder does not read
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::json {

struct EncoderOptions {
  bool omit_nulls = false;  ///< the key of a NULL column or field is left out; else it is null
  /// A TIMESTAMP is UTC, too, and says so: it ends in Z.
  bool timestamps_are_utc = false;
  bool null_for_unwritable = false;  ///< a value that JSON has no form for is null
};

/// Used by one thread. A row is malformed if it has a value that JSON has no form for: NaN, an
/// infinite number, date or time, a year that is not one of 0000 to 9999.
class Encoder final : public RecordEncoder {
 public:
  /// Throws Error (user) if a column's type can't be written: it is or has an ENUM, UNION or
  /// ARRAY, a MAP whose keys have no text, or more than kMaxTypeDepth levels.
  Encoder(const Schema& schema, const EncoderOptions& options);

  [[nodiscard]] std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                   std::string& to) override;

 private:
  /// A column, or a part of one.
  struct Node {
    std::string name;  // of a column or field; for messages
    std::string key;   // ",\"name\":"
    Type type;         // without its parts
    std::vector<Node> parts;
  };

  static Node make_node(const std::string& name, const Type& type);
  static std::span<const ColumnView> parts_of(const Node& node, const ColumnView& column);

  // Each appends a value that is not NULL; false: JSON has no form for it, see `path_`.
  bool write(const Node& node, const ColumnView& column, std::size_t row, std::string& to);
  bool write_nested(const Node& node, const ColumnView& column, std::size_t row, std::string& to);
  bool write_plain(const Node& node, const ColumnView& column, std::size_t row, std::string& to);
  bool write_object(std::span<const Node> fields, std::span<const ColumnView> columns,
                    std::size_t row, std::string& to);
  bool write_list(const Node& node, const ColumnView& column, std::size_t row, std::string& to);
  bool write_map(const Node& node, const ColumnView& column, std::size_t row, std::string& to);
  bool write_entry(const Node& node, const ColumnView& column, std::size_t entry, std::string& to);
  bool blame(std::string_view place);

  EncoderOptions options_;
  std::vector<Node> columns_;
  std::string path_;  // of the value at fault; made on the way out
};

}  // namespace millrace::json
