"""Tables of MariaDB as sinks, against a real server, read back by the server's own client."""
import json
import signal
import sys
import threading

from bench import Bench, m, mariadb, run_cases

from fault_proxy import FaultProxy

FAULTS = ["mysql.staged", "mysql.before_commit", "mysql.after_commit", "batch.after_stage", "batch.after_publish",
          "checkpoint.commit.before_write"]


class Files(Bench):
    """Rows come out of CSV files, a file a batch."""

    def __init__(self, bench):
        super().__init__(bench.server, bench.folder)
        (self.folder / "in").mkdir(exist_ok=True)
        self.files = 0

    def add(self, header, rows):
        m.write_csv(self.folder / "in" / f"{self.files:04}.csv", header, rows)
        self.files += 1

    def to_table(self, schema, sql, sink, **more):
        return self.pipeline(sql=sql, sink=f"shop, {sink}",
                             sources="  input: { from: { type: files, path: in }, format: csv, max_files_per_trigger: 1, "
                                     f"schema: '{schema}' }}\n", **more)


def refused(b):
    return [json.loads(line) for path in sorted((b.folder / ".millrace").glob("*/refused/out/*.jsonl"))
            for line in path.read_text().splitlines()]


def appends_exactly_once(bench):
    b = Files(bench)
    for file in range(6):
        b.add(["id", "v"], [[file * 100 + i, f"row {i}"] for i in range(100)])
    b.to_table("id INT, v VARCHAR", "SELECT * FROM input", "table: made")
    for i, fault in enumerate(FAULTS):
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:{1 + i % 2}"}, check=False)
        assert done.returncode == -9, (fault, done)
    b.run()
    b.run()
    # Without a key of the table, a row that came twice would be there twice.
    assert b.sql("SELECT count(*), count(DISTINCT id), sum(id) FROM made") == [["600", "600", str(sum(range(600)))]]
    assert [row[0] for row in b.sql("SHOW TABLES")] == ["made", "millrace_batches", "millrace_refused"]


def updates_and_deletes_by_key(bench):
    b = Files(bench)
    header = ["id", "part", "v", "op"]
    b.to_table("id INT, part VARCHAR, v DOUBLE, op VARCHAR",
               "SELECT id, part, max_by(v, rowno) AS v, max_by(op, rowno) = 'd' AS gone FROM "
               "(SELECT *, v AS rowno FROM input) GROUP BY id, part",
               "table: t, mode: update, key: [id, part], delete: gone")
    b.add(header, [[i, p, i, "c"] for i in range(1000) for p in "ab"])
    b.run()
    assert b.sql("SELECT count(*), sum(v) FROM t") == [["2000", "999000"]]
    assert ["id", "int(11)", "NO", "PRI"] == b.sql("DESCRIBE t")[0][:4], b.sql("DESCRIBE t")
    b.add(header, [[1, "a", 5000, "u"], [2, "a", 5000, "d"], [3, "b", 5000, "d"], [3, "a", 5000, "u"], [7777, "a", 1, "d"]])
    for fault in FAULTS:
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -9, (fault, done)
    b.run()
    assert b.sql("SELECT id, part, v FROM t WHERE id BETWEEN 1 AND 3 ORDER BY id, part") == \
        [["1", "a", "5000"], ["1", "b", "1"], ["2", "b", "2"], ["3", "a", "5000"]]
    b.add(header, [[2, "a", 6000, "c"]])
    b.run()
    assert b.sql("SELECT v FROM t WHERE id = 2 AND part = 'a'") == [["6000"]]
    assert b.sql("SELECT count(*) FROM t") == [["1999"]]


def replaces_the_whole_table(bench):
    b = Files(bench)
    b.sql("CREATE TABLE t (k VARCHAR(10), n BIGINT, note VARCHAR(10) DEFAULT 'none')")
    b.to_table("k VARCHAR", "SELECT k, count(*) AS n FROM input GROUP BY k", "table: t, mode: complete")
    for _ in range(3):
        b.add(["k"], [["a"], ["b"], ["a"]])
        b.run()
    assert sorted(b.sql("SELECT * FROM t")) == [["a", "6", "none"], ["b", "3", "none"]]


