"""Tables of MariaDB as sources, against a real server: types, growing tables, late commits, lost connections."""
import signal
import sys
import time

from bench import FILES_SINK as FILES, TABLE_SINK as TABLE, m, mariadb, run_cases

from certificates import Authority
from fault_proxy import FaultProxy

TYPES = """CREATE TABLE t (
  id INT UNSIGNED PRIMARY KEY, i1 TINYINT, u1 TINYINT UNSIGNED, i2 SMALLINT, u2 SMALLINT UNSIGNED, i3 MEDIUMINT,
  u3 MEDIUMINT UNSIGNED, i4 INT, u4 INT UNSIGNED, i8 BIGINT, u8 BIGINT UNSIGNED, f FLOAT, d DOUBLE, dec1 DECIMAL(10,2),
  dec2 DECIMAL(38,10), dec3 DECIMAL(65,30), dec4 DECIMAL(8,3) UNSIGNED ZEROFILL, b1 BIT(1), b9 BIT(9), flag BOOLEAN,
  e ENUM('M','F','Ö'), s SET('x','y','z'), c CHAR(5), v VARCHAR(50), latin VARCHAR(20) CHARACTER SET latin1, txt LONGTEXT,
  js JSON, bin BINARY(4), vb VARBINARY(10), bl LONGBLOB, da DATE, dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP(3) NULL,
  tm TIME, tm6 TIME(6), yr YEAR, g POINT"""


def types_are_exact(b):
    exact_types(b, {"u UUID": "123e4567-e89b-12d3-a456-426614174000", "i6 INET6": "2001:db8::1"})


def types_of_both_are_exact(b):
    """Those that MySQL itself has, too."""
    exact_types(b, {})


def exact_types(b, more):
    """`more`: columns of this server alone, with their values."""
    b.sql(", ".join([TYPES, *more]) + ")")
    b.sql("SET time_zone = '+05:00', sql_mode = '';"
          "INSERT INTO t VALUES (1, -128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295,"
          " -9223372036854775808, 18446744073709551615, 1.1, 0.1, -12345678.90, 1234567890123456789012345678.0123456789,"
          " -12345678901234567890123456789012345.123456789012345678901234567891, 1.5, b'1', b'100000001', TRUE, 'Ö', 'x,z',"
          " 'ab', 'naïve 漢字 🎉', 'Zoë', REPEAT('long', 20000), '{\"a\": [1, 2]}', 'ab', X'00FF', X'DEADBEEF', '1000-01-01',"
          " '9999-12-31 23:59:59', '2024-02-29 12:34:56.789012', '2024-01-01 05:00:00.125', '23:59:59', '00:00:00.000001',"
          " 2155, POINT(1, 2)" + "".join(f", '{value}'" for value in more.values()) + "),"
          "(2, 127, 0, 32767, 0, 8388607, 0, 2147483647, 0, 9223372036854775807, 0, -3.4e38, 1.7976931348623157e308, 0, 0, 0, 0,"
          " b'0', b'0', FALSE, 'M', '', '', '', '', '', '[]', '', '', '', '0000-00-00', '0000-00-00', '2024-00-15 00:00:00',"
          " 0, '00:00:00', '00:00:00', 0, NULL" + ", NULL" * len(more) + ");"
          "INSERT INTO t (id) VALUES (3)")
    b.pipeline("table: t, incremental: id")
    b.run()
    one, two, three = sorted(b.rows(), key=lambda row: row["id"])
    expected = {
        "id": 1, "i1": -128, "u1": 255, "i2": -32768, "u2": 65535, "i3": -8388608, "u3": 16777215, "i4": -2147483648,
        "u4": 4294967295, "i8": -9223372036854775808, "u8": 18446744073709551615, "f": one["f"], "d": 0.1, "dec1": -12345678.90,
        "dec2": one["dec2"], "dec3": "-12345678901234567890123456789012345.123456789012345678901234567891", "dec4": 1.5,
        "b1": True, "b9": 257, "flag": 1, "e": "Ö", "s": "x,z", "c": "ab", "v": "naïve 漢字 🎉", "latin": "Zoë",
        "txt": "long" * 20000, "js": '{"a": [1, 2]}', "bin": one["bin"], "vb": one["vb"], "bl": one["bl"], "da": "1000-01-01",
        "dt": "9999-12-31 23:59:59", "dt6": "2024-02-29 12:34:56.789012", "ts": "2024-01-01 00:00:00.125+00", "tm": "23:59:59",
        "tm6": "00:00:00.000001", "yr": 2155, "g": one["g"], **{name.split()[0]: value for name, value in more.items()},
    }
    assert one == expected, {k: (v, expected[k]) for k, v in one.items() if v != expected[k]}
    assert {k: two[k] for k in ("da", "dt", "dt6", "ts")} == dict.fromkeys(("da", "dt", "dt6", "ts")), two
    assert two["d"] == 1.7976931348623157e308 and two["yr"] == 0 and two["b1"] is False and two["s"] == "", two
    assert three == {"id": 3, **dict.fromkeys(k for k in one if k != "id")}, three
    exact = m.query(b.file, "SELECT dec2::VARCHAR AS dec2, hex(bin) AS bin, hex(vb) AS vb, hex(bl) AS bl, hex(g) AS g, f::VARCHAR AS f, "
                            "typeof(dec1) AS t, typeof(ts) AS ts, typeof(u8) AS u8 FROM out WHERE id = 1", cwd=b.folder)
    assert exact == [{"dec2": "1234567890123456789012345678.0123456789", "bin": "61620000", "vb": "00FF", "bl": "DEADBEEF",
                      "g": "0101000000000000000000F03F0000000000000040", "f": "1.1", "t": "DECIMAL(10,2)",
                      "ts": "TIMESTAMP WITH TIME ZONE", "u8": "UBIGINT"}], exact


