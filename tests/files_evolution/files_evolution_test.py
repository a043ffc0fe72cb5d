"""Files whose records get fields which the columns do not have: what each `on_schema_change` makes of them."""
import decimal
import gzip
import json
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[0] / "support"), str(HERE.parents[0] / "avro")]
import millrace as m  # noqa: E402
import avro_test  # noqa: E402, which fetches fastavro
import cramjam  # noqa: E402
from avro_test import logical, record  # noqa: E402

USERS_MISTAKE = 2
ONE = record("Event", id="long", what="string")
TWO = record("Event", id="long", price="double", what="string")
THREE = record("Event", name="string", id="long", what="string", place=record("Place", city="string"))
STORE = "{ from: result, to: { type: store, path: out.duckdb }, table: result }"


class Bench(avro_test.Bench):
    def text(self, name, lines):
        """A file of these lines: objects, or texts as they are; packed as its name says."""
        lines = [each if isinstance(each, (str, bytes)) else json.dumps(each) for each in lines]
        data = b"".join((each.encode() if isinstance(each, str) else each) + b"\n" for each in lines)
        if name.endswith(".gz"):
            data = gzip.compress(data[:50]) + gzip.compress(data[50:])
        elif name.endswith(".zst"):
            data = bytes(cramjam.zstd.compress(data[:50])) + bytes(cramjam.zstd.compress(data[50:]))
        path = self.folder / "in" / name
        path.with_name("." + name).write_bytes(data)
        path.with_name("." + name).rename(path)
        os.utime(path, (1_700_000_000 + len(list(path.parent.iterdir())),) * 2)
        return path

    def pipeline(self, source, sql="SELECT * FROM input", sink=STORE):
        self.file.write_text(f"pipeline: evolution\nsources:\n  input: {{ from: {{ type: files, path: in }}, {source} }}\n"
                             f"datasets:\n  result: {sql}\nsinks:\n  out: {sink}\n")
        return self

    def forget(self):
        super().forget()
        (self.folder / "out.duckdb.wal").unlink(missing_ok=True)

    def ids(self):
        return sorted(row["id"] for row in self.rows())

    def refused_run(self, file, *words):
        """A run that ends as a user's mistake, and names the file."""
        done = self.run(check=False)
        assert done.returncode == USERS_MISTAKE, (done.returncode, done.stderr)
        for word in (f"in/{file}", "has another schema than the columns", "`on_schema_change: ignore`", "rescue", *words):
            assert word in done.stderr, (word, done.stderr)
        assert not self.kept(), self.kept()


def events(numbers, **more):
    return [{"id": i, "what": f"w{i % 3}", **{k: f(i) for k, f in more.items()}} for i in numbers]


def avro_fails(b):
    """The first file with a field more, whatever says what the columns are; then it goes on from there."""
    (b.folder / "one.avsc").write_text(json.dumps(ONE))
    (b.folder / "two.avsc").write_text(json.dumps(TWO))
    for columns, mended, way_out in (("schema: 'id BIGINT, what VARCHAR', ", "schema: 'id BIGINT, what VARCHAR, price DOUBLE', ", "to `schema`"),
                                     ("schema_file: one.avsc, ", "schema_file: two.avsc, ", "`schema_file`"),
                                     ("", "schema: 'what VARCHAR, id BIGINT, price DOUBLE', ", "millrace infer")):
        for k, (schema, more) in enumerate(((ONE, {}), (ONE, {}), (ONE, {}), (TWO, {"price": float}), (ONE, {}))):
            b.write(f"{k}.avro", schema, events(range(k * 10, k * 10 + 10), **more))
        source = "format: avro, max_files_per_trigger: 2, on_schema_change: fail, "
        b.pipeline(source + columns, "SELECT id, what FROM input")
        for _ in range(2):
            b.refused_run("3.avro", "no such field as `price`", way_out)
            assert b.ids() == list(range(20)), b.ids()  # nothing of 2.avro, which is in the same batch
        if "schema_file" in mended:  # records before have no price: only a default can stand for it
            (b.folder / "two.avsc").write_text(json.dumps(record("Event", id="long", what="string", price={"type": "double", "default": 0})))
        b.pipeline(source + mended, "SELECT id, what FROM input").run()
        assert b.ids() == list(range(50)) and not b.kept(), (mended, b.ids(), b.kept())
        b.forget()
    # Fields of fields, and a type that can't be read.
    b.pipeline("format: avro, schema: 'id BIGINT, place STRUCT(zip INTEGER)', on_schema_change: fail", "SELECT id FROM input")
    for path in (b.folder / "in").iterdir():
        path.unlink()
    b.write("a.avro", record("E", id="long", place=record("Place", city="string", zip="int")), [{"id": 1, "place": {"city": "x", "zip": 1}}])
    b.refused_run("a.avro", "no such field as `place.city`")
    b.forget()
    b.pipeline("format: avro, schema: 'id INTEGER, place STRUCT(zip INTEGER, city VARCHAR)', on_schema_change: fail", "SELECT id FROM input")
    b.refused_run("a.avro", "column id")


