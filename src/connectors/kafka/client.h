// A connection to a cluster: its configuration, and what it says when something is wrong.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "connectors/kafka/handles.h"
#include "connectors/kafka/options.h"

namespace millrace::kafka {

/// "Broker: Unknown topic or partition"
[[nodiscard]] std::string text_of(rd_kafka_resp_err_t code);
/// Who has to act on an error that ends an attempt, and whether to try again.
[[nodiscard]] Error error_of(std::string_view doing, rd_kafka_resp_err_t code,
                             std::string_view detail = {});

/// Says what is wrong with a cluster once, and once when it is over; not in a flood, as librdkafka
/// does while a broker is down. Thread-safe.
class Troubles {
 public:
  explicit Troubles(const std::string& who) : log_(Log().with("kafka", who)) {}

  /// An error that librdkafka goes on with by itself.
  void note(rd_kafka_resp_err_t code, std::string_view detail);
  /// Something worked: what was wrong is over.
  void over();
  /// A line of librdkafka's log. `level`: as syslog has them.
  void line(int level, std::string_view facility, std::string_view text) const;
  /// The last error that is not over yet; for messages of what has timed out.
  [[nodiscard]] std::string last() const;

 private:
  Log log_;
  mutable std::mutex lock_;
  std::set<rd_kafka_resp_err_t> said_;
  std::string last_;
};

/// librdkafka's configuration from the options of a connection.
class Config {
 public:
  explicit Config(const ConnectionOptions& connection);
  /// Throws Error (the user's) with what librdkafka says of the value.
  Config& set(const std::string& name, const std::string& value);
  using OnDelivery = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* troubles);
  void on_delivery(OnDelivery call) { rd_kafka_conf_set_dr_msg_cb(conf_.get(), call); }
  /// `troubles` must outlive the client.
  [[nodiscard]] ClientHandle make(rd_kafka_type_t type, Troubles& troubles) &&;

 private:
  ConfHandle conf_;
};

/// Reports what is wrong with the options of a connection, as far as can be seen without the
/// cluster.
[[nodiscard]] bool check_connection(const ConnectionOptions& connection, const Location& at,
                                    Diagnostics& diagnostics, std::string_view what);

}  // namespace millrace::kafka
