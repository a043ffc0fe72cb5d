#!/usr/bin/env python3
"""The Nexmark queries of nexmark/queries, each next to one DuckDB batch of the same events.

millrace makes the events while it runs, in batches of 100,000, and is durable: each batch is synced. DuckDB reads
them from Parquet and runs the query of tests/nexmark/oracle. Both throw the result away, as in the published
benchmark, except that q10 writes files. Whole processes are measured, Python's start included.
Usage: nexmark.py [--events N] [--queries q0,q1,...] [--threads 1,2] [--runs N] [--data DIR]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from main_job import ROOT, measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "nexmark"))
import pipelines  # noqa: E402

BINARY = os.environ.get("MILLRACE_BIN", str(ROOT / "build" / "release" / "millrace"))
ORACLE = ROOT / "tests" / "nexmark" / "oracle"
REFERENCE = """
import duckdb, json, sys
sql, threads, data, copy = json.loads(sys.argv[1])
db = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
db.execute(f"CREATE VIEW bid AS FROM '{data}/bid/*.parquet'")
db.execute("CREATE VIEW processed_bid AS SELECT *, now() AS processed FROM bid")
db.execute("CREATE VIEW side_input AS FROM read_csv('side_input.csv', header = true)")
# EXPLAIN ANALYZE runs the query and throws its rows away.
db.execute(f"COPY ({sql}) TO 'reference' ({copy})" if copy else f"EXPLAIN ANALYZE {sql}")
"""


class Bench:
    def __init__(self, options):
        self.options = options
        self.data = pathlib.Path(options.data) / f"nexmark-{options.events}"
        if not (self.data / "done").exists():
            self.data.mkdir(parents=True, exist_ok=True)
            path = self.data / "pipeline.yaml"
            path.write_text(pipelines.events({"events": options.events}, "."))
            subprocess.run([BINARY, "run", path, "--once", "--progress", "none"], check=True)
            (self.data / "done").touch()

    def millrace(self, name, threads):
        with tempfile.TemporaryDirectory() as home:
            path = pathlib.Path(home) / "pipeline.yaml"
            path.write_text(pipelines.query(name, {"events": self.options.events}, threads=threads))
            pipelines.write_side_input(home)
            return measure([BINARY, "run", str(path), "--once", "--progress", "none"])

    def duckdb(self, name, threads):
        with tempfile.TemporaryDirectory() as home:
            pipelines.write_side_input(home)
            copy = "FORMAT csv, PARTITION_BY (dt, hm)" if pipelines.NEEDS[name].files else ""
            arguments = [(ORACLE / f"{name}.sql").read_text(), threads, str(self.data), copy]
            return measure([sys.executable, "-c", REFERENCE, json.dumps(arguments)], cwd=home)

    def compare(self, name, threads):
        ours, theirs = [], []
        for turn in range(self.options.runs + 1):  # the first warms the page cache
            mine, other = self.millrace(name, threads), self.duckdb(name, threads)
            if turn > 0:
                ours.append(mine)
                theirs.append(other)
        wall, cpu, peak = (statistics.median(run[i] for run in ours) for i in range(3))
        ratios = [statistics.median(t[i] / o[i] for o, t in zip(ours, theirs)) for i in range(2)]
        events = self.options.events / 1e3
        print(f"{name:6} {threads:7} {events / wall:10.0f} {events / cpu:11.0f} {peak:8.0f} {ratios[0]:7.2f} "
              f"{ratios[1]:6.2f} {statistics.median(run[2] for run in theirs):12.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--queries", default=",".join(pipelines.NEEDS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "millrace-bench"))
    options = parser.parse_args()
    bench = Bench(options)
    print(f"{options.events:,} events; median of {options.runs} alternating pairs; ratios above 1: faster than one "
          "DuckDB batch; a core: a second of CPU time")
    print(f"{'query':6} {'threads':>7} {'k events/s':>10} {'k e/s, core':>11} {'peak MB':>8} {'wall x':>7} {'cpu x':>6} "
          f"{'DuckDB MB':>12}")
    for name in options.queries.split(","):
        for threads in options.threads.split(","):
            bench.compare(name, int(threads))


if __name__ == "__main__":
    main()
