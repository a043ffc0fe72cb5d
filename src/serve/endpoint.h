// An endpoint that answers by a query: made ready, and the steps of an answer.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "formats/json/encoder.h"
#include "serve/answer_cache.h"
#include "serve/readable.h"
#include "serve/request.h"
#include "serve/responses.h"
#include "serve/stats.h"
#include "spec/serve.h"
#include "sql/read_query.h"

namespace millrace::serve {

/// A query with what it reads. Thread-safe.
class Prepared {
 public:
  /// Throws SqlError with the position in the endpoint's SQL, or Error.
  Prepared(sql::Database& database, const EndpointSpec& endpoint,
           const std::vector<std::shared_ptr<Readable>>& readables);

  [[nodiscard]] const sql::ReadQuery& query() const noexcept { return query_; }
  /// The query of a run, whose moment gets what is read.
  [[nodiscard]] const sql::ReadQuery& bring(std::span<const std::string> names,
                                            std::span<const sql::ReadValue> values,
                                            sql::ReadMoment& moment) const;
  [[nodiscard]] const std::vector<std::shared_ptr<Readable>>& reads() const noexcept {
    return reads_;
  }
  [[nodiscard]] bool is_of_batches() const noexcept { return is_of_batches_; }
  [[nodiscard]] bool may_be_kept() const noexcept { return may_be_kept_; }
  /// Whether what it reads is still what it was made with.
  [[nodiscard]] bool is_current() const;
  /// nullopt: something has to be looked at first.
  [[nodiscard]] std::optional<Stamps> stamps(const sql::LiveSnapshot& at) const;

  /// Appends rows, with commas between them.
  class Rows {
   public:
    explicit Rows(const Prepared& of);
    ~Rows();
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;
    void add(const Chunk& chunk, std::size_t row);
    std::string text;
    std::int64_t count = 0;

   private:
    const Prepared& of_;
    std::unique_ptr<json::Encoder> encoder_;
  };

 private:
  static sql::ReadQuery make_query(sql::Database& database, const EndpointSpec& endpoint,
                                   const std::vector<std::shared_ptr<Readable>>& readables);

  void make_kept(sql::Database& database, const EndpointSpec& endpoint);

  std::vector<std::int64_t> revisions_;
  sql::ReadQuery query_;
  std::optional<sql::ReadQuery> kept_query_;      ///< on rows that are found in memory
  std::vector<bool> is_kept_;                     ///< whether it is so of each of `reads_`
  std::vector<std::shared_ptr<Readable>> reads_;  // shared with the service and other endpoints
  bool is_of_batches_ = false;
  bool may_be_kept_ = true;
  mutable std::mutex lock_;
  mutable std::vector<std::unique_ptr<json::Encoder>> encoders_;  // not in use
};

/// An endpoint of the file. Thread-safe.
class Endpoint {
 public:
  Endpoint(const EndpointSpec& spec, std::size_t index);

  const EndpointSpec& spec;
  const std::size_t index;
  const RequestReader reader;
  EndpointCounters counters;
  AnswerSample sample;

  [[nodiscard]] std::shared_ptr<const Prepared> prepared() const;
  void prepare(std::shared_ptr<const Prepared> prepared);
  [[nodiscard]] const std::vector<std::string>& parameter_names() const noexcept { return names_; }

 private:
  std::vector<std::string> names_;
  mutable std::mutex lock_;
  std::shared_ptr<const Prepared> prepared_;  // shared with answers under way
};

/// What an answer is made of.
struct Making {
  const Endpoint& endpoint;
  const Prepared& prepared;
  const std::vector<sql::ReadValue>& values;
  sql::LiveSnapshot snapshot;
  const Responses& responses;
};

/// The row of a key, without SQL. For queries that have by_key().
[[nodiscard]] Answer answer_by_key(const Making& making);
/// Runs the query; what is read must have been looked at. Throws Error.
[[nodiscard]] Answer answer_by_sql(const Making& making, sql::QueryRunner& runner,
                                   const std::stop_token& stop);

}  // namespace millrace::serve
