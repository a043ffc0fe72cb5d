// Rows of a table, range by range.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "connectors/mysql/columns.h"
#include "connectors/mysql/pool.h"
#include "core/row_columns.h"
#include "core/source.h"

namespace millrace::mysql {

/// A part of a table: what stands behind WHERE, and its parameters. Empty: all of it.
struct Range {
  std::string where;
  std::vector<Value> parameters;
  std::span<MYSQL_BIND> binds = {};  ///< in place of them: bound by the owner, who outlives readers
};

/// What all readers of a source have in common.
struct ReadPlan {
  std::string name;  ///< of the table, for people
  std::string from;  ///< what stands behind FROM
  Schema schema;
  std::string key;  ///< a column of whole numbers that tells rows apart; empty: there is none
  ZeroDates zero_dates = ZeroDates::null;
  OnMalformed on_malformed = OnMalformed::quarantine;
};

/// Rows that are not given: by the fields and cells of their key.
struct LeftOut {
  std::vector<std::string> key;  ///< its columns; of a plan with a key, that one
  std::function<bool(std::span<const MYSQL_FIELD>, std::span<const Cell>)> contains;
};

/// Reads ranges one after the other, on a connection of its own.
class RangeReader final : public RowReader {
 public:
  /// `left_out`: nullptr for none. All references outlive the reader, which shares the pool with
  /// other readers.
  RangeReader(const ReadPlan& plan, std::shared_ptr<Pool> pool, std::vector<Range> ranges,
              std::shared_ptr<const LeftOut> left_out, MalformedReceiver& malformed);

  std::size_t read(ChunkWriter& to) override;
  /// One range each.
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override;

 private:
  /// Finds out which columns somebody reads.
  void begin(ChunkWriter& to);
  [[nodiscard]] bool open_next();
  /// False: the row is none of ours, or malformed.
  bool decode(std::span<const Cell> cells, std::size_t row);
  void refuse(std::span<const Cell> cells, std::size_t column, std::string_view why);
  [[nodiscard]] std::optional<std::int64_t> key_of(std::span<const Cell> cells) const;

  const ReadPlan& plan_;
  std::shared_ptr<Pool> pool_;
  std::vector<Range> ranges_;
  std::shared_ptr<const LeftOut> left_out_;
  MalformedReceiver& malformed_;
  std::size_t next_ = 0;
  std::string select_;                ///< the columns that somebody reads, and the key
  std::vector<std::size_t> columns_;  ///< of the schema, by place in a row; the key may follow
  RowColumns to_;
  std::optional<Pool::Lease> connection_;
  std::optional<Statement> own_;
  Statement* statement_ = nullptr;  ///< that one, or one that stays prepared; nullptr: none
  std::vector<ColumnDecoder> decoders_;
};

/// Deals with a row as `on_malformed` says. `place`: its key, or its change's number; `values`: all
/// of the row as text.
void report_malformed(const ReadPlan& plan, const std::string& column, std::string_view why,
                      std::int64_t place, const nlohmann::ordered_json& values,
                      MalformedReceiver& malformed);

}  // namespace millrace::mysql
