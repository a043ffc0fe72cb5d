#!/usr/bin/env python3
"""The web UI looking back: a graph that was another one, a checkpoint that was removed, more rows and events than a page holds, and
findings that alerts tell of.

Usage: past_test.py [CASE]...
"""
import json
import pathlib
import shutil
import sys
import tempfile

from browser import browsing, case, eventually, m, number_in, text_of

from daemon import Daemon  # noqa: E402

ORDERS = """pipeline: orders
trigger: 50ms
checkpoint: { sync: false }
sources:
  orders: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT, amount BIGINT', max_files_per_trigger: 1 }
checks:
  orders:
    - { name: positive, expect: amount >= 0, otherwise: quarantine }
    - { name: even, expect: id % 2 = 0, otherwise: quarantine }
datasets:
  paid: SELECT id, amount FROM orders
sinks:
  out: { from: paid, to: { type: files, path: out }, format: csv }
"""
OTHER_SQL = ORDERS.replace("  paid: SELECT id, amount FROM orders", "  paid: SELECT id, amount FROM orders WHERE amount > 5\n"
                           "  large: SELECT id FROM paid WHERE amount > 100").replace(
                           "sinks:", "sinks:\n  large: { from: large, to: blackhole }")


class Orders:
    """A daemon over a folder; files come when they are put."""

    def __init__(self, text=ORDERS, **options):
        self.text, self.options = text, options

    def __enter__(self):
        self.stack = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self.stack.__enter__())
        (self.home / "in").mkdir()
        self.daemon = Daemon(self.home, self.text).__enter__()
        return self

    def __exit__(self, *error):
        self.daemon.__exit__(*error)
        self.stack.__exit__(*error)

    def put(self, name, rows):
        before = self.daemon.get("/pipelines/orders")["batch"]
        m.write_csv(self.home / "in" / f"{name}.csv", ["id", "amount"], rows)
        self.daemon.wait_for_batch("orders", before + 1)

    def reload(self, text):
        before = self.daemon.get("/pipelines/orders")["graph"]
        (self.home / "orders.yaml").write_text(text)
        self.daemon.post("/reload", {})
        m.wait_until(lambda: self.daemon.get("/pipelines/orders")["graph"] not in (before, ""), "the other graph")


def the_graph_as_it_was(browser):
    """A page that is open follows a reload; batches before it have the graph that they ran; so after a restart."""
    with Orders() as home:
        daemon = home.daemon
        for i in range(2):
            home.put(i, [[2 * i, 10]])
        with browser.page(f"{daemon.url}/p/orders", may_fail=True) as page:  # refused connections are logged
            eventually(page, lambda: page.locator(".node").count() == 3, "the graph")
            home.reload(OTHER_SQL)
            eventually(page, lambda: page.locator(".node").count() == 5, "the graph as it is now")
            for i in range(2, 4):
                home.put(i, [[2 * i, 200]])
            graph = daemon.get("/pipelines/orders/graph")
            before = daemon.get("/pipelines/orders/graph?at=1")
            assert graph["since"] == 2 and "until" not in graph and len(graph["nodes"]) == 5, graph
            assert before["since"] == 0 and before["until"] == 1 and [each["id"] for each in before["nodes"]] == ["orders", "paid", "sink:out"], before
            for restarted in (False, True):
                if restarted:
                    daemon.kill()
                    daemon.start()
                    daemon.wait_for("orders", "running")
                    page.wait_for_selector(".conn.live")
                for at, nodes in ((1, 3), (2, 5), (0, 3), (3, 5)):
                    page.goto(f"{daemon.url}/p/orders?at={at}&node=paid")
                    eventually(page, lambda: page.locator(".node").count() == nodes, f"the graph of batch {at}")
                    page.get_by_role("tab", name="SQL").click()
                    eventually(page, lambda: ("amount > 5" in text_of(page, ".insp .sql")) == (nodes == 5), f"the SQL of batch {at}")
                    page.goto(f"{daemon.url}/p/orders/batch?at={at}")
                    eventually(page, lambda: page.locator(".acct tbody tr").count() == (2 if nodes == 5 else 1), f"the accounts of batch {at}")
            # What is not known any more is said, and there is the graph of now in its place.
            daemon.kill()
            for file in (home.home / ".millrace/orders/history").glob("graphs-*"):
                file.unlink()
            daemon.start()
            daemon.wait_for("orders", "running")
            status, answer = daemon.ask("/api/v1/pipelines/orders/graph?at=1")
            assert status == 410 and json.loads(answer)["code"] == "graph_expired", answer
            page.goto(f"{daemon.url}/p/orders?at=1")
            eventually(page, lambda: "what batch 1 ran is not known any more" in page.inner_text(".gbar"), "to be told of it")
            assert page.locator(".node").count() == 5


