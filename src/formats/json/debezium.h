// The envelope of Debezium's change events in JSON, with or without its schema
// (https://debezium.io/documentation/reference/stable/connectors/mysql.html, "Data change events").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/format.h"
#include "formats/json/cursor.h"

namespace millrace::json {

/// What happened to a row. The texts are parts of the message, for a Decoder; empty: null, or not
/// there.
struct Change {
  enum class Kind : std::uint8_t {
    create,    ///< op c
    update,    ///< op u
    remove,    ///< op d. `before` may be empty or have the key alone: databases differ in what they
               ///< tell
    read,      ///< op r: of a snapshot
    truncate,  ///< op t: all rows of the table are gone
    message,   ///< op m: one that was written into PostgreSQL's log; no row
    tombstone,  ///< an empty message, after a delete: the key may be forgotten
  };
  Kind kind = Kind::tombstone;
  std::string_view before;
  std::string_view after;
  std::string_view source;
  std::string_view schema;            ///< what the wrapper says of the types; empty: no wrapper
  std::optional<std::int64_t> ts_ms;  ///< when the connector saw it, since 1970
  std::optional<std::int64_t> source_ts_ms;  ///< when the database made it, since 1970
};

/// A value of Kafka Connect's JsonConverter. The texts are parts of it.
struct Wrapped {
  std::string_view schema;  ///< empty: it has none
  std::string_view payload;
};

/// Opens envelopes. Used by one thread.
class Envelope {
 public:
  /// Malformed: a message that isn't JSON, has no `op` or an unknown one, has a `before` or `after`
  /// that is no object, or lacks the row that its `op` tells of. `to` has views of the message.
  [[nodiscard]] std::optional<Malformation> open(std::string_view message, Change& to);
  /// Opens a message's key, which is no envelope but may have its schema with it. Malformed: what
  /// isn't JSON.
  [[nodiscard]] std::optional<Malformation> open_key(std::string_view key, Wrapped& to);

 private:
  /// Where the values of an envelope are, as they are written; empty: missing.
  struct Parts {
    std::string_view op;
    std::string_view before;
    std::string_view after;
    std::string_view source;
    std::string_view ts_ms;
    std::string_view schema;
    std::string_view payload;
    Cursor::Place source_place = nullptr;
    Cursor::Place payload_place = nullptr;
  };
  /// A member of an object that is looked for.
  struct Member {
    std::string_view name;
    std::string_view* text = nullptr;
    Cursor::Place* place = nullptr;  ///< nullptr: nobody wants it
  };

  bool read_parts(Parts& to);
  bool read_members(std::span<const Member> members);
  bool read_source_time(const Parts& parts, std::string_view& to);
  std::optional<Malformation> understand(const Parts& parts, Change& to);

  Cursor cursor_;
};

}  // namespace millrace::json
