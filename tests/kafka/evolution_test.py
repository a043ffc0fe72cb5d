"""Records that get fields which the columns do not have: what each `on_schema_change` makes of them."""
import decimal
import itertools
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

from kafka_test import stop  # noqa: E402
from registry_test import Bench, ONE, TWO, record  # noqa: E402

USERS_MISTAKE = 2
SQL = "SELECT id, len(place) AS places FROM input"
JSON = "format: json, schema: 'id BIGINT, place STRUCT(city VARCHAR)[]'"


def kept(b):
    """What is in quarantine: reasons by offset."""
    return {line["offset"]: line["reason"] for path in b.folder.rglob("quarantine/**/*.jsonl")
            for line in map(json.loads, path.read_text().splitlines())}


def ids(b):
    return sorted(row["id"] for row in b.rows())


def refused_run(b, topic, offset, *words):
    """A run that ends as a user's mistake, and names the place."""
    done = b.run(check=False)
    assert done.returncode == USERS_MISTAKE, (done.returncode, done.stderr)
    for word in (f"offset {offset} of {topic}/0 has another schema", "`on_schema_change: ignore`", "rescue", *words):
        assert word in done.stderr, (word, done.stderr)
    assert not kept(b), kept(b)


def json_fails(b):
    """A new key, at any depth, ends the run before anything of its batch is there; then it goes on from there."""
    topic = b.topic(partitions=1)
    source = f"topic: {topic}, max_offsets_per_trigger: 4, {JSON}"
    rows = [{"id": i, "place": [{"city": "x"}]} for i in range(10)]
    rows[6]["place"].append({"city": "y", "zip": 1})
    b.produce(topic, map(json.dumps, rows))
    b.pipeline(f"{source}, on_schema_change: fail", SQL)
    for _ in range(2):
        refused_run(b, topic, 6, "place[1].zip", "add the column to `schema`")
        assert ids(b) == [0, 1, 2, 3], ids(b)
    # What is no JSON tells of no schema, and a value of another type is malformed.
    b.produce(topic, ['{"id":10,"new":1', '{"id":"x"}', '{"id":12}'])
    b.pipeline(f"{source.replace('city VARCHAR', 'city VARCHAR, zip INTEGER')}, on_schema_change: fail", SQL)
    b.run()
    assert ids(b) == [*range(10), 12] and set(kept(b)) == {10, 11}, (ids(b), kept(b))
    b.produce(topic, ['{"id":13,"new":{"a":[1]}}', '{"id":14}'])
    done = b.run(check=False)
    assert done.returncode == USERS_MISTAKE and "new: the columns have no such field" in done.stderr, done.stderr
    b.pipeline(f"{source}, on_schema_change: ignore", SQL)
    b.run()
    assert ids(b) == [*range(10), 12, 13, 14], ids(b)


def json_rescues(b):
    topic = b.topic(partitions=1)
    b.produce(topic, ['{"id":1}', '{"id":2,"new":{"a":[1]},"ID2":null}'])
    for mode in ("", ", on_schema_change: rescue"):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, b.registry, folder, b.number)
            other.pipeline(f"topic: {topic}, format: json, schema: 'id BIGINT, rest VARCHAR', rescue_column: rest{mode}",
                           "SELECT * FROM input")
            other.run()
            assert other.rows() == [{"id": 1, "rest": None}, {"id": 2, "rest": '{"new":{"a":[1]},"ID2":null}'}], other.rows()


def avro_fails(b):
    """The first record of a schema with more fields; then it goes on, with the columns declared, or with the latest ones."""
    for declared in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            fail_avro(Bench(b.kafka, b.registry, folder, f"{b.number}-{'declared' if declared else 'latest'}"), declared)


