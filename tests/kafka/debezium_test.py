"""Debezium's change events against a real broker: the newest row of each key, after random changes and a kill, is what the
database has in the end. In JSON with and without the schema around it, and in Avro by a registry."""
import argparse
import base64
import contextlib
import datetime
import decimal
import json
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

import registry_test  # noqa: E402



class Bench(registry_test.Bench):
    """Whose registry may be None."""

    def pipeline(self, *arguments):
        return registry_test.kafka_test.Bench.pipeline(self, *arguments)


KEYS, PARTITIONS = 200, 3
EPOCH = datetime.date(1970, 1, 1)
COLUMNS = "id BIGINT, name VARCHAR, price DECIMAL(9,2), day DATE, seen TIMESTAMP"


class Table:
    """A table of a database, and the events of what happens to it, in order: (partition, key, event or None)."""

    def __init__(self, rng):
        self.rng, self.rows, self.events, self.clock = rng, {}, [], 1_700_000_000_000

    def new_row(self, key):
        rng = self.rng
        return {"id": key, "name": rng.choice([None, "é\"\\", f"n{rng.randrange(1000)}"]),
                "price": rng.choice([None, rng.randrange(-99_999, 99_999)]),  # in cents
                "day": rng.randrange(-1000, 20_000), "seen": 1_700_000_000_000_000 + rng.randrange(10**15)}

    def event(self, op, before, after):
        self.clock += self.rng.randrange(3)
        key = (after or before)["id"]
        full = op != "u" or self.rng.random() < 0.5
        # PostgreSQL tells no more than the REPLICA IDENTITY of a row that is gone.
        if op == "d" and self.rng.random() < 0.5:
            before = None
        self.events.append((key % PARTITIONS, key, {"op": op, "before": before if full else None, "after": after,
                                                    "source": {"ts_ms": self.clock, "table": "t"}, "ts_ms": self.clock + 5}))
        if op == "d":
            self.events.append((key % PARTITIONS, key, None))

    def snapshot(self):
        for key in range(0, KEYS, 2):
            self.rows[key] = self.new_row(key)
            self.event("r", None, self.rows[key])

    def change(self):
        key, other = self.rng.randrange(KEYS), self.rng.randrange(KEYS)
        old = self.rows.pop(key, None)
        if old is not None and self.rng.random() < 0.3:
            self.event("d", old, None)
        elif old is not None and self.rng.random() < 0.1 and other not in self.rows:
            self.event("d", old, None)  # its key changes
            self.rows[other] = {**old, "id": other}
            self.event("c", None, self.rows[other])
        else:
            self.rows[key] = self.new_row(key)
            self.event("c" if old is None else "u", old, self.rows[key])

    def final(self):
        return [{"id": row["id"], "name": row["name"],
                 "price": None if row["price"] is None else f"{decimal.Decimal(row['price']) / 100:.2f}",
                 "day": (EPOCH + datetime.timedelta(days=row["day"])).isoformat(), "seen": row["seen"]}
                for row in self.rows.values()]


def per_row(event, convert):
    return {**event, **{part: event[part] and convert(event[part]) for part in ("before", "after")}}


class Plain:
    """JSON without a schema: `decimal.handling.mode: string`, and units that the pipeline is told."""
    source = f"format: json, timestamp_unit: us, schema: '{COLUMNS}'"

    def __init__(self, bench, topic):
        pass

    def key(self, key):
        return json.dumps({"id": key})

    def value(self, event):
        return json.dumps(per_row(event, lambda row: {
            **row, "price": row["price"] is not None and f"{decimal.Decimal(row['price']) / 100:.2f}" or None}))


FIELDS = [{"type": "int64", "optional": False, "field": "id"}, {"type": "string", "optional": True, "field": "name"},
          {"type": "bytes", "optional": True, "name": "org.apache.kafka.connect.data.Decimal", "version": 1,
           "parameters": {"scale": "2", "connect.decimal.precision": "9"}, "field": "price"},
          {"type": "int32", "optional": False, "name": "io.debezium.time.Date", "version": 1, "field": "day"},
          {"type": "int64", "optional": False, "name": "io.debezium.time.MicroTimestamp", "version": 1, "field": "seen"}]


def big_endian(number):
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


