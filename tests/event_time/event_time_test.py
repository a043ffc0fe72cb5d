#!/usr/bin/env python3
"""What docs/event-time.md says, batch by batch: watermarks of one and several sources, partitions and
idle ones; which rows are late, how they are counted; windows of processing time; tables that are
refreshed; mistakes in pipeline files."""
import json
import pathlib
import random
import re
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

HEADER = ["ts", "k", "v"]


def at(clock):
    return f"2024-01-01 {clock}"


class Home:
    """A folder with a pipeline over CSV files, one a batch."""

    def __init__(self, folder, datasets, sinks, sources=("a",), watermark="{ column: ts, delay: 10s }",
                 more=""):
        self.path = pathlib.Path(folder)
        text = f"pipeline: et\n{more}sources:\n"
        for source in sources:
            (self.path / source).mkdir()
            text += (f"  {source}:\n    from: {{ type: files, path: {source} }}\n    format: csv\n"
                     f"    schema: ts TIMESTAMP, k VARCHAR, v INTEGER\n    max_files_per_trigger: 1\n")
            text += f"    watermark: {watermark}\n" if watermark else ""
        text += "datasets:\n" + "".join(f"  {n}: {sql}\n" for n, sql in datasets.items())
        text += "sinks:\n" + "".join(f"  {n}: {sink}\n" for n, sink in sinks.items())
        (self.path / "pipeline.yaml").write_text(text)
        self.files = 0

    def add(self, rows, source="a"):
        m.write_csv(self.path / source / f"{self.files:04}.csv", HEADER, rows)
        self.files += 1

    def run(self, *args):
        """Runs what is there; gives the progress of each batch."""
        done = m.run("run", "pipeline.yaml", "--once", "--progress", "json", *args, cwd=self.path)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def rows(self, name):
        if not m.files_below(self.path / name):
            return []
        return [tuple(r.values()) for r in m.query("pipeline.yaml", f"FROM {name} ORDER BY ALL",
                                                   cwd=self.path)]


def sink(name, mode="append"):
    return f"{{ from: {name}, to: {{ type: files, path: {name} }}, format: csv, mode: {mode} }}"


MINUTES = "SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, count(*) AS n FROM a GROUP BY ALL"


def in_folder(case):
    def run():
        with tempfile.TemporaryDirectory(prefix="millrace-event-time-") as folder:
            case(folder)
    return run


def late_rows(folder):
    """Late is what belongs to a window that an earlier batch has closed; a restart changes nothing."""
    home = Home(folder, {"w": MINUTES}, {"w": sink("w")})
    home.add([[at("10:00:05"), "a", 1], [at("10:01:09"), "a", 1], [at("10:00:01"), "b", 1]])
    first = home.run()[0]  # the watermark is 10:00:59: nothing is closed
    assert first["eventTime"]["watermark"] == "2024-01-01T10:00:59.000Z", first["eventTime"]
    assert home.rows("w") == [], home.rows("w")
    home.add([[at("10:00:30"), "a", 1], [at("10:01:10"), "a", 1]])
    assert home.run()[0]["numLateRows"] == 0  # behind the watermark, but the window is open
    assert home.rows("w") == [("2024-01-01 10:00:00", 3)], home.rows("w")
    home.add([[at("10:00:59"), "a", 1], ["", "a", 1], [at("10:01:00"), "a", 1],
              [at("08:00:00"), "a", 1]])
    third = home.run()[0]
    operator = third["stateOperators"][0]
    assert third["numLateRows"] == 3 and operator["numRowsDroppedByWatermark"] == 3, third
    # 10:00:59 belongs to 10:00, a minute before what is open; 8:00 to 8:00; one has no time.
    assert operator["lateness"] == {"withoutTime": 1, "1s": 0, "10s": 0, "1m": 0, "10m": 1, "1h": 0,
                                    "1d": 1, "more": 0}, operator["lateness"]
    dataset = next(d for d in third["datasets"] if d["name"] == "w")
    assert (dataset["in"], dataset["absorbed"], dataset["late"]) == (4, 1, 3), dataset
    home.add([[at("11:00:00"), "a", 1]])
    home.run()
    assert home.rows("w")[1] == ("2024-01-01 10:01:00", 3), home.rows("w")


