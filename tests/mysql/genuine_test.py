"""What differs in MySQL itself: how users log in, its binlog, its types. The rest is as in MariaDB."""
import sys

from bench import m, mariadb, run_cases

import cdc_test
import connect_test
import snapshot_test
import source_test
from cdc_test import KEYED, META, NEWEST, changes
from sink_test import Files, refused

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 0 FROM n"


def logs_in_by_caching_sha2(b):
    """Encrypted, the first time and again; not encrypted, by the server's key."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v JSON, u BIGINT UNSIGNED); INSERT INTO t VALUES (1, '{\"a\": 1}', 18446744073709551615)")
    for connection in ({"tls": "true", "tls_ca": b.server.authority}, {"tls": "true", "tls_ca": b.server.authority, "user": "tlsonly"}, {}):
        b.forget()
        b.pipeline("table: t, incremental: id", connection=connection)
        b.run()
        assert b.rows() == [{"id": 1, "v": '{"a": 1}', "u": 18446744073709551615}], b.rows()
    b.forget()
    b.pipeline("table: t, incremental: id", connection={"user": "nobody"})
    done = b.run(check=False)
    assert done.returncode != 0 and "check `user` and `password`" in done.stderr, done.stderr


def writes_and_is_refused(bench):
    b = Files(bench)
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(5), n INT CHECK (n > 0))")
    b.add(["id", "name", "n"], [[i, "ok", 1] for i in range(1000)] + [[2000, "too long", 1], [2001, "ok", -1], [2002, "ok", 1]])
    b.to_table("id INT, name VARCHAR, n INT", "SELECT id, any_value(name) AS name, max(n)::INT AS n FROM input GROUP BY id",
               "table: t, mode: update, key: [id]")
    for fault in ("mysql.before_commit", "mysql.after_commit"):
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -9, (fault, done)
    b.run()
    assert b.sql("SELECT count(*), max(id) FROM t") == [["1001", "2002"]]
    assert len(refused(b)) == 2 and any("constraint" in row["reason"] for row in refused(b)), refused(b)


def changes_from_its_binlog(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2)); INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)")
    b.pipeline(f"table: t, cdc: true, {META}")
    b.run()
    b.sql("INSERT INTO t VALUES (3, 'three', NULL); UPDATE t SET v = v + 1 WHERE id < 3; DELETE FROM t WHERE id = 1; FLUSH BINARY LOGS;"
          "UPDATE t SET id = 9 WHERE id = 2")
    b.run()
    assert changes(b) == [("r", 1, "one", 1.0), ("r", 2, "two", 2.0), ("c", 3, "three", None), ("u", 1, "one", 2.0), ("u", 2, "two", 3.0),
                          ("d", 1, "one", 2.0), ("d", 2, "two", 3.0), ("c", 9, "two", 3.0)], changes(b)


def changes_without_gtids(b):
    """`gtid_mode=OFF`, as MySQL comes, also where transactions had numbers before: by file and offset, over files in which nothing happens."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t SELECT i, 0 FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
          "WHERE i < 200) SELECT i FROM n) AS x")
    modes = ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"]
    b.sql("".join(f"SET GLOBAL gtid_mode = {mode};" for mode in modes))
    try:
        b.pipeline(f"table: t, cdc: true, max_rows_per_trigger: 60, {META}")
        done = b.run(env={"MILLRACE_FAULT": "batch.after_publish:2"}, check=False)
        assert done.returncode == -9, done
        b.sql("UPDATE t SET v = v + 1 WHERE id > 100; DELETE FROM t WHERE id = 150; FLUSH BINARY LOGS")
        b.run(timeout=60)
        b.sql("FLUSH BINARY LOGS")
        b.run(timeout=60)
        b.sql("INSERT INTO t VALUES (300, 3); FLUSH BINARY LOGS; DELETE FROM t WHERE id = 1")
        b.run(timeout=60)
        got = changes(b)
        first, told = [row for row in got if row[0] == "r"], [row for row in got if row[0] != "r"]
        assert sorted(first) == [("r", i, 0) for i in range(1, 201)], len(first)
        assert told == [("u", i, 1) for i in range(101, 201)] + [("d", 150, 1), ("c", 300, 3), ("d", 1, 0)], told
    finally:
        b.sql("".join(f"SET GLOBAL gtid_mode = {mode};" for mode in [*modes[1::-1], "ON"]))


