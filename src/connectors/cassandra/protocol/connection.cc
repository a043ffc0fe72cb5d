#include "connectors/cassandra/protocol/connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "connectors/cassandra/protocol/messages.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

using Clock = std::chrono::steady_clock;

/// The server does not speak this version.
class OtherVersion final : public std::exception {};

[[noreturn]] void refuse(const Endpoint& endpoint, const ServerError& error) {
  using Code = ServerError::Code;
  const bool login = error.code == Code::credentials || error.code == Code::unauthorized;
  throw Error(login ? Blame::user : Blame::external,
              fmt::format("{}: {}{}", endpoint.text(), error.text(),
                          login ? "; check `username` and `password`" : ""),
              login || error.code == Code::protocol ? Retry::no : Retry::yes);
}

}  // namespace

std::unique_ptr<Connection> Connection::open(const Endpoint& to, Greeting greeting,
                                             const std::stop_token& stop) {
  for (;; --greeting.version) {
    try {
      return std::make_unique<Connection>(to, greeting, stop);
    } catch (const OtherVersion&) {
      Log().debug("{} does not speak version {} of the protocol", to.text(), greeting.version);
    }
  }
}

Connection::Connection(const Endpoint& to, const Greeting& greeting, const std::stop_token& stop)
    : endpoint_(to),
      framing_{.version = greeting.version},
      socket_(to, greeting.tls, greeting.timeout, stop) {
  free_.reserve(kStreams);
  for (auto stream = static_cast<std::int16_t>(kStreams - 1); stream >= 0; --stream) {
    free_.push_back(stream);
  }
  writer_.set(framing_);
  reader_.set(framing_);
  greet(greeting, stop);
}

void Connection::greet(const Greeting& greeting, const std::stop_token& stop) {
  const auto answer_to = [&](Opcode opcode, std::string_view body) {
    Envelope answer = ask(opcode, body, greeting.timeout, stop);
    if (answer.opcode == Opcode::error) {
      const auto error = read_error(answer.body);
      if (error.code == ServerError::Code::protocol && framing_.version > kOldestVersion) {
        throw OtherVersion();
      }
      refuse(endpoint_, error);
    }
    return answer;
  };
  const auto options = answer_to(Opcode::options, {});
  if (greeting.lz4 && options.opcode == Opcode::supported) {
    auto supported = read_supported(options.body);
    framing_.lz4 =
        std::ranges::find(supported["COMPRESSION"], "lz4") != supported["COMPRESSION"].end();
  }
  const auto answer = answer_to(Opcode::startup, startup_body(framing_.lz4));
  framing_.segments = framing_.version >= 5;
  writer_.set(framing_);
  reader_.set(framing_);
  if (answer.opcode == Opcode::authenticate) {
    log_in(greeting, WireReader(answer.body).string(), stop);
  } else if (answer.opcode != Opcode::ready) {
    throw BadFrame("a greeting that is none");
  }
}

/// SASL PLAIN (RFC 4616), which is what PasswordAuthenticator and those like it take.
void Connection::log_in(const Greeting& greeting, std::string_view authenticator,
                        const std::stop_token& stop) {
  if (greeting.username.empty()) {
    throw Error(Blame::user, fmt::format("{}: the server wants to know who we are ({}); set "
                                         "`username` and `password`",
                                         endpoint_.text(), authenticator));
  }
  std::string token;
  token += '\0';
  token += greeting.username;
  token += '\0';
  token += greeting.password.reveal();
  std::string body;
  put_bytes(token, body);
  const auto answer = ask(Opcode::auth_response, body, greeting.timeout, stop);
  if (answer.opcode == Opcode::error) {
    refuse(endpoint_, read_error(answer.body));
  }
  if (answer.opcode != Opcode::auth_success) {
    throw Error(Blame::user,
                fmt::format("{}: the server's {} wants more than a name and a password",
                            endpoint_.text(), authenticator));
  }
}

Envelope Connection::ask(Opcode opcode, std::string_view body, std::chrono::milliseconds timeout,
                         const std::stop_token& stop) {
  const auto until = Clock::now() + timeout;
  const auto stream = send(opcode, body);
  flush();
  for (;;) {
    if (auto answer = read_one()) {
      if (answer->stream == stream) {
        free_.push_back(stream);
        return *std::move(answer);
      }
      answers_.push_back(*std::move(answer));
      continue;
    }
    wait(until, stop);
    receive();
  }
}

void Connection::wait(Clock::time_point until, const std::stop_token& stop) {
  for (;;) {
    if (stop.stop_requested()) {
      throw Stopped();
    }
    const auto now = Clock::now();
    if (now >= until) {
      throw Error(Blame::external, fmt::format("{}: no answer in time", endpoint_.text()),
                  Retry::yes);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    pollfd one{.fd = fd(), .events = events(), .revents = 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::min(left, kStopCheck).count()));
    if (ready > 0) {
      return;
    }
    if (ready < 0 && errno != EINTR) {
      throw Error(Blame::external, fmt::format("{}: {}", endpoint_.text(), errno_text(errno)),
                  Retry::yes);
    }
  }
}

std::int16_t Connection::send(Opcode opcode, std::string_view body) {
  if (free_.empty()) {
    throw Error(Blame::internal, "more requests than a connection has streams");
  }
  const auto stream = free_.back();
  free_.pop_back();
  writer_.add(stream, opcode, body);
  return stream;
}

void Connection::flush() {
  if (writer_.pending() > 0) {
    socket_.send(writer_.take());
  } else if (socket_.unsent() > 0) {
    socket_.send({});
  }
}

void Connection::receive() {
  scratch_.clear();
  flush();
  if (socket_.receive(scratch_)) {
    reader_.add(scratch_);
  }
}

std::optional<Envelope> Connection::next() {
  std::optional<Envelope> answer;
  if (!answers_.empty()) {
    answer = std::move(answers_.front());
    answers_.pop_front();
  } else {
    answer = read_one();
  }
  if (answer) {
    free_.push_back(answer->stream);
  }
  return answer;
}

std::optional<Envelope> Connection::read_one() {
  for (;;) {
    auto answer = reader_.next();
    if (!answer || answer->stream >= 0) {
      return answer;
    }
    // Less than zero: an event, for which we have not asked.
  }
}

}  // namespace millrace::cassandra
