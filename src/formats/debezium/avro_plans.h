// Change events in Avro: what their schema, a record around the table's, becomes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/schema.h"
#include "formats/avro/plan.h"
#include "formats/avro/plans.h"
#include "formats/avro/resolve.h"
#include "formats/rescue_decoder.h"

namespace millrace::debezium {

// All throw Error (user) for a schema that is none of change events.

/// The columns of the record in field `after`.
[[nodiscard]] Schema columns_of_events(const avro::AvroSchema& writer);

/// What an event tells beside its rows, in this order.
struct Facts {
  static constexpr std::size_t kOp = 0;      ///< VARCHAR
  static constexpr std::size_t kBefore = 1;  ///< BOOLEAN: true, or NULL: there is none
  static constexpr std::size_t kAfter = 2;   ///< the same
  static constexpr std::size_t kTime = 3;    ///< BIGINT: milliseconds, of the block `source`
  static constexpr std::size_t kCount = 4;
};
[[nodiscard]] avro::Plan facts_plan(const avro::SharedSchema& writer);

/// The record in field `part`, before or after, as a row.
[[nodiscard]] avro::Plan row_plan(const avro::SharedSchema& writer, std::string_view part,
                                  const Schema& columns, avro::Missing missing);
/// Which columns the record in field `before` has.
[[nodiscard]] std::vector<bool> columns_before(const avro::AvroSchema& writer,
                                               const Schema& columns);

/// How events of one writer's schema become rows.
struct EventPlans {
  avro::Plan facts;
  avro::Plan after;
  avro::Plan before;
};

/// How events and keys that name their schemas do. Shared by the decoders of all threads.
struct FramedEventPlans {
  std::shared_ptr<avro::Plans> facts;
  std::shared_ptr<avro::Plans> key;
  formats::FramedPlans after;
  formats::FramedPlans before;
};

[[nodiscard]] EventPlans plans_of(const avro::SharedSchema& writer, const Schema& columns);
/// `schemas` must outlive what is made. `plans_of_rows`: makes plans that resolve to `known`, the
/// columns without one that is rescued into.
[[nodiscard]] FramedEventPlans plans_of(
    avro::NumberedSchemas& schemas, const Schema& columns, const Schema& known,
    const std::function<formats::FramedPlans(avro::Plans::Resolve)>& plans_of_rows);

}  // namespace millrace::debezium