def a_checkpoint_that_was_removed(browser):
    """Batch 0 of the one that began anew is shown, not what the browser kept of the other."""
    with Orders() as home:
        daemon = home.daemon
        home.put("a", [[i * 2, 1] for i in range(7)])
        with browser.page(f"{daemon.url}/p/orders/batch?at=0", may_fail=True) as page:
            eventually(page, lambda: "7 rows in" in text_of(page, ".bsum p"), "batch 0")
            first = daemon.get("/pipelines/orders")["checkpoint"]
            assert f"/batches/0?of={first}" in " ".join(page.requested), page.requested
            daemon.post("/pipelines/orders/control", {"action": "stop"})
            daemon.wait_for("orders", "stopped")
            for folder in (".millrace", "out"):
                shutil.rmtree(home.home / folder)
            m.write_csv(home.home / "in" / "a.csv", ["id", "amount"], [[i * 2, 1] for i in range(3)])
            daemon.post("/pipelines/orders/control", {"action": "retry"})
            daemon.wait_for("orders", "running")
            m.wait_until(lambda: daemon.get("/pipelines/orders/progress?from=0")[:1] and
                         daemon.get("/pipelines/orders/progress?from=0")[0]["rows_in"] == 3, "the other batch 0")
            eventually(page, lambda: "3 rows in" in text_of(page, ".bsum p"), "the other batch 0 on the page")
            second = daemon.get("/pipelines/orders")["checkpoint"]
            assert second not in ("", first) and f"/batches/0?of={second}" in " ".join(page.requested)
            page.reload()
            eventually(page, lambda: "3 rows in" in text_of(page, ".bsum p"), "it after a reload")
            status, answer = daemon.ask(f"/api/v1/pipelines/orders/batches/0?of={first}")
            assert status == 410 and json.loads(answer)["code"] == "other_checkpoint", answer
        # And its history is on disk.
        daemon.kill()
        daemon.start()
        daemon.wait_for("orders", "running")
        assert daemon.get("/pipelines/orders/batches/0")["progress"]["rows_in"] == 3


def more_rows_than_a_page(browser):
    with Orders() as home:
        daemon = home.daemon
        home.put("a", [[2 * i, -1] for i in range(1100)])
        home.put("b", [[2 * i + 1, 1] for i in range(40)])
        m.wait_until(lambda: daemon.get("/pipelines/orders")["quarantine_open"] == 1140, "all of them")
        with browser.page(f"{daemon.url}/p/orders/quality") as page:
            rows = page.locator(".qrow")
            rows.first.wait_for()
            assert "1,140 open" in text_of(page, ".qlist header") and "newest 500" in text_of(page, ".qlist header")
            older = page.locator(".qlist").get_by_role("button", name="Older")
            for count in (320, 520, 720, 920, 1120, 1140):
                older.click()
                eventually(page, lambda: rows.count() == count, f"{count} rows")
            assert older.count() == 0
            shown = page.locator(".qrow code").all_inner_texts()
            told = daemon.get("/pipelines/orders/quarantine?status=open&limit=1000")
            told += daemon.get(f"/pipelines/orders/quarantine?status=open&limit=1000&cursor={told[-1]['id']}")
            assert shown == [each["coord"] for each in told] and len(set(each["id"] for each in told)) == 1140
            # Filters are asked of the API: what they find need not be on the first page.
            page.locator(".ql table tbody tr", has_text="positive").click()
            eventually(page, lambda: "check=positive" in page.requested[-1], "the API to be asked")
            eventually(page, lambda: rows.count() == 120 and "positive" in rows.nth(0).inner_text(), "rows of the check")
            page.goto(f"{daemon.url}/p/orders/quality?check=even&dataset=orders")
            eventually(page, lambda: rows.count() == 40, "those of the other check")
            page.goto(f"{daemon.url}/p/orders/quality?dataset=nobody")
            eventually(page, lambda: "Nothing quarantined matches" in page.inner_text(".qlist"), "none")


def more_events_than_a_page(browser):
    with Orders() as home:
        daemon = home.daemon
        daemon.wait_for("orders", "running")
        for _ in range(60):
            for action, state in (("pause", "paused"), ("resume", "running")):
                daemon.post("/pipelines/orders/control", {"action": action})
                daemon.wait_for("orders", state)
        all_of_it = daemon.get("/events?pipeline=orders&limit=1000")
        assert 240 <= len(all_of_it) < 400, len(all_of_it)
        with browser.page(f"{daemon.url}/p/orders/events") as page:
            rows = page.locator(".ev tbody tr")
            rows.first.wait_for()
            assert rows.count() == 200
            page.get_by_role("button", name="Older").click()
            eventually(page, lambda: rows.count() == len(all_of_it), "all of them")
            shown = page.locator(".ev tbody tr td:nth-child(4)").all_inner_texts()
            assert shown == [each["text"] for each in all_of_it]
            assert page.get_by_role("button", name="Older").count() == 0


def facts_of_then(browser):
    """The header is that of the batch that is looked at; what is of now says so."""
    with Orders() as home:
        home.put("a", [[0, -1], [2, 1]])
        home.put("b", [[4, 1]])
        with browser.page(f"{home.daemon.url}/p/orders/batch?at=0") as page:
            fact = page.locator(".fact", has_text="Quarantine")
            fact.wait_for()
            assert fact.inner_text().split("\n") == ["Quarantine now", "1", "+1 this batch"], fact.inner_text()
            assert page.locator(".fact", has_text="Watermark").inner_text().split("\n") == ["Watermark delay", "–", "no watermark"]
            page.keyboard.press("l")
            eventually(page, lambda: fact.inner_text().split("\n") == ["Quarantine", "1", "none this batch"], "those of now")


CASES = [the_graph_as_it_was, a_checkpoint_that_was_removed, more_rows_than_a_page, more_events_than_a_page, facts_of_then]


def main():
    report = m.Report("looking back in the web UI")
    with browsing() as browser:
        for function in CASES:
            if not sys.argv[1:] or function.__name__ in sys.argv[1:]:
                case(report, function, browser)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
