#!/usr/bin/env python3
"""Rolling files: many small batches become few files, each row can be read within the time that is promised, once and
from then on always; in folders and in S3, with kills at every step.

Usage: rolling_test.py [--only WORD]
"""
import io
import json
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from places import day_of, m, run_cases  # noqa: E402

POINTS = ["rolling.after_stage", "checkpoint.commit.before_write", "checkpoint.commit.after_sync", "rolling.after_merge",
          "rolling.after_publish", "rolling.before_save", "rolling.after_save"]


def few_files(place):
    """Forty batches: nothing can be seen until the end, then one file a partition, with every row once."""
    place.fresh(files=40)
    place.pipeline("format: parquet, partition_by: [day], roll_interval: 1h", trigger="trigger: 20ms")
    running = place.start("--progress", "json")
    for line in running.stdout:
        if '"batchId":39' in line.replace(" ", ""):
            break
    assert place.seen() == {}, place.seen()
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert sorted(place.seen()) == [f"day=2026-01-{d:02}/out-0000000000-000.parquet" for d in (1, 2, 3)], place.seen()
    assert place.ids() == list(range(2000))
    before = place.seen()
    place.add(3)
    place.run()  # those that are finished stay as they are
    after = place.seen()
    assert {name: after[name] for name in before} == before
    assert len(after) == 6 and place.ids() == list(range(2150)), after


def by_age(place):
    """A file is finished when it is old enough, though no batch comes."""
    place.fresh(files=2)
    place.pipeline("format: parquet, roll_interval: 1500ms", trigger="trigger: 20ms")
    running = place.start()
    begin = time.monotonic()
    m.wait_until(lambda: place.seen(), "the first file")
    assert time.monotonic() - begin > 1.4, time.monotonic() - begin
    assert place.ids() == list(range(100))
    first = place.seen()
    place.add(1)
    m.wait_until(lambda: len(place.seen()) == 2, "the second file")
    assert place.ids() == list(range(150)) and first.items() <= place.seen().items()
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert len(place.seen()) == 2


def by_size(place):
    """A file is finished when it is large enough; a batch that is larger makes several."""
    place.fresh(files=30, rows=2000)
    place.pipeline("format: json, roll_interval: 1h, max_file_size: 500kB")
    place.run()
    sizes = [len(place.get(name)) for name in place.seen()]
    assert place.ids() == list(range(60_000))
    assert all(400_000 < size < 800_000 for size in sorted(sizes)[1:]) and len(sizes) < 8, sizes
    place.fresh(files=1, rows=60_000)
    place.pipeline("format: parquet, row_group_size: 2048, roll_interval: 1h, max_file_size: 50kB")
    place.run()
    sizes = [len(place.get(name)) for name in place.seen()]
    assert place.ids() == list(range(60_000)) and len(sizes) > 2, sizes


def seen_in_time(place):
    """visible_within: readers see what was committed in time, never twice, and never less than before."""
    place.fresh(files=1)
    place.pipeline("format: parquet, partition_by: [day], roll_interval: 1h, visible_within: 300ms",
                   trigger="trigger: 20ms")
    running = place.start()
    seen = 0
    for files in range(2, 25):
        place.add(1)
        if files % 6 == 0:
            begin = time.monotonic()
            m.wait_until(lambda: place.ids()[-1:] == [files * 50 - 1], f"row {files * 50 - 1}")
            assert time.monotonic() - begin < 20
        ids = place.ids()
        assert len(ids) == len(set(ids)), "a row is there twice"
        assert len(ids) >= seen, f"{len(ids)} rows after {seen}"
        seen = len(ids)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert place.ids() == list(range(1200)) and len(place.seen()) == 3, place.seen()
    place.add(1)
    place.run()  # the files are open still
    assert place.ids() == list(range(1250)) and len(place.seen()) == 3, place.seen()


EVENTS = """|
    SELECT value AS id, TIMESTAMP '2026-01-01' + to_milliseconds(value * 100) AS event_time, (value % 997)::INTEGER AS customer_id,
    event_time::DATE AS event_date FROM ticks"""


