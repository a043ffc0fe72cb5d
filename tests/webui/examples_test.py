#!/usr/bin/env python3
"""The web UI over the repository's example jobs as they are, and over pipelines that fall behind, fail and start again: all pages, numbers
that equal those of the API and of the outputs, findings in the words of the log, the same past after a restart.

Usage: examples_test.py [--shots DIR] [CASE]...
"""
import argparse
import contextlib
import pathlib
import re
import shutil
import signal
import sys
import tempfile

from browser import browsing, case, eventually, m, number_in, numbers, text_of

from daemon import Daemon  # noqa: E402

COUNTED = ("in", "emitted", "out", "absorbed", "filtered", "duplicate", "late", "quarantined")
PAGES = ("", "?view=table", "/batch", "/quality", "/state", "/serve", "/events")
# Every batch has more to do than its trigger leaves time for, on any machine.
BEHIND = """pipeline: behind
trigger: 20ms
checkpoint: { sync: false }
sources:
  numbers: { from: { type: files, path: numbers }, format: csv, schema: value BIGINT, max_files_per_trigger: 1 }
datasets:
  quick: SELECT value % 7 AS k, value FROM numbers
  slow: SELECT k, count(*) AS n, sum(sqrt(value + r.range)) AS s FROM quick, range(1000000) AS r GROUP BY k
sinks:
  out: { from: slow, to: blackhole, mode: complete }
"""


class Example:
    """A copy of an example's folder with one of its pipeline files, and input of the generator."""

    def __init__(self, folder, name, file, *inputs, changes=()):
        self.home = pathlib.Path(folder) / name
        shutil.copytree(m.ROOT / "examples" / name, self.home, ignore=shutil.ignore_patterns(
            "input", "output", "lake", ".millrace", "*.duckdb*", "README.md"))
        for other in self.home.glob("*.yaml"):
            if other.name != file:
                other.unlink()
        self.file, text = file, (self.home / file).read_text()
        for old, new in changes:
            assert old in text, (file, old)
            text = text.replace(old, new)
        (self.home / file).write_text(text)
        self.pipeline = re.search(r"^pipeline: (\S+)", text, re.MULTILINE)[1]
        for arguments in inputs:
            m.run("generate", *arguments.split(), cwd=self.home)

    def daemon(self):
        return Daemon(self.home)

    def rows(self, sql):
        return m.query(self.file, sql, cwd=self.home)


def count_of(example, table):
    return example.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]


def settled(daemon, job, **inputs):
    """Waits until all records of sources' files were read; the number of the last batch that did. `inputs`: their folders."""
    wanted = {}
    for source, folder in inputs.items():
        files = [path.read_bytes() for path in (job.home / folder).iterdir()]
        wanted[source] = sum(file.count(b"\n") for file in files) - (len(files) if source == "transactions" else 0)  # heads of CSV
    found = {}

    def done():
        found.update(last=daemon.get(f"/pipelines/{job.pipeline}")["batch"], read=dict.fromkeys(wanted, 0))
        for n in range(found["last"] + 1):
            for each in daemon.get(f"/pipelines/{job.pipeline}/batches/{n}")["sources"]:
                if each["id"] in wanted:
                    found["read"][each["id"]] += each["rows"]
        return found["read"] == wanted
    try:
        m.wait_until(done, "everything to have been read", timeout=60)
    except m.Failed as error:
        raise m.Failed(f"{error}: {found}, of {wanted}") from error
    return found["last"]


def every_page_opens(browser, daemon, pipeline, last):
    """In dark, then in light."""
    for page_path in PAGES:
        joined = "&" if "?" in page_path else "?"
        with browser.page(f"{daemon.url}/p/{pipeline}{page_path}{joined}at={last}") as page:
            page.wait_for_selector(".conn.live")
            page.wait_for_selector("main table, main .node, main .empty")
            assert page.locator(".errbox").count() == 0, (page_path, text_of(page, ".errbox"))
            for theme in ("dark", "light"):
                eventually(page, lambda: page.evaluate("document.documentElement.dataset.theme") == theme, theme)
                browser.keep(page, f"{pipeline}{re.sub('[^a-z]+', '-', page_path)}-{theme}")
                page.keyboard.press("t")


