// Who we are to a store: the usual chain of AWS's tools, in its order.
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "connectors/s3/key_services.h"
#include "connectors/s3/options.h"
#include "connectors/s3/profile.h"

namespace millrace::s3 {

/// Looks for a key at the places where AWS's tools do: the options, the environment, a web identity
/// token (exchanged at STS), the shared files, the container's endpoint, the machine's (IMDSv2).
/// What was found first is asked again before its key expires. Thread-safe.
class CredentialChain {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;
  CredentialChain(S3Options options, std::string region, Environment environment, Clock clock);

  /// Throws Error: (user) if nobody knows of a key; (external) if who does doesn't answer, and the
  /// key at hand has expired.
  [[nodiscard]] Credentials get(const std::stop_token& stop);
  /// A store says that this key has expired: the next get() asks again. False: it is one that
  /// doesn't change.
  bool renew(const Credentials& old);

 private:
  using Found = std::optional<Credentials>;

  [[nodiscard]] Credentials look(const std::stop_token& stop);
  [[nodiscard]] Found of_options() const;
  [[nodiscard]] Found of_environment() const;
  [[nodiscard]] Found of_web_identity(const std::stop_token& stop);
  [[nodiscard]] Found of_files(const std::stop_token& stop);

  S3Options options_;
  Environment environment_;
  Clock clock_;
  KeyServices services_;
  std::mutex lock_;  // guards what follows
  Found at_hand_;
};

}  // namespace millrace::s3
