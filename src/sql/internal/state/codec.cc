#include "sql/internal/state/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "base/fault.h"
#include "sql/internal/error.h"
#include "sql/internal/parallel.h"
#include "sql/internal/state/columns.h"
#include "sql/internal/state/row_codec.h"

namespace millrace::sql {

namespace {

using duckdb::idx_t;

constexpr std::uint32_t kMagic = 0x5453524d;  // "MRST"
constexpr std::uint32_t kFormat = 4;
constexpr std::int64_t kWorthSharing = 20'000;  // rows; fewer take less time than waking a thread

enum class Piece : std::uint8_t {
  header = 0,
  rows = 1,
  side = 2,
  closed = 3,
  session = 4,
  sessions_closed = 5
};

/// One piece being written; begin() starts the next one.
class PieceWriter {
 public:
  PieceWriter() : stream_(duckdb::Allocator::DefaultAllocator(), kRoom) {}
  explicit PieceWriter(Piece piece) : PieceWriter() { begin(piece); }

  void begin(Piece piece) {
    stream_.Rewind();
    stream_.Write(static_cast<std::uint8_t>(piece));
  }
  template <class T>
  void put(T value) {
    stream_.Write(value);
  }
  void put_text(std::string_view text) {
    stream_.Write(static_cast<std::uint32_t>(text.size()));
    stream_.WriteData(duckdb::const_data_ptr_cast(text.data()), text.size());
  }
  [[nodiscard]] duckdb::WriteStream& stream() noexcept { return stream_; }
  [[nodiscard]] std::string_view bytes() {
    return {reinterpret_cast<const char*>(stream_.GetData()), stream_.GetPosition()};
  }

