// Avro's binary encoding of one record, decoded straight into columns.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "formats/avro/plan.h"
#include "formats/avro/program.h"

namespace millrace::avro {

/// What a record may ask for at most; one that asks for more is malformed.
struct Limits {
  std::size_t elements = 1'000'000;  ///< of all lists and maps in a record
  int depth = 500;                   ///< of recursive values that are jumped over
};

/// Decodes what one writer's schema describes. Used by one thread.
///
/// Malformed are: bytes that end too early or go on behind the record; numbers that are longer than
/// their type or, with a logical type, outside of SQL's range; lengths and counts below 0 or beyond
/// the bytes that there are; texts that are no UTF-8; booleans other than 0 and 1; branches and
/// symbols that the writer's schema does not have or the reader has no place for; keys that come
/// twice in a map; more than the limits. What nobody reads is only looked at for its length.
class Decoder final : public RecordDecoder {
 public:
  explicit Decoder(Plan plan, const Limits& limits = {});

  /// A row as `columns` of begin() have to lie: the columns' types.
  [[nodiscard]] const Type& row() const noexcept { return plan_.row; }

  void begin(std::span<ColumnWriter* const> columns) override;
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;
  /// The first of several records that follow each other; takes its bytes away from `records`.
  /// After a malformation nobody knows where the next one begins.
  [[nodiscard]] std::optional<Malformation> decode_next(std::string_view& records, std::size_t row);

 private:
  // Each gives the place behind what it has read; nullptr: malformed, and `fault_` says why.
  const char* run(const Instruction* step, const Instruction* stop, std::size_t row,
                  const char* at);
  const char* with_body(const Instruction& step, std::size_t row, const char* at);
  const char* value(const Instruction& step, std::size_t row, const char* at);
  const char* text(const Instruction& step, std::size_t row, const char* at);
  const char* whole_number(const Instruction& step, std::size_t row, const char* at);
  const char* sized(const Instruction& step, std::size_t row, const char* at);
  const char* fixed(const Instruction& step, std::size_t row, const char* at);
  const char* raw_number(const Instruction& step, std::size_t row, const char* at);
  const char* skip(const Instruction& step, const char* at);
  const char* skip_blocks(const Instruction& step, const char* at);
  const char* skip_call(const Instruction& step, const char* at);
  const char* list(const Instruction& step, std::size_t row, const char* at);
  const char* map(const Instruction& step, std::size_t row, const char* at);
  const char* unique_keys(const Instruction& step, std::size_t row, const char* at);
  const char* constant(const Instruction& step, std::size_t row, const char* at);
  const char* symbol(const Instruction& step, std::size_t row, const char* at);
  const char* branch(const Instruction& step, std::int64_t count, const char* at,
                     std::int64_t& chosen);

  /// The next block of an array or map: how many elements, and where it ends if that is known.
  struct Block {
    std::size_t count = 0;
    const char* end = nullptr;
  };
  const char* block(const Instruction& step, const char* at, Block& to);
  const char* elements_of(const Instruction& step, const Block& block, std::size_t row,
                          const char* at);

  const char* fault(const Instruction& step, const char* at, std::string_view reason);
  const char* fault_of_number(const Instruction& step, const char* at);
  const char* fault_of_length(const Instruction& step, const char* at);

  Plan plan_;
  Limits limits_;
  std::vector<bool> read_;
  Program program_;
  std::vector<ColumnWriter*> slots_;

  // Of the record at hand:
  const char* record_ = nullptr;
  const char* end_ = nullptr;
  std::size_t elements_ = 0;
  int depth_ = 0;
  Malformation fault_;
  std::vector<std::string_view> keys_;
};

}  // namespace millrace::avro
