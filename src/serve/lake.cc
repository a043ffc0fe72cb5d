#include "serve/lake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "core/same_file.h"

namespace millrace::serve {
namespace {

using std::chrono::steady_clock;

/// How SQL reads some of the files: FROM function([paths], arguments).
std::string select_of(const Schema& schema, const std::string& function,
                      const std::string& arguments, std::span<const sql::KeptFile* const> files) {
  if (files.empty()) {
    return empty_select(schema);
  }
  const auto parts = partition_of(files.front()->path);
  std::vector<std::string> names;
  std::vector<std::string> columns;
  std::vector<std::string> hive_types;
  names.reserve(files.size());
  columns.reserve(schema.size());
  for (const auto* file : files) {
    names.push_back(sql::quote_text(file->path));
  }
  for (const Column& column : schema.columns) {
    const auto quoted = sql::quote_name(column.name);
    columns.push_back(fmt::format("CAST({0} AS {1}) AS {0}", quoted, column.type));
    if (std::ranges::any_of(parts, [&](const auto& each) {
          return equal_ignoring_case(each.first, column.name);
        })) {
      hive_types.push_back(fmt::format("{}: {}", sql::quote_text(column.name), column.type));
    }
  }
  const std::string hive =
      hive_types.empty()
          ? "hive_partitioning = false"
          : fmt::format("hive_partitioning = true, hive_types = {{{}}}", join(hive_types, ", "));
  // A column that none of these files has is NULL, as it is beside files that have it.
  return fmt::format("SELECT {} FROM ({} UNION ALL BY NAME SELECT * FROM {}([{}], {}{}{}))",
                     join(columns, ", "), empty_select(schema), function, join(names, ", "), hive,
                     arguments.empty() ? "" : ", ", arguments);
}

/// Whether a value is one of the column's type as it is: then `=` in SQL casts neither of them.
bool is_of_type(const sql::ReadValue& value, const Column& column) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    return column.type == "BIGINT" ||
           (column.type == "INTEGER" && std::in_range<std::int32_t>(*whole)) ||
           (column.type == "SMALLINT" && std::in_range<std::int16_t>(*whole)) ||
           (column.type == "TINYINT" && std::in_range<std::int8_t>(*whole));
  }
  return (std::holds_alternative<std::string>(value) && column.type == "VARCHAR") ||
         (std::holds_alternative<sql::DateValue>(value) && column.type == "DATE") ||
         (std::holds_alternative<sql::TimestampValue>(value) && column.type == "TIMESTAMP");
}

bool may_be_key(const Column& column) {
  constexpr std::array<std::string_view, 7> kTypes = {"BIGINT",  "INTEGER", "SMALLINT", "TINYINT",
                                                      "VARCHAR", "DATE",    "TIMESTAMP"};
  return std::ranges::find(kTypes, column.type) != kTypes.end();
}

}  // namespace

Lake::Lake(std::string name, Schema schema, std::optional<std::chrono::milliseconds> refresh,
           List list, sql::KeptFiles* kept)
    : Readable(std::move(name)),
      schema_(std::make_shared<const Schema>(std::move(schema))),
      refresh_(refresh),
      list_(std::move(list)),
      kept_(kept) {}

sql::Relation Lake::relation() const {
  return {.name = name(), .kind = sql::Relation::Kind::fresh, .schema = *schema_};
}

std::shared_ptr<const Lake::Listed> Lake::listed() const {
  const std::lock_guard guard(lock_);
  return again_ ? nullptr : listed_;
}

bool Lake::is_current(const Listed& listed, std::int64_t batch) const {
  return refresh_ ? steady_clock::now() - listed.at < *refresh_ : listed.batch >= batch;
}

std::optional<std::int64_t> Lake::stamp(const sql::LiveSnapshot& of) const {
  const auto known = listed();
  return known && is_current(*known, of.version().batch) ? std::optional(known->stamp)
                                                         : std::nullopt;
}

std::shared_ptr<const Lake::Listed> Lake::last_listed() const {
  const std::lock_guard guard(lock_);
  return listed_;
}

bool Lake::is_soon_old(const Listed& listed) const {
  return refresh_ && steady_clock::now() - listed.at >= *refresh_ / 2;
}

bool Lake::wants_look() {
  const auto known = listed();
  return known && is_soon_old(*known) && !is_wanted_.exchange(true);
}

