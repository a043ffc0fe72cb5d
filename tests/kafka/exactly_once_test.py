"""Topic → DISTINCT → topic, with the process killed at random, the broker stopped and a partition added meanwhile: each
message is in the result once. `--messages 1000000 --kills 30 --stops 3` is the long run."""
import argparse
import collections
import json
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402

servers.clients()
from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # noqa: E402
from kafka_test import Bench  # noqa: E402

PIPELINE = """pipeline: exactly-once
connections:
  bus: {{ type: kafka, brokers: '{brokers}' }}
sources:
  input:
    from: bus
    topic: source
    format: json
    schema: id BIGINT
    discovery_interval: 500ms
datasets:
  result: SELECT DISTINCT ON (id) id::VARCHAR AS key, id::VARCHAR AS value FROM input
sinks:
  out: {{ from: result, to: bus, topic: target, mode: append }}
"""


class Feed(threading.Thread):
    """Produces ids 0 to count, one in fifty twice, whatever becomes of the broker."""

    def __init__(self, brokers, count, seed):
        super().__init__(daemon=True)
        self.brokers, self.count, self.random = brokers, count, random.Random(seed)
        self.sent, self.failed = 0, []
        self.allowed, self.changed = 0, threading.Condition()

    def allow(self, count):
        """Goes on up to so many, so that there is something new between all kills."""
        with self.changed:
            self.allowed = count
            self.changed.notify()

    def run(self):
        producer = Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 20, "log_level": 0,
                             "topic.metadata.refresh.interval.ms": 1000, "message.timeout.ms": 0,
                             "queue.buffering.max.messages": 100_000})
        recent = collections.deque(maxlen=500)
        for i in range(self.count):
            if i >= self.allowed:
                with self.changed:
                    self.changed.wait_for(lambda: i < self.allowed)
            recent.append(i)
            for id_ in [i] + ([self.random.choice(recent)] if self.random.random() < 0.02 else []):
                while True:
                    try:
                        producer.produce("source", json.dumps({"id": id_}), str(id_),
                                         on_delivery=lambda error, _: error and self.failed.append(error))
                        break
                    except BufferError:
                        producer.poll(0.1)
            producer.poll(0)
            self.sent = i + 1
        producer.flush()


def exactly_once(kafka, folder, options):
    rng = random.Random(options.seed)
    admin = AdminClient({"bootstrap.servers": kafka.brokers, "log_level": 0})
    for future in admin.create_topics([NewTopic("source", 3, 1), NewTopic("target", 2, 1)]).values():
        future.result(30)
    file = folder / "pipeline.yaml"
    file.write_text(PIPELINE.format(brokers=kafka.brokers))
    feed = Feed(kafka.brokers, options.messages, options.seed)
    feed.start()
    stops = set(rng.sample(range(options.kills), options.stops))
    grown = options.kills // 2
    for kill in range(options.kills):
        feed.allow(options.messages * (kill + 1) // options.kills)
        process = m.start("run", file, "--progress", "none", cwd=folder)
        time.sleep(rng.uniform(0.1, options.life))  # the moment of the kill, not a wait for anything
        if kill in stops:
            kafka.stop(signal.SIGKILL if rng.random() < 0.5 else signal.SIGTERM)
            if rng.random() < 0.5:
                m.kill(process)
            kafka.start()
        if kill == grown:
            admin.create_partitions([NewPartitions("source", 4)])["source"].result(60)
        if process.poll() is None:
            m.kill(process)
        assert process.returncode == -signal.SIGKILL, (kill, process.returncode, process.communicate()[1][-3000:])
        print(f"     kill {kill + 1}: {feed.sent:,} sent", flush=True)
    feed.join(600)
    assert not feed.is_alive() and not feed.failed, (feed.sent, feed.failed[:3])
    m.run("run", file, "--once", cwd=folder, timeout=600)
    counts = collections.Counter(int(x.value()) for x in Bench(kafka, folder, 0).consume("target"))
    twice = [i for i, n in counts.items() if n > 1]
    missing = [i for i in range(options.messages) if i not in counts]
    assert not twice and not missing and len(counts) == options.messages, \
        f"{len(twice)} twice, such as {twice[:5]}; {len(missing)} missing, such as {missing[:5]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=150_000)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--stops", type=int, default=1)
    parser.add_argument("--life", type=float, default=1.5, help="seconds that a process lives at most")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    print(f"exactly once, seed {options.seed}")
    report = m.Report("exactly_once")
    with servers.Kafka() as kafka, tempfile.TemporaryDirectory(prefix="millrace-kafka-") as folder:
        report.case(f"{options.messages:,} messages, {options.kills} kills, {options.stops} stops of the broker",
                    lambda: exactly_once(kafka, pathlib.Path(folder), options))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
