"""The changes of MariaDB's tables, from its binlog: a snapshot, then every change once, in order."""
import random
import signal
import sys
import time
import threading

from bench import FILES_SINK as FILES, TABLE_SINK as TABLE, m, run_cases

from fault_proxy import FaultProxy
import pymysql

META = "metadata: { op: op, seq: sequence }"
# The newest row of each key; deleted ones are deleted from the sink.
NEWEST = ("SELECT id, last.name, last.v, last.op = 'd' AS gone FROM (SELECT id, arg_max({'name': name, 'v': v, 'op': op}, seq) "
          "AS last FROM input GROUP BY id)")
KEYED = TABLE + ", mode: update, key: [id], delete: gone"


def changes(b):
    return [(row["op"], *(row[k] for k in row if k not in ("op", "seq"))) for row in sorted(b.rows(), key=lambda r: r["seq"])]


def table_and_copy(b):
    rows = b.sql("SELECT id, name, v FROM t ORDER BY id")
    copy = [[str(row["id"]), row["name"], "NULL" if row["v"] is None else f"{row['v']:.2f}"] for row in
            sorted(b.rows(), key=lambda row: row["id"])]
    return rows, copy


def a_snapshot_then_each_change_once(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2)); CREATE TABLE other (id INT);"
          "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', NULL)")
    b.pipeline(f"table: t, cdc: true, {META}")
    b.run()
    assert changes(b) == [("r", 1, "one", 1.0), ("r", 2, "two", 2.0), ("r", 3, "three", None)], changes(b)
    b.sql("INSERT INTO t VALUES (4, 'four', 4); UPDATE t SET v = v + 1 WHERE id < 3; INSERT INTO other VALUES (1);"
          "DELETE FROM t WHERE id = 3; UPDATE t SET id = 5 WHERE id = 4; BEGIN; INSERT INTO t VALUES (9, 'never', 0); ROLLBACK;"
          "BEGIN; INSERT INTO t VALUES (6, 'six', 6); DELETE FROM t WHERE id = 1; COMMIT; REPLACE INTO t VALUES (2, 'zwei', 0)")
    expected = changes(b) + [("c", 4, "four", 4.0), ("u", 1, "one", 2.0), ("u", 2, "two", 3.0), ("d", 3, "three", None),
                             ("d", 4, "four", 4.0), ("c", 5, "four", 4.0), ("c", 6, "six", 6.0), ("d", 1, "one", 2.0)]
    b.run()
    got = changes(b)
    assert got[:len(expected)] == expected, got
    assert got[len(expected):] in ([("u", 2, "zwei", 0.0)], [("d", 2, "two", 3.0), ("c", 2, "zwei", 0.0)]), got
    b.run()
    assert changes(b) == got