def rows_that_the_server_refuses_are_kept(bench):
    """Also when the batch is repeated whose rows are there already."""
    b = Files(bench)
    b.sql("CREATE TABLE parent (id INT PRIMARY KEY); INSERT INTO parent SELECT seq FROM seq_1_to_2000;"
          "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(5) NOT NULL, age TINYINT CHECK (age > 0),"
          " FOREIGN KEY (id) REFERENCES parent (id)); INSERT INTO t VALUES (100, 'there', 1)")
    rows = [[i, "ok", 1] for i in range(1, 1501) if i != 7]
    bad = [[7, "too long", 1], [100, "again", 1], [1800, None, 1], [1801, "ok", 1000], [1802, "ok", -1], [3000, "ok", 1]]
    b.add(["id", "name", "age"], [row for row in rows if row[0] != 100] + bad)
    b.to_table("id INT, name VARCHAR, age INT", "SELECT * FROM input", "table: t")
    killed = b.run(env={"MILLRACE_FAULT": "mysql.after_commit:1"}, check=False)
    assert killed.returncode == -9, killed
    done = b.run()
    assert b.sql("SELECT count(*) FROM t") == [["1499"]], b.sql("SELECT count(*) FROM t")
    kept = {json.loads(row["raw"])["id"]: row["reason"] for row in refused(b)}
    assert set(kept) == {row[0] for row in bad}, kept
    for id, words in ((7, "too long"), (100, "Duplicate"), (1800, "null"), (1801, "range"), (1802, "CONSTRAINT"), (3000, "foreign")):
        assert words in kept[id], kept
    shown = m.run("quarantine", "show", b.file, cwd=b.folder).stdout
    assert "Duplicate entry" in shown and "too long" in shown, shown
    # The next batch has no memory of them.
    b.add(["id", "name", "age"], [[1900, "ok", 1]])
    killed = b.run(env={"MILLRACE_FAULT": "mysql.after_commit:1"}, check=False)
    assert killed.returncode == -9, killed
    b.run()
    assert len(refused(b)) == 6 and b.sql("SELECT count(*) FROM t") == [["1500"]] and not done.stdout
    b.forget()
    b.sql("DELETE FROM t; DELETE FROM millrace_batches")
    b.to_table("id INT, name VARCHAR, age INT", "SELECT * FROM input", "table: t, on_refused: fail")
    done = b.run(check=False)
    assert done.returncode != 0 and b.sql("SELECT count(*) FROM t") == [["0"]], done.stderr


TYPES = """SELECT id, id > 1 AS flag, (-100)::TINYINT AS i1, 200::UTINYINT AS u1, 30000::SMALLINT AS i2, 60000::USMALLINT AS u2,
 4000000000::UINTEGER AS u4, -9e18::BIGINT AS i8, 18446744073709551615::UBIGINT AS u8,
 170141183460469231731687303715884105727::HUGEINT AS huge, 1.5::FLOAT AS f, 0.1::DOUBLE AS d, -12.34::DECIMAL(10,2) AS dec1,
 1234567890123456789012345678.0123456789::DECIMAL(38,10) AS dec2, 'naïve 漢字 🎉' AS v, '\\x00\\xFF'::BLOB AS b,
 DATE '2024-02-29' AS da, TIME '23:59:59.123456' AS tm, TIMESTAMP '2024-02-29 12:34:56.789012' AS ts,
 TIMESTAMPTZ '2024-02-29 12:00:00+02' AS tz, '123e4567-e89b-12d3-a456-426614174000'::UUID AS u, NULL::INT AS nothing FROM input"""


