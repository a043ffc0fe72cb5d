#!/usr/bin/env python3
"""Random pipelines against DuckDB's batch answer: one seed, one case, the same every time.

A case is a random schema, rows, datasets (grammar.py), cuts into batches, threads, kills, modes and sinks. The oracle
is one DuckDB query over the rows that count (model.py). What differs is cut down and kept, with all to run it again.

Usage: differential_test.py [--seed N] [--cases N] [--case K] [--keep DIR]
  --seed N   another seed gives other cases; it is printed. Default: 1
  --cases N  how many; default 250
  --case K   only this one, and its pipeline is printed
  --keep DIR where the folders of failed cases go; default: a temporary folder
"""
import argparse
import collections
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

import model  # noqa: E402
from expressions import SQL_TYPE, Col  # noqa: E402
from grammar import Grammar, Step  # noqa: E402

FAULTS = ("checkpoint.offsets.before_write", "checkpoint.offsets.after_sync", "checkpoint.commit.before_write",
          "checkpoint.commit.before_sync", "checkpoint.commit.after_sync", "checkpoint.snapshot.before_segment",
          "checkpoint.snapshot.before_rename", "checkpoint.snapshot.after_rename", "files.after_stage",
          "files.before_rename", "files.after_renames", "store.before_commit", "store.after_commit",
          "batch.after_run", "batch.after_stage", "batch.after_publish")
# Why millrace may refuse a case: what is not possible in a stream, and the grammar does not avoid.
KNOWN_REFUSALS = (
    # An aggregation that no row can reach, as its WHERE is never true, is optimized away with its event time.
    "rows of an aggregation may still change",
    "can't be written in mode update",
    "mode update needs a key",  # what no row can pass is optimized away, and the key with it
    "can't be recognised any more once it is optimized",
)
DIM = [("dk", "STR"), ("dn", "INT"), ("dt", "STR")]


class Refused(Exception):
    pass


