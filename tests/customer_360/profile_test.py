"""Job A of examples/customer-360: profiles in Cassandra equal a full recomputation by MariaDB, after 100,000 transactions in 50 batches
with 20 kills, while customers and transactions go on to change."""
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server  # noqa: E402
import mariadb  # noqa: E402
import millrace as m  # noqa: E402

import counted  # noqa: E402

cassandra_server.client()

TRANSACTIONS, BATCHES, KILLS = 100_000, 50, 20
FAULTS = ["checkpoint.offsets.before_write", "batch.after_run", "batch.after_stage", "batch.after_publish",
          "checkpoint.commit.before_write", "checkpoint.commit.after_sync"]
TABLES = """
CREATE TABLE customers (customer_id INT PRIMARY KEY, name VARCHAR(100), email VARCHAR(150) UNIQUE, gender ENUM('M','F','O'), signup_date DATE);
CREATE TABLE products (product_id INT PRIMARY KEY, name VARCHAR(150), category VARCHAR(50), price DECIMAL(10,2));
CREATE TABLE transactions (txn_id BIGINT PRIMARY KEY, customer_id INT, product_id INT, qty INT, amount DECIMAL(10,2), txn_timestamp TIMESTAMP(3),
  FOREIGN KEY (customer_id) REFERENCES customers (customer_id), FOREIGN KEY (product_id) REFERENCES products (product_id));
CREATE TABLE profile_offsets (source VARCHAR(128) PRIMARY KEY, last_txn_id BIGINT);
INSERT INTO customers SELECT seq, CONCAT('Customer ', seq), CONCAT('c', seq, '@example.com'), ELT(1 + seq % 3, 'M', 'F', 'O'), '2020-01-01'
  FROM seq_1_to_2000;
INSERT INTO products SELECT seq, CONCAT('Product ', seq), CONCAT('Category ', CHAR(65 + seq % 12)), 1 + seq % 90 FROM seq_1_to_300;
"""
# By the server itself, over everything.
RECOMPUTED = """
SELECT t.customer_id, c.name, c.email, c.gender, SUM(t.amount), COUNT(*), ROUND(SUM(t.amount) / COUNT(*), 2), MIN(t.txn_timestamp),
       MAX(t.txn_timestamp), f.category
FROM transactions t JOIN customers c USING (customer_id)
JOIN (SELECT customer_id, category, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY COUNT(*) DESC, category) AS place
      FROM transactions JOIN products USING (product_id) GROUP BY customer_id, category) f
  ON f.customer_id = t.customer_id AND f.place = 1
GROUP BY t.customer_id
"""


class Shop:
    def __init__(self, database, cassandra, folder, name="shop"):
        self.database, self.cassandra, self.folder, self.name = database, cassandra, pathlib.Path(folder) / name / "customer-360", name
        shutil.copytree(m.ROOT / "examples" / "customer-360", self.folder)
        database.sql(f"CREATE DATABASE IF NOT EXISTS {name}")
        self.sql(TABLES)
        os.environ.update(MYSQL_HOST="127.0.0.1", MYSQL_PORT=str(database.port), MYSQL_USER="etl", MYSQL_PASSWORD=mariadb.PASSWORD,
                          MYSQL_DATABASE=name, CASSANDRA_HOSTS=f"127.0.0.1:{cassandra.port}")
        self.session = cassandra.session()
        self.session.execute("DROP KEYSPACE IF EXISTS crm")
        self.session.execute("CREATE KEYSPACE crm WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")

    def sql(self, text):
        return self.database.sql(text, self.name)

    def run(self, fault=None):
        env = {"MILLRACE_FAULT": fault} if fault else {}
        return m.run("run", "profile.yaml", "--once", "--progress", "json", cwd=self.folder, env=env, check=not fault, timeout=300)

    def profiles(self):
        return {r.customer_id: [str(r.customer_id), r.name, r.email, r.gender, str(r.total_spend), str(r.total_transactions),
                                str(r.avg_order_value), r.first_purchase, r.last_purchase, r.favorite_category]
                for r in self.session.execute("SELECT * FROM crm.customer_profile")}


def profiles_equal_a_full_recomputation(shop):
    rng = random.Random(20261122)
    per_batch, killed = TRANSACTIONS // BATCHES, 0
    for batch in range(BATCHES):
        first = 1 + batch * per_batch
        rows = ",".join(f"({i}, {rng.randint(1, 2000) if rng.random() < 0.9 else rng.randint(1, 20)}, {rng.randint(1, 300)}, "
                        f"{rng.randint(1, 5)}, {rng.randint(1, 99999) / 100}, '2014-01-01 00:00:00' + INTERVAL {rng.randint(0, 9 ** 9)} SECOND)"
                        for i in range(first, first + per_batch))
        shop.database.sql(f"SET time_zone = '+00:00'; INSERT INTO transactions VALUES {rows}")
        if rng.random() < KILLS / BATCHES or KILLS - killed >= BATCHES - batch:
            done = shop.run(f"{rng.choice(FAULTS)}:1")
            killed += done.returncode == -9
        shop.run()
    assert killed >= KILLS, killed
    want = {int(row[0]): row for row in shop.database.sql("SET time_zone = '+00:00';" + RECOMPUTED)}
    got = shop.profiles()
    assert set(got) == set(want), (len(got), len(want))
    for key, row in got.items():
        row[7:9] = [f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}" for moment in row[7:9]]
        assert row == want[key], (row, want[key])
    assert shop.database.sql("SELECT * FROM profile_offsets") == [["profile", str(TRANSACTIONS)]]