DOCUMENTS = [
    "'null'", "'true'", "'[]'", "'{}'", "'1'", "'-32768'", "'32767'", "'65535'", "'-2147483648'", "'4294967295'", "'-9223372036854775808'",
    "'18446744073709551615'", "'1.5'", "'1.0'", "'-0.0'", "'1e15'", "'1e14'", "'123456789012345.6'", "'1e100'", "'1.25e-14'", "'1e-15'",
    "'1.7976931348623157e308'", "'5e-324'", "'0.1'", "'100'", "'\"text\"'", "JSON_QUOTE(CONCAT('quote \" slash \\\\ ', CHAR(8, 9, 10, 12, 13, 1, 31, 127 USING utf8mb4), ' Öğ 🦆'))",
    "'[1, [2, [3, {\"a\": [null, true, false, 70000, -70000, 5000000000]}]]]'", "'{\"bb\": 1, \"a\": {\"\": [], \"c\": {}}, \"ccc\": \"x\"}'",
    "JSON_OBJECT('dec', CAST(-12345.6789 AS DECIMAL(20,6)), 'big', CAST(99999999999999999999999999999999999.5 AS DECIMAL(65,10)), 'small', 0.001)",
    "JSON_ARRAY(CAST('2024-02-29' AS DATE), CAST('2024-02-29 12:34:56' AS DATETIME), CAST('2024-02-29 12:34:56.789012' AS DATETIME(6)))",
    "JSON_ARRAY(CAST('12:34:56' AS TIME), CAST('-838:59:59' AS TIME), CAST('-00:00:00.5' AS TIME(6)), TIMESTAMP('1999-12-31 23:59:59'))",
    "JSON_ARRAY(CAST('bytes' AS BINARY), x'00ff', b'101')", "JSON_OBJECT('long', REPEAT('x', 200), 'longer', REPEAT('y', 20000))",
    "JSON_OBJECT('wide', JSON_ARRAY(REPEAT('z', 70000)), 'n', 1, 'm', 4000000000, 'k', -5)", "NULL"]


def json_is_as_the_server_prints_it(b):
    """Each document twice: as the server prints it in a row of the snapshot, and out of the binlog's own form."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, n INT, doc JSON)")
    for i, document in enumerate(DOCUMENTS):
        b.sql(f"INSERT INTO t VALUES ({i}, 0, {document})")
    # A large array, and one as deep as the server takes.
    b.sql("INSERT INTO t SELECT 900, 0, JSON_ARRAYAGG(i * 3.25) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
          f"SELECT i FROM n) AS x; INSERT INTO t VALUES (901, 0, '{'[' * 99 + '1' + ']' * 99}'), (902, 0, '{chr(123)}\"k\": {'[' * 98 + ']' * 98}{chr(125)}')")
    b.pipeline(f"table: t, cdc: true, {META}")
    b.run()
    b.sql("UPDATE t SET n = 1")
    b.run()
    rows = b.rows()
    printed = {row["id"]: row["doc"] for row in rows if row["op"] == "r"}
    decoded = {row["id"]: row["doc"] for row in rows if row["op"] == "u"}
    assert len(printed) == len(DOCUMENTS) + 3 and printed == decoded, [(i, printed[i], decoded.get(i)) for i in printed if printed[i] != decoded.get(i)][:5]


def partial_json_is_refused(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, doc JSON); INSERT INTO t VALUES (1, JSON_OBJECT('a', REPEAT('x', 1000), 'b', 1))")
    b.pipeline(f"table: t, cdc: true, {META}")
    b.run()
    b.sql("SET SESSION binlog_row_value_options = PARTIAL_JSON; UPDATE t SET doc = JSON_SET(doc, '$.b', 2)")
    done = b.run(check=False)
    assert done.returncode != 0 and "binlog_row_value_options = ''" in done.stderr, done.stderr


def compressed_transactions(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(200), v DECIMAL(10,2)); CREATE TABLE other (id INT PRIMARY KEY)")
    b.pipeline(f"table: t, cdc: true, {META}", sql=f"\"{NEWEST}\"", sink=KEYED)
    b.run()
    b.sql("SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = 100000;"
          "INSERT INTO t SELECT i, REPEAT('name', 20), i / 4 FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
          "SELECT i FROM n) AS x; BEGIN; INSERT INTO other VALUES (1); UPDATE t SET v = 5 WHERE id < 100; DELETE FROM t WHERE id > 29000; COMMIT;"
          "SET SESSION binlog_transaction_compression = OFF; INSERT INTO t VALUES (100000, 'plain', 1)")
    assert any(row[2] == "Transaction_payload" for row in b.sql(f"SHOW BINLOG EVENTS IN '{b.sql('SHOW BINARY LOGS')[-1][0]}'"))
    b.run()
    rows = b.sql("SELECT id, name, v FROM t ORDER BY id")
    assert rows == [[str(r["id"]), r["name"], f"{r['v']:.2f}"] for r in sorted(b.rows(), key=lambda r: r["id"])]


def goes_on_at_a_replica(b):
    """The same transactions have other places in another server's binlog: they are found by their GTIDs."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2)); INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)")
    b.pipeline(f"table: t, cdc: true, {META}")
    b.run()
    b.sql("INSERT INTO t VALUES (3, 'three', 3); UPDATE t SET v = 9 WHERE id = 1")
    done = b.run(env={"MILLRACE_FAULT": "batch.after_stage:1"}, check=False)  # a batch to be repeated, there
    assert done.returncode == -9, done
    with mariadb.Mysql() as replica:
        # What happened before this case is not repeated: its tables are copied, and its transactions count as done.
        before = before_the_case(b.sql("SELECT @@global.gtid_executed")[0][0].replace("\\n", ""))
        replica.sql("SET GLOBAL server_id = 2; RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged = '" + before + "';"
                    f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {b.server.port}, SOURCE_USER = 'etl',"
                    f"SOURCE_PASSWORD = '{mariadb.PASSWORD}', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA")
        b.sql("INSERT INTO t VALUES (4, 'four', 4); DELETE FROM t WHERE id = 2")
        m.wait_until(lambda: replica.sql("SELECT count(*) FROM information_schema.tables WHERE table_name = 't'") == [["1"]]
                     and replica.sql("SELECT group_concat(id ORDER BY id) FROM t") == [["1,3,4"]], "the replica to follow")
        replica.sql("STOP REPLICA; RESET REPLICA ALL; INSERT INTO t VALUES (5, 'five', 5)")  # it takes over
        b.pipeline(f"table: t, cdc: true, {META}", port=replica.port)
        b.run()
        got = changes(b)
    assert got == [("r", 1, "one", 1.0), ("r", 2, "two", 2.0), ("c", 3, "three", 3.0), ("u", 1, "one", 9.0), ("c", 4, "four", 4.0),
                          ("d", 2, "two", 2.0), ("c", 5, "five", 5.0)], got


