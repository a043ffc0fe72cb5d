#!/usr/bin/env python3
"""The web UI over topics of a real broker: offsets by partition, who holds the watermark back, a lag that grows, a sink whose broker is
away; findings in the words of the API, the log and the overview.

Usage: topics_test.py [CASE]...
"""
import contextlib
import datetime
import itertools
import pathlib
import re
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kafka"))
from browser import browsing, case, m  # noqa: E402

import servers  # noqa: E402
from daemon import Daemon  # noqa: E402
from kafka_test import Bench  # noqa: E402
from numbers_test import same_words  # noqa: E402

READS = """pipeline: reads
trigger: 100ms
checkpoint: {{ sync: false }}
connections: {{ bus: {{ type: kafka, brokers: '{brokers}' }} }}
sources:
  events: {{ from: bus, topic: {topic}, format: csv, schema: 'id BIGINT, ts TIMESTAMP', watermark: {{ column: ts, delay: 5s, partition: part }},
            metadata: {{ part: partition }}{more} }}
datasets: {{ ids: SELECT id FROM events }}
sinks: {{ out: {{ from: ids, to: blackhole }} }}
"""
WRITES = """pipeline: writes
trigger: 100ms
checkpoint: {{ sync: false }}
connections: {{ bus: {{ type: kafka, brokers: '{brokers}' }} }}
sources: {{ ticks: {{ from: rate, rows_per_second: 100 }} }}
datasets: {{ texts: 'SELECT value::VARCHAR AS value FROM ticks' }}
sinks: {{ told: {{ from: texts, to: bus, topic: {topic}, format: string }} }}
"""


def record(i, behind=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=behind)
    return f"{i},{at:%Y-%m-%d %H:%M:%S}"


@contextlib.contextmanager
def running(bench, text, **fields):
    with tempfile.TemporaryDirectory() as folder, \
            Daemon(folder, text.format(brokers=bench.kafka.brokers, **fields)) as daemon:
        yield daemon


def offsets_and_the_holder(browser, bench):
    topic = bench.topic("in", 3)
    for partition, count, behind in ((0, 40, 0), (1, 25, 400), (2, 7, 1)):
        bench.produce(topic, [record(i, behind) for i in range(count)], partition=partition)
    with running(bench, READS, topic=topic, more="") as daemon:
        def read():
            batches = [daemon.get(f"/pipelines/reads/batches/{n}") for n in range(daemon.get("/pipelines/reads")["batch"] + 1)]
            return batches if sum(each["progress"]["rows_in"] for each in batches) == 72 else None
        m.wait_until(read, "all messages to be read")
        batches = read()
        ends = {}
        for batch in batches:
            with browser.page(f"{daemon.url}/p/reads/batch?at={batch['n']}", height=1600) as page:
                page.get_by_role("button", name="Partitions of events").click()
                page.wait_for_selector("#offsets .subr")
                shown = [row.locator("td").all_inner_texts() for row in page.locator("#offsets .subr").all()]
                parts = batch["sources"][0]["parts"]
                assert [cells[0] for cells in shown] == [f"[{x['part']}] {x['from'] if x['from'] is not None else '–'} → {x['to']}" for x in parts], (shown, parts)
                assert [cells[3] for cells in shown] == [f"{x['head'] - x['to']}" for x in parts], (shown, parts)
                for part in parts:
                    ends[part["part"]] = part["to"]
        assert sorted(ends.values()) == [7, 25, 40], ends
        with browser.page(f"{daemon.url}/p/reads?node=events&at={batches[-1]['n']}") as page:
            page.wait_for_selector(".insp .parts")
            shown = page.locator(".insp .parts code").all_inner_texts()
            assert [each.split(" → ")[1] for each in shown] == [f"{x['to']}" for x in batches[-1]["sources"][0]["parts"]], shown
        holder = daemon.get(f"/pipelines/reads/batches/{batches[-1]['n']}")["holder"]
        assert holder["source"] == "events" and holder["part"] == "1" and holder["behind_ms"] > 390_000, holder
        with browser.page(daemon.url) as page:
            row = page.locator(".ptable tbody tr")
            row.wait_for()
            assert row.locator("td").nth(6).inner_text().split("\n")[1] == "events/1", row.inner_text()
        found = same_words(browser, daemon, "reads", "watermark of events, partition 1")
        assert found["title"].startswith("Watermark held back 6m"), found


