#include "connectors/mysql/lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/strings.h"

namespace millrace::mysql {

namespace {

/// Keys of a statement. MariaDB makes a temporary table of longer lists, and gives up the index.
constexpr std::size_t kKeysPerStatement = 500;

/// The values of keys, where statements find them, and the rows that have them.
class LookupReader final : public RowReader {
 public:
  /// Room for so many values.
  explicit LookupReader(std::size_t values) : binds_(values), rooms_(values) {}

  std::size_t read(ChunkWriter& to) override { return rows_->read(to); }

  [[nodiscard]] std::span<MYSQL_BIND> binds() noexcept { return binds_; }
  [[nodiscard]] std::span<ValueRoom> rooms() noexcept { return rooms_; }
  void set_rows(std::unique_ptr<RowReader> rows) { rows_ = std::move(rows); }

 private:
  std::vector<MYSQL_BIND> binds_;
  std::vector<ValueRoom> rooms_;
  std::unique_ptr<RowReader> rows_;
};

}  // namespace

MysqlLookup::MysqlLookup(const ReadPlan& plan, std::shared_ptr<Pool> pool,
                         const std::vector<std::size_t>& key)
    : plan_(plan), pool_(std::move(pool)) {
  for (const std::size_t at : key) {
    const auto& column = plan.schema.columns[at];
    const auto type = parse_type(column.type);
    if (type.id == Type::Id::boolean) {
      throw Error(Blame::user,
                  fmt::format("{} can't be looked up by {}, which is BOOLEAN: the server tells 1 "
                              "and 2 apart, which are both true; read it as TINYINT by `schema`",
                              plan.name, column.name));
    }
    names_.push_back(quote(column.name));
    encoders_.emplace_back(column);
    are_decimals_.push_back(type.id == Type::Id::decimal || type.id == Type::Id::i128);
  }
}

std::string MysqlLookup::condition(std::size_t keys) const {
  std::string of_key = "?";
  if (names_.size() > 1) {  // MariaDB uses no index for (a, b) IN ((?, ?), ...)
    std::vector<std::string> parts;
    parts.reserve(names_.size());
    for (const auto& name : names_) {
      parts.push_back(name + " = ?");
    }
    of_key = "(" + join(parts, " AND ") + ")";
  }
  const std::vector<std::string> all(keys, of_key);
  return names_.size() > 1 ? join(all, " OR ")
                           : fmt::format("{} IN ({})", names_.front(), join(all, ", "));
}

std::unique_ptr<RowReader> MysqlLookup::look_up(const Chunk& keys, MalformedReceiver& malformed) {
  const std::size_t parts = names_.size();
  auto reader = std::make_unique<LookupReader>(keys.rows * parts);
  const auto binds = reader->binds();
  std::size_t count = 0;
  for (std::size_t row = 0; row < keys.rows; ++row) {
    bool can_be = true;  // a year that the server does not have is in no row of it
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t at = count * parts + part;
      can_be &=
          encoders_[part].bind(keys.columns[part], row, binds[at], reader->rooms()[at]).empty();
      if (are_decimals_[part]) {  // as a text it would be compared as a DOUBLE
        binds[at].buffer_type = MYSQL_TYPE_NEWDECIMAL;
      }
    }
    count += can_be ? 1 : 0;
  }
  std::vector<Range> ranges;
  ranges.reserve(count / kKeysPerStatement + 1);
  for (std::size_t from = 0; from < count; from += kKeysPerStatement) {
    const std::size_t some = std::min(kKeysPerStatement, count - from);
    ranges.push_back({.where = condition(some),
                      .parameters = {},
                      .binds = binds.subspan(from * parts, some * parts)});
  }
  reader->set_rows(
      std::make_unique<RangeReader>(plan_, pool_, std::move(ranges), nullptr, malformed));
  return reader;
}

}  // namespace millrace::mysql
