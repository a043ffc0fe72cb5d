#include "connectors/s3/s3.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/files.h"
#include "connectors/s3/client.h"
#include "connectors/s3/options.h"
#include "connectors/s3/store.h"

namespace millrace {

namespace {

constexpr std::string_view kScheme = "s3://";

Location place_of(const ConnectorRequest& request, std::string_view option) {
  const Node* const value = request.connection->find(option);
  return value == nullptr ? request.at : value->at;
}

/// 3 to 63 of lower-case letters, digits, dots and hyphens; older ones and other stores also have
/// upper-case letters and underscores.
bool is_bucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && !name.starts_with('.') &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

/// Reports what does not go together.
void check(const ConnectorRequest& request, const s3::S3Options& options, std::string_view what,
           Diagnostics& diagnostics) {
  if (options.access_key_id.empty() != options.secret_access_key.empty()) {
    const auto* const has = options.access_key_id.empty() ? "secret_access_key" : "access_key_id";
    const auto* const lacks = options.access_key_id.empty() ? "access_key_id" : "secret_access_key";
    diagnostics.error(place_of(request, has),
                      fmt::format("{} has `{}` without `{}`", what, has, lacks),
                      fmt::format("give `{}`, too", lacks));
  }
  if (!options.session_token.empty() && options.access_key_id.empty()) {
    diagnostics.error(place_of(request, "session_token"),
                      fmt::format("{} has a `session_token` without a key", what),
                      "give `access_key_id` and `secret_access_key`, too");
  }
  if (!options.access_key_id.empty() && !options.profile.empty()) {
    diagnostics.error(place_of(request, "profile"),
                      fmt::format("{} has both a key and a `profile`", what),
                      "leave out one of the two");
  }
  if (options.anonymous && (!options.access_key_id.empty() || !options.profile.empty())) {
    diagnostics.error(place_of(request, "anonymous"),
                      fmt::format("{} is `anonymous`, but says who we are", what),
                      "leave out `anonymous`, or the key and the profile");
  }
}

class S3Stores final : public ObjectStores {
 public:
  [[nodiscard]] std::string_view scheme() const noexcept override { return kScheme; }
  [[nodiscard]] const OptionSet& options() const noexcept override {
    return s3::S3Options::table();
  }

  [[nodiscard]] std::optional<ObjectPlace> open(const ConnectorRequest& request,
                                                Diagnostics& diagnostics,
                                                std::string_view what) const override {
    const auto before = diagnostics.error_count();
    s3::S3Options options;
    if (!s3::S3Options::table().parse(*request.connection, diagnostics, options, what)) {
      return std::nullopt;
    }
    check(request, options, what, diagnostics);
    auto path = options.path.substr(kScheme.size());
    const auto slash = std::min(path.find('/'), path.size());
    const auto bucket = path.substr(0, slash);
    path.erase(0, std::min(slash + 1, path.size()));
    while (path.ends_with('/')) {
      path.pop_back();
    }
    if (!is_bucket(bucket)) {
      diagnostics.error(place_of(request, "path"),
                        fmt::format("`{}` names no bucket", options.path),
                        "it has to be like s3://bucket/prefix");
    }
    if (diagnostics.error_count() != before) {
      return std::nullopt;
    }
    if (!options.ca_file.empty()) {
      options.ca_file = resolve_path(request.base_dir, options.ca_file);
    }
    const auto environment = s3::process_environment();
    try {
      auto client = std::make_unique<s3::S3Client>(
          options, s3::find_endpoint(options, bucket, environment), environment, request.stop);
      const auto at_once = static_cast<std::size_t>(options.max_connections);
      return ObjectPlace{std::make_shared<s3::S3Store>(std::move(client), at_once),
                         std::move(path)};
    } catch (const Error& error) {
      diagnostics.error(place_of(request, "endpoint"), error.what());
      return std::nullopt;
    }
  }
};

}  // namespace

std::unique_ptr<ObjectStores> s3_stores() { return std::make_unique<S3Stores>(); }

}  // namespace millrace
