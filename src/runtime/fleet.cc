#include "runtime/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "engine/graph.h"
#include "sql/database.h"

namespace millrace {
namespace {

constexpr std::array<std::string_view, 6> kWords{"started", "restarted", "taken",
                                                 "stopped", "unchanged", "refused"};
constexpr std::string_view kByReload = "reload";

/// By a person, and it stays so.
bool is_stopped(FleetMember& member) {
  const auto status = member.host().status();
  return status.requested == RunState::stopped ||
         (status.state == RunState::stopped && status.by != kEndOfInput);
}

/// It waits for a person, and it is no use to try what it was once more.
bool is_mistaken(FleetMember& member) {
  const auto status = member.host().status();
  return status.state == RunState::failed && status.failure && status.failure->code == "mistake";
}

std::string name_of(const FoundPipeline& found) {
  if (!found.name.empty()) {
    return found.name;
  }
  const auto file = name_of_file(found.file);
  return file.substr(0, file.rfind('.'));
}

/// What would only be found when it starts, and the pipeline that runs now would be gone.
void check_graph(FoundPipeline& found, const ConnectorList& connectors) {
  if (!found.spec) {
    return;
  }
  sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
  try {
    (void)build_graph(*found.spec, connectors, database, found.diagnostics);
  } catch (const Error& error) {  // its own trouble, not that of the reload
    found.diagnostics.error({found.file}, error.what());
  }
  if (found.diagnostics.has_errors()) {
    found.spec.reset();
  }
}

}  // namespace

std::string_view reloaded_word(Reloaded what) noexcept {
  return kWords.at(static_cast<std::size_t>(what));
}

std::string ReloadResult::text() const {
  std::vector<std::string> parts;
  parts.reserve(kWords.size());
  for (const auto word : kWords) {
    const auto count = std::ranges::count_if(
        entries, [&](const ReloadEntry& entry) { return reloaded_word(entry.what) == word; });
    if (count > 0) {
      parts.push_back(fmt::format("{} {}", count, word));
    }
  }
  return parts.empty() ? "there is no pipeline" : join(parts, ", ");
}

Json ReloadResult::json() const {
  Json json = Json::object();
  for (const auto word : kWords) {
    json[std::string(word)] = Json::array();
  }
  for (const auto& entry : entries) {
    auto& list = json[std::string(reloaded_word(entry.what))];
    if (entry.what != Reloaded::refused) {
      list.push_back(entry.pipeline);
      continue;
    }
    Json mistakes = Json::array();
    for (const auto& diagnostic : entry.diagnostics.all()) {
      mistakes.push_back(diagnostic.text());
    }
    list.push_back(
        {{"pipeline", entry.pipeline}, {"file", entry.file}, {"mistakes", std::move(mistakes)}});
  }
  json["notes"] = notes;
  return json;
}

/// What a reload does with a pipeline.
struct Fleet::Step {
  Reloaded what = Reloaded::unchanged;
  std::shared_ptr<FleetMember> member;  ///< that there is; nullptr: none
  std::optional<FoundPipeline> found;   ///< its file; nullopt: it is gone
  bool takes = false;                   ///< the file counts, though it may have mistakes
  bool starts = false;                  ///< with it, and anew if it runs
  bool moves = false;                   ///< it has another checkpoint: it is another pipeline

