#include "sql/internal/file_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "base/strings.h"
#include "duckdb/storage/arena_allocator.hpp"
#include "sql/internal/file_json_duckdb.h"
#include "sql/internal/file_text_scan.h"

namespace millrace::sql {

namespace {

using duckdb::idx_t;

/// The memory of parsed lines. The strings of a chunk lie in it, so the chunk keeps it.
class LineMemory final : public duckdb::VectorBuffer {
 public:
  LineMemory()
      : duckdb::VectorBuffer(duckdb::VectorBufferType::OPAQUE_BUFFER),
        arena_(duckdb::Allocator::DefaultAllocator()),
        functions_{take, retake, give_back, this} {}
  [[nodiscard]] duckdb_yyjson::yyjson_alc* functions() noexcept { return &functions_; }
  void clear() { arena_.Reset(); }

 private:
  static void* take(void* self, std::size_t size) {
    return static_cast<LineMemory*>(self)->arena_.AllocateAligned(size);
  }
  static void* retake(void* self, void* pointer, std::size_t old_size, std::size_t size) {
    return static_cast<LineMemory*>(self)->arena_.ReallocateAligned(
        static_cast<duckdb::data_ptr_t>(pointer), old_size, size);
  }
  static void give_back(void* /*self*/, void* /*pointer*/) {}

  duckdb::ArenaAllocator arena_;
  duckdb_yyjson::yyjson_alc functions_;
};

class LineEnds final : public RecordEnds {
 public:
  [[nodiscard]] std::size_t whole(std::string_view text) const override {
    const auto last = text.rfind('\n');
    return last == std::string_view::npos ? 0 : last + 1;
  }
};

/// Lets every string of a vector, also inside lists and structs, keep the parsed lines alive.
void keep_alive(duckdb::Vector& vector, const duckdb::buffer_ptr<LineMemory>& lines) {
  switch (vector.GetType().InternalType()) {
    case duckdb::PhysicalType::VARCHAR:
      duckdb::StringVector::AddBuffer(vector, lines);
      break;
    case duckdb::PhysicalType::STRUCT:
      for (auto& child : duckdb::StructVector::GetEntries(vector)) {
        keep_alive(*child, lines);
      }
      break;
    case duckdb::PhysicalType::LIST:
      keep_alive(duckdb::ListVector::GetEntry(vector), lines);
      break;
    case duckdb::PhysicalType::ARRAY:
      keep_alive(duckdb::ArrayVector::GetEntry(vector), lines);
      break;
    default:
      break;
  }
}

class JsonScanner final : public TextScanner {
 public:
  JsonScanner(Input& input, const FileScan& scan, const std::vector<duckdb::column_t>& columns);

  std::unique_ptr<FileScanner::Local> local(duckdb::ExecutionContext& context) override;
  void scan(duckdb::ClientContext& context, FileScanner::Local& local,
            duckdb::DataChunk& out) override;

 private:
  struct JsonLayout final : Layout {
    [[nodiscard]] const RecordEnds& ends() const noexcept override { return record_ends; }
    LineEnds record_ends;
  };

  /// A line that is a row, until its chunk is done.
  struct Line {
    duckdb_yyjson::yyjson_val* value = nullptr;  // nullptr: malformed, and a row of NULLs
    std::string_view whole;                      // without its line end
    std::string_view text;                       // without spaces around it
    std::size_t block = 0;                       // index in `blocks`
  };
  struct Source {
    File* file = nullptr;
    TextBlock block;
  };

  struct JsonLocal final : FileScanner::Local {
    explicit JsonLocal(const duckdb::vector<duckdb::LogicalType>& types) {
      scratch.Initialize(duckdb::Allocator::DefaultAllocator(), types);
    }
    std::vector<Source> blocks;  // of the chunk; the last is being read
    std::size_t position = 0;    // in the last block
    std::vector<Line> lines;
    duckdb::buffer_ptr<LineMemory> memory;
    duckdb::DataChunk scratch;  // for lines that are only tried
  };

