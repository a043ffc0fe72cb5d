"""Avro by a schema registry: records that name their schemas, read and written, against a real broker and registry."""
import io
import json
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

import kafka_test  # noqa: E402
import fastavro  # noqa: E402


def record(*fields, name="Event"):
    return {"type": "record", "name": name, "namespace": "shop", "fields": [
        {"name": n, "type": t, **({"default": d[0]} if d else {})} for n, t, *d in fields]}


ONE = record(("id", "long"), ("what", "string"))
TWO = record(("id", "long"), ("what", "string"), ("price", ["null", "double"], None))


class Bench(kafka_test.Bench):
    """And a registry, which the connection names."""

    def __init__(self, kafka, registry, folder, number):
        super().__init__(kafka, folder, number)
        self.registry = registry

    def frame(self, schema_id, schema, row):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(schema), row)
        return struct.pack(">bI", 0, schema_id) + body.getvalue()

    def pipeline(self, source, sql, sink="{ type: store, path: out.duckdb }, table: result", more=""):
        super().pipeline(source, sql, sink, more)
        text = self.file.read_text()
        self.file.write_text(text.replace("type: kafka, ", f"type: kafka, schema_registry: '{self.registry.url}', "))
        return self.file

    def refused(self, *command):
        done = m.run(*command, cwd=self.folder, check=False)
        assert done.returncode != 0, (done.stdout, done.stderr)
        return done.stdout + done.stderr


def schema_changes_in_mid_stream(b):
    topic = b.topic(partitions=1)
    first, second = (b.registry.register(f"{topic}-value", schema) for schema in (ONE, TWO))
    rows = [{"id": i, "what": f"w{i}", "price": i / 2 if i % 3 == 0 else None} for i in range(1000)]
    b.produce(topic, [b.frame(first, ONE, row) if i % 2 else b.frame(second, TWO, row) for i, row in enumerate(rows)])
    b.pipeline(f"topic: {topic}, format: avro, schema: 'price DOUBLE, id BIGINT, what VARCHAR'", "SELECT * FROM input")
    b.run()
    want = [{**row, "price": None if i % 2 else row["price"]} for i, row in enumerate(rows)]
    assert m.canonical(b.rows()) == m.canonical(want)


def columns_of_the_latest_schema(b):
    topic = b.topic(partitions=1)
    first = b.registry.register(f"{topic}-value", ONE)
    b.registry.register(f"{topic}-value", TWO)
    b.produce(topic, [b.frame(first, ONE, {"id": 1, "what": "a"})])
    b.pipeline(f"topic: {topic}, format: avro", "SELECT * FROM input")
    b.run()
    assert b.rows() == [{"id": 1, "what": "a", "price": None}], b.rows()
    # A reader's schema in a file, with an alias.
    (b.folder / "reader.avsc").write_text(json.dumps({"type": "record", "name": "Event", "fields": [
        {"name": "number", "aliases": ["id"], "type": "long"}, {"name": "kind", "type": "string", "default": "none"}]}))
    with tempfile.TemporaryDirectory() as folder:
        other = Bench(b.kafka, b.registry, folder, b.number)
        (other.folder / "reader.avsc").write_text((b.folder / "reader.avsc").read_text())
        other.pipeline(f"topic: {topic}, format: avro, framing: confluent, schema_file: reader.avsc", "SELECT * FROM input")
        other.run()
        assert other.rows() == [{"number": 1, "kind": "none"}], other.rows()


def what_can_not_be_read_is_kept(b):
    topic = b.topic(partitions=1)
    good = b.registry.register(f"{topic}-value", ONE)
    other = b.registry.register(f"{topic}-other", record(("id", "string"), name="Other"))
    messages = [b.frame(good, ONE, {"id": 1, "what": "a"}), b"", b"{}", b"\x00\x00\x0f\x42\x40rest",
                b.frame(other, record(("id", "string"), name="Other"), {"id": "x"}), b.frame(good, ONE, {"id": 2, "what": "b"})[:-1],
                b.frame(good, ONE, {"id": 3, "what": "c"})]
    b.produce(topic, messages)
    b.pipeline(f"topic: {topic}, format: avro, schema: 'id BIGINT, what VARCHAR'", "SELECT * FROM input")
    b.run()
    assert m.canonical(b.rows()) == m.canonical([{"id": 1, "what": "a"}, {"id": 3, "what": "c"}])
    kept = {line["offset"]: line["reason"] for path in b.folder.rglob("*.jsonl") for line in map(json.loads, path.read_text().splitlines())}
    assert set(kept) == {1, 2, 3, 4, 5}, kept
    assert "without bytes" in kept[1] and "does not begin with a byte 0" in kept[2], kept
    assert "no schema 1000000" in kept[3] and f"written with schema {other}" in kept[4], kept


