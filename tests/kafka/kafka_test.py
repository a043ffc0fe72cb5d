"""Topics as sources and sinks, against a real broker, with a client of another maker on the other side."""
import collections
import datetime
import decimal
import io
import itertools
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402

servers.clients()
import fastavro  # noqa: E402
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # noqa: E402


class Bench:
    """A broker with topics, and a folder for a pipeline."""

    def __init__(self, kafka, folder, number):
        self.kafka, self.folder, self.number = kafka, pathlib.Path(folder), number
        self.admin = AdminClient({"bootstrap.servers": kafka.brokers, "log_level": 0})

    def topic(self, name="in", partitions=3, **config):
        full = f"{name}-{self.number}"
        config = {"retention.ms": "-1", **config}  # messages have times of long ago
        self.admin.create_topics([NewTopic(full, partitions, 1, config=config)])[full].result(30)
        return full

    def produce(self, topic, values, key=None, partition=None, **config):
        """Messages, each a value or a dict of what confluent-kafka takes."""
        failed = []
        producer = Producer({"bootstrap.servers": self.kafka.brokers, "log_level": 0, "linger.ms": 5, **config})
        for i, value in enumerate(values):
            fields = value if isinstance(value, dict) else {"value": value}
            fields.setdefault("key", key or str(i))
            if partition is not None:
                fields["partition"] = partition
            producer.produce(topic, on_delivery=lambda error, _: error and failed.append(error), **fields)
            producer.poll(0)
        producer.flush()
        assert not failed, failed[:3]

    def delete_before(self, topic, offset):
        """What retention does, at once."""
        for done in self.admin.delete_records([TopicPartition(topic, 0, offset)]).values():
            done.result(30)

    def remake(self, topic, partitions):
        """Deletes a topic and makes another one of the same name."""
        self.admin.delete_topics([topic])[topic].result(30)
        m.wait_until(lambda: topic not in self.admin.list_topics().topics, f"{topic} to be gone")
        self.admin.create_topics([NewTopic(topic, partitions, 1, config={"retention.ms": "-1"})])[topic].result(30)

    def consume(self, topic, isolation="read_committed"):
        """All messages of a topic, up to its end."""
        consumer = Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": "check", "log_level": 0,
                             "enable.auto.commit": False, "enable.partition.eof": True,
                             "isolation.level": isolation, "auto.offset.reset": "earliest"})
        partitions = self.admin.list_topics(topic).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        messages, ended = [], set()
        while len(ended) < len(partitions):
            message = consumer.poll(30)
            assert message is not None, "nothing came from the broker for 30 s"
            if message.error():
                assert message.error().name() == "_PARTITION_EOF", message.error()
                ended.add(message.partition())
            else:
                messages.append(message)
        consumer.close()
        return messages

    def end(self, topic):
        """The end of a topic's only partition."""
        consumer = Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": "check", "log_level": 0})
        ends = []

        def answers():
            try:
                ends.append(consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)[1])
            except KafkaException:  # a broker that has just started leads nothing yet
                return False
            return True
        m.wait_until(answers, f"the end of {topic}")
        consumer.close()
        return ends[-1]

    def pipeline(self, source, sql, sink="{ type: store, path: out.duckdb }, table: result", more=""):
        self.file = self.folder / "pipeline.yaml"
        self.file.write_text(
            f"pipeline: p{self.number}\n{more}connections:\n  bus: {{ type: kafka, brokers: '{self.kafka.brokers}' }}\n"
            f"sources:\n  input: {{ from: bus, {source} }}\n"
            f"datasets:\n  result: {sql}\n"
            f"sinks:\n  out: {{ from: result, to: {sink} }}\n")
        return self.file

    def run(self, **options):
        return m.run("run", self.file, "--once", cwd=self.folder, **options)

    def start(self, *options, progress="none", **more):
        return m.start("run", self.file, "--progress", progress, *options, cwd=self.folder, **more)

    def written(self):
        """The values in the files that a process writes meanwhile."""
        return sorted(json.loads(line)["v"] for path in (self.folder / "out").glob("*.json")
                      for line in path.read_text().splitlines())

    def rows(self):
        return m.query(self.file, "SELECT * FROM out", cwd=self.folder)

    def values(self):
        return sorted(row["v"] for row in self.rows())


VALUES = "SELECT decode(value) AS v FROM input"
FILES = "{ type: files, path: out }, format: json"


def wait_for_line(process, text):
    """Waits until the process says so; gives what it said up to there."""
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise m.Failed(f"it ended, and did not say '{text}':\n{said[-3000:]}")


