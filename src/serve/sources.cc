#include "serve/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "core/lookup.h"
#include "formats/memory_columns.h"
#include "serve/breaker.h"
#include "serve/lake.h"

namespace millrace::serve {
namespace {

using Kind = sql::Relation::Kind;
using std::chrono::steady_clock;

/// Rows that can't be read are left out: the pipeline that makes the data tells of them.
class LeftOut final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override { Log().debug("left out: {}", row.reason); }
};

/// How long a request waits for a system that is away.
constexpr std::chrono::milliseconds kPatience{1'000};

/// How SQL reads the files of a source. Malformed rows are left out, or come as NULLs.
ReadableFiles as_readable(FileScan scan, const FileFormat& format, const Schema& schema) {
  ReadableFiles readable;
  std::vector<std::string> types;
  types.reserve(schema.size());
  const auto partition = scan.files.empty() ? std::vector<std::pair<std::string, std::string>>()
                                            : partition_of(scan.files.front().path);
  for (const Column& column : schema.columns) {
    if (std::ranges::find(partition, column.name, [](const auto& each) { return each.first; }) ==
        partition.end()) {
      types.push_back(
          fmt::format("{}: {}", sql::quote_text(column.name), sql::quote_text(column.type)));
    }
  }
  const auto columns = fmt::format("{{{}}}", fmt::join(types, ", "));
  switch (format.kind) {
    case FileFormat::Kind::parquet:
      readable.function = "read_parquet";
      readable.arguments = "union_by_name = true";
      break;
    case FileFormat::Kind::json:
      readable.function = "read_json";
      readable.arguments =
          fmt::format("format = 'newline_delimited', ignore_errors = true, columns = {}", columns);
      break;
    case FileFormat::Kind::csv:
      readable.function = "read_csv";
      readable.arguments = fmt::format(
          "auto_detect = false, ignore_errors = true, header = {}, delim = {}, quote = {}, "
          "escape = {}, nullstr = {}, columns = {}{}{}",
          format.header, sql::quote_text(std::string(1, format.delimiter)),
          sql::quote_text(std::string(1, format.quote)),
          sql::quote_text(std::string(1, format.escape)), sql::quote_text(format.null_text),
          columns,
          format.timestamp_format.empty()
              ? ""
              : ", timestampformat = " + sql::quote_text(format.timestamp_format),
          format.date_format.empty() ? ""
                                     : ", dateformat = " + sql::quote_text(format.date_format));
      break;
  }
  for (FileScan::File& file : scan.files) {
    if (scan.store) {
      file.path = sql::object_name(scan.mount, file.path, file.size, file.etag);
    }
  }
  readable.files = std::move(scan.files);
  return readable;
}

/// A source whose slices are read, not scanned: all of it, anew when it is old.
class TableReadable final : public Readable {
 public:
  TableReadable(const SourceSpec& spec, std::unique_ptr<Source> source,
                std::chrono::milliseconds refresh)
      : Readable(spec.name),
        source_(std::move(source)),
        schema_(source_->schema()),
        refresh_(refresh) {}

  [[nodiscard]] sql::Relation relation() const override {
    return {.name = name(), .kind = Kind::rows, .schema = schema_};
  }
  [[nodiscard]] bool is_of_batches() const override { return false; }
  [[nodiscard]] std::optional<std::int64_t> stamp(const sql::LiveSnapshot&) const override {
    const std::lock_guard guard(lock_);
    return rows_ && steady_clock::now() - read_at_ < refresh_ ? std::optional(stamp_)
                                                              : std::nullopt;
  }
  void look(const sql::LiveSnapshot& at) override {
    const std::lock_guard one(looking_);
    if (stamp(at)) {
      return;
    }
    const auto begin = steady_clock::now();
    auto rows = std::make_shared<sql::Batch>(schema_);
    breaker_([&] {
      if (const auto slice = source_->plan(SystemClock().now_us())) {
        LeftOut malformed;
        auto input = source_->read(slice->offsets, malformed);
        rows->read(*std::get<std::unique_ptr<RowReader>>(input));
      }
    });
    const std::lock_guard guard(lock_);
    rows_ = std::move(rows);
    read_at_ = begin;
    ++stamp_;
  }
  void bring(const QueryRun& run, sql::ReadMoment& into) override {
    (void)run;
    const std::lock_guard guard(lock_);
    into.rows.emplace_back(name(), rows_);
  }

 private:
  std::unique_ptr<Source> source_;
  Schema schema_;
  std::chrono::milliseconds refresh_;
  std::mutex looking_;
  Breaker breaker_;
  mutable std::mutex lock_;
  std::shared_ptr<const sql::Batch> rows_;  // shared with the runs that read them
  steady_clock::time_point read_at_;
  std::int64_t stamp_ = 0;
};

/// A table that is asked for the key that a request has. Nothing of it is kept here: it is as fresh
/// as the system.
class LookupReadable final : public Readable {
 public:
  LookupReadable(const SourceSpec& spec, std::unique_ptr<Source> source)
      : Readable(spec.name),
        source_(std::move(source)),
        schema_(source_->schema()),
        key_names_(spec.lookup->key) {
    std::vector<std::size_t> key;
    for (const std::string& name : key_names_) {
      const int place = schema_.find(name);
      if (place < 0) {
        throw Error(Blame::user, fmt::format("there is no column {} to be looked up by", name));
      }
      key.push_back(static_cast<std::size_t>(place));
      key_.columns.push_back(schema_.columns[key.back()]);
    }
    lookup_ = source_->lookup(key);
    if (!lookup_) {
      throw Error(Blame::user, fmt::format("{} can't be looked up by a key", spec.connector));
    }
    lookup_->hurry(kPatience);
  }

  [[nodiscard]] sql::Relation relation() const override {
    return {.name = name(), .kind = Kind::rows, .schema = schema_};
  }
  [[nodiscard]] bool is_of_batches() const override { return false; }
  [[nodiscard]] bool may_be_kept() const override { return false; }
  [[nodiscard]] std::optional<std::int64_t> stamp(const sql::LiveSnapshot&) const override {
    return 0;
  }
  [[nodiscard]] std::vector<std::string> needed_columns() const override { return key_names_; }
  void bring(const QueryRun& run, sql::ReadMoment& into) override {
    auto rows = std::make_shared<sql::Batch>(schema_);
    formats::MemoryColumns key(key_, 1);
    bool has_all = true;
    for (std::size_t i = 0; i < key_names_.size(); ++i) {
      const auto* value = run.equal_to(name(), key_names_[i]);
      has_all &= value != nullptr && put(*value, key_.columns[i], *key.writers()[i]);
    }
    if (has_all) {
      LeftOut malformed;
      const Chunk chunk{.rows = 1, .columns = key.views()};
      breaker_([&] {
        const auto reader = lookup_->look_up(chunk, malformed);
        rows->read(*reader);
      });
    }
    into.rows.emplace_back(name(), std::move(rows));
  }

 private:
  template <class T>
  static bool put_whole(std::int64_t value, ColumnWriter& to) {
    if (!std::in_range<T>(value)) {
      return false;
    }
    to.values<T>()[0] = static_cast<T>(value);
    return true;
  }
  static bool put_number(std::int64_t value, Physical as, ColumnWriter& to) {
    switch (as) {
      case Physical::i8:
        return put_whole<std::int8_t>(value, to);
      case Physical::i16:
        return put_whole<std::int16_t>(value, to);
      case Physical::i32:
        return put_whole<std::int32_t>(value, to);
      case Physical::i64:
        return put_whole<std::int64_t>(value, to);
      case Physical::u8:
        return put_whole<std::uint8_t>(value, to);
      case Physical::u16:
        return put_whole<std::uint16_t>(value, to);
      case Physical::u32:
        return put_whole<std::uint32_t>(value, to);
      case Physical::u64:
        return put_whole<std::uint64_t>(value, to);
      default:
        return false;
    }
  }
  /// False: the column has no such value, so there is no such row.
  static bool put(const sql::ReadValue& value, const Column& column, ColumnWriter& to) {
    const bool is_time = column.type.starts_with("TIMESTAMP");
    if (const auto* text = std::get_if<std::string>(&value)) {
      if (column.physical == Physical::string) {
        to.set_string(0, *text);
      }
      return column.physical == Physical::string;
    }
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      return !is_time && column.type != "DATE" && put_number(*whole, column.physical, to);
    }
    if (const auto* date = std::get_if<sql::DateValue>(&value)) {
      return column.type == "DATE" && put_number(date->days, Physical::i32, to);
    }
    if (const auto* moment = std::get_if<sql::TimestampValue>(&value)) {
      return is_time && put_number(moment->us, Physical::i64, to);
    }
    if (const auto* flag = std::get_if<bool>(&value); flag != nullptr) {
      to.values<bool>()[0] = *flag;
      return column.physical == Physical::boolean;
    }
    return false;
  }

  std::unique_ptr<Source> source_;
  Schema schema_;
  std::vector<std::string> key_names_;
  Schema key_;
  std::unique_ptr<KeyLookup> lookup_;
  Breaker breaker_;
};

/// A source that a SELECT reads: a table of the embedded store.
class SqlReadable final : public Readable {
 public:
  SqlReadable(const SourceSpec& spec, std::unique_ptr<Source> source, std::string select)
      : Readable(spec.name), source_(std::move(source)), select_(std::move(select)) {}
  [[nodiscard]] sql::Relation relation() const override {
    return {.name = name(), .kind = Kind::fixed, .select = select_};
  }
  [[nodiscard]] bool is_of_batches() const override { return false; }
  [[nodiscard]] bool may_be_kept() const override { return false; }
  [[nodiscard]] std::optional<std::int64_t> stamp(const sql::LiveSnapshot&) const override {
    return 0;
  }

