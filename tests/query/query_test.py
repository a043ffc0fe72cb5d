#!/usr/bin/env python3
"""`millrace query`: what sinks wrote, and tables as of the last committed batch, while a pipeline runs,
after it was stopped, and after it was killed. DuckDB over the input is the oracle."""
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

PIPELINE = """pipeline: tables
sources:
  input:
    from: { type: files, path: in }
    format: csv
    schema: id BIGINT, kind VARCHAR, amount DOUBLE
    max_files_per_trigger: 1
  names:
    from: { type: files, path: names }
    as: table
    format: csv
    schema: kind VARCHAR, title VARCHAR
datasets:
  large: SELECT * FROM input WHERE amount > 1
  totals: SELECT kind, count(*) AS n, sum(amount) AS amount FROM large GROUP BY kind
  kinds: SELECT kind FROM input GROUP BY kind
  everything: SELECT count(*) AS n, now() AS moment FROM input
  top: SELECT * FROM totals WHERE n > 2 ORDER BY amount DESC LIMIT 3
  titled: SELECT title, n FROM totals JOIN names USING (kind)
  unused: SELECT kind, max(amount) AS amount FROM input GROUP BY kind
sinks:
  large: { from: large, to: { type: files, path: out/large }, format: parquet }
  best: { from: top, to: { type: files, path: out/best }, format: parquet }
  kinds: { from: kinds, to: blackhole }
  everything: { from: everything, to: { type: files, path: out/everything }, format: json }
checkpoint:
  snapshot_interval: 100ms
  snapshot_log_size: 1KiB
"""
HEADER = ["id", "kind", "amount"]
LARGE = "(SELECT * FROM read_csv('{home}/in/*.csv') WHERE amount > 1)"
ORACLE = {
    "totals": f"SELECT kind, count(*) AS n, sum(amount) AS amount FROM {LARGE} GROUP BY kind",
    "kinds": "SELECT DISTINCT kind FROM read_csv('{home}/in/*.csv')",
}
ORACLE["top"] = f"SELECT * FROM ({ORACLE['totals']}) WHERE n > 2 ORDER BY amount DESC LIMIT 3"


class Home:
    def __init__(self, folder, pipeline=PIPELINE, files=4):
        self.path = pathlib.Path(folder) / "home"
        shutil.rmtree(self.path, ignore_errors=True)
        for name in ("in", "names"):
            (self.path / name).mkdir(parents=True)
        (self.path / "pipeline.yaml").write_text(pipeline)
        m.write_csv(self.path / "names" / "a.csv", ["kind", "title"],
                    [[f"k{i}", f"Kind {i}"] for i in range(5)])
        self.files = 0
        self.add(files)

    def add(self, files=1):
        for _ in range(files):
            rows = [[i, f"k{i % (3 + self.files)}", (i * 7 + self.files) % 11 / 2] for i in range(20)]
            m.write_csv(self.path / "in" / f"{self.files:05}.csv", HEADER, rows)
            self.files += 1

    def run(self, code=0, **options):
        done = m.run("run", "pipeline.yaml", "--once", cwd=self.path, check=False, **options)
        assert done.returncode == code, f"exit code {done.returncode}, not {code}: {done.stderr}"
        return done.stderr

    def query(self, sql):
        return m.query("pipeline.yaml", sql, cwd=self.path)

    def refused(self, sql, code=2):
        done = m.run("query", "pipeline.yaml", sql, cwd=self.path, check=False)
        assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stderr

    def wait_for_all(self, process):
        """Until the running pipeline has committed all files."""
        def done():
            assert process.poll() is None, process.communicate()
            return self.query("FROM state.everything")[0]["n"] == self.files * 20
        m.wait_until(done, "the last batch")

    def oracle(self, name):
        return m.canonical(self.query(ORACLE[name].format(home=self.path)))

    def check(self, *names):
        for name in names or ORACLE:
            for table in (name, f"state.{name}"):
                got, want = m.canonical(self.query(f"FROM {table}")), self.oracle(name)
                assert got == want, f"{table}: {got}\n     not {want}"


def says(text, *parts):
    for part in parts:
        assert part in text, f"`{part}` is not in: {text}"


