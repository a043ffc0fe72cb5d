// Changes as rows: those of a snapshot, and those of the binlog.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/mysql/binlog_stream.h"
#include "connectors/mysql/binlog_values.h"
#include "connectors/mysql/columns.h"
#include "connectors/mysql/row_reader.h"
#include "core/row_columns.h"
#include "core/source.h"

namespace millrace::mysql {

/// What a column of `metadata` has.
enum class ChangeFact : std::uint8_t { op, change_time, sequence, position };

/// The columns of changes: those of the table, then those of `metadata`.
struct ChangeLayout {
  ReadPlan plan;  ///< of the table's columns
  Schema schema;  ///< all of them
  std::vector<ChangeFact> facts;
  std::vector<std::string> key;  ///< the primary key
  std::vector<std::string> all;  ///< all columns that the table has, read or not
  /// Columns of MariaDB's own types.
  std::map<std::string, BinlogForm> forms;
};

/// What a change is, beside its row.
struct ChangeNote {
  std::string_view op;
  std::int64_t time_us = 0;
  std::int64_t sequence = 0;
  std::string_view position;
};
void write_note(const ChangeLayout& layout, const ChangeNote& note, ChunkWriter& to,
                std::size_t row);

/// A table of the binlog, with what of its columns only the catalog knows.
[[nodiscard]] BinlogTable with_forms(BinlogTable table,
                                     const std::map<std::string, BinlogForm>& forms);

class ChangeReader;

/// Gives the rows of a snapshot.
class SnapshotReader final : public RowReader {
 public:
  /// `rows`: that are as they were; `restored`: others, nullptr for none.
  SnapshotReader(const ChangeLayout& layout, std::unique_ptr<RowReader> rows, std::int64_t time_us,
                 std::string position, std::unique_ptr<ChangeReader> restored);
  ~SnapshotReader() override;
  std::size_t read(ChunkWriter& to) override;
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override;

 private:
  const ChangeLayout& layout_;
  std::unique_ptr<RowReader> rows_;
  std::int64_t time_us_;
  std::string position_;
  std::unique_ptr<ChangeReader> restored_;
};

/// Gives the changes of events, in their order. An update that changes the key is a deletion and an
/// insertion.
class ChangeReader final : public RowReader {
 public:
  ChangeReader(const ChangeLayout& layout, std::vector<std::shared_ptr<const RowsEvent>> events,
               std::string position, MalformedReceiver& malformed);
  std::size_t read(ChunkWriter& to) override;
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override;
  /// One that begins where this one began.
  [[nodiscard]] std::unique_ptr<RowReader> again() const {
    return std::make_unique<ChangeReader>(layout_, events_, position_, malformed_);
  }

 private:
  /// How the images of a table become rows: a table that was altered has another one.
  struct Decoding {
    explicit Decoding(const ChangeLayout& layout, std::shared_ptr<const BinlogTable> events_table);
    Decoding(const Decoding&) = delete;
    Decoding& operator=(const Decoding&) = delete;

    std::shared_ptr<const BinlogTable> of;  ///< as the binlog has it
    BinlogTable table;                      ///< and with what only the catalog knows
    std::vector<int> places;  ///< of the schema's columns among the table's; -1: there is none
    std::vector<ColumnDecoder> decoders;  ///< of those that are there
    std::vector<std::size_t> key;         ///< places of the key's columns
    ImageReader before;
    ImageReader after;
  };

  void open(const RowsEvent& event);
  /// One row out of an image; false: it is malformed.
  bool write(std::span<const Cell> cells, std::string_view op, std::int64_t sequence,
             ChunkWriter& to, std::size_t row);
  void refuse(std::span<const Cell> cells, const Column& column, std::string_view why,
              std::int64_t sequence);
  [[nodiscard]] bool is_same_key(std::span<const Cell> a, std::span<const Cell> b) const;

  const ChangeLayout& layout_;
  std::vector<std::shared_ptr<const RowsEvent>> events_;
  std::string position_;
  MalformedReceiver& malformed_;
  RowColumns to_;
  std::size_t next_ = 0;
  const RowsEvent* event_ = nullptr;
  std::unique_ptr<Decoding> decoding_;
  std::span<const unsigned char> left_;  ///< of the event's images
  std::int64_t sequence_ = 0;
};

}  // namespace millrace::mysql
