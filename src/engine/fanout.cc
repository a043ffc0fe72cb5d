#include "engine/fanout.h"

#include <optional>
#include <utility>

#include "core/chunk_bytes.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

// One chunk of so many is looked at to estimate the bytes of all.
constexpr std::int64_t kSampled = 16;

/// Somebody who takes a dataset's rows on one thread, and how long its work took.
struct Taker {
  std::unique_ptr<SinkWriter> writer;  // made with the first row
  std::int64_t ns = 0;
};

/// Measures the work of one taker after the other.
class Stopwatch {
 public:
  explicit Stopwatch(bool needed) : last_(needed ? Steady::now() : Steady::time_point()) {}
  void lap(std::int64_t& to) {
    const auto now = Steady::now();
    to += std::chrono::nanoseconds(now - std::exchange(last_, now)).count();
  }

 private:
  Steady::time_point last_;
};

}  // namespace

/// One thread's end of a Fanout.
class FanoutWriter final : public SinkWriter {
 public:
  explicit FanoutWriter(Fanout& fanout)
      : fanout_(fanout),
        began_(Steady::now()),
        writers_(fanout.sinks_.size()),
        told_(fanout.told_.size()),
        feeders_(fanout.fed_.size()) {
    if (const auto& clock = fanout.run_.nodes_[fanout.dataset_]->clock) {
      observer_.emplace(clock->observer());
    }
    if (const auto& checks = fanout.run_.nodes_[fanout.dataset_]->checks) {
      checked_.emplace(checks->observer());
    }
  }

  void write(const Chunk& chunk) override {
    auto& run = fanout_.run_;
    rows_ += static_cast<std::int64_t>(chunk.rows);
    if (observer_) {
      observer_->observe(chunk);
    }
    if (checked_) {
      checked_->observe(chunk);
    }
    if (chunks_++ % kSampled == 0) {
      sample(chunk);
    }
    Stopwatch watch(!writers_.empty() || !told_.empty() || !feeders_.empty());
    const auto give = [&](Taker& to, const auto& make) {
      if (!to.writer) {
        to.writer = make();
      }
      to.writer->write(chunk);
      watch.lap(to.ns);
    };
    for (std::size_t i = 0; i < writers_.size(); i++) {
      give(writers_[i], [&] { return run.to_->sinks[fanout_.sinks_[i]]->writer(); });
    }
    for (std::size_t i = 0; i < told_.size(); i++) {
      give(told_[i], [&] { return run.to_->sinks[fanout_.told_[i]]->changed(); });
    }
    for (std::size_t i = 0; i < feeders_.size(); i++) {
      give(feeders_[i], [&] { return run.nodes_[fanout_.fed_[i]]->feed->writer(); });
    }
    if (fanout_.gathers_) {
      gather(chunk);
    }
  }

  void finish() override {
    auto& run = fanout_.run_;
    if (observer_) {
      run.nodes_[fanout_.dataset_]->clock->take(*observer_);
    }
    if (checked_) {
      run.nodes_[fanout_.dataset_]->checks->take(*checked_);
    }
    Stopwatch watch(true);
    for (auto* takers : {&writers_, &told_, &feeders_}) {
      for (auto& taker : *takers) {
        if (taker.writer) {
          taker.writer->finish();
          watch.lap(taker.ns);
        }
      }
    }
    note_given();
    if (part_) {
      auto& node = *run.nodes_[fanout_.dataset_];
      const std::lock_guard guard(node.gathering);
      if (node.gathered) {
        node.gathered->append(std::move(*part_));
      } else {
        node.gathered = std::move(part_);
      }
      part_.reset();
    }
  }

 private:
  /// Adds what this thread has counted to the counts of the batch.
  void note_given() {
    auto& run = fanout_.run_;
    auto& node = *run.nodes_[fanout_.dataset_];
    const std::lock_guard guard(run.given_mutex_);
    fanout_.section_.add(began_, Steady::now());
    node.sampled_rows += sampled_rows_;
    node.sampled_bytes += sampled_bytes_;
    for (std::size_t i = 0; i < writers_.size(); i++) {
      run.given_to_sink_[fanout_.sinks_[i]] += rows_;
      run.shares_.add_sink(fanout_.dataset_, fanout_.sinks_[i], writers_[i].ns);
    }
    for (std::size_t i = 0; i < told_.size(); i++) {
      run.shares_.add_sink(fanout_.dataset_, fanout_.told_[i], told_[i].ns);
    }
    for (std::size_t i = 0; i < feeders_.size(); i++) {
      const auto reader = fanout_.fed_[i];
      auto& fed = *run.nodes_[reader];
      fed.input_rows[0] += rows_;
      fed.counts.given += rows_ * run.graph_.datasets[reader].plan->inputs()[0].scans;
      run.shares_.add_dataset(fanout_.dataset_, reader, feeders_[i].ns);
    }
  }

