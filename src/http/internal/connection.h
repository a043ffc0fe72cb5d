// One client: reads its requests, has them answered, writes the answers in their order.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/internal/admission.h"
#include "http/internal/core.h"
#include "http/internal/exchanges.h"
#include "http/internal/gate.h"
#include "http/internal/request_reader.h"
#include "http/internal/stream.h"
#include "http/internal/transport.h"

namespace millrace::http {

class Worker;

/// Everything but respond() and wake_stream() is called by the thread of its worker. After close()
/// it has nothing of asio's, and may be held by anybody.
///
/// Bounds: a buffer of one head, `max_pipelined` exchanges, one body that is being read. While the
/// client does not take its answers, nothing more is read from it.
class Connection final : public TransportUser, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Core> core, Worker& worker, Client client,
             std::unique_ptr<Transport> transport);

  void start();
  /// From any thread; `accepts_gzip` as the exchange has it.
  void respond(std::uint64_t number, bool accepts_gzip, Response response) noexcept;
  void wake_stream();
  /// Looks after what has to be done by now.
  void on_tick(Steady::time_point now);
  /// To end as soon as what is under way has been answered.
  void drain();
  void close();

  std::size_t place = 0;  ///< of the worker's list; the worker's to use

 private:
  enum class State : unsigned char { beginning, open, streaming, finishing, closed };

  void on_ready(bool good) override;
  void on_read(std::size_t bytes, bool good) override;
  void on_written(std::size_t bytes, bool good) override;
  void on_finished() override;
  /// An operation has ended; the transport goes with the last one of a closed connection.
  void operation_ended();

  // Reading (connection.cc).
  void pump();
  void settle();
  bool advance();
  bool begin_request();
  bool after_head(RequestReader::State state);
  bool count_body();
  void release_body();
  [[nodiscard]] bool may_dispatch();
  void dispatch();
  Exchange& push_exchange();
  void refuse(Response response, bool closes);
  [[nodiscard]] bool wants_bytes() const;
  void start_reading();
  [[nodiscard]] std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }

  // Writing (connection_writing.cc).
  void answer(std::uint64_t number, Response response);
  void fill(Exchange& exchange, Response response);
  bool flush();
  void collect();
  void write_on(bool wait);
  void drop_written(std::size_t bytes);
  void pieces_are_written();
  void count(const Exchange& exchange);
  void finish();
  void start_finishing();
  void begin_stream(const std::function<void(std::shared_ptr<EventStream>)>& events);
  void write_stream();
  void end_stream();
  void set_deadline();
  void on_deadline();

  std::shared_ptr<Core> core_;
  std::shared_ptr<Gate> gate_;
  Worker& worker_;
  Client client_;
  std::unique_ptr<Transport> transport_;
  State state_ = State::beginning;
  int operations_ = 0;

  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool reading_ = false;
  bool pumping_ = false;
  bool client_ended_ = false;  ///< it sends nothing more
  bool last_taken_ = false;    ///< no request is taken any more
  Request request_;
  std::optional<RequestReader> reader_;
  Steady::time_point request_began_;
  bool head_admitted_ = false;
  bool request_ready_ = false;
  bool continue_due_ = false;
  std::size_t body_counted_ = 0;

  Exchanges exchanges_;
  std::vector<std::string_view> pieces_;  ///< that are being written
  std::size_t pieces_done_ = 0;
  std::size_t exchanges_written_ = 0;  ///< whose pieces these are
  bool writing_ = false;               ///< an operation is under way

  std::shared_ptr<StreamQueue> stream_;
  std::string stream_bytes_;
  bool has_stream_place_ = false;
  Steady::time_point stream_written_;

  Steady::time_point idle_since_;
  Steady::time_point deadline_;
};

}  // namespace millrace::http
