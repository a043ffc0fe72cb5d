// Framed Avro, perhaps with a column for what the others do not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/plans.h"

namespace millrace::formats {

/// What `resolve` leaves out of records and of the records in them (avro::RestField) as rows of
/// their own. Throws Error (user) for a field that JSON has no form for.
[[nodiscard]] avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve);

/// How records that name their schemas become rows. Shared by the decoders of all threads.
struct FramedPlans {
  std::shared_ptr<avro::Plans> known;
  std::shared_ptr<avro::Plans> rest;  ///< by rest_of() the same; nullptr: nothing is rescued
  std::size_t rescue_column = 0;      ///< `known` are those of the other columns
};
[[nodiscard]] std::unique_ptr<RecordDecoder> make_framed_decoder(const FramedPlans& plans);

/// Fills one column with the fields of records that are no columns, as json::Encoder writes them:
/// one object; NULL if there are none. What is new in a record that is a column, a STRUCT, is in an
/// object under that column's name. The other columns are filled as by FramedDecoder, whose code
/// also reads what is rescued, a second time over the record. Used by one thread.
class RescueDecoder final : public RecordDecoder {
 public:
  /// The column to rescue into is VARCHAR.
  explicit RescueDecoder(FramedPlans plans);
  ~RescueDecoder() override;

  void begin(std::span<ColumnWriter* const> columns) override;
  /// Malformed are also records with a value to rescue that JSON has no form for, such as NaN.
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  struct Rest;
  std::optional<Malformation> rescue(Rest& rest, std::string_view body, std::size_t row);

  FramedPlans plans_;
  avro::FramedDecoder known_;
  std::vector<ColumnWriter*> others_;
  ColumnWriter* to_ = nullptr;
  std::map<std::uint32_t, std::unique_ptr<Rest>> rests_;  // by schema; nullptr: nothing is left out
  std::string text_;
};

}  // namespace millrace::formats
