#include "serve/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace millrace::serve {
namespace {

/// More than that is cut off, whatever `max_rows` says.
constexpr std::size_t kLargestAnswer = 64UL << 20;

std::vector<std::int64_t> revisions_of(const std::vector<std::shared_ptr<Readable>>& readables) {
  std::vector<std::int64_t> revisions;
  revisions.reserve(readables.size());
  for (const auto& readable : readables) {
    revisions.push_back(readable->revision());
  }
  return revisions;
}

bool is_integer(std::string_view type) {
  return type == "TINYINT" || type == "SMALLINT" || type == "INTEGER" || type == "UTINYINT" ||
         type == "USMALLINT" || type == "UINTEGER" || type == "UBIGINT";
}

/// Whole numbers as the columns have them that they are compared with: only then a row is found by
/// its key. nullopt: it is so already, or there is no such column.
std::optional<std::vector<sql::ReadParameter>> narrowed(
    const sql::ReadQuery& query, const std::vector<sql::Relation>& relations,
    std::vector<sql::ReadParameter> parameters) {
  bool is_another = false;
  for (const sql::Demand& demand : query.demands()) {
    const auto relation = std::ranges::find_if(relations, [&](const sql::Relation& each) {
      return each.live && equal_ignoring_case(each.name, demand.relation);
    });
    const auto parameter = std::ranges::find_if(parameters, [&](const sql::ReadParameter& each) {
      return equal_ignoring_case(each.name, demand.parameter);
    });
    if (relation == relations.end() || parameter == parameters.end() ||
        parameter->type != "BIGINT") {
      continue;
    }
    const Schema& schema = relation->live->schema();
    const int column = schema.find(demand.column);
    if (column >= 0 && is_integer(schema.columns[static_cast<std::size_t>(column)].type)) {
      parameter->type = schema.columns[static_cast<std::size_t>(column)].type;
      is_another = true;
    }
  }
  return is_another && !query.by_key() ? std::optional(std::move(parameters)) : std::nullopt;
}

}  // namespace

sql::ReadQuery Prepared::make_query(sql::Database& database, const EndpointSpec& endpoint,
                                    const std::vector<std::shared_ptr<Readable>>& readables) {
  std::vector<sql::Relation> relations;
  relations.reserve(readables.size());
  for (const auto& readable : readables) {
    relations.push_back(readable->relation());
  }
  const auto parameters = read_parameters(endpoint);
  const auto narrow = narrowed(sql::ReadQuery(database, endpoint.query.text, relations, parameters),
                               relations, parameters);
  const bool is_by_key =
      narrow && sql::ReadQuery(database, endpoint.query.text, relations, *narrow).by_key();
  return {database, endpoint.query.text, std::move(relations), is_by_key ? *narrow : parameters};
}

Prepared::Prepared(sql::Database& database, const EndpointSpec& endpoint,
                   const std::vector<std::shared_ptr<Readable>>& readables)
    : revisions_(revisions_of(readables)), query_(make_query(database, endpoint, readables)) {
  const auto revisions = std::exchange(revisions_, {});
  for (std::size_t i = 0; i < readables.size(); ++i) {
    const auto& readable = readables[i];
    const bool is_read = std::ranges::any_of(query_.reads(), [&](const std::string& name) {
      return equal_ignoring_case(name, readable->name());
    });
    if (!is_read) {
      continue;
    }
    reads_.push_back(readable);
    revisions_.push_back(revisions[i]);
    is_of_batches_ |= readable->is_of_batches();
    may_be_kept_ &= readable->may_be_kept();
    for (const std::string& column : readable->needed_columns()) {
      const bool has = std::ranges::any_of(query_.demands(), [&](const sql::Demand& demand) {
        return demand.op == sql::Demand::Op::equal &&
               equal_ignoring_case(demand.relation, readable->name()) &&
               equal_ignoring_case(demand.column, column);
      });
      if (!has) {
        throw Error(Blame::user,
                    fmt::format("`{0}` is looked up by its key, and the query does not say which; "
                                "write `WHERE {1} = $parameter`",
                                readable->name(), column));
      }
    }
  }
  make_kept(database, endpoint);
  encoders_.push_back(std::make_unique<json::Encoder>(query_.schema(), kRowEncoding));
}

void Prepared::make_kept(sql::Database& database, const EndpointSpec& endpoint) {
  std::vector<sql::Relation> relations;
  relations.reserve(reads_.size());
  for (const auto& readable : reads_) {
    auto kept = readable->kept_relation(query_);
    is_kept_.push_back(kept.has_value());
    relations.push_back(kept ? *std::move(kept) : readable->relation());
  }
  if (std::ranges::find(is_kept_, true) != is_kept_.end()) {
    kept_query_.emplace(database, endpoint.query.text, std::move(relations),
                        read_parameters(endpoint));
  }
}