def stop(process, within=3.5):
    """Ctrl-C: a clean end, soon."""
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    took = time.monotonic() - begin
    assert process.returncode == 0 and "error: " not in errors, (process.returncode, errors[-3000:])
    assert took < within, f"it took {took:.1f} s to stop"
    return errors


def columns(b):
    topic = b.topic(partitions=2)
    b.produce(topic, [{"key": b"k\xff", "value": "one", "partition": 1, "timestamp": 1_700_000_000_123,
                       "headers": [("h", b"1"), ("h", b"2"), ("none", None)]},
                      {"key": None, "value": None, "partition": 0, "timestamp": 1_700_000_000_456},
                      {"key": "", "value": "", "partition": 0, "timestamp": 1_700_000_000_789}])
    b.pipeline(f"topic: {topic}", "SELECT hex(key) AS key, decode(value) AS value, topic, partition, \"offset\", "
               "epoch_ms(timestamp) AS ms, list_transform(headers, h -> h.key || '=' || coalesce(decode(h.value), 'NULL')) AS headers "
               "FROM input")
    b.run()
    rows = sorted(b.rows(), key=lambda r: (r["partition"], r["offset"]))
    assert rows == [
        {"key": None, "value": None, "topic": topic, "partition": 0, "offset": 0,
         "ms": 1_700_000_000_456, "headers": []},
        {"key": "", "value": "", "topic": topic, "partition": 0, "offset": 1, "ms": 1_700_000_000_789, "headers": []},
        {"key": "6BFF", "value": "one", "topic": topic, "partition": 1, "offset": 0, "ms": 1_700_000_000_123,
         "headers": ["h=1", "h=2", "none=NULL"]}], rows


def lag(b):
    """Progress says how far behind we are, in all and by partition."""
    topic = b.topic(partitions=2)
    b.produce(topic, [{"value": str(i), "partition": i % 2} for i in range(100)])
    b.pipeline(f"topic: {topic}, max_offsets_per_trigger: 20", VALUES)
    done = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
    seen = [json.loads(line)["sources"][0] for line in done.stdout.splitlines()]
    assert [x["metrics"]["totalOffsetsBehindLatest"] for x in seen] == [80, 60, 40, 20, 0], seen
    assert all(x["latestOffset"] == {topic: {"0": 50, "1": 50}} for x in seen), seen
    assert all(sum(x["offsetsBehindLatest"][topic].values()) == x["metrics"]["totalOffsetsBehindLatest"] for x in seen), seen


def bytes_per_batch(b):
    """A backlog is cut by the size of its messages; the first batch by a guess."""
    topic = b.topic(partitions=2)
    values = [f"{i:03}" + "x" * 10_000 for i in range(500)]
    b.produce(topic, [{"value": value, "partition": i % 2} for i, value in enumerate(values)])
    for limit, most in (("200KB", 20), ("25KB", 2)):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, folder, b.number)
            other.pipeline(f"topic: {topic}, max_bytes_per_trigger: {limit}", "SELECT decode(value)[:3] AS v FROM input")
            done = m.run("run", other.file, "--once", "--progress", "json", cwd=other.folder)
            first, *rest = [json.loads(line)["sources"][0]["numInputRows"] for line in done.stdout.splitlines()]
            assert first + sum(rest) == 500 and first <= 200 and max(rest) <= most, (first, rest)
            assert other.values() == sorted(value[:3] for value in values)


def enough_to_begin(b):
    """min_offsets_per_trigger is waited for, but not for more than the buffer holds."""
    topic = b.topic(partitions=1)
    b.produce(topic, ["x" * 5000 for _ in range(1000)])
    b.pipeline(f"topic: {topic}, min_offsets_per_trigger: 1000, max_trigger_delay: 1h, buffer: 1MiB", VALUES, sink=FILES)
    process = b.start()
    m.wait_until(lambda: process.poll() is not None or len(b.written()) >= 200, "a batch of what the buffer holds")
    assert process.poll() is None, process.communicate()[1]
    stop(process)


def goes_on(b):
    """What comes between two runs is read by the second, and nothing twice; the group is told."""
    topic = b.topic()
    b.pipeline(f"topic: {topic}, max_offsets_per_trigger: 70", VALUES)
    b.produce(topic, [f"a{i}" for i in range(500)])
    b.run()
    b.produce(topic, [f"b{i}" for i in range(300)])
    b.run()
    assert b.values() == sorted([f"a{i}" for i in range(500)] + [f"b{i}" for i in range(300)])
    committed = Consumer({"bootstrap.servers": b.kafka.brokers, "group.id": "millrace-input"}).committed(
        [TopicPartition(topic, p) for p in range(3)], 30)
    assert sum(c.offset for c in committed) == 800, committed


