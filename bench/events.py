#!/usr/bin/env python3
"""How long a batch of 400 events takes from the topic to Parquet on S3: the job examples/customer-360/events.yaml (Avro by a
schema registry, checks, a folder a day), with real servers on the same machine.

The Spark job that does the same took about 20 s a batch for some 400 rows, and left 279 files of 8 KB in a day's folder.

Usage: bench/events.py [--batches N] [--rows N]
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
os.environ.setdefault("MILLRACE_BIN", str(ROOT / "build" / "release" / "millrace"))
import millrace as m  # noqa: E402
import s3  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

BUCKET = "millrace-bench"


def show(what, taken):
    taken = sorted(taken)
    print(f"{what:24} median {statistics.median(taken):6.1f} ms, 90 % {taken[len(taken) * 9 // 10]:6.1f} ms, worst {taken[-1]:6.1f} ms")


def measure(options, home, kafka, registry, store, rolling):
    """The events are there; each batch takes so many of them."""
    shutil.copytree(ROOT / "examples" / "customer-360", home)
    topic = f"events-{'rolling' if rolling else 'plain'}"
    pipeline = home / "events.yaml"
    text = pipeline.read_text().replace("trigger: 10s", "trigger: available_now")
    text = text.replace("topic: events\n", f"topic: {topic}\n    max_offsets_per_trigger: {options.rows}\n")
    if not rolling:
        text = "".join(line for line in text.splitlines(True) if "roll_interval" not in line and "visible_within" not in line)
    pipeline.write_text(text)
    env = {"KAFKA_BROKERS": kafka.brokers, "SCHEMA_REGISTRY": registry.url, "LAKE": f"s3://{BUCKET}/{topic}",
           "AWS_ENDPOINT_URL": store.endpoint, "AWS_ACCESS_KEY_ID": store.KEY, "AWS_SECRET_ACCESS_KEY": store.SECRET, "AWS_REGION": "us-east-1"}
    m.run("generate", "events", "--brokers", kafka.brokers, "--topic", topic, "--registry", registry.url, "--partitions", 3,
          "--rows", options.batches * options.rows, "--start", "now", "--invalid", 0.01)
    out = m.run("run", "events.yaml", "--once", "--progress", "json", cwd=home, env=env).stdout
    batches = [json.loads(line) for line in out.splitlines()]
    whole = [b for b in batches[1:] if b["numInputRows"] >= options.rows * 0.9]
    print(f"{'rolling files' if rolling else 'a file a batch'}: {len(whole)} batches of {options.rows} events")
    for part in ("triggerExecution", *sorted(set(whole[0]["durationMs"]) - {"triggerExecution"})):
        show("  " + part, [b["durationMs"][part] for b in whole])
    found = store.client().list_objects_v2(Bucket=BUCKET, Prefix=f"{topic}/events/").get("Contents", [])
    print(f"  {len(found)} files of events, {sum(o['Size'] for o in found) / 1e3:.0f} kB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--rows", type=int, default=400)
    options = parser.parse_args()
    s3.clients()
    with servers.Kafka() as kafka, Registry() as registry, s3.S3() as store, \
            tempfile.TemporaryDirectory(prefix="millrace-bench-events-") as folder:
        store.client().create_bucket(Bucket=BUCKET)
        for rolling in (False, True):
            measure(options, pathlib.Path(folder) / str(rolling), kafka, registry, store, rolling)


if __name__ == "__main__":
    main()