def columns_may_have_other_types(b):
    b.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, flag TINYINT, opened TIME, n INT, d DATE, price DECIMAL(8,2), unused BLOB);"
          "INSERT INTO t VALUES (1, 1, '-25:00:01', 7, '2024-02-29', 9.99, 'x')")
    b.pipeline("table: t, incremental: id, "
               "schema: 'id VARCHAR, flag BOOLEAN, opened INTERVAL, n DOUBLE, d VARCHAR, price DOUBLE'",
               sql="SELECT *, opened::VARCHAR AS text FROM input")
    b.run()
    row = b.rows()[0]
    assert (row["id"], row["flag"], row["text"], row["n"], row["d"], row["price"]) == \
        ("1", True, "-25:00:01", 7.0, "2024-02-29", 9.99), row
    b.forget()
    b.pipeline("table: t, incremental: id, schema: 'id DATE'")
    done = b.run(check=False)
    assert done.returncode != 0 and "column id is BIGINT in the database" in done.stderr, done.stderr


def malformed_values_are_kept(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, tm TIME, d DATE);"
          "SET sql_mode = ''; INSERT INTO t VALUES (1, '10:00:00', '2024-01-01'), (2, '25:00:00', '2024-01-01'),"
          " (3, '10:00:00', '2024-02-00')")
    b.pipeline("table: t, incremental: id, zero_dates: malformed")
    b.run()
    assert [row["id"] for row in b.rows()] == [1]
    shown = m.run("quarantine", "show", b.file, cwd=b.folder).stdout
    assert "25:00:00" in shown and "INTERVAL" in shown and "2024-02-00" in shown, shown
    # Mended in the database, they are read again.
    b.sql("UPDATE t SET tm = '23:00:00', d = '2024-02-01'")
    m.run("quarantine", "replay", b.file, cwd=b.folder)
    assert sorted((row["id"], row["tm"]) for row in b.rows()) == [(1, "10:00:00"), (2, "23:00:00"), (3, "23:00:00")]
    b.forget()
    b.pipeline("table: t, incremental: id, on_malformed: permissive, schema: 'id INT, n INTERVAL'".replace("n INTERVAL", "tm TIME"))
    b.sql("UPDATE t SET tm = '-01:00:00' WHERE id = 2")
    b.run()
    assert sorted((row["id"], row["tm"]) for row in b.rows()) == [(1, "23:00:00"), (2, None), (3, "23:00:00")], b.rows()


