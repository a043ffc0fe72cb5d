#include "engine/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/fault.h"
#include "base/strings.h"
#include "engine/accounting.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

/// How often to say how far it is.
constexpr auto kSayEvery = std::chrono::seconds(1);

void find_states(const Graph& graph, std::size_t dataset, bool nearest,
                 std::set<std::size_t>& found) {
  const auto& node = graph.datasets[dataset];
  if (node.plan->has_state()) {
    found.insert(dataset);
    if (nearest) {
      return;
    }
  }
  for (const int reader : node.readers) {
    find_states(graph, static_cast<std::size_t>(reader), nearest, found);
  }
}

std::vector<std::string> names_of(const Graph& graph, const std::set<std::size_t>& datasets) {
  std::vector<std::string> names;
  names.reserve(datasets.size());
  for (const auto i : datasets) {
    names.push_back(graph.datasets[i].name);
  }
  return names;
}

/// Some datasets and all that they read; and the sources.
void find_inputs(const Graph& graph, std::size_t dataset, std::set<std::size_t>& datasets,
                 std::set<std::size_t>& sources) {
  datasets.insert(dataset);
  for (const auto& input : graph.datasets[dataset].inputs) {
    const auto i = static_cast<std::size_t>(input.index);
    if (input.kind == Producer::Kind::source) {
      sources.insert(i);
    } else if (!datasets.contains(i)) {
      find_inputs(graph, i, datasets, sources);
    }
  }
}

/// Takes the sinks out of a graph as long as it lives.
class WithoutSinks {
 public:
  explicit WithoutSinks(Graph& graph) : graph_(graph) {
    for (auto& node : graph.datasets) {
      sinks_.push_back(std::exchange(node.sinks, {}));
      late_sinks_.push_back(std::exchange(node.late_sinks, {}));
    }
  }
  ~WithoutSinks() {
    for (std::size_t i = 0; i < sinks_.size(); i++) {
      graph_.datasets[i].sinks = std::move(sinks_[i]);
      graph_.datasets[i].late_sinks = std::move(late_sinks_[i]);
    }
  }
  WithoutSinks(const WithoutSinks&) = delete;
  WithoutSinks& operator=(const WithoutSinks&) = delete;

 private:
  Graph& graph_;
  std::vector<std::vector<int>> sinks_;
  std::vector<std::vector<int>> late_sinks_;
};

bool runs(const Graph& graph, std::size_t dataset) {
  const auto& node = graph.datasets[dataset];
  return !node.sinks.empty() || !node.late_sinks.empty() ||
         std::ranges::any_of(node.readers, [&](int reader) {
           return runs(graph, static_cast<std::size_t>(reader));
         });
}

}  // namespace

std::set<std::size_t> states_from(const Graph& graph, std::size_t dataset) {
  std::set<std::size_t> found;
  find_states(graph, dataset, /*nearest=*/false, found);
  return found;
}

std::set<std::size_t> nearest_states(const Graph& graph, std::size_t dataset) {
  std::set<std::size_t> found;
  find_states(graph, dataset, /*nearest=*/true, found);
  return found;
}

std::optional<std::string> why_no_rebuild(const Graph& graph,
                                          const std::set<std::size_t>& datasets) {
  std::set<std::size_t> needed;
  std::set<std::size_t> sources;
  for (const auto i : datasets) {
    find_inputs(graph, i, needed, sources);
  }
  for (const auto i : needed) {
    if (graph.datasets[i].plan->follows_clock()) {
      return fmt::format(
          "the windows of dataset {} are those of now(), and when the rows came is "
          "not known any more",
          graph.datasets[i].name);
    }
  }
  for (const auto i : sources) {
    const auto& node = graph.sources[i];
    if (const auto why = node.source->why_no_history(); why && !node.spec->table) {
      return fmt::format("source {} can't be read again from its beginning: {}", node.spec->name,
                         *why);
    }
  }
  return std::nullopt;
}

