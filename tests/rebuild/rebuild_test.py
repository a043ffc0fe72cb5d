#!/usr/bin/env python3
"""Changes the query of a pipeline that has run, and has it make its state anew with --rebuild: the
result must be that of one DuckDB query of the new SQL over all input, what was given out before
stays, and a rebuild that is killed or stopped changes nothing."""
import datetime
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

FILES = """sources:
  input:
    from: { type: files, path: in }
    format: csv
    schema: id BIGINT, k VARCHAR, v BIGINT, t TIMESTAMP
    max_files_per_trigger: 2
"""
WATERMARK = "    watermark: { column: t, delay: 5m }\n"
READ = ("input AS (SELECT * FROM read_csv('in/*.csv', header = true, auto_detect = false, columns = "
        "{'id': 'BIGINT', 'k': 'VARCHAR', 'v': 'BIGINT', 't': 'TIMESTAMP'}))")
START = datetime.datetime(2026, 1, 5)


def text_of(time):
    return time.strftime("%Y-%m-%d %H:%M:%S")


class Home:
    """A folder with a pipeline whose input grows by files of 40 rows and 10 minutes each."""

    def __init__(self, folder, datasets, sinks, source=FILES):
        self.path = pathlib.Path(folder)
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / "in").mkdir(parents=True)
        self.files = 0
        self.change(datasets, sinks, source)

    def change(self, datasets, sinks=None, source=None):
        self.datasets, self.sinks = datasets, sinks or getattr(self, "sinks", None)
        self.source = source or self.source
        text = "pipeline: p\n" + self.source + "datasets:\n"
        text += "".join(f"  {name}: {sql}\n" for name, sql in datasets.items()) + "sinks:\n"
        for name, (dataset, mode) in self.sinks.items():
            to = (f"to: {{ type: store, path: {name}.duckdb }}, table: t" if mode == "update"
                  else f"to: {{ type: files, path: out/{name} }}, format: parquet")
            text += f"  {name}: {{ from: {dataset}, {to}, mode: {mode} }}\n"
        (self.path / "pipeline.yaml").write_text(text)
        return self

    def feed(self, files):
        for _ in range(files):
            rng = random.Random(self.files)
            begin = START + datetime.timedelta(minutes=10 * self.files)
            rows = [[self.files * 40 + i, rng.choice("abcde") + str(rng.randrange(3)),
                     rng.randrange(100),
                     text_of(begin + datetime.timedelta(seconds=rng.randrange(600)))]
                    for i in range(40)]
            path = self.path / "in" / f"{self.files:04}.csv"
            m.write_csv(path, ["id", "k", "v", "t"], rows)
            os.utime(path, (1_700_000_000 + self.files, 1_700_000_000 + self.files))
            self.files += 1
        return self

    def run(self, *args, code=0, env=None):
        done = m.run("run", "pipeline.yaml", "--once", *args, cwd=self.path, check=False, env=env)
        assert done.returncode == code, f"exit code {done.returncode}, not {code}: {done.stderr}"
        return done.stderr

    def rebuild(self, *datasets, **options):
        return self.run(*[a for d in datasets for a in ("--rebuild", d)], **options)

    def rows(self, sql):
        return m.canonical(m.query("pipeline.yaml", sql, cwd=self.path))

    def watermark(self):
        """What is behind it was closed in the last batch."""
        newest = m.query("pipeline.yaml", f"WITH {READ} SELECT max(t)::VARCHAR AS t FROM input",
                         cwd=self.path)[0]["t"]
        return text_of(datetime.datetime.fromisoformat(newest) - datetime.timedelta(minutes=5))

    def same(self, sink, sql, what=""):
        """A sink's rows are those of a query over all the input."""
        got, want = self.rows(f"SELECT * FROM {sink}"), self.rows(f"WITH {READ} {sql}")
        assert got == want, (f"{what or sink}: {len(got)} rows, not {len(want)}: too many "
                             f"{sorted(set(got) - set(want))[:5]}, missing "
                             f"{sorted(set(want) - set(got))[:5]}")

    def checkpoint(self):
        """What is in the checkpoint, by file."""
        folder = self.path / ".millrace" / "p"
        return {name: (folder / name).read_bytes() for name in m.files_below(folder)
                if name != "LOCK" and not name.startswith("tmp")}


