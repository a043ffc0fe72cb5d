#!/usr/bin/env python3
"""What a pipeline keeps, and for how long: random values that a replay repeats, a time to live for
groups, and the memory limit. Time stands where a case sets it (MILLRACE_CLOCK)."""
import json
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

START = 1_700_000_000_000_000
SECOND = 1_000_000
# Steps of a batch at which a run is killed.
FAULTS = ["checkpoint.offsets.after_sync:2", "batch.after_run:2", "files.after_stage:1",
          "batch.after_stage:3", "files.after_publish:2", "checkpoint.commit.before_write:3",
          "checkpoint.commit.after_sync:2"]


class Home:
    """A folder with a pipeline over CSV files, one a batch."""

    def __init__(self, folder, datasets, sinks, schema, more=""):
        self.path, self.files = pathlib.Path(folder), 0
        self.header = [column.split()[0] for column in schema.split(", ")]
        (self.path / "in").mkdir(parents=True)
        text = f"pipeline: state\n{more}sources:\n  a:\n    from: {{ type: files, path: in }}\n"
        text += f"    format: csv\n    schema: {schema}\n    max_files_per_trigger: 1\n"
        text += "datasets:\n" + "".join(f"  {n}: {sql}\n" for n, sql in datasets.items())
        text += "sinks:\n" + "".join(f"  {n}: {sink}\n" for n, sink in sinks.items())
        (self.path / "pipeline.yaml").write_text(text)

    def add(self, rows):
        m.write_csv(self.path / "in" / f"{self.files:04}.csv", self.header, rows)
        self.files += 1

    def run(self, *args, at=START, check=True, fault=""):
        return m.run("run", "pipeline.yaml", "--once", "--progress", "json", *args, cwd=self.path,
                     check=check, env={"MILLRACE_CLOCK": str(at), "MILLRACE_FAULT": fault})

    def rows(self, name, columns="*"):
        if not m.files_below(self.path / name):
            return []
        return [tuple(r.values()) for r in m.query(
            "pipeline.yaml", f"SELECT {columns} FROM {name} ORDER BY ALL", cwd=self.path)]


def sink(name, mode="append"):
    return (f"{{ from: {name}, to: {{ type: files, path: {name} }}, format: parquet, "
            f"mode: {mode} }}")


def in_folder(case):
    def run():
        with tempfile.TemporaryDirectory(prefix="millrace-state-") as folder:
            case(pathlib.Path(folder))
    return run


RANDOM = {
    "drawn": "SELECT k, v, random() AS r, random() AS q, uuid() AS u, uuidv7() AS t FROM a "
             "WHERE random() < 0.8",
    "again": "SELECT k, r, random() AS s FROM drawn WHERE r < random()",
    "totals": "SELECT k, count(*) AS n, sum((random() * 1000000)::BIGINT) AS s FROM drawn GROUP BY k",
}
RANDOM_SINKS = {"drawn": sink("drawn"), "again": sink("again"), "totals": sink("totals", "complete")}


def random_home(folder):
    home = Home(folder, RANDOM, RANDOM_SINKS, "k VARCHAR, v INTEGER")
    for f in range(4):  # rows that are equal, in one file and in several
        home.add([[f"k{i % 5}", i % (40 + f)] for i in range(30_000)])
    return home


def random_values(home):
    return {name: home.rows(name) for name in RANDOM}


def replayed(folder):
    """The same batches give the same values: on one thread, on two, and killed anywhere."""
    first = random_home(folder / "one")
    first.run("--threads", 1)
    want = random_values(first)
    second = random_home(folder / "two")
    second.run("--threads", 2)
    assert random_values(second) == want, "2 threads gave other values than 1"
    hits = 0
    for fault in FAULTS:
        home = random_home(folder / fault.replace(":", "-"))
        done = home.run("--threads", 2, check=False, fault=fault)
        if done.returncode == 0:
            continue
        assert done.returncode == -9, done.stderr
        hits += 1
        home.run("--threads", 2)
        assert random_values(home) == want, f"other values after a kill at {fault}"
    assert hits >= 5, f"only {hits} fault points were met"
    later = random_home(folder / "later")
    later.run(at=START + SECOND)
    assert not set(r[4] for r in later.rows("drawn")) & set(r[4] for r in want["drawn"])


def distribution(folder):
    home = random_home(folder / "one")
    home.run()
    rows = home.rows("drawn")
    n = len(rows)
    assert abs(n / 120_000 - 0.8) < 0.01, n
    for column in (2, 3):
        values = [r[column] for r in rows]
        assert 0 <= min(values) and max(values) < 1 and abs(sum(values) / n - 0.5) < 0.01
    assert len(set(r[2] for r in rows)) == n and not any(r[2] == r[3] for r in rows)
    for column, version in ((4, "4"), (5, "7")):
        uuids = set(r[column] for r in rows)
        assert len(uuids) == n
        assert all(u[14] == version and u[19] in "89ab" for u in uuids)
    times = set(r[5][:13] for r in rows)
    ms = f"{START // 1000:012x}"
    assert times == {f"{ms[:8]}-{ms[8:]}"}, times
    assert abs(len(home.rows("again")) / n - 0.5) < 0.02


TTL_SQL = ("{ state_ttl: 64s, sql: \"SELECT k, count(*) AS n, sum(v) AS s, count(DISTINCT v) AS d, "
           "max(t) AS m, quantile_disc(v, 0.5) AS q FROM a GROUP BY k\" }")
SEEN_SQL = "{ state_ttl: 64s, sql: SELECT DISTINCT ON (k) k FROM a }"