def tables_without_a_sink(folder):
    """Of their own state, derived from it, and joined with a table as it is now."""
    home = Home(folder)
    home.run()
    home.check()
    assert home.query("SELECT count(*) AS n FROM TOTALS JOIN Top USING (kind)") == [{"n": 3}]
    titled = "SELECT title, n FROM titled ORDER BY title LIMIT 1"
    first = home.query(titled)
    assert first[0]["title"] == "Kind 0", first
    m.write_csv(home.path / "names" / "a.csv", ["kind", "title"], [["k0", "Renamed"]])
    assert home.query(titled) == [{**first[0], "title": "Renamed"}], home.query(titled)
    assert home.query("SUMMARIZE totals")[0]["column_name"] == "kind"
    assert len(home.query("SELECT * FROM (PIVOT totals ON kind IN ('k0', 'k1') USING sum(n))")) > 0


def state_looks_into_a_table(folder):
    home = Home(folder)
    home.run()
    done = m.run("state", "pipeline.yaml", "totals", "n > 2 AND kind <> 'k0'", "--json", cwd=home.path)
    got = [json.loads(line) for line in done.stdout.splitlines()]
    want = home.query(f"SELECT * FROM ({ORACLE['totals']}) WHERE n > 2 AND kind <> 'k0'".format(home=home.path))
    assert got and m.canonical(got) == m.canonical(want), (got, want)
    done = m.run("state", "pipeline.yaml", "large", cwd=home.path, check=False)
    assert done.returncode == 2, done
    says(done.stderr, "large is a stream")
    done = m.run("state", "pipeline.yaml", "nothing", cwd=home.path, check=False)
    assert done.returncode == 2, done
    says(done.stderr, "no dataset called `nothing`", "totals, kinds")


def names_of_sinks_come_first(folder):
    home = Home(folder)
    home.run()
    # `best` is a sink; `everything` is a sink and a dataset; `kinds` a sink that can't be read back.
    assert m.canonical(home.query("FROM best")) == home.oracle("top")
    shutil.rmtree(home.path / "out" / "everything")
    (home.path / "out" / "everything").mkdir()
    (home.path / "out" / "everything" / "everything.json").write_text('{"n": 7}\n')
    assert home.query("SELECT n FROM everything") == [{"n": 7}]
    assert home.query("SELECT n FROM state.everything") == [{"n": 80}]
    home.check("kinds")
    assert home.query("WITH totals AS (SELECT 5 AS five) FROM totals") == [{"five": 5}]


def time_is_that_of_the_last_batch(folder):
    home = Home(folder)
    home.run()
    written = home.query("SELECT n, moment FROM everything")
    assert m.canonical(home.query("SELECT n, moment FROM state.everything")) == m.canonical(written)


def outputs_need_no_checkpoint(folder):
    """A query of what a sink wrote reads no state."""
    home = Home(folder)
    home.run()
    (home.path / ".millrace").rename(home.path / "away")
    assert home.query("SELECT count(*) AS n FROM large")[0]["n"] > 0
    says(home.refused("FROM totals"), "has never run", ".millrace/tables")
    assert not (home.path / ".millrace").exists()


def before_the_first_batch(folder):
    home = Home(folder, files=0)
    home.run()
    assert home.query("FROM totals") == []


def what_keeps_no_rows_is_explained(folder):
    home = Home(folder)
    home.run()
    says(home.refused("FROM input"), "input is a stream", "preview")
    says(home.refused("FROM state.large"), "large is a stream")
    says(home.refused("FROM unused"), "unused", "no sink needs it")
    says(home.refused("FROM nothing"), "nothing")
    says(home.refused("SELEC 1"), "SELEC")


def changed_query(folder):
    home = Home(folder)
    home.run()
    path = home.path / "pipeline.yaml"
    path.write_text(path.read_text().replace("sum(amount)", "max(amount)"))
    says(home.refused("FROM totals"), "dataset totals", "its SQL changed")
    assert len(home.query("FROM large")) > 0


def removed_dataset(folder):
    """A start after a dataset with state was taken out of the pipeline; its snapshot is passed over."""
    home = Home(folder)
    home.run()
    path = home.path / "pipeline.yaml"
    path.write_text("\n".join(line for line in path.read_text().split("\n")
                              if not line.strip().startswith("kinds:")))
    home.add()
    home.run(timeout=60)
    home.check("totals", "top")


def killed_pipeline(folder):
    """Tables are as of the last commit, whatever a killed batch has left behind."""
    for fault, batches in (("checkpoint.offsets.after_sync:3", 2), ("batch.after_run:3", 2),
                           ("batch.after_publish:8", 1), ("checkpoint.commit.before_sync:3", 3),
                           ("checkpoint.commit.after_sync:3", 3),
                           ("checkpoint.snapshot.before_rename:2", None)):
        home = Home(folder)
        done = m.run("run", "pipeline.yaml", "--once", cwd=home.path, check=False,
                     env={"MILLRACE_FAULT": fault})
        assert done.returncode == -9, (fault, done)
        state = json.loads(m.run("state", "pipeline.yaml", "--json", cwd=home.path).stdout)
        committed = [b["batchId"] for b in state["batches"] if b["commit"]]
        batches = batches or committed[-1] + 1
        assert committed[-1] + 1 == batches, (fault, committed)
        for name in sorted((home.path / "in").iterdir())[batches:]:
            name.rename(home.path / name.name)
        home.check("totals", "top")
        for name in home.path.glob("*.csv"):
            name.rename(home.path / "in" / name.name)
        home.run()
        home.check("totals", "top")