Rebuild::Rebuild(Graph& graph, const std::vector<std::string>& names) : graph_(graph) {
  for (const auto& name : names) {
    add(name);
  }
  for (const auto wanted : wanted_) {
    datasets_.merge(states_from(graph, wanted));
  }
  std::erase_if(datasets_, [&](std::size_t i) { return !runs(graph, i); });
  for (const auto dataset : datasets_) {
    find_inputs(graph, dataset, needed_, sources_);
  }
  if (const auto why = why_no_rebuild(graph, datasets_)) {
    throw Error(Blame::user, fmt::format("{} can't be rebuilt: {}", text(), *why));
  }
}

void Rebuild::add(const std::string& name) {
  const auto& datasets = graph_.datasets;
  std::set<std::size_t> with_state;
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < datasets.size(); i++) {
    const bool can_be = datasets[i].spec != nullptr || datasets[i].plan->has_state();
    if (can_be && equal_ignoring_case(datasets[i].name, name)) {
      found = i;
    }
    if (datasets[i].plan->has_state() && runs(graph_, i)) {
      with_state.insert(i);
    }
  }
  if (!found && equal_ignoring_case(name, "all")) {
    wanted_.merge(with_state);
    return;
  }
  const auto known = names_of(graph_, with_state);
  const auto those = known.empty()
                         ? "no dataset of this pipeline keeps state"
                         : fmt::format("those that keep state: {}", fmt::join(known, ", "));
  if (!found) {
    const auto hint = did_you_mean(name, known);
    throw Error(Blame::user, fmt::format("--rebuild {}: there is no dataset of this name; {}", name,
                                         hint.empty() ? those : hint));
  }
  if (!datasets[*found].plan->has_state()) {
    const auto above = names_of(graph_, nearest_states(graph_, *found));
    throw Error(
        Blame::user,
        fmt::format("--rebuild {}: dataset {} keeps no state, so there is nothing to rebuild; {}",
                    name, datasets[*found].name,
                    above.empty() ? those
                                  : fmt::format("state that is made from its rows: `--rebuild {}`",
                                                fmt::join(above, " --rebuild "))));
  }
  if (!runs(graph_, *found)) {
    throw Error(Blame::user, fmt::format("--rebuild {}: the pipeline does not run dataset {}, "
                                         "because no sink needs it",
                                         name, datasets[*found].name));
  }
  wanted_.insert(*found);
}

std::vector<std::string> Rebuild::names() const { return names_of(graph_, datasets_); }

std::string Rebuild::text() const {
  auto others = datasets_;
  std::erase_if(others, [&](std::size_t i) { return wanted_.contains(i); });
  const auto wanted = fmt::format("{}", fmt::join(names_of(graph_, wanted_), ", "));
  return others.empty()
             ? wanted
             : fmt::format(
                   "{}, and {}, which {} on {}", wanted, fmt::join(names_of(graph_, others), ", "),
                   others.size() == 1 ? "depends" : "depend", wanted_.size() == 1 ? "it" : "them");
}

void Rebuild::note_state(std::size_t dataset, const NextPiece& next, const Json& fingerprints) {
  const auto& node = graph_.datasets[dataset];
  const auto before =
      fingerprints.value("dataset", Json::object()).value(node.name, Json::object());
  if (before.value("windows", "") == node.plan->windows_text()) {
    sql::read_closed(next, closed_[dataset]);
  }
}

bool Rebuild::has_reader(std::size_t dataset) const {
  const auto& readers = graph_.datasets[dataset].readers;
  return std::ranges::any_of(
      readers, [&](int reader) { return takes_part(static_cast<std::size_t>(reader)); });
}

/// Sources that are read whole, as they are now.
std::map<std::string, Json> Rebuild::open_tables(std::int64_t time_us) {
  std::map<std::string, Json> slices;
  for (const auto i : sources_) {
    auto& node = graph_.sources[i];
    if (node.spec->table) {
      if (auto slice = node.source->plan(time_us)) {
        slices[node.spec->name] = std::move(slice->offsets);
      }
    }
  }
  return slices;
}

std::map<std::string, Slices> Rebuild::open_histories() {
  std::map<std::string, Slices> histories;
  for (const auto i : sources_) {
    auto& node = graph_.sources[i];
    if (!node.spec->table) {
      histories[node.spec->name] = node.source->history();
    }
  }
  return histories;
}