def events(place, rows, rows_per_second, trigger, options):
    """Ten events a second of their time, and the run that writes them, which ends with the last."""
    place.fresh()
    place.pipeline(f"format: parquet, partition_by: [event_date], {options}", dataset=EVENTS, trigger=f"trigger: {trigger}",
                   more=f"  ticks: {{ from: rate, rows_per_second: {rows_per_second}, rows: {rows} }}")
    text = (place.home / "pipeline.yaml").read_text()
    (place.home / "pipeline.yaml").write_text(text[:text.index("  orders:")] + text[text.index("  ticks:"):])
    return place.start("--progress", "json")


def a_day_is_a_handful_of_files(place):
    """Ten rows a second for a day, 7,200 times as fast: 3 s are six hours, 40 ms about five minutes, the time of a batch,
    of which each would be a file. Files are one for each `roll_interval` that has begun."""
    import pyarrow.parquet as pq
    begin = time.monotonic()
    running = events(place, 864_000, 72_000, "40ms", "roll_interval: 3s, visible_within: 500ms")
    progress, said = running.communicate(timeout=120)
    took = time.monotonic() - begin
    assert running.returncode == 0, said
    assert m.balanced(progress) > 100, m.balanced(progress)
    assert 3 <= len(place.seen()) <= took // 3 + 1 < 10, (place.seen(), took)
    assert all(name.startswith("event_date=2026-01-01/") for name in place.seen()), place.seen()
    ids = [i for name in place.seen() for i in pq.read_table(io.BytesIO(place.get(name)), columns=["id"], partitioning=None)["id"].to_pylist()]
    assert sorted(ids) == list(range(864_000)), len(ids)


def first_rows_seen(place):
    """How many rows a reader finds, who sees that they are the first ones, by what the files say of themselves."""
    import pyarrow.parquet as pq
    rows, last = 0, -1
    for name in place.seen():
        about = pq.ParquetFile(io.BytesIO(place.get(name))).metadata
        rows += about.num_rows
        last = max(last, *(about.row_group(i).column(0).statistics.max for i in range(about.num_row_groups)))
    assert last == rows - 1, f"{rows} rows up to {last}"
    return rows


def in_time_for_every_batch(place):
    """A reader who looks all the time: from a batch's commit on, its rows can be read within `visible_within` and a trigger."""
    running = events(place, 14_000, 1_000, "1s", "roll_interval: 5s, visible_within: 2s")
    commits, looks = [], []

    def hear():
        rows = 0
        for line in running.stdout:
            rows += json.loads(line)["numInputRows"]
            commits.append((time.monotonic(), rows))
    hearing = threading.Thread(target=hear)
    hearing.start()
    try:
        while running.poll() is None:
            rows = first_rows_seen(place)
            assert not looks or rows >= looks[-1][1], (rows, looks[-1])
            looks.append((time.monotonic(), rows))
    finally:
        m.kill(running)
        hearing.join()
    assert running.returncode == 0, running.stderr.read()
    looks.append((time.monotonic(), first_rows_seen(place)))
    assert len(commits) >= 10 and commits[-1][1] == looks[-1][1] == 14_000 and len({rows for _, rows in looks}) > 4, (commits, looks[-1])
    waits = [next(at for at, seen in looks if seen >= rows) - committed for committed, rows in commits]
    assert max(waits) < 2 + 1, waits
    assert len(place.seen()) <= 4, place.seen()


def formats(place):
    for form in ("format: csv", "format: csv, compression: gzip", "format: csv, partition_by: [day]", "format: json",
                 "format: json, compression: gzip"):
        place.fresh(files=5)
        place.pipeline(f"{form}, roll_interval: 1h, visible_within: 1ms")
        place.run()
        place.add(5)
        place.run()
        assert place.ids() == list(range(500)), form
        assert len(place.seen()) == (3 if "partition_by" in form else 1), (form, place.seen())
        amount = sorted(str(row["amount"]) for row in place.rows())[0]
        assert amount in ("0.25", "0.250000"), amount


def read_back(place):
    """What is written is read once more, whatever it is; INT96 files stay such when they grow."""
    import pyarrow.parquet as pq
    for form in ("format: parquet", "format: csv, compression: gzip", "format: json, compression: zstd",
                 "format: parquet, timestamps: int96, compression: zstd"):
        for more in ("", ", roll_interval: 1h, visible_within: 1ms"):
            place.fresh(files=4)
            place.pipeline(f"{form}{more}, read_back: true", dataset="SELECT *, day::TIMESTAMP AS at FROM orders")
            place.run()
            place.add(2)
            place.run()
            assert len(place.seen()) == (1 if more else 6), (form, place.seen())
            if "zst" not in "".join(place.seen()):
                assert place.ids() == list(range(300)), form
            if "int96" in form:
                for name in place.seen():
                    schema = pq.ParquetFile(io.BytesIO(place.get(name))).schema
                    assert schema.column(3).physical_type == "INT96", schema
                    times = pq.read_table(io.BytesIO(place.get(name))).column("at").to_pylist()
                    assert {str(time)[:10] for time in times} == {day_of(i) for i in range(3)}, times[:3]