def fail_avro(b, declared):
    topic = b.topic(partitions=1)
    first = b.registry.register(f"{topic}-value", ONE)
    columns = "schema: 'id BIGINT, what VARCHAR', " if declared else ""
    source = f"topic: {topic}, format: avro, max_offsets_per_trigger: 4, {columns}on_schema_change: fail"
    b.pipeline(source, "SELECT id, what FROM input")
    if not declared:  # nothing but the schema of the records is known to the first run
        second = b.registry.register(f"{topic}-elsewhere", TWO)
    else:
        second = b.registry.register(f"{topic}-value", TWO)
    b.produce(topic, [b.frame(first, ONE, {"id": i, "what": "a"}) for i in range(6)])
    b.produce(topic, [b.frame(second, TWO, {"id": i, "what": "b", "price": 1.5}) for i in range(6, 9)])
    for _ in range(2):
        refused_run(b, topic, 6, f"schema {second}", "`price`", "`schema`" if declared else "latest schema")
        assert ids(b) == [0, 1, 2, 3], ids(b)
    if declared:
        b.pipeline(source.replace("what VARCHAR", "what VARCHAR, price DOUBLE"), "SELECT id, what FROM input")
    else:
        b.registry.register(f"{topic}-value", TWO)
    b.run()
    assert ids(b) == list(range(9)), ids(b)
    # A type that is another one.
    third = record(("id", "string"), ("what", "string"))
    number = b.registry.register(f"{topic}-other", third)
    b.produce(topic, [b.frame(number, third, {"id": "x", "what": "c"})])
    refused_run(b, topic, 9, f"schema {number}", "column id")
    b.pipeline(source.replace("fail", "ignore"), "SELECT id, what FROM input")
    b.run()
    assert ids(b) == list(range(9)) and list(kept(b)) == [9], (ids(b), kept(b))


HOME = {"type": "record", "name": "Home", "fields": [{"name": "city", "type": "string"}]}
HOME_2 = {"type": "record", "name": "Home", "fields": [{"name": "zip", "type": "string"}, {"name": "city", "type": "string"}]}


def within_columns_is_rescued(b):
    """What is new in a record that is a column is kept under the column's name, whoever reads that column; what is new in a list is not."""
    one, two = (record(("id", "long"), ("home", ["null", home]), ("homes", {"type": "array", "items": "Home"})) for home in (HOME, HOME_2))
    home = {"zip": "1234", "city": "x"}
    rows = [{"id": 1, "home": home, "homes": [home]}, {"id": 2, "home": None, "homes": []}]
    topic, in_json = b.topic(partitions=1), b.topic("json", partitions=1)
    b.registry.register(f"{topic}-value", one)
    number = b.registry.register(f"{topic}-other", two)
    b.produce(topic, [b.frame(number, two, row) for row in rows])
    b.produce(in_json, map(json.dumps, rows))
    declared = "schema: 'id BIGINT, HOME STRUCT(city VARCHAR), homes STRUCT(city VARCHAR)[], rest VARCHAR', "
    for number, (source, name) in enumerate(((f"topic: {topic}, format: avro, ", "home"), (f"topic: {topic}, format: avro, {declared}", "HOME"),
                                             (f"topic: {in_json}, format: json, {declared}", "HOME"))):
        for query in ("SELECT id, rest FROM input", "SELECT * FROM input"):
            with tempfile.TemporaryDirectory() as folder:
                other = Bench(b.kafka, b.registry, folder, f"{b.number}-{number}-{len(query)}")
                other.pipeline(f"{source}rescue_column: rest", query)
                other.run()
                found = {row["id"]: row["rest"] and json.loads(row["rest"]) for row in other.rows()}
                assert found == {1: {name: {"zip": "1234"}}, 2: None} and not kept(other), (source, query, found)


def event(*fields):
    """The schema of change events of a table."""
    row = record(*fields, name="Value")
    return record(("before", ["null", row], None), ("after", ["null", "shop.Value"], None), ("op", "string"), name="Envelope")