def running_pipeline(folder):
    """Each answer is that of some batch, and later answers of later batches."""
    home = Home(folder, files=1)
    process = m.start("run", "pipeline.yaml", "--progress", "none", cwd=home.path)
    try:
        m.wait_until(lambda: m.files_below(home.path / "out" / "everything"), "the first batch")
        last = 0
        for _ in range(12):
            home.add(4)
            seen = home.query("SELECT (SELECT n FROM state.everything) AS n, "
                              "(SELECT sum(n) FROM totals) AS large")[0]
            assert seen["n"] >= last and seen["n"] % 20 == 0, (seen, last)
            files = seen["n"] // 20
            large = sum((i * 7 + f) % 11 / 2 > 1 for f in range(files) for i in range(20))
            assert seen["large"] == large, (seen, large)
            last = seen["n"]
            m.run("state", "pipeline.yaml", cwd=home.path)
        home.wait_for_all(process)
        home.check()
        assert process.poll() is None
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    home.check()


def running_store(folder):
    """The store is open in the pipeline's process: its sink can't be read, but tables can."""
    pipeline = PIPELINE.replace("{ from: kinds, to: blackhole }",
                                "{ from: kinds, to: { type: store, path: out.duckdb }, table: kinds }")
    home = Home(folder, pipeline)
    process = m.start("run", "pipeline.yaml", "--progress", "none", cwd=home.path)
    try:
        m.wait_until(lambda: (home.path / "out" / "everything" / "everything.json").exists(),
                     "the first batch")
        home.wait_for_all(process)
        home.check("totals")
        says(home.refused("FROM kinds", code=3), "another process has it open")
        assert m.canonical(home.query("FROM state.kinds")) == home.oracle("kinds")
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert m.canonical(home.query("FROM kinds")) == home.oracle("kinds")


WINDOWS = """pipeline: windows
sources:
  a:
    from: { type: files, path: in }
    format: csv
    schema: ts TIMESTAMP, k VARCHAR, v INTEGER
    max_files_per_trigger: 1
    watermark: { column: ts, delay: 10s }
datasets:
  tumbled: SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, k, count(*) AS n, sum(v) AS s FROM a GROUP BY ALL
  large: SELECT * FROM (SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, sum(v) AS s FROM a GROUP BY ALL) WHERE s > 300
  totals: SELECT tumble(w, INTERVAL 5 MINUTES) AS m, sum(n) AS n FROM tumbled GROUP BY ALL
  rows: SELECT k, v, window_start, window_end FROM session(a, ts, INTERVAL 5 SECONDS, k)
  sessions: SELECT k, window_end, count(*) AS n FROM session(a, ts, INTERVAL 5 SECONDS, k) GROUP BY ALL
  firsts: SELECT DISTINCT ON (k) ts, k FROM a
  counts: SELECT k, count(*) AS n FROM a GROUP BY k
  quiet: SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, k, count(*) AS n, max(v) AS unread FROM a GROUP BY ALL
  above: SELECT w, sum(n) AS n FROM quiet GROUP BY w
sinks:
  tumbled: { from: tumbled, to: { type: files, path: out/tumbled }, format: csv }
  large: { from: large, to: blackhole }
  totals: { from: totals, to: blackhole }
  changes: { from: rows, to: blackhole }
  sessions: { from: sessions, to: blackhole }
  firsts: { from: firsts, to: blackhole }
  counts: { from: counts, to: blackhole }
  above: { from: above, to: blackhole }
"""
OPEN_WINDOWS = {
    "tumbled": "SELECT w, k, count(*) AS n, sum(v) AS s FROM {rows} WHERE w >= {open} GROUP BY ALL",
    "large": "SELECT w, sum(v) AS s FROM {rows} WHERE w >= {open} GROUP BY ALL HAVING sum(v) > 300",
    "totals": "SELECT time_bucket(INTERVAL 5 MINUTES, w) AS m, count(*) AS n FROM {rows} WHERE w < {open} "
              "GROUP BY ALL",
    "rows": "SELECT k, v, min(ts) OVER (PARTITION BY k, s) AS window_start, max(ts) OVER (PARTITION BY k, s) "
            "+ INTERVAL 5 SECONDS AS window_end FROM {sessions} QUALIFY window_end > {watermark}",
    "sessions": "SELECT k, max(ts) + INTERVAL 5 SECONDS AS window_end, count(*) AS n FROM {sessions} "
                "GROUP BY k, s HAVING window_end > {watermark}",
    "quiet": "SELECT w, count(*) AS n FROM {rows} WHERE w >= {open} GROUP BY w, k"}


