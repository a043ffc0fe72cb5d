#include "connectors/cassandra/same_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

using Id = CqlType::Id;
using Value = std::optional<std::string_view>;

std::string canonical(const CqlType& type, const Value& value);

/// With its length, so that what follows it can't be taken for a part of it.
std::string whole(const CqlType& type, const Value& value) {
  const auto text = canonical(type, value);
  return value ? std::to_string(text.size()) + ':' + text : "-";
}

std::string canonical_collection(const CqlType& type, WireReader elements) {
  const auto count = elements.integer();
  std::vector<std::string> all;
  std::map<std::string, std::string> by_key;
  for (std::int32_t i = 0; i < count; ++i) {
    auto element = whole(type.parts.at(0), elements.bytes());
    if (type.id == Id::map) {
      by_key[std::move(element)] = whole(type.parts.at(1), elements.bytes());
    } else {
      all.push_back(std::move(element));
    }
  }
  all.reserve(all.size() + by_key.size());
  for (const auto& [key, value] : by_key) {
    all.push_back(fmt::format("{}={}", key, value));
  }
  if (type.id == Id::set) {
    std::ranges::sort(all);
    all.erase(std::ranges::unique(all).begin(), all.end());
  }
  return join(all, ",");
}

std::string canonical_fields(const CqlType& type, WireReader elements) {
  std::vector<std::string> all;
  all.reserve(type.parts.size());
  for (const CqlType& part : type.parts) {
    all.push_back(elements.rest().empty() ? "-" : whole(part, elements.bytes()));
  }
  while (!all.empty() && all.back() == "-") {
    all.pop_back();
  }
  return join(all, ",");
}

/// A text that is the same for values that are.
std::string canonical(const CqlType& type, const Value& value) {
  switch (type.id) {
    case Id::list:
    case Id::set:
    case Id::map:
      return value ? canonical_collection(type, WireReader(*value)) : "";
    case Id::tuple:
    case Id::udt:
      return value ? canonical_fields(type, WireReader(*value)) : "";
    default:
      return std::string(value.value_or(""));
  }
}

}  // namespace

bool is_same_value(const CqlType& type, Value written, Value read) {
  if (written == read) {
    return true;
  }
  const bool has_parts = type.id == Id::list || type.id == Id::set || type.id == Id::map ||
                         type.id == Id::tuple || type.id == Id::udt;
  try {
    return has_parts && canonical(type, written) == canonical(type, read);
  } catch (const BadFrame&) {
    return false;  // a value that is cut short
  }
}

}  // namespace millrace::cassandra
