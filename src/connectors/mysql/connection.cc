#include "connectors/mysql/connection.h"

#include <fmt/format.h>
#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "connectors/mysql/cells.h"

namespace millrace::mysql {

namespace {

constexpr const char* kSystemCertificates = "/etc/ssl/certs/ca-certificates.crt";
/// A row may be as large; the server has a limit of its own, mostly a smaller one.
constexpr std::size_t kMaxPacketBytes = std::size_t{1} << 30U;

/// What passes: the server is away, busy, or took sides in a deadlock.
bool is_temporary(unsigned code, std::string_view text) {
  switch (code) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_MALFORMED_PACKET:
    case ER_CON_COUNT_ERROR:
    case ER_HOST_IS_BLOCKED:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_USER_LIMIT_REACHED:  // connections at once, or in an hour
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK:
    case ER_QUERY_INTERRUPTED:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_OPTION_PREVENTS_STATEMENT:  // read-only, while another server takes over
    case ER_CONNECTION_KILLED:
      return true;
    case CR_SSL_CONNECTION_ERROR:
      return text.find("ertificate") == std::string_view::npos &&
             text.find("verif") == std::string_view::npos;
    default:
      return false;
  }
}

bool is_of_user(unsigned code) {
  switch (code) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_BAD_DB_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_BAD_FIELD_ERROR:
    case ER_PARSE_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case CR_SSL_CONNECTION_ERROR:
      return true;
    default:
      return false;
  }
}

/// SQLSTATE's classes: a value that can't be (22), a constraint (23, 44), a trigger's SIGNAL (45).
/// Some have the class of everything else.
bool is_of_row(unsigned code, std::string_view state) {
  const auto state_class = state.substr(0, 2);
  return state_class == "22" || state_class == "23" || state_class == "44" || state_class == "45" ||
         code == ER_TRUNCATED_WRONG_VALUE_FOR_FIELD || code == WARN_DATA_TRUNCATED ||
         code == ER_NO_DEFAULT_FOR_FIELD || code == 3819 /* MySQL: a CHECK */ ||
         code == 3140 /* MySQL: no JSON */;
}

/// What a person can do about it.
std::string_view way_out(unsigned code) {
  switch (code) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
      return "; check `user` and `password` of the connection";
    case CR_SSL_CONNECTION_ERROR:
      return "; `tls_ca` names whom to trust, and the certificate must be for `host`";
    case ER_OPTION_PREVENTS_STATEMENT:
      return "; is it a replica?";
    default:
      return "";
  }
}

Blame blame_of(unsigned code) { return is_of_user(code) ? Blame::user : Blame::external; }

void set(MYSQL* handle, mysql_option option, const void* value) {
  if (mysql_optionsv(handle, option, value) != 0) {
    throw Error(Blame::internal,
                fmt::format("libmariadb takes no option {}", fmt::underlying(option)));
  }
}

