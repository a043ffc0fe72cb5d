// millrace state: what a pipeline's checkpoint holds, in words.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/files.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/query.h"
#include "engine/checkpoint/checkpoint.h"
#include "spec/tables.h"
#include "sql/database.h"

namespace millrace::cli {
namespace {

struct StateOptions {
  std::string file;
  std::string table;
  std::string filter;
  std::size_t limit = 1000;
  bool json = false;
  std::size_t batches = 5;
};

std::string time_text(std::int64_t us) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(static_cast<std::time_t>(us / 1'000'000)));
}

/// Offsets are JSON of the connector's own; long ones are cut.
std::string offsets_text(const Json& offsets) {
  if (offsets.contains("files") && offsets.at("files").is_array()) {
    const auto& files = offsets.at("files");
    std::string text = human_count(static_cast<std::int64_t>(files.size()), "file");
    if (!files.empty()) {
      const auto& last = files.back();
      text += ", the last is " + (last.is_object() ? last.value("path", "?") : last.dump());
    }
    return text;
  }
  auto text = offsets.dump();
  return text.size() > 100 ? text.substr(0, 100) + "…" : text;
}

void print_batch(const CheckpointView& view, const LoggedBatch& batch) {
  const auto commit = view.commits.find(batch.batch);
  fmt::print("  batch {} planned {}, {}\n", batch.batch, time_text(batch.time_us),
             commit == view.commits.end() ? "not committed: it runs (again) at the next start"
                                          : "committed");
  for (const auto& [source, offsets] : batch.slices) {
    fmt::print("    {}: {}\n", source, offsets_text(offsets));
  }
  if (commit != view.commits.end()) {
    const auto sinks = commit->second.value("sinks", Json::object());
    for (const auto& [name, sink] : sinks.items()) {
      fmt::print("    -> {}: {}, {}\n", name,
                 human_count(sink.value("rows", std::int64_t{0}), "row"),
                 human_bytes(sink.value("bytes", std::int64_t{0})));
    }
  }
}

std::int64_t total(const std::vector<CheckpointView::File>& files) {
  std::int64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.bytes;
  }
  return bytes;
}

/// How old the state of a dataset is, if its rows have an event time.
std::string oldest_text(const Json& dataset) {
  const auto oldest = dataset.value("oldest", "");
  if (oldest.empty()) {
    return "";
  }
  const auto windows = dataset.value("windows", std::int64_t{0});
  return windows > 0
             ? fmt::format("; {}, the first from {}", human_count(windows, "open window"), oldest)
             : fmt::format("; the oldest key is of {}", oldest);
}

/// The counts of quality checks over all batches, as of the last commit: in the log, or, if nothing
/// was committed since, in a snapshot.
Json checks_of(const PipelineSpec& spec, const CheckpointView& view) {
  Json event_time;
  if (!view.commits.empty()) {
    event_time = view.commits.rbegin()->second.value("event_time", Json::object());
  } else if (const auto standing = read_standing(spec.checkpoint.path, spec.name)) {
    event_time = standing->event_time;
  }
  return event_time.is_object() ? event_time.value("checks", Json::object()) : Json::object();
}

void print_checks(const PipelineSpec& spec, const CheckpointView& view) {
  const auto all = checks_of(spec, view);
  if (!all.empty()) {
    fmt::print("\nquality checks, over all batches\n");
  }
  for (const auto& [of, checks] : all.items()) {
    const auto* declared = spec.checks_of(of);
    for (const auto& [name, check] : checks.items()) {
      const auto* found = declared == nullptr ? nullptr : declared->find(name);
      fmt::print("  {}.{}: {} of {} ({})\n", of, name,
                 human_count(check.value("violations", std::int64_t{0}), "violation"),
                 human_count(check.value("rows", std::int64_t{0}), "row"),
                 found == nullptr ? "not checked any more" : enum_word(found->otherwise));
    }
  }
}

