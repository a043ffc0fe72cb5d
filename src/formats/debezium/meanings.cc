#include "formats/debezium/meanings.h"

#include <array>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "core/int128.h"
#include "core/times.h"
#include "formats/avro/values.h"
#include "formats/json/cursor.h"
#include "formats/json/numbers.h"
#include "formats/json/strings.h"

namespace millrace::debezium {

namespace {

using Json = nlohmann::json;
using Kind = Meaning::Kind;
using Id = Type::Id;

// What is remembered: schemas of some tables, and no more of a stranger's than this.
constexpr std::size_t kKnownMax = 64;
constexpr std::size_t kKnownBytesMax = 8 << 20;
constexpr int kScaleMax = kMaxPowerOfTen;
constexpr const char* kNoDecimal = "it is no decimal of up to 38 digits in base64";
constexpr const char* kOutOfRange = "a time that is out of range";

constexpr auto kMeanings = std::to_array<std::pair<std::string_view, Meaning>>({
    {"org.apache.kafka.connect.data.Decimal", {Kind::decimal, 0}},
    {"org.apache.kafka.connect.data.Date", {Kind::date, 0}},
    {"org.apache.kafka.connect.data.Time", {Kind::time, 3}},
    {"org.apache.kafka.connect.data.Timestamp", {Kind::timestamp, 3}},
    {"io.debezium.data.VariableScaleDecimal", {Kind::variable_decimal, 0}},
    {"io.debezium.time.Date", {Kind::date, 0}},
    {"io.debezium.time.Time", {Kind::time, 3}},
    {"io.debezium.time.MicroTime", {Kind::time, 6}},
    {"io.debezium.time.NanoTime", {Kind::time, 9}},
    {"io.debezium.time.ZonedTime", {Kind::zoned_time, 0}},
    {"io.debezium.time.Timestamp", {Kind::timestamp, 3}},
    {"io.debezium.time.MicroTimestamp", {Kind::timestamp, 6}},
    {"io.debezium.time.NanoTimestamp", {Kind::timestamp, 9}},
});

/// A member that is a text; "" if there is none.
std::string text_of(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json* fields_of(const Json& record) {
  const auto found = record.find("fields");
  return found != record.end() && found->is_array() ? &*found : nullptr;
}

const Json* find_field(const Json& record, std::string_view name) {
  const Json* fields = fields_of(record);
  if (fields == nullptr) {
    return nullptr;
  }
  for (const Json& field : *fields) {
    if (text_of(field, "field") == name) {
      return &field;
    }
  }
  return nullptr;
}

/// More than kScaleMax: the schema does not tell it.
int scale_of(const Json& field) {
  const auto parameters = field.find("parameters");
  const auto scale = parse_integer(
      parameters != field.end() && parameters->is_object() ? text_of(*parameters, "scale") : "");
  return scale && *scale >= -kScaleMax && *scale <= kScaleMax ? static_cast<int>(*scale)
                                                              : kScaleMax + 1;
}

Meaning meaning_of(const Json& field) {
  const std::string name = text_of(field, "name");
  for (const auto& [word, meaning] : kMeanings) {
    if (word == name) {
      return {meaning.kind, meaning.kind == Kind::decimal ? scale_of(field) : meaning.digits};
    }
  }
  return {};
}

bool is_time(Id type) {
  return type == Id::date || type == Id::time ||
         (type >= Id::timestamp_s && type <= Id::timestamp_tz);
}

bool takes_digits(Id type) {
  return (type >= Id::i8 && type <= Id::varchar) || type == Id::decimal;
}

bool read_whole(std::string_view text, std::int64_t& to) {
  Int128 wide = 0;
  if (json::read_scaled(text, 0, json::Rounding::none, wide) != json::Fault::none ||
      wide < std::numeric_limits<std::int64_t>::min() ||
      wide > std::numeric_limits<std::int64_t>::max()) {
    return false;
  }
  to = static_cast<std::int64_t>(wide);
  return true;
}

void write_digits(Int128 value, int scale, std::string& out) {
  std::string digits;
  for (UInt128 rest = value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
       rest > 0; rest /= 10) {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  const auto behind = static_cast<std::size_t>(scale > 0 ? scale : 0);
  if (digits.size() <= behind) {
    digits.insert(0, behind + 1 - digits.size(), '0');
  }
  if (scale < 0 && value != 0) {
    digits.append(static_cast<std::size_t>(-scale), '0');
  }
  if (behind > 0) {
    digits.insert(digits.size() - behind, ".");
  }
  out += value < 0 ? "-" : "";
  out += digits;
}

/// `value`: base64 of the number's bytes, in quotes.
const char* write_decimal(std::string_view value, int scale, Id to, std::string& out) {
  if (value.front() != '"') {  // JsonConverter's `decimal.format: numeric`
    out += value;
    return nullptr;
  }
  if (scale > kScaleMax) {
    return "a decimal whose schema has no scale from -38 to 38";
  }
  std::string text;
  std::string bytes;
  if (!json::unescape(json::Cursor::inside(value), text) || !decode_base64(text, bytes)) {
    return kNoDecimal;
  }
  const auto number = avro::big_endian(bytes);
  if (!number) {
    return kNoDecimal;
  }
  out += to == Id::varchar ? "\"" : "";
  write_digits(*number, scale, out);
  out += to == Id::varchar ? "\"" : "";
  return nullptr;
}

const char* write_variable_decimal(std::string_view value, Id to, std::string& out) {
  const Json object = Json::parse(value, nullptr, false);
  const auto scale = object.find("scale");
  const auto bytes = object.find("value");
  if (!object.is_object() || scale == object.end() || !scale->is_number_integer() ||
      *scale < -kScaleMax || *scale > kScaleMax || bytes == object.end() || !bytes->is_string()) {
    return kNoDecimal;
  }
  return write_decimal(bytes->dump(), scale->get<int>(), to, out);
}

const char* write_time(const Meaning& meaning, std::string_view value, std::string& out) {
  std::int64_t units = 0;
  if (!read_whole(value, units)) {
    return "it is no whole number, which its type of times is";
  }
  out += '"';
  bool fits = true;
  if (meaning.kind == Kind::date) {
    fits = write_date(units, out);
  } else if (meaning.kind == Kind::timestamp) {
    fits = write_moment(units, meaning.digits, out);
  } else {
    const Int128 day = 86'400 * power_of_ten(meaning.digits);
    fits = units >= 0 && units < day;
    millrace::write_time(fits ? units : 0, meaning.digits, out);
  }
  out += '"';
  return fits ? nullptr : kOutOfRange;
}

}  // namespace

Meanings read_meanings(std::string_view schema, std::string_view part) {
  Meanings meanings;
  const Json whole = Json::parse(schema, nullptr, false);
  const Json* record = part.empty() ? &whole : find_field(whole, part);
  const Json* fields = record == nullptr ? nullptr : fields_of(*record);
  if (fields == nullptr) {
    return meanings;
  }
  for (const Json& field : *fields) {
    if (const Meaning meaning = meaning_of(field); meaning.kind != Kind::plain) {
      meanings.emplace(text_of(field, "field"), meaning);
    }
  }
  return meanings;
}

const Meanings& MeaningCache::find(std::string_view schema, std::string_view part) {
  if (schema.empty()) {
    return plain_;
  }
  for (const Known& known : known_) {
    if (known.part == part && known.schema == schema) {
      return known.meanings;
    }
  }
  if (known_.size() == kKnownMax || known_bytes_ + schema.size() > kKnownBytesMax) {
    known_.clear();
    known_bytes_ = 0;
  }
  known_bytes_ += schema.size();
  known_.push_back({std::string(schema), std::string(part), read_meanings(schema, part)});
  return known_.back().meanings;
}

const char* write_value(const Meaning& meaning, Id to, std::string_view value, std::string& out) {
  const bool is_null = value == "null";
  if (!is_null && takes_digits(to)) {
    if (meaning.kind == Kind::decimal) {
      return write_decimal(value, meaning.digits, to, out);
    }
    if (meaning.kind == Kind::variable_decimal) {
      return write_variable_decimal(value, to, out);
    }
  }
  if (!is_null && is_time(to)) {
    if (meaning.kind == Kind::date || meaning.kind == Kind::time ||
        meaning.kind == Kind::timestamp) {
      return write_time(meaning, value, out);
    }
    if (meaning.kind == Kind::zoned_time && to == Id::time && value.ends_with("Z\"")) {
      out += value.substr(0, value.size() - 2);
      out += '"';
      return nullptr;
    }
  }
  out += value;
  return nullptr;
}

}  // namespace millrace::debezium
