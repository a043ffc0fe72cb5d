#include "formats/debezium/row_text.h"

#include "base/strings.h"
#include "formats/json/strings.h"

namespace millrace::debezium {

RowText::RowText(const Schema& columns, bool ignore_case) : has_(columns.size()) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& column = columns.columns[i];
    const Place place{.column = i, .type = parse_type(column.type).id};
    exact_.emplace(column.name, place);
    if (ignore_case) {
      lowered_.emplace(to_lower(column.name), place);
    }
  }
}

std::optional<Malformation> RowText::rewrite(std::string_view object, const Meanings& meanings) {
  text_ = "{";
  has_.assign(has_.size(), false);
  const auto broken = [&] { return Malformation{.column = "", .reason = cursor_.failure()}; };
  if (!cursor_.start(object) || !cursor_.expect('{')) {
    return broken();
  }
  if (!cursor_.take('}')) {
    do {
      if (auto wrong = rewrite_member(meanings)) {
        return wrong;
      }
    } while (cursor_.take(','));
    if (!cursor_.expect('}')) {
      return broken();
    }
  }
  text_ += '}';
  return cursor_.finish() ? std::nullopt : std::optional(broken());
}

std::optional<Malformation> RowText::rewrite_member(const Meanings& meanings) {
  std::string_view key;
  std::string_view value;
  if (!cursor_.key(key) || !cursor_.key_is_valid(key) || !cursor_.skip(value)) {
    return Malformation{.column = "", .reason = cursor_.failure()};
  }
  text_ += text_.size() > 1 ? ",\"" : "\"";
  text_ += key;
  text_ += "\":";
  if (json::has_escapes(key) && json::unescape(key, meant_)) {
    key = meant_;
  }
  const Place* place = find(key);
  const auto meaning = meanings.find(key);
  if (place != nullptr) {
    has_[place->column] = true;
  }
  if (place == nullptr || meaning == meanings.end()) {
    text_ += value;
    return std::nullopt;
  }
  const char* why = write_value(meaning->second, place->type, value, text_);
  return why == nullptr ? std::nullopt
                        : std::optional(Malformation{.column = std::string(key), .reason = why});
}

const RowText::Place* RowText::find(std::string_view key) {
  if (const auto found = exact_.find(key); found != exact_.end()) {
    return &found->second;
  }
  const auto found = lowered_.empty() ? lowered_.end() : lowered_.find(to_lower(key));
  return found == lowered_.end() ? nullptr : &found->second;
}

}  // namespace millrace::debezium
