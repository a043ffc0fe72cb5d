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

/// What rows are known by, in images of a table.
class KeyOfImages {
 public:
  KeyOfImages(const std::string& of, const std::vector<std::string>& columns,
              const BinlogTable& table) {
    for (const auto& name : columns) {
      const auto found = std::ranges::find_if(table.columns, [&](const auto& column) {
        return equal_ignoring_case(column.name, name);
      });
      if (found == table.columns.end()) {
        throw Error(Blame::user,
                    fmt::format("{} was altered while its snapshot was read: it had no "
                                "column {}; begin with a new one: remove the checkpoint",
                                of, name));
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
    : layout_(layout), known_by_(has_key() ? layout.key : layout.all) {
  // Without a key a change that the rows do not have yet would count: one at a time.
  const auto at_once = has_key() ? kChangesAtOnce : 1;
  while (!stream.position().has_reached(until)) {
    if (const auto to = stream.find_end(at_once)) {
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
  if (!has_key()) {
    std::erase_if(changed_, [](const auto& row) { return row.second.more == 0; });
  }
}

void Past::note(const RowsEvent& event) {
  const auto table = with_forms(*event.table, layout_.forms);
  const KeyOfImages key(layout_.plan.name, known_by_, table);
  ImageReader images(table);
  std::span<const unsigned char> left(event.images);
  const auto next = [&](std::span<const unsigned char> present, bool was_there) {
    ByteReader bytes(left);
    auto of = key.of(images.read(bytes, present));
    const auto image = left.first(left.size() - bytes.left());
    left = left.subspan(image.size());
    note_one(std::move(of), was_there, event, image);
  };
  while (!left.empty()) {
    next(event.present, event.kind != ChangeKind::insert);
    if (event.kind == ChangeKind::update) {
      next(event.present_after, false);
    }
  }
}

void Past::note_one(Key key, bool was_there, const RowsEvent& event,
                    std::span<const unsigned char> image) {
  const auto [found, is_new] = changed_.try_emplace(std::move(key));
  auto& row = found->second;
  if (was_there && !row.table) {
    row.table = event.table;
    row.image.assign(image.begin(), image.end());
    row.present = event.present;
  }
  if (!has_key()) {
    row.more += was_there ? 1 : -1;
  } else if (is_new) {
    row.more = was_there ? 1 : 0;
  }
}

LeftOut Past::left_out(std::shared_ptr<const Past> past) {
  auto columns = past->known_by_;
  if (past->has_key()) {
    return {.key = std::move(columns),
            .contains = [past = std::move(past)](auto fields, auto cells) {
              return past->changed_.contains(key_of(fields, cells));
            }};
  }
  auto fewer = std::make_shared<std::map<Key, std::int64_t>>();
  for (const auto& [key, row] : past->changed_) {
    if (row.more < 0) {
      fewer->emplace(key, -row.more);
    }
  }
  return {.key = std::move(columns), .contains = [fewer](auto fields, auto cells) {
            const auto found = fewer->find(key_of(fields, cells));
            return found != fewer->end() && found->second-- > 0;
          }};
}

Past::Events Past::rows(Connection& connection, const KeyColumns& key, const Key& from,
                        const Key& to, std::int64_t time_us) const {
  std::vector<const Key*> keys;
  std::vector<const Row*> rows;
  for (const auto& [of, row] : changed_) {
    if (row.more > 0) {
      keys.push_back(&of);
      rows.push_back(&row);
    }
  }
  if (has_key()) {
    std::vector<const Row*> there;
    const auto range = key.range(from, to);
    for (std::size_t at = 0; at < keys.size(); at += kPerStatement) {
      const auto part = std::span(keys).subspan(at, std::min(kPerStatement, keys.size() - at));
      for (const auto i : in_range(connection, layout_.plan.name, key, range, part)) {
        there.push_back(rows[at + i]);
      }
    }
    rows = std::move(there);
  }
  Events events;
  std::shared_ptr<RowsEvent> event;
  for (const auto* row : rows) {
    if (!event || event->table != row->table || event->present != row->present) {
      event = std::make_shared<RowsEvent>();
      event->table = row->table;
      event->kind = ChangeKind::restored;
      event->present = row->present;
      event->time_us = time_us;
      events.push_back(event);
    }
    for (std::int64_t i = 0; i < row->more; ++i) {
      event->images.insert(event->images.end(), row->image.begin(), row->image.end());
      event->changes++;
    }
  }
  return events;
}

}  // namespace millrace::mysql
