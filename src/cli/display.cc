#include "cli/display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"

namespace millrace::cli {
namespace {

/// A terminal can't show more changes than this, and drawing costs time.
constexpr auto kRedraw = std::chrono::milliseconds(50);

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

std::string us_text(std::int64_t us) { return human_duration(std::chrono::microseconds(us)); }

}  // namespace

Display::Display(ProgressStyle style, std::string pipeline)
    : style_(style), pipeline_(std::move(pipeline)) {
  if (style_ == ProgressStyle::automatic) {
    style_ = isatty(STDERR_FILENO) != 0 ? ProgressStyle::line : ProgressStyle::log;
  }
}

void Display::opened(const std::string& text) {
  if (style_ == ProgressStyle::log || style_ == ProgressStyle::line) {
    Log().with("pipeline", pipeline_).info("{}", text);
  }
}

void Display::batch(const BatchProgress& progress) {
  quarantined_ += progress.quarantined_rows;
  violations_ += progress.violations();
  input_rows_ += progress.input_rows;
  output_rows_ += progress.output_rows;
  for (const auto& alert : progress.alerts) {
    Log().with("pipeline", pipeline_).error("{}", alert);
  }
  switch (style_) {
    case ProgressStyle::json:
      fmt::print("{}\n", progress_json(progress).dump());
      std::fflush(stdout);
      break;
    case ProgressStyle::log:
      Log().with("pipeline", pipeline_).info("{}", progress_text(progress));
      break;
    case ProgressStyle::line:
      live_line(progress);
      break;
    case ProgressStyle::automatic:
    case ProgressStyle::none:
      break;
  }
}

void Display::live_line(const BatchProgress& p) {
  const auto now = std::chrono::steady_clock::now();
  if (line_open_ && now - last_draw_ < kRedraw) {
    return;
  }
  last_draw_ = now;
  auto text = fmt::format(
      "batch {}  in {} ({}/s)  out {}  took {} (run {}, commit {})  {} rows/s  state {} rows {}",
      p.batch, human_count(input_rows_), human_rate(p.input_rows_per_second),
      human_count(output_rows_), us_text(p.total_us), us_text(p.run_us),
      us_text(p.stage_us + p.publish_us + p.commit_us), human_rate(p.processed_rows_per_second),
      human_count(p.state_rows()), human_bytes(p.state_bytes()));
  if (const auto* slowest = p.slowest(); slowest != nullptr && slowest->us) {
    text += fmt::format("  watermark {}", iso_time(*slowest->us));
  }
  if (quarantined_ > 0) {
    text += fmt::format("  quarantined {}", human_count(quarantined_));
  }
  if (violations_ > 0) {
    text += fmt::format("  violations {}", human_count(violations_));
  }
  text.resize(std::min(text.size(), terminal_width() - 1));
  fmt::print(stderr, "\r\x1b[2K{}", text);
  std::fflush(stderr);
  line_open_ = true;
}

void Display::ended(const RunSummary& s) {
  if (line_open_) {
    fmt::print(stderr, "\n");
    line_open_ = false;
  }
  if (style_ == ProgressStyle::json || style_ == ProgressStyle::none) {
    return;
  }
  auto text = fmt::format("{}: {}, {} rows in, {} out, in {}", s.stopped ? "stopped" : "done",
                          s.batches == 1 ? "1 batch" : human_count(s.batches) + " batches",
                          human_count(s.input_rows), human_count(s.output_rows),
                          us_text(s.duration.count()));
  if (s.quarantined_rows > 0) {
    text += fmt::format("; {} quarantined", human_count(s.quarantined_rows, "row"));
  }
  if (s.refused_rows > 0) {
    text += fmt::format("; {} refused by sinks", human_count(s.refused_rows, "row"));
  }
  if (s.violations > 0) {
    text += fmt::format("; {} of checks", human_count(s.violations, "violation"));
  }
  Log().with("pipeline", pipeline_).info("{}", text);
}

}  // namespace millrace::cli
