#include "connectors/kafka/producer.h"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <tuple>
#include <utility>

namespace millrace::kafka {

namespace {

constexpr int kPollMs = 100;
// Past its timeout, from a call that does not come back; then it is looked whether the cluster is
// there, so often.
constexpr auto kNoAnswer = std::chrono::seconds(30);
constexpr auto kAnswerAgain = std::chrono::seconds(10);
constexpr int kProbeMs = 1000;
constexpr auto kInit = std::chrono::milliseconds(30'000);
constexpr int kAbortMs = 30'000;
constexpr int kStoppedAbortMs = 250;

using HeadersHandle = std::unique_ptr<rd_kafka_headers_t, FreedBy<&rd_kafka_headers_destroy>>;

/// nullptr: there are none.
HeadersHandle make_headers(std::span<const OutgoingHeader> headers) {
  if (headers.empty()) {
    return nullptr;
  }
  HeadersHandle made(rd_kafka_headers_new(headers.size()));
  for (const auto& [name, value] : headers) {
    // Without bytes it is one of NULL.
    const char* bytes = !value ? nullptr : value->data() == nullptr ? "" : value->data();
    const auto code = rd_kafka_header_add(made.get(), name.data() == nullptr ? "" : name.data(),
                                          static_cast<ssize_t>(name.size()), bytes,
                                          static_cast<ssize_t>(value.value_or("").size()));
    if (code != 0) {
      throw error_of("writing headers", code);
    }
  }
  return made;
}

}  // namespace

Producer::Producer(const ConnectionOptions& connection, Settings settings, Troubles& troubles)
    : connection_(connection),
      settings_(std::move(settings)),
      troubles_(troubles),
      group_(settings_.transactional_id) {
  Config config(connection);
  config.set("enable.idempotence", "true")
      .set("compression.codec", std::string(enum_word(settings_.compression)));
  config.suggest("linger.ms", "5")
      .suggest("batch.size", "1000000")
      .suggest("queue.buffering.max.kbytes", "65536")
      .suggest("queue.buffering.max.messages", "1000000");
  if (!settings_.transactional_id.empty()) {
    config.set("transactional.id", settings_.transactional_id);
    config.suggest("transaction.timeout.ms", "300000");
  }
  config.on_delivery(on_delivery);
  client_ = std::move(config).make(RD_KAFKA_PRODUCER, troubles_);
}

Producer::~Producer() {
  if (left_behind_) {
    std::ignore = client_.release();  // until the end of the process; it calls nobody meanwhile
  } else if (client_ != nullptr) {
    rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(client_.get(), 0);
  }
}

void Producer::on_delivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message,
                           void* /*troubles*/) {
  if (message->err != 0) {
    auto& delivery = *static_cast<Delivery*>(message->_private);
    const std::lock_guard guard(delivery.lock);
    delivery.failed = message->err;
  }
}

template <class Operation>
void Producer::transact(std::string_view doing, const Operation& operation,
                        std::optional<std::chrono::milliseconds> timeout) {
  const auto start = std::chrono::steady_clock::now();
  Patience patience(settings_.stop, troubles_);
  while (const ErrorHandle error{operation(static_cast<int>(patience.next().count()))}) {
    rd_kafka_poll(client_.get(), kPollMs);  // what is wrong with the cluster, and a pause
    const auto code = rd_kafka_error_code(error.get());
    if (rd_kafka_error_is_retriable(error.get()) != 0 || code == RD_KAFKA_RESP_ERR__TIMED_OUT) {
      patience.check();
      if (timeout && std::chrono::steady_clock::now() - start >= *timeout) {
        throw Error(Blame::external, fmt::format("{}: {}", doing, troubles_.last()), Retry::yes);
      }
      continue;
    }
    if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED) {
      throw Error(
          Blame::user,
          fmt::format("{}: another process writes to {} for a pipeline and sink of the same "
                      "names; stop one of them",
                      doing, settings_.topic));
    }
    throw error_of(doing, code, rd_kafka_error_string(error.get()));
  }
}

std::optional<std::string> Producer::init() {
  transact(
      "beginning to write",
      [this](int ms) { return rd_kafka_init_transactions(client_.get(), ms); }, kInit);
  auto note = read_note();
  troubles_.over();
  return note;
}

std::optional<std::string> Producer::read_note() {
  Config config(connection_);
  config.set("group.id", group_).set("isolation.level", "read_committed");
  const ClientHandle reader = std::move(config).make(RD_KAFKA_CONSUMER, troubles_);
  const auto list = note_list();
  const auto start = std::chrono::steady_clock::now();
  Patience patience(settings_.stop, troubles_);
  while (const auto code = rd_kafka_committed(reader.get(), list.get(),
                                              static_cast<int>(patience.next().count()))) {
    rd_kafka_poll(reader.get(), kPollMs);
    patience.check();
    const Error error = error_of("asking for what was committed", code, troubles_.last());
    if (error.retry() == Retry::no || std::chrono::steady_clock::now() - start >= kInit) {
      throw error;
    }
  }
  const auto& note = list->elems[0];
  if (note.err != 0) {
    throw error_of("asking for what was committed", note.err);
  }
  return note.offset < 0 || note.metadata == nullptr
             ? std::nullopt
             : std::optional(
                   std::string(static_cast<const char*>(note.metadata), note.metadata_size));
}