def slowest_source(folder, policy, watermark, closed):
    home = Home(folder, {"merged": "SELECT * FROM a UNION ALL SELECT * FROM b",
                         "w": MINUTES.replace("FROM a", "FROM merged")},
                {"w": sink("w")}, sources=("a", "b"), more=f"watermark_policy: {policy}\n")
    home.add([[at("10:00:00"), "a", 1]])
    alone = home.run()[0]["eventTime"]
    assert alone["heldBackBy"] == "b" and "watermark" not in alone, alone  # b has given no row
    home.add([[at("10:30:00"), "a", 1]])
    home.add([[at("10:05:30"), "b", 1]], source="b")
    event_time = home.run()[-1]["eventTime"]
    assert event_time["heldBackBy"] == "b", event_time
    assert event_time["watermark"] == watermark, event_time
    assert [r[0] for r in home.rows("w")] == closed, home.rows("w")


def partitions(folder):
    home = Home(folder, {"w": MINUTES}, {"w": sink("w")},
                watermark="{ column: ts, delay: 10s, partition: k }")
    home.add([[at("10:30:00"), "east", 1], [at("10:05:30"), "west", 1], [at("10:00:00"), "west", 1]])
    event_time = home.run()[0]["eventTime"]
    assert event_time["heldBackByPartition"] == "west", event_time
    assert home.rows("w") == [("2024-01-01 10:00:00", 1)], home.rows("w")
    home.add([[at("10:20:00"), "west", 1]])
    event_time = home.run()[0]["eventTime"]
    assert event_time["watermark"] == "2024-01-01T10:19:50.000Z", event_time
    assert len(home.rows("w")) == 2, home.rows("w")


def idle_source(folder):
    """b says nothing for longer than its timeout, so a alone decides; an unread b would hold back."""
    home = Home(folder, {"merged": "SELECT * FROM a UNION ALL SELECT * FROM b",
                         "w": MINUTES.replace("FROM a", "FROM merged")},
                {"w": sink("w")}, sources=("a", "b"),
                watermark="{ column: ts, delay: 10s, idle_timeout: 300ms }")
    home.add([[at("10:05:30"), "b", 1]], source="b")
    home.run()

    def closed():
        home.add([[at("10:30:00"), "a", 1]])
        home.run()
        return home.rows("w") == [("2024-01-01 10:05:00", 1)]
    m.wait_until(closed, "the idle source to be left out")


def progress_is_kept(folder):
    """The watermark after a restart is the one before, also when the newest rows are in a snapshot."""
    home = Home(folder, {"w": MINUTES}, {"w": sink("w")},
                more="checkpoint: { snapshot_interval: 100ms, snapshot_log_size: 1 }\n")
    home.add([[at("12:00:00"), "a", 1]])
    home.run()
    home.add([[at("11:00:00"), "a", 1], [at("11:59:55"), "a", 1]])
    progress = home.run()[0]
    assert progress["eventTime"]["watermark"] == "2024-01-01T11:59:50.000Z", progress["eventTime"]
    assert progress["numLateRows"] == 1, progress


def state_is_dropped(folder):
    """Closed windows leave no rows behind, however many there were."""
    home = Home(folder, {"w": "SELECT tumble(ts, INTERVAL 1 SECOND) AS w, k, v, count(*) AS n FROM a "
                              "GROUP BY ALL"}, {"w": sink("w")})
    for batch in range(20):
        home.add([[f"2024-01-01 10:{batch:02}:{s:02}", f"k{s}", v] for s in range(60)
                  for v in range(50)])
    progress = home.run()
    rows = [p["stateOperators"][0]["numRowsTotal"] for p in progress]
    assert max(rows) <= 12 * 50 and rows[5] == rows[19], rows
    windows = progress[-1]["stateOperators"][0]["numWindowsOpen"]
    assert windows <= 12, windows
    held = [p["stateOperators"][0]["memoryUsedBytes"] for p in progress]
    assert held[19] <= 2 * held[3], held