def grows_batch_by_batch(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))")
    b.pipeline("table: t, incremental: id, max_rows_per_trigger: 1000, rows_per_range: 100",
               sql="SELECT id, v FROM input")
    b.run()
    assert b.rows() == []
    total = 0
    for count in (1, 2500, 0, 999):
        if count:
            b.sql(f"INSERT INTO t (v) SELECT CONCAT('row ', seq) FROM seq_1_to_{count}")
        total += count
        b.run()
        rows = b.rows()
        assert len(rows) == total and len({row["id"] for row in rows}) == total, (len(rows), total)
    # A count reads no column at all, and equals.
    b.forget()
    b.pipeline("table: t, incremental: id, max_rows_per_trigger: 700", sql="SELECT count(*) AS n FROM input",
               sink=TABLE + ", mode: complete")
    b.run()
    assert b.rows() == [{"n": total}], b.rows()


def late_commits_are_read_once(b):
    """A transaction takes numbers, another one takes later ones and commits first."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))")
    b.pipeline("table: t, incremental: id, gap_timeout: 60s, rows_per_range: 100")
    slow, lost = b.server.connect(), b.server.connect()
    slow.cursor().execute("INSERT INTO t (v) VALUES ('slow 1'), ('slow 2')")
    lost.cursor().execute("INSERT INTO t (v) VALUES ('rolled back')")
    b.sql("INSERT INTO t (v) VALUES ('quick 1'), ('quick 2')")
    b.run()
    assert sorted(row["v"] for row in b.rows()) == ["quick 1", "quick 2"]
    slow.cursor().execute("INSERT INTO t (v) VALUES ('slow 3')")
    b.run()
    slow.commit()
    lost.rollback()
    b.sql("INSERT INTO t (v) VALUES ('quick 3')")
    for _ in range(2):
        b.run()
        assert sorted(row["v"] for row in b.rows()) == ["quick 1", "quick 2", "quick 3", "slow 1", "slow 2", "slow 3"], b.rows()
    slow.close()
    lost.close()


def late_rows_are_looked_for_before_their_time_is_over(b):
    """However long the last look is ago, and though nothing else has come."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20)); INSERT INTO t (v) VALUES ('first')")
    b.pipeline("table: t, incremental: id, gap_timeout: 1ms")
    slow, lost = b.server.connect(), b.server.connect()
    slow.cursor().execute("INSERT INTO t (v) VALUES ('slow')")
    lost.cursor().execute("INSERT INTO t (v) VALUES ('rolled back')")
    b.sql("INSERT INTO t (v) VALUES ('quick')")
    b.run()
    assert sorted(row["v"] for row in b.rows()) == ["first", "quick"], b.rows()
    slow.commit()
    lost.rollback()
    told = b.run()
    assert sorted(row["v"] for row in b.rows()) == ["first", "quick", "slow"], b.rows()
    assert "1 number of id did not come within 1ms and count as a gap: 3;" in told.stderr, told
    slow.close()
    lost.close()


