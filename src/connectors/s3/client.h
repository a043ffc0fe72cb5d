// Signed requests to a store that speaks S3's protocol, tried again while trouble may pass.
// https://docs.aws.amazon.com/AmazonS3/latest/API/
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "connectors/http_client.h"
#include "connectors/s3/credentials.h"
#include "connectors/s3/options.h"
#include "connectors/s3/signing.h"

namespace millrace::s3 {

/// A store's answer that no repeating changes.
class S3Error final : public Error {
 public:
  S3Error(Blame blame, const std::string& text, long status, std::string code)
      : Error(blame, text), status_(status), code_(std::move(code)) {}

  [[nodiscard]] long status() const noexcept { return status_; }            ///< HTTP's
  [[nodiscard]] const std::string& code() const noexcept { return code_; }  ///< "NoSuchKey"

 private:
  long status_;
  std::string code_;
};

/// Where a bucket is found.
struct Endpoint {
  std::string scheme;  ///< "https"
  std::string host;    ///< with the port, if it isn't the usual one
  std::string base;    ///< in front of each key's path: "/bucket" or empty
  std::string bucket;
  std::string region;

  [[nodiscard]] std::string text() const { return scheme + "://" + host + base; }
};

/// By the options, the environment and the profile. `bucket` is a bucket's name. Throws Error
/// (user) for an endpoint that is none.
[[nodiscard]] Endpoint find_endpoint(const S3Options& options, const std::string& bucket,
                                     const Environment& environment);

/// One request, less what all have.
struct Request {
  std::string method = "GET";
  std::string key;
  Query query;
  std::map<std::string, std::string> headers;  ///< by lower-case name
  std::string_view body;
  std::span<char> into;  ///< as HttpRequest's
  /// A batch that is under way needs it, and can't be given up: it is tried until it passes.
  bool must_pass = false;
};

/// Thread-safe. Secrets are in no message.
class S3Client {
 public:
  S3Client(const S3Options& options, Endpoint endpoint, const Environment& environment,
           std::stop_token stop);

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  /// "s3://bucket/key"
  [[nodiscard]] std::string url(std::string_view key) const;
  /// Gives a good answer. No connection, timeouts, 5xx, SlowDown and the like are tried again, with
  /// pauses that grow. Throws S3Error for what does not pass, Error with Retry::yes for what did
  /// not pass in time (unless it must), and Stopped.
  HttpAnswer send(const Request& request);

 private:
  struct Attempt;

  [[nodiscard]] HttpRequest sign(const Request& request, const Credentials& credentials) const;
  /// What to do with an answer that is not good. True: try again; else it throws.
  bool may_pass(const Request& request, const HttpAnswer& answer, const Credentials& credentials,
                Attempt& attempt);
  [[nodiscard]] std::string what(const Request& request) const;
  void pause(int attempt);

  int attempts_max_;
  Endpoint endpoint_;
  std::stop_token stop_;
  CredentialChain credentials_;
  HttpClient http_;
  std::atomic<std::int64_t> clock_offset_s_ = 0;  // how far the store's clock is ahead
  std::mutex lock_;
  std::condition_variable_any waiting_;
};

}  // namespace millrace::s3
