#include "connectors/kafka/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

namespace millrace::kafka {

namespace {

using Steady = std::chrono::steady_clock;

constexpr int kEntryPollMs = 100;
// Brokers that neither let us in nor refuse us in this time are as good as not there.
constexpr auto kPatience = std::chrono::seconds(10);
// What may also be a broker that is starting or stopping counts as a refusal after this.
constexpr auto kSuspicion = std::chrono::seconds(2);
// OpenSSL's numbers (x509_vfy.h) of what is wrong with a certificate.
constexpr int kNotYetValid = 9;
constexpr int kExpired = 10;
constexpr int kOtherHost = 62;
constexpr int kOtherAddress = 64;

std::string_view password_advice(const ConnectionOptions& connection, std::string_view said) {
  if (said.contains("mechanism handshake failed")) {
    return "set `sasl_mechanism` to one that the listener has";
  }
  if (connection.sasl_mechanism == SaslMechanism::oauthbearer) {
    return "check what is set of `sasl.oauthbearer` under `librdkafka`";
  }
  return "check `sasl_username` and `sasl_password`";
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

/// Of a connection that the broker ended, by how far it was: whether it closes it or resets it, and
/// so what librdkafka calls it, is a matter of timing.
std::string_view lost_advice(std::string_view text, const ConnectionOptions& connection) {
  constexpr std::string_view kCertificate =
      "the brokers want a certificate that they trust: set `tls_certificate` and `tls_key`";
  if (text.contains("alert")) {
    return kCertificate;
  }
  if (text.contains("in state SSL_HANDSHAKE")) {
    return "the listener may be one without TLS: name another one, or leave out `tls`";
  }
  if (text.contains("in state APIVERSION_QUERY")) {
    if (!connection.tls) {
      return "the listener may be one with TLS: set `tls: true`";
    }
    return connection.tls_certificate.empty() ? kCertificate : "";
  }
  if (text.contains("in state UP") && !connection.sasl_mechanism) {
    return "the listener may want a user: set `sasl_mechanism`, `sasl_username` and "
           "`sasl_password`";
  }
  return "";
}

/// What to do about a trouble; empty: nothing, for it is no refusal.
std::string_view advice_for(const Trouble& trouble, const ConnectionOptions& connection,
                            int certificate_problem) {
  if (trouble.code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    return password_advice(connection, trouble.text);
  }
  if (trouble.text.contains("certificate verify failed")) {
    return certificate_advice(certificate_problem);
  }
  return lost_advice(trouble.text, connection);
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

/// Nobody listens there, or there is no such place.
bool is_unreachable(const Trouble& trouble) {
  return trouble.code == RD_KAFKA_RESP_ERR__RESOLVE || trouble.text.contains("Connect to ");
}

/// What became of the connections to one broker, whose name may stand for several addresses.
struct Attempts {
  std::optional<Refusal> refusal;
  bool is_unreachable = false;
};

/// What the troubles of a client come to.
struct Verdict {
  std::optional<Refusal> refusal;
  bool is_nobody_there = false;
};

/// The first refusal. While there are other brokers to ask only that of a password counts, which is
/// the same for all; and none that may be one's end while another can't be reached.
Verdict judge(const std::vector<Trouble>& troubles, const ConnectionOptions& connection,
              const Troubles& of) {
  const bool all_asked = is_down(troubles);
  std::map<std::string_view, bool> brokers;  // whether it was out of reach when last tried
  std::optional<Refusal> found;
  for (const Trouble& trouble : troubles) {
    const auto broker = std::string_view(trouble.text).substr(0, trouble.text.find(": "));
    const auto advice = advice_for(trouble, connection, of.certificate_problem());
    if (is_unreachable(trouble)) {
      brokers[broker] = true;
    } else if (!advice.empty()) {
      brokers[broker] = false;
      if (!found && (all_asked || trouble.code == RD_KAFKA_RESP_ERR__AUTHENTICATION)) {
        found = {.error = {Blame::user, fmt::format("{}: can't connect to the cluster: {}; {}",
                                                    of.who(), gist(trouble.text), advice)},
                 .is_sure = trouble.code != RD_KAFKA_RESP_ERR__TRANSPORT};
      }
    }
  }
  const auto is_out_of_reach = [](const auto& broker) { return broker.second; };
  const bool is_nobody_there = all_asked && !found && std::ranges::any_of(brokers, is_out_of_reach);
  if (found && !found->is_sure && std::ranges::any_of(brokers, is_out_of_reach)) {
    found.reset();
  }
  return {.refusal = std::move(found), .is_nobody_there = is_nobody_there};
}

}  // namespace

void enter(rd_kafka_t* client, const ConnectionOptions& connection, Troubles& troubles) {
  const auto until = Steady::now() + kPatience;
  std::optional<Steady::time_point> suspected;
  troubles.hold();
  bool is_in = false;
  while (!is_in && Steady::now() < until) {
    const rd_kafka_metadata_t* raw = nullptr;
    is_in = rd_kafka_metadata(client, 0, nullptr, &raw, kEntryPollMs) == 0;
    const MetadataHandle metadata(raw);
    rd_kafka_poll(client, 0);  // for what it has to say
    const auto verdict = is_in ? Verdict{} : judge(troubles.held(), connection, troubles);
    if (verdict.is_nobody_there) {
      break;
    }
    if (verdict.refusal) {
      suspected = suspected.value_or(Steady::now());
      if (verdict.refusal->is_sure || Steady::now() - *suspected > kSuspicion) {
        troubles.release(/*say=*/false);
        throw Error(verdict.refusal->error);
      }
    }
  }
  troubles.release(/*say=*/!is_in);
}

}  // namespace millrace::kafka