def types_are_those_of_the_table(b):
    """Each row twice: as the table's rows are read, and as the binlog has them."""
    columns = ("i1 TINYINT, u1 TINYINT UNSIGNED, i2 SMALLINT, u2 SMALLINT UNSIGNED, i3 MEDIUMINT, u3 MEDIUMINT UNSIGNED, i4 INT, "
               "u4 INT UNSIGNED, i8 BIGINT, u8 BIGINT UNSIGNED, f FLOAT, d DOUBLE, dec1 DECIMAL(10,2), dec2 DECIMAL(38,10), "
               "dec3 DECIMAL(65,30), dec4 DECIMAL(8,3) UNSIGNED ZEROFILL, dec5 DECIMAL(9,0), b1 BIT(1), b9 BIT(9), b64 BIT(64), "
               "flag BOOLEAN, e ENUM('M','F','Ö''s'), s SET('x','y','z'), c CHAR(5), c2 CHAR(200), v VARCHAR(50), v2 VARCHAR(2000), "
               "latin VARCHAR(20) CHARACTER SET latin1, greek VARCHAR(20) CHARACTER SET greek, u16 VARCHAR(20) CHARACTER SET ucs2, "
               "txt LONGTEXT, js JSON, bin BINARY(4), vb VARBINARY(10), bl LONGBLOB, da DATE, dt DATETIME, dt1 DATETIME(1), "
               "dt4 DATETIME(4), dt6 DATETIME(6), ts TIMESTAMP NULL, ts3 TIMESTAMP(3) NULL, tm TIME, tm2 TIME(2), tm3 TIME(3), "
               "tm6 TIME(6), yr YEAR, g POINT")
    rows = [
        "-128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808, 18446744073709551615, 1.1, "
        "0.1, -12345678.90, 1234567890123456789012345678.0123456789, -12345678901234567890123456789012345.12345678901234567890123456,"
        " 1.5, -999999999, b'1', b'100000001', 18446744073709551615, TRUE, 'Ö''s', 'x,z', 'ab', REPEAT('é', 200), 'naïve 漢字 🎉', "
        "REPEAT('long', 500), 'Zoë €', 'αβγ', 'ucs', REPEAT('long', 20000), '{\"a\": [1, 2]}', 'ab', X'00FF', X'DEADBEEF', "
        "'1000-01-01', '9999-12-31 23:59:59', '2024-02-29 12:34:56.7', '2024-02-29 12:34:56.7891', '2024-02-29 12:34:56.789012', "
        "'2024-01-01 05:00:00', '2024-01-01 05:00:00.125', '23:59:59', '-01:02:03.45', '-00:00:00.001', '838:59:58.999999', 2155, "
        "POINT(1, 2)",
        "127, 0, 32767, 0, 8388607, 0, 2147483647, 0, 9223372036854775807, 0, -3.4e38, 1.7976931348623157e308, 0, 0.0000000001, 0, "
        "0, 0, b'0', b'0', 0, FALSE, 'M', '', '', '', '', '', '', '', '', '', '[]', '', '', '', '0000-00-00', '0000-00-00', "
        "'2024-00-15 00:00:00', '0001-01-01', '1969-12-31 23:59:59.999999', 0, '1970-01-02 00:00:01.5', '00:00:00', '00:00:00.5', "
        "'-838:59:59', '00:00:00.000001', 0, NULL"]
    b.sql(f"CREATE TABLE t (id INT PRIMARY KEY, {columns})")
    values = "SET sql_mode = '', time_zone = '+05:00';" + "".join(
        f"INSERT INTO t VALUES (@@{i}, {row});" for i, row in enumerate(rows)) + "INSERT INTO t (id) VALUES (@@9);"
    b.sql(values.replace("@@", "1"))
    names = [part.split()[0] for part in columns.replace("'x','y','z'", "").replace("'M','F','Ö''s'", "").split(", ")]
    schema = TYPES_OF_COLUMNS(names)
    b.pipeline(f"table: t, cdc: true, {META}, schema: 'id INTEGER, {schema}'",
               sql="SELECT * REPLACE (tm::VARCHAR AS tm, tm2::VARCHAR AS tm2, tm3::VARCHAR AS tm3, tm6::VARCHAR AS tm6, "
                   "hex(g) AS g, hex(bin) AS bin, hex(vb) AS vb, hex(bl) AS bl, dec2::VARCHAR AS dec2) FROM input")
    b.run()
    b.sql(values.replace("@@", "2"))
    b.run()
    rows = {row["id"]: row for row in b.rows()}
    assert len(rows) == 6, sorted(rows)
    for snapshot, change in ((10, 20), (11, 21), (19, 29)):
        one, two = rows[snapshot], rows[change]
        assert (one["op"], two["op"]) == ("r", "c")
        differing = {k: (one[k], two[k]) for k in one if k not in ("id", "op", "seq") and one[k] != two[k]}
        assert not differing, differing
    assert rows[20]["tm6"] == "838:59:58.999999" and rows[20]["tm2"] == "-01:02:03.45" and rows[20]["e"] == "Ö's", rows[20]
    assert rows[20]["latin"] == "Zoë €" and rows[20]["greek"] == "αβγ" and rows[20]["u16"] == "ucs", rows[20]


def TYPES_OF_COLUMNS(names):
    types = dict(i1="TINYINT", u1="UTINYINT", i2="SMALLINT", u2="USMALLINT", i3="INTEGER", u3="UINTEGER", i4="INTEGER",
                 u4="UINTEGER", i8="BIGINT", u8="UBIGINT", f="FLOAT", d="DOUBLE", dec1="DECIMAL(10,2)", dec2="DECIMAL(38,10)",
                 dec3="VARCHAR", dec4="DECIMAL(8,3)", dec5="DECIMAL(9,0)", b1="BOOLEAN", b9="UBIGINT", b64="UBIGINT",
                 flag="TINYINT", bin="BLOB", vb="BLOB", bl="BLOB", da="DATE", dt="TIMESTAMP", dt1="TIMESTAMP", dt4="TIMESTAMP",
                 dt6="TIMESTAMP", ts="TIMESTAMPTZ", ts3="TIMESTAMPTZ", tm="INTERVAL", tm2="INTERVAL", tm3="INTERVAL",
                 tm6="INTERVAL", yr="SMALLINT", g="BLOB")
    return ", ".join(f"{name} {types.get(name, 'VARCHAR')}" for name in names)


