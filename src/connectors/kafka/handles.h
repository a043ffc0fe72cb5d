// librdkafka's things, freed when they go.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace millrace::kafka {

template <auto Free>
struct FreedBy {
  template <class T>
  void operator()(T* what) const noexcept {
    Free(what);
  }
};

using ConfHandle = std::unique_ptr<rd_kafka_conf_t, FreedBy<&rd_kafka_conf_destroy>>;
using ClientHandle = std::unique_ptr<rd_kafka_t, FreedBy<&rd_kafka_destroy>>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, FreedBy<&rd_kafka_queue_destroy>>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, FreedBy<&rd_kafka_event_destroy>>;
using MessageHandle = std::unique_ptr<rd_kafka_message_t, FreedBy<&rd_kafka_message_destroy>>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, FreedBy<&rd_kafka_event_destroy>>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, FreedBy<&rd_kafka_error_destroy>>;
using PartitionListHandle = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                            FreedBy<&rd_kafka_topic_partition_list_destroy>>;
using GroupHandle = std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                                    FreedBy<&rd_kafka_consumer_group_metadata_destroy>>;
using MetadataHandle =
    std::unique_ptr<const rd_kafka_metadata_t, FreedBy<&rd_kafka_metadata_destroy>>;

}  // namespace millrace::kafka
