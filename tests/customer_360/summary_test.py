"""Job B of examples/customer-360: daily summaries in Parquet equal what MariaDB makes of all transactions, over kills, and each quality
check finds what it is for."""
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import s3  # noqa: E402

import counted  # noqa: E402

s3.clients()
import pyarrow.parquet  # noqa: E402

FAULTS = ["checkpoint.offsets.before_write", "batch.after_run", "batch.after_stage", "batch.after_publish",
          "checkpoint.commit.before_write", "checkpoint.commit.after_sync"]
# By the server itself, over everything.
RECOMPUTED = """
SET time_zone = '+00:00';
CREATE TEMPORARY TABLE good AS
  SELECT DATE(txn_timestamp) AS date, t.* FROM transactions t WHERE amount > 0 AND qty > 0
    AND txn_timestamp BETWEEN '2000-01-01' AND NOW() + INTERVAL 1 DAY AND customer_id IN (SELECT customer_id FROM customers)
    AND product_id IN (SELECT product_id FROM products);
SELECT date, customer_id, SUM(amount), SUM(qty), COUNT(DISTINCT product_id), MAX(f.category)
FROM good JOIN (SELECT date AS day, customer_id AS customer, category,
                       ROW_NUMBER() OVER (PARTITION BY date, customer_id ORDER BY COUNT(*) DESC, category) AS place
                FROM good JOIN products USING (product_id) GROUP BY date, customer_id, category) f
  ON f.day = date AND f.customer = customer_id AND f.place = 1
GROUP BY date, customer_id
"""


class Shop:
    def __init__(self, database, folder, number):
        self.database, self.name = database, f"shop{number}"
        self.folder = pathlib.Path(folder) / "customer-360"
        shutil.copytree(m.ROOT / "examples" / "customer-360", self.folder)
        database.sql(f"CREATE DATABASE {self.name}")
        os.environ.update(MYSQL_HOST="127.0.0.1", MYSQL_PORT=str(database.port), MYSQL_USER="etl", MYSQL_PASSWORD=mariadb.PASSWORD,
                          MYSQL_DATABASE=self.name)

    def sql(self, text):
        return self.database.sql(text, self.name)

    def generate(self, rows, day=0, *more):
        """Transactions of two days, from a day of March on."""
        start = f"{datetime.date(2026, 3, 1) + datetime.timedelta(day)}T00:00:00Z"
        return m.run("generate", "shop", "--mysql", f"127.0.0.1:{self.database.port}", "--mysql-option", "user=etl", "--mysql-option",
                     f"database={self.name}", "--mysql-option", "password=${env:MYSQL_PASSWORD}", "--rows", rows, "--start", start,
                     "--event-rate", rows / 172_800, *more)

    def run(self, fault=None):
        return m.run("run", "daily-summary.yaml", "--once", "--progress", "json", cwd=self.folder, check=not fault,
                     env={"MILLRACE_FAULT": fault} if fault else {})

    def files(self):
        return {str(path.relative_to(self.folder / "lake" / "txn_summary")): path.stat().st_ino
                for path in (self.folder / "lake" / "txn_summary").rglob("*.parquet")}

    def summaries(self):
        rows = []
        for path in (self.folder / "lake" / "txn_summary").rglob("*.parquet"):
            table = pyarrow.parquet.ParquetFile(path).read()
            assert [f"{field.name} {field.type}" for field in table.schema] == [
                "customer_id int32", "total_amount double", "total_items int32", "distinct_products int32", "top_category string"], table.schema
            assert path.parent.name.startswith("date="), path
            rows += [[path.parent.name[5:], str(row["customer_id"]), f"{row['total_amount']:.2f}", str(row["total_items"]),
                      str(row["distinct_products"]), row["top_category"]] for row in table.to_pylist()]
        return sorted(rows)

    def check(self):
        got, want = self.summaries(), sorted(self.sql(RECOMPUTED))
        assert got == want, (len(got), len(want), [row for row in got if row not in want][:3], [row for row in want if row not in got][:3])
        dates = {row[0] for row in want}
        assert {name.split("/")[0] for name in self.files()} == {f"date={date}" for date in dates} and len(self.files()) == len(dates)
        last = self.sql("SELECT MAX(txn_id) FROM transactions")[0][0]
        assert self.sql("SELECT * FROM txn_summary_offsets") == [["daily-summary", last]]
        return got


def equals_a_full_recomputation(shop):
    """Over kills at each step, with days that come back."""
    killed = 0
    for i, fault in enumerate(FAULTS * 3):
        shop.generate(1000, (i * 3) % 7, "--invalid", 0.05)
        killed += shop.run(f"{fault}:1").returncode == -9
        if i % 3 != 1:  # else the next kill finds two pieces
            shop.run()
    shop.run()
    assert killed == len(FAULTS) * 3, killed
    rows = shop.check()
    assert len(rows) > 5000, len(rows)
    state = json.loads(m.run("state", "daily-summary.yaml", "--json", cwd=shop.folder).stdout)["checks"]
    assert "transactions" in json.dumps(state) and "positive" in json.dumps(state), state