void print_words(const PipelineSpec& spec, const CheckpointView& view, std::size_t batches) {
  fmt::print("checkpoint of pipeline {}: {}\n  id {}, made {}\n", spec.name, spec.checkpoint.path,
             view.description.value("id", "?"), view.description.value("created", "?"));
  fmt::print("  {} in {}, {} in {}\n", human_bytes(total(view.logs)),
             human_count(static_cast<std::int64_t>(view.logs.size()), "log file"),
             human_bytes(total(view.snapshots)),
             human_count(static_cast<std::int64_t>(view.snapshots.size()), "snapshot"));
  if (!view.note.empty()) {
    fmt::print("  note: {}\n", view.note);
  }
  if (view.commits.empty()) {
    fmt::print("\nno batch is in the log since the last snapshot{}\n",
               view.snapshots.empty() ? "" : " (" + view.snapshots.back().name + ")");
  } else {
    fmt::print("\nstate tables, as of batch {}\n", view.commits.rbegin()->first);
    const auto datasets = view.commits.rbegin()->second.value("datasets", Json::object());
    for (const auto& [name, d] : datasets.items()) {
      if (d.value("state_bytes", std::int64_t{0}) > 0) {
        fmt::print("  {}: {}, {} in memory{}\n", name,
                   human_count(d.value("state_rows", std::int64_t{0}), "row"),
                   human_bytes(d.value("state_bytes", std::int64_t{0})), oldest_text(d));
      }
    }
  }
  print_checks(spec, view);
  if (view.batches.empty()) {
    return;
  }
  fmt::print("\nlast batches\n");
  const auto first = view.batches.size() - std::min(view.batches.size(), batches);
  for (auto i = first; i < view.batches.size(); i++) {
    print_batch(view, view.batches[i]);
  }
}

void print_json(const PipelineSpec& spec, const CheckpointView& view) {
  Json out = {{"checkpoint", view.description},
              {"checks", checks_of(spec, view)},
              {"batches", Json::array()},
              {"logs", Json::array()},
              {"snapshots", Json::array()}};
  for (const auto& batch : view.batches) {
    const auto commit = view.commits.find(batch.batch);
    out["batches"].push_back({{"batchId", batch.batch},
                              {"time_us", batch.time_us},
                              {"sources", batch.slices},
                              {"commit", commit == view.commits.end() ? Json() : commit->second}});
  }
  for (const auto& file : view.logs) {
    out["logs"].push_back({{"name", file.name}, {"bytes", file.bytes}});
  }
  for (const auto& file : view.snapshots) {
    out["snapshots"].push_back({{"name", file.name}, {"bytes", file.bytes}});
  }
  fmt::print("{}\n", out.dump(2));
}

/// The groups of one table.
void state_table(const StateOptions& options, Context& context) {
  auto sql = "SELECT * FROM state." + sql::quote_name(options.table);
  if (!options.filter.empty()) {
    sql += " WHERE " + options.filter;
  }
  query({.file = options.file,
         .sql = std::move(sql),
         .format = options.json ? OutputFormat::json : OutputFormat::table,
         .limit = options.limit},
        context);
}

void state(const StateOptions& options, Context& context) {
  if (!options.table.empty()) {
    state_table(options, context);
    return;
  }
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  if (!exists(spec->checkpoint.path + "/checkpoint.json")) {
    fmt::print("pipeline {} has no checkpoint yet: it has never run ({})\n", spec->name,
               spec->checkpoint.path);
    return;
  }
  const auto view = view_checkpoint(spec->checkpoint.path);
  if (options.json) {
    print_json(*spec, view);
  } else {
    print_words(*spec, view, options.batches);
  }
}

}  // namespace

void add_state_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<StateOptions>();
  auto* command = app.add_subcommand(
      "state", "Show what a pipeline's checkpoint holds: batches, offsets, state, sizes");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_option("TABLE", options->table,
                      "Show what this dataset holds: its rows, or those of its open windows");
  command->add_option("FILTER", options->filter, "SQL: which of its rows");
  command->add_option("--limit", options->limit, "At most this many rows of the table")
      ->capture_default_str();
  command->add_option("--batches", options->batches, "How many of the last batches to show")
      ->capture_default_str();
  command->add_flag("--json", options->json, "For machines: everything, as JSON");
  command->footer(
      "Works while the pipeline runs, and changes nothing. Of each state table it shows the rows\n"
      "(groups, rows of open sessions, or keys that DISTINCT remembers), the memory they take, "
      "and\n"
      "how many windows or sessions are open and when the first of them began; of DISTINCT, the\n"
      "event time of the keys that will be forgotten first. A table without a window of event "
      "time\n"
      "shows nothing of the kind: its groups have no time, and stay for ever.\n\n"
      "Examples:\n  millrace state pipeline.yaml\n"
      "  millrace state pipeline.yaml totals \"kind = 'book' AND n > 10\"\n"
      "  millrace state pipeline.yaml --json | jq '.batches[-1]'");
  command->callback([options, &context] { state(*options, context); });
}

}  // namespace millrace::cli
