"""Job C of examples/customer-360: Avro events by a registry's schema to Parquet on S3, exactly once over kills, and what can't be read
beside it, compared with the topic as another maker's client reads it."""
import base64
import datetime
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "kafka")]
import millrace as m  # noqa: E402
import s3  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

import counted  # noqa: E402
import kafka_test  # noqa: E402
import fastavro  # noqa: E402

s3.clients()

FAULTS = ["checkpoint.offsets.before_write", "batch.after_run", "batch.after_stage", "batch.after_publish",
          "checkpoint.commit.before_write", "checkpoint.commit.after_sync"]
COLUMNS = ["event_id", "customer_id", "event_type", "product_id", "event_timestamp", "ingestion_timestamp"]
UTC = datetime.timezone.utc


class Bench(kafka_test.Bench):
    """The example in a folder of its own, with a topic and a bucket of its own."""

    def __init__(self, kafka, registry, store, folder, number):
        super().__init__(kafka, pathlib.Path(folder) / "customer-360", number)
        shutil.copytree(m.ROOT / "examples" / "customer-360", self.folder)
        self.registry, self.name, self.file = registry, self.topic("events"), self.folder / "events.yaml"
        text = self.file.read_text()
        assert "topic: events\n" in text and "trigger: 10s" in text and "visible_within: 1m " in text
        self.file.write_text(text.replace("topic: events\n", f"topic: {self.name}\n")
                             .replace("trigger: 10s", "trigger: 100ms").replace("visible_within: 1m ", "visible_within: 100ms "))
        self.bucket, self.s3 = f"lake{number}", store.client()
        self.s3.create_bucket(Bucket=self.bucket)
        os.environ.update(KAFKA_BROKERS=kafka.brokers, SCHEMA_REGISTRY=registry.url, LAKE=f"s3://{self.bucket}",
                          AWS_ENDPOINT_URL=store.endpoint, AWS_ACCESS_KEY_ID=store.KEY, AWS_SECRET_ACCESS_KEY=store.SECRET,
                          AWS_REGION="us-east-1")

    def generate(self, *options):
        return m.run("generate", "events", "--brokers", self.kafka.brokers, "--topic", self.name, "--registry", self.registry.url, *options)

    def schema(self):
        found = self.registry.ask(f"/subjects/{self.name}-value/versions/latest")
        return found["id"], fastavro.parse_schema(json.loads(found["schema"]))

    def by_hand(self, rows):
        """Events of another producer, framed."""
        number, schema = self.schema()
        values = []
        for row in rows:
            body = io.BytesIO()
            fastavro.schemaless_writer(body, schema, {"customer_id": 7, "event_type": "LIKE", "product_id": None,
                                                      "event_timestamp": "2026-02-03T04:05:06Z", **row})
            values.append(struct.pack(">bI", 0, number) + body.getvalue())
        self.produce(self.name, values)

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def versions(self):
        """Files grow, and are replaced by larger ones."""
        return {(one["Key"], one["ETag"]) for one in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])}

    def objects(self, prefix):
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in self.keys(prefix)}

    def wanted(self):
        """Rows of events, and of malformed ones, out of the topic."""
        number, schema = self.schema()
        events, malformed = [], []
        for x in self.consume(self.name):
            sent = datetime.datetime.fromtimestamp(x.timestamp()[1] / 1000, UTC)
            row = None
            try:
                if x.value() is not None and x.value()[:5] == struct.pack(">bI", 0, number):
                    body = io.BytesIO(x.value()[5:])
                    row = fastavro.schemaless_reader(body, schema)
                    row = row if body.read() == b"" else None
            except (EOFError, IndexError, UnicodeDecodeError, ValueError):
                pass
            if row is None or not row["event_id"] or not row["event_type"]:
                raw = None if x.value() is None else base64.b64encode(x.value()).decode()
                malformed.append((x.topic(), x.partition(), x.offset(), raw))
                continue
            try:
                row["event_timestamp"] = datetime.datetime.fromisoformat(row["event_timestamp"]).astimezone(UTC)
            except ValueError:
                row["event_timestamp"] = sent
            row["product_id"] = row["product_id"] if (row["product_id"] or 0) >= 0 else None
            events.append((f"{row['event_timestamp']:%Y-%m-%d}", *(row[name] for name in COLUMNS[:-1])))
        return events, malformed

    def check(self):
        """The lake has what the topic has, once."""
        import pyarrow.parquet
        events, malformed = self.wanted()
        got = []
        for key, data in self.objects("events/").items():
            table = pyarrow.parquet.read_table(io.BytesIO(data))
            assert table.column_names == COLUMNS and key.endswith(".parquet"), (key, table.column_names)
            assert [str(field.type) for field in table.schema] == ["string", "int32", "string", "int32", *["timestamp[us, tz=UTC]"] * 2], key
            date = key.split("event_date=")[1].split("/")[0]
            for row in table.to_pylist():
                assert abs(datetime.datetime.now(UTC) - row.pop("ingestion_timestamp")) < datetime.timedelta(hours=1)
                got.append((date, *row.values()))
        order = [str, repr]
        assert sorted(got, key=order[1]) == sorted(events, key=order[1]), (len(got), len(events), set(map(repr, got)) ^ set(map(repr, events)))
        lines = [json.loads(line) for data in self.objects("malformed_events/").values() for line in data.splitlines()]
        assert sorted((x["topic"], x["partition"], x["offset"], x["raw_base64"] or "") for x in lines) == \
            sorted((*x[:3], x[3] or "") for x in malformed), (len(lines), len(malformed))
        assert all(x["reason"] and x["kafka_timestamp"] for x in lines), lines[:3]
        return events, malformed, lines


