#include "formats/avro/logical.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

namespace millrace::avro {

namespace {

constexpr std::array kLogicals{Logical::decimal,
                               Logical::date,
                               Logical::time_millis,
                               Logical::time_micros,
                               Logical::timestamp_millis,
                               Logical::timestamp_micros,
                               Logical::timestamp_nanos,
                               Logical::local_timestamp_millis,
                               Logical::local_timestamp_micros,
                               Logical::local_timestamp_nanos,
                               Logical::uuid,
                               Logical::duration};

/// Debezium's own types of times, of which Connect's AvroConverter tells the name alone. Those
/// without a zone are what the database shows.
constexpr auto kConnectNames = std::to_array<std::pair<std::string_view, Logical>>({
    {"io.debezium.time.Date", Logical::date},
    {"io.debezium.time.Time", Logical::time_millis},
    {"io.debezium.time.MicroTime", Logical::time_micros},
    {"io.debezium.time.Timestamp", Logical::local_timestamp_millis},
    {"io.debezium.time.MicroTimestamp", Logical::local_timestamp_micros},
    {"io.debezium.time.NanoTimestamp", Logical::local_timestamp_nanos},
});

/// The most digits that a two's complement number of so many bytes can hold in any case.
int digits_in(std::size_t bytes) {
  // log10(2) = 0.30103; beyond 1,000 bytes it makes no difference here.
  return static_cast<int>(static_cast<double>(std::min<std::size_t>(bytes, 1000) * 8 - 1) *
                          0.3010299956639812);
}

bool fits(Logical logical, const Node& node) {
  switch (logical) {
    case Logical::date:
    case Logical::time_millis:
      return node.kind == Kind::int_;
    case Logical::uuid:
      return node.kind == Kind::string || (node.kind == Kind::fixed && node.size == 16);
    case Logical::duration:
      return node.kind == Kind::fixed && node.size == 12;
    case Logical::none:
      return false;
    case Logical::decimal:
      return node.kind == Kind::bytes || (node.kind == Kind::fixed && node.size > 0);
    default:
      return node.kind == Kind::long_;
  }
}

void read_connect_name(const Json& object, Node& node) {
  const auto found = object.find("connect.name");
  if (found == object.end() || !found->is_string()) {
    return;
  }
  for (const auto& [name, logical] : kConnectNames) {
    if (found->get_ref<const std::string&>() == name && fits(logical, node)) {
      node.logical = logical;
    }
  }
}

}  // namespace

std::optional<std::int64_t> count_of(const Json& object, const char* attribute) {
  const auto found = object.find(attribute);
  if (found == object.end() || !found->is_number_integer() || *found < 0 ||
      *found > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return found->get<std::int64_t>();
}

void read_logical(const Json& object, Node& node) {
  const auto found = object.find("logicalType");
  if (found == object.end() || !found->is_string()) {
    read_connect_name(object, node);
    return;
  }
  for (const Logical logical : kLogicals) {
    if (word(logical) != found->get_ref<const std::string&>() || !fits(logical, node)) {
      continue;
    }
    if (logical == Logical::decimal) {
      const auto precision = count_of(object, "precision");
      const auto scale = object.contains("scale") ? count_of(object, "scale") : 0;
      if (!precision || *precision < 1 || !scale || *scale > *precision ||
          (node.kind == Kind::fixed && *precision > digits_in(node.size))) {
        return;
      }
      node.precision = static_cast<int>(*precision);
      node.scale = static_cast<int>(*scale);
    }
    node.logical = logical;
  }
}

std::int64_t nanos_of(Logical logical) noexcept {
  switch (logical) {
    case Logical::time_millis:
    case Logical::timestamp_millis:
    case Logical::local_timestamp_millis:
      return 1'000'000;
    case Logical::time_micros:
    case Logical::timestamp_micros:
    case Logical::local_timestamp_micros:
      return 1000;
    case Logical::timestamp_nanos:
    case Logical::local_timestamp_nanos:
      return 1;
    default:
      return 0;
  }
}

bool is_time_of_day(Logical logical) noexcept {
  return logical == Logical::time_millis || logical == Logical::time_micros;
}

}  // namespace millrace::avro