def batches_equal_the_api(browser, daemon, pipeline, last):
    """Each batch's page says what the API says; each dataset's rows add up. The sum of rows by sink."""
    written = {}
    with browser.page(f"{daemon.url}/p/{pipeline}/batch?at=0", height=1500) as page:
        for n in range(last + 1):
            batch = daemon.get(f"/pipelines/{pipeline}/batches/{n}")
            eventually(page, lambda: number_in(re.search(r"Batch ([\d,]+)", text_of(page, ".bsum h2"))[1]) == n, f"batch {n}")
            assert f"{batch['progress']['rows_in']:,} rows in" in text_of(page, ".bsum p"), text_of(page, ".bsum p")
            assert "every row accounted for" in text_of(page, ".okline")
            datasets = {each["id"]: each for each in batch["nodes"]}
            rows = page.locator(".acct tbody tr").all()
            assert rows, batch
            for row in rows:
                cells = row.locator("td").all_inner_texts()
                node = datasets[cells[0].split()[0]]
                shown = numbers(cells[2:10])
                assert shown == [node[each] for each in COUNTED], (n, shown, node)
                assert sum(shown[:2]) == sum(shown[2:]), (n, shown)
            table = page.locator("table").filter(has_text="Version").locator("tbody tr")
            shown = {cells[0].split()[0]: numbers(cells[1:2])[0] for cells in
                     (row.locator("td").all_inner_texts() for row in table.all())}
            told = {each["id"].removeprefix("sink:"): each["rows"] for each in batch["sinks"]}
            assert shown == told, (n, shown, told)
            for sink, count in told.items():
                written[sink] = written.get(sink, 0) + count
            if n < last:
                page.keyboard.press("ArrowRight")
    return written


def quarantine_equals_the_api(browser, daemon, pipeline):
    summary = daemon.get(f"/pipelines/{pipeline}")
    rows = daemon.get(f"/pipelines/{pipeline}/quarantine?status=open&limit=1000")
    assert summary["quarantine_open"] == len(rows) > 0, (summary["quarantine_open"], len(rows))
    with browser.page(f"{daemon.url}/p/{pipeline}/quality") as page:
        page.wait_for_selector(".qrow")
        assert number_in(re.search(r"([\d,]+) open", text_of(page, ".qlist header"))[1]) == len(rows)
        assert page.locator(".qrow").count() == min(len(rows), 120)
        chips = {each.split("\n")[0]: number_in(each.split("\n")[1]) for each in page.locator(".chips .chip").all_inner_texts()}
        by_check = {}
        for row in rows:
            by_check[row["check"]] = by_check.get(row["check"], 0) + 1
        assert chips == by_check, (chips, by_check)
        assert rows[0]["reason"] in text_of(page, ".qdetail .why")
    return len(rows)


def sql_first_etl(browser):
    with tempfile.TemporaryDirectory() as folder:
        job = Example(folder, "sql-first-etl", "pipeline.yaml", "transactions --out input --invalid 0.05")
        with job.daemon() as daemon:
            daemon.wait_for_batch(job.pipeline, 4)
            last = daemon.get(f"/pipelines/{job.pipeline}")["batch"]
            assert last == 4, "a batch for each of five files"
            written = batches_equal_the_api(browser, daemon, job.pipeline, last)
            every_page_opens(browser, daemon, job.pipeline, last)
            state = {each["id"]: each for each in daemon.get(f"/pipelines/{job.pipeline}/state")}
            with browser.page(daemon.url) as page:
                row = page.locator(".ptable tbody tr", has_text=job.pipeline)
                row.wait_for()
                assert f"#{last:,}" in row.inner_text() and "1 source · 3 datasets · 3 sinks" in row.inner_text(), row.inner_text()
        assert written["transformed_transactions"] == count_of(job, "transformed_transactions") > 0, written
        assert written["rejected_transactions"] == count_of(job, "rejected_transactions") > 0, written
        assert state["transaction_metrics"]["rows"] == count_of(job, "transaction_metrics") > 0, state
        transactions = job.rows("SELECT sum(transactions)::BIGINT AS n FROM transaction_metrics")[0]["n"]
        assert transactions == written["transformed_transactions"], (transactions, written)