def a_change_reaches_its_profile_alone(shop):
    shop.database.sql("UPDATE customers SET email = 'new@example.com' WHERE customer_id = 7; SET time_zone = '+00:00';"
                      "INSERT INTO transactions VALUES (200000, 7, 1, 1, 0.01, '2030-01-01 00:00:00')")
    before = shop.profiles()
    shop.run()
    after = shop.profiles()
    assert {key for key in after if after[key] != before[key]} == {7} and after[7][2] == "new@example.com", after[7]


def checks_find_what_they_are_for(shop):
    """What is missing becomes 'unknown', 'O' or 0, and what is wrong stays as it is; both are counted."""
    shop.sql("SET foreign_key_checks = 0, time_zone = '+00:00'; INSERT INTO products VALUES (901, 'No category', NULL, 1);"
             "INSERT INTO customers VALUES (3001, 'Mail', 'nobody', 'M', '2020-01-01'), (3002, 'Gender', 'g@example.com', NULL, '2020-01-01'),"
             " (3003, 'Soon', 's@example.com', 'F', CURRENT_DATE + INTERVAL 2 DAY), (3004, NULL, 'n@example.com', 'F', '2020-01-01'),"
             " (3005, 'No mail', NULL, 'F', '2020-01-01'), (3006, 'Never', 'd@example.com', 'F', NULL), (3007, 'Good', 'a@example.com', 'O', '2020-01-01');"
             "INSERT INTO transactions VALUES (1, 3007, 1, 1, 5, '2026-03-05'), (2, 3007, 2, 1, 6, '2026-03-06')")
    progress = shop.run().stdout
    rows = ["(3, 3001, 1, 1, 5, '2026-03-05')",       # email_format
            "(4, 3002, 1, 1, 5, '2026-03-05')",       # gender_known
            "(5, 3003, 1, 1, 5, '2026-03-05')",       # signup_date_valid
            "(6, 3004, 1, 1, 5, '2026-03-05')",       # has_name
            "(7, 3005, 1, 1, 5, '2026-03-05')",       # email_format
            "(8, 3006, 1, 1, 5, '2026-03-05')",       # signup_date_valid
            "(9, 3007, 1, 1, NULL, '2026-03-07')",    # has_amount
            "(10, 3007, 901, 1, 4, '2026-03-08')",    # has_name, by its category
            "(11, 5555, 1, 1, 5, '2026-03-05')",      # known_customer
            "(12, 3007, 5555, 1, 5, '2026-03-05')",   # known_product
            "(13, NULL, 1, 1, 5, '2026-03-05')",      # has_ids
            "(17, 3004, 901, 1, NULL, '2026-03-09')"]  # no_gaps: 14 to 16; has_name and has_amount
    shop.sql(f"SET foreign_key_checks = 0, time_zone = '+00:00'; INSERT INTO transactions VALUES {', '.join(rows)}")
    done = shop.run()
    assert counted.violations(done.stdout) == {
        "transactions.has_ids": 1, "purchases.once": 0, "transactions.has_amount": 2, "transactions.known_customer": 1,
        "transactions.known_product": 1, "transactions.no_gaps": 3, "purchases.has_name": 3, "purchases.email_format": 2,
        "purchases.gender_known": 1, "purchases.signup_date_valid": 2}, done.stdout
    assert counted.in_all("profile.yaml", shop.folder) == counted.in_batches(progress + done.stdout)
    for name in ("email_format", "gender_known", "signup_date_valid", "has_name", "has_amount"):
        assert f"violates check {name}" in done.stderr, (name, done.stderr)
    kept = json.loads(m.run("quarantine", "list", "profile.yaml", "--json", cwd=shop.folder).stdout)
    assert sorted(name for each in kept for name in ("has_ids", "known_customer", "known_product") if name in json.dumps(each)) == \
        ["has_ids", "known_customer", "known_product"], kept
    product = {"1": shop.sql("SELECT category FROM products WHERE product_id = 1")[0][0], "2": shop.sql("SELECT category FROM products WHERE product_id = 2")[0][0]}
    got = {key: [*row[1:7], row[9]] for key, row in shop.profiles().items()}
    one = ["5.00", "1", "5.00", product["1"]]
    assert got == {
        3001: ["Mail", "nobody", "M", *one], 3002: ["Gender", "g@example.com", "O", *one], 3003: ["Soon", "s@example.com", "F", *one],
        3004: ["unknown", "n@example.com", "F", "5.00", "2", "2.50", min(product["1"], "unknown")], 3005: ["No mail", "unknown", "F", *one],
        3006: ["Never", "d@example.com", "F", *one],
        3007: ["Good", "a@example.com", "O", "15.00", "4", "3.75", product["1"]]}, got


# Those of one name go on with the same shop.
CASES = [("shop", profiles_equal_a_full_recomputation), ("shop", a_change_reaches_its_profile_alone), ("other", checks_find_what_they_are_for)]


def main():
    report = m.Report("customer-360 profile")
    names, shop = sys.argv[1:], None
    with tempfile.TemporaryDirectory(prefix="millrace-customers-") as folder, mariadb.Mariadb() as database, \
            cassandra_server.Cassandra() as cassandra:
        for name, case in CASES:
            if names and case.__name__ not in names:
                continue
            if shop is None or shop.name != name:
                shop = Shop(database, cassandra, folder, name)
            report.case(case.__name__.replace("_", " "), lambda: case(shop))
        shop.session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
