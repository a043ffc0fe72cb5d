"""What is put aside and written elsewhere, too: in folders, S3 and topics, each row once whatever happens meanwhile, and
the same as in the checkpoint.

Usage: quarantine_sink_test.py [CASE ...]
"""
import base64
import collections
import json
import pathlib
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "files_output"), str(TESTS / "kafka")]
from places import Bucket, Local, m  # noqa: E402
import s3  # noqa: E402
import servers  # noqa: E402

KINDS = {"malformed": "quarantine", "refused": "refused", "violating": "violating"}
# A schema that has no place for some rows: the sink refuses them.
SIZES = {"type": "record", "name": "Item", "fields": [
    {"name": "id", "type": ["null", "long"]}, {"name": "size", "type": {"type": "enum", "name": "Size", "symbols": ["S", "M"]}}]}


COLUMNS = ["name", "batch", "origin", "line", "field", "reason", "raw", "raw_base64", "part", "header", "message_topic",
           "message_partition", "message_offset", "message_time", "message_key", "message_key_base64"]


def checkpoint_rows(home, name="p"):
    """What the checkpoint keeps, as the sink's columns have it."""
    found = []
    for kind, folder in KINDS.items():
        for path in (home / ".millrace" / name / folder).glob("*/*.jsonl"):
            for line in path.read_text().splitlines():
                row = json.loads(line)
                found.append({"kind": kind, "name": path.parent.name, "batch": int(path.stem), "origin": row["origin"],
                              "line": row["line"] if row["line"] or "topic" in row else None, "field": row["column"] or None,
                              "reason": row["reason"], "raw": row.get("raw"), "raw_base64": row.get("raw_base64"),
                              "part": row.get("part"), "header": row.get("header"), "message_topic": row.get("topic"),
                              "message_partition": row.get("partition"), "message_offset": row.get("offset"),
                              "message_key": row.get("key"), "message_key_base64": row.get("key_base64")})
    return found


def same_rows(got, want):
    got = [{name: value for name, value in row.items() if name != "message_time"} for row in got]
    missing = collections.Counter(m.canonical(want))
    missing.subtract(m.canonical(got))
    wrong = [(row, n) for row, n in missing.items() if n]
    assert not wrong, f"{len(got)} rows, not {len(want)}; {wrong[:2]}"


def bad_file(path, first, last):
    """Every fifth has an amount that is no number, every seventh an unknown size, every eleventh is sold twice."""
    m.write_csv(path, ["amount", "id", "size"],
                [[f"about {i}" if i % 5 == 0 else i, i, "XL" if i % 7 == 0 else "M"] for i in range(first, last)])


def kinds_of(numbers):
    """How many rows of each kind there are among these numbers."""
    def kind(i):
        return "malformed" if i % 5 == 0 else "violating" if i % 11 == 0 else "refused" if i % 7 == 0 else None
    return collections.Counter(kind(i) for i in numbers if kind(i))


class Bad:
    """A pipeline with rows of each kind, whose quarantine goes to a place."""

    def add(self, files=1, rows=50, day=None):
        for number in range(self.files, self.files + files):
            bad_file(self.home / "in" / f"{number:05}.csv", number * rows, (number + 1) * rows)
        self.files += files

    def pipeline(self, options="format: json", amount="DOUBLE", trigger="", more=""):
        (self.home / "item.avsc").write_text(json.dumps(SIZES))
        (self.home / "pipeline.yaml").write_text(f"""
pipeline: p
{trigger}
connections:
  lake: {self.connection()}
sources:
  orders:
    from: {{ type: files, path: in }}
    format: csv
    schema: id BIGINT, amount {amount}, size VARCHAR
    max_files_per_trigger: 1
    poll_interval: 10ms
datasets:
  sized: SELECT id, size FROM orders WHERE amount IS NOT NULL
checks:
  sized:
    - {{ name: sold_once, expect: id % 11 > 0, otherwise: quarantine }}
sinks:
  items: {{ from: sized, to: {{ type: files, path: items }}, format: avro, schema_file: item.avsc }}
quarantine: {{ to: lake, {options} }}
{more}
""")

    def written(self):
        rows = self.rows()
        for row in rows:  # of a partition it is the name of a folder
            row["batch"] = int(row["batch"])
        return rows

    def check(self, what=""):
        got, want = self.written(), checkpoint_rows(self.home)
        try:
            same_rows([{**dict.fromkeys(want[0]), **row} for row in got], want)
        except AssertionError as error:
            raise m.Failed(f"{what}: {error}") from error
        return got


