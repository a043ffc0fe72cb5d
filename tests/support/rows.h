// Rows into sinks and out of sources, for tests of connectors.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/node.h"
#include "core/sink.h"
#include "core/source.h"
#include "sql/database.h"

namespace millrace::support {

/// A mapping of a pipeline file, of scalars.
[[nodiscard]] Node mapping(std::initializer_list<std::pair<std::string, std::string>> entries);

/// For sources whose rows are all well-formed, and sinks that take all rows.
struct NoMalformed final : MalformedReceiver {
  void add(const MalformedRow& row) override {
    ADD_FAILURE() << row.origin << ":" << row.line << ": " << row.reason;
  }
};

/// Runs plans of one database. Declares names in it, so there may be one of these a database.
class Rows {
 public:
  explicit Rows(sql::Database& database) : database_(database) {}

  /// The rows of a slice, "a|b|NULL" each.
  [[nodiscard]] std::vector<std::string> of(const Schema& schema, SliceInput input);
  [[nodiscard]] std::vector<std::string> of(Source& source, const Json& offsets);
  /// The same, of readers of about so many rows each.
  [[nodiscard]] std::vector<std::string> of_parts(Source& source, const Json& offsets,
                                                  std::int64_t part_rows);
  /// Gives a batch the rows of a query.
  void give(SinkBatch& batch, const Schema& schema, const std::string& query);
  /// A whole batch of a sink.
  SinkStats write_batch(Sink& sink, std::int64_t batch, const Schema& schema,
                        const std::string& query);

 private:
  std::string declare(const Schema& schema);

  sql::Database& database_;
  int names_ = 0;
};

}  // namespace millrace::support
