#!/usr/bin/env python3
"""Golden pipelines: cases/*.test, each run in every way that must not change the answer.

A case is a dataset over a stream `input`. Its rows arrive as CSV files and its result is compared
with one DuckDB query over all files at once: batch is the oracle of streaming. It is run
  straight   all files in one batch
  files      one file a batch
  rows       one row a batch (the first rows only, when there are many)
  killed     one file a batch, killed at a step of a batch and started again, for several steps
  shared     one file a batch, with rows and commits shared by threads as in large batches
  shuffled   one file a batch, the rows in other orders within the watermark's delay
  1 thread   one file a batch, on one thread
A case file has `key: value` lines, then `sql:` and the text of the SQL:
  about:    what it proves
  schema:   columns of the input
  rows:     an SQL query over range(N) AS t(i) that makes the rows; `files: N` cuts them into files
  modes:    append, complete and/or update
  derived:  name = SQL, further datasets over `result`; the last one is what is compared
  watermark: of the input, as in a pipeline file; few: rows for `a row a batch` (12)
  oracle:   after the SQL, a line `oracle:` and another SQL text, which the result must equal (the
            SQL itself, if there is none): for windows, those that the watermark has closed
  refused:  part of the message with which validate refuses the case (then nothing is run)
Usage: golden_test.py [CASE...]
"""
import datetime
import pathlib
import random
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

CASES = pathlib.Path(__file__).parent / "cases"
# Steps of a batch at which a run is killed: early, in the middle and late ones.
FAULTS = ["checkpoint.offsets.after_sync:2", "files.after_stage:1", "store.before_commit:2",
          "files.after_publish:2", "store.after_commit:1", "checkpoint.commit.before_write:3",
          "checkpoint.commit.after_sync:2"]
# As large batches are: these are small.
SHARED = {"MILLRACE_WORTH_A_THREAD": "1"}


def parse(path):
    case = {"name": path.stem, "files": "5", "modes": "complete", "few": "12", "derived": []}
    lines = path.read_text().splitlines()
    while lines:
        line = lines.pop(0)
        if not line.strip() or line.startswith("#"):
            continue
        key, _, value = line.partition(":")
        if key == "sql":
            case["sql"], _, oracle = "\n".join(lines).partition("\noracle:\n")
            if oracle:
                case["oracle"] = oracle
            break
        if key == "derived":
            case["derived"].append([part.strip() for part in value.split("=", 1)])
        else:
            case[key.strip()] = value.strip()
    return case


def indent(text, by):
    return "\n".join(" " * by + line for line in text.splitlines())


