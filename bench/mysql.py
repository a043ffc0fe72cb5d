#!/usr/bin/env python3
"""MariaDB's rows read, its changes followed, its tables upserted: rows per second of the whole process, next to the server's own client
doing the same, alternating in one run.

  bench/mysql.py [--rows N] [--runs N] [--bin build/release/millrace]

The server is one of the tests', on the same machine and cores: it takes a part of each figure, which is given in CPU-seconds, too.
"""
import argparse
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "support"))
import mariadb  # noqa: E402

COLUMNS = "id BIGINT PRIMARY KEY AUTO_INCREMENT, customer_id INT, product_id INT, qty INT, amount DECIMAL(10,2), " \
          "name VARCHAR(100), at TIMESTAMP(3) NULL"


def run(binary, folder, text, *options):
    """Wall and CPU seconds of a process, and its peak memory in MB."""
    file = folder / "pipeline.yaml"
    file.write_text(text)
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["/usr/bin/env", "time", "-f", "%M", binary, "run", str(file), "--once", "--progress", "none", *options],
                          cwd=folder, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    peak = int(done.stderr.split()[-1]) / 1000 if done.stderr.split()[-1].isdigit() else 0
    return time.monotonic() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def pipeline(server, source, sql, sink):
    return (f"pipeline: bench\nconnections:\n  shop: {server.connection()}\nsources:\n{source}"
            f"datasets:\n  result: {sql}\nsinks:\n  out: {{ from: result, to: {sink} }}\n")


def client(server, sql):
    """The server's own client, its output thrown away."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["mariadb", "--no-defaults", "--quick", "--batch", "--skip-column-names", "-h127.0.0.1", f"-P{server.port}",
                    "-uetl", f"-p{mariadb.PASSWORD}", "shop", "-e", sql], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(name, rows, ours, theirs=None):
    wall, cpu = (statistics.median(run[i] for run in ours) for i in (0, 1))
    line = f"{name:44} {rows / wall / 1000:8.0f} k rows/s {rows / cpu / 1000:8.0f} k rows/CPU-s {max(run[2] for run in ours):6.0f} MB"
    if theirs:
        wall2, cpu2 = (statistics.median(run[i] for run in theirs) for i in (0, 1))
        line += f"   client: {rows / wall2 / 1000:6.0f} k/s, {rows / cpu2 / 1000:6.0f} k/CPU-s   x {wall2 / wall:.2f} wall, {cpu2 / cpu:.2f} CPU"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bin", default="build/release/millrace")
    options = parser.parse_args()
    binary, rows = str(pathlib.Path(options.bin).resolve()), options.rows
    with mariadb.Mariadb() as server, tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        server.sql(f"CREATE TABLE t ({COLUMNS}); INSERT INTO t SELECT seq, seq % 5000, seq % 300, 1 + seq % 5, seq % 9973 / 7,"
                   f" CONCAT('a name of some length ', seq), FROM_UNIXTIME(1700000000 + seq / 10) FROM seq_1_to_{rows}; ANALYZE TABLE t")
        scan = "  input: { from: shop, table: t, incremental: id, max_rows_per_trigger: 10000000 }\n"
        ours, theirs, count = [], [], 0

        def fresh():
            nonlocal count
            count += 1
            (folder / str(count)).mkdir()
            return folder / str(count)
        for _ in range(options.runs):
            ours.append(run(binary, fresh(), pipeline(server, scan, "SELECT * FROM input", "blackhole")))
            theirs.append(client(server, "SELECT * FROM t"))
        show("incremental read, all columns", rows, ours, theirs)
        server.sql("CREATE TABLE tick (id INT PRIMARY KEY); INSERT INTO tick VALUES (1)")
        whole = ("  input: { from: shop, table: tick, incremental: id }\n  facts: { from: shop, table: t, as: table }\n")
        sums = ('"SELECT count(*) AS n, sum(amount) AS amount, max(name) AS name, sum(length(name)) AS l, sum(qty + product_id + customer_id) AS q '
                'FROM input, facts"')
        ours = [run(binary, fresh(), pipeline(server, whole, sums, "blackhole")) for _ in range(options.runs)]
        show("a table read whole", rows, ours)
        server.sql(f"CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(100), tier INT);"
                   f"INSERT INTO customers SELECT seq, CONCAT('customer ', seq), seq % 9 FROM seq_1_to_{rows}; ANALYZE TABLE customers")
        for what, read, by in (("joined with a table that is read whole", "as: table", "customer_id"),
                               ("looked up: 5,000 keys", "as: lookup, key: id", "customer_id"),
                               ("looked up: each key once", "as: lookup, key: id", "id")):
            source = scan + f"  customers: {{ from: shop, table: customers, {read} }}\n"
            sql = f"SELECT input.*, c.name AS customer, tier FROM input LEFT JOIN customers c ON input.{by} = c.id"
            show(what, rows, [run(binary, fresh(), pipeline(server, source, sql, "blackhole")) for _ in range(options.runs)])
        ours = []
        for i in range(options.runs):
            text = pipeline(server, "  input: { from: shop, table: t, cdc: true, snapshot: initial }\n", "SELECT * FROM input", "blackhole")
            home = fresh()
            ours.append(run(binary, home, text))
            if i == 0:
                follow = (home, text)
        show("cdc: the snapshot", rows, ours)
        changes, ours = rows // 2, []
        for i in range(options.runs):
            server.sql(f"UPDATE t SET qty = {10 + i} WHERE id <= {changes}")
            ours.append(run(binary, *follow))
        show("cdc: changes from the binlog, with names", changes, ours)
        (folder / "in").mkdir()
        upserts = rows // 2
        (folder / "in" / "a.csv").write_text("".join(f"{i * 7919 % upserts},{i % 1000}.25,some text {i}\n" for i in range(upserts)))
        csv = (f"  input: {{ from: {{ type: files, path: '{folder / 'in'}' }}, format: csv, header: false, "
               "schema: 'k BIGINT, v DECIMAL(10,2), name VARCHAR' }\n")
        for what, mode, sql in (("appended rows", "append", "SELECT * FROM input"),
                                ("upserts by primary key", "update, key: [k]",
                                 "SELECT k, max(v) AS v, any_value(name) AS name FROM input GROUP BY k")):
            ours = []
            for i in range(options.runs):
                server.sql(f"DROP TABLE IF EXISTS made, millrace_batches, millrace_refused; CREATE TABLE made (k BIGINT PRIMARY KEY, "
                           f"v DECIMAL(10,2), name VARCHAR(40))")
                ours.append(run(binary, fresh(), pipeline(server, csv, sql, f"shop, table: made, mode: {mode}")))
            show(what, upserts, ours)


if __name__ == "__main__":
    main()
