#include "engine/quarantine_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "core/source.h"

namespace millrace {
namespace {

/// A text, or bytes in base64 under another name.
std::optional<std::string> bytes_of(const Json& line, const std::string& name) {
  if (const auto text = line.find(name); text != line.end()) {
    return text->get<std::string>();
  }
  const auto coded = line.find(name + "_base64");
  if (coded == line.end()) {
    return std::nullopt;
  }
  std::string bytes;
  if (!decode_base64(coded->get_ref<const std::string&>(), bytes)) {
    throw Error(Blame::external, fmt::format("`{}_base64` is no base64", name));
  }
  return bytes;
}

MalformedRow row_of(const Json& line) {
  MalformedRow row;
  row.origin = line.value("origin", "");
  row.line = line.value("line", std::int64_t{0});
  row.column = line.value("column", "");
  row.reason = line.value("reason", "");
  row.raw = bytes_of(line, "raw").value_or("");
  row.part = line.value("part", 0);
  row.header = bytes_of(line, "header").value_or("");
  if (!line.contains("topic")) {
    return row;
  }
  MalformedRow::Message message;
  message.topic = line.at("topic").get<std::string>();
  message.partition = line.value("partition", std::int32_t{0});
  message.offset = line.value("offset", std::int64_t{0});
  message.timestamp_ms = line.value("timestamp_ms", std::int64_t{-1});
  message.key = bytes_of(line, "key");
  for (const auto& header : line.value("headers", Json::array())) {
    message.headers.emplace_back(header.at("name").get<std::string>(), bytes_of(header, "value"));
  }
  row.message = std::move(message);
  return row;
}

}  // namespace

std::vector<KeptFile> kept_files(const std::string& folder) {
  std::vector<KeptFile> files;
  for (const auto& of : is_folder(folder) ? list_folder(folder) : std::vector<std::string>()) {
    const auto inside = fmt::format("{}/{}", folder, of);
    if (!is_folder(inside)) {
      continue;
    }
    for (const auto& name : list_folder(inside)) {
      const auto batch = parse_integer(std::string_view(name).substr(0, name.find('.')));
      if (batch && name.ends_with(".jsonl")) {
        const auto path = fmt::format("{}/{}", inside, name);
        files.push_back({.of = of,
                         .batch = *batch,
                         .path = path,
                         .bytes = static_cast<std::int64_t>(std::filesystem::file_size(path))});
      }
    }
  }
  std::ranges::sort(files, {}, [](const KeptFile& file) { return std::pair(file.of, file.batch); });
  return files;
}

MalformedRows kept_rows(const std::string& path) {
  const auto file = std::make_shared<std::ifstream>(path);
  if (!*file) {
    throw Error(Blame::external, fmt::format("can't read {}", path));
  }
  return [file, path, number = 0]() mutable -> std::optional<MalformedRow> {
    std::string line;
    if (!std::getline(*file, line)) {
      if (file->bad()) {
        throw Error(Blame::external, fmt::format("can't read {} to its end", path));
      }
      return std::nullopt;
    }
    number++;
    try {
      return row_of(Json::parse(line));
    } catch (const std::exception& error) {
      throw Error(Blame::external,
                  fmt::format("{}:{}: not a line of a quarantine: {}", path, number, error.what()));
    }
  };
}

MalformedRows kept_rows(const std::string& folder, const std::string& of,
                        const std::vector<std::int64_t>& batches) {
  std::vector<std::string> paths;
  for (const auto& file : kept_files(folder)) {
    if (file.of == of && std::ranges::find(batches, file.batch) != batches.end()) {
      paths.push_back(file.path);
    }
  }
  return [paths, next = std::size_t{0},
          rows = MalformedRows()]() mutable -> std::optional<MalformedRow> {
    while (true) {
      if (rows) {
        if (auto row = rows()) {
          return row;
        }
      }
      if (next == paths.size()) {
        return std::nullopt;
      }
      rows = kept_rows(paths[next++]);
    }
  };
}

}  // namespace millrace
