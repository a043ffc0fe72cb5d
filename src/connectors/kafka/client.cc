#include "connectors/kafka/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "connectors/kafka/entry.h"

namespace millrace::kafka {

namespace {

/// Options of librdkafka that would break what we promise, with what to use instead.
constexpr auto kOurs = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"bootstrap.servers", "use `brokers`"},
    {"metadata.broker.list", "use `brokers`"},
    {"group.id", "use `group_id` of the source"},
    {"enable.auto.commit", "offsets come from the checkpoint"},
    {"enable.auto.offset.store", "offsets come from the checkpoint"},
    {"auto.offset.reset", "use `starting_offsets` and `on_data_loss` of the source"},
    {"enable.partition.eof", "the source needs it"},
    {"isolation.level", "use `read_uncommitted` of the source"},
    {"transactional.id", "the sink makes it from the pipeline's name"},
    {"enable.idempotence", "the sink sets it"},
    {"security.protocol", "use `tls` and `sasl_mechanism`"},
    {"sasl.mechanism", "use `sasl_mechanism`"},
    {"sasl.mechanisms", "use `sasl_mechanism`"},
    {"sasl.username", "use `sasl_username`"},
    {"sasl.password", "use `sasl_password`, which is never printed"},
    {"ssl.key.password", "use `tls_key_password`, which is never printed"},
    {"ssl.endpoint.identification.algorithm", "`tls` always checks whom a certificate is for"},
    {"enable.ssl.certificate.verification", "`tls` always checks certificates"},
    {"compression.codec", "use `compression` of the sink"},
    {"compression.type", "use `compression` of the sink"},
});

void on_error(rd_kafka_t* client, int code, const char* reason, void* troubles) {
  auto error = static_cast<rd_kafka_resp_err_t>(code);
  std::array<char, 512> fatal{};
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    error = rd_kafka_fatal_error(client, fatal.data(), fatal.size());
    reason = fatal.data();
  }
  static_cast<Troubles*>(troubles)->note(error, reason);
}

void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  if (auto* troubles = static_cast<Troubles*>(rd_kafka_opaque(client))) {
    troubles->line(level, facility, text);
  }
}

/// Called by librdkafka's threads.
int on_certificate(rd_kafka_t* /*client*/, const char* /*broker*/, std::int32_t /*number*/,
                   int* problem, int /*depth*/, const char* /*certificate*/, std::size_t /*size*/,
                   char* /*text*/, std::size_t /*text_size*/, void* troubles) {
  if (*problem != 0) {
    static_cast<Troubles*>(troubles)->note_certificate(*problem);
  }
  return *problem == 0 ? 1 : 0;
}

/// What librdkafka says of the files of an option of ours, by its name.
std::string in_our_words(std::string_view problem, const ConnectionOptions& connection) {
  for (const auto& [theirs, ours, path] :
       {std::tuple{"ssl.ca.location", "tls_ca", &connection.tls_ca},
        std::tuple{"ssl.certificate.location", "tls_certificate", &connection.tls_certificate},
        std::tuple{"ssl.key.location", "tls_key", &connection.tls_key}}) {
    if (problem.starts_with(theirs)) {
      return fmt::format(
          "`{}`: {} can't be used ({}); it must be a readable PEM file{}", ours, *path, problem,
          path == &connection.tls_key ? ", that `tls_key_password` opens and that belongs to "
                                        "`tls_certificate`"
                                      : "");
    }
  }
  return fmt::format("librdkafka: {}", problem);
}

bool is_temporary(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
      return true;
    default:
      return false;
  }
}

bool means_unreachable(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
         code == RD_KAFKA_RESP_ERR__RESOLVE;
}

// A request gets this at first, and up to that later.
constexpr auto kFirstRequest = std::chrono::milliseconds(1000);
constexpr auto kLongestRequest = std::chrono::milliseconds(30'000);
// What is under way gets this when a stop was requested.
constexpr auto kLastChance = std::chrono::milliseconds(500);
constexpr auto kLastRequest = std::chrono::milliseconds(250);
// syslog's LOG_ERR, by which librdkafka counts.
constexpr int kSyslogError = 3;

}  // namespace

std::string text_of(rd_kafka_resp_err_t code) { return rd_kafka_err2str(code); }