def gaps_are_told_when_their_time_is_over(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (5), (9)")
    b.pipeline("table: t, incremental: id, gap_timeout: 1s, poll_interval: 50ms", sink=FILES)
    process = b.start()
    try:
        m.wait_until(lambda: len(b.written()) == 4, "the rows")
        time.sleep(1.2)  # the time itself is what is looked at
        b.sql("INSERT INTO t VALUES (10)")
        m.wait_until(lambda: len(b.written()) == 5, "the next row")
        b.sql("INSERT INTO t VALUES (3), (11)")  # too late
        m.wait_until(lambda: len(b.written()) == 6, "the last row")
    finally:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "5 numbers of id did not come within 1s and count as a gap: 3-4, 6-8" in stderr, stderr
    assert sorted(row["id"] for row in b.written()) == [1, 2, 5, 9, 10, 11]


def by_time_and_id(b):
    """Rows that change come again; those of the same moment are told apart by their id."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, updated_at DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) "
          "ON UPDATE CURRENT_TIMESTAMP(6), KEY (updated_at, id));"
          "INSERT INTO t (v, updated_at) SELECT seq, '2024-01-01' FROM seq_1_to_950")
    b.pipeline("table: t, incremental: [updated_at, id], max_rows_per_trigger: 100, rows_per_range: 100",
               sql="SELECT id, v FROM input")
    b.run()
    assert sorted(row["id"] for row in b.rows()) == list(range(1, 951))
    b.sql("UPDATE t SET v = 5000 WHERE id IN (7, 900)")
    b.run()
    rows = b.rows()
    assert len(rows) == 952 and sorted(row["id"] for row in rows if row["v"] == 5000) == [7, 900]
    # With a lag, what is younger waits.
    b.forget()
    b.pipeline("table: t, incremental: [updated_at, id], lag: 1h", sql="SELECT id, v FROM input")
    b.run()
    assert len(b.rows()) == 948


def a_killed_run_equals_an_undisturbed_one(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v DECIMAL(10,2));"
          "INSERT INTO t (k, v) SELECT seq % 7, seq / 100 FROM seq_1_to_5000")
    b.pipeline("table: t, incremental: id, max_rows_per_trigger: 500, rows_per_range: 100",
               sql="SELECT k, count(*) AS n, sum(v) AS v FROM input GROUP BY k", sink=TABLE + ", mode: update",
               more="checkpoint: { snapshot_interval: 1h, snapshot_log_size: 1KiB }\n")
    for fault in ("checkpoint.offsets.before_write:2", "store.before_commit:3", "checkpoint.commit.before_write:2"):
        done = b.run(env={"MILLRACE_FAULT": fault}, check=False)
        assert done.returncode == -signal.SIGKILL, (fault, done)
    b.run()
    expected = {int(k): (int(n), float(v)) for k, n, v in b.sql("SELECT k, count(*), sum(v) FROM t GROUP BY k")}
    assert {row["k"]: (row["n"], row["v"]) for row in b.rows()} == expected


def lost_connections_are_made_again(b):
    """Cut in the middle of rows, refused, and a server that was stopped: nothing is lost or twice."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200));"
          "INSERT INTO t (v) SELECT REPEAT('x', 200) FROM seq_1_to_20000")
    with FaultProxy(b.server.port) as proxy:
        b.pipeline("table: t, incremental: id, max_rows_per_trigger: 5000, rows_per_range: 500, poll_interval: 50ms",
                   port=proxy.port, sql="SELECT id FROM input WHERE length(v) = 200", sink=FILES)
        proxy.cut_after(300_000)
        process = b.start()
        try:
            m.wait_until(lambda: len(b.written()) == 20000, "all rows", timeout=120)
            assert proxy.cuts > 0
            proxy.refuse()
            proxy.cut()
            b.sql("INSERT INTO t (v) SELECT REPEAT('x', 200) FROM seq_1_to_100")
            proxy.accept()
            m.wait_until(lambda: len(b.written()) == 20100, "the rows after that")
            b.server.stop()
            b.server.start()
            b.sql("INSERT INTO t (v) SELECT REPEAT('x', 200) FROM seq_1_to_100")
            m.wait_until(lambda: len(b.written()) == 20200, "the rows after the server's restart")
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 0, stderr
        finally:
            m.kill(process)
    assert len({row["id"] for row in b.written()}) == 20200


def a_stop_ends_a_wait(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)")
    with FaultProxy(b.server.port) as proxy:
        b.pipeline("table: t, incremental: id, poll_interval: 50ms", port=proxy.port, sink=FILES)
        process = b.start()
        try:
            m.wait_until(lambda: len(b.written()) == 1, "the row")
            proxy.stall()
            b.sql("INSERT INTO t VALUES (2)")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 0 and time.monotonic() - began < 10, (process.returncode, stderr)
            proxy.go_on()
        finally:
            m.kill(process)
        b.run()
    assert sorted(row["id"] for row in b.written()) == [1, 2]


