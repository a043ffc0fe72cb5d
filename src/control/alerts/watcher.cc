#include "control/alerts/watcher.h"

#include <algorithm>

#include "base/log.h"

namespace millrace::control {
namespace {

/// Two batches as one: what is counted adds up, and of the rest the later one counts.
void put_together(const RuleEvaluator& evaluator, AlertNews& before, const AlertNews& later) {
  for (std::size_t i = 0; i < before.samples.size() && i < later.samples.size(); i++) {
    const auto* metric = evaluator.rules()[i]->metric;
    AlertSample& sum = before.samples[i];
    const AlertSample& next = later.samples[i];
    if (metric != nullptr && metric->counted && sum.known && next.known) {
      sum.amount += next.amount;
      sum.whole += next.whole;
    } else if (next.known) {
      sum = next;
    }
  }
  before.at_us = later.at_us;
  before.batch = later.batch;
}

bool is_only_batch(const AlertNews& news) {
  return news.batch >= 0 && news.state.empty() && !news.restarted;
}

}  // namespace

AlertWatcher::AlertWatcher(std::unique_ptr<RuleEvaluator> evaluator, const Clock& clock,
                           std::chrono::milliseconds last_wait)
    : evaluator_(std::move(evaluator)),
      clock_(clock),
      last_wait_(last_wait),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

AlertWatcher::~AlertWatcher() {
  thread_.request_stop();
  std::unique_lock guard(lock_);
  told_.wait_for(guard, last_wait_, [&] { return ended_; });
  give_up_.request_stop();
}

void AlertWatcher::tell(AlertNews news) {
  const std::lock_guard guard(lock_);
  if (news_.size() < kNewsMax) {
    news_.push_back(std::move(news));
  } else if (is_only_batch(news) && is_only_batch(news_.back())) {
    put_together(*evaluator_, news_.back(), news);
  } else {  // what is not a batch is rare, and must not be lost
    news_.pop_front();
    news_.push_back(std::move(news));
  }
  told_.notify_all();
}

void AlertWatcher::set_queries(std::shared_ptr<AlertQueries> queries) {
  std::unique_lock guard(lock_);
  queries_ = std::move(queries);
  has_new_queries_ = true;
  told_.notify_all();
  const auto taken = [&] { return !has_new_queries_ || ended_; };
  if (!told_.wait_for(guard, last_wait_, taken)) {
    give_up_.request_stop();
    told_.wait(guard, taken);
  }
}

void AlertWatcher::take_in(const AlertNews& news) {
  if (!news.state.empty()) {
    evaluator_->set_state(news.state);
  }
  if (news.restarted) {
    evaluator_->restarted(news.at_us);
  }
  if (news.batch >= 0) {
    evaluator_->add(news.samples, news.batch, news.at_us);
  }
}

void AlertWatcher::run(const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kLeast{10};
  constexpr std::chrono::milliseconds kMost{10'000};
  bool ends = false;
  while (!ends) {
    std::deque<AlertNews> news;
    std::stop_token give_up;
    bool queries_go = false;
    {
      const auto due = std::chrono::microseconds(
          std::clamp<std::int64_t>(evaluator_->next_look_us() - clock_.now_us(), 0, kNever / 2));
      const auto wait =
          std::clamp(std::chrono::ceil<std::chrono::milliseconds>(due), kLeast, kMost);
      std::unique_lock guard(lock_);
      told_.wait_for(guard, stop, wait, [&] { return !news_.empty() || has_new_queries_; });
      ends = stop.stop_requested();
      news.swap(news_);
      queries_go = has_new_queries_;
      give_up = give_up_.get_token();
    }
    for (const AlertNews& each : news) {
      take_in(each);
      evaluator_->look(each.at_us, true, false, give_up);
    }
    evaluator_->look(clock_.now_us(), !news.empty(), ends || queries_go, give_up);
    if (queries_go) {
      const std::lock_guard guard(lock_);
      evaluator_->set_queries(queries_);
      has_new_queries_ = false;
      give_up_ = std::stop_source();
      told_.notify_all();
    }
  }
  const std::lock_guard guard(lock_);
  ended_ = true;
  told_.notify_all();
}

}  // namespace millrace::control