class BadLocal(Bad, Local):
    pass


class BadBucket(Bad, Bucket):
    bucket = "bad"


def every_kind(place):
    """Rows of each kind get there, batch by batch, and are counted."""
    for options in ("format: json", "format: json, partition_by: [kind, name]", "format: json, compression: gzip"):
        place.fresh(files=3, rows=100)
        place.pipeline(options)
        done = place.run("--once", "--progress", "json")
        got = place.check(options)
        want = kinds_of(range(300))
        assert collections.Counter(row["kind"] for row in got) == want, want
        assert {(row["kind"], row["name"], row["batch"]) for row in got} == {
            (kind, name, batch) for kind, name in (("malformed", "orders"), ("refused", "items"), ("violating", "sized"))
            for batch in range(3)}
        for number, line in enumerate(done.stdout.splitlines()):
            batch = json.loads(line)
            counts = kinds_of(range(number * 100, number * 100 + 100))
            [sink] = [s for s in batch["sinks"] if s["name"] == "quarantine"]
            assert (sink["numOutputRows"], sink["refused"]) == (counts.total(), 0) and sink["bytes"] > 0, batch["sinks"]
            assert batch["sink"]["numOutputRows"] == 100 - counts.total() and batch["sink"]["description"] == "items", batch
            assert (batch["numQuarantinedRows"], batch["numRefusedRows"]) == (counts["malformed"], counts["refused"]), batch
        before = place.seen()
        place.run()  # nothing new
        assert place.seen() == before
    counted = place.command("query", "pipeline.yaml", "SELECT kind, count(*) AS n FROM quarantine GROUP BY ALL", "--format", "json").stdout
    assert {row["kind"]: row["n"] for row in map(json.loads, counted.splitlines())} == want, counted


def nothing_bad(place):
    """A batch with nothing to write writes nothing."""
    place.fresh()
    m.write_csv(place.home / "in" / "a.csv", ["amount", "id", "size"], [[1, 1, "S"]])
    place.pipeline()
    place.run()
    assert place.seen() == {}, place.seen()


def formats(place):
    """The types of the columns, in a format that has them."""
    import pyarrow
    place.fresh(files=1, rows=100)
    place.pipeline("format: parquet")
    place.run()
    rows = place.check()
    [name] = place.seen()
    import io
    import pyarrow.parquet as pq
    schema = pq.read_schema(io.BytesIO(place.get(name)))
    assert schema.field("batch").type == pyarrow.int64() and schema.field("part").type == pyarrow.int32(), schema
    assert schema.field("message_time").type.tz == "UTC" and len(rows) == kinds_of(range(100)).total()


def many(place):
    """Far more than is held in memory at a time."""
    place.fresh()
    rows = 20_000
    m.write_csv(place.home / "in" / "a.csv", ["amount", "id", "size"], [[f"about {i} " + "x" * 1000, i, "M"] for i in range(rows)])
    place.pipeline()
    place.run()
    assert len(place.check()) == rows


