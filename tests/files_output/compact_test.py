#!/usr/bin/env python3
"""millrace compact: small files become large ones with the same rows; in folders and in S3, with kills at every step.

Usage: compact_test.py [--only WORD]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from places import m, run_cases  # noqa: E402


def small_files(place):
    place.fresh(files=20)
    place.pipeline("format: parquet, partition_by: [day]")
    place.run()
    assert len(place.seen()) == 60
    there = place.seen()
    said = place.command("compact", "pipeline.yaml", "--dry-run").stdout
    assert "60 small files" in said and "would become 3" in said and place.seen() == there, said
    said = place.command("compact", "pipeline.yaml").stdout
    assert "60 small files" in said and "became 3" in said, said
    assert len(place.seen()) == 3 and place.ids() == list(range(1000)), place.seen()
    there = place.seen()
    place.command("compact", "pipeline.yaml")
    assert place.seen() == there
    place.add(2)
    place.run()  # goes on as ever
    assert len(place.seen()) == 9 and place.ids() == list(range(1100))


def target_size(place):
    """Files that are large enough stay as they are, and new ones do not get larger."""
    place.fresh(files=12, rows=500)
    place.pipeline("format: json")
    place.run()
    one = len(place.get("out-0000000003-000.json"))
    place.command("compact", "pipeline.yaml", "out", "--target-size", f"{one * 3 + one // 2}B")
    sizes = [len(place.get(name)) for name in place.seen()]
    assert place.ids() == list(range(6000)) and len(sizes) == 4 and max(sizes) < one * 3.6, sizes
    there = place.seen()
    place.command("compact", "pipeline.yaml", "--target-size", f"{one}B")
    assert place.seen() == there


def killed(place):
    for point in ("compact.before_publish", "compact.after_publish", "compact.after_remove"):
        for hit, after in ((1, "run"), (2, "compact")):
            place.fresh(files=5)
            place.pipeline("format: parquet, partition_by: [day]")
            place.run()
            done = place.command("compact", "pipeline.yaml", check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
            assert done.returncode == -9, (point, done.returncode, done.stderr)
            if after == "run":
                place.add(1)
                place.run()
            else:
                place.command("compact", "pipeline.yaml")
                assert len(place.seen()) == 3, place.seen()
            assert place.ids() == list(range(250 + (50 if after == "run" else 0))), f"{point}:{hit}"
            assert not place.staged(), place.staged()


def rolling_files(place):
    place.fresh(files=3)
    place.pipeline("format: parquet, roll_interval: 1h, visible_within: 1ms")
    place.run()
    place.add(3)
    place.pipeline("format: parquet")
    place.run()
    assert len(place.seen()) == 4, place.seen()
    place.command("compact", "pipeline.yaml")
    assert len(place.seen()) == 1 and place.ids() == list(range(300)), place.seen()


def refusals(place):
    place.fresh(files=2)
    place.pipeline("format: csv")
    done = place.command("compact", "pipeline.yaml", check=False)
    assert done.returncode == 2 and "has not run" in done.stderr, done.stderr
    place.run()
    done = place.command("compact", "pipeline.yaml", "out", check=False)
    assert done.returncode == 2 and "header" in done.stderr, done.stderr
    done = place.command("compact", "pipeline.yaml")
    assert "header" in done.stderr and "no sink" in done.stdout, (done.stdout, done.stderr)
    done = place.command("compact", "pipeline.yaml", "ou", check=False)
    assert done.returncode == 2 and "did you mean `out`" in done.stderr, done.stderr
    done = place.command("compact", "pipeline.yaml", "--target-size", "big", check=False)
    assert done.returncode == 2 and "is no size" in done.stderr, done.stderr
    running = place.start()
    try:
        # Only what has written holds the lock: asked before that, `compact` would hold it, and the run would be refused.
        rows = len(place.ids())
        place.add()
        m.wait_until(lambda: len(place.ids()) > rows or running.poll() is not None, "a batch")
        assert running.poll() is None, running.communicate()
        done = place.command("compact", "pipeline.yaml", check=False)
        assert done.returncode != 0 and "already running" in done.stderr, done.stderr
    finally:
        m.kill(running)


CASES = [small_files, target_size, killed, rolling_files, refusals]


if __name__ == "__main__":
    sys.exit(run_cases("compaction", CASES))
