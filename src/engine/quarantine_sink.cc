#include "engine/quarantine_sink.h"

#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/quarantine.h"
#include "engine/quarantine_files.h"
#include "sql/batch.h"

namespace millrace {
namespace {

/// A part of the rows is held in memory up to this size, but never less than a row.
constexpr std::size_t kPartBytes = 16UL << 20;
/// What a row takes beside its texts.
constexpr std::size_t kRowBytes = 256;

/// The places of quarantine_columns().
enum At : std::uint8_t {
  kKind,
  kName,
  kBatch,
  kOrigin,
  kLine,
  kField,
  kReason,
  kRaw,
  kRawBase64,
  kPart,
  kHeader,
  kTopic,
  kPartition,
  kOffset,
  kTime,
  kKey,
  kKeyBase64,
};

/// The rows of one kind, as files.
struct KeptFiles {
  std::string_view kind;
  std::vector<KeptFile> files;
};

/// Reads the rows of several files, part by part: at the end of each it gives no rows once.
class KeptReader final : public RowReader {
 public:
  explicit KeptReader(const std::vector<KeptFiles>& kinds) {
    for (const auto& [kind, files] : kinds) {
      for (const auto& file : files) {
        files_.emplace_back(kind, file);
      }
    }
  }

  std::size_t read(ChunkWriter& to) override {
    std::size_t rows = 0;
    while (rows < kChunkRows && bytes_ < kPartBytes) {
      const auto row = next();
      if (!row) {
        return rows;
      }
      bytes_ += kRowBytes + row->raw.size() + row->header.size() + row->reason.size();
      fill(to, rows++, *row);
    }
    return rows;
  }
  void begin_part() noexcept { bytes_ = 0; }

 private:
  std::optional<MalformedRow> next() {
    while (true) {
      if (rows_) {
        if (auto row = rows_()) {
          return row;
        }
        at_++;
        rows_ = nullptr;
      }
      if (at_ == files_.size()) {
        return std::nullopt;
      }
      rows_ = kept_rows(files_[at_].second.path);
    }
  }

  void fill(ChunkWriter& to, std::size_t at, const MalformedRow& row) const {
    const auto& [kind, file] = files_[at_];
    to.set_string(kKind, at, kind);
    to.set_string(kName, at, file.of);
    to.values<std::int64_t>(kBatch)[at] = file.batch;
    set_text(to, kOrigin, at, row.origin);
    set_number<std::int64_t>(to, kLine, at, row.line, row.line > 0 || row.message.has_value());
    set_text(to, kField, at, row.column);
    set_text(to, kReason, at, row.reason);
    set_bytes(to, kRaw, kRawBase64, at, row.raw);
    set_number<std::int32_t>(to, kPart, at, row.part, row.part > 0);
    set_text(to, kHeader, at, row.header);
    fill_message(to, at, row.message);
  }

  static void fill_message(ChunkWriter& to, std::size_t at,
                           const std::optional<MalformedRow::Message>& message) {
    if (!message) {
      for (const At column : {kTopic, kPartition, kOffset, kTime, kKey, kKeyBase64}) {
        to.set_null(column, at);
      }
      return;
    }
    to.set_string(kTopic, at, message->topic);
    to.values<std::int32_t>(kPartition)[at] = message->partition;
    to.values<std::int64_t>(kOffset)[at] = message->offset;
    set_number<std::int64_t>(to, kTime, at, message->timestamp_ms * 1000,
                             message->timestamp_ms >= 0);
    if (message->key) {
      set_bytes(to, kKey, kKeyBase64, at, *message->key);
    } else {
      to.set_null(kKey, at);
      to.set_null(kKeyBase64, at);
    }
  }

  template <class T>
  static void set_number(ChunkWriter& to, At column, std::size_t at, T value, bool known) {
    if (known) {
      to.values<T>(column)[at] = value;
    } else {
      to.set_null(column, at);
    }
  }

  /// NULL: it is empty, or no text.
  static void set_text(ChunkWriter& to, At column, std::size_t at, const std::string& text) {
    if (text.empty() || find_invalid_utf8(text)) {
      to.set_null(column, at);
    } else {
      to.set_string(column, at, text);
    }
  }

  /// In one of two columns: as they are, or as base64 if they are no UTF-8.
  static void set_bytes(ChunkWriter& to, At as_text, At as_base64, std::size_t at,
                        const std::string& bytes) {
    if (!find_invalid_utf8(bytes)) {
      to.set_string(as_text, at, bytes);
      to.set_null(as_base64, at);
      return;
    }
    std::string coded;
    encode_base64(bytes, coded);
    to.set_null(as_text, at);
    to.set_string(as_base64, at, coded);
  }

  std::vector<std::pair<std::string_view, KeptFile>> files_;
  std::size_t at_ = 0;  // of the file that is read
  MalformedRows rows_;  // what is left of it; none: it is not begun
  std::size_t bytes_ = 0;
};

}  // namespace

const Schema& quarantine_columns() {
  static const Schema kColumns{{{"kind", "VARCHAR", Physical::string},
                                {"name", "VARCHAR", Physical::string},
                                {"batch", "BIGINT", Physical::i64},
                                {"origin", "VARCHAR", Physical::string},
                                {"line", "BIGINT", Physical::i64},
                                {"field", "VARCHAR", Physical::string},
                                {"reason", "VARCHAR", Physical::string},
                                {"raw", "VARCHAR", Physical::string},
                                {"raw_base64", "VARCHAR", Physical::string},
                                {"part", "INTEGER", Physical::i32},
                                {"header", "VARCHAR", Physical::string},
                                {"message_topic", "VARCHAR", Physical::string},
                                {"message_partition", "INTEGER", Physical::i32},
                                {"message_offset", "BIGINT", Physical::i64},
                                {"message_time", "TIMESTAMP WITH TIME ZONE", Physical::i64},
                                {"message_key", "VARCHAR", Physical::string},
                                {"message_key_base64", "VARCHAR", Physical::string}}};
  return kColumns;
}

std::int64_t write_quarantined(const BatchOutputs& outputs, SinkBatch& to) {
  KeptReader reader({{"malformed", outputs.malformed->published()},
                     {"refused", outputs.refused->published()},
                     {"violating", outputs.violating->published()}});
  std::unique_ptr<SinkWriter> writer;
  std::int64_t rows = 0;
  while (true) {
    sql::Batch part(quarantine_columns());
    reader.begin_part();
    part.read(reader);
    if (part.rows() == 0) {
      break;
    }
    if (!writer) {
      writer = to.writer();
    }
    part.for_each([&](const Chunk& chunk) { writer->write(chunk); });
    rows += part.rows();
  }
  if (writer) {
    writer->finish();
  }
  return rows;
}

}  // namespace millrace
