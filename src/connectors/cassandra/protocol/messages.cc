#include "connectors/cassandra/protocol/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

// Flags of a query.
constexpr std::uint32_t kWithValues = 0x01;
constexpr std::uint32_t kWithPageSize = 0x04;
constexpr std::uint32_t kWithPagingState = 0x08;

// Kinds of results.
constexpr std::int32_t kRows = 2;
constexpr std::int32_t kPrepared = 4;

// Flags of rows.
constexpr std::int32_t kOneTable = 0x01;
constexpr std::int32_t kHasMorePages = 0x02;
constexpr std::int32_t kNoMetadata = 0x04;
constexpr std::int32_t kMetadataChanged = 0x08;

constexpr std::uint8_t kUnlogged = 1;
constexpr std::uint8_t kIsPrepared = 1;

void put_flags(int version, std::uint32_t flags, std::string& to) {
  if (version >= 5) {
    put(flags, to);
  } else {
    put(static_cast<std::uint8_t>(flags), to);
  }
}

void put_parameters(int version, const QueryOptions& how, std::size_t value_count,
                    std::string_view values, std::string& to) {
  put(static_cast<std::uint16_t>(how.consistency), to);
  put_flags(version,
            (value_count > 0 ? kWithValues : 0) | (how.page_rows > 0 ? kWithPageSize : 0) |
                (how.paging_state.empty() ? 0 : kWithPagingState),
            to);
  if (value_count > 0) {
    put(static_cast<std::uint16_t>(value_count), to);
    to += values;
  }
  if (how.page_rows > 0) {
    put(how.page_rows, to);
  }
  if (!how.paging_state.empty()) {
    put_bytes(how.paging_state, to);
  }
}

struct Metadata {
  std::vector<ColumnSpec> columns;
  std::string paging_state;
};

void read_columns(WireReader& from, std::int32_t flags, std::size_t count,
                  std::vector<ColumnSpec>& to) {
  const auto skip_table = [&] {
    (void)from.string();
    (void)from.string();
  };
  if ((flags & kOneTable) != 0) {
    skip_table();
  }
  to.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if ((flags & kOneTable) == 0) {
      skip_table();
    }
    std::string name(from.string());
    to.push_back({.name = std::move(name), .type = read_type(from)});
  }
}

Metadata read_metadata(WireReader& from) {
  Metadata metadata;
  const auto flags = from.integer();
  // A column takes a name and a type.
  const auto count = (flags & kNoMetadata) != 0 ? 0 : from.count(4);
  if ((flags & kNoMetadata) != 0) {
    (void)from.integer();
  }
  if ((flags & kHasMorePages) != 0) {
    metadata.paging_state = from.bytes().value_or("");
  }
  if ((flags & kMetadataChanged) != 0) {
    (void)from.short_bytes();
  }
  if ((flags & kNoMetadata) == 0) {
    read_columns(from, flags, count, metadata.columns);
  }
  return metadata;
}

constexpr auto kConsistencies = std::to_array<std::pair<Consistency, std::string_view>>({
    {Consistency::any, "ANY"},
    {Consistency::one, "ONE"},
    {Consistency::two, "TWO"},
    {Consistency::three, "THREE"},
    {Consistency::quorum, "QUORUM"},
    {Consistency::all, "ALL"},
    {Consistency::local_quorum, "LOCAL_QUORUM"},
    {Consistency::each_quorum, "EACH_QUORUM"},
    {Consistency::local_one, "LOCAL_ONE"},
});

using Code = ServerError::Code;
constexpr auto kCodes = std::to_array<std::pair<Code, std::string_view>>({
    {Code::server, "server error"},
    {Code::protocol, "protocol error"},
    {Code::credentials, "login refused"},
    {Code::unavailable, "unavailable"},
    {Code::overloaded, "overloaded"},
    {Code::bootstrapping, "still starting"},
    {Code::truncate, "truncate error"},
    {Code::write_timeout, "write timeout"},
    {Code::read_timeout, "read timeout"},
    {Code::read_failure, "read failure"},
    {Code::function_failure, "function failure"},
    {Code::write_failure, "write failure"},
    {Code::syntax, "syntax error"},
    {Code::unauthorized, "not allowed"},
    {Code::invalid, "invalid"},
    {Code::config, "configuration error"},
    {Code::already_exists, "exists already"},
    {Code::unprepared, "unprepared"},
});

}  // namespace