unsigned seconds_of(std::chrono::milliseconds time) {
  return static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

void set_tls(MYSQL* handle, const ConnectionOptions& options) {
  const my_bool yes = 1;
  set(handle, MYSQL_OPT_SSL_ENFORCE, &yes);
  set(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  set(handle, MYSQL_OPT_SSL_CA,
      options.tls_ca.empty() ? kSystemCertificates : options.tls_ca.c_str());
  if (!options.tls_certificate.empty()) {
    set(handle, MYSQL_OPT_SSL_CERT, options.tls_certificate.c_str());
    set(handle, MYSQL_OPT_SSL_KEY, options.tls_key.c_str());
  }
}

/// Who waits on this thread. libmariadb's hook for waiting gets nothing but the socket.
thread_local const std::stop_token* waiting = nullptr;

/// While a call into libmariadb may wait for the server.
class MayWait {
 public:
  explicit MayWait(const std::stop_token& stop) : before_(std::exchange(waiting, &stop)) {}
  ~MayWait() { waiting = before_; }
  MayWait(const MayWait&) = delete;
  MayWait& operator=(const MayWait&) = delete;

 private:
  const std::stop_token* before_;
};

/// Waits until a socket can be read or written: above 0; 0: the time is over, or a stop was
/// requested a while ago.
int wait_for_server(my_socket socket, my_bool is_read, int timeout_ms) {
  constexpr int kSliceMs = 200;
  constexpr int kSlicesAfterStop = 5;
  pollfd on{
      .fd = socket, .events = static_cast<short>(is_read != 0 ? POLLIN : POLLOUT), .revents = 0};
  int stopped = 0;
  for (int left = timeout_ms; timeout_ms < 0 || left > 0; left -= kSliceMs) {
    const int ready = ::poll(&on, 1, timeout_ms < 0 ? kSliceMs : std::min(left, kSliceMs));
    if (ready > 0 || (ready < 0 && errno != EINTR)) {
      return ready;
    }
    if (waiting != nullptr && waiting->stop_requested() && ++stopped >= kSlicesAfterStop) {
      break;
    }
  }
  errno = ETIMEDOUT;
  return 0;
}

/// NULL, and the text of any other value.
std::optional<std::string> text_of(const MYSQL_FIELD& field, const Cell& cell) {
  if (cell.data == nullptr) {
    return std::nullopt;
  }
  std::string text;
  write_text(field, cell, text);
  return text;
}

}  // namespace

ServerError::ServerError(std::string_view doing, unsigned code, std::string_view state,
                         std::string_view text)
    : Error(blame_of(code),
            fmt::format("{}: {} (error {}){}", doing, excerpt(text, 1000), code, way_out(code)),
            is_temporary(code, text) ? Retry::yes : Retry::no),
      code_(code),
      is_of_row_(mysql::is_of_row(code, state)),
      reason_(fmt::format("{} (error {})", excerpt(text, 1000), code)) {}

Connection::Connection(const ConnectionOptions& options, std::stop_token stop)
    : stop_(std::move(stop)), handle_(mysql_init(nullptr)) {
  if (handle_ == nullptr) {
    throw std::bad_alloc();
  }
  const unsigned connect_s = seconds_of(options.connect_timeout);
  const unsigned read_s = seconds_of(options.read_timeout);
  const unsigned no = 0;
  set(handle(), MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  set(handle(), MYSQL_OPT_READ_TIMEOUT, &read_s);
  set(handle(), MYSQL_OPT_WRITE_TIMEOUT, &read_s);
  set(handle(), MYSQL_OPT_MAX_ALLOWED_PACKET, &kMaxPacketBytes);
  set(handle(), MYSQL_OPT_LOCAL_INFILE, &no);  // or the server could ask for our files
  set(handle(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set(handle(), MARIADB_OPT_IO_WAIT, reinterpret_cast<const void*>(&wait_for_server));  // NOLINT
  if (options.uses_tls()) {
    set_tls(handle(), options);
  }
  const MayWait guard(stop_);
  const bool by_socket = !options.socket.empty();
  // "localhost" would be taken for the socket of this machine's own server.
  const auto& host =
      options.host == "localhost" && !options.uses_tls() ? "127.0.0.1" : options.host;
  if (mysql_real_connect(handle(), by_socket ? "localhost" : host.c_str(), options.user.c_str(),
                         options.password.reveal().c_str(), options.database.c_str(),
                         static_cast<unsigned>(options.port),
                         by_socket ? options.socket.c_str() : nullptr,
                         CLIENT_FOUND_ROWS) == nullptr) {
    fail(fmt::format("cannot connect to {}", options.text()));
  }
  // A reader that has to wait for its pipeline must not be cut off.
  execute(
      "SET SESSION time_zone = '+00:00', net_write_timeout = 86400, net_read_timeout = 3600, "
      "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'");
}

void Connection::fail(std::string_view doing) const {
  if (stop_.stop_requested()) {
    throw Stopped();
  }
  const auto code = mysql_errno(handle());
  throw ServerError(doing, code == 0 ? CR_SERVER_LOST : code, mysql_sqlstate(handle()),
                    code == 0 ? "the connection was lost" : mysql_error(handle()));
}

void Connection::wait_for(const std::function<void()>& calls) const {
  const MayWait guard(stop_);
  calls();
}

bool Connection::is_mariadb() const noexcept { return mariadb_connection(handle()) != 0; }

void Connection::execute(const std::string& sql) {
  const MayWait guard(stop_);
  if (mysql_real_query(handle(), sql.data(), sql.size()) != 0) {
    fail(excerpt(sql, 100));
  }
}

TextRows Connection::query(const std::string& sql, const std::vector<Value>& parameters) {
  Statement statement(*this, sql);
  statement.execute(parameters);
  TextRows rows;
  for (auto cells = statement.fetch(); !cells.empty(); cells = statement.fetch()) {
    auto& row = rows.emplace_back();
    row.reserve(cells.size());
    for (std::size_t c = 0; c < cells.size(); ++c) {
      row.push_back(text_of(statement.fields()[c], cells[c]));
    }
  }
  return rows;
}

TextRows Connection::query_unprepared(const std::string& sql) {
  execute(sql);
  const MayWait guard(stop_);
  const std::unique_ptr<MYSQL_RES, FreeResult> result(mysql_store_result(handle()));
  if (result == nullptr) {
    fail(excerpt(sql, 100));
  }
  TextRows rows;
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const auto* lengths = mysql_fetch_lengths(result.get());
    auto& to = rows.emplace_back();
    for (unsigned c = 0; c < mysql_num_fields(result.get()); ++c) {
      to.push_back(row[c] == nullptr
                       ? std::nullopt
                       : std::optional<std::string>(std::in_place, row[c], lengths[c]));
    }
  }
  return rows;
}

std::optional<std::string> Connection::query_value(const std::string& sql,
                                                   const std::vector<Value>& parameters) {
  auto rows = query(sql, parameters);
  return rows.empty() ? std::nullopt : std::move(rows.front().front());
}

Statement::Statement(Connection& connection, const std::string& sql)
    : connection_(connection), statement_(mysql_stmt_init(connection.handle())) {
  if (statement_ == nullptr) {
    throw std::bad_alloc();
  }
  const MayWait guard(connection_.stop());
  if (mysql_stmt_prepare(statement_.get(), sql.data(), sql.size()) != 0) {
    fail(excerpt(sql, 200));
  }
  metadata_.reset(mysql_stmt_result_metadata(statement_.get()));
  if (metadata_ != nullptr) {
    fields_ = {mysql_fetch_fields(metadata_.get()), mysql_num_fields(metadata_.get())};
    cells_.resize(fields_.size());
    // libmariadb then leaves the values where they are, and tells us of them.
    mysql_stmt_attr_set(statement_.get(), STMT_ATTR_CB_USER_DATA, this);
    mysql_stmt_attr_set(statement_.get(), STMT_ATTR_CB_RESULT,
                        reinterpret_cast<const void*>(&Statement::on_value));  // NOLINT
  }
}

void Statement::fail(std::string_view doing) const {
  if (connection_.stop().stop_requested()) {
    throw Stopped();
  }
  if (mysql_stmt_errno(statement_.get()) != 0) {
    throw ServerError(doing, mysql_stmt_errno(statement_.get()),
                      mysql_stmt_sqlstate(statement_.get()), mysql_stmt_error(statement_.get()));
  }
  connection_.fail(doing);  // the statement is not told of a connection that was lost between rows
}

void Statement::execute(const std::vector<Value>& parameters) {
  std::vector<MYSQL_BIND> binds(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    // Only read: libmariadb has no type for that.
    if (const auto* number = std::get_if<std::int64_t>(&parameters[i])) {
      binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
      binds[i].buffer = const_cast<std::int64_t*>(number);  // NOLINT
    } else if (const auto* natural = std::get_if<std::uint64_t>(&parameters[i])) {
      binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
      binds[i].is_unsigned = 1;
      binds[i].buffer = const_cast<std::uint64_t*>(natural);  // NOLINT
    } else if (const auto* text = std::get_if<std::string>(&parameters[i])) {
      binds[i].buffer_type = MYSQL_TYPE_STRING;
      binds[i].buffer = const_cast<char*>(text->data());  // NOLINT
      binds[i].buffer_length = text->size();
    } else {
      binds[i].buffer_type = MYSQL_TYPE_NULL;
    }
  }
  execute(binds);
}

void Statement::execute(std::span<MYSQL_BIND> parameters) {
  const MayWait guard(connection_.stop());
  auto* statement = statement_.get();
  if ((!parameters.empty() && mysql_stmt_bind_param(statement, parameters.data()) != 0) ||
      mysql_stmt_execute(statement) != 0) {
    fail("a statement");
  }
}

std::span<const Cell> Statement::fetch() {
  const MayWait guard(connection_.stop());
  is_cut_ = false;
  switch (mysql_stmt_fetch(statement_.get())) {
    case 0:
      if (is_cut_) {
        throw Error(Blame::external, "the server sent a row that ends too early", Retry::yes);
      }
      return cells_;
    case MYSQL_NO_DATA:
      return {};
    default:
      fail("reading rows");
  }
}

void Statement::on_value(void* statement, unsigned column, unsigned char** row) {
  static_cast<Statement*>(statement)->take(column, row);
}

/// What the row says of lengths is not believed beyond the buffer that it is in.
void Statement::take(unsigned column, unsigned char** row) {
  Cell& cell = cells_[column];
  cell = {};
  if (row == nullptr || is_cut_) {
    return;
  }
  const unsigned char* const end = connection_.handle()->net.buff_end;
  const auto size = size_of(fields_[column].type, *row, end);
  is_cut_ = !size || std::cmp_greater(size->before + size->size, end - *row);
  if (!is_cut_) {
    cell = {*row + size->before, size->size};
    *row += size->before + size->size;
  }
}

Statement& Connection::prepared(const std::string& sql) {
  constexpr std::size_t kPreparedMax = 4;
  const auto found = std::ranges::find(prepared_, sql, [](const auto& each) { return each.first; });
  if (found != prepared_.end()) {
    std::rotate(found, found + 1, prepared_.end());
  } else {
    if (prepared_.size() == kPreparedMax) {
      prepared_.erase(prepared_.begin());
    }
    prepared_.emplace_back(sql, std::make_unique<Statement>(*this, sql));
  }
  return *prepared_.back().second;
}

std::string quote(std::string_view name) { return in_quotes(name, '`'); }

}  // namespace millrace::mysql
