#include "connectors/cassandra/sink_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/protocol/token.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

using Kind = TableColumn::Kind;

/// Of a partition key as a whole, and of each clustering value.
constexpr std::size_t kKeyBytesMax = 65'535;
/// What a server adds to a row: its key again, times and lengths of its cells.
constexpr std::int64_t kRowOverhead = 4 << 10;

std::string marks(std::size_t count) {
  std::vector<std::string> all(count, "?");
  return join(all, ", ");
}

/// `"a" = ? AND "b" = ?`
std::string key_condition(const SinkPlan& plan) {
  std::vector<std::string> terms;
  terms.reserve(plan.key_columns);
  for (std::size_t i = 0; i < plan.key_columns; ++i) {
    terms.push_back(quoted_name(plan.values[i].name) + " = ?");
  }
  return join(terms, " AND ");
}

std::string insert_text(const TableName& name, const SinkOptions& options,
                        const std::vector<std::string>& columns) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const auto& column : columns) {
    names.push_back(quoted_name(column));
  }
  std::vector<std::string> with;
  if (options.timestamps == Timestamps::batch) {
    with.emplace_back("TIMESTAMP ?");
  }
  if (options.ttl) {
    with.push_back(
        fmt::format("TTL {}", std::chrono::ceil<std::chrono::seconds>(*options.ttl).count()));
  }
  return fmt::format("INSERT INTO {} ({}) VALUES ({}){}{}", name.quoted(), join(names, ", "),
                     marks(names.size()), with.empty() ? "" : " USING ", join(with, " AND "));
}

/// A column of the table and its place among the rows'.
struct Pair {
  const TableColumn* column = nullptr;
  std::size_t place = 0;
};

/// In the order of the table's columns, which begin with its key.
std::vector<Pair> pair_columns(const SinkStart& start, const TableInfo& table,
                               const TableName& name, const std::string& who) {
  std::vector<Pair> pairs;
  const auto fail = [&](const std::string& why) {
    throw Error(Blame::user, fmt::format("{}: {}; the table has: {}", who, why, table.text()));
  };
  std::set<const TableColumn*> taken;
  for (std::size_t i = 0; i < start.schema.size(); ++i) {
    const auto& column = start.schema.columns[i].name;
    if (!start.delete_column.empty() && equal_ignoring_case(column, start.delete_column)) {
      continue;
    }
    const auto* const found = table.find(column);
    if (found == nullptr) {
      fail(fmt::format("table {} has no column {}", name.text(), column));
    }
    if (!taken.insert(found).second) {
      fail(fmt::format("two columns are to go to column {} of table {}", found->name, name.text()));
    }
    pairs.push_back({.column = found, .place = i});
  }
  std::ranges::sort(pairs, {}, &Pair::column);
  for (const auto& column : table.columns) {
    const bool is_key = column.kind == Kind::partition_key || column.kind == Kind::clustering;
    if (is_key && !taken.contains(&column)) {
      fail(fmt::format("the rows have no column {}, which is part of the key of table {}",
                       column.name, name.text()));
    }
  }
  return pairs;
}

void check_key(const SinkStart& start, const TableInfo& table, const TableName& name,
               const std::string& who) {
  if (start.mode != OutputMode::update || start.key.empty()) {
    return;
  }
  const auto lower = [](const std::vector<std::string>& names) {
    std::set<std::string> result;
    for (const auto& each : names) {
      result.insert(to_lower(each));
    }
    return result;
  };
  if (lower(start.key) != lower(table.key())) {
    throw Error(Blame::user,
                fmt::format("{}: rows are told apart by ({}), and those of table {} by its primary "
                            "key ({}); make them the same",
                            who, join(start.key, ", "), name.text(), join(table.key(), ", ")));
  }
}

}  // namespace