class Wrapped:
    """JSON with the schema of JsonConverter, which says what numbers and bytes mean."""
    source = f"format: json, schema: '{COLUMNS}'"

    def __init__(self, bench, topic):
        row = {"type": "struct", "fields": FIELDS, "optional": True, "name": f"{topic}.Value"}
        self.schema = {"type": "struct", "optional": False, "name": f"{topic}.Envelope", "version": 2, "fields": [
            {**row, "field": "before"}, {**row, "field": "after"}, {"type": "string", "optional": False, "field": "op"}]}

    def key(self, key):
        return json.dumps({"schema": {"type": "struct", "fields": FIELDS[:1], "name": "Key"}, "payload": {"id": key}})

    def value(self, event):
        payload = per_row(event, lambda row: {
            **row, "price": row["price"] is not None and base64.b64encode(big_endian(row["price"])).decode() or None})
        return json.dumps({"schema": self.schema, "payload": payload})


class Avro:
    """Confluent's AvroConverter, keys as well; the columns are those of the registry."""
    source = "format: avro"

    def __init__(self, bench, topic):
        self.bench = bench
        number = lambda kind, name: {"type": kind, "connect.version": 1, "connect.name": name}  # noqa: E731
        row = {"type": "record", "name": "Value", "fields": [
            {"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}],
             "default": None},
            {"name": "day", "type": number("int", "io.debezium.time.Date")},
            {"name": "seen", "type": number("long", "io.debezium.time.MicroTimestamp")}]}
        source = {"type": "record", "name": "Source", "fields": [{"name": "ts_ms", "type": "long"},
                                                                 {"name": "table", "type": "string"}]}
        self.schema = {"type": "record", "name": "Envelope", "namespace": "shop.t", "fields": [
            {"name": "before", "type": ["null", row], "default": None}, {"name": "after", "type": ["null", "Value"],
                                                                         "default": None},
            {"name": "source", "type": source}, {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None}]}
        self.key_schema = {"type": "record", "name": "Key", "namespace": "shop.t", "fields": [{"name": "id", "type": "long"}]}
        self.id = bench.registry.register(f"{topic}-value", self.schema)
        self.key_id = bench.registry.register(f"{topic}-key", self.key_schema)

    def key(self, key):
        return self.bench.frame(self.key_id, self.key_schema, {"id": key})

    def value(self, event):
        return self.bench.frame(self.id, self.schema, per_row(event, lambda row: {
            **row, "price": None if row["price"] is None else decimal.Decimal(row["price"]) / 100}))


# As docs/change-streams.md has it.
PIPELINE = """pipeline: p{number}
connections:
  bus: {{ type: kafka, brokers: '{brokers}'{registry} }}
sources:
  changes: {{ from: bus, topic: {topic}, envelope: debezium, {source}, max_offsets_per_trigger: 300,
             metadata: {{ op: op, offset: offset, changed: change_time }} }}
datasets:
  live: |
    SELECT id, arg_max_null(name, "offset") AS name, arg_max_null(price, "offset") AS price,
           arg_max_null(day, "offset") AS day, arg_max_null(seen, "offset") AS seen
    FROM changes GROUP BY id HAVING arg_max(op, "offset") <> 'd'
  newest: |
    SELECT id, last.name, last.price, last.day, last.seen, last.op = 'd' AS deleted, changed
    FROM (SELECT id, max(changed) AS changed,
                 arg_max({{'name': name, 'price': price, 'day': day, 'seen': seen, 'op': op}}, "offset") AS last
          FROM changes GROUP BY id)
sinks:
  live_rows: {{ from: live, to: {{ type: store, path: out.duckdb }}, table: live_rows, mode: complete }}
  newest_rows: {{ from: newest, to: {{ type: store, path: out.duckdb }}, table: newest_rows, mode: update, key: [id] }}
"""


