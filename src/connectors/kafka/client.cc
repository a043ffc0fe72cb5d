#include "connectors/kafka/client.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/strings.h"

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
  if (const auto* troubles = static_cast<const Troubles*>(rd_kafka_opaque(client))) {
    troubles->line(level, facility, text);
  }
}

bool is_temporary(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
      return true;
    default:
      return false;
  }
}

std::string_view word_of(SaslMechanism mechanism) { return enum_word(mechanism); }

}  // namespace

std::string text_of(rd_kafka_resp_err_t code) { return rd_kafka_err2str(code); }

Error error_of(std::string_view doing, rd_kafka_resp_err_t code, std::string_view detail) {
  return {Blame::external,
          fmt::format("{}: {}{}{}", doing, text_of(code), detail.empty() ? "" : ": ", detail),
          is_temporary(code) ? Retry::yes : Retry::no};
}

void Troubles::note(rd_kafka_resp_err_t code, std::string_view detail) {
  const std::lock_guard guard(lock_);
  last_ = detail.empty() ? text_of(code) : std::string(detail);
  if (said_.insert(code).second) {
    log_.warn("{}; going on trying", last_);
  }
}

void Troubles::over() {
  const std::lock_guard guard(lock_);
  if (!said_.empty()) {
    said_.clear();
    last_.clear();
    log_.info("the cluster answers again");
  }
}

void Troubles::line(int level, std::string_view facility, std::string_view text) const {
  // What is wrong comes as an error, too; what is left is for those who look for it.
  (void)level;
  log_.debug("{}: {}", facility, text);
}

std::string Troubles::last() const {
  const std::lock_guard guard(lock_);
  return last_;
}

Config::Config(const ConnectionOptions& connection) : conf_(rd_kafka_conf_new()) {
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
    set("sasl.mechanism", std::string(word_of(*connection.sasl_mechanism)));
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

ClientHandle Config::make(rd_kafka_type_t type, Troubles& troubles) && {
  rd_kafka_conf_set_opaque(conf_.get(), &troubles);
  rd_kafka_conf_set_error_cb(conf_.get(), on_error);
  rd_kafka_conf_set_log_cb(conf_.get(), on_log);
  std::array<char, 512> problem{};
  rd_kafka_conf_t* conf = conf_.release();  // the client's, if there is one
  ClientHandle client(rd_kafka_new(type, conf, problem.data(), problem.size()));
  if (client == nullptr) {
    conf_.reset(conf);
    throw Error(Blame::user, fmt::format("librdkafka: {}", problem.data()));
  }
  return client;
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
  const bool with_password =
      connection.sasl_mechanism && *connection.sasl_mechanism != SaslMechanism::oauthbearer;
  if (with_password && (connection.sasl_username.empty() || connection.sasl_password.empty())) {
    diagnostics.error(at,
                      fmt::format("{} of {} needs a name and a password",
                                  word_of(*connection.sasl_mechanism), what),
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
