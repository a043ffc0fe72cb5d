// Reads a table or query: whole, or as it grows.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.h"
#include "connectors/mysql/gaps.h"
#include "connectors/mysql/incremental.h"
#include "connectors/mysql/offset_table.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/pool.h"
#include "connectors/mysql/row_reader.h"
#include "core/connection_check.h"
#include "core/source.h"

namespace millrace::sql {
class Database;
}

namespace millrace::mysql {

/// Offsets of a slice that grew: the keys that it lies between, the ranges to read it in, and, of
/// numbers, which are missing between them and which came late:
///   {"from": [10] | null, "to": [20], "bounds": [[15]], "missing": [[12, 13]], "late": [7],
///    "at_us": 1700000000000000}
/// So a slice has the same rows whenever it is read, though rows come between. Of a table that is
/// read whole: {"as_of_us": ...}.
class MysqlSource final : public Source, public CheckedSource {
 public:
  /// `database` parses the schema; it must outlive the source.
  MysqlSource(std::string name, const ConnectionOptions& connection, SourceOptions options,
              sql::Database& database, const std::stop_token& stop);

  const Schema& schema() override;
  void open(const std::optional<Json>& position) override;
  [[nodiscard]] std::string target() const override;
  void check_connection(const SourcePlace& place, Findings& findings) override;
  [[nodiscard]] Json position() const override;
  std::optional<Slice> plan(std::int64_t now) override;
  void advance(const Json& offsets) override;
  SliceInput read(const Json& offsets, MalformedReceiver& malformed) override;
  SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                        MalformedReceiver& malformed) override;
  void committed(const Json& offsets) override;
  [[nodiscard]] std::unique_ptr<KeyLookup> lookup(const std::vector<std::size_t>& key) override;
  [[nodiscard]] std::optional<std::string> why_no_history() const override;
  Slices history() override;
  void stop_at_present() override;
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override;

 private:
  [[nodiscard]] bool is_whole() const { return options_.incremental.empty(); }
  [[nodiscard]] bool tracks_gaps() const {
    return key_.is_number && options_.gap_timeout.count() > 0;
  }
  void find_schema(Connection& connection);
  void find_key(const std::vector<Column>& columns);
  /// Where a source without a checkpoint begins.
  [[nodiscard]] Key first_key(Connection& connection);
  [[nodiscard]] SearchRange after(const Key& from, const Key& to) const;
  /// Gives up those that have been missing for too long, and says so.
  void give_up_gaps(std::int64_t now_us, const std::vector<std::int64_t>& late);
  void tell_unawaited(std::int64_t ranges);
  [[nodiscard]] std::vector<Range> ranges_of(const Json& offsets) const;
  [[nodiscard]] std::vector<Range> ranges_of_whole();
  std::unique_ptr<RowReader> read_whole(MalformedReceiver& malformed);
  [[nodiscard]] std::shared_ptr<const LeftOut> left_out_of(const Json& offsets) const;
  std::unique_ptr<RowReader> reader(std::vector<Range> ranges,
                                    std::shared_ptr<const LeftOut> left_out,
                                    MalformedReceiver& malformed);

  std::string name_;
  ConnectionOptions connection_;
  SourceOptions options_;
  sql::Database& database_;
  std::stop_token stop_;
  Log log_;
  std::shared_ptr<Pool> pool_;
  KeyColumns key_;
  ReadPlan plan_;
  std::optional<OffsetTable> offset_table_;

  Key to_;     ///< the last one given; null: none
  Gaps gaps_;  ///< of numbers up to `to_`
  bool has_begun_ = false;
  bool was_told_ = false;   ///< that one connection has to do
  std::optional<Key> end_;  ///< if it is to stop at what was there; null: nothing was
  std::mutex lock_;
  std::condition_variable_any condition_;
};

}  // namespace millrace::mysql
