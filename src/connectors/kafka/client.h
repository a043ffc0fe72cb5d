// A connection to a cluster: its configuration, and what it says when something is wrong.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/trouble.h"
#include "connectors/kafka/handles.h"
#include "connectors/kafka/options.h"

namespace millrace::kafka {

/// "Broker: Unknown topic or partition"
[[nodiscard]] std::string text_of(rd_kafka_resp_err_t code);
/// Who has to act on an error that ends an attempt, and whether to try again.
[[nodiscard]] Error error_of(std::string_view doing, rd_kafka_resp_err_t code,
                             std::string_view detail = {});

/// An error that librdkafka goes on with by itself.
struct Trouble {
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::string text;
};

/// Says what is wrong with a cluster once, and once when it is over; not in a flood, as librdkafka
/// does while a broker is down. Thread-safe.
class Troubles {
 public:
  explicit Troubles(const std::string& who) : who_(who), log_(Log().with("kafka", who)) {}

  /// Who is told of what is noted from now on.
  void tell(TellTrouble tell);
  void note(rd_kafka_resp_err_t code, std::string_view detail);
  /// Something worked: what was wrong is over.
  void over();
  /// A line of librdkafka's log; the less the level, the graver.
  void line(int level, std::string_view facility, std::string_view text);
  /// The last error that is not over yet; for messages of what has timed out.
  [[nodiscard]] std::string last() const;
  /// The source or sink that has them.
  [[nodiscard]] const std::string& who() const { return who_; }

  // For enter().

  /// Keeps what is noted, until it is known what it means.
  void hold();
  [[nodiscard]] std::vector<Trouble> held() const;
  /// Notes what was kept, or forgets it.
  void release(bool say);
  /// What OpenSSL last found wrong with a broker's certificate, as its number; 0: nothing.
  void note_certificate(int problem) { certificate_problem_ = problem; }
  [[nodiscard]] int certificate_problem() const { return certificate_problem_; }
  /// Whether the cluster was last said to be out of reach.
  [[nodiscard]] bool is_unreachable() const;

 private:
  std::string who_;
  Log log_;
  TellTrouble tell_ = [](const std::string&) {};
  std::atomic<int> certificate_problem_ = 0;
  mutable std::mutex lock_;
  std::set<rd_kafka_resp_err_t> said_;
  std::string last_;
  std::optional<std::vector<Trouble>> held_;
  bool unreachable_ = false;
};

/// How long to wait for a cluster: for ever, in pieces between which a stop is heard. Of one wait,
/// and one thread.
class Patience {
 public:
  Patience(std::stop_token stop, const Troubles& troubles)
      : stop_(std::move(stop)), troubles_(troubles) {}

  /// What the next request may take: more and more, as the cluster may be slow; but little while it
  /// can't be reached.
  [[nodiscard]] std::chrono::milliseconds next();
  /// Throws Stopped a little while after a stop was requested, so that what is nearly done gets
  /// done.
  void check();

 private:
  std::stop_token stop_;
  const Troubles& troubles_;
  std::chrono::milliseconds next_{0};
  std::optional<std::chrono::steady_clock::time_point> stopped_;  ///< when it was heard of
};

/// librdkafka's configuration from the options of a connection, which must outlive it.
class Config {
 public:
  /// `connection` must outlive it.
  explicit Config(const ConnectionOptions& connection);
  /// Throws Error (the user's) with what librdkafka says of the value.
  Config& set(const std::string& name, const std::string& value);
  /// The same, unless the user said otherwise under `librdkafka`.
  Config& suggest(const std::string& name, const std::string& value);
  using OnDelivery = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* troubles);
  void on_delivery(OnDelivery call) { rd_kafka_conf_set_dr_msg_cb(conf_.get(), call); }
  [[nodiscard]] std::string get(const std::string& name) const;
  /// Waits until the cluster has let the client in (see entry.h). `troubles` must outlive it.
  [[nodiscard]] ClientHandle make(rd_kafka_type_t type, Troubles& troubles) &&;

 private:
  const ConnectionOptions& connection_;
  ConfHandle conf_;
};

/// How many bytes the key and value of a message may have together, for all we know without asking.
[[nodiscard]] std::int64_t max_message_bytes(const ConnectionOptions& connection);

/// Reports what is wrong with the options of a connection, as far as can be seen without the
/// cluster.
[[nodiscard]] bool check_connection(const ConnectionOptions& connection, const Location& at,
                                    Diagnostics& diagnostics, std::string_view what);

}  // namespace millrace::kafka
