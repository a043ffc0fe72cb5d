"""What a Kafka sink does beyond writing: topics that it makes, rows that can't be written."""
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402

from kafka_test import Bench  # noqa: E402
from confluent_kafka.admin import ConfigResource  # noqa: E402

JSON = "format: json, schema: 'id BIGINT, text VARCHAR'"


def refused(b):
    """What is kept of rows that the sink did not write."""
    return {json.loads(line["raw"])["id"]: line for path in (b.folder / ".millrace").glob("*/refused/out/*.jsonl")
            for line in map(json.loads, path.read_text().splitlines())}


def makes_its_topic(b):
    source, made = b.topic("in"), f"made-{b.number}"
    b.produce(source, [json.dumps({"id": i, "text": "x"}) for i in range(20)])
    b.pipeline(f"topic: {source}, {JSON}", "SELECT * FROM input", f"bus, topic: {made}, format: json")
    done = b.run(check=False)
    assert done.returncode != 0 and f"no topic {made}" in done.stderr and "create_topic" in done.stderr, done.stderr
    b.pipeline(f"topic: {source}, {JSON}", "SELECT id::VARCHAR AS key, text FROM input",
               f"bus, topic: {made}, format: json, create_topic: true, partitions: 5, "
               "topic_config: { cleanup.policy: compact }")
    b.run()
    b.run()  # it is there already
    assert len(b.admin.list_topics(made).topics[made].partitions) == 5
    resource = ConfigResource(ConfigResource.Type.TOPIC, made)
    assert b.admin.describe_configs([resource])[resource].result(30)["cleanup.policy"].value == "compact"
    assert len(b.consume(made)) == 20


def keeps_what_is_too_large(b):
    """In the client's eyes or in the topic's; also when the batch is repeated after it was published."""
    source, out = b.topic("in", partitions=1), b.topic("out", **{"max.message.bytes": "5000"})
    sizes = [10, 3000, 6000, 100, 900_000, 4000]
    b.produce(source, [json.dumps({"id": i, "text": "x" * size}) for i, size in enumerate(sizes)])
    b.pipeline(f"topic: {source}, {JSON}", "SELECT * FROM input", f"bus, topic: {out}, format: json")
    done = b.run(check=False, env={"MILLRACE_FAULT": "kafka.after_commit:1"})
    assert done.returncode != 0, "it should have been killed"
    done = b.run()
    assert sorted(json.loads(x.value())["id"] for x in b.consume(out)) == [0, 1, 3, 5]
    kept = refused(b)
    assert set(kept) == {2, 4} and all("raise" in x["reason"] and x["origin"] == out for x in kept.values()), kept
    assert json.loads(kept[2]["raw"]) == {"id": 2, "text": "x" * 6000}
    assert "2 rows refused by sinks" in done.stderr, done.stderr


def keeps_what_the_format_can_not_say(b):
    source, out = b.topic("in"), b.topic("out")
    b.produce(source, [json.dumps({"id": i, "text": "ab"[i % 2] if i % 5 else None}) for i in range(10)])
    (b.folder / "row.avsc").write_text(json.dumps({"type": "record", "name": "Row", "fields": [
        {"name": "id", "type": "long"}, {"name": "text", "type": {"type": "enum", "name": "E", "symbols": ["a", "c"]}}]}))
    sink = f"bus, topic: {out}, format: avro, schema_file: row.avsc"
    b.pipeline(f"topic: {source}, {JSON}", "SELECT * FROM input", sink)
    b.run()
    assert len(b.consume(out)) == 4  # 2, 4, 6, 8
    kept = refused(b)
    assert set(kept) == {0, 1, 3, 5, 7, 9} and all(x["column"] == "text" for x in kept.values()), kept
    for policy, ends in (("drop", 0), ("fail", 1)):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, folder, b.number)
            (other.folder / "row.avsc").write_text((b.folder / "row.avsc").read_text())
            other.pipeline(f"topic: {source}, {JSON}", "SELECT * FROM input", f"{sink}, on_refused: {policy}")
            done = other.run(check=False)
            assert (done.returncode != 0) == bool(ends) and not refused(other), done.stderr
            assert ("column text" in done.stderr or "text:" in done.stderr) or not ends, done.stderr


def deleted_rows_become_tombstones(b):
    source, out = b.topic("in"), b.topic("out", partitions=1)
    schema = "format: json, schema: 'id BIGINT, text VARCHAR'"
    b.produce(source, [json.dumps({"id": i, "text": "x" if i % 3 else "gone"}) for i in range(9)])
    b.pipeline(f"topic: {source}, {schema}", "SELECT id, max(text) AS text, max(text) = 'gone' AS deleted FROM input GROUP BY id",
               f"bus, topic: {out}, format: json, key_format: json, key_columns: [id], mode: update, delete: deleted")
    done = b.run(env={"MILLRACE_FAULT": "kafka.after_commit:1"}, check=False)
    assert done.returncode == -9, done
    b.run()
    got = {json.loads(x.key())["id"]: x.value() and json.loads(x.value()) for x in b.consume(out)}
    assert got == {i: {"id": i, "text": "x"} if i % 3 else None for i in range(9)}, got


CASES = [makes_its_topic, deleted_rows_become_tombstones, keeps_what_is_too_large, keeps_what_the_format_can_not_say]


def main():
    report = m.Report("kafka sink")
    names = sys.argv[1:]
    with servers.Kafka() as kafka:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-sink-") as folder:
                report.case(case.__name__, lambda: case(Bench(kafka, folder, f"s{number}")))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