def types_are_exact(bench):
    b = Files(bench)
    b.add(["id"], [[1]])
    (b.folder / "types.sql").write_text(TYPES)
    b.to_table("id INT", "types.sql", "table: t")
    b.run()
    row = b.sql("SELECT id, flag, i1, u1, i2, u2, u4, i8, u8, huge, f, d, dec1, dec2, v, HEX(b), da, tm, ts, tz, u, nothing FROM t")
    assert row == [["1", "0", "-100", "200", "30000", "60000", "4000000000", "-9000000000000000000", "18446744073709551615",
                    "170141183460469231731687303715884105727", "1.5", "0.1", "-12.34", "1234567890123456789012345678.0123456789",
                    "naïve 漢字 🎉", "00FF", "2024-02-29", "23:59:59.123456", "2024-02-29 12:34:56.789012",
                    "2024-02-29 10:00:00.000000", "123e4567-e89b-12d3-a456-426614174000", "NULL"]], row
    b.add(["id"], [[2]])
    (b.folder / "types.sql").write_text(TYPES.replace("0.1::DOUBLE", "'NaN'::DOUBLE"))
    b.run()
    assert len(refused(b)) == 1 and "finite" in refused(b)[0]["reason"], refused(b)
    b.forget()
    b.to_table("id INT", "SELECT id, [1, 2] AS list FROM input", "table: t2")
    done = b.run(check=False)
    assert done.returncode != 0 and "to_json(list)" in done.stderr, done.stderr


def what_can_not_work_is_told(bench):
    b = Files(bench)
    b.sql("CREATE TABLE nokey (k INT, n BIGINT); CREATE TABLE isam (k INT PRIMARY KEY, n BIGINT) ENGINE=MyISAM;"
          "CREATE TABLE wants (k INT PRIMARY KEY, n BIGINT, more INT NOT NULL); CREATE TABLE lacks (k INT PRIMARY KEY)")
    b.add(["k"], [[1]])
    for sink, words in (("table: nokey, mode: update", "no unique key"), ("table: isam, mode: update", "ENGINE=InnoDB"),
                        ("table: wants, mode: update", "needs a value"), ("table: lacks, mode: update", "ADD `n` BIGINT"),
                        ("table: none, create_table: false, mode: update", "make it")):
        b.to_table("k INT", "SELECT k, count(*) AS n FROM input GROUP BY k", sink)
        done = b.run(check=False)
        assert done.returncode != 0 and words in done.stderr, done.stderr
        b.forget()
    for sink, words in (("table: t, mode: complete, delete: gone", "mode update"), ("table: t, mode: update, delete: n", "not BOOLEAN"),
                        ("table: t, mode: update, delete: nothing", "is not in result")):
        b.to_table("k INT", "SELECT k, count(*) AS n, max(k) > 5 AS gone FROM input GROUP BY k", sink)
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        assert done.returncode != 0 and words in done.stderr + done.stdout, done.stderr + done.stdout
    b.to_table("k INT", "SELECT k, count(*) AS n FROM input GROUP BY k", "table: good, mode: update")
    b.run()
    b.forget()  # another checkpoint
    done = b.run(check=False)
    assert done.returncode != 0 and "another checkpoint" in done.stderr, done.stderr


def locks_and_lost_connections_are_waited_out(bench):
    b = Files(bench)
    b.sql("CREATE TABLE t (k INT PRIMARY KEY, n BIGINT); INSERT INTO t SELECT seq, 0 FROM seq_0_to_9;"
          "SET GLOBAL innodb_lock_wait_timeout = 1")
    holder = b.server.connect()
    holder.cursor().execute("UPDATE t SET n = 1 WHERE k = 5")
    with FaultProxy(b.server.port) as proxy:
        b.to_table("k INT", "SELECT k, count(*) AS n FROM input GROUP BY k", "table: t, mode: update", port=proxy.port)
        for _ in range(5):
            b.add(["k"], [[i % 10] for i in range(1000)])
        process = b.start()
        try:
            stderr = []
            reader = threading.Thread(target=lambda: stderr.extend(process.stderr), daemon=True)
            reader.start()
            m.wait_until(lambda: any("Lock wait timeout" in line for line in stderr), "the lock to be met", timeout=30)
            holder.rollback()
            m.wait_until(lambda: b.sql("SELECT sum(n) FROM t") == [["5000"]], "all batches")
            for _ in range(20):
                b.add(["k"], [[i % 10] for i in range(1000)])
                proxy.cut_after(20_000)
            m.wait_until(lambda: b.sql("SELECT sum(n) FROM t") == [["25000"]], "all batches after the cuts")
            assert proxy.cuts > 0
            b.server.stop(signal.SIGKILL)
            b.add(["k"], [[i % 10] for i in range(1000)])
            b.server.start()
            m.wait_until(lambda: b.sql("SELECT sum(n) FROM t") == [["26000"]], "the batch after the server's crash")
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            assert process.returncode == 0, "".join(stderr)
        finally:
            m.kill(process)
            holder.close()
            reader.join()
    assert b.sql("SELECT min(n), max(n) FROM t") == [["2600", "2600"]]


