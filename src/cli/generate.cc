// millrace generate: sample data as files, all at once or as a directory that grows.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>

#include "base/files.h"
#include "base/strings.h"
#include "cli/command.h"
#include "connectors/generator/transactions.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

using Steady = std::chrono::steady_clock;

enum class FileKind : std::uint8_t { csv, json };

struct GenerateOptions {
  std::string kind = "transactions";
  std::string out;
  std::int64_t rows = 500;
  std::int64_t files = 5;
  std::optional<double> rate;
  double invalid = 0.02;
  std::uint64_t seed = 42;
  FileKind format = FileKind::csv;
  bool append = false;
  bool force = false;
};

std::string file_name(std::int64_t number, FileKind format) {
  return fmt::format("transactions-{:06}.{}", number, format == FileKind::csv ? "csv" : "json");
}

/// The number of the first file to write: 0, or after the last that is there.
std::int64_t first_file(const GenerateOptions& options) {
  std::int64_t next = 0;
  for (const auto& name : list_folder(options.out)) {
    if (!name.starts_with("transactions-")) {
      continue;
    }
    const auto digits =
        name.substr(13, name.find('.') == std::string::npos ? 0 : name.find('.') - 13);
    if (const auto number = parse_integer(digits)) {
      next = std::max(next, *number + 1);
    }
  }
  if (next == 0 || options.append) {
    return next;
  }
  if (options.force) {
    for (std::int64_t i = 0; i < next; i++) {
      for (auto format : {FileKind::csv, FileKind::json}) {
        remove_file(options.out + "/" + file_name(i, format));
      }
    }
    return 0;
  }
  throw Error(Blame::user, fmt::format("`{}` has generated files already; --append adds more, "
                                       "--force replaces them",
                                       options.out));
}

/// The number of the row to go on with, so that ids stay unique: the one after the last file's
/// last.
std::int64_t first_row(const GenerateOptions& options, std::int64_t next_file) {
  constexpr std::string_view kId = "TXN";
  constexpr std::size_t kDigits = 10;
  for (const auto format : {FileKind::csv, FileKind::json}) {
    const auto path = options.out + "/" + file_name(next_file - 1, format);
    if (next_file == 0 || !exists(path)) {
      continue;
    }
    const auto text = read_file(path);
    const auto at = text.rfind(kId);
    if (at == std::string::npos) {
      continue;
    }
    const auto last = parse_integer(std::string_view(text).substr(at + kId.size(), kDigits));
    // Flawed rows behind it may have no id, but each has a line.
    const auto lines = std::count(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), '\n');
    return last.value_or(0) + lines;
  }
  return 0;
}

/// Writes one file under a hidden name, then renames it: a pipeline that watches the directory
/// never sees a part of it.
void write_rows(const GenerateOptions& options, std::int64_t file, std::int64_t from,
                std::int64_t to) {
  const TransactionStream stream{options.seed, options.invalid};
  const auto name = file_name(file, options.format);
  const auto hidden = options.out + "/." + name + ".tmp";
  remove_file(hidden);
  AppendFile output(hidden);
  std::string text;
  if (options.format == FileKind::csv) {
    std::vector<std::string> names;
    for (const auto& column : transaction_schema().columns) {
      names.push_back(column.name);
    }
    text = join(names, ",") + "\n";
  }
  Transaction row;
  for (auto i = from; i < to; i++) {
    stream.make(static_cast<std::uint64_t>(i), row);
    if (options.format == FileKind::csv) {
      append_csv(row, text);
    } else {
      append_json(row, text);
    }
    if (text.size() >= 1U << 20U) {
      output.write(text);
      text.clear();
    }
  }
  output.write(text);
  rename_file(hidden, options.out + "/" + name);
}

/// Waits for a moment; false if a stop was requested before.
bool wait_until(Steady::time_point moment, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock guard(mutex);
  never.wait_until(guard, stop, moment, [] { return false; });
  return !stop.stop_requested();
}

void generate(const GenerateOptions& options) {
  const SignalStop signals;
  make_folders(options.out, false);
  const auto first = first_file(options);
  const bool live = isatty(STDERR_FILENO) != 0;
  const auto start = Steady::now();
  std::int64_t written = 0;
  std::int64_t files = 0;
  const auto base = first_row(options, first);
  for (; files < options.files && !signals.token().stop_requested(); files++) {
    const auto end = options.rows * (files + 1) / options.files;
    if (options.rate) {
      const auto due =
          start + std::chrono::duration_cast<Steady::duration>(
                      std::chrono::duration<double>(static_cast<double>(end) / *options.rate));
      if (!wait_until(due, signals.token())) {
        break;
      }
    }
    write_rows(options, first + files, base + written, base + end);
    written = end;
    if (live) {
      fmt::print(stderr, "\r\x1b[2K{} of {} rows in {}", human_count(written),
                 human_count(options.rows), human_count(files + 1, "file"));
    }
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start);
  fmt::print(stderr, "{}{} in {} in {}, {} rows/s: {}/\n", live ? "\r\x1b[2K" : "",
             human_count(written, "row"), human_count(files, "file"), human_duration(took),
             human_rate(static_cast<double>(written) * 1e6 / static_cast<double>(took.count() + 1)),
             options.out);
}

}  // namespace

void add_generate_command(CLI::App& app, Context&) {
  auto options = std::make_shared<GenerateOptions>();
  auto* command = app.add_subcommand("generate", "Make sample data, the same at every run");
  command->add_option("KIND", options->kind, "What to make: transactions")
      ->required()
      ->check(CLI::IsMember({"transactions"}));
  command->add_option("--out", options->out, "The directory to write into")->required();
  command->add_option("--rows", options->rows, "How many rows in all")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--files", options->files, "How many files to cut them into")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command
      ->add_option("--rate", options->rate,
                   "Rows per second: the files appear one after the other, as they fill up")
      ->check(CLI::PositiveNumber);
  command->add_option("--invalid", options->invalid, "The share of rows with a flaw, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Another seed gives other rows")
      ->capture_default_str();
  const std::map<std::string, FileKind> formats{{"csv", FileKind::csv}, {"json", FileKind::json}};
  command->add_option("--format", options->format, "csv, or json (one object a line)")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
      ->option_text("FORMAT");
  auto* append = command->add_flag("--append", options->append, "Add to the files that are there");
  command->add_flag("--force", options->force, "Replace the files that are there")
      ->excludes(append);
  command->footer(
      "A pipeline can also make the rows itself: source `from: generator`.\n\n"
      "Examples:\n  millrace generate transactions --out input\n"
      "  millrace generate transactions --out input --rows 4000000 --files 20 --seed 7\n"
      "  millrace generate transactions --out input --append --rate 100   a directory that grows");
  command->callback([options] { generate(*options); });
}

}  // namespace millrace::cli
