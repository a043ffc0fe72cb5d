#!/usr/bin/env python3
"""Numbers and words of the web UI against those of the API, over pipelines with event time, checks and endpoints: the strip and the
watermark of the overview, rates on edges, the history of checks, latencies, and findings, which the log has, too.

Usage: numbers_test.py [CASE]...
"""
import datetime
import pathlib
import re
import sys
import tempfile
import urllib.request

from browser import browsing, case, dur, eventually, m, num, text_of

from daemon import Daemon  # noqa: E402

# Refunds are five minutes behind; every seventh order is for nothing.
SALES = """pipeline: sales
trigger: 150ms
checkpoint: { sync: false }
sources:
  orders:
    from: { type: files, path: orders }
    format: csv
    schema: id BIGINT, ts TIMESTAMP, amount BIGINT
    max_files_per_trigger: 1
    watermark: { column: ts, delay: 10s }
  refunds:
    from: { type: files, path: refunds }
    format: csv
    schema: id BIGINT, ts TIMESTAMP, amount BIGINT
    max_files_per_trigger: 1
    watermark: { column: ts, delay: 10s }
checks:
  orders:
    - { name: worth_it, expect: amount > 0, otherwise: quarantine }
    - { name: known, expect: id IS NOT NULL, otherwise: warn }
datasets:
  paid: SELECT id, amount FROM orders WHERE id % 2 = 0
  total: SELECT count(*) AS n, sum(amount) AS amount FROM orders
  back: SELECT id, amount FROM refunds
sinks:
  paid: { from: paid, to: { type: files, path: paid }, format: csv }
  back: { from: back, to: { type: files, path: back }, format: csv }
alerts:
  rules:
    - { name: bad_orders, finding: check_failing, of: orders.worth_it }
    - { name: bad_ids, finding: check_failing, of: orders.known }
    - { name: slow_refunds, finding: watermark_held, severity: critical }
serve:
  listen: 127.0.0.1:0
  endpoints:
    - { get: /total, query: SELECT * FROM total }
    - { get: /nothing, query: SELECT * FROM total WHERE n < 0, returns: one, empty: not_found }
"""
# More state with every batch.
GROWS = """pipeline: grows
trigger: 100ms
checkpoint: { sync: false }
sources: { n: { from: rate, rows_per_second: 150000 } }
datasets: { seen: 'SELECT value, count(*) AS times FROM n GROUP BY value' }
sinks: { out: { from: seen, to: blackhole, mode: update } }
"""
FILES = 24
OF_FILE = 70


class Sales:
    """A daemon that has read all there is of the pipeline, and waits."""

    def __enter__(self):
        self.stack = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.stack.__enter__())
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        for source, behind in (("orders", 0), ("refunds", 300)):
            (folder / source).mkdir()
            for i in range(FILES):
                at = now - datetime.timedelta(seconds=behind + FILES - i)
                m.write_csv(folder / source / f"{i:02}.csv", ["id", "ts", "amount"],
                            [[j, at, j % 7] for j in range(OF_FILE * i, OF_FILE * (i + 1))])
        self.daemon = Daemon(folder, SALES).__enter__()
        self.daemon.wait_for_batch("sales", FILES - 1)
        return self.daemon

    def __exit__(self, *error):
        self.daemon.__exit__(*error)
        self.stack.__exit__(*error)


def the_strip_and_the_watermark(browser, daemon):
    pipeline = daemon.get("/pipelines/sales")
    lines = pipeline["progress"]
    assert len(lines) == FILES and lines[-1]["wm_delay_ms"] > 300_000, lines[-1]
    with browser.page(daemon.url) as page:
        row = page.locator(".ptable tbody tr")
        row.wait_for()
        bars = row.locator(".strip rect")
        assert bars.count() == FILES, bars.count()
        tips = bars.locator("title").all_text_contents()
        assert tips == [f"batch {line['n']}: {dur(line['ms'])}, {line['rows_in']} rows" for line in lines], tips
        heights = [float(each.get_attribute("height")) for each in bars.all()]
        longest = max(line["ms"] for line in lines)
        assert all(abs(h - max(1.5, line["ms"] / longest * 20)) < 0.01 for h, line in zip(heights, lines)), heights
        watermark = row.locator("td").nth(6).inner_text().split("\n")
        assert watermark == [dur(lines[-1]["wm_delay_ms"]), "refunds"], watermark
        assert row.locator("td").nth(8).inner_text() == f"{pipeline['quarantine_open']}" == "240", pipeline["quarantine_open"]
        box = row.locator(".strip").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 5.5 / FILES, box["y"] + 10)
        eventually(page, lambda: page.url.startswith(f"{daemon.url}/p/sales/batch?at=5"), "the batch of the sixth bar")


