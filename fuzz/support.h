// For the targets of this folder.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "core/format.h"
#include "formats/testing/columns.h"

namespace millrace::fuzz {

/// What is not as it has to be.
class Finding : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

inline void expect(bool is_so, const std::string& what) {
  if (!is_so) {
    throw Finding(what);
  }
}

/// Reasons go into tables, as VARCHAR, and into logs.
inline void expect_text(std::string_view text) {
  expect(!find_invalid_utf8(text), "a message that is no UTF-8: " + std::string(text));
}

/// Takes a byte away from the input; 0 if there is none.
inline unsigned take_byte(std::string_view& input) {
  if (input.empty()) {
    return 0;
  }
  const auto byte = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  return byte;
}

/// Takes away what is before the mark, and the mark.
inline std::string_view take_until(char mark, std::string_view& input) {
  const std::size_t end = input.find(mark);
  const std::string_view part = input.substr(0, end);
  input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  return part;
}

/// A copy without a byte behind it that could be read unnoticed.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

/// What becomes of a call that may refuse what it is given; nullopt: it did.
template <class Call>
auto unless_refused(const Call& call) -> std::optional<decltype(call())> {
  try {
    return call();
  } catch (const Error& error) {
    expect_text(error.what());
    return std::nullopt;
  }
}

/// What became of a record.
struct Outcome {
  std::string row;  ///< as JSON; empty: it was malformed
  std::string reason;

  bool operator==(const Outcome&) const = default;
};

/// A decoder with columns of its own, of which it fills one row over and over.
class OneRow {
 public:
  OneRow(RecordDecoder& decoder, const Schema& schema) : decoder_(decoder), columns_(schema, 1) {
    decoder_.begin(columns_.writers());
  }

  [[nodiscard]] Outcome read(std::string_view record) {
    return read_by([&] { return decoder_.decode(record, 0); });
  }
  /// The same by another function of the decoder.
  template <class Decode>
  [[nodiscard]] Outcome read_by(const Decode& decode) {
    columns_.clear();
    columns_.mark();
    if (const std::optional<Malformation> wrong = decode()) {
      expect_text(wrong->column);
      expect_text(wrong->reason);
      expect(!wrong->reason.empty(), "malformed without a reason");
      columns_.forget(0);
      return {.row = "", .reason = wrong->column + ": " + wrong->reason};
    }
    return {.row = columns_.row(0).dump(), .reason = ""};  // throws for what is no UTF-8
  }
  [[nodiscard]] testing::MemoryColumns& columns() { return columns_; }

 private:
  RecordDecoder& decoder_;
  testing::MemoryColumns columns_;
};

/// The row as a record of the format; nullopt: it has no form for it.
inline std::optional<std::string> encoded(RecordEncoder& encoder, testing::MemoryColumns& columns) {
  std::string record = "before";
  const Chunk chunk{.rows = 1, .columns = columns.views()};
  if (const auto wrong = encoder.encode(chunk, 0, record)) {
    expect_text(wrong->reason);
    expect(record == "before", "a row that can't be encoded changed what was there");
    return std::nullopt;
  }
  return record.substr(std::string_view("before").size());
}

inline void expect_same(const Outcome& one, const Outcome& other, std::string_view what) {
  expect(one == other,
         std::string(what) + ":\n" + one.row + one.reason + "\n" + other.row + other.reason);
}

}  // namespace millrace::fuzz