  void sample(const Chunk& chunk) {
    const auto& node = fanout_.run_.graph_.datasets[fanout_.dataset_];
    sampled_rows_ += static_cast<std::int64_t>(chunk.rows);
    sampled_bytes_ += node.trimmed ? bytes_of(chunk, node.kept) : bytes_of(chunk);
  }

  void gather(const Chunk& chunk) {
    auto& run = fanout_.run_;
    if (!part_) {
      const auto& node = run.graph_.datasets[fanout_.dataset_];
      part_ = std::make_shared<sql::Batch>(node.plan->schema(), node.kept);
    }
    part_->append(chunk);
    if (fanout_.parts_ && part_->bytes() >= run.part_bytes_) {
      hand_on();
    }
  }

  /// Runs the readers over what this thread has gathered. While another thread does so, this one
  /// goes on gathering, up to twice as much, instead of waiting.
  void hand_on() {
    auto& run = fanout_.run_;
    std::unique_lock turn(run.nodes_[fanout_.dataset_]->handing_on, std::try_to_lock);
    if (!turn.owns_lock()) {
      if (part_->bytes() < 2 * run.part_bytes_) {
        return;
      }
      turn.lock();
    }
    const std::shared_ptr<const sql::Batch> part = std::move(part_);
    part_.reset();
    for (int reader : run.graph_.datasets[fanout_.dataset_].readers) {
      if (!run.nodes_[static_cast<std::size_t>(reader)]->feed) {
        run.run_part(static_cast<std::size_t>(reader), fanout_.dataset_, part);
      }
    }
  }

  Fanout& fanout_;
  Steady::time_point began_;
  std::vector<Taker> writers_;
  std::vector<Taker> told_;
  std::vector<Taker> feeders_;
  std::shared_ptr<sql::Batch> part_;
  std::optional<EventClock::Observer> observer_;
  std::optional<CheckedRows::Observer> checked_;
  std::int64_t rows_ = 0;
  std::int64_t chunks_ = 0;
  std::int64_t sampled_rows_ = 0;
  std::int64_t sampled_bytes_ = 0;
};

Fanout::Fanout(BatchRun& run, std::size_t dataset, OutputMode mode) : run_(run), dataset_(dataset) {
  const auto& node = run.graph_.datasets[dataset];
  for (int i : node.sinks) {
    const auto& sink = run.graph_.sinks[static_cast<std::size_t>(i)];
    if (sink.mode == mode) {
      sinks_.push_back(static_cast<std::size_t>(i));
    } else if (mode == OutputMode::update && sink.replaces_parts()) {
      told_.push_back(static_cast<std::size_t>(i));
    }
  }
  if (mode !=
      (node.plan->shape() == sql::Shape::stream ? OutputMode::append : OutputMode::complete)) {
    return;
  }
  for (int r : node.readers) {
    const auto reader = static_cast<std::size_t>(r);
    if (run.nodes_[reader]->feed) {
      fed_.push_back(reader);
    } else {
      gathers_ = gathers_ || run.nodes_[reader]->needed;
    }
  }
  parts_ = gathers_ && run.takes_parts(dataset);
}

std::unique_ptr<SinkWriter> Fanout::writer() { return std::make_unique<FanoutWriter>(*this); }

/// One thread's end of a LateFanout.
class LateFanoutWriter final : public SinkWriter {
 public:
  explicit LateFanoutWriter(LateFanout& fanout) : fanout_(fanout) {
    for (const int sink : sinks()) {
      writers_.push_back(fanout.run_.to_->sinks[static_cast<std::size_t>(sink)]->writer());
    }
  }

  void write(const Chunk& chunk) override {
    rows_ += static_cast<std::int64_t>(chunk.rows);
    for (const auto& writer : writers_) {
      writer->write(chunk);
    }
  }

  void finish() override {
    for (const auto& writer : writers_) {
      writer->finish();
    }
    auto& run = fanout_.run_;
    const std::lock_guard guard(run.given_mutex_);
    run.nodes_[fanout_.dataset_]->counts.late_given += rows_;
    for (const int sink : sinks()) {
      run.given_to_sink_[static_cast<std::size_t>(sink)] += rows_;
    }
  }

 private:
  [[nodiscard]] const std::vector<int>& sinks() const {
    return fanout_.run_.graph_.datasets[fanout_.dataset_].late_sinks;
  }

  LateFanout& fanout_;
  std::vector<std::unique_ptr<SinkWriter>> writers_;
  std::int64_t rows_ = 0;
};

std::unique_ptr<SinkWriter> LateFanout::writer() {
  return std::make_unique<LateFanoutWriter>(*this);
}

}  // namespace millrace