def rates_on_edges(browser, daemon):
    graph = daemon.get("/pipelines/sales/graph")
    for at in (3, FILES - 2):
        batch = daemon.get(f"/pipelines/sales/batches/{at}")
        seconds = max(150, batch["ms"]) / 1000
        rows = {(edge["from"], edge["to"]): edge["rows"] for edge in batch["edges"]}
        drawn = [(edge["from"], edge["to"]) for edge in graph["edges"]]
        # What goes into tables that are served is not counted by edge.
        assert sum(rows.values()) > 0 and set(drawn) - set(rows) == {("total", "sink:served total")} and set(rows) < set(drawn), rows
        with browser.page(f"{daemon.url}/p/sales?at={at}") as page:
            page.wait_for_selector(".elabel")
            first = {}
            for edge in filter(rows.get, drawn):
                first.setdefault(edge[0], rows[edge])
            shown = page.locator(".elabel").all_inner_texts()
            assert shown == [f"{num(n / seconds)}/s" for n in first.values()], (shown, first, seconds)
            for node in batch["nodes"]:
                name = node["id"].removeprefix("sink:")
                kind = next(each["kind"] for each in graph["nodes"] if each["id"] == node["id"])
                label = f"{kind} {name}, {node['in']} rows in, {node['out']} out, {dur(node['ms'])}"
                assert page.get_by_role("button", name=label, exact=True).count() == 1, label
        with browser.page(f"{daemon.url}/p/sales/batch?at={at}") as page:
            page.get_by_role("button", name="Edges").click()
            page.wait_for_selector(".acct tbody tr")
            shown = [row.locator("td").all_inner_texts()[2:4] for row in page.locator(".acct tbody tr").all()]
            assert shown == [[f"{edge['rows']}", num(edge["rows"] / seconds)] for edge in batch["edges"]], shown


def history_of_checks(browser, daemon):
    for at in (10, FILES - 1):
        checks = daemon.get(f"/pipelines/sales/checks?at={at}")
        worth, known = (next(each for each in checks if each["name"] == name) for name in ("worth_it", "known"))
        failed = [line["quarantined"] for line in daemon.get(f"/pipelines/sales/progress?from=0&to={at}")]
        assert worth["history"] == failed and worth["failed_total"] == sum(failed) == 10 * (at + 1), (worth, failed)
        assert known["failed_total"] == 0, known
        with browser.page(f"{daemon.url}/p/sales/quality?at={at}") as page:
            row = page.locator(".ql table tbody tr", has_text="worth_it")
            row.wait_for()
            bars = [float(each.get_attribute("height")) for each in row.locator(".strip rect").all()]
            assert bars == [max(1.5, n / max(failed) * 16) for n in failed], bars
            cells = row.locator("td").all_inner_texts()
            assert cells[4:6] == [f"{worth['passed']}", f"{worth['failed']}"] == ["60", "10"], cells
            cells = page.locator(".ql table tbody tr", has_text="known").locator("td").all_inner_texts()
            assert cells[4:] == ["70", "·", "0 %", "none"], cells


def latencies_of_endpoints(browser, daemon):
    url = daemon.get("/endpoints")[0]["url"]
    for i in range(30):
        urllib.request.urlopen(f"{url}/total", timeout=20).read()
    with browser.page(f"{daemon.url}/serve") as page:
        page.wait_for_selector(".sv tbody tr")

        def shown(path):
            cells = page.locator(".sv tbody tr", has_text=path).locator("td").all_inner_texts()
            return [cells[4], cells[5].strip(), cells[7]]

        def told(path):
            endpoint = next(each for each in daemon.get("/endpoints") if each["path"] == path)
            return [dur(endpoint["p50"]), dur(endpoint["p99"]), f"#{endpoint['at']}"]
        eventually(page, lambda: told("/total")[0] != "0" and shown("/total") == told("/total"), "the latencies of /total")
        eventually(page, lambda: shown("/nothing") == told("/nothing"), "those of the other")
        p50, p99, _ = shown("/total")
        page.locator(".sv tbody tr", has_text="/total").click()
        eventually(page, lambda: f"p50 {p50}" in text_of(page, ".hx") and f"p99 {p99}" in text_of(page, ".hx"), "them under the histogram")
        endpoint = next(each for each in daemon.get("/endpoints") if each["path"] == "/total")
        heights = [float(re.search(r"height: ([\d.]+)%", each.get_attribute("style"))[1]) for each in page.locator(".histo i").all()]
        most = max(endpoint["buckets"])
        assert endpoint["requests"] == 30 and len(heights) == len(endpoint["buckets"]), endpoint
        assert all(abs(h - max(2, n / most * 100)) < 0.1 for h, n in zip(heights, endpoint["buckets"])), (heights, endpoint["buckets"])


