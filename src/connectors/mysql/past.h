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
#include "connectors/mysql/row_reader.h"

namespace millrace::mysql {

/// Made by one thread; then it does not change. Holds each changed row's key, and what it was, in
/// memory. Rows without a primary key are known by all their values; of equal ones it does not
/// matter which.
class Past {
 public:
  using Events = std::vector<std::shared_ptr<const RowsEvent>>;

  /// Reads the changes of a stream that begins at the earlier moment up to one at which the table's
  /// rows are seen; to a later one makes no difference if there is a key. Throws what the stream
  /// does, and Error (user) if the columns by which rows are known were changed.
  Past(const ChangeLayout& layout, BinlogStream& stream, const BinlogPosition& until,
       const std::stop_token& stop);

  /// How many rows were changed.
  [[nodiscard]] std::size_t size() const noexcept { return changed_.size(); }
  /// Rows that are not as they were. For one reader, if there is no key.
  [[nodiscard]] static LeftOut left_out(std::shared_ptr<const Past> past);
  /// The changed rows as they were, those behind the key `from` up to and with `to`, as the server
  /// orders them: events of the kind `restored`. Without a key: all.
  [[nodiscard]] Events rows(Connection& connection, const KeyColumns& key, const Key& from,
                            const Key& to, std::int64_t time_us) const;

 private:
  struct Row {
    /// How many more there were of it. Of rows with a key: 1 or 0, by what it was before its first
    /// change, and there is another one now, or none.
    std::int64_t more = 0;
    std::shared_ptr<const BinlogTable> table;
    std::vector<unsigned char> image;
    std::vector<unsigned char> present;  ///< the columns that the image has
  };
  void note(const RowsEvent& event);
  void note_one(Key key, bool was_there, const RowsEvent& event,
                std::span<const unsigned char> image);
  [[nodiscard]] bool has_key() const noexcept { return !layout_.key.empty(); }

  const ChangeLayout& layout_;
  std::vector<std::string> known_by_;  ///< columns
  std::map<Key, Row> changed_;
};

}  // namespace millrace::mysql