def medallion(browser):
    with tempfile.TemporaryDirectory() as folder:
        job = Example(folder, "medallion", "embedded.yaml", "orders --out input --rows 5000 --duplicates 0.05 --invalid 0.01")
        with job.daemon() as daemon:
            last = settled(daemon, job, orders="input")
            written = batches_equal_the_api(browser, daemon, job.pipeline, last)
            every_page_opens(browser, daemon, job.pipeline, last)
            put_aside = quarantine_equals_the_api(browser, daemon, job.pipeline)
            batch = daemon.get(f"/pipelines/{job.pipeline}/batches/{last}")
            with browser.page(f"{daemon.url}/p/{job.pipeline}/batch?at={last}") as page:
                page.wait_for_selector("#watermark .wmrow")
                assert batch["watermark"] is not None
        for table in ("bronze", "silver"):
            assert written[table] == count_of(job, table), (table, written)
        assert written["bronze"] + put_aside >= 5000, (written, put_aside)


def customer_360(browser):
    with tempfile.TemporaryDirectory() as folder:
        job = Example(folder, "customer-360", "embedded.yaml", "shop --out input --rows 5000", "events --out input/events --rows 2000",
                      changes=[("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0"), ("trigger: 10s", "trigger: 500ms")])
        with job.daemon() as daemon:
            last = settled(daemon, job, transactions="input/transactions", event_lines="input/events")
            written = batches_equal_the_api(browser, daemon, job.pipeline, last)
            every_page_opens(browser, daemon, job.pipeline, last)
            quarantine_equals_the_api(browser, daemon, job.pipeline)
            endpoints = daemon.get("/endpoints")
            with browser.page(f"{daemon.url}/p/{job.pipeline}/serve") as page:
                page.wait_for_selector(".sv tbody tr")
                assert page.locator(".sv tbody tr").count() == len(endpoints) >= 5, endpoints
            tables = {each["name"]: each["rows"] for each in daemon.get(f"/pipelines/{job.pipeline}/tables")}
            with browser.page(f"{daemon.url}/p/{job.pipeline}/state?table=profile") as page:
                page.wait_for_selector(".res tbody tr")
                page.uncheck(".chk input")
                page.fill(".sqlbox", "SELECT count(*) AS n FROM profile")
                page.keyboard.press("Control+Enter")
                eventually(page, lambda: page.locator(".res tbody td").first.inner_text().replace(",", "") == f"{tables['profile']}",
                           "as many profiles as the API says")
            daemon.process.send_signal(signal.SIGTERM)  # which gives the store free
            daemon.process.wait(timeout=60)
        assert tables["profile"] == count_of(job, "customer_profile") > 0, tables
        for table in ("events", "malformed"):
            assert written[table] == count_of(job, table) > 0, (table, written)


def same(text):
    """Without what grows from batch to batch."""
    return re.sub(r"[\d.,]+ ?(batches|ms|s|%|µs)?", "N", text)