const sql::ReadQuery& Prepared::bring(std::span<const std::string> names,
                                      std::span<const sql::ReadValue> values,
                                      sql::ReadMoment& moment) const {
  const QueryRun run{query_, names, values};
  bool kept = kept_query_.has_value();
  for (std::size_t i = 0; i < reads_.size() && kept; ++i) {
    kept = !is_kept_[i] || reads_[i]->bring_kept(run, moment);
  }
  for (std::size_t i = 0; i < reads_.size(); ++i) {
    if (!kept || !is_kept_[i]) {
      reads_[i]->bring(run, moment);
    }
  }
  return kept ? *kept_query_ : query_;
}

bool Prepared::is_current() const { return revisions_of(reads_) == revisions_; }

std::optional<Stamps> Prepared::stamps(const sql::LiveSnapshot& at) const {
  Stamps stamps;
  stamps.reserve(reads_.size() + 1);
  for (const auto& readable : reads_) {
    const auto stamp = readable->stamp(at);
    if (!stamp) {
      return std::nullopt;
    }
    stamps.push_back(*stamp);
  }
  return stamps;
}

Prepared::Rows::Rows(const Prepared& of) : of_(of) {
  const std::lock_guard guard(of.lock_);
  if (!of.encoders_.empty()) {
    encoder_ = std::move(of.encoders_.back());
    of.encoders_.pop_back();
  } else {
    encoder_ = std::make_unique<json::Encoder>(of.query_.schema(), kRowEncoding);
  }
}

Prepared::Rows::~Rows() {
  const std::lock_guard guard(of_.lock_);
  of_.encoders_.push_back(std::move(encoder_));
}

void Prepared::Rows::add(const Chunk& chunk, std::size_t row) {
  text += count == 0 ? "" : ",";
  if (const auto bad = encoder_->encode(chunk, row, text)) {
    throw Error(Blame::internal, bad->reason);  // none: what has no form is null
  }
  ++count;
}

Endpoint::Endpoint(const EndpointSpec& of, std::size_t at) : spec(of), index(at), reader(of) {
  names_.reserve(of.parameters.size());
  for (const ParameterSpec& parameter : of.parameters) {
    names_.push_back(parameter.name);
  }
}

std::shared_ptr<const Prepared> Endpoint::prepared() const {
  const std::lock_guard guard(lock_);
  return prepared_;
}

void Endpoint::prepare(std::shared_ptr<const Prepared> prepared) {
  const std::lock_guard guard(lock_);
  prepared_ = std::move(prepared);
}

Answer answer_by_key(const Making& making) {
  const auto& by_key = *making.prepared.query().by_key();
  std::vector<sql::ReadValue> key;
  key.reserve(by_key.parameters.size());
  for (const std::size_t parameter : by_key.parameters) {
    key.push_back(making.values[parameter]);
  }
  Prepared::Rows rows(making.prepared);
  making.snapshot.find(*by_key.table, key, [&](const Chunk& chunk, std::size_t row) {
    std::vector<ColumnView> views;
    views.reserve(by_key.columns.size());
    for (const std::size_t column : by_key.columns) {
      views.push_back(chunk.columns[column]);
    }
    rows.add({.rows = chunk.rows, .columns = views}, row);
  });
  return making.responses.of_rows(making.endpoint.spec, std::move(rows.text), rows.count, false,
                                  making.snapshot.version());
}

Answer answer_by_sql(const Making& making, sql::QueryRunner& runner, const std::stop_token& stop) {
  const EndpointSpec& spec = making.endpoint.spec;
  sql::ReadMoment moment{.snapshot = making.snapshot};
  const auto& query =
      making.prepared.bring(making.endpoint.parameter_names(), making.values, moment);
  const std::int64_t most = spec.returns == Returns::one ? 1 : spec.max_rows;
  const bool may_cut = spec.returns == Returns::many;
  auto batch = runner.run(query, making.values, moment, may_cut ? most + 1 : most, stop);
  Prepared::Rows rows(making.prepared);
  bool is_cut = batch.rows() > most;
  batch.for_each([&](const Chunk& chunk) {
    for (std::size_t row = 0; row < chunk.rows && rows.count < most; ++row) {
      if (rows.text.size() > kLargestAnswer) {
        is_cut = true;
        return;
      }
      rows.add(chunk, row);
    }
  });
  return making.responses.of_rows(spec, std::move(rows.text), rows.count, is_cut,
                                  making.snapshot.version());
}

}  // namespace millrace::serve