def starts_where_told(b):
    topic = b.topic(partitions=2)
    b.produce(topic, [{"value": f"{p}-{i}", "partition": p, "timestamp": 1_700_000_000_000 + i * 1000}
                      for p in (0, 1) for i in range(10)])
    for start, want in (("latest", []), ("earliest", [f"{p}-{i}" for p in (0, 1) for i in range(10)]),
                        ("'2023-11-14T22:13:25Z'", [f"{p}-{i}" for p in (0, 1) for i in range(5, 10)]),
                        (f"{{ {topic}: {{ 0: 8, 1: latest }} }}", ["0-8", "0-9"])):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, folder, b.number)
            other.pipeline(f"topic: {topic}, starting_offsets: {start}", VALUES)
            other.run()
            assert other.values() == want, (start, other.values())


def reads_committed_only(b):
    topic = b.topic(partitions=1)
    for number, end in enumerate(("commit_transaction", "abort_transaction", "commit_transaction")):
        producer = Producer({"bootstrap.servers": b.kafka.brokers, "transactional.id": f"t{b.number}"})
        producer.init_transactions(30)
        producer.begin_transaction()
        for i in range(20):
            producer.produce(topic, value=f"{number}-{i}")
        getattr(producer, end)(30)
    b.pipeline(f"topic: {topic}", VALUES)
    b.run()
    assert b.values() == sorted(f"{n}-{i}" for n in (0, 2) for i in range(20))
    b.run()  # the marker of the last transaction is no news
    assert len(b.values()) == 40


def live(b):
    """Rows come out while it runs; a new partition and a new topic are picked up; the broker may go and come back."""
    topic = b.topic("live", partitions=1)
    b.pipeline(f"topic_pattern: 'live.*-{b.number}', discovery_interval: 200ms", VALUES,
               sink=FILES)
    process = b.start()
    want = []

    def wait():
        m.wait_until(lambda: process.poll() is None and b.written() == sorted(want), f"{len(want)} rows")
    try:
        b.produce(topic, ["first"])
        want.append("first")
        wait()
        b.admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
        m.wait_until(lambda: len(b.admin.list_topics(topic).topics[topic].partitions) == 2, "the new partition")
        b.produce(topic, ["second"], partition=1)
        other = b.topic("live2", partitions=1)
        b.produce(other, ["third"])
        want += ["second", "third"]
        wait()
        b.kafka.stop(signal.SIGKILL)
        b.kafka.start()
        b.produce(topic, ["fourth"], partition=0)
        want.append("fourth")
        wait()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors[-2000:]
        assert 1 <= errors.count("going on trying") <= 3 and "answers again" in errors, errors[-3000:]
    finally:
        if process.poll() is None:
            m.kill(process)


def data_loss(b):
    """Retention has passed what was not read while the process was stopped."""
    topic = b.topic(partitions=1)
    b.pipeline(f"topic: {topic}", VALUES)
    b.produce(topic, [f"a{i}" for i in range(10)])
    b.run()
    b.produce(topic, [f"b{i}" for i in range(10)])
    b.delete_before(topic, 15)
    done = b.run(check=False)
    assert done.returncode != 0 and f"offset 10 of {topic}/0 is gone" in done.stderr \
        and "on_data_loss: continue" in done.stderr, done.stderr
    b.pipeline(f"topic: {topic}, on_data_loss: continue", VALUES)
    done = b.run()
    assert "5 offsets were gone" in done.stderr, done.stderr
    assert b.values() == sorted([f"a{i}" for i in range(10)] + [f"b{i}" for i in range(5, 10)])


def made_anew(b):
    """A topic is deleted and made anew, with less in it, while the process is stopped; or only deleted."""
    topic = b.topic(partitions=2)
    b.pipeline(f"topic: {topic}", VALUES)
    b.produce(topic, [{"value": f"a{i}", "partition": i % 2} for i in range(20)])
    b.run()
    b.remake(topic, partitions=2)
    b.produce(topic, [{"value": f"b{i}", "partition": i % 2} for i in range(10)])
    for trigger in (["--once"], []):
        done = m.run("run", b.file, *trigger, cwd=b.folder, check=False)
        assert done.returncode == 3 and f"offset 10 of {topic}/" in done.stderr and "is gone" in done.stderr, done.stderr
    b.pipeline(f"topic: {topic}, on_data_loss: continue", VALUES)
    done = b.run()
    want = [f"a{i}" for i in range(20)] + [f"b{i}" for i in range(10)]
    assert b.values() == sorted(want), b.values()
    for partition in (0, 1):
        assert f"{topic}/{partition} was made anew" in done.stderr and "up to offset 10" in done.stderr, done.stderr
    b.produce(topic, [{"value": f"c{i}", "partition": i % 2} for i in range(4)])  # from here on as ever
    done = b.run()
    assert b.values() == sorted(want + [f"c{i}" for i in range(4)]) and "anew" not in done.stderr, done.stderr
    b.pipeline(f"topic: {topic}", VALUES)
    b.admin.delete_topics([topic])[topic].result(30)
    done = b.run(check=False)
    assert done.returncode == 3 and f"offset 7 of {topic}/0 is gone (there is no such partition" in done.stderr, done.stderr