def encrypts_and_checks_whom(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)")
    good = {"tls": "true", "tls_ca": b.server.authority, "user": "tlsonly"}
    b.pipeline("table: t, incremental: id", connection=good)
    b.run()
    assert len(b.rows()) == 1
    other = Authority(b.folder, "other").certificate
    for connection, words in (({**good, "tls_ca": other}, "certificate"), ({**good, "tls": "false", "tls_ca": "''"}, "Access denied"),
                              ({"user": "nobody"}, "check `user` and `password`"), ({"database": "nothing"}, "Unknown database")):
        b.forget()
        b.pipeline("table: t, incremental: id", connection=connection)
        done = b.run(check=False)
        assert done.returncode != 0 and words in done.stderr and mariadb.PASSWORD not in done.stderr, done.stderr


def tells_operators_how_far_it_is(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT); INSERT INTO t SELECT seq, seq FROM seq_1_to_30;"
          "CREATE TABLE profile_offsets (source VARCHAR(128) PRIMARY KEY, last_txn_id BIGINT)")
    source = "table: t, incremental: id, max_rows_per_trigger: 10, offset_table: profile_offsets"
    b.pipeline(f"{source}, offset_source: profile_job")
    b.run()
    assert b.sql("SELECT * FROM profile_offsets") == [["profile_job", "30"]], b.sql("SELECT * FROM profile_offsets")
    b.sql("INSERT INTO t VALUES (31, 1)")
    b.run()
    assert b.sql("SELECT * FROM profile_offsets") == [["profile_job", "31"]]
    # Without a checkpoint: from the first row, unless told otherwise.
    b.forget()
    done = b.run()
    assert "from the first row" in done.stderr and len(b.rows()) == 31, (done.stderr, len(b.rows()))
    b.forget()
    b.sql("UPDATE profile_offsets SET last_txn_id = 28")
    b.pipeline(f"{source}, offset_source: profile_job, start_at_stored_offset: true")
    b.run()
    assert sorted(row["id"] for row in b.rows()) == [29, 30, 31], b.rows()
    b.forget()
    b.pipeline(source.replace("profile_offsets", "nothing"))
    done = b.run(check=False)
    assert done.returncode != 0 and "a table of two columns" in done.stderr, done.stderr


def joins_a_table_that_changes(b):
    b.sql("CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, product INT); INSERT INTO orders (product) VALUES (1), (2);"
          "CREATE TABLE products (product INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO products VALUES (1, 'one'), (2, 'two')")
    b.pipeline("table: orders, incremental: id", sql="SELECT id, name FROM input LEFT JOIN products USING (product)",
               sources="  products: { from: shop, query: 'SELECT product, UPPER(name) AS name FROM products', as: table }\n")
    b.run()
    b.sql("INSERT INTO products VALUES (3, 'three'); UPDATE products SET name = 'uno' WHERE product = 1;"
          "INSERT INTO orders (product) VALUES (3), (1), (4)")
    b.run()
    assert sorted((row["id"], row["name"]) for row in b.rows()) == \
        [(1, "ONE"), (2, "TWO"), (3, "THREE"), (4, "UNO"), (5, None)], b.rows()


def a_table_is_read_again_when_it_is_old(b):
    """`refresh`: what was read stands for so long, then the new rows are seen."""
    b.sql("CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, product INT); INSERT INTO orders (product) VALUES (1);"
          "CREATE TABLE products (product INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO products VALUES (1, 'name 0')")
    b.pipeline("table: orders, incremental: id, poll_interval: 20ms, gap_timeout: 0s", sink=FILES,
               sql="SELECT id, name FROM input LEFT JOIN products USING (product)",
               sources="  products: { from: shop, table: products, as: table, refresh: 2s }\n")
    process = b.start()
    try:
        m.wait_until(lambda: len(b.written()) == 1, "the first row")

        def next_name():
            before = len(b.written())
            b.sql("INSERT INTO orders (product) VALUES (1)")
            m.wait_until(lambda: len(b.written()) > before, "the next row")
            return max(b.written(), key=lambda row: row["id"])["name"]
        old = 0
        for i in (1, 2, 3):
            b.sql(f"UPDATE products SET name = 'name {i}'")
            names = [next_name()]
            m.wait_until(lambda: names.append(next_name()) or names[-1] == f"name {i}", "the new name")
            assert set(names[:-1]) <= {f"name {i - 1}"}, names  # never does one come back
            old += len(names) - 1
        assert old > 0, "it was read in each batch"
    finally:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr


def a_query_that_grows(b):
    """`query` in place of `table`: rows of a join, some of them, by their number."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, product INT, n INT); INSERT INTO t (product, n) SELECT seq % 10, seq FROM seq_1_to_5000;"
          "CREATE TABLE products (product INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO products SELECT seq, CONCAT('p', seq) FROM seq_0_to_8")
    b.pipeline("query: 'SELECT t.id, UPPER(p.name) AS name, t.n * 2 AS n FROM t JOIN products p USING (product) WHERE t.n % 3 = 0', "
               "incremental: id, max_rows_per_trigger: 700, rows_per_range: 100")
    done = b.run(env={"MILLRACE_FAULT": "batch.after_publish:2"}, check=False)
    assert done.returncode == -signal.SIGKILL, done
    b.run()
    b.sql("INSERT INTO t (product, n) SELECT seq % 10, seq FROM seq_1_to_300")
    b.run()
    got = sorted([str(row["id"]), row["name"], str(row["n"])] for row in b.rows())
    want = sorted(b.sql("SELECT t.id, UPPER(name), n * 2 FROM t JOIN products USING (product) WHERE n % 3 = 0"))
    assert got == want and len(want) > 1500, (len(got), len(want))


def a_batch_is_read_by_several_connections(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20)); INSERT INTO t (v) SELECT CONCAT('row ', seq) FROM seq_1_to_50000;"
          "SET GLOBAL log_output = 'TABLE'")
    for most in (1, 3):
        b.forget()
        b.pipeline(f"table: t, incremental: id, rows_per_range: 1000, max_connections: {most}", sql="SELECT id, v FROM input")
        b.sql("TRUNCATE mysql.general_log; SET GLOBAL general_log = 1")
        try:
            b.run()
        finally:
            b.sql("SET GLOBAL general_log = 0")
        readers = [int(row[0]) for row in b.sql("SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE 'SELECT%`v`%FROM%`t`%' GROUP BY thread_id")]
        rows = b.rows()
        assert len(rows) == 50000 and len({row["id"] for row in rows}) == 50000, len(rows)
        assert len(readers) == 1 if most == 1 else 2 <= len(readers) <= 3, (most, readers)


def state_is_made_anew_from_the_table(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT); INSERT INTO t (v) SELECT seq FROM seq_1_to_100")
    source = "table: t, incremental: id, max_rows_per_trigger: 30"
    b.pipeline(source, sql="SELECT count(*) AS n FROM input", sink=TABLE + ", mode: complete")
    b.run()
    b.pipeline(source, sql="SELECT count(*) AS n, sum(v) AS v FROM input", sink=TABLE.replace("result", "other") + ", mode: complete")
    b.sql("INSERT INTO t (v) VALUES (1000)")
    m.run("run", b.file, "--once", "--rebuild", "result", cwd=b.folder)
    assert b.rows() == [{"n": 101, "v": 6050}], b.rows()


CASES = [types_are_exact, columns_may_have_other_types, malformed_values_are_kept, grows_batch_by_batch,
         late_commits_are_read_once, late_rows_are_looked_for_before_their_time_is_over,
         gaps_are_told_when_their_time_is_over, by_time_and_id, a_killed_run_equals_an_undisturbed_one, lost_connections_are_made_again, a_stop_ends_a_wait,
         encrypts_and_checks_whom, tells_operators_how_far_it_is, joins_a_table_that_changes,
         a_table_is_read_again_when_it_is_old, a_query_that_grows, a_batch_is_read_by_several_connections,
         state_is_made_anew_from_the_table]

if __name__ == "__main__":
    sys.exit(run_cases("mysql source", CASES, sys.argv))
