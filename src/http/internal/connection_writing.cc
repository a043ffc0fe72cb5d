#include <utility>

#include "base/log.h"
#include "http/internal/connection.h"
#include "http/internal/worker.h"

namespace millrace::http {
namespace {

/// How long a client may take to hear that a connection ends.
constexpr std::chrono::seconds kFinishing{2};

}  // namespace

void Connection::answer(std::uint64_t number, Response response) {
  Exchange* const exchange =
      state_ == State::open ? exchanges_.find(number) : nullptr;  // it may be gone by now
  if (exchange == nullptr || exchange->is_answered) {
    return;
  }
  fill(*exchange, std::move(response));
  pump();
}

void Connection::fill(Exchange& exchange, Response response) {
  if (!is_sound(response)) {
    response = core_->problem({.code = "internal", .message = "the answer cannot be sent"});
  }
  if (response.events && !exchange.form.is_head) {
    if (core_->streams.fetch_add(1) >= core_->options.max_streams || core_->draining) {
      core_->streams.fetch_sub(1);
      response = core_->problem({.status = 503,
                                 .code = "too_many_streams",
                                 .message = "too many clients listen for events",
                                 .hint = "try again later",
                                 .headers = {{"Retry-After", "10"}}});
    } else {
      has_stream_place_ = true;
      exchange.form.closes = true;
      exchange.events = std::move(response.events);
      response.events = [](const std::shared_ptr<EventStream>&) {};  // for its head
    }
  }
  exchange.form.closes = exchange.form.closes || core_->draining;
  last_taken_ = last_taken_ || exchange.form.closes;
  exchange.status = response.status;
  append_head(*core_, response, exchange.form, worker_.date(), exchange.origin, exchange.head);
  if (has_body(response, exchange.form)) {
    exchange.body = std::move(response.body);
  }
  exchange.is_answered = true;
}

/// Writes what can be written in order; true: something was, and there may be room for more.
bool Connection::flush() {
  if (state_ != State::open || writing_) {
    return false;
  }
  if (exchanges_.empty() && std::exchange(continue_due_, false)) {
    pieces_.emplace_back("HTTP/1.1 100 Continue\r\n\r\n");
  } else {
    collect();
  }
  if (pieces_.empty()) {
    return false;
  }
  write_on(false);
  return !writing_;
}

void Connection::collect() {
  for (std::size_t i = 0; i < exchanges_.size() && exchanges_[i].is_answered; ++i) {
    const Exchange& exchange = exchanges_[i];
    pieces_.push_back(exchange.head);
    if (exchange.body != nullptr) {
      pieces_.push_back(*exchange.body);
    }
    ++exchanges_written_;
    if (exchange.form.closes) {
      return;
    }
  }
}

void Connection::write_on(bool wait) {
  if (!wait) {
    bool good = true;
    drop_written(transport_->write_now(pieces_, good));
    if (!good) {
      close();
      return;
    }
  }
  if (pieces_done_ == pieces_.size()) {
    writing_ = false;
    pieces_are_written();
    return;
  }
  writing_ = true;
  deadline_ = Steady::now() + core_->options.request_timeout;
  ++operations_;
  transport_->write(shared_from_this(), std::span(pieces_).subspan(pieces_done_));
}

void Connection::drop_written(std::size_t bytes) {
  Counters::add(worker_.counters().bytes_out, static_cast<std::int64_t>(bytes));
  while (pieces_done_ < pieces_.size() && bytes >= pieces_[pieces_done_].size()) {
    bytes -= pieces_[pieces_done_++].size();
  }
  if (bytes > 0) {
    pieces_[pieces_done_].remove_prefix(bytes);
  }
}

void Connection::on_written(std::size_t bytes, bool good) {
  if (state_ == State::open || state_ == State::streaming) {
    if (good) {
      drop_written(bytes);
      write_on(true);
      if (!writing_ && state_ == State::open) {
        pump();
      } else if (!writing_ && state_ == State::streaming) {
        write_stream();  // what has come in the meantime
      }
    } else {
      close();
    }
  }
  operation_ended();
}

void Connection::pieces_are_written() {
  pieces_.clear();
  pieces_done_ = 0;
  if (state_ == State::streaming) {
    stream_bytes_.clear();
    return;
  }
  bool closes = false;
  std::function<void(std::shared_ptr<EventStream>)> events;
  for (; exchanges_written_ > 0; --exchanges_written_) {
    Exchange& exchange = exchanges_[0];
    count(exchange);
    closes = exchange.form.closes;
    events = std::move(exchange.events);
    exchanges_.pop();
  }
  idle_since_ = Steady::now();
  if (events) {
    begin_stream(events);
  } else if (closes) {
    finish();
  }
}

void Connection::count(const Exchange& exchange) {
  Counters::add(worker_.counters().by_status_class[static_cast<std::size_t>(exchange.status / 100)],
                1);
  if (core_->access_log.wants(exchange.status)) {
    const std::size_t body = exchange.body == nullptr ? 0 : exchange.body->size();
    core_->access_log.add({.client = client_.address,
                           .user = exchange.user,
                           .method = exchange.method,
                           .target = exchange.target,
                           .status = exchange.status,
                           .bytes = static_cast<std::int64_t>(exchange.head.size() + body),
                           .took = std::chrono::duration_cast<std::chrono::microseconds>(
                               Steady::now() - exchange.began)});
  }
}

/// Ends the connection so that the client gets all that was sent.
void Connection::finish() {
  if (state_ == State::finishing || state_ == State::closed) {
    return;
  }
  state_ = State::finishing;
  deadline_ = Steady::now() + kFinishing;
  if (reading_) {
    transport_->cancel();  // on_read() goes on
  } else {
    start_finishing();
  }
}

void Connection::start_finishing() {
  ++operations_;
  transport_->finish(shared_from_this());
}

void Connection::on_finished() {
  close();
  operation_ended();
}

void Connection::close() {
  if (std::exchange(state_, State::closed) == State::closed) {
    return;
  }
  const auto self = shared_from_this();
  transport_->close();
  release_body();
  end_stream();
  reader_.reset();
  worker_.remove(*this);
  if (operations_ == 0) {
    // Who has called may still be about to use it.
    gate_->post([self] { self->transport_.reset(); });
  }
}

void Connection::drain() {
  if (state_ == State::streaming) {
    stream_->close();
  } else if (state_ == State::beginning) {
    close();
  } else if (state_ == State::open) {
    settle();
  }
}

void Connection::begin_stream(const std::function<void(std::shared_ptr<EventStream>)>& events) {
  state_ = State::streaming;
  stream_written_ = Steady::now();
  stream_ = std::make_shared<StreamQueue>(
      weak_from_this(), static_cast<std::size_t>(core_->options.max_stream_queue.count));
  if (!reading_ && !client_ended_) {
    begin_ = 0;
    end_ = 0;
    start_reading();  // to see when it goes
  }
  try {
    events(std::make_shared<StreamHandle>(stream_));
  } catch (const std::exception& error) {
    Log().error("an event stream could not begin: {}", error.what());
  }
}

void Connection::wake_stream() {
  gate_->post([self = shared_from_this()] {
    if (self->state_ == State::streaming && (!self->writing_ || self->stream_->was_cut_off())) {
      self->write_stream();
    }
  });
}

void Connection::write_stream() {
  // A client that does not read would keep what it has not read.
  if (stream_->was_cut_off()) {
    Counters::add(worker_.counters().streams_cut_off, 1);
    close();
    return;
  }
  const bool is_open = stream_->is_open();
  stream_->take(stream_bytes_);
  if (!stream_bytes_.empty()) {
    stream_written_ = Steady::now();
    pieces_.assign(1, stream_bytes_);
    write_on(false);
  }
  // Closed after that, it wakes us again; what is being written comes here at its end.
  if (!is_open && !writing_) {
    finish();
  }
}

void Connection::end_stream() {
  if (stream_ != nullptr) {
    stream_->end();
  }
  if (std::exchange(has_stream_place_, false)) {
    core_->streams.fetch_sub(1);
  }
}

void Connection::set_deadline() {
  const ServerOptions& options = core_->options;
  if (writing_) {
    return;  // set with each step
  }
  if (reader_ && !request_ready_) {
    deadline_ =
        request_began_ + (head_admitted_ ? options.request_timeout : options.request_timeout / 3);
  } else if (!exchanges_.empty() || request_ready_) {
    deadline_ = Steady::time_point::max();  // how long an answer may take is the handler's to say
  } else {
    deadline_ = idle_since_ + options.idle_timeout;
  }
}

void Connection::on_tick(Steady::time_point now) {
  if (state_ == State::streaming && !writing_) {
    if (now - stream_written_ >= core_->options.heartbeat && stream_->is_open()) {
      stream_->send(":\n\n");
    }
  } else if (now >= deadline_) {
    on_deadline();
  }
}

void Connection::on_deadline() {
  const bool is_idle = state_ == State::open && !writing_ && !reader_;
  if (!is_idle && state_ != State::finishing) {
    Counters::add(worker_.counters().timeouts, 1);
  }
  const bool can_tell = state_ == State::open && !writing_ && reader_ &&
                        std::cmp_less(exchanges_.size(), core_->options.max_pipelined);
  if (can_tell) {
    refuse(core_->problem({.status = 408,
                           .code = "request_timeout",
                           .message = "the request did not come to its end in time"}),
           true);
    pump();
  } else {
    close();
  }
}

}  // namespace millrace::http
