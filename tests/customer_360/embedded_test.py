"""examples/customer-360/embedded.yaml, by the commands of its README: equals the same by hand in DuckDB, with more rows and kills, too."""
import decimal
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import readme  # noqa: E402
import s3  # noqa: E402

import counted  # noqa: E402

s3.clients()
import duckdb  # noqa: E402

FAULTS = ["checkpoint.offsets.before_write", "batch.after_run", "batch.after_stage", "batch.after_publish", "checkpoint.commit.after_sync"]


def by_hand(home):
    """What the result has to be, from the files alone; without what has to be put aside."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    types = {"customers": "'customer_id': 'INTEGER', 'name': 'VARCHAR', 'email': 'VARCHAR', 'gender': 'VARCHAR', 'signup_date': 'DATE'",
             "products": "'product_id': 'INTEGER', 'name': 'VARCHAR', 'category': 'VARCHAR', 'price': 'DECIMAL(10,2)'",
             "transactions": "'txn_id': 'BIGINT', 'customer_id': 'INTEGER', 'product_id': 'INTEGER', 'qty': 'INTEGER', "
                             "'amount': 'DECIMAL(10,2)', 'txn_timestamp': 'TIMESTAMPTZ'"}
    for table, columns in types.items():
        con.execute(f"CREATE TABLE {table} AS FROM read_csv('{home}/input/{table}/*.csv', header = true, columns = {{{columns}}})")
    con.execute("DELETE FROM transactions WHERE amount <= 0 OR qty <= 0")
    con.execute("CREATE VIEW bought AS FROM transactions JOIN products USING (product_id)")
    profiles = con.execute("""
        SELECT customer_id, any_value(name), any_value(email), any_value(gender), sum(amount)::VARCHAR, count(*),
               '', epoch_us(min(txn_timestamp)), epoch_us(max(txn_timestamp)),
               (SELECT category FROM bought AS b WHERE b.customer_id = t.customer_id GROUP BY category ORDER BY count(*) DESC, category LIMIT 1)
        FROM transactions AS t JOIN customers USING (customer_id) GROUP BY customer_id ORDER BY 1""").fetchall()
    cent = decimal.Decimal("0.01")
    profiles = [(*p[:6], str((decimal.Decimal(p[4]) / p[5]).quantize(cent, decimal.ROUND_HALF_UP)), *p[7:]) for p in profiles]
    summaries = con.execute("""
        SELECT txn_timestamp::DATE::VARCHAR AS date, customer_id, sum(amount)::VARCHAR, sum(qty)::INTEGER, count(DISTINCT product_id),
               (SELECT category FROM bought AS b WHERE b.customer_id = t.customer_id AND b.txn_timestamp::DATE = t.txn_timestamp::DATE
                GROUP BY category ORDER BY count(*) DESC, category LIMIT 1)
        FROM transactions AS t GROUP BY txn_timestamp::DATE, customer_id ORDER BY 1, 2""").fetchall()
    return profiles, summaries


def lines_of_events(home):
    """Events, and lines that are none."""
    good, bad = [], 0
    for path in (home / "input" / "events").glob("*.json"):
        for line in path.read_bytes().splitlines():
            try:
                good.append(json.loads(line))
            except ValueError:
                bad += 1
    return good, bad


def check(home):
    def ask(sql):
        return [tuple(row.values()) for row in m.query("embedded.yaml", sql, cwd=home)]
    profiles, summaries = by_hand(home)
    got = ask("SELECT * REPLACE (epoch_us(first_purchase) AS first_purchase, epoch_us(last_purchase) AS last_purchase, "
              "total_spend::VARCHAR AS total_spend, avg_order_value::DECIMAL(18,2)::VARCHAR AS avg_order_value) "
              "FROM customer_profile ORDER BY customer_id")
    assert got == profiles, (len(got), len(profiles), next(pair for pair in zip(got, profiles) if pair[0] != pair[1]))
    got = ask("SELECT date::VARCHAR AS date, customer_id, total_amount::DECIMAL(18,2)::VARCHAR AS a, total_items, distinct_products, "
              "top_category FROM txn_summary ORDER BY date, customer_id")
    assert got == summaries, (len(got), len(summaries), next(pair for pair in zip(got, summaries) if pair[0] != pair[1]))
    events, bad = lines_of_events(home)
    got = ask("SELECT event_id, customer_id, event_type, product_id, epoch_ms(event_timestamp) AS t, event_date::VARCHAR AS d FROM events")
    assert len(got) == len(events) and {row[0] for row in got} == {e["event_id"] for e in events}
    assert {row[:4] for row in got} == {(e["event_id"], e["customer_id"], e["event_type"], e["product_id"]) for e in events}
    assert {row[5] for row in got} == {e["event_timestamp"][:10] for e in events}
    [(n, told)] = ask("SELECT count(*) AS n, count(*) FILTER (reason IS NOT NULL AND raw_base64 IS NOT NULL) AS told FROM malformed")
    assert n == told == bad > 0, (n, told, bad)


def as_the_readme_says(home, said):
    assert "favorite_category" in said and "event_type" in said and "transactions.positive" in said, said
    check(home)


def declares_what_the_jobs_declare(home, _):
    jobs = {name: counted.declared(home / f"{name}.yaml") for name in ("profile", "daily-summary", "events")}
    assert [len(checks) for checks in jobs.values()] == [10, 8, 4], jobs
    assert counted.declared(home / "embedded.yaml") == set().union(*jobs.values()), set().union(*jobs.values()) ^ counted.declared(home / "embedded.yaml")


def goes_on_over_kills(home, _):
    for i, fault in enumerate(FAULTS):
        m.run("generate", "shop", "--out", "input", "--append", "--first", 20_000 + i * 1000, "--rows", 1000, cwd=home)
        m.run("generate", "events", "--out", "input/events", "--append", "--first", 5000 + i * 100, "--rows", 100, "--invalid", 0.1, cwd=home)
        done = m.run("run", "embedded.yaml", "--once", cwd=home, env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -9, done.stderr
    m.run("run", "embedded.yaml", "--once", cwd=home)
    check(home)


def who_is_there_twice_counts_once(home, _):
    """All customers in two files: each purchase is found twice, and one of the two is dropped and counted."""
    m.run("generate", "shop", "--out", "input", "--append", "--first", 40_000, "--rows", 1000, cwd=home)
    again = home / "input" / "customers" / "again.csv"
    again.write_bytes(max((home / "input" / "customers").glob("*.csv")).read_bytes())
    done = m.run("run", "embedded.yaml", "--once", "--progress", "json", cwd=home)
    again.unlink()
    found = counted.in_batches(done.stdout)
    assert found["sold.once"] == (found["sold.amount_fits"][0], 0), found
    rows, doubles = found["purchases.once"]
    assert rows == 2 * doubles and found["sold.once"][0] <= doubles and doubles > 900, found
    check(home)


if __name__ == "__main__":
    sys.exit(readme.report_embedded("customer-360", (as_the_readme_says, declares_what_the_jobs_declare, goes_on_over_kills,
                                                     who_is_there_twice_counts_once)))