def types_of_mariadb(b):
    """UUIDs of all versions, which the binlog has in an order of its own; addresses."""
    uuids = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"] + [
        f"{random.Random(v).getrandbits(32):08x}-1234-{v}abc-{w}def-{random.Random(w).getrandbits(48):012x}" for v in range(9) for w in "07bcf"
        if v < 8 or w > "7"]
    b.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, u UUID, u2 UUID NOT NULL, i4 INET4, i6 INET6, bin BINARY(16));"
          + "".join(f"INSERT INTO t (u, u2, i4, i6, bin) VALUES ('{u}', '{u}', '{i}.0.20.{i * 3}', '2001:db8::{i:x}:0', '{i}');" for i, u in enumerate(uuids))
          + "INSERT INTO t (u, u2, i4, i6) VALUES (NULL, UUID(), NULL, NULL), (UUID(), UUID(), '0.0.0.0', '::'), (UUID(), UUID(), '255.255.255.255', "
          "'::ffff:1.2.3.4'), (UUID(), UUID(), '1.0.0.0', 'fe80::')")
    for metadata in ("FULL", "MINIMAL"):
        b.forget()
        b.sql(f"SET GLOBAL binlog_row_metadata = {metadata}")
        b.pipeline(f"table: t, cdc: true, {META}")
        b.run()
        b.sql("UPDATE t SET n = IFNULL(n, 0) + 1")
        b.run()
        rows = {op: {row["id"]: {**row, "n": 0, "op": 0, "seq": 0} for row in b.rows() if row["op"] == op} for op in "ru"}
        assert len(rows["r"]) == len(uuids) + 4 and rows["r"] == rows["u"], [(a, rows["u"].get(i)) for i, a in rows["r"].items() if a != rows["u"].get(i)][:3]
    b.sql("SET GLOBAL binlog_row_metadata = FULL")


def compressed_events(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(200), v DECIMAL(10,2))")
    b.pipeline(f"table: t, cdc: true, {META}", sql=f"\"{NEWEST}\"", sink=KEYED)
    b.run()
    b.sql("SET GLOBAL log_bin_compress = ON; SET GLOBAL log_bin_compress_min_len = 10")
    try:
        b.sql("INSERT INTO t SELECT seq, REPEAT('name', 20), seq / 4 FROM seq_1_to_20000; UPDATE t SET v = 5 WHERE id < 1000;"
              "DELETE FROM t WHERE id > 15000; ALTER TABLE t ADD COLUMN a_column_that_makes_the_statement_long INT")
    finally:
        b.sql("SET GLOBAL log_bin_compress = OFF")
    b.sql("INSERT INTO t VALUES (100000, 'plain', 1, NULL)")
    kinds = {row[2] for row in b.sql(f"SHOW BINLOG EVENTS IN '{b.sql('SHOW BINARY LOGS')[-1][0]}'")}
    assert kinds >= {"Write_rows_compressed_v1", "Update_rows_compressed_v1", "Delete_rows_compressed_v1", "Query_compressed"}, kinds
    b.run()
    rows, copy = table_and_copy(b)
    assert rows == copy and len(rows) == 15001, (len(rows), len(copy))


def write_something(cursor, rng):
    key = rng.randint(1, 300)
    what = rng.random()
    if what < 0.6:
        cursor.execute("INSERT INTO t VALUES (%s, %s, %s) ON DUPLICATE KEY UPDATE name = VALUES(name), v = VALUES(v)",
                       (key, f"n{rng.randint(0, 9)}", rng.randint(0, 99999) / 100))
    elif what < 0.8:
        cursor.execute("UPDATE t SET v = v + 1 WHERE id BETWEEN %s AND %s", (key, key + 3))
    else:
        cursor.execute("DELETE FROM t WHERE id = %s", (key,))


def writer(b, seed, stop, rounds):
    """Transactions over a few keys: inserts, updates, deletes, some rolled back."""
    rng = random.Random(seed)
    connection = b.server.connect()
    cursor = connection.cursor()
    for _ in range(rounds):
        if stop.is_set():
            break
        try:
            for _ in range(rng.randint(1, 5)):
                write_something(cursor, rng)
            connection.rollback() if rng.random() < 0.1 else connection.commit()
        except pymysql.err.OperationalError as error:
            assert error.args[0] == 1213, error  # a deadlock with another writer
            connection.rollback()
    connection.close()


