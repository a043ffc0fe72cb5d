"""Job A of examples/customer-360: profiles in Cassandra equal a full recomputation by MariaDB, after 100,000 transactions in 50 batches
with 20 kills, while customers and transactions go on to change."""
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
    def __init__(self, database, cassandra, folder):
        self.database, self.cassandra, self.folder = database, cassandra, pathlib.Path(folder) / "customer-360"
        shutil.copytree(m.ROOT / "examples" / "customer-360", self.folder)
        database.sql(TABLES)
        os.environ.update(MYSQL_HOST="127.0.0.1", MYSQL_PORT=str(database.port), MYSQL_USER="etl", MYSQL_PASSWORD=mariadb.PASSWORD,
                          MYSQL_DATABASE="shop", CASSANDRA_HOSTS=f"127.0.0.1:{cassandra.port}")
        self.session = cassandra.session()
        self.session.execute("CREATE KEYSPACE crm WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")

    def run(self, fault=None):
        env = {"MILLRACE_FAULT": fault} if fault else {}
        return m.run("run", "profile.yaml", "--once", "--progress", "none", cwd=self.folder, env=env, check=not fault, timeout=300)

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


def main():
    report = m.Report("customer-360 profile")
    with tempfile.TemporaryDirectory(prefix="millrace-customers-") as folder, mariadb.Mariadb() as database, \
            cassandra_server.Cassandra() as cassandra:
        shop = Shop(database, cassandra, folder)
        for case in (profiles_equal_a_full_recomputation, a_change_reaches_its_profile_alone):
            report.case(case.__name__.replace("_", " "), lambda: case(shop))
        shop.session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