  [[nodiscard]] std::string name() const { return found ? found->name : member->host().name(); }
  [[nodiscard]] bool leaves() const { return member && (!found || moves); }
};

Fleet::Fleet(Options options, const ConnectorList& connectors, const Clock& clock)
    : options_(std::move(options)), connectors_(connectors), clock_(clock) {}

Fleet::~Fleet() {
  const auto all = members();
  for (const auto& member : all) {
    member->host().end("");
  }
  for (const auto& member : all) {  // who watches may hold it for longer
    if (!waiter_.joinable()) {
      (void)member->host().wait();
    }
  }
  if (waiter_.joinable()) {
    waiter_.join();
  }
}

Fleet::Members Fleet::members() const {
  const std::lock_guard guard(lock_);
  return members_;
}

ReloadResult Fleet::reload() {
  const std::lock_guard one_at_a_time(reload_lock_);
  auto scan = scan_folder(options_.folder, connectors_);
  auto steps = match(scan);
  check(steps);
  stop_leavers(steps);
  start_comers(steps);
  ReloadResult result{.entries = {}, .notes = std::move(scan.notes)};
  result.entries.reserve(steps.size());
  for (auto& step : steps) {
    result.entries.push_back({step.what, step.name(),
                              step.found ? step.found->file : step.member->file(),
                              step.found ? step.found->diagnostics : Diagnostics()});
  }
  std::ranges::sort(result.entries, {}, &ReloadEntry::pipeline);
  return result;
}

/// Which file is which pipeline. A name, or a checkpoint, that two of them have is the one's that
/// runs already, or whose file comes first; it is a mistake of the other.
std::vector<Fleet::Step> Fleet::match(FolderScan& scan) {
  const auto now = members();
  const auto by_file = [&](const std::string& file) {
    return std::ranges::find(now, file, [](const auto& member) { return member->file(); });
  };
  std::ranges::stable_partition(scan.pipelines, [&](const FoundPipeline& found) {
    const auto member = by_file(found.file);
    return member != now.end() && (*member)->found().spec;
  });
  std::map<std::string, std::string> names;        // each with its file
  std::map<std::string, std::string> checkpoints;  // with the name of its pipeline
  std::vector<Step> steps;
  for (auto& found : scan.pipelines) {
    const auto of_file = by_file(found.file);
    if (!found.spec && of_file != now.end()) {
      found.name = (*of_file)->host().name();  // it may not be known, and it is still that one
    }
    found.name = name_of(found);
    if (const auto [other, is_new] = names.try_emplace(found.name, found.file); !is_new) {
      found.diagnostics.error(
          {found.file},
          fmt::format("the pipeline of {} is called `{}`, too", other->second, found.name),
          "each pipeline needs a name of its own");
      found.spec.reset();
      const auto file = name_of_file(found.file);
      found.name += "@" + file.substr(0, file.rfind('.'));
    } else if (found.spec) {
      const auto [taken, is_free] =
          checkpoints.try_emplace(found.spec->checkpoint.path, found.name);
      if (!is_free) {
        found.diagnostics.error(
            {found.file},
            fmt::format("the checkpoint {} is that of pipeline `{}`", taken->first, taken->second),
            "each pipeline needs a checkpoint of its own");
        found.spec.reset();
      }
    }
    Step step;
    const auto member =
        std::ranges::find(now, found.name, [](const auto& each) { return each->host().name(); });
    step.member = member == now.end() ? nullptr : *member;
    step.found = std::move(found);
    steps.push_back(std::move(step));
  }
  for (const auto& member : now) {
    if (std::ranges::none_of(steps, [&](const Step& step) { return step.member == member; })) {
      steps.push_back({.what = Reloaded::stopped, .member = member});
    }
  }
  return steps;
}

/// Decides what is done.
void Fleet::check(std::vector<Step>& steps) const {
  for (auto& step : steps) {
    if (!step.found) {
      continue;
    }
    auto& found = *step.found;
    const auto before = step.member ? step.member->found() : FoundPipeline();
    const bool is_same = step.member && before.version == found.version &&
                         before.spec.has_value() == found.spec.has_value();
    if (is_same) {
      step.what = found.spec ? Reloaded::unchanged : Reloaded::refused;
      step.takes = before.file != found.file;  // it was renamed
      continue;
    }
    if (step.member) {
      check_graph(found, connectors_);  // of a new one, its own start tells
    }
    step.what = step.member ? Reloaded::restarted : Reloaded::started;
    step.takes = true;
    step.starts = true;
    if (!found.spec) {
      step.what = Reloaded::refused;
      step.takes = !before.spec || is_mistaken(*step.member);
      step.starts = step.takes;
    } else if (step.member && is_stopped(*step.member)) {
      step.what = Reloaded::taken;
      step.starts = false;
    }
    step.moves = step.starts && before.spec && found.spec &&
                 before.spec->checkpoint.path != found.spec->checkpoint.path;
  }
}

/// All are asked before one is waited for.
void Fleet::stop_leavers(std::vector<Step>& steps) {
  for (auto& step : steps) {
    if (step.leaves()) {
      step.member->host().end(std::string(kByReload));
    }
  }
  for (auto& step : steps) {
    if (!step.leaves()) {
      continue;
    }
    (void)step.member->host().wait();
    on_gone_(step.member->host().name());
    const std::lock_guard guard(lock_);
    std::erase(members_, step.member);
  }
}

void Fleet::start_comers(std::vector<Step>& steps) {
  std::vector<std::shared_ptr<FleetMember>> comers;
  for (auto& step : steps) {
    if (!step.takes) {
      continue;
    }
    if (step.member && !step.moves) {
      step.member->take(*step.found);
      continue;
    }
    comers.push_back(std::make_shared<FleetMember>(*step.found, connectors_, clock_));
    const std::shared_ptr<PipelineHost> host(comers.back(), &comers.back()->host());
    for (const auto& watch : watchers_) {
      comers.back()->keep(watch(host, comers.back()->file()));
    }
  }
  const std::lock_guard guard(lock_);
  if (ends_) {
    return;
  }
  members_.insert(members_.end(), comers.begin(), comers.end());
  std::ranges::sort(members_, {}, [](const auto& member) { return member->host().name(); });
  share_out_all();
  for (const auto& step : steps) {
    if (step.starts && step.member && !step.moves) {
      step.member->host().restart(std::string(kByReload));
    }
  }
  for (const auto& member : comers) {
    member->host().start();
  }
}

/// With the lock held.
void Fleet::share_out_all() {
  std::vector<Share> own;
  own.reserve(members_.size());
  for (const auto& member : members_) {
    own.push_back(member->own_share());
  }
  const auto shares = share_out(options_.all, own);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    members_[i]->set_share(shares[i], options_.all);
  }
}

