// Reads a table: by token ranges, several at once, page by page; one partition; or rows by their
// key.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/cassandra/options.h"
#include "connectors/cassandra/select.h"
#include "core/source.h"

namespace millrace::cassandra {

class CassandraSource final : public Source {
 public:
  /// `as_table`: it is read whole in each batch; else once, as a stream.
  CassandraSource(std::string name, ConnectionOptions connection, SourceOptions options,
                  bool as_table, std::stop_token stop);

  const Schema& schema() override;
  void open(const std::optional<Json>& position) override;
  [[nodiscard]] Json position() const override;
  std::optional<Slice> plan(std::int64_t now) override;
  void advance(const Json& offsets) override;
  SliceInput read(const Json& offsets, MalformedReceiver& malformed) override;
  [[nodiscard]] std::unique_ptr<KeyLookup> lookup(const std::vector<std::size_t>& key) override;
  [[nodiscard]] std::optional<std::string> why_no_history() const override {
    return "a table of Cassandra may have changed since it was read";
  }
  void stop_at_present() override {}
  [[nodiscard]] bool finished() const override { return !as_table_ && read_; }
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override;

 private:
  class Reader;

  std::string name_;
  ConnectionOptions connection_;
  SourceOptions options_;
  bool as_table_;
  std::stop_token stop_;
  std::optional<ScanPlan> plan_;
  bool read_ = false;  // as a stream: its one slice was given
  std::mutex lock_;
  std::condition_variable_any condition_;
};

}  // namespace millrace::cassandra