RICH = record("Event", id="long", what="string", price="double", either=["string", "long"], at=logical("long", "timestamp-millis"),
              cost=logical("bytes", "decimal", precision=9, scale=2), tags={"type": "array", "items": "string"}, rest="int",
              place=record("Place", city="string"))
REST = {"price": 1.5, "either": {"string": None, "long": 7}, "at": "2024-02-29T12:00:00Z", "cost": 12.34, "tags": ["a", "b"], "rest": 3,
        "place": {"city": "x"}}


def avro_rescues(b):
    """What is new is kept as JSON, with the columns declared or not; what has no form in JSON is malformed."""
    rich = {"id": 2, "what": "b", "price": 1.5, "either": 7, "at": 1709208000000, "cost": decimal.Decimal("12.34"), "tags": ["a", "b"], "rest": 3,
            "place": {"city": "x"}}
    b.write("0.avro", ONE, [{"id": 1, "what": "a"}])
    b.write("1.avro", RICH, [rich, {**rich, "id": 3, "price": float("nan")}, {**rich, "id": 4}])
    b.write("2.avro", ONE, [{"id": 5, "what": "c"}])
    b.write("3.avro", record("Event", id="string", x="int"), [{"id": "x", "x": 1}])
    for columns in ("rescue_column: rest", "schema: 'rest VARCHAR, id BIGINT, what VARCHAR', rescue_column: rest, on_schema_change: rescue"):
        b.pipeline(f"format: avro, {columns}").run()
        rows = {row["id"]: row for row in b.rows()}
        assert set(rows) == {1, 2, 4, 5}, rows
        assert rows[1] == {"id": 1, "what": "a", "rest": None} and rows[5]["rest"] is None, rows
        assert rows[2]["what"] == "b" and json.loads(rows[2]["rest"]) == REST == json.loads(rows[4]["rest"]), rows[2]
        reasons = [f"{k['column']}: {k['reason']}" for k in b.kept()]
        assert len(reasons) == 2 and "price: it can't be rescued" in reasons[0] and all(each in reasons[1] for each in ("column id", "string")), reasons
        # Nobody reads it: then nothing has to be rescued.
        b.forget()
        b.pipeline(f"format: avro, {columns}", "SELECT id FROM input").run()
        assert b.ids() == [1, 2, 3, 4, 5], b.ids()
        b.forget()
    b.pipeline("format: avro, rescue_column: rest, on_malformed: permissive, corrupt_record_column: bad",
               "SELECT id, rest, octet_length(bad) > 0 AS bad FROM input").run()
    rows = sorted(b.rows(), key=str)
    assert [r["id"] for r in rows if not r["bad"]] == [1, 2, 4, 5] and sum(bool(r["bad"]) for r in rows) == 2, rows
    assert all(r["id"] is None and r["rest"] is None for r in rows if r["bad"]), rows