def lost_while_running(b):
    """The process can't read for a while; then retention has passed what it wants, or the topic was made anew."""
    for remade in (False, True):
        for policy in ("continue", "fail"):
            with tempfile.TemporaryDirectory() as folder:
                other = Bench(b.kafka, folder, f"{b.number}-{'remade' if remade else 'retention'}-{policy}")
                lose(other, remade, policy)


def lose(b, remade, policy):
    topic = b.topic(partitions=1)
    b.pipeline(f"topic: {topic}, on_data_loss: {policy}, discovery_interval: 200ms", VALUES,
               sink=FILES)
    process, written = b.start(), b.written
    try:
        old = sorted(f"a{i:03}" for i in range(50))
        b.produce(topic, old)
        m.wait_until(lambda: process.poll() is None and written() == old, "the first rows")
        process.send_signal(signal.SIGSTOP)
        if remade:
            b.remake(topic, partitions=1)
        for i in range(50, 90):  # each a request: a fetch that is under way gets the first of them
            b.produce(topic, [f"b{i:03}"])
        if not remade:
            b.delete_before(topic, 80)
        process.send_signal(signal.SIGCONT)
        if policy == "fail":
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 3 and f"of {topic}/0 is gone" in errors, (process.returncode, errors[-2000:])
            return
        last = [f"b{i:03}" for i in range(50 if remade else 80, 90)]
        m.wait_until(lambda: process.poll() is None and written()[-len(last):] == last, "the last rows")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        rows = written()
        assert process.returncode == 0 and len(rows) == len(set(rows)) and rows[:50] == old, errors[-2000:]
        if remade:
            assert rows == old + last and f"{topic}/0 was made anew" in errors, (len(rows), errors[-2000:])
        else:
            lost = sum(int(n) for n in re.findall(r"(\d+) offsets were gone", errors))
            assert 0 < lost == 90 - len(rows), (lost, len(rows), errors[-2000:])
    finally:
        if process.poll() is None:
            m.kill(process)


def lost_from_a_batch(b):
    """A batch was logged, not committed, and what it is to read again is gone: an error, or what is left of it."""
    for remade in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, folder, f"{b.number}-{'remade' if remade else 'retention'}")
            lose_from_a_batch(other, remade)


