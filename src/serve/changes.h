// A table's changes as server-sent events, for those who follow it.
//
//   event: rows           rows as they are now: {"batch": 7, "rows": [{...}, ...]}
//   event: gone           keys of rows that are no more: {"batch": 7, "rows": [{...}, ...]}
//   event: reset          what happened since is not known any more: read the table anew
// The last event of a batch has its number as `id`; who comes back says it as Last-Event-ID.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "formats/json/encoder.h"
#include "http/message.h"
#include "serve/answer.h"
#include "serve/stats.h"
#include "spec/serve.h"
#include "sql/live_tables.h"

namespace millrace::serve {

/// Thread-safe.
class Changes {
 public:
  /// The spec and the tables outlive it.
  Changes(const EndpointSpec& spec, sql::LiveTables& tables) : spec_(spec), tables_(tables) {}

  const EndpointSpec& spec() const noexcept { return spec_; }
  EndpointCounters counters;

  /// Who asks, from which batch on, and for which keys.
  struct Wish {
    std::optional<std::int64_t> after;                      ///< none: from now on
    std::vector<std::pair<std::string, std::string>> keys;  ///< columns and the values they have
    auto operator<=>(const Wish&) const = default;
  };
  /// Of Last-Event-ID, or the parameter `after` (-1: all there is), and parameters that are named
  /// as columns of the key.
  [[nodiscard]] std::expected<Wish, Refused> wish_of(const http::Request& request) const;
  void add(Wish wish, std::shared_ptr<http::EventStream> stream);
  /// Sends what they do not have yet; by one thread.
  void send();
  [[nodiscard]] std::int64_t followers() const;
  void close();

 private:
  struct Follower {
    Wish wish;
    bool is_greeted = false;
    std::shared_ptr<http::EventStream> stream;  // shared with the server
  };
  [[nodiscard]] std::string events(const sql::LiveSnapshot& at, const sql::LiveTable& table,
                                   const Wish& wish) const;

  const EndpointSpec& spec_;
  sql::LiveTables& tables_;
  mutable std::mutex lock_;
  std::vector<Follower> followers_;
};

}  // namespace millrace::serve
