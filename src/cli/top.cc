// millrace top: running pipelines in a terminal, as they are now.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/remote.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct TopOptions {
  std::string url;
  bool once = false;
};

/// Keys come one by one and unseen, for as long as it lives; the other screen is shown.
class RawTerminal {
 public:
  RawTerminal() {
    if (::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
      auto raw = before_;
      raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      is_raw_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    fmt::print("\x1b[?1049h\x1b[?25l");
  }
  ~RawTerminal() {
    fmt::print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
    if (is_raw_) {
      ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  /// Waits for a key that ends it. `stop`: is looked at in between.
  [[nodiscard]] bool wait_for_end(const std::stop_token& stop) const {
    constexpr int kSlices = 10;
    constexpr int kSliceMs = 100;
    for (int i = 0; i < kSlices && !stop.stop_requested(); i++) {
      pollfd fd{.fd = is_raw_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
      char key = 0;
      if (::poll(&fd, 1, kSliceMs) > 0 &&
          (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')) {
        return true;  // or the terminal is gone
      }
    }
    return stop.stop_requested();
  }

 private:
  termios before_{};
  bool is_raw_ = false;
};

/// Batches as bars, the last at the right, as high as they took; x: failed.
std::string strip(const Json& progress, std::size_t width) {
  constexpr std::array kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const auto first = progress.size() - std::min(progress.size(), width);
  double longest = 1;
  for (std::size_t i = first; i < progress.size(); i++) {
    longest = std::max(longest, progress[i].value("ms", 0.0));
  }
  std::string bars;
  for (std::size_t i = first; i < progress.size(); i++) {
    const auto height = progress[i].value("ms", 0.0) / longest * (kBars.size() - 1);
    bars += progress[i].value("ok", true) ? kBars.at(static_cast<std::size_t>(height)) : "x";
  }
  return bars;
}

/// Rows a second, between the first and the last of the batches that are known.
double rate(const Json& progress, const char* rows) {
  if (progress.size() < 2) {
    return 0;
  }
  double sum = 0;
  for (std::size_t i = 1; i < progress.size(); i++) {
    sum += progress[i].value(rows, 0.0);
  }
  const auto ms = progress.back().value("at", 0.0) - progress.front().value("at", 0.0);
  return ms <= 0 ? 0 : sum * 1000 / ms;
}

std::string frame(const std::vector<RunningPipeline>& all) {
  std::string out =
      fmt::format("{:<24} {:<9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10}  {}\n", "PIPELINE", "STATE",
                  "BATCH", "IN/S", "OUT/S", "BEHIND", "TOOK", "STATE", "BATCHES");
  for (const auto& each : all) {
    const auto& s = each.summary;
    const auto& progress = s.at("progress");
    const auto last = progress.empty() ? Json::object() : progress.back();
    out += fmt::format(
        "{:<24.24} {:<9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10}  {}\n", s.value("id", ""),
        s.value("state", ""), s.value("batch", std::int64_t{-1}),
        human_rate(rate(progress, "rows_in")), human_rate(rate(progress, "rows_out")),
        human_count(last.value("lag_rows", std::int64_t{0})),
        human_duration(
            std::chrono::microseconds(static_cast<std::int64_t>(last.value("ms", 0.0) * 1000))),
        human_bytes(last.value("state_bytes", std::int64_t{0})), strip(progress, 30));
    if (s.contains("error")) {
      out += fmt::format("  ! {}\n", s.at("error").value("message", ""));
    }
    if (s.contains("watermark_holder")) {
      out += fmt::format(
          "  watermark {} behind, held by {}\n",
          human_duration(std::chrono::milliseconds(last.value("wm_delay_ms", std::int64_t{0}))),
          s.value("watermark_holder", ""));
    }
    if (const auto rows = s.value("quarantine_open", std::int64_t{0}); rows > 0) {
      out += fmt::format("  {} in quarantine\n", human_count(rows, "row"));
    }
  }
  if (all.empty()) {
    out += "no pipeline runs here\n";
  }
  return out;
}

/// A line, or as much of it as fits; letters are taken to be one column wide.
std::string_view fitting(std::string_view line, std::size_t columns) {
  std::size_t letters = 0;
  for (std::size_t at = 0; at < line.size(); at++) {
    const bool begins_letter = (static_cast<unsigned char>(line[at]) & 0xC0U) != 0x80U;
    if (begins_letter && ++letters > columns) {
      return line.substr(0, at);
    }
  }
  return line;
}

/// What fills a screen from its upper left corner, with a last line of its own.
std::string screen(std::string_view text, std::string_view last) {
  winsize size{};
  constexpr unsigned short kRows = 24;
  constexpr unsigned short kColumns = 80;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    size.ws_row = kRows;
    size.ws_col = kColumns;
  }
  std::string out = "\x1b[H";
  std::size_t row = 1;
  for (const auto line : split(trim(text), '\n')) {
    if (row >= size.ws_row) {
      break;
    }
    out += fitting(line, size.ws_col);
    out += "\x1b[K\n";
    row++;
  }
  out += fitting(last, size.ws_col);
  out += "\x1b[K\x1b[J";
  return out;
}

/// The processes of this machine come and go; who asks for one wants to know when it is back.
void top(const TopOptions& options) {
  if (options.once || ::isatty(STDOUT_FILENO) == 0) {
    fmt::print("{}", frame(running_pipelines(options.url)));
    return;
  }
  const SignalStop signals;
  std::string text =
      frame(running_pipelines(options.url));  // who can't be reached at first, ends it
  const RawTerminal terminal;
  std::string trouble;
  while (true) {
    fmt::print("{}", screen(text, trouble.empty() ? "q ends" : "q ends; " + trouble));
    std::fflush(stdout);
    if (terminal.wait_for_end(signals.token())) {
      return;
    }
    try {
      std::vector<std::string> silent;
      text = frame(running_pipelines(options.url, &silent));
      trouble = join(silent, ", ");
    } catch (const Error& error) {  // what was seen last stays
      trouble = error.what();
    }
  }
}

}  // namespace

void add_top_command(CLI::App& app) {
  auto options = std::make_shared<TopOptions>();
  auto* command = app.add_subcommand("top", "Running pipelines, as they are now");
  command->add_option("--url", options->url,
                      "The control API of a process; default: those of this machine are found");
  command->add_flag("--once", options->once, "Print it once, for scripts");
  command->callback([options] { top(*options); });
}

}  // namespace millrace::cli
