#include "connectors/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace {

namespace {

// A page of a listing has up to a thousand keys of up to a kilobyte, escaped.
constexpr std::size_t kAnswerBytesMax = std::size_t{8} << 20;
constexpr std::size_t kHeadersMax = 200;

struct FreeCurl {
  void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeList>;

Headers headers_of(const HttpRequest& request) {
  Headers list;
  const auto add = [&list](const char* header) {
    auto* const longer = curl_slist_append(list.get(), header);
    if (longer == nullptr) {
      throw std::bad_alloc();
    }
    if (list.get() != longer) {  // the first one makes the list
      list.reset(longer);
    }
  };
  add("Expect:");
  add("Accept:");
  for (const std::string& header : request.headers) {
    add(header.c_str());
  }
  return list;
}

template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  if (const CURLcode code = curl_easy_setopt(curl, option, value); code != CURLE_OK) {
    throw Error(Blame::internal, fmt::format("libcurl's option {}: {}", static_cast<int>(option),
                                             curl_easy_strerror(code)));
  }
}

/// An answer while it comes in.
struct Incoming {
  CURL* curl = nullptr;
  HttpAnswer answer;
  std::span<char> into;
  std::size_t filled = 0;
  bool is_too_large = false;
  const std::stop_token* stop = nullptr;
  curl_off_t moved = -1;  // bytes, in both directions
  std::chrono::steady_clock::time_point moved_at;
};

std::size_t on_bytes(const char* bytes, std::size_t /*one*/, std::size_t count, void* incoming) {
  auto& to = *static_cast<Incoming*>(incoming);
  long status = 0;
  curl_easy_getinfo(to.curl, CURLINFO_RESPONSE_CODE, &status);
  const bool direct = !to.into.empty() && status >= 200 && status < 300;
  const auto room = direct ? to.into.size() - to.filled : kAnswerBytesMax - to.answer.body.size();
  to.is_too_large = count > room;
  if (to.is_too_large) {
    return 0;
  }
  if (direct) {
    std::memcpy(to.into.data() + to.filled, bytes, count);
    to.filled += count;
  } else {
    to.answer.body.append(bytes, count);
  }
  return count;
}

std::size_t on_header(const char* bytes, std::size_t /*one*/, std::size_t count, void* incoming) {
  auto& to = *static_cast<Incoming*>(incoming);
  const std::string_view line(bytes, count);
  const auto colon = line.find(':');
  if (line.starts_with("HTTP/")) {
    to.answer.headers.clear();  // those of a `100 Continue`
  } else if (colon != std::string_view::npos && to.answer.headers.size() < kHeadersMax) {
    to.answer.headers[to_lower(line.substr(0, colon))] = trim(line.substr(colon + 1));
  }
  return count;
}

/// Whether to give up: a stop was requested, and the server lets us wait. What it answers at once
/// is still taken, so that a batch or a file that is nearly done is finished.
int on_progress(void* incoming, curl_off_t /*to_come*/, curl_off_t came, curl_off_t /*to_go*/,
                curl_off_t went) {
  constexpr auto kPatience = std::chrono::seconds(1);
  auto& transfer = *static_cast<Incoming*>(incoming);
  const auto now = std::chrono::steady_clock::now();
  if (came + went != transfer.moved) {
    transfer.moved = came + went;
    transfer.moved_at = now;
  }
  return transfer.stop->stop_requested() && now - transfer.moved_at >= kPatience ? 1 : 0;
}

bool is_lasting(CURLcode code) noexcept {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

std::string_view way_out(CURLcode code) noexcept {
  return code == CURLE_PEER_FAILED_VERIFICATION
             ? "; if this server is to be trusted, name the file with the certificate of its "
               "authority in `ca_file`"
         : code == CURLE_SSL_CACERT_BADFILE ? "; check `ca_file`"
                                            : "";
}

}  // namespace

std::string HttpAnswer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

/// A handle of libcurl, which keeps its connection open.
class HttpClient::Connection {
 public:
  explicit Connection(const HttpOptions& options) : options_(options), curl_(curl_easy_init()) {
    if (curl_ == nullptr) {
      throw std::bad_alloc();
    }
  }
  std::expected<HttpAnswer, HttpTrouble> send(const HttpRequest& request,
                                              const std::stop_token& stop);

