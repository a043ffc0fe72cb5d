#!/usr/bin/env python3
"""What is clicked and typed in the web UI, and what becomes of it in a real process: buttons and their confirmations, keys, the rail of
batches, rows that are read again.

Usage: steering_test.py [CASE]...
"""
import contextlib
import json
import pathlib
import re
import sys
import tempfile

from browser import browsing, case, eventually, m, number_in, text_of

from daemon import Daemon  # noqa: E402

# Nothing comes by itself: what a click did is what there is.
ORDERS = """pipeline: orders
trigger: 1h
checkpoint: { sync: false }
sources:
  orders: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT, amount DOUBLE', max_files_per_trigger: 1 }
checks:
  orders: [{ name: positive, expect: amount > 0, otherwise: quarantine }]
datasets:
  paid: SELECT id, amount::VARCHAR AS amount FROM orders
  total: SELECT count(*) AS n FROM orders
sinks:
  out: { from: paid, to: { type: files, path: out }, format: csv }
"""
OTHER = """pipeline: ticks
trigger: 100ms
checkpoint: { sync: false }
sources: { ticks: { from: rate, rows_per_second: 100 } }
datasets: { all_of_it: SELECT value FROM ticks }
sinks: { out: { from: all_of_it, to: blackhole } }
"""
FAILING = """pipeline: ledger
trigger: 1h
checkpoint: { sync: false }
sources:
  rows: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT, amount TEXT' }
datasets:
  amounts: SELECT id, CAST(amount AS DOUBLE) AS amount FROM rows
sinks:
  out: { from: amounts, to: { type: files, path: out }, format: csv }
"""


def put(home, name, rows):
    m.write_csv(home / "in" / f"{name}.csv", ["id", "amount"], rows)


def written(home):
    return sorted(line for path in (home / "out").rglob("*.csv") for line in path.read_text().splitlines()[1:])


def commands(daemon, pipeline="orders"):
    """What was done, by whom, the oldest first."""
    return [each["text"] for each in reversed(daemon.get(f"/events?pipeline={pipeline}&kind=command"))]


@contextlib.contextmanager
def running(*pipelines):
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "in").mkdir()
        with Daemon(folder, *pipelines) as daemon:
            yield daemon, home


def changes_of(page):
    """The bodies of what the page sends to change something, as it does."""
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(json.loads(request.post_data)))
    return sent


def a_click_is_a_batch_or_a_savepoint(browser):
    with running(ORDERS) as (daemon, home):
        daemon.wait_for("orders", "running")
        with browser.page(f"{daemon.url}/p/orders") as page:
            page.wait_for_selector(".conn.live")
            for i in range(2):
                put(home, f"{i}", [[i, 1.5]])
                page.get_by_role("button", name="Trigger").click()
                daemon.wait_for_batch("orders", i)
                eventually(page, lambda: number_in(text_of(page, ".now b")) == i, f"batch {i} on the page")
            assert daemon.get("/pipelines/orders")["batch"] == 1 and written(home) == ["0,1.5", "1,1.5"], written(home)
            snapshots = home / ".millrace/orders/snapshots"
            before = set(snapshots.glob("*.snapshot"))
            page.get_by_role("button", name="Savepoint").click()
            eventually(page, lambda: set(snapshots.glob("*.snapshot")) - before, "a snapshot on disk")
            done = commands(daemon)
            assert [each.split(",")[0] for each in done] == ["trigger", "trigger", "savepoint"], done
            assert all(each.endswith("by 127.0.0.1") for each in done), done


