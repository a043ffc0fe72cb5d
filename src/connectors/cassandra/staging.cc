#include "connectors/cassandra/staging.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <tuple>
#include <utility>

#include "connectors/cassandra/protocol/token.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

constexpr std::size_t kFiles = 64;
constexpr std::size_t kWriteBytes = std::size_t{64} << 10;

StagedRow take_row(std::string_view& from) {
  WireReader reader(from);
  StagedRow row;
  row.is_delete = reader.byte() != 0;
  row.partition_key = reader.bytes().value_or("");
  const auto clustering_begin = reader.number<std::uint32_t>();
  const auto clustering_size = reader.number<std::uint32_t>();
  row.values = reader.bytes().value_or("");
  row.clustering = row.values.substr(clustering_begin, clustering_size);
  from = reader.rest();
  return row;
}

UniqueFd temporary_file() {
  auto path = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.is_open()) {
    throw_file_error("make", path, errno);
  }
  ::unlink(path.c_str());
  return fd;
}

std::string read_whole(int fd, std::int64_t size) {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto count =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count <= 0 && !(count < 0 && errno == EINTR)) {
      throw_file_error("read", "a temporary file", count == 0 ? EIO : errno);
    }
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  return bytes;
}

void give_part(std::string_view bytes,
               const std::function<void(const std::vector<StagedRow>&)>& take) {
  std::vector<StagedRow> rows;
  while (!bytes.empty()) {
    rows.push_back(take_row(bytes));
  }
  const auto key = [](const StagedRow& row) { return std::tie(row.partition_key, row.clustering); };
  std::ranges::sort(rows, [&](const StagedRow& a, const StagedRow& b) {
    // The greatest first, so that it is the one that is kept.
    return key(a) != key(b) ? key(a) < key(b)
                            : std::tie(a.is_delete, a.values) > std::tie(b.is_delete, b.values);
  });
  const auto same = [](const StagedRow& a, const StagedRow& b) { return a.same_key(b); };
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  take(rows);
}

}  // namespace

void put_row(const StagedRow& row, std::string& to) {
  put(static_cast<std::uint8_t>(row.is_delete ? 1 : 0), to);
  put_bytes(row.partition_key, to);
  put(static_cast<std::uint32_t>(row.clustering.data() - row.values.data()), to);
  put(static_cast<std::uint32_t>(row.clustering.size()), to);
  put_bytes(row.values, to);
}

void Staging::add(std::string_view rows) {
  const std::lock_guard guard(lock_);
  bytes_ += static_cast<std::int64_t>(rows.size());
  if (files_.empty() && std::cmp_less_equal(memory_.size() + rows.size(), memory_bytes_)) {
    memory_ += rows;
    return;
  }
  if (files_.empty()) {
    files_.resize(kFiles);
    spill(std::exchange(memory_, {}));
  }
  spill(rows);
}

void Staging::spill(std::string_view rows) {
  while (!rows.empty()) {
    const auto begin = rows;
    const auto row = take_row(rows);
    const auto hash = static_cast<std::uint64_t>(token_of(row.partition_key));
    File& file = files_[hash % kFiles];
    file.unwritten += begin.substr(0, begin.size() - rows.size());
    if (file.unwritten.size() >= kWriteBytes) {
      write(file);
    }
  }
}

void Staging::write(File& file) {
  if (!file.fd.is_open()) {
    file.fd = temporary_file();
  }
  std::string_view rest = file.unwritten;
  while (!rest.empty()) {
    const auto count = ::pwrite(file.fd.get(), rest.data(), rest.size(), file.size);
    if (count < 0 && errno != EINTR) {
      throw_file_error("write", "a temporary file", errno);
    }
    if (count > 0) {
      file.size += count;
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  file.unwritten.clear();
}

void Staging::for_each_part(const std::function<void(const std::vector<StagedRow>&)>& take) const {
  if (!memory_.empty()) {
    give_part(memory_, take);
  }
  for (const auto& file : files_) {
    const auto bytes =
        file.fd.is_open() ? read_whole(file.fd.get(), file.size) + file.unwritten : file.unwritten;
    give_part(bytes, take);
  }
}

}  // namespace millrace::cassandra
