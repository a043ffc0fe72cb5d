#include "connectors/kafka/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace millrace::kafka {

namespace {

using Steady = std::chrono::steady_clock;

constexpr int kPollMs = 100;
// Brokers that neither let us in nor refuse us in this time are as good as not there.
constexpr auto kPatience = std::chrono::seconds(10);
// What may also be a broker that is starting or stopping counts as a refusal after this.
constexpr auto kSuspicion = std::chrono::seconds(2);
// Before it, SCRAM sends the client's nonce twice (its pull request 4895), which Kafka 4 refuses.
constexpr int kScramMended = 0x020601ff;
// OpenSSL's numbers (x509_vfy.h) of what is wrong with a certificate.
constexpr int kNotYetValid = 9;
constexpr int kExpired = 10;
constexpr int kOtherHost = 62;
constexpr int kOtherAddress = 64;

// What librdkafka says where its code is that of any lost connection.
constexpr auto kRefusals = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"alert",
     "the brokers want a certificate that they trust: set `tls_certificate` and `tls_key`"},
    {"connecting to a PLAINTEXT",
     "the listener may be one without TLS: name another one, or leave out `tls`"},
    {"connecting to a SSL listener", "the listener may be one with TLS: set `tls: true`"},
    {"might require SASL",
     "the listener may want a user: set `sasl_mechanism`, `sasl_username` and `sasl_password`"},
});

std::string password_advice(const ConnectionOptions& connection, std::string_view said) {
  if (said.contains("mechanism handshake failed")) {
    return "set `sasl_mechanism` to one that the listener has";
  }
  const auto mechanism = connection.sasl_mechanism.value_or(SaslMechanism::plain);
  if (mechanism == SaslMechanism::oauthbearer) {
    return "check what is set of `sasl.oauthbearer` under `librdkafka`";
  }
  std::string advice = "check `sasl_username` and `sasl_password`";
  if (mechanism != SaslMechanism::plain && rd_kafka_version() < kScramMended) {
    advice += fmt::format(
        "; if they are right and the brokers are of Kafka 4 or newer: SCRAM with them takes "
        "librdkafka 2.6.1 or newer, and this one is {}",
        rd_kafka_version_str());
  }
  return advice;
}

std::string_view certificate_advice(int problem) {
  switch (problem) {
    case kOtherHost:
    case kOtherAddress:
      return "it is for another host: name the broker in `brokers` as its certificate does";
    case kNotYetValid:
      return "it is not valid yet: is the clock right?";
    case kExpired:
      return "it has expired: the broker needs a new one";
    default:
      return "it is signed by nobody we trust: set `tls_ca` to the certificate (PEM) of who did";
  }
}

/// What to do about a trouble; empty: nothing, for it is no refusal.
std::string advice_for(const Trouble& trouble, const ConnectionOptions& connection,
                       int certificate_problem) {
  if (trouble.code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    return password_advice(connection, trouble.text);
  }
  if (trouble.text.contains("certificate verify failed")) {
    return std::string(certificate_advice(certificate_problem));
  }
  for (const auto& [part, advice] : kRefusals) {
    if (trouble.text.contains(part)) {
      return std::string(advice);
    }
  }
  return trouble.code == RD_KAFKA_RESP_ERR__SSL
             ? "the listener may be one without TLS: name another one, or leave out `tls`"
             : "";
}

/// Without what is for librdkafka's makers, or of its options.
std::string_view gist(std::string_view text) {
  for (const std::string_view end : {" (after ", ": broker certificate could not be verified"}) {
    text = text.substr(0, text.find(end));
  }
  return text;
}

bool is_down(const std::vector<Trouble>& troubles) {
  return std::ranges::any_of(troubles, [](const Trouble& trouble) {
    return trouble.code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
  });
}

/// A refusal, as far as can be seen.
struct Refusal {
  Error error;
  /// A connection that just ended may also be that of a broker which is starting or stopping.
  bool is_sure = false;
};

/// The first one. While there are other brokers to ask only that of a password counts, which is the
/// same for all.
std::optional<Refusal> refusal(const std::vector<Trouble>& troubles,
                               const ConnectionOptions& connection, const Troubles& of) {
  const bool all_asked = is_down(troubles);
  std::optional<Refusal> found;
  bool is_elsewhere = false;  // somebody could not be reached at all
  for (const Trouble& trouble : troubles) {
    const auto advice = advice_for(trouble, connection, of.certificate_problem());
    const bool ended = trouble.code == RD_KAFKA_RESP_ERR__TRANSPORT;
    is_elsewhere = is_elsewhere || (ended && advice.empty());
    if (!found && !advice.empty() &&
        (all_asked || trouble.code == RD_KAFKA_RESP_ERR__AUTHENTICATION)) {
      found = {.error = {Blame::user, fmt::format("{}: can't connect to the cluster: {}; {}",
                                                  of.who(), gist(trouble.text), advice)},
               .is_sure = !ended};
    }
  }
  return found && (found->is_sure || !is_elsewhere) ? found : std::nullopt;
}

}  // namespace

void enter(rd_kafka_t* client, const ConnectionOptions& connection, Troubles& troubles) {
  const auto until = Steady::now() + kPatience;
  std::optional<Steady::time_point> suspected;
  troubles.hold();
  bool is_in = false;
  while (!is_in && Steady::now() < until) {
    const rd_kafka_metadata_t* raw = nullptr;
    is_in = rd_kafka_metadata(client, 0, nullptr, &raw, kPollMs) == 0;
    const MetadataHandle metadata(raw);
    rd_kafka_poll(client, 0);  // for on_error()
    const auto held = troubles.held();
    const auto found = is_in ? std::nullopt : refusal(held, connection, troubles);
    if (!found && is_down(held)) {
      break;
    }
    if (found) {
      suspected = suspected.value_or(Steady::now());
    }
    if (found && (found->is_sure || Steady::now() - *suspected > kSuspicion)) {
      troubles.release(/*say=*/false);
      throw found->error;
    }
  }
  troubles.release(/*say=*/!is_in);
}

}  // namespace millrace::kafka