void Rebuild::check_sinks(const std::optional<LoggedBatch>& unfinished) const {
  for (const auto& node : graph_.sinks) {
    if (unfinished && node.sink->has_published(unfinished->batch)) {
      throw Error(Blame::user,
                  fmt::format("sink {} has the rows of batch {}, which was not committed, from the "
                              "query of before; run the pipeline once with that query (`--once`) "
                              "to finish the batch, then change it and rebuild",
                              node.spec->name, unfinished->batch));
    }
  }
}

bool Rebuild::run(const Until& until, const std::stop_token& stop,
                  const std::function<void(const std::string&)>& say) {
  const WithoutSinks without_sinks(graph_);
  const BatchPlan tables{until.batch, until.time_us, open_tables(until.time_us), {}};
  BatchRun closing(graph_);
  closing.only_for(datasets_);
  closing.load_event_time(until.event_time);
  BatchOutputs nowhere;
  closing.run({until.batch, until.time_us, {}, {}}, nowhere);
  for (const auto i : needed_) {  // what is closed already need not be held, if nobody reads it
    auto& plan = *graph_.datasets[i].plan;
    if (has_reader(i) || !plan.may_skip_closed()) {
      plan.clear_state();
    }
  }
  if (!fill(tables, stop, say)) {
    return false;
  }
  for (const auto& [i, closed] : closed_) {
    graph_.datasets[i].plan->close_as(closed);
  }
  closing.run(tables, nowhere);
  return true;
}

void Rebuild::restore_others() {
  std::map<std::string, sql::Plan*> others;
  for (const auto i : needed_) {
    auto& node = graph_.datasets[i];
    if (!datasets_.contains(i) && node.plan->has_state()) {
      others[node.name] = node.plan.get();
    }
  }
  if (others.empty()) {
    return;
  }
  const auto clear = [&] {
    for (const auto& [name, plan] : others) {
      plan->clear_state();
    }
  };
  const auto apply = [&](const std::string& dataset, const NextPiece& next) {
    if (const auto other = others.find(dataset); other != others.end()) {
      other->second->apply(next);
    }
  };
  clear();
  read_states(graph_.spec->checkpoint.path, graph_.spec->name, {.begin = clear, .state = apply});
}

/// Of a batch, those that sources gave.
std::int64_t Rebuild::rows_read(const std::vector<DatasetCounts>& counts) const {
  std::int64_t rows = 0;
  for (const auto& dataset : counts) {
    const auto producer = graph_.find(dataset.name);
    const bool reads = std::ranges::any_of(sources_, [&](std::size_t s) {
      return !graph_.sources[s].spec->table && graph_.sources[s].scanned_by == producer->index;
    });
    rows += reads ? dataset.in + dataset.malformed : 0;
  }
  return rows;
}

/// Reads all that was given, slice by slice.
bool Rebuild::fill(BatchPlan plan, const std::stop_token& stop,
                   const std::function<void(const std::string&)>& say) {
  auto histories = open_histories();
  BatchOutputs nowhere;
  BatchRun filling(graph_);
  filling.only_for(datasets_);
  filling.stop_clocks();
  const auto start = Steady::now();
  auto said = start;
  std::int64_t rows = 0;
  while (true) {
    bool more = false;
    for (auto& [source, next] : histories) {
      const auto slice = next();
      plan.slices.erase(source);
      if (slice) {
        plan.slices[source] = slice->offsets;
        more = true;
      }
    }
    if (!more) {
      break;
    }
    if (stop.stop_requested()) {
      return false;
    }
    filling.run(plan, nowhere);
    const auto counts = filling.dataset_counts();
    check_accounts(plan.id, counts, {});
    rows += rows_read(counts);
    for (const auto i : sources_) {  // tables stay as they were read
      if (graph_.sources[i].spec->table) {
        plan.unchanged.insert(graph_.sources[i].spec->name);
      }
    }
    fault_point("rebuild.after_slice");
    if (Steady::now() - said >= kSayEvery) {
      said = Steady::now();
      say(fmt::format("rebuilding: {} read", human_count(rows, "row")));
    }
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start);
  say(fmt::format("rebuilt {} from {} in {}", fmt::join(names(), ", "), human_count(rows, "row"),
                  human_duration(took)));
  return true;
}

}  // namespace millrace