def changes_fail(b):
    """New fields of a table, in change events."""
    one, two = event(("id", "long")), event(("id", "long"), ("price", "double"))
    for op, after in (("u", {"id": 2, "price": 1.5}), ("d", None)):
        topic = b.topic(op, partitions=1)
        numbers = [b.registry.register(f"{topic}-value", schema) for schema in (one, two)]
        b.produce(topic, [b.frame(numbers[0], one, {"before": None, "after": {"id": i}, "op": "c"}) for i in range(3)])
        b.produce(topic, [b.frame(numbers[1], two, {"before": {"id": 2, "price": 1.0}, "after": after, "op": op})])
        source = f"topic: {topic}, format: avro, envelope: debezium, max_offsets_per_trigger: 2, schema: id BIGINT, on_schema_change: "
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, b.registry, folder, f"{b.number}-{op}")
            other.pipeline(source + "fail", "SELECT id FROM input")
            refused_run(other, topic, 3, f"schema {numbers[1]}", "`price`")
            assert ids(other) == [0, 1], ids(other)
            other.pipeline(source + "ignore", "SELECT id FROM input")
            other.run()
            assert ids(other) == [0, 1, 2, 2], ids(other)
    topic = b.topic("json", partitions=1)
    b.produce(topic, [json.dumps({"before": None, "after": {"id": i, **({"price": 1} if i == 3 else {})}, "op": "c"}) for i in range(4)])
    with tempfile.TemporaryDirectory() as folder:
        other = Bench(b.kafka, b.registry, folder, b.number)
        other.pipeline(f"topic: {topic}, format: json, envelope: debezium, max_offsets_per_trigger: 2, schema: id BIGINT, on_schema_change: fail",
                       "SELECT id FROM input")
        refused_run(other, topic, 3, "price")
        assert ids(other) == [0, 1], ids(other)


def changes_rescue(b):
    """New fields of a table go into the column, of rows that are there and of those that are removed, in Avro and in JSON."""
    one = event(("id", "long"), ("place", HOME))
    two = event(("id", "long"), ("price", ["null", "double"]), ("place", HOME_2))
    rows = [{"id": 0, "place": {"city": "a"}}, *({"id": i, "price": None if i == 3 else 1.5, "place": {"zip": f"z{i}", "city": "b"}} for i in (1, 2, 3))]
    events = [{"before": None, "after": rows[0], "op": "c"}, {"before": rows[1], "after": rows[2], "op": "u"},
              {"before": rows[3], "after": None, "op": "d"}]
    want = [{"id": 0, "city": "a", "rest": None, "op": "c"}, {"id": 2, "city": "b", "rest": {"price": 1.5, "place": {"zip": "z2"}}, "op": "u"},
            {"id": 3, "city": "b", "rest": {"price": None, "place": {"zip": "z3"}}, "op": "d"}]
    topic, in_json = b.topic(partitions=1), b.topic("json", partitions=1)
    numbers = [b.registry.register(f"{topic}-{of}", schema) for of, schema in (("value", one), ("other", two))]
    b.produce(topic, [b.frame(numbers[i > 0], (one, two)[i > 0], each) for i, each in enumerate(events)])
    b.produce(in_json, map(json.dumps, events))
    columns = "schema: 'id BIGINT, place STRUCT(city VARCHAR), rest VARCHAR', "
    for number, source in enumerate((f"topic: {topic}, format: avro, ", f"topic: {topic}, format: avro, {columns}",
                                     f"topic: {in_json}, format: json, {columns}")):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, b.registry, folder, f"{b.number}-{number}")
            other.pipeline(f"{source}envelope: debezium, rescue_column: rest, metadata: {{ op: op }}",
                           "SELECT id, place.city AS city, rest, op FROM input")
            other.run()
            found = [{**row, "rest": row["rest"] and json.loads(row["rest"])} for row in other.rows()]
            assert sorted(found, key=lambda row: row["id"]) == want and not kept(other), (source, found, kept(other))


def changes_add_columns(b):
    """New fields of a table become columns, be it by a row that is removed; also where the run was killed and started again."""
    schemas = (event(("id", "long")), event(("id", "long"), ("price", ["null", "double"])),
               event(("id", "long"), ("price", ["null", "double"]), ("name", "string")))
    topic = b.topic(partitions=1)
    numbers = [b.registry.register(f"{topic}-{of}", schema) for of, schema in zip(("value", "b", "c"), schemas)]
    rows = [{"id": i, **({"price": i / 2} if i > 3 else {}), **({"name": f"n{i}"} if i > 8 else {})} for i in range(12)]
    for row in rows:
        which = len(row) - 1
        change = {"before": row, "after": None, "op": "d"} if row["id"] in (4, 10) else {"before": None, "after": row, "op": "c"}
        b.produce(topic, [b.frame(numbers[which], schemas[which], change)])
    want = m.canonical({"id": r["id"], "price": r.get("price"), "name": r.get("name"), "op": "d" if r["id"] in (4, 10) else "c"} for r in rows)
    for number, fault in enumerate((None, "columns.before_kept:1", "columns.after_kept:2")):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, b.registry, folder, f"{b.number}-{number}")
            other.pipeline(f"topic: {topic}, format: avro, envelope: debezium, max_offsets_per_trigger: 2, metadata: {{ op: op }}, "
                           "on_schema_change: add_columns", "SELECT * FROM input")
            if fault:
                done = m.run("run", other.file, "--once", cwd=other.folder, check=False, env={"MILLRACE_FAULT": fault})
                assert done.returncode == -9, done
            other.run()
            found = other.rows()
            assert list(found[0]) == ["id", "price", "name", "op"] and m.canonical(found) == want and not kept(other), (fault, found)


