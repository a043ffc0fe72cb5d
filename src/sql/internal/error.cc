#include "sql/internal/error.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "sql/out_of_memory.h"

namespace millrace::sql {

namespace {

std::optional<std::size_t> position_of(const duckdb::ErrorData& error) {
  const auto found = error.ExtraInfo().find("position");
  if (found == error.ExtraInfo().end()) {
    return std::nullopt;
  }
  std::size_t position = 0;
  const std::string& text = found->second;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), position);
  return code == std::errc() ? std::optional(position) : std::nullopt;
}

/// Without "LINE 1: ... ^", which shows our text at a place that the caller shows better.
std::string plain_text(const duckdb::ErrorData& error) {
  std::string text = error.RawMessage();
  if (const auto decoration = text.find("\n\nLINE "); decoration != std::string::npos) {
    text.resize(decoration);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

}  // namespace

SqlError sql_error(const duckdb::ErrorData& error) {
  return {plain_text(error), position_of(error)};
}

Error run_error(const duckdb::ErrorData& error) {
  const std::string text = plain_text(error);
  switch (error.Type()) {
    case duckdb::ExceptionType::IO:
    case duckdb::ExceptionType::HTTP:
    case duckdb::ExceptionType::NETWORK:
    case duckdb::ExceptionType::CONNECTION:
      return {Blame::external, text, Retry::yes};
    case duckdb::ExceptionType::OUT_OF_MEMORY:
      throw OutOfMemory(text.substr(0, text.find("\n\n")));  // then comes advice about settings
    case duckdb::ExceptionType::INVALID:  // what libraries that read files say of damaged ones
    case duckdb::ExceptionType::PERMISSION:
      return {Blame::external, text};
    case duckdb::ExceptionType::INTERNAL:
    case duckdb::ExceptionType::FATAL:
    case duckdb::ExceptionType::INTERRUPT:
      return {Blame::internal, fmt::format("DuckDB: {}", text)};
    default:
      return {Blame::user, text};
  }
}

void Carrier::rethrow_ours() const {
  if (first_ == nullptr) {
    return;
  }
  try {
    std::rethrow_exception(first_);
  } catch (const Error&) {
    throw;
  } catch (...) {  // DuckDB's own: it reports that one itself, with its type
    return;
  }
}

}  // namespace millrace::sql
