#!/usr/bin/env python3
"""Records in memory to columns, one thread: our decoders next to fastavro and to DuckDB's JSON reader.

The data come from `millrace generate`. A figure is that of a second of CPU time; data are loaded before it begins (DuckDB
reads its file from the page cache). fastavro makes a Python dict of each record, as who uses it gets them.
Needs the programs avro_bench and json_bench (`ninja -C build/test avro_bench json_bench`).
Usage: formats.py [--rows N] [--runs N] [--seconds S] [--only CASE,...] [--bin millrace] [--build build/test]
"""
import argparse
import io
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]

EVENT = {"event_id": "VARCHAR", "customer_id": "INTEGER", "event_type": "VARCHAR", "product_id": "INTEGER",
         "event_timestamp": "TIMESTAMP"}
ORDER = {"event_id": "VARCHAR", "event_type": "VARCHAR", "event_time": "TIMESTAMP",
         "order": "STRUCT(order_id VARCHAR, status VARCHAR, customer STRUCT(id BIGINT, name VARCHAR, city VARCHAR), "
                  "items STRUCT(product_id VARCHAR, category VARCHAR, qty INTEGER, price DECIMAL(10,2))[])"}


def program(path, *args):
    """Records, bytes and seconds, as our benchmarks print them."""
    done = subprocess.run([path, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{path} failed: {done.stderr}")
    records, size, seconds = done.stdout.split()
    return int(records), int(size), float(seconds)


def columns(schema):
    return [f"{name}={kind}" for name, kind in schema.items()]


def fastavro(path, seconds):
    import fastavro
    with open(path, "rb") as file:
        reader = fastavro.block_reader(file)
        schema = fastavro.parse_schema(reader.writer_schema)
        blocks = [(block.bytes_.getvalue(), block.num_records) for block in reader]
    records = size = 0
    begin = time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        for data, count in blocks:
            stream = io.BytesIO(data)
            for _ in range(count):
                fastavro.schemaless_reader(stream, schema, None)
            records, size = records + count, size + len(data)
    return records, size, spent


def duckdb(path, schema, seconds):
    import duckdb
    db = duckdb.connect(config={"threads": 1})
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in schema.items())
    touch = ", ".join(f'count("{name}")' for name in schema)
    query = f"SELECT count(*), {touch} FROM read_json('{path}', format='newline_delimited', columns={{{types}}})"
    size = path.stat().st_size
    records = total = 0
    begin = time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        records += db.execute(query).fetchone()[0]
        total += size
    return records, total, spent


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2, help="of each measurement")
    options.add_argument("--only", default="avro-events,json-events,json-orders")
    options.add_argument("--bin", default=str(ROOT / "build" / "release" / "millrace"))
    options.add_argument("--build", default=str(ROOT / "build" / "test"), help="where the two programs are")
    given = options.parse_args()
    build = pathlib.Path(given.build).resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        def generate(kind, form, rows):
            out = pathlib.Path(folder) / f"{kind}-{form}"
            subprocess.run([given.bin, "generate", kind, "--format", form, "--rows", str(rows), "--files", "1", "--invalid", "0",
                            "--out", str(out)], check=True, stderr=subprocess.DEVNULL)
            return next(path for path in out.iterdir() if path.stat().st_size)

        def avro_events():
            path = generate("events", "avro", given.rows)
            return [("avro-events, all columns", lambda: program(build / "avro_bench", path, given.seconds)),
                    ("avro-events, two of five", lambda: program(build / "avro_bench", path, given.seconds, "customer_id", "product_id")),
                    ("avro-events, fastavro", lambda: fastavro(path, given.seconds))]

        def json_rows(kind, schema, rows):
            path = generate(kind, "json", rows)
            return [(f"json-{kind}", lambda: program(build / "json_bench", path, given.seconds, *columns(schema))),
                    (f"json-{kind}, DuckDB", lambda: duckdb(path, schema, given.seconds))]
        cases = {"avro-events": avro_events,
                 "json-events": lambda: json_rows("events", EVENT, given.rows),
                 "json-orders": lambda: json_rows("orders", ORDER, given.rows // 5)}
        print(f"{'case':28} {'k records/s':>12} {'MB/s':>6} {'x':>6}")
        for name in given.only.split(","):
            todo = cases[name]()
            runs = [[measure() for _, measure in todo] for _ in range(given.runs)]
            for at, (label, _) in enumerate(todo):
                speed, size = (statistics.median(run[at][i] / run[at][2] for run in runs) for i in (0, 1))
                ratio = statistics.median((run[at][0] / run[at][2]) / (run[-1][0] / run[-1][2]) for run in runs)
                print(f"{label:28} {speed / 1e3:12,.0f} {size / 1e6:6.0f} {ratio:6.1f}", flush=True)
    print("x: next to the last line of its group, in the same run")


if __name__ == "__main__":
    sys.exit(main())
