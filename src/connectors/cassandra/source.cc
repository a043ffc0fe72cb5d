#include "connectors/cassandra/source.h"

#include <deque>
#include <utility>

#include "connectors/cassandra/lookup.h"
#include "connectors/cassandra/protocol/token.h"
#include "connectors/cassandra/protocol/wire.h"
#include "connectors/cassandra/reader.h"
#include "connectors/cassandra/select.h"

namespace millrace::cassandra {

/// The rows of a batch, with the session that they come by.
class CassandraSource::Reader final : public RowReader {
 public:
  /// All of them outlive it.
  Reader(const ScanPlan& plan, const ConnectionOptions& connection, const SourceOptions& options,
         const std::string& name, const std::stop_token& stop, MalformedReceiver& malformed)
      : reached_(reach(connection, name, plan.text, stop)),
        pages_(plan, options, consistency_of(connection, options), name, *reached_,
               requests(plan, options), malformed) {}

  std::size_t read(ChunkWriter& to) override { return pages_.read(to); }

 private:
  static std::deque<PageRequest> requests(const ScanPlan& plan, const SourceOptions& options) {
    if (!plan.has_ranges) {
      return {{.values = plan.key_values, .token = std::nullopt, .paging_state = {}}};
    }
    std::deque<PageRequest> requests;
    for (const auto& range : split_ring(static_cast<std::size_t>(options.ranges))) {
      auto& request = requests.emplace_back();
      for (const auto token : {range.from, range.to}) {
        put(std::int32_t{sizeof(token)}, request.values);
        put(token, request.values);
      }
      request.token = range.to;
    }
    return requests;
  }

  std::unique_ptr<Reached> reached_;
  PageReader pages_;
};

CassandraSource::CassandraSource(std::string name, ConnectionOptions connection,
                                 SourceOptions options, bool as_table, std::stop_token stop)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      as_table_(as_table),
      stop_(std::move(stop)) {}

const Schema& CassandraSource::schema() {
  if (!plan_) {
    Cluster cluster(connection_, name_, stop_);
    plan_ = plan_scan(cluster.session(), options_, "source " + name_);
  }
  return plan_->schema;
}

void CassandraSource::open(const std::optional<Json>& position) {
  if (position) {
    advance(*position);
  }
}

Json CassandraSource::position() const { return {{"read", read_}}; }

std::optional<Slice> CassandraSource::plan(std::int64_t now) {
  if (finished()) {
    return std::nullopt;
  }
  Slice slice;
  slice.offsets = {{"as_of_us", now}, {"read", true}};
  slice.text = options_.partition_key.empty() ? "the whole table" : "a partition";
  return slice;
}

void CassandraSource::advance(const Json& offsets) { read_ = offsets.value("read", read_); }

SliceInput CassandraSource::read(const Json& /*offsets*/, MalformedReceiver& malformed) {
  (void)schema();
  return std::make_unique<Reader>(*plan_, connection_, options_, name_, stop_, malformed);
}

std::unique_ptr<KeyLookup> CassandraSource::lookup(const std::vector<std::size_t>& key) {
  return std::make_unique<CassandraLookup>(connection_, options_, name_, schema(), key, stop_);
}

void CassandraSource::wait(std::stop_token stop, std::chrono::steady_clock::time_point until) {
  std::unique_lock guard(lock_);
  condition_.wait_until(guard, stop, until, [] { return false; });
}

}  // namespace millrace::cassandra
