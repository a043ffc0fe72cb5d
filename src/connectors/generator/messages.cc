#include "connectors/generator/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace millrace {

namespace {

using MessageFlaw = Message::Flaw;

// How far back a duplicate's original may lie, in messages.
constexpr std::uint64_t kRecent = 1'000;
// What is drawn of a message beside its content has a seed of its own.
constexpr std::uint64_t kFlawSeed = 0x5EED'0F'F1A3ULL;

}  // namespace

const MessageKind* find_message_kind(std::string_view name) {
  const auto kinds = message_kinds();
  const auto found = std::ranges::find(kinds, name, &MessageKind::name);
  return found == kinds.end() ? nullptr : &*found;
}

MessageStream::MessageStream(const MessageKind& kind, formats::Kind format,
                             const MessageOptions& options)
    : kind_(kind), options_(options), row_(kind.columns) {
  if (format == formats::Kind::avro && kind.avro.empty()) {
    throw Error(Blame::user,
                fmt::format("{} are made as JSON only; leave out `--format avro`", kind.name));
  }
  if (kind.fill != nullptr) {
    const formats::EncodingOptions encoding{.kind = format};
    const auto schema = format == formats::Kind::avro
                            ? formats::writer_schema(encoding, kind.columns, kind.avro)
                            : nullptr;
    encoder_ = formats::make_encoder(encoding, kind.columns, schema, std::nullopt);
  }
}

MessageFlaw MessageStream::drawn_flaw(std::uint64_t number) const {
  const double share = RowRandom(options_.seed ^ kFlawSeed, number).share();
  if (share <= options_.invalid) {
    return MessageFlaw::malformed;
  }
  if (share <= options_.invalid + options_.late) {
    return MessageFlaw::late;
  }
  return share <= options_.invalid + options_.late + options_.duplicates ? MessageFlaw::duplicate
                                                                         : MessageFlaw::none;
}

/// The message that a duplicate repeats: one without a flaw; the number itself if there is none.
std::uint64_t MessageStream::original_of(std::uint64_t number) const {
  const auto reach = std::min(number, kRecent);
  if (reach == 0) {
    return number;
  }
  RowRandom random(options_.seed ^ ~kFlawSeed, number);
  const auto first = number - 1 - random.below(reach);
  for (auto each = first; number - each <= kRecent; --each) {
    if (drawn_flaw(each) == MessageFlaw::none) {
      return each;
    }
    if (each == 0) {
      break;
    }
  }
  return number;
}

void MessageStream::make(std::uint64_t number, Message& into) {
  into.key.clear();
  into.value.clear();
  into.flaw = drawn_flaw(number);
  RowRandom random(options_.seed + kFlawSeed, number);
  std::int64_t late_ms = 0;
  auto source = number;
  if (into.flaw == MessageFlaw::late) {
    const auto minutes = static_cast<double>(options_.late_by.count()) * (1 + random.share());
    late_ms = std::llround(minutes * 60'000);
  } else if (into.flaw == MessageFlaw::duplicate) {
    source = original_of(number);
    into.flaw = source == number ? MessageFlaw::none : MessageFlaw::duplicate;
  }
  write(source, late_ms, into);
  if (into.flaw == MessageFlaw::malformed && into.value.size() > 1) {
    into.value.resize(1 + random.below(into.value.size() - 1));
  }
}

void MessageStream::write(std::uint64_t number, std::int64_t late_ms, Message& into) {
  RowRandom random(options_.seed, number);
  const auto since = static_cast<double>(number) * 1000 / options_.per_second;
  const Making making{random, number, options_.start_ms + std::llround(since) - late_ms};
  if (encoder_ == nullptr) {
    kind_.write(making, into.value, into.key);
    return;
  }
  row_.clear();
  row_.add();
  kind_.fill(making, row_, into.key);
  if (const auto why = encoder_->encode(row_.chunk(), 0, into.value)) {
    throw Error(Blame::internal,
                fmt::format("column {} of made-up {}: {}", why->column, kind_.name, why->reason));
  }
}

}  // namespace millrace
