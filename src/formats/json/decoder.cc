#include "formats/json/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/json/strings.h"

namespace millrace::json {
namespace {

using Id = Type::Id;

constexpr std::size_t kNone = NameTable::kNone;

bool is_seen(const PlanNode& node, std::size_t part) {
  return ((node.seen[part / 64] >> (part % 64)) & 1U) != 0;
}

void set_seen(PlanNode& node, std::size_t part) {
  node.seen[part / 64] |= std::uint64_t{1} << (part % 64);
}

/// Marks a STRUCT whose other keys have a place in the object that is rescued, and those in it.
void mark_rescuing(PlanNode& node) {
  node.rescues = true;
  for (PlanNode& part : node.parts) {
    if (part.id == Id::structure) {
      mark_rescuing(part);
    }
  }
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// False: no name of a part is as long.
bool may_be_name(const PlanNode& node, std::string_view key) {
  return ((node.lengths >> std::min<std::size_t>(key.size(), 63)) & 1U) != 0;
}

/// The beginning of a value, for a message.
std::string shown(std::string_view text) {
  constexpr std::size_t kShownBytes = 60;
  return excerpt(text, kShownBytes);
}

}  // namespace

Decoder::Decoder(const Schema& schema, const DecoderOptions& options)
    : options_(options),
      rules_{.timestamp_unit = options.timestamp_unit,
             .numbers_in_strings = options.numbers_in_strings,
             .strict = options.strict},
      plan_(make_plan(schema)) {
  if (options.rescue_column.empty()) {
    return;
  }
  const int column = schema.find(options.rescue_column);
  if (column < 0 || plan_.parts[static_cast<std::size_t>(column)].id != Id::varchar) {
    throw Error(Blame::user, fmt::format("rescue_column: there is no column {} of type VARCHAR",
                                         options.rescue_column));
  }
  rescue_part_ = static_cast<std::size_t>(column);
  plan_.parts[rescue_part_].raw_name = "\"";  // no key is the column itself
  mark_rescuing(plan_);
}

void Decoder::begin(std::span<ColumnWriter* const> columns) { bind(plan_, columns); }

std::optional<Malformation> Decoder::decode(std::string_view record, std::size_t row) {
  candidates_.clear();
  elements_ = 0;
  rescued_.clear();
  reason_.clear();
  path_.clear();
  if (!cursor_.start(record)) {
    return malformation();
  }
  if (cursor_.peek() != '{') {
    reason_ = cursor_.skip() ? "the record is not a JSON object" : "";
    return malformation();
  }
  cursor_.step();
  if (!read_members(plan_, row) || !cursor_.finish()) {
    return refused_ ? schema_change(record) : malformation();
  }
  fill_rescue_column(row);
  return std::nullopt;
}

bool Decoder::read(PlanNode& node, std::size_t row) {
  if (cursor_.peek() == 'n') {
    if (cursor_.here() != "null") {
      return cursor_.unexpected();
    }
    cursor_.step();
    node.writer->set_null(row);
    return true;
  }
  switch (node.id) {
    case Id::varchar:
      return read_text(node, row);
    case Id::structure:
      return read_struct(node, row);
    case Id::list:
      return read_list(node, row);
    case Id::map:
      return read_map(node, row);
    default:
      return read_scalar(node, row);
  }
}

bool Decoder::read_text(PlanNode& node, std::size_t row) {
  if (cursor_.peek() != '"') {
    if (options_.strict) {
      return mismatch(node, Fault::form);
    }
    std::string_view text;
    if (!cursor_.skip(text)) {
      return false;
    }
    node.writer->set_string(row, text);
    return true;
  }
  std::string_view text;
  if (!read_string(text)) {
    return false;
  }
  node.writer->set_string(row, text);
  cursor_.step();
  return true;
}

/// What the string under the cursor means; valid until the next string or key is read.
bool Decoder::read_string(std::string_view& meant) {
  meant = Cursor::inside(cursor_.here());
  if (has_escapes(meant)) {
    if (!unescape(meant, meaning_)) {
      return cursor_.fail("an escape that is none");
    }
    meant = meaning_;
  }
  return true;
}

/// The same for the key that the cursor has just stepped over.
bool Decoder::read_key(std::string_view key, std::string_view& meant) {
  meant = key;
  if (has_escapes(key)) {
    if (!unescape(key, meaning_)) {
      return cursor_.wrong_key();
    }
    meant = meaning_;
  }
  return true;
}

bool Decoder::read_scalar(PlanNode& node, std::size_t row) {
  Fault fault = Fault::form;
  switch (cursor_.peek()) {
    case '"': {
      std::string_view text;
      if (!read_string(text)) {
        return false;
      }
      fault = put_string(node, row, text, rules_, scratch_);
      break;
    }
    case 't':
    case 'f': {
      const std::string_view text = cursor_.here();
      if (text != "true" && text != "false") {
        return cursor_.unexpected();
      }
      fault = put_boolean(node, row, text == "true");
      break;
    }
    case '\0':
      return cursor_.unexpected();
    default:
      fault = put_number(node, row, cursor_.here(), rules_);
      break;
  }
  if (fault != Fault::none) {
    return mismatch(node, fault);
  }
  cursor_.step();
  return true;
}

bool Decoder::read_struct(PlanNode& node, std::size_t row) {
  if (!cursor_.take('{')) {
    return mismatch(node, Fault::form);
  }
  const std::size_t rescued = rescued_.size();
  if (!read_members(node, row)) {
    return false;
  }
  if (rescued_.size() > rescued) {
    rescue_within(node, rescued);
  }
  return true;
}

// The cursor is behind the opening brace.
bool Decoder::read_members(PlanNode& node, std::size_t row) {
  std::fill(node.seen.begin(), node.seen.end(), 0);
  const std::size_t first_candidate = candidates_.size();
  if (!cursor_.take('}')) {
    std::size_t* expected = &node.first;
    do {
      if (!read_member(node, row, expected)) {
        return false;
      }
    } while (cursor_.take(','));
    if (!cursor_.expect('}')) {
      return false;
    }
  }
  if (candidates_.size() > first_candidate && !read_candidates(node, row, first_candidate)) {
    return false;
  }
  fill_missing(node, row);
  return true;
}

// Keys mostly come in the order of the last record, so a comparison finds the part.
bool Decoder::read_member(PlanNode& node, std::size_t row, std::size_t*& expected) {
  std::string_view key;
  if (!cursor_.key(key)) {
    return false;
  }
  if (*expected < node.parts.size() && is_same_text(node.parts[*expected].raw_name, key)) {
    const std::size_t part = *expected;
    expected = &node.parts[part].next;
    return read_exact(node, part, row);
  }
  std::string_view meant;
  if (!read_key(key, meant)) {
    return false;
  }
  if (may_be_name(node, meant)) {
    const std::size_t part = node.exact.find(meant);
    if (part != kNone && (part != rescue_part_ || &node != &plan_)) {
      *expected = part;
      expected = &node.parts[part].next;
      return read_exact(node, part, row);
    }
  }
  return read_unknown(node, key, meant);
}

bool Decoder::read_exact(PlanNode& node, std::size_t part, std::size_t row) {
  const PlanNode& to = node.parts[part];
  if (is_seen(node, part) || (to.writer == nullptr && !rescues_from(to))) {
    set_seen(node, part);
    return cursor_.skip();
  }
  set_seen(node, part);
  return read_part(node, part, row);
}

bool Decoder::read_part(PlanNode& node, std::size_t part, std::size_t row) {
  return read(node.parts[part], row) || blame(node.parts[part].name);
}

/// A key that is none of the names, but perhaps one in other case.
bool Decoder::read_unknown(PlanNode& node, std::string_view key, std::string_view meant) {
  if (options_.ignore_case && may_be_name(node, meant)) {
    lowered_.assign(meant);
    std::transform(lowered_.begin(), lowered_.end(), lowered_.begin(), lower);
    const std::size_t part = node.lowered.find(lowered_);
    if (part != kNone && (part != rescue_part_ || &node != &plan_)) {
      candidates_.push_back({.part = part, .value = cursor_.place(), .key = key});
      return cursor_.skip();
    }
  }
  if (options_.refuse_unknown) {
    return refuse(key, meant);
  }
  return node.rescues ? rescue(key) : cursor_.skip();
}

bool Decoder::read_candidates(PlanNode& node, std::size_t row, std::size_t first) {
  const std::size_t end = candidates_.size();
  for (std::size_t i = first; i < end; ++i) {
    node.parts[candidates_[i].part].taken = {};
  }
  const auto behind = cursor_.place();
  for (std::size_t i = first; i < end; ++i) {
    const Candidate candidate = candidates_[i];
    PlanNode& part = node.parts[candidate.part];
    if (part.taken.data() == nullptr && !is_seen(node, candidate.part)) {
      part.taken = candidate.key;
      cursor_.go_to(candidate.value);
      if (!read_exact(node, candidate.part, row)) {
        return false;
      }
    } else if (part.taken.data() != nullptr && part.taken != candidate.key) {
      return wrong(fmt::format(R"(keys "{}" and "{}" could both be it)", shown(part.taken),
                               shown(candidate.key))) ||
             blame(part.name);
    }
  }
  cursor_.go_to(behind);
  candidates_.resize(first);
  return true;
}

void Decoder::fill_missing(PlanNode& node, std::size_t row) {
  for (std::size_t part = 0; part < node.parts.size(); ++part) {
    if (!is_seen(node, part) && node.parts[part].writer != nullptr) {
      node.parts[part].writer->set_null(row);
    }
  }
}

bool Decoder::refuse(std::string_view key, std::string_view meant) {
  if (!cursor_.key_is_valid(key)) {
    return false;
  }
  refused_ = true;
  return wrong("the columns have no such field") || blame(meant);
}

/// Whether a value that nobody reads is to be looked through all the same.
bool Decoder::rescues_from(const PlanNode& node) const {
  return node.rescues && cursor_.peek() == '{' && plan_.parts[rescue_part_].writer != nullptr;
}

bool Decoder::rescue(std::string_view key) {
  std::string_view value;
  if (!cursor_.key_is_valid(key) || !cursor_.skip(value)) {
    return false;
  }
  if (plan_.parts[rescue_part_].writer != nullptr) {
    set_seen(plan_, rescue_part_);
    rescued_ += ",\"";
    rescued_ += key;
    rescued_ += "\":";
    rescued_ += value;
  }
  return true;
}

/// Puts what was rescued from a STRUCT, from place `begin` on, into an object under its name.
void Decoder::rescue_within(const PlanNode& node, std::size_t begin) {
  std::string key;
  write_string(node.name, key);
  rescued_.insert(begin + 1, key + ":{");
  rescued_ += '}';
}

void Decoder::fill_rescue_column(std::size_t row) {
  if (!rescued_.empty()) {
    rescued_.front() = '{';
    rescued_ += '}';
    plan_.parts[rescue_part_].writer->set_string(row, rescued_);
  }
}

bool Decoder::read_list(PlanNode& node, std::size_t row) {
  if (!cursor_.take('[')) {
    return mismatch(node, Fault::form);
  }
  node.writer->begin_list(row);
  if (cursor_.take(']')) {
    return true;
  }
  std::size_t index = 0;
  do {
    if (!count_element()) {
      return false;
    }
    if (!read(node.parts[0], node.writer->add_element(row))) {
      return blame(index);
    }
    ++index;
  } while (cursor_.take(','));
  return cursor_.expect(']');
}

bool Decoder::read_map(PlanNode& node, std::size_t row) {
  if (!cursor_.take('{')) {
    return mismatch(node, Fault::form);
  }
  node.writer->begin_list(row);
  node.keys.clear();
  if (cursor_.take('}')) {
    return true;
  }
  const std::size_t first = node.writer->elements();
  do {
    if (!read_entry(node, row, first)) {
      return false;
    }
  } while (cursor_.take(','));
  return cursor_.expect('}');
}

bool Decoder::read_entry(PlanNode& node, std::size_t row, std::size_t first) {
  std::string_view key;
  if (!cursor_.key(key)) {
    return false;
  }
  std::string_view meant;
  if (!read_key(key, meant)) {
    return false;
  }
  ColumnWriter& keys = *node.parts[0].writer;
  if (!node.keys.add(meant, keys.values<StringRef>(), first)) {
    return cursor_.skip();
  }
  if (!count_element()) {
    return false;
  }
  const std::size_t element = node.writer->add_element(row);
  keys.set_string(element, meant);
  return read(node.parts[1], element) || blame(key);
}

bool Decoder::count_element() {
  return ++elements_ <= options_.max_elements ||
         wrong(fmt::format("lists and maps of more than {} elements", options_.max_elements));
}

/// Fails because of the value that the cursor stands on, unless that isn't even JSON.
bool Decoder::mismatch(const PlanNode& node, Fault fault) {
  std::string_view text;
  if (!cursor_.skip(text)) {
    return false;
  }
  switch (fault) {
    case Fault::range:
      return wrong(fmt::format("`{}` is out of range for {}", shown(text), node.type));
    case Fault::fraction:
      return wrong(
          fmt::format("`{}` has more digits behind the point than {}", shown(text), node.type));
    default:
      return wrong(fmt::format("`{}` is no {}", shown(text), node.type));
  }
}

bool Decoder::wrong(std::string reason) {
  reason_ = std::move(reason);
  return false;
}

bool Decoder::blame(std::string_view name) {
  if (!reason_.empty()) {
    path_.insert(0, fmt::format(".{}", shown(name)));
  }
  return false;
}

bool Decoder::blame(std::size_t index) {
  if (!reason_.empty()) {
    path_.insert(0, fmt::format("[{}]", index));
  }
  return false;
}

/// Only a whole record can tell of a new schema: one that is cut off or damaged is malformed.
Malformation Decoder::schema_change(std::string_view record) {
  refused_ = false;
  if (!cursor_.start(record) || !cursor_.skip() || !cursor_.finish()) {
    reason_.clear();
    return malformation();
  }
  auto change = malformation();
  change.is_schema_change = true;
  return change;
}

Malformation Decoder::malformation() {
  if (reason_.empty()) {
    return {.column = "", .reason = cursor_.failure()};
  }
  return {.column = path_.empty() ? path_ : path_.substr(1), .reason = reason_};
}

}  // namespace millrace::json
