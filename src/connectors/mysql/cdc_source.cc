#include "connectors/mysql/cdc_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/strings.h"
#include "connectors/mysql/catalog.h"
#include "connectors/mysql/check.h"
#include "connectors/mysql/snapshot.h"

namespace millrace::mysql {

namespace {

/// While the table does not change, the place in the binlog is noted so often.
constexpr std::int64_t kIdleNoteUs = 60'000'000;

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
                                    : random_server_id()) {}
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
  layout_ = make_layout(name_, options_, so_far_, connection, database_);
  key_ = primary_key(connection, options_.table);
  layout_.key = key_.names;
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

Pool& CdcSource::snapshot(const std::optional<BinlogPosition>& moment) {
  if (snapshot_) {
    return *snapshot_;
  }
  auto begun = begin_snapshot(connection_,
                              {.table = options_.table,
                               .connections = key_.names.empty() ? 1 : options_.max_connections,
                               .with_position = true},
                              stop_);
  snapshot_at_ = begun.at.value();
  past_.reset();
  if (moment && moment->text() != snapshot_at_.text()) {
    const auto since = stream_from(*moment);
    past_ = std::make_shared<const Past>(layout_, *since, snapshot_at_, stop_);
    log_.info("the snapshot goes on as of {}: {} were changed since", moment->text(),
              human_count(static_cast<std::int64_t>(past_->size()), "row"));
  }
  snapshot_ = pool_of(std::move(begun));
  return *snapshot_;
}

std::optional<Slice> CdcSource::plan(std::int64_t now) {
  (void)schema();
  if (is_fresh_ && !at_ && options_.snapshot == SnapshotMode::never) {
    Connection connection(connection_, stop_);
    at_ = end_of_binlog(connection);
  }
  const bool begins = is_fresh_ && options_.snapshot != SnapshotMode::never;
  try {
    return begins || in_snapshot_ ? plan_snapshot(now) : plan_changes(now);
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
  // One that has begun goes on as of the same moment, whichever process reads it.
  const auto moment = after_.is_null() ? std::nullopt : at_;
  Pool::Lease connection(snapshot(moment));
  KeyRanges found;
  if (!key_.names.empty()) {
    found = find_ranges(*connection, layout_.plan.from, key_,
                        {.from = after_,
                         .to = Key(),
                         .max_rows = options_.max_rows_per_trigger,
                         .rows_per_range = options_.rows_per_range});
  }
  connection.give_back();
  auto at = moment.value_or(snapshot_at_);
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
               : key_.names.empty() ? "the snapshot"
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
    for (;;) {
      to = stream().find_end(options_.max_rows_per_trigger);
      const bool is_enough = to && (to->sequence > at_->sequence || ended(*to));
      if (is_enough || !end_ || ended(*at_)) {
        break;
      }
      // Its end is known, so there is more, even if what came so far changed other tables only.
      if (stop_.stop_requested()) {
        throw Stopped();
      }
      stream_->wait(stop_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
    }
  } catch (const Error&) {
    stream_.reset();  // the next call makes another one
    throw;
  }
  if (is_fresh_ && ended(*at_)) {
    to = at_;  // a place to go on from, though there is nothing to read
  } else if (!to || ended(*at_)) {
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
  if (offsets.contains("snapshot")) {
    return read_snapshot(offsets, malformed);
  }
  const auto from = BinlogPosition::from_json(offsets.at("from"));
  const auto to = BinlogPosition::from_json(offsets.at("to"));
  if (stream_ && stream_->position().to_json() != from.to_json()) {
    stream_.reset();
  }
  if (!stream_) {
    stream_ = stream_from(from);
  }
  auto events = stream_->take(to);
  if (options_.schema.empty()) {
    look_for_new_columns(events, to);
  }
  return std::make_unique<ChangeReader>(layout_, std::move(events), to.text(), malformed);
}

SliceInput CdcSource::read_snapshot(const Json& offsets, MalformedReceiver& malformed) {
  const auto& part = offsets.at("snapshot");
  const auto moment = BinlogPosition::from_json(part.at("at"));
  try {
    (void)snapshot(moment);
  } catch (const PurgedBinlog&) {
    if (options_.snapshot != SnapshotMode::when_needed) {
      throw;
    }
    (void)snapshot(std::nullopt);  // plan() begins it anew then, as it can't go on either
  }
  std::vector<Range> ranges;
  if (key_.names.empty()) {
    ranges.push_back(Range{});
  } else if (!part.at("to").is_null()) {
    Key from = part.at("from");
    for (const auto& bound : part.value("bounds", Json::array())) {
      ranges.push_back(key_.range(from, bound));
      from = bound;
    }
    ranges.push_back(key_.range(from, part.at("to")));
  }
  const auto at_us = offsets.at("at_us").get<std::int64_t>();
  std::shared_ptr<const LeftOut> left_out;
  std::unique_ptr<ChangeReader> restored;
  if (past_ && past_->size() > 0) {
    left_out = std::make_shared<const LeftOut>(Past::left_out(past_));
    Pool::Lease connection(*snapshot_);
    auto events = past_->rows(*connection, key_, part.at("from"),
                              part.at("last").get<bool>() ? Key() : Key(part.at("to")), at_us);
    connection.give_back();
    restored = std::make_unique<ChangeReader>(layout_, std::move(events), moment.text(), malformed);
  }
  auto rows = std::make_unique<RangeReader>(layout_.plan, snapshot_, std::move(ranges),
                                            std::move(left_out), malformed);
  return std::make_unique<SnapshotReader>(layout_, std::move(rows), at_us, moment.text(),
                                          std::move(restored));
}

void CdcSource::look_for_new_columns(const std::vector<std::shared_ptr<const RowsEvent>>& events,
                                     const BinlogPosition& to) {
  const auto fresh = fresh_columns(layout_, events, connection_, stop_);
  if (fresh.empty()) {
    return;
  }
  switch (options_.on_schema_change.value_or(formats::OnSchemaChange::ignore)) {
    case formats::OnSchemaChange::add_columns: {
      auto all = layout_.plan.schema;
      all.columns.insert(all.columns.end(), fresh.columns.begin(), fresh.columns.end());
      throw ColumnsGrew(name_, std::move(all), fresh.text());
    }
    case formats::OnSchemaChange::fail:
      throw formats::SchemaChange(
          fmt::format("{} before {}", options_.table, to.text()),
          {.column = fresh.columns.front().name, .reason = "the columns have no such one"},
          "set `on_schema_change: add_columns`");
    default:
      for (const auto& column : fresh.columns) {
        if (left_out_.insert(column.name).second) {
          log_.warn(
              "{} has a new column, {} {}, which is left out; `on_schema_change: add_columns` "
              "takes "
              "it up",
              options_.table, column.name, column.type);
        }
      }
  }
}

void CdcSource::committed(const Json& offsets) {
  if (offsets.contains("snapshot") && offsets.at("snapshot").at("last").get<bool>()) {
    snapshot_.reset();  // the server keeps old rows for as long as a transaction may read them
    past_.reset();
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