def json_fails(b):
    """A new key, at any depth, in plain and packed files: the error names the line; then it goes on from there."""
    rows = [{"id": i, "place": [{"city": "x"}]} for i in range(60)]
    rows[37]["place"].append({"city": "y", "zip": 1})
    for k, name in enumerate(("0.json", "1.json.gz", "2.json", "3.json.zst", "4.json", "5.json.gz")):
        b.text(name, rows[k * 10:k * 10 + 10])
    source = "format: json, max_files_per_trigger: 2, on_schema_change: fail, schema: 'id BIGINT, place STRUCT(city VARCHAR)[]'"
    b.pipeline(source, "SELECT id, len(place) AS places FROM input")
    for _ in range(2):
        b.refused_run("3.json.zst:8", "place[1].zip: the columns have no such field", "add the column to `schema`")
        assert b.ids() == list(range(20)), b.ids()
    b.pipeline(source.replace("city VARCHAR", "city VARCHAR, zip INTEGER"), "SELECT id, len(place) AS places FROM input").run()
    assert b.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(places) AS places FROM out") == [{"n": 60, "ids": 60, "places": 61}]
    # What is no JSON tells of no schema, and a value of another type is malformed.
    b.text("6.json", ['{"id":60,"new":1', '{"id":"x"}', "", {"id": 62}, '{"id":63,"place":[{"zip":"x"}]}'])
    b.run()
    assert b.ids() == [*range(60), 62] and [k["line"] for k in b.kept()] == [1, 2, 5], (b.ids(), b.kept())
    b.text("7.json", [{"id": 64}, {"id": 65, "new": {"a": [1]}}])
    done = b.run(check=False)
    assert done.returncode == USERS_MISTAKE and "in/7.json:2 has" in done.stderr and "new: the columns" in done.stderr, done.stderr
    b.pipeline(source.replace("fail", "ignore"), "SELECT id, len(place) AS places FROM input").run()
    assert b.ids() == [*range(60), 62, 64, 65], b.ids()


def json_rescues(b):
    for name in ("0.json", "1.json.gz", "2.json.zst"):
        b.text(name, ['{"id":1}', ' {"id":2,"new":{"a":[1]},"ID":null,"rest":"x"}\r'])
    for mode in ("", ", on_schema_change: rescue"):
        b.pipeline(f"format: json, schema: 'id BIGINT, rest VARCHAR', rescue_column: rest{mode}").run()
        want = [{"id": 1, "rest": None}, {"id": 2, "rest": '{"new":{"a":[1]},"ID":null,"rest":"x"}'}] * 3
        assert m.canonical(b.rows()) == m.canonical(want), b.rows()
        b.forget()


BAD = ['{"id":0}', '{"id":"x","new":1}', "[1]", '\ufeff{"id":3}', "{", "", b'{"id":6,"what":"\xff"}', '{"id":7,"new":1}']


def json_malformed(b):
    """Rows that do not fit are treated as those of other files."""
    b.text("a.json", ["\ufeff" + BAD[0], *BAD[1:]])
    b.text("b.json.gz", ['{"id":10}', '{"id":11, "what": "' + "x" * 5_000_000 + '"}', '{"id":12}'])
    source = "format: json, schema: 'id BIGINT, what VARCHAR, rest VARCHAR', rescue_column: rest, max_line_bytes: 2MB"
    good, bad = [0, 7, 10, 12], [2, 3, 4, 5, 7]
    b.pipeline(source).run()
    kept = b.kept()
    lines = [k for k in kept if not k.get("part")]
    assert b.ids() == good and [k["line"] for k in lines] == bad and all(k["origin"].endswith("in/a.json") for k in lines), (b.ids(), kept)
    assert [k["raw"] for k in lines] == [x if isinstance(x, bytes) else x.encode() for x in (BAD[i - 1] for i in bad)], lines
    assert lines[0]["column"] == "id" and "`\"x\"`" in lines[0]["reason"], lines[0]
    parts = [k for k in kept if k.get("part")]
    assert len(parts) > 1 and sum(len(k["raw"]) for k in parts) == 5_000_000 + 21 and {k["line"] for k in parts} == {2}, len(parts)
    assert all("max_line_bytes" in k["reason"] for k in parts), parts[0]["reason"]
    # They can be read again, when there is more room and one of them is mended.
    for path in b.folder.rglob("quarantine/input/*.jsonl"):
        path.write_text(path.read_text().replace('\\"x\\",', "8,"))
    b.pipeline(source.replace("2MB", "20MB"))
    m.run("quarantine", "replay", b.file, cwd=b.folder)
    assert b.ids() == sorted([*good, 8, 11]) and len(b.kept()) == len(bad) - 1, (b.ids(), b.kept())
    assert [r["rest"] for r in b.rows() if r["id"] == 8] == ['{"new":1}'], b.rows()
    b.forget()
    b.pipeline(source + ", on_malformed: drop").run()
    assert b.ids() == good and not b.kept()
    b.forget()
    b.pipeline(source + ", on_malformed: permissive, corrupt_record_column: bad").run()
    rows = b.rows()
    assert sorted(r["id"] for r in rows if r["bad"] is None) == good, rows
    assert sorted(r["bad"] for r in rows if r["bad"]) == sorted(
        [BAD[1], BAD[2], BAD[3], BAD[4], '{"id":6,"what":"\ufffd"}']), rows
    assert all(r["rest"] is None and r["id"] is None for r in rows if r["bad"]), rows
    assert {k["line"] for k in b.kept()} == {2} and all("max_line_bytes" in k["reason"] for k in b.kept())
    b.forget()
    b.pipeline(source + ", on_malformed: fail")
    done = b.run(check=False)
    assert done.returncode not in (0, USERS_MISTAKE) and "in/a.json:2" in done.stderr and "id: " in done.stderr, done.stderr