class Case:
    """All that a run needs; shrinking changes copies of it."""

    def __init__(self, name):
        rng = random.Random(name)
        self.name = name
        self.limit = rng.choice((1, 1, 1, 2, None))
        self.threads, self.policy = rng.choice((1, 2)), "min"
        self.checkpoint = rng.choice(("", "snapshot_interval: 100ms, snapshot_log_size: 200"))
        self.kills = [f"{rng.choice(FAULTS)}:{rng.randint(1, 4)}" for _ in range(rng.choice((0, 0, 0, 1, 1, 3)))]
        self.make_sources(rng)
        self.make_datasets(rng)
        self.make_sinks(rng)
        self.shared = rng.choice(("", "1"))  # rows and commits are shared by threads, few as they are

    def make_sources(self, rng):
        self.unit = rng.choice((1, 10, 60, 600, 3600, 86400))
        regime = rng.choice(("none", "ordered", "ordered", "late", "late"))
        computed = regime != "none" and rng.random() < 0.08
        schema = [("id", "BIG"), ("k", "STR"), ("v", "INT")]
        kinds = rng.sample(list(SQL_TYPE) + ["DBL", "STR", "INT"], rng.randint(1, 5))
        schema += [(f"x{i}_{kind.lower()}", kind) for i, kind in enumerate(kinds)]
        time = rng.choice(("TS", "TS", "TZ"))
        mark = None
        if regime != "none":
            schema.insert(1, ("ms", "BIG") if computed else ("ts", time))
            partition = "part" if rng.random() < 0.12 else None
            schema += [("part", "INT")] * bool(partition)
            delay = self.unit * rng.choice((0, 1, 3, 10))
            mark = model.Watermark("ms" if computed else "ts", delay, partition, "ts" if computed else None)
        names = ["input", "other"] if regime != "none" and not computed and rng.random() < 0.15 else ["input"]
        self.sources = []
        copies = rng.random() < 0.3
        for name in names:
            source = model.Source(name, schema, mark)
            count = rng.choice((3, 20, 60, 150))
            rows = model.make_rows(rng, source, count, (self.unit, regime) if mark else None, copies)
            source.parts = model.cut_rows(rng, rows)
            self.sources.append(source)
        if len(names) > 1:
            self.policy = rng.choice(("min", "min", "max"))
        self.dim = [[model.random_value(rng, kind, 0.1) for _, kind in DIM] for _ in range(rng.choice((0, 5, 25)))]

    def make_datasets(self, rng):
        hidden = model.hidden(self.sources)
        roots = []
        for source in self.sources:
            mark = source.watermark
            # Milliseconds are too large to compute with.
            cols = [Col(n, "-" if n == "ms" else k, unique=n == "id") for n, k in source.schema]
            for col in cols:
                if mark and not mark.computed and col.name == mark.column:
                    cast = "::TIMESTAMPTZ" if col.type == "TZ" else ""
                    col.bound = lambda env, name=source.name, cast=cast: env[name] + cast
            roots.append(Step(source.name, cols, True, hidden=hidden))
        self.before = []
        if self.sources[0].watermark and self.sources[0].watermark.computed:
            sql = "SELECT *, epoch_ms(ms) AS ts FROM input"
            cols = roots[0].cols + [Col("ts", "TS", lambda env: env["input"])]
            self.before = [Step("timed", cols, True, [roots[0]], sql, sql, hidden=hidden)]
        dim = Step("dim", [Col(n, k) for n, k in DIM], False, moving=False)
        grammar = Grammar(rng, self.unit, self.before or roots, dim, self.policy, [s.name for s in self.sources])
        self.steps = self.before + grammar.make(rng.choice((1, 1, 2, 3, 4)))

    def make_sinks(self, rng):
        read = {id(r) for step in self.steps for r in step.reads}
        self.sinks = []
        for step in self.steps:
            if id(step) in read:
                continue
            windows = bool(step.every)
            modes = ["append"] if step.stream else ["complete"]
            if windows:
                modes = ["append", "append", "complete"]
            plain = not any(s.aggregates or s.key for s in step.reads if s.inline)
            if step.key and plain:
                modes += ["update"] * 2
            mode = rng.choice(modes)
            kind = "store" if mode == "update" or rng.random() < 0.2 else "files"
            self.sinks.append((step, mode, kind))

    def pipeline(self):
        text = f"pipeline: diff\nthreads: {self.threads}\nwatermark_policy: {self.policy}\n"
        text += f"checkpoint: {{ sync: false{', ' + self.checkpoint if self.checkpoint else ''} }}\nsources:\n"
        for source in self.sources:
            text += (f"  {source.name}:\n    from: {{ type: files, path: in_{source.name} }}\n    format: csv\n"
                     f"    schema: {', '.join(f'{n} {SQL_TYPE[k]}' for n, k in source.schema)}\n")
            text += f"    max_files_per_trigger: {self.limit}\n" if self.limit else ""
            if source.watermark and not source.watermark.computed:
                text += f"    watermark: {source.watermark.text()}\n"
        text += ("  dim:\n    from: { type: files, path: dim }\n    as: table\n    format: csv\n"
                 f"    schema: {', '.join(f'{n} {SQL_TYPE[k]}' for n, k in DIM)}\ndatasets:\n")
        for step in self.steps:
            if not step.inline:
                text += f"  {step.name}:\n    sql: |\n      {step.text()}\n"
                if step in self.before:
                    text += f"    watermark: {self.sources[0].watermark.text()}\n"
        text += "sinks:\n"
        for step, mode, kind in self.sinks:
            path, more = ("out.duckdb", "table: result") if kind == "store" else ("out", "format: parquet")
            text += (f"  out_{step.name}:\n    from: {step.name}\n    to: {{ type: {kind}, path: {step.name}_{path} }}\n"
                     f"    mode: {mode}\n    {more}\n")
        return text

    def shrunk(self, **changes):
        other = object.__new__(Case)
        other.__dict__.update(self.__dict__)
        other.__dict__.update(changes)
        return other

    def with_parts(self, parts):
        sources = []
        for source, cut in zip(self.sources, parts):
            other = model.Source(source.name, source.schema, source.watermark)
            other.parts = cut
            sources.append(other)
        return self.shrunk(sources=sources)


