#include "engine/quarantine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "base/strings.h"

namespace millrace {
namespace {

/// RFC 4648, section 4.
std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; k++) {
      group = group << 8U | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; k++) {
      out += k <= have ? kDigits[group >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return out;
}

}  // namespace

void Quarantine::write(std::int64_t batch, const MalformedRows& rows) const {
  std::string text;
  for (const auto& row : rows.rows) {
    Json line = {
        {"origin", row.origin}, {"line", row.line}, {"column", row.column}, {"reason", row.reason}};
    if (!find_invalid_utf8(row.raw)) {
      line["raw"] = row.raw;
    } else {
      line["raw_base64"] = base64(row.raw);
    }
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  const auto folder = folder_ + "/" + rows.source;
  make_folders(folder);
  write_file_atomically(fmt::format("{}/{:012}.jsonl", folder, batch), text);
}

}  // namespace millrace
