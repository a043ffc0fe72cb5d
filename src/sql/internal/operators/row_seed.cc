#include "sql/internal/operators/row_seed.h"

#include <fmt/format.h>

#include <array>
#include <numeric>
#include <utility>

#include "sql/database.h"
#include "sql/internal/functions.h"

namespace millrace::sql {

namespace {

using duckdb::BoundFunctionExpression;
using duckdb::ColumnBinding;
using duckdb::DataChunk;
using duckdb::Expression;
using duckdb::ExpressionState;
using duckdb::idx_t;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using duckdb::LogicalType;
using duckdb::PhysicalOperator;
using duckdb::uhugeint_t;
using duckdb::Vector;

class PhysicalRowSeed final : public PhysicalOperator {
 public:
  PhysicalRowSeed(duckdb::PhysicalPlan& plan, duckdb::vector<LogicalType> types, idx_t cardinality,
                  RowSeeds& seeds, bool has_content)
      : PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types),
                         cardinality),
        seeds_(seeds),
        has_content_(has_content) {}

  std::string GetName() const override { return "ROW_SEED"; }
  bool ParallelOperator() const override { return true; }

  duckdb::OperatorResultType Execute(duckdb::ExecutionContext& /*context*/, DataChunk& input,
                                     DataChunk& chunk, duckdb::GlobalOperatorState& /*global*/,
                                     duckdb::OperatorState& /*state*/) const override {
    const idx_t count = input.size();
    for (idx_t c = 0; c < input.ColumnCount(); ++c) {
      chunk.data[c].Reference(input.data[c]);
    }
    chunk.SetCardinality(count);
    Vector hashes(LogicalType::HASH);
    if (has_content_) {
      input.Hash(hashes);
    } else {
      hashes.Reference(duckdb::Value::HASH(0));
    }
    hashes.Flatten(count);
    std::array<Bits, STANDARD_VECTOR_SIZE> seeds;
    seeds_.give(duckdb::FlatVector::GetData<duckdb::hash_t>(hashes), count, seeds.data());
    chunk.data.back().SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* out = duckdb::FlatVector::GetData<uhugeint_t>(chunk.data.back());
    for (idx_t i = 0; i < count; ++i) {
      out[i] = uhugeint_t(seeds[i].high, seeds[i].low);
    }
    return duckdb::OperatorResultType::NEED_MORE_INPUT;
  }

 private:
  RowSeeds& seeds_;
  bool has_content_;
};

class LogicalRowSeed final : public duckdb::LogicalExtensionOperator {
 public:
  LogicalRowSeed(duckdb::unique_ptr<LogicalOperator> child, RowSeeds& seeds, idx_t index)
      : seeds_(seeds), index_(index) {
    SetEstimatedCardinality(child->estimated_cardinality);
    children.push_back(std::move(child));
  }

  [[nodiscard]] idx_t index() const noexcept { return index_; }

  duckdb::vector<ColumnBinding> GetColumnBindings() override {
    auto bindings = children[0]->GetColumnBindings();
    bindings.emplace_back(index_, 0);
    return bindings;
  }
  duckdb::vector<idx_t> GetTableIndex() const override { return {index_}; }
  std::string GetName() const override { return "ROW_SEED"; }
  std::string GetExtensionName() const override { return "millrace"; }
  bool SupportSerialization() const override { return false; }

  PhysicalOperator& CreatePlan(duckdb::ClientContext& /*context*/,
                               duckdb::PhysicalPlanGenerator& planner) override {
    PhysicalOperator& child = planner.CreatePlan(*children[0]);
    // The one column of the row below a SELECT without FROM holds whatever was in memory.
    const bool has_content = child.type != duckdb::PhysicalOperatorType::DUMMY_SCAN;
    PhysicalOperator& seeding =
        planner.Make<PhysicalRowSeed>(types, estimated_cardinality, seeds_, has_content);
    seeding.children.push_back(child);
    return seeding;
  }

 protected:
  void ResolveTypes() override {
    types = children[0]->types;
    types.push_back(LogicalType::UHUGEINT);
  }

 private:
  RowSeeds& seeds_;
  idx_t index_;
};

/// The random bits of a call for one row.
Bits bits_of(uhugeint_t seed, std::uint64_t call) {
  return scramble({seed.upper, seed.lower}, call);
}

template <class Result, class Make>
void for_each_seed(DataChunk& arguments, Vector& result, const Make& make) {
  duckdb::BinaryExecutor::Execute<uhugeint_t, std::uint64_t, Result>(
      arguments.data[0], arguments.data[1], result, arguments.size(),
      [&](uhugeint_t seed, std::uint64_t call) { return make(bits_of(seed, call)); });
}

/// 53 bits, as many as a DOUBLE between 0 and 1 can tell apart.
void make_random(DataChunk& arguments, ExpressionState& /*state*/, Vector& result) {
  for_each_seed<double>(arguments, result,
                        [](Bits bits) { return static_cast<double>(bits.high >> 11U) * 0x1p-53; });
}

duckdb::hugeint_t uuid_of(Bits bits, unsigned version) {
  const std::uint64_t high = (bits.high & ~0xf000ULL) | (std::uint64_t{version} << 12U);
  const std::uint64_t low = (bits.low >> 2U) | (1ULL << 63U);  // the variant is 10 in binary
  // DuckDB turns the first bit over, so that UUIDs are ordered as signed numbers are.
  return {static_cast<std::int64_t>(high ^ (1ULL << 63U)), low};
}

