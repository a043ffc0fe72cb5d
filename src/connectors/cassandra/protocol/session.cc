#include "connectors/cassandra/protocol/session.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

using std::chrono::milliseconds;
/// What is under way gets this when a stop was requested.
constexpr milliseconds kLastChance{1'000};
/// An error that may pass or not is believed after so many attempts.
constexpr int kAttemptsOfPerhaps = 5;
constexpr int kDoublingsMax = 16;

}  // namespace

void Answer::check(std::string_view doing) const {
  if (error) {
    throw Error(Blame::user, fmt::format("{}: {}", doing, error->text()));
  }
}

Session::Session(SessionOptions options, const std::string& who, std::stop_token stop)
    : options_(std::move(options)),
      log_(Log().with("cassandra", who)),
      stop_(std::move(stop)),
      random_(std::random_device{}()) {}

void Session::open() {
  std::optional<Error> why;
  for (const auto& contact : options_.contact_points) {
    try {
      auto connection = Connection::open(contact, options_.greeting, stop_);
      version_ = connection->version();
      learn_topology(std::move(connection));
      last_success_ = Clock::now();
      return;
    } catch (const Stopped&) {
      throw;
    } catch (const Error& error) {
      if (error.retry() == Retry::no) {
        throw;
      }
      why = error;
    }
  }
  throw why.value_or(Error(Blame::internal, "no contact points"));
}

Envelope Session::ask(Connection& connection, Opcode opcode, std::string_view body) {
  return connection.ask(opcode, body, options_.request_timeout, stop_);
}

Prepared Session::prepare(const std::string& text) {
  connect_missing();
  const Link* link = link_for(std::nullopt);
  if (link == nullptr) {
    throw Error(Blame::external, "no node can be reached: " + trouble_, Retry::yes);
  }
  const auto body = prepare_body(version_, text);
  const auto answer = ask(*link->connection, Opcode::prepare, body);
  if (answer.opcode == Opcode::error) {
    const auto error = read_error(answer.body);
    const bool passes = error.passing() != ServerError::Passing::no;
    throw Error(passes ? Blame::external : Blame::user, fmt::format("{}: {}", text, error.text()),
                passes ? Retry::yes : Retry::no);
  }
  prepared_.insert(text);
  // Every node is asked once; else each of the first requests would be answered that it is to be.
  for (auto& node : nodes_) {
    const auto other = std::ranges::find_if(node.links, is_connected);
    if (other == node.links.end() || &*other == link) {
      continue;
    }
    try {
      (void)ask(*other->connection, Opcode::prepare, body);
    } catch (const Error& error) {
      if (error.retry() == Retry::no) {
        throw;
      }
      drop(node, *other, error.what());
    }
  }
  return read_prepared(version_, answer.body, text);
}

Answer Session::run(const std::string& text, Consistency consistency) {
  submit({.opcode = Opcode::query,
          .body = query_body(version_, text, {.consistency = consistency}),
          .token = std::nullopt});
  return next();
}

Answer Session::run(const Prepared& statement, std::string_view values, Consistency consistency) {
  submit({.opcode = Opcode::execute,
          .body = execute_body(version_, statement, values, {.consistency = consistency}),
          .token = std::nullopt});
  return next();
}

void Session::submit(Request request) {
  if (pending_++ == 0) {
    last_success_ = Clock::now();
  }
  waiting_.push_back({.request = std::move(request), .failures = 0, .sent = {}});
}

Answer Session::next() {
  std::optional<Clock::time_point> last_chance;
  while (answers_.empty()) {
    if (stop_.stop_requested()) {
      last_chance = last_chance.value_or(Clock::now() + kLastChance);
      if (in_trouble_ || Clock::now() >= *last_chance) {
        throw Stopped();
      }
    }
    put_back_due();
    connect_missing();
    send_waiting();
    poll(std::min(kStopCheck, time_to_next()));
  }
  Answer answer = std::move(answers_.front());
  answers_.pop_front();
  pending_--;
  return answer;
}

/// Of the nodes with connections, the one that has the partition, or the next one.
Session::Link* Session::link_for(const std::optional<std::int64_t>& token) {
  const bool has_owner = token && !ring_.empty();
  const std::size_t first = has_owner ? ring_.owner(*token) : turn_++;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Link* best = nullptr;
    for (auto& link : nodes_[(first + i) % nodes_.size()].links) {
      if (link.connection != nullptr && link.connection->has_room() &&
          (best == nullptr || link.sent.size() < best->sent.size())) {
        best = &link;
      }
    }
    if (best != nullptr) {
      return best;
    }
  }
  return nullptr;
}

