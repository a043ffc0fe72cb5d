#include "engine/output_modes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/strings.h"

namespace millrace {
namespace {

bool takes(const SinkTraits& traits, OutputMode mode) {
  switch (mode) {
    case OutputMode::append:
      return traits.append;
    case OutputMode::update:
      return traits.update;
    case OutputMode::complete:
      return traits.complete;
  }
  return false;
}

/// Reports that a sink can't do what its mode asks for.
void refuse_mode(const SinkNode& node, const SinkTraits& traits, const Location& at,
                 Diagnostics& diagnostics) {
  std::vector<std::string_view> can;
  for (auto mode : {OutputMode::append, OutputMode::update, OutputMode::complete}) {
    if (takes(traits, mode)) {
      can.push_back(name_of(mode));
    }
  }
  diagnostics.error(at,
                    fmt::format("sink {}: {} takes no mode {}; it takes {}", node.spec->name,
                                node.spec->connector, name_of(node.mode), fmt::join(can, ", ")));
}

void check_mode(const SinkNode& node, const sql::Plan& plan, const SinkTraits& traits,
                Diagnostics& diagnostics) {
  const auto at = node.spec->mode ? node.spec->mode_at : node.spec->at;
  if (const auto reason = plan.refuses(node.mode); reason && !node.late()) {
    diagnostics.error(at, fmt::format("sink {}: {} can't be written in mode {}: {}",
                                      node.spec->name, plan.name(), name_of(node.mode), *reason));
  } else if (!takes(traits, node.mode)) {
    refuse_mode(node, traits, at, diagnostics);
  }
}

void choose_key(SinkNode& node, const sql::Plan& plan, Diagnostics& diagnostics) {
  node.key =
      node.spec->key.empty() ? plan.key().value_or(std::vector<std::string>()) : node.spec->key;
  if (node.spec->key.empty() && !plan.key() && !plan.refuses(OutputMode::update)) {
    diagnostics.error(node.spec->at,
                      fmt::format("sink {}: mode update needs a key, and not all columns that "
                                  "{} is grouped by are in its result",
                                  node.spec->name, plan.name()),
                      "select them as they are, or name the columns that identify a row with "
                      "`key: [...]`");
  }
  for (const auto& column : node.key) {
    if (plan.schema().find(column) < 0) {
      diagnostics.error(
          node.spec->at,
          fmt::format("sink {}: key column {} is not in {}", node.spec->name, column, plan.name()),
          fmt::format("it has: {}", plan.schema().text()));
    }
  }
}

/// The column that tells of deleted rows has to be one that can.
void check_delete(const SinkNode& node, const sql::Plan& plan, Diagnostics& diagnostics) {
  const auto& spec = *node.spec;
  if (spec.delete_column.empty()) {
    return;
  }
  const auto refuse = [&](const std::string& message, const std::string& hint) {
    diagnostics.error(spec.delete_at, fmt::format("sink {}: {}", spec.name, message), hint);
  };
  const int at = plan.schema().find(spec.delete_column);
  if (node.mode != OutputMode::update) {
    refuse(fmt::format("`delete` is for mode update; the mode is {}", name_of(node.mode)),
           "set `mode: update`, or leave the deleted rows out in SQL");
  } else if (!node.sink->traits().deletes) {
    refuse(fmt::format("{} can't delete rows", spec.connector), "");
  } else if (at < 0) {
    refuse(fmt::format("column {} of `delete` is not in {}", spec.delete_column, plan.name()),
           fmt::format("it has: {}", plan.schema().text()));
  } else if (plan.schema().columns[static_cast<std::size_t>(at)].type != "BOOLEAN") {
    refuse(fmt::format("column {} of `delete` is not BOOLEAN", spec.delete_column),
           fmt::format("select a condition, such as `op = 'd' AS {}`", spec.delete_column));
  } else if (std::ranges::any_of(node.key, [&](const auto& column) {
               return equal_ignoring_case(column, spec.delete_column);
             })) {
    refuse(
        fmt::format("column {} can't be in the key and tell of deleted rows", spec.delete_column),
        "name the key's columns with `key: [...]`");
  }
}

/// What has changed must be known, and no row may move from one part to another.
void check_parts(const SinkNode& node, const sql::Plan& plan, Diagnostics& diagnostics) {
  if (!node.replaces_parts()) {
    return;
  }
  const auto refuse = [&](const std::string& why, const std::string& hint) {
    diagnostics.error(
        node.spec->at,
        fmt::format("sink {}: only the changed partitions of {} can't be replaced: {}",
                    node.spec->name, plan.name(), why),
        hint);
  };
  const std::string whole = "leave out `partition_overwrite_mode`: all are then replaced";
  if (const auto reason = plan.refuses(OutputMode::update)) {
    refuse(*reason, whole);
    return;
  }
  const auto key = plan.key().value_or(std::vector<std::string>());
  for (const auto& column : node.sink->traits().replaced_by) {
    if (std::ranges::none_of(
            key, [&](const auto& of_key) { return equal_ignoring_case(of_key, column); })) {
      refuse(
          fmt::format("it is not grouped by {}, so a row might move to another partition", column),
          fmt::format("group by {}; or {}", column, whole));
    }
  }
}

}  // namespace

void choose_mode(SinkNode& node, const sql::Plan& plan, Diagnostics& diagnostics) {
  const auto traits = node.sink->traits();
  if (node.spec->mode) {
    node.mode = *node.spec->mode;
  } else {
    const auto fallback =
        plan.shape() == sql::Shape::stream ? OutputMode::append : traits.preferred_for_tables;
    const std::array order{fallback, OutputMode::complete, OutputMode::update, OutputMode::append};
    const auto* const fits = std::find_if(order.begin(), order.end(), [&](OutputMode mode) {
      return takes(traits, mode) && !plan.refuses(mode);
    });
    node.mode = fits == order.end() ? fallback : *fits;
  }
  check_mode(node, plan, traits, diagnostics);
  if (node.mode == OutputMode::update) {
    choose_key(node, plan, diagnostics);
  }
  check_delete(node, plan, diagnostics);
  check_parts(node, plan, diagnostics);
}

void check_appends(const SinkNode& node, Diagnostics& diagnostics) {
  if (const auto traits = node.sink->traits(); !takes(traits, OutputMode::append)) {
    refuse_mode(node, traits, node.spec->at, diagnostics);
  }
}

void check_late(const SinkNode& node, const sql::Plan& plan, const PipelineSpec& pipeline,
                Diagnostics& diagnostics) {
  const auto& spec = *node.spec;
  if (const auto& reason = plan.refuses_late()) {
    const bool kept = std::ranges::any_of(pipeline.sinks, [&](const auto& s) {
      return equal_ignoring_case(s.from, spec.from) && s.mode == OutputMode::complete;
    });
    diagnostics.error(
        spec.from_at,
        fmt::format("sink {}: there are no late rows of {}: {}", spec.name, plan.name(), *reason),
        kept ? "a sink writes it in mode complete, so that all windows are kept open; choose "
               "another mode"
             : "");
  } else {
    check_mode(node, plan, node.sink->traits(), diagnostics);
  }
}

}  // namespace millrace