def before_the_case(done):
    """The transactions before the case made its table; the replica has the database."""
    uuid, ranges = done.rsplit(":", 1)
    return f"{uuid}:1-{int(ranges.rsplit('-', 1)[-1]) - AFTER_DATABASE}"


# CREATE TABLE, INSERT, INSERT, UPDATE.
AFTER_DATABASE = 4


def the_newest_rows_after_kills(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2))")
    b.sql(f"SET cte_max_recursion_depth = 1000; INSERT INTO t (id, v) {NUMBERS}; UPDATE t SET name = 'old'")
    b.pipeline(f"table: t, cdc: true, max_rows_per_trigger: 200, {META}", sql=f"\"{NEWEST}\"", sink=KEYED)
    for i, fault in enumerate(("batch.after_run", "batch.after_stage", "store.before_commit", "batch.after_publish",
                               "checkpoint.commit.before_write")):
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:2"}, check=False)
        assert done.returncode == -9, (fault, done)
        b.sql(f"UPDATE t SET name = 'new {i}', v = {i} WHERE id % 7 = {i}; DELETE FROM t WHERE id % 11 = {i}")
    b.run()
    rows = b.sql("SELECT id, name, v FROM t ORDER BY id")
    assert rows == [[str(r["id"]), r["name"], f"{r['v']:.2f}"] for r in sorted(b.rows(), key=lambda r: r["id"])]


def one_connection_where_others_may_not(b):
    said = snapshot_test.one_connection_where_others_may_not(b)
    assert said.count("accounts is read by one connection") == 1, said


CASES = [logs_in_by_caching_sha2, source_test.types_of_both_are_exact, cdc_test.types_are_those_of_the_table, writes_and_is_refused,
         changes_from_its_binlog, changes_without_gtids, the_newest_rows_after_kills,
         json_is_as_the_server_prints_it, partial_json_is_refused, compressed_transactions, goes_on_at_a_replica,
         *connect_test.COMMON, connect_test.the_snapshot_needs_a_lock, snapshot_test.a_table_read_whole_is_of_one_moment,
         snapshot_test.no_more_connections_than_allowed, snapshot_test.the_snapshot_of_changes_is_of_one_moment, one_connection_where_others_may_not]

if __name__ == "__main__":
    if mariadb.has_mysql():
        sys.exit(run_cases("mysql itself", CASES, sys.argv, mariadb.Mysql))
    print(f"MySQL itself is in Debian's archive, which can't be reached: {len(CASES)} cases are left out")
    print(f"0 passed, 0 failed, {len(CASES)} skipped")
