// millrace quarantine: what sources could not read, sinks could not write, and checks took out.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/table.h"
#include "engine/pipeline.h"
#include "engine/quarantine_files.h"
#include "engine/replay.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct QuarantineOptions {
  std::string file;
  std::vector<std::string> of;
  std::string reason;
  std::int64_t limit = 20;
  bool json = false;
};

/// The files of a pipeline's sources, of its sinks, and of its quality checks.
struct Kept {
  std::vector<KeptFile> malformed;
  std::vector<KeptFile> refused;
  std::vector<KeptFile> violating;
};

Kept find_kept(const PipelineSpec& spec, const std::vector<std::string>& of) {
  const auto find = [&](const char* folder) {
    auto files = kept_files(spec.checkpoint.path + folder);
    std::erase_if(files, [&](const KeptFile& file) {
      return !of.empty() && std::ranges::find(of, file.of) == of.end();
    });
    return files;
  };
  return {.malformed = find("/quarantine"),
          .refused = find("/refused"),
          .violating = find("/violating")};
}

/// Reasons that differ in their numbers and quoted texts alone are one kind.
std::string kind_of(const MalformedRow& row) {
  std::string kind = row.column.empty() ? "" : row.column + ": ";
  bool quoted = false;
  bool number = false;
  for (const char c : row.reason) {
    if (c == '"') {
      quoted = !quoted;
      kind += quoted ? "\"…" : "\"";
      number = false;
    } else if (!quoted && c >= '0' && c <= '9') {
      kind += number ? "" : "N";
      number = true;
    } else if (!quoted) {
      kind += c;
      number = false;
    }
  }
  return kind;
}

struct Group {
  std::int64_t rows = 0;
  std::int64_t first_batch = 0;
  std::int64_t last_batch = 0;
};
using Groups = std::map<std::pair<std::string, std::string>, Group>;

void gather(const std::vector<KeptFile>& files, const std::string& role, Groups& to) {
  for (const auto& file : files) {
    const auto rows = kept_rows(file.path);
    while (const auto row = rows()) {
      auto [group, is_new] = to.try_emplace({role + file.of, kind_of(*row)});
      group->second.first_batch = is_new ? file.batch : group->second.first_batch;
      group->second.last_batch = file.batch;
      group->second.rows += row->part <= 1 ? 1 : 0;  // a row in parts is one row
    }
  }
}

void list(const QuarantineOptions& options, Context& context) {
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  const auto kept = find_kept(*spec, options.of);
  Groups groups;
  gather(kept.malformed, "source ", groups);
  gather(kept.refused, "sink ", groups);
  gather(kept.violating, "checks of ", groups);
  std::vector<std::vector<std::optional<std::string>>> rows;
  rows.reserve(groups.size());
  Json json = Json::array();
  for (const auto& [key, group] : groups) {
    rows.push_back({key.first, key.second, std::to_string(group.rows),
                    std::to_string(group.first_batch), std::to_string(group.last_batch)});
    json.push_back({{"of", key.first},
                    {"reason", key.second},
                    {"rows", group.rows},
                    {"firstBatch", group.first_batch},
                    {"lastBatch", group.last_batch}});
  }
  if (options.json) {
    fmt::print("{}\n", json.dump(2));
  } else if (rows.empty()) {
    fmt::print("nothing is in quarantine\n");
  } else {
    print_table({{{"of", "VARCHAR", Physical::string},
                  {"reason", "VARCHAR", Physical::string},
                  {"rows", "BIGINT", Physical::i64},
                  {"first_batch", "BIGINT", Physical::i64},
                  {"last_batch", "BIGINT", Physical::i64}}},
                rows);
  }
}

/// Bytes as a terminal can show them.
std::string shown(const std::string& bytes) {
  if (!find_invalid_utf8(bytes)) {
    return bytes;
  }
  std::string coded;
  encode_base64(bytes, coded);
  return "(base64) " + coded;
}

void print_row(const std::string& of, std::int64_t batch, const MalformedRow& row) {
  fmt::print("{}, batch {}, {}{}\n", of, batch, row.origin,
             row.line > 0 || row.message ? ":" + std::to_string(row.line) : "");
  fmt::print("  {}{}{}\n", row.column, row.column.empty() ? "" : ": ", row.reason);
  if (row.message && row.message->key) {
    fmt::print("  key {}\n", shown(*row.message->key));
  }
  fmt::print("  {}\n", shown(row.raw));
}

/// True: the limit is reached.
bool show_files(const std::vector<KeptFile>& files, const std::string& role,
                const QuarantineOptions& options, std::int64_t& shown_rows) {
  for (const auto& file : files) {
    const auto rows = kept_rows(file.path);
    while (const auto row = rows()) {
      const auto kind = kind_of(*row);
      const auto reason = row->column + ": " + row->reason;
      if (kind.find(options.reason) == std::string::npos &&
          reason.find(options.reason) == std::string::npos) {
        continue;
      }
      if (shown_rows++ == options.limit) {
        fmt::print("… and more: --limit shows them\n");
        return true;
      }
      print_row(role + file.of, file.batch, *row);
    }
  }
  return false;
}

