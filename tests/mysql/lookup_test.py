"""Streams joined with tables of MariaDB that are looked up by key, next to the same joins by the server itself."""
import json
import re
import signal
import sys
import time

from bench import FILES_SINK as FILES, TABLE_SINK as TABLE, m, run_cases

from fault_proxy import FaultProxy

EVENTS = "table: events, incremental: id"
CUSTOMERS = "  customers: { from: shop, table: customers, as: lookup, key: customer_id%s }\n"


def make_events(b, rows=400, customers="seq * 37 % 90"):
    b.sql("CREATE TABLE events (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT, region VARCHAR(10), amount DECIMAL(10,2));"
          f"INSERT INTO events (customer_id, region, amount) SELECT IF(seq % 11 = 0, NULL, {customers}),"
          f" ELT(seq % 3 + 1, 'eu', 'US', NULL), seq / 4 FROM seq_1_to_{rows}")


def make_customers(b, rows=100, more=""):
    b.sql("CREATE TABLE customers (customer_id INT PRIMARY KEY, name VARCHAR(50), tier VARCHAR(10), joined DATE);"
          "INSERT INTO customers SELECT seq * 2, CONCAT('name ', seq), ELT(seq % 4 + 1, 'gold', 'iron', NULL, 'none'),"
          f" '2024-01-01' + INTERVAL seq % 500 DAY FROM seq_1_to_{rows}{more}")


def text(value):
    """A value as the server shows it, but for decimals, which have as many digits as they need."""
    return "NULL" if value is None else re.sub(r"^(-?[0-9]+)[.]0*$|^(-?[0-9]+[.][0-9]*?)0+$", lambda found: found[1] or found[2], str(value))


def expect_same(b, columns, join):
    """What our result has is what the server gives for its own tables."""
    got = sorted([text(row[name]) for name in columns] for row in b.rows())
    expected = sorted([text(value) for value in row] for row in b.sql(f"SELECT {', '.join(columns)} FROM {join}"))
    assert expected and got == expected, (join, len(got), len(expected), [x for x in expected if x not in got][:5],
                                          [x for x in got if x not in expected][:5])