def retry_of_one_that_failed(browser):
    with running(FAILING) as (daemon, home):
        daemon.wait_for("ledger", "running")
        put(home, "0", [[1, "1.5"], [2, "much"]])
        daemon.post("/pipelines/ledger/control", {"action": "trigger"})
        daemon.wait_for("ledger", "failed")
        since = daemon.get("/pipelines/ledger")["state_since"]
        with browser.page(f"{daemon.url}/p/ledger") as page:
            page.wait_for_selector(".banner.bad")
            retry = page.get_by_role("button", name="Retry batch")
            retry.click()
            eventually(page, lambda: daemon.get("/pipelines/ledger")["state_since"] > since and
                       daemon.get("/pipelines/ledger")["state"] == "failed", "it to fail anew")
            assert written(home) == []
            put(home, "0", [[1, "1.5"], [2, "2.25"]])  # the way out of it
            retry.click()
            eventually(page, lambda: daemon.get("/pipelines/ledger")["state"] == "running", "it to run")
            eventually(page, lambda: "running" in text_of(page, ".ptitle .status"), "the page to say so")
            eventually(page, lambda: written(home) == ["1,1.5", "2,2.25"], "what had failed, in the output")
            eventually(page, lambda: page.locator(".banner.bad").count() == 0, "the failure to go from the page")


def a_confirmation_may_be_dismissed(browser):
    with running(ORDERS) as (daemon, home):
        daemon.wait_for("orders", "running")
        put(home, "0", [[1, 1.5], [2, -1]])
        daemon.post("/pipelines/orders/control", {"action": "trigger"})
        daemon.wait_for_batch("orders", 0)
        asked = []
        with browser.page(f"{daemon.url}/p/orders/quality") as page:
            page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
            sent = changes_of(page)
            page.wait_for_selector(".qrow")
            page.get_by_role("button", name="Stop").click()
            page.locator(".qdetail").get_by_role("button", name="Discard").click()
            eventually(page, lambda: len(asked) == 2, "both questions")
            assert "Stop orders" in asked[0] and "Discard 1 row?" in asked[1], asked
            page.wait_for_timeout(300)  # what must not come can't be waited for
            assert sent == [], sent
        now = daemon.get("/pipelines/orders")
        assert now["state"] == "running" and now["quarantine_open"] == 1 and commands(daemon) == ["trigger, by 127.0.0.1"], now


def replay_by_a_click(browser):
    """What could not be read comes to the outputs when the pipeline can read it: its places are shown until then."""
    with running(ORDERS) as (daemon, home):
        daemon.wait_for("orders", "running")
        put(home, "0", [[1, 1.5], [2, "about 2"], [3, 3.5], [4, "about 4"]])
        daemon.post("/pipelines/orders/control", {"action": "trigger"})
        daemon.wait_for_batch("orders", 0)
        with browser.page(f"{daemon.url}/p/orders/quality") as page:
            page.wait_for_selector(".qrow")
            rows = {each["id"]: each for each in daemon.get("/pipelines/orders/quarantine?status=open")}
            assert sorted(each["coord"].rsplit("/", 1)[-1] for each in rows.values()) == ["0.csv:3", "0.csv:5"], rows
            shown = page.locator(".qrow code").all_inner_texts()
            assert shown == [each["coord"] for each in rows.values()], shown
            for i, row in enumerate(rows.values()):
                page.locator(".qrow").nth(i).click()
                eventually(page, lambda: page.locator(".qdetail dd code").inner_text() == row["coord"], f"the place of row {i}")
                assert page.locator(".qdetail pre.json").inner_text() == row["raw"] and row["reason"] in text_of(page, ".qdetail .why")
            assert written(home) == ["1,1.5", "3,3.5"], written(home)
            (home / "orders.yaml").write_text(ORDERS.replace("amount DOUBLE", "amount VARCHAR").replace("amount > 0", "amount <> ''"))
            daemon.post("/reload", {})
            m.wait_until(lambda: any(["amount", "VARCHAR"] in node["columns"] for node in daemon.get("/pipelines/orders/graph")["nodes"]
                                     if node["id"] == "orders"), "the pipeline as it is now")
            daemon.wait_for("orders", "running")
            page.locator(".qdetail").get_by_role("button", name="Replay").click()
            eventually(page, lambda: "will be read again in batch" in page.inner_text(".toasts"), "to be told of it")
            eventually(page, lambda: [line.split(",")[0] for line in written(home)] == ["1", "2", "3", "4"], "the rows in the output")
            assert {"2,about 2", "4,about 4"} <= set(written(home)), written(home)
            eventually(page, lambda: page.locator(".qrow").count() == 0, "the list to be empty")
            page.get_by_label("Status").select_option("replayed")
            eventually(page, lambda: page.locator(".qrow").count() == 2, "them as rows that were read again")
            assert daemon.get("/pipelines/orders")["quarantine_open"] == 0


