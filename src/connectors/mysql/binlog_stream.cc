#include "connectors/mysql/binlog_stream.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/strings.h"
#include "connectors/mysql/binlog_compression.h"
#include "connectors/mysql/binlog_events.h"
#include "connectors/mysql/binlog_statement.h"
#include "connectors/mysql/binlog_values.h"

namespace millrace::mysql {

namespace {

/// Of a GTID event: the event alone is the transaction, as of DDL.
constexpr std::uint64_t kStandalone = 1;

/// What an event with rows is.
struct RowsType {
  ChangeKind kind = ChangeKind::insert;
  bool has_extra = false;  ///< more in its header: version 2
  bool is_compressed = false;
};

/// nullopt: it is another event. Kinds come in the order insert, update, delete.
std::optional<RowsType> rows_of(unsigned type) {
  static constexpr std::array<std::pair<unsigned, RowsType>, 4> kFirst{
      {{kWriteRowsV1, {}},
       {kWriteRowsV2, {.has_extra = true}},
       {kMariadbWriteRowsCompressedV1, {.is_compressed = true}},
       {kMariadbWriteRowsCompressedV2, {.has_extra = true, .is_compressed = true}}}};
  static constexpr std::array kKinds{ChangeKind::insert, ChangeKind::update, ChangeKind::remove};
  for (auto [first, found] : kFirst) {
    if (type >= first && type < first + kKinds.size()) {
      found.kind = kKinds[type - first];
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace

/// Makes items of events. Of the reading thread.
class BinlogStream::Reader {
 public:
  Reader(BinlogStream& stream, BinlogPosition from, bool is_mariadb, std::stop_token stop)
      : stream_(stream),
        stop_(std::move(stop)),
        settings_(stream.settings_),
        at_(std::move(from)),
        skip_(at_.given),
        is_mariadb_(is_mariadb) {
    at_.sequence -= at_.given;
    at_.given = 0;
  }

  void on_event(BinlogEvent& event) {
    const unsigned type = event.type;
    const std::uint64_t next = event.next;
    auto& body = event.body;
    switch (type) {
      case kRotate:
        at_.offset = body.number(8);
        at_.file = body.text(body.left());
        return;
      case kStop:
      case kFormatDescription:
      case kPreviousGtids:
      case kMariadbBinlogCheckpoint:
      case kMariadbGtidList:
        pass_over(next);
        break;
      case kMariadbGtid:
        server_ = event.server_id;
        on_gtid(body);
        break;
      case kTableMap:
        on_table_map(body);
        break;
      case kQuery:
        on_query(body, next, false);
        break;
      case kXid:
        end_transaction(next);
        break;
      case kGtid:
        on_mysql_gtid(body);
        break;
      case kTaggedGtid:
        at_.gtid.clear();  // from here on by file and offset
        break;
      case kMariadbQueryCompressed:
        on_query(body, next, true);
        break;
      case kTransactionPayload: {
        PayloadReader payload(body);
        while (auto inner = payload.next()) {
          BinlogEvent one{.type = inner->type,
                          .server_id = event.server_id,
                          .next = next,
                          .time_s = inner->time_s,
                          .body = inner->body};
          on_event(one);
        }
        break;
      }
      case kPartialUpdateRows:
        refuse_partial(body);
        break;
      default:
        if (const auto rows = rows_of(type)) {
          on_rows(*rows, event.time_s, body);
        }
    }
  }

 private:
  /// An event of the file itself, between two transactions: a file that was begun, and has nothing
  /// else yet, has to be reached, too.
  void pass_over(std::uint64_t next) {
    if (skip_ == 0 && next > at_.offset) {
      at_.offset = next;
      stream_.add({.rows = nullptr, .after = at_, .is_whole = true}, 0, stop_);
    }
  }

  void on_gtid(ByteReader& body) {
    number_ = body.number(8);
    domain_ = static_cast<std::uint32_t>(body.number(4));
    is_alone_ = (body.number(1) & kStandalone) != 0;
  }

  void on_mysql_gtid(ByteReader& body) {
    body.take(1);
    std::ranges::copy(body.take(mysql_server_.size()), mysql_server_.begin());
    number_ = body.number(8);
  }

  /// Of an update of JSON only the changed pieces: the rest of the value would have to be known.
  void refuse_partial(ByteReader& body) const {
    if (tables_.contains(body.number(6))) {
      throw Error(
          Blame::user,
          fmt::format("{}.{} has updates of JSON at {} of which the binlog has pieces only; "
                      "SET GLOBAL binlog_row_value_options = '', make clients connect "
                      "anew, and begin with a new snapshot: remove the checkpoint",
                      settings_.database, settings_.table, at_.text()));
    }
  }

  void on_query(ByteReader& body, std::uint64_t next, bool is_compressed) {
    body.take(8);  // thread and duration
    const auto database_bytes = body.number(1);
    body.take(2);  // error
    body.take(body.number(2));
    const auto database = body.text(database_bytes);
    body.take(1);
    const auto text = body.take(body.left());
    const auto plain = is_compressed ? inflate_event(text) : std::vector(text.begin(), text.end());
    const std::string statement(plain.begin(), plain.end());
    if (statement == "BEGIN") {
      return;
    }
    const auto loss = untold_loss(statement, database,
                                  {.database = settings_.database, .table = settings_.table});
    if (!loss.empty()) {
      throw Error(Blame::user,
                  fmt::format("{}.{} {} ({}), and no change says which rows are gone; begin with a "
                              "new snapshot: remove the checkpoint",
                              settings_.database, settings_.table, loss, at_.text()));
    }
    catalog_.reset();  // it may have altered the table
    if (!is_mariadb_ || is_alone_ || statement == "COMMIT" || statement == "ROLLBACK") {
      end_transaction(next);
    }
  }

  void on_table_map(ByteReader& body) {
    const auto id = body.number(6);
    body.take(2);
    auto table = std::make_shared<BinlogTable>(read_table_map(body.take(body.left())));
    if (table->database != settings_.database || table->name != settings_.table) {
      tables_.erase(id);
      return;
    }
    if (!table->has_names) {
      add_names(*table);
    }
    tables_[id] = std::move(table);
  }

  /// The binlog says the types only; the rest is as the catalog has it now.
  void add_names(BinlogTable& table) {
    if (!catalog_) {
      catalog_ = settings_.catalog();
    }
    const auto& now = *catalog_;
    if (now.columns.size() != table.columns.size()) {
      throw Error(Blame::user,
                  fmt::format("{}.{} had {} columns at {} and has {} now, and the binlog does not "
                              "say which; SET GLOBAL binlog_row_metadata = FULL before tables are "
                              "changed, and begin with a new snapshot",
                              settings_.database, settings_.table, table.columns.size(), at_.text(),
                              now.columns.size()));
    }
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      auto& column = table.columns[c];
      column.name = now.columns[c].name;
      column.is_unsigned = now.columns[c].is_unsigned;
      column.charset = now.columns[c].charset;
      column.words = now.columns[c].words;
    }
  }

  void on_rows(const RowsType& type, std::int64_t time_s, ByteReader& body) {
    const auto found = tables_.find(body.number(6));
    if (found == tables_.end()) {
      return;
    }
    body.take(2);
    if (type.has_extra) {
      body.take(body.number(2) - 2);
    }
    auto rows = std::make_shared<RowsEvent>();
    rows->table = found->second;
    rows->kind = type.kind;
    rows->time_us = time_s * 1'000'000;
    const auto columns = body.length();
    if (columns != rows->table->columns.size()) {
      throw Error(Blame::external, "the binlog has rows of another table than it said", Retry::yes);
    }
    const auto bitmap = (columns + 7) / 8;
    const auto copy = [](auto span) { return std::vector(span.begin(), span.end()); };
    rows->present = copy(body.take(bitmap));
    rows->present_after =
        rows->kind == ChangeKind::update ? copy(body.take(bitmap)) : rows->present;
    const auto images = body.take(body.left());
    rows->images = type.is_compressed ? inflate_event(images) : copy(images);
    count(*rows);
    if (rows->changes == 0) {
      return;
    }
    rows->first = at_.sequence;
    at_.sequence += rows->changes;
    at_.given += rows->changes;
    if (skip_ > 0) {  // given before a restart
      skip_ -= rows->changes;
      return;
    }
    const auto bytes = rows->images.size();
    stream_.add({.rows = std::move(rows), .after = at_, .is_whole = false}, bytes, stop_);
  }

  static void count(RowsEvent& rows) {
    const ImageReader images(*rows.table);
    ByteReader bytes(rows.images);
    while (bytes.left() > 0) {
      images.skip(bytes, rows.present);
      if (rows.kind == ChangeKind::update) {
        images.skip(bytes, rows.present_after);
      }
      rows.changes++;
    }
  }

  void end_transaction(std::uint64_t next) {
    if (is_mariadb_) {
      at_.pass(domain_, server_, number_);
    } else if (number_ > 0) {
      at_.pass(mysql_server_, std::exchange(number_, 0));
    }
    at_.offset = next;
    at_.given = 0;
    skip_ = 0;
    stream_.add({.rows = nullptr, .after = at_, .is_whole = true}, 0, stop_);
  }

  BinlogStream& stream_;
  std::stop_token stop_;
  const StreamSettings& settings_;
  BinlogPosition at_;
  std::int64_t skip_;
  bool is_mariadb_;
  std::map<std::uint64_t, std::shared_ptr<const BinlogTable>> tables_;
  std::optional<BinlogTable> catalog_;  ///< as it is since the last statement that may alter it
  // Of the transaction that is under way:
  std::uint64_t number_ = 0;
  std::uint32_t domain_ = 0;
  std::uint32_t server_ = 0;
  bool is_alone_ = false;
  GtidSet::Server mysql_server_{};
};

/// While the reading thread has a connection, whoever ends the stream may cut it.
class BinlogStream::Interruptible {
 public:
  Interruptible(BinlogStream& stream, int socket) : stream_(stream) { set(socket); }
  ~Interruptible() { set(-1); }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  void set(int socket) {
    const std::lock_guard guard(stream_.lock_);
    stream_.socket_ = socket;
  }

  BinlogStream& stream_;
};

BinlogStream::BinlogStream(const ConnectionOptions& connection, StreamSettings settings,
                           BinlogPosition from, const std::stop_token& stop)
    : connection_options_(connection),
      settings_(std::move(settings)),
      stop_(stop),
      taken_(std::move(from)),
      thread_([this](const std::stop_token& end) { read(end); }) {}

BinlogStream::~BinlogStream() {
  thread_.request_stop();
  const std::lock_guard guard(lock_);
  if (socket_ >= 0) {
    ::shutdown(socket_, SHUT_RDWR);  // or it would wait for the next event
  }
}

void BinlogStream::check() const {
  if (error_) {
    std::rethrow_exception(error_);
  }
}

void BinlogStream::add(Item item, std::size_t bytes, const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  // A transaction's end is no more to hold, but the end of what comes before it.
  changed_.wait(guard, stop, [&] { return bytes == 0 || bytes_ < settings_.buffer_bytes; });
  if (!items_.empty() && item.rows == nullptr && items_.back().rows == nullptr) {
    items_.back() = std::move(item);
  } else {
    items_.push_back(std::move(item));
  }
  bytes_ += bytes;
  has_news_ = true;
  changed_.notify_all();
}

std::optional<BinlogPosition> BinlogStream::find_end(std::int64_t max_changes) {
  const std::lock_guard guard(lock_);
  has_news_ = false;
  std::optional<BinlogPosition> whole;
  std::optional<BinlogPosition> part;
  const auto has_changes = [&](const auto& place) {
    return place && place->sequence > taken_.sequence;
  };
  bool is_full = bytes_ >= settings_.buffer_bytes;
  for (const auto& item : items_) {
    // Of the first event there is no part, however large it is.
    const bool is_too_much = item.after.sequence - taken_.sequence > max_changes;
    if (item.rows && is_too_much && (has_changes(whole) || has_changes(part))) {
      is_full = true;
      break;
    }
    (item.is_whole ? whole : part) = item.after;
  }
  if (!has_changes(whole) && has_changes(part) && is_full) {
    return part;
  }
  if (!has_changes(whole)) {
    check();  // nothing else will come
  }
  return whole;
}

std::vector<std::shared_ptr<const RowsEvent>> BinlogStream::take(const BinlogPosition& to) {
  std::vector<std::shared_ptr<const RowsEvent>> taken;
  const auto is_before = [&](const BinlogPosition& place) {
    return place.sequence < to.sequence ||
           (place.sequence == to.sequence && !place.has_reached(to));
  };
  std::unique_lock guard(lock_);
  while (is_before(taken_)) {
    changed_.wait(guard, stop_, [&] { return !items_.empty() || error_; });
    if (items_.empty()) {
      check();
      throw Stopped();
    }
    auto item = std::move(items_.front());
    items_.pop_front();
    if (item.rows) {
      bytes_ -= item.rows->images.size();
      taken.push_back(std::move(item.rows));
    }
    taken_ = std::move(item.after);
    changed_.notify_all();
  }
  has_news_ = !items_.empty();
  return taken;
}

void BinlogStream::wait(std::stop_token stop, std::chrono::steady_clock::time_point until) {
  std::unique_lock guard(lock_);
  changed_.wait_until(guard, std::move(stop), until, [&] { return error_ || has_news_; });
}

void BinlogStream::read(const std::stop_token& stop) {
  try {
    const auto from = taken_;
    BinlogFeed feed(connection_options_, from, {.server_id = settings_.server_id}, stop);
    const Interruptible guard(*this,
                              static_cast<int>(mysql_get_socket(feed.connection().handle())));
    Reader reader(*this, from, feed.connection().is_mariadb(), stop);
    while (!stop.stop_requested()) {
      if (auto event = feed.next()) {
        reader.on_event(*event);
      }
    }
  } catch (...) {
    const std::lock_guard guard(lock_);
    error_ = std::current_exception();
  }
  changed_.notify_all();
}

}  // namespace millrace::mysql
