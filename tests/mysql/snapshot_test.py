"""Tables read by several connections see one moment: amounts that are moved between rows meanwhile add up to the same."""
import random
import sys
import threading

from bench import mariadb, m, run_cases

from fault_proxy import FaultProxy

ROWS, AMOUNT = 20_000, 100


def make(b):
    b.sql("CREATE TABLE accounts (region INT, id INT, v INT, PRIMARY KEY (region, id));"
          "CREATE TABLE digits (d INT PRIMARY KEY); INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);"
          f"INSERT INTO accounts SELECT n % 3, n, {AMOUNT} FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d AS n "
          f"FROM digits a, digits b, digits c, digits d, digits e) AS x WHERE n < {ROWS};"
          "CREATE TABLE ticks (id INT PRIMARY KEY AUTO_INCREMENT); INSERT INTO ticks SELECT NULL FROM digits")


class Mover:
    """Writes as fast as it can: amounts go from row to row, and rows go to other keys; each in a transaction."""

    def __init__(self, b):
        self.b, self.stop, self.done, self.error = b, threading.Event(), 0, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            rng, connection = random.Random(1), self.b.server.connect()
            cursor = connection.cursor()
            while not self.stop.is_set():
                a, c, by = rng.randrange(ROWS), rng.randrange(ROWS), rng.randrange(1, 50)
                moved = cursor.execute("UPDATE accounts SET v = v - %s WHERE id = %s AND region = %s", (by, a, a % 3))
                moved += cursor.execute("UPDATE accounts SET v = v + %s WHERE id = %s AND region = %s", (by, c, c % 3))
                if moved != 2:  # one of them is under another key
                    connection.rollback()
                    continue
                if rng.random() < 0.2:
                    cursor.execute("UPDATE accounts SET region = 5 - region WHERE id = %s AND region IN (2, 3)", (a,))
                connection.commit()
                self.done += 1
            connection.close()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        self.thread.start()
        m.wait_until(lambda: self.done > 20 or self.error, "the first transactions")
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        assert self.error is None, self.error


def transactions_begun(b, run):
    """By how many connections snapshots were begun."""
    b.sql("SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = 1")
    try:
        run()
    finally:
        b.sql("SET GLOBAL general_log = 0")
    return int(b.sql("SELECT COUNT(DISTINCT thread_id) FROM mysql.general_log WHERE argument LIKE 'START TRANSACTION WITH CONS%'")[0][0])


def keys_of_any_kind(b):
    """Each row once, however its keys lie: close, far apart, negative, as texts, in several columns."""
    b.sql("CREATE TABLE ticks (id INT PRIMARY KEY); INSERT INTO ticks VALUES (1)")
    for kind, key in (("BIGINT", "seq"), ("BIGINT", "CAST(seq AS SIGNED) * 1000000007 - 5000000000000"), ("BIGINT UNSIGNED", "18446744073709551615 - seq * 3"),
                      ("SMALLINT", "CAST(seq AS SIGNED) - 10000"), ("VARCHAR(20)", "CONCAT('key ', seq * 7919 % 10007)"), ("DATE", "'2000-01-01' + INTERVAL seq DAY"),
                      ("VARBINARY(8)", "UNHEX(LPAD(HEX(seq * 65537), 12, 'F'))")):
        b.forget()
        b.sql(f"DROP TABLE IF EXISTS t; CREATE TABLE t (k {kind} PRIMARY KEY, n INT); INSERT INTO t SELECT {key}, seq FROM seq_1_to_9999; ANALYZE TABLE t")
        b.pipeline("table: ticks, incremental: id", sql="SELECT id, total, n, d FROM input JOIN sums ON true",
                   datasets="  sums: SELECT sum(n)::BIGINT AS total, count(*) AS n, count(DISTINCT k) AS d FROM t\n",
                   sources="  t: { from: shop, table: t, as: table, rows_per_range: 100 }\n")
        b.run()
        assert b.rows() == [{"id": 1, "total": 9999 * 5000, "n": 9999, "d": 9999}], (kind, key, b.rows())


