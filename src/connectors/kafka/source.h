// Reads topics: each message once, by the offsets of the checkpoint.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "connectors/kafka/consumer.h"
#include "connectors/kafka/reader.h"
#include "connectors/kafka/registry.h"
#include "core/connection_check.h"
#include "core/growing_columns.h"

namespace millrace::sql {
class Database;
}

namespace millrace::kafka {

class KafkaSource final : public Source, public GrowingColumns, public CheckedSource {
 public:
  /// `database` parses the schema; it must outlive the source. `stop` ends what waits for the
  /// cluster.
  KafkaSource(std::string name, ConnectionOptions connection, SourceOptions options,
              sql::Database* database, std::stop_token stop = {});

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
  [[nodiscard]] std::optional<Lag> lag() const override;
  [[nodiscard]] std::optional<std::string> why_no_history() const override { return std::nullopt; }
  Slices history() override;
  void stop_at_present() override;
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override;

  [[nodiscard]] bool grows() const override;
  void begin_with(Schema columns) override { so_far_ = std::move(columns); }
  [[nodiscard]] Schema found() const override;

 private:
  /// Begins to fetch, at the latest position; once.
  void start();
  /// Partitions that nobody knows yet.
  [[nodiscard]] std::vector<Partition> find_new(const Consumer& consumer,
                                                std::chrono::milliseconds timeout) const;
  [[nodiscard]] Offsets starting_offsets(const Consumer& consumer,
                                         const std::vector<Partition>& partitions) const;
  void discover();
  /// Goes back with partitions that were made anew.
  void begin_anew(const Offsets& from);
  void find_ends(const Consumer& consumer);
  void leave_out_remade(Ranges& ranges) const;
  [[nodiscard]] static Offsets ends_of(const Consumer& consumer, std::vector<Partition> partitions);
  void tell_lost(std::int64_t lost) const;
  [[nodiscard]] Ranges with_beginning(Ranges ranges) const;
  [[nodiscard]] std::unique_ptr<Consumer> make_consumer();
  /// How many offsets a batch may have.
  [[nodiscard]] std::int64_t most_offsets();
  /// Whether a batch should wait for more messages than there are.
  [[nodiscard]] bool is_too_few(const Ranges& there);

  std::string name_;
  ConnectionOptions connection_;
  SourceOptions options_;
  sql::Database* database_;
  std::stop_token stop_;
  std::unique_ptr<SchemaRegistry> registry_;  // of framed Avro
  Schema so_far_;                             // the columns of values; empty: not known
  RowLayout layout_;                          // with the first schema()
  Log log_;
  Troubles troubles_;
  std::unique_ptr<Consumer> live_;
  std::unique_ptr<Consumer> past_;  // for slices that were read before
  Offsets past_next_;
  Offsets first_;                   // where each partition was begun
  Offsets next_;                    // the first offset that was not given
  std::int64_t mean_bytes_ = 1024;  // of a message; before one came, a guess
  bool has_planned_ = false;        // plan() has given a slice
  bool stops_at_present_ = false;
  std::optional<Offsets> ends_;  // if so
  /// The first batch is to note where the source began, even if it has no row: another process
  /// would find another "latest".
  bool notes_beginning_ = false;
  std::chrono::steady_clock::time_point next_discovery_;
  std::optional<std::chrono::steady_clock::time_point> few_since_;
};

}  // namespace millrace::kafka
