#include "connectors/mysql/binlog_table.h"

#include "base/error.h"
#include "base/strings.h"

namespace millrace::mysql {

namespace {

/// Kinds of optional metadata.
enum Metadata : std::uint8_t {
  kSignedness = 1,
  kDefaultCharset = 2,
  kColumnCharset = 3,
  kColumnName = 4,
  kSetWords = 5,
  kEnumWords = 6,
};

bool is_numeric(enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_NEWDECIMAL:
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
      return true;
    default:
      return false;
  }
}

bool is_text(enum_field_types type) {
  return type == MYSQL_TYPE_STRING || type == MYSQL_TYPE_VAR_STRING || type == MYSQL_TYPE_VARCHAR ||
         type == MYSQL_TYPE_BLOB;
}

void read_type(ByteReader& meta, BinlogColumn& column) {
  switch (column.type) {
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_GEOMETRY:
    case MYSQL_TYPE_JSON:
    case MYSQL_TYPE_TIMESTAMP2:
    case MYSQL_TYPE_DATETIME2:
    case MYSQL_TYPE_TIME2:
      column.meta = static_cast<unsigned>(meta.number(1));
      return;
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_BIT:
      column.meta = static_cast<unsigned>(meta.number(2));
      return;
    case MYSQL_TYPE_NEWDECIMAL: {  // digits, and those behind the point
      const auto precision = static_cast<unsigned>(meta.number(1));
      column.meta = precision << 8U | static_cast<unsigned>(meta.number(1));
      return;
    }
    case MYSQL_TYPE_STRING: {
      // The first byte is the real type; two of its bits are used, flipped, by lengths over 255.
      const auto first = static_cast<unsigned>(meta.number(1));
      const auto second = static_cast<unsigned>(meta.number(1));
      const auto real = static_cast<enum_field_types>(first | 0x30U);
      const bool is_listed = first == MYSQL_TYPE_ENUM || first == MYSQL_TYPE_SET;
      column.type = is_listed ? static_cast<enum_field_types>(first) : real;
      column.meta = is_listed ? second : second | ((first & 0x30U) ^ 0x30U) << 4U;
      return;
    }
    default:
      return;
  }
}

/// Sets something of each column that has it, from one bit each, the highest first.
void read_signedness(ByteReader& data, BinlogTable& table) {
  std::size_t bit = 0;
  std::uint64_t byte = 0;
  for (auto& column : table.columns) {
    if (!is_numeric(column.type)) {
      continue;
    }
    if (bit % 8 == 0) {
      byte = data.number(1);
    }
    column.is_unsigned = (byte >> (7 - bit++ % 8) & 1U) != 0;
  }
}

/// One character set for all texts, and others for some of them, by their place among the texts.
void read_default_charset(ByteReader& data, BinlogTable& table) {
  const auto charset = static_cast<unsigned>(data.length());
  std::vector<BinlogColumn*> texts;
  for (auto& column : table.columns) {
    if (is_text(column.type)) {
      column.charset = charset;
      texts.push_back(&column);
    }
  }
  while (data.left() > 0) {
    const auto place = data.length();
    const auto other = static_cast<unsigned>(data.length());
    if (place < texts.size()) {
      texts[place]->charset = other;
    }
  }
}

void read_words(ByteReader& data, BinlogTable& table, enum_field_types type) {
  for (auto& column : table.columns) {
    if (column.type != type) {
      continue;
    }
    for (auto count = data.length(); count > 0; --count) {
      column.words.push_back(data.text(data.length()));
    }
  }
}

void read_metadata(std::uint64_t kind, ByteReader& data, BinlogTable& table) {
  switch (kind) {
    case kSignedness:
      read_signedness(data, table);
      return;
    case kDefaultCharset:
      read_default_charset(data, table);
      return;
    case kColumnCharset:
      for (auto& column : table.columns) {
        if (is_text(column.type)) {
          column.charset = static_cast<unsigned>(data.length());
        }
      }
      return;
    case kColumnName:
      for (auto& column : table.columns) {
        column.name = data.text(data.length());
        if (find_invalid_utf8(column.name)) {
          throw Error(Blame::external, "the binlog has a column whose name is no UTF-8",
                      Retry::yes);
        }
      }
      table.has_names = true;
      return;
    case kSetWords:
      read_words(data, table, MYSQL_TYPE_SET);
      return;
    case kEnumWords:
      read_words(data, table, MYSQL_TYPE_ENUM);
      return;
    default:
      return;
  }
}

}  // namespace

std::span<const unsigned char> ByteReader::take(std::size_t count) {
  if (count > bytes_.size()) {
    throw Error(Blame::external, "the server sent an event of the binlog that is cut off",
                Retry::yes);
  }
  const auto taken = bytes_.first(count);
  bytes_ = bytes_.subspan(count);
  return taken;
}

std::uint64_t ByteReader::number(std::size_t bytes) {
  if (bytes > sizeof(std::uint64_t)) {
    throw Error(Blame::external, "the server sent an event of the binlog that is damaged",
                Retry::yes);
  }
  std::uint64_t number = 0;
  const auto taken = take(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    number |= std::uint64_t{taken[i]} << (8 * i);
  }
  return number;
}

std::uint64_t ByteReader::length() {
  const auto first = number(1);
  return first < 251 ? first : number(first == 252 ? 2 : first == 253 ? 3 : 8);
}

std::string ByteReader::text(std::size_t bytes) {
  const auto taken = take(bytes);
  return {taken.begin(), taken.end()};
}

BinlogTable read_table_map(std::span<const unsigned char> body) {
  ByteReader bytes(body);
  BinlogTable table;
  table.database = bytes.text(bytes.number(1));
  bytes.take(1);
  table.name = bytes.text(bytes.number(1));
  bytes.take(1);
  const auto types = bytes.take(bytes.length());
  ByteReader meta(bytes.take(bytes.length()));
  for (const auto type : types) {
    auto& column = table.columns.emplace_back();
    column.type = static_cast<enum_field_types>(type);
    read_type(meta, column);
  }
  bytes.take((types.size() + 7) / 8);  // which may be NULL
  while (bytes.left() > 0) {
    const auto kind = bytes.number(1);
    ByteReader data(bytes.take(bytes.length()));
    read_metadata(kind, data, table);
  }
  return table;
}

}  // namespace millrace::mysql