def whole_table(b, **options):
    b.pipeline("table: ticks, incremental: id, max_rows_per_trigger: 1",
               sql="SELECT id, total, n FROM input JOIN sums ON true", datasets="  sums: SELECT sum(v)::BIGINT AS total, count(*) AS n FROM accounts\n",
               sources="  accounts: { from: shop, table: accounts, as: table, rows_per_range: 1000 }\n", **options)


def a_table_read_whole_is_of_one_moment(b):
    make(b)
    whole_table(b)
    with Mover(b) as mover:
        connections = transactions_begun(b, b.run)
        done = mover.done
    assert len(b.rows()) == 10 and all(row["total"] == ROWS * AMOUNT and row["n"] == ROWS for row in b.rows()), b.rows()
    assert connections >= 20 and done > 100, (connections, done)


def no_more_connections_than_allowed(b):
    """By a user of its own, so that its connections can be told apart, who may have no more; slowed down, so that they can be seen."""
    make(b)
    b.sql("DELETE FROM ticks WHERE id > 1; DROP USER IF EXISTS 'three'@'%';"
          f"CREATE USER 'three'@'%' IDENTIFIED BY '{mariadb.PASSWORD}' WITH MAX_USER_CONNECTIONS 3; GRANT SELECT, LOCK TABLES ON shop.* TO 'three'@'%'")
    with FaultProxy(b.server.port) as proxy:
        whole_table(b)
        away = f"  away: {b.server.connection(proxy.port, user='three')}\n"
        b.file.write_text(b.file.read_text().replace("sources:\n", away + "sources:\n", 1)
                          .replace("accounts: { from: shop,", "accounts: { from: away, max_connections: 3,"))
        proxy.delay_s = 0.02
        b.sql("SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = 1")
        process, seen = b.start("--once"), []

        def ended():
            seen.append(int(b.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'three'")[0][0]))
            return process.poll() is not None
        try:
            m.wait_until(ended, "the run to end")
        finally:
            m.kill(process)
            b.sql("SET GLOBAL general_log = 0")
        said = process.stderr.read()
        assert process.returncode == 0 and "max_user_connections" not in said, said
        proxy.delay_s = 0
        assert b.rows() == [{"id": 1, "total": ROWS * AMOUNT, "n": ROWS}], b.rows()
    readers = b.sql("SELECT thread_id, COUNT(*) FROM mysql.general_log WHERE argument LIKE 'SELECT%`v` FROM `accounts`%' GROUP BY thread_id")
    assert 2 <= len(readers) <= 3, readers  # no more than there are threads
    assert max(seen) == 3, seen  # the one that has asked for the table's columns and ranges is one of them


def the_snapshot_of_changes_is_of_one_moment(b):
    make(b)
    b.pipeline("table: accounts, cdc: true, rows_per_range: 1000, max_rows_per_trigger: 7000, metadata: { op: op, seq: sequence }")
    with Mover(b):
        assert transactions_begun(b, b.run) >= 2
    rows = [row for row in b.rows() if row["op"] == "r"]
    assert len(rows) == ROWS and sum(row["v"] for row in rows) == ROWS * AMOUNT, (len(rows), sum(row["v"] for row in rows))
    b.run()
    last = {}
    for row in sorted(b.rows(), key=lambda row: row["seq"]):
        last[row["region"], row["id"]] = None if row["op"] == "d" else row["v"]
    there = {(int(region), int(key)): int(v) for region, key, v in b.sql("SELECT * FROM accounts")}
    assert {key: v for key, v in last.items() if v is not None} == there


def one_connection_where_others_may_not(b):
    """Without a binlog's word, and without the right to lock: slower, and as right."""
    make(b)
    b.sql(f"DROP USER IF EXISTS 'one'@'%'; CREATE USER 'one'@'%' IDENTIFIED BY '{mariadb.PASSWORD}'; GRANT SELECT ON shop.* TO 'one'@'%'")
    whole_table(b, connection={"user": "one"})
    with Mover(b):
        said = b.run().stderr
    assert all(row["total"] == ROWS * AMOUNT and row["n"] == ROWS for row in b.rows()), b.rows()
    return said


CASES = [keys_of_any_kind, a_table_read_whole_is_of_one_moment, no_more_connections_than_allowed, the_snapshot_of_changes_is_of_one_moment, one_connection_where_others_may_not]

if __name__ == "__main__":
    sys.exit(run_cases("mysql snapshots", CASES, sys.argv))
