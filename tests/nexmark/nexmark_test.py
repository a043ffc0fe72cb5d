#!/usr/bin/env python3
"""The Nexmark queries of bench/nexmark/queries, each next to one DuckDB query over the same events.

The events are written as Parquet files once. Each query runs in several batches, in its mode, and
its result must equal that of oracle/<query>.sql, which is written in other ways, over those files.
Ten events a second, so that they fill hours, no two of one time, and shuffled within two seconds.
Usage: nexmark_test.py [--events N] [--batches N] [QUERY...]
"""
import argparse
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench" / "nexmark")]
import pipelines  # noqa: E402
from support import millrace as m  # noqa: E402

ORACLE = pathlib.Path(__file__).parent / "oracle"
# From day to night and, with 200,000 events, over midnight.
TIMES = {"events_per_second": 10, "out_of_order": 20, "start": "'2024-01-01 18:50:00'"}
# A run does not last for several of the windows of processing time: for the test they are shorter.
SHORTER = {"q12": ("INTERVAL 10 SECONDS", "INTERVAL 50 MILLISECONDS")}


class Nexmark:
    def __init__(self, options, folder):
        self.folder = pathlib.Path(folder)
        self.source = {"events": options.events, **TIMES,
                       "max_events_per_trigger": -(-options.events // options.batches)}

    def make_events(self):
        home = self.folder / "events"
        home.mkdir()
        (home / "pipeline.yaml").write_text(pipelines.events(self.source, "."))
        m.run("run", "pipeline.yaml", "--once", cwd=home)

    def check(self, name):
        home = self.folder / name
        home.mkdir()
        find, replacement = SHORTER.get(name, ("", ""))
        sql, oracle = ((folder / f"{name}.sql").read_text().replace(find, replacement)
                       for folder in (pipelines.QUERIES, ORACLE))
        (home / "pipeline.yaml").write_text(pipelines.query(name, self.source, keep=True, sql=sql))
        pipelines.write_side_input(home, step=3)  # so that not every bid finds a row
        run = m.run("run", "pipeline.yaml", "--once", "--progress", "json", cwd=home, timeout=600)
        batches = [json.loads(line)["timestamp"] for line in run.stdout.splitlines()]
        got, missing, extra, examples = self.compare(home, oracle, batches)
        assert got > 0, "no rows"
        assert missing == extra == 0, (f"{got} rows; {missing} of the oracle are missing, {extra} are "
                                       f"not in it, such as {examples}")

    def compare(self, home, oracle, batches):
        """As bags of rows, inside DuckDB: there are too many to compare them here."""
        tables = f"""
            bids AS (SELECT * FROM read_parquet('../events/bid/*.parquet', filename = true)),
            bid AS (SELECT * EXCLUDE (filename) FROM bids),
            processed_bid AS (
              SELECT * EXCLUDE (filename),
                     {batches}[regexp_extract(filename, '-([0-9]+)-', 1)::INT + 1]::TIMESTAMPTZ AS processed
              FROM bids),
            side_input AS (FROM read_csv('side_input.csv', header = true)),
            want AS ({oracle}), got AS (FROM out),
            missing AS (FROM want EXCEPT ALL FROM got), extra AS (FROM got EXCEPT ALL FROM want)"""
        counts = ", ".join(f"(SELECT count(*) FROM {table})::VARCHAR AS {table}"
                           for table in ("got", "missing", "extra"))
        rows = m.query("pipeline.yaml", f"WITH {tables} SELECT {counts}, "
                       "list_concat((SELECT list(x::VARCHAR) FROM (FROM missing LIMIT 2) x), "
                       "(SELECT list(x::VARCHAR) FROM (FROM extra LIMIT 2) x)) AS examples", cwd=home)
        return [*(int(rows[0][table]) for table in ("got", "missing", "extra")), rows[0]["examples"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("queries", nargs="*", default=list(pipelines.NEEDS))
    options = parser.parse_args()
    report = m.Report("nexmark")
    with tempfile.TemporaryDirectory(prefix="millrace-nexmark-") as folder:
        nexmark = Nexmark(options, folder)
        if report.case("events", nexmark.make_events):
            for name in options.queries:
                report.case(name, lambda: nexmark.check(name))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
