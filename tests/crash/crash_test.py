#!/usr/bin/env python3
"""Kills the main job (SIGKILL) at every step of a batch and at random moments, starts it again, and
holds the result against an undisturbed run: row for row the same, no duplicates, no loss, and no
files that the undisturbed run does not have.

Usage: crash_test.py [--kills N] [--seed N]     N random kills beside those at every step; default 150
"""
import argparse
import collections
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

EXAMPLE = m.ROOT / "examples" / "sql-first-etl"
# Every sink and mode that can be killed: files append and complete, partitioned or not, and the
# embedded store in its three modes.
EXTRA_SINKS = """
  metrics_by_category:
    from: transaction_metrics
    to: { type: files, path: output/metrics_by_category }
    format: json
    mode: complete
    partition_by: [product_category]
  store_append:
    from: transformed_transactions
    to: { type: store, path: output/store.duckdb }
    table: transformed
    mode: append
  store_update:
    from: transaction_metrics
    to: { type: store, path: output/store.duckdb }
    table: metrics
    mode: update
  store_complete:
    from: transaction_metrics
    to: { type: store, path: output/store.duckdb }
    table: metrics_complete
    mode: complete
"""
SINKS = ["transformed_transactions", "transaction_metrics", "rejected_transactions",
         "metrics_by_category", "store_append", "store_update", "store_complete"]

# As large batches are: these are small.
SHARED = {"MILLRACE_WORTH_A_THREAD": "1"}


class Lab:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.template = self.folder / "template"
        shutil.copytree(EXAMPLE, self.template,
                        ignore=shutil.ignore_patterns("input", "output", ".millrace", "*.md"))
        pipeline = self.template / "pipeline.yaml"
        # A small snapshot interval, so that kills meet snapshots and new segments as well.
        pipeline.write_text(pipeline.read_text() + EXTRA_SINKS +
                            "\ncheckpoint:\n  snapshot_interval: 100ms\n  snapshot_log_size: 8KiB\n")
        m.run("generate", "transactions", "--out", "input", "--rows", 3000, "--files", 6,
              "--invalid", 0.05, "--seed", 7, cwd=self.template)

    def fresh(self, name):
        home = self.folder / name
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.template, home)
        return home

    def result(self, home):
        rows = {s: m.canonical(m.query("pipeline.yaml", f"SELECT * FROM {s}", cwd=home))
                for s in SINKS}
        quarantine = home / ".millrace" / "sql-first-etl" / "quarantine"
        rows["quarantine"] = sorted(line.replace(str(home), "") for f in quarantine.rglob("*.jsonl")
                                    for line in f.read_text().splitlines())
        return rows

    def undisturbed(self):
        home = self.fresh("undisturbed")
        trace = self.folder / "trace"
        begin = time.monotonic()
        m.run("run", "pipeline.yaml", "--once", cwd=home, env={"MILLRACE_FAULT_LOG": str(trace)})
        self.seconds = time.monotonic() - begin
        self.want = self.result(home)
        self.files = m.files_below(home / "output")
        assert self.want["transformed_transactions"] and self.want["transaction_metrics"]
        assert self.want["rejected_transactions"] and self.want["quarantine"]
        return collections.Counter(trace.read_text().split())

    def same(self, home, what):
        got = self.result(home)
        for name, want in self.want.items():
            assert got[name] == want, f"{what}: {name} has {len(got[name])} rows, not {len(want)}, " \
                                      f"or other ones"
        files = m.files_below(home / "output")
        assert files == self.files, f"{what}: files differ: {sorted(set(files) ^ set(self.files))}"

    def killed_at(self, point, hit, env):
        home = self.fresh("killed")
        done = m.run("run", "pipeline.yaml", "--once", cwd=home, check=False,
                     env={"MILLRACE_FAULT": f"{point}:{hit}", **env})
        assert done.returncode == -9, f"{point}:{hit}: exit code {done.returncode}, {done.stderr}"
        m.run("run", "pipeline.yaml", "--once", cwd=home)
        self.same(home, f"killed at {point}, the {hit}. time")

    def killed_at_random(self, rng):
        """Kills again and again, each time somewhere else, until a run gets to its end."""
        home = self.fresh("killed")
        kills = 0
        env = rng.choice([SHARED, {}])
        while kills < 6:
            process = m.start("run", "pipeline.yaml", "--once", "--progress", "none", cwd=home, env=env)
            try:
                process.communicate(timeout=rng.uniform(0.01, self.seconds))
                break  # done before the kill
            except subprocess.TimeoutExpired:
                m.kill(process)
                process.communicate()
                kills += 1
        m.run("run", "pipeline.yaml", "--once", cwd=home)
        self.same(home, f"killed {kills} times at random")
        return kills


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args()
    print(f"crash test, seed {options.seed}")
    rng = random.Random(options.seed)
    report = m.Report("crash")
    with tempfile.TemporaryDirectory(prefix="millrace-crash-") as folder:
        lab = Lab(folder)
        points = lab.undisturbed()
        kills = 0
        for point, hits in sorted(points.items()):
            for hit in sorted({1, (hits + 1) // 2, hits}):  # the first, a middle and the last
                kills += report.case(f"kill at {point}, {hit} of {hits}",
                                     lambda: lab.killed_at(point, hit, {}))
            # The next batch is under way then. How often a point is passed is the same.
            kills += report.case(f"kill at {point}, committed beside the next batch",
                                 lambda: lab.killed_at(point, (hits + 1) // 2, SHARED))
        print(f"{len(points)} fault points")
        random_kills = 0

        def one():
            nonlocal random_kills
            random_kills += lab.killed_at_random(rng)
        rounds = 0
        while random_kills < options.kills and report.failed == 0 and rounds < 4 * options.kills:
            rounds += 1
            report.case(f"random kills, round {rounds}", one)
        print(f"{kills + random_kills} kills: {kills} at steps, {random_kills} at random moments")
        if kills + random_kills < min(200, options.kills + 80):
            report.case("at least 200 kills", lambda: (_ for _ in ()).throw(
                m.Failed(f"only {kills + random_kills}")))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