def many_small_windows(folder):
    """Thousands of open windows share tables: kilobytes each, not 88 KB."""
    home = Home(folder, {"w": "SELECT tumble(ts, INTERVAL 1 SECOND) AS w, count(*) AS n FROM a "
                              "GROUP BY ALL"}, {"w": sink("w")},
                watermark="{ column: ts, delay: 10h }")
    home.add([[f"2024-01-01 1{s // 3600}:{s // 60 % 60:02}:{s % 60:02}", "k", 1]
              for s in range(20000)])
    operator = home.run()[0]["stateOperators"][0]
    assert operator["numWindowsOpen"] == 20000, operator
    assert operator["memoryUsedBytes"] < 20000 * 1000, operator


def processing_time(folder):
    """Windows of now() are closed by the clock, in batches without rows if need be."""
    home = Home(folder, {"w": "SELECT tumble(now(), INTERVAL 1 SECOND) AS w, count(*) AS n FROM a "
                              "GROUP BY 1"}, {"w": sink("w")}, watermark="", more="trigger: 100ms\n")
    home.add([[at("10:00:00"), "a", 1], [at("10:00:00"), "b", 1]])
    process = m.start("run", "pipeline.yaml", cwd=home.path)
    try:
        m.wait_until(lambda: m.files_below(home.path / "w"), "the window to be closed")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    assert [r[1] for r in home.rows("w")] == [2], home.rows("w")


def table_refreshed(folder):
    """A table of files is read again when they have changed, and only then."""
    home = Home(folder, {"j": "SELECT a.v, names.name FROM a LEFT JOIN names ON a.k = names.k"},
                {"j": sink("j")})
    text = (home.path / "pipeline.yaml").read_text()
    (home.path / "names").mkdir()
    (home.path / "pipeline.yaml").write_text(text.replace("datasets:", """  names:
    from: { type: files, path: names }
    as: table
    format: csv
    schema: k VARCHAR, name VARCHAR
datasets:"""))
    m.write_csv(home.path / "names" / "1.csv", ["k", "name"], [["a", "Anna"]])
    process = m.start("run", "pipeline.yaml", "--progress", "json", cwd=home.path)
    try:
        for i, (key, name) in enumerate([("a", "Anna"), ("a", "Anna"), ("b", "Ben"), ("b", "Bea")]):
            if name not in ("Anna",):
                m.write_csv(home.path / "names" / "2.csv", ["k", "name"], [["b", name]])
            home.add([[at("10:00:00"), key, i]])
            m.wait_until(lambda: (i, name) in home.rows("j"), f"row {i} with {name}")
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    read = [next(d["in"] for d in json.loads(line)["datasets"] if d["name"] == "names")
            for line in out.splitlines() if line.startswith("{")]
    assert read == [1, 0, 2, 2], read  # rows of the table that each batch read


SIZE, SLIDE, GAP, DELAY = 60, 20, 2, 10  # seconds
LATE = {
    "tumbled": "SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, k, count(*) AS n FROM a GROUP BY ALL",
    "hopped": "SELECT window_start, k, max(v) AS m FROM hop(a, ts, INTERVAL 1 MINUTE, INTERVAL 20 SECONDS) "
              "WHERE v % 3 <> 0 GROUP BY ALL",
    "sessions": "SELECT k, window_start, window_end, count(*) AS n FROM session(a, ts, INTERVAL 2 SECONDS, "
                "k) GROUP BY ALL",
    "firsts": "SELECT DISTINCT ON (k, v % 100) ts, k FROM a",
    "even": "WITH e AS (SELECT *, tumble(ts, INTERVAL 1 MINUTE) AS w FROM a WHERE v % 2 = 0) SELECT w, "
            "list_sort(list(v)) AS vs FROM e GROUP BY w",
    "tops": "SELECT w, k, v FROM (SELECT *, row_number() OVER (PARTITION BY w, k ORDER BY v DESC) AS n "
            "FROM (SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, * FROM a)) WHERE n <= 2",
    "named": "SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, title, count(*) AS n FROM a JOIN titles USING (k) "
             "GROUP BY ALL"}