def says(text, *parts):
    for part in parts:
        assert part in text, f"`{part}` is not in: {text}"


def says_not(text, *parts):
    for part in parts:
        assert part not in text, f"`{part}` is in: {text}"


class Rebuild:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def home(self, *args, **options):
        return Home(self.folder / "home", *args, **options)

    # --- tables

    def totals(self, before, after, mode="complete", refused="its SQL changed"):
        """A table of another query: refused, then rebuilt, then the same as over all the input."""
        home = self.home({"totals": before}, {"out": ("totals", mode)}).feed(5)
        home.run()
        home.change({"totals": after})
        says(home.run(code=2), "dataset totals", refused, "`--rebuild totals`", "to start over")
        says(home.rebuild("totals"), "rebuilding totals", "rebuilt totals from 200 rows")
        home.same("out", after, "at once")
        home.feed(3).run()
        home.same("out", after, "with more input")
        home.same("totals", after, "as a query reads it")

    def other_aggregates(self):
        self.totals("SELECT k, sum(v) AS total FROM input GROUP BY k",
                    "SELECT k, max(v) AS most, count(DISTINCT v % 7) AS kinds, avg(v) AS mean, "
                    "median(v) AS middle FROM input GROUP BY k")

    def other_keys(self):
        self.totals("SELECT k, sum(v) AS total FROM input GROUP BY k",
                    "SELECT left(k, 1) AS k, v % 3 AS rest, sum(v) AS total FROM input GROUP BY ALL")

    def other_filter(self):
        self.totals("SELECT k, sum(v) AS total FROM input GROUP BY k",
                    "SELECT k, sum(v) AS total FROM input WHERE v > 50 AND k < 'c' GROUP BY k")

    def of_all_rows(self):
        self.totals("SELECT sum(v) AS total FROM input",
                    "SELECT count(*) AS n, min(v) AS least FROM input WHERE v > 3")

    def last_rows(self):
        self.totals("SELECT k, id, v FROM input QUALIFY row_number() OVER "
                    "(PARTITION BY k ORDER BY id DESC) = 1",
                    "SELECT k, id, v FROM input QUALIFY row_number() OVER "
                    "(PARTITION BY k ORDER BY v DESC, id) <= 3")

    def update_mode(self):
        """All groups are given out again, also when the process dies before it can."""
        after = "SELECT k, max(v) AS total FROM input GROUP BY k"
        home = self.home({"totals": "SELECT k, CAST(sum(v) AS BIGINT) AS total FROM input GROUP BY k"},
                         {"out": ("totals", "update")}).feed(5)
        home.run()
        home.change({"totals": after}).rebuild("totals")
        home.same("out", after)
        home.change({"totals": after.replace("max", "min")})
        home.rebuild("totals", code=-9, env={"MILLRACE_FAULT": "batch.after_run:1"})
        home.run()
        home.same("out", after.replace("max", "min"), "after a crash")

    def filter_below(self):
        """A dataset without state changed: what is built from it is what to rebuild."""
        below = "SELECT * FROM input WHERE v % 2 = 0"
        datasets = {"clean": "SELECT * FROM input WHERE v > 10",
                    "sums": "SELECT k, sum(v) AS total FROM clean GROUP BY k",
                    "counts": "SELECT v % 5 AS f, count(*) AS n FROM clean GROUP BY f"}
        home = self.home(datasets, {"a": ("sums", "complete"), "b": ("counts", "complete")}).feed(4)
        home.run()
        home.change({**datasets, "clean": below})
        text = home.run(code=2)
        says(text, "dataset clean", "`--rebuild sums`", "`--rebuild counts`")
        says_not(text, "`--rebuild clean`")
        says(home.rebuild("clean", code=2), "keeps no state", "--rebuild sums", "--rebuild counts")
        says(home.rebuild("sums", code=2), "`--rebuild sums` `--rebuild counts`")
        home.rebuild("sums", "counts")
        home.feed(2).run()
        home.same("a", f"SELECT k, sum(v) AS total FROM ({below}) GROUP BY k")
        home.same("b", f"SELECT v % 5 AS f, count(*) AS n FROM ({below}) GROUP BY f")

    def all_of_them(self):
        datasets = {"sums": "SELECT k, sum(v) AS total FROM input GROUP BY k",
                    "counts": "SELECT count(*) AS n FROM input"}
        home = self.home(datasets, {"a": ("sums", "complete"), "b": ("counts", "complete")}).feed(3)
        home.run()
        changed = {"sums": "SELECT k, min(v) AS least FROM input GROUP BY k",
                   "counts": "SELECT count(*) + 1 AS n FROM input"}
        home.change(changed)
        home.rebuild("all")
        home.feed(1).run()
        home.same("a", changed["sums"])
        home.same("b", changed["counts"])

    def others_are_left_alone(self):
        """Neither the state nor the output of other datasets changes, and they go on."""
        datasets = {"totals": "SELECT k, sum(v) AS total FROM input GROUP BY k",
                    "kept": "SELECT id, v FROM input WHERE v > 20",
                    "other": "SELECT k, list(id ORDER BY id) AS ids FROM input GROUP BY k"}
        home = self.home(datasets, {"out": ("totals", "complete"), "kept": ("kept", "append"),
                                    "other": ("other", "complete")}).feed(4)
        home.run()
        rows = home.rows("SELECT * FROM kept"), home.rows("SELECT * FROM other")
        datasets["totals"] = "SELECT k, max(v) AS most FROM input GROUP BY k"
        home.change(datasets)
        home.rebuild("totals")
        assert rows == (home.rows("SELECT * FROM kept"), home.rows("SELECT * FROM other"))
        home.feed(2).run()
        home.same("out", datasets["totals"])
        home.same("kept", datasets["kept"])
        home.same("other", datasets["other"])

    def new_dataset(self):
        """A dataset that is new can begin with the input of before."""
        datasets = {"kept": "SELECT id, v FROM input"}
        sinks = {"kept": ("kept", "append")}
        home = self.home(datasets, sinks).feed(4)
        home.run()
        datasets["sums"] = "SELECT k, sum(v) AS total FROM input GROUP BY k"
        home.change(datasets, {**sinks, "out": ("sums", "complete")})
        home.rebuild("sums")
        home.feed(1).run()
        home.same("out", datasets["sums"])
        home.same("kept", datasets["kept"])

    def joined_tables(self):
        """A stream that is joined with a table of the same input, and with a file."""
        datasets = {"most": "SELECT k AS key, max(v) AS most FROM input GROUP BY k",
                    "totals": "SELECT name, sum(v) AS total FROM input JOIN names USING (k) GROUP BY name"}
        source = FILES + ("  names:\n    from: { type: files, path: names.csv }\n    format: csv\n"
                          "    schema: k VARCHAR, name VARCHAR\n    as: table\n")
        home = self.home(datasets, {"out": ("totals", "complete"), "most": ("most", "complete")},
                         source=source).feed(4)
        names = [[f"{a}{i}", f"name {a}"] for a in "abc" for i in range(3)]
        m.write_csv(home.path / "names.csv", ["k", "name"], names)
        home.run()
        datasets["totals"] = ("SELECT name, sum(v) AS total FROM input JOIN names USING (k) "
                              "WHERE v > 30 GROUP BY name")
        home.change(datasets)
        home.rebuild("totals")
        home.feed(2).run()
        joined = "read_csv('names.csv', header = true) AS names"
        home.same("out", datasets["totals"].replace("names", joined, 1))
        home.same("most", datasets["most"])

    # --- event time

    WINDOW = "SELECT tumble(t, INTERVAL {size}) AS w, k, count(*) AS n, {more} FROM input GROUP BY ALL"

    def windows(self):
        """Closed windows stay as they were given out, open ones are rebuilt, none comes twice."""
        a = self.WINDOW.format(size="1 HOUR", more="sum(v) AS s")
        b = self.WINDOW.format(size="1 HOUR", more="max(v)::HUGEINT AS s")
        home = self.home({"hourly": a}, {"out": ("hourly", "append")},
                         source=FILES + WATERMARK).feed(9)
        home.run()
        closed, given = home.watermark(), home.rows("SELECT * FROM out")
        assert given
        home.change({"hourly": b})
        home.rebuild("hourly")
        assert home.rows("SELECT * FROM out") == given
        home.feed(8).run()
        over = "w + INTERVAL 1 HOUR <= TIMESTAMP '{}'"
        home.same("out", f"SELECT * FROM ({a}) WHERE {over.format(closed)} UNION ALL "
                         f"SELECT * FROM ({b}) WHERE NOT {over.format(closed)} "
                         f"AND {over.format(home.watermark())}")

    def other_windows(self):
        """Of other windows those behind the watermark count as closed."""
        a = self.WINDOW.format(size="10 MINUTES", more="sum(v) AS s")
        b = self.WINDOW.format(size="1 HOUR", more="sum(v) AS s")
        home = self.home({"windows": a}, {"out": ("windows", "append")},
                         source=FILES + WATERMARK).feed(9)
        home.run()
        closed = home.watermark()
        home.change({"windows": b})
        home.rebuild("windows")
        home.feed(8).run()
        home.same("out", f"SELECT * FROM ({a}) WHERE w + INTERVAL 10 MINUTES <= '{closed}' UNION ALL "
                         f"SELECT * FROM ({b}) WHERE w + INTERVAL 1 HOUR > '{closed}' "
                         f"AND w + INTERVAL 1 HOUR <= '{home.watermark()}'")

    def kept_windows(self):
        a = self.WINDOW.format(size="1 HOUR", more="sum(v) AS s")
        b = self.WINDOW.format(size="30 MINUTES", more="max(v) AS s")
        home = self.home({"windows": a}, {"out": ("windows", "complete")},
                         source=FILES + WATERMARK).feed(9)
        home.run()
        home.change({"windows": b})
        home.rebuild("windows")
        home.feed(8).run()
        home.same("out", b)

    def update_of_windows(self):
        """Open windows are given out again; closed ones are not."""
        a = self.WINDOW.format(size="1 HOUR", more="sum(v)::BIGINT AS s")
        b = self.WINDOW.format(size="1 HOUR", more="max(v) AS s")
        home = self.home({"hourly": a}, {"out": ("hourly", "update")},
                         source=FILES + WATERMARK).feed(9)
        home.run()
        closed = home.watermark()
        home.change({"hourly": b})
        home.rebuild("hourly")
        both = (f"SELECT * FROM ({a}) WHERE w + INTERVAL 1 HOUR <= '{closed}' UNION ALL "
                f"SELECT * FROM ({b}) WHERE w + INTERVAL 1 HOUR > '{closed}'")
        home.same("out", both, "at once")
        home.feed(4).run()
        home.same("out", both, "with more input")

    HOURLY = "SELECT tumble(t, INTERVAL 20 MINUTES) AS w, k, sum(v) AS s FROM {} GROUP BY ALL"

    def chain(self, changed, rebuild):
        """A table over closed windows: the windows go into it again, whichever of both changed."""
        datasets = {"clean": "SELECT * FROM input WHERE v > 10", "windows": self.HOURLY.format("clean"),
                    "most": "SELECT k, max(s) AS most FROM windows GROUP BY k"}
        home = self.home(datasets, {"windows": ("windows", "append"), "most": ("most", "complete")},
                         source=FILES + WATERMARK).feed(9)
        home.run()
        given, closed = home.rows("SELECT * FROM windows"), home.watermark()
        datasets.update(changed)
        home.change(datasets)
        says(home.run(code=2), f"`--rebuild {rebuild}`")
        text = home.rebuild(rebuild)
        if rebuild == "windows":
            says(text, "rebuilding windows, and most, which depends on it")
        assert home.rows("SELECT * FROM windows") == given
        home.feed(6).run()
        sql = self.HOURLY.format(f"({datasets['clean']})")
        over = "w + INTERVAL 20 MINUTES <= TIMESTAMP '{}'"
        home.same("most", datasets["most"].replace(
            "windows", f"(SELECT * FROM ({sql}) WHERE {over.format(home.watermark())})"))
        old = self.HOURLY.format("(SELECT * FROM input WHERE v > 10)")
        home.same("windows", f"SELECT * FROM ({old}) WHERE {over.format(closed)} UNION ALL "
                             f"SELECT * FROM ({sql}) WHERE NOT {over.format(closed)} "
                             f"AND {over.format(home.watermark())}")

    def chain_from_below(self):
        self.chain({"clean": "SELECT * FROM input WHERE v % 3 > 0"}, "windows")

    def chain_above(self):
        self.chain({"most": "SELECT left(k, 1) AS k, max(s) AS most, count(*) AS n FROM windows "
                            "GROUP BY ALL"}, "most")

    SESSIONS = ("SELECT k, window_start AS w, window_end AS e, count(*) AS n "
                "FROM session(input, t, INTERVAL {} MINUTES, k) GROUP BY ALL")
    SESSIONS_ORACLE = """SELECT k, min(t) AS w, max(t) + INTERVAL {0} MINUTES AS e, count(*) AS n FROM (
        SELECT *, count(*) FILTER (new) OVER (PARTITION BY k ORDER BY t, id) AS s FROM (
          SELECT *, coalesce(t >= lag(t) OVER (PARTITION BY k ORDER BY t, id) + INTERVAL {0} MINUTES, true)
            AS new FROM input)) GROUP BY k, s"""

    def sessions(self):
        """Another gap. A session that was open at the change has all its rows."""
        home = self.home({"visits": self.SESSIONS.format(6)}, {"out": ("visits", "append")},
                         source=FILES + WATERMARK).feed(7)
        home.run()
        closed = home.watermark()
        home.change({"visits": self.SESSIONS.format(4)})
        says(home.run(code=2), "`--rebuild visits`")
        home.rebuild("visits")
        home.feed(6).run()
        home.same("out", f"SELECT * FROM ({self.SESSIONS_ORACLE.format(6)}) WHERE e <= '{closed}' "
                         f"UNION ALL SELECT * FROM ({self.SESSIONS_ORACLE.format(4)}) "
                         f"WHERE e > '{closed}' AND e <= '{home.watermark()}'")

    def distinct(self):
        """Keys of another kind: those that were met are known, and don't come again."""
        home = self.home({"first": "SELECT DISTINCT ON (k) id, k, v FROM input"},
                         {"out": ("first", "append")}).feed(4)
        home.run()
        before = home.rows("SELECT * FROM out")
        home.change({"first": "SELECT DISTINCT ON (k, v % 20) id, k, v FROM input"})
        says(home.run(code=2), "`--rebuild first`")
        home.rebuild("first")
        assert home.rows("SELECT * FROM out") == before
        home.feed(3).run()
        got = home.rows("SELECT DISTINCT k, v % 20 AS r FROM out WHERE id >= 160")
        assert got == home.rows(f"WITH {READ} SELECT DISTINCT k, v % 20 AS r FROM input WHERE id >= 160 "
                                "EXCEPT SELECT k, v % 20 FROM input WHERE id < 160")
        assert len(home.rows("SELECT * FROM out")) == len(before) + len(got)

    def distinct_in_time(self):
        """With an event time keys are remembered for the delay; those still known are rebuilt."""
        home = self.home({"first": "SELECT DISTINCT ON (k) id, k, t FROM input"},
                         {"out": ("first", "append")},
                         source=FILES + WATERMARK.replace("5m", "1000h")).feed(4)
        home.run()
        before = home.rows("SELECT * FROM out")
        home.change({"first": "SELECT DISTINCT ON (k) id, k, t FROM input WHERE v >= 0"})
        home.rebuild("first")
        home.feed(3).run()
        assert home.rows("SELECT * FROM out") == before and len(before) == 15

    def windows_of_now(self):
        """When rows came is not kept, so windows of processing time can't be made anew."""
        sql = "SELECT tumble(now(), INTERVAL 1 HOUR) AS w, {} FROM input GROUP BY 1"
        home = self.home({"load": sql.format("count(*) AS n")}, {"out": ("load", "append")}).feed(2)
        home.run()
        home.change({"load": sql.format("sum(v) AS n")})
        says(home.run(code=2), "`--rebuild` can't help", "now()")
        says(home.rebuild("load", code=2), "load can't be rebuilt", "now()")

    # --- sources

    def source(self, source, a, b):
        """Sources that make up their rows: as if the second query had run from the start."""
        sinks = {"out": ("totals", "complete")}
        home = self.home({"totals": a}, sinks, source=source.format(half=5000))
        home.run()
        home.change({"totals": b}, source=source.format(half=9000))
        home.rebuild("totals")
        home.run()
        got = home.rows("SELECT * FROM out")
        fresh = self.home({"totals": b}, sinks, source=source.format(half=9000))
        fresh.run()
        assert got == fresh.rows("SELECT * FROM out"), got

    def generator(self):
        self.source("sources:\n  input:\n    from: {{ type: generator }}\n    kind: transactions\n"
                    "    rows: {half}\n    rows_per_trigger: 700\n",
                    "SELECT count(*) AS n FROM input",
                    "SELECT count(*) AS n, sum(hash(input)) AS h FROM input")

    def nexmark(self):
        self.source("sources:\n  input:\n    from: {{ type: nexmark }}\n    table: bid\n"
                    "    events: {half}\n    max_events_per_trigger: 900\n",
                    "SELECT auction, count(*) AS n FROM input GROUP BY auction",
                    "SELECT auction, max(price) AS price FROM input GROUP BY auction")

    def rate(self):
        home = self.home({"totals": "SELECT count(*) AS n FROM input"}, {"out": ("totals", "complete")},
                         source="sources:\n  input:\n    from: { type: rate }\n"
                                "    rows_per_second: 1000000\n    rows: 5000\n")
        home.run()  # the first row
        home.run()
        home.change({"totals": "SELECT CAST(sum(value) AS BIGINT) AS s FROM input"})
        home.rebuild("totals")
        got = m.query("pipeline.yaml", "FROM out", cwd=home.path)
        assert got == [{"s": 5000 * 4999 // 2}], got

    def store(self):
        """An embedded store that is read by a growing column."""
        home = self.home({"rows": "SELECT id, k, v FROM input"}, {"db": ("rows", "update")})
        text = (home.path / "pipeline.yaml").read_text().replace("mode: update", "mode: append")
        (home.path / "pipeline.yaml").write_text(text)
        home.feed(4).run()
        second = home.path / "second.yaml"

        def write(sql):
            second.write_text("pipeline: second\nsources:\n  rows:\n"
                              "    from: { type: store, path: db.duckdb }\n    table: t\n"
                              "    incremental: id\n    max_rows_per_trigger: 50\n"
                              f"datasets:\n  totals: {sql}\nsinks:\n  out: {{ from: totals, "
                              "to: { type: files, path: out }, format: parquet, mode: complete }\n")
        write("SELECT k, sum(v) AS s FROM rows GROUP BY k")
        m.run("run", "second.yaml", "--once", cwd=home.path)
        write("SELECT k, max(v) AS s FROM rows GROUP BY k")
        m.run("run", "second.yaml", "--once", "--rebuild", "totals", cwd=home.path)
        home.feed(2).run()
        m.run("run", "second.yaml", "--once", cwd=home.path)
        got = m.canonical(m.query("second.yaml", "FROM out", cwd=home.path))
        assert got == home.rows(f"WITH {READ} SELECT k, max(v) AS s FROM input GROUP BY k")

    TOTALS = "SELECT k, sum(v) AS total FROM input GROUP BY k"
    CHANGED = "SELECT k, max(v) AS most FROM input GROUP BY k"

    def simple(self, files=5, **options):
        home = self.home({"totals": self.TOTALS}, {"out": ("totals", "complete")}, **options)
        home.feed(files).run()
        return home

    def missing_file(self):
        home = self.simple()
        home.change({"totals": self.CHANGED})
        before = home.checkpoint()
        (home.path / "in" / "0002.csv").rename(home.path / "aside")
        says(home.rebuild("totals", code=3), "0002.csv", "is gone")
        assert home.checkpoint() == before
        (home.path / "aside").rename(home.path / "in" / "0002.csv")
        home.rebuild("totals")
        home.same("out", self.CHANGED)

    def changed_file(self):
        home = self.simple()
        home.change({"totals": self.CHANGED})
        before = home.checkpoint()
        m.write_csv(home.path / "in" / "0003.csv", ["id", "k", "v", "t"], [[1, "x", 1, text_of(START)]])
        says(home.rebuild("totals", code=3), "0003.csv", "has changed since")
        assert home.checkpoint() == before

    def files_taken_away(self):
        """A source that can't be read again: neither proposed nor done."""
        home = self.simple(source=FILES + "    clean_source: delete\n")
        home.change({"totals": self.CHANGED})
        text = home.run(code=2)
        says(text, "`--rebuild` can't help", "clean_source", "to start over")
        says_not(text, "run it with")
        says(home.rebuild("totals", code=2), "totals can't be rebuilt", "clean_source")

    def other_source(self):
        home = self.simple()
        home.change({"totals": "SELECT count(*) AS n FROM input"}, source=(
            "sources:\n  input:\n    from: { type: rate }\n    rows: 3\n"))
        text = home.run(code=2)
        says(text, "source input", "its SQL changed", "to start over")
        says_not(text, "--rebuild")
        says(home.rebuild("totals", code=2), "source input")

    def malformed_rows(self):
        """They were put aside when they were read, and are not put aside again."""
        home = self.home({"totals": self.TOTALS}, {"out": ("totals", "complete")}).feed(2)
        (home.path / "in" / "bad.csv").write_text("id,k,v,t\n1,a,x,2026-01-05 00:00:00\n")
        home.run()
        quarantine = [n for n in home.checkpoint() if "quarantine" in n]
        assert len(quarantine) == 1
        home.change({"totals": self.CHANGED})
        home.rebuild("totals")
        assert [n for n in home.checkpoint() if "quarantine" in n] == quarantine

    # --- mistakes

    def wrong_names(self):
        home = self.home({"totals": self.TOTALS, "kept": "SELECT * FROM input",
                          "unused": "SELECT count(*) AS n FROM input"},
                         {"out": ("totals", "complete"), "kept": ("kept", "append")}).feed(2)
        home.run()
        says(home.rebuild("total", code=2), "no dataset of this name", "totals")
        says(home.rebuild("kept", code=2), "keeps no state", "totals")
        says(home.rebuild("input", code=2), "no dataset of this name")
        says(home.rebuild("unused", code=2), "no sink needs it")

    def nothing_to_rebuild(self):
        home = self.home({"totals": self.TOTALS}, {"out": ("totals", "complete")}).feed(2)
        says(home.rebuild("totals"), "nothing was committed yet")
        home.same("out", self.TOTALS)

    def unchanged(self):
        home = self.simple()
        home.rebuild("totals")
        home.rebuild("totals")
        home.feed(1).run()
        home.same("out", self.TOTALS)

    # --- crashes

    def killed(self):
        """Killed at every step: before the end the old query can go on; then it is done again."""
        home = self.simple()
        home.change({"totals": self.CHANGED})
        template = self.folder / "template"
        shutil.rmtree(template, ignore_errors=True)
        shutil.copytree(home.path, template)
        trace = self.folder / "trace"
        trace.unlink(missing_ok=True)
        home.rebuild("totals", env={"MILLRACE_FAULT_LOG": str(trace)})
        points = trace.read_text().split()
        assert {"rebuild.after_slice", "rebuild.before_snapshot", "checkpoint.snapshot.before_rename",
                "checkpoint.snapshot.after_rename", "checkpoint.rebuilt.after_description"} \
            <= set(points), points
        done = False
        for at, point in enumerate(points):
            done = done or point == "checkpoint.snapshot.after_rename"
            hit = points[:at + 1].count(point)
            for again in ("old", "plain", "rebuild"):
                shutil.rmtree(home.path)
                shutil.copytree(template, home.path)
                what = f"killed at {point}:{hit}, then {again}"
                home.rebuild("totals", code=-9, env={"MILLRACE_FAULT": f"{point}:{hit}"})
                if again == "rebuild":
                    home.rebuild("totals")
                elif again == "plain":  # once it is durable it need not be asked for again
                    home.run(code=0 if done else 2)
                elif not done:
                    home.change({"totals": self.TOTALS}).feed(1).run()
                    home.same("out", self.TOTALS, what)
                    home.files -= 1
                    home.change({"totals": self.CHANGED})
                    home.rebuild("totals")
                    home.files += 1
                if again != "plain" or done:
                    home.feed(1).run()
                    home.same("out", self.CHANGED, what)
                home.files = 5

    def after_a_killed_batch(self):
        """A batch that was planned and not committed is repeated, by the new query."""
        for point in ("checkpoint.offsets.after_sync", "batch.after_publish"):
            home = self.simple()
            home.feed(2).run(code=-9, env={"MILLRACE_FAULT": f"{point}:1"})
            home.change({"totals": self.CHANGED})
            text = home.rebuild("totals")
            says(text, "repeating one that was not committed", "from 200 rows")
            home.same("out", self.CHANGED, point)
            home.feed(1).run()
            home.same("out", self.CHANGED, point)

    def after_a_published_batch(self):
        """A store that has a batch of the old query would take the repeated one for done."""
        after = self.CHANGED.replace("most", "total")
        home = self.home({"totals": "SELECT k, CAST(sum(v) AS BIGINT) AS total FROM input GROUP BY k"},
                         {"out": ("totals", "update")}).feed(2)
        home.run()
        home.feed(2).run(code=-9, env={"MILLRACE_FAULT": "batch.after_publish:1"})
        before = home.datasets
        home.change({"totals": after})
        says(home.rebuild("totals", code=2), "sink out has the rows of batch", "then change it")
        home.change(before).run()
        home.change({"totals": after}).rebuild("totals")
        home.feed(1).run()
        home.same("out", after)

    def damaged_afterwards(self):
        """State of the old query is never taken for that of the new one."""
        home = self.simple()
        home.change({"totals": self.CHANGED})
        home.rebuild("totals", code=-9, env={"MILLRACE_FAULT": "checkpoint.snapshot.after_rename:1"})
        snapshot = max((home.path / ".millrace" / "p" / "snapshots").iterdir())
        data = bytearray(snapshot.read_bytes())
        data[-50] ^= 0xFF
        snapshot.write_bytes(bytes(data))
        says(home.run(code=3), "snapshot", "to start over")

    def stopped(self):
        """Ctrl-C in the middle: the checkpoint stays as it was."""
        source = ("sources:\n  input:\n    from: { type: generator }\n    kind: transactions\n"
                  "    rows: 400000\n    rows_per_trigger: %d\n")
        home = self.home({"totals": "SELECT count(*) AS n FROM input"}, {"out": ("totals", "complete")},
                         source=source % 100_000)
        home.run()
        home.change({"totals": "SELECT count(*) + 1 AS n FROM input"}, source=source % 2)
        before = home.checkpoint()
        process = m.start("run", "pipeline.yaml", "--once", "--rebuild", "totals", cwd=home.path)
        errors = ""
        while "rebuilding: " not in errors and process.poll() is None:
            errors += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        errors += process.communicate(timeout=60)[1]
        assert process.returncode == 0, (process.returncode, errors)
        says(errors, "stopped in the middle of the rebuild", "rebuilding: ")
        assert home.checkpoint() == before
        home.change(home.datasets, source=source % 100_000)
        home.rebuild("totals")
        assert m.query("pipeline.yaml", "FROM out", cwd=home.path) == [{"n": 400_001}]


def main():
    report = m.Report("rebuild")
    with tempfile.TemporaryDirectory(prefix="millrace-rebuild-") as folder:
        cases = Rebuild(folder)
        for name in ("other_aggregates", "other_keys", "other_filter", "of_all_rows", "last_rows",
                     "update_mode", "filter_below", "all_of_them", "others_are_left_alone",
                     "new_dataset", "joined_tables", "windows", "other_windows", "kept_windows",
                     "update_of_windows", "chain_from_below", "chain_above", "sessions", "distinct",
                     "distinct_in_time", "windows_of_now", "generator", "nexmark", "rate", "store",
                     "missing_file", "changed_file", "files_taken_away", "other_source",
                     "malformed_rows", "wrong_names", "nothing_to_rebuild", "unchanged", "killed",
                     "after_a_killed_batch", "after_a_published_batch", "damaged_afterwards",
                     "stopped"):
            if len(sys.argv) == 1 or re.search(sys.argv[1], name):
                report.case(name.replace("_", " "), getattr(cases, name))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
