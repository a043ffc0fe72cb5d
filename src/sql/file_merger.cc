#include "sql/file_merger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"
#include "sql/internal/file_output.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

/// Copies a file to the end of another.
void append_file(const std::string& from, int to, const std::string& to_path) {
  const UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source.is_open()) {
    throw_file_error("read", from, errno);
  }
  std::vector<char> buffer(std::size_t{1} << 20);
  for (;;) {
    const ssize_t got = ::read(source.get(), buffer.data(), buffer.size());
    if (got == 0) {
      return;
    }
    if (got < 0) {
      throw_file_error("read", from, errno);
    }
    for (ssize_t put = 0; put < got;) {
      const ssize_t now = ::write(to, buffer.data() + put, static_cast<std::size_t>(got - put));
      if (now < 0) {
        throw_file_error("write", to_path, errno);
      }
      put += now;
    }
  }
}

std::string scan_of(const std::vector<std::string>& files) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const std::string& file : files) {
    names.push_back(quote_text(file));
  }
  return fmt::format("read_parquet([{}], union_by_name = true, hive_partitioning = false)",
                     join(names, ", "));
}

}  // namespace

struct FileMerger::Impl {
  Impl(Database& database, FileWriterOptions of)
      : connection(*database.impl().duck), options(std::move(of)) {}

  void merge_parquet(const std::vector<std::string>& files, const std::string& to);
  void merge_foreign(const std::vector<std::string>& files, const std::string& to,
                     const Schema& columns);
  void concatenate(const std::vector<std::string>& files, const std::string& to,
                   const Schema& columns);
  void write_header(const std::string& to, const Schema& columns);

  duckdb::Connection connection;
  FileWriterOptions options;
};

void FileMerger::Impl::merge_parquet(const std::vector<std::string>& files, const std::string& to) {
  const auto result = connection.Query(
      fmt::format("COPY (SELECT * FROM {}) TO {} (FORMAT parquet, ROW_GROUP_SIZE {}, "
                  "COMPRESSION {})",
                  scan_of(files), quote_text(to), options.row_group_rows, options.compression));
  if (result->HasError()) {
    throw run_error(result->GetErrorObject());
  }
}

/// Reads Parquet that others make, and has them make it again, a row group at a time.
void FileMerger::Impl::merge_foreign(const std::vector<std::string>& files, const std::string& to,
                                     const Schema& columns) {
  std::vector<std::string> casts;
  duckdb::vector<std::string> names;
  casts.reserve(columns.size());
  for (const Column& column : columns.columns) {
    casts.push_back(fmt::format("CAST({} AS {})", quote_name(column.name), column.type));
    names.push_back(column.name);
  }
  const auto types = types_of(columns);
  const auto result =
      connection.SendQuery(fmt::format("SELECT {} FROM {}", join(casts, ", "), scan_of(files)));
  if (result->HasError()) {
    throw run_error(result->GetErrorObject());
  }
  as_run_error([&] {
    const auto file = FileOutput::make(*connection.context, names, types, options)->create(to);
    const auto no_rows = [&] {
      return duckdb::make_uniq<duckdb::ColumnDataCollection>(duckdb::Allocator::DefaultAllocator(),
                                                             types);
    };
    auto rows = no_rows();
    while (const auto chunk = result->Fetch()) {
      rows->Append(*chunk);
      if (std::cmp_greater_equal(rows->Count(), options.row_group_rows)) {
        file->put(std::exchange(rows, no_rows()));
      }
    }
    if (result->HasError()) {
      throw run_error(result->GetErrorObject());
    }
    file->put(std::move(rows));
    file->finish();
  });
}

/// A file of no rows, of one format with the others: compressed, it is a part of its own.
void FileMerger::Impl::write_header(const std::string& to, const Schema& columns) {
  duckdb::vector<std::string> names;
  for (const Column& column : columns.columns) {
    names.push_back(column.name);
  }
  as_run_error([&] {
    connection.BeginTransaction();
    FileWriterOptions with_header = options;
    with_header.header = true;
    FileOutput::make(*connection.context, names, types_of(columns), with_header)
        ->create(to)
        ->finish();
    connection.Commit();
  });
}

/// Lines follow each other; so do the members of gzip (RFC 1952, 2.2) and the frames of zstd (RFC
/// 8878, 3).
void FileMerger::Impl::concatenate(const std::vector<std::string>& files, const std::string& to,
                                   const Schema& columns) {
  remove_file(to);
  if (options.format == FileWriterOptions::Format::csv && options.header) {
    write_header(to, columns);
  }
  const UniqueFd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!out.is_open()) {
    throw_file_error("write", to, errno);
  }
  for (const std::string& file : files) {
    append_file(file, out.get(), to);
  }
}

FileMerger::FileMerger(Database& database, FileWriterOptions options) {
  if (!can_merge(options)) {
    throw Error(Blame::internal, "files of this format can't be merged");
  }
  impl_ = std::make_unique<Impl>(database, std::move(options));
}
FileMerger::~FileMerger() = default;

void FileMerger::merge(const std::vector<std::string>& files, const std::string& to,
                       const Schema& columns) const {
  if (impl_->options.make_file) {
    impl_->merge_foreign(files, to, columns);
  } else if (impl_->options.format == FileWriterOptions::Format::parquet) {
    impl_->merge_parquet(files, to);
  } else {
    impl_->concatenate(files, to, columns);
  }
  if (impl_->options.sync) {
    fsync_file(to);
  }
}

}  // namespace millrace::sql
