// A table as it was at an earlier moment: the rows that are there, less what the binlog says was
// changed since, plus what that was before.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/mysql/binlog_stream.h"
#include "connectors/mysql/change_reader.h"
#include "connectors/mysql/connection.h"
#include "connectors/mysql/incremental.h"

namespace millrace::mysql {

/// Made by one thread; then it does not change. Holds each changed row's key, and what it was, in
/// memory.
class Past {
 public:
  /// Of a table with a primary key. Reads the changes of a stream that begins at the earlier moment
  /// up to one at which the table's rows are seen, or to a later one, which makes no difference.
  /// Throws what the stream does, and Error (user) if the key was changed.
  Past(const ChangeLayout& layout, BinlogStream& stream, const BinlogPosition& until,
       const std::stop_token& stop);

  /// How many rows were changed.
  [[nodiscard]] std::size_t size() const noexcept { return first_.size(); }
  /// Whether a row, by the fields and cells of its key, was changed, and is not as it was.
  [[nodiscard]] bool is_changed(std::span<const MYSQL_FIELD> fields,
                                std::span<const Cell> cells) const;
  /// The changed rows as they were, those behind the key `from` up to and with `to`, as the server
  /// orders them: events of the kind `restored`.
  [[nodiscard]] std::vector<std::shared_ptr<const RowsEvent>> rows(Connection& connection,
                                                                   const KeyColumns& key,
                                                                   const Key& from, const Key& to,
                                                                   std::int64_t time_us) const;

 private:
  /// What a row was before its first change.
  struct Before {
    std::shared_ptr<const BinlogTable> table;  ///< nullptr: there was no such row
    std::vector<unsigned char> image;
    std::vector<unsigned char> present;  ///< the columns that the image has
  };
  void note(const RowsEvent& event);

  const ChangeLayout& layout_;
  std::map<Key, Before> first_;
};

}  // namespace millrace::mysql