Error error_of(std::string_view doing, rd_kafka_resp_err_t code, std::string_view detail) {
  return {Blame::external,
          fmt::format("{}: {}{}{}", doing, text_of(code), detail.empty() ? "" : ": ", detail),
          is_temporary(code) ? Retry::yes : Retry::no};
}

void Troubles::tell(TellTrouble tell) {
  const std::lock_guard guard(lock_);
  tell_ = std::move(tell);
}

void Troubles::note(rd_kafka_resp_err_t code, std::string_view detail) {
  const std::lock_guard guard(lock_);
  auto text = detail.empty() ? text_of(code) : std::string(detail);
  if (held_) {
    held_->push_back({code, std::move(text)});
    return;
  }
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !said_.empty()) {
    return;  // why has been said
  }
  last_ = std::move(text);
  tell_(last_);
  unreachable_ = unreachable_ || means_unreachable(code);
  if (said_.insert(code).second) {
    log_.warn("{}; going on trying", last_);
  }
}

void Troubles::over() {
  const std::lock_guard guard(lock_);
  if (!said_.empty()) {
    said_.clear();
    last_.clear();
    unreachable_ = false;
    tell_("");
    log_.info("the cluster answers again");
  }
}

void Troubles::line(int level, std::string_view facility, std::string_view text) {
  // What is wrong comes as an error, too, but for connections that the other side has ended.
  if (facility == "FAIL" && level > kSyslogError) {
    const auto thread_end = text.find("]: ");
    const std::lock_guard guard(lock_);
    if (held_) {
      held_->push_back({.code = RD_KAFKA_RESP_ERR__TRANSPORT,
                        .text = std::string(text.substr(
                            thread_end == std::string_view::npos ? 0 : thread_end + 3))});
      return;
    }
  }
  log_.debug("{}: {}", facility, text);
}

std::string Troubles::last() const {
  const std::lock_guard guard(lock_);
  return last_;
}

void Troubles::hold() {
  const std::lock_guard guard(lock_);
  held_.emplace();
}

std::vector<Trouble> Troubles::held() const {
  const std::lock_guard guard(lock_);
  return held_.value_or(std::vector<Trouble>());
}

void Troubles::release(bool say) {
  const auto held = this->held();
  {
    const std::lock_guard guard(lock_);
    held_.reset();
  }
  for (const auto& [code, text] : held) {
    if (say) {
      note(code, text);
    }
  }
}

bool Troubles::is_unreachable() const {
  const std::lock_guard guard(lock_);
  return unreachable_;
}

std::chrono::milliseconds Patience::next() {
  if (stop_.stop_requested()) {
    return kLastRequest;
  }
  next_ = troubles_.is_unreachable() ? kFirstRequest
                                     : std::clamp(2 * next_, kFirstRequest, kLongestRequest);
  return next_;
}

void Patience::check() {
  if (stop_.stop_requested()) {
    const auto now = std::chrono::steady_clock::now();
    stopped_ = stopped_.value_or(now);
    if (now - *stopped_ >= kLastChance) {
      throw Stopped();
    }
  }
}

Config::Config(const ConnectionOptions& connection)
    : connection_(connection), conf_(rd_kafka_conf_new()) {
  std::string brokers;
  for (const auto& broker : connection.brokers) {
    brokers += (brokers.empty() ? "" : ",") + broker;
  }
  set("bootstrap.servers", brokers);
  set("client.id", "millrace");
  // A broker that comes back is found within a second, not ten.
  set("reconnect.backoff.ms", "50");
  set("reconnect.backoff.max.ms", "1000");
  const bool sasl = connection.sasl_mechanism.has_value();
  set("security.protocol",
      connection.tls ? (sasl ? "sasl_ssl" : "ssl") : (sasl ? "sasl_plaintext" : "plaintext"));
  if (connection.tls) {
    set("ssl.endpoint.identification.algorithm", "https");
    for (const auto& [name, value] :
         {std::pair{"ssl.ca.location", connection.tls_ca},
          std::pair{"ssl.certificate.location", connection.tls_certificate},
          std::pair{"ssl.key.location", connection.tls_key},
          std::pair{"ssl.key.password", connection.tls_key_password.reveal()}}) {
      if (!value.empty()) {
        set(name, value);
      }
    }
  }
  if (sasl) {
    set("sasl.mechanism", std::string(enum_word(*connection.sasl_mechanism)));
    if (!connection.sasl_username.empty()) {
      set("sasl.username", connection.sasl_username);
      set("sasl.password", connection.sasl_password.reveal());
    }
  }
  for (const auto& [name, value] : connection.librdkafka) {
    set(name, value);
  }
}

