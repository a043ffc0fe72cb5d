// Messages as rows.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/kafka/consumer.h"
#include "core/format.h"
#include "core/source.h"

namespace millrace::kafka {

/// What of a message a column has that is not decoded from its value.
enum class Metadata : std::uint8_t { key, value, topic, partition, offset, timestamp, headers };

/// How a message becomes a row: first the columns of the format, then those of metadata.
struct RowLayout {
  Schema schema;
  std::size_t decoded = 0;         ///< how many columns the format has
  std::vector<Metadata> metadata;  ///< of the others
  /// Makes a decoder of the values; empty: nothing is decoded.
  std::function<std::unique_ptr<RecordDecoder>()> decoder;
  OnMalformed on_malformed = OnMalformed::quarantine;
};

/// The columns that metadata has, each with its type.
[[nodiscard]] Column column_of(Metadata what, std::string name);

/// Gives the messages of ranges, partition by partition, in the order of their offsets.
class MessageReader final : public RowReader {
 public:
  /// All must outlive the reader.
  MessageReader(const RowLayout& layout, Consumer& consumer, const Ranges& ranges,
                MalformedReceiver& malformed);
  std::size_t read(ChunkWriter& to) override;
  /// Takes the messages out of the consumer's buffer, if all are there.
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override;

 private:
  MessageReader(const RowLayout& layout, Consumer& consumer, std::vector<MessageHandle> messages,
                MalformedReceiver& malformed);

  bool fetch();
  void begin(ChunkWriter& to);
  bool add(const rd_kafka_message_t& message, std::size_t row);
  void add_metadata(const rd_kafka_message_t& message, std::size_t row);
  void refuse(const rd_kafka_message_t& message, const Malformation& why);

  const RowLayout& layout_;
  Consumer& consumer_;
  MalformedReceiver& malformed_;
  std::unique_ptr<RecordDecoder> decoder_;
  std::vector<std::pair<Partition, Range>> ranges_;  // still to be fetched, the last one first
  std::vector<MessageHandle> messages_;
  std::size_t at_ = 0;
  std::vector<ColumnWriter*> columns_;
  bool has_lists_ = false;
};

}  // namespace millrace::kafka
