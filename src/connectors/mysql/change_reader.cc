#include "connectors/mysql/change_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace millrace::mysql {

void write_note(const ChangeLayout& layout, const ChangeNote& note, ChunkWriter& to,
                std::size_t row) {
  for (std::size_t i = 0; i < layout.facts.size(); ++i) {
    auto* column = to.column(layout.plan.schema.size() + i);
    if (column == nullptr) {
      continue;
    }
    switch (layout.facts[i]) {
      case ChangeFact::op:
        column->set_string(row, note.op);
        break;
      case ChangeFact::change_time:
        column->values<std::int64_t>()[row] = note.time_us;
        break;
      case ChangeFact::sequence:
        column->values<std::int64_t>()[row] = note.sequence;
        break;
      case ChangeFact::position:
        column->set_string(row, note.position);
        break;
    }
  }
}

SnapshotReader::SnapshotReader(const ChangeLayout& layout, std::unique_ptr<RowReader> rows,
                               std::int64_t time_us, std::string position,
                               std::unique_ptr<ChangeReader> restored)
    : layout_(layout),
      rows_(std::move(rows)),
      time_us_(time_us),
      position_(std::move(position)),
      restored_(std::move(restored)) {}
SnapshotReader::~SnapshotReader() = default;

std::size_t SnapshotReader::read(ChunkWriter& to) {
  const auto rows = rows_->read(to);
  if (rows == 0 && restored_) {
    return restored_->read(to);
  }
  for (std::size_t row = 0; row < rows; ++row) {
    write_note(layout_, {.op = "r", .time_us = time_us_, .sequence = 0, .position = position_}, to,
               row);
  }
  return rows;
}

std::vector<std::unique_ptr<RowReader>> SnapshotReader::split(std::int64_t rows) const {
  auto parts = rows_->split(rows);
  for (auto& part : parts) {
    part = std::make_unique<SnapshotReader>(layout_, std::move(part), time_us_, position_, nullptr);
  }
  if (restored_ && !parts.empty()) {
    parts.push_back(restored_->again());
  }
  return parts;
}

BinlogTable with_forms(BinlogTable table, const std::map<std::string, BinlogForm>& forms) {
  for (auto& column : table.columns) {
    const auto form = forms.find(column.name);
    const auto bytes = form == forms.end() || form->second != BinlogForm::inet4 ? 16U : 4U;
    // Of a column that was altered, earlier rows are of another type.
    if (form != forms.end() && column.type == MYSQL_TYPE_STRING && column.meta == bytes) {
      column.form = form->second;
    }
  }
  return table;
}

ChangeReader::Decoding::Decoding(const ChangeLayout& layout,
                                 std::shared_ptr<const BinlogTable> events_table)
    : of(std::move(events_table)),
      table(with_forms(*of, layout.forms)),
      before(table),
      after(table) {
  const auto place_of = [&](const std::string& name) {
    const auto found = std::ranges::find_if(
        table.columns, [&](const auto& column) { return equal_ignoring_case(column.name, name); });
    return found == table.columns.end() ? -1 : static_cast<int>(found - table.columns.begin());
  };
  for (const auto& column : layout.plan.schema.columns) {
    const int place = places.emplace_back(place_of(column.name));
    if (place >= 0) {
      const auto& there = table.columns[static_cast<std::size_t>(place)];
      decoders.emplace_back(field_of(there), column, layout.plan.zero_dates);
    }
  }
  for (const auto& name : layout.key) {
    if (const int place = place_of(name); place >= 0) {
      key.push_back(static_cast<std::size_t>(place));
    }
  }
}

ChangeReader::ChangeReader(const ChangeLayout& layout,
                           std::vector<std::shared_ptr<const RowsEvent>> events,
                           std::string position, MalformedReceiver& malformed)
    : layout_(layout),
      events_(std::move(events)),
      position_(std::move(position)),
      malformed_(malformed) {}

