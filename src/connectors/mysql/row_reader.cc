#include "connectors/mysql/row_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"

namespace millrace::mysql {

RangeReader::RangeReader(const ReadPlan& plan, std::shared_ptr<Pool> pool,
                         std::vector<Range> ranges, std::shared_ptr<const LeftOut> left_out,
                         MalformedReceiver& malformed)
    : plan_(plan),
      pool_(std::move(pool)),
      ranges_(std::move(ranges)),
      left_out_(std::move(left_out)),
      malformed_(malformed) {}

std::vector<std::unique_ptr<RowReader>> RangeReader::split(std::int64_t /*rows*/) const {
  std::vector<std::unique_ptr<RowReader>> readers;
  if (ranges_.size() > 1) {
    readers.reserve(ranges_.size());
    for (const auto& range : ranges_) {
      readers.push_back(std::make_unique<RangeReader>(plan_, pool_, std::vector<Range>{range},
                                                      left_out_, malformed_));
    }
  }
  return readers;
}

void RangeReader::begin(ChunkWriter& to) {
  std::vector<std::string> names;
  for (std::size_t c = 0; c < plan_.schema.size(); ++c) {
    if (to.column(c) != nullptr) {
      columns_.push_back(c);
      names.push_back(quote(plan_.schema.columns[c].name));
    }
  }
  if (left_out_) {
    std::ranges::transform(left_out_->key, std::back_inserter(names), quote);
  } else if (!plan_.key.empty()) {
    names.push_back(quote(plan_.key));
  }
  select_ = names.empty() ? "1" : join(names, ", ");  // 1: rows are only counted
}

bool RangeReader::open_next() {
  statement_ = nullptr;
  own_.reset();
  if (next_ == ranges_.size()) {
    if (connection_) {
      connection_->give_back();
      connection_.reset();
    }
    return false;
  }
  if (!connection_) {
    connection_.emplace(*pool_);
  }
  const auto& range = ranges_[next_++];
  const auto sql = fmt::format("SELECT {} FROM {}{}{}", select_, plan_.from,
                               range.where.empty() ? "" : " WHERE ", range.where);
  if (range.binds.empty()) {
    statement_ = &own_.emplace(**connection_, sql);
    statement_->execute(range.parameters);
  } else {  // a lookup: its next keys are asked for in the same words
    statement_ = &(*connection_)->prepared(sql);
    statement_->execute(range.binds);
  }
  decoders_.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    decoders_.emplace_back(statement_->fields()[i], plan_.schema.columns[columns_[i]],
                           plan_.zero_dates);
  }
  return true;
}

std::size_t RangeReader::read(ChunkWriter& to) {
  if (select_.empty()) {
    begin(to);
  }
  to_.begin(to, plan_.schema.size());
  std::size_t rows = 0;
  while (rows < kChunkRows) {
    const auto cells = statement_ != nullptr ? statement_->fetch() : std::span<const Cell>();
    if (cells.empty()) {
      if (!open_next()) {
        break;
      }
      continue;
    }
    rows += decode(cells, rows) ? 1 : 0;
  }
  return rows;
}

std::optional<std::int64_t> RangeReader::key_of(std::span<const Cell> cells) const {
  if (plan_.key.empty() || cells.back().data == nullptr) {
    return std::nullopt;
  }
  return number_of(statement_->fields().back(), cells.back());
}

bool RangeReader::decode(std::span<const Cell> cells, std::size_t row) {
  if (left_out_) {
    const auto size = left_out_->key.size();
    if (left_out_->contains(statement_->fields().last(size), cells.last(size))) {
      return false;
    }
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto& column = *to_[columns_[i]];
    const auto why = decoders_[i].decode(cells[i], column, row);
    if (why.empty()) {
      continue;
    }
    refuse(cells, i, why);
    if (plan_.on_malformed != OnMalformed::permissive) {
      to_.forget(row);
      return false;
    }
    column.set_null(row);
  }
  return true;
}

void RangeReader::refuse(std::span<const Cell> cells, std::size_t column, std::string_view why) {
  const auto fields = statement_->fields();
  auto values = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::string text;
    if (cells[i].data != nullptr) {
      write_text(fields[i], cells[i], text);
    }
    const auto& name = plan_.schema.columns[columns_[i]].name;
    values[name] =
        cells[i].data == nullptr ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
  }
  const auto& name = plan_.schema.columns[columns_[column]].name;
  report_malformed(plan_, name, why, key_of(cells).value_or(0), values, malformed_);
}

void report_malformed(const ReadPlan& plan, const std::string& column, std::string_view why,
                      std::int64_t place, const nlohmann::ordered_json& values,
                      MalformedReceiver& malformed) {
  using Handler = nlohmann::ordered_json::error_handler_t;
  const MalformedRow row{.origin = plan.name,
                         .line = place,
                         .column = column,
                         .raw = values.dump(-1, ' ', false, Handler::replace),
                         .reason = fmt::format("`{}` {}", column, why)};
  switch (plan.on_malformed) {
    case OnMalformed::fail:
      throw Error(Blame::user,
                  fmt::format("{}: a row is malformed: {}: {}", plan.name, row.reason, row.raw));
    case OnMalformed::drop:
      malformed.drop(row);
      return;
    case OnMalformed::permissive:
      malformed.pass(row);
      return;
    default:
      malformed.add(row);
  }
}

}  // namespace millrace::mysql