SinkPlan make_plan(Session& session, const TableName& name, const SinkOptions& options,
                   const SinkStart& start, const TableInfo& table, const std::string& who) {
  check_key(start, table, name, who);
  const auto pairs = pair_columns(start, table, name, who);
  SinkPlan plan;
  plan.has_timestamp = options.timestamps == Timestamps::batch;
  plan.keeps_nulls = options.null_values == NullValues::keep;
  plan.delete_column = start.delete_column.empty() ? -1 : start.schema.find(start.delete_column);
  std::vector<std::string> names;
  for (const auto& pair : pairs) {
    names.push_back(pair.column->name);
    plan.partition_columns += pair.column->kind == Kind::partition_key ? 1 : 0;
    plan.key_columns +=
        pair.column->kind == Kind::partition_key || pair.column->kind == Kind::clustering ? 1 : 0;
  }
  plan.insert = session.prepare(insert_text(name, options, names));
  if (plan.insert.values.size() != names.size() + (plan.has_timestamp ? 1 : 0)) {
    throw Error(Blame::external, fmt::format("{}: the server takes {} values for {} columns", who,
                                             plan.insert.values.size(), names.size()));
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& column = start.schema.columns[pairs[i].place];
    const auto& type = plan.insert.values[i].type;
    auto converter = ToCql::make(parse_type(column.type), type);
    if (!converter) {
      throw Error(Blame::user,
                  fmt::format("{}: column {} is {}, and in table {} it is {}; cast it in SQL", who,
                              column.name, column.type, name.text(), type_text(type)));
    }
    plan.values.push_back({.place = pairs[i].place,
                           .name = names[i],
                           .converter = *std::move(converter),
                           .type = type});
  }
  if (plan.delete_column >= 0) {
    plan.remove = session.prepare(fmt::format("DELETE FROM {}{} WHERE {}", name.quoted(),
                                              plan.has_timestamp ? " USING TIMESTAMP ?" : "",
                                              key_condition(plan)));
  }
  if (options.read_back) {
    std::vector<std::string> quoted_names;
    quoted_names.reserve(names.size());
    for (const auto& each : names) {
      quoted_names.push_back(quoted_name(each));
    }
    plan.select =
        session.prepare(fmt::format("SELECT {} FROM {} WHERE {}", join(quoted_names, ", "),
                                    name.quoted(), key_condition(plan)));
  }
  return plan;
}

std::optional<Malformation> RowEncoder::encode_key(const Chunk& chunk, std::size_t row,
                                                   StagedRow& to) {
  partition_key_.clear();
  std::size_t clustering_begin = 0;
  for (std::size_t i = 0; i < plan_.key_columns; ++i) {
    const auto& value = plan_.values[i];
    const auto& column = chunk.columns[value.place];
    if (column.is_null(row)) {
      return Malformation{.column = value.name, .reason = "NULL in the primary key"};
    }
    const auto begin = values_.size();
    if (auto why = value.converter.write(column, row, values_)) {
      return Malformation{.column = value.name, .reason = *std::move(why)};
    }
    const auto bytes = std::string_view(values_).substr(begin + sizeof(std::int32_t));
    if (bytes.size() > kKeyBytesMax) {
      return Malformation{.column = value.name,
                          .reason = fmt::format("{} bytes in the primary key, which takes {}",
                                                bytes.size(), kKeyBytesMax)};
    }
    if (i < plan_.partition_columns && plan_.partition_columns > 1) {
      add_key_part(bytes, partition_key_);
    } else if (i < plan_.partition_columns) {
      partition_key_ = bytes;
    }
    clustering_begin = i + 1 == plan_.partition_columns ? values_.size() : clustering_begin;
  }
  if (partition_key_.empty() || partition_key_.size() > kKeyBytesMax) {
    return Malformation{.column = plan_.values.front().name,
                        .reason = partition_key_.empty()
                                      ? "the partition key is empty"
                                      : fmt::format("a partition key of {} bytes; {} is the most",
                                                    partition_key_.size(), kKeyBytesMax)};
  }
  to.partition_key = partition_key_;
  to.clustering = {values_.data() + clustering_begin, values_.size() - clustering_begin};
  return std::nullopt;
}

std::optional<Malformation> RowEncoder::encode(const Chunk& chunk, std::size_t row,
                                               std::string& to) {
  values_.clear();
  StagedRow staged;
  if (auto why = encode_key(chunk, row, staged)) {
    return why;
  }
  const auto clustering_begin = static_cast<std::size_t>(staged.clustering.data() - values_.data());
  const auto clustering_size = staged.clustering.size();
  if (plan_.delete_column >= 0) {
    const auto& column = chunk.columns[static_cast<std::size_t>(plan_.delete_column)];
    staged.is_delete = !column.is_null(row) && column.values<bool>()[row];
  }
  for (std::size_t i = plan_.key_columns; !staged.is_delete && i < plan_.values.size(); ++i) {
    const auto& value = plan_.values[i];
    const auto& column = chunk.columns[value.place];
    if (plan_.keeps_nulls && column.is_null(row)) {
      put_unset(values_);
    } else if (auto why = value.converter.write(column, row, values_)) {
      return Malformation{.column = value.name, .reason = *std::move(why)};
    }
  }
  if (std::cmp_greater(values_.size() + static_cast<std::size_t>(kRowOverhead),
                       plan_.max_row_bytes)) {
    return Malformation{.column = "",
                        .reason = fmt::format("a row of {} bytes, and the server takes about {}",
                                              values_.size(), plan_.max_row_bytes)};
  }
  staged.values = values_;
  staged.clustering = staged.values.substr(clustering_begin, clustering_size);
  put_row(staged, to);
  return std::nullopt;
}

}  // namespace millrace::cassandra
