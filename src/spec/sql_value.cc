// SQL as a value of the pipeline file, or in a file beside it.
#include <fmt/core.h>

#include <cerrno>

#include "base/files.h"
#include "base/references.h"
#include "base/strings.h"
#include "spec/loader.h"
#include "spec/sql_text.h"

namespace millrace {
namespace {

constexpr std::size_t kLargestSql = 1024UL * 1024;

std::optional<SqlText> read_sql_file(const Node& node, const std::string& of_file,
                                     const std::string& what, Diagnostics& diagnostics) {
  const auto path = interpolate(node, diagnostics);
  if (!path) {
    return std::nullopt;
  }
  SqlText sql;
  // Named as the pipeline file is, so that the messages' places can be opened from here.
  sql.at = {resolve_path(folder_of(of_file), *path), 1, 1};
  if (const int error = read_file_or_errno(sql.at.file, sql.text); error != 0) {
    diagnostics.error(
        node.at,
        fmt::format("cannot read `{}`, the SQL of {}: {}", sql.at.file, what, errno_text(error)),
        error == ENOENT ? "paths are relative to the pipeline file" : "");
    return std::nullopt;
  }
  if (sql.text.size() > kLargestSql) {
    diagnostics.error({sql.at.file},
                      fmt::format("the file is too large: {}, of at most {}",
                                  human_bytes(static_cast<std::int64_t>(sql.text.size())),
                                  bytes_text(kLargestSql)));
    return std::nullopt;
  }
  if (sql.text.starts_with("\xEF\xBB\xBF")) {
    sql.text.erase(0, 3);
  }
  if (const auto bad = find_invalid_utf8(sql.text)) {
    diagnostics.error(sql.locate(*bad), "the file is not in UTF-8", "save it in that encoding");
    return std::nullopt;
  }
  return sql;
}

bool check_sql(SqlText& sql, const std::string& what, Diagnostics& diagnostics) {
  const SqlWords words = scan_sql(sql.text);
  if (words.empty) {
    diagnostics.error(sql.at, fmt::format("the SQL of {} is empty", what), "write a SELECT");
    return false;
  }
  if (words.second_statement) {
    diagnostics.error(sql.locate(*words.second_statement),
                      fmt::format("the SQL of {} holds several statements", what),
                      "give each SELECT a dataset of its own");
    return false;
  }
  if (words.end) {
    sql.text.resize(*words.end);
  }
  return true;
}

}  // namespace

std::optional<SqlText> read_sql(const YamlFile& yaml, const Node& node, const std::string& file,
                                const std::string& what, Diagnostics& diagnostics) {
  const bool is_file = node.text.ends_with(".sql") && !node.text.contains('\n');
  auto sql = is_file ? read_sql_file(node, file, what, diagnostics) : sql_in_yaml(yaml, node);
  if (sql && !check_sql(*sql, what, diagnostics)) {
    sql.reset();
  }
  return sql;
}

}  // namespace millrace