 private:
  static constexpr idx_t kRoom = 128 * 1024;  // for most pieces, so that they are not moved again
  duckdb::MemoryStream stream_;
};

void check_header(duckdb::ReadStream& in, const std::string& schema) {
  if (in.Read<std::uint32_t>() != kMagic) {
    throw Error(Blame::external, "this is no state of millrace");
  }
  if (const auto format = in.Read<std::uint32_t>(); format != kFormat) {
    throw Error(Blame::user, fmt::format("the state was written in format {} by another version of "
                                         "millrace; this one reads format {}",
                                         format, kFormat));
  }
  std::string written(in.Read<std::uint32_t>(), '\0');
  in.ReadData(duckdb::data_ptr_cast(written.data()), written.size());
  if (written != schema) {
    throw Error(Blame::user,
                fmt::format("the state belongs to another version of this query or of DuckDB\n"
                            "    it was written for: {}\n    the query now needs: {}",
                            written, schema));
  }
}

/// A table of a state, to be written.
struct TableToWrite {
  std::uint32_t state;
  const StateTable* table;
};

void write_table(const TableToWrite& what, const RowCodec& codec, bool all, const PutBytes& put) {
  const auto& [state, table] = what;
  PieceWriter piece;
  table->visit(all, [&](const duckdb::data_ptr_t* rows, const Window* windows, idx_t count) {
    piece.begin(Piece::rows);
    piece.put(state);
    codec.write_rows(*table, rows, windows, count, piece.stream());
    put(piece.bytes());
  });
  for (std::uint32_t a = 0; a < table->spec().aggregates.size(); ++a) {
    const SideTable* side = table->side(a);
    if (side == nullptr) {
      continue;
    }
    side->visit(all, [&, number = state, owner = table](const SideRows& rows) {
      piece.begin(Piece::side);
      piece.put(number);
      piece.put(a);
      codec.write_side(*owner, a, rows, piece.stream());
      put(piece.bytes());
    });
  }
}

void write_tables(const std::vector<TableToWrite>& tables, const std::deque<RowCodec>& codecs,
                  StateCodec::Part part, std::int64_t rows, const PutBytes& put) {
  const bool all = part == StateCodec::Part::all;
  if (rows < worth_a_thread(kWorthSharing)) {
    for (const auto& table : tables) {
      write_table(table, codecs[table.state], all, put);
    }
    return;
  }
  std::mutex lock;
  const PutBytes put_alone = [&](std::string_view piece) {
    const std::lock_guard guard(lock);
    put(piece);
  };
  for_each_in_parallel(codecs.front().context(), tables.size(), [&](idx_t i) {
    write_table(tables[i], codecs[tables[i].state], all, put_alone);
  });
}

void write_session(const SessionState& session, std::uint32_t number, StateCodec::Part part,
                   const PutBytes& put) {
  session.visit(part == StateCodec::Part::all, [&](duckdb::DataChunk& rows) {
    PieceWriter piece(Piece::session);
    piece.put(number);
    write_columns(rows, piece.stream());
    put(piece.bytes());
  });
  if (session.watermark() != kNoBound) {
    PieceWriter closed(Piece::sessions_closed);
    closed.put(number);
    closed.put(session.watermark());
    put(closed.bytes());
  }
}

void read_session(SessionState& session, Piece kind, duckdb::MemoryStream& in) {
  if (kind == Piece::session) {
    duckdb::DataChunk rows;
    read_columns(in, session.layout().types, rows);
    session.restore(rows);
  } else {
    session.advance(in.Read<std::int64_t>());
    session.forget(session.close(session.watermark()));
  }
}

}  // namespace

void read_closed(const GetBytes& get, ClosedWindows& into) {
  const auto take = [](auto& bounds, std::uint32_t state, std::int64_t bound) {
    const auto [known, first] = bounds.try_emplace(state, bound);
    known->second = first ? bound : std::max(known->second, bound);
  };
  for (std::string piece; get(piece);) {
    duckdb::MemoryStream in(duckdb::data_ptr_cast(piece.data()), piece.size());
    const auto kind = static_cast<Piece>(in.Read<std::uint8_t>());
    if (kind == Piece::closed || kind == Piece::sessions_closed) {
      const auto state = in.Read<std::uint32_t>();
      take(kind == Piece::closed ? into.states : into.sessions, state, in.Read<std::int64_t>());
    }
  }
}

StateCodec::StateCodec(const States& states, const Sessions& sessions, std::string schema)
    : states_(states), sessions_(sessions), schema_(std::move(schema)) {}

void StateCodec::write(Part part, const PutBytes& put) const {
  PieceWriter header(Piece::header);
  header.put(kMagic);
  header.put(kFormat);
  header.put_text(schema_);
  put(header.bytes());
  std::deque<RowCodec> codecs;  // they don't move
  std::vector<TableToWrite> tables;
  std::int64_t rows = 0;
  for (std::uint32_t i = 0; i < states_.size(); ++i) {
    const GroupState& state = *states_[i];
    codecs.emplace_back(*states_[i]);
    // First, as a group that was forgotten may have begun afresh.
    if (state.closed_before() != kBeforeAll) {
      PieceWriter closed(Piece::closed);
      closed.put(i);
      closed.put(state.closed_before());
      put(closed.bytes());
    }
    for (const StateTable* table : part == Part::all ? state.tables() : state.active()) {
      tables.push_back({i, table});
    }
    rows += part == Part::all ? state.rows() : state.touched();
  }
  write_tables(tables, codecs, part, rows, put);
  for (std::uint32_t i = 0; i < sessions_.size(); ++i) {
    write_session(*sessions_[i], i, part, put);
  }
}

void StateCodec::apply(const GetBytes& get) const {
  std::deque<RowCodec> codecs;  // they don't move
  for (const auto& state : states_) {
    codecs.emplace_back(*state);
  }
  std::string piece;
  bool checked = false;
  while (get(piece)) {
    duckdb::MemoryStream in(duckdb::data_ptr_cast(piece.data()), piece.size());
    const auto kind = static_cast<Piece>(in.Read<std::uint8_t>());
    if (kind == Piece::header) {
      check_header(in, schema_);
      checked = true;
      continue;
    }
    const auto state = in.Read<std::uint32_t>();
    const bool of_session = kind == Piece::session || kind == Piece::sessions_closed;
    if (checked && of_session && state < sessions_.size()) {
      read_session(*sessions_[state], kind, in);
      continue;
    }
    if (!checked || state >= codecs.size() || kind > Piece::closed) {
      throw Error(Blame::external, "the state is damaged");
    }
    if (kind == Piece::rows) {
      codecs[state].read_rows(in);
      continue;
    }
    if (kind == Piece::closed) {
      states_[state]->forget_before(in.Read<Window>());
      continue;
    }
    const auto aggregate = in.Read<std::uint32_t>();
    const auto& aggregates = states_[state]->spec().aggregates;
    if (aggregate >= aggregates.size() || !aggregates[aggregate].has_side_table()) {
      throw Error(Blame::external, "the state is damaged");
    }
    codecs[state].read_side(aggregate, in);
  }
}

}  // namespace millrace::sql