class Lab:
    """Runs cases in a folder."""

    def __init__(self, folder):
        self.home = pathlib.Path(folder) / "case"
        self.met = collections.Counter()

    def prepare(self, case):
        shutil.rmtree(self.home, ignore_errors=True)
        for name in [f"in_{s.name}" for s in case.sources] + ["dim"]:
            (self.home / name).mkdir(parents=True)
        (self.home / "pipeline.yaml").write_text(case.pipeline())
        model.write_csv(self.home / "dim" / "dim.csv", DIM, case.dim)

    def check(self, case):
        self.prepare(case)
        kills = list(case.kills)
        self.note("rm -rf .millrace d*_out*")
        for part in range(max(len(s.parts) for s in case.sources)):
            for source in case.sources:
                for number, rows in enumerate(source.parts[part] if part < len(source.parts) else []):
                    name = f"in_{source.name}/{part:02}_{number:04}.csv"
                    model.write_csv(self.home / name, source.schema, rows)
                    self.note(f"# now there is {name}")
            while not self.run_once(kills.pop(0) if kills else "", case.shared):
                self.met["kills"] += 1
        self.compare(case)

    def note(self, line):
        """What was done, to do it again by hand."""
        with open(self.home / "again.sh", "a") as script:
            script.write(line + "\n")

    def run_once(self, fault, shared):
        """Runs to the end, or to the kill; false: killed."""
        env = {"MILLRACE_FAULT": fault, **({"MILLRACE_WORTH_A_THREAD": shared} if shared else {})}
        self.note(f"{' '.join(f'{k}={v}' for k, v in env.items())} millrace run pipeline.yaml --once")
        done = m.run("run", "pipeline.yaml", "--once", "--progress", "json", cwd=self.home, check=False, timeout=60,
                     env=env)
        if done.returncode == 2:
            raise Refused(done.stderr)
        if done.returncode == -9 and fault:
            return False
        if done.returncode != 0:
            raise m.Failed(f"run exited with {done.returncode}:\n{done.stderr[-3000:]}")
        m.balanced(done.stdout)
        return True

    def compare(self, case):
        ctes, last = model.oracle_inputs(self.home, case.sources, case.limit)
        ctes += [("dim", model.read_csv("dim/*.csv", DIM))]
        ctes += [(s.name, s.text("oracle")) for s in case.steps if not s.inline]
        sides, found = [], collections.defaultdict(collections.Counter)
        for step, mode, kind in case.sinks:
            whole = "kept" if step.every else "oracle"  # a table is the same in each mode
            text = step.text({"append": "oracle", "update": "every", "complete": whole}[mode])
            hide = f" EXCLUDE ({', '.join(step.hidden)})" if step.hidden else ""
            sides.append((f"want {step.name}", f"(SELECT *{hide} FROM ({text}))"))
            if any(self.home.glob(f"{step.name}_out*/*")) or any(self.home.glob(f"{step.name}_out.*")):
                sides.append((f"out_{step.name}", f"out_{step.name}"))
            if mode == "complete":
                sides.append((f"state.{step.name}", f"state.{step.name}"))
        union = " UNION ALL ".join(f"SELECT '{side}' AS side, to_json(q) AS j FROM {rows} AS q" for side, rows in sides)
        sql = f"WITH {', '.join(f'{name} AS ({text})' for name, text in ctes)} {union}"
        for name, value in last.items():
            sql = sql.replace(f"@{name}@", value)
        (self.home / "oracle.sql").write_text(sql + "\n")
        for row in m.query("pipeline.yaml", sql, cwd=self.home):
            found[row["side"]][canonical(row["j"])] += 1
        self.met["late rows"] += model.late_rows(case.sources, case.limit)
        for step, mode, _ in case.sinks:
            want = found[f"want {step.name}"]
            self.met["results"] += 1
            self.met["results with rows"] += bool(want)
            for table in [f"out_{step.name}"] + [f"state.{step.name}"] * (mode == "complete"):
                got = found[table]
                if got != want:
                    text = (f"{table} ({mode}): {sum(got.values())} rows, the oracle has {sum(want.values())}\n"
                            f"missing {list((want - got).elements())[:4]}\nextra   {list((got - want).elements())[:4]}")
                    (self.home / "difference.txt").write_text(text + "\n")
                    raise m.Failed(text)


def canonical(value):
    """A row as text: a number that is whole is the same in every type, others count to 9 digits."""
    def plain(v):
        if isinstance(v, float):
            return int(v) if v == int(v) and abs(v) < 1e15 else f"{v:.9g}"
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        return [plain(x) for x in v] if isinstance(v, list) else v
    return json.dumps(plain(json.loads(value) if isinstance(value, str) else value), sort_keys=True,
                      ensure_ascii=False)


