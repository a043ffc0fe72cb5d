#include "connectors/mysql/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "connectors/mysql/catalog.h"
#include "connectors/mysql/check.h"
#include "connectors/mysql/lookup.h"
#include "connectors/mysql/snapshot.h"
#include "sql/database.h"

namespace millrace::mysql {

namespace {

/// Of a slice of the past; a person who stops a rebuild waits for one.
constexpr std::int64_t kHistoryRows = 500'000;
/// So many late numbers are read by one statement.
constexpr std::size_t kLatePerRange = 500;
/// No more connections than that are of use.
constexpr std::size_t kMaxRanges = 64;
/// Shown of ranges that were given up.
constexpr std::size_t kGapsShown = 5;

bool is_whole_number(std::string_view type) {
  switch (parse_type(type).id) {
    case Type::Id::i8:
    case Type::Id::i16:
    case Type::Id::i32:
    case Type::Id::i64:
    case Type::Id::u8:
    case Type::Id::u16:
    case Type::Id::u32:
    case Type::Id::u64:
      return true;
    default:
      return false;
  }
}

std::string key_text(const Key& key) {
  std::vector<std::string> parts;
  for (const auto& part : key) {
    parts.push_back(part.is_string() ? part.get<std::string>() : part.dump());
  }
  return join(parts, ", ");
}

Json ranges_json(const std::vector<Gaps::Range>& ranges) {
  Json json = Json::array();
  for (const auto& range : ranges) {
    json.push_back({range.first, range.last});
  }
  return json;
}

std::vector<Gaps::Range> ranges_from(const Json& json, std::int64_t since_us) {
  std::vector<Gaps::Range> ranges;
  for (const auto& range : json) {
    ranges.push_back({range.at(0).get<std::int64_t>(), range.at(1).get<std::int64_t>(), since_us});
  }
  return ranges;
}

}  // namespace

MysqlSource::MysqlSource(std::string name, const ConnectionOptions& connection,
                         SourceOptions options, sql::Database& database,
                         const std::stop_token& stop)
    : name_(std::move(name)),
      connection_(connection),
      options_(std::move(options)),
      database_(database),
      stop_(stop),
      log_(Log().with("source", name_)),
      pool_(std::make_shared<Pool>(connection, options_.max_connections, stop)),
      key_{.names = options_.incremental},
      plan_{.name = options_.query.empty() ? options_.table : name_,
            .from = options_.query.empty() ? quote(options_.table)
                                           : fmt::format("({}) AS q", options_.query),
            .zero_dates = options_.zero_dates,
            .on_malformed = options_.on_malformed} {
  if (!options_.offset_table.empty()) {
    offset_table_.emplace(options_.offset_table,
                          options_.offset_source.empty() ? name_ : options_.offset_source);
  }
}

const Schema& MysqlSource::schema() {
  if (plan_.schema.empty()) {
    Pool::Lease connection(*pool_);
    find_schema(*connection);
    connection.give_back();
  }
  return plan_.schema;
}

void MysqlSource::find_schema(Connection& connection) {
  const Statement statement(connection, fmt::format("SELECT * FROM {}", plan_.from));
  std::vector<Column> there;
  for (const auto& field : statement.fields()) {
    const auto type = sql_type_of(field);
    there.push_back({field.name, type, physical_of(type)});
  }
  find_key(there);
  auto wanted = options_.schema.empty() ? Schema{there} : database_.parse_schema(options_.schema);
  for (const auto& column : wanted.columns) {
    const int at = Schema{there}.find(column.name);
    if (at < 0) {
      throw Error(Blame::user, fmt::format("{} has no column {}; it has: {}", plan_.name,
                                           column.name, Schema{there}.text()));
    }
    // Says what can't be read as the type that was asked for.
    (void)ColumnDecoder(statement.fields()[static_cast<std::size_t>(at)], column,
                        options_.zero_dates);
  }
  plan_.schema = std::move(wanted);
}

void MysqlSource::find_key(const std::vector<Column>& columns) {
  const Schema schema{columns};
  for (const auto& name : key_.names) {
    if (schema.find(name) < 0) {
      throw Error(Blame::user, fmt::format("{} has no column {} to be read by; it has: {}",
                                           plan_.name, name, schema.text()));
    }
  }
  if (key_.names.size() == 1) {
    const auto at = static_cast<std::size_t>(schema.find(key_.names.front()));
    key_.is_number = is_whole_number(columns[at].type);
    plan_.key = key_.is_number ? key_.names.front() : "";
  }
  if (options_.lag.count() > 0 && key_.is_number) {
    throw Error(Blame::user,
                fmt::format("source {}: `lag` is for a time, and {} is a number; late rows are "
                            "found by `gap_timeout`",
                            name_, key_.names.front()));
  }
}

void MysqlSource::open(const std::optional<Json>& position) {
  if (position) {
    to_ = position->at("to");
    gaps_ = Gaps(position->at("gaps"));
    has_begun_ = true;
  }
}

std::string MysqlSource::target() const {
  return fmt::format("{} in {}", options_.query.empty() ? options_.table : "a query",
                     connection_.text());
}

void MysqlSource::check_connection(const SourcePlace& /*place*/, Findings& findings) {
  Connection connection(connection_, stop_);
  find_schema(connection);
  if (!is_whole() && !key_.is_number && options_.lag.count() == 0) {
    findings.warning(
        fmt::format("rows of {} that are committed after others with a later {} are not read",
                    plan_.name, key_.names.front()),
        "set `lag` to as long as transactions take, such as 30s");
  }
  if (!is_whole() && options_.query.empty()) {
    check_index(connection, options_.table, key_, findings);
  }
  if (offset_table_) {
    offset_table_->open(connection);
    offset_table_->check(connection);
  }
}

Json MysqlSource::position() const { return {{"to", to_}, {"gaps", gaps_.to_json()}}; }

Key MysqlSource::first_key(Connection& connection) {
  const auto stored = offset_table_ ? offset_table_->read(connection) : std::nullopt;
  if (!stored) {
    return nullptr;
  }
  if (!options_.starts_at_stored) {
    log_.warn(
        "`{}` has the offset {}, but there is no checkpoint: reading from the first row on; "
        "`start_at_stored_offset: true` would begin after it",
        options_.offset_table, *stored);
    return nullptr;
  }
  log_.info("beginning after {}, as `{}` has it", *stored, options_.offset_table);
  const auto number = parse_integer(*stored);
  return key_.is_number && number ? Key::array({*number}) : Key::array({*stored});
}

SearchRange MysqlSource::after(const Key& from, const Key& to) const {
  return {.from = from,
          .to = to,
          .max_rows = options_.max_rows_per_trigger,
          .rows_per_range = options_.rows_per_range,
          .lag = options_.lag};
}

std::optional<Slice> MysqlSource::plan(std::int64_t now) {
  Slice slice;
  if (is_whole()) {
    slice.offsets = {{"as_of_us", now}};
    slice.text = "the whole table";
    return slice;
  }
  (void)schema();
  const bool is_at_end = end_ && (end_->is_null() || *end_ == to_);
  if (is_at_end && gaps_.empty()) {
    return std::nullopt;
  }
  Pool::Lease connection(*pool_);
  if (offset_table_) {
    offset_table_->open(*connection);
  }
  if (!std::exchange(has_begun_, true)) {
    to_ = first_key(*connection);
  }
  std::vector<std::int64_t> late;
  if (!gaps_.empty()) {
    late = find_late(*connection, plan_.from, plan_.key, gaps_, options_.max_rows_per_trigger);
  }
  // Only now, however long the last look is ago: what has come counts, and the time does not.
  if (std::cmp_less(late.size(), options_.max_rows_per_trigger)) {
    give_up_gaps(now, late);
  }
  const auto found =
      is_at_end ? std::nullopt
                : find_new(*connection, plan_.from, key_, after(to_, end_.value_or(nullptr)));
  connection.give_back();
  if (!found && late.empty()) {
    return std::nullopt;
  }
  const auto& to = found ? found->to : to_;
  slice.rows = (found ? found->rows : 0) + static_cast<std::int64_t>(late.size());
  slice.offsets = {{"from", to_}, {"to", to}, {"at_us", now}};
  if (found && !found->bounds.empty()) {
    slice.offsets["bounds"] = found->bounds;
  }
  if (found && !found->missing.empty() && tracks_gaps()) {
    slice.offsets["missing"] = ranges_json(found->missing);
    tell_unawaited(found->not_noted);
  }
  slice.text = fmt::format("{} up to {}", human_count(*slice.rows, "row"), key_text(to));
  if (!late.empty()) {
    slice.text += fmt::format(", {} of them late", late.size());
    slice.offsets["late"] = std::move(late);
  }
  return slice;
}

void MysqlSource::give_up_gaps(std::int64_t now_us, const std::vector<std::int64_t>& late) {
  Gaps given_up;
  for (const auto& range :
       gaps_.take_older_than(now_us - std::chrono::microseconds(options_.gap_timeout).count())) {
    if (range.first != Gaps::kLowest) {  // nothing says that there ever was one before the first
      (void)given_up.add(range);
    }
  }
  for (const std::int64_t number : late) {
    given_up.remove(number);
  }
  const auto old = given_up.all();
  if (!old.empty()) {
    log_.warn(
        "{} of {} did not come within {} and count as a gap: {}; their transactions were "
        "rolled back, or the rows were deleted before they were read",
        human_count(count_of(old), "number"), plan_.key, duration_text(options_.gap_timeout),
        text_of(old, kGapsShown));
  }
}

void MysqlSource::tell_unawaited(std::int64_t ranges) {
  if (ranges > 0) {
    log_.warn(
        "numbers of {} are missing in more ranges than can be remembered ({}): rows that are "
        "committed late in {} of them will not be read; where numbers are always missing, set "
        "`gap_timeout: 0s`",
        plan_.key, Gaps::kMax, ranges);
  }
}

void MysqlSource::advance(const Json& offsets) {
  has_begun_ = true;
  if (is_whole()) {
    return;
  }
  to_ = offsets.at("to");
  for (const auto& number : offsets.value("late", Json::array())) {
    gaps_.remove(number.get<std::int64_t>());
  }
  const auto at_us = offsets.at("at_us").get<std::int64_t>();
  std::int64_t dropped = 0;
  for (const auto& range : ranges_from(offsets.value("missing", Json::array()), at_us)) {
    dropped += gaps_.add(range) ? 0 : 1;
  }
  tell_unawaited(dropped);
}

std::vector<Range> MysqlSource::ranges_of(const Json& offsets) const {
  std::vector<Range> ranges;
  Key from = offsets.at("from");
  for (const auto& bound : offsets.value("bounds", Json::array())) {
    ranges.push_back(key_.range(from, bound));
    from = bound;
  }
  if (offsets.at("to") != from) {
    ranges.push_back(key_.range(from, offsets.at("to")));
  }
  const auto late = offsets.value("late", std::vector<std::int64_t>());
  for (std::size_t at = 0; at < late.size(); at += kLatePerRange) {
    const auto end = std::min(at + kLatePerRange, late.size());
    ranges.push_back(
        KeyColumns::numbers(plan_.key, {late.begin() + static_cast<std::ptrdiff_t>(at),
                                        late.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return ranges;
}

std::unique_ptr<RowReader> MysqlSource::reader(std::vector<Range> ranges,
                                               std::shared_ptr<const LeftOut> left_out,
                                               MalformedReceiver& malformed) {
  return std::make_unique<RangeReader>(plan_, pool_, std::move(ranges), std::move(left_out),
                                       malformed);
}

/// Of the primary key; a table without one, or of few rows, is read by one statement.
std::vector<Range> MysqlSource::ranges_of_whole() {
  Pool::Lease connection(*pool_);
  const auto key = options_.query.empty() && options_.max_connections > 1
                       ? primary_key(*connection, options_.table)
                       : KeyColumns();
  KeyRanges found;
  if (!key.names.empty()) {
    const auto even = find_even_ranges(*connection, options_.table, key, options_.rows_per_range);
    found = even ? *even
                 : find_ranges(*connection, plan_.from, key,
                               {.from = Key(),
                                .to = Key(),
                                .max_rows = std::numeric_limits<std::int64_t>::max(),
                                .rows_per_range = options_.rows_per_range});
  }
  connection.give_back();
  if (found.bounds.empty()) {
    return {Range{}};
  }
  std::vector<Range> ranges;
  Key from;
  for (auto& bound : found.bounds) {
    ranges.push_back(key.range(from, bound));
    from = std::move(bound);
  }
  ranges.push_back(key.range(from, nullptr));  // with rows that came since the ranges were found
  return ranges;
}

/// All ranges as of one moment.
std::unique_ptr<RowReader> MysqlSource::read_whole(MalformedReceiver& malformed) {
  auto ranges = ranges_of_whole();
  if (ranges.size() == 1) {
    return reader(std::move(ranges), nullptr, malformed);
  }
  const auto connections =
      std::min(options_.max_connections, static_cast<int>(std::min(ranges.size(), kMaxRanges)));
  auto snapshot = begin_snapshot(connection_, {.table = options_.table, .connections = connections},
                                 stop_, pool_->take_idle());
  if (snapshot.connections.size() == 1 && !std::exchange(was_told_, true)) {
    log_.warn(
        "{} is read by one connection: several see the same moment only if the server keeps a "
        "binlog (MariaDB), or we may LOCK TABLES for a moment, by one of them",
        options_.table);
  }
  return std::make_unique<RangeReader>(plan_, pool_of(std::move(snapshot)), std::move(ranges),
                                       nullptr, malformed);
}

/// Numbers that were missing when the batch was planned: they are of a later one, if they come.
std::shared_ptr<const LeftOut> MysqlSource::left_out_of(const Json& offsets) const {
  Gaps missing;
  for (const auto& range : ranges_from(offsets.value("missing", Json::array()), 0)) {
    (void)missing.add(range);
  }
  if (missing.empty()) {
    return nullptr;
  }
  return std::make_shared<const LeftOut>(LeftOut{
      .key = {plan_.key}, .contains = [missing = std::move(missing)](auto fields, auto cells) {
        return cells[0].data != nullptr && missing.contains(number_of(fields[0], cells[0]));
      }});
}

SliceInput MysqlSource::read(const Json& offsets, MalformedReceiver& malformed) {
  (void)schema();
  if (is_whole()) {
    return read_whole(malformed);
  }
  return reader(ranges_of(offsets), left_out_of(offsets), malformed);
}

SliceInput MysqlSource::read_again(const MalformedRows& rows, const std::string& /*folder*/,
                                   MalformedReceiver& malformed) {
  (void)schema();
  if (plan_.key.empty()) {
    throw Error(
        Blame::user,
        fmt::format("source {} can't find malformed rows again, as it has no incremental "
                    "column of whole numbers; change the rows in the database, so that they "
                    "are read as new ones",
                    name_));
  }
  std::vector<std::int64_t> numbers;
  while (const auto row = rows()) {
    numbers.push_back(row->line);
  }
  std::vector<Range> ranges;
  if (!numbers.empty()) {
    ranges.push_back(KeyColumns::numbers(plan_.key, numbers));
  }
  return reader(std::move(ranges), nullptr, malformed);
}

void MysqlSource::committed(const Json& offsets) {
  const auto to = offsets.value("to", Key());
  if (!offset_table_ || to.is_null()) {
    return;
  }
  try {
    Pool::Lease connection(*pool_);
    offset_table_->open(*connection);
    offset_table_->write(*connection, key_.is_number ? Value(to[0].get<std::int64_t>())
                                                     : Value(to[0].get<std::string>()));
    connection.give_back();
  } catch (const ServerError& error) {
    // Nothing depends on it, and the next batch says it again.
    log_.warn("`{}` could not be told how far the source is: {}", options_.offset_table,
              error.what());
  }
}

std::unique_ptr<KeyLookup> MysqlSource::lookup(const std::vector<std::size_t>& key) {
  (void)schema();
  return std::make_unique<MysqlLookup>(plan_, pool_, key);
}

std::optional<std::string> MysqlSource::why_no_history() const {
  return is_whole() ? std::optional<std::string>("a table is read as it is now") : std::nullopt;
}

Slices MysqlSource::history() {
  return [this, from = Key(), done = to_.is_null()]() mutable -> std::optional<Slice> {
    if (done) {
      return std::nullopt;
    }
    (void)schema();
    Pool::Lease connection(*pool_);
    auto where = after(from, to_);
    where.max_rows = kHistoryRows;
    where.lag = {};
    const auto found = find_new(*connection, plan_.from, key_, where);
    connection.give_back();
    if (!found) {
      done = true;
      return std::nullopt;
    }
    Slice slice;
    slice.offsets = {{"from", from}, {"to", found->to}, {"bounds", found->bounds}};
    slice.offsets["missing"] = ranges_json(gaps_.all());
    slice.rows = found->rows;
    from = found->to;
    return slice;
  };
}

void MysqlSource::stop_at_present() {
  if (is_whole()) {
    return;
  }
  (void)schema();
  Pool::Lease connection(*pool_);
  const auto rows = connection->query(fmt::format(
      "SELECT {} FROM {} ORDER BY {} LIMIT 1", key_.list(), plan_.from,
      key_.names.size() == 1
          ? quote(key_.names[0]) + " DESC"
          : fmt::format("{} DESC, {} DESC", quote(key_.names[0]), quote(key_.names[1]))));
  connection.give_back();
  end_ = Key();
  if (!rows.empty() && rows.front().front()) {
    *end_ = Key::array();
    for (const auto& value : rows.front()) {
      const auto number = key_.is_number ? parse_integer(value.value_or("")) : std::nullopt;
      end_->push_back(number ? Json(*number) : Json(value.value_or("")));
    }
  }
}

void MysqlSource::wait(std::stop_token stop, std::chrono::steady_clock::time_point until) {
  const auto end = std::min(until, std::chrono::steady_clock::now() + options_.poll_interval);
  std::unique_lock guard(lock_);
  condition_.wait_until(guard, stop, end, [] { return false; });
}

}  // namespace millrace::mysql