def lateness_of(name, seconds, v, watermark):
    """For how many windows of a dataset a row is late. Times in seconds; None: NULL, or no watermark."""
    if name == "hopped":
        if seconds is None or v % 3 == 0 or watermark is None:
            return 0
        last, open_from = seconds // SLIDE * SLIDE, watermark // SLIDE * SLIDE - SIZE + SLIDE
        return sum(start < open_from for start in range(int(last), int(last) - SIZE, -SLIDE))
    if name == "even" and v % 2 != 0:
        return 0
    if seconds is None:
        return int(name != "sessions")  # which leave rows without a time out
    if watermark is None:
        return 0
    if name == "sessions":
        return int(seconds + GAP <= watermark)
    return int(seconds < watermark if name == "firsts" else seconds // SIZE < watermark // SIZE)


class LateHome(Home):
    """Rows up to some minutes late in several batches, and what the sinks of late rows should have."""

    def __init__(self, folder, late=True):
        sinks = {name: sink(name) for name in LATE}
        self.late_sinks = {f"{n}_late": sink(f"{n}_late").replace("from:", "late:").replace(
            f"late: {n}_late", f"late: {n}") for n in LATE}
        super().__init__(folder, LATE, {**sinks, **(self.late_sinks if late else {})})
        path = self.path / "pipeline.yaml"
        (self.path / "titles").mkdir()
        m.write_csv(self.path / "titles" / "1.csv", ["k", "title"], [[f"k{i}", f"T{i}"] for i in range(7)])
        path.write_text(path.read_text().replace("datasets:", """  titles:
    from: { type: files, path: titles }
    as: table
    format: csv
    schema: k VARCHAR, title VARCHAR
datasets:"""))
        self.newest, self.expected, self.number = None, {name: [] for name in LATE}, random.Random(5)

    def add_sinks(self):
        path = self.path / "pipeline.yaml"
        path.write_text(path.read_text() + "".join(f"  {n}: {s}\n" for n, s in self.late_sinks.items()))

    def add_batch(self, expect=True):
        watermark = None if self.newest is None else self.newest - DELAY
        rows, newest = [], self.newest
        for i in range(1500):
            seconds = self.files * 100 + i // 15 + 600 - self.number.choice([0, 0, 0, 3, 20, 150, 400])
            none, v = i % 300 == 7, self.files * 10000 + i
            ts = "" if none else f"2024-01-01 10:{seconds // 60:02}:{seconds % 60:02}"
            row = (ts, f"k{i % 7}", v)
            rows.append(row)
            newest = newest if none else max(seconds, newest or 0)
            for name in LATE if expect else []:
                self.expected[name] += [(ts or None, *row[1:])] * lateness_of(
                    name, None if none else seconds, v, watermark)
        self.newest = newest
        self.add(rows)

    def check(self):
        for name, expected in self.expected.items():
            got = self.rows(f"{name}_late")
            wanted = sorted(expected, key=lambda r: (r[0] is None, *(x or "" for x in r[:2]), r[2]))
            assert len(expected) > 100, (name, len(expected))
            assert got == wanted, (f"{name}: {len(got)} rows, not {len(wanted)}", got[:3], wanted[:3])

    def on_time(self):
        return {name: self.rows(name) for name in LATE if name != "firsts"}


def late_sinks(folder, threads):
    """Each gets the rows of the stream that were late for its dataset, whole; the rest is as without."""
    home = LateHome(folder)
    for _ in range(5):
        home.add_batch()
    batches = home.run("--threads", threads)
    home.check()
    for name in LATE:
        late = sum(next(d for d in b["datasets"] if d["name"] == name).get("late", 0) for b in batches)
        written = sum(next(s for s in b["sinks"] if s["name"] == f"{name}_late")["numOutputRows"]
                      for b in batches)
        assert written == len(home.expected[name]) == late, (name, written, late)
    with tempfile.TemporaryDirectory() as other:
        plain = LateHome(other, late=False)
        for _ in range(5):
            plain.add_batch()
        plain.run()
        assert plain.on_time() == home.on_time()


def late_sinks_killed(folder):
    """Killed at some places and started again, with snapshots: each late row is there once."""
    home = LateHome(folder)
    path = home.path / "pipeline.yaml"
    path.write_text(path.read_text() + "checkpoint: { snapshot_interval: 100ms, snapshot_log_size: 1 }\n")
    for _ in range(5):
        home.add_batch()
    for fault in ("batch.after_run:2", "batch.after_stage:9", "batch.after_publish:12",
                  "checkpoint.commit.after_sync:2"):
        done = m.run("run", "pipeline.yaml", "--once", cwd=home.path, check=False,
                     env={"MILLRACE_FAULT": fault})
        assert done.returncode == -9, (fault, done)
    home.run()
    home.check()


def late_sink_added(folder):
    """A pipeline that has state gets its sinks of late rows later: the state still fits."""
    home = LateHome(folder, late=False)
    home.add_batch(expect=False)
    home.add_batch(expect=False)
    home.run()
    home.add_sinks()
    for _ in range(3):
        home.add_batch()
    home.run()
    home.check()


def late_sinks_explained(folder):
    home = LateHome(folder)
    text = m.run("explain", "pipeline.yaml", "--no-plans", cwd=home.path).stdout
    part = text[text.index("sink tumbled_late"):]
    assert "writes:    rows too late for tumbled" in part, part
    assert "columns:   ts TIMESTAMP, k VARCHAR, v INTEGER" in part, part
    assert "sink tumbled_late (late rows)" in text, text


def late_refusals():
    to = "to: { type: files, path: x }, format: csv"
    counted = {"w": MINUTES, "t": "SELECT k, count(*) AS n FROM a GROUP BY k", "s": "SELECT * FROM a",
               "u": "SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, count(*) AS n FROM (FROM a UNION ALL FROM a) "
                    "GROUP BY ALL"}
    for line, place, words in [
            (f"{{ {to} }}", "{", "needs the option `from`"),
            (f"{{ from: w, late: w, {to} }}", "w, to", "both `from` and `late`"),
            (f"{{ late: nope, {to} }}", "nope", "neither a dataset nor a source"),
            (f"{{ late: a, {to} }}", "a", "is a source"),
            (f"{{ late: s, {to} }}", "s", "none of its rows is ever late"),
            (f"{{ late: t, {to} }}", "t", "none of its rows is ever late"),
            (f"{{ late: u, {to} }}", "u", "a dataset of its own"),
            (f"{{ late: w, mode: update, {to} }}", "update", "remove `mode`"),
            (f"{{ late: w, key: [k], {to} }}", "[k]", "no `key`"),
            (f"{{ late: w, to: {{ type: store, path: x.duckdb }}, table: x, mode: complete }}", "complete",
             "mode is append")]:
        with tempfile.TemporaryDirectory() as folder:
            home = Home(folder, counted, {**{n: sink(n, "complete" if n == "t" else "append")
                                             for n in counted}, "x": line})
            done = m.run("validate", "pipeline.yaml", cwd=home.path, check=False)
            assert done.returncode == 2 and words in done.stderr, f"{line}: {done.stderr}"
            at = re.search(r"pipeline\.yaml:(\d+):(\d+): error: ", done.stderr)
            text = (home.path / "pipeline.yaml").read_text().splitlines()[int(at[1]) - 1]
            assert text[int(at[2]) - 1:].startswith(place), (line, done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(folder, {"w": MINUTES}, {"w": sink("w", "complete"), "x": f"{{ late: w, {to} }}"})
        done = m.run("validate", "pipeline.yaml", cwd=home.path, check=False)
        assert done.returncode == 2 and "a sink writes it in mode complete" in done.stderr, done.stderr


def refusals():
    for watermark, sql, words in [
            ("{ column: nope, delay: 10s }", "SELECT 1 AS x FROM a", "there is no column nope"),
            ("{ column: k, delay: 10s }", "SELECT 1 AS x FROM a", "k is VARCHAR"),
            ("{ column: ts }", "SELECT 1 AS x FROM a", "needs the option `delay`"),
            ("10s", "SELECT 1 AS x FROM a", "must be a mapping"),
            ("{ column: ts, delay: 10s, partition: v2 }", "SELECT 1 AS x FROM a", "no column v2"),
            ("", MINUTES, "group by a window of a column with a watermark"),
            ("", "SELECT * FROM session(a, ts, INTERVAL 1 MINUTE)", "column with a watermark"),
            ("{ column: ts, delay: 1s }", "SELECT k, count(*) AS n FROM a GROUP BY k",
             "group by a window"),
            ("{ column: ts, delay: 1s }", "SELECT v, row_number() OVER (ORDER BY v) AS n FROM a",
             "window function"),
            ("{ column: ts, delay: 1s }", "SELECT DISTINCT ON (k) * FROM a ORDER BY k, v",
             "ORDER BY over a stream")]:
        with tempfile.TemporaryDirectory() as folder:
            home = Home(folder, {"w": sql}, {"w": sink("w")}, watermark=watermark)
            done = m.run("validate", "pipeline.yaml", cwd=home.path, check=False)
            assert done.returncode == 2 and words in done.stderr, f"{sql}: {done.stderr}"
            assert re.search(r"pipeline\.yaml:\d+:\d+: error: ", done.stderr), done.stderr


def warnings(folder):
    home = Home(folder, {"d": "SELECT DISTINCT k FROM a"}, {"d": sink("d")})
    done = m.run("validate", "pipeline.yaml", cwd=home.path)
    assert "remembers every key for ever" in done.stderr, done.stderr


def main():
    report = m.Report("event_time")
    report.case("late rows, batch by batch", in_folder(late_rows))
    report.case("sinks of late rows", in_folder(lambda f: late_sinks(f, 1)))
    report.case("sinks of late rows, two threads", in_folder(lambda f: late_sinks(f, 2)))
    report.case("sinks of late rows, killed", in_folder(late_sinks_killed))
    report.case("sinks of late rows, added later", in_folder(late_sink_added))
    report.case("sinks of late rows, explained", in_folder(late_sinks_explained))
    report.case("sinks of late rows, refused", late_refusals)
    report.case("the slowest source counts", in_folder(lambda f: slowest_source(
        f, "min", "2024-01-01T10:05:20.000Z", ["2024-01-01 10:00:00"])))
    report.case("the fastest source counts on request", in_folder(lambda f: slowest_source(
        f, "max", "2024-01-01T10:05:20.000Z", ["2024-01-01 10:00:00", "2024-01-01 10:05:00"])))
    report.case("partitions have watermarks of their own", in_folder(partitions))
    report.case("an idle source does not hold back", in_folder(idle_source))
    report.case("a restart goes on with the same watermark", in_folder(progress_is_kept))
    report.case("state of closed windows is dropped", in_folder(state_is_dropped))
    report.case("small windows share memory", in_folder(many_small_windows))
    report.case("windows of processing time", in_folder(processing_time))
    report.case("a table is read again when it changed", in_folder(table_refreshed))
    report.case("what can't work is refused", refusals)
    report.case("state that grows is warned of", in_folder(warnings))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