 private:
  std::unique_ptr<Source> source_;  // has the store open
  std::string select_;
};

std::shared_ptr<Readable> readable_files(const std::string& name,
                                         const std::shared_ptr<Source>& source,
                                         std::chrono::milliseconds refresh, sql::KeptFiles* kept) {
  const Schema schema = source->schema();
  const FileFormat format = *source->file_format();
  source->open(std::nullopt);
  return std::make_shared<Lake>(
      name, schema, refresh,
      [source, format, schema](std::int64_t) {
        LeftOut malformed;
        const auto slice = source->plan(SystemClock().now_us());
        if (!slice) {
          return as_readable({}, format, schema);
        }
        auto input = source->read(slice->offsets, malformed);
        return as_readable(std::move(std::get<FileScan>(input)), format, schema);
      },
      kept);
}

}  // namespace

std::unique_ptr<Source> make_source(const SourceParts& parts, const SourceSpec& spec,
                                    Diagnostics& diagnostics) {
  return find_connector(parts.connectors, spec.connector)
      ->make_source({spec.name, spec.at, &spec.connection, &spec.options, parts.spec.base_dir,
                     &parts.database, true, parts.stop},
                    diagnostics);
}

std::shared_ptr<Readable> readable_source(const SourceParts& parts, const SourceSpec& spec) {
  const auto refresh = spec.refresh.value_or(parts.refresh);
  Diagnostics diagnostics;
  auto source = make_source(parts, spec, diagnostics);
  if (!source) {
    throw Error(Blame::user, diagnostics.text());
  }
  if (spec.lookup) {
    return std::make_shared<LookupReadable>(spec, std::move(source));
  }
  if (source->file_format()) {
    return readable_files(spec.name, std::shared_ptr<Source>(std::move(source)), refresh,
                          parts.kept);
  }
  source->open(std::nullopt);
  if (const auto slice = source->plan(SystemClock().now_us())) {
    LeftOut malformed;
    auto input = source->read(slice->offsets, malformed);
    if (const auto* scan = std::get_if<SqlScan>(&input)) {
      return std::make_shared<SqlReadable>(spec, std::move(source), scan->query);
    }
  }
  return std::make_shared<TableReadable>(spec, std::move(source), refresh);
}

}  // namespace millrace::serve