def lose_from_a_batch(b, remade):
    topic = b.topic(partitions=1)
    b.pipeline(f"topic: {topic}", VALUES)
    b.produce(topic, [f"a{i}" for i in range(20)])
    done = b.run(env={"MILLRACE_FAULT": "checkpoint.offsets.after_sync:1"}, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if remade:
        b.remake(topic, partitions=1)
    else:
        b.delete_before(topic, 15)
    b.produce(topic, [f"b{i}" for i in range(5)])
    done = b.run(check=False)
    assert done.returncode == 3 and f"offset 0 of {topic}/0 is gone" in done.stderr, done.stderr
    b.pipeline(f"topic: {topic}, on_data_loss: continue", VALUES)
    done = b.run()
    left = [] if remade else [f"a{i}" for i in range(15, 20)]
    assert b.values() == sorted(left + [f"b{i}" for i in range(5)]), (b.values(), done.stderr)
    lost = sum(int(n) for n in re.findall(r"(\d+) offsets were gone", done.stderr))
    assert lost == 20 - len(left), (lost, done.stderr)
    assert ("was made anew" in done.stderr) == remade, done.stderr


def writes(b):
    source, target = b.topic(partitions=2), b.topic("out", partitions=2)
    b.produce(source, [{"key": f"k{i}", "value": f"v{i}", "partition": i % 2, "timestamp": 1_700_000_000_000 + i}
                       for i in range(100)])
    b.pipeline(f"topic: {source}", "SELECT key, decode(value) || '!' AS value, 1 - partition AS partition, timestamp FROM input",
               sink=f"bus, topic: {target}, mode: append")
    b.run()
    got = {(x.key().decode(), x.value().decode(), x.partition(), x.timestamp()[1]) for x in b.consume(target)}
    assert got == {(f"k{i}", f"v{i}!", 1 - i % 2, 1_700_000_000_000 + i) for i in range(100)}


def killed_anywhere(b):
    """Killed at each step of a batch, it has written each message once for who reads what is committed."""
    source = b.topic(partitions=2)
    count = 40
    b.produce(source, [str(i) for i in range(count)])
    for fault in ("checkpoint.offsets.after_sync", "batch.after_run", "batch.after_stage", "kafka.after_commit",
                  "batch.after_publish", "checkpoint.commit.after_sync"):
        for nth in (1, 2):
            target = b.topic(f"out-{fault}-{nth}", partitions=2)
            with tempfile.TemporaryDirectory() as folder:
                other = Bench(b.kafka, folder, f"{b.number}-{fault.replace('.', '-')}-{nth}")
                other.pipeline(f"topic: {source}, max_offsets_per_trigger: 15", "SELECT key, value FROM input",
                               sink=f"bus, topic: {target}, mode: append")
                done = other.run(env={"MILLRACE_FAULT": f"{fault}:{nth}"}, check=False)
                assert done.returncode == -signal.SIGKILL, (fault, nth, done.returncode, done.stderr[-500:])
                other.run()
                got = sorted(int(x.value()) for x in b.consume(target))
                assert got == list(range(count)), (fault, nth, len(got))


def json_values(b):
    """Nested JSON; what does not fit is put aside with its place, and the rest goes on."""
    topic = b.topic(partitions=2)
    orders = [{"id": i, "seen": f"2024-02-29T12:00:{i:02}Z", "customer": {"name": f"c{i}", "tags": ["x", None]},
               "items": [{"sku": f"s{j}", "price": f"{j}.25"} for j in range(i % 3)], "unknown": i} for i in range(30)]
    b.produce(topic, [{"value": json.dumps(order), "partition": i % 2} for i, order in enumerate(orders)])
    b.produce(topic, [{"value": b'{"id": "x"}', "partition": 0, "key": "bad"},
                      {"value": b'{"id": 1\xff', "partition": 1, "key": "worse"}])
    schema = ("'id BIGINT, seen TIMESTAMPTZ, customer STRUCT(name VARCHAR, tags VARCHAR[]), "
              "items STRUCT(sku VARCHAR, price DECIMAL(6,2))[]'")
    b.pipeline(f"topic: {topic}, format: json, schema: {schema}, metadata: {{ place: offset }}",
               "SELECT id, epoch_ms(seen) AS ms, customer.name AS name, len(customer.tags) AS tags, len(items) AS n, "
               "list_sum([i.price FOR i IN items])::VARCHAR AS total, place FROM input")
    done = b.run()
    rows = sorted(b.rows(), key=lambda r: r["id"])
    want = [{"id": i, "ms": 1_709_208_000_000 + i * 1000, "name": f"c{i}", "tags": 2, "n": i % 3,
             "total": [None, "0.25", "1.50"][i % 3], "place": i // 2} for i in range(30)]
    assert m.canonical(rows) == m.canonical(want), (rows[:3], want[:3])
    bad = [json.loads(line) for path in (b.folder / ".millrace").rglob("quarantine/input/*.jsonl")
           for line in path.read_text().splitlines()]
    assert sorted((x["topic"], x["partition"], x["offset"], x["column"], x.get("raw"), x["key"]) for x in bad) == \
        [(topic, 0, 15, "id", '{"id": "x"}', "bad"), (topic, 1, 15, "", None, "worse")], bad
    assert all(x["timestamp_ms"] > 0 and x["reason"] for x in bad) and bad[0] is not bad[1]
    assert done.stderr.count("is malformed") == 2, done.stderr
    for policy, code in (("drop", 0), ("fail", 3)):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, folder, f"{b.number}-{policy}")
            other.pipeline(f"topic: {topic}, format: json, schema: {schema}, on_malformed: {policy}", "SELECT id FROM input")
            done = other.run(check=False)
            assert done.returncode == code, (policy, done.returncode, done.stderr)
            if code == 0:
                assert len(other.rows()) == 30
            else:
                assert f"offset 15 of {topic}/" in done.stderr and "on_malformed: quarantine" in done.stderr, done.stderr


ORDER = {"type": "record", "name": "Order", "namespace": "com.example", "fields": [
    {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["OPEN", "PAID"]}},
    {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
        {"name": "sku", "type": "string"}, {"name": "price", "type": "double"}]}}},
    {"name": "tags", "type": {"type": "map", "values": "string"}}]}


