"""examples/retail/embedded.yaml, by the commands of its README: equals the same by hand in DuckDB, with more rows and kills, too."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import readme  # noqa: E402
import s3  # noqa: E402

s3.clients()
import duckdb  # noqa: E402

FAULTS = ["batch.after_run", "batch.after_publish", "checkpoint.commit.after_sync"]


def check(home):
    con = duckdb.connect()
    types = {"customers": "'customer_id': 'INTEGER', 'name': 'VARCHAR', 'email': 'VARCHAR', 'city': 'VARCHAR'",
             "orders": "'order_id': 'INTEGER', 'customer_id': 'INTEGER', 'order_date': 'VARCHAR', 'amount': 'DECIMAL(12,2)'",
             "order_items": "'item_id': 'INTEGER', 'order_id': 'INTEGER', 'product_name': 'VARCHAR', 'quantity': 'INTEGER'",
             "new_orders": "'order_id': 'INTEGER', 'customer_id': 'INTEGER', 'amount': 'DOUBLE', 'created_at': 'VARCHAR'"}
    for table, columns in types.items():
        con.execute(f"CREATE TABLE {table} AS FROM read_csv('{home}/input/{table}/*.csv', header = true, columns = {{{columns}}})")
    con.execute("""CREATE TABLE sales AS SELECT customer_id, order_id, name, email, city, order_date, amount, item_id, product_name, quantity
                   FROM order_items JOIN orders USING (order_id) JOIN customers USING (customer_id)
                   WHERE item_id IN (SELECT max(item_id) FROM order_items GROUP BY order_id)""")

    def ask(sql):
        return [tuple(row.values()) for row in m.query("embedded.yaml", sql, cwd=home)]
    got = ask("SELECT * REPLACE (order_date::VARCHAR AS order_date, amount::VARCHAR AS amount) FROM sales_data ORDER BY order_id")
    assert got == con.execute("SELECT * REPLACE (amount::VARCHAR AS amount) FROM sales ORDER BY order_id").fetchall(), got[:3]
    parquet = duckdb.sql(f"SELECT customer_id, order_id, amount::VARCHAR, product_name, quantity FROM "
                         f"read_parquet('{home}/lake/sales/parquet/*/*.parquet', hive_partitioning = true) ORDER BY order_id").fetchall()
    assert parquet == con.execute("SELECT customer_id, order_id, amount::VARCHAR, product_name, quantity FROM sales ORDER BY order_id").fetchall()
    products = ask("SELECT product_name, total_quantity, total_revenue FROM products")
    want = con.execute("SELECT product_name, sum(quantity)::BIGINT, sum(amount) AS r FROM sales GROUP BY 1 ORDER BY r DESC, 1").fetchall()
    assert [row[:2] for row in products] == [row[:2] for row in want] and (home / "lake/aggregates/products.json/_SUCCESS").exists()
    assert all(abs(float(a[2]) - float(b[2])) < 0.005 for a, b in zip(products, want)), products[:3]
    got = ask("SELECT order_id, customer_id, amount, strftime(created_at::TIMESTAMP, '%Y-%m-%dT%H:%M:%S') AS t FROM stream ORDER BY order_id")
    assert got == con.execute("SELECT * FROM new_orders ORDER BY order_id").fetchall(), got[:3]


def as_the_readme_says(home, said):
    assert "total_revenue" in said and "_SUCCESS" in said, said
    check(home)


def goes_on_over_kills(home, _):
    for i, fault in enumerate(FAULTS):
        for kind, first in (("retail", 2000), ("new-orders", 1000)):
            m.run("generate", kind, "--out", "input", "--append", "--first", first + i * 77, "--rows", 77, cwd=home)
        done = m.run("run", "embedded.yaml", "--once", cwd=home, env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -9, done.stderr
    m.run("run", "embedded.yaml", "--once", cwd=home)
    check(home)


if __name__ == "__main__":
    sys.exit(readme.report_embedded("retail", (as_the_readme_says, goes_on_over_kills)))