/// One attempt at one connection: it may take its time, and others are waiting.
void Session::connect_missing() {
  const auto now = Clock::now();
  for (auto& node : nodes_) {
    const bool missing = !std::ranges::all_of(node.links, is_connected);
    if (missing && node.next_try <= now) {
      connect(node);
      return;
    }
  }
}

void Session::connect(Node& node) {
  const auto link = std::ranges::find_if_not(node.links, is_connected);
  try {
    auto greeting = options_.greeting;
    greeting.version = version_;
    auto connection = Connection::open(node.endpoint, greeting, stop_);
    if (connection->version() != version_) {
      throw Error(Blame::external,
                  fmt::format("{} speaks version {} of the protocol only, and other nodes {}; set "
                              "`protocol_version: {}`",
                              node.endpoint.text(), connection->version(), version_,
                              connection->version()));
    }
    if (std::ranges::none_of(node.links, is_connected)) {
      prepare_again(*connection);
    }
    link->connection = std::move(connection);
    node.failures = 0;
  } catch (const Stopped&) {
    throw;
  } catch (const Error& error) {
    if (error.retry() == Retry::no) {
      throw;
    }
    node.next_try = Clock::now() + pause_after(node.failures++);
    note(error.what());
  }
}

bool Session::may_send_now() {
  if (!options_.max_requests_per_second) {
    return true;
  }
  const auto now = Clock::now();
  if (may_send_ > now) {
    return false;
  }
  // What was not used in the last tenth of a second may be used now; not more.
  const std::chrono::duration<double> each(1.0 / *options_.max_requests_per_second);
  may_send_ =
      std::max(may_send_, now - kStopCheck) + std::chrono::duration_cast<Clock::duration>(each);
  return true;
}

void Session::send_waiting() {
  while (!waiting_.empty() && in_flight_ < options_.max_in_flight) {
    Link* link = link_for(waiting_.front().request.token);
    if (link == nullptr || !may_send_now()) {
      break;
    }
    Attempt attempt = std::move(waiting_.front());
    waiting_.pop_front();
    attempt.sent = Clock::now();
    const auto stream = link->connection->send(attempt.request.opcode, attempt.request.body);
    link->sent.emplace(stream, std::move(attempt));
    in_flight_++;
  }
  for (auto& node : nodes_) {
    for (auto& link : node.links) {
      if (link.connection != nullptr) {
        try {
          link.connection->flush();
        } catch (const Error& error) {
          drop(node, link, error.what());
        }
      }
    }
  }
}

void Session::poll(milliseconds longest) {
  std::vector<pollfd> fds;
  std::vector<std::pair<Node*, Link*>> who;
  for (auto& node : nodes_) {
    for (auto& link : node.links) {
      if (link.connection != nullptr) {
        fds.push_back(
            {.fd = link.connection->fd(), .events = link.connection->events(), .revents = 0});
        who.emplace_back(&node, &link);
      }
    }
  }
  const int timeout = static_cast<int>(std::max(longest, milliseconds(0)).count());
  const int ready = ::poll(fds.data(), static_cast<nfds_t>(fds.size()), timeout);
  if (ready < 0 && errno != EINTR) {
    throw Error(Blame::external, "poll: " + errno_text(errno));
  }
  for (std::size_t i = 0; i < fds.size(); ++i) {
    auto& [node, link] = who[i];
    if (ready > 0 && fds[i].revents != 0) {
      receive(*node, *link);
    } else if (is_overdue(*link)) {
      drop(*node, *link,
           fmt::format("{}: no answer within {} ms", node->endpoint.text(),
                       options_.request_timeout.count()));
    }
  }
}

/// A server answers every request, if only to say that it took too long; one that does not is lost.
/// Nor has anything come that was not looked at for long because the caller was busy.
bool Session::is_overdue(const Link& link) const {
  const auto sent_before = Clock::now() - options_.request_timeout;
  return std::ranges::any_of(link.sent,
                             [&](const auto& each) { return each.second.sent < sent_before; });
}