def avro_both_ways(b):
    """What fastavro writes is read, and what is written fastavro reads; a record that is cut short is put aside."""
    schema = fastavro.parse_schema(ORDER)
    source, target = b.topic(partitions=2), b.topic("out", partitions=2)
    orders = [{"id": i, "note": None if i % 4 == 0 else f"n{i}", "status": ["OPEN", "PAID"][i % 2],
               "total": decimal.Decimal(i * 125) / 100, "day": datetime.date(2024, 2, 1) + datetime.timedelta(i),
               "seen": datetime.datetime(2024, 2, 29, 12, 0, i, 123456, datetime.timezone.utc),
               "items": [{"sku": f"s{j}", "price": j + 0.5} for j in range(i % 3)], "tags": {"a": str(i)} if i % 2 else {}}
              for i in range(40)]

    def encoded(order):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, order)
        return out.getvalue()
    b.produce(source, [encoded(order) for order in orders] + [encoded(orders[7])[:-1]])
    (b.folder / "order.avsc").write_text(json.dumps(ORDER))
    b.pipeline(f"topic: {source}, format: avro, schema_file: order.avsc",
               "SELECT id::VARCHAR AS key, id, note, status, total, day, seen, len(items) AS n, "
               "list_sum([x.price for x in items]) AS prices, tags['a'] AS tag FROM input",
               sink=f"bus, topic: {target}, mode: append, format: avro, record_name: com.example.Out")
    done = b.run()
    assert done.stderr.count("is malformed") == 1, done.stderr
    fields = [("id", "long"), ("note", "string"), ("status", "string"),
              ("total", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}),
              ("day", {"type": "int", "logicalType": "date"}), ("seen", {"type": "long", "logicalType": "timestamp-micros"}),
              ("n", "long"), ("prices", "double"), ("tag", "string")]
    reader = fastavro.parse_schema({"type": "record", "name": "com.example.Out", "fields": [
        {"name": name, "type": ["null", kind], "default": None} for name, kind in fields]})
    got = {x.key().decode(): fastavro.schemaless_reader(io.BytesIO(x.value()), reader) for x in b.consume(target)}
    want = {str(o["id"]): {**{k: o[k] for k in ("id", "note", "status", "total", "day", "seen")}, "n": len(o["items"]),
                           "prices": sum(x["price"] for x in o["items"]) if o["items"] else None, "tag": o["tags"].get("a")}
            for o in orders}
    assert got == want, [(got.get(k), want[k]) for k in want if got.get(k) != want[k]][:2]


def medallion(b):
    """The example: layers agree with what was sent, duplicates count once, late orders and broken messages are kept."""
    b.admin.create_topics([NewTopic("custords", 3, 1, config={"retention.ms": "-1"})])["custords"].result(30)
    start = datetime.datetime(2026, 3, 1)

    def order(i, at):
        items = [{"product_id": f"p{(i + j) % 7}", "category": "abc"[(i + j) % 3], "qty": j + 1, "price": 1.25 * (i % 9 + 1)}
                 for j in range(i % 3 + 1)]
        return {"event_id": f"e{i}", "event_type": "order_paid", "event_time": at.isoformat() + "Z",
                "order": {"order_id": f"o{i}", "status": "PAID" if i % 4 else "PENDING", "items": items,
                          "customer": {"id": i % 11, "name": f"c{i % 11}", "city": "Oslo"}}}
    orders = [order(i, start + datetime.timedelta(seconds=20 * i)) for i in range(1500)]
    messages = [json.dumps(o) for i, o in enumerate(orders) for _ in range(2 if i % 10 == 0 else 1)]
    late = [order(i, start + datetime.timedelta(seconds=i)) for i in range(10_001, 10_010)]
    env = {"KAFKA_BROKERS": b.kafka.brokers}
    shutil.copytree(m.ROOT / "examples" / "medallion", b.folder, dirs_exist_ok=True)
    b.file = b.folder / "pipeline.yaml"
    b.produce("custords", messages + ["{broken"])
    b.run(env=env)
    b.produce("custords", [json.dumps(o) for o in late])
    b.run(env=env)

    def rows(sql):
        return m.canonical(json.loads(line) for line in m.run("query", b.file, sql, "--format", "json", "--limit", 100_000,
                                                             cwd=b.folder, env=env).stdout.splitlines())
    sold = [(o, item) for o in orders if o["order"]["status"] == "PAID" for item in o["order"]["items"]]
    assert rows("SELECT count(*) AS n, count(DISTINCT event_id) AS ids, count(DISTINCT (kafka_partition, kafka_offset)) AS places "
                "FROM bronze") == m.canonical([{"n": len(messages) + 9, "ids": 1509, "places": len(messages) + 9}])
    assert rows("SELECT event_id, product_id, qty, price::DOUBLE AS price FROM silver") == m.canonical(
        {"event_id": o["event_id"], **{k: item[k] for k in ("product_id", "qty", "price")}} for o, item in sold)

    def totals(key):
        sums = collections.defaultdict(lambda: [0, 0])
        for o, item in sold:
            sums[key(o, item)][0] += item["qty"] * item["price"]
            sums[key(o, item)][1] += item["qty"]
        return sums
    assert rows("SELECT category, revenue::DOUBLE AS revenue, quantity FROM revenue_by_category") == m.canonical(
        {"category": k, "revenue": r, "quantity": q} for k, (r, q) in totals(lambda o, i: i["category"]).items())
    assert rows("SELECT customer_id, spend::DOUBLE AS spend FROM top_customers") == m.canonical(
        {"customer_id": k, "spend": r} for k, (r, _) in totals(lambda o, i: o["order"]["customer"]["id"]).items())
    closed = start + datetime.timedelta(seconds=20 * 1499) - datetime.timedelta(hours=1)
    hours = totals(lambda o, i: (datetime.datetime.fromisoformat(o["event_time"][:-1]).replace(minute=0, second=0), i["category"]))
    assert rows("SELECT epoch_ms(hour) AS hour, category, revenue::DOUBLE AS revenue FROM hourly_revenue") == m.canonical(
        {"hour": int(h.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000), "category": c, "revenue": r}
        for (h, c), (r, _) in hours.items() if h + datetime.timedelta(hours=1) <= closed)
    assert rows("SELECT event_id FROM late_paid") == m.canonical(
        {"event_id": o["event_id"]} for o in late if o["order"]["status"] == "PAID")
    quarantined = list((b.folder / ".millrace/medallion/quarantine/orders").glob("*.jsonl"))
    assert [json.loads(line)["raw"] for path in quarantined for line in path.read_text().splitlines()] == ["{broken"]