std::string_view name_of(Consistency consistency) noexcept {
  const auto* const found = std::ranges::find(kConsistencies, consistency,
                                              &std::pair<Consistency, std::string_view>::first);
  return found == kConsistencies.end() ? "?" : found->second;
}

std::string startup_body(bool lz4) {
  std::string body;
  put(static_cast<std::uint16_t>(lz4 ? 3 : 2), body);
  put_string("CQL_VERSION", body);
  put_string("3.0.0", body);
  put_string("DRIVER_NAME", body);
  put_string("millrace", body);
  if (lz4) {
    put_string("COMPRESSION", body);
    put_string("lz4", body);
  }
  return body;
}

std::string prepare_body(int version, std::string_view text) {
  std::string body;
  put_long_string(text, body);
  if (version >= 5) {
    put(std::uint32_t{0}, body);
  }
  return body;
}

std::string query_body(int version, std::string_view text, const QueryOptions& how) {
  std::string body;
  put_long_string(text, body);
  put_parameters(version, how, 0, {}, body);
  return body;
}

std::string execute_body(int version, const Prepared& statement, std::string_view values,
                         const QueryOptions& how) {
  std::string body;
  body.reserve(64 + values.size());
  put_short_bytes(statement.id, body);
  if (version >= 5) {
    put_short_bytes(statement.result_id, body);
  }
  put_parameters(version, how, statement.values.size(), values, body);
  return body;
}

void add_to_batch(const Prepared& statement, std::string_view values, std::string& statements) {
  put(kIsPrepared, statements);
  put_short_bytes(statement.id, statements);
  put(static_cast<std::uint16_t>(statement.values.size()), statements);
  statements += values;
}

std::string batch_body(int version, std::uint16_t count, std::string_view statements,
                       Consistency consistency) {
  std::string body;
  body.reserve(statements.size() + 16);
  put(kUnlogged, body);
  put(count, body);
  body += statements;
  put(static_cast<std::uint16_t>(consistency), body);
  put_flags(version, 0, body);
  return body;
}

ServerError::Passing ServerError::passing() const noexcept {
  switch (code) {
    case Code::unavailable:
    case Code::overloaded:
    case Code::bootstrapping:
    case Code::write_timeout:
    case Code::read_timeout:
      return Passing::yes;
    case Code::write_failure:
    case Code::read_failure:
    case Code::server:
      return Passing::perhaps;
    default:
      return Passing::no;
  }
}

std::string ServerError::text() const {
  const auto* const found =
      std::ranges::find(kCodes, code, &std::pair<Code, std::string_view>::first);
  return fmt::format("{}: {}",
                     found == kCodes.end()
                         ? fmt::format("error {:#06x}", static_cast<std::int32_t>(code))
                         : std::string(found->second),
                     message);
}

ServerError read_error(std::string_view body) {
  WireReader reader(body);
  const auto code = static_cast<Code>(reader.integer());
  return {.code = code, .message = std::string(reader.string())};
}

std::optional<Rows> read_rows(std::string_view body) {
  WireReader reader(body);
  if (reader.integer() != kRows) {
    return std::nullopt;
  }
  auto metadata = read_metadata(reader);
  Rows rows{.columns = std::move(metadata.columns),
            .paging_state = std::move(metadata.paging_state)};
  // A value takes its length.
  rows.count = reader.count(std::max<std::size_t>(4 * rows.columns.size(), 1));
  rows.begin = body.size() - reader.rest().size();
  return rows;
}

Prepared read_prepared(int version, std::string_view body, std::string text) {
  WireReader reader(body);
  if (reader.integer() != kPrepared) {
    throw BadFrame("a statement was to be prepared, and something else came");
  }
  Prepared prepared{.text = std::move(text), .id = std::string(reader.short_bytes())};
  if (version >= 5) {
    prepared.result_id = reader.short_bytes();
  }
  const auto flags = reader.integer();
  const auto count = reader.count(4);
  for (auto key_parts = reader.count(2); key_parts > 0; --key_parts) {
    prepared.partition_key.push_back(reader.short_number());
  }
  read_columns(reader, flags, count, prepared.values);
  prepared.columns = read_metadata(reader).columns;
  return prepared;
}

std::map<std::string, std::vector<std::string>> read_supported(std::string_view body) {
  WireReader reader(body);
  std::map<std::string, std::vector<std::string>> supported;
  for (auto count = reader.short_number(); count > 0; --count) {
    auto& values = supported[std::string(reader.string())];
    for (auto value = reader.short_number(); value > 0; --value) {
      values.emplace_back(reader.string());
    }
  }
  return supported;
}

}  // namespace millrace::cassandra
