#include "connectors/kafka/sink_message.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "core/type.h"

namespace millrace::kafka {

namespace {

using Id = Type::Id;

bool is_bytes(const Type& type) { return type.id == Id::varchar || type.id == Id::blob; }

/// STRUCT("key" VARCHAR, "value" BLOB)[], as a source gives them, or a MAP; VARCHAR and BLOB are as
/// good as each other for values.
bool has_headers(const Type& type) {
  if (type.id == Id::map) {
    return type.parts[0].type.id == Id::varchar && is_bytes(type.parts[1].type);
  }
  if (type.id != Id::list || type.parts[0].type.id != Id::structure) {
    return false;
  }
  const auto& fields = type.parts[0].type.parts;
  return fields.size() == 2 && equal_ignoring_case(fields[0].name, "key") &&
         equal_ignoring_case(fields[1].name, "value") && fields[0].type.id == Id::varchar &&
         is_bytes(fields[1].type);
}

/// Finds the parts of messages among columns.
class ColumnFinder {
 public:
  ColumnFinder(const std::string& sink, const Schema& schema) : sink_(sink), schema_(schema) {}

  /// The column of a part, if it is there.
  [[nodiscard]] int find(std::string_view what, const std::string& name,
                         std::string_view type) const {
    const int at = schema_.find(name);
    if (at < 0) {
      return -1;
    }
    const Column& column = schema_.columns[static_cast<std::size_t>(at)];
    if (column.type != type && (type != "BLOB" || column.type != "VARCHAR")) {
      fail(what, type, column);
    }
    return at;
  }

  [[nodiscard]] int find_headers() const {
    const int at = schema_.find("headers");
    if (at >= 0) {
      const Column& column = schema_.columns[static_cast<std::size_t>(at)];
      if (!has_headers(parse_type(column.type))) {
        fail("headers", R"(STRUCT("key" VARCHAR, "value" BLOB)[] or MAP(VARCHAR, VARCHAR))",
             column);
      }
    }
    return at;
  }

  [[nodiscard]] EncodedColumns key_fields(const std::vector<std::string>& names) const {
    EncodedColumns fields;
    for (const std::string& name : names) {
      const int at = schema_.find(name);
      if (at < 0 || fields.schema.find(name) >= 0) {
        throw Error(Blame::user,
                    at < 0 ? fmt::format("sink {}: `key_columns` names {}, and the columns are: {}",
                                         sink_, name, schema_.text())
                           : fmt::format("sink {}: `key_columns` names {} twice; leave one out",
                                         sink_, name));
      }
      add(at, fields);
    }
    return fields;
  }

  void add(int at, EncodedColumns& to) const {
    to.places.push_back(static_cast<std::size_t>(at));
    to.schema.columns.push_back(schema_.columns[to.places.back()]);
  }

 private:
  [[noreturn]] void fail(std::string_view what, std::string_view type, const Column& column) const {
    throw Error(Blame::user,
                fmt::format("sink {}: the {} of messages must be {}, and column {} is {}; cast it "
                            "in the dataset, or give it another name",
                            sink_, what, type, column.name, column.type));
  }

  const std::string& sink_;
  const Schema& schema_;
};

}  // namespace

MessageColumns find_columns(const std::string& sink, const SinkOptions& options,
                            const Schema& schema, const std::string& delete_column) {
  const ColumnFinder finder(sink, schema);
  MessageColumns columns;
  columns.deleted = schema.find(delete_column);
  if (options.key.kind == formats::Kind::raw) {
    columns.key = finder.find("key", options.key_column, "BLOB");
  } else {
    columns.key_fields = finder.key_fields(options.key_columns);
  }
  columns.partition = finder.find("partition", "partition", "INTEGER");
  columns.timestamp = finder.find("timestamp", "timestamp", "TIMESTAMP WITH TIME ZONE");
  columns.headers = finder.find_headers();
  if (options.records.kind == formats::Kind::raw) {
    columns.value = finder.find("value", "value", "BLOB");
    if (columns.value < 0) {
      throw Error(Blame::user,
                  fmt::format("sink {}: with `format: raw` there must be a column `value`, and "
                              "there may be `key`, `partition`, `timestamp` and `headers`; there "
                              "are: {}",
                              sink, schema.text()));
    }
    return columns;
  }
  for (int c = 0; std::cmp_less(c, schema.size()); ++c) {
    const bool is_in_key = options.key_only && std::ranges::find(columns.key_fields.places,
                                                                 static_cast<std::size_t>(c)) !=
                                                   columns.key_fields.places.end();
    if (c != columns.key && c != columns.partition && c != columns.timestamp &&
        c != columns.headers && c != columns.deleted && !is_in_key) {
      finder.add(c, columns.value_fields);
    }
  }
  return columns;
}

void PartEncoder::begin(const Chunk& chunk) {
  rows_ = chunk.rows;
  for (std::size_t f = 0; f < views_.size(); ++f) {
    views_[f] = chunk.columns[columns_.places[f]];
  }
}

std::optional<Malformation> PartEncoder::encode(std::size_t row,
                                                std::optional<std::string_view>& to) {
  to.reset();
  if (null_is_none_ && views_.front().is_null(row)) {
    return std::nullopt;
  }
  bytes_.clear();
  auto why = encoder_->encode({.rows = rows_, .columns = views_}, row, bytes_);
  if (!why) {
    to = bytes_;
  }
  return why;
}

std::optional<Malformation> read_headers(const ColumnView& column, const std::string& name,
                                         std::size_t row, std::vector<OutgoingHeader>& to) {
  if (column.is_null(row)) {
    return std::nullopt;
  }
  // A MAP has keys and values as its parts, a list of STRUCTs has them in its elements.
  const bool is_map = column.part_count == 2;
  const auto pair = is_map ? column.parts() : column.parts()[0].parts();
  const auto [offset, length] = column.values<ListEntry>()[row];
  for (std::uint64_t i = offset; i < offset + length; ++i) {
    const bool is_entry = is_map || !column.parts()[0].is_null(i);
    if (!is_entry || pair[0].is_null(i)) {
      return Malformation{.column = name, .reason = "a header without a key"};
    }
    to.push_back({.name = pair[0].string(i),
                  .value = pair[1].is_null(i) ? std::nullopt : std::optional(pair[1].string(i))});
  }
  return std::nullopt;
}

}  // namespace millrace::kafka
