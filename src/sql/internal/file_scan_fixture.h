// Scans files as a plan does, for tests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sql/database.h"
#include "sql/internal/database.h"
#include "sql/internal/file_scan.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

/// Keeps the malformed rows in memory.
class Kept final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override {
    const std::lock_guard guard(lock_);
    rows_.push_back(row);
  }
  /// By line, and by part.
  [[nodiscard]] std::vector<MalformedRow> sorted() const {
    auto rows = rows_;
    std::ranges::sort(rows, {}, [](const auto& row) { return std::pair(row.line, row.part); });
    return rows;
  }
  /// Those that were only shown.
  void pass(const MalformedRow& /*row*/) override { ++passed_; }
  void drop(const MalformedRow& /*row*/) override { ++dropped_; }
  [[nodiscard]] int passed() const { return passed_; }
  [[nodiscard]] int dropped() const { return dropped_; }
  void clear() {
    rows_.clear();
    passed_ = dropped_ = 0;
  }

 private:
  std::mutex lock_;
  std::vector<MalformedRow> rows_;
  std::atomic<int> passed_ = 0;
  std::atomic<int> dropped_ = 0;
};

/// A folder of files and a way to scan them, on any number of threads.
class FileScanTest : public testing::Test {
 protected:
  FileScanTest()
      : folder_(fs::temp_directory_path() / fmt::format("file_scan_test-{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~FileScanTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    plan(path);
    return path;
  }
  /// Puts a file on the list, as a source would.
  void plan(const std::string& path) {
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
    scan_.files.push_back(
        {path, status.st_size, (status.st_mtim.tv_sec * 1'000'000'000LL) + status.st_mtim.tv_nsec});
  }

  /// Reads all files; rows as text, sorted if they are to be. Columns by index; by default all.
  Lines read(const std::string& schema, std::vector<duckdb::column_t> columns = {}) {
    auto declared = std::make_shared<Declaration>();
    declared->schema = database_.parse_schema(schema);
    declared->types = types_of(declared->schema);
    const bool all = columns.empty();
    for (const Column& column : declared->schema.columns) {
      if (all) {
        columns.push_back(declared->names.size());
      }
      declared->names.push_back(column.name);
    }
    declared->files = format_;
    input_ = std::make_unique<Input>(declared);
    input_->quarantine = &kept_;
    kept_.clear();
    duckdb::Connection connection(*database_.impl().duck);
    connection.BeginTransaction();
    const auto scanner = FileScanner::open(*connection.context, *input_, scan_, columns);
    Lines lines;
    std::mutex lock;
    std::exception_ptr failure;
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(threads_));
    for (int i = 0; i < threads_; ++i) {
      threads.emplace_back([&] {
        try {
          read_one_thread(*connection.context, *scanner, *declared, columns, lines, lock);
        } catch (...) {
          const std::lock_guard guard(lock);
          failure = std::current_exception();
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
    scanner->finish(*connection.context);
    if (sorted_) {
      std::sort(lines.begin(), lines.end());
    }
    return lines;
  }

  static void read_one_thread(duckdb::ClientContext& context, FileScanner& scanner,
                              const Declaration& declared,
                              const std::vector<duckdb::column_t>& columns, Lines& lines,
                              std::mutex& lock) {
    duckdb::ThreadContext thread(context);
    duckdb::ExecutionContext execution(context, thread, nullptr);
    const auto local = scanner.local(execution);
    duckdb::vector<duckdb::LogicalType> types;
    for (const auto column : columns) {
      types.push_back(duckdb::IsVirtualColumn(column) ? duckdb::LogicalType::BOOLEAN
                                                      : declared.types[column]);
    }
    duckdb::DataChunk chunk;
    chunk.Initialize(context, types);
    while (true) {
      chunk.Reset();
      scanner.scan(context, *local, chunk);
      if (chunk.size() == 0) {
        return;
      }
      chunk.Verify();
      const std::lock_guard guard(lock);
      for (duckdb::idx_t row = 0; row < chunk.size(); ++row) {
        std::string line;
        for (duckdb::idx_t c = 0; c < types.size(); ++c) {
          line += (c > 0 ? "|" : "") + chunk.GetValue(c, row).ToString();
        }
        lines.push_back(line);
      }
    }
  }

  /// What reading throws.
  std::string error_of(const std::string& schema) {
    try {
      read(schema);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  /// "line column raw" of the rows put aside, by line.
  Lines malformed() {
    Lines lines;
    for (const MalformedRow& row : kept_.sorted()) {
      lines.push_back(fmt::format("{} {} {}", row.line, row.column, row.raw));
    }
    return lines;
  }

  fs::path folder_;
  Database database_{Database::Options{.threads = 2}};
  FileFormat format_;
  FileScan scan_;
  std::unique_ptr<Input> input_;
  Kept kept_;
  int threads_ = 2;
  bool sorted_ = true;
};

inline constexpr const char* kSchema = "id BIGINT, name VARCHAR, amount DOUBLE";

}  // namespace millrace::sql