def the_rail(browser):
    with running(OTHER) as (daemon, _):
        daemon.wait_for_batch("ticks", 40)
        daemon.post("/pipelines/ticks/control", {"action": "pause"})
        daemon.wait_for("ticks", "paused")
        last = daemon.get("/pipelines/ticks")["batch"]
        lines = daemon.get("/pipelines/ticks/progress?from=0")
        with browser.page(f"{daemon.url}/p/ticks/batch") as page:
            rail = page.get_by_role("slider", name="Batch")
            eventually(page, lambda: rail.get_attribute("aria-valuenow") == f"{last}" and rail.get_attribute("aria-valuetext"), "the rail")
            width = rail.bounding_box()["width"]
            for part in (0.2, 0.7):
                rail.click(position={"x": width * part, "y": 15})
                n = lines[int(part * len(lines))]["n"]  # a bar for each, as long as they fit
                eventually(page, lambda: f"at={n}" in page.url, f"batch {n}")
                eventually(page, lambda: f"Batch {n:,}" in text_of(page, ".bsum h2"), "the page of it")
                assert rail.get_attribute("aria-valuenow") == f"{n}" and "on" not in page.locator(".livebtn").get_attribute("class").split()
            page.get_by_role("button", name="Go live").click()
            eventually(page, lambda: "at=" not in page.url, "the newest batch")
            eventually(page, lambda: f"Batch {last:,}" in text_of(page, ".bsum h2"), "the page of it")
            # The first batch is a batch like others: links of its pages keep it.
            page.goto(f"{daemon.url}/p/ticks/batch?at=0")
            eventually(page, lambda: re.match(r"Batch 0\b", text_of(page, ".bsum h2")), "batch 0")
            page.get_by_role("tab", name="State").click()
            eventually(page, lambda: page.url.startswith(f"{daemon.url}/p/ticks/state") and "at=0" in page.url, "batch 0 on another page")
            page.get_by_role("link", name="Watermark delay").click()
            eventually(page, lambda: re.search(r"/batch\?at=0#watermark$", page.url), "the watermark of batch 0")
            m.wait_until(lambda: page.locator("#watermark").count() == 1, "its place")