void make_uuid4(DataChunk& arguments, ExpressionState& /*state*/, Vector& result) {
  for_each_seed<duckdb::hugeint_t>(arguments, result, [](Bits bits) { return uuid_of(bits, 4); });
}

/// The first 48 bits are the batch's time in milliseconds.
void make_uuid7(DataChunk& arguments, ExpressionState& state, Vector& result) {
  const auto now = duckdb::MetaTransaction::Get(state.GetContext()).start_timestamp;
  const auto ms = static_cast<std::uint64_t>(now.value / duckdb::Interval::MICROS_PER_MSEC);
  for_each_seed<duckdb::hugeint_t>(arguments, result, [ms](Bits bits) {
    return uuid_of({(ms << 16U) | (bits.high & 0xffffU), bits.low}, 7);
  });
}

/// Replaces the random calls within an expression.
class Replacement {
 public:
  Replacement(RunContext& run, ColumnBinding seed) : run_(run), seed_(seed) {}

  void replace(duckdb::unique_ptr<Expression>& expression) {
    if (is_random(*expression)) {
      expression = call_like(*expression);
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(
        *expression, [this](duckdb::unique_ptr<Expression>& child) { replace(child); });
  }

 private:
  duckdb::unique_ptr<Expression> call_like(const Expression& original) {
    const auto& name = original.Cast<BoundFunctionExpression>().function.name;
    const bool uuid = original.return_type.id() == duckdb::LogicalTypeId::UUID;
    const auto make = !uuid ? make_random : (name == "uuidv7" ? make_uuid7 : make_uuid4);
    duckdb::ScalarFunction function("millrace_" + name,
                                    {LogicalType::UHUGEINT, LogicalType::UBIGINT},
                                    original.return_type, make);
    function.SetVolatile();  // it changes from batch to batch, whatever it is called for
    duckdb::vector<duckdb::unique_ptr<Expression>> arguments;
    arguments.push_back(duckdb::make_uniq<duckdb::BoundColumnRefExpression>(
        "row_seed", LogicalType::UHUGEINT, seed_));
    arguments.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(
        duckdb::Value::UBIGINT(++run_.random_calls)));
    auto call = duckdb::make_uniq<BoundFunctionExpression>(
        original.return_type, std::move(function), std::move(arguments), nullptr);
    call->SetAlias(original.GetAlias());
    call->SetQueryLocation(original.GetQueryLocation());
    return call;
  }

  RunContext& run_;
  ColumnBinding seed_;
};

const Expression* find_random(const Expression& expression) {
  const Expression* found = is_random(expression) ? &expression : nullptr;
  duckdb::ExpressionIterator::EnumerateChildren(expression, [&](const Expression& child) {
    found = found == nullptr ? find_random(child) : found;
  });
  return found;
}

const Expression* find_random(LogicalOperator& op) {
  const Expression* found = nullptr;
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      op, [&](duckdb::unique_ptr<Expression>* expression) {
        found = found == nullptr ? find_random(**expression) : found;
      });
  return found;
}

[[noreturn]] void refuse(const Expression& call) {
  const auto location = call.GetQueryLocation();
  throw SqlError(
      fmt::format("{}() can't be used here; compute it in SELECT or WHERE, in a subquery or a "
                  "dataset of its own",
                  call.Cast<BoundFunctionExpression>().function.name),
      location.IsValid() ? std::optional<std::size_t>(location.GetIndex()) : std::nullopt);
}

bool can_be_random(const LogicalOperator& op) {
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
    case LogicalOperatorType::LOGICAL_FILTER:
    case LogicalOperatorType::LOGICAL_PROJECTION:
      return op.children.size() == 1;
    default:
      return false;
  }
}

}  // namespace

void replace_random_calls(LogicalOperator& op, const std::vector<bool>& streams, RunContext& run,
                          duckdb::Binder& binder) {
  const Expression* call = find_random(op);
  if (call == nullptr) {
    return;
  }
  if (!can_be_random(op)) {
    refuse(*call);
  }
  const idx_t columns = op.children[0]->GetColumnBindings().size();
  if (op.type == LogicalOperatorType::LOGICAL_FILTER) {  // the seed must not go further up
    auto& kept = op.Cast<duckdb::LogicalFilter>().projection_map;
    if (kept.empty()) {
      kept.resize(columns);
      std::iota(kept.begin(), kept.end(), idx_t{0});
    }
  }
  run.seeds.push_back(std::make_unique<RowSeeds>(run.dataset, run.seeds.size(), !streams[0]));
  const idx_t index = binder.GenerateTableIndex();
  op.children[0] =
      duckdb::make_uniq<LogicalRowSeed>(std::move(op.children[0]), *run.seeds.back(), index);
  op.children[0]->ResolveOperatorTypes();
  Replacement replacement(run, ColumnBinding(index, 0));
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      op, [&](duckdb::unique_ptr<Expression>* expression) { replacement.replace(*expression); });
}

std::optional<idx_t> row_seed_index(const LogicalOperator& op) {
  const auto* seed = dynamic_cast<const LogicalRowSeed*>(&op);
  return seed == nullptr ? std::nullopt : std::optional(seed->index());
}

bool is_row_seed(const PhysicalOperator& op) {
  return dynamic_cast<const PhysicalRowSeed*>(&op) != nullptr;
}

}  // namespace millrace::sql