def falling_behind(browser):
    """What takes too long is said on the page, by the API, in the log and in the events, in the same words."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "numbers").mkdir()
        for i in range(500):  # each as much work as the last, whatever the machine takes for it
            m.write_csv(folder / "numbers" / f"{i:03}.csv", ["value"], [[20 * i + k] for k in range(20)])
        daemon = stack.enter_context(Daemon(folder, BEHIND))

        def finding():
            return next((each for each in daemon.get("/pipelines/behind")["findings"] if each["title"].startswith("Falling behind")), None)
        m.wait_until(finding, "the finding")
        daemon.post("/pipelines/behind/control", {"action": "pause"})
        daemon.wait_for("behind", "paused")
        found = finding()
        assert "slow takes" in found["detail"], found
        with browser.page(daemon.url) as page:
            page.wait_for_selector(".find")
            shown = page.locator(".find", has_text="Falling behind")
            assert shown.locator("strong").inner_text() == found["title"] and shown.locator("p").inner_text() == found["detail"]
            assert "paused" in page.locator(".ptable tbody tr").inner_text()
            browser.keep(page, "behind")
            shown.click()
            page.wait_for_selector(".bsum h2")
            assert "slowest slow" in text_of(page, ".bsum p"), text_of(page, ".bsum p")
        words = same(f"{found['title']}: {found['detail']}")
        m.wait_until(lambda: any(words in same(line) for line in daemon.log().splitlines()), "the log to say it")
        told = [each for each in daemon.get("/events?pipeline=behind") if same(each["text"]) == words]
        assert len(told) == 1 and told[0]["level"] == "warn", daemon.get("/events?pipeline=behind")
        with browser.page(f"{daemon.url}/p/behind/events") as page:
            page.wait_for_selector(".ev tbody tr")
            assert told[0]["text"] in page.inner_text(".ev")


def the_past_over_a_restart(browser):
    """A killed pipeline, started again: its page says the same of batches before, and goes on."""
    with tempfile.TemporaryDirectory() as folder:
        job = Example(folder, "sql-first-etl", "pipeline.yaml", "transactions --out input --invalid 0.05")
        with job.daemon() as daemon:
            daemon.wait_for_batch(job.pipeline, 4)

            def batch_two(page):
                eventually(page, lambda: re.match(r"Batch 2\b", text_of(page, ".bsum h2")), "batch 2")
                return [text_of(page, ".bsum p"), page.locator(".acct tbody").inner_text(), text_of(page, ".wf")]
            with browser.page(f"{daemon.url}/p/{job.pipeline}/batch?at=2", may_fail=True) as page:  # refused connections are logged
                page.wait_for_selector(".conn.live")
                before = batch_two(page)
                daemon.kill()
                page.wait_for_selector(".conn.lost")
                m.run("generate", "transactions", "--out", "input", "--append", "--seed", "7", cwd=job.home)
                daemon.start()
                page.wait_for_selector(".conn.live")
                daemon.wait_for_batch(job.pipeline, 5)
                assert batch_two(page) == before
                page.reload()
                assert batch_two(page) == before
                page.keyboard.press("l")
                last = daemon.get(f"/pipelines/{job.pipeline}")["batch"]
                eventually(page, lambda: number_in(re.search(r"Batch ([\d,]+)", text_of(page, ".bsum h2"))[1]) >= min(last, 5), "the end")
                # By keyboard alone: the table, a node, its inspector.
                page.keyboard.press("1")
                page.wait_for_selector(".node")
                page.get_by_role("button", name="Table").focus()
                page.keyboard.press("Enter")
                page.wait_for_selector(".gtab tbody tr")
                page.get_by_role("button", name="transaction_metrics", exact=True).first.focus()
                page.keyboard.press("Enter")
                page.wait_for_selector(".insp h2")
                assert text_of(page, ".insp h2") == "transaction_metrics"


CASES = [sql_first_etl, medallion, customer_360, falling_behind, the_past_over_a_restart]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=pathlib.Path, metavar="DIR")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    report = m.Report("the web UI over real jobs")
    with browsing(options.shots) as browser:
        for function in CASES:
            if not options.cases or function.__name__ in options.cases:
                case(report, function, browser)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