void Lake::look(const sql::LiveSnapshot& at) {
  const auto known = listed();
  const bool is_known = known && is_current(*known, at.version().batch);
  if (is_known && !is_soon_old(*known)) {
    is_wanted_ = false;
    return;
  }
  // A list that will soon be too old is made anew by one thread, while the others go on with it.
  std::unique_lock one(looking_, std::defer_lock);
  if (is_known && !one.try_lock()) {
    return;
  }
  if (!one.owns_lock()) {
    one.lock();
  }
  const auto now = listed();
  if (now != known && now && is_current(*now, at.version().batch)) {
    return;  // another thread has made it meanwhile
  }
  try {
    list(at.version().batch);
    is_wanted_ = false;  // also of those who asked meanwhile
  } catch (const Error&) {
    is_wanted_ = false;
    if (!is_known) {
      throw;
    }  // what is known will do for now
  }
}

void Lake::list(std::int64_t batch) {
  {
    const std::lock_guard guard(lock_);
    again_ = false;
  }
  const auto before = last_listed();
  auto found = std::make_shared<Listed>();
  found->batch = batch;
  found->at = steady_clock::now();
  ReadableFiles files = list_(batch);
  const bool same = before && std::ranges::equal(files.files, last_files_, same_file);
  found->files = same ? before->files : std::make_shared<const LakeFiles>(*schema_, files.files);
  last_files_ = std::move(files.files);
  found->function = std::move(files.function);
  found->arguments = std::move(files.arguments);
  found->stamp = (before ? before->stamp : 0) + (same ? 0 : 1);
  const std::lock_guard guard(lock_);
  listed_ = std::move(found);
}

bool Lake::look_again() {
  const std::lock_guard guard(lock_);
  again_ = true;
  return true;
}

bool Lake::is_named_in(std::string_view error) const {
  const auto known = last_listed();
  return known && std::ranges::any_of(known->files->all(), [&](const sql::KeptFile& file) {
           return error.contains(file.path);
         });
}

void Lake::bring(const QueryRun& run, sql::ReadMoment& into) {
  const auto known = last_listed();
  const auto files = known->files->that_matter(run, name());
  into.selects.emplace_back(name(), select_of(*schema_, known->function, known->arguments, files));
}

std::optional<sql::Relation> Lake::kept_relation(const sql::ReadQuery& query) const {
  const bool has_key = std::ranges::any_of(query.demands(), [&](const sql::Demand& demand) {
    const int column = schema_->find(demand.column);
    return demand.op == sql::Demand::Op::equal && !demand.is_cast && column >= 0 &&
           equal_ignoring_case(demand.relation, name()) &&
           may_be_key(schema_->columns[static_cast<std::size_t>(column)]);
  });
  return kept_ != nullptr && has_key
             ? std::optional(sql::Relation{
                   .name = name(), .kind = sql::Relation::Kind::rows, .schema = *schema_})
             : std::nullopt;
}

bool Lake::bring_kept(const QueryRun& run, sql::ReadMoment& into) {
  const auto known = last_listed();
  for (const sql::Demand& demand : run.query.demands()) {
    const int found = schema_->find(demand.column);
    const auto* value = run.value_of(demand.parameter);
    if (demand.op != sql::Demand::Op::equal || demand.is_cast || found < 0 || value == nullptr ||
        !equal_ignoring_case(demand.relation, name())) {
      continue;
    }
    const auto column = static_cast<std::size_t>(found);
    if (known->files->is_in_paths(column) || !is_of_type(*value, schema_->columns[column])) {
      continue;
    }
    const auto files = known->files->that_matter(run, name());
    auto rows = kept_->find(table(*known, column), files, *value);
    if (!rows) {
      return false;
    }
    into.rows.emplace_back(name(), std::make_shared<const sql::Batch>(std::move(*rows)));
    return true;
  }
  return false;
}

sql::KeptTable Lake::table(const Listed& listed, std::size_t key) const {
  return {.name = fmt::format("{}\n{}\n{}", name(), key, listed.arguments),
          .schema = schema_,
          .key = key,
          .select = [schema = schema_, function = listed.function,
                     arguments = listed.arguments](std::span<const sql::KeptFile* const> files) {
            return select_of(*schema, function, arguments, files);
          }};
}

}  // namespace millrace::serve