def a_lag_that_grows(browser, bench):
    """More comes than is read."""
    topic = bench.topic("much", 1)
    ended, numbers = threading.Event(), itertools.count()

    def produce():
        while not ended.is_set():
            bench.produce(topic, [record(next(numbers)) for _ in range(200)])
            ended.wait(0.1)
    producer = threading.Thread(target=produce)
    producer.start()
    try:
        with running(bench, READS, topic=topic, more=", max_offsets_per_trigger: 10") as daemon:
            def finding():
                return next((each for each in daemon.get("/pipelines/reads")["findings"] if each["about"] == "lag of events"), None)
            m.wait_until(finding, "the finding")
            daemon.post("/pipelines/reads/control", {"action": "pause"})
            daemon.wait_for("reads", "paused")
            found = same_words(browser, daemon, "reads", "lag of events")
            assert found["title"] == "The lag of events grows" and "more come than are read" in found["detail"], found
            last = daemon.get("/pipelines/reads")["progress"][-1]
            assert last["lag_rows"] > 100 and found["detail"].startswith(f"{last['lag_rows']:,} rows behind"), (found, last)
            with browser.page(f"{daemon.url}/p/reads") as page:
                fact = page.locator(".fact", has_text="Freshness")
                fact.wait_for()
                assert "rows behind" in fact.inner_text(), fact.inner_text()
    finally:
        ended.set()
        producer.join()


def a_sink_whose_broker_is_away(browser, bench):
    """The connector waits for it, and says so."""
    topic = bench.topic("out", 1)
    with running(bench, WRITES, topic=topic) as daemon:
        daemon.wait_for_batch("writes", 8)
        bench.kafka.stop()
        try:
            def finding():
                return next((each for each in daemon.get("/pipelines/writes")["findings"] if each["about"] == "failure of sink told"), None)
            m.wait_until(finding, "the finding")
            found, batch = finding(), daemon.get("/pipelines/writes")["batch"] + 1
            words = re.compile(rf"sink told is tried again: For [0-9.]+ m?s: .+\. Nothing is lost; batch {batch} waits until it goes through")
            assert found["kind"] == "retrying" and words.fullmatch(f"{found['title']}: {found['detail']}"), found
            m.wait_until(lambda: words.search(daemon.log()), "the log to say it")
            assert any(words.fullmatch(each["text"]) for each in daemon.get("/events?pipeline=writes"))
            with browser.page(daemon.url) as page:
                shown = page.locator(".find", has_text="sink told is tried again")
                shown.wait_for()
                assert words.fullmatch(f"{found['title']}: {shown.locator('p').inner_text()}"), shown.inner_text()
        finally:
            bench.kafka.start()
        daemon.wait_for_batch("writes", batch + 2)
        m.wait_until(lambda: not finding(), "it to be over")
        m.wait_until(lambda: "No more: sink told is tried again" in daemon.log(), "the log to say so")


CASES = [offsets_and_the_holder, a_lag_that_grows, a_sink_whose_broker_is_away]


def main():
    report = m.Report("the web UI over topics")
    with servers.Kafka() as kafka, tempfile.TemporaryDirectory() as folder, browsing() as browser:
        for number, function in enumerate(CASES):
            if not sys.argv[1:] or function.__name__ in sys.argv[1:]:
                case(report, function, browser, Bench(kafka, folder, f"w{number}"))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