std::vector<std::unique_ptr<RowReader>> ChangeReader::split(std::int64_t rows) const {
  std::vector<std::unique_ptr<RowReader>> parts;
  std::vector<std::shared_ptr<const RowsEvent>> part;
  std::int64_t count = 0;
  for (const auto& event : events_) {
    part.push_back(event);
    count += event->changes;
    if (count >= rows || event == events_.back()) {
      parts.push_back(
          std::make_unique<ChangeReader>(layout_, std::exchange(part, {}), position_, malformed_));
      count = 0;
    }
  }
  return parts.size() > 1 ? std::move(parts) : std::vector<std::unique_ptr<RowReader>>();
}

void ChangeReader::open(const RowsEvent& event) {
  event_ = &event;
  left_ = event.images;
  sequence_ = event.first;
  if (!decoding_ || decoding_->of != event.table) {
    decoding_ = std::make_unique<Decoding>(layout_, event.table);
  }
}

bool ChangeReader::is_same_key(std::span<const Cell> a, std::span<const Cell> b) const {
  return std::ranges::all_of(decoding_->key, [&](std::size_t place) {
    return (a[place].data == nullptr) == (b[place].data == nullptr) &&
           a[place].text() == b[place].text();
  });
}

std::size_t ChangeReader::read(ChunkWriter& to) {
  to_.begin(to, layout_.plan.schema.size());
  std::size_t rows = 0;
  while (rows + 1 < kChunkRows) {  // a change may be two
    if (left_.empty()) {
      if (next_ == events_.size()) {
        break;
      }
      open(*events_[next_++]);
      continue;
    }
    ByteReader bytes(left_);
    const auto sequence = 1 + 2 * sequence_++;
    const auto before = decoding_->before.read(bytes, event_->present);
    switch (event_->kind) {
      case ChangeKind::insert:
        rows += write(before, "c", sequence, to, rows) ? 1 : 0;
        break;
      case ChangeKind::remove:
        rows += write(before, "d", sequence, to, rows) ? 1 : 0;
        break;
      case ChangeKind::restored:
        rows += write(before, "r", 0, to, rows) ? 1 : 0;
        break;
      case ChangeKind::update: {
        const auto after = decoding_->after.read(bytes, event_->present_after);
        if (is_same_key(before, after)) {
          rows += write(after, "u", sequence, to, rows) ? 1 : 0;
        } else {
          rows += write(before, "d", sequence, to, rows) ? 1 : 0;
          rows += write(after, "c", sequence + 1, to, rows) ? 1 : 0;
        }
        break;
      }
    }
    left_ = left_.subspan(left_.size() - bytes.left());
  }
  return rows;
}

bool ChangeReader::write(std::span<const Cell> cells, std::string_view op, std::int64_t sequence,
                         ChunkWriter& to, std::size_t row) {
  std::size_t decoder = 0;
  for (std::size_t c = 0; c < layout_.plan.schema.size(); ++c) {
    const int place = decoding_->places[c];
    const auto* decode = place < 0 ? nullptr : &decoding_->decoders[decoder++];
    auto* column = to_[c];
    if (column == nullptr) {
      continue;
    }
    if (decode == nullptr) {
      column->set_null(row);
      continue;
    }
    const auto why = decode->decode(cells[static_cast<std::size_t>(place)], *column, row);
    if (!why.empty()) {
      refuse(cells, layout_.plan.schema.columns[c], why, sequence);
      if (layout_.plan.on_malformed != OnMalformed::permissive) {
        to_.forget(row);
        return false;
      }
      column->set_null(row);
    }
  }
  write_note(layout_,
             {.op = op, .time_us = event_->time_us, .sequence = sequence, .position = position_},
             to, row);
  return true;
}

void ChangeReader::refuse(std::span<const Cell> cells, const Column& column, std::string_view why,
                          std::int64_t sequence) {
  auto values = nlohmann::ordered_json::object();
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const auto& there = decoding_->table.columns[c];
    std::string text;
    if (cells[c].data != nullptr) {
      write_text(field_of(there), cells[c], text);
    }
    values[there.name] =
        cells[c].data == nullptr ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
  }
  report_malformed(layout_.plan, column.name, why, sequence, values, malformed_);
}

}  // namespace millrace::mysql