class Model:
    """What docs/event-time.md says of state_ttl, in Python."""

    def __init__(self):
        self.groups, self.keys, self.seen = {}, {}, []

    def batch(self, at, rows):
        end = -(-(at + 64 * SECOND) // SECOND) * SECOND  # a 64th of the time to live is a second
        self.groups = {k: g for k, g in self.groups.items() if g[0] >= at}
        self.keys = {k: e for k, e in self.keys.items() if e >= at}
        for k, v, t in rows:
            self.groups[k] = (end, self.groups.get(k, (0, []))[1] + [(v, t)])
            if k not in self.keys:
                self.keys[k] = end
                self.seen.append((k,))

    def rows(self):
        out = []
        for k, (_, rows) in self.groups.items():
            values = sorted(v for v, _ in rows)
            out.append((k, len(rows), sum(values), len(set(values)), max(t for _, t in rows),
                        values[(len(values) + 1) // 2 - 1]))
        return sorted(out)


def forgotten(folder, more, faults):
    """Batch by batch at a time of its own, each in a process of its own, some of them killed."""
    home = Home(folder / "p", {"g": TTL_SQL, "seen": SEEN_SQL},
                {"g": sink("g", "complete"), "seen": sink("seen")},
                "k VARCHAR, v INTEGER, t VARCHAR", more)
    model, numbers, at = Model(), random.Random(5), START
    kills = 0
    for b in range(30):
        at += numbers.randrange(30) * SECOND + numbers.randrange(SECOND)
        at += 200 * SECOND if b == 20 else 0
        rows = [[f"k{numbers.randrange(12 if b % 5 else 3)}", numbers.randrange(50),
                 f"a text of some length {numbers.randrange(9)}"] for _ in range(20)]
        home.add(rows)
        model.batch(at, rows)
        fault = faults[b % len(faults)] if faults and b % 2 else ""
        done = home.run(at=at, check=not fault, fault=fault)
        if done.returncode != 0:
            kills += 1
            home.run(at=at)
        assert home.rows("g", "k, n, s::BIGINT AS s, d, m, q") == model.rows(), \
            f"batch {b}\n{home.rows('g')}\n{model.rows()}"
        assert home.rows("seen") == sorted(model.seen), f"batch {b}"
    if faults:
        assert kills >= 8, f"only {kills} kills"
    state = [tuple(r.values()) for r in m.query(
        "pipeline.yaml", "SELECT k, n, s::BIGINT AS s, d, m, q FROM state.g ORDER BY ALL",
        cwd=home.path)]
    assert state == model.rows(), state


def no_effect(folder):
    home = Home(folder / "p", {"g": "{ state_ttl: 1h, sql: SELECT k FROM a }"}, {"g": sink("g")},
                "k VARCHAR, v INTEGER")
    done = m.run("validate", "pipeline.yaml", cwd=home.path)
    assert "`state_ttl` has no effect" in done.stderr, done.stderr
    text = (home.path / "pipeline.yaml").read_text()
    for value in ("0s", "7", "soon"):
        (home.path / "pipeline.yaml").write_text(text.replace("1h", value))
        done = m.run("validate", "pipeline.yaml", cwd=home.path, check=False)
        assert done.returncode == 2 and "state_ttl" in done.stderr, done.stderr


def memory_limit(folder, sql):
    """State that outgrows the limit ends the pipeline; with a larger one it goes on."""
    home = Home(folder / "p", {"small": "SELECT v % 10 AS w, count(*) AS n FROM a GROUP BY w",
                               "large": sql},
                {"large": sink("large", "complete"), "small": sink("small", "complete")},
                "k VARCHAR, v INTEGER", "memory_limit: 48MB\n")
    per_file, files = 60_000, 12
    for f in range(files):
        home.add([[f"a key that is long enough {f}-{i}", i] for i in range(per_file)])
    done = home.run(check=False)
    assert done.returncode not in (0, -9), f"exit code {done.returncode}\n{done.stdout[-3000:]}"
    for words in ("the memory limit of ", "dataset large", " rows, ", "`memory_limit`", "`state_ttl`",
                  "a window"):
        assert words in done.stderr, f"{words}: {done.stderr}"
    batches = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert 0 < len(batches) < files, f"{len(batches)} batches\n{done.stderr}"
    committed = len(batches)
    text = (home.path / "pipeline.yaml").read_text()
    (home.path / "pipeline.yaml").write_text(text.replace("48MB", "2GB"))
    done = home.run()
    assert json.loads(done.stdout.splitlines()[0])["batchId"] == committed, done.stdout[:400]
    totals = home.rows("small", "sum(n)::BIGINT AS n")
    assert totals == [(per_file * files,)], totals
    assert len(home.rows("large", "k")) == per_file * files


def main():
    report = m.Report("state")
    report.case("random values are replayed", in_folder(replayed))
    report.case("random values are spread as they should be", in_folder(distribution))
    report.case("a time to live", in_folder(lambda f: forgotten(f, "", [])))
    report.case("a time to live, killed and restored", in_folder(lambda f: forgotten(
        f, "", [fault.split(":")[0] + ":1" for fault in FAULTS])))
    report.case("a time to live, with a snapshot each batch", in_folder(lambda f: forgotten(
        f, "checkpoint: { snapshot_interval: 100ms, snapshot_log_size: 1 }\n", [])))
    report.case("a time to live without effect", in_folder(no_effect))
    report.case("the memory limit", in_folder(lambda f: memory_limit(
        f, "SELECT k, count(*) AS n, max(k) AS m FROM a GROUP BY k")))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