def newest_rows(b, form, seed, changes):
    topic = b.topic("changes", PARTITIONS)
    form = form(b, topic)
    table = Table(random.Random(seed))
    table.snapshot()
    b.file = b.folder / "pipeline.yaml"
    registry = f", schema_registry: '{b.registry.url}'" if b.registry else ""
    b.file.write_text(PIPELINE.format(number=b.number, brokers=b.kafka.brokers, registry=registry, topic=topic,
                                      source=form.source))

    def send():
        b.produce(topic, [{"partition": partition, "key": form.key(key), "value": event and form.value(event)}
                          for partition, key, event in table.events])
        table.events.clear()

    while len(table.events) < changes // 2:
        table.change()
    send()
    process = m.start("run", b.file, cwd=b.folder)
    said = []
    while " batch 1:" not in (said or [""])[-1]:  # and the next ones are on their way
        said.append(process.stderr.readline())
        assert said[-1], said
    m.kill(process)
    while len(table.events) < changes // 2:
        table.change()
    send()
    b.run()

    shown = "id, name, price::VARCHAR AS price, day::VARCHAR AS day, epoch_us(seen) AS seen"
    want = m.canonical(table.final())
    assert len(want) > KEYS // 4, len(want)
    rows = m.query(b.file, f"SELECT {shown} FROM live_rows", cwd=b.folder)
    assert m.canonical(rows) == want, different(rows, table)
    rows = m.query(b.file, f"SELECT {shown} FROM newest_rows WHERE NOT deleted", cwd=b.folder)
    assert m.canonical(rows) == want, different(rows, table)
    # A key that is gone stays, marked; and the time is that of the database.
    [last] = m.query(b.file, "SELECT epoch_ms(max(changed)) AS at, count(*) AS keys FROM newest_rows", cwd=b.folder)
    assert last["at"] == table.clock and last["keys"] > len(want), (last, table.clock, len(want))
    assert not list(b.folder.rglob("*.jsonl")), list(b.folder.rglob("*.jsonl"))


def different(rows, table):
    got, want = set(m.canonical(rows)), set(m.canonical(table.final()))
    return f"only in the result: {sorted(got - want)[:3]}; missing: {sorted(want - got)[:3]}"


def truncated_and_damaged_events_are_kept(b):
    topic = b.topic("changes", 1)
    good = {"op": "c", "after": {"id": 1}, "source": {"ts_ms": 5, "db": "shop"}}
    b.produce(topic, [json.dumps(event) for event in (good, {"op": "t"}, {"id": 7}, {**good, "after": {"id": "x"}},
                                                      {"op": "m", "message": {}}, {**good, "op": "u"})])
    b.pipeline(f"topic: {topic}, format: json, envelope: debezium, schema: 'id BIGINT', "
               "metadata: { op: op, src: source, \"at\": change_time }",
               "SELECT id, op, src, epoch_ms(\"at\") AS ms FROM input")
    b.run()
    rows = sorted(b.rows(), key=lambda row: row["op"])
    source = json.dumps(good["source"])
    assert rows == [{"id": 1, "op": op, "src": source, "ms": 5} for op in "cu"], rows
    kept = {line["offset"]: line["reason"] for path in b.folder.rglob("*.jsonl")
            for line in map(json.loads, path.read_text().splitlines())}
    assert set(kept) == {1, 2, 3}, kept
    assert "truncated" in kept[1] and "no Debezium envelope" in kept[2] and "is no BIGINT" in kept[3], kept


def bad_options(b):
    for source, want in (
            ("format: raw, envelope: debezium", "needs a format"),
            ("format: json, schema: 'id BIGINT', metadata: { op: op }", "a message has no op"),
            ("format: avro, envelope: debezium, metadata: { s: source }", "no source of Avro's events")):
        b.pipeline(f"topic: a, {source}", "SELECT 1 AS x FROM input")
        assert want in b.refused("validate", b.file), source


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--changes", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    print(f"change events, seed {options.seed}")
    newest = {f"newest_rows_{form.__name__.lower()}": lambda b, f=form: newest_rows(b, f, options.seed, options.changes)
              for form in (Plain, Wrapped, Avro)}
    cases = {"bad_options": bad_options, "truncated_and_damaged_events_are_kept": truncated_and_damaged_events_are_kept, **newest}
    report = m.Report("debezium")
    with servers.Kafka() as kafka:
        for number, (name, case) in enumerate(cases.items()):
            if options.cases and name not in options.cases:
                continue
            needed = Registry() if name == "newest_rows_avro" else contextlib.nullcontext()
            with needed as registry, tempfile.TemporaryDirectory(prefix="millrace-debezium-") as folder:
                report.case(name, lambda: case(Bench(kafka, registry, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