def killed(place):
    """Killed at each step, with files that are published once, and again and again; the rows are those of an
    undisturbed run, and nothing is left over."""
    for options in ("roll_interval: 1h", "roll_interval: 1h, visible_within: 1ms", "roll_interval: 1ms",
                    "roll_interval: 1h, max_file_size: 1kB"):
        trace = place.folder / "trace"
        trace.unlink(missing_ok=True)
        for point in [None, *POINTS]:
            for hit in ((1, 4) if point else (0,)):
                place.fresh(files=6)
                place.pipeline(f"format: parquet, partition_by: [day], {options}")
                if point is None:
                    place.run(env={"MILLRACE_FAULT_LOG": str(trace)})
                    hits = trace.read_text().split()
                    assert set(POINTS) <= set(hits), set(POINTS) - set(hits)
                    assert place.ids() == list(range(300))
                    continue
                done = place.run(check=False, env={"MILLRACE_FAULT": f"{point}:{hit}"})
                if hits.count(point) < hit:
                    continue
                assert done.returncode in (-9, 0), (options, point, hit, done.returncode, done.stderr[-2000:])
                ids = place.ids()
                assert len(ids) == len(set(ids)), f"{options}, {point}:{hit}: a row is there twice before the restart"
                place.run()
                assert place.ids() == list(range(300)), f"{options}, {point}:{hit}: {len(place.ids())} rows"
                assert not place.staged(), place.staged()
                waiting = m.files_below(place.home / ".millrace" / "p" / "sinks" / "out")
                most = 4 if "visible" in options else 1
                assert len(waiting) <= most, f"{options}, {point}:{hit}: {waiting}"


def options_change(place):
    """Columns that change finish the files; without the option what waits is published; another format is refused."""
    place.fresh(files=3)
    place.pipeline("format: parquet, roll_interval: 1h")
    killed_there = place.run(check=False, env={"MILLRACE_FAULT": "rolling.after_merge:1"})
    assert killed_there.returncode == -9
    place.pipeline("format: json, roll_interval: 1h")
    refused = place.run(check=False)
    assert refused.returncode == 2 and "committed rows wait" in refused.stderr, refused.stderr
    place.pipeline("format: parquet")
    place.add(1)
    place.run()
    assert sorted(place.seen()) == ["out-0000000000-000.parquet", "out-0000000003-000.parquet"], place.seen()
    assert place.ids() == list(range(200))
    place.pipeline("format: parquet, roll_interval: 1h, visible_within: 1ms")
    place.add(1)
    place.run()
    place.pipeline("format: parquet, roll_interval: 1h, visible_within: 1ms", dataset="SELECT *, 1 AS one FROM orders")
    place.add(1)
    place.run()
    assert place.ids() == list(range(300)) and len(place.seen()) == 4, place.seen()
    assert sum(row.get("one") is not None for row in place.rows()) == 50


def mistakes(place):
    for options, words in (
            ("format: avro, roll_interval: 1h", "Avro"),
            ("format: parquet, visible_within: 1m", "roll_interval"),
            ("format: parquet, roll_interval: 1m, visible_within: 1m", "not less than"),
            ("format: parquet, roll_interval: 1h, mode: complete", "append"),
            ("format: parquet, mode: complete, partition_overwrite_mode: dynamic", "partition_by")):
        place.fresh(files=1)
        place.pipeline(options, dataset="SELECT day, count(*) AS n FROM orders GROUP BY day"
                       if "complete" in options else "SELECT * FROM orders")
        done = place.run(check=False)
        assert done.returncode == 2 and words in done.stderr and "pipeline.yaml:" in done.stderr, done.stderr


CASES = [few_files, by_age, by_size, seen_in_time, a_day_is_a_handful_of_files, in_time_for_every_batch, formats, read_back, killed, options_change, mistakes]


if __name__ == "__main__":
    sys.exit(run_cases("rolling files", CASES))