void show(const QuarantineOptions& options, Context& context) {
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  const auto kept = find_kept(*spec, options.of);
  std::int64_t shown_rows = 0;
  if (!show_files(kept.malformed, "source ", options, shown_rows) &&
      !show_files(kept.refused, "sink ", options, shown_rows) &&
      !show_files(kept.violating, "checks of ", options, shown_rows) && shown_rows == 0) {
    fmt::print("nothing {} is in quarantine\n", options.reason.empty() ? "" : "with such a reason");
  }
}

/// Rows that a check took out are values, and no records that a source could read.
void note_violating(const PipelineSpec& spec, const QuarantineOptions& options) {
  if (!find_kept(spec, options.of).violating.empty()) {
    fmt::print(stderr,
               "note: rows that quality checks took out stay where they are: their source has read "
               "them; mend the data where it comes from, and have the source give it again\n");
  }
}

/// Runs what was left uncommitted, then the batch of what is in quarantine.
void replay(const QuarantineOptions& options, Context& context) {
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  for (const auto& name : options.of) {
    if (std::ranges::none_of(spec->sources, [&](const auto& s) { return s.name == name; })) {
      throw Error(Blame::user, fmt::format("there is no source {} to read again", name));
    }
  }
  const SignalStop signals;
  const auto clock = make_clock();
  Diagnostics diagnostics;
  sql::Database database(database_options(*spec));
  Pipeline pipeline(*spec, context.connectors, database, *clock, diagnostics, signals.token());
  print_diagnostics(diagnostics, "nothing was read again.");
  if (!pipeline.valid()) {
    context.exit_code = kMistake;
    return;
  }
  if (!pipeline.open()) {
    pipeline.close();
    return;
  }
  if (!pipeline.replay(options.of)) {
    pipeline.close();
    note_violating(*spec, options);
    fmt::print("nothing is in quarantine that could be read again\n");
    return;
  }
  // A batch that an earlier process left comes first.
  BatchProgress last;
  for (bool done = false; !done && !signals.token().stop_requested();) {
    for (auto& progress : pipeline.step(false).committed) {
      done = std::ranges::any_of(progress.sources, [](const auto& source) {
        return replayed_batches(source.offsets).has_value();
      });
      last = std::move(progress);
    }
  }
  pipeline.close();
  note_violating(*spec, options);
  for (const auto& source : last.sources) {
    if (replayed_batches(source.offsets).has_value()) {
      fmt::print("source {}: {} read again in batch {}; {} still malformed\n", source.name,
                 human_count(source.rows, "record"), last.batch,
                 human_count(source.malformed_rows));
    }
  }
}

void add_options(CLI::App& command, const std::shared_ptr<QuarantineOptions>& options,
                 const char* of) {
  command.add_option("FILE", options->file, "The pipeline file")->required();
  command.add_option("--of", options->of, of)->option_text("NAME")->allow_extra_args(false);
}

}  // namespace

void add_quarantine_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<QuarantineOptions>();
  auto* command = app.add_subcommand(
      "quarantine", "Look at what could not be read or written, and read it again after a fix");
  command->require_subcommand(1);
  auto* listing = command->add_subcommand("list", "How many rows there are, by reason");
  add_options(*listing, options,
              "Only of this source, sink or checked dataset; may be given several times");
  listing->add_flag("--json", options->json, "As JSON");
  listing->callback([options, &context] { list(*options, context); });
  auto* showing = command->add_subcommand("show", "The rows, each with its place and bytes");
  add_options(*showing, options,
              "Only of this source, sink or checked dataset; may be given several times");
  showing->add_option("--reason", options->reason, "Only those whose reason has this text");
  showing->add_option("--limit", options->limit, "At most so many")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  showing->callback([options, &context] { show(*options, context); });
  auto* replaying = command->add_subcommand(
      "replay", "Read the records of sources again, in a batch of their own");
  add_options(*replaying, options, "Only of this source; may be given several times");
  replaying->callback([options, &context] { replay(*options, context); });
  command->footer(
      "What a source can't read, and what a sink can't write, is put aside and counted\n"
      "(`on_malformed: quarantine`, `on_refused: quarantine`). After a fix of the pipeline, "
      "`replay` "
      "reads the\nrecords once more, exactly once: what fits now goes through the pipeline, what "
      "does not stays.\nThe pipeline must not run meanwhile.\n\nExamples:\n"
      "  millrace quarantine list pipeline.yaml\n"
      "  millrace quarantine show pipeline.yaml --of orders --reason amount\n"
      "  millrace quarantine replay pipeline.yaml");
}

}  // namespace millrace::cli