class Case:
    def __init__(self, case, folder):
        self.case, self.folder = case, pathlib.Path(folder)
        self.last = case["derived"][-1][0] if case["derived"] else "result"

    def pipeline(self, mode, limit, threads=None):
        datasets = f"  result: |\n{indent(self.case['sql'], 4)}\n"
        for name, sql in self.case["derived"]:
            datasets += f"  {name}: |\n    {sql}\n"
        to = "{ type: store, path: out.duckdb }" if mode == "update" else "{ type: files, path: out }"
        sink = "    table: result\n" if mode == "update" else "    format: parquet\n"
        limit = f"    max_files_per_trigger: {limit}\n" if limit else ""
        if "watermark" in self.case:
            limit += f"    watermark: {self.case['watermark']}\n"
        return (f"pipeline: golden\n" + (f"threads: {threads}\n" if threads else "") +
                f"sources:\n  input:\n    from: {{ type: files, path: in }}\n    format: csv\n"
                f"    schema: {self.case['schema']}\n{limit}"
                f"datasets:\n{datasets}"
                f"sinks:\n  out:\n    from: {self.last}\n    to: {to}\n    mode: {mode}\n{sink}")

    def prepare(self, mode, limit, cut, threads=None):
        """A fresh folder with the pipeline and its input; `cut` says how many rows go in a file."""
        home = self.folder / "run"
        shutil.rmtree(home, ignore_errors=True)
        (home / "in").mkdir(parents=True)
        (home / "pipeline.yaml").write_text(self.pipeline(mode, limit, threads))
        for number, rows in enumerate(cut):
            m.write_csv(home / "in" / f"{number:05}.csv", self.header, rows)
        return home

    def load_rows(self):
        self.header = [c.split()[0] for c in split_columns(self.case["schema"])]
        home = self.prepare_empty()
        rows = m.query("pipeline.yaml", self.case["rows"], cwd=home)
        self.rows = [[row[name] for name in self.header] for row in rows]

    def prepare_empty(self):
        self.folder.mkdir(exist_ok=True, parents=True)
        (self.folder / "in").mkdir(exist_ok=True)
        (self.folder / "pipeline.yaml").write_text(self.pipeline("complete", None)
                                                   .replace(f"from: {self.last}", "from: input")
                                                   .replace("mode: complete", "mode: append"))
        return self.folder

    def cut(self, rows):
        size = max(1, -(-len(rows) // int(self.case["files"])))
        return [rows[i:i + size] for i in range(0, len(rows), size)] or [[]]

    def shuffled(self, seed):
        """The rows in another order, none of them later than the watermark's delay allows."""
        column, delay = re.fullmatch(r"{ column: (\w+), delay: (\d+)s }", self.case["watermark"]).groups()
        at, rng = self.header.index(column), random.Random(seed)
        arrivals, last = {}, 0
        for row in self.rows:
            if row[at] not in (None, "infinity", "-infinity"):  # those stay about where they are
                last = datetime.datetime.fromisoformat(row[at]).timestamp() + rng.uniform(0, int(delay))
            arrivals[id(row)] = last
        return sorted(self.rows, key=lambda row: arrivals[id(row)])

    def oracle(self, home):
        """One DuckDB query over all files."""
        columns = ", ".join("'%s': '%s'" % tuple(c.split(None, 1))
                            for c in split_columns(self.case["schema"]))
        parts = [f"input AS (SELECT * FROM read_csv('in/*.csv', header = true, auto_detect = false, "
                 f"columns = {{{columns}}}))"]
        if "oracle" in self.case:
            parts.append(f"{self.last} AS ({self.case['oracle']})")
        else:
            parts.append(f"result AS ({self.case['sql']})")
            parts += [f"{name} AS ({sql})" for name, sql in self.case["derived"]]
        return m.canonical(m.query("pipeline.yaml", f"WITH {', '.join(parts)} FROM {self.last}",
                                   cwd=home))

    def check(self, home, what, mode):
        """What the sink wrote, and for a table also what the checkpoint holds."""
        want = self.oracle(home)
        self.compare(home, what, "out", want)
        if mode == "complete":
            self.compare(home, f"{what}, table", f"state.{self.last}", want)

    def compare(self, home, what, table, want):
        nothing = table == "out" and not any(home.glob("out*/*")) and not any(home.glob("out.*"))
        got = [] if nothing else m.canonical(
            m.query("pipeline.yaml", f"SELECT * FROM {table}", cwd=home))
        if got != want:
            missing = [r for r in want if r not in got][:3]
            extra = [r for r in got if r not in want][:3]
            raise m.Failed(f"{what}: {len(got)} rows, the oracle has {len(want)}\n"
                           f"     missing {missing}\n     extra   {extra}")

    def straight(self, mode, limit, cut, threads=None, env=None):
        home = self.prepare(mode, limit, cut, threads)
        done = m.run("run", "pipeline.yaml", "--once", "--progress", "json", cwd=home, env=env)
        assert m.balanced(done.stdout) > 0, "no batch"
        self.check(home, f"{mode}", mode)

    def killed(self, mode, cut):
        hits = 0
        for fault in FAULTS:
            home = self.prepare(mode, 1, cut)
            done = m.run("run", "pipeline.yaml", "--once", cwd=home, check=False,
                         env={"MILLRACE_FAULT": fault, **(SHARED if hits % 2 else {})})
            if done.returncode == 0:
                continue  # this kind of sink does not pass there
            assert done.returncode == -9, f"{fault}: exit code {done.returncode}\n{done.stderr}"
            hits += 1
            m.run("run", "pipeline.yaml", "--once", cwd=home)
            self.check(home, f"{mode}, killed at {fault}", mode)
        assert hits >= 3, f"only {hits} fault points were met"

    def refused(self):
        home = self.prepare_empty()
        (home / "pipeline.yaml").write_text(self.pipeline(self.case["modes"].split()[0], None))
        done = m.run("validate", "pipeline.yaml", cwd=home, check=False)
        assert done.returncode == 2, f"validate exited with {done.returncode}: {done.stdout}"
        assert self.case["refused"] in done.stderr, done.stderr
        assert re.search(r"pipeline\.yaml:\d+:\d+: error: ", done.stderr), done.stderr


def split_columns(schema):
    """Cuts "a INT, b DECIMAL(4,1)" at the commas outside of parentheses."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(schema):
        depth += (c in "([<") - (c in ")]>")
        if c == "," and depth == 0:
            out.append(schema[start:i].strip())
            start = i + 1
    return out + [schema[start:].strip()]


def main():
    report = m.Report("golden")
    names = sys.argv[1:]
    if unknown := set(names) - {path.stem for path in CASES.glob("*.test")}:
        sys.exit(f"there is no case called {', '.join(sorted(unknown))}")
    for path in sorted(CASES.glob("*.test")):
        if names and path.stem not in names:
            continue
        spec = parse(path)
        with tempfile.TemporaryDirectory(prefix="millrace-golden-") as folder:
            case = Case(spec, folder)
            if "refused" in spec:
                report.case(f"{path.stem}: refused", case.refused)
                continue
            if not report.case(f"{path.stem}: rows", case.load_rows):
                continue
            few = case.cut(case.rows)
            for mode in spec["modes"].split():
                mode = mode.strip(",")
                way = f"{path.stem}: {mode}, "
                report.case(way + "straight", lambda: case.straight(mode, None, few))
                report.case(way + "a file a batch", lambda: case.straight(mode, 1, few))
                report.case(way + "a row a batch",
                            lambda: case.straight(mode, 1, [[r] for r in case.rows[:int(spec["few"])]]))
                report.case(way + "shared by threads",
                            lambda: case.straight(mode, 1, few, env=SHARED))
                if "watermark" in spec:
                    report.case(way + "shuffled within the watermark's delay",
                                lambda: [case.straight(mode, 1, case.cut(case.shuffled(seed))) for seed in (1, 2)])
                report.case(way + "1 thread", lambda: case.straight(mode, 1, few, threads=1))
                report.case(way + "killed and restored", lambda: case.killed(mode, few))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
