#include "connectors/mysql/past.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "connectors/mysql/binlog_values.h"
#include "connectors/mysql/catalog.h"

namespace millrace::mysql {

namespace {

constexpr std::int64_t kChangesAtOnce = 100'000;
/// So many keys are compared by a statement.
constexpr std::size_t kPerStatement = 500;

/// The key in images of a table.
class KeyOfImages {
 public:
  KeyOfImages(const ChangeLayout& layout, const BinlogTable& table) {
    for (const auto& name : layout.key) {
      const auto found = std::ranges::find_if(table.columns, [&](const auto& column) {
        return equal_ignoring_case(column.name, name);
      });
      if (found == table.columns.end()) {
        throw Error(Blame::user,
                    fmt::format("the primary key of {} was changed while its snapshot was read; "
                                "begin with a new one: remove the checkpoint",
                                layout.plan.name));
      }
      places_.push_back(static_cast<std::size_t>(found - table.columns.begin()));
      fields_.push_back(field_of(*found));
    }
  }
  [[nodiscard]] Key of(std::span<const Cell> image) const {
    std::vector<Cell> cells;
    cells.reserve(places_.size());
    for (const auto place : places_) {
      cells.push_back(image[place]);
    }
    return key_of(fields_, cells);
  }

 private:
  std::vector<std::size_t> places_;
  std::vector<MYSQL_FIELD> fields_;
};

/// Those of the keys that are in a range, by their numbers.
std::vector<std::size_t> in_range(Connection& connection, const std::string& table,
                                  const KeyColumns& key, const Range& range,
                                  std::span<const Key* const> keys) {
  std::string row = "SELECT CAST(? AS UNSIGNED) AS n";
  const auto types = key_types_of(connection, table, key.names);
  for (std::size_t c = 0; c < types.size(); ++c) {
    row += fmt::format(", {} AS {}", types[c].cast, quote(key.names[c]));
  }
  std::vector<Value> parameters;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    parameters.emplace_back(static_cast<std::int64_t>(i));
    for (std::size_t c = 0; c < types.size(); ++c) {
      parameters.push_back(types[c].parameter(value_of_key((*keys[i])[c])));
    }
  }
  parameters.insert(parameters.end(), range.parameters.begin(), range.parameters.end());
  const auto found =
      connection.query(fmt::format("SELECT n FROM ({}) AS changed WHERE {}",
                                   join(std::vector(keys.size(), row), " UNION ALL "), range.where),
                       parameters);
  std::vector<std::size_t> numbers;
  numbers.reserve(found.size());
  for (const auto& each : found) {
    numbers.push_back(
        static_cast<std::size_t>(parse_integer(each.front().value_or("")).value_or(0)));
  }
  return numbers;
}

}  // namespace

Past::Past(const ChangeLayout& layout, BinlogStream& stream, const BinlogPosition& until,
           const std::stop_token& stop)
    : layout_(layout) {
  while (!stream.position().has_reached(until)) {
    if (const auto to = stream.find_end(kChangesAtOnce)) {
      for (const auto& event : stream.take(*to)) {
        note(*event);
      }
    } else {
      stream.wait(stop, std::chrono::steady_clock::now() + std::chrono::seconds(1));
    }
    if (stop.stop_requested()) {
      throw Stopped();
    }
  }
}

void Past::note(const RowsEvent& event) {
  const auto table = with_forms(*event.table, layout_.forms);
  const KeyOfImages key(layout_, table);
  ImageReader images(table);
  std::span<const unsigned char> left(event.images);
  const auto next = [&](std::span<const unsigned char> present, bool was_there) {
    ByteReader bytes(left);
    auto of = key.of(images.read(bytes, present));
    const auto image = left.first(left.size() - bytes.left());
    left = left.subspan(image.size());
    Before before;
    if (was_there) {
      before = {
          .table = event.table, .image = {image.begin(), image.end()}, .present = event.present};
    }
    first_.try_emplace(std::move(of), std::move(before));
  };
  while (!left.empty()) {
    next(event.present, event.kind != ChangeKind::insert);
    if (event.kind == ChangeKind::update) {
      next(event.present_after, false);
    }
  }
}

bool Past::is_changed(std::span<const MYSQL_FIELD> fields, std::span<const Cell> cells) const {
  return first_.contains(key_of(fields, cells));
}

std::vector<std::shared_ptr<const RowsEvent>> Past::rows(Connection& connection,
                                                         const KeyColumns& key, const Key& from,
                                                         const Key& to,
                                                         std::int64_t time_us) const {
  std::vector<const Key*> keys;
  std::vector<const Before*> rows;
  for (const auto& [of, before] : first_) {
    if (before.table) {
      keys.push_back(&of);
      rows.push_back(&before);
    }
  }
  std::vector<std::shared_ptr<const RowsEvent>> events;
  std::shared_ptr<RowsEvent> event;
  const auto range = key.range(from, to);
  for (std::size_t at = 0; at < keys.size(); at += kPerStatement) {
    const auto part = std::span(keys).subspan(at, std::min(kPerStatement, keys.size() - at));
    for (const auto i : in_range(connection, layout_.plan.name, key, range, part)) {
      const auto& before = *rows[at + i];
      if (!event || event->table != before.table || event->present != before.present) {
        event = std::make_shared<RowsEvent>();
        event->table = before.table;
        event->kind = ChangeKind::restored;
        event->present = before.present;
        event->time_us = time_us;
        events.push_back(event);
      }
      event->images.insert(event->images.end(), before.image.begin(), before.image.end());
      event->changes++;
    }
  }
  return events;
}

}  // namespace millrace::mysql
