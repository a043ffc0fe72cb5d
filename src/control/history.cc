#include "control/history.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/log.h"

namespace millrace::control {
namespace {

constexpr std::size_t kDetailsQueued = 64;
constexpr std::size_t kQueued = 4096;
constexpr std::size_t kDetailsInMemory = 16;
constexpr std::size_t kSeriesLength = 400;
constexpr std::size_t kSeriesMax = 10'000;

}  // namespace

Json event_json(const LogEvent& event) {
  Json json = {{"id", event.id},       {"at", event.at_ms},
               {"level", event.level}, {"pipeline", event.pipeline},
               {"kind", event.kind},   {"text", event.text}};
  if (event.batch) {
    json["batch"] = *event.batch;
  }
  return json;
}

std::optional<LogEvent> event_of(const Json& json) {
  const auto has = [&](const char* name, bool is_number) {
    const auto found = json.find(name);
    return found != json.end() && (is_number ? found->is_number_integer() : found->is_string());
  };
  if (!json.is_object() || !has("id", true) || !has("at", true) || !has("level", false) ||
      !has("pipeline", false) || !has("kind", false) || !has("text", false)) {
    return std::nullopt;
  }
  LogEvent event{.id = json.at("id").get<std::int64_t>(),
                 .at_ms = json.at("at").get<std::int64_t>(),
                 .level = json.at("level").get<std::string>(),
                 .pipeline = json.at("pipeline").get<std::string>(),
                 .batch = std::nullopt,
                 .kind = json.at("kind").get<std::string>(),
                 .text = json.at("text").get<std::string>()};
  if (has("batch", true)) {
    event.batch = json.at("batch").get<std::int64_t>();
  }
  return event;
}

/// Reads all back. With the history's lock held, or before anybody has it.
History::Stores::Stores(const std::string& folder, const HistoryOptions& options, History& to,
                        std::vector<LogEvent>& found)
    : lines({.folder = folder, .name = "batches", .records_max = options.batches},
            [&](std::int64_t batch, std::string&& text, Segments::Place /*place*/) {
              to.keep_line(batch, std::make_shared<const std::string>(std::move(text)));
            }),
      details({.folder = folder, .name = "details", .records_max = options.details},
              [&](std::int64_t batch, std::string&& text, Segments::Place place) {
                to.keep_detail(batch, {.text = nullptr, .place = place});
                to.keep_series(batch, Json::parse(text, nullptr, false));
              }),
      events({.folder = folder, .name = "events", .records_max = options.events},
             [&](std::int64_t /*id*/, std::string&& text, Segments::Place /*place*/) {
               if (auto event = event_of(Json::parse(text, nullptr, false))) {
                 found.push_back(*std::move(event));
               }
             }) {}

History::History(HistoryOptions options, OnKept on_kept)
    : options_(options), on_kept_(std::move(on_kept)), thread_([this] { write(); }) {}

History::~History() {
  {
    const std::lock_guard guard(lock_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::vector<LogEvent> History::open(const std::string& folder) {
  std::vector<LogEvent> events;
  const std::lock_guard guard(lock_);
  if (!stores_) {
    stores_ = std::make_shared<Stores>(folder, options_, *this, events);
  }
  return events;
}

bool History::is_open() const {
  const std::lock_guard guard(lock_);
  return stores_ != nullptr;
}

void History::forget() {
  flush();
  const std::lock_guard guard(lock_);
  stores_ = nullptr;
  lines_.clear();
  details_.clear();
  in_memory_.clear();
  series_.clear();
}

void History::add(std::shared_ptr<const BatchProgress> batch) {
  {
    const std::lock_guard guard(lock_);
    if (queue_.size() >= kQueued) {
      lines_dropped_++;
      return;
    }
    const bool with_detail = queue_.size() < kDetailsQueued;
    details_dropped_ += with_detail ? 0 : 1;
    queue_.push_back({.batch = std::move(batch), .with_detail = with_detail, .event = {}});
  }
  changed_.notify_all();
}

void History::add(const LogEvent& event) {
  {
    const std::lock_guard guard(lock_);
    if (queue_.size() >= kQueued) {
      events_dropped_++;
      return;
    }
    queue_.push_back({.batch = nullptr, .with_detail = false, .event = event});
  }
  changed_.notify_all();
}

void History::flush() const {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [this] { return queue_.empty() && !busy_; });
}

void History::write() {
  std::unique_lock guard(lock_);
  while (true) {
    changed_.wait(guard, [this] { return !queue_.empty() || ends_; });
    if (queue_.empty()) {
      return;
    }
    const auto item = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    guard.unlock();
    keep(item);
    guard.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void History::keep(const Item& item) {
  std::shared_ptr<Stores> stores;
  {
    const std::lock_guard guard(lock_);
    stores = stores_;
  }
  try {
    if (item.event) {
      if (stores) {
        stores->events.append(
            item.event->id,
            event_json(*item.event).dump(-1, ' ', false, Json::error_handler_t::replace));
      }
      return;
    }
    const auto number = item.batch->batch;
    const auto line = std::make_shared<const std::string>(
        progress_line(*item.batch).dump(-1, ' ', false, Json::error_handler_t::replace));
    Json detail;
    Text detail_text;
    const bool is_again = item.batch->failure && failed_batch_ == number;
    attempts_ = is_again ? attempts_ + 1 : 1;
    failed_batch_ = item.batch->failure ? number : -1;
    if (item.with_detail) {
      detail = batch_json(*item.batch, usual_);
      if (item.batch->failure) {
        detail["error"]["attempts"] = attempts_;
      }
      detail_text = std::make_shared<const std::string>(
          detail.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    if (!item.batch->failure) {
      usual_.add(*item.batch);
    }
    {
      const std::lock_guard guard(lock_);
      keep_line(number, line);
      if (detail_text) {
        keep_detail(number, {.text = detail_text, .place = {}});
        keep_series(number, detail);
      }
    }
    if (on_kept_) {
      on_kept_({.batch = item.batch, .line = line});
    }
    if (stores) {
      stores->lines.append(number, *line);
      if (detail_text) {
        const auto place = stores->details.append(number, *detail_text);
        const std::lock_guard guard(lock_);
        if (const auto found = details_.find(number); found != details_.end()) {
          found->second.place = place;
        }
      }
    }
    const std::lock_guard guard(lock_);
    in_trouble_ = false;
  } catch (const std::exception& error) {  // watching must not end what is watched
    note_trouble(error.what());
  }
}

void History::note_trouble(const std::string& what) {
  bool is_new = false;
  {
    const std::lock_guard guard(lock_);
    is_new = !std::exchange(in_trouble_, true);
  }
  if (is_new) {
    Log().warn("the history of batches can't be written: {}; batches go on", what);
  }
}

/// With the lock held, as all that follow. A batch that is run again takes the place of the one
/// before, and all after it.
void History::keep_line(std::int64_t batch, Text text) {
  while (!lines_.empty() && lines_.back().batch >= batch) {
    lines_.pop_back();
  }
  lines_.push_back({batch, std::move(text)});
  while (std::cmp_greater(lines_.size(), options_.batches)) {
    lines_.pop_front();
  }
}

void History::keep_detail(std::int64_t batch, Detail detail) {
  details_.erase(details_.lower_bound(batch), details_.end());
  if (detail.text) {
    in_memory_.push_back(batch);
    if (in_memory_.size() > kDetailsInMemory) {
      if (const auto old = details_.find(in_memory_.front());
          old != details_.end() && old->second.place.segment > 0) {
        old->second.text = nullptr;
      }
      in_memory_.pop_front();
    }
  }
  details_.emplace(batch, std::move(detail));
  while (std::cmp_greater(details_.size(), options_.details)) {
    details_.erase(details_.begin());
  }
}

void History::keep_series(std::int64_t batch, const Json& detail) {
  if (!detail.is_object()) {
    return;
  }
  const auto add_to = [&](const std::string& name, std::int64_t number) {
    if (series_.size() >= kSeriesMax && !series_.contains(name)) {
      return;
    }
    auto& series = series_[name];
    while (!series.empty() && series.back().first >= batch) {
      series.pop_back();
    }
    series.emplace_back(batch, number);
    if (series.size() > kSeriesLength) {
      series.pop_front();
    }
  };
  for (const auto& check : detail.value("checks", Json::array())) {
    add_to("check:" + check.value("dataset", "") + "." + check.value("name", ""),
           check.value("failed", std::int64_t{0}));
  }
  for (const auto& node : detail.value("nodes", Json::array())) {
    const auto bytes = node.find("state_bytes");
    if (bytes != node.end() && bytes->is_number_integer() && bytes->get<std::int64_t>() > 0) {
      add_to("state:" + node.value("id", ""), bytes->get<std::int64_t>());
    }
  }
}

std::vector<History::Text> History::lines(std::int64_t from, std::int64_t to,
                                          std::size_t most) const {
  const std::lock_guard guard(lock_);
  auto first = std::ranges::lower_bound(lines_, from, {}, &Line::batch);
  const auto end = std::ranges::upper_bound(lines_, to, {}, &Line::batch);
  std::vector<Text> found;
  if (first < end) {
    first = std::max(first,
                     end - static_cast<std::ptrdiff_t>(std::min<std::size_t>(most, lines_.size())));
    found.reserve(static_cast<std::size_t>(end - first));
    std::ranges::transform(first, end, std::back_inserter(found), &Line::text);
  }
  return found;
}

std::vector<History::Text> History::last(std::size_t count) const {
  return lines(0, std::numeric_limits<std::int64_t>::max(), count);
}

History::Text History::line(std::int64_t batch) const {
  const auto found = lines(batch, batch);
  return found.empty() ? nullptr : found.front();
}

std::optional<std::int64_t> History::oldest() const {
  const std::lock_guard guard(lock_);
  return lines_.empty() ? std::nullopt : std::optional(lines_.front().batch);
}

std::optional<std::int64_t> History::newest() const {
  const std::lock_guard guard(lock_);
  return lines_.empty() ? std::nullopt : std::optional(lines_.back().batch);
}

std::expected<History::Text, History::Missing> History::detail(std::int64_t batch) const {
  std::shared_ptr<Stores> stores;
  Segments::Place place;
  {
    const std::lock_guard guard(lock_);
    if (lines_.empty() || batch > lines_.back().batch) {
      return std::unexpected(Missing::future);
    }
    const auto found = details_.find(batch);
    if (found == details_.end()) {
      const bool is_old = details_.empty() || batch < details_.begin()->first;
      return std::unexpected(is_old ? Missing::expired : Missing::dropped);
    }
    if (found->second.text) {
      return found->second.text;
    }
    place = found->second.place;
    stores = stores_;
  }
  auto text = stores ? stores->details.read(batch, place) : std::nullopt;
  if (!text) {
    return std::unexpected(Missing::expired);
  }
  return std::make_shared<const std::string>(*std::move(text));
}

std::vector<std::pair<std::int64_t, std::int64_t>> History::series(const std::string& name,
                                                                   std::int64_t up_to) const {
  const std::lock_guard guard(lock_);
  std::vector<std::pair<std::int64_t, std::int64_t>> found;
  if (const auto series = series_.find(name); series != series_.end()) {
    std::ranges::copy_if(series->second, std::back_inserter(found),
                         [&](const auto& point) { return point.first <= up_to; });
  }
  return found;
}

std::int64_t History::details_dropped() const {
  const std::lock_guard guard(lock_);
  return details_dropped_;
}

std::int64_t History::lines_dropped() const {
  const std::lock_guard guard(lock_);
  return lines_dropped_;
}

}  // namespace millrace::control
