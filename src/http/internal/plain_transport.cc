#include <array>
#include <utility>

#include "http/internal/leftovers.h"

namespace millrace::http {
namespace {

constexpr std::size_t kPiecesMax = 64;

/// As buffers of asio, without memory of their own: the first so many.
struct Buffers {
  std::array<asio::const_buffer, kPiecesMax> all;
  std::size_t count = 0;

  explicit Buffers(std::span<const std::string_view> pieces) {
    for (const std::string_view piece : pieces.first(std::min(pieces.size(), kPiecesMax))) {
      all[count++] = asio::const_buffer(piece.data(), piece.size());
    }
  }
  using value_type = asio::const_buffer;
  using const_iterator = const asio::const_buffer*;
  [[nodiscard]] const_iterator begin() const { return all.data(); }
  [[nodiscard]] const_iterator end() const { return all.data() + count; }
};

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(Tcp::socket socket) : socket_(std::move(socket)) {
    error_code ignored;
    (void)socket_.non_blocking(true, ignored);
  }

  void begin(User user) override {
    asio::post(socket_.get_executor(), [user = std::move(user)] { user->on_ready(true); });
  }

  void read(User user, std::span<char> into) override {
    socket_.async_read_some(asio::buffer(into.data(), into.size()),
                            [user = std::move(user)](const error_code& error, std::size_t bytes) {
                              user->on_read(error ? 0 : bytes, !error || error == asio::error::eof);
                            });
  }

  std::size_t write_now(std::span<const std::string_view> pieces, bool& good) override {
    error_code error;
    const std::size_t bytes = socket_.write_some(Buffers(pieces), error);
    good = !error || error == asio::error::would_block || error == asio::error::try_again;
    return error ? 0 : bytes;
  }

  void write(User user, std::span<const std::string_view> pieces) override {
    // The pieces stay, but the list of buffers would be copied with the operation.
    pieces_.assign(pieces.begin(), pieces.end());
    socket_.async_wait(Tcp::socket::wait_write,
                       [this, user = std::move(user)](const error_code& error) {
                         bool good = !error;
                         const std::size_t bytes = good ? write_now(pieces_, good) : 0;
                         user->on_written(bytes, good);
                       });
  }

  void finish(User user) override {
    error_code error;
    (void)socket_.shutdown(Tcp::socket::shutdown_send, error);
    leftovers_.read(socket_, std::move(user));
  }

  void cancel() noexcept override {
    error_code ignored;
    (void)socket_.cancel(ignored);
  }

  void close() noexcept override {
    error_code ignored;
    (void)socket_.close(ignored);
  }

 private:
  Tcp::socket socket_;
  std::vector<std::string_view> pieces_;
  Leftovers leftovers_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(Tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace millrace::http