  std::unique_ptr<const Layout> prepare(TextFile& /*text*/) override {
    return std::make_unique<JsonLayout>();
  }
  void gather_lines(duckdb::ClientContext& context, JsonLocal& local);
  bool next_line(duckdb::ClientContext& context, JsonLocal& local, Line& line);
  bool parse(JsonLocal& local, Line& line);
  void reject(const JsonLocal& local, const Line& line, const std::string& reason);
  bool transform(JsonLocal& local, std::span<const Line> lines, duckdb::DataChunk& out,
                 std::string& error);
  void reject_misfits(JsonLocal& local, std::span<const Line> lines, const std::string& error,
                      std::vector<Line>& rows);
  void write_columns(JsonLocal& local, duckdb::DataChunk& out);

  duckdb::vector<duckdb::string> names_;  // of the columns that are read, once each
  duckdb::vector<duckdb::LogicalType> types_;
  std::vector<int> output_of_;  // the output of each of them
};

JsonScanner::JsonScanner(Input& input, const FileScan& scan,
                         const std::vector<duckdb::column_t>& columns)
    : TextScanner(input, scan, columns) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (is_decoded(i)) {
      names_.push_back(input.declared->names[columns_[i]]);
      types_.push_back(input.declared->types[columns_[i]]);
      output_of_.push_back(static_cast<int>(i));
    }
  }
}

std::unique_ptr<FileScanner::Local> JsonScanner::local(duckdb::ExecutionContext& /*context*/) {
  // A chunk has one column at least.
  return std::make_unique<JsonLocal>(
      types_.empty() ? duckdb::vector<duckdb::LogicalType>{duckdb::LogicalType::BOOLEAN} : types_);
}

/// The next line that is not blank; false at the end of the last file.
bool JsonScanner::next_line(duckdb::ClientContext& context, JsonLocal& local, Line& line) {
  while (true) {
    if (!local.blocks.empty()) {
      const std::string_view text = local.blocks.back().block.text;
      while (local.position < text.size()) {
        const auto end = std::min(text.find('\n', local.position), text.size());
        line.whole = without_line_end(text.substr(local.position, end - local.position));
        line.text = trim(line.whole);
        line.block = local.blocks.size() - 1;
        local.position = end + 1;
        if (!line.text.empty()) {
          return true;
        }
      }
    }
    Source next;
    if (!next_block(context, next.file, next.block)) {
      return false;
    }
    local.blocks.push_back(std::move(next));
    local.position = 0;
  }
}

void JsonScanner::reject(const JsonLocal& local, const Line& line, const std::string& reason) {
  const Source& source = local.blocks[line.block];
  malformed(
      {.origin = source.file->text.path(),
       .line = source.block.first_line + count_of('\n', source.block.text.data(), line.text.data()),
       .raw = std::string(line.whole),
       .reason = reason});
}

bool JsonScanner::parse(JsonLocal& local, Line& line) {
  duckdb_yyjson::yyjson_read_err error;
  // Numbers that no machine number holds stay as they are written, for DECIMAL and HUGEINT. The
  // text is not changed: that would need a flag.
  auto* document = duckdb_yyjson::yyjson_read_opts(
      const_cast<char*>(line.text.data()), line.text.size(), duckdb_yyjson::kReadBigNumberAsRaw,
      local.memory->functions(), &error);
  if (document == nullptr) {
    reject(local, line, fmt::format("not valid JSON at byte {}: {}", error.pos + 1, error.msg));
    return false;
  }
  if ((document->root->tag & duckdb_yyjson::kTypeMask) != duckdb_yyjson::kTypeObject) {
    reject(local, line, "not a JSON object");
    return false;
  }
  line.value = document->root;
  return true;
}