def a_killed_run_ends_with_the_same_table(b):
    """A snapshot while rows change, in parts; killed at any place, again and again."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2)); INSERT INTO t SELECT seq, 'old', 0 FROM seq_1_to_250")
    b.pipeline(f"table: t, cdc: true, max_rows_per_trigger: 60, {META}", sql=f"\"{NEWEST}\"", sink=KEYED,
               more="checkpoint: { snapshot_interval: 1h, snapshot_log_size: 1KiB }\n")
    stop = threading.Event()
    thread = threading.Thread(target=writer, args=(b, 7, stop, 100000))
    thread.start()
    try:
        for i in range(24):
            fault = ["checkpoint.offsets.before_write", "batch.after_run", "batch.after_stage", "store.before_commit",
                     "batch.after_publish", "checkpoint.commit.before_write"][i % 6]
            done = b.run(env={"MILLRACE_FAULT": f"{fault}:{1 + i // 6 % 3}"}, check=False)
            assert done.returncode == -signal.SIGKILL, (i, fault, done)
    finally:
        stop.set()
        thread.join()
    b.run()
    rows, copy = table_and_copy(b)
    assert rows == copy, [pair for pair in zip(rows, copy) if pair[0] != pair[1]][:3] or (len(rows), len(copy))


# Each: the key's columns, and their values of a number, as SQL.
KEYS = {
    "numbers": ("k INT", "CAST(seq AS SIGNED) * 7 - 900"),
    "large numbers": ("k BIGINT", "4611686018427387904 + seq"),
    "unsigned numbers": ("k BIGINT UNSIGNED", "18446744073709551615 - seq"),
    "decimals": ("k DECIMAL(30,2)", "CAST(seq AS DECIMAL(10)) * 1000000000000000000 / 4"),
    "floats": ("k FLOAT", "seq / 10"),
    "texts": ("k VARCHAR(20)", "CONCAT(IF(seq MOD 2, 'Key', 'kéy'), seq)"),
    "latin texts": ("k CHAR(10) CHARACTER SET latin1 COLLATE latin1_german1_ci", "CONCAT('ü', seq MOD 9, CHAR(39), seq)"),
    "bytes": ("k BINARY(4)", "UNHEX(LPAD(HEX(seq * 5000011), 8, '0'))"),
    "dates": ("k DATE", "DATE '2024-01-01' + INTERVAL seq * 3 DAY"),
    "times": ("k DATETIME(3), k2 TIME(1)", "DATE '2024-01-01' + INTERVAL (seq DIV 2) HOUR, SEC_TO_TIME(300 + seq * 1.5)"),
    "moments": ("k TIMESTAMP(2)", "TIMESTAMP '2024-01-01 05:00:00.25' + INTERVAL seq * 3 MINUTE"),
    "words": ("k ENUM('c','a','d''s','b'), k2 SET('y','x','z'), k3 INT", "1 + seq MOD 4, (seq DIV 4) MOD 8, seq"),
    "uuids": ("k UUID", "CONCAT(LPAD(HEX(seq * 40000003), 8, '0'), '-1234-4abc-8def-', LPAD(seq, 12, '0'))"),
    "addresses": ("k INET6", "CONCAT('2001:db8::', HEX(seq * 3))"),
}


def rows_change_while_a_snapshot_is_killed(b, key):
    columns, values = KEYS[key]
    names = [name for name in ("k", "k2", "k3") if f"{name} " in columns]
    b.sql(f"DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS was; CREATE TABLE t ({columns}, v INT, PRIMARY KEY ({', '.join(names)}));"
          f"INSERT INTO t SELECT {values}, 0 FROM seq_1_to_400; CREATE TABLE was AS SELECT * FROM t")
    shown = ", ".join("hex(k) AS k" if key == "bytes" else f"{name}::VARCHAR AS {name}" for name in names)
    b.pipeline(f"table: t, cdc: true, max_rows_per_trigger: 60, rows_per_range: 100, {META}", sink=FILES,
               sql=f"SELECT {shown}, v, op, seq FROM input")
    for i, fault in enumerate(("batch.after_run", "batch.after_publish", "checkpoint.offsets.before_write")):
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:2"}, check=False)
        assert done.returncode == -signal.SIGKILL, (fault, done)
        some = f"CRC32(CONCAT_WS(',', {', '.join(names)})) MOD {{}} = {i}"
        b.sql(f"UPDATE t SET v = v + 1 WHERE {some.format(7)}; DELETE FROM t WHERE {some.format(11)};"
              f"INSERT IGNORE INTO t SELECT {values}, 0 FROM seq_{350 + 20 * i}_to_{410 + 20 * i}; UPDATE t SET v = v + 1 WHERE {some.format(5)}")
    b.run()
    b.sql("UPDATE t SET v = v + 1")
    b.run()


def keys_of_all_types(b):
    """However often it is killed, a snapshot is of one moment, and each change is told once."""
    for key, (columns, _) in KEYS.items():
        b.forget()
        rows_change_while_a_snapshot_is_killed(b, key)
        names = [name for name in ("k", "k2", "k3") if f"{name} " in columns]

        def as_text(row):
            texts = (str(row[name]).removesuffix("+00") for name in names)
            return tuple(f"{float(text):.3f}" if key == "floats" else text.rstrip("0").rstrip(".") if ":" in text and "." in text else text
                         for text in texts)

        def rows_of(table):
            text = "HEX(k) AS k" if key == "bytes" else ", ".join(f"CAST({name} AS CHAR) AS {name}" for name in names)
            return {as_text(dict(zip(names, row))): int(row[-1]) for row in b.sql(f"SELECT {text}, v FROM {table}")}

        written = b.written()
        first = [row for row in written if row["op"] == "r"]
        assert {as_text(row): row["v"] for row in first} == rows_of("was") and len(first) == 400, (key, len(first))
        assert {at: row["v"] for at, row in replayed(written, as_text).items()} == rows_of("t"), key


def a_killed_snapshot_without_a_key(b):
    """Rows that are known by all their values, equal ones among them."""
    b.sql("CREATE TABLE t (a INT, f FLOAT, s VARCHAR(10), d DATETIME(3)); INSERT INTO t SELECT seq MOD 50, seq / 10, IF(seq MOD 3, 'é', NULL), "
          "TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq MOD 7 DAY FROM seq_1_to_300; INSERT INTO t SELECT * FROM t WHERE a < 10;"
          "CREATE TABLE was AS SELECT * FROM t")
    b.pipeline(f"table: t, cdc: true, {META}", sink=FILES, sql="SELECT a, f::VARCHAR AS f, s, d::VARCHAR AS d, op, seq FROM input")
    for fault in ("batch.after_publish", "batch.after_stage"):
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -signal.SIGKILL, (fault, done)
        b.sql("DELETE FROM t WHERE a = 5 LIMIT 3; INSERT INTO t SELECT * FROM was WHERE a = 7; UPDATE t SET s = 'new' WHERE a IN (5, 8);"
              "INSERT INTO t VALUES (1000, 1, NULL, NULL); DELETE FROM t WHERE a = 7 LIMIT 1; UPDATE t SET a = a WHERE a = 9")
    b.run()

    def rows_of(table):
        rows = b.sql(f"SELECT a, f, IFNULL(s, '-'), IFNULL(d, '-') FROM {table}")
        return sorted((int(a), f"{float(f):.1f}", s, d[:19]) for a, f, s, d in rows)

    def value(row):
        return row["a"], f"{float(row['f']):.1f}", row["s"] or "-", (row["d"] or "-")[:19]

    written = b.written()
    assert sorted(value(row) for row in written if row["op"] == "r") == rows_of("was")
    inserted, deleted = (sum(row["op"] == op for row in written) for op in "cd")
    assert len(rows_of("was")) + inserted - deleted == len(rows_of("t")), (inserted, deleted)
    told = [row["seq"] for row in written if row["op"] != "r"]
    assert len(set(told)) == len(told) > 50, len(told)


def replayed(written, key=lambda row: row["id"]):
    """What a table has after its snapshot and all changes, none of which is missing or told twice."""
    state = {key(row): row for row in written if row["op"] == "r"}
    told = sorted((row for row in written if row["op"] != "r"), key=lambda row: row["seq"])
    assert len({row["seq"] for row in told}) == len(told) > 100, len(told)
    for row in told:
        assert (key(row) in state) == (row["op"] != "c"), (row, state.get(key(row)))
        if row["op"] == "d":
            assert state.pop(key(row))["v"] == row["v"], row
        else:
            assert row["op"] == "c" or row["v"] != state[key(row)]["v"], row
            state[key(row)] = row
    return state


def each_change_once_while_others_write(b):
    """A snapshot in several parts while rows change, and then those changes, by a process that nothing disturbs."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2)); INSERT INTO t SELECT seq, 'old', 0 FROM seq_1_to_250")
    b.pipeline(f"table: t, cdc: true, max_rows_per_trigger: 60, {META}", sink=FILES, sql="SELECT id, v::DOUBLE AS v, op, seq FROM input")
    stop = threading.Event()
    threads = [threading.Thread(target=writer, args=(b, seed, stop, 300)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    process = b.start()
    try:
        for thread in threads:
            thread.join()
        b.sql("INSERT INTO t VALUES (100000, 'last', 1)")
        m.wait_until(lambda: any(row["id"] == 100000 for row in b.written()), "the last change", timeout=60)
    finally:
        stop.set()
        m.kill(process)
    state = replayed(b.written())
    assert {(row["id"], row["v"]) for row in state.values()} == {(int(i), float(v)) for i, v in b.sql("SELECT id, v FROM t")}


def goes_on_while_the_server_comes_and_goes(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v DECIMAL(10,2)); INSERT INTO t SELECT seq, 'old', 0 FROM seq_1_to_100")
    with FaultProxy(b.server.port) as proxy:
        b.pipeline(f"table: t, cdc: true, {META}", port=proxy.port, sink=FILES)
        process = b.start()
        try:
            m.wait_until(lambda: len(b.written()) == 100, "the snapshot")
            for i in range(5):
                b.sql(f"UPDATE t SET v = v + 1 WHERE id <= 20; INSERT INTO t VALUES ({1000 + i}, 'new', 0)")
                m.wait_until(lambda: len(b.written()) == 100 + 21 * (i + 1), f"changes {i}", timeout=60)
                if i == 0:
                    proxy.cut()
                elif i == 1:
                    proxy.cut_after(200)
                elif i == 2:
                    b.server.stop()
                    b.server.start()
                elif i == 3:
                    b.sql("FLUSH BINARY LOGS")
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 0, stderr
        finally:
            m.kill(process)
    assert len({row["seq"] for row in b.written() if row["op"] != "r"}) == 105


def silence_is_waited_out(b):
    """Slow rows in the snapshot and in the binlog; then a server, or what is between, that says nothing more."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(200), v DECIMAL(10,2)); INSERT INTO t SELECT seq, REPEAT('x', 150), 0 FROM seq_1_to_3000")
    with FaultProxy(b.server.port) as proxy:
        proxy.delay_s = 0.01
        b.pipeline(f"table: t, cdc: true, rows_per_range: 500, {META}", port=proxy.port, sink=FILES,
                   connection={"read_timeout": "2s", "connect_timeout": "1s"})
        process = b.start()
        try:
            m.wait_until(lambda: len(b.written()) == 3000, "the snapshot")
            b.sql("UPDATE t SET v = v + 1")
            m.wait_until(lambda: len(b.written()) == 6000, "the changes")
            for i in range(3):
                proxy.stall()
                before = proxy.connections
                b.sql("UPDATE t SET v = v + 1 WHERE id <= 1000")
                m.wait_until(lambda: proxy.connections > before + 1, "the source to try again")
                proxy.go_on()
                m.wait_until(lambda: len(b.written()) == 6000 + 1000 * (i + 1), f"the changes after silence {i}")
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 0, stderr
        finally:
            m.kill(process)
    changed = [row for row in b.written() if row["op"] != "r"]
    assert len(changed) == len({row["seq"] for row in changed}) == 6000, len(changed)


def an_idle_server_is_not_taken_for_a_lost_one(b):
    """Its signs of life come well within `read_timeout`, however short that is."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)")
    with FaultProxy(b.server.port) as proxy:
        b.pipeline("table: t, cdc: true", port=proxy.port, sink=FILES, connection={"read_timeout": "1s"})
        process = b.start()
        try:
            m.wait_until(lambda: len(b.written()) == 1, "the snapshot")
            b.sql("INSERT INTO t VALUES (2)")
            m.wait_until(lambda: len(b.written()) == 2, "the first change")
            before = proxy.connections
            time.sleep(3)  # the time itself is what is looked at
            b.sql("INSERT INTO t VALUES (3)")
            m.wait_until(lambda: len(b.written()) == 3, "the next change")
            assert proxy.connections == before, proxy.connections - before
        finally:
            m.kill(process)


def tables_may_be_altered(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v INT); INSERT INTO t VALUES (1, 'one', 1)")
    b.pipeline(f"table: t, cdc: true, {META}")
    b.run()
    b.sql("INSERT INTO t VALUES (2, 'two', 2); ALTER TABLE t ADD COLUMN more INT FIRST; INSERT INTO t VALUES (0, 3, 'three', 3);"
          "ALTER TABLE t DROP COLUMN name; INSERT INTO t VALUES (0, 4, 4); ALTER TABLE t MODIFY v BIGINT; INSERT INTO t VALUES (0, 5, 5),"
          " (0, 6, 5000000000)")
    b.pipeline(f"table: t, cdc: true, {META}, schema: 'id INT, v INT', on_malformed: quarantine", sql="SELECT * FROM input")
    done = m.run("run", b.file, "--once", cwd=b.folder, check=False)
    assert "name" in done.stderr, done.stderr  # the sink's table has it
    b.pipeline(f"table: t, cdc: true, {META}", sql="SELECT id, NULL::VARCHAR AS name, v::INT AS v, op, seq FROM input WHERE id < 6")
    b.run()
    assert [(row[1], row[3]) for row in changes(b)] == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)], changes(b)


