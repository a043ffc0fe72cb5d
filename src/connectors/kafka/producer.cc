#include "connectors/kafka/producer.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace millrace::kafka {

namespace {

constexpr int kPollMs = 100;
// What a commit or an abort may take before it is tried again.
constexpr int kTransactionMs = 30'000;

}  // namespace

Producer::Producer(const ConnectionOptions& connection, Settings settings, Troubles& troubles)
    : connection_(connection),
      settings_(std::move(settings)),
      troubles_(troubles),
      group_(settings_.transactional_id) {
  Config config(connection);
  config.set("enable.idempotence", "true").set("compression.codec", settings_.compression);
  const auto set_default = [&](const char* name, const char* value) {
    if (!connection.librdkafka.contains(name)) {
      config.set(name, value);
    }
  };
  set_default("linger.ms", "5");
  set_default("batch.size", "1000000");
  set_default("queue.buffering.max.kbytes", "65536");
  set_default("queue.buffering.max.messages", "1000000");
  if (!settings_.transactional_id.empty()) {
    config.set("transactional.id", settings_.transactional_id);
    set_default("transaction.timeout.ms", "300000");
  }
  config.on_delivery(on_delivery);
  client_ = std::move(config).make(RD_KAFKA_PRODUCER, troubles_);
}

Producer::~Producer() {
  if (client_ != nullptr) {
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
void Producer::transact(std::string_view doing, const Operation& operation) {
  while (const ErrorHandle error{operation()}) {
    const auto code = rd_kafka_error_code(error.get());
    if (rd_kafka_error_is_retriable(error.get()) != 0 || code == RD_KAFKA_RESP_ERR__TIMED_OUT) {
      troubles_.note(code, rd_kafka_error_string(error.get()));
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
  transact("beginning to write",
           [this] { return rd_kafka_init_transactions(client_.get(), kTransactionMs); });
  Config config(connection_);
  config.set("group.id", group_).set("isolation.level", "read_committed");
  const ClientHandle reader = std::move(config).make(RD_KAFKA_CONSUMER, troubles_);
  const auto list = note_list();
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  while ((code = rd_kafka_committed(reader.get(), list.get(), kTransactionMs)) ==
         RD_KAFKA_RESP_ERR__TIMED_OUT) {
    troubles_.note(code, "the cluster does not say what was committed");
  }
  if (code != 0) {
    throw error_of("asking for what was committed", code);
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
  transact("beginning a transaction", [this] { return rd_kafka_begin_transaction(client_.get()); });
}

void Producer::poll() {
  rd_kafka_poll(client_.get(), 0);
  const std::lock_guard guard(delivery_.lock);
  if (delivery_.failed != 0) {
    throw error_of(fmt::format("writing to {}", settings_.topic), delivery_.failed,
                   troubles_.last());
  }
}

bool Producer::send(const Outgoing& message) {
  const auto bytes = [](const std::optional<std::string_view>& text) {
    // An empty one is not the same as none.
    return text ? std::pair{static_cast<const void*>(text->data() == nullptr ? "" : text->data()),
                            text->size()}
                : std::pair{static_cast<const void*>(nullptr), std::size_t{0}};
  };
  const auto [value, value_size] = bytes(message.value);
  const auto [key, key_size] = bytes(message.key);
  while (true) {
    const auto code = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(settings_.topic.c_str()),
        RD_KAFKA_V_PARTITION(message.partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<void*>(value), value_size), RD_KAFKA_V_KEY(key, key_size),
        RD_KAFKA_V_TIMESTAMP(message.timestamp_ms.value_or(0)), RD_KAFKA_V_OPAQUE(&delivery_),
        RD_KAFKA_V_END);
    switch (code) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        return true;
      case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        rd_kafka_poll(client_.get(), kPollMs);
        poll();
        break;
      case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return false;
      default:
        throw error_of(fmt::format("writing to {}", settings_.topic), code, troubles_.last());
    }
  }
}

void Producer::flush() {
  while (rd_kafka_flush(client_.get(), kPollMs) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
    poll();
  }
  poll();
  troubles_.over();
}

void Producer::commit(const std::string& note) {
  const auto list = note_list();
  auto& place = list->elems[0];
  place.metadata = ::strdup(note.c_str());  // librdkafka frees it
  place.metadata_size = note.size();
  const std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                        FreedBy<&rd_kafka_consumer_group_metadata_destroy>>
      group(rd_kafka_consumer_group_metadata_new(group_.c_str()));
  transact("noting the batch", [&] {
    return rd_kafka_send_offsets_to_transaction(client_.get(), list.get(), group.get(),
                                                kTransactionMs);
  });
  transact("committing",
           [this] { return rd_kafka_commit_transaction(client_.get(), kTransactionMs); });
}

void Producer::abort() noexcept {
  // What can't be aborted here is by the next init().
  (void)ErrorHandle(rd_kafka_abort_transaction(client_.get(), kTransactionMs));
  const std::lock_guard guard(delivery_.lock);
  delivery_.failed = RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace millrace::kafka
