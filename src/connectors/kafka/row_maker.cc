#include "connectors/kafka/row_maker.h"

#include <fmt/format.h>

#include <span>

#include "base/error.h"
#include "base/utf8.h"
#include "core/times.h"
#include "formats/schema_change.h"

namespace millrace::kafka {

namespace {

/// NULL for a key or value that the message does not have; an empty one is something else.
void set_bytes(ColumnWriter& to, std::size_t row, const std::optional<std::string_view>& bytes) {
  if (bytes) {
    to.set_string(row, *bytes);
  } else {
    to.set_null(row);
  }
}

/// False: SQL has no such moment.
bool millis_to_micros(std::int64_t millis, std::int64_t& to) {
  return !__builtin_mul_overflow(millis, 1000, &to) && to >= kMicrosMin && to <= kMicrosMax;
}

/// NULLs for a key or value that is not there.
std::optional<Malformation> decode_or_null(RecordDecoder& decoder,
                                           const std::optional<std::string_view>& bytes,
                                           std::span<ColumnWriter* const> columns,
                                           std::size_t row) {
  if (bytes) {
    return decoder.decode(*bytes, row);
  }
  set_null(columns, row);
  return std::nullopt;
}

}  // namespace

Column column_of(Metadata what, std::string name) {
  const auto make = [&](const char* type) {
    return Column{std::move(name), type, physical_of(type)};
  };
  switch (what) {
    case Metadata::key:
    case Metadata::value:
      return make("BLOB");
    case Metadata::topic:
    case Metadata::reason:
    case Metadata::op:
    case Metadata::source:
      return make("VARCHAR");
    case Metadata::partition:
      return make("INTEGER");
    case Metadata::offset:
      return make("BIGINT");
    case Metadata::timestamp:
    case Metadata::change_time:
      return make("TIMESTAMP WITH TIME ZONE");
    case Metadata::headers:
      break;
  }
  return make(R"(STRUCT("key" VARCHAR, "value" BLOB)[])");
}

void RowMaker::begin(ChunkWriter& to) {
  columns_.begin(to, layout_.schema.size());
  const auto begin_decoder = [](const auto& make, auto& decoder,
                                std::span<ColumnWriter* const> columns) {
    if (make && decoder == nullptr) {
      decoder = make();
    }
    if (decoder != nullptr) {
      decoder->begin(columns);
    }
  };
  begin_decoder(layout_.decoder, decoder_, value_columns());
  begin_decoder(layout_.key_decoder, key_decoder_, key_columns());
  begin_decoder(layout_.change_decoder, change_decoder_, value_columns());
}

std::span<ColumnWriter* const> RowMaker::value_columns() const {
  return columns_.all().first(layout_.decoded);
}

std::span<ColumnWriter* const> RowMaker::key_columns() const {
  return columns_.all().subspan(layout_.first_keyed(), layout_.keyed);
}

bool RowMaker::add(const Record& record, std::size_t row) {
  columns_.mark();
  reason_.reset();
  if (const auto why = decode(record, row)) {
    columns_.forget(row);
    change_.reset();
    if (!refuse(record, row, *why)) {
      return false;
    }
  } else if (is_no_row()) {
    return false;
  }
  add_metadata(record, row);
  return true;
}

std::optional<Malformation> RowMaker::decode(const Record& record, std::size_t row) {
  if (layout_.has_corrupt && columns_[layout_.decoded] != nullptr) {
    columns_[layout_.decoded]->set_null(row);
  }
  if (auto why = decode_value(record, row)) {
    return why;
  }
  if (key_decoder_ != nullptr && !is_no_row()) {
    if (auto why = decode_or_null(*key_decoder_, record.key, key_columns(), row)) {
      why->reason.insert(0, "the key: ");
      return why;
    }
  }
  return std::nullopt;
}

std::optional<Malformation> RowMaker::decode_value(const Record& record, std::size_t row) {
  if (change_decoder_ != nullptr) {
    return change_decoder_->decode({.key = record.key, .value = record.value}, row, change_);
  }
  // A message without a value is a tombstone.
  return decoder_ == nullptr ? std::nullopt
                             : decode_or_null(*decoder_, record.value, value_columns(), row);
}

void RowMaker::add_metadata(const Record& record, std::size_t row) {
  for (std::size_t i = 0; i < layout_.metadata.size(); ++i) {
    ColumnWriter* to = columns_[layout_.first_metadata() + i];
    if (to == nullptr) {
      continue;
    }
    switch (const auto what = layout_.metadata[i]) {
      case Metadata::key:
        set_bytes(*to, row, record.key);
        break;
      case Metadata::value:
        set_bytes(*to, row, record.value);
        break;
      case Metadata::topic:
        to->set_string(row, record.topic);
        break;
      case Metadata::partition:
        to->values<std::int32_t>()[row] = record.partition;
        break;
      case Metadata::offset:
        to->values<std::int64_t>()[row] = record.offset;
        break;
      case Metadata::timestamp:
        if (record.timestamp_ms < 0) {
          to->set_null(row);
        } else {
          to->values<std::int64_t>()[row] = record.timestamp_ms * 1000;
        }
        break;
      case Metadata::headers:
        set_headers(*to, row, record);
        break;
      case Metadata::reason:
        set_bytes(*to, row, reason_);
        break;
      case Metadata::op:
      case Metadata::change_time:
      case Metadata::source:
        add_change(what, *to, row);
        break;
    }
  }
}

/// NULL for what the event does not tell, and for all of a malformed one.
void RowMaker::add_change(Metadata what, ColumnWriter& to, std::size_t row) const {
  if (change_ && what == Metadata::op) {
    to.set_string(row, {&change_->op, 1});
  } else if (change_ && what == Metadata::source && !change_->source.empty()) {
    to.set_string(row, change_->source);
  } else if (std::int64_t micros = 0; change_ && what == Metadata::change_time &&
                                      change_->time_ms &&
                                      millis_to_micros(*change_->time_ms, micros)) {
    to.values<std::int64_t>()[row] = micros;
  } else {
    to.set_null(row);
  }
}

/// STRUCT("key" VARCHAR, "value" BLOB)[]: a name may come several times.
void RowMaker::set_headers(ColumnWriter& to, std::size_t row, const Record& record) {
  to.begin_list(row);
  headers_.clear();
  record.headers(headers_);
  for (const auto& header : headers_) {
    const auto element = to.add_element(row);
    ColumnWriter& entry = *to.parts()[0];
    entry.parts()[0]->set_string(element, header.name);
    set_bytes(*entry.parts()[1], element, header.value);
  }
}

/// What is to be done with a malformed record. True: the row counts.
bool RowMaker::refuse(const Record& record, std::size_t row, const Malformation& why) {
  if (why.is_schema_change) {
    tell_change(record, why);
  }
  switch (layout_.on_malformed) {
    case OnMalformed::fail:
      throw Error(
          Blame::external,
          fmt::format("offset {} of {}/{} is malformed: {}{}{}; to put such messages aside, "
                      "set `on_malformed: quarantine`",
                      record.offset, record.topic, record.partition, why.column,
                      why.column.empty() ? "" : ": ", why.reason));
    case OnMalformed::drop:
      malformed_.drop(malformed_row(record, why));
      return false;
    case OnMalformed::quarantine:
      malformed_.add(malformed_row(record, why));
      return false;
    case OnMalformed::permissive:
      break;
  }
  malformed_.pass(malformed_row(record, why));
  reason_ =
      as_utf8(why.column.empty() ? why.reason : fmt::format("{}: {}", why.column, why.reason));
  set_null(columns_.all().first(layout_.first_metadata()), row);
  if (layout_.has_corrupt && record.value && columns_[layout_.decoded] != nullptr) {
    columns_[layout_.decoded]->forget(row);  // it is no NULL
    columns_[layout_.decoded]->set_string(row, *record.value);
  }
  return true;
}

void RowMaker::tell_change(const Record& record, const Malformation& why) const {
  throw formats::SchemaChange(
      fmt::format("offset {} of {}/{}", record.offset, record.topic, record.partition), why,
      layout_.to_have_new_fields);
}

MalformedRow RowMaker::malformed_row(const Record& record, const Malformation& why) {
  MalformedRow row;
  row.origin = fmt::format("{}/{}", record.topic, record.partition);
  row.line = record.offset;
  row.column = why.column;
  row.reason = why.reason;
  row.raw = record.value.value_or("");
  MalformedRow::Message of;
  of.topic = record.topic;
  of.partition = record.partition;
  of.offset = record.offset;
  of.timestamp_ms = record.timestamp_ms;
  of.key = record.key;
  headers_.clear();
  record.headers(headers_);
  for (const auto& header : headers_) {
    of.headers.emplace_back(header.name, header.value);
  }
  row.message = std::move(of);
  return row;
}

}  // namespace millrace::kafka
