#include "http/internal/leftovers.h"
// Behind it:
#include <algorithm>
#include <array>
#include <boost/asio/ssl/stream.hpp>
#include <utility>

namespace millrace::http {
namespace {

/// A record has no more.
constexpr std::size_t kRecordBytes = 16 << 10;

class TlsTransport final : public Transport {
 public:
  TlsTransport(Tcp::socket socket, const TlsContext& context)
      // The stream only makes its session of the context, but takes it as one to change.
      : stream_(std::move(socket), const_cast<TlsContext&>(context)) {}

  void begin(User user) override {
    stream_.async_handshake(
        boost::asio::ssl::stream_base::server,
        [user = std::move(user)](const error_code& error) { user->on_ready(!error); });
  }

  void read(User user, std::span<char> into) override {
    stream_.async_read_some(asio::buffer(into.data(), into.size()),
                            [user = std::move(user)](const error_code& error, std::size_t bytes) {
                              user->on_read(error ? 0 : bytes, !error || error == asio::error::eof);
                            });
  }

  std::size_t write_now(std::span<const std::string_view> /*pieces*/, bool& good) override {
    good = true;
    return 0;
  }

  void write(User user, std::span<const std::string_view> pieces) override {
    std::string_view next;
    if (!pieces.empty()) {
      next = pieces.front().substr(0, kRecordBytes);
    }
    if (pieces.size() > 1 && next.size() < kRecordBytes) {
      // Small pieces, such as a head and a body, go into one record.
      record_.clear();
      for (const std::string_view piece : pieces) {
        record_ += piece.substr(0, kRecordBytes - record_.size());
        if (record_.size() == kRecordBytes) {
          break;
        }
      }
      next = record_;
    }
    stream_.async_write_some(asio::buffer(next.data(), next.size()),
                             [user = std::move(user)](const error_code& error, std::size_t bytes) {
                               user->on_written(bytes, !error);
                             });
  }

  void finish(User user) override {
    // Ends at once, with an error, if the client has sent what nobody has read.
    stream_.async_shutdown([this, user = std::move(user)](const error_code&) {
      error_code ignored;
      (void)stream_.next_layer().shutdown(Tcp::socket::shutdown_send, ignored);
      leftovers_.read(stream_.next_layer(), user);
    });
  }

  void cancel() noexcept override {
    error_code ignored;
    (void)stream_.lowest_layer().cancel(ignored);
  }

  void close() noexcept override {
    error_code ignored;
    (void)stream_.lowest_layer().close(ignored);
  }

 private:
  boost::asio::ssl::stream<Tcp::socket> stream_;
  std::string record_;
  Leftovers leftovers_;
};

}  // namespace

std::unique_ptr<Transport> make_tls_transport(Tcp::socket socket, const TlsContext& context) {
  return std::make_unique<TlsTransport>(std::move(socket), context);
}

}  // namespace millrace::http
