#!/usr/bin/env python3
"""Grouped aggregation with durable state, next to one DuckDB batch of the same SQL.

count, sum and avg over 10,000,000 rows in 20 Parquet files, a file a batch, update mode, with few and with
1,000,000 groups. `--growth` measures instead what a batch of 10,000 rows costs as the state grows, and how
long a restart takes. Usage: grouped.py [--rows N] [--runs N] [--threads N] [--data DIR] [--growth]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.parquet as pq

from main_job import ROOT, measure

BINARY = str(ROOT / "build" / "release" / "millrace")
SQL = "SELECT {key} AS k, count(*) AS n, sum(amount) AS s, avg(amount) AS a FROM {source} GROUP BY 1"
REFERENCE = """
import duckdb, sys
db = duckdb.connect(config={"threads": int(sys.argv[2])})
db.execute("CREATE TABLE result AS " + sys.argv[1])
"""


def pipeline(data, key, columns, files_per_trigger, threads):
    return (f"pipeline: grouped\nthreads: {threads}\nsources:\n  input:\n    from: {{ type: files, path: {data} }}\n"
            f"    format: parquet\n    schema: {columns}\n    max_files_per_trigger: {files_per_trigger}\n"
            f"datasets:\n  totals: {SQL.format(key=key, source='input')}\n"
            "sinks:\n  totals: { from: totals, to: { type: blackhole }, mode: update }\n")


def run(home, text, progress="none"):
    path = pathlib.Path(home) / "pipeline.yaml"
    path.write_text(text)
    return [BINARY, "run", str(path), "--once", "--progress", progress]


def throughput(options, data):
    print(f"{options.rows:,} rows, 20 batches, {options.threads} threads, state durable; median of {options.runs} "
          "alternating pairs; ratios above 1: faster than one DuckDB batch")
    print(f"{'groups':>10} {'k rows/s':>9} {'k r/cpu-s':>10} {'peak MB':>8} {'wall x':>7} {'cpu x':>6}")
    for groups, key in ((6, "user_id % 6"), (1_000_000, "user_id")):
        ours, theirs = [], []
        for turn in range(options.runs + 1):  # the first warms the page cache
            with tempfile.TemporaryDirectory() as home:
                text = pipeline(data, key, "user_id BIGINT, amount DOUBLE", 1, options.threads)
                mine = measure(run(home, text))
            sql = SQL.format(key=key, source=f"'{data}/*.parquet'")
            other = measure([sys.executable, "-c", REFERENCE, sql, str(options.threads)])
            if turn > 0:
                ours.append(mine)
                theirs.append(other)
        wall, cpu, peak = (statistics.median(o[i] for o in ours) for i in range(3))
        ratios = [statistics.median(t[i] / o[i] for o, t in zip(ours, theirs)) for i in range(2)]
        print(f"{groups:10,} {options.rows / wall / 1e3:9.0f} {options.rows / cpu / 1e3:10.0f} {peak:8.0f} "
              f"{ratios[0]:7.2f} {ratios[1]:6.2f}", flush=True)


def growth(options):
    """First one batch that makes the groups, then 50 of 10,000 rows each that change so many of them."""
    print(f"{'groups':>10} {'changed':>8} {'batch ms':>9} {'p99':>7} {'restart s':>10} {'state MB':>9}")
    for groups, changed in ((1_000, 1_000), (100_000, 1_000), (5_000_000, 1_000), (100_000, 10_000),
                            (5_000_000, 10_000)):
        with tempfile.TemporaryDirectory() as home:
            data = pathlib.Path(home) / "data"
            data.mkdir()

            def write(name, keys):
                # In sight at once and whole, and older than the source waits for files that still grow.
                table = pa.table({"user_id": pa.array(keys, pa.int64()), "amount": pa.array([1.5] * len(keys))})
                pq.write_table(table, pathlib.Path(home) / name)
                os.utime(pathlib.Path(home) / name, (1_700_000_000, 1_700_000_000))
                os.rename(pathlib.Path(home) / name, data / name)
            write("000.parquet", range(groups))
            text = pipeline(data, "user_id", "user_id BIGINT, amount DOUBLE", 1, options.threads)
            subprocess.run(run(home, text), check=True)
            for i in range(50):
                write(f"{i + 1:03}.parquet", [(i * 9_973 + j % changed * 7_919) % groups for j in range(10_000)])
            begin = time.monotonic()
            process = subprocess.Popen(run(home, text, "json"), stdout=subprocess.PIPE, text=True)
            first = json.loads(process.stdout.readline())
            restart = time.monotonic() - begin - first["batchDuration"] / 1e3
            batches = [first, *(json.loads(line) for line in process.stdout)]
            if process.wait() != 0:
                raise SystemExit("the pipeline failed")
            # The time of a batch alone: its own is longer, as it is committed beside the next one.
            times = sorted(1e3 * b["numInputRows"] / b["processedRowsPerSecond"] for b in batches)
            state = sum(o["memoryUsedBytes"] for o in batches[-1]["stateOperators"]) / 1e6
            print(f"{groups:10,} {changed:8,} {statistics.median(times):9.2f} {times[int(len(times) * .99)]:7.2f} {restart:10.2f} "
                  f"{state:9.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "millrace-bench"))
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    if options.growth:
        return growth(options)
    data = pathlib.Path(options.data)
    if not list((data / "w7_parquet").glob("*.parquet")):
        subprocess.run([sys.executable, ROOT / "bench" / "gen.py", "--out", data, "--only", "w7",
                        "--scale", str(options.rows / 1e7)], check=True)
    return throughput(options, data / "w7_parquet")


if __name__ == "__main__":
    main()
