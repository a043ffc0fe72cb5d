"""Files of Avro's container format as source and sink, with fastavro on the other side."""
import base64
import collections
import datetime
import decimal
import json
import os
import pathlib
import shutil
import sys
import tempfile
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402

servers.clients()
import fastavro  # noqa: E402

CODECS = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]
UTC = datetime.timezone.utc
DAY = datetime.datetime(2024, 2, 29, 12, 30, 15)


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


def record(name, /, **fields):
    return {"type": "record", "name": name, "fields": [
        {"name": f, **(t if isinstance(t, dict) and "type" in t and "default" in t else {"type": t})} for f, t in fields.items()]}


# Each type: the schema, and the value of row i.
TYPES = {
    "flag": ("boolean", lambda i: i % 2 == 0),
    "small": ("int", lambda i: i - 50),
    "big": ("long", lambda i: i * 10**15),
    "single": ("float", lambda i: i / 4),
    "double": ("double", lambda i: i / 3),
    "name": ("string", lambda i: f"näme {i} 日本" * (i % 4)),
    "raw": ("bytes", lambda i: bytes([i % 256, 255, 0])),
    "hash": ({"type": "fixed", "name": "Hash", "size": 4}, lambda i: i.to_bytes(4, "big")),
    "kind": ({"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]}, lambda i: "ABC"[i % 3]),
    "maybe": (["null", "string"], lambda i: None if i % 3 else f"m{i}"),
    "price": (logical("bytes", "decimal", precision=12, scale=2), lambda i: decimal.Decimal(i * 137 - 5000) / 100),
    "wide": ({"type": "fixed", "name": "Wide", "size": 16, "logicalType": "decimal", "precision": 30, "scale": 5},
             lambda i: decimal.Decimal(10**20 + i).scaleb(-5)),
    "day": (logical("int", "date"), lambda i: (DAY + datetime.timedelta(days=i)).date()),
    "at_millis": (logical("int", "time-millis"), lambda i: datetime.time(1, 2, 3, i * 1000)),
    "at_micros": (logical("long", "time-micros"), lambda i: datetime.time(23, 59, 59, i)),
    "seen_millis": (logical("long", "timestamp-millis"), lambda i: (DAY + datetime.timedelta(milliseconds=i)).replace(tzinfo=UTC)),
    "seen": (logical("long", "timestamp-micros"), lambda i: (DAY - datetime.timedelta(days=365 * 60, microseconds=i)).replace(tzinfo=UTC)),
    "local": (logical("long", "local-timestamp-micros"), lambda i: DAY + datetime.timedelta(microseconds=i)),
    "id": (logical("string", "uuid"), lambda i: uuid.UUID(int=i << 70)),
    "list": ({"type": "array", "items": ["null", "int"]}, lambda i: [None if k % 3 == 2 else k for k in range(i % 5)]),
    "map": ({"type": "map", "values": "double"}, lambda i: {f"k{k}": k / 2 for k in range(i % 4)}),
    "nested": (record("Nested", a="int", b={"type": "array", "items": record("Deep", c="string", d=["null", "long"])}),
               lambda i: {"a": i, "b": [{"c": f"c{k}", "d": None if k else i} for k in range(i % 3)]}),
}
SCHEMA = record("Everything", **{name: kind for name, (kind, _) in TYPES.items()})


def row(i):
    return {name: value(i) for name, (_, value) in TYPES.items()}


class Bench:
    """A folder with files and a pipeline that reads `in`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "in").mkdir()
        self.file = self.folder / "pipeline.yaml"

    def write(self, name, schema, rows, **options):
        path = self.folder / "in" / name
        aside = path.with_name("." + name)
        with open(aside, "wb") as file:
            fastavro.writer(file, fastavro.parse_schema(schema), rows, **options)
        os.utime(aside, (1_700_000_000 + len(list(path.parent.iterdir())),) * 2)
        aside.rename(path)  # at last: a process that runs may read it at once
        return path

    def pipeline(self, source="", sql="SELECT * FROM input", sink=None, more=""):
        out = sink or "{ from: result, to: { type: store, path: out.duckdb }, table: result }"
        self.file.write_text(f"pipeline: avro\nsources:\n  input: {{ from: {{ type: files, path: in }}, format: avro{source} }}\n"
                             f"datasets:\n  result: {sql}\nsinks:\n  out: {out}\n{more}")
        return self

    def run(self, *more, **options):
        return m.run("run", self.file, "--once", *more, cwd=self.folder, **options)

    def forget(self):
        shutil.rmtree(self.folder / ".millrace", ignore_errors=True)
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        (self.folder / "out.duckdb").unlink(missing_ok=True)

    def rows(self, sql="SELECT * FROM out"):
        return m.query(self.file, sql, cwd=self.folder)

    def written(self):
        """What fastavro reads of the sink, by file."""
        found = {}
        for name in m.files_below(self.folder / "out"):
            with open(self.folder / "out" / name, "rb") as file:
                reader = fastavro.reader(file)
                found[name] = (reader, list(reader))
        return found

    def all_written(self):
        return [r for _, rows in self.written().values() for r in rows]

    def kept(self, of="quarantine/input"):
        lines = [json.loads(line) for f in self.folder.rglob(f"{of}/*.jsonl") for line in f.read_text().splitlines()]
        for line in lines:
            line["raw"] = base64.b64decode(line.pop("raw_base64")) if "raw_base64" in line else line["raw"].encode()
        return sorted(lines, key=lambda x: (x["origin"], x["line"], x.get("part", 0)))


AVRO = "{ from: result, to: { type: files, path: out }, format: avro%s }"


def both_ways(b, codec):
    """fastavro's files of all types are read, and written again so that fastavro reads the same."""
    want = [row(i) for i in range(300)]
    b.write("a.avro", SCHEMA, want[:200], codec=codec, sync_interval=1000)
    b.write("b.avro", SCHEMA, want[200:], codec=codec, sync_interval=1 << 20)
    b.pipeline(sink=AVRO % f", compression: {'none' if codec == 'null' else codec}").run()
    got = b.written()
    assert list(got) == ["out-0000000000-000.avro"], list(got)
    [(reader, rows)] = got.values()
    assert reader.metadata["avro.codec"] == codec and reader.writer_schema["name"] == "out", reader.metadata
    rows.sort(key=lambda r: r["small"])
    assert len(rows) == 300
    for i, (g, w) in enumerate(zip(rows, want)):
        w = {**w, "single": g["single"]} if abs(w["single"] - g["single"]) < 1e-6 else w
        assert g == w, (i, {k: (g[k], w[k]) for k in w if g[k] != w[k]})
    types = {f["name"]: next(t for t in f["type"] if t != "null") for f in reader.writer_schema["fields"]}
    assert all(f["type"][0] == "null" for f in reader.writer_schema["fields"]), reader.writer_schema
    assert {n: t.get("logicalType") for n, t in types.items() if isinstance(t, dict) and "logicalType" in t} == {
        "price": "decimal", "wide": "decimal", "day": "date", "at_millis": "time-micros", "at_micros": "time-micros",
        "seen_millis": "timestamp-micros", "seen": "timestamp-micros", "local": "local-timestamp-micros", "id": "uuid"}, types


def as_sql_says(b):
    """The values as SQL sees them, by text."""
    b.write("a.avro", SCHEMA, [row(7)])
    columns = ["flag", "small", "big", "name", "hex(raw) AS raw", "hex(hash) AS hash", "kind", "maybe", "price::VARCHAR AS price",
               "wide::VARCHAR AS wide", "day::VARCHAR AS day", "at_millis::VARCHAR AS at_millis", "epoch_us(seen) AS seen",
               "local::VARCHAR AS local", "id::VARCHAR AS id", "list::VARCHAR AS list", "map['k2'] AS map", "nested.b[1].c AS c"]
    b.pipeline(sql=f"SELECT {', '.join(columns)} FROM input").run()
    r = row(7)
    assert b.rows() == [{
        "flag": False, "small": -43, "big": 7 * 10**15, "name": r["name"], "raw": "07FF00", "hash": "00000007", "kind": "B", "maybe": None,
        "price": "-40.41", "wide": "1000000000000000.00007", "day": "2024-03-07", "at_millis": "01:02:03.007",
        "seen": int((r["seen"] - datetime.datetime(1970, 1, 1, tzinfo=UTC)) / datetime.timedelta(microseconds=1)),
        "local": "2024-02-29 12:30:15.000007", "id": str(r["id"]), "list": "[0, 1]", "map": 1.0, "c": "c0"}], b.rows()


def schemas_in_a_row(b):
    """Files of several schemas are read together: promotion, defaults, aliases; by columns, a schema, or the first file."""
    new = {"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "long"}, {"name": "amount", "type": "double", "aliases": ["price"]},
        {"name": "note", "type": "string", "default": "none"}]}
    first = record("Order", id="int", price="float")
    other = record("Order", note="string", id="long", amount="float", more={"type": "array", "items": "string"})
    b.write("0.avro", first, [{"id": i, "price": i + 0.5} for i in range(10)])
    b.write("1.avro", other, [{"id": i, "amount": i + 0.5, "note": f"n{i}", "more": ["x"]} for i in range(10, 20)])
    b.write("2.avro", new, [{"id": i, "amount": i + 0.5, "note": f"n{i}"} for i in range(20, 30)])
    (b.folder / "order.avsc").write_text(json.dumps(new))
    b.pipeline(source=", schema_file: order.avsc").run()
    assert sorted(b.rows(), key=lambda r: r["id"]) == [
        {"id": i, "amount": i + 0.5, "note": "none" if i < 10 else f"n{i}"} for i in range(30)], b.rows()
    b.forget()
    b.pipeline(source=", schema: 'NOTE VARCHAR, id DECIMAL(20,0), amount DOUBLE'", sql="SELECT NOTE, id::BIGINT AS id, amount FROM input").run()
    assert sorted(b.rows(), key=lambda r: r["id"]) == [
        {"NOTE": None if i < 10 else f"n{i}", "id": i, "amount": None if i < 10 else i + 0.5} for i in range(30)], b.rows()
    b.forget()
    b.pipeline().run()  # the first file's: what has no `price` does not fit, and can be read again by a schema
    assert sorted(r["id"] for r in b.rows()) == list(range(10)) and list(b.rows()[0]) == ["id", "price"]
    kept = b.kept()
    assert len(kept) == 20 and all(json.loads(k["header"])["name"].endswith("Order") for k in kept), kept[:1]
    assert all("column id: the data is of type long" in k["reason"] for k in kept), kept[0]
    b.forget()


def plain_values(b):
    """Files whose records are no records."""
    b.write("a.avro", "long", list(range(100)))
    b.pipeline().run()
    assert sorted(r["value"] for r in b.rows()) == list(range(100))
    b.forget()
    b.pipeline(source=", schema: 'n DECIMAL(20,0)'", sql="SELECT n::BIGINT AS n FROM input").run()
    assert sorted(r["n"] for r in b.rows()) == list(range(100))


def limits_and_order(b):
    """A batch has as many files as it may have; each file is read once, in the order in which they came."""
    for k in range(5):
        b.write(f"{k}.avro", record("R", n="int"), [{"n": k * 100 + i} for i in range(100)])
    b.pipeline(source=", max_files_per_trigger: 2", sink=AVRO % ", success_marker: true")
    b.run()
    (b.folder / "out" / "_SUCCESS").unlink()
    want = {f"out-000000000{batch}-000.avro": list(range(batch * 200, min(batch * 200 + 200, 500))) for batch in range(3)}
    got = {name: sorted(r["n"] for r in rows) for name, (_, rows) in b.written().items()}
    assert got == want, {name: len(rows) for name, rows in got.items()}
    b.write("9.avro", record("R", n="int"), [{"n": 1000}])
    b.run()
    (b.folder / "out" / "_SUCCESS").unlink()
    assert sorted(r["n"] for r in b.all_written()) == [*range(500), 1000]


def partitions(b):
    """One folder a value, without the column; complete replaces; large batches make parts."""
    b.write("a.avro", record("R", n="int"), [{"n": i} for i in range(1000)])
    b.pipeline(sql="SELECT n, n % 3 AS third, 'day ' || n % 2 AS day FROM input",
               sink=AVRO % ", partition_by: [third, day], record_name: com.example.Row, compression: snappy").run()
    for name, (reader, rows) in b.written().items():
        third, day, file = name.split("/")
        assert file == "out-0000000000-000.avro" and reader.writer_schema["name"] == "com.example.Row", (name, reader.writer_schema)
        assert all(set(r) == {"n"} and f"third={r['n'] % 3}" == third and day.endswith(str(r["n"] % 2)) for r in rows), name
    assert sorted(r["n"] for r in b.all_written()) == list(range(1000))
    b.forget()
    b.pipeline(sql="SELECT n % 7 AS g, count(*) AS c, sum(n) AS s FROM input GROUP BY g", sink=AVRO % ", mode: complete").run()
    assert list(b.written()) == ["out.avro"] and sorted((r["g"], r["c"]) for r in b.all_written()) == [
        (g, 143 if g < 6 else 142) for g in range(7)], b.all_written()
    assert sum(r["s"] for r in b.all_written()) == decimal.Decimal(499500)
    b.forget()
    b.pipeline(sql="SELECT n % 7 AS g, count(*) AS c FROM input WHERE n < 0 GROUP BY g", sink=AVRO % ", mode: complete").run()
    assert list(b.written()) == ["out.avro"] and b.all_written() == []
    b.forget()
    b.write("b.avro", record("R", n="int"), [{"n": i} for i in range(1000, 400_000)])
    b.pipeline(sql="SELECT n, md5(n::VARCHAR) AS h FROM input", sink=AVRO % ", max_file_size: 1MB, compression: none").run()
    assert len(b.written()) > 3 and sorted(r["n"] for r in b.all_written()) == list(range(400_000))
    assert all(0 < (b.folder / "out" / name).stat().st_size < 12_000_000 for name in b.written()), len(b.written())


def by_a_schema(b):
    """A sink's schema_file decides names and types; rows that it has no bytes for are put aside."""
    target = {"type": "record", "name": "Item", "namespace": "shop", "doc": "kept", "fields": [
        {"name": "N", "type": "long"}, {"name": "size", "type": {"type": "enum", "name": "Size", "symbols": ["S", "M"]}},
        {"name": "extra", "type": "string", "default": "e"}]}
    (b.folder / "item.avsc").write_text(json.dumps(target))
    b.write("a.avro", record("R", n="int"), [{"n": i} for i in range(100)])
    sql = "SELECT n, CASE n % 5 WHEN 0 THEN 'XL' WHEN 1 THEN NULL WHEN 2 THEN 'S' ELSE 'M' END AS size FROM input"
    b.pipeline(sql=sql, sink=AVRO % ", schema_file: item.avsc")
    done = b.run("--progress", "json")
    [(reader, rows)] = b.written().values()
    assert reader.writer_schema["name"] == "shop.Item" and reader.metadata["avro.schema"] == json.dumps(target)
    assert sorted((r["N"], r["size"], r["extra"]) for r in rows) == [
        (i, "S" if i % 5 == 2 else "M", "e") for i in range(100) if i % 5 > 1], rows[:3]
    refused = b.kept("refused/out")
    assert len(refused) == 40 and {json.loads(r["raw"])["size"] for r in refused} == {"XL", None}, refused[:2]
    assert json.loads(done.stdout.splitlines()[0])["numRefusedRows"] == 40, done.stdout
    b.forget()
    b.pipeline(sql=sql, sink=AVRO % ", schema_file: item.avsc, on_refused: fail")
    done = b.run(check=False)
    assert done.returncode != 0 and "can't be written" in done.stderr and b.written() == {}, done.stderr
    b.forget()
    b.pipeline(sql="SELECT n AS other FROM input", sink=AVRO % ", schema_file: item.avsc")
    done = b.run(check=False)
    assert done.returncode == 2 and "column N" in done.stderr, (done.returncode, done.stderr)


def blocks(path):
    """The places of a file's blocks, and its end."""
    with open(path, "rb") as file:
        return [(x.offset, x.num_records) for x in fastavro.block_reader(file)] + [(path.stat().st_size, 0)]


def broken(b, codec):
    """A damaged block costs its own rows, which are counted and kept; so does a file that is cut off, or none at all."""
    schema = record("R", n="int", text="string")
    rows = [{"n": i, "text": f"text {i} " * 3} for i in range(1000)]
    path = b.write("a.avro", schema, rows, codec=codec, sync_interval=2000)
    found = blocks(path)
    assert len(found) > 4, found
    content = bytearray(path.read_bytes())
    (bad, lost), (end, _) = found[1:3]
    before = found[0][1]
    content[bad + 12] ^= 0xFF
    content[(bad + end) // 2] ^= 0xFF
    content[end - 1] ^= 0xFF  # its sync marker: the block is lost for sure, and the one behind it
    path.write_bytes(content)
    lost += found[2][1]
    cut = b.write("b.avro", schema, rows, codec=codec, sync_interval=2000)
    cut_at, cut_rows = blocks(cut)[-2]
    cut.write_bytes(cut.read_bytes()[:cut_at + 20])
    (b.folder / "in" / "c.avro").write_bytes(b"PAR1 is something else")
    (b.folder / "in" / "d.avro").write_bytes(b"")
    b.pipeline(sql="SELECT n FROM input")
    done = b.run("--progress", "json")
    want = sorted([*range(before), *range(before + lost, 1000), *range(1000 - cut_rows)])
    assert sorted(r["n"] for r in b.rows()) == want, (len(b.rows()), len(want))
    kept = [(pathlib.Path(k["origin"]).name, k["line"], k["raw"]) for k in b.kept()]
    marker = path.read_bytes()[-16:]
    assert kept == [("a.avro", bad, bytes(content[bad:found[3][0] - 16])), ("b.avro", cut_at, cut.read_bytes()[cut_at:]),
                    ("c.avro", 0, b"PAR1 is something else"), ("d.avro", 0, b"")], [(n, o, len(r)) for n, o, r in kept]
    assert marker not in kept[0][2] and all(k["reason"] and "header" not in k for k in b.kept()), b.kept()
    [source] = json.loads(done.stdout.splitlines()[0])["sources"]
    assert (source["numInputRows"], source["numMalformedRows"]) == (len(want) + 4, 4), source
    # A replay finds that they are as they were.
    said = m.run("quarantine", "replay", b.file, cwd=b.folder).stdout
    assert "4 still malformed" in said and len(b.kept()) == 4 and len(b.rows()) == len(want), said
    for how, code in (("drop", 0), ("permissive", 0), ("fail", 1)):
        b.forget()
        b.pipeline(source=f", on_malformed: {how}", sql="SELECT n FROM input")
        done = b.run(check=False)
        assert (done.returncode != 0) == (code != 0), (how, done.stderr)
        if code == 0:
            assert sorted(r["n"] for r in b.rows()) == want and len(b.kept()) == (4 if how == "permissive" else 0), how
        else:
            assert "a.avro" in done.stderr and str(bad) in done.stderr and "quarantine" in done.stderr, done.stderr


def broken_at_length(b):
    """What is damaged over more than a megabyte is kept in parts, and counts once."""
    path = b.write("a.avro", record("R", n="int"), [{"n": i} for i in range(100)], codec="null")
    good = path.read_bytes()
    noise = os.urandom(2_500_000)
    path.write_bytes(good + noise + good[-16:])
    (b.folder / "in" / "b.avro").write_bytes(noise)
    b.pipeline()
    done = b.run("--progress", "json")
    kept = b.kept()
    assert [k["part"] for k in kept] == [1, 2, 3] * 2 and len(b.rows()) == 100, [(k["origin"], k.get("part")) for k in kept]
    assert b"".join(k["raw"] for k in kept[:3]) == noise and b"".join(k["raw"] for k in kept[3:]) == noise
    [source] = json.loads(done.stdout.splitlines()[0])["sources"]
    assert (source["numInputRows"], source["numMalformedRows"]) == (102, 2) and kept[0]["line"] == len(good), source
    said = m.run("quarantine", "replay", b.file, cwd=b.folder).stdout
    assert "2 still malformed" in said and len(b.kept()) == 6, said


def malformed_records(b):
    """Records that do not fit cost only themselves, and are read again when they do."""
    schema = record("R", n="long", text=["null", "string", "double"])
    rows = [{"n": i, "text": f"t{i}" if i % 10 else i / 4} for i in range(1000)]
    b.write("a.avro", schema, rows, sync_interval=500, codec="deflate")
    narrow = ", schema: 'n BIGINT, text VARCHAR'"
    b.pipeline(source=narrow)
    done = b.run("--progress", "json")
    want = [(r["n"], str(r["text"])) for r in rows]
    assert sorted((r["n"], r["text"]) for r in b.rows()) == [w for w in want if w[0] % 10], len(b.rows())
    kept = b.kept()
    assert len(kept) == 100 and all(k["header"] and k["column"] == "text" and k["line"] > 0 for k in kept), kept[0]
    assert json.loads(done.stdout.splitlines()[0])["sources"][0]["numMalformedRows"] == 100
    b.pipeline(source=""", schema: 'n BIGINT, text STRUCT("string" VARCHAR, "double" DOUBLE)'""",
               sql="SELECT n, coalesce(text.string, text.double::VARCHAR) AS text FROM input")
    said = m.run("quarantine", "replay", b.file, cwd=b.folder)
    assert "100 records read again" in said.stdout and b.kept() == [], (said.stdout, said.stderr)
    assert sorted((r["n"], r["text"]) for r in b.rows()) == want, b.rows()[:3]
    b.forget()
    b.pipeline(source=f"{narrow}, on_malformed: permissive, corrupt_record_column: bad", sql="SELECT n, text, octet_length(bad) AS bytes FROM input")
    b.run()
    got = b.rows()
    assert len(got) == 1000 and sum(r["n"] is None and r["text"] is None and (r["bytes"] or 0) > 8 for r in got) == 100, got[:3]
    b.forget()
    b.pipeline(source=f"{narrow}, on_malformed: fail")
    done = b.run(check=False)
    assert done.returncode != 0 and "a.avro" in done.stderr and "text: " in done.stderr, done.stderr
    b.forget()
    # A file whose schema does not fit, whatever is in it: each of its records.
    b.pipeline(source=", schema: 'n INTEGER, text VARCHAR'", sql="SELECT n::BIGINT AS n, 'x' AS text FROM input").run()
    kept = b.kept()
    assert b.rows() == [] and len(kept) == 1000 and all("long can't be read as INTEGER" in k["reason"] for k in kept), kept[0]
    b.pipeline(source=", schema: 'n BIGINT'", sql="SELECT n, 'x' AS text FROM input")
    m.run("quarantine", "replay", b.file, cwd=b.folder)
    assert sorted(r["n"] for r in b.rows()) == list(range(1000)) and b.kept() == []


def one_bad_record_of_many(b):
    """Texts that are no UTF-8, in the middle of a block: their neighbours are read."""
    schema = record("R", n="int", text="string")
    path = b.write("a.avro", schema, [{"n": i, "text": "good" if i % 7 else "baad"} for i in range(1000)], codec="null")
    path.write_bytes(path.read_bytes().replace(b"baad", b"ba\xff\xfe"))
    b.pipeline().run()
    assert sorted(r["n"] for r in b.rows()) == [i for i in range(1000) if i % 7]
    kept = b.kept()
    assert len(kept) == 143 and all(k["column"] == "text" and k["raw"].endswith(b"ba\xff\xfe") for k in kept), kept[:2]
    # What nobody reads is not looked at.
    b.forget()
    b.pipeline(sql="SELECT count(*) AS c, sum(n) AS s FROM input").run()
    assert b.rows() == [{"c": 1000, "s": 499500}] and b.kept() == [], b.rows()


def as_a_table(b):
    """Read whole every batch, and joined."""
    b.write("a.avro", record("R", n="int"), [{"n": i} for i in range(100)])
    (b.folder / "names").mkdir()
    with open(b.folder / "names" / "n.avro", "wb") as file:
        fastavro.writer(file, fastavro.parse_schema(record("N", n="int", name="string")), [{"n": i, "name": f"x{i}"} for i in range(50)])
    b.file.write_text("""pipeline: avro
sources:
  input: { from: { type: files, path: in }, format: avro, max_files_per_trigger: 1 }
  names: { from: { type: files, path: names }, format: avro, as: table, settle_time: 1ms }
datasets:
  result: SELECT input.n, name FROM input LEFT JOIN names ON input.n = names.n
sinks:
  out: { from: result, to: { type: store, path: out.duckdb }, table: result }
""")
    b.run()
    b.write("b.avro", record("R", n="int"), [{"n": 7}])
    b.run()
    want = [(i, f"x{i}" if i < 50 else None) for i in range(100)] + [(7, "x7")]
    assert sorted((r["n"], r["name"] or "") for r in b.rows()) == sorted((n, x or "") for n, x in want)


CRASHING = """
pipeline: avro
checkpoint: { snapshot_interval: 1h, snapshot_log_size: 1KiB }
sources:
  input: { from: { type: files, path: in }, format: avro, max_files_per_trigger: 2 }
datasets:
  result: SELECT n, n % 3 AS third, text FROM input
  total: SELECT n % 7 AS g, count(*) AS c, sum(n) AS s FROM input GROUP BY g
sinks:
  out: { from: result, to: { type: files, path: out/rows }, format: avro, partition_by: [third], compression: zstandard }
  total: { from: total, to: { type: files, path: out/total }, format: avro, mode: complete }
"""


def killed(b):
    """Killed at each step and started again, a run gives what an undisturbed one gives, to the last file."""
    schema = record("R", n="int", text="string")
    for k in range(6):
        path = b.write(f"{k}.avro", schema, [{"n": k * 1000 + i, "text": f"t{i}"} for i in range(1000)], codec="null", sync_interval=3000)
        path.write_bytes(path.read_bytes().replace(b"t77\x00", b"t\xff7\x00").replace(b"t500", b"\xff500"))
        os.utime(path, (1_700_000_000 + k,) * 2)
    shutil.copytree(b.folder, b.folder.with_name("template"))
    template = b.folder.with_name("template")

    def result(home):
        other = Bench.__new__(Bench)
        other.folder = home
        rows = {name.rsplit("/", 1)[0]: [] for name in other.written()}
        for name, (_, found) in other.written().items():
            rows[name.rsplit("/", 1)[0]] += [str(sorted(r.items())) for r in found]
        return ({name: sorted(found) for name, found in rows.items()}, m.files_below(home / "out"),
                sorted((pathlib.Path(k["origin"]).name, k["line"], k["raw"]) for k in other.kept()))

    def home_of(name):
        home = b.folder.with_name("home")
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(template, home)
        (home / "pipeline.yaml").write_text(CRASHING)
        return home
    trace = b.folder.with_name("trace")
    home = home_of("undisturbed")
    m.run("run", "pipeline.yaml", "--once", cwd=home, env={"MILLRACE_FAULT_LOG": str(trace)})
    want = result(home)
    assert sum(map(len, want[0].values())) == 6000 - len(want[2]) + 7 and len(want[2]) == 6, (len(want[1]), len(want[2]))
    points = collections.Counter(trace.read_text().split())
    kills = 0
    for point, hits in sorted(points.items()):
        for hit in sorted({1, (hits + 1) // 2, hits}):
            home = home_of("killed")
            done = m.run("run", "pipeline.yaml", "--once", cwd=home, check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
            assert done.returncode == -9, (point, hit, done.returncode, done.stderr)
            m.run("run", "pipeline.yaml", "--once", cwd=home)
            got = result(home)
            assert got == want, (point, hit, [len(x) for x in got], [len(x) for x in want], set(got[1]) ^ set(want[1]))
            kills += 1
    print(f"     {kills} kills at {len(points)} points", flush=True)


def rebuilt(b):
    """State is made anew from all files that were read."""
    for k in range(3):
        b.write(f"{k}.avro", record("R", n="int"), [{"n": k * 100 + i} for i in range(100)])
    b.pipeline(sql="SELECT count(*) AS c, sum(n) AS s FROM input").run()
    b.pipeline(sql="SELECT count(*) AS c, sum(n + 1) AS s FROM input")
    b.run("--rebuild", "result")
    assert b.rows() == [{"c": 300, "s": 45150}], b.rows()


def refusals(b):
    """Options that do not fit are mistakes with their place."""
    b.write("a.avro", record("R", n="int"), [{"n": 1}])
    for source, sink, *words in (
            (", delimiter: ';'", "", "pipeline.yaml:3:", "delimiter", "Avro"),
            (", max_line_bytes: 1MB", "", "max_line_bytes"),
            (", schema: n INTEGER, schema_file: x.avsc", "", "schema_file", "leave out one"),
            (", corrupt_record_column: bad", "", "on_malformed: permissive"),
            ("", ", compression: zstd", "known are deflate, snappy, zstandard"),
            ("", ", header: true", "pipeline.yaml:7:", "header"),
            ("", ", row_group_size: 5000", "row_group_size"),
            ("", ", record_name: a b", "a b"),
            ("", ", record_name: R, schema_file: x.avsc", "leave out one")):
        b.pipeline(source=source, sink=AVRO % sink)
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 2 and all(w in said for w in words), (source, sink, done.returncode, said)
    b.file.write_text(b.pipeline(sink=AVRO % "").file.read_text().replace("format: avro }\ndatasets", "format: parquet, schema_file: x.avsc }\ndatasets"))
    done = m.run("validate", b.file, cwd=b.folder, check=False)
    assert done.returncode == 2 and "schema_file" in done.stdout + done.stderr, done.stdout + done.stderr
    b.pipeline(sql="SELECT n AS \"a b\" FROM input", sink=AVRO % "")
    done = b.run(check=False)
    assert done.returncode == 2 and "a b" in done.stderr and "rename" in done.stderr, done.stderr


def inferred(b):
    """The columns of a file, to be pinned."""
    path = b.write("a.avro", SCHEMA, [row(0)])
    said = m.run("infer", path).stdout
    for part in ("flag BOOLEAN", "price DECIMAL(12,2)", "seen TIMESTAMP WITH TIME ZONE", "id UUID", "INTEGER[]"):
        assert part in said, said
    pinned = said.split(">-", 1)[1].replace("\n", " ").replace("'", "''").strip()
    b.pipeline(source=f", schema: '{pinned}'", sql="SELECT * FROM input", sink=AVRO % "").run()
    assert b.all_written() == [row(0)], b.all_written()
    done = m.run("infer", path, path, check=False)
    assert done.returncode != 0 and "Avro" in done.stderr, done.stderr


def large(b):
    """A file is read block by block: memory does not grow with it."""
    schema = record("R", n="long", text="string")
    path = b.write("a.avro", schema, ({"n": i, "text": f"{i:040}" * 5} for i in range(1_500_000)), codec="null")
    assert path.stat().st_size > 300_000_000
    b.pipeline(sql="SELECT count(*) AS c, sum(n) AS s, min(length(text)) AS l FROM input")
    done = m.run("run", b.file, "--once", cwd=b.folder)
    assert b.rows() == [{"c": 1_500_000, "s": 1_500_000 * 1_499_999 // 2, "l": 200}], (b.rows(), done.stderr)


def main():
    report = m.Report("avro")
    names = sys.argv[1:]
    cases = [(case, codec) for case in (both_ways, broken) for codec in CODECS]
    cases += [(case,) for case in (as_sql_says, schemas_in_a_row, plain_values, limits_and_order, partitions, by_a_schema,
                                   broken_at_length, malformed_records, one_bad_record_of_many, as_a_table, rebuilt,
                                   refusals, inferred, large, killed)]
    for case, *more in cases:
        if not names or case.__name__ in names:
            with tempfile.TemporaryDirectory(prefix="millrace-avro-") as folder:
                (pathlib.Path(folder) / "bench").mkdir()
                report.case(" ".join([case.__name__, *more]), lambda: case(Bench(pathlib.Path(folder) / "bench"), *more))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
