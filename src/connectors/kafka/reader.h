// Messages as rows.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "connectors/kafka/consumer.h"
#include "connectors/kafka/row_maker.h"
#include "core/source.h"

namespace millrace::kafka {

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

  const RowLayout& layout_;
  Consumer& consumer_;
  MalformedReceiver& malformed_;
  RowMaker rows_;
  std::vector<std::pair<Partition, Range>> ranges_;  // still to be fetched, the last one first
  std::vector<MessageHandle> messages_;
  std::size_t at_ = 0;
};

/// Gives once more what was malformed when it was read.
class KeptReader final : public RowReader {
 public:
  /// All must outlive the reader.
  KeptReader(const RowLayout& layout, const MalformedRows& kept, MalformedReceiver& malformed)
      : kept_(kept), rows_(layout, malformed) {}
  std::size_t read(ChunkWriter& to) override;

 private:
  const MalformedRows& kept_;
  RowMaker rows_;
};

}  // namespace millrace::kafka