def registers_what_it_writes(b):
    into, out = b.topic("in"), b.topic("out")
    b.produce(into, [json.dumps({"id": i, "price": f"{i}.25", "at": "2024-02-29T12:00:00Z"}) for i in range(300)])
    sql = "SELECT id::VARCHAR AS key, id, price, \"at\" AS created_at FROM input"
    source = f"topic: {into}, format: json, schema: 'id BIGINT, price DECIMAL(9,2), \"at\" TIMESTAMP'"
    b.pipeline(source, sql, f"bus, topic: {out}, format: avro, record_name: shop.Order")
    b.run()
    found = b.registry.ask(f"/subjects/{out}-value/versions/latest")
    schema = fastavro.parse_schema(json.loads(found["schema"]))
    got = []
    for message in b.consume(out):
        magic, number = struct.unpack(">bI", message.value()[:5])
        assert (magic, number) == (0, found["id"])
        row = fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), schema)
        assert message.key().decode() == str(row["id"])
        got.append((row["id"], str(row["price"]), row["created_at"].isoformat()))
    assert sorted(got) == [(i, f"{i}.25", "2024-02-29T12:00:00") for i in range(300)], got[:3]
    # The same schema again is the same number; one that the registry does not take is told, and nothing is written.
    b.registry.compatibility("BACKWARD", f"{out}-value")
    b.produce(into, [json.dumps({"id": 300, "price": "1", "at": None})])
    b.run()
    assert len(b.consume(out)) == 301
    b.pipeline(source, sql.replace("price", "price > 1 AS price"), f"bus, topic: {out}, format: avro, record_name: shop.Order",
               more="checkpoint: { path: other }\n")
    told = b.refused("run", b.file, "--once")
    assert "409" in told and f"{out}-value" in told, told
    assert len(b.consume(out)) == 301


def writes_with_the_latest_schema(b):
    into, out = b.topic("in"), b.topic("out")
    b.produce(into, [json.dumps({"id": 1, "what": "a"})])
    b.pipeline(f"topic: {into}, format: json, schema: 'id BIGINT, what VARCHAR'", "SELECT id, what FROM input",
               f"bus, topic: {out}, format: avro, auto_register_schemas: false")
    assert f"has no subject {out}-value" in b.refused("run", b.file, "--once")
    number = b.registry.register(f"{out}-value", TWO)
    b.run()
    [message] = b.consume(out)
    assert message.value() == b.frame(number, TWO, {"id": 1, "what": "a", "price": None})
    assert len(b.registry.ask(f"/subjects/{out}-value/versions")) == 1


def registry_away(b):
    """It is waited for, and that is said once; nothing is taken for malformed."""
    topic = b.topic(partitions=1)
    number = b.registry.register(f"{topic}-value", ONE)
    b.produce(topic, [b.frame(number, ONE, {"id": i, "what": "x"}) for i in range(100)])
    b.pipeline(f"topic: {topic}, format: avro", "SELECT * FROM input")
    b.registry.stop()
    run = m.start("run", b.file, "--once", cwd=b.folder)
    said = [run.stderr.readline()]
    while "registry" not in said[-1]:
        assert said[-1], said
        said.append(run.stderr.readline())
    b.registry.start()
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, (out, err)
    assert sum("Connection refused" in line or "connect" in line.lower() for line in said + err.splitlines()) == 1, (said, err)
    assert len(b.rows()) == 100 and not list(b.folder.rglob("*.jsonl"))


def bad_options(b):
    for source, sink, want in (
            ("topic: [a, b], format: avro", "bus, topic: c", "reads several topics"),
            ("topic: a, format: raw", "bus, topic: c, format: json, framing: confluent", "with Avro only"),
            ("topic: a, format: json, schema: 'id BIGINT', metadata: { why: reason }", "bus, topic: c", "no row has a reason"),
            ("topic: a, format: raw", "bus, topic: c, format: avro, schema_file: x.avsc, auto_register_schemas: false", "`schema_file`")):
        b.pipeline(source, "SELECT 1 AS x FROM input", sink)
        assert want in b.refused("validate", b.file), (source, sink)
    kafka_test.Bench.pipeline(b, "topic: a, format: avro, framing: confluent, schema: 'id BIGINT'", "SELECT * FROM input")
    assert "needs a schema registry" in b.refused("validate", b.file)


def generated_records(b):
    """What generate writes with a registry is read without a schema of its own."""
    topic = b.topic(partitions=2)
    done = m.run("generate", "order-records", "--brokers", b.kafka.brokers, "--topic", topic, "--registry", b.registry.url,
                 "--rows", 500, "--invalid", 0.1, cwd=b.folder)
    malformed = int(done.stderr.split(" malformed")[0].split()[-1])
    b.pipeline(f"topic: {topic}, format: avro", "SELECT * FROM input")
    b.run()
    m.run("generate", "order-records", "--out", "same", "--format", "json", "--rows", 500, "--invalid", 0.1, cwd=b.folder)
    want = []
    for line in (line for path in (b.folder / "same").glob("*.json") for line in path.read_bytes().splitlines()):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        want.append({**row, "amount": float(row["amount"])})
    assert len(want) == 500 - malformed < 500 and m.canonical(b.rows()) == m.canonical(want), (len(b.rows()), len(want))
    for options, wanted in (([*"orders --brokers b:1 --registry http://r".split()], "for Avro"),
                            ([*"events --out x --registry http://r".split()], "for topics")):
        assert wanted in b.refused("generate", *options), options


CASES = [bad_options, schema_changes_in_mid_stream, columns_of_the_latest_schema, what_can_not_be_read_is_kept,
         registers_what_it_writes, writes_with_the_latest_schema, generated_records, registry_away]


def main():
    report = m.Report("registry")
    names = sys.argv[1:]
    with servers.Kafka() as kafka, Registry() as registry:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-registry-") as folder:
                report.case(case.__name__, lambda: case(Bench(kafka, registry, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
