#include "control/past_graphs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/crc32c.h"

namespace millrace::control {
namespace {

/// Of what people wrote: plans may be told in other words by each start.
std::string version_of(Json graph) {
  for (auto& node : graph.at("nodes")) {
    node.erase("plan");
  }
  const auto text = graph.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("{:08x}{:x}", crc32c(text), text.size());
}

}  // namespace

void PastGraphs::open(const std::string& folder) {
  const std::lock_guard guard(lock_);
  if (store_) {
    return;
  }
  std::shared_ptr<const std::string> newest;
  store_ = std::make_unique<Segments>(
      Segments::Options{.folder = folder, .name = "graphs", .records_max = kMost},
      [&](std::int64_t since, std::string&& text, Segments::Place place) {
        newest = std::make_shared<const std::string>(std::move(text));
        keep({.since = since, .text = nullptr, .place = place});
      });
  const auto graph = newest ? Json::parse(*newest, nullptr, false) : Json();
  version_ = graph.is_object() && graph.contains("nodes") ? version_of(graph) : std::string();
}

void PastGraphs::forget() {
  const std::lock_guard guard(lock_);
  entries_.clear();
  version_.clear();
  store_.reset();
}

/// With the lock held. What no batch ran is not remembered.
void PastGraphs::keep(Entry entry) {
  while (!entries_.empty() && entries_.back().since >= entry.since) {
    entries_.pop_back();
  }
  entries_.push_back(std::move(entry));
  if (std::cmp_greater(entries_.size(), kMost)) {
    entries_.pop_front();
  }
}

void PastGraphs::add(std::int64_t since, const Json& graph) {
  const auto version = version_of(graph);
  const std::lock_guard guard(lock_);
  if (version == version_) {
    return;
  }
  version_ = version;
  auto text = std::make_shared<const std::string>(
      graph.dump(-1, ' ', false, Json::error_handler_t::replace));
  keep({.since = since, .text = text, .place = {}});
  if (store_) {
    entries_.back().place = store_->append(since, *text);
    entries_.back().text = nullptr;
  }
}

/// With the lock held.
std::shared_ptr<const std::string> PastGraphs::text_of(const Entry& entry) const {
  if (entry.text) {
    return entry.text;
  }
  auto text = store_ ? store_->read(entry.since, entry.place) : std::nullopt;
  return text ? std::make_shared<const std::string>(*std::move(text)) : nullptr;
}

std::optional<PastGraphs::Kept> PastGraphs::at(std::int64_t batch) const {
  const std::lock_guard guard(lock_);
  const auto next = std::ranges::upper_bound(entries_, batch, {}, &Entry::since);
  if (next == entries_.begin()) {
    return std::nullopt;
  }
  Kept kept{.since = std::prev(next)->since, .until = {}, .text = text_of(*std::prev(next))};
  if (next != entries_.end()) {
    kept.until = next->since - 1;
  }
  return kept.text ? std::optional(std::move(kept)) : std::nullopt;
}

std::int64_t PastGraphs::since() const {
  const std::lock_guard guard(lock_);
  return entries_.empty() ? 0 : entries_.back().since;
}

std::string PastGraphs::version() const {
  const std::lock_guard guard(lock_);
  return version_;
}

}  // namespace millrace::control
