#include "serve/lake_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/strings.h"
#include "core/times.h"

namespace millrace::serve {
namespace {

constexpr std::string_view kNullPartition = "__HIVE_DEFAULT_PARTITION__";

std::string percent_decoded(std::string_view text) {
  std::string to;
  to.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                           hex_digit(text[i + 2]) >= 0;
    to += is_escape ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]))
                    : text[i];
    i += is_escape ? 2 : 0;
  }
  return to;
}

bool is_whole(const Column& column) {
  const bool has_size = column.physical == Physical::i8 || column.physical == Physical::i16 ||
                        column.physical == Physical::i64 ||
                        (column.physical == Physical::i32 && column.type == "INTEGER");
  return has_size && !column.type.starts_with("TIME") && !column.type.starts_with("DECIMAL");
}

template <class T>
bool fits(const T& value, sql::Demand::Op op, const T& wanted) {
  using Op = sql::Demand::Op;
  switch (op) {
    case Op::equal:
      return value == wanted;
    case Op::less:
      return value < wanted;
    case Op::less_or_equal:
      return value <= wanted;
    case Op::greater:
      return value > wanted;
    case Op::greater_or_equal:
      return value >= wanted;
  }
  return true;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> partition_of(std::string_view path) {
  std::vector<std::pair<std::string, std::string>> partition;
  const auto pieces = split(path, '/');
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
    const auto equals = pieces[i].find('=');
    if (equals != std::string_view::npos && equals > 0) {
      partition.emplace_back(percent_decoded(pieces[i].substr(0, equals)),
                             percent_decoded(pieces[i].substr(equals + 1)));
    }
  }
  return partition;
}

LakeFiles::LakeFiles(const Schema& schema, const std::vector<FileScan::File>& files)
    : schema_(schema) {
  files_.reserve(files.size());
  parts_.reserve(files.size());
  for (const auto& file : files) {
    files_.push_back({.path = file.path,
                      .version = fmt::format("{}-{}-{}", file.size, file.mtime_ns, file.etag),
                      .bytes = file.size});
    auto& parts = parts_.emplace_back();
    for (const auto& [name, text] : partition_of(file.path)) {
      const int found = schema_.find(name);
      if (found < 0) {
        continue;
      }
      const auto column = static_cast<std::size_t>(found);
      const bool is_null = text == kNullPartition;
      parts.push_back({.column = column,
                       .is_null = is_null,
                       .value = is_null ? Value() : parse(text, schema_.columns[column])});
    }
  }
  sort();
}

void LakeFiles::sort() {
  for (std::size_t column = 0; column < schema_.size(); ++column) {
    const bool is_in_paths = std::ranges::any_of(parts_, [&](const auto& parts) {
      return std::ranges::find(parts, column, &Part::column) != parts.end();
    });
    if (!is_in_paths) {
      continue;
    }
    Sorted sorted{.column = column, .places = {}, .others = {}};
    for (std::size_t file = 0; file < files_.size(); ++file) {
      const auto part = std::ranges::find(parts_[file], column, &Part::column);
      if (part == parts_[file].end() ||
          (!part->is_null && std::holds_alternative<std::monostate>(part->value))) {
        sorted.others.push_back(file);
      } else if (!part->is_null) {  // no comparison is true of NULL
        sorted.places.push_back({part->value, file});
      }
    }
    std::ranges::stable_sort(sorted.places, {}, &Sorted::Place::value);
    sorted_.push_back(std::move(sorted));
  }
}

std::vector<std::size_t> LakeFiles::candidates(std::span<const Wanted> wanted) const {
  using Op = sql::Demand::Op;
  std::vector<std::size_t> files;
  const auto sorted = std::ranges::find_if(sorted_, [&](const Sorted& each) {
    return std::ranges::find(wanted, each.column, &Wanted::column) != wanted.end();
  });
  if (sorted == sorted_.end()) {
    files.resize(files_.size());
    std::iota(files.begin(), files.end(), 0U);
    return files;
  }
  auto begin = sorted->places.begin();
  auto end = sorted->places.end();
  for (const Wanted& each : wanted) {
    if (each.column != sorted->column) {
      continue;
    }
    const auto same =
        std::ranges::equal_range(sorted->places, each.value, {}, &Sorted::Place::value);
    if (each.op == Op::equal || each.op == Op::greater_or_equal) {
      begin = std::max(begin, same.begin());
    }
    if (each.op == Op::greater) {
      begin = std::max(begin, same.end());
    }
    if (each.op == Op::equal || each.op == Op::less_or_equal) {
      end = std::min(end, same.end());
    }
    if (each.op == Op::less) {
      end = std::min(end, same.begin());
    }
  }
  files = sorted->others;
  for (; begin < end; ++begin) {
    files.push_back(begin->file);
  }
  std::ranges::sort(files);
  return files;
}

LakeFiles::Value LakeFiles::parse(std::string_view text, const Column& column) {
  if (column.type == "DATE") {
    std::int32_t days = 0;
    return read_date(text, days) ? Value(std::int64_t{days}) : Value();
  }
  if (is_whole(column)) {
    const auto number = parse_integer(text);
    return number ? Value(*number) : Value();
  }
  return column.type == "VARCHAR" ? Value(std::string(text)) : Value();
}

LakeFiles::Value LakeFiles::value_of(const sql::ReadValue& value, const Column& column) {
  if (const auto* date = std::get_if<sql::DateValue>(&value)) {
    return column.type == "DATE" ? Value(std::int64_t{date->days}) : Value();
  }
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    return is_whole(column) ? Value(*whole) : Value();
  }
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && column.type == "VARCHAR" ? Value(*text) : Value();
}

bool LakeFiles::may_have(std::span<const Part> parts, const Wanted& wanted) {
  const auto part = std::ranges::find(parts, wanted.column, &Part::column);
  if (part == parts.end()) {
    return true;
  }
  if (part->is_null) {
    return false;  // no comparison is true of NULL
  }
  if (const auto* number = std::get_if<std::int64_t>(&part->value)) {
    return fits(*number, wanted.op, std::get<std::int64_t>(wanted.value));
  }
  const auto* text = std::get_if<std::string>(&part->value);
  return text == nullptr || fits(*text, wanted.op, std::get<std::string>(wanted.value));
}

std::vector<const sql::KeptFile*> LakeFiles::that_matter(const QueryRun& run,
                                                         std::string_view relation) const {
  std::vector<Wanted> wanted;
  for (const sql::Demand& demand : run.query.demands()) {
    const auto* value = run.value_of(demand.parameter);
    const int column = schema_.find(demand.column);
    if (value == nullptr || column < 0 || !equal_ignoring_case(demand.relation, relation)) {
      continue;
    }
    const auto place = static_cast<std::size_t>(column);
    auto as_column = value_of(*value, schema_.columns[place]);
    if (!std::holds_alternative<std::monostate>(as_column)) {
      wanted.push_back({place, demand.op, std::move(as_column)});
    }
  }
  std::vector<const sql::KeptFile*> chosen;
  for (const std::size_t file : candidates(wanted)) {
    if (std::ranges::all_of(wanted,
                            [&](const Wanted& each) { return may_have(parts_[file], each); })) {
      chosen.push_back(&files_[file]);
    }
  }
  return chosen;
}

bool LakeFiles::is_in_paths(std::size_t column) const {
  return std::ranges::find(sorted_, column, &Sorted::column) != sorted_.end();
}

}  // namespace millrace::serve
