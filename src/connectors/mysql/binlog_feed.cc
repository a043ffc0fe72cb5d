#include "connectors/mysql/binlog_feed.h"

#include <fmt/format.h>
#include <mariadb/mysqld_error.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "connectors/mysql/binlog_events.h"
#include "connectors/mysql/catalog.h"
#include "connectors/mysql/gtid_set.h"

namespace millrace::mysql {

namespace {

constexpr std::size_t kChecksumBytes = 4;
constexpr unsigned kNonBlocking = 1;
constexpr std::uint64_t kFileBegin = 4;
/// What a packet begins with.
constexpr unsigned kEvent = 0;
constexpr unsigned kEndPacket = 254;
constexpr std::size_t kEndBytesMax = 8;
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html
constexpr int kDump = 18;
constexpr int kDumpGtid = 30;
constexpr std::chrono::nanoseconds kHeartbeat = std::chrono::seconds(5);

void append(std::uint64_t number, unsigned bytes, std::string& to) {
  for (unsigned i = 0; i < bytes; ++i) {
    to += static_cast<char>(number >> (8 * i) & 0xFFU);
  }
}

}  // namespace

PurgedBinlog::PurgedBinlog(const BinlogPosition& from, std::string_view text)
    : Error(Blame::user,
            fmt::format("the server has no binlog any more that goes back to {}: {}; keep it for "
                        "longer (binlog_expire_logs_seconds), and begin with a new snapshot: "
                        "remove the checkpoint, or set `snapshot: when_needed`",
                        from.text(), text)) {}

BinlogFeed::BinlogFeed(const ConnectionOptions& options, const BinlogPosition& from,
                       const Settings& settings, const std::stop_token& stop)
    : from_(from), settings_(settings), connection_(options, stop) {
  connection_.execute("SET @master_binlog_checksum = @@global.binlog_checksum");
  connection_.execute("SET @source_binlog_checksum = @@global.binlog_checksum");
  // A sign of life while nothing happens, well before its absence would be taken for a lost server.
  const auto heartbeat = std::min(kHeartbeat, std::chrono::nanoseconds(options.read_timeout) / 3);
  connection_.execute(fmt::format("SET @master_heartbeat_period = {}", heartbeat.count()));
  connection_.execute(fmt::format("SET @source_heartbeat_period = {}", heartbeat.count()));
  // Of what comes before that says where a file begins, which then says it.
  has_checksums_ = connection_.query_value("SELECT @@global.binlog_checksum") != "NONE";
  if (connection_.is_mariadb()) {
    prepare_mariadb();
  }
  begin();
}

void BinlogFeed::prepare_mariadb() {
  connection_.execute("SET @mariadb_slave_capability = 4");
  if (!from_.gtid.empty()) {
    check_replica();
    connection_.execute(fmt::format("SET @slave_connect_state = '{}'", from_.gtid));
    connection_.execute("SET @slave_gtid_strict_mode = 1");
    connection_.execute("SET @slave_gtid_ignore_duplicates = 0");
  }
}

/// MariaDB has the same words for a binlog that was purged and one that is not so far yet.
void BinlogFeed::check_replica() {
  if (connection_.query_value("SELECT @@gtid_slave_pos").value_or("").empty()) {
    return;  // it never followed another server
  }
  const auto end = end_of_binlog(connection_);
  if (end.gtid.empty() || !end.has_reached(from_)) {
    throw Error(Blame::external,
                fmt::format("the server is a replica that is behind: {} was read already, and its "
                            "binlog (log_slave_updates) ends at `{}`",
                            from_.gtid, end.gtid),
                Retry::yes);
  }
}

void BinlogFeed::begin() {
  const unsigned flags = settings_.waits ? 0 : kNonBlocking;
  const bool has_gtid = !from_.gtid.empty();
  const auto done =
      has_gtid && !connection_.is_mariadb() ? GtidSet::parse(from_.gtid) : std::nullopt;
  std::string request;
  if (done && connection_.query_value("SELECT @@global.gtid_mode") == "ON") {
    const auto set = done->encoded();
    append(flags, 2, request);
    append(settings_.server_id, 4, request);
    append(0, 4, request);  // no file
    append(kFileBegin, 8, request);
    append(set.size(), 4, request);
    request += set;
    ask(kDumpGtid, request);
    return;
  }
  const bool by_gtid = has_gtid && connection_.is_mariadb();
  append(by_gtid ? kFileBegin : from_.offset, 4, request);
  append(flags, 2, request);
  append(settings_.server_id, 4, request);
  request += by_gtid ? "" : from_.file;
  ask(kDump, request);
}

void BinlogFeed::ask(int command, const std::string& request) {
  auto* mysql = connection_.handle();
  connection_.wait_for([&] {
    if (mysql->methods->db_command(mysql, static_cast<enum_server_command>(command), request.data(),
                                   request.size(), 1, nullptr) != 0) {
      connection_.fail("asking for the binlog");
    }
  });
}

std::optional<std::size_t> BinlogFeed::read_packet() {
  auto* mysql = connection_.handle();
  std::size_t size = 0;
  connection_.wait_for([&] { size = mysql_net_read_packet(mysql); });
  if (size == packet_error) {
    if (mysql_errno(mysql) == ER_MASTER_FATAL_ERROR_READING_BINLOG) {
      throw PurgedBinlog(from_, mysql_error(mysql));
    }
    connection_.fail("reading the binlog");
  }
  const unsigned mark = size == 0 ? kEndPacket : unsigned{mysql->net.read_pos[0]};
  if (mark == kEndPacket && size <= kEndBytesMax) {
    if (settings_.waits) {
      throw Error(Blame::external, "the server ended the binlog that it was to go on with",
                  Retry::yes);
    }
    return std::nullopt;
  }
  if (mark != kEvent) {
    throw Error(Blame::external, "the server sent something else than its binlog", Retry::yes);
  }
  return size - 1;
}

std::optional<BinlogEvent> BinlogFeed::next() {
  const auto size = read_packet();
  if (!size) {
    return std::nullopt;
  }
  ByteReader bytes(std::span(connection_.handle()->net.read_pos + 1, *size));
  ByteReader header(bytes.take(kEventHeaderBytes));
  BinlogEvent event{.body = ByteReader({})};
  event.time_s = static_cast<std::int64_t>(header.number(4));
  event.type = static_cast<unsigned>(header.number(1));
  event.server_id = static_cast<std::uint32_t>(header.number(4));
  header.take(4);  // its size
  event.next = header.number(4);
  if (event.type == kFormatDescription) {
    // At its end is whether events have a checksum; it has one itself in any case.
    ByteReader body = bytes;
    body.take(body.left() - std::min(body.left(), kChecksumBytes + 1));
    has_checksums_ = body.number(1) == 1;
  }
  const bool has_checksum = has_checksums_ || event.type == kFormatDescription;
  event.body = ByteReader(
      bytes.take(bytes.left() - (has_checksum ? std::min(kChecksumBytes, bytes.left()) : 0)));
  return event;
}

}  // namespace millrace::mysql