RICH = record(
    ("id", "long"), ("what", "string"), ("price", ["null", "double"], None), ("either", ["string", "long"]),
    ("at", {"type": "long", "logicalType": "timestamp-millis"}), ("cost", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
    ("tags", {"type": "array", "items": "string"}), ("by", {"type": "map", "values": "int"}), ("rest", "int"),
    ("place", {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}))
REST = {"price": 1.5, "either": {"string": None, "long": 7}, "at": "2024-02-29T12:00:00Z", "cost": 12.34, "tags": ["a", "b"],
        "by": {"k": 1}, "rest": 3, "place": {"city": "x"}}


def avro_rescues(b):
    """What is new is kept as JSON, with the columns declared or not; a type that does not fit is malformed."""
    topic = b.topic(partitions=1)
    first = b.registry.register(f"{topic}-value", ONE)
    second, third = (b.registry.register(f"{topic}-other", schema) for schema in (RICH, record(("id", "string"), ("x", "int"))))
    rich = {"id": 2, "what": "b", "price": 1.5, "either": 7, "at": 1709208000000, "cost": decimal.Decimal("12.34"), "tags": ["a", "b"],
            "by": {"k": 1}, "rest": 3, "place": {"city": "x"}}
    b.produce(topic, [b.frame(first, ONE, {"id": 1, "what": "a"}), b.frame(second, RICH, rich), b.frame(first, ONE, {"id": 3, "what": "c"}),
                      b.frame(third, record(("id", "string"), ("x", "int")), {"id": "x", "x": 1})])
    for number, columns in enumerate(("rescue_column: rest", "schema: 'rest VARCHAR, id BIGINT, what VARCHAR', rescue_column: rest, "
                                      "on_schema_change: rescue")):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, b.registry, folder, f"{b.number}-{number}")
            other.pipeline(f"topic: {topic}, format: avro, {columns}", "SELECT * FROM input")
            other.run()
            rows = {row["id"]: row for row in other.rows()}
            assert set(rows) == {1, 2, 3} and list(kept(other)) == [3], (rows, kept(other))
            assert rows[1]["rest"] is None and rows[3] == {"id": 3, "what": "c", "rest": None}, rows
            assert rows[2]["what"] == "b" and json.loads(rows[2]["rest"]) == REST, rows[2]


class Growing:
    """A pipeline of a topic whose schema grows, into each kind of sink, with state beside."""

    def __init__(self, b, folder, topic):
        self.folder, self.file = pathlib.Path(folder), pathlib.Path(folder) / "pipeline.yaml"
        self.file.write_text(f"""pipeline: p-{self.folder.name}
connections:
  bus: {{ type: kafka, brokers: '{b.kafka.brokers}', schema_registry: '{b.registry.url}' }}
  db: {{ type: store, path: out.duckdb }}
sources:
  input: {{ from: bus, topic: {topic}, format: avro, max_offsets_per_trigger: 4, metadata: {{ place: offset }}, on_schema_change: add_columns }}
datasets:
  events: SELECT * FROM input
  totals: SELECT what, count(*) AS n, sum(id) AS ids FROM input GROUP BY what
sinks:
  stored: {{ from: events, to: db, table: events }}
  lines: {{ from: events, to: {{ type: files, path: out }}, format: json }}
  packed: {{ from: events, to: {{ type: files, path: packed }}, format: parquet }}
  sent: {{ from: events, to: bus, topic: {topic}-{self.folder.name}, format: avro, create_topic: true }}
  sums: {{ from: totals, to: db, table: sums, mode: update }}
""")

    def run(self, *options, fault=None, check=True):
        return m.run("run", self.file, "--once", *options, cwd=self.folder, check=check, env={"MILLRACE_FAULT": fault} if fault else None)

    def ask(self, sql):
        return m.query(self.file, sql, cwd=self.folder)

    def results(self):
        """All that can be seen; of the table also the order of its columns."""
        files = [json.loads(line) for path in (self.folder / "out").glob("*.json") for line in path.read_text().splitlines()]
        rows = self.ask("FROM stored")
        return {"columns": list(rows[0]), "rows": m.canonical(rows), "files": m.canonical(files), "totals": m.canonical(self.ask("FROM sums")),
                "packed": m.canonical(self.ask("FROM packed"))}


