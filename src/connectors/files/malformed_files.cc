#include "connectors/files/malformed_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/files.h"
#include "base/strings.h"

namespace millrace {

namespace {

// Text is gathered up to this size, in all files together, before it is written.
constexpr std::size_t kBufferBytes = 8 << 20;

constexpr std::string_view kSeveral = "its text has more than one line, and is no single record";
constexpr std::string_view kPartsMissing =
    "it was longer than `max_line_bytes`, and not all of its parts are there; with a larger "
    "`max_line_bytes` such records are read whole";

/// A file's name without what would make a reader unpack it.
std::string plain_name(const std::string& path) {
  std::string name = name_of_file(path);
  const auto is_packed = [&] {
    const auto lower = to_lower(name);
    return lower.ends_with(".gz") || lower.ends_with(".zst");
  };
  while (is_packed()) {
    name.erase(name.rfind('.'));
  }
  return name.empty() || name == "." || name == ".." ? "rows" : name;
}

std::string csv_header(const Schema& schema, const FileFormat& format) {
  const std::string special{format.delimiter, format.quote, '\r', '\n'};
  std::string header;
  bool first = true;
  for (const Column& column : schema.columns) {
    if (equal_ignoring_case(column.name, format.corrupt_record_column)) {
      continue;
    }
    header += first ? "" : std::string(1, format.delimiter);
    first = false;
    if (format.quote == 0 || column.name.find_first_of(special) == std::string::npos) {
      header += column.name;
      continue;
    }
    header += format.quote;
    for (const char c : column.name) {
      if (c == format.quote || c == format.escape) {
        header += format.escape;
      }
      header += c;
    }
    header += format.quote;
  }
  return header;
}

/// How a text reads when a line end and other texts follow it.
enum class Reads : std::uint8_t {
  one_record,
  on,       ///< a quote is never closed: it reads on into what follows
  several,  ///< as more than one record
};

/// The place after the quote that closes a field; npos: none does.
std::size_t after_closing_quote(std::string_view text, std::size_t at, const FileFormat& format) {
  for (; at < text.size(); ++at) {
    if (text[at] == format.escape && format.escape != 0 && format.escape != format.quote) {
      ++at;  // whatever is escaped closes nothing
    } else if (text[at] == format.quote) {
      const bool doubled =
          format.escape == format.quote && text.substr(at + 1, 1) == std::string_view(&text[at], 1);
      if (!doubled) {
        return at + 1;
      }
      ++at;
    }
  }
  return std::string_view::npos;
}

/// As the reader of CSV sees it. What follows a closing quote may be wrong: then the record is
/// broken, and ends with its line.
Reads reads_as_csv(std::string_view text, const FileFormat& format) {
  const std::string ends{format.delimiter, '\n'};
  std::size_t at = 0;
  while (true) {
    if (format.quote != 0 && at < text.size() && text[at] == format.quote) {
      at = after_closing_quote(text, at + 1, format);
      if (at == std::string_view::npos) {
        return text.find('\n') == std::string_view::npos ? Reads::on : Reads::several;
      }
    }
    at = text.find_first_of(ends, at);
    if (at == std::string_view::npos) {
      return Reads::one_record;
    }
    if (text[at] == '\n') {
      return Reads::several;
    }
    ++at;
  }
}

/// Of a text that ends with CR, a reader takes that for a part of the line end: it gets another.
std::string_view line_end(std::string_view text) { return text.ends_with('\r') ? "\r\n" : "\n"; }

}  // namespace

std::string line_place_of(const MalformedRow& row) {
  return fmt::format("{}:{}", row.origin, row.line);
}

MalformedFiles::MalformedFiles(std::string folder, FileFormat format, const Schema& schema,
                               MalformedReceiver& malformed, const Log& log)
    : folder_(std::move(folder)),
      format_(std::move(format)),
      header_(csv_header(schema, format_)),
      malformed_(malformed),
      log_(log) {}

void MalformedFiles::add(const MalformedRow& row) {
  const bool csv = format_.kind == FileFormat::Kind::csv;
  if (csv && !format_.header && !row.header.empty()) {
    throw Error(
        Blame::user,
        fmt::format("the rows of `{}` were read by a header that has the columns in another "
                    "order; set `header: true` to read them again",
                    row.origin));
  }
  if (row.part > 0) {
    add_part(row);
    return;
  }
  const Reads reads = csv                                       ? reads_as_csv(row.raw, format_)
                      : row.raw.find('\n') == std::string::npos ? Reads::one_record
                                                                : Reads::several;
  if (reads == Reads::several) {
    leave(row, kSeveral);
    return;
  }
  std::size_t file = 0;
  if (reads == Reads::on) {
    file = new_file(row);
  } else if (const auto known = shared_.find({row.origin, row.header}); known != shared_.end()) {
    file = known->second;
  } else {
    file = new_file(row);
    shared_.emplace(std::pair(row.origin, row.header), file);
  }
  write(file, row.raw);
  write(file, line_end(row.raw));
}

/// A file without a header begins with a blank line, which is no record, so that no row can be
/// taken for a byte order mark, or its end for how lines end.
std::size_t MalformedFiles::new_file(const MalformedRow& row) {
  const auto folder = fmt::format("{}/{}", folder_, files_.size() + 1);
  make_folders(folder, false);
  files_.push_back({.path = folder + "/" + plain_name(row.origin), .waiting = ""});
  const auto file = files_.size() - 1;
  if (format_.kind == FileFormat::Kind::csv && format_.header) {
    write(file, row.header.empty() ? header_ : row.header);
  }
  write(file, "\n");
  return file;
}

void MalformedFiles::write(std::size_t file, std::string_view text) {
  files_[file].waiting += text;
  waiting_bytes_ += text.size();
  if (waiting_bytes_ >= kBufferBytes) {
    flush();
  }
}

void MalformedFiles::flush() {
  for (File& file : files_) {
    if (!file.waiting.empty()) {
      AppendFile(file.path).write(file.waiting);
      file.waiting = std::string();
    }
  }
  waiting_bytes_ = 0;
}

void MalformedFiles::add_part(const MalformedRow& row) {
  auto& records = parts_[{row.origin, row.line}];
  // A record that was read twice is there twice.
  auto record = std::ranges::find_if(
      records, [&](const Parts& parts) { return !parts.paths.contains(row.part); });
  if (record == records.end()) {
    Parts parts;
    parts.row = row;
    parts.row.raw.clear();
    record = records.insert(records.end(), std::move(parts));
  }
  const auto path = fmt::format("{}/part-{}", folder_, ++part_files_);
  AppendFile(path).write(row.raw);
  record->paths.emplace(row.part, path);
  record->one_line &= row.raw.find('\n') == std::string::npos;
}

/// Makes one record of its parts, if all are there. The last one has no mark.
void MalformedFiles::join(const Parts& parts) {
  const bool complete = std::cmp_equal(parts.paths.rbegin()->first, parts.paths.size());
  if (complete && parts.one_line) {
    const auto file = new_file(parts.row);
    std::string text;
    for (const auto& [part, path] : parts.paths) {
      text = read_file(path);
      write(file, text);
    }
    write(file, line_end(text));
  }
  for (const auto& [part, path] : parts.paths) {
    if (!complete || !parts.one_line) {
      MalformedRow row = parts.row;
      row.part = part;
      row.raw = read_file(path);
      leave(row, complete ? kSeveral : kPartsMissing);
    }
    remove_file(path);
  }
}

/// It is malformed still.
void MalformedFiles::leave(const MalformedRow& row, std::string_view why) {
  auto [left, is_first] = left_.try_emplace(why);
  if (is_first) {
    left->second.first = line_place_of(row);
  }
  left->second.rows += row.part <= 1 ? 1 : 0;
  malformed_.add(row);
}

FileScan MalformedFiles::finish() {
  for (const auto& [place, records] : parts_) {
    for (const Parts& parts : records) {
      join(parts);
    }
  }
  flush();
  for (const auto& [why, left] : left_) {
    log_.warn("{} can't be read again and stay in quarantine, the first of them {}: {}",
              human_count(left.rows, "line"), left.first, why);
  }
  FileScan scan;
  scan.files.reserve(files_.size());
  for (const File& file : files_) {
    struct stat status{};
    if (::stat(file.path.c_str(), &status) != 0) {
      throw_file_error("read", file.path, errno);
    }
    scan.files.push_back({file.path, status.st_size,
                          (static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000) +
                              status.st_mtim.tv_nsec});
  }
  return scan;
}

}  // namespace millrace