/// Writes the lines into the columns of `out` (one for each of names_).
bool JsonScanner::transform(JsonLocal& local, std::span<const Line> lines, duckdb::DataChunk& out,
                            std::string& error) {
  const idx_t count = lines.size();
  std::vector<duckdb_yyjson::yyjson_val*> values(count);
  for (idx_t i = 0; i < count; ++i) {
    values[i] = lines[i].value;
  }
  duckdb::vector<duckdb::Vector*> vectors;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const bool trial = &out == &local.scratch;
    vectors.push_back(&out.data[trial ? i : static_cast<std::size_t>(output_of_[i])]);
  }
  duckdb::JSONTransformOptions options(true, true, false, false);
  options.delay_error = true;
  const bool good = duckdb::JSONTransform::TransformObject(
      values.data(), local.memory->functions(), count, names_, vectors, options, nullptr, false);
  error = options.error_message;
  return good;
}

/// Some of these lines do not fit: DuckDB tells of one of them only, and not always which. So they
/// are tried in smaller and smaller parts. Adds those that are rows all the same.
void JsonScanner::reject_misfits(JsonLocal& local, std::span<const Line> lines,
                                 const std::string& error, std::vector<Line>& rows) {
  constexpr std::size_t kParts = 8;
  if (lines.size() == 1) {
    reject(local, lines[0], error.substr(0, error.find('\n')));
    if (permissive()) {
      rows.push_back(lines[0]);
      rows.back().value = nullptr;
    }
    return;
  }
  const std::size_t step = (lines.size() + kParts - 1) / kParts;
  for (std::size_t i = 0; i < lines.size(); i += step) {
    const auto part = lines.subspan(i, std::min(step, lines.size() - i));
    std::string why;
    local.scratch.Reset();
    if (transform(local, part, local.scratch, why)) {
      rows.insert(rows.end(), part.begin(), part.end());
    } else {
      reject_misfits(local, part, why, rows);
    }
  }
}

/// Parses lines for a chunk; none: there are no more.
void JsonScanner::gather_lines(duckdb::ClientContext& context, JsonLocal& local) {
  Line line;
  while (local.lines.size() < STANDARD_VECTOR_SIZE && next_line(context, local, line)) {
    line.value = nullptr;
    if (parse(local, line) || permissive()) {
      local.lines.push_back(line);
    }
  }
}

void JsonScanner::write_columns(JsonLocal& local, duckdb::DataChunk& out) {
  std::string error;
  if (!transform(local, local.lines, out, error)) {
    std::vector<Line> rows;
    rows.reserve(local.lines.size());
    reject_misfits(local, local.lines, error, rows);
    local.lines = std::move(rows);
    out.Reset();
    if (!transform(local, local.lines, out, error)) {
      throw Error(Blame::internal, "JSON lines that fit one by one do not fit together: " + error);
    }
  }
  begin_corrupt_records(out);
  for (idx_t row = 0; row < local.lines.size() && permissive(); ++row) {
    if (local.lines[row].value == nullptr) {
      write_corrupt_record(out, row, local.lines[row].whole);
    }
  }
}

void JsonScanner::scan(duckdb::ClientContext& context, FileScanner::Local& base,
                       duckdb::DataChunk& out) {
  auto& local = static_cast<JsonLocal&>(base);
  bool more = true;
  do {
    out.Reset();
    local.lines.clear();
    if (local.blocks.size() > 1) {
      local.blocks.erase(local.blocks.begin(), local.blocks.end() - 1);
    }
    if (local.memory == nullptr || local.memory.use_count() > 1) {  // an earlier chunk still lives
      local.memory = duckdb::make_buffer<LineMemory>();
    }
    local.memory->clear();
    gather_lines(context, local);
    more = !local.lines.empty();
    write_columns(local, out);
  } while (local.lines.empty() && more);
  for (const int output : output_of_) {
    keep_alive(out.data[static_cast<std::size_t>(output)], local.memory);
  }
  fill_others(out);
  out.SetCardinality(local.lines.size());
}

}  // namespace

std::unique_ptr<FileScanner> open_json(Input& input, const FileScan& scan,
                                       const std::vector<duckdb::column_t>& columns) {
  return std::make_unique<JsonScanner>(input, scan, columns);
}

}  // namespace millrace::sql