def ties_go_by_name(shop):
    shop.generate(1)
    shop.run()
    columns = "(txn_id, customer_id, product_id, qty, amount, txn_timestamp)"
    one, other = (shop.sql(f"SELECT MIN(product_id) FROM products WHERE category = '{c}'")[0][0] for c in ("toys", "books"))
    shop.sql(f"INSERT INTO transactions {columns} VALUES (2, 9, {one}, 1, 5, '2026-04-01'), (3, 9, {other}, 1, 5, '2026-04-01')")
    shop.run()
    assert [row for row in shop.check() if row[0] == "2026-04-01"] == [["2026-04-01", "9", "10.00", "2", "2", "books"]]
    shop.sql(f"INSERT INTO transactions {columns} VALUES (4, 9, {one}, 3, 15, '2026-04-01')")
    shop.run()
    assert [row for row in shop.check() if row[0] == "2026-04-01"] == [["2026-04-01", "9", "25.00", "5", "2", "toys"]]


def who_has_just_come_counts(shop):
    """While it runs: a customer, and at once a purchase."""
    shop.generate(1)
    file = shop.folder / "daily-summary.yaml"
    file.write_text(file.read_text().replace("trigger: 60s", "trigger: 50ms"))
    process = subprocess.Popen([m.BINARY, "run", file, "--progress", "none"], cwd=shop.folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for i in range(2, 22):
        shop.sql(f"INSERT INTO customers VALUES ({5000 + i}, 'New', 'new{i}@example.com', 'F', '2026-01-01')")
        shop.sql(f"INSERT INTO transactions VALUES ({i}, {5000 + i}, 1, 1, 9.99, '2026-04-01')")
    m.wait_until(lambda: shop.sql("SELECT last_txnid FROM txn_summary_offsets") == [["21"]], "the last of them")
    m.kill(process)
    shop.run()
    assert len(shop.check()) == 21


def checks_find_what_they_are_for(shop):
    shop.generate(10, 0, "--invalid", 0)
    progress = shop.run().stdout
    price = shop.sql("SELECT price FROM products WHERE product_id = 1")[0][0]
    rows = [f"(11, 1, 1, 1, {price}, '2026-03-05')",            # good
            f"(12, 1, 1, 2, {price}, '2026-03-05')",            # amount_fits
            f"(13, 1, 1, 1, -{price}, '2026-03-05')",           # positive
            f"(14, 1, 1, 0, {price}, '2026-03-05')",            # positive, amount_fits if it went on
            f"(15, 5555, 1, 1, {price}, '2026-03-05')",         # known_customer
            f"(16, 1, 5555, 1, {price}, '2026-03-05')",         # known_product
            f"(17, NULL, 1, 1, {price}, '2026-03-05')",         # has_ids
            f"(18, 1, 1, 1, {price}, '1999-12-31')",            # valid_time
            f"(19, 1, 1, 1, {price}, '2037-01-01')",            # valid_time
            f"(25, 1, 1, 1, {price}, '2026-03-05')"]            # no_gaps: 20 to 24
    shop.sql("SET foreign_key_checks = 0, time_zone = '+00:00'; INSERT INTO transactions (txn_id, customer_id, product_id, qty, amount, "
             f"txn_timestamp) VALUES {', '.join(rows)}")
    last = shop.run().stdout
    assert counted.violations(last) == {
        "transactions.has_ids": 1, "sold.once": 0, "transactions.known_customer": 1, "transactions.known_product": 1,
        "transactions.positive": 2, "transactions.valid_time": 2, "transactions.no_gaps": 5, "sold.amount_fits": 1}, last
    assert counted.in_all("daily-summary.yaml", shop.folder) == counted.in_batches(progress + last)
    kept = m.run("quarantine", "list", "daily-summary.yaml", "--json", cwd=shop.folder).stdout
    assert all(name in kept for name in ("has_ids", "known_customer", "known_product", "positive", "valid_time")), kept
    assert len([row for row in shop.check() if row[0] == "2026-03-05"]) == 1


def untouched_dates_keep_their_files(shop):
    shop.generate(1000, day=0)
    shop.generate(1000, day=10)
    shop.run()
    before = shop.files()
    shop.generate(100, day=10)
    shop.run()
    shop.check()
    changed = {name.split("/")[0] for name, inode in shop.files().items() if before.get(name) != inode}
    assert changed == {"date=2026-03-11", "date=2026-03-12"}, changed


CASES = [equals_a_full_recomputation, ties_go_by_name, who_has_just_come_counts, checks_find_what_they_are_for,
         untouched_dates_keep_their_files]


def main():
    report = m.Report("customer-360 summary")
    names = sys.argv[1:]
    with mariadb.Mariadb() as database:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-summary-") as folder:
                report.case(case.__name__.replace("_", " "), lambda: case(Shop(database, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