def points_of(place, options, env):
    """An undisturbed run: its rows, and how often it has passed each fault point."""
    trace = place.folder / "trace"
    trace.unlink(missing_ok=True)
    place.fresh(files=4)
    place.pipeline(options)
    place.run(env={"MILLRACE_FAULT_LOG": str(trace), **env})
    rows = [{**row, "origin": row["origin"].replace(str(place.home), "")} for row in place.check()]
    assert len(rows) == kinds_of(range(200)).total()
    return m.canonical(rows), len(place.seen()), collections.Counter(trace.read_text().split())


def killed(place, options, env=None):
    """Killed at every step of a batch: the rows are those of an undisturbed run."""
    env = env or {}
    want, files, points = points_of(place, options, env)
    needed = {"batch.after_stage", "quarantine.after_sync", "batch.after_quarantine", "batch.after_publish"}
    assert needed <= set(points), points
    for point, hits in sorted(points.items()):
        for hit in sorted({1, (hits + 1) // 2, hits}):
            place.fresh(files=4)
            place.pipeline(options)
            done = place.run(check=False, env={"MILLRACE_FAULT": f"{point}:{hit}", **env})
            assert done.returncode in (-9, 0), (point, hit, done.returncode, done.stderr[-2000:])
            place.run(env=env)
            rows = [{**row, "origin": row["origin"].replace(str(place.home), "")} for row in place.check(f"{point}:{hit}")]
            assert m.canonical(rows) == want, f"{options}, {point}:{hit}: {len(rows)} rows, not {len(want)}"
            # By its age a file may be finished at other batches.
            assert len(place.seen()) == files or "roll_interval: 1ms" in options, f"{point}:{hit}: {place.seen()}"
            assert not place.staged(), place.staged()


def rolling(place):
    """Many batches become one file, which comes at the end."""
    place.fresh(files=20)
    place.pipeline("format: json, roll_interval: 1h")
    place.run()
    got = place.check()
    assert len(place.seen()) == 1 and len({row["batch"] for row in got}) == 20, place.seen()


def replayed(place):
    """What was read again is not taken back; what is malformed still is written once more."""
    place.fresh(files=2)
    (place.home / "in" / "x.csv").write_text("amount,id,size\n1,none,S\n")
    place.pipeline()
    place.run()
    first = place.check()
    place.pipeline(amount="VARCHAR")
    said = place.command("quarantine", "replay", "pipeline.yaml").stdout
    assert "21 records read again" in said and "1 still malformed" in said, said
    rows = place.written()
    new = [row for row in rows if row["batch"] == 3]
    assert len(rows) == len(first) + len(new) and collections.Counter(row["kind"] for row in new) == collections.Counter(
        {"malformed": 1, **{k: n for k, n in kinds_mended(range(100)).items()}}), new
    kept = checkpoint_rows(place.home)
    assert sorted(row["batch"] for row in kept if row["kind"] == "malformed") == [3], kept[:3]
    # Killed in between, it is the same.
    for point in ("checkpoint.offsets.after_sync", "quarantine.after_sync", "batch.after_publish", "checkpoint.commit.after_sync"):
        place.fresh(files=2)
        (place.home / "in" / "x.csv").write_text("amount,id,size\n1,none,S\n")
        place.pipeline()
        place.run()
        place.pipeline(amount="VARCHAR")
        done = place.command("quarantine", "replay", "pipeline.yaml", check=False, env={"MILLRACE_FAULT": f"{point}:1"})
        assert done.returncode == -9, (point, done.stderr)
        place.run()
        got = [row for row in place.written() if row["batch"] == 3]
        assert len(got) == len(new) and len(place.written()) == len(rows), (point, len(got), len(new))


def kinds_mended(numbers):
    """Of rows whose amounts were malformed, those that others take out."""
    return collections.Counter("violating" if i % 11 == 0 else "refused" for i in numbers
                               if i % 5 == 0 and (i % 11 == 0 or i % 7 == 0))


def refuses(place):
    """Rows that the sink of quarantine can't write stay in the checkpoint, and do not come round again."""
    place.fresh(files=2, rows=100)
    types = {"batch": "long", "line": "long", "part": "int", "message_partition": "int", "message_offset": "long",
             "message_time": {"type": "long", "logicalType": "timestamp-micros"}}
    kinds = {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["malformed", "violating"]}}
    (place.home / "bad.avsc").write_text(json.dumps({"type": "record", "name": "Bad", "fields": [kinds] + [
        {"name": name, "type": ["null", types.get(name, "string")]} for name in COLUMNS]}))
    place.pipeline("format: avro, schema_file: bad.avsc")
    done = place.run("--once", "--progress", "json")
    counts = kinds_of(range(200))
    batches = [json.loads(line) for line in done.stdout.splitlines()]
    sinks = [s for batch in batches for s in batch["sinks"] if s["name"] == "quarantine"]
    assert sum(s["refused"] for s in sinks) == counts["refused"] and len(batches) == 2, sinks
    assert sum(s["numOutputRows"] for s in sinks) == counts["malformed"] + counts["violating"], sinks
    assert sum(batch["numRefusedRows"] for batch in batches) == 2 * counts["refused"], batches
    assert "sink quarantine: " in done.stderr and "can't be written" in done.stderr, done.stderr
    kept = checkpoint_rows(place.home)
    assert collections.Counter(row["kind"] for row in kept) == counts and {row["name"] for row in kept} == {"orders", "items", "sized"}
    place.pipeline("format: avro, schema_file: bad.avsc, on_refused: fail")
    place.add(1, rows=100)
    done = place.run(check=False)
    assert done.returncode != 0 and "sink quarantine" in done.stderr and "can't be written" in done.stderr, done.stderr


def begins_later(place):
    """The section is added to a pipeline that has run, and taken out again."""
    place.fresh(files=1)
    place.pipeline()
    text = (place.home / "pipeline.yaml").read_text()
    without = text.replace("quarantine: {", "# {").replace("lake:", "lake2:").replace("connections:\n  lake2", "connections:\n  lake")
    (place.home / "pipeline.yaml").write_text(without)
    place.run()
    assert place.seen() == {}
    (place.home / "pipeline.yaml").write_text(text)
    place.add()
    done = place.run()
    assert "sink quarantine is new since the checkpoint: it begins with the next batch" in done.stderr, done.stderr
    assert {row["batch"] for row in place.written()} == {1}
    (place.home / "pipeline.yaml").write_text(without)
    place.add()
    place.run()
    assert {row["batch"] for row in place.written()} == {1}


def shown(place):
    """explain, validate and validate --connect know it."""
    place.fresh(files=1)
    place.pipeline("format: json, partition_by: [kind]")
    said = place.command("explain", "pipeline.yaml", "--no-plans").stdout
    part = said[said.index("\nsink quarantine (files)"):]
    assert "writes:    all that is put aside" in part and "exactly once" in part and "message_time TIMESTAMP WITH TIME ZONE" in part, part
    assert "2 sinks" in place.command("validate", "pipeline.yaml").stdout
    said = place.command("validate", "pipeline.yaml", "--connect").stdout
    assert "sink quarantine: files" in said and "failed" not in said, said
    place.run()
    done = place.command("compact", "pipeline.yaml")
    assert "quarantine" in done.stdout + done.stderr, (done.stdout, done.stderr)


def rebuilt(place):
    """A rebuild reads what was read before, but writes nothing of it here."""
    place.fresh(files=3)
    extra = "  totals: { from: totals, to: { type: files, path: totals }, format: json, mode: complete }\n"

    def with_totals(sql):
        place.pipeline()
        file = place.home / "pipeline.yaml"
        file.write_text(file.read_text().replace("checks:\n", f"  totals: {sql}\nchecks:\n").replace("\nquarantine:", f"\n{extra}quarantine:"))
    with_totals("SELECT size, count(*) AS n FROM orders GROUP BY size")
    place.run()
    before = place.check()
    with_totals("SELECT size, sum(id) AS n FROM orders GROUP BY size")
    place.run("--once", "--rebuild", "totals")
    assert m.canonical(place.check()) == m.canonical(before)
    totals = {row["size"]: int(row["n"]) for row in map(json.loads, (place.home / "totals").glob("*.json").__next__().read_text().splitlines())}
    assert totals["XL"] == sum(i for i in range(150) if i % 5 and i % 7 == 0), totals


def mistakes(place):
    place.fresh()
    place.pipeline("format: json")
    text = (place.home / "pipeline.yaml").read_text()
    line = text.splitlines().index("quarantine: { to: lake, format: json }") + 1
    cases = [("quarantine: { to: lake, format: json, mode: append }", f"{line}:39: error: `quarantine` has no `mode`"),
             ("quarantine: { to: lake, format: json, from: sized }", f"{line}:39: error: `quarantine` has no `from`"),
             ("quarantine: { to: lake, format: json, key: [a] }", f"{line}:39: error: `quarantine` has no `key`"),
             ("quarantine: { to: lake, format: yaml }", f"{line}:33: error: `format` of"),
             ("quarantine: { to: lake, formt: json }", "did you mean `format`?"),
             ("quarantine: { format: json }", "`quarantine` needs the option `to`"),
             ("quarantine: { to: lakes, format: json }", "did you mean `lake`?"),
             ("quarantine: { to: rate }", "rate cannot be written to"),
             ("quarantine: [lake]", "`quarantine` must be a mapping"),
             ("quarantine: { to: lake, format: json, partition_by: [kind], partition_overwrite_mode: dynamic }",
              f"{line}:1: error: sink quarantine: files takes no mode append; it takes complete"),
             ("quarantine: { to: lake, format: json }\nquarantine: { to: lake }", "quarantine")]
    for section, error in cases:
        (place.home / "pipeline.yaml").write_text(text.replace("quarantine: { to: lake, format: json }", section))
        done = place.command("validate", "pipeline.yaml", check=False)
        assert done.returncode == 2 and error in done.stderr, (section, done.stdout, done.stderr)
    (place.home / "pipeline.yaml").write_text(text.replace("  items: {", "  quarantine: {"))
    done = place.command("validate", "pipeline.yaml", check=False)
    assert done.returncode == 2 and f"{line}:1: error: `quarantine` is a sink of this name" in done.stderr, done.stderr


# --- topics

def messages_of(b, topic):
    return [json.loads(message.value()) for message in b.consume(topic)]


def bad_topic(b):
    """Messages that are bad, half of them with keys that are no text."""
    topic = b.topic(partitions=2)
    b.produce(topic, [{"value": b"\xff{" if i % 4 == 0 else json.dumps({"id": "none" if i % 3 == 0 else i}), "partition": i % 2,
                       "timestamp": 1_700_000_000_000 + i, "key": (b"\xff" if i % 2 else b"k") + str(i).encode()} for i in range(60)])
    return topic


def topic_pipeline(b, topic, sink):
    b.pipeline(f"topic: {topic}, format: json, schema: 'id BIGINT', max_offsets_per_trigger: 20", "SELECT id FROM input",
               more=f"quarantine: {{ to: bus, {sink} }}\n")


def to_topic(b):
    """Each once, for those who read what is committed, also after kills; with what a message had beside its value."""
    topic = bad_topic(b)
    bad = {i for i in range(60) if i % 4 == 0 or i % 3 == 0}
    trace = b.folder / "trace"
    points = [None]
    for number in range(100):
        if number == len(points):
            break
        target = b.topic(f"bad{number}", partitions=1)
        home = b.folder / str(number)
        home.mkdir()
        b.folder, parent = home, b.folder
        topic_pipeline(b, topic, f"topic: {target}, format: json")
        if points[number] is None:
            b.run(env={"MILLRACE_FAULT_LOG": str(trace)})
            hits = collections.Counter(trace.read_text().split())
            points += [f"{point}:{hit}" for point, n in sorted(hits.items()) for hit in sorted({1, (n + 1) // 2})
                       if point.startswith(("batch.", "quarantine.", "kafka.", "checkpoint.offsets.after", "checkpoint.commit."))]
            assert "kafka.after_commit:2" in points, points
        else:
            done = b.run(check=False, env={"MILLRACE_FAULT": points[number]})
            assert done.returncode == -9, (points[number], done.returncode, done.stderr)
            b.run()
        got = messages_of(b, target)
        same_rows(got, checkpoint_rows(home, f"p{b.number}"))
        assert sorted(row["message_partition"] + 2 * row["message_offset"] for row in got) == sorted(bad), (points[number], len(got))
        b.folder = parent
    row = next(row for row in got if row["message_partition"] == 1 and row["message_offset"] == 1)  # message 3
    assert base64.b64decode(row["message_key_base64"]) == b"\xff3" and row["message_key"] is None, row
    assert json.loads(row["raw"]) == {"id": "none"} and row["field"] == "id" and row["name"] == "input", row
    assert row["message_time"].startswith("2023-11-14") and "20.003" in row["message_time"], row


def too_large(b):
    """A topic that takes no large messages: they are refused, counted, and in the checkpoint."""
    topic, target = b.topic(partitions=1), b.topic("small", partitions=1, **{"max.message.bytes": "3000"})
    b.produce(topic, [json.dumps({"id": "x" * (5000 if i % 5 == 0 else 10)}) for i in range(20)])
    topic_pipeline(b, topic, f"topic: {target}, format: json")
    done = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
    [batch] = map(json.loads, done.stdout.splitlines())
    [sink] = [s for s in batch["sinks"] if s["name"] == "quarantine"]
    assert (sink["numOutputRows"], sink["refused"]) == (16, 4), sink
    assert len(messages_of(b, target)) == 16 and "sink quarantine: " in done.stderr, done.stderr
    kept = checkpoint_rows(b.folder, f"p{b.number}")
    assert len(kept) == 20 and {row["kind"] for row in kept} == {"malformed"}, len(kept)


KILLS = [("format: json", None), ("format: json", {"MILLRACE_WORTH_A_THREAD": "1"}),
         ("format: json, partition_by: [kind]", None), ("format: json, roll_interval: 1h", None),
         ("format: json, roll_interval: 1ms", None)]


def main():
    report = m.Report("quarantine_sink")
    names = sys.argv[1:]

    def wanted(*cases):
        return [case for case in cases if not names or case.__name__ in names]

    def in_place(place, cases, kills):
        for case in wanted(*cases):
            report.case(f"{case.__name__}, {place.kind}", lambda: case(place))
        for options, env in kills if wanted(killed) else []:
            report.case(f"killed, {place.kind}, {options}{', beside the next batch' if env else ''}",
                        lambda: killed(place, options, env))

    s3.clients()
    with tempfile.TemporaryDirectory(prefix="millrace-kept-") as folder:
        in_place(BadLocal(folder), [every_kind, nothing_bad, formats, many, rolling, replayed, refuses, begins_later, shown,
                                    rebuilt, mistakes], KILLS)
    if wanted(every_kind, rolling, replayed, shown, killed):
        with s3.S3() as server, tempfile.TemporaryDirectory(prefix="millrace-kept-") as folder:
            in_place(BadBucket(folder, server), [every_kind, rolling, replayed, shown], [KILLS[0], KILLS[3]])
    topics = wanted(to_topic, too_large)
    if topics:
        from kafka_test import Bench
        with servers.Kafka() as kafka:
            for number, case in enumerate(topics):
                with tempfile.TemporaryDirectory(prefix="millrace-kept-") as folder:
                    report.case(case.__name__, lambda: case(Bench(kafka, folder, f"k{number}")))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
