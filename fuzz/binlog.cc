#include <span>

#include "base/error.h"
#include "connectors/mysql/binlog_compression.h"
#include "connectors/mysql/binlog_json.h"
#include "connectors/mysql/binlog_statement.h"
#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/binlog_values.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using namespace millrace::mysql;
using Bytes = std::span<const unsigned char>;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

/// A table's description behind a byte with its length, then rows of all its columns.
void read_rows(std::string_view input) {
  constexpr int kRowsMax = 100;
  const auto size = take_byte(input);
  const auto table = read_table_map(bytes_of(input.substr(0, size)));
  ByteReader rows(bytes_of(input.substr(std::min<std::size_t>(size, input.size()))));
  const std::vector<unsigned char> present((table.columns.size() + 7) / 8, 0xFF);
  ImageReader images(table);
  for (int row = 0; row < kRowsMax && rows.left() > 0; ++row) {
    const auto before = rows.left();
    const auto cells = images.read(rows, present);
    for (std::size_t c = 0; c < cells.size(); ++c) {
      std::string text;
      if (cells[c].data != nullptr) {
        write_text(field_of(table.columns[c]), cells[c], text);
      }
    }
    if (rows.left() == before) {
      return;  // a table without columns
    }
  }
}

}  // namespace

void binlog(std::string_view input) {
  const auto what = take_byte(input);
  try {
    if (what == 0) {
      std::string text;
      write_json(bytes_of(input), text);
      expect(text.size() <= 64 + 32 * (input.size() + 1024), "a document that grows");
    } else if (what == 1) {
      read_rows(input);
    } else if (what == 2) {
      (void)inflate_event(bytes_of(input));
    } else if (what == 4) {
      (void)untold_loss(input, "shop", {.database = "shop", .table = "t"});
    } else {
      PayloadReader payload{ByteReader(bytes_of(input))};
      while (payload.next()) {
      }
    }
  } catch (const Error& error) {
    expect_text(error.what());
  }
}

}  // namespace millrace::fuzz
