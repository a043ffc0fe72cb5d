#include "engine/fanout.h"

#include <optional>
#include <utility>

namespace millrace {

/// One thread's end of a Fanout.
class FanoutWriter final : public SinkWriter {
 public:
  explicit FanoutWriter(Fanout& fanout)
      : fanout_(fanout), writers_(fanout.sinks_.size()), feeders_(fanout.fed_.size()) {
    if (const auto& clock = fanout.run_.nodes_[fanout.dataset_]->clock) {
      observer_.emplace(clock->observer());
    }
  }

  void write(const Chunk& chunk) override {
    auto& run = fanout_.run_;
    rows_ += static_cast<std::int64_t>(chunk.rows);
    if (observer_) {
      observer_->observe(chunk);
    }
    for (std::size_t i = 0; i < writers_.size(); i++) {
      if (!writers_[i]) {
        writers_[i] = run.to_->sinks[fanout_.sinks_[i]]->writer();
      }
      writers_[i]->write(chunk);
    }
    for (std::size_t i = 0; i < feeders_.size(); i++) {
      if (!feeders_[i]) {
        feeders_[i] = run.nodes_[fanout_.fed_[i]]->feed->writer();
      }
      feeders_[i]->write(chunk);
    }
    if (!fanout_.gathers_) {
      return;
    }
    if (!part_) {
      const auto& node = run.graph_.datasets[fanout_.dataset_];
      part_ = std::make_shared<sql::Batch>(node.plan->schema(), node.kept);
    }
    part_->append(chunk);
    if (fanout_.parts_ && part_->bytes() >= run.part_bytes_) {
      hand_on();
    }
  }

  void finish() override {
    auto& run = fanout_.run_;
    if (observer_) {
      run.nodes_[fanout_.dataset_]->clock->take(*observer_);
    }
    for (const auto* writers : {&writers_, &feeders_}) {
      for (const auto& writer : *writers) {
        if (writer) {
          writer->finish();
        }
      }
    }
    {
      const std::lock_guard guard(run.given_mutex_);
      for (auto sink : fanout_.sinks_) {
        run.given_to_sink_[sink] += rows_;
      }
      for (auto reader : fanout_.fed_) {
        run.nodes_[reader]->counts.given +=
            rows_ * run.graph_.datasets[reader].plan->inputs()[0].scans;
      }
    }
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
  std::vector<std::unique_ptr<SinkWriter>> writers_;
  std::vector<std::unique_ptr<SinkWriter>> feeders_;
  std::shared_ptr<sql::Batch> part_;
  std::optional<EventClock::Observer> observer_;
  std::int64_t rows_ = 0;
};

Fanout::Fanout(BatchRun& run, std::size_t dataset, OutputMode mode) : run_(run), dataset_(dataset) {
  const auto& node = run.graph_.datasets[dataset];
  for (int i : node.sinks) {
    if (run.graph_.sinks[static_cast<std::size_t>(i)].mode == mode) {
      sinks_.push_back(static_cast<std::size_t>(i));
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