def rows_read(b):
    """Rows that the storage engine was asked for since the server started, whoever asked."""
    return sum(int(value) for name, value in b.sql("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
               if name in ("Handler_read_key", "Handler_read_next", "Handler_read_rnd_next", "Handler_read_first", "Handler_read_rnd"))


def joins_equal_those_of_the_server(b):
    make_events(b)
    make_customers(b)
    columns = ["e.id", "e.customer_id", "name", "tier", "joined"]
    names = [name.split(".")[-1] for name in columns]
    for join in ("events e JOIN customers c USING (customer_id)",
                 "events e LEFT JOIN customers c USING (customer_id)",
                 "events e JOIN customers c ON c.customer_id = e.id",
                 "events e LEFT JOIN customers c ON e.customer_id = c.customer_id AND tier = 'gold'",
                 "events e LEFT JOIN customers c ON e.customer_id = c.customer_id AND e.amount > 20 AND length(name) > 6",
                 "events e LEFT JOIN customers c ON e.customer_id = c.customer_id WHERE tier IS NULL"):
        b.forget()
        b.pipeline(EVENTS, sql=f"SELECT {', '.join(columns)} FROM {join.replace('events e', 'input e')}",
                   sources=CUSTOMERS % "")
        b.run()
        got = sorted([text(row[name]) for name in names] for row in b.rows())
        expected = sorted(b.sql(f"SELECT {', '.join(columns)} FROM {join}"))
        assert expected and got == expected, (join, len(got), len(expected), got[:3], expected[:3])
    b.forget()
    b.pipeline(EVENTS, sql="SELECT tier, count(*) AS n, sum(amount) AS s FROM input LEFT JOIN customers USING (customer_id) GROUP BY tier",
               sources=CUSTOMERS % ", cache_rows: 10", sink=TABLE + ", mode: complete")
    b.run()
    got = sorted((text(row["tier"]), row["n"], float(row["s"])) for row in b.rows())
    assert got == sorted((tier, int(n), float(s)) for tier, n, s in b.sql(
        "SELECT tier, count(*), sum(amount) FROM events LEFT JOIN customers USING (customer_id) GROUP BY tier")), got


def keys_of_several_columns_and_several_rows(b):
    make_events(b)
    b.sql("CREATE TABLE prices (region VARCHAR(10), product INT, valid_from DATE, price DECIMAL(8,2), PRIMARY KEY (product, region, valid_from));"
          "INSERT INTO prices SELECT r.region, p.seq, '2024-01-01' + INTERVAL v.seq MONTH, p.seq * v.seq FROM seq_0_to_60 p,"
          " seq_1_to_3 v, (SELECT 'eu' AS region UNION SELECT 'us') r")
    source = "  prices: { from: shop, table: prices, as: lookup, key: [region, product] }\n"
    # The server's collation takes 'US' for 'us'; DuckDB does not.
    exact = "p.product = e.customer_id AND BINARY p.region = BINARY e.region"
    for kind in ("JOIN", "LEFT JOIN"):
        b.forget()
        b.pipeline(EVENTS, sql=f"SELECT e.id, e.region, price, valid_from FROM input e {kind} prices p "
                               "ON p.product = e.customer_id AND p.region = e.region AND price > 50", sources=source)
        b.run()
        expect_same(b, ["id", "region", "price", "valid_from"],
                    f"(SELECT e.id, e.region, price, valid_from FROM events e {kind} prices p ON {exact} AND price > 50) x")
    # An index is used for both columns: not many more rows are read than there are.
    before = rows_read(b)
    b.forget()
    b.run()
    assert rows_read(b) - before < 3000, rows_read(b) - before


def a_large_table_is_not_read(b):
    make_events(b, 400, "seq % 100 * 9973")
    make_customers(b, 1_000_000)
    b.pipeline(EVENTS, sql="SELECT input.id, name FROM input JOIN customers USING (customer_id)", sources=CUSTOMERS % "", sink=FILES)
    before = rows_read(b)
    process = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
    read = rows_read(b) - before
    assert read < 5000, read  # 400 events, at most 100 customers, and what the source itself looks at
    assert len(b.written()) == int(b.sql("SELECT count(*) FROM events JOIN customers USING (customer_id)")[0][0]) > 100
    found = b.sql("SELECT count(DISTINCT customer_id) FROM events JOIN customers USING (customer_id)")[0][0]
    assert f'"name":"customers","numInputRows":{found},' in process.stdout, process.stdout[:3000]


def keys_of_all_types(b):
    kinds = {"TINYINT UNSIGNED": "seq", "BIGINT": "seq * 1000000007", "BIGINT UNSIGNED": "18446744073709551615 - seq", "DECIMAL(20,4)": "seq * 1234567.0001",
             "VARCHAR(20)": "CONCAT('Käse ', seq)", "VARCHAR(20) CHARACTER SET latin1": "CONCAT('ö', seq)", "CHAR(8)": "CONCAT('c', seq)",
             "VARBINARY(10)": "UNHEX(CONCAT('00FF', LPAD(seq, 4, '0')))", "DATE": "'2020-02-27' + INTERVAL seq DAY",
             "DATETIME(6)": "'2024-02-28 23:59:59.123456' + INTERVAL seq HOUR", "TIMESTAMP(3) NULL": "'2024-02-28 23:59:59.123' + INTERVAL seq DAY",
             "TIME": "SEC_TO_TIME(seq * 61)", "ENUM('a1', 'a2', 'a3', 'a4', 'a5')": "CONCAT('a', seq % 5 + 1)", "YEAR": "2000 + seq",
             "UUID": "CONCAT('123e4567-e89b-12d3-a456-4266141740', LPAD(seq, 2, '0'))"}
    b.sql("".join(f"CREATE TABLE k{i} (k {kind}, v INT, KEY (k)); INSERT INTO k{i} SELECT {value}, seq FROM seq_1_to_50;"
                  f"CREATE TABLE e{i} (id INT PRIMARY KEY AUTO_INCREMENT, k {kind}); INSERT INTO e{i} (k) SELECT {value} FROM seq_40_to_70;"
                  for i, (kind, value) in enumerate(kinds.items())))
    for i, kind in enumerate(kinds):
        b.forget()
        b.pipeline(f"table: e{i}, incremental: id", sql="SELECT input.id, v FROM input LEFT JOIN k USING (k)",
                   sources=f"  k: {{ from: shop, table: k{i}, as: lookup, key: k }}\n")
        b.run()
        assert any(row["v"] is not None for row in b.rows()), kind
        expect_same(b, ["id", "v"], f"e{i} LEFT JOIN k{i} USING (k)")


def what_changes_is_seen_when_it_is_old(b):
    make_events(b, 1, "2")
    make_customers(b, 5)
    b.pipeline(EVENTS + ", poll_interval: 20ms, gap_timeout: 0s", sql="SELECT input.id, name FROM input LEFT JOIN customers USING (customer_id)",
               sources=CUSTOMERS % ", cache_ttl: 2s", sink=FILES)
    process = b.start()
    try:
        m.wait_until(lambda: len(b.written()) == 1, "the first row")
        b.sql("UPDATE customers SET name = 'another' WHERE customer_id = 2")

        def last_name():
            before = len(b.written())
            b.sql("INSERT INTO events (customer_id) VALUES (2)")
            m.wait_until(lambda: len(b.written()) > before, "the next row")
            return max(b.written(), key=lambda row: row["id"])["name"]
        names = [last_name()]
        m.wait_until(lambda: names.append(last_name()) or names[-1] == "another", "the new name")
        assert "name 1" in names, names  # it was remembered for a while
    finally:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr


def a_killed_run_equals_an_undisturbed_one(b):
    make_events(b, 5000, "seq % 300")
    make_customers(b)
    b.pipeline(EVENTS + ", max_rows_per_trigger: 500",
               sql="SELECT tier, count(*) AS n, sum(amount) AS s FROM input LEFT JOIN customers USING (customer_id) GROUP BY tier",
               sources=CUSTOMERS % ", cache_rows: 50", sink=TABLE + ", mode: update",
               more="checkpoint: { snapshot_interval: 1h, snapshot_log_size: 1KiB }\n")
    for fault in ("checkpoint.offsets.before_write:2", "batch.after_run:2", "store.before_commit:3", "checkpoint.commit.before_write:2"):
        done = m.run("run", b.file, "--once", cwd=b.folder, env={"MILLRACE_FAULT": fault}, check=False)
        assert done.returncode == -signal.SIGKILL, (fault, done)
    b.run()
    got = sorted((text(row["tier"]), row["n"], float(row["s"])) for row in b.rows())
    expected = sorted((tier, int(n), float(s)) for tier, n, s in b.sql(
        "SELECT tier, count(*), sum(amount) FROM events LEFT JOIN customers USING (customer_id) GROUP BY tier"))
    assert got == expected, (got, expected)


def lost_connections_are_made_again(b):
    make_events(b, 3000, "seq")
    make_customers(b, 5000)
    with FaultProxy(b.server.port) as proxy:
        away = f"  away: {b.server.connection(proxy.port)}\n"
        b.pipeline(EVENTS + ", poll_interval: 20ms, max_rows_per_trigger: 300", sink=FILES,
                   sql="SELECT input.id, name FROM input LEFT JOIN customers USING (customer_id)",
                   sources=(CUSTOMERS % "").replace("from: shop", "from: away"))
        b.file.write_text(b.file.read_text().replace("sources:\n", away + "sources:\n", 1))
        proxy.cut_after(20_000)
        process = b.start()
        try:
            m.wait_until(lambda: len(b.written()) == 3000, "all rows", timeout=120)
            assert proxy.cuts > 0
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 0, stderr
        finally:
            m.kill(process)
    got = sorted([str(row["id"]), text(row["name"])] for row in b.written())
    assert got == sorted(b.sql("SELECT events.id, name FROM events LEFT JOIN customers USING (customer_id)"))


def a_server_that_is_away_is_waited_for(b):
    """For a while, by a pipeline that runs: of tables that are looked up, and of those that are read whole."""
    make_customers(b)
    for kind in ("as: lookup, key: customer_id", "as: table"):
        b.forget()
        (b.folder / "in").mkdir(exist_ok=True)

        def feed(number):
            (b.folder / f".{number}").write_text(json.dumps({"id": number}) + "\n")
            (b.folder / f".{number}").rename(b.folder / "in" / f"{number}.json")
        b.pipeline(sql="SELECT id, name FROM input LEFT JOIN customers ON id = customer_id", sink=FILES, more="trigger: 100ms\n", sources=(
            "  input: { from: { type: files, path: in }, format: json, schema: id INT }\n"
            f"  customers: {{ from: shop, table: customers, {kind} }}\n"))
        process = b.start()
        try:
            feed(2)
            m.wait_until(lambda: len(b.written()) == 1, "the first row")
            b.server.stop()
            feed(4)
            said = []
            while not any("going on from the last commit" in line for line in said[-1:]) or len(said) < 3:  # tried again, and again
                said.append(process.stderr.readline())
                assert said[-1], "".join(said)
            b.server.start()
            m.wait_until(lambda: len(b.written()) == 2 or process.poll() is not None, "the second row")
            assert process.poll() is None, process.stderr.read()
            assert sorted((row["id"], row["name"]) for row in b.written()) == [(2, "name 1"), (4, "name 2")], b.written()
        finally:
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        for path in (b.folder / "in").iterdir():
            path.unlink()


def silence_is_waited_out(b):
    """What is between us and the table that is looked up is slow, then says nothing more: the connection counts as lost."""
    make_events(b, 300, "seq")
    make_customers(b, 5000)
    with FaultProxy(b.server.port) as proxy:
        proxy.delay_s = 0.005
        away = f"  away: {b.server.connection(proxy.port, read_timeout='1s')}\n"
        b.pipeline(EVENTS + ", poll_interval: 20ms, max_rows_per_trigger: 300", sink=FILES,
                   sql="SELECT input.id, name FROM input LEFT JOIN customers USING (customer_id)",
                   sources=(CUSTOMERS % "").replace("from: shop", "from: away"))
        b.file.write_text(b.file.read_text().replace("sources:\n", away + "sources:\n", 1))
        process = b.start()
        try:
            for i in range(3):
                m.wait_until(lambda: len(b.written()) == 300 * (i + 1), f"the rows of round {i}")
                proxy.stall()
                before = proxy.connections
                b.sql(f"INSERT INTO events (customer_id) SELECT seq FROM seq_{301 + i * 300}_to_{600 + i * 300}")
                m.wait_until(lambda: proxy.connections > before, "the lookup to try again")
                assert len(b.written()) == 300 * (i + 1)
                proxy.go_on()
            m.wait_until(lambda: len(b.written()) == 1200, "the last rows")
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 0, stderr
        finally:
            m.kill(process)
    got = sorted([str(row["id"]), text(row["name"])] for row in b.written())
    assert got == sorted(b.sql("SELECT events.id, name FROM events LEFT JOIN customers USING (customer_id)"))


def malformed_rows_are_kept_once_found(b):
    make_events(b, 3, "seq")
    b.sql("CREATE TABLE customers (customer_id INT PRIMARY KEY, opens TIME);"
          "INSERT INTO customers VALUES (1, '10:00:00'), (2, '25:00:00'), (9, '26:00:00')")
    b.pipeline(EVENTS, sql="SELECT input.id, opens FROM input LEFT JOIN customers USING (customer_id)", sources=CUSTOMERS % "")
    b.run()
    assert sorted((row["id"], row["opens"]) for row in b.rows()) == [(1, "10:00:00"), (2, None), (3, None)], b.rows()
    shown = m.run("quarantine", "show", b.file, cwd=b.folder).stdout
    assert "25:00:00" in shown and "26:00:00" not in shown, shown


def references_are_looked_up(b):
    make_events(b, 40, "seq")
    make_customers(b, 10)
    b.pipeline(EVENTS, sql="SELECT id, customer_id FROM input", sources=CUSTOMERS % "",
               more="checks: { result: [ { name: known, references: customers.customer_id, otherwise: drop } ] }\n")
    b.run()
    expected = b.sql("SELECT id FROM events WHERE customer_id IS NULL OR customer_id IN (SELECT customer_id FROM customers)")
    assert sorted(row["id"] for row in b.rows()) == sorted(int(i) for (i,) in expected) and len(expected) == 13, b.rows()


def mistakes_are_told_at_their_place(b):
    make_events(b, 4)
    make_customers(b)
    sql = "SELECT input.id, name FROM input JOIN customers USING (customer_id)"
    for words, options in (
            (["pipeline.yaml:", "there is no column nobody", "customer_id INTEGER"], {"sources": CUSTOMERS.replace("key: customer_id", "key: nobody") % ""}),
            (["needs the option `key`"], {"sources": CUSTOMERS.replace(", key: customer_id", "") % ""}),
            (["is for lookups"], {"sources": CUSTOMERS.replace("as: lookup", "as: table") % ""}),
            (["`cache_ttl`"], {"sources": CUSTOMERS % ", refresh: 5s"}),
            (["can be read only where a stream is joined", "`as: table`", "pipeline.yaml:8:37"], {"sql": "SELECT count(*) AS n FROM customers"}),
            (["compare customers.customer_id by `=`"], {"sql": "SELECT input.id, c.name FROM input JOIN customers c ON c.name = input.region"}),
            (["can't be looked up by a key", "`as: table`"],
             {"sources": "  customers: { from: { type: files, path: in }, format: json, schema: 'customer_id INT, name VARCHAR', as: lookup, key: customer_id }\n"})):
        b.pipeline(EVENTS, **{"sql": sql, "sources": CUSTOMERS % "", **options})
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        assert done.returncode != 0 and all(word in done.stdout + done.stderr for word in words), (words, done.stdout, done.stderr)
    b.pipeline(EVENTS, sql=sql, sources=CUSTOMERS % "")
    m.run("validate", b.file, cwd=b.folder)
    shown = m.run("explain", b.file, cwd=b.folder).stdout
    assert "LOOKUP_JOIN" in shown and "looked up by customer_id" in shown and "customers (looked up)" in shown, shown


CASES = [joins_equal_those_of_the_server, keys_of_several_columns_and_several_rows, a_large_table_is_not_read, keys_of_all_types,
         what_changes_is_seen_when_it_is_old, a_killed_run_equals_an_undisturbed_one, lost_connections_are_made_again,
         a_server_that_is_away_is_waited_for, silence_is_waited_out, malformed_rows_are_kept_once_found, references_are_looked_up, mistakes_are_told_at_their_place]

if __name__ == "__main__":
    sys.exit(run_cases("mysql lookup", CASES, sys.argv))