/// A transaction commits offsets of a group with its messages. Our group never reads: what it
/// commits is the note.
PartitionListHandle Producer::note_list() const {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), settings_.topic.c_str(), 0)->offset = 0;
  return list;
}

void Producer::begin() {
  transact("beginning a transaction",
           [this](int /*ms*/) { return rd_kafka_begin_transaction(client_.get()); });
}

void Producer::poll() {
  rd_kafka_poll(client_.get(), 0);
  const std::lock_guard guard(delivery_.lock);
  if (delivery_.failed != 0) {
    throw error_of(fmt::format("writing to {}", settings_.topic), delivery_.failed,
                   troubles_.last());
  }
}

void Producer::send(const Outgoing& message) {
  const auto bytes = [](const std::optional<std::string_view>& text) {
    // An empty one is not the same as none.
    return text ? std::pair{static_cast<const void*>(text->data() == nullptr ? "" : text->data()),
                            text->size()}
                : std::pair{static_cast<const void*>(nullptr), std::size_t{0}};
  };
  const auto [value, value_size] = bytes(message.value);
  const auto [key, key_size] = bytes(message.key);
  HeadersHandle headers = make_headers(message.headers);
  for (Patience patience(settings_.stop, troubles_);; patience.check()) {
    const auto code = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(settings_.topic.c_str()),
        RD_KAFKA_V_PARTITION(message.partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<void*>(value), value_size), RD_KAFKA_V_KEY(key, key_size),
        RD_KAFKA_V_TIMESTAMP(message.timestamp_ms.value_or(0)), RD_KAFKA_V_HEADERS(headers.get()),
        RD_KAFKA_V_OPAQUE(&delivery_), RD_KAFKA_V_END);
    switch (code) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        std::ignore = headers.release();  // they are the message's now
        return;
      case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        rd_kafka_poll(client_.get(), kPollMs);
        poll();
        break;
      default:
        throw error_of(fmt::format("writing to {}", settings_.topic), code, troubles_.last());
    }
  }
}

void Producer::flush() {
  Patience patience(settings_.stop, troubles_);
  while (rd_kafka_flush(client_.get(), kPollMs) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
    poll();
    patience.check();
  }
  poll();
  troubles_.over();
}

/// librdkafka (2.0 and 2.15) may never come back from this when the broker goes away meanwhile,
/// whatever the timeout. So a thread asks that can be left behind, and the client with it; but not
/// while the broker is away, however long.
ErrorHandle Producer::send_note(const std::string& note, int ms) {
  auto list = note_list();
  auto& place = list->elems[0];
  place.metadata = ::strdup(note.c_str());  // librdkafka frees it
  place.metadata_size = note.size();
  GroupHandle group(rd_kafka_consumer_group_metadata_new(group_.c_str()));
  std::packaged_task<ErrorHandle()> task([client = client_.get(), list = std::move(list),
                                          group = std::move(group), ms] {
    return ErrorHandle(rd_kafka_send_offsets_to_transaction(client, list.get(), group.get(), ms));
  });
  auto answer = task.get_future();
  std::thread(std::move(task)).detach();
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms) + kNoAnswer;
  Patience patience(settings_.stop, troubles_);
  left_behind_ = true;
  bool is_there = false;
  while (answer.wait_for(std::chrono::milliseconds(kPollMs)) == std::future_status::timeout) {
    rd_kafka_poll(client_.get(), 0);  // what is wrong with the cluster
    patience.check();
    if (std::chrono::steady_clock::now() < end) {
      continue;
    }
    const bool was_there = std::exchange(is_there, answers());
    if (is_there && was_there) {
      throw Error(Blame::external, "noting the batch: the cluster answers, but not to this",
                  Retry::yes);
    }
    end = std::chrono::steady_clock::now() + kAnswerAgain;
  }
  left_behind_ = false;
  return answer.get();
}

bool Producer::answers() const {
  const rd_kafka_metadata_t* raw = nullptr;
  const bool good = rd_kafka_metadata(client_.get(), 0, nullptr, &raw, kProbeMs) == 0;
  const MetadataHandle metadata(raw);
  return good;
}

void Producer::commit(const std::string& note) {
  transact("noting the batch", [&](int ms) { return send_note(note, ms).release(); });
  transact("committing", [this](int ms) { return rd_kafka_commit_transaction(client_.get(), ms); });
  troubles_.over();
}

void Producer::abort() noexcept {
  // What can't be aborted here is by the next init().
  if (left_behind_) {
    return;
  }
  const int ms = settings_.stop.stop_requested() ? kStoppedAbortMs : kAbortMs;
  (void)ErrorHandle(rd_kafka_abort_transaction(client_.get(), ms));
  const std::lock_guard guard(delivery_.lock);
  delivery_.failed = RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace millrace::kafka
