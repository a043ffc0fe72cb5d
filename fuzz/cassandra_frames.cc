#include <memory>
#include <string>
#include <vector>

#include "connectors/cassandra/from_cql.h"
#include "connectors/cassandra/protocol/frame.h"
#include "connectors/cassandra/protocol/messages.h"
#include "connectors/cassandra/protocol/row_cells.h"
#include "formats/memory_columns.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using namespace millrace::cassandra;

/// A row of all cells, each in the column that it would come into.
void decode(const Rows& rows, std::string_view body) {
  constexpr std::size_t kRowsMax = 100;
  std::vector<FromCql> converters;
  std::vector<std::unique_ptr<formats::MemoryColumn>> columns;
  for (const ColumnSpec& column : rows.columns) {
    const std::string sql = sql_type_for(column.type);
    const Type type = parse_type(sql);
    auto converter = FromCql::make(column.type, type);
    if (type.id == Type::Id::other || !converter) {
      return;  // names of fields that SQL does not take, or types that are nested too deep
    }
    converters.push_back(*std::move(converter));
    columns.push_back(std::make_unique<formats::MemoryColumn>(type, 1));
  }
  RowCells cells(rows, body);
  for (std::size_t row = 0; row < kRowsMax && cells.next(); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      columns[i]->clear();
      (void)converters[i].read(cells.all()[i], *columns[i], 0);
    }
  }
}

void read_body(Opcode opcode, int version, std::string_view body) {
  if (opcode == Opcode::error) {
    (void)read_error(body).text();
  } else if (opcode == Opcode::supported) {
    (void)read_supported(body);
  } else if (opcode == Opcode::prepare) {
    (void)read_prepared(version, body, "");
  } else if (const auto rows = read_rows(body)) {
    decode(*rows, body);
  }
}

}  // namespace

void cassandra_frames(std::string_view input) {
  const unsigned how = take_byte(input);
  const int version = (how & 1) != 0 ? 5 : 4;
  try {
    if ((how & 8) != 0) {
      read_body(static_cast<Opcode>(how >> 4), version, input);
      return;
    }
    FrameReader reader;
    reader.set({.version = version, .segments = (how & 2) != 0, .lz4 = (how & 4) != 0});
    const auto half = input.size() / 2;
    for (const auto piece : {input.substr(0, half), input.substr(half)}) {
      reader.add(piece);
      while (const auto envelope = reader.next()) {
        read_body(envelope->opcode, version, envelope->body);
      }
    }
  } catch (const BadFrame&) {
    // It is what becomes of all that is no answer.
  }
}

}  // namespace millrace::fuzz