std::vector<std::shared_ptr<PipelineHost>> Fleet::hosts() const {
  const auto all = members();
  std::vector<std::shared_ptr<PipelineHost>> hosts;
  hosts.reserve(all.size());
  for (const auto& member : all) {
    hosts.emplace_back(member, &member->host());
  }
  return hosts;
}

std::shared_ptr<PipelineHost> Fleet::find(std::string_view name) const {
  const auto all = members();
  const auto found =
      std::ranges::find(all, name, [](const auto& member) { return member->host().name(); });
  return found == all.end() ? nullptr : std::shared_ptr<PipelineHost>(*found, &(*found)->host());
}

std::vector<std::string> Fleet::stop(std::chrono::milliseconds timeout, const std::string& by) {
  {
    const std::lock_guard guard(lock_);
    ends_ = true;
  }
  for (const auto& member : members()) {
    member->host().end(by);
  }
  std::promise<void> ended;
  auto end = ended.get_future();
  waiter_ = std::thread([this, ended = std::move(ended)]() mutable {
    const std::lock_guard after_a_reload(reload_lock_);  // it waits for some of them
    for (const auto& member : members()) {
      (void)member->host().wait();
    }
    ended.set_value();
  });
  std::vector<std::string> late;
  if (end.wait_for(timeout) != std::future_status::ready) {
    for (const auto& member : members()) {
      const auto state = member->host().status().state;
      if (state != RunState::stopped && state != RunState::failed) {
        late.push_back(member->host().name());
      }
    }
  }
  return late;
}

}  // namespace millrace