def bad_options(b):
    for source, want in (("topic: a, topic_pattern: b", "needs `topic` or `topic_pattern`"),
                         ("topic: a, starting_offsets: soon", "must be earliest, latest, a time or offsets"),
                         ("topic_pattern: '('", "`topic_pattern`"),
                         ("topic: a, metadata: { x: colour }", "a message has no colour"),
                         ("topic: a, as: table", "can't be read `as: table`")):
        b.pipeline(source, VALUES)
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        assert done.returncode != 0 and want in done.stdout + done.stderr, (source, done.stdout, done.stderr)
    for sink, want in (("compression: lz5", "must be `none`, `gzip`, `snappy`, `lz4` or `zstd`"), ("librdkafka: { compression.type: zstd }", "can't set compression.type")):
        b.pipeline("topic: a", "SELECT value FROM input", sink=f"{{ type: kafka, brokers: '{b.kafka.brokers}' }}, topic: x, mode: append")
        text = b.file.read_text()
        b.file.write_text(text.replace("topic: x", f"topic: x, {sink}") if sink.startswith("c") else text.replace("' }, topic: x", f"', {sink} }}, topic: x"))
        done = m.run("validate", b.file, cwd=b.folder, check=False)
        assert done.returncode != 0 and want in done.stdout + done.stderr, (sink, done.stdout, done.stderr)


def broker_comes_later(b):
    """A broker that is down at the start is waited for, by a source and by a sink; so is --once."""
    source, target = b.topic(partitions=1), b.topic("out", partitions=1)
    b.produce(source, [str(i) for i in range(10)])
    processes = []
    b.kafka.stop(signal.SIGKILL)
    try:
        for number, (trigger, sink) in enumerate(itertools.product((["--once"], []), (FILES, f"bus, topic: {target}, mode: append"))):
            folder = b.folder / str(number)
            folder.mkdir()
            other = Bench(b.kafka, folder, f"{b.number}-{number}")
            other.pipeline(f"topic: {source}, discovery_interval: 200ms", "SELECT decode(value) AS v, value FROM input", sink=sink)
            processes.append((other, trigger, sink, other.start(*trigger)))
        for *_, process in processes:
            wait_for_line(process, "going on trying")
    finally:
        b.kafka.start()
    try:
        for other, trigger, sink, process in processes:
            if sink == FILES:
                m.wait_until(lambda: other.written() == [str(i) for i in range(10)], "the rows")
            if trigger:
                _, errors = process.communicate(timeout=60)
                assert process.returncode == 0 and errors.count("going on trying") <= 2, errors[-2000:]
        m.wait_until(lambda: sorted(x.value() for x in b.consume(target)) == sorted(str(i).encode() for i in range(10) for _ in range(2)),
                     "the messages")
        for _, trigger, _, process in processes:
            if not trigger:
                stop(process)
    finally:
        for *_, process in processes:
            if process.poll() is None:
                m.kill(process)