THREE = record(("id", "long"), ("what", "string"), ("name", "string"), ("place2", {
    "type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}), name="Event")


def growing_topic(b):
    """Records of three schemas, of which the registry calls the first the latest."""
    topic = b.topic(partitions=1)
    numbers = [b.registry.register(f"{topic}-{of}", schema) for of, schema in (("value", ONE), ("b", TWO), ("c", THREE))]
    rows = [{"id": i, "what": f"w{i % 3}"} for i in range(30)]
    for i, row in enumerate(rows):
        which = 0 if i < 6 or i % 5 == 0 else 1 if i < 17 or i % 2 else 2
        row.update([{}, {"price": i / 2}, {"name": f"n{i}", "place2": {"city": "x"}}][which])
        b.produce(topic, [b.frame(numbers[which], (ONE, TWO, THREE)[which], row)])
    want = [{"id": r["id"], "what": r["what"], "price": r.get("price"), "name": r.get("name"), "place2": r.get("place2"), "place": i}
            for i, r in enumerate(rows)]
    return topic, want


def add_columns(b):
    topic, want = growing_topic(b)
    run = Growing(b, b.folder, topic)
    done = run.run()
    assert done.stderr.count("going on with them") == 2 and "price DOUBLE" in done.stderr, done.stderr
    assert "30 rows in" in done.stderr.splitlines()[-1], done.stderr
    results = run.results()
    assert results["columns"] == list(want[0]), results["columns"]
    assert results["rows"] == m.canonical(want) == results["packed"], results["rows"]
    written = [json.loads(line) for line in results["files"]]
    assert m.canonical({k: v for k, v in row.items() if v is not None} for row in written) == m.canonical(
        {k: v for k, v in row.items() if v is not None} for row in want)
    assert all(("price" in row) == (row["id"] >= 4) for row in written), written  # of the batch that brought it, all
    assert results["totals"] == m.canonical({"what": f"w{k}", "n": 10, "ids": sum(range(k, 30, 3))} for k in range(3))
    assert len(b.consume(f"{topic}-{b.folder.name}")) == 30 and not kept(b)
    # The latest schema is no record: columns come with records, also after a new start.
    b.registry.register(f"{topic}-value", record(("id", "long"), ("what", "string"), ("more", ["null", "int"], None)))
    one = b.registry.register(f"{topic}-value", ONE)
    b.produce(topic, [b.frame(one, ONE, {"id": 30, "what": "w0"})])
    assert "going on with them" not in run.run().stderr
    assert run.results()["columns"] == list(want[0])
    # A type that is another one is malformed.
    other = record(("id", "string"), ("what", "string"), ("much", "int"))
    number = b.registry.register(f"{topic}-other", other)
    b.produce(topic, [b.frame(number, other, {"id": "x", "what": "c", "much": 1})])
    run.run()
    assert list(kept(b)) == [31] and run.results()["columns"] == list(want[0]), kept(b)


def add_columns_and_die(b):
    """A run that is killed at any moment, and started again, gives what an undisturbed one gives."""
    topic, _ = growing_topic(b)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Growing(b, folder, topic)
        undisturbed.run()
        want = undisturbed.results()
    for fault in ("columns.before_kept:1", "columns.after_kept:1", "columns.before_kept:2", "columns.after_kept:2", "checkpoint.offsets.after_sync:1",
                  "batch.after_run:2", "store.before_commit:1", "store.after_commit:3", "batch.after_stage:5", "checkpoint.offsets.after_sync:6"):
        with tempfile.TemporaryDirectory() as folder:
            run = Growing(b, folder, topic)
            assert run.run(fault=fault, check=False).returncode == -9, fault
            run.run()
            found = run.results()
            assert found == want, (fault, {key: (found[key], want[key]) for key in want if found[key] != want[key]})


def add_columns_while_it_runs(b):
    """A process that waits for records goes on by itself; so does the next one after it was killed."""
    topic = b.topic(partitions=1)
    schemas = (ONE, TWO, record(("id", "long"), ("what", "string"), ("name", "string")))
    numbers = [b.registry.register(f"{topic}-{of}", schema) for of, schema in zip(("value", "b", "c"), schemas)]
    run = Growing(b, b.folder, topic)
    ids = itertools.count()

    def send(which):
        for _ in range(3):
            number = next(ids)
            row = {"id": number, "what": "x", **[{}, {"price": 0.5}, {"name": "n"}][which]}
            b.produce(topic, [b.frame(numbers[which], schemas[which], row)])
            want.append({**dict.fromkeys(columns[which]), **row, "place": number})

    def wait():
        m.wait_until(lambda: process.poll() is None and len(lines()) == len(want), f"{len(want)} rows")
        assert m.canonical(compact(lines())) == m.canonical(compact(want))

    def lines():
        return [json.loads(line) for path in (b.folder / "out").glob("*.json") for line in path.read_text().splitlines()]

    def compact(rows):
        return [{k: v for k, v in row.items() if v is not None} for row in rows]

    want, columns = [], (["id"], ["price"], ["price", "name"])
    process = m.start("run", run.file, "--progress", "none", cwd=b.folder)
    try:
        for which in (0, 1, 0):
            send(which)
            wait()
        m.kill(process)
        send(2)
        process = m.start("run", run.file, "--progress", "none", cwd=b.folder)
        wait()
        send(1)
        wait()
        said = stop(process, within=10)
        assert said.count("going on with them") == 1 and "name VARCHAR" in said, said
    finally:
        if process.poll() is None:
            m.kill(process)
    assert run.results()["columns"] == ["id", "what", "price", "name", "place"]
    assert run.ask("FROM sums") == [{"what": "x", "n": 15, "ids": sum(range(15))}]


def add_columns_to_state(b):
    """State whose keys are all columns does not fit any more: it is refused, and made anew on request."""
    topic, want = growing_topic(b)
    run = Growing(b, b.folder, topic)
    run.file.write_text(run.file.read_text().replace("SELECT * FROM input", "SELECT DISTINCT * EXCLUDE (place) FROM input"))
    done = run.run(check=False)
    assert done.returncode == USERS_MISTAKE and "--rebuild events" in done.stderr, done.stderr
    for _ in range(2):
        done = run.run("--rebuild", "events", check=False)
    assert done.returncode == 0, done.stderr
    rows = run.ask("FROM stored")
    assert m.canonical(rows) == m.canonical({k: v for k, v in row.items() if k != "place"} for row in want), rows


def bad_options(b):
    for source, *want in (
            ("format: csv, schema: 'id BIGINT', on_schema_change: ignore", "for JSON and Avro"),
            (f"{JSON}, on_schema_change: add_columns", "those of JSON are declared", "millrace infer", "rescue"),
            ("format: avro, schema: 'id BIGINT', on_schema_change: add_columns", "these are declared", "leave `schema` out"),
            (f"{JSON}, on_schema_change: rescue", "needs a column to rescue into", "rescue_column: _rescued"),
            ("format: json, schema: 'id BIGINT, r VARCHAR', rescue_column: r, on_schema_change: fail", "without anything to rescue"),
            ("format: avro, framing: none, schema_file: a.avsc, on_schema_change: fail", "`schema_file`", "framing: confluent"),
            ("format: avro, envelope: debezium, schema: 'id BIGINT', on_schema_change: add_columns", "these are declared")):
        b.pipeline(f"topic: a, {source}", "SELECT * FROM input")
        told = b.refused("validate", b.file)
        assert all(each in told for each in want), (source, told)


CASES = [bad_options, json_fails, json_rescues, avro_fails, changes_fail, changes_rescue, changes_add_columns, within_columns_is_rescued,
         avro_rescues, add_columns, add_columns_and_die, add_columns_while_it_runs, add_columns_to_state]


def main():
    report = m.Report("evolution")
    names = sys.argv[1:]
    with servers.Kafka() as kafka, Registry() as registry:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-evolution-") as folder:
                report.case(case.__name__, lambda: case(Bench(kafka, registry, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
