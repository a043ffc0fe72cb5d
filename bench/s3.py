#!/usr/bin/env python3
"""Parquet in S3 next to local files, in turn on the same machine, and how long a batch of 400 rows takes to commit.

The server is the one of the tests (tests/support/s3.py), on the same machine: the figures are of client and server
together.

Usage: bench/s3.py [--rows N] [--rounds N]
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "support"))
os.environ.setdefault("MILLRACE_BIN", str(pathlib.Path(__file__).resolve().parents[1] / "build" / "release" / "millrace"))
import millrace as m  # noqa: E402
import s3  # noqa: E402

BUCKET = "millrace-bench"
COLUMNS = "id BIGINT, day DATE, text VARCHAR"


def pipeline(home, name, source, sink, more=""):
    (home / f"{name}.yaml").write_text(f"pipeline: {name}\nsources:\n  input: {source}\nsinks:\n  out: {sink}\n{more}")


def seconds(home, name, env):
    shutil.rmtree(home / ".millrace", ignore_errors=True)
    begin = time.monotonic()
    m.run("run", f"{name}.yaml", "--once", cwd=home, env=env, timeout=600)
    return time.monotonic() - begin


def throughput(home, lake, rows, rounds, env, empty):
    """Writing Parquet, and reading it, there and here."""
    with open(home / "in" / "input.csv", "w") as file:
        file.write("id,day,text\n")
        file.writelines(f"{i},2026-01-{1 + i % 28:02},{i * 2654435761 % 2**64:064x}\n" for i in range(rows))
    csv = f"{{ from: {{ type: files, path: in }}, format: csv, schema: '{COLUMNS}' }}"
    places = {"local": "{ type: files, path: local }", "s3": lake("bench")}
    for name, place in places.items():
        form = "format: parquet, compression: uncompressed"
        pipeline(home, f"write-{name}", csv, f"{{ from: input, to: {place}, {form} }}")
        pipeline(home, f"read-{name}", f"{{ from: {place}, format: parquet, schema: '{COLUMNS}' }}",
                 "{ from: sums, to: { type: files, path: sums }, format: json, mode: complete }",
                 "datasets:\n  sums: SELECT count(*) AS n, max(text) AS t, max(day) AS d FROM input\n")
    pipeline(home, "nothing", csv, "{ from: input, to: { type: blackhole } }")
    times = {}
    for _ in range(rounds):
        for name in places:
            shutil.rmtree(home / "local", ignore_errors=True) if name == "local" else empty("bench/")
            for what in ("write", "read"):
                times.setdefault((what, name), []).append(seconds(home, f"{what}-{name}", env))
        times.setdefault(("nothing", ""), []).append(seconds(home, "nothing", env))
    size = sum(f.stat().st_size for f in (home / "local").glob("*.parquet")) / 1e6
    print(f"{rows} rows, {size:.0f} MB of Parquet; CSV read and nothing written: "
          f"{statistics.median(times['nothing', '']):.2f} s")
    for (what, name), taken in times.items():
        if name:
            middle = statistics.median(taken)
            print(f"{what:5} {name:5} {middle:6.2f} s {size / middle:7.0f} MB/s, process start included")


def commits(home, lake, env):
    """400 rows a batch, a file each."""
    shutil.rmtree(home / "in")
    (home / "in").mkdir()
    for batch in range(40):
        m.write_csv(home / "in" / f"{batch:03}.csv", ["id", "day", "text"],
                    [[i, "2026-01-01", f"row {i}"] for i in range(batch * 400, batch * 400 + 400)])
    csv = f"{{ from: {{ type: files, path: in }}, format: csv, schema: '{COLUMNS}', max_files_per_trigger: 1 }}"
    for name, place in {"local": "{ type: files, path: small }", "s3": lake("small")}.items():
        pipeline(home, f"small-{name}", csv, f"{{ from: input, to: {place}, format: parquet }}")
        shutil.rmtree(home / ".millrace", ignore_errors=True)
        out = m.run("run", f"small-{name}.yaml", "--once", "--progress", "json", cwd=home, env=env).stdout
        taken = sorted(batch["durationMs"]["triggerExecution"] for batch in map(json.loads, out.splitlines())
                       if "durationMs" in batch)
        if not taken:
            sys.exit(f"no durations in the progress:\n{out[:1000]}")
        print(f"batch of 400 rows, {name:5}: median {statistics.median(taken):.1f} ms, "
              f"90 % {taken[len(taken) * 9 // 10]:.1f} ms, worst {taken[-1]:.1f} ms")


def measure(options, lake, env, empty):
    with tempfile.TemporaryDirectory(prefix="millrace-bench-s3-") as folder:
        home = pathlib.Path(folder)
        (home / "in").mkdir()
        throughput(home, lake, options.rows, options.rounds, env, empty)
        commits(home, lake, env)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    s3.clients()
    with s3.S3() as server:
        boto = server.client()
        boto.create_bucket(Bucket=BUCKET)

        def empty(prefix):
            keys = [o["Key"] for o in boto.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
            for key in keys:
                boto.delete_object(Bucket=BUCKET, Key=key)
        measure(options, lambda prefix: server.connection(f"s3://{BUCKET}/{prefix}"),
                {"S3_SECRET": server.SECRET}, empty)


if __name__ == "__main__":
    main()
