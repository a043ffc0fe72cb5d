// What a connection may say of S3. The words are those of AWS, Spark, DuckDB and fsspec.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/options.h"

namespace millrace::s3 {

struct S3Options {
  std::string path;
  std::string region;
  std::string endpoint;
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;
  std::string profile;
  bool anonymous = false;
  std::optional<bool> path_style;
  std::string ca_file;
  std::chrono::milliseconds timeout{30'000};
  std::int64_t max_attempts = 10;
  std::int64_t max_connections = 8;

  static const OptionTable<S3Options>& table();
};

}  // namespace millrace::s3
