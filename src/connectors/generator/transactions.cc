#include "connectors/generator/transactions.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <tuple>

#include "connectors/generator/row_random.h"

namespace millrace {
namespace {

using Flaw = Transaction::Flaw;

constexpr std::uint64_t kUsers = 20'000;
constexpr std::uint64_t kProducts = 1'000;
constexpr std::uint64_t kDays = 5;
constexpr int kFirstDay = 15;  // of January 2024

struct Weighted {
  std::string_view word;
  double up_to;  ///< sum of the shares so far
};
constexpr std::array<std::string_view, 6> kCategories{"electronics", "clothing", "home",
                                                      "books",       "sports",   "toys"};
constexpr std::array<std::string_view, 8> kCountries{"US", "GB", "DE", "FR",
                                                     "JP", "BR", "IN", "CA"};
constexpr std::array<Weighted, 4> kPayments{
    {{"credit_card", .45}, {"debit_card", .70}, {"paypal", .90}, {"bank_transfer", 1}}};
constexpr std::array<Weighted, 4> kStatuses{
    {{"completed", .80}, {"pending", .90}, {"failed", .96}, {"refunded", 1}}};
constexpr std::array<Weighted, 4> kSegments{
    // empty: not known
    {{"regular", .40}, {"premium", .58}, {"new", .75}, {"", 1}}};
constexpr std::array<double, 6> kDiscounts{5, 10, 12.5, 15, 20, 25};

template <std::size_t N>
std::string_view pick(const std::array<Weighted, N>& from, double share) {
  for (const auto& each : from) {
    if (share <= each.up_to) {
      return each.word;
    }
  }
  return from.back().word;
}

/// `digits` decimal digits of `value`, with zeros in front; returns the end.
char* put_digits(char* to, std::uint64_t value, int digits) {
  for (int i = digits; i-- > 0; value /= 10) {
    to[i] = static_cast<char>('0' + value % 10);
  }
  return to + digits;
}

void put_id(char* to, std::string_view prefix, std::uint64_t value, int digits) {
  to = std::copy(prefix.begin(), prefix.end(), to);
  *put_digits(to, value, digits) = '\0';
}

void put_time(char* to, std::uint64_t second) {
  constexpr std::string_view kMonth = "2024-01-";
  to = std::copy(kMonth.begin(), kMonth.end(), to);
  to = put_digits(to, kFirstDay + second / 86'400, 2);
  for (const auto& [divisor, bound, before] :
       {std::tuple{3'600, 24, ' '}, std::tuple{60, 60, ':'}, std::tuple{1, 60, ':'}}) {
    *to++ = before;
    to = put_digits(to, second / static_cast<unsigned>(divisor) % static_cast<unsigned>(bound), 2);
  }
  *to = '\0';
}

/// Always with two decimals: "12.50".
void append_amount(std::int64_t cents, std::string& to) {
  fmt::format_to(std::back_inserter(to), FMT_COMPILE("{}{}.{:02}"), cents < 0 ? "-" : "",
                 std::abs(cents) / 100, std::abs(cents) % 100);
}

void append_discount(double percent, std::string& to) {
  fmt::format_to(std::back_inserter(to), FMT_COMPILE("{}"), percent);
}

}  // namespace

void TransactionStream::make(std::uint64_t number, Transaction& into) const {
  RowRandom random(seed, number);
  into.flaw = random.share() <= invalid ? static_cast<Flaw>(1 + random.below(6)) : Flaw::none;
  put_id(into.transaction_id.data(), "TXN", number, 10);
  put_id(into.user_id.data(), "U", random.below(kUsers), 6);
  const auto product = random.below(kProducts);
  put_id(into.product_id.data(), "P", product, 5);
  into.category = kCategories[product % kCategories.size()];
  // The sum of two exponentials: many small amounts, few large ones, mean about 80.
  into.cents = 50 + std::llround(-4000.0 * std::log(random.share() * random.share()));
  into.quantity = static_cast<std::int32_t>(1 + random.below(6));
  into.payment_method = pick(kPayments, random.share());
  into.status = pick(kStatuses, random.share());
  put_time(into.event_time.data(), random.below(kDays * 86'400));
  into.country = kCountries[random.below(kCountries.size())];
  into.discount_percent.reset();
  if (random.share() > .30) {
    into.discount_percent =
        random.below(4) == 0 ? 0.0 : kDiscounts[random.below(kDiscounts.size())];
  }
  into.segment = pick(kSegments, random.share());
  if (into.flaw == Flaw::amount) {
    into.cents = -into.cents;
  } else if (into.flaw == Flaw::quantity) {
    into.quantity = -static_cast<std::int32_t>(random.below(3));
  } else if (into.flaw == Flaw::time) {
    put_digits(into.event_time.data() + 5, 13 + random.below(80), 2);  // no such month
  }
}

const Schema& transaction_schema() {
  static const Schema kSchema{{{"transaction_id", "VARCHAR", Physical::string},
                               {"user_id", "VARCHAR", Physical::string},
                               {"product_id", "VARCHAR", Physical::string},
                               {"product_category", "VARCHAR", Physical::string},
                               {"amount", "DOUBLE", Physical::f64},
                               {"quantity", "INTEGER", Physical::i32},
                               {"payment_method", "VARCHAR", Physical::string},
                               {"status", "VARCHAR", Physical::string},
                               {"event_time", "VARCHAR", Physical::string},
                               {"country_code", "VARCHAR", Physical::string},
                               {"discount_percent", "DOUBLE", Physical::f64},
                               {"customer_segment", "VARCHAR", Physical::string}}};
  return kSchema;
}

void write_row(const Transaction& from, ChunkWriter& to, std::size_t row) {
  const auto text = [&](std::size_t column, std::string_view value) {
    if (value.empty()) {
      to.set_null(column, row);
    } else {
      to.set_string(column, row, value);
    }
  };
  text(0, from.flaw == Flaw::no_id ? std::string_view() : from.transaction_id.data());
  text(1, from.user_id.data());
  text(2, from.product_id.data());
  text(3, from.category);
  if (from.flaw == Flaw::not_a_number || from.flaw == Flaw::cut_short) {
    to.set_null(4, row);
  } else {
    to.values<double>(4)[row] = static_cast<double>(from.cents) / 100;
  }
  to.values<std::int32_t>(5)[row] = from.quantity;
  text(6, from.payment_method);
  text(7, from.status);
  text(8, from.event_time.data());
  text(9, from.country);
  if (from.discount_percent) {
    to.values<double>(10)[row] = *from.discount_percent;
  } else {
    to.set_null(10, row);
  }
  text(11, from.segment);
}

void append_csv(const Transaction& from, std::string& to) {
  const auto field = [&](std::string_view value) {
    to += value;
    to += ',';
  };
  field(from.flaw == Flaw::no_id ? std::string_view() : from.transaction_id.data());
  field(from.user_id.data());
  field(from.product_id.data());
  if (from.flaw == Flaw::cut_short) {
    to += from.category;
    to += '\n';
    return;
  }
  field(from.category);
  if (from.flaw == Flaw::not_a_number) {
    to += "N/A";
  } else {
    append_amount(from.cents, to);
  }
  fmt::format_to(std::back_inserter(to), FMT_COMPILE(",{},"), from.quantity);
  field(from.payment_method);
  field(from.status);
  field(from.event_time.data());
  field(from.country);
  if (from.discount_percent) {
    append_discount(*from.discount_percent, to);
  }
  to += ',';
  to += from.segment;
  to += '\n';
}

void append_json(const Transaction& from, std::string& to) {
  const auto key = [&](std::string_view name) {
    to += to.back() == '{' ? "\"" : ",\"";
    to += name;
    to += "\":";
  };
  const auto text = [&](std::string_view name, std::string_view value) {
    key(name);
    if (value.empty()) {
      to += "null";
      return;
    }
    to += '"';
    to += value;
    to += '"';
  };
  to += '{';
  text("transaction_id",
       from.flaw == Flaw::no_id ? std::string_view() : from.transaction_id.data());
  text("user_id", from.user_id.data());
  text("product_id", from.product_id.data());
  text("product_category", from.category);
  if (from.flaw == Flaw::cut_short) {
    to += '\n';
    return;
  }
  if (from.flaw == Flaw::not_a_number) {
    text("amount", "N/A");
  } else {
    key("amount");
    append_amount(from.cents, to);
  }
  key("quantity");
  to += std::to_string(from.quantity);
  text("payment_method", from.payment_method);
  text("status", from.status);
  text("event_time", from.event_time.data());
  text("country_code", from.country);
  key("discount_percent");
  if (from.discount_percent) {
    append_discount(*from.discount_percent, to);
  } else {
    to += "null";
  }
  text("customer_segment", from.segment);
  to += "}\n";
}

}  // namespace millrace
