#!/usr/bin/env python3
"""Start-up, small batches, and latency: process start to first committed batch (100 rows); batches of one
row with and without syncing the disk; and 1,000 rows a second, each from its creation to the moment in which
its committed batch is known outside of the process (as Karimov et al. measure it, "Benchmarking Distributed
Stream Data Processing Systems", ICDE 2018: by the time that the event carries, not by that of its arrival).
Usage: latency.py [--runs N] [--batches N] [--seconds N] [--rate N]"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = str(ROOT / "build" / "release" / "millrace")
FIRST = """pipeline: first
sources:
  transactions: { from: generator, kind: transactions, rows: 100 }
datasets:
  totals: SELECT product_category, count(*) AS n, sum(amount) AS amount FROM transactions GROUP BY 1
sinks:
  totals: { from: totals, to: { type: files, path: out }, format: parquet, mode: complete }
"""
ONE_ROW = """pipeline: one-row
checkpoint: {{ sync: {sync} }}
sources:
  transactions: {{ from: generator, kind: transactions, rows: {batches}, rows_per_trigger: 1 }}
datasets:
  totals: SELECT product_category, count(*) AS n, sum(amount) AS amount FROM transactions GROUP BY 1
sinks:
  totals: {{ from: totals, to: {sink}, mode: {mode} }}
"""
STEADY = """pipeline: steady
sources:
  events: {{ from: rate, rows_per_second: {rate}, rows: {rows} }}
datasets:
  totals: SELECT value % 1000 AS k, count(*) AS n, sum(value) AS s, max(timestamp) AS last FROM events GROUP BY 1
sinks:
  totals: {{ from: totals, to: {sink}, mode: update }}
"""


def event_latencies(sink, rate, seconds):
    """Milliseconds from each row's creation to its commit, in the order of the rows."""
    with tempfile.TemporaryDirectory() as home:
        path = pathlib.Path(home) / "pipeline.yaml"
        path.write_text(STEADY.format(rate=rate, rows=rate * seconds, sink=sink))
        process = subprocess.Popen([BINARY, "run", path, "--progress", "json"], stdout=subprocess.PIPE, text=True)
        latencies, count = [], 0
        for line in process.stdout:
            now, end = time.time() * 1e3, json.loads(line)["sources"][0]["endOffset"]
            latencies += [now - end["start_us"] / 1e3 - row * 1e3 / rate for row in range(len(latencies), end["to"])]
            count += 1
        if process.wait() != 0:
            raise SystemExit("the pipeline failed")
        return latencies, count


def batches(text, count=None):
    """Runs a pipeline; (seconds from start to the first committed batch, milliseconds of each)."""
    with tempfile.TemporaryDirectory() as home:
        path = pathlib.Path(home) / "pipeline.yaml"
        path.write_text(text)
        begin = time.monotonic()
        process = subprocess.Popen([BINARY, "run", path, "--once", "--progress", "json"],
                                   stdout=subprocess.PIPE, text=True)
        first = json.loads(process.stdout.readline())
        seconds = time.monotonic() - begin
        rest = [json.loads(line) for line in process.stdout]
        if process.wait() != 0:
            raise SystemExit("the pipeline failed")
        return seconds, [b["batchDuration"] for b in [first, *rest]], [first, *rest]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rate", type=int, default=1000)
    options = parser.parse_args()
    starts = [batches(FIRST)[0] * 1e3 for _ in range(options.runs)]
    print(f"process start to first committed batch of 100 rows: median "
          f"{statistics.median(starts):.0f} ms, worst {max(starts):.0f} ms of {options.runs}")
    for sink, mode in (("{ type: files, path: out }, format: parquet", "complete"),
                       ("{ type: blackhole }", "update")):
        for sync in ("true", "false"):
            _, times, all_batches = batches(ONE_ROW.format(sync=sync, batches=options.batches, sink=sink,
                                                           mode=mode))
            times.sort()
            phases = {name: statistics.median(b["durationMs"][name] for b in all_batches)
                      for name in all_batches[0]["durationMs"]}
            print(f"batch of 1 row, {mode} to {sink.split()[2].strip(',')}, sync {sync}: median "
                  f"{statistics.median(times):.2f} ms, p99 {times[int(len(times) * .99)]:.2f} ms; "
                  f"phases {json.dumps(phases)}")
    for sink in ("{ type: store, path: out.duckdb }, table: totals", "{ type: blackhole }"):
        times, count = event_latencies(sink, options.rate, options.seconds)
        times.sort()
        print(f"{options.rate} rows/s for {options.seconds} s, update to {sink.split()[2].strip(',')}, synced: creation "
              f"to commit median {statistics.median(times):.1f} ms, p99 {times[int(len(times) * .99)]:.1f} ms, "
              f"worst {times[-1]:.1f} ms; {len(times)} rows in {count} batches")


if __name__ == "__main__":
    main()
