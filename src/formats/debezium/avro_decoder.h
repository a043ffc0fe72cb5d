// Change events in Avro, of one schema or framed: each naming its own.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"
#include "formats/debezium/avro_plans.h"
#include "formats/debezium/change_decoder.h"
#include "formats/debezium/key_decoder.h"

namespace millrace::debezium {

/// One value that goes nowhere but to whom reads it here.
class FactColumn final : public ColumnWriter {
 public:
  FactColumn();
  FactColumn(const FactColumn&) = delete;
  FactColumn& operator=(const FactColumn&) = delete;
  void clear() noexcept { bits_ = ~std::uint64_t{0}; }
  [[nodiscard]] bool is_null() const noexcept { return (bits_ & 1U) == 0; }

 protected:
  char* allocate(std::size_t bytes) override;
  void grow(std::size_t /*elements*/) override {}

 private:
  StringRef value_;  // the largest of the types
  std::uint64_t bits_ = ~std::uint64_t{0};
  std::string text_;
};

/// Reads the operation first, then the record that it tells of; the JSON of `source` is not made.
/// Used by one thread.
class AvroChangeDecoder final : public ChangeDecoder {
 public:
  /// Events of one schema.
  AvroChangeDecoder(const EventPlans& plans, const Schema& columns);
  /// Framed ones.
  AvroChangeDecoder(const FramedEventPlans& plans, const Schema& columns);

  void begin(std::span<ColumnWriter* const> columns) override;
  [[nodiscard]] std::optional<Malformation> decode(const Message& message, std::size_t row,
                                                   std::optional<Change>& change) override;

 private:
  [[nodiscard]] bool has(std::size_t fact) const noexcept { return !facts_[fact].is_null(); }
  [[nodiscard]] std::string_view op();
  std::optional<Malformation> read_facts(std::string_view event);
  std::optional<Malformation> decode_removed(std::string_view event,
                                             std::optional<std::string_view> key, std::size_t row);
  /// Which columns the record in `before` has.
  const std::vector<bool>& columns_before(std::string_view event);

  Schema schema_;
  formats::FramedPlans before_plans_;  // none: all events are of one schema
  std::unique_ptr<RecordDecoder> facts_decoder_;
  std::unique_ptr<RecordDecoder> after_;
  std::unique_ptr<RecordDecoder> before_;
  KeyDecoder key_;
  std::array<FactColumn, Facts::kCount> facts_;
  std::vector<ColumnWriter*> columns_;
  std::vector<bool> nothing_;
  std::map<std::uint32_t, std::vector<bool>> before_has_;  // by schema; 0 if there is one alone
};

}  // namespace millrace::debezium
