#include "connectors/cassandra/lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/protocol/token.h"

namespace millrace::cassandra {

namespace {

constexpr std::size_t kLengthBytes = sizeof(std::int32_t);  // before each value

}  // namespace

/// Gives its session back at the end, if nothing is on its way there.
class CassandraLookup::Reader final : public RowReader {
 public:
  Reader(CassandraLookup& of, std::unique_ptr<Reached> reached, std::deque<PageRequest> requests,
         MalformedReceiver& malformed)
      : of_(of),
        reached_(std::move(reached)),
        pages_(of.plan_, of.options_, consistency_of(of.connection_, of.options_), of.name_,
               *reached_, std::move(requests), malformed) {}
  ~Reader() override {
    if (reached_->cluster.session().pending() == 0) {
      of_.give_back(std::move(reached_));
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  std::size_t read(ChunkWriter& to) override { return pages_.read(to); }

 private:
  CassandraLookup& of_;
  std::unique_ptr<Reached> reached_;
  PageReader pages_;
};

CassandraLookup::CassandraLookup(const ConnectionOptions& connection, const SourceOptions& options,
                                 const std::string& name, const Schema& schema,
                                 const std::vector<std::size_t>& key, std::stop_token stop)
    : connection_(connection), options_(options), name_(name), stop_(std::move(stop)) {
  std::vector<std::string> names;
  names.reserve(key.size());
  for (const auto at : key) {
    names.push_back(schema.columns[at].name);
  }
  const auto who = "source " + name;
  auto reached = std::make_unique<Reached>(Cluster(connection, name, stop_), Prepared());
  auto& session = reached->cluster.session();
  plan_ = plan_lookup(session, options, names, who);
  reached->statement = session.prepare(plan_.text);
  partition_columns_ = reached->statement.partition_key.size();
  for (const auto& mark : reached->statement.values) {
    const auto found = std::ranges::find_if(
        names, [&](const auto& each) { return equal_ignoring_case(each, mark.name); });
    const auto at = static_cast<std::size_t>(found - names.begin());
    auto encoder = at < names.size()
                       ? ToCql::make(parse_type(schema.columns[key[at]].type), mark.type)
                       : std::nullopt;
    if (!encoder) {
      throw Error(Blame::user, fmt::format("{}: it can't be looked up by {}, which is {}", who,
                                           mark.name, type_text(mark.type)));
    }
    places_.push_back(at);
    encoders_.push_back(*std::move(encoder));
  }
  idle_.push_back(std::move(reached));
}

void CassandraLookup::hurry(std::chrono::milliseconds patience) {
  connection_.retry_timeout = std::min(patience, connection_.retry_timeout.value_or(patience));
  const std::lock_guard guard(lock_);
  idle_.clear();  // is patient
}

std::unique_ptr<RowReader> CassandraLookup::look_up(const Chunk& keys,
                                                    MalformedReceiver& malformed) {
  return std::make_unique<Reader>(*this, take(), requests(keys), malformed);
}

std::deque<PageRequest> CassandraLookup::requests(const Chunk& keys) const {
  std::deque<PageRequest> requests;
  for (std::size_t row = 0; row < keys.rows; ++row) {
    PageRequest request;
    std::string partition;
    bool can_be = true;  // a value that the column can't hold is in no row
    for (std::size_t i = 0; i < places_.size() && can_be; ++i) {
      const auto before = request.values.size();
      can_be = !encoders_[i].write(keys.columns[places_[i]], row, request.values);
      if (can_be && i < partition_columns_) {
        const auto value = std::string_view(request.values).substr(before + kLengthBytes);
        if (partition_columns_ == 1) {
          partition = value;
        } else {
          add_key_part(value, partition);
        }
      }
    }
    if (can_be) {
      request.token = token_of(partition);
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

std::unique_ptr<Reached> CassandraLookup::take() {
  {
    const std::lock_guard guard(lock_);
    if (!idle_.empty()) {
      auto reached = std::move(idle_.back());
      idle_.pop_back();
      return reached;
    }
  }
  return reach(connection_, name_, plan_.text, stop_);
}

void CassandraLookup::give_back(std::unique_ptr<Reached> reached) {
  const std::lock_guard guard(lock_);
  idle_.push_back(std::move(reached));
}

}  // namespace millrace::cassandra
