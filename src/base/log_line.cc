#include "base/log_line.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace millrace {
namespace {

struct LevelLook {
  std::string_view word;
  std::string_view colour;
  std::string_view priority;
};
constexpr std::array<LevelLook, 4> kLooks{{{"DEBUG", "\033[2m", "<7>"},
                                           {"INFO ", "\033[32m", "<6>"},
                                           {"WARN ", "\033[33m", "<4>"},
                                           {"ERROR", "\033[31m", "<3>"}}};

/// The bytes that are no UTF-8 as \xNN.
std::string readable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (const auto bad = find_invalid_utf8(text)) {
    result += text.substr(0, *bad);
    result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[*bad]));
    text.remove_prefix(*bad + 1);
  }
  return result += text;
}

/// Control characters as \xNN too, those of C1 (U+0080 to U+009F) among them: terminals obey both.
std::string escaped(std::string_view text, std::string_view line_end) {
  const std::string valid = readable(text);
  std::string result;
  result.reserve(valid.size());
  for (std::size_t i = 0; i < valid.size(); ++i) {
    const auto byte = static_cast<unsigned char>(valid[i]);
    if (byte == '\n') {
      result += line_end;
    } else if ((byte < 0x20 && byte != '\t') || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xC2 && static_cast<unsigned char>(valid[i + 1]) < 0xA0) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(valid[++i]));
    } else {
      result += valid[i];
    }
  }
  return result;
}

std::string time_text(std::int64_t time_us, TextStyle::Time style) {
  const auto seconds = static_cast<std::time_t>(time_us / 1'000'000);
  const auto ms = time_us / 1'000 % 1'000;
  std::tm parts{};
  switch (style) {
    case TextStyle::Time::of_day:
      ::localtime_r(&seconds, &parts);
      return fmt::format("{:%H:%M:%S}.{:03} ", parts, ms);
    case TextStyle::Time::full:
      ::gmtime_r(&seconds, &parts);
      return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z ", parts, ms);
    case TextStyle::Time::none:
      break;
  }
  return "";
}

}  // namespace

std::string text_line(const LogRecord& event, const TextStyle& style) {
  const auto& look = kLooks.at(static_cast<std::size_t>(event.level));
  const std::string_view priority = style.priority ? look.priority : "";
  std::string line(priority);
  line += time_text(event.time_us, style.time);
  if (style.colour) {
    line += fmt::format("{}{}\033[0m ", look.colour, look.word);
  } else {
    line += fmt::format("{} ", look.word);
  }
  for (const auto& field : event.fields) {
    line += fmt::format("{}={} ", field.name, escaped(field.value, "\\x0a"));
  }
  line += escaped(event.text, fmt::format("\n{}    ", priority));
  return line += '\n';
}

std::string json_line(const LogRecord& event) {
  nlohmann::ordered_json line;  // the time first: somebody may look on, too
  line["time"] = trim(time_text(event.time_us, TextStyle::Time::full));
  line["level"] = log_level_word(event.level);
  for (const auto& field : event.fields) {
    line[field.name] = readable(field.value);
  }
  line["message"] = readable(event.text);
  return line.dump() + "\n";
}

}  // namespace millrace
