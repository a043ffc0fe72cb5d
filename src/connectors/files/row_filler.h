// Records of files as rows, and what becomes of those that are none.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/format.h"
#include "core/malformed.h"
#include "core/row_columns.h"
#include "core/schema.h"

namespace millrace {

/// What the rows of a source are: the columns of the records and, if there is one, that of the
/// bytes of malformed ones. Fixed once it is made, and used by several threads.
struct RowLayout {
  Schema schema;
  std::size_t decoded = 0;  ///< how many columns records have; one more: of malformed ones
  OnMalformed on_malformed = OnMalformed::quarantine;
  /// Where a record lies, for messages.
  std::string (*place)(const MalformedRow& record) = nullptr;
  std::string to_have_new_fields;  ///< what a person can do to get them as columns

  [[nodiscard]] bool has_corrupt() const noexcept { return decoded < schema.size(); }
  /// The columns of records, and one of this type and name unless it is empty. Throws Error (user)
  /// for two columns of one name.
  void set_columns(Schema of_records, const std::string& corrupt, const char* type);
};

/// Fills the rows of chunks. Used by one thread.
class RowFiller {
 public:
  /// Both outlive it.
  RowFiller(const RowLayout& layout, MalformedReceiver& malformed)
      : layout_(layout), malformed_(malformed) {}

  /// Before the first row of a chunk.
  void begin(ChunkWriter& to) { columns_.begin(to, layout_.schema.size()); }
  /// Of records; they are filled between mark(), and done(), forget() or refuse().
  [[nodiscard]] std::span<ColumnWriter* const> columns() const {
    return columns_.all().first(layout_.decoded);
  }
  void mark() { columns_.mark(); }
  void done(std::size_t row);
  void forget(std::size_t row) { columns_.forget(row); }
  /// A record that is malformed. True: it is a row all the same. Throws Error if it, or its schema,
  /// is to stop the pipeline. `text`: what the column of malformed ones gets.
  bool refuse(MalformedRow record, Malformation why, std::string_view text, std::size_t row);
  /// Bytes that are no single record. Throws the same Error.
  void lose(const MalformedRow& what);

 private:
  [[noreturn]] void fail(const MalformedRow& what) const;

  const RowLayout& layout_;
  MalformedReceiver& malformed_;
  RowColumns columns_;
};

}  // namespace millrace
