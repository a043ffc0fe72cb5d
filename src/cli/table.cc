#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::cli {
namespace {

constexpr std::size_t kWidest = 40;

/// How many terminal columns a UTF-8 text takes, counting every code point as one.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// On one line and not too wide.
std::string cell(const std::optional<std::string>& value) {
  if (!value) {
    return "NULL";
  }
  std::string text = *value;
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  if (width_of(text) <= kWidest) {
    return text;
  }
  std::size_t end = 0;
  for (std::size_t points = 0; end < text.size(); end++) {
    if ((static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U && ++points == kWidest) {
      break;
    }
  }
  return text.substr(0, end) + "…";
}

bool is_number(const Column& column) {
  return column.physical != Physical::string && column.physical != Physical::other &&
         column.physical != Physical::boolean && !column.type.starts_with("DATE") &&
         !column.type.starts_with("TIME");
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return right ? space + text : text + space;
}

}  // namespace

void print_table(const Schema& schema,
                 const std::vector<std::vector<std::optional<std::string>>>& rows) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  widths.reserve(schema.size());
  for (const auto& column : schema.columns) {
    widths.push_back(width_of(column.name));
  }
  for (const auto& row : rows) {
    auto& line = cells.emplace_back();
    for (std::size_t c = 0; c < row.size(); c++) {
      line.push_back(cell(row[c]));
      widths[c] = std::max(widths[c], width_of(line.back()));
    }
  }
  std::string out;
  for (std::size_t c = 0; c < schema.size(); c++) {
    out += padded(schema.columns[c].name, widths[c], is_number(schema.columns[c])) + "  ";
  }
  out += '\n';
  for (const auto width : widths) {
    out += std::string(width, '-') + "  ";
  }
  out += '\n';
  for (const auto& line : cells) {
    for (std::size_t c = 0; c < line.size(); c++) {
      out += padded(line[c], widths[c], is_number(schema.columns[c])) + "  ";
    }
    out += '\n';
  }
  fmt::print("{}", out);
}

}  // namespace millrace::cli