Config& Config::set(const std::string& name, const std::string& value) {
  std::array<char, 512> problem{};
  if (rd_kafka_conf_set(conf_.get(), name.c_str(), value.c_str(), problem.data(), problem.size()) !=
      RD_KAFKA_CONF_OK) {
    throw Error(Blame::user, fmt::format("librdkafka: {}", problem.data()));
  }
  return *this;
}

Config& Config::suggest(const std::string& name, const std::string& value) {
  return connection_.librdkafka.contains(name) ? *this : set(name, value);
}

ClientHandle Config::make(rd_kafka_type_t type, Troubles& troubles) && {
  set("log.queue", "true");  // its threads call nobody
  rd_kafka_conf_set_opaque(conf_.get(), &troubles);
  rd_kafka_conf_set_error_cb(conf_.get(), on_error);
  rd_kafka_conf_set_log_cb(conf_.get(), on_log);
  rd_kafka_conf_set_ssl_cert_verify_cb(conf_.get(), on_certificate);
  std::array<char, 512> problem{};
  rd_kafka_conf_t* conf = conf_.release();  // the client's, if there is one
  ClientHandle client(rd_kafka_new(type, conf, problem.data(), problem.size()));
  if (client == nullptr) {
    conf_.reset(conf);
    throw Error(Blame::user, in_our_words(problem.data(), connection_));
  }
  rd_kafka_set_log_queue(client.get(), nullptr);  // who polls gets it
  enter(client.get(), connection_, troubles);
  return client;
}

std::string Config::get(const std::string& name) const {
  std::array<char, 64> value{};
  std::size_t size = value.size();
  return rd_kafka_conf_get(conf_.get(), name.c_str(), value.data(), &size) == RD_KAFKA_CONF_OK
             ? value.data()
             : "";
}

std::int64_t max_message_bytes(const ConnectionOptions& connection) {
  return parse_integer(Config(connection).get("message.max.bytes")).value_or(1'000'000);
}

bool check_connection(const ConnectionOptions& connection, const Location& at,
                      Diagnostics& diagnostics, std::string_view what) {
  const auto errors = diagnostics.error_count();
  for (const auto& [name, hint] : kOurs) {
    if (connection.librdkafka.contains(std::string(name))) {
      diagnostics.error(at, fmt::format("`librdkafka` of {} can't set {}", what, name),
                        std::string(hint));
    }
  }
  if (!connection.tls && !(connection.tls_ca.empty() && connection.tls_certificate.empty())) {
    diagnostics.error(at, fmt::format("{} names certificates, but does not use TLS", what),
                      "set `tls: true`");
  }
  if (connection.tls_certificate.empty() != connection.tls_key.empty()) {
    diagnostics.error(at, fmt::format("{} has a certificate or its key, not both", what),
                      "set `tls_certificate` and `tls_key`");
  }
  const bool with_password =
      connection.sasl_mechanism && *connection.sasl_mechanism != SaslMechanism::oauthbearer;
  if (with_password && (connection.sasl_username.empty() || connection.sasl_password.empty())) {
    diagnostics.error(at,
                      fmt::format("{} of {} needs a name and a password",
                                  enum_word(*connection.sasl_mechanism), what),
                      "set `sasl_username` and `sasl_password`");
  }
  if (connection.sasl_mechanism == SaslMechanism::plain && !connection.tls) {
    diagnostics.warning(at, fmt::format("{} sends its password unencrypted", what),
                        "set `tls: true`");
  }
  if (diagnostics.error_count() == errors) {
    try {
      (void)Config(connection);
    } catch (const Error& error) {
      diagnostics.error(at, fmt::format("{}: {}", what, error.what()));
    }
  }
  return diagnostics.error_count() == errors;
}

}  // namespace millrace::kafka
