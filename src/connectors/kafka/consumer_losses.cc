// What a consumer does about offsets that can't be read any more.
#include <fmt/format.h>

#include <utility>

#include "connectors/kafka/consumer.h"

namespace millrace::kafka {

namespace {

using Steady = std::chrono::steady_clock;

// While the consumer's thread asks what there is in place of a loss, it fetches nothing.
constexpr int kSettlingMs = 1000;
constexpr auto kSettlingPause = std::chrono::milliseconds(500);
// A partition that has been missing for so long is gone. Brokers that have just started, and
// topics that are being made, miss them, too.
constexpr auto kMissing = std::chrono::seconds(30);

bool is_missing(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

}  // namespace

Error gone_error(const Partition& partition, std::int64_t offset, std::string_view reason) {
  return {Blame::external,
          fmt::format("offset {} of {}/{} is gone ({}): retention has passed it, or the topic was "
                      "deleted or made anew; to go on with what is there, and count what is lost, "
                      "set `on_data_loss: continue`",
                      offset, partition.topic, partition.number, reason)};
}

void Consumer::note_loss(const Partition& partition, std::string_view reason) {
  const auto found = buffers_.find(partition);
  if (found == buffers_.end()) {
    return;
  }
  if (settings_.on_data_loss == OnDataLoss::fail) {
    failed_ = gone_error(partition, found->second.end, reason);
    return;
  }
  losses_.try_emplace(partition, Loss{std::string(reason), Steady::now()});
}

/// Asks the cluster what there is in place of what is gone; what it does not say now, later.
void Consumer::settle_losses() {
  if (losses_.empty() || Steady::now() < next_settling_) {
    return;
  }
  std::erase_if(losses_, [this](const auto& loss) { return settle(loss.first, loss.second); });
  next_settling_ = losses_.empty() ? Steady::time_point() : Steady::now() + kSettlingPause;
}

/// False: the cluster doesn't say.
bool Consumer::settle(const Partition& partition, const Loss& loss) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto code = rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(),
                                                     partition.number, &low, &high, kSettlingMs);
  if (code == 0) {
    unassign(partition);  // before anybody knows that it may be assigned again
  }
  std::unique_lock guard(lock_);
  Buffer& buffer = buffers_.at(partition);
  if (code != 0) {
    troubles_.note(code, fmt::format("offset {} of {}/{} is gone ({})", buffer.end, partition.topic,
                                     partition.number, loss.reason));
    buffer.is_gone = is_missing(code) && Steady::now() - loss.since > kMissing;
    changed_.notify_all();
    return false;
  }
  buffer.is_gone = false;
  const auto at = buffer.end;
  if (at > high) {
    buffer.remade = low;
  } else {
    if (low > at) {
      buffer.gaps.push_back({at, low});
    }
    buffer.end = std::max(at, low);
  }
  const auto from = buffer.end;
  changed_.notify_all();
  guard.unlock();
  if (at <= high) {
    assign({{partition, from}});
  }
  return true;
}

Offsets Consumer::take_remade() {
  Offsets remade;
  {
    const std::lock_guard guard(lock_);
    for (auto& [partition, buffer] : buffers_) {
      if (buffer.remade && buffer.messages.empty()) {
        buffer.from = buffer.end = remade[partition] = *std::exchange(buffer.remade, std::nullopt);
      }
    }
  }
  if (!remade.empty()) {
    assign(remade);
  }
  return remade;
}

}  // namespace millrace::kafka