def a_deadlock_is_tried_again(bench):
    """Of two transactions that wait for each other the server ends ours, as the other one has written more."""
    b = Files(bench)
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE heavy (id INT PRIMARY KEY, n INT);"
          "INSERT INTO heavy SELECT seq, 0 FROM seq_1_to_5000")
    b.to_table("id INT, v VARCHAR", "SELECT * FROM input", "table: t")
    b.add(["id", "v"], [[i, "first"] for i in range(100)])
    b.run()
    b.add(["id", "v"], [[i, "second"] for i in range(100, 1100)])
    other = b.server.connect()
    try:
        cursor = other.cursor()
        cursor.execute("UPDATE heavy SET n = 1")
        cursor.execute("INSERT INTO t VALUES (700, 'another')")
        process = b.start("--once")
        try:
            m.wait_until(lambda: b.sql("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") == [["1"]],
                         "the sink to wait for us")
            cursor.execute("SELECT * FROM millrace_batches FOR UPDATE")  # which the sink has locked
            assert cursor.fetchall()
            other.rollback()
            _, stderr = process.communicate(timeout=60)
        finally:
            m.kill(process)
    finally:
        other.close()
    assert process.returncode == 0 and "Deadlock found" in stderr and "error 1213" in stderr, (process.returncode, stderr)
    assert b.sql("SELECT v, COUNT(*), MIN(id), MAX(id) FROM t GROUP BY v") == [["first", "100", "0", "99"], ["second", "1000", "100", "1099"]]
    assert refused(b) == [], refused(b)


def silence_is_waited_out(bench):
    """A server, or what is between, that is slow, and one that says nothing more: the connection counts as lost after `read_timeout`."""
    b = Files(bench)
    b.sql("CREATE TABLE t (id INT, v VARCHAR(200))")  # without a key, rows that come twice are there twice
    with FaultProxy(b.server.port) as proxy:
        b.to_table("id INT, v VARCHAR", "SELECT * FROM input", "table: t, rows_per_statement: 50", port=proxy.port,
                   connection={"read_timeout": "1s", "connect_timeout": "1s"})
        proxy.delay_s = 0.005
        process = b.start()
        try:
            for i in range(3):
                b.add(["id", "v"], [[i * 2000 + j, "x" * 150] for j in range(2000)])
                m.wait_until(lambda: b.sql("SELECT COUNT(*) FROM t WHERE id < 100000") == [[f"{(i + 1) * 2000}"]], f"batch {i}")
                proxy.stall()
                before = proxy.connections
                b.add(["id", "v"], [[100_000 + i, "meanwhile"]])
                m.wait_until(lambda: proxy.connections > before + 1, "the sink to try again")
                proxy.go_on()
                m.wait_until(lambda: b.sql("SELECT COUNT(*) FROM t WHERE id >= 100000") == [[f"{i + 1}"]], f"what came in silence {i}")
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
        finally:
            m.kill(process)
    assert process.returncode == 0, stderr
    assert b.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [["6003", "6003"]], b.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM t")