def same_words(browser, daemon, pipeline, about):
    """A finding is in the same words on the overview, by the API, in the log and in the events; gives it."""
    def finding():
        return next((each for each in daemon.get(f"/pipelines/{pipeline}")["findings"] if each["about"] == about), None)
    m.wait_until(finding, f"the finding about {about}")
    found = finding()
    words = f"{found['title']}: {found['detail']}"
    m.wait_until(lambda: words in daemon.log(), f"the log to say `{words}`")
    assert [each["level"] for each in daemon.get(f"/events?pipeline={pipeline}") if each["text"] == words] in (["warn"], []), words
    with browser.page(daemon.url) as page:
        page.wait_for_selector(".find")
        shown = page.locator(".find", has=page.get_by_text(found["title"], exact=True))
        assert shown.count() == 1 and shown.locator("p").inner_text() == found["detail"], page.locator(".find").all_inner_texts()
        assert shown.get_attribute("href") == found["link"]
        shown.click()
        eventually(page, lambda: found["link"].split("?")[0] in page.url, found["link"])
        page.wait_for_selector("main table, main .node")
        assert page.locator(".errbox").count() == 0, text_of(page, ".errbox")
    return found


def findings_of_checks_and_watermarks(browser, daemon):
    found = same_words(browser, daemon, "sales", "check worth_it of orders")
    assert found["detail"] == "10 rows of 70 in the last batch (14 %), kept in quarantine" and found["since_batch"] == 0, found
    found = same_words(browser, daemon, "sales", "watermark of refunds")
    assert found["title"] == "Watermark held back 5m 00s by refunds" and "`idle_timeout`" in found["detail"], found
    with browser.page(f"{daemon.url}/p/sales/batch") as page:
        page.wait_for_selector("#watermark .wmrow")
        batch = daemon.get(f"/pipelines/sales/batches/{FILES - 1}")
        assert batch["holder"]["source"] == "refunds" and batch["holder"]["behind_ms"] == 300_000, batch["holder"]
        assert dur(300_000) in text_of(page, "#watermark .wm p"), text_of(page, "#watermark .wm p")


def findings_that_alerts_tell_of(browser, daemon):
    """In the words of the finding."""
    words = {each["about"]: f"{each['title']}: {each['detail']}" for each in daemon.get("/pipelines/sales")["findings"]}
    told = {}

    def fires():
        told.update({each["name"]: each for each in daemon.get("/pipelines/sales/alerts")["alerts"]})
        return all(told[name]["state"] == "firing" for name in ("bad_orders", "slow_refunds"))
    m.wait_until(fires, "both alerts")
    assert told["bad_orders"]["message"] == words["check worth_it of orders"], (told, words)
    assert told["slow_refunds"]["message"] == words["watermark of refunds"], (told, words)
    assert told["bad_ids"]["state"] == "inactive", told
    log = daemon.log().splitlines()
    assert any("WARN" in line and "bad_orders" in line and words["check worth_it of orders"] in line for line in log), log[-20:]
    assert any("ERROR" in line and "slow_refunds" in line and words["watermark of refunds"] in line for line in log), log[-20:]
    with browser.page(daemon.url) as page:
        shown = page.locator(".find", has=page.get_by_text("alert slow_refunds", exact=True))
        shown.wait_for()
        assert shown.locator("p").inner_text() == words["watermark of refunds"]


def a_finding_of_growing_state(browser):
    with tempfile.TemporaryDirectory() as folder, Daemon(folder, GROWS) as daemon:
        m.wait_until(lambda: any(each["about"] == "state of seen" for each in daemon.get("/pipelines/grows")["findings"]), "the finding")
        daemon.post("/pipelines/grows/control", {"action": "pause"})
        daemon.wait_for("grows", "paused")
        found = next(each for each in daemon.get("/pipelines/grows")["findings"] if each["about"] == "state of seen")
        size = next(each for each in daemon.get("/pipelines/grows/state") if each["id"] == "seen")["bytes"]
        assert found["title"] == "The state of seen grows" and size >= 16 << 20, (found, size)
        assert found["link"] == "/p/grows/state?table=seen", found
        m.wait_until(lambda: "The state of seen grows: " in daemon.log(), "the log to say it")
        with browser.page(daemon.url) as page:
            shown = page.locator(".find", has_text="The state of seen grows")
            shown.wait_for()
            assert shown.locator("p").inner_text() == found["detail"]


WITH_SALES = [the_strip_and_the_watermark, rates_on_edges, history_of_checks, latencies_of_endpoints, findings_of_checks_and_watermarks,
              findings_that_alerts_tell_of]
ALONE = [a_finding_of_growing_state]


def main():
    report = m.Report("numbers of the web UI")
    wanted = [function for function in WITH_SALES + ALONE if not sys.argv[1:] or function.__name__ in sys.argv[1:]]
    with browsing() as browser:
        with Sales() as daemon:
            for function in WITH_SALES:
                if function in wanted:
                    case(report, function, browser, daemon)
        for function in ALONE:
            if function in wanted:
                case(report, function, browser)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