void Session::receive(Node& node, Link& link) {
  try {
    link.connection->receive();
    while (auto envelope = link.connection->next()) {
      const auto found = link.sent.find(envelope->stream);
      if (found == link.sent.end()) {
        throw BadFrame("an answer to no request");
      }
      Attempt attempt = std::move(found->second);
      link.sent.erase(found);
      in_flight_--;
      handle(link, std::move(attempt), *std::move(envelope));
    }
  } catch (const Stopped&) {
    throw;
  } catch (const Error& error) {
    if (error.retry() == Retry::no) {
      throw;
    }
    drop(node, link, fmt::format("{}: {}", node.endpoint.text(), error.what()));
  }
}

void Session::handle(Link& link, Attempt attempt, Envelope envelope) {
  using Passing = ServerError::Passing;
  if (envelope.opcode != Opcode::error) {
    note_success();
    answers_.push_back(
        {.tag = attempt.request.tag, .error = std::nullopt, .body = std::move(envelope.body)});
    return;
  }
  auto error = read_error(envelope.body);
  if (error.code == ServerError::Code::unprepared && attempt.failures++ < kAttemptsOfPerhaps) {
    waiting_.push_front(std::move(attempt));
    prepare_again(*link.connection);
    return;
  }
  const auto passing = error.passing();
  if (passing == Passing::yes ||
      (passing == Passing::perhaps && attempt.failures < kAttemptsOfPerhaps)) {
    retry(std::move(attempt), error.text());
    return;
  }
  answers_.push_back({.tag = attempt.request.tag, .error = std::move(error), .body = {}});
}

/// At a node that was restarted, is asked for the first time, or has forgotten them.
void Session::prepare_again(Connection& connection) {
  for (const auto& text : prepared_) {
    const auto answer = ask(connection, Opcode::prepare, prepare_body(version_, text));
    if (answer.opcode == Opcode::error) {
      throw Error(Blame::external, fmt::format("{}: {}", text, read_error(answer.body).text()),
                  Retry::yes);
    }
  }
}

void Session::drop(Node& node, Link& link, const std::string& why) {
  auto sent = std::exchange(link.sent, {});
  link.connection.reset();
  node.next_try = Clock::now() + (node.failures > 0 ? pause_after(node.failures) : milliseconds(0));
  node.failures++;
  in_flight_ -= sent.size();
  note(why);
  for (auto& [stream, attempt] : sent) {
    waiting_.push_front(std::move(attempt));
  }
}

void Session::retry(Attempt attempt, const std::string& why) {
  const auto number = next_number_++;
  due_.push({.due = Clock::now() + pause_after(attempt.failures++), .number = number});
  later_.emplace(number, std::move(attempt));
  note(why);
}

void Session::put_back_due() {
  const auto now = Clock::now();
  while (!due_.empty() && due_.top().due <= now) {
    const auto found = later_.find(due_.top().number);
    due_.pop();
    waiting_.push_front(std::move(found->second));
    later_.erase(found);
  }
}

milliseconds Session::time_to_next() const {
  auto until = Clock::now() + kStopCheck;
  if (!due_.empty()) {
    until = std::min(until, due_.top().due);
  }
  if (!waiting_.empty() && options_.max_requests_per_second &&
      in_flight_ < options_.max_in_flight) {
    until = std::min(until, may_send_);
  }
  for (const auto& node : nodes_) {
    for (const auto& link : node.links) {
      until = link.connection == nullptr ? std::min(until, node.next_try) : until;
    }
  }
  return std::chrono::ceil<milliseconds>(until - Clock::now());
}

/// Up to twice as long after each failure, and not the same for all who wait for a server.
milliseconds Session::pause_after(int failures) {
  const auto whole = std::min(options_.retry_first * (1 << std::min(failures, kDoublingsMax)),
                              options_.retry_most);
  std::uniform_real_distribution<double> share(0.5, 1.0);
  return milliseconds(
      static_cast<std::int64_t>(share(random_) * static_cast<double>(whole.count())));
}

void Session::note(const std::string& why) {
  trouble_ = why;
  tell_(why);
  if (!std::exchange(in_trouble_, true)) {
    log_.warn("{}; going on trying", why);
  }
  if (options_.retry_timeout && pending_ > 0 &&
      Clock::now() - last_success_ > *options_.retry_timeout) {
    throw Error(Blame::external,
                fmt::format("nothing has succeeded for {} ms (`retry_timeout`): {}",
                            options_.retry_timeout->count(), why));
  }
}

void Session::note_success() {
  last_success_ = Clock::now();
  if (std::exchange(in_trouble_, false)) {
    tell_("");
    log_.info("the cluster answers again");
  }
}

}  // namespace millrace::cassandra
