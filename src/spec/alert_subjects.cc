// What the rules of `alerts:` may be of, by the names of the pipeline.
#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "spec/loader.h"

namespace millrace {
namespace {

/// What `of` of a rule can be, and what it can't.
class OfChecker {
 public:
  OfChecker(const PipelineSpec& spec, Diagnostics& diagnostics)
      : spec_(spec), diagnostics_(diagnostics) {}

  void check(const AlertRuleSpec& rule) {
    if (rule.metric == nullptr || rule.of.empty()) {
      return;
    }
    if (rule.metric->of == 0) {
      diagnostics_.error(rule.of_at,
                         fmt::format("alert `{}` watches {}, which is of the pipeline as a "
                                     "whole",
                                     rule.name, rule.metric->name),
                         "remove `of`");
      return;
    }
    const auto able = names_for(rule.metric->of);
    const auto same = [&](const std::string& name) { return equal_ignoring_case(name, rule.of); };
    if (std::ranges::none_of(able, same)) {
      const std::string kinds = kinds_of(rule.metric->of);
      diagnostics_.error(
          rule.of_at,
          fmt::format("alert `{}` watches {} of `{}`, which is no {}", rule.name, rule.metric->name,
                      rule.of, kinds),
          able.empty() ? fmt::format("there is no {}", kinds) : did_you_mean(rule.of, able));
    }
  }

 private:
  static std::string kinds_of(std::uint8_t of) {
    std::vector<std::string> kinds;
    const auto add = [&](AlertOf bit, const char* word) {
      if ((of & bit) != 0) {
        kinds.emplace_back(word);
      }
    };
    add(kOfSource, "source");
    add(kOfDataset, "dataset");
    add(kOfSink, "sink");
    add(kOfCheck, "check");
    add(kOfWatermark, "source or dataset with a watermark");
    return join(kinds, " or ");
  }

  std::vector<std::string> names_for(std::uint8_t of) const {
    std::vector<std::string> names;
    for (const SourceSpec& source : spec_.sources) {
      if ((of & kOfSource) != 0 || ((of & kOfWatermark) != 0 && source.watermark)) {
        names.push_back(source.name);
      }
    }
    for (const DatasetSpec& dataset : spec_.datasets) {
      if ((of & kOfDataset) != 0 || ((of & kOfWatermark) != 0 && dataset.watermark)) {
        names.push_back(dataset.name);
      }
    }
    for (const SinkSpec& sink : spec_.sinks) {
      if ((of & kOfSink) != 0) {
        names.push_back(sink.name);
      }
    }
    for (const ChecksSpec& checks : spec_.checks) {
      for (const CheckSpec& check : checks.checks) {
        if ((of & kOfCheck) != 0) {
          names.push_back(fmt::format("{}.{}", checks.of, check.name));
        }
      }
    }
    return names;
  }

  const PipelineSpec& spec_;
  Diagnostics& diagnostics_;
};

}  // namespace

void check_alerts(const PipelineSpec& spec, Diagnostics& diagnostics) {
  OfChecker checker(spec, diagnostics);
  for (const AlertRuleSpec& rule : spec.alerts.rules) {
    checker.check(rule);
  }
}

}  // namespace millrace