def every_key_of_the_list(browser):
    """Each line of the list of keys is a key that does what it says."""
    tried = set()
    with running(OTHER, ORDERS) as (daemon, home):
        daemon.wait_for_batch("ticks", 20)
        with browser.page(f"{daemon.url}/p/ticks") as page:
            page.wait_for_selector(".node")

            def key(line, keys, *until):
                tried.add(line)
                for each in keys if isinstance(keys, list) else [keys]:
                    page.keyboard.press(each)
                eventually(page, *until)

            def at():
                found = re.search(r"at=(\d+)", page.url)
                return int(found[1]) if found else None

            def open_dialog(name):
                return page.get_by_role("dialog", name=name).count() == 1
            for opening in ("/", "Control+k"):
                key("⌘K /", opening, lambda: open_dialog("Go to"), f"{opening} to open it")
                key("Esc", "Escape", lambda: not open_dialog("Go to"), "it to close")
            key("← →", "ArrowLeft", at, "a batch before")
            begin = at()
            key("← →", "ArrowLeft", lambda: at() == begin - 1, "another one")
            key("← →", "Shift+ArrowLeft", lambda: at() == begin - 11, "ten before")
            key("← →", "ArrowRight", lambda: at() == begin - 10, "one on")
            key("← →", "Shift+ArrowRight", lambda: at() == begin, "ten on")
            key("L", "l", lambda: at() is None, "the newest")
            for i, path in enumerate(("", "/batch", "/quality", "/state", "/serve", "/trace", "/events")):
                key("1 … 7", f"{i + 1}", lambda: page.url.split("?")[0] == f"{daemon.url}/p/ticks{path}", path)
            page.keyboard.press("1")
            page.locator(".node", has_text="all_of_it").focus()
            page.keyboard.press("Enter")
            for step, node in (("h", "ticks"), ("l", "all_of_it"), ("l", "sink:out"), ("h", "all_of_it")):
                key("H J K L", step, lambda: f"node={node.replace(':', '%3A')}" in page.url, f"{step} to lead to {node}")
            page.get_by_role("tab", name="SQL").click()  # the graph has the focus no more
            key("Esc", "Escape", lambda: "node=" not in page.url, "nothing to be selected")
            page.locator(".node", has_text="all_of_it").focus()
            world = page.locator(".world")
            for zoom in ("+", "-"):
                before = world.get_attribute("style")
                key("+ - 0", zoom, lambda: world.get_attribute("style") != before, f"{zoom} to zoom")
            key("+ - 0", "0", lambda: "scale(1.15)" in world.get_attribute("style"), "all of it to fit")
            key("[ ]", "]", lambda: page.url.startswith(f"{daemon.url}/p/orders"), "the next pipeline")
            key("[ ]", "[", lambda: page.url.startswith(f"{daemon.url}/p/ticks"), "the one before")
            theme = page.evaluate("document.documentElement.dataset.theme")
            key("T", "t", lambda: page.evaluate("document.documentElement.dataset.theme") != theme, "the other colours")
            key("?", "?", lambda: open_dialog("Keyboard shortcuts"), "the list")
            lines = [" ".join(each.split()) for each in page.locator(".help dt").all_inner_texts()]
            key("?", "?", lambda: not open_dialog("Keyboard shortcuts"), "it to close")
            key("G O", ["g", "o"], lambda: page.url.split("?")[0] == f"{daemon.url}/", "the overview")
        put(home, "0", [[i, -i] for i in range(1, 31)])
        daemon.post("/pipelines/orders/control", {"action": "trigger"})
        m.wait_until(lambda: daemon.get("/pipelines/orders")["quarantine_open"] == 30, "rows in the quarantine")
        with browser.page(f"{daemon.url}/p/orders/quality") as page:
            page.wait_for_selector(".qrow.on")
            page.locator(".qrows").focus()

            def chosen():
                return page.locator(".qrow").evaluate_all("rows => rows.findIndex(row => row.classList.contains('on'))")
            for step, row in (("ArrowDown", 1), ("j", 2), ("ArrowUp", 1)):
                key("↑ ↓ X", step, lambda: chosen() == row, f"{step} to lead to row {row}")
            key("↑ ↓ X", ["ArrowDown"] * 25, lambda: chosen() == 26, "none of many quick ones to be lost")
            key("↑ ↓ X", ["ArrowUp"] * 25, lambda: chosen() == 1, "none of them to be lost upwards")
            key("↑ ↓ X", "x", lambda: page.get_by_role("checkbox", name="Mark").nth(1).is_checked(), "its mark")
            key("↑ ↓ X", "x", lambda: not page.get_by_role("checkbox", name="Mark").nth(1).is_checked(), "no mark")
        assert set(lines) == tried, (lines, tried)


CASES = [a_click_is_a_batch_or_a_savepoint, retry_of_one_that_failed, a_confirmation_may_be_dismissed, replay_by_a_click, the_rail,
         every_key_of_the_list]


def main():
    report = m.Report("steering by the web UI")
    with browsing() as browser:
        for function in CASES:
            if not sys.argv[1:] or function.__name__ in sys.argv[1:]:
                case(report, function, browser)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