def new_columns(b):
    """Left out, refused, or taken up, whatever runs meanwhile; a column that is gone is NULL."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO t VALUES (1, 'one')")
    b.pipeline(f"table: t, cdc: true, {META}", sink=FILES)
    b.run()
    b.sql("ALTER TABLE t ADD COLUMN price DECIMAL(8,2) DEFAULT 9; INSERT INTO t VALUES (2, 'two', 2.5); UPDATE t SET price = 1 WHERE id = 1")
    done = b.run()
    assert "t has a new column, price DECIMAL(8,2), which is left out" in done.stderr, done.stderr
    assert [sorted(row) for row in b.written()] == [["id", "name", "op", "seq"]] * 3, b.written()
    b.sql("INSERT INTO t VALUES (3, 'three', 3)")
    b.pipeline(f"table: t, cdc: true, on_schema_change: fail, {META}", sink=FILES)
    done = b.run(check=False)
    assert done.returncode == 2 and "price" in done.stderr and "add_columns" in done.stderr, done
    b.pipeline(f"table: t, cdc: true, on_schema_change: add_columns, {META}", sink=FILES)
    b.run()
    b.sql("ALTER TABLE t DROP COLUMN name, ADD COLUMN tag UUID, ADD COLUMN u INT UNSIGNED; ALTER TABLE t RENAME COLUMN price TO cost;"
          "INSERT INTO t VALUES (4, 4.5, '00112233-4455-6677-8899-aabbccddeeff', 4000000000)")
    for fault in ("columns.before_kept", "columns.after_kept", "batch.after_run"):
        done = b.run(env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -signal.SIGKILL, (fault, done)
    b.run()
    rows = {row["id"]: row for row in b.written() if row["op"] == "c"}
    assert rows[3]["price"] == 3 and rows[3]["name"] == "three" and "tag" not in rows[3], rows[3]
    assert rows[4] == {**rows[4], "name": None, "price": None, "cost": 4.5, "tag": "00112233-4455-6677-8899-aabbccddeeff", "u": 4000000000}, rows[4]
    assert len(b.written()) == 5, b.written()
    process = b.start()
    try:
        b.sql("ALTER TABLE t ADD COLUMN at DATETIME(3); UPDATE t SET at = '2024-02-29 12:00:00.125' WHERE id = 1")
        m.wait_until(lambda: len(b.written()) == 6, "the change with the new column")
    finally:
        m.kill(process)
    last = max(b.written(), key=lambda row: row["seq"])
    assert last["at"].startswith("2024-02-29") and last["cost"] == 1, last
    b.pipeline(f"table: t, cdc: true, on_schema_change: add_columns, {META}, schema: 'id INT'", sink=FILES)
    done = b.run(check=False)
    assert done.returncode == 2 and "leave `schema` out" in done.stderr, done.stderr


def rows_that_go_without_a_change(b):
    """What takes rows away and is no change of them ends the pipeline, and says what to do."""
    made = ("CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (10), "
            "PARTITION p2 VALUES LESS THAN (100)); INSERT INTO t VALUES (1, 1), (20, 2);")
    for statement, words in (("TRUNCATE TABLE t", "was truncated"), ("ALTER TABLE t DROP PARTITION p1", "lost a partition"),
                             ("ALTER TABLE shop.t TRUNCATE PARTITION p2", "lost a partition"), ("DROP TABLE t", "was dropped"),
                             ("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v INT)", "was replaced by another table"),
                             ("DROP DATABASE shop; CREATE DATABASE shop; USE shop", "was dropped")):
        b.forget()
        b.sql("DROP TABLE IF EXISTS t;" + made)
        b.pipeline(f"table: t, cdc: true, {META}")
        b.run()
        b.sql("UPDATE t SET v = 5; ALTER TABLE t ADD PARTITION (PARTITION p3 VALUES LESS THAN (1000)); INSERT INTO t VALUES (500, 1)")
        b.run()
        assert len(b.rows()) == 5, b.rows()
        b.sql(statement)
        if "DROP" in statement and "PARTITION" not in statement:
            b.sql(made)
        b.sql("INSERT INTO t VALUES (7, 7)")
        done = b.run(check=False)
        assert done.returncode == 2 and words in done.stderr and "remove the checkpoint" in done.stderr, (statement, done)
    b.forget()
    b.run()
    b.sql("CREATE TABLE ghost LIKE t; INSERT INTO ghost SELECT * FROM t; ALTER TABLE ghost ADD COLUMN more INT;"
          "RENAME TABLE t TO old, ghost TO t; INSERT INTO t VALUES (8, 8, 8); DROP TABLE old")  # as tools do that alter large tables
    b.run()
    assert [row[1] for row in changes(b) if row[0] == "c"] == [8], changes(b)


def what_is_gone_is_told(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), v INT); INSERT INTO t VALUES (1, 'one', 1)")
    b.pipeline(f"table: t, cdc: true, {META}", sql=f"\"{NEWEST}\"", sink=KEYED)
    b.run()
    b.sql("INSERT INTO t VALUES (2, 'two', 2); FLUSH BINARY LOGS; INSERT INTO t VALUES (3, 'three', 3); FLUSH BINARY LOGS;"
          "FLUSH BINARY LOGS")
    last = b.sql("SHOW BINARY LOGS")[-1][0]
    m.wait_until(lambda: b.sql(f"PURGE BINARY LOGS TO '{last}'") or len(b.sql("SHOW BINARY LOGS")) == 1, "the purge")
    done = b.run(check=False)
    assert done.returncode != 0 and "when_needed" in done.stderr, done.stderr
    b.pipeline(f"table: t, cdc: true, snapshot: when_needed, {META}", sql=f"\"{NEWEST}\"", sink=KEYED)
    b.run()
    assert sorted((row["id"], row["name"]) for row in b.rows()) == [(1, "one"), (2, "two"), (3, "three")], b.rows()
    b.sql("UPDATE t SET name = 'drei' WHERE id = 3")
    b.run()
    assert sorted((row["id"], row["name"]) for row in b.rows())[2] == (3, "drei"), b.rows()
    b.sql("TRUNCATE TABLE t; INSERT INTO t VALUES (7, 'seven', 7)")
    done = b.run(check=False)
    assert done.returncode != 0 and "truncated" in done.stderr, done.stderr


def what_is_missing_is_told(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    b.pipeline(f"table: t, cdc: true, {META}", connection={"user": "reader"})
    done = b.run(check=False)
    assert done.returncode != 0 and "GRANT REPLICATION" in done.stderr, done.stderr
    b.sql("SET GLOBAL binlog_row_image = MINIMAL")
    try:
        b.pipeline(f"table: t, cdc: true, {META}")
        done = b.run(check=False)
        assert done.returncode != 0 and "binlog_row_image = FULL" in done.stderr, done.stderr
    finally:
        b.sql("SET GLOBAL binlog_row_image = FULL")
    b.sql("SET GLOBAL binlog_row_metadata = NO_LOG")
    try:
        b.sql("INSERT INTO t VALUES (1, 1)")
        b.run()
        b.sql("INSERT INTO t VALUES (2, 2); UPDATE t SET v = 3 WHERE id = 1")
        b.run()
        assert changes(b) == [("r", 1, 1), ("c", 2, 2), ("u", 1, 3)], changes(b)
    finally:
        b.sql("SET GLOBAL binlog_row_metadata = FULL")


def without_a_snapshot(b):
    """`snapshot: never`: the first run notes where it begins, even if nothing is to be read."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)")
    b.pipeline(f"table: t, cdc: true, snapshot: never, {META}")
    for i in range(3):
        b.run()
        b.sql(f"INSERT INTO t VALUES ({10 + i}, 1)")
    b.run()
    assert changes(b) == [("c", 10 + i, 1) for i in range(3)], changes(b)