def not_there(b):
    """A wrong port and a wrong host are waited for, and named; a stop is heard."""
    for brokers, want in (("127.0.0.1:1", "Connection refused"), ("no-such-host.invalid:9092", "no-such-host.invalid")):
        for trigger in (["--once"], []):
            for sink in (FILES, "bus, topic: x, mode: append"):
                b.pipeline("topic: x", "SELECT value, 'x' AS v FROM input", sink=sink)
                b.file.write_text(b.file.read_text().replace(b.kafka.brokers, brokers))
                process = b.start(*trigger, progress="log")
                said = wait_for_line(process, "going on trying")
                assert want in said, (brokers, said)
                assert "stopped: 0 batches" in stop(process)


def connects(b):
    """validate --connect: topics that are missing are told and not made; a cluster that is not there is not waited for for ever."""
    topic, missing = b.topic(), f"nothing-{b.number}"

    def tried(code, *options):
        done = m.run("validate", "--connect", *options, b.file, cwd=b.folder, check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr
    sql = "SELECT value FROM input"
    b.pipeline(f"topic: {topic}", sql, sink=f"bus, topic: {topic}, mode: append")
    said = tried(0)
    assert f"source input: kafka {topic} on {b.kafka.brokers}: ok" in said and f"sink out: kafka {topic} on" in said, said
    b.pipeline(f"topic: {missing}", sql, sink=f"bus, topic: {missing}, mode: append")
    said = tried(2)
    assert f"warning: source input: there is no topic {missing}" in said and f"error: sink out: there is no topic {missing}" in said, said
    b.pipeline(f"topic: {missing}", sql, sink=f"bus, topic: {missing}, mode: append, create_topic: true")
    tried(0)
    assert missing not in b.admin.list_topics(timeout=30).topics
    b.file.write_text(b.file.read_text().replace(b.kafka.brokers, "127.0.0.1:1"))
    assert "there was no answer within 2 s" in tried(3, "--connect-timeout", "2")


def stops_while_reading(b):
    """A stop is heard while messages are waited for; what was read is not lost, and nothing comes twice."""
    topic = b.topic(partitions=1)
    count = 300_000  # more than can be read between a first batch and the signal
    b.produce(topic, [f"{i:06}" + "x" * 200 for i in range(count)])
    b.pipeline(f"topic: {topic}, max_offsets_per_trigger: 10000, buffer: 1MiB", "SELECT substr(decode(value), 1, 6) AS v FROM input", sink=FILES)
    for trigger in (["--once"], []):
        process = b.start(*trigger)
        had = len(b.written())
        m.wait_until(lambda: process.poll() is not None or len(b.written()) > had, "a batch")
        assert process.poll() is None, process.communicate()[1]
        b.kafka.process.send_signal(signal.SIGSTOP)
        try:
            stop(process)
        finally:
            b.kafka.process.send_signal(signal.SIGCONT)
        assert len(b.written()) < count
    b.run()
    assert b.written() == [f"{i:06}" for i in range(count)]


def stops_while_writing(b):
    """A stop is heard while a batch is written or committed, with the broker down or silent; the batch is in the topic once."""
    target = b.topic(partitions=1)
    b.pipeline("topic: x", "SELECT value::VARCHAR AS value FROM input", sink=f"bus, topic: {target}, mode: append")
    b.file.write_text(b.file.read_text().replace("{ from: bus, topic: x }", "{ from: { type: rate }, rows_per_second: 5000 }"))
    silent = [(signal.SIGSTOP, lambda: b.kafka.process.send_signal(signal.SIGCONT)), (signal.SIGKILL, b.kafka.start)]
    seen = 0
    for how, back in silent * 2:
        process = b.start()
        m.wait_until(lambda: process.poll() is None and b.end(target) > seen + 100, "batches")
        if how == signal.SIGKILL:
            b.kafka.stop(how)
            wait_for_line(process, "going on trying")
        else:
            b.kafka.process.send_signal(how)
        try:
            stop(process)
        finally:
            back()
        seen = b.end(target)
    process = b.start()
    m.wait_until(lambda: process.poll() is None and b.end(target) > seen, "the rest")
    stop(process)
    values = sorted(int(x.value()) for x in b.consume(target))
    assert values == list(range(values[0], values[0] + len(values))), (len(values), values[:5], values[-5:])


CASES = [bad_options, columns, json_values, avro_both_ways, medallion, lag, bytes_per_batch, enough_to_begin, goes_on, starts_where_told, reads_committed_only, data_loss, made_anew, lost_while_running, lost_from_a_batch, writes, killed_anywhere, live, broker_comes_later,
         not_there, connects, stops_while_reading, stops_while_writing]


def main():
    report = m.Report("kafka")
    names = sys.argv[1:]
    with servers.Kafka() as kafka:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-kafka-") as folder:
                report.case(case.__name__, lambda: case(Bench(kafka, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