def open_windows(folder):
    """What state.X has of a stream of windows is what would come out now; DuckDB over the input knows."""
    home = Home(folder, WINDOWS, files=0)
    for batch in range(3):
        rows = [[f"2024-01-01 10:0{batch + (i >= 30)}:{(i * 2) % 60:02}", f"k{i * i % 5}", i] for i in range(2, 40)]
        m.write_csv(home.path / "in" / f"w{batch}.csv", ["ts", "k", "v"], rows)
        home.run()
        names = {"watermark": f"TIMESTAMP '2024-01-01 10:0{batch + 1}:08'",
                 "open": f"TIMESTAMP '2024-01-01 10:0{batch + 1}:00'"}
        scan = f"read_csv('{home.path}/in/w*.csv')"
        names["rows"] = f"(SELECT *, date_trunc('minute', ts) AS w FROM {scan})"
        names["sessions"] = (f"(SELECT *, sum(b) OVER (PARTITION BY k ORDER BY ts) AS s FROM (SELECT *, "
                             f"coalesce(ts >= lag(ts) OVER (PARTITION BY k ORDER BY ts) + INTERVAL 5 SECONDS, "
                             f"true)::INT AS b FROM {scan}))")
        for name, oracle in OPEN_WINDOWS.items():
            want = m.canonical(home.query(oracle.format(**names)))
            for _ in range(2):  # looking changes nothing
                got = m.canonical(home.query(f"FROM state.{name}"))
                assert want and got == want, (batch, name, got, want)
        got = [json.loads(line) for line in m.run("state", "pipeline.yaml", "tumbled", "k = 'k1'", "--json",
                                                  cwd=home.path).stdout.splitlines()]
        assert got == [r for r in home.query("FROM state.tumbled") if r["k"] == "k1"], got
    says(home.refused("FROM state.firsts"), "DISTINCT keeps the keys")
    says(home.refused("FROM state.a"), "a is a stream")
    says(home.refused("FROM quiet"), "its open windows are state.quiet")
    assert home.query("SELECT count(*) AS n FROM tumbled") != home.query("SELECT count(*) AS n FROM state.tumbled")


def state_tells_its_age(folder):
    home = Home(folder, WINDOWS, files=0)
    m.write_csv(home.path / "in" / "w.csv", ["ts", "k", "v"],
                [["2024-01-01 10:00:50", "a", 1], ["2024-01-01 10:01:05", "b", 1], ["2024-01-01 10:01:07", "b", 1]])
    home.run()
    lines = {line.split(":")[0].strip(): line for line in
             m.run("state", "pipeline.yaml", cwd=home.path).stdout.splitlines() if " in memory" in line}
    says(lines["tumbled"], "2 rows", "2 open windows, the first from 2024-01-01 10:00:00")
    says(lines["rows"], "2 rows", "1 open window, the first from 2024-01-01 10:01:05")
    says(lines["firsts"], "2 rows", "the oldest key is of 2024-01-01 10:0")
    assert lines["counts"].endswith(" in memory"), lines
    m.run("run", "pipeline.yaml", "--once", cwd=home.path)  # nothing new
    state = json.loads(m.run("state", "pipeline.yaml", "--json", cwd=home.path).stdout)
    dataset = state["batches"][-1]["commit"]["datasets"]["tumbled"]
    assert dataset["windows"] == 2 and dataset["oldest"] == "2024-01-01 10:00:00", dataset


def main():
    report = m.Report("query")
    with tempfile.TemporaryDirectory(prefix="millrace-query-") as folder:
        for case in (tables_without_a_sink, state_looks_into_a_table, names_of_sinks_come_first, time_is_that_of_the_last_batch,
                     outputs_need_no_checkpoint, before_the_first_batch,
                     what_keeps_no_rows_is_explained, changed_query, removed_dataset, killed_pipeline,
                     running_pipeline, running_store, open_windows, state_tells_its_age):
            if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
                report.case(case.__name__.replace("_", " "), lambda: case(folder))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
