#!/usr/bin/env python3
"""Kills a pipeline that writes to S3 (SIGKILL) at every step of a batch, starts it again, and holds what is in the
bucket against an undisturbed run: the same objects with the same rows, and no upload that was never finished.

Usage: crash_test.py [--kills N]     N random kills beside those at every step; default 10
"""
import argparse
import collections
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402
from files_test import Lab, SCHEMA  # noqa: E402

# Append, partitioned or not; one object and several that are replaced; and one that goes in parts.
PIPELINE = """
pipeline: crash
connections:
  lake: {lake}
sources:
  orders:
    from: {{ type: files, path: in }}
    format: csv
    schema: {schema}
    max_files_per_trigger: 1
datasets:
  counts: SELECT day, count(*) AS n FROM orders WHERE id % 50 <> 1 GROUP BY day
  wide: SELECT id, repeat(chr(65 + (id % 26)::INT), 90000) AS pad FROM orders
sinks:
  plain: {{ from: orders, to: lake, format: json, mode: append }}
  days: {{ from: orders, to: lake, format: json, mode: append, partition_by: [day] }}
  whole: {{ from: counts, to: lake, format: json, mode: complete }}
  parts: {{ from: counts, to: lake, format: json, mode: complete, partition_by: [day] }}
  large: {{ from: wide, to: lake, format: json, mode: append }}
"""


class Crashes(Lab):
    def fresh(self):
        home = self.home(files=3, rows=120)
        (home / "pipeline.yaml").write_text(PIPELINE.format(lake=self.to("lake"), schema=SCHEMA))
        return home

    def result(self):
        found = {}
        for key in self.keys("lake/"):
            text = self.get(key)
            found[key] = text if key.endswith("manifest.json") else sorted(text.splitlines())
        return found

    def undisturbed(self):
        trace = self.folder / "trace"
        self.run(self.fresh(), env={"MILLRACE_FAULT_LOG": str(trace)})
        self.want = self.result()
        assert len(self.want) == 3 + 9 + 1 + 3 + 1 + 3, list(self.want)
        return collections.Counter(trace.read_text().split())

    def check(self, what):
        got = self.result()
        assert sorted(got) == sorted(self.want), f"{what}: {sorted(set(got) ^ set(self.want))}"
        for key, rows in self.want.items():
            assert got[key] == rows, f"{what}: {key} has other rows"
        assert self.uploads() == [], f"{what}: {self.uploads()}"

    def killed_at(self, point, hit):
        home = self.fresh()
        done = self.run(home, check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
        assert done.returncode == -9, f"{point}:{hit}: exit code {done.returncode}, {done.stderr[-2000:]}"
        self.run(home)
        self.check(f"killed at {point}, the {hit}. time")
        assert not m.files_below(home / ".millrace" / "crash" / "staging"), "files stay staged"

    def killed_at_random(self, rng):
        home = self.fresh()
        process = m.start("run", "pipeline.yaml", "--once", cwd=home, env={"S3_SECRET": self.server.SECRET})
        try:
            process.communicate(timeout=rng.uniform(0.05, 1.5))
        except m.subprocess.TimeoutExpired:
            m.kill(process)
            process.communicate()
        self.run(home)
        self.check("killed at random")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    rng = random.Random(options.seed)
    s3.clients()
    report = m.Report("s3 crashes")
    with tempfile.TemporaryDirectory(prefix="millrace-s3-crash-") as folder, s3.S3() as server:
        lab = Crashes(server, folder)
        points = lab.undisturbed()
        ours = {point: hits for point, hits in points.items() if point.startswith(("objects.", "s3."))}
        assert len(ours) >= 7, ours
        for point, hits in sorted(points.items()):
            for hit in sorted({1, (hits + 1) // 2, hits}) if point in ours else [(hits + 1) // 2]:
                report.case(f"kill at {point}, {hit} of {hits}", lambda: lab.killed_at(point, hit))
        for i in range(options.kills):
            report.case(f"random kill {i + 1}", lambda: lab.killed_at_random(rng))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