def fall_backs_and_what_is_required(b):
    b.generate("--rows", 1, "--invalid", 0)
    b.by_hand([{"event_id": "negative", "product_id": -3}, {"event_id": "zero", "product_id": 0},
               {"event_id": "no time", "event_timestamp": "noon"}, {"event_id": "endless", "event_timestamp": "infinity"},
               {"event_id": "offset", "event_timestamp": "2026-02-03T01:00:00+02:00"},
               {"event_id": ""}, {"event_id": "no type", "event_type": ""}, {"event_id": "odd", "event_type": "STARE"}])
    b.produce(b.name, [{"value": None}, b"", b"{}", b"\x00\x00\x0f\x42\x40rest"])
    done = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
    events, malformed, lines = b.check()
    assert len(events) == 7 and len(malformed) == 6, (events, malformed)
    reasons = sorted(x["reason"] for x in lines)
    assert reasons.count("event_id is missing") == 2 and "event_type is missing" in reasons, reasons
    assert any("1000000" in reason for reason in reasons) and any("without bytes" in reason for reason in reasons), reasons
    by_id = {row[1]: row for row in events}
    assert by_id["negative"][4] is None and by_id["zero"][4] == 0 and by_id["offset"][0] == "2026-02-02"
    assert counted.violations(done.stdout) == {
        "received.readable": 6, "received.has_time": 2, "received.product_not_negative": 1, "events.known_type": 1}, done.stdout
    b.by_hand([{"event_id": "more", "event_type": "SNIFF"}])
    again = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
    assert counted.in_all(b.file, b.folder) == counted.in_batches(done.stdout + again.stdout)


def malformed_share_alerts(b):
    """6 of 100 is more than 5 %; 4 of 100 is not."""
    for bad, alerts in ((6, 1), (4, 0)):
        b.generate("--rows", 100 - bad, "--invalid", 0, "--partitions", 3)
        b.produce(b.name, [b"no avro"] * bad)
        done = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
        [batch] = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(batch["alerts"]) == alerts and ("max_share" in done.stderr) == bool(alerts), (batch["alerts"], done.stderr)
        shown = [line for line in done.stderr.splitlines() if "violates check readable" in line]
        assert len(shown) == min(bad, 5), shown
    b.check()


def exactly_once_over_kills(b):
    """With a producer that goes on, kills at each step of a batch, and at any moment."""
    b.generate("--rows", 2000, "--invalid", 0.05, "--start", "2026-03-01T00:00:00Z", "--event-rate", 0.01)
    killed = 0
    for i, fault in enumerate(FAULTS * 2):
        b.generate("--first", 2000 + i * 500, "--rows", 500, "--invalid", 0.05, "--start", "2026-03-01T00:00:00Z", "--event-rate", 0.01)
        done = m.run("run", b.file, "--once", "--progress", "none", cwd=b.folder, env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        killed += done.returncode == -9
    assert killed == len(FAULTS) * 2, killed
    producer = m.start("generate", "events", "--brokers", b.kafka.brokers, "--topic", b.name, "--registry", b.registry.url, "--first", "8000",
                       "--rows", "0", "--rate", "1000", "--invalid", "0.05", "--start", "2026-03-01T00:00:00Z", "--event-rate", "0.01")
    for _ in range(8):
        before = b.versions()
        run = subprocess.Popen([m.BINARY, "run", b.file, "--progress", "none"], cwd=b.folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        m.wait_until(lambda: len(b.versions() - before) > 2 or run.poll() is not None, "new files")
        m.kill(run)
    producer.terminate()
    _, errors = producer.communicate(timeout=30)
    assert producer.returncode == 0, errors
    m.run("run", b.file, "--once", cwd=b.folder)
    events, malformed, _ = b.check()
    assert len(events) + len(malformed) > 9000 and len(malformed) > 300 and len({row[0] for row in events}) > 5, (len(events), len(malformed))
    assert len(b.keys("events/")) == len({row[0] for row in events}), b.keys("events/")


CASES = [fall_backs_and_what_is_required, malformed_share_alerts, exactly_once_over_kills]


def main():
    report = m.Report("customer-360 events")
    names = sys.argv[1:]
    with servers.Kafka() as kafka, Registry() as registry, s3.S3() as store:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-events-") as folder:
                report.case(case.__name__.replace("_", " "), lambda: case(Bench(kafka, registry, store, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
