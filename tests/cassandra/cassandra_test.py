"""Tables as sinks and sources, against a real server, with a client of another maker on the other side."""
import datetime
import decimal
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server as real  # noqa: E402
import millrace as m  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402

real.client()
from cassandra import OperationTimedOut  # noqa: E402
from cassandra.cluster import NoHostAvailable  # noqa: E402

FILES = "{ type: files, path: out }, format: json"


class Bench:
    """A server with a keyspace, and a folder for a pipeline."""

    def __init__(self, server, session, folder, number):
        self.server, self.session, self.folder = server, session, pathlib.Path(folder)
        self.keyspace = f"k{number}"
        session.execute(f"CREATE KEYSPACE {self.keyspace} WITH replication = "
                        "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        self.port, self.connection = server.port, ""
        (self.folder / "input").mkdir()

    def execute(self, cql, *values):
        return list(self.session.execute(cql.replace("$", self.keyspace + "."), *values))

    def execute_dicts(self, cql):
        return [row._asdict() for row in self.execute(cql)]

    def rows(self, columns="*", table="t"):
        return [row._asdict() for row in self.session.execute(f"SELECT {columns} FROM {self.keyspace}.{table}")]

    def feed(self, name, rows):
        """One more file of JSON lines, as one step."""
        aside = self.folder / f".{name}"
        aside.write_text("".join(json.dumps(row) + "\n" for row in rows))
        aside.rename(self.folder / "input" / f"{name}.json")

    def pipeline(self, source, sql, sink, more="", name="write"):
        self.file = self.folder / "pipeline.yaml"
        self.file.write_text(
            f"pipeline: {name}-{self.keyspace}\n{more}"
            f"connections:\n  db: {{ type: cassandra, contact_points: '127.0.0.1:{self.port}'{self.connection} }}\n"
            f"sources:\n  input: {{ {source} }}\n"
            f"datasets:\n  result: {sql}\n"
            f"sinks:\n  out: {{ from: result, {sink} }}\n")
        return self.file

    def to_table(self, schema, sink="", sql="SELECT * FROM input", mode="append", source="", more=""):
        """Files of JSON lines to the table t."""
        return self.pipeline(f"from: {{ type: files, path: input }}, format: json, schema: '{schema}'{source}", sql,
                             f"to: db, keyspace: {self.keyspace}, table: t, mode: {mode}{sink}", more)

    def from_table(self, source="", sql="SELECT * FROM input", table="t"):
        """The table t to files of JSON lines."""
        return self.pipeline(f"from: db, keyspace: {self.keyspace}, table: {table}{source}", sql, f"to: {FILES}, mode: append", name="read")

    def run(self, **options):
        return m.run("run", self.file, "--once", cwd=self.folder, **options)

    def refused(self, *want):
        done = self.run(check=False)
        assert done.returncode != 0 and all(w in done.stderr for w in want), (want, done.stderr[-3000:])

    def written(self):
        return [json.loads(line) for path in sorted((self.folder / "out").rglob("*.json"))
                for line in path.read_text().splitlines()]

    def quarantined(self, what):
        return [json.loads(line) for path in (self.folder / ".millrace").glob(f"*/{what}/*/*.jsonl")
                for line in path.read_text().splitlines()]


def writes_all_types(b):
    """What millrace writes into a table that it makes, as the other client reads it."""
    b.feed("a", [{"id": 1, "b": True, "i1": -128, "i2": -32768, "i4": -2147483648, "i8": -2**63, "u8": 2**64 - 1,
                  "h": str(2**100), "f": 1.5, "d": 1e300, "s": "né", "x": "AAEC", "dt": "1969-12-31",
                  "t": "23:59:59.123456", "ts": "2024-02-29T12:00:00.123999", "tz": "2024-02-29T12:00:00.5+02:00",
                  "u": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "de": "-12345678901234567890.12",
                  "l": [1, 2], "m": {"a": [1.5], "b": []}, "st": {"p": 1, "q": None}},
                 {"id": 2}])
    b.to_table("id INTEGER, b BOOLEAN, i1 TINYINT, i2 SMALLINT, i4 INTEGER, i8 BIGINT, u8 UBIGINT, h HUGEINT, f FLOAT, "
               "d DOUBLE, s VARCHAR, x BLOB, dt DATE, t TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, de DECIMAL(38,2), "
               "l BIGINT[], m MAP(VARCHAR, DOUBLE[]), st STRUCT(p INTEGER, q VARCHAR)",
               ", create_table: true, partition_key: id, read_back: true",
               sql="SELECT *, INTERVAL 14 MONTH + INTERVAL 3 DAY + INTERVAL 1 SECOND AS iv FROM input")
    b.run()
    got = {row["id"]: row for row in b.rows()}
    assert all(v is None for k, v in got[2].items() if k not in ("id", "iv")), got[2]
    one = got[1]
    want = {"id": 1, "b": True, "i1": -128, "i2": -32768, "i4": -2147483648, "i8": -2**63, "u8": 2**64 - 1, "h": 2**100,
            "f": 1.5, "d": 1e300, "s": "né", "x": b"AAEC", "u": uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            "de": decimal.Decimal("-12345678901234567890.12"), "l": [1, 2], "st": (1, None),
            "ts": datetime.datetime(2024, 2, 29, 12, 0, 0, 123000),
            "tz": datetime.datetime(2024, 2, 29, 10, 0, 0, 500000)}
    assert {k: one[k] for k in want} == want, one
    assert {k: list(v) for k, v in one["m"].items()} == {"a": [1.5], "b": []}, one["m"]
    assert str(one["dt"]) == "1969-12-31" and str(one["t"]) == "23:59:59.123456000", (one["dt"], one["t"])
    assert (one["iv"].months, one["iv"].days, one["iv"].nanoseconds) == (14, 3, 10**9), one["iv"]


def reads_all_types(b):
    """What the other client has written, as millrace reads it."""
    b.execute("CREATE TYPE $place (street text, number int)")
    b.execute("CREATE TABLE $t (id int PRIMARY KEY, a ascii, b bigint, bl blob, bo boolean, d decimal, do double, f float, "
              "i inet, si smallint, ti tinyint, ts timestamp, u uuid, tu timeuuid, v varchar, vi varint, dt date, t time, "
              "du duration, l list<frozen<list<int>>>, m map<text, frozen<set<int>>>, s set<text>, tp tuple<int, text>, "
              "ud frozen<place>, ve vector<float, 2>)")
    b.execute("INSERT INTO $t (id, a, b, bl, bo, d, do, f, i, si, ti, ts, u, tu, v, vi, dt, t, du, l, m, s, tp, ud, ve) VALUES "
              "(1, 'abc', -9, 0x00ff, true, 12.50, 1e-300, 1.5, '2001:db8::1', -1, -128, '2024-02-29T12:00:00.123Z', "
              "f81d4fae-7dec-11d0-a765-00a0c91e6bf6, f81d4fae-7dec-11d0-a765-00a0c91e6bf6, 'né', -170141183460469231731687303715884105728, "
              "'1969-12-31', '23:59:59.123456789', 14mo3d1s, [[1, 2], []], {'a': {2, 1}}, {'y', 'x'}, (7, null), "
              "{street: 'Main', number: 5}, [1.5, 2.5])")
    b.execute("INSERT INTO $t (id) VALUES (2)")
    b.from_table(", types: { d: 'DECIMAL(12,2)' }, metadata: { written: writetime(a), lives: ttl(a) }",
                 "SELECT * REPLACE (hex(bl) AS bl, du::VARCHAR AS du, u::VARCHAR AS u, tu::VARCHAR AS tu, "
                 "vi::VARCHAR AS vi, d::VARCHAR AS d) FROM input")
    b.run()
    one, two = sorted(b.written(), key=lambda row: row["id"])
    written = one.pop("written")
    assert abs(written / 1e6 - datetime.datetime.now().timestamp()) < 600, written
    assert all(v is None for k, v in two.items() if k != "id"), two
    want = {"id": 1, "a": "abc", "b": -9, "bl": "00FF", "bo": True, "d": "12.50", "do": 1e-300, "f": 1.5, "i": "2001:db8::1",
            "si": -1, "ti": -128, "ts": "2024-02-29 12:00:00.123+00", "u": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "tu": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "v": "né", "vi": "-170141183460469231731687303715884105728",
            "dt": "1969-12-31", "t": "23:59:59.123456", "du": "1 year 2 months 3 days 00:00:01", "l": [[1, 2], []],
            "m": {"a": [1, 2]}, "s": ["x", "y"], "tp": {"f1": 7, "f2": None}, "ud": {"street": "Main", "number": 5},
            "ve": [1.5, 2.5], "lives": None}
    wrong = {k: (one.get(k), v) for k, v in want.items() if one.get(k) != v}
    assert not wrong and len(one) == len(want), (wrong, one)


def fits_a_table(b):
    """A table that is there: columns in any case, UDTs by name, lossless conversions; what does not fit is said."""
    b.execute("CREATE TYPE $place (street text, number smallint)")
    b.execute('CREATE TABLE $t ("Id" bigint, k tinyint, p frozen<place>, a inet, PRIMARY KEY ("Id", k))')
    b.feed("a", [{"id": i, "k": i % 128, "p": {"number": i, "street": "x"}, "a": "10.0.0.1"} for i in range(10)])
    schema = "id INTEGER, k INTEGER, p STRUCT(number INTEGER, street VARCHAR), a VARCHAR"
    b.to_table(schema)
    b.run()
    got = sorted(b.rows('"Id", k, p, a'), key=lambda row: row["k"])
    assert [(r["Id"], r["p"].number, r["a"]) for r in got] == [(i, i, "10.0.0.1") for i in range(10)], got
    for sql, want in (("SELECT *, 1 AS other FROM input", "has no column other"),
                      ("SELECT id, p FROM input", "no column k, which is part of the key"),
                      ("SELECT id, k::DOUBLE AS k FROM input", "column k is DOUBLE, and in table"),
                      ("SELECT id, k, a::BLOB AS a FROM input", "it is inet; cast it in SQL")):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench.__new__(Bench)
            other.__dict__.update(b.__dict__, folder=pathlib.Path(folder))
            (other.folder / "input").mkdir()
            other.to_table(schema, sql=sql)
            other.refused(want)
    b.pipeline(f"from: {{ type: files, path: input }}, format: json, schema: '{schema}'", "SELECT * FROM input",
               f"to: db, keyspace: {b.keyspace}, table: nowhere, mode: append")
    b.refused("there is no table", "create_table: true")


def keeps_what_the_table_can_not_hold(b):
    b.execute("CREATE TABLE $t (p text, c int, small tinyint, moment timestamp, a ascii, PRIMARY KEY ((p), c))")
    rows = [{"p": "ok", "c": 1, "small": 7}, {"p": None, "c": 1}, {"p": "", "c": 1}, {"p": "ok", "c": None},
            {"p": "ok", "c": 2, "small": 128}, {"p": "ok", "c": 3, "moment": "infinity"}, {"p": "ok", "c": 4, "a": "é"},
            {"p": "x" * 70_000, "c": 1}, {"p": "big", "c": 1, "a": "y" * 9_000_000}, {"p": "ok", "c": 5, "a": "fine"}]
    b.feed("a", rows)
    b.to_table("p VARCHAR, c INTEGER, small INTEGER, moment VARCHAR, a VARCHAR", sql="SELECT * REPLACE (moment::TIMESTAMP AS moment) FROM input")
    done = b.run(check=False, env={"MILLRACE_FAULT": "cassandra.after_publish:1"})
    assert done.returncode == -signal.SIGKILL, done
    done = b.run()
    assert sorted((r["p"], r["c"]) for r in b.rows()) == [("ok", 1), ("ok", 5)], b.rows("p, c")
    kept = b.quarantined("refused")
    assert len(kept) == 8 and "8 rows refused by sinks" in done.stderr, (len(kept), done.stderr)
    reasons = {x["column"]: x["reason"] for x in kept}
    assert "too large for tinyint" in reasons["small"] and "infinite" in reasons["moment"], reasons
    assert "not ASCII" in reasons["a"] and "the server takes" in reasons[""], reasons


def one_row_a_key(b):
    """Rows of the same key, in one batch: one of them, whole. A later batch wins, and a NULL takes the old value away."""
    b.execute("CREATE TABLE $t (k int PRIMARY KEY, a int, b text)")
    b.feed("a", [{"k": i % 10, "a": i, "b": str(i)} for i in range(1000)])
    b.to_table("k INTEGER, a INTEGER, b VARCHAR", ", max_batch_statements: 7", source=", max_files_per_trigger: 1")
    b.run()
    first = b.rows()
    assert len(first) == 10 and all(str(r["a"]) == r["b"] for r in first), first
    b.feed("b", [{"k": 1, "a": -1, "b": None}])
    b.run()
    assert [(r["a"], r["b"]) for r in b.execute_dicts("SELECT * FROM $t WHERE k = 1")] == [(-1, None)]


def updates_by_key(b):
    b.execute("CREATE TABLE $t (name text PRIMARY KEY, n bigint, latest int)")
    schema = "name VARCHAR, v INTEGER"
    sql = "SELECT name, count(*) AS n, max(v) AS latest FROM input GROUP BY name"
    b.to_table(schema, ", key: name, read_back: true", sql=sql, mode="update", source=", max_files_per_trigger: 1")
    for batch in range(4):
        b.feed(str(batch), [{"name": f"u{i % 7}", "v": batch * 100 + i} for i in range(50)])
        b.run()
    got = {r["name"]: (r["n"], r["latest"]) for r in b.rows()}
    assert got == {f"u{u}": (sum(1 for i in range(50) if i % 7 == u) * 4, max(300 + i for i in range(50) if i % 7 == u))
                   for u in range(7)}, got
    b.execute("CREATE TABLE $other (name text, n bigint, latest int, PRIMARY KEY (name, n))")
    b.pipeline(f"from: {{ type: files, path: input }}, format: json, schema: '{schema}'", sql,
               f"to: db, keyspace: {b.keyspace}, table: other, mode: update, key: name")
    b.refused("rows are told apart by (name)", "primary key (name, n)")


def deletes_by_key(b):
    """Rows that the dataset tells of as deleted; also when the batch is repeated, and when they come back."""
    b.feed("a", [{"k": k, "n": n, "op": "c"} for k in range(5) for n in range(40)])
    b.to_table("k INTEGER, n INTEGER, op VARCHAR", ", key: [k, n], delete: gone, create_table: true, partition_key: k",
               sql="SELECT k, n, count(*) AS changes, arg_max(op, step) = 'd' AS gone FROM "
                   "(SELECT *, CASE op WHEN 'c' THEN 0 WHEN 'd' THEN 1 ELSE 2 END AS step FROM input) GROUP BY k, n", mode="update",
               source=", max_files_per_trigger: 1")
    b.run()
    assert len(b.rows()) == 200
    b.feed("b", [{"k": 1, "n": n, "op": "d"} for n in range(40)] + [{"k": 2, "n": 7, "op": "d"}, {"k": 9, "n": 9, "op": "d"}])
    done = b.run(env={"MILLRACE_FAULT": "batch.after_publish:1"}, check=False)
    assert done.returncode == -signal.SIGKILL, done
    b.run()
    left = {(row["k"], row["n"]) for row in b.rows()}
    assert len(left) == 159 and (2, 7) not in left and not any(k == 1 for k, _ in left), len(left)
    b.feed("c", [{"k": 1, "n": 3, "op": "back"}])
    b.run()
    assert [row["changes"] for row in b.rows() if row["k"] == 1] == [3], b.rows()


def times_and_lives(b):
    """The batch's time is that of the writes, so that what comes late does not win; `ttl` is how long they live."""
    b.execute("CREATE TABLE $t (k int PRIMARY KEY, v int)")
    b.feed("a", [{"k": 1, "v": 1}, {"k": 2, "v": 2}])
    b.execute("INSERT INTO $t (k, v) VALUES (2, 99) USING TIMESTAMP 4000000000000000")
    b.to_table("k INTEGER, v INTEGER", ", ttl: 1h")
    b.run()
    rows = {r["k"]: r for r in b.execute_dicts("SELECT k, v, writetime(v) AS w, ttl(v) AS l FROM $t")}
    assert rows[2]["v"] == 99 and rows[1]["v"] == 1, rows
    assert 3500 < rows[1]["l"] <= 3600 and abs(rows[1]["w"] / 1e6 - datetime.datetime.now().timestamp()) < 600, rows


def killed_anywhere(b):
    """Killed before, within and after publishing, and run to its end: the same as undisturbed."""
    b.execute("CREATE TABLE $t (name text, c int, n bigint, PRIMARY KEY (name, c))")
    b.execute("CREATE TABLE $straight (name text, c int, n bigint, PRIMARY KEY (name, c))")
    for part in range(6):
        b.feed(str(part), [{"name": f"u{i % 5}", "c": i % 40, "v": part} for i in range(400)])
    schema, sql = "name VARCHAR, c INTEGER, v INTEGER", "SELECT name, c, sum(v)::BIGINT AS n FROM input GROUP BY ALL"
    b.to_table(schema, ", key: [name, c]", sql=sql, mode="update", source=", max_files_per_trigger: 1")
    for point, times in (("cassandra.before_publish", 1), ("cassandra.during_publish", 3), ("cassandra.after_publish", 2),
                         ("batch.after_publish", 1), ("cassandra.during_publish", 1)):
        done = m.run("run", b.file, "--once", cwd=b.folder, check=False, env={"MILLRACE_FAULT": f"{point}:{times}"})
        assert done.returncode == -signal.SIGKILL, (point, done.returncode, done.stderr[-2000:])
    b.run()
    text = b.file.read_text()
    b.file = b.folder / "straight.yaml"
    b.file.write_text(text.replace("pipeline: write", "pipeline: straight").replace("table: t,", "table: straight,"))
    b.run()
    killed, straight = ({(r["name"], r["c"]): r["n"] for r in b.rows(table=table)} for table in ("t", "straight"))
    assert killed == straight and len(straight) == 40, (len(killed), len(straight))


def connections_break(b):
    """Cut in mid-request, stalled, slow and refused: all rows come, and nothing is fatal."""
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    b.feed("a", [{"p": i % 500, "c": i, "v": "x" * 100} for i in range(20_000)])
    with FaultProxy(b.server.port) as proxy:
        b.port, b.connection = proxy.port, ", request_timeout: 1s, connect_timeout: 1s, connections_per_host: 2"
        b.to_table("p INTEGER, c INTEGER, v VARCHAR", ", max_batch_statements: 3")
        proxy.cut_after(400_000)
        process = m.start("run", b.file, "--once", "--progress", "none", cwd=b.folder)
        m.wait_until(lambda: proxy.cuts >= 1, "the first cut")
        m.wait_until(lambda: proxy.connections >= 3, "connections after the cut")
        proxy.cut()
        proxy.stall()
        m.wait_until(lambda: proxy.connections >= 6, "connections after a stall")
        proxy.refuse()
        proxy.go_on()
        proxy.cut()
        proxy.accept()
        proxy.delay_s = 0.005
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors[-3000:]
        assert "going on trying" in errors and "the cluster answers again" in errors, errors[-3000:]
    assert len(b.rows("p, c")) == 20_000
    with FaultProxy(b.server.port) as proxy:  # and a scan
        b.port = proxy.port
        b.from_table(", page_rows: 500, ranges: 7, parallelism: 3")
        proxy.cut_after(1_000_000)
        done = b.run()
        assert proxy.cuts == 1 and "going on trying" in done.stderr, done.stderr
    got = b.written()
    assert len(got) == 20_000 and len({r["c"] for r in got}) == 20_000, len(got)


def gives_up_when_told(b):
    b.execute("CREATE TABLE $t (p int PRIMARY KEY)")
    b.feed("a", [{"p": i} for i in range(1000)])
    with FaultProxy(b.server.port) as proxy:
        b.port, b.connection = proxy.port, ", request_timeout: 300ms, connect_timeout: 300ms, retry_timeout: 1s"
        b.to_table("p INTEGER")
        proxy.cut_after(12_000)
        process = m.start("run", b.file, "--once", "--progress", "none", cwd=b.folder)
        m.wait_until(lambda: proxy.cuts >= 1, "the cut")
        proxy.stall()
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and "`retry_timeout`" in errors, (process.returncode, errors[-2000:])


def too_few_replicas(b):
    """A consistency that the keyspace can't give: it is tried again, as nodes may come back, until `retry_timeout`."""
    b.execute("CREATE TABLE $t (p int PRIMARY KEY)")
    b.feed("a", [{"p": i} for i in range(10)])
    b.connection = ", retry_timeout: 2s"
    b.to_table("p INTEGER", ", consistency: TWO")
    began = time.monotonic()
    done = b.run(check=False)
    assert done.returncode != 0 and time.monotonic() - began >= 2, (done.returncode, done.stderr)
    assert all(words in done.stderr for words in ("unavailable", "going on trying", "`retry_timeout`", "TWO")), done.stderr
    assert b.rows() == []
    b.to_table("p INTEGER")
    b.run()
    assert len(b.rows()) == 10
    b.from_table(", consistency: TWO")
    done = b.run(check=False)
    assert done.returncode != 0 and "unavailable" in done.stderr and "`retry_timeout`" in done.stderr, done.stderr


def sets_timeuuids_and_counters(b):
    """Both ways, next to what the other client reads and writes; of counters the one way that there is."""
    columns = "k int PRIMARY KEY, words set<text>, numbers set<bigint>, frozen_words frozen<set<text>>, made timeuuid"
    b.execute(f"CREATE TABLE $t ({columns})")
    b.execute(f"CREATE TABLE $other ({columns})")
    b.execute("CREATE TABLE $hits (page text, day date, hits counter, misses counter, PRIMARY KEY (page, day))")
    ids = [str(uuid.uuid1(node=7, clock_seq=i)) for i in range(50)]
    rows = [{"k": i, "words": [f"w{i % 3}", "ü", f"w{i}"], "numbers": [-i, 2**40 + i, -i], "frozen_words": ["b", "a", f"c{i}"], "made": ids[i]}
            for i in range(50)]
    b.feed("a", rows + [{"k": 100, "words": [], "numbers": None, "frozen_words": None, "made": None}])
    b.to_table("k INTEGER, words VARCHAR[], numbers BIGINT[], frozen_words VARCHAR[], made UUID")
    b.run()
    got = {row["k"]: row for row in b.rows()}
    assert len(got) == 51 and all(got[100][name] is None for name in ("words", "numbers", "frozen_words", "made")), got[100]
    for row in rows:
        have = got[row["k"]]
        assert [set(have[name]) for name in ("words", "numbers", "frozen_words")] == \
            [set(row[name]) for name in ("words", "numbers", "frozen_words")] and str(have["made"]) == row["made"], (have, row)
    b.feed("b", [{**row, "k": row["k"] + 200, "words": [f"w{row['k']}", "ü"], "numbers": row["numbers"][:2]} for row in rows])  # each once, to be read back
    b.file.write_text(b.file.read_text().replace("mode: append", "mode: append, read_back: true"))
    b.run()
    assert len(b.rows()) == 101
    # The server takes them for what they are: by the time in them.
    [first] = b.execute("SELECT toTimestamp(made) AS t FROM $t WHERE k = 0")
    assert abs(first.t.replace(tzinfo=datetime.timezone.utc).timestamp() - datetime.datetime.now().timestamp()) < 600, first
    insert = b.session.prepare(f"INSERT INTO {b.keyspace}.other (k, words, numbers, frozen_words, made) VALUES (?, ?, ?, ?, ?)")
    for row in rows:
        b.session.execute(insert, (row["k"], set(row["words"]), set(row["numbers"]), set(row["frozen_words"]), uuid.UUID(row["made"])))
    count = b.session.prepare(f"UPDATE {b.keyspace}.hits SET hits = hits + ?, misses = misses - ? WHERE page = ? AND day = ?")
    for i in range(60):
        b.session.execute(count, (i, 2**33, f"p{i % 4}", datetime.date(2026, 1, 1 + i % 5)))
    b.from_table(table="other")
    b.run()
    read = {row["k"]: row for row in b.written()}
    there = {row["k"]: row for row in b.rows(table="other")}
    assert len(read) == 50 and all(
        row == {"k": k, "made": str(there[k]["made"]), **{name: sorted(there[k][name]) for name in ("words", "numbers", "frozen_words")}}
        for k, row in read.items()), (read[1], there[1])
    shutil.rmtree(b.folder / "out")
    b.from_table(table="hits", sql="SELECT page, day, hits, misses, typeof(hits) AS type FROM input")
    b.file.write_text(b.file.read_text().replace("pipeline: read", "pipeline: counters"))
    b.run()
    want = sorted((row["page"], str(row["day"]), row["hits"], row["misses"], "BIGINT") for row in b.rows(table="hits"))
    assert sorted(tuple(row.values()) for row in b.written()) == want and len(want) == 20 and want[0][3] < -2**33, want
    b.pipeline("from: { type: files, path: input }, format: json, schema: 'k INTEGER'",
               "SELECT 'p' || k AS page, DATE '2026-01-01' AS day, k::BIGINT AS hits FROM input", f"to: db, keyspace: {b.keyspace}, table: hits, mode: append")
    b.refused("counter")


def reading_back_finds_others(b):
    """A row that somebody else has written or deleted with a later time is not what we wrote, and that is said."""
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    b.feed("a", [{"p": i, "c": 1, "v": "ours"} for i in range(100)])
    b.to_table("p INTEGER, c INTEGER, v VARCHAR", ", read_back: true")
    b.execute("INSERT INTO $t (p, c, v) VALUES (42, 1, 'theirs') USING TIMESTAMP 4000000000000000")
    b.refused("read back from", "partition key 0x0000002a has another value of v", "written by somebody else")
    b.execute("DELETE FROM $t USING TIMESTAMP 4000000000000001 WHERE p = 42 AND c = 1")
    b.refused("partition key 0x0000002a was written, and is not there")
    b.to_table("p INTEGER, c INTEGER, v VARCHAR")  # who does not look does not see
    b.run()
    assert len(b.rows()) == 99 and {row["v"] for row in b.rows()} == {"ours"}


def keeps_its_pace(b):
    """So many requests a second, and no more: the run takes at least so long."""
    b.execute("CREATE TABLE $t (p int PRIMARY KEY)")
    b.feed("a", [{"p": i} for i in range(200)])  # a partition each, so a request each
    took = {}
    for pace in (100, 50):
        b.execute("TRUNCATE $t")
        shutil.rmtree(b.folder / ".millrace", ignore_errors=True)
        b.connection = f", max_requests_per_second: {pace}"
        b.to_table("p INTEGER")
        began = time.monotonic()
        b.run()
        took[pace] = time.monotonic() - began
        assert len(b.rows()) == 200
    # What was not used in the last tenth of a second may be sent at once.
    assert took[100] >= 199 / 100 - 0.1 and took[50] >= 199 / 50 - 0.1, took


def server_goes_and_comes(b):
    """A pipeline that runs all the time waits for a server that is away; Ctrl-C ends it meanwhile, too."""
    b.execute("CREATE TABLE $t (p int PRIMARY KEY)")
    b.to_table("p INTEGER", more="trigger: 100ms\n")
    process = m.start("run", b.file, "--progress", "none", cwd=b.folder)
    b.feed("a", [{"p": 1}])
    m.wait_until(lambda: len(b.rows()) == 1, "the first row")
    b.server.stop()
    b.feed("b", [{"p": 2}])
    for line in process.stderr:
        if "going on trying" in line:
            break
    b.server.start()

    def there(count):
        try:  # the other client, too, has to find the server again
            return len(b.rows()) == count
        except (NoHostAvailable, OperationTimedOut):
            return False
    m.wait_until(lambda: there(2), "the second row", timeout=120)
    b.server.stop()
    b.feed("c", [{"p": 3}])
    for line in process.stderr:
        if "going on trying" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, (process.returncode, errors[-2000:])
    b.server.start()
    b.run()
    m.wait_until(lambda: there(3), "the third row", timeout=120)


def scans_it_all(b):
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    rows = 100_000
    b.feed("a", [{"p": i * 7919 % 20_011, "c": i, "v": f"v{i}"} for i in range(rows)])
    b.to_table("p INTEGER, c INTEGER, v VARCHAR")
    b.run()
    b.from_table()
    b.run()
    got = b.written()
    assert sorted((r["c"], r["p"], r["v"]) for r in got) == [(i, i * 7919 % 20_011, f"v{i}") for i in range(rows)], len(got)
    for more in (", compression: lz4", ", protocol_version: 4", ", protocol_version: 4, compression: lz4"):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench.__new__(Bench)
            other.__dict__.update(b.__dict__, folder=pathlib.Path(folder), connection=more)
            other.from_table(", columns: [c], ranges: 3, page_rows: 777", "SELECT c FROM input")
            other.run()
            assert sorted(r["c"] for r in other.written()) == list(range(rows)), more


def one_partition(b):
    b.execute("CREATE TABLE $t (a text, b int, c int, PRIMARY KEY ((a, b), c))")
    for i in range(30):
        b.execute("INSERT INTO $t (a, b, c) VALUES (%s, %s, %s)", (f"u{i % 3}", i % 2, i))
    b.from_table(", partition_key: { a: u1, b: 0 }")
    b.run()
    assert sorted(r["c"] for r in b.written()) == [i for i in range(30) if i % 3 == 1 and i % 2 == 0]
    b.from_table(", partition_key: { a: u1 }")
    b.refused("`partition_key` has to give all columns")
    b.from_table(", partition_key: { a: u1, b: x }")
    b.refused("`x` is no int")


def a_table_to_join(b):
    """`as: table`: read anew in each batch."""
    b.execute("CREATE TABLE $names (id int PRIMARY KEY, name text)")
    b.execute("INSERT INTO $names (id, name) VALUES (1, 'one')")
    b.file = b.folder / "pipeline.yaml"
    b.file.write_text(
        f"pipeline: join\nconnections:\n  db: {{ type: cassandra, contact_points: ['127.0.0.1'], port: {b.port} }}\n"
        "sources:\n  input: { from: { type: files, path: input }, format: json, schema: 'id INTEGER' }\n"
        f"  names: {{ from: db, keyspace: {b.keyspace}, table: names, as: table }}\n"
        "datasets:\n  result: SELECT input.id, name FROM input LEFT JOIN names USING (id)\n"
        f"sinks:\n  out: {{ from: result, to: {FILES}, mode: append }}\n")
    b.feed("a", [{"id": 1}, {"id": 2}])
    b.run()
    b.execute("INSERT INTO $names (id, name) VALUES (2, 'two')")
    b.feed("b", [{"id": 2}])
    b.run()
    assert sorted((r["id"], r["name"] or "") for r in b.written()) == [(1, "one"), (2, ""), (2, "two")], b.written()


def looking_up(b, key, sql):
    b.file = b.folder / "pipeline.yaml"
    b.file.write_text(
        f"pipeline: look-{b.keyspace}\nconnections:\n  db: {{ type: cassandra, contact_points: ['127.0.0.1'], port: {b.port} }}\n"
        "sources:\n  input: { from: { type: files, path: input }, format: json, schema: 'id INTEGER, day DATE' }\n"
        f"  seen: {{ from: db, keyspace: {b.keyspace}, table: seen, as: lookup, key: {key} }}\n"
        f"datasets:\n  result: {sql}\n"
        f"sinks:\n  out: {{ from: result, to: {FILES}, mode: append }}\n")


def looked_up_by_key(b):
    """`as: lookup`: only the rows that are asked for, by the partition key, or with clustering columns, too."""
    b.execute("CREATE TABLE $seen (id int, day date, hour tinyint, text text, PRIMARY KEY ((id, day), hour))")
    insert = b.session.prepare(f"INSERT INTO {b.keyspace}.seen (id, day, hour, text) VALUES (?, ?, ?, ?)")
    there = {(i, f"2026-01-0{1 + i % 3}", h): f"{i}h{h}" for i in range(300) for h in range(i % 4)}
    for (i, day, h), text in there.items():
        b.session.execute(insert, (i, day, h, text))
    b.feed("a", [{"id": i, "day": f"2026-01-0{1 + i % 3}"} for i in range(0, 600, 2)] + [{"id": 2, "day": "2026-01-01"}, {"id": None}])
    looking_up(b, "[day, id]", "SELECT input.id, input.day, hour, text FROM input LEFT JOIN seen ON seen.id = input.id AND seen.day = input.day")
    b.run()
    asked = [(i, f"2026-01-0{1 + i % 3}") for i in range(0, 600, 2)] + [(2, "2026-01-01"), (None, None)]
    want = [(*key, h, there.get((*key, h))) for key in asked for h in (range(key[0] % 4) if (*key, 0) in there else [None])]
    got = [(r["id"], r["day"], r["hour"], r["text"]) for r in b.written()]
    assert sorted(map(str, got)) == sorted(map(str, want)), (len(got), len(want), sorted(map(str, got))[:5])
    b.feed("b", [{"id": 7, "day": "2026-01-02"}])
    looking_up(b, "[id, day, hour]", "SELECT input.id, text FROM input JOIN seen ON seen.id = input.id AND seen.day = input.day "
               "AND seen.hour = (input.id % 4 - 1)::TINYINT")
    m.run("run", b.file, "--once", "--rebuild", "all", cwd=b.folder)
    assert b.written()[-1] == {"id": 7, "text": "7h2"}, b.written()[-3:]


def looked_up_by_what_is_no_key(b):
    b.execute("CREATE TABLE $seen (id int, day date, hour tinyint, minute tinyint, text text, PRIMARY KEY ((id, day), hour, minute))")
    for key in ("id", "[id, day, minute]", "[id, day, text]"):
        looking_up(b, key, "SELECT input.id, text FROM input JOIN seen USING (id)")
        b.refused("takes the whole partition key, id, day", "its key is id, day, hour, minute")


def keeps_what_sql_can_not_hold(b):
    b.execute("CREATE TABLE $t (id int PRIMARY KEY, v varint)")
    for i, v in enumerate([1, 300, 2**70]):
        b.execute("INSERT INTO $t (id, v) VALUES (%s, %s)", (i, v))
    b.from_table(", types: { v: TINYINT }")
    b.run()
    assert b.written() == [{"id": 0, "v": 1}], b.written()
    kept = b.quarantined("quarantine")
    assert len(kept) == 2 and all(x["column"] == "v" and "too large" in x["reason"] for x in kept), kept
    assert sorted(json.loads(x["raw"])["v"] for x in kept) == ["0x012c", "0x400000000000000000"], kept


def bad_options(b):
    for source, want in ((", on_malformed: permissive", "permissive"), (", metadata: { w: when(a) }", "writetime(column)"),
                         (", page_rows: 0", "page_rows"), (", consistency: SOME", "`consistency`")):
        b.from_table(source)
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        assert done.returncode != 0 and want in done.stdout + done.stderr, (source, done.stdout, done.stderr)
    for connection, want in ((", tls_ca: x", "set `tls: true`"), (", username: x", "a name or a password"),
                             (", profile: keyspaces", "service-specific credentials")):
        b.connection = connection
        b.from_table()
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        assert done.returncode != 0 and want in done.stdout + done.stderr, (connection, done.stdout, done.stderr)


def connects(b):
    """validate --connect: what is missing is told and not made."""
    def tried(code, want, *options):
        done = m.run("validate", "--connect", *options, b.file, cwd=b.folder, check=False)
        assert done.returncode == code and want in done.stdout + done.stderr, (done.returncode, done.stdout, done.stderr)
    b.to_table("id INTEGER, v VARCHAR")
    tried(2, f"there is no table {b.keyspace}.t")
    b.execute("CREATE TABLE $t (id int PRIMARY KEY, other text)")
    tried(2, "v")
    b.execute("ALTER TABLE $t ADD v text")
    tried(0, f"sink out: cassandra {b.keyspace}.t: ok")
    b.from_table()
    tried(0, "source input: cassandra: ok")
    b.file.write_text(b.file.read_text().replace(f"127.0.0.1:{b.port}", "127.0.0.1:1"))
    tried(3, "source input: cassandra: failed", "--connect-timeout", "2")


CASES = [bad_options, connects, writes_all_types, reads_all_types, fits_a_table, keeps_what_the_table_can_not_hold, one_row_a_key,
         updates_by_key, deletes_by_key, times_and_lives, killed_anywhere, connections_break, gives_up_when_told, scans_it_all, one_partition,
         a_table_to_join, looked_up_by_key, looked_up_by_what_is_no_key,
         keeps_what_sql_can_not_hold, too_few_replicas, sets_timeuuids_and_counters, reading_back_finds_others, keeps_its_pace,
         server_goes_and_comes]


def main():
    report = m.Report("cassandra")
    names = sys.argv[1:]
    with real.Cassandra() as server:
        session = server.session()
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-cassandra-") as folder:
                report.case(case.__name__, lambda: case(Bench(server, session, folder, number)))
        session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