 private:
  void set_up(const HttpRequest& request, Incoming& incoming, const Headers& headers);

  const HttpOptions& options_;
  std::unique_ptr<CURL, FreeCurl> curl_;
};

void HttpClient::Connection::set_up(const HttpRequest& request, Incoming& incoming,
                                    const Headers& headers) {
  CURL* curl = curl_.get();
  curl_easy_reset(curl);  // connections stay
  set(curl, CURLOPT_URL, request.url.c_str());
  set(curl, CURLOPT_HTTPHEADER, headers.get());
  set(curl, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  set(curl, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(curl, CURLOPT_PATH_AS_IS, 1L);  // a key may have a part `..`
  set(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  set(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  set(curl, CURLOPT_USERAGENT, "millrace");
  set(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  set(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
  set(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.total_timeout.count()));
  set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(curl, CURLOPT_LOW_SPEED_TIME,
      static_cast<long>(std::chrono::ceil<std::chrono::seconds>(options_.stall_timeout).count()));
  set(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  set(curl, CURLOPT_WRITEFUNCTION, &on_bytes);
  set(curl, CURLOPT_WRITEDATA, &incoming);
  set(curl, CURLOPT_HEADERFUNCTION, &on_header);
  set(curl, CURLOPT_HEADERDATA, &incoming);
  set(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(curl, CURLOPT_XFERINFODATA, &incoming);
  set(curl, CURLOPT_NOPROGRESS, 0L);
  if (!options_.ca_file.empty()) {
    set(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  if (request.method == "HEAD") {
    set(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST") {
    set(curl, CURLOPT_POST, 1L);
    set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(curl, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    set(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else {
    set(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

std::expected<HttpAnswer, HttpTrouble> HttpClient::Connection::send(const HttpRequest& request,
                                                                    const std::stop_token& stop) {
  std::array<char, CURL_ERROR_SIZE> error{};
  Incoming incoming;
  incoming.curl = curl_.get();
  incoming.into = request.into;
  incoming.stop = &stop;
  const Headers headers = headers_of(request);
  set_up(request, incoming, headers);
  set(curl_.get(), CURLOPT_ERRORBUFFER, error.data());
  const CURLcode code = curl_easy_perform(curl_.get());
  curl_easy_setopt(curl_.get(), CURLOPT_ERRORBUFFER, nullptr);
  if (code == CURLE_ABORTED_BY_CALLBACK && stop.stop_requested()) {
    throw Stopped();
  }
  if (incoming.is_too_large) {
    return std::unexpected(HttpTrouble{.text = "an answer that is longer than it may be"});
  }
  if (code != CURLE_OK) {
    return std::unexpected(HttpTrouble{
        .text = fmt::format("{}{}", error[0] != '\0' ? error.data() : curl_easy_strerror(code),
                            way_out(code)),
        .is_lasting = is_lasting(code)});
  }
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &incoming.answer.status);
  if (incoming.answer.is_good() && incoming.filled != request.into.size()) {
    return std::unexpected(
        HttpTrouble{.text = fmt::format("an answer of {} bytes where {} were asked for",
                                        incoming.filled, request.into.size())});
  }
  return std::move(incoming.answer);
}

HttpClient::HttpClient(HttpOptions options)
    : options_(std::move(options)), free_(options_.at_once) {}
HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::take() {
  const std::lock_guard guard(lock_);
  if (idle_.empty()) {
    return std::make_unique<Connection>(options_);
  }
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void HttpClient::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard guard(lock_);
  idle_.push_back(std::move(connection));
}

std::expected<HttpAnswer, HttpTrouble> HttpClient::send(const HttpRequest& request,
                                                        const std::stop_token& stop) {
  struct Slot {
    explicit Slot(std::counting_semaphore<>& s) : semaphore(s) { semaphore.acquire(); }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { semaphore.release(); }
    std::counting_semaphore<>& semaphore;
  };
  const Slot slot(free_);
  auto connection = take();
  auto answer = connection->send(request, stop);
  give_back(std::move(connection));
  return answer;
}

}  // namespace millrace
