#!/usr/bin/env python3
"""The main job's two sinks on 4,000,000 rows in 20 files, next to one DuckDB batch of the same SQL.

Cases: transform (CSV -> cleaned -> Parquet by date, append), aggregate (CSV -> metrics, complete) and
both in one pipeline; each in one batch and in 20. Usage: main_job.py [--rows N] [--runs N]
[--threads N] [--data DIR] [--only CASE,...]
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "sql-first-etl"
SCHEMA = ("transaction_id VARCHAR, user_id VARCHAR, product_id VARCHAR, product_category VARCHAR, "
          "amount DOUBLE, quantity INTEGER, payment_method VARCHAR, status VARCHAR, "
          "event_time VARCHAR, country_code VARCHAR, discount_percent DOUBLE, customer_segment VARCHAR")

REFERENCE = r"""
import duckdb, sys, json
case, data, out, threads, transform, aggregate, columns = json.loads(sys.argv[1])
db = duckdb.connect(config={"threads": threads})
db.execute("SET preserve_insertion_order = false")
types = ", ".join("'%s': '%s'" % tuple(c.split()) for c in columns.split(", "))
scan = f"read_csv('{data}/*.csv', header=true, auto_detect=false, ignore_errors=true, columns={{{types}}})"
db.execute(f"CREATE VIEW transactions AS SELECT * FROM {scan}")
db.execute(f"CREATE VIEW transformed_transactions AS {transform}")
if case == "transform":
    db.execute(f"COPY (FROM transformed_transactions) TO '{out}/t' (FORMAT parquet, PARTITION_BY (event_date))")
else:
    db.execute(f"COPY ({aggregate}) TO '{out}/a.parquet' (FORMAT parquet)")
"""


def measure(command, cwd=None):
    """Runs a command; wall seconds, CPU seconds, and peak memory in MB of that process."""
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[:3]} failed: {errors.decode()[-2000:]}")
    return (time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def pipeline(case, data, limit, threads):
    sinks = ""
    if case in ("transform", "both"):
        sinks += ("  transformed_transactions: { from: transformed_transactions, to: { type: files, "
                  "path: out/t }, format: parquet, mode: append, partition_by: [event_date] }\n")
    if case in ("aggregate", "both"):
        sinks += ("  transaction_metrics: { from: transaction_metrics, to: { type: files, path: out/a "
                  "}, format: parquet, mode: complete }\n")
    metrics = f"  transaction_metrics: {EXAMPLE}/sql/aggregations.sql\n"
    return (f"pipeline: bench\nthreads: {threads}\nsources:\n  transactions:\n"
            f"    from: {{ type: files, path: {data} }}\n    format: csv\n    schema: {SCHEMA}\n"
            + (f"    max_files_per_trigger: {limit}\n" if limit else "") +
            f"datasets:\n  transformed_transactions: {EXAMPLE}/sql/transformations.sql\n"
            + (metrics if case != "transform" else "") + f"sinks:\n{sinks}")


class Bench:
    def __init__(self, options):
        self.options = options
        self.binary = str(ROOT / "build" / "release" / "millrace")
        self.transform = (EXAMPLE / "sql" / "transformations.sql").read_text()
        self.aggregate = (EXAMPLE / "sql" / "aggregations.sql").read_text()
        self.data = pathlib.Path(options.data)
        if not list((self.data / "w1_csv").glob("*.csv")):
            subprocess.run([sys.executable, ROOT / "bench" / "gen.py", "--out", self.data, "--only",
                            "w1", "--scale", str(options.rows / 4e6)], check=True)
        self.data = self.data / "w1_csv"

    def millrace(self, case, limit):
        with tempfile.TemporaryDirectory() as home:
            path = pathlib.Path(home) / "pipeline.yaml"
            path.write_text(pipeline(case, self.data, limit, self.options.threads))
            return measure([self.binary, "run", str(path), "--once", "--progress", "none"])

    def duckdb(self, case):
        with tempfile.TemporaryDirectory() as out:
            arguments = json.dumps([case, str(self.data), out, self.options.threads, self.transform,
                                    self.aggregate, SCHEMA])
            return measure([sys.executable, "-c", REFERENCE, arguments])

    def paired(self, name, a, b):
        """Alternates a and b; prints a's figures and the ratio b/a of each pair's times."""
        a(), b()  # warm the page cache
        ours, theirs = [], []
        for _ in range(self.options.runs):
            ours.append(a())
            theirs.append(b())
        def middle(runs, i):
            return statistics.median(r[i] for r in runs)
        wall = statistics.median(t[0] / o[0] for o, t in zip(ours, theirs))
        cpu = statistics.median(t[1] / o[1] for o, t in zip(ours, theirs))
        rows = self.options.rows
        print(f"{name:28} {rows / middle(ours, 0) / 1e3:8.0f} {rows / middle(ours, 1) / 1e3:9.0f} "
              f"{middle(ours, 2):8.0f} {wall:7.2f} {cpu:7.2f}   "
              f"{rows / middle(theirs, 0) / 1e3:8.0f} {rows / middle(theirs, 1) / 1e3:9.0f} "
              f"{middle(theirs, 2):8.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "millrace-bench"))
    parser.add_argument("--only", default="transform,aggregate,both")
    bench = Bench(parser.parse_args())
    print(f"{bench.options.rows:,} rows, {bench.options.threads} threads, median of "
          f"{bench.options.runs} alternating pairs; ratios above 1: faster than the reference")
    print(f"{'case':28} {'k rows/s':>8} {'k r/cpu-s':>9} {'peak MB':>8} {'wall x':>7} {'cpu x':>7}   "
          f"{'ref k/s':>8} {'k r/cpu-s':>9} {'peak MB':>8}")
    for case in bench.options.only.split(","):
        for limit, batches in ((None, "1 batch"), (1, "20 batches")):
            if case == "both":
                bench.paired(f"both vs transform, {batches}", lambda: bench.millrace("both", limit),
                             lambda: bench.millrace("transform", limit))
            else:
                bench.paired(f"{case}, {batches}", lambda: bench.millrace(case, limit),
                             lambda: bench.duckdb(case))


if __name__ == "__main__":
    main()
