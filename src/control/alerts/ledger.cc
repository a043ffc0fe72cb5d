#include "control/alerts/ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "base/crc32c.h"
#include "base/fault.h"

namespace millrace::control {
namespace {

constexpr int kVersion = 1;

/// What is written: one line with the checksum of the next, and that.
std::string sealed(const OrderedJson& json) {
  const std::string text = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  return fmt::format("{:08x}\n{}\n", crc32c(text), text);
}

/// The opposite; throws std::exception for what is not as it was written.
OrderedJson unsealed(const std::string& content) {
  const auto line = content.find('\n');
  if (line == std::string::npos || !content.ends_with('\n')) {
    throw Error(Blame::external, "it is not complete");
  }
  const std::string text = content.substr(line + 1, content.size() - line - 2);
  if (content.substr(0, line) != fmt::format("{:08x}", crc32c(text))) {
    throw Error(Blame::external, "its checksum is another one");
  }
  auto json = OrderedJson::parse(text);
  if (json.at("version") != kVersion) {
    throw Error(Blame::external, "it is of another version");
  }
  return json;
}

std::string in_folder(const std::string& folder, const char* name) {
  make_folders(folder);
  return folder + "/" + name;
}

OrderedJson state_json(const AlertState& state) {
  return {{"phase", word_of(state.phase)},
          {"since_us", state.since_us},
          {"fired_us", state.fired_us},
          {"true_us", state.true_us},
          {"told_us", state.told_us}};
}

AlertState state_from(const OrderedJson& json) {
  AlertState state;
  state.phase =
      json.at("phase") == "firing" ? AlertState::Phase::firing : AlertState::Phase::pending;
  json.at("since_us").get_to(state.since_us);
  json.at("fired_us").get_to(state.fired_us);
  json.at("true_us").get_to(state.true_us);
  json.at("told_us").get_to(state.told_us);
  return state;
}

}  // namespace

AlertLedger::AlertLedger(const std::string& folder, std::string pipeline,
                         std::vector<std::string> receivers)
    : path_(in_folder(folder, "alerts.json")),
      pipeline_(std::move(pipeline)),
      log_(Log().with("pipeline", pipeline_)),
      lock_file_(folder + "/LOCK", "pipeline " + pipeline_) {
  for (std::string& receiver : receivers) {
    queues_.try_emplace(std::move(receiver));
  }
  load();
}

void AlertLedger::begin_anew() {
  std::random_device device;
  id_ = fmt::format("{:08x}{:08x}", device(), device());
  dirty_ = true;
}

void AlertLedger::load() {
  std::string content;
  const int error = read_file_or_errno(path_, content);
  if (error == ENOENT) {
    begin_anew();
    return;
  }
  if (error != 0) {
    throw_file_error("read", path_, error);
  }
  try {
    read(unsealed(content));
  } catch (const std::exception& trouble) {  // also that of the JSON library
    const std::string aside = path_ + ".damaged";
    rename_file(path_, aside);
    log_.error("what is known of alerts can't be read: {}; put aside as `{}`, and begun anew",
               trouble.what(), aside);
    alerts_.clear();
    for (auto& [name, queue] : queues_) {
      queue = {};
    }
    begin_anew();
  }
}

void AlertLedger::read(const OrderedJson& json) {
  json.at("id").get_to(id_);
  json.at("notices").get_to(notices_);
  for (const auto& [name, saved] : json.at("alerts").items()) {
    Saved& alert = alerts_[name];
    alert.state = state_from(saved.at("state"));
    if (!saved.at("told").is_null()) {
      alert.told = AlertNotice::from_json(saved.at("told"));
      saved.at("receivers").get_to(alert.receivers);
    }
  }
  for (const auto& [name, saved] : json.at("receivers").items()) {
    const auto queue = queues_.find(name);
    if (queue == queues_.end()) {
      if (!saved.at("waiting").empty()) {
        log_.warn(
            "{} notices for receiver {} are given up: it is not in the pipeline file any more",
            saved.at("waiting").size(), name);
      }
      continue;
    }
    saved.at("next").get_to(queue->second.next);
    for (const OrderedJson& each : saved.at("waiting")) {
      queue->second.waiting.push_back(
          {each.at("number").get<std::int64_t>(), AlertNotice::from_json(each.at("notice"))});
    }
  }
}

OrderedJson AlertLedger::json() const {
  OrderedJson json = {{"version", kVersion},
                      {"id", id_},
                      {"notices", notices_},
                      {"alerts", OrderedJson::object()},
                      {"receivers", OrderedJson::object()}};
  for (const auto& [name, alert] : alerts_) {
    json["alerts"][name] = {{"state", state_json(alert.state)},
                            {"told", alert.told ? alert.told->json() : OrderedJson(nullptr)},
                            {"receivers", alert.receivers}};
  }
  for (const auto& [name, queue] : queues_) {
    OrderedJson waiting = OrderedJson::array();
    for (const Waiting& each : queue.waiting) {
      waiting.push_back({{"number", each.number}, {"notice", each.notice.json()}});
    }
    json["receivers"][name] = {{"next", queue.next}, {"waiting", std::move(waiting)}};
  }
  return json;
}

/// With the lock held. A disk that is full holds up no alert: what is in memory still counts.
void AlertLedger::write() {
  try {
    fault_point("alerts.save");
    write_file_atomically(path_, sealed(json()));
    dirty_ = false;
    in_trouble_ = false;
  } catch (const Error& error) {
    dirty_ = true;
    if (!std::exchange(in_trouble_, true)) {
      log_.error("alerts would be told of again after a crash: {}", error.what());
    }
  }
}

AlertState AlertLedger::state_of(const std::string& alert) const {
  const std::lock_guard guard(lock_);
  const auto found = alerts_.find(alert);
  return found == alerts_.end() ? AlertState{} : found->second.state;
}

std::vector<AlertLedger::Left> AlertLedger::left() const {
  const std::lock_guard guard(lock_);
  std::vector<Left> all;
  all.reserve(alerts_.size());
  for (const auto& [name, alert] : alerts_) {
    all.push_back({name, alert.state, alert.told.value_or(AlertNotice{}), alert.receivers});
  }
  return all;
}

std::string AlertLedger::next_id() {
  const std::lock_guard guard(lock_);
  return fmt::format("{}-{}", id_, notices_++);
}

void AlertLedger::note(const std::string& alert, const AlertState& state,
                       const std::vector<std::string>& receivers, const AlertNotice* notice) {
  const std::lock_guard guard(lock_);
  if (state.phase == AlertState::Phase::inactive) {
    alerts_.erase(alert);
  } else {
    Saved& saved = alerts_[alert];
    saved.state = state;
    if (notice != nullptr) {
      saved.told = *notice;
      saved.receivers = receivers;
    }
  }
  dirty_ = true;
  if (notice == nullptr) {
    return;
  }
  for (const std::string& receiver : receivers) {
    Queue& queue = queues_.at(receiver);
    queue.waiting.push_back({queue.next++, *notice});
    if (queue.waiting.size() > kWaitingMax) {
      log_.error("receiver {}: {} notices wait, so that of alert {} ({}) is given up", receiver,
                 kWaitingMax, queue.waiting.front().notice.alert,
                 word_of(queue.waiting.front().notice.state));
      queue.waiting.pop_front();
      queue.counts.given_up++;
    }
  }
  write();
  fault_point("alerts.noted");
  changed_.notify_all();
}

void AlertLedger::save() {
  const std::lock_guard guard(lock_);
  if (dirty_) {
    write();
  }
}

std::optional<AlertLedger::Waiting> AlertLedger::next(const std::string& receiver,
                                                      std::stop_token stop) {
  std::unique_lock guard(lock_);
  const Queue& queue = queues_.at(receiver);
  if (!changed_.wait(guard, std::move(stop), [&] { return !queue.waiting.empty(); })) {
    return std::nullopt;
  }
  return queue.waiting.front();
}

void AlertLedger::done(const std::string& receiver, std::int64_t number, bool sent) {
  const std::lock_guard guard(lock_);
  Queue& queue = queues_.at(receiver);
  const auto found = std::ranges::find(queue.waiting, number, &Waiting::number);
  (sent ? queue.counts.sent : queue.counts.given_up)++;
  if (found != queue.waiting.end()) {  // else it was given up meanwhile
    queue.waiting.erase(found);
  }
  write();
  changed_.notify_all();
}

bool AlertLedger::wait_until_sent(std::chrono::steady_clock::time_point until) {
  std::unique_lock guard(lock_);
  return changed_.wait_until(guard, until, [&] {
    return std::ranges::all_of(queues_,
                               [](const auto& each) { return each.second.waiting.empty(); });
  });
}

AlertLedger::Counts AlertLedger::counts(const std::string& receiver) const {
  const std::lock_guard guard(lock_);
  const auto found = queues_.find(receiver);
  if (found == queues_.end()) {
    return {};
  }
  Counts counts = found->second.counts;
  counts.waiting = static_cast<std::int64_t>(found->second.waiting.size());
  return counts;
}

}  // namespace millrace::control
