#!/usr/bin/env python3
"""Rows written and read, next to the C++ driver (by acsylla) on the same server in the same run.

The server is one of its own on this machine, as the tests have it, and takes most of the cores: figures are of both together.
Cases: write (a partition a row), write-partitions (100 rows a partition), scan. Each with millrace's whole process, from start to
end, and with the driver's requests alone, 512 at once.
Usage: cassandra.py [--rows N] [--runs N] [--bin millrace]
"""
import argparse
import asyncio
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support")]
import cassandra_server as real  # noqa: E402
import servers  # noqa: E402

CLIENT = {"acsylla": "1.2.0"}
IN_FLIGHT = 512
TEXT = "x" * 100


def key_of(case, i):
    return i // 100 if case == "write-partitions" else i


def make_input(folder, case, rows):
    (folder / case).mkdir()
    with open(folder / case / "rows.csv", "w") as file:
        file.write("p,c,v,t\n")
        file.writelines(f"{key_of(case, i)},{i},{i * 0.5},{TEXT}\n" for i in range(rows))


def millrace(given, folder, name, text):
    file = folder / f"{name}.yaml"
    file.write_text(text)
    begin = time.monotonic()
    done = subprocess.run([given.bin, "run", file, "--once", "--progress", "none"], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return time.monotonic() - begin


def write_by_millrace(given, folder, port, case, table):
    return millrace(given, folder, table, f"""pipeline: {table}
sources:
  input: {{ from: {{ type: files, path: {case} }}, format: csv, schema: 'p BIGINT, c BIGINT, v DOUBLE, t VARCHAR' }}
datasets:
  result: SELECT * FROM input
sinks:
  out: {{ from: result, to: {{ type: cassandra, contact_points: '127.0.0.1:{port}' }}, keyspace: bench, table: {table}, mode: append }}
""")


def scan_by_millrace(given, folder, port, table, run):
    return millrace(given, folder, f"scan_{run}", f"""pipeline: scan_{run}
sources:
  input: {{ from: {{ type: cassandra, contact_points: '127.0.0.1:{port}' }}, keyspace: bench, table: {table} }}
datasets:
  result: SELECT * FROM input
sinks:
  out: {{ from: result, to: blackhole, mode: append }}
""")


async def write_by_driver(session, case, table, rows):
    statement = await session.create_prepared(f"INSERT INTO bench.{table} (p, c, v, t) VALUES (?, ?, ?, ?)")
    numbers = iter(range(rows))

    async def work():
        for i in numbers:
            bound = statement.bind()
            bound.bind_list([key_of(case, i), i, i * 0.5, TEXT])
            await session.execute(bound)
    begin = time.monotonic()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return time.monotonic() - begin


async def scan_by_driver(session, table):
    import acsylla
    statement = acsylla.create_statement(f"SELECT * FROM bench.{table}", page_size=5000)
    begin, count = time.monotonic(), 0
    while True:
        result = await session.execute(statement)
        count += sum(1 for _ in result)
        if not result.has_more_pages():
            return time.monotonic() - begin, count
        statement.set_page_state(result.page_state())


def show(case, rows, ours, theirs):
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    print(f"{case:18} millrace {rows / ours:9,.0f} rows/s   driver {rows / theirs:9,.0f} rows/s   ratio {theirs / ours:.2f}",
          flush=True)


async def compare(given, folder, server, session):
    import acsylla
    cluster = acsylla.create_cluster(["127.0.0.1"], port=server.port)
    driver = await cluster.create_session(keyspace="bench")

    def make(table):
        session.execute(f"CREATE TABLE bench.{table} (p bigint, c bigint, v double, t text, PRIMARY KEY (p, c))")
    for case in ("write", "write-partitions"):
        make_input(folder, case, given.rows)
        times = {"ours": [], "theirs": []}
        for run in range(given.runs + 1):  # the first one warms the server
            tables = [f"{case.replace('-', '_')}_{who}_{run}" for who in times]
            for table in tables:
                make(table)
            times["theirs"].append(await write_by_driver(driver, case, tables[1], given.rows))
            times["ours"].append(write_by_millrace(given, folder, server.port, case, tables[0]))
            counts = {t: session.execute(f"SELECT count(*) FROM bench.{t}", timeout=300).one()[0] for t in tables}
            assert set(counts.values()) == {given.rows}, counts
        show(case, given.rows, times["ours"][1:], times["theirs"][1:])
    ours, theirs = [], []
    for run in range(given.runs):
        took, count = await scan_by_driver(driver, "write_theirs_0")
        assert count == given.rows, count
        theirs.append(took)
        ours.append(scan_by_millrace(given, folder, server.port, "write_theirs_0", run))
    show("scan", given.rows, ours, theirs)
    await driver.close()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--bin", default=str(ROOT / "build" / "release" / "millrace"))
    given = options.parse_args()
    given.bin = str(pathlib.Path(given.bin).resolve())
    real.client()
    servers.modules(CLIENT)
    with real.Cassandra() as server, tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        session = server.session()
        session.execute("CREATE KEYSPACE bench WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        asyncio.run(compare(given, pathlib.Path(folder), server, session))
        session.cluster.shutdown()


if __name__ == "__main__":
    main()
