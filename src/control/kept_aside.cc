#include "control/kept_aside.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/files.h"
#include "base/strings.h"

namespace millrace::control {
namespace {

constexpr std::array<std::string_view, 3> kKinds = {"quarantine", "refused", "violating"};

/// FNV-1a. Ids are no secrets, and a batch has few rows that are put aside.
std::uint64_t hash_of(const MalformedRow& row) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  const auto line = std::to_string(row.line);
  for (const std::string_view part :
       {std::string_view(row.origin), std::string_view(line), std::string_view(row.column),
        std::string_view(row.reason), std::string_view(row.raw)}) {
    for (const char c : part) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
    }
    hash = (hash ^ 0xFFU) * 1'099'511'628'211U;
  }
  return hash;
}

/// How files are ordered: the newest first.
std::tuple<std::int64_t, std::size_t, std::string> order_of(std::string_view kind,
                                                            std::int64_t batch,
                                                            std::string_view of) {
  return {-batch, static_cast<std::size_t>(std::ranges::find(kKinds, kind) - kKinds.begin()),
          std::string(of)};
}

auto order_of(const KeptAside& kept) { return order_of(kept.kind, kept.file.batch, kept.file.of); }

}  // namespace

std::string KeptAside::id() const { return fmt::format("{}:{}:{}", kind, file.of, file.batch); }

/// "check NAME: ..." is the reason of rows that checks took out.
std::string KeptAside::check_of(const MalformedRow& row) const {
  constexpr std::string_view kCheck = "check ";
  if (kind == "violating" && row.reason.starts_with(kCheck)) {
    return row.reason.substr(kCheck.size(), row.reason.find(':') - kCheck.size());
  }
  return kind == "quarantine" ? "malformed" : kind;
}

bool KeptFilter::may_have(const KeptAside& kept) const {
  const auto is_of = [&](const std::string& id) { return id.starts_with(kept.id() + ":"); };
  return (dataset.empty() || kept.file.of == dataset) &&
         (check.empty() || kept.kind == "violating" ||
          check == (kept.kind == "quarantine" ? "malformed" : kept.kind)) &&
         (ids.empty() || std::ranges::any_of(ids, is_of));
}

bool KeptFilter::has(const std::string& id, const MalformedRow& row,
                     const std::string& check_of_row) const {
  return (ids.empty() || ids.contains(id)) && (check.empty() || check == check_of_row) &&
         (reason.empty() || row.reason.find(reason) != std::string::npos ||
          row.column.find(reason) != std::string::npos);
}

std::vector<KeptAside> kept_aside(const PipelineSpec& spec, const KeptFilter& filter) {
  std::vector<KeptAside> all;
  for (const auto kind : kKinds) {
    for (auto& file : kept_files(fmt::format("{}/{}", spec.checkpoint.path, kind))) {
      KeptAside kept{.kind = std::string(kind), .file = std::move(file)};
      if (filter.may_have(kept)) {
        all.push_back(std::move(kept));
      }
    }
  }
  std::ranges::sort(all, {}, [](const KeptAside& kept) { return order_of(kept); });
  return all;
}

bool lies_before(const KeptAside& kept, const std::string& row_id) {
  const auto file_end = row_id.rfind(':');
  const auto batch_begin =
      file_end == std::string::npos ? file_end : row_id.rfind(':', file_end - 1);
  const auto kind_end = row_id.find(':');
  if (batch_begin == std::string::npos || kind_end >= batch_begin) {
    return false;
  }
  const auto batch =
      parse_integer(std::string_view(row_id).substr(batch_begin + 1, file_end - batch_begin - 1));
  return batch && order_of(kept) < order_of(std::string_view(row_id).substr(0, kind_end), *batch,
                                            std::string_view(row_id).substr(
                                                kind_end + 1, batch_begin - kind_end - 1));
}

bool visit_rows(const KeptAside& kept, const std::function<bool(const KeptRow&)>& visit) {
  if (!std::filesystem::exists(kept.file.path)) {
    return true;
  }
  std::unordered_map<std::uint64_t, int> seen;
  const auto file = kept.id();
  const auto rows = kept_rows(kept.file.path);
  for (std::size_t line = 0; auto row = rows(); line++) {
    if (row->part > 1) {
      continue;
    }
    const auto hash = hash_of(*row);
    const int before = seen[hash]++;
    const auto id = before == 0 ? fmt::format("{}:{:016x}", file, hash)
                                : fmt::format("{}:{:016x}.{}", file, hash, before);
    if (!visit({.id = id, .line = line, .row = *row})) {
      return false;
    }
  }
  return true;
}

void remove_lines(const KeptAside& kept, const std::set<std::size_t>& lines) {
  std::set<std::pair<std::string, std::int64_t>> in_parts;
  visit_rows(kept, [&](const KeptRow& kept_row) {
    if (lines.contains(kept_row.line) && kept_row.row.part == 1) {
      in_parts.emplace(kept_row.row.origin, kept_row.row.line);
    }
    return true;
  });
  std::string left;
  std::ifstream file(kept.file.path);
  std::string text;
  const auto rows = kept_rows(kept.file.path);
  for (std::size_t line = 0; std::getline(file, text); line++) {
    const auto row = rows();
    const bool is_part = row && row->part > 1 && in_parts.contains({row->origin, row->line});
    if (!lines.contains(line) && !is_part) {
      left += text;
      left += '\n';
    }
  }
  file.close();
  if (left.empty()) {
    remove_file(kept.file.path);
  } else {
    write_file_atomically(kept.file.path, left);
  }
}

}  // namespace millrace::control
