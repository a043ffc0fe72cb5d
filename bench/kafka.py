#!/usr/bin/env python3
"""Topics to columns, to Parquet and through the medallion example, next to a consumer that only counts bytes.

The broker is one of its own on this machine, as the tests have it; the data come from `millrace generate`. Cases: plain
(librdkafka alone), avro and json (decoded into columns, written nowhere), avro-parquet (events to Parquet by date), medallion.
Needs the program consume_bench (`ninja -C build/test consume_bench`).
Usage: kafka.py [--rows N] [--runs N] [--threads N] [--only CASE,...] [--bin millrace] [--plain consume_bench]
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "bench")]
import servers  # noqa: E402
from main_job import measure  # noqa: E402

SCHEMA = "event_id VARCHAR, customer_id INTEGER, event_type VARCHAR, product_id INTEGER, event_timestamp VARCHAR"
TOUCH = "SELECT count(event_id), sum(customer_id), count(event_type), sum(product_id), count(event_timestamp) FROM events"


def pipeline(case, brokers, topic):
    format = ("format: avro, schema_file: events.avsc" if case.startswith("avro") else f"format: json, schema: '{SCHEMA}'")
    if case == "avro-parquet":
        sql = "SELECT *, CAST(event_timestamp AS TIMESTAMP) AS at_time, CAST(event_timestamp AS DATE) AS event_date FROM events"
        sink = "{ type: files, path: out }, format: parquet, partition_by: [event_date]"
    else:
        sql, sink = TOUCH, "blackhole, mode: complete"
    return (f"pipeline: bench\nsources:\n  events: {{ from: {{ type: kafka, brokers: '{brokers}' }}, topic: {topic}, {format}, "
            "max_offsets_per_trigger: 200000 }\n"
            f"datasets:\n  result: {sql}\nsinks:\n  out: {{ from: result, to: {sink} }}\n")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--only", default="plain,avro,json,avro-parquet,medallion")
    options.add_argument("--bin", default=str(ROOT / "build" / "release" / "millrace"))
    options.add_argument("--plain", default=str(ROOT / "build" / "test" / "consume_bench"))
    given = options.parse_args()
    given.bin, given.plain = (str(pathlib.Path(path).resolve()) for path in (given.bin, given.plain))
    cases = given.only.split(",")
    orders = given.rows // 10
    with servers.Kafka() as kafka, tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        folder = pathlib.Path(folder)

        def generate(kind, topic, rows, *more):
            subprocess.run([given.bin, "generate", kind, "--rows", str(rows), "--brokers", kafka.brokers, "--topic", topic,
                            "--partitions", "4", "--invalid", "0", *more], check=True, stderr=subprocess.DEVNULL)
        schema = ["--schema-out", str(folder / "events.avsc")]
        generate("events", "events-avro", given.rows, "--format", "avro", *schema)
        generate("events", "events-json", given.rows, "--format", "json")
        if "medallion" in cases:
            generate("orders", "custords", orders)
        figures = {case: [] for case in cases}
        for _ in range(given.runs):
            for case in cases:
                home = folder / "run"
                shutil.rmtree(home, ignore_errors=True)
                if case == "plain":
                    home.mkdir()
                    figures[case].append(measure([given.plain, kafka.brokers, "events-avro"]))
                    continue
                if case == "medallion":
                    shutil.copytree(ROOT / "examples" / "medallion", home)
                    os.environ["KAFKA_BROKERS"] = kafka.brokers
                else:
                    home.mkdir()
                    if case.startswith("avro"):
                        shutil.copy(folder / "events.avsc", home)
                    topic = "events-json" if case == "json" else "events-avro"
                    (home / "pipeline.yaml").write_text(pipeline(case, kafka.brokers, topic))
                figures[case].append(measure([given.bin, "run", "pipeline.yaml", "--once", "--threads", str(given.threads)], home))
    reference = None
    print(f"{'case':14} {'messages/s':>12} {'wall x':>7} {'a CPU-second':>13} {'x':>6} {'peak MB':>8}")
    for case in cases:
        rows = orders if case == "medallion" else given.rows
        wall, cpu, peak = (statistics.median(run[i] for run in figures[case]) for i in range(3))
        reference = reference or (rows / wall, rows / cpu)
        print(f"{case:14} {rows / wall:12,.0f} {rows / wall / reference[0]:7.2f} {rows / cpu:13,.0f} "
              f"{rows / cpu / reference[1]:6.2f} {peak:8.0f}")
    print("x: next to the first case of this run")


if __name__ == "__main__":
    sys.exit(main())