def json_damaged(b):
    """Files that can't be unpacked are errors, not rows."""
    source = "format: json, schema: 'id BIGINT, rest VARCHAR', rescue_column: rest"
    for name in ("a.json.gz", "a.json.zst"):
        whole = b.text(name, [{"id": i, "new": "x" * 50} for i in range(1000)])
        data = whole.read_bytes()
        for broken in (data[:len(data) // 2], b'{"id":1}\n'):
            whole.write_bytes(broken)
            done = b.pipeline(source).run(check=False)
            assert done.returncode not in (0, USERS_MISTAKE) and f"in/{name}" in done.stderr, (name, done.returncode, done.stderr)
            b.forget()
        whole.unlink()
    path = b.text("a.json", [])
    path.write_bytes('{"id":1}\n'.encode("utf-16"))
    done = b.pipeline(source).run(check=False)
    assert done.returncode != 0 and "UTF-16" in done.stderr and "iconv" in done.stderr and "in/a.json" in done.stderr, done.stderr


def json_as_ignored(b):
    """A plain file is read as by the reader of `ignore`."""
    b.text("a.json", [{"id": i, "x": i / 7, "name": f"näme \"{i}\"" * (i % 3), "day": f"2024-01-{i % 28 + 1:02}", "at": f"2024-01-01T00:00:{i % 60:02}.5Z",
                       "cost": str(i) + ".25", "list": [k for k in range(i % 4)], "in": {"a": i, "b": None if i % 2 else "b"}, "flag": i % 2 == 0}
                      for i in range(10_000)])
    columns = ("id BIGINT, x DOUBLE, name VARCHAR, day DATE, \"at\" TIMESTAMP, cost DECIMAL(12,2), list INTEGER[], \"in\" STRUCT(a INTEGER, b VARCHAR), "
               "flag BOOLEAN, missing VARCHAR")
    found = []
    for mode in ("ignore", "fail"):
        b.pipeline(f"format: json, schema: '{columns}', on_schema_change: {mode}").run()
        found.append(b.rows())
        b.forget()
    assert len(found[0]) == 10_000 and m.canonical(found[0]) == m.canonical(found[1])
    assert found[0][0].keys() == found[1][0].keys()


def parquet_fails(b):
    """Parquet files with a column more."""
    writer = b.folder / "writer.yaml"
    source = b.text("one.json", [{"id": 1}]).rename(b.folder / "one.json")
    for k, columns in enumerate(("1::BIGINT AS id, 'a' AS what", "2::BIGINT AS id, 'b' AS what, 0.5 AS price")):
        made = b.folder / f"made{k}"
        writer.write_text(f"pipeline: w{k}\nsources:\n  one: {{ from: {{ type: files, path: {source} }}, format: json, schema: id BIGINT }}\n"
                          f"datasets:\n  r: SELECT {columns} FROM one\nsinks:\n  o: {{ from: r, to: {{ type: files, path: {made} }}, format: parquet }}\n")
        m.run("run", writer, "--once", cwd=b.folder)
        [file] = made.glob("*.parquet")
        file.rename(b.folder / "in" / f"{k}.parquet")
        os.utime(b.folder / "in" / f"{k}.parquet", (1_700_000_000 + k,) * 2)
    for columns in ("", "schema: 'id BIGINT, what VARCHAR', "):
        source = f"format: parquet, {columns}max_files_per_trigger: 1, on_schema_change: fail"
        b.pipeline(source, "SELECT id, what FROM input")
        for _ in range(2):
            b.refused_run("1.parquet", "price: the columns have no such field", "`schema`")
            assert b.ids() == [1], b.ids()
        b.pipeline(source.replace("fail", "ignore"), "SELECT id, what FROM input").run()
        assert b.ids() == [1, 2], b.ids()
        b.forget()


GROWING = """pipeline: growing
connections:
  db: { type: store, path: out.duckdb }
checkpoint: { snapshot_interval: 1h, snapshot_log_size: 1KiB }
sources:
  input: { from: { type: files, path: in }, format: avro, max_files_per_trigger: 2, on_schema_change: add_columns }
datasets:
  events: SELECT * FROM input
  totals: SELECT what, count(*) AS n, sum(id) AS ids FROM input GROUP BY what
sinks:
  stored: { from: events, to: db, table: events }
  lines: { from: events, to: { type: files, path: out }, format: json }
  packed: { from: events, to: { type: files, path: packed }, format: parquet }
  sums: { from: totals, to: db, table: sums, mode: update }
"""


def growing_files(b):
    """Files of three schemas, the first of which is the oldest, in no order."""
    want = []
    for k in range(9):
        which = 0 if k < 3 or k == 5 else 1 if k in (3, 6) else 2
        more = [{}, {"price": lambda i: i / 2}, {"name": lambda i: f"n{i}", "place": lambda i: {"city": "x"}}][which]
        rows = events(range(k * 10, k * 10 + 10), **more)
        b.write(f"{k}.avro", (ONE, TWO, THREE)[which], rows)
        want += [{**dict.fromkeys(("price", "name", "place")), **row} for row in rows]
    b.file.write_text(GROWING)
    return want


def results(folder):
    """All that can be seen; of the table also the order of its columns."""
    def ask(sql):
        return m.query(folder / "pipeline.yaml", sql, cwd=folder)
    files = [json.loads(line) for path in (folder / "out").glob("*.json") for line in path.read_text().splitlines()]
    rows = ask("FROM stored")
    return {"columns": list(rows[0]), "rows": m.canonical(rows), "files": m.canonical(files), "totals": m.canonical(ask("FROM sums")),
            "packed": m.canonical(ask("FROM packed"))}


def add_columns(b):
    want = growing_files(b)
    done = b.run()
    assert done.stderr.count("going on with them") == 2 and "price DOUBLE" in done.stderr, done.stderr
    assert "90 rows in" in done.stderr.splitlines()[-1], done.stderr
    found = results(b.folder)
    assert found["columns"] == ["id", "what", "price", "name", "place"], found["columns"]
    assert found["rows"] == m.canonical(want) == found["packed"], found["rows"]
    assert found["totals"] == m.canonical({"what": f"w{k}", "n": 30, "ids": sum(range(k, 90, 3))} for k in range(3))
    # The columns are those of the checkpoint: the first file need not be there any more, and nothing is new to the next run.
    for path in (b.folder / "in").iterdir():
        path.unlink()
    b.write("later.avro", TWO, events([90], price=float))
    assert "going on with them" not in b.run().stderr
    assert results(b.folder)["columns"] == found["columns"]
    # A type that is another one is malformed, and its file's new field a column all the same only if it can be read.
    b.write("other.avro", record("Event", id="string", what="string", much="int"), [{"id": "x", "what": "c", "much": 1}])
    b.run()
    assert ["column id" in k["reason"] for k in b.kept()] == [True] and results(b.folder)["columns"] == found["columns"], b.kept()
    # State is made anew with them.
    b.file.write_text(GROWING.replace("sum(id)", "sum(id + 1)"))
    done = b.run("--rebuild", "totals", check=False)
    assert done.returncode != 0 and "is gone" in done.stderr, done.stderr


def add_columns_and_die(b):
    """A run that is killed at any moment, and started again, gives what an undisturbed one gives."""
    growing_files(b)
    home = b.folder.with_name("undisturbed")
    trace = b.folder.with_name("trace")
    shutil.copytree(b.folder, home)
    m.run("run", "pipeline.yaml", "--once", cwd=home, env={"MILLRACE_FAULT_LOG": str(trace)})
    want = results(home)
    points = trace.read_text().split()
    for point in sorted(set(points)):
        # At those of this matter, each time; at the others in the middle.
        hits = points.count(point)
        for hit in range(1, hits + 1) if point.startswith("columns") else [(hits + 1) // 2]:
            home = b.folder.with_name("killed")
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(b.folder, home)
            done = m.run("run", "pipeline.yaml", "--once", cwd=home, check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
            assert done.returncode == -9, (point, hit, done.returncode, done.stderr)
            m.run("run", "pipeline.yaml", "--once", cwd=home)
            found = results(home)
            assert found == want, (point, hit, {key: (found[key], want[key]) for key in want if found[key] != want[key]})
    assert {"columns.before_kept", "columns.after_kept"} <= set(points), points


def add_columns_while_it_runs(b):
    """A process that waits for files goes on by itself; so does the next one after it was killed."""
    b.write("0.avro", ONE, events(range(3)))
    b.file.write_text(GROWING)

    def lines():
        return [json.loads(line) for path in (b.folder / "out").glob("*.json") for line in path.read_text().splitlines()]

    def wait(count):
        m.wait_until(lambda: process.poll() is None and len(lines()) == count, f"{count} rows")
    process = m.start("run", b.file, "--progress", "none", cwd=b.folder)
    try:
        wait(3)
        b.write("1.avro", TWO, events(range(3, 6), price=float))
        wait(6)
        m.kill(process)
        b.write("2.avro", THREE, events(range(6, 9), name=str, place=lambda i: {"city": "x"}))
        process = m.start("run", b.file, "--progress", "none", cwd=b.folder)
        wait(9)
        b.write("3.avro", TWO, events(range(9, 12), price=float))
        wait(12)
    finally:
        m.kill(process)
    b.run()
    found = results(b.folder)
    assert found["columns"] == ["id", "what", "price", "name", "place"] and len(found["rows"]) == 12, found


def add_columns_of_a_table(b):
    """A table that is read whole each batch gets its columns, too."""
    b.write("0.avro", ONE, events(range(3)))
    names = b.folder / "names"
    names.mkdir()
    (b.folder / "in" / "0.avro").rename(names / "0.avro")
    b.text("a.json", events(range(3)))
    b.file.write_text("""pipeline: table
sources:
  input: { from: { type: files, path: in }, format: json, schema: 'id BIGINT' }
  names: { from: { type: files, path: names }, format: avro, as: table, on_schema_change: add_columns }
datasets:
  result: SELECT input.id, names.* EXCLUDE (id) FROM input JOIN names ON input.id = names.id
sinks:
  out: { from: result, to: { type: store, path: out.duckdb }, table: result }
""")
    b.run()
    b.text("b.json", [{"id": 7}])
    path = b.write("1.avro", TWO, events([7], price=float))
    path.rename(names / "1.avro")
    b.run()
    assert m.canonical(b.rows()) == m.canonical(
        [{"id": i, "what": f"w{i}", "price": None} for i in range(3)] + [{"id": 7, "what": "w1", "price": 7.0}]), b.rows()


def rescued_and_killed(b):
    """With Avro and JSON, a run that is killed and started again gives what an undisturbed one gives."""
    for k in range(4):
        b.text(f"{k}.json", [*({"id": i, "new": i} if i % 3 else {"id": i} for i in range(k * 10, k * 10 + 10)), "{"])
    (b.folder / "avro").mkdir()
    for k in range(4):
        rows = events(range(k * 10, k * 10 + 10), **({"price": float} if k % 2 else {}))
        b.write(f"{k}.avro", TWO if k % 2 else ONE, rows).rename(b.folder / "avro" / f"{k}.avro")
    b.file.write_text("""pipeline: rescued
checkpoint: { snapshot_interval: 1h, snapshot_log_size: 1KiB }
sources:
  json: { from: { type: files, path: in }, format: json, schema: 'id BIGINT, rest VARCHAR', rescue_column: rest, max_files_per_trigger: 1 }
  avro: { from: { type: files, path: avro }, format: avro, rescue_column: rest, max_files_per_trigger: 1 }
datasets:
  result: SELECT 'json' AS of, id, rest FROM json UNION ALL SELECT 'avro' AS of, id, rest FROM avro
sinks:
  out: { from: result, to: { type: store, path: out.duckdb }, table: result }
""")

    def found(home):
        kept = sorted(line for f in home.rglob("quarantine/*/*.jsonl") for line in f.read_text().replace(str(home), "").splitlines())
        return m.canonical(m.query(home / "pipeline.yaml", "FROM out", cwd=home)), kept
    home = b.folder.with_name("undisturbed")
    trace = b.folder.with_name("trace")
    shutil.copytree(b.folder, home)
    m.run("run", "pipeline.yaml", "--once", cwd=home, env={"MILLRACE_FAULT_LOG": str(trace)})
    want = found(home)
    assert len(want[0]) == 80 and len(want[1]) == 4, want
    points = trace.read_text().split()
    for point in sorted(set(points)):
        home = b.folder.with_name("killed")
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(b.folder, home)
        hit = (points.count(point) + 1) // 2
        done = m.run("run", "pipeline.yaml", "--once", cwd=home, check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
        assert done.returncode == -9, (point, hit, done.returncode, done.stderr)
        m.run("run", "pipeline.yaml", "--once", cwd=home)
        assert found(home) == want, (point, hit)


def bad_options(b):
    columns = "schema: 'id BIGINT, r VARCHAR'"
    for source, *want in (
            (f"format: csv, {columns}, on_schema_change: fail", "not for CSV", "`on_malformed: fail`"),
            (f"format: csv, {columns}, rescue_column: r", "not for CSV"),
            ("format: parquet, on_schema_change: rescue, rescue_column: r", "not for Parquet", "set it to `fail`"),
            ("format: parquet, on_schema_change: add_columns", "not for Parquet", "set it to `fail`"),
            (f"format: json, {columns}, on_schema_change: add_columns", "those of JSON are declared", "millrace infer", "rescue"),
            (f"format: json, {columns}, on_schema_change: rescue", "needs a column to rescue into", "rescue_column: _rescued"),
            (f"format: json, {columns}, on_schema_change: fail, rescue_column: r", "without anything to rescue"),
            (f"format: avro, {columns}, on_schema_change: add_columns", "come from the files", "leave `schema` out"),
            ("format: avro, schema_file: a.avsc, on_schema_change: add_columns", "come from the files", "leave `schema_file` out"),
            ("format: avro, on_schema_change: rescue", "needs a column to rescue into"),
            ("format: avro, on_schema_change: both", "both")):
        b.pipeline(source)
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        said = done.stdout + done.stderr
        option = "on_schema_change: " if "on_schema_change" in source else "rescue_column: "
        column = b.file.read_text().splitlines()[2].index(option) + len(option) + 1
        assert done.returncode == USERS_MISTAKE and all(each in said for each in (f"pipeline.yaml:3:{column}", *want)), (source, column, said)
    for source, want in (("format: json, schema: id BIGINT, rescue_column: r", "no column r of type VARCHAR"),
                         ("format: avro, schema: id BIGINT, rescue_column: r", "no column r of type VARCHAR")):
        b.pipeline(source)
        done = m.run("run", b.file, "--once", cwd=b.folder, check=False)
        assert done.returncode == USERS_MISTAKE and want in done.stderr, (source, done.stderr)


CASES = [bad_options, avro_fails, avro_rescues, json_fails, json_rescues, json_malformed, json_damaged, json_as_ignored, parquet_fails,
         add_columns, add_columns_and_die, add_columns_while_it_runs, add_columns_of_a_table, rescued_and_killed]


def main():
    report = m.Report("files_evolution")
    names = sys.argv[1:]
    for case in CASES:
        if not names or case.__name__ in names:
            with tempfile.TemporaryDirectory(prefix="millrace-files-evolution-") as folder:
                (pathlib.Path(folder) / "bench").mkdir()
                report.case(case.__name__, lambda: case(Bench(pathlib.Path(folder) / "bench")))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
