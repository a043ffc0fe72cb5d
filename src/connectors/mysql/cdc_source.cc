#include "connectors/mysql/cdc_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "base/strings.h"
#include "connectors/mysql/catalog.h"
#include "connectors/mysql/check.h"
#include "connectors/mysql/snapshot.h"
#include "sql/database.h"

namespace millrace::mysql {

namespace {

/// While the table does not change, the place in the binlog is noted so often.
constexpr std::int64_t kIdleNoteUs = 60'000'000;

struct FactWord {
  ChangeFact fact;
  std::string_view word;
  std::string_view type;
};
constexpr auto kFacts = std::to_array<FactWord>({
    {ChangeFact::op, "op", "VARCHAR"},
    {ChangeFact::change_time, "change_time", "TIMESTAMP WITH TIME ZONE"},
    {ChangeFact::sequence, "sequence", "BIGINT"},
    {ChangeFact::position, "position", "VARCHAR"},
});

/// High, so that it is not one that people give to their replicas.
std::uint32_t random_server_id() {
  std::random_device device;
  return 0x8000'0000U | static_cast<std::uint32_t>(device());
}

}  // namespace

CdcSource::CdcSource(std::string name, ConnectionOptions connection, SourceOptions options,
                     sql::Database& database, std::stop_token stop)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      database_(database),
      stop_(std::move(stop)),
      log_(Log().with("source", name_)),
      server_id_(options_.server_id ? static_cast<std::uint32_t>(*options_.server_id)
                                    : random_server_id()) {
  layout_.plan = {.name = options_.table,
                  .from = quote(options_.table),
                  .zero_dates = options_.zero_dates,
                  .on_malformed = options_.on_malformed};
}
CdcSource::~CdcSource() = default;

const Schema& CdcSource::schema() {
  if (layout_.schema.empty()) {
    Connection connection(connection_, stop_);
    find_schema(connection);
  }
  return layout_.schema;
}

void CdcSource::find_schema(Connection& connection) {
  check_binlog(connection);
  const Statement statement(connection, fmt::format("SELECT * FROM {}", layout_.plan.from));
  const auto catalog = catalog_of(connection, options_.table);
  Schema there;
  for (const auto& field : statement.fields()) {
    const auto type = sql_type_of(field);
    there.columns.push_back({field.name, type, physical_of(type)});
  }
  auto wanted = options_.schema.empty() ? there : database_.parse_schema(options_.schema);
  for (const auto& column : wanted.columns) {
    const int at = there.find(column.name);
    if (at < 0) {
      throw Error(Blame::user, fmt::format("{} has no column {}; it has: {}", options_.table,
                                           column.name, there.text()));
    }
    const auto place = static_cast<std::size_t>(at);
    (void)ColumnDecoder(statement.fields()[place], column, options_.zero_dates);
  }
  for (const auto& column : catalog.columns) {
    if (column.form != BinlogForm::plain) {
      layout_.forms[column.name] = column.form;
    }
  }
  layout_.key = primary_key_of(connection, options_.table);
  layout_.plan.schema = wanted;
  for (const auto& [column, word] : options_.metadata) {
    const auto fact = std::ranges::find(kFacts, word, &FactWord::word);
    if (fact == kFacts.end() || wanted.find(column) >= 0) {
      throw Error(Blame::user,
                  fact == kFacts.end()
                      ? fmt::format("source {}: `metadata` has no {}; there are op, change_time, "
                                    "sequence and position",
                                    name_, word)
                      : fmt::format("source {}: {} is a column of the table, too; call the one of "
                                    "`metadata` otherwise",
                                    name_, column));
    }
    layout_.facts.push_back(fact->fact);
    wanted.columns.push_back({column, std::string(fact->type), physical_of(fact->type)});
  }
  layout_.schema = std::move(wanted);
}

void CdcSource::open(const std::optional<Json>& position) {
  if (position && !position->at("fresh").get<bool>()) {
    is_fresh_ = false;
    in_snapshot_ = position->at("in_snapshot");
    after_ = position->at("after");
    if (!position->at("at").is_null()) {
      at_ = BinlogPosition::from_json(position->at("at"));
    }
  }
}

std::string CdcSource::target() const {
  return fmt::format("changes of {} in {}", options_.table, connection_.text());
}

void CdcSource::check_connection(const SourcePlace& place, Findings& findings) {
  open(place.position);
  for (const auto& slice : place.slices) {
    advance(slice);
  }
  Connection connection(connection_, stop_);
  check_binlog_settings(connection, options_, findings);
  const auto& found = findings.all();
  if (std::ranges::any_of(found, &Findings::Finding::is_error)) {
    return;
  }
  find_schema(connection);
  check_binlog_from(connection_, at_ ? *at_ : end_of_binlog(connection), options_.snapshot, stop_,
                    findings);
  const bool begins = is_fresh_ || in_snapshot_;
  if (begins && options_.snapshot != SnapshotMode::never && !connection.is_mariadb()) {
    check_lock(connection, options_.table, findings);
  }
}

Json CdcSource::position() const {
  return {{"fresh", is_fresh_},
          {"in_snapshot", in_snapshot_},
          {"after", after_},
          {"at", at_ ? at_->to_json() : Json()}};
}

Pool& CdcSource::snapshot() {
  if (!snapshot_) {
    auto begun = begin_snapshot(connection_,
                                {.table = options_.table,
                                 .connections = layout_.key.empty() ? 1 : options_.max_connections,
                                 .with_position = true},
                                stop_);
    snapshot_at_ = begun.at.value();
    snapshot_ = pool_of(std::move(begun));
  }
  return *snapshot_;
}

std::optional<Slice> CdcSource::plan(std::int64_t now) {
  (void)schema();
  if (is_fresh_ && !at_ && options_.snapshot == SnapshotMode::never) {
    Connection connection(connection_, stop_);
    at_ = end_of_binlog(connection);
  }
  const bool begins = is_fresh_ && options_.snapshot != SnapshotMode::never;
  if (begins || in_snapshot_) {
    return plan_snapshot(now);
  }
  try {
    return plan_changes(now);
  } catch (const PurgedBinlog& purged) {
    on_purged(purged);
    return plan_snapshot(now);
  }
}

void CdcSource::on_purged(const Error& error) {
  if (options_.snapshot != SnapshotMode::when_needed) {
    throw Error(error);
  }
  log_.warn("{}; beginning again with a snapshot", error.what());
  stream_.reset();
  snapshot_.reset();
  in_snapshot_ = true;
  after_ = Key();
}

std::optional<Slice> CdcSource::plan_snapshot(std::int64_t now) {
  Pool::Lease connection(snapshot());
  const KeyColumns key{.names = layout_.key};
  KeyRanges found;
  if (!key.names.empty()) {
    found = find_ranges(*connection, layout_.plan.from, key,
                        {.from = after_,
                         .to = Key(),
                         .max_rows = options_.max_rows_per_trigger,
                         .rows_per_range = options_.rows_per_range});
  }
  connection.give_back();
  auto at = snapshot_at_;
  at.sequence = at_ ? at_->sequence : 0;
  Slice slice;
  slice.offsets = {{"snapshot",
                    {{"from", after_},
                     {"to", found.to},
                     {"bounds", found.bounds},
                     {"at", at.to_json()},
                     {"last", found.is_last}}},
                   {"at_us", now}};
  slice.text = !found.to.is_null()
                   ? fmt::format("{} of the snapshot", human_count(found.rows, "row"))
               : key.names.empty() ? "the snapshot"
                                   : "the end of the snapshot";
  return slice;
}

BinlogStream& CdcSource::stream() {
  if (!stream_) {
    stream_ = stream_from(*at_);
  }
  return *stream_;
}

std::unique_ptr<BinlogStream> CdcSource::stream_from(const BinlogPosition& from) const {
  return std::make_unique<BinlogStream>(
      connection_,
      StreamSettings{.database = connection_.database,
                     .table = options_.table,
                     .server_id = server_id_,
                     .buffer_bytes = static_cast<std::size_t>(options_.buffer.count),
                     .catalog =
                         [options = connection_, table = options_.table, stop = stop_] {
                           Connection connection(options, stop);
                           return catalog_of(connection, table);
                         }},
      from, stop_);
}

std::optional<Slice> CdcSource::plan_changes(std::int64_t now) {
  const auto ended = [&](const BinlogPosition& at) { return end_ && at.has_reached(*end_); };
  std::optional<BinlogPosition> to;
  try {
    while (!(to = stream().find_end(options_.max_rows_per_trigger)) && end_ && !ended(*at_)) {
      if (stop_.stop_requested()) {
        throw Stopped();
      }
      stream_->wait(stop_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
    }
  } catch (const Error&) {
    stream_.reset();  // the next call makes another one
    throw;
  }
  if (!to || ended(*at_)) {
    return std::nullopt;
  }
  const auto changes = to->sequence - at_->sequence;
  // The first place is noted at once: another process would find another one.
  const bool is_noted = changes > 0 || is_fresh_ || now - planned_us_ >= kIdleNoteUs || ended(*to);
  if (!is_noted) {
    return std::nullopt;
  }
  Slice slice;
  slice.offsets = {{"from", at_->to_json()}, {"to", to->to_json()}, {"at_us", now}};
  slice.text = fmt::format("{} up to {}", human_count(changes, "change"), to->text());
  return slice;
}

void CdcSource::advance(const Json& offsets) {
  is_fresh_ = false;
  planned_us_ = offsets.at("at_us");
  if (!offsets.contains("snapshot")) {
    in_snapshot_ = false;
    at_ = BinlogPosition::from_json(offsets.at("to"));
    return;
  }
  const auto& part = offsets.at("snapshot");
  if (part.at("from").is_null()) {
    at_ = BinlogPosition::from_json(part.at("at"));
  }
  after_ = part.at("to");
  in_snapshot_ = !part.at("last").get<bool>();
}

SliceInput CdcSource::read(const Json& offsets, MalformedReceiver& malformed) {
  (void)schema();
  if (!offsets.contains("snapshot")) {
    const auto from = BinlogPosition::from_json(offsets.at("from"));
    const auto to = BinlogPosition::from_json(offsets.at("to"));
    if (stream_ && stream_->position().to_json() != from.to_json()) {
      stream_.reset();
    }
    if (!stream_) {
      stream_ = stream_from(from);
    }
    return std::make_unique<ChangeReader>(layout_, stream_->take(to), to.text(), malformed);
  }
  const auto& part = offsets.at("snapshot");
  (void)snapshot();  // of a process before this one, its rest is read as of now
  const KeyColumns key{.names = layout_.key};
  std::vector<Range> ranges;
  if (layout_.key.empty()) {
    ranges.push_back(Range{});
  } else if (!part.at("to").is_null()) {
    Key from = part.at("from");
    for (const auto& bound : part.value("bounds", Json::array())) {
      ranges.push_back(key.range(from, bound));
      from = bound;
    }
    ranges.push_back(key.range(from, part.at("to")));
  }
  auto rows =
      std::make_unique<RangeReader>(layout_.plan, snapshot_, std::move(ranges), nullptr, malformed);
  return std::make_unique<SnapshotReader>(layout_, std::move(rows),
                                          offsets.at("at_us").get<std::int64_t>(),
                                          BinlogPosition::from_json(part.at("at")).text());
}

void CdcSource::committed(const Json& offsets) {
  if (offsets.contains("snapshot") && offsets.at("snapshot").at("last").get<bool>()) {
    snapshot_.reset();  // the server keeps old rows for as long as a transaction may read them
  }
}

std::optional<std::string> CdcSource::why_no_history() const {
  return "the binlog is kept for a time only; remove the checkpoint to begin with a new snapshot";
}

void CdcSource::stop_at_present() {
  Connection connection(connection_, stop_);
  end_ = end_of_binlog(connection);
}

void CdcSource::wait(std::stop_token stop, std::chrono::steady_clock::time_point until) {
  if (at_ && !in_snapshot_ && !is_fresh_) {
    stream().wait(std::move(stop), until);
  }
}

}  // namespace millrace::mysql
