// A cluster: its nodes, connections to them, and requests that are tried until they are answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/trouble.h"
#include "connectors/cassandra/protocol/connection.h"
#include "connectors/cassandra/protocol/messages.h"
#include "connectors/cassandra/protocol/token.h"

namespace millrace::cassandra {

struct SessionOptions {
  std::vector<Endpoint> contact_points;
  Greeting greeting;
  std::string datacenter;  ///< whose nodes are used; empty: that of the contact point that answers
  bool uses_peers = true;  ///< nodes are found by asking; else the contact points are all there are
  std::size_t connections_per_host = 1;
  std::chrono::milliseconds request_timeout{20'000};  ///< then its connection is given up
  std::chrono::milliseconds retry_first{50};          ///< after this, then twice as long each time
  std::chrono::milliseconds retry_most{5'000};
  /// How long nothing may succeed; nullopt: for ever.
  std::optional<std::chrono::milliseconds> retry_timeout;
  std::size_t max_in_flight = 512;
  std::optional<double> max_requests_per_second;
};

/// A request that may be sent more than once: whatever it does, doing it twice is the same.
struct Request {
  Opcode opcode = Opcode::query;
  std::string body;
  std::optional<std::int64_t> token;  ///< of the partition that it is about
  std::uint64_t tag = 0;              ///< the caller's
};

/// What came of a request.
struct Answer {
  std::uint64_t tag = 0;
  std::optional<ServerError> error;  ///< one that does not pass
  std::string body;                  ///< of the RESULT

  /// Throws the error, if there is one, as the user's. `doing`: "writing to shop.orders".
  void check(std::string_view doing) const;
};

/// Used by one thread. What passes (lost connections, timeouts, too few replicas, overload) is said
/// in the log once, and tried again, on another node if there is one, after a pause that grows;
/// past `retry_timeout` without any success it is an Error, for good. Throws Stopped.
class Session {
 public:
  Session(SessionOptions options, const std::string& who, std::stop_token stop);

  /// Who is told of what fails and is tried again, from now on.
  void tell(TellTrouble tell) { tell_ = std::move(tell); }
  /// Finds the cluster, with one attempt at each contact point. Throws Error, mostly with
  /// Retry::yes.
  void open();
  [[nodiscard]] int version() const noexcept { return version_; }
  /// Whether tokens are Murmur3's, so that the ring can be cut into ranges.
  [[nodiscard]] bool has_ranges() const noexcept { return has_ranges_; }

  /// Prepares a statement, and keeps it prepared on every node.
  [[nodiscard]] Prepared prepare(const std::string& text);
  /// Runs a statement; not beside submit().
  [[nodiscard]] Answer run(const std::string& text, Consistency consistency);
  [[nodiscard]] Answer run(const Prepared& statement, std::string_view values,
                           Consistency consistency);

  /// Takes a request. Who keeps pending() below some number bounds the memory that they take.
  void submit(Request request);
  /// Submitted, and not yet given by next().
  [[nodiscard]] std::size_t pending() const noexcept { return pending_; }
  /// Waits for the answer to any of the requests. pending() is not 0.
  [[nodiscard]] Answer next();

 private:
  using Clock = std::chrono::steady_clock;

  /// A request with what has happened to it.
  struct Attempt {
    Request request;
    int failures = 0;
    Clock::time_point sent;
  };
  struct Later {
    Clock::time_point due;
    std::uint64_t number = 0;
    bool operator>(const Later& other) const noexcept { return due > other.due; }
  };
  struct Link {
    std::unique_ptr<Connection> connection;
    std::map<std::int16_t, Attempt> sent;  ///< by stream
  };
  static bool is_connected(const Link& link) noexcept { return link.connection != nullptr; }
  struct Node {
    Endpoint endpoint;
    std::vector<Link> links;
    int failures = 0;
    Clock::time_point next_try;
  };

  [[nodiscard]] Envelope ask(Connection& connection, Opcode opcode, std::string_view body);
  void learn_topology(std::unique_ptr<Connection> connection);
  std::vector<std::pair<std::int64_t, std::size_t>> learn_nodes(Connection& connection);
  void connect_missing();
  void connect(Node& node);
  [[nodiscard]] Link* link_for(const std::optional<std::int64_t>& token);
  void send_waiting();
  void poll(std::chrono::milliseconds longest);
  void receive(Node& node, Link& link);
  void handle(Link& link, Attempt attempt, Envelope envelope);
  void prepare_again(Connection& connection);
  [[nodiscard]] bool is_overdue(const Link& link) const;
  void drop(Node& node, Link& link, const std::string& why);
  void retry(Attempt attempt, const std::string& why);
  void put_back_due();
  void note(const std::string& why);
  void note_success();
  [[nodiscard]] bool may_send_now();
  [[nodiscard]] std::chrono::milliseconds pause_after(int failures);
  [[nodiscard]] std::chrono::milliseconds time_to_next() const;

  SessionOptions options_;
  Log log_;
  std::stop_token stop_;
  int version_ = kNewestVersion;
  bool has_ranges_ = false;
  std::vector<Node> nodes_;
  TokenRing ring_;
  std::size_t turn_ = 0;  // of the nodes, for requests without a token
  std::set<std::string> prepared_;

  std::deque<Attempt> waiting_;
  std::map<std::uint64_t, Attempt> later_;
  std::priority_queue<Later, std::vector<Later>, std::greater<>> due_;
  std::deque<Answer> answers_;
  std::size_t pending_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t next_number_ = 0;

  std::minstd_rand random_;
  bool in_trouble_ = false;
  TellTrouble tell_ = [](const std::string&) {};
  std::string trouble_;
  Clock::time_point last_success_;
  Clock::time_point may_send_;  // by `max_requests_per_second`
};

}  // namespace millrace::cassandra
