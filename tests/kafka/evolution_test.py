"""Records that get fields which the columns do not have: what each `on_schema_change` makes of them."""
import decimal
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

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


def bad_options(b):
    for source, *want in (
            ("format: csv, schema: 'id BIGINT', on_schema_change: ignore", "for JSON and Avro"),
            (f"{JSON}, on_schema_change: rescue", "needs a column to rescue into", "rescue_column: _rescued"),
            ("format: json, schema: 'id BIGINT, r VARCHAR', rescue_column: r, on_schema_change: fail", "without anything to rescue"),
            ("format: avro, framing: none, schema_file: a.avsc, on_schema_change: fail", "`schema_file`", "framing: confluent"),
            ("format: avro, envelope: debezium, on_schema_change: fail", "change events")):
        b.pipeline(f"topic: a, {source}", "SELECT * FROM input")
        told = b.refused("validate", b.file)
        assert all(each in told for each in want), (source, told)


CASES = [bad_options, json_fails, json_rescues, avro_fails, avro_rescues]


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
