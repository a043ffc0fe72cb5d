#include "sql/internal/windows.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "sql/database.h"

namespace millrace::sql {

namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::interval_t;
using duckdb::LogicalType;
using duckdb::timestamp_t;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// A row in more windows than this is a slide that was meant to be another.
constexpr std::int64_t kMostWindows = 100'000;

std::int64_t floor_to(std::int64_t value, std::int64_t step) {
  const std::int64_t rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}

/// Microseconds of an interval without months.
std::int64_t fixed_us(interval_t interval, const char* what) {
  if (interval.months != 0) {
    throw duckdb::InvalidInputException(
        "%s must be a fixed time, such as INTERVAL 30 DAYS: months differ in length", what);
  }
  return interval.days * duckdb::Interval::MICROS_PER_DAY + interval.micros;
}

std::int64_t positive_us(interval_t interval, const char* what) {
  const std::int64_t us = fixed_us(interval, what);
  if (us <= 0) {
    throw duckdb::InvalidInputException("%s must be positive", what);
  }
  return us;
}

timestamp_t start_of_months(timestamp_t time, std::int32_t months, std::int64_t offset) {
  const auto date = duckdb::Timestamp::GetDate(timestamp_t(time.value - offset));
  std::int32_t year = 0;
  std::int32_t month = 0;
  std::int32_t day = 0;
  duckdb::Date::Convert(date, year, month, day);
  const std::int64_t start = floor_to((year - 1970) * 12LL + month - 1, months);
  const auto first = static_cast<std::int32_t>(floor_to(start, 12) / 12);
  const auto begin =
      duckdb::Date::FromDate(1970 + first, static_cast<std::int32_t>(start - first * 12LL) + 1, 1);
  return timestamp_t(duckdb::Timestamp::FromDatetime(begin, duckdb::dtime_t(0)).value + offset);
}

timestamp_t window_start(timestamp_t time, interval_t size, interval_t offset) {
  if (!duckdb::Timestamp::IsFinite(time)) {
    return time;
  }
  const std::int64_t shift = fixed_us(offset, "the offset of windows");
  if (size.months > 0 && size.days == 0 && size.micros == 0) {
    return start_of_months(time, size.months, shift);
  }
  const std::int64_t us = positive_us(size, "the size of tumble() windows");
  return timestamp_t(floor_to(time.value - shift, us) + shift);
}

void tumble(DataChunk& args, ExpressionState& /*state*/, Vector& result) {
  if (args.ColumnCount() == 2) {
    duckdb::BinaryExecutor::Execute<timestamp_t, interval_t, timestamp_t>(
        args.data[0], args.data[1], result, args.size(),
        [](timestamp_t time, interval_t size) { return window_start(time, size, interval_t()); });
    return;
  }
  duckdb::TernaryExecutor::Execute<timestamp_t, interval_t, interval_t, timestamp_t>(
      args.data[0], args.data[1], args.data[2], result, args.size(), window_start);
}

/// Appends the starts of the windows that hold `time`.
duckdb::list_entry_t append_starts(Vector& list, timestamp_t time, interval_t size,
                                   interval_t slide, interval_t offset) {
  const std::int64_t size_us = positive_us(size, "the size of hop() windows");
  const std::int64_t slide_us = positive_us(slide, "the slide of hop() windows");
  if (slide_us > size_us || size_us / slide_us > kMostWindows) {
    throw duckdb::InvalidInputException(
        "hop(time, size, slide): the slide must not be longer than the size, nor shorter than its "
        "%dth part",
        kMostWindows);
  }
  duckdb::list_entry_t entry(duckdb::ListVector::GetListSize(list), 0);
  if (!duckdb::Timestamp::IsFinite(time)) {
    return entry;
  }
  const std::int64_t shift = fixed_us(offset, "the offset of windows");
  const std::int64_t last = floor_to(time.value - shift, slide_us) + shift;
  const std::int64_t first = floor_to(time.value - size_us - shift, slide_us) + slide_us + shift;
  entry.length = static_cast<idx_t>((last - first) / slide_us) + 1;
  duckdb::ListVector::Reserve(list, entry.offset + entry.length);
  auto* starts = FlatVector::GetData<timestamp_t>(duckdb::ListVector::GetEntry(list));
  for (idx_t i = 0; i < entry.length; ++i) {
    starts[entry.offset + i] = timestamp_t(first + static_cast<std::int64_t>(i) * slide_us);
  }
  duckdb::ListVector::SetListSize(list, entry.offset + entry.length);
  return entry;
}

void hop(DataChunk& args, ExpressionState& /*state*/, Vector& result) {
  const idx_t count = args.size();
  std::array<UnifiedVectorFormat, 4> columns;
  for (idx_t c = 0; c < args.ColumnCount(); ++c) {
    args.data[c].ToUnifiedFormat(count, columns[c]);
  }
  const auto interval = [&](idx_t column, idx_t row) {
    return UnifiedVectorFormat::GetData<interval_t>(
        columns[column])[columns[column].sel->get_index(row)];
  };
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* entries = FlatVector::GetData<duckdb::list_entry_t>(result);
  for (idx_t row = 0; row < count; ++row) {
    bool valid = true;
    for (idx_t c = 0; c < args.ColumnCount(); ++c) {
      valid = valid && columns[c].validity.RowIsValid(columns[c].sel->get_index(row));
    }
    if (!valid) {
      FlatVector::SetNull(result, row, true);
      continue;
    }
    const auto time =
        UnifiedVectorFormat::GetData<timestamp_t>(columns[0])[columns[0].sel->get_index(row)];
    entries[row] = append_starts(result, time, interval(1, row), interval(2, row),
                                 args.ColumnCount() == 4 ? interval(3, row) : interval_t());
  }
  if (args.AllConstant()) {
    result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }
}

std::string literal(const duckdb::Value& value) {
  const auto interval = value.GetValue<interval_t>();
  return fmt::format("INTERVAL '{} months {} days {} microseconds'", interval.months, interval.days,
                     interval.micros);
}

void check_arguments(const duckdb::TableFunctionBindInput& input) {
  for (const auto& value : input.inputs) {
    if (value.IsNull()) {
      throw duckdb::BinderException("the arguments of %s() must not be NULL",
                                    input.table_function.name);
    }
  }
}

duckdb::unique_ptr<duckdb::TableRef> subquery(duckdb::ClientContext& context,
                                              const std::string& sql, const std::string& alias) {
  duckdb::Parser parser(context.GetParserOptions());
  parser.ParseQuery(sql);
  return duckdb::make_uniq<duckdb::SubqueryRef>(
      duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(
          std::move(parser.statements[0])),
      alias);
}

/// FROM tumble(stream, column, size) is a SELECT over the stream.
duckdb::unique_ptr<duckdb::TableRef> select_windows(duckdb::ClientContext& context,
                                                    duckdb::TableFunctionBindInput& input) {
  check_arguments(input);
  const auto column = quote_name(input.inputs[1].GetValue<std::string>());
  std::string arguments = column;
  for (idx_t i = 2; i < input.inputs.size(); ++i) {
    arguments += ", " + literal(input.inputs[i]);
  }
  if (const auto offset = input.named_parameters.find("offset");
      offset != input.named_parameters.end()) {
    arguments += ", " + literal(offset->second);
  }
  const bool hops = input.table_function.name == "hop";
  const std::string starts = (hops ? "unnest(hop(" : "(tumble(") + arguments + "))";
  const std::string sql = fmt::format(
      "SELECT *, window_start + {} AS window_end FROM (SELECT COLUMNS(c -> c NOT IN "
      "('window_start', 'window_end')), {} AS window_start FROM {} WHERE {} IS NOT NULL) AS w",
      literal(input.inputs[2]), starts, quote_name(input.inputs[0].GetValue<std::string>()),
      column);
  return subquery(context, sql, input.table_function.name);
}

/// FROM session(stream, column, gap, key...)
duckdb::unique_ptr<duckdb::TableRef> select_sessions(duckdb::ClientContext& context,
                                                     duckdb::TableFunctionBindInput& input) {
  check_arguments(input);
  const auto column = quote_name(input.inputs[1].GetValue<std::string>());
  const std::string gap = literal(input.inputs[2]);
  std::string keys;
  for (idx_t i = 3; i < input.inputs.size(); ++i) {
    keys += (i == 3 ? "PARTITION BY " : ", ") + quote_name(input.inputs[i].GetValue<std::string>());
  }
  const std::string sql = fmt::format(
      "SELECT COLUMNS(c -> c NOT IN ('window_start', 'window_end')), {}({}, {}) OVER ({}) AS "
      "window_start, {}({}, {}) OVER ({}) AS window_end FROM {} WHERE {} IS NOT NULL",
      kSessionStart, column, gap, keys, kSessionEnd, column, gap, keys,
      quote_name(input.inputs[0].GetValue<std::string>()), column);
  return subquery(context, sql, "session");
}

[[noreturn]] void only_over_streams() {
  throw duckdb::InvalidInputException("session() works on streams, in the SQL of a dataset");
}

duckdb::AggregateFunction session_function(std::string_view name, const LogicalType& time) {
  return {std::string(name),
          {time, LogicalType::INTERVAL},
          time,
          [](const duckdb::AggregateFunction&) -> idx_t { return sizeof(std::int64_t); },
          [](const duckdb::AggregateFunction&, duckdb::data_ptr_t) { only_over_streams(); },
          [](Vector[], duckdb::AggregateInputData&, idx_t, Vector&, idx_t) { only_over_streams(); },
          [](Vector&, Vector&, duckdb::AggregateInputData&, idx_t) { only_over_streams(); },
          [](Vector&, duckdb::AggregateInputData&, Vector&, idx_t, idx_t) { only_over_streams(); },
          duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING};
}

void register_sessions(duckdb::ExtensionLoader& loader) {
  for (const auto name : {kSessionStart, kSessionEnd}) {
    duckdb::AggregateFunctionSet set{std::string(name)};
    for (const auto& time : {LogicalType::TIMESTAMP, LogicalType::TIMESTAMP_TZ}) {
      set.AddFunction(session_function(name, time));
    }
    loader.RegisterFunction(set);
  }
  duckdb::TableFunction table("session",
                              {LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::INTERVAL},
                              nullptr, nullptr);
  table.varargs = LogicalType::VARCHAR;
  table.bind_replace = select_sessions;
  loader.RegisterFunction(table);
}

void register_function(duckdb::ExtensionLoader& loader, const char* name, idx_t intervals,
                       bool list, const duckdb::scalar_function_t& function) {
  duckdb::ScalarFunctionSet set(name);
  for (const auto& time : {LogicalType::TIMESTAMP, LogicalType::TIMESTAMP_TZ}) {
    for (const idx_t more : {idx_t{0}, idx_t{1}}) {
      duckdb::vector<LogicalType> arguments(1 + intervals + more, LogicalType::INTERVAL);
      arguments[0] = time;
      duckdb::ScalarFunction overload(arguments, list ? LogicalType::LIST(time) : time, function);
      overload.SetFallible();
      set.AddFunction(overload);
    }
  }
  loader.RegisterFunction(set);
}

void register_table(duckdb::ExtensionLoader& loader, const char* name, idx_t intervals) {
  duckdb::vector<LogicalType> arguments(2 + intervals, LogicalType::INTERVAL);
  arguments[0] = arguments[1] = LogicalType::VARCHAR;
  duckdb::TableFunction function(name, arguments, nullptr, nullptr);
  function.bind_replace = select_windows;
  function.named_parameters["offset"] = LogicalType::INTERVAL;
  loader.RegisterFunction(function);
}

}  // namespace

void register_windows(duckdb::DuckDB& duck) {
  duckdb::ExtensionLoader loader(*duck.instance, "millrace");
  register_function(loader, "tumble", 1, /*list=*/false, tumble);
  register_function(loader, "hop", 2, /*list=*/true, hop);
  register_table(loader, "tumble", 1);
  register_table(loader, "hop", 2);
  register_sessions(loader);
}

bool is_session_function(std::string_view name) {
  return name == kSessionStart || name == kSessionEnd;
}

std::int64_t session_gap_us(const duckdb::BoundWindowExpression& call) {
  const auto& gap = *call.children[1];
  if (gap.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) {
    throw duckdb::BinderException("the gap of session() must be a constant");
  }
  return positive_us(gap.Cast<duckdb::BoundConstantExpression>().value.GetValue<interval_t>(),
                     "the gap of session()");
}

bool is_window_table(std::string_view name) {
  return name == "tumble" || name == "hop" || name == "session";
}

}  // namespace millrace::sql