def smaller(case):
    """Simpler cases than this one, the boldest first."""
    parts = [s.parts for s in case.sources]
    if case.kills:
        yield case.shrunk(kills=[])
        for i in range(len(case.kills)):
            yield case.shrunk(kills=case.kills[:i] + case.kills[i + 1:])
    if case.threads > 1:
        yield case.shrunk(threads=1)
    if case.checkpoint:
        yield case.shrunk(checkpoint="")
    if len(case.sinks) > 1:
        for sink in case.sinks:
            yield case.shrunk(sinks=[sink])
    if any(len(p) > 1 for p in parts):
        yield case.with_parts([[sum(p, [])] for p in parts])
    if case.limit:
        yield case.shrunk(limit=None)
    if case.dim:
        yield case.shrunk(dim=case.dim[:len(case.dim) // 2])
    for s, part in enumerate(parts):
        rows = [(p, f, r) for p, files in enumerate(part) for f, rows in enumerate(files) for r in range(len(rows))]
        size = len(rows)
        while size >= 1:
            for at in range(0, len(rows), size):
                gone = set(rows[at:at + size])
                cut = [[[row for r, row in enumerate(file) if (p, f, r) not in gone] for f, file in enumerate(files)]
                       for p, files in enumerate(part)]
                cut = [[file for file in files if file] or [[]] for files in cut]
                yield case.with_parts(parts[:s] + [cut] + parts[s + 1:])
            size //= 2


def shrink(lab, case, tries=120):
    """The simplest case found that still fails."""
    done = False
    while not done and tries > 0:
        done = True
        for candidate in smaller(case):
            tries -= 1
            try:
                lab.check(candidate)
            except Refused:
                pass
            except (m.Failed, AssertionError, subprocess.TimeoutExpired):
                case, done = candidate, False
                break
            if tries <= 0:
                break
    return case


def reason(stderr):
    """A refusal without places, names and numbers."""
    errors = [line for line in stderr.splitlines() if "error: " in line] or stderr.splitlines()[-1:] or ["?"]
    return re.sub(r"\b[a-z]+_?\d+\b", "NAME", errors[0].split("error: ", 1)[-1])[:200]


class Test:
    def __init__(self, options, folder):
        self.options, self.report, self.lab = options, m.Report("differential"), Lab(folder)
        self.keep = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="millrace-differential-"))
        self.refusals = collections.Counter()

    def case(self, number):
        name = f"{self.options.seed}:{number}"
        case = Case(name)
        if self.options.case is not None:
            print(case.pipeline())
        try:
            self.lab.check(case)
        except Refused as refused:
            why = reason(str(refused))
            self.refusals[why] += 1
            if any(known in why for known in KNOWN_REFUSALS):
                return
            self.fail(number, case, m.Failed(str(refused)), None)
        except (m.Failed, AssertionError, subprocess.TimeoutExpired) as error:
            self.fail(number, case, error, shrink(self.lab, case))

    def fail(self, number, case, error, least):
        folder = self.keep / f"seed{self.options.seed}-case{number}"
        shutil.rmtree(folder, ignore_errors=True)
        if least is not None:
            try:
                self.lab.check(least)
            except (m.Failed, AssertionError, subprocess.TimeoutExpired) as smallest:
                error = smallest
        shutil.copytree(self.lab.home, folder)
        (folder / "difference.txt").write_text(str(error) + "\n")
        shutil.rmtree(folder / ".millrace", ignore_errors=True)
        text = least.pipeline() if least is not None else ""
        raise m.Failed(f"--seed {self.options.seed} --case {number}; kept in {folder}\n{error}\n{text}")

    def run(self):
        print(f"seed {self.options.seed}; kept: {self.keep}", flush=True)
        numbers = range(self.options.cases) if self.options.case is None else [self.options.case]
        for number in numbers:
            self.report.case(f"case {number}", lambda: self.case(number))
        if self.options.case is None:
            self.report.case("few cases are refused", self.few_refused)
            self.report.case("cases are not empty", self.not_empty)
        for why, count in self.refusals.most_common():
            print(f"refused {count}: {why}")
        return self.report.close()

    def few_refused(self):
        refused = sum(self.refusals.values())
        assert refused < 0.2 * max(10, self.options.cases), f"{refused} of {self.options.cases} were refused"

    def not_empty(self):
        met, cases = self.lab.met, self.options.cases
        print("met: " + ", ".join(f"{count} {what}" for what, count in sorted(met.items())))
        assert met["results with rows"] > met["results"] / 2, "most results are empty"
        assert cases < 50 or (met["kills"] > cases / 10 and met["late rows"] > cases), "few kills or late rows"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=250)
    parser.add_argument("--case", type=int)
    parser.add_argument("--keep")
    with tempfile.TemporaryDirectory(prefix="millrace-differential-") as folder:
        return Test(parser.parse_args(), folder).run()


if __name__ == "__main__":
    sys.exit(main())