def large_transactions_come_in_parts(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(200), v DECIMAL(10,2))")
    b.pipeline(f"table: t, cdc: true, max_rows_per_trigger: 3000, buffer: 1MiB, {META}",
               sql="SELECT count(*) AS n, count(DISTINCT seq) AS d, sum(id) AS s FROM input", sink=TABLE + ", mode: complete")
    b.run()
    b.sql("INSERT INTO t SELECT seq, REPEAT('x', 150), 0 FROM seq_1_to_40000; UPDATE t SET v = 1")
    for fault in ("batch.after_stage:2", "batch.after_publish:3", "checkpoint.commit.before_write:2"):
        done = b.run(env={"MILLRACE_FAULT": fault}, check=False)
        assert done.returncode == -signal.SIGKILL, (fault, done)
    b.run()
    assert b.rows() == [{"n": 80000, "d": 80000, "s": 2 * 40000 * 40001 // 2}], b.rows()


CASES = [a_snapshot_then_each_change_once, types_are_those_of_the_table, types_of_mariadb, compressed_events, a_killed_run_ends_with_the_same_table,
         keys_of_all_types, a_killed_snapshot_without_a_key, each_change_once_while_others_write,
         goes_on_while_the_server_comes_and_goes, silence_is_waited_out, an_idle_server_is_not_taken_for_a_lost_one,
         tables_may_be_altered, new_columns, rows_that_go_without_a_change, what_is_gone_is_told, what_is_missing_is_told, without_a_snapshot, large_transactions_come_in_parts]

if __name__ == "__main__":
    sys.exit(run_cases("mysql cdc", CASES, sys.argv))
