// What a pipeline says of itself: its name, its trigger, its checkpoint.
#include <fmt/core.h>

#include <algorithm>

#include "base/files.h"
#include "base/references.h"
#include "base/strings.h"
#include "spec/loader.h"
#include "spec/tables.h"

namespace millrace {
namespace {

constexpr std::size_t kLongestName = 100;  // it is the name of a folder, too

bool is_pipeline_name(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kLongestName && letter_or_digit(name.front()) &&
         std::ranges::all_of(name,
                             [&](char c) { return letter_or_digit(c) || c == '_' || c == '-'; });
}

/// What a name might have been meant to be, as far as the rule of pipeline names allows.
std::string pipeline_name_like(std::string_view name) {
  std::string result;
  for (const char c : to_lower(name)) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (fine) {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  const std::size_t first = result.find_first_not_of("-_");
  result.erase(0, first);
  result.erase(result.find_last_not_of('-') + 1);
  return result.substr(0, kLongestName);
}

}  // namespace

void check_pipeline_name(const Node& node, const std::string& name, Diagnostics& diagnostics) {
  if (is_pipeline_name(name)) {
    return;
  }
  const std::string like = pipeline_name_like(name);
  diagnostics.error(node.at,
                    fmt::format("`{}` cannot be the name of a pipeline: lower-case letters, "
                                "digits, `-` and `_`, at most {}",
                                name, kLongestName),
                    like.empty() ? "" : fmt::format("for example `{}`", like));
}

void read_trigger(const Node& node, TriggerSpec& trigger, Diagnostics& diagnostics) {
  if (node.is_null()) {
    // A node that was never filled has no place; `trigger:` without a value has one.
    if (node.at.line > 0) {
      diagnostics.error(node.at, "`trigger` of the pipeline has no value",
                        "give it a duration such as `60s`, or remove it");
    }
    return;
  }
  std::vector<std::string> words;
  for (const auto& each : EnumNames<TriggerSpec::Kind>::kWords) {
    words.emplace_back(each.word);
  }
  std::optional<std::string> text;
  if (node.is_scalar()) {
    text = interpolate(node, diagnostics);
    if (!text) {
      return;
    }
  }
  const std::string given = text.value_or("");
  for (const auto& each : EnumNames<TriggerSpec::Kind>::kWords) {
    if (given == each.word) {
      trigger.kind = each.value;
      return;
    }
  }
  const auto interval = parse_duration(given);
  if (interval && interval->count() > 0) {
    trigger = {TriggerSpec::Kind::interval, *interval};
    return;
  }
  std::string hint;
  if (parse_number(given)) {
    hint = interval || given == "0" ? "" : fmt::format("say the unit, for example `{}s`", given);
  } else if (const auto near = suggest(given, words)) {
    hint = fmt::format("did you mean `{}`?", *near);
  }
  diagnostics.error(
      node.at,
      fmt::format("`trigger` of the pipeline must be a duration such as `60s`, or {}{}",
                  alternatives(words), given.empty() ? "" : ", not `" + given + "`"),
      hint);
}

void read_checkpoint(const Node& node, PipelineSpec& spec, Diagnostics& diagnostics) {
  if (node.is_scalar()) {
    diagnostics.error(node.at, "`checkpoint` must be a mapping of options, not a single value",
                      fmt::format("write `checkpoint: {{ path: {} }}`", node.text));
    return;
  }
  (void)checkpoint_table().parse(node, diagnostics, spec.checkpoint, "checkpoint");
  std::string& path = spec.checkpoint.path;
  if (path.find("://") != std::string::npos) {
    diagnostics.error(node.find("path")->at,
                      fmt::format("`path` of checkpoint must be a folder of this machine, not "
                                  "`{}`",
                                  path),
                      "rows go to remote systems, progress is kept locally");
  }
  if (path.empty()) {
    path = ".millrace/" + spec.name;
  }
  path = absolute_path(resolve_path(spec.base_dir, path));
}

}  // namespace millrace
