#include "http/internal/connection.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "base/log.h"
#include "http/header_values.h"
#include "http/internal/worker.h"

namespace millrace::http {
namespace {

constexpr std::size_t kBufferFirst = 4 << 10;

Problem no_answer() {
  return {.status = 500,
          .code = "internal",
          .message = "the request could not be answered",
          .hint = "the log of the server says why"};
}

/// The way of one answer back to its connection; without one, there is one all the same. Small
/// enough to lie within a Responder.
class Ticket {
 public:
  Ticket(std::shared_ptr<Connection> connection, std::uint64_t number, bool accepts_gzip)
      : connection_(std::move(connection)), number_((number << 1) | (accepts_gzip ? 1 : 0)) {}
  ~Ticket() {
    if (connection_ != nullptr) {
      give({.status = 0});
    }
  }
  Ticket(Ticket&& other) noexcept = default;
  Ticket& operator=(Ticket&& other) = delete;
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void operator()(Response response) { give(std::move(response)); }

 private:
  void give(Response response) noexcept {
    if (const auto connection = std::exchange(connection_, nullptr)) {
      connection->respond(number_ >> 1, (number_ & 1) != 0, std::move(response));
    }
  }

  std::shared_ptr<Connection> connection_;
  std::uint64_t number_;
};

}  // namespace

Connection::Connection(std::shared_ptr<Core> core, Worker& worker, Client client,
                       std::unique_ptr<Transport> transport)
    : core_(std::move(core)),
      gate_(worker.gate()),
      worker_(worker),
      client_(std::move(client)),
      transport_(std::move(transport)),
      idle_since_(Steady::now()) {}

void Connection::start() {
  deadline_ = idle_since_ + core_->options.request_timeout / 3;
  ++operations_;
  transport_->begin(shared_from_this());
}

void Connection::operation_ended() {
  --operations_;
  if (state_ == State::closed && operations_ == 0) {
    transport_.reset();
  }
}

void Connection::on_ready(bool good) {
  if (state_ == State::beginning && good) {
    state_ = State::open;
    idle_since_ = Steady::now();
    settle();
  } else if (state_ != State::closed) {
    Counters::add(worker_.counters().tls_handshakes_failed, 1);
    close();
  }
  operation_ended();
}

void Connection::on_read(std::size_t bytes, bool good) {
  reading_ = false;
  if (state_ == State::finishing) {
    start_finishing();
  } else if (!good) {
    close();
  } else if (state_ == State::streaming) {
    // It has nothing more to say to us.
    end_ = 0;
    begin_ = 0;
    if (bytes == 0) {
      close();
    } else {
      start_reading();
    }
  } else if (state_ == State::open) {
    end_ += bytes;
    client_ended_ = bytes == 0;
    Counters::add(worker_.counters().bytes_in, static_cast<std::int64_t>(bytes));
    pump();
  }
  operation_ended();
}

/// Does all that can be done without waiting.
void Connection::pump() {
  if (std::exchange(pumping_, true)) {
    return;  // a handler has answered at once; who called it goes on
  }
  for (bool moved = true; moved && state_ == State::open;) {
    moved = false;
    while (state_ == State::open && !writing_ && advance()) {
      moved = true;
    }
    moved = flush() || moved;
  }
  pumping_ = false;
  if (state_ == State::open) {
    settle();
  }
}

/// What to wait for now.
void Connection::settle() {
  const bool between = exchanges_.empty() && !writing_ && !request_ready_;
  if (between && (last_taken_ || client_ended_ || (core_->draining && !reader_))) {
    if (last_taken_ || client_ended_) {
      finish();
    } else {
      close();
    }
    return;
  }
  if (wants_bytes()) {
    start_reading();
  }
  set_deadline();
}

bool Connection::wants_bytes() const {
  return !reading_ && !writing_ && !client_ended_ && !last_taken_ && !request_ready_ &&
         std::cmp_less(exchanges_.size(), core_->options.max_pipelined);
}

void Connection::start_reading() {
  const std::size_t largest = core_->limits.head_size;
  if (begin_ == end_) {
    begin_ = 0;
    end_ = 0;
    if (buffer_.size() > kBufferFirst && state_ == State::open && !reader_) {
      buffer_ = {};  // who was busy once and waits now takes little
    }
  }
  if (buffer_.empty()) {
    buffer_.resize(std::min(kBufferFirst, largest));
  } else if (begin_ > 0 && end_ == buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  if (end_ == buffer_.size()) {
    buffer_.resize(std::min(2 * buffer_.size(), largest));
  }
  reading_ = true;
  ++operations_;
  transport_->read(shared_from_this(), {buffer_.data() + end_, buffer_.size() - end_});
}

/// One step with what has been read; false: more is needed, or has to be answered before.
bool Connection::advance() {
  if (request_ready_) {
    if (!may_dispatch()) {
      return false;
    }
    dispatch();
    return true;
  }
  if (!begin_request()) {
    return false;
  }
  std::size_t used = 0;
  const RequestReader::State state = reader_->read(unread(), used);
  begin_ += used;
  if (state == RequestReader::State::failed) {
    refuse(core_->problem(reader_->problem()), true);
    return true;
  }
  if (state == RequestReader::State::needs_more) {
    const bool is_full = end_ - begin_ >= core_->limits.head_size;
    if (is_full) {
      refuse(core_->problem({.status = 431,
                             .code = "headers_too_large",
                             .message = "a line of the request is too long"}),
             true);
      return true;
    }
    return !count_body();
  }
  return after_head(state);
}

bool Connection::begin_request() {
  if (last_taken_ || std::cmp_greater_equal(exchanges_.size(), core_->options.max_pipelined)) {
    return false;
  }
  if (!reader_) {
    // Line ends before a request are to be passed over: RFC 9112, section 2.2.
    while (begin_ < end_ && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n')) {
      ++begin_;
    }
    if (begin_ < end_) {
      request_ = Request();
      reader_.emplace(core_->limits, request_);
      request_began_ = Steady::now();
      head_admitted_ = false;
    }
  }
  return reader_ && (begin_ < end_ || head_admitted_);
}

bool Connection::after_head(RequestReader::State state) {
  if (!std::exchange(head_admitted_, true)) {
    request_.client = client_.address;
    if (auto refused = admit(*core_, worker_.counters(), client_, request_)) {
      // A body that nobody wants is not read either.
      refuse(std::move(*refused),
             !reader_->keeps_alive() || state == RequestReader::State::head_is_read);
      return true;
    }
    continue_due_ = reader_->expects_continue() && state == RequestReader::State::head_is_read &&
                    reader_->is_http_1_1() && begin_ == end_;
  }
  if (state == RequestReader::State::head_is_read) {
    return begin_ < end_;
  }
  if (!count_body()) {
    return true;
  }
  request_ready_ = true;
  return true;
}

/// False: the bodies of all clients together take too much, and this one was refused.
bool Connection::count_body() {
  const std::size_t fresh = request_.body.size() - body_counted_;
  if (fresh == 0) {
    return true;
  }
  body_counted_ += fresh;
  const auto all = core_->body_bytes.fetch_add(static_cast<std::int64_t>(fresh)) +
                   static_cast<std::int64_t>(fresh);
  if (all <= core_->options.max_bodies_size.count) {
    return true;
  }
  refuse(core_->problem({.status = 503,
                         .code = "overloaded",
                         .message = "too many bodies of requests are being read",
                         .hint = "try again in a second",
                         .headers = {{"Retry-After", "1"}}}),
         true);
  return false;
}

void Connection::release_body() {
  if (body_counted_ > 0) {
    core_->body_bytes.fetch_sub(static_cast<std::int64_t>(std::exchange(body_counted_, 0)));
  }
}

/// Requests that change something wait for those before them, and all wait for those: RFC 9112,
/// section 9.3.2.
bool Connection::may_dispatch() {
  return exchanges_.empty() || (is_safe_method(request_.method) && exchanges_.back().is_safe);
}

/// An exchange of the request that was read, or is being read.
Exchange& Connection::push_exchange() {
  Exchange& exchange = exchanges_.push();
  exchange.began = request_began_;
  exchange.is_safe = is_safe_method(request_.method);
  exchange.form = {.is_http_1_1 = reader_->is_http_1_1(),
                   .is_head = request_.method == "HEAD",
                   .closes = !reader_->keeps_alive()};
  if (core_->cors.is_on()) {
    exchange.origin = request_.header("Origin");
  }
  if (core_->options.access_log != AccessLogMode::off) {
    exchange.method = request_.method;
    exchange.target = request_.target;
    exchange.user = request_.user;
  }
  return exchange;
}

void Connection::dispatch() {
  const std::uint64_t number = exchanges_.next_number();
  const Exchange& exchange = push_exchange();
  last_taken_ = exchange.form.closes;
  request_ready_ = false;
  continue_due_ = false;
  reader_.reset();
  release_body();
  core_->in_flight.fetch_add(1, std::memory_order_relaxed);
  Ticket ticket(shared_from_this(), number, accepts_gzip(request_.header("Accept-Encoding")));
  try {
    core_->handler.handle(std::move(request_), Responder(std::move(ticket)));
  } catch (const std::exception& error) {
    Log().error("a request could not be answered: {}", error.what());
  }
}

/// Answers the request that is being read by ourselves.
void Connection::refuse(Response response, bool closes) {
  Exchange& exchange = push_exchange();
  exchange.form.closes = exchange.form.closes || closes;
  last_taken_ = exchange.form.closes;
  request_ready_ = false;
  continue_due_ = false;
  reader_.reset();
  release_body();
  fill(exchange, std::move(response));
}

void Connection::respond(std::uint64_t number, bool accepts_gzip, Response response) noexcept {
  core_->in_flight.fetch_sub(1, std::memory_order_relaxed);
  try {
    const bool is_here = gate_->is_here();
    if (response.status == 0) {
      response = core_->problem(no_answer());
    }
    compress(*core_, response, accepts_gzip, is_here);
    if (is_here) {
      answer(number, std::move(response));
    } else {
      gate_->post([self = shared_from_this(), number, response = std::move(response)]() mutable {
        self->answer(number, std::move(response));
      });
    }
  } catch (const std::exception& error) {
    Log().error("an answer is lost: {}", error.what());
  }
}

}  // namespace millrace::http
