#!/usr/bin/env python3
"""partition_overwrite_mode: dynamic: exactly the partitions in which a row has changed are replaced, each in one step;
in folders and in S3, with kills at every step.

Usage: partitions_test.py [--only WORD]
"""
import collections
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from places import day_of, m, run_cases  # noqa: E402

SUMS = "SELECT day, id % 7 AS customer, sum(amount) AS total, count(*) AS n FROM orders GROUP BY day, customer"
OPTIONS = "format: parquet, mode: complete, partition_by: [day], partition_overwrite_mode: dynamic"


def want(rows, day=day_of):
    sums = collections.defaultdict(lambda: [0, 0])
    for i in range(rows):
        one = sums[day(i), i % 7]
        one[0] += (i % 100) * 100 + 25
        one[1] += 1
    return sorted((day, customer, cents, n) for (day, customer), (cents, n) in sums.items())


def got(place):
    return sorted((row["day"], row["customer"], round(float(row["total"]) * 100), row["n"]) for row in place.rows())


def only_touched(place):
    """Files of the other partitions stay the same files."""
    place.fresh(files=4)
    place.pipeline(OPTIONS, SUMS)
    place.run()
    assert sorted(place.seen()) == [f"day=2026-01-0{d}/out-000.parquet" for d in (1, 2, 3)], place.seen()
    assert got(place) == want(200)
    before = place.seen()
    place.add(1, day=lambda i: "2026-01-02")
    done = place.run()
    after = place.seen()
    changed = [name for name in after if after[name] != before.get(name)]
    assert changed == ["day=2026-01-02/out-000.parquet"], changed
    assert got(place) == want(250, lambda i: day_of(i) if i < 200 else "2026-01-02")
    assert "7 out" in done.stderr or "21 out" in done.stderr, done.stderr
    place.add(1, day=lambda i: "2026-02-01")
    place.run()
    assert [n for n in place.seen() if place.seen()[n] != after.get(n)] == ["day=2026-02-01/out-000.parquet"]
    rows = m.query("pipeline.yaml", "SELECT count(*) AS n FROM out", cwd=place.home) if place.kind == "local" else None
    assert rows is None or rows[0]["n"] == 28, rows


def readers_see_whole_partitions(place):
    """While partitions are replaced, each that is read is the one of some batch."""
    place.fresh(files=1)
    place.pipeline(OPTIONS, "SELECT day, id % 7 AS customer, count(*) AS n FROM orders GROUP BY day, customer")
    place.run()
    place.add(30)
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                sums = collections.Counter()
                for row in place.rows():
                    sums[row["day"]] += row["n"]
            except Exception as error:  # whatever a reader would meet
                wrong.append(repr(error))
                return
            for day, n in sums.items():
                if not any(sum(day_of(i) == day for i in range(50 * files)) == n for files in range(1, 32)):
                    wrong.append(f"{day}: {n}")
    reader = threading.Thread(target=read)
    reader.start()
    place.run()
    stop.set()
    reader.join()
    assert not wrong, wrong[:3]


def killed(place):
    place.fresh(files=5)
    place.pipeline(OPTIONS, SUMS)
    trace = place.folder / "trace"
    trace.unlink(missing_ok=True)
    place.run(env={"MILLRACE_FAULT_LOG": str(trace)})
    assert got(place) == want(250)
    points = collections.Counter(trace.read_text().split())
    for point, hits in sorted(points.items()):
        for hit in sorted({1, (hits + 1) // 2, hits}):
            place.fresh(files=5)
            place.pipeline(OPTIONS, SUMS)
            done = place.run(check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
            assert done.returncode == -9, f"{point}:{hit}: {done.returncode}, {done.stderr[-2000:]}"
            place.run()
            assert got(place) == want(250), f"killed at {point}, the {hit}. time"
            assert len(place.list()) == 3 and not place.staged(), (place.list(), place.staged())


def starting_over(place):
    """A new checkpoint replaces the table: partitions that are no longer in it go. Rebuilt state, too."""
    place.fresh(files=2)
    place.pipeline(OPTIONS, SUMS)
    place.run()
    place.pipeline(OPTIONS, SUMS.replace("FROM orders", "FROM orders WHERE day <> '2026-01-02'"))
    refused = place.run(check=False)
    assert refused.returncode == 2, refused.stderr
    place.run("--once", "--rebuild", "d")
    assert sorted(place.seen()) == [f"day=2026-01-0{d}/out-000.parquet" for d in (1, 3)], place.seen()
    assert got(place) == [row for row in want(100) if row[0] != "2026-01-02"]
    place.command("state", "pipeline.yaml")
    m.subprocess.run(["rm", "-rf", str(place.home / ".millrace")], check=True)
    place.pipeline(OPTIONS, SUMS.replace("FROM orders", "FROM orders WHERE day <> '2026-01-03'"))
    place.run()
    assert sorted(place.seen()) == [f"day=2026-01-0{d}/out-000.parquet" for d in (1, 2)], place.seen()


def another_mode(place):
    """Files that were written otherwise are not taken for ours."""
    place.fresh(files=2)
    place.pipeline(OPTIONS.replace(", partition_overwrite_mode: dynamic", ""), SUMS)
    place.run()
    place.pipeline(OPTIONS, SUMS)
    place.add(1)
    done = place.run(check=False)
    if place.kind == "s3":  # whose names have the batch
        assert done.returncode == 2 and "was written with other options" in done.stderr, done.stderr
    else:
        assert done.returncode == 0 and got(place) == want(150), done.stderr


def many_partitions(place):
    """More partitions than files can be open: still one file each."""
    place.fresh()
    place.add(2, rows=1500, day=lambda i: f"{1900 + i % 200}-01-01")
    place.pipeline(OPTIONS, "SELECT day, id % 7 AS customer, count(*) AS n FROM orders GROUP BY day, customer")
    limited = ["bash", "-c", f"ulimit -n 140; exec {m.BINARY} run pipeline.yaml --once"]
    done = m.subprocess.run(limited, cwd=place.home, env={**m.os.environ, **place.env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(place.seen()) == 200 and sum(row["n"] for row in place.rows()) == 3000, len(place.seen())


def mistakes(place):
    for dataset, words in (("SELECT max(day) AS day, id % 7 AS c FROM orders GROUP BY c", "might move"),
                           ("SELECT day, count(*) AS n FROM orders GROUP BY day HAVING n < 30", "can't be replaced")):
        place.fresh(files=1)
        place.pipeline(OPTIONS, f'"{dataset}"')
        done = place.command("validate", "pipeline.yaml", check=False)
        assert done.returncode == 2 and words in done.stderr, done.stderr
    place.fresh(files=1)
    place.pipeline(OPTIONS + ", max_file_size: 1MB", SUMS)
    done = place.command("validate", "pipeline.yaml", check=False)
    assert done.returncode == 2 and "one file of each partition" in done.stderr, done.stderr


CASES = [only_touched, readers_see_whole_partitions, killed, starting_over, another_mode, many_partitions, mistakes]


if __name__ == "__main__":
    sys.exit(run_cases("partitions", CASES))
