// Realistic sales transactions, each a function of a seed and its number.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/chunk.h"
#include "core/schema.h"

namespace millrace {

/// One transaction as text and numbers. A view is empty where the value is NULL.
struct Transaction {
  /// What is wrong with it, if anything. The last two can only be written as text: a file then has
  /// a row that does not decode, a typed row has a NULL instead.
  enum class Flaw : std::uint8_t { none, no_id, amount, quantity, time, not_a_number, cut_short };

  Flaw flaw = Flaw::none;
  std::array<char, 14> transaction_id{};  ///< "TXN0000000042"
  std::array<char, 8> user_id{};          ///< "U004711"
  std::array<char, 7> product_id{};       ///< "P00042"
  std::string_view category;
  std::int64_t cents = 0;  ///< the amount
  std::int32_t quantity = 0;
  std::string_view payment_method;
  std::string_view status;
  std::array<char, 20> event_time{};  ///< "2024-01-15 13:07:00"
  std::string_view country;
  std::optional<double> discount_percent;
  std::string_view segment;
};

/// Which transactions there are. `invalid` is the share of rows with a flaw, 0 to 1.
struct TransactionStream {
  std::uint64_t seed = 42;
  double invalid = 0.02;

  /// The transaction with a number: always the same.
  void make(std::uint64_t number, Transaction& into) const;
};

/// The columns, in the order of the files.
[[nodiscard]] const Schema& transaction_schema();
/// Writes a transaction as row `row` of a chunk with these columns.
void write_row(const Transaction& from, ChunkWriter& to, std::size_t row);
/// Appends a line of CSV, or an object of JSON lines, with its line end.
void append_csv(const Transaction& from, std::string& to);
void append_json(const Transaction& from, std::string& to);

}  // namespace millrace
