// Made-up messages, such as the examples' topics have. Each is a function of a seed and its number.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "connectors/generator/flat_rows.h"
#include "connectors/generator/row_random.h"
#include "core/format.h"
#include "core/schema.h"
#include "formats/record_format.h"

namespace millrace {

/// What a maker goes by. `time_ms` is when it happened, in milliseconds since 1970.
struct Making {
  RowRandom& random;
  std::uint64_t number = 0;
  std::int64_t time_ms = 0;
};

/// A kind of messages. A kind more is a maker in message_kinds.cc and a line in its list.
struct MessageKind {
  std::string_view name;  ///< on the command line, and of files
  std::string_view summary;
  std::string_view topic;                      ///< that the example reads
  formats::Kind format = formats::Kind::json;  ///< that the example reads
  Schema columns;
  std::string_view avro;  ///< the schema to write Avro with; empty: there is only JSON

  /// Fills a row of the columns, and the key. nullptr: they are nested, and write() does all.
  void (*fill)(const Making&, FlatRows& row, std::string& key) = nullptr;
  /// Appends a JSON object, and fills the key.
  void (*write)(const Making&, std::string& json, std::string& key) = nullptr;
};

[[nodiscard]] std::span<const MessageKind> message_kinds();
/// nullptr: there is none of this name.
[[nodiscard]] const MessageKind* find_message_kind(std::string_view name);

/// How messages are flawed, and when they happened. The shares are of all messages, 0 to 1, and
/// together not more than 1: a message has one flaw at most.
struct MessageOptions {
  std::uint64_t seed = 42;
  double invalid = 0;     ///< cut short, so that they can't be decoded
  double late = 0;        ///< happened `late_by` to twice of it before those around them
  double duplicates = 0;  ///< the same bytes as one of the thousand messages before
  std::chrono::minutes late_by{10};
  std::int64_t start_ms = 1'767'225'600'000;  ///< of message 0: 2026-01-01T00:00:00Z
  double per_second = 10;                     ///< how many happen in a second
};

struct Message {
  enum class Flaw : std::uint8_t { none, malformed, late, duplicate };
  Flaw flaw = Flaw::none;
  std::string key;
  std::string value;
};

/// The messages of a kind. Used by one thread.
class MessageStream {
 public:
  /// Throws Error (the user's) if the kind has no such format.
  MessageStream(const MessageKind& kind, formats::Kind format, const MessageOptions& options);
  /// The message with a number: always the same.
  void make(std::uint64_t number, Message& into);

 private:
  [[nodiscard]] Message::Flaw drawn_flaw(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t original_of(std::uint64_t number) const;
  void write(std::uint64_t number, std::int64_t late_ms, Message& into);

  const MessageKind& kind_;
  MessageOptions options_;
  FlatRows row_;
  std::unique_ptr<RecordEncoder> encoder_;  // nullptr: the kind writes itself
};

}  // namespace millrace
