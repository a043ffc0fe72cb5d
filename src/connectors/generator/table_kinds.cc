// What the tables of the examples' databases look like.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "connectors/generator/tables.h"

namespace millrace {

namespace {

constexpr std::int64_t kMillisOfDay = 86'400'000;

std::int32_t key_of(const RowMaking& making) {
  return static_cast<std::int32_t>(making.number + 1);
}
std::int32_t day_of(std::int64_t ms) {
  return static_cast<std::int32_t>((ms >= 0 ? ms : ms - kMillisOfDay + 1) / kMillisOfDay);
}
/// In microseconds, of the whole second: what TIMESTAMP and DATETIME of MySQL hold.
std::int64_t second_of(std::int64_t ms) { return ms / 1000 * 1'000'000; }

/// A few numbers come often, most of them now and then.
std::int32_t popular(RowRandom& random, std::int64_t count) {
  const double share = 1 - random.share();
  return static_cast<std::int32_t>(
      1 + std::llround(std::floor(share * share * static_cast<double>(count))));
}

constexpr std::array<std::string_view, 12> kFirstNames{"Ada",  "Bruno", "Chidi", "Dana",
                                                       "Emre", "Farah", "Grace", "Hana",
                                                       "Ivan", "Jia",   "Kofi",  "Lena"};
constexpr std::array<std::string_view, 12> kLastNames{"Okafor", "Müller",  "Tanaka", "Silva",
                                                      "Novák",  "O'Brien", "Özil",   "Nguyen",
                                                      "García", "Smith",   "Haddad", "Virtanen"};

/// "Ada Müller", and an address that nobody else has.
void set_person(const RowMaking& making, FlatRows& row) {
  const auto first = making.random.one_of(kFirstNames);
  row.set(0, key_of(making));
  row.set_text(1, fmt::format("{} {}", first, making.random.one_of(kLastNames)));
  row.set_text(2, making.is_flawed ? fmt::format("{}.{}", first, making.number + 1)
                                   : fmt::format("{}.{}@example.com", first, making.number + 1));
}

// ---- shop: examples/customer-360 ----

constexpr std::int64_t kShopCustomers = 1'000;
constexpr std::int64_t kShopProducts = 240;
constexpr std::uint64_t kPriceSeed = 0x9121CE5ULL;
constexpr std::array<std::string_view, 12> kShopCategories{
    "beauty", "books", "clothing", "electronics", "garden", "grocery",
    "home",   "music", "office",   "pets",        "sports", "toys"};
constexpr std::array<std::string_view, 8> kKinds{"Basic", "Classic", "Deluxe", "Eco",
                                                 "Grand", "Mini",    "Royal",  "Simple"};
constexpr std::array<std::string_view, 3> kGenders{"M", "F", "O"};

/// Of a product, by its number from 0: what a transaction has to know of it. In hundredths.
std::int64_t price_cents(std::uint64_t seed, std::int64_t product) {
  RowRandom random(seed ^ kPriceSeed, static_cast<std::uint64_t>(product));
  return 99 + std::llround(-2'000.0 * std::log(random.share() * random.share()));
}

void fill_customer(const RowMaking& making, FlatRows& row) {
  constexpr std::int32_t kFirstDay = 16'436;  // 2015-01-01
  set_person(making, row);
  row.set_text(3, making.random.one_of(kGenders));
  row.set(4, kFirstDay + static_cast<std::int32_t>(making.random.below(10ULL * 365)));
}

void fill_product(const RowMaking& making, FlatRows& row) {
  const auto category =
      kShopCategories[static_cast<std::size_t>(making.number) % kShopCategories.size()];
  row.set(0, key_of(making));
  row.set_text(1,
               fmt::format("{} {} {}", making.random.one_of(kKinds), category, making.number + 1));
  row.set_text(2, category);
  row.set(3, price_cents(making.seed, making.number));
}

/// A flawed one has no items, a negative amount, or one that does not follow from the price.
void fill_transaction(const RowMaking& making, FlatRows& row) {
  const auto product = popular(making.random, kShopProducts);
  auto quantity = static_cast<std::int32_t>(1 + making.random.below(5));
  auto cents = quantity * price_cents(making.seed, product - 1);
  if (making.is_flawed) {
    switch (making.random.below(3)) {
      case 0:
        quantity = 0;
        cents = 0;
        break;
      case 1:
        cents = -cents;
        break;
      default:
        cents += 100 * static_cast<std::int64_t>(1 + making.random.below(50));
    }
  }
  row.set(0, making.number + 1);
  row.set(1, popular(making.random, kShopCustomers));
  row.set(2, product);
  row.set(3, quantity);
  row.set(4, cents);
  row.set(5, second_of(making.time_ms));
}

// ---- retail: examples/retail ----

constexpr std::int64_t kBuyers = 200;
constexpr std::array<std::string_view, 8> kShopCities{"Oslo",  "Lima",  "Cairo", "Quito",
                                                      "Paris", "Osaka", "Delhi", "Accra"};
/// Five orders have twelve items: 1, 2, 3, 2 and 4. So an item's order follows from its number.
constexpr std::array<std::int64_t, 6> kItemsBefore{0, 1, 3, 6, 8, 12};
constexpr std::int64_t kOrdersOfRound = 5;
constexpr std::int64_t kItemsOfRound = 12;

std::int64_t items_of(std::int64_t orders) {
  return orders / kOrdersOfRound * kItemsOfRound +
         kItemsBefore[static_cast<std::size_t>(orders % kOrdersOfRound)];
}
/// The key of an item's order.
std::int32_t order_of(std::int64_t item) {
  const auto* const behind = std::ranges::upper_bound(kItemsBefore, item % kItemsOfRound);
  return static_cast<std::int32_t>(item / kItemsOfRound * kOrdersOfRound +
                                   (behind - kItemsBefore.begin()));
}

std::int64_t order_cents(RowRandom& random) {
  return 500 + std::llround(-5'000.0 * std::log(random.share() * random.share()));
}

void fill_buyer(const RowMaking& making, FlatRows& row) {
  set_person(making, row);
  row.set_text(3, making.random.one_of(kShopCities));
}

void fill_order(const RowMaking& making, FlatRows& row) {
  row.set(0, key_of(making));
  row.set(1, popular(making.random, kBuyers));
  row.set(2, day_of(making.time_ms));
  row.set(3, order_cents(making.random));
}

void fill_item(const RowMaking& making, FlatRows& row) {
  const auto product = making.random.below(kShopProducts);
  row.set(0, key_of(making));
  row.set(1, order_of(making.number));
  row.set_text(2, fmt::format("{} {}", kKinds[product / kShopCategories.size() % kKinds.size()],
                              kShopCategories[product % kShopCategories.size()]));
  row.set(3, static_cast<std::int32_t>(1 + making.random.below(4)));
}

void fill_new_order(const RowMaking& making, FlatRows& row) {
  row.set(0, key_of(making));
  row.set(1, popular(making.random, kBuyers));
  row.set(2, order_cents(making.random));
  row.set(3, second_of(making.time_ms));
}

std::int64_t all(std::int64_t rows) { return rows; }

Column column(std::string_view name, std::string_view type) {
  return {std::string(name), std::string(type), physical_of(type)};
}

DatabaseKind shop() {
  return {
      .name = "shop",
      .summary = "Customers, products and their transactions, for examples/customer-360",
      .counted = "transactions",
      .tables = {{.name = "customers",
                  .columns = {{column("customer_id", "INTEGER"), column("name", "VARCHAR"),
                               column("email", "VARCHAR"), column("gender", "VARCHAR"),
                               column("signup_date", "DATE")}},
                  .definition =
                      "customer_id INT PRIMARY KEY, name VARCHAR(100), email VARCHAR(150) "
                      "UNIQUE, gender ENUM('M','F','O'), signup_date DATE",
                  .size = [](std::int64_t) { return kShopCustomers; },
                  .fill = fill_customer,
                  .has_flaws = true},
                 {.name = "products",
                  .columns = {{column("product_id", "INTEGER"), column("name", "VARCHAR"),
                               column("category", "VARCHAR"), column("price", "DECIMAL(10,2)")}},
                  .definition =
                      "product_id INT PRIMARY KEY, name VARCHAR(150), category VARCHAR(50), "
                      "price DECIMAL(10,2)",
                  .size = [](std::int64_t) { return kShopProducts; },
                  .fill = fill_product},
                 {.name = "transactions",
                  .columns = {{column("txn_id", "BIGINT"), column("customer_id", "INTEGER"),
                               column("product_id", "INTEGER"), column("qty", "INTEGER"),
                               column("amount", "DECIMAL(10,2)"),
                               column("txn_timestamp", "TIMESTAMP WITH TIME ZONE")}},
                  // MariaDB's first TIMESTAMP follows each update if it has no default of its own.
                  .definition =
                      "txn_id BIGINT PRIMARY KEY, customer_id INT, product_id INT, qty INT, amount "
                      "DECIMAL(10,2), txn_timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "
                      "FOREIGN KEY (customer_id) REFERENCES customers (customer_id), "
                      "FOREIGN KEY (product_id) REFERENCES products (product_id)",
                  .size = all,
                  .fill = fill_transaction,
                  .has_flaws = true}},
      .others = {"profile_offsets (source VARCHAR(128) PRIMARY KEY, last_txn_id BIGINT)",
                 "txn_summary_offsets (source VARCHAR(128) PRIMARY KEY, last_txnid BIGINT)"}};
}

DatabaseKind retail() {
  return {
      .name = "retail",
      .summary = "Customers, orders and their items, for examples/retail",
      .counted = "orders",
      .tables = {
          {.name = "customers",
           .columns = {{column("customer_id", "INTEGER"), column("name", "VARCHAR"),
                        column("email", "VARCHAR"), column("city", "VARCHAR")}},
           .definition = "customer_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100), "
                         "email VARCHAR(150) UNIQUE, city VARCHAR(80)",
           .size = [](std::int64_t) { return kBuyers; },
           .fill = fill_buyer},
          {.name = "orders",
           .columns = {{column("order_id", "INTEGER"), column("customer_id", "INTEGER"),
                        column("order_date", "DATE"), column("amount", "DECIMAL(12,2)")}},
           .definition = "order_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, customer_id INT "
                         "UNSIGNED, order_date DATE, amount DECIMAL(12,2), "
                         "FOREIGN KEY (customer_id) REFERENCES customers (customer_id)",
           .size = all,
           .fill = fill_order},
          {.name = "order_items",
           .columns = {{column("item_id", "INTEGER"), column("order_id", "INTEGER"),
                        column("product_name", "VARCHAR"), column("quantity", "INTEGER")}},
           .definition = "item_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, order_id INT UNSIGNED, "
                         "product_name VARCHAR(200), quantity INT UNSIGNED, "
                         "FOREIGN KEY (order_id) REFERENCES orders (order_id)",
           .size = items_of,
           .fill = fill_item}}};
}

DatabaseKind new_orders() {
  return {.name = "new-orders",
          .summary = "Orders as they come in, for examples/retail",
          .counted = "new_orders",
          .tables = {
              {.name = "new_orders",
               .columns = {{column("order_id", "INTEGER"), column("customer_id", "INTEGER"),
                            column("amount", "DECIMAL(12,2)"), column("created_at", "TIMESTAMP")}},
               .definition = "order_id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT, "
                             "amount DECIMAL(12,2), created_at DATETIME",
               .size = all,
               .fill = fill_new_order}}};
}

}  // namespace

std::span<const DatabaseKind> database_kinds() {
  static const std::array<DatabaseKind, 3> kKinds{shop(), retail(), new_orders()};
  return kKinds;
}

}  // namespace millrace