def writes_of_transactions(b):
    """Of what the server has logged: for each transaction, in their order, the heads of its statements that write, and its end."""
    transactions, open_ones = [], {}
    for thread, kind, text in b.sql("SELECT thread_id, command_type, LEFT(argument, 40) FROM mysql.general_log"):
        if text == "START TRANSACTION":
            assert thread not in open_ones, "a transaction was begun within another"
            transactions.append(open_ones.setdefault(thread, []))
        elif text in ("COMMIT", "ROLLBACK"):
            open_ones.pop(thread).append(text)
        elif kind in ("Execute", "Query") and text.startswith(("INSERT INTO", "DELETE FROM", "UPDATE", "REPLACE")):
            assert thread in open_ones, f"outside of a transaction: {text}"
            open_ones[thread].append(" ".join(text.split()[:3]))
    assert not open_ones, open_ones
    return transactions


def many_rows_take_few_statements_in_one_transaction(bench):
    """By the server's own log. 10,000 rows are five chunks of 2,048 at most, of which each takes a statement for every
    `rows_per_statement` rows: 4 * 4 + 4 by default. Then the batch's id, and the commit."""
    b = Files(bench)
    header = ["id", "part", "v", "op"]
    newest = ("SELECT id, part, max_by(v, rowno) AS v, max_by(op, rowno) = 'd' AS gone FROM (SELECT *, v AS rowno FROM input) GROUP BY id, part")
    keyed = "table: {}, mode: update, key: [id{}], delete: gone"
    b.sql("SET GLOBAL log_output = 'TABLE'; CREATE TABLE a (id INT, part VARCHAR(5), v DOUBLE, op VARCHAR(1));"
          "CREATE TABLE one (id INT PRIMARY KEY, v DOUBLE); CREATE TABLE two (id INT, part VARCHAR(5), v DOUBLE, PRIMARY KEY (id, part))")
    for sql, sink, rows_per_statement, most in (
            ("SELECT * FROM input", "table: a", 512, 20), ("SELECT * FROM input", "table: a", 10_000, 5),
            (newest.replace(", part", ""), keyed.format("one", ""), 512, 20), (newest, keyed.format("two", ", part"), 512, 20)):
        b.forget()
        for path in (b.folder / "in").iterdir():
            path.unlink()
        b.sql("DROP TABLE IF EXISTS millrace_batches")
        table = sink.split(",")[0].split()[1]
        b.to_table("id INT, part VARCHAR, v DOUBLE, op VARCHAR", sql, f"{sink}, rows_per_statement: {rows_per_statement}",
                   more="threads: 1\n")  # or each thread may have a chunk that is not full
        for op, value in ("c", 1), ("u", 2), ("d", 3):
            b.add(header, [[i, "a", value, op] for i in range(10_000)])
            b.sql("TRUNCATE mysql.general_log; SET GLOBAL general_log = 1")
            try:
                b.run()
            finally:
                b.sql("SET GLOBAL general_log = 0")
            writes = [writes for writes in writes_of_transactions(b) if writes != ["COMMIT"]]
            verb = "DELETE FROM" if op == "d" and table != "a" else "INSERT INTO"
            assert writes == [[f"{verb} `{table}`"] * most + ["INSERT INTO millrace_batches", "COMMIT"]], (table, op, writes)
    assert b.sql("SELECT count(*), sum(v) FROM a") == [["60000", "120000"]], b.sql("SELECT count(*), sum(v) FROM a")
    assert b.sql("SELECT (SELECT count(*) FROM one) + (SELECT count(*) FROM two)") == [["0"]]


CASES = [appends_exactly_once, many_rows_take_few_statements_in_one_transaction, updates_and_deletes_by_key, replaces_the_whole_table, rows_that_the_server_refuses_are_kept,
         types_are_exact, what_can_not_work_is_told, locks_and_lost_connections_are_waited_out, a_deadlock_is_tried_again,
         silence_is_waited_out]

if __name__ == "__main__":
    sys.exit(run_cases("mysql sink", CASES, sys.argv))
