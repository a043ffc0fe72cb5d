#include "http/internal/core.h"

#include <algorithm>
#include <utility>

namespace millrace::http {
namespace {

constexpr std::size_t kClientsMax = 100'000;
constexpr std::size_t kCompressedBytesMax = 64 << 20;

}  // namespace

Core::Core(ServerOptions with, Handler& asked, ProblemShaper shaped_by)
    : options(std::move(with)),
      handler(asked),
      shape(std::move(shaped_by)),
      authentication(options.users),
      cors(options.cors_origins, options.cors_credentials),
      compressed(kCompressedBytesMax),
      access_log(options.access_log),
      limits{.head_size = static_cast<std::size_t>(options.max_head_size.count),
             .target_size = static_cast<std::size_t>(options.max_target_size.count),
             .headers = static_cast<std::size_t>(options.max_headers),
             .body_size = static_cast<std::size_t>(options.max_body_size.count)} {
  if (options.rate_limit) {
    limiter.emplace(*options.rate_limit, kClientsMax);
  }
}

bool Core::is_open_path(std::string_view target) const noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return std::ranges::find(options.open_paths, path) != options.open_paths.end();
}

void Core::connection_gone() noexcept {
  if (connections.fetch_sub(1) == 1 && draining) {
    // Under the lock, so that who has just looked is waiting by now.
    const std::lock_guard lock(mutex);
    none_left.notify_all();
  }
}

}  // namespace millrace::http
