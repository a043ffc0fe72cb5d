#!/usr/bin/env python3
"""The web UI in a browser (Debian's Chromium), over a daemon that runs real pipelines: what each page shows equals what the
API says, keys, links and time travel, control, a stream that is cut, an empty process, 1,000 datasets, accessibility.

Usage: webui_test.py [--shots DIR] [CASE]...     --shots: also keep a picture of each page
"""
import argparse
import json
import pathlib
import re
import sys
import tempfile
import urllib.request

from browser import browsing, case, eventually, m, number_in, numbers, text_of

from daemon import Daemon  # noqa: E402

SENSORS = """pipeline: sensors
trigger: 200ms
checkpoint: { sync: false }
sources:
  readings: { from: rate, rows_per_second: 2000 }
checks:
  readings:
    - { name: not_thirteen, expect: value % 300 <> 13, otherwise: quarantine }
    - { name: small, expect: value < 1000000000, otherwise: warn }
datasets:
  by_device: SELECT value % 50 AS device, count(*) AS n, max(timestamp) AS last FROM readings GROUP BY 1
  busy: SELECT device, n FROM by_device WHERE n > 100
sinks:
  devices: { from: by_device, to: { type: files, path: out }, format: json, mode: complete }
serve:
  listen: 127.0.0.1:0
  endpoints:
    - get: /devices/{device}
      parameters:
        device: { type: int, minimum: 0, maximum: 49, example: "7" }
      query: SELECT device, n FROM by_device WHERE device = $device
      returns: one
      empty: not_found
    - { get: /busy, query: SELECT * FROM busy ORDER BY n DESC }
"""
FAILING = """pipeline: ledger
trigger: 100ms
checkpoint: { sync: false }
sources:
  rows: { from: rate, rows_per_second: 1000 }
datasets:
  divided: SELECT CAST(CASE WHEN value > 300 THEN 'x' ELSE '1' END AS INTEGER) AS d FROM rows
sinks:
  out: { from: divided, to: blackhole }
"""
FAST = """pipeline: fast
trigger: 5ms
checkpoint: { sync: false }
sources: { n: { from: rate, rows_per_second: 20000 } }
datasets: { all_of_it: SELECT value FROM n }
sinks: { out: { from: all_of_it, to: blackhole } }
"""
WIDE = 1000


def wide():
    """A pipeline of many datasets, in groups."""
    layers, size = 25, WIDE // 25
    lines = ["pipeline: wide", "trigger: 1s", "checkpoint: { sync: false }", "sources:",
             "  numbers: { from: rate, rows_per_second: 100 }", "datasets:"]
    for layer in range(layers):
        for i in range(size):
            above = "numbers" if layer == 0 else f"d{layer - 1:02}_{i:02}"
            lines.append(f"  d{layer:02}_{i:02}: SELECT value + {layer} AS value FROM {above}")
    lines += ["sinks:"] + [f"  s{i:02}: {{ from: d{layers - 1:02}_{i:02}, to: blackhole }}" for i in range(size)]
    return "\n".join(lines) + "\n"


def the_overview_tells_of_all(browser):
    with tempfile.TemporaryDirectory() as folder, Daemon(folder, SENSORS, FAILING) as daemon:
        daemon.wait_for_batch("sensors", 5)
        m.wait_until(lambda: daemon.get("/pipelines/ledger")["state"] == "failed", "the other to fail")
        failure = daemon.get("/pipelines/ledger")["error"]
        assert failure["batch"] == daemon.get("/pipelines/ledger")["batch"], failure
        with browser.page(daemon.url) as page:
            page.wait_for_selector(".ptable tbody tr")
            assert page.locator(".ptable tbody tr").count() == 2
            assert "1 failed" in text_of(page, ".counts") and "1 running" in text_of(page, ".counts")
            finds = page.locator(".find").all_inner_texts()
            assert any("has failed at dataset divided" in each for each in finds), finds
            browser.keep(page, "overview")
            # Live: the batch of the row moves on by itself.
            row = page.locator(".ptable tbody tr", has_text="sensors")
            begin = number_in(re.search(r"#([\d,]+)", row.inner_text()).group(1))
            eventually(page, lambda: number_in(re.search(r"#([\d,]+)", row.inner_text()).group(1)) > begin + 2,
                       "the row to move on")
            row.locator("a.pname").click()
            page.wait_for_selector(".node")
            assert page.url.startswith(f"{daemon.url}/p/sensors")
        with browser.page(f"{daemon.url}/p/ledger/batch") as page:
            page.wait_for_selector(".banner.bad")
            assert "dataset divided" in text_of(page, ".banner.bad") and "INT32" in text_of(page, ".banner.bad")
            page.wait_for_selector(".bsum h2")
            assert "failed at dataset divided" in text_of(page, ".bsum h2")
            browser.keep(page, "batch-failed")
        # After a restart it still says which batch it was.
        daemon.kill()
        daemon.start()
        m.wait_until(lambda: daemon.get("/pipelines/ledger")["state"] == "failed", "it to fail again")
        assert daemon.get("/pipelines/ledger")["error"]["batch"] == failure["batch"]


def graph_and_inspector(browser, daemon):
    with browser.page(f"{daemon.url}/p/sensors?node=by_device") as page:
        page.wait_for_selector(".insp .ident")
        graph = daemon.get("/pipelines/sensors/graph")
        assert page.locator(".node").count() == len(graph["nodes"]), graph
        page.wait_for_selector(".insp .sum")
        assert "every row accounted for" in text_of(page, ".insp .sum")
        page.get_by_role("tab", name="SQL").click()
        assert "GROUP BY 1" in text_of(page, ".insp .sql")
        page.get_by_role("tab", name="Plan").click()
        plan = next(node["plan"] for node in graph["nodes"] if node["id"] == "by_device")
        assert plan.strip() and text_of(page, ".insp .operators").strip() == plan.strip(), plan
        page.get_by_role("tab", name="Columns").click()
        assert "device" in text_of(page, ".insp .mini")
        browser.keep(page, "graph")
        page.get_by_role("button", name="Close inspector").click()
        eventually(page, lambda: "node=" not in page.url, "the inspector to close")
        page.fill(".gbar input", "busy")
        page.press(".gbar input", "Enter")
        page.wait_for_selector(".insp h2")
        assert text_of(page, ".insp h2") == "busy"


def a_batch_equals_the_api(browser, daemon):
    number = daemon.get("/pipelines/sensors")["batch"]
    with browser.page(f"{daemon.url}/p/sensors/batch?at={number}", height=1500) as page:
        page.wait_for_selector(".acct tbody tr")
        batch = daemon.get(f"/pipelines/sensors/batches/{number}")
        assert f"Batch {number:,}" in text_of(page, ".bsum h2"), text_of(page, ".bsum h2")
        assert f"{batch['progress']['rows_in']:,} rows in" in text_of(page, ".bsum p"), text_of(page, ".bsum p")
        assert "every row accounted for" in text_of(page, ".okline")
        cells = page.locator(".acct tbody tr").filter(has_text="by_device").locator("td").all_inner_texts()
        node = next(each for each in batch["nodes"] if each["id"] == "by_device")
        shown = numbers(cells[2:10])
        assert shown == [node[k] for k in ("in", "emitted", "out", "absorbed", "filtered", "duplicate", "late",
                                           "quarantined")], (shown, node)
        assert sum(shown[:2]) == sum(shown[2:]), shown
        written = page.locator("table").filter(has_text="Version").locator("tbody tr").first.inner_text()
        assert f"{next(s for s in batch['sinks'] if s['id'] == 'sink:devices')['rows']:,}" in written, written
        browser.keep(page, "batch")


def time_travel_by_keys_and_links(browser, daemon):
    with browser.page(f"{daemon.url}/p/sensors") as page:
        page.wait_for_selector(".node")
        page.keyboard.press("ArrowLeft")
        eventually(page, lambda: "at=" in page.url, "the playhead to leave the end")
        at = int(re.search(r"at=(\d+)", page.url).group(1))
        page.keyboard.press("2")
        page.wait_for_selector(".bsum h2")
        assert page.url.startswith(f"{daemon.url}/p/sensors/batch") and f"at={at}" in page.url, page.url
        page.keyboard.press("ArrowLeft")
        eventually(page, lambda: f"at={at - 1}" in page.url, "one batch back")
        eventually(page, lambda: f"Batch {at - 1:,}" in text_of(page, ".bsum h2"), "the page to follow")
        page.keyboard.press("l")
        eventually(page, lambda: "at=" not in page.url, "live again")
        page.keyboard.press("/")
        page.fill(".palette input", "3")
        page.keyboard.press("Enter")
        eventually(page, lambda: "at=3" in page.url, "the batch of the palette")
        page.keyboard.press("t")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.keyboard.press("?")
        page.wait_for_selector(".palette.help")
        page.keyboard.press("Escape")
    for link, says in ((f"/p/sensors/batch?at={10**9}", "does not exist yet"), ("/p/nobody", "no pipeline \"nobody\""),
                       ("/no/such/page", "No such page"), ("/p/sensors/trace", "Trace is not there yet")):
        with browser.page(daemon.url + link) as page:
            eventually(page, lambda: says in page.inner_text("body"), f"{link} to say `{says}`")


def quarantine_is_looked_at_and_discarded(browser, daemon):
    m.wait_until(lambda: daemon.get("/pipelines/sensors")["quarantine_open"] > 3, "rows in the quarantine")
    with browser.page(f"{daemon.url}/p/sensors/quality") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.wait_for_selector(".qrow")
        eventually(page, lambda: page.locator(".ql table tbody tr").count() == 2, "both checks")
        raw = json.loads(page.locator(".qdetail pre.json").inner_text())
        assert raw["value"] % 300 == 13, raw
        browser.keep(page, "quality")
        page.locator(".qdetail").get_by_role("button", name="Discard").click()
        eventually(page, lambda: "discarded" in page.inner_text(".toasts"), "to be told of it")
        gone = [row for row in daemon.get("/pipelines/sensors/quarantine?status=discarded&limit=10")]
        assert [json.loads(row["raw"])["value"] for row in gone] == [raw["value"]], (gone, raw)


def tables_are_asked(browser, daemon):
    with browser.page(f"{daemon.url}/p/sensors/state", may_fail=True) as page:  # a 400 is logged by the browser
        page.wait_for_selector(".res tbody tr")
        assert "by_device" in page.inner_text(".stp")
        page.uncheck(".chk input")
        page.fill(".sqlbox", "SELECT count(*) AS devices, min(device) AS first FROM by_device")
        page.keyboard.press("Control+Enter")
        eventually(page, lambda: page.locator(".res tbody tr").count() == 1 and
                   page.locator(".res tbody td").all_inner_texts()[:2] == ["50", "0"], "the answer")
        browser.keep(page, "state")
        page.fill(".sqlbox", "SELECT nope FROM by_device")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".qry .errbox")
        assert "nope" in text_of(page, ".qry .errbox")


def endpoints_and_events(browser, daemon):
    url = daemon.get("/endpoints")[0]["url"]
    for i in range(5):
        urllib.request.urlopen(f"{url}/devices/{i}", timeout=20).read()
    with browser.page(f"{daemon.url}/serve") as page:
        page.wait_for_selector(".sv tbody tr")
        assert page.locator(".sv tbody tr").count() == 2
        page.locator(".sv tbody tr").first.click()
        eventually(page, lambda: '"device"' in page.inner_text(".sv"), "an answer of late")
        page.fill(".try input", "/devices/7")
        page.get_by_role("button", name="Send").click()
        eventually(page, lambda: '"device": 7' in page.inner_text(".sv"), "the answer")
        assert "Millrace-Batch" in page.inner_text(".sv"), page.inner_text(".sv")
        page.fill(".try input", "/devices/nobody")
        page.keyboard.press("Enter")
        eventually(page, lambda: "400" in page.inner_text(".resp"), "to be told of the mistake")
        browser.keep(page, "serve")
    with browser.page(f"{daemon.url}/events") as page:
        page.wait_for_selector(".ev tbody tr")
        browser.keep(page, "events")


def buttons_steer_the_pipeline(browser, daemon):
    with browser.page(f"{daemon.url}/p/sensors") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Pause").click()
        eventually(page, lambda: "paused" in text_of(page, ".ptitle .status"), "the page to say so")
        assert daemon.get("/pipelines/sensors")["state"] == "paused"
        assert any("pause" in each["text"] for each in daemon.get("/events?pipeline=sensors"))
        page.get_by_role("button", name="Resume").click()
        eventually(page, lambda: "running" in text_of(page, ".ptitle .status"), "it to run again")
        page.get_by_role("button", name="Stop").click()
        eventually(page, lambda: "stopped" in text_of(page, ".ptitle .status"), "it to stop")
        page.get_by_role("button", name="Start").click()
        eventually(page, lambda: daemon.get("/pipelines/sensors")["state"] == "running", "it to be started anew")
        before = daemon.get("/pipelines/sensors")["batch"]
        eventually(page, lambda: number_in(text_of(page, ".now b")) > before + 1, "batches to come again")


def a_cut_stream_is_taken_up_again(browser, daemon):
    with browser.page(f"{daemon.url}/p/sensors", may_fail=True) as page:  # refused connections are logged
        page.wait_for_selector(".conn.live")
        page.wait_for_selector(".node")
        daemon.kill()
        page.wait_for_selector(".conn.lost")
        assert page.locator(".node").count() > 0, "what was there stays"
        daemon.start()
        page.wait_for_selector(".conn.live")
        before = daemon.get("/pipelines/sensors")["batch"]
        eventually(page, lambda: number_in(text_of(page, ".now b")) > before + 2, "batches after the cut")


def two_tabs_share_a_stream(browser, daemon):
    context = browser.browser.new_context()
    try:
        first, second = context.new_page(), context.new_page()
        for page in (first, second):
            page.goto(f"{daemon.url}/p/sensors")
            page.wait_for_selector(".conn.live")
        first.close()
        begin = number_in(text_of(second, ".now b"))
        eventually(second, lambda: number_in(text_of(second, ".now b")) > begin + 2, "the other tab to take it over")
    finally:
        context.close()


def nothing_serious_for_axe(browser, daemon):
    from axe_playwright_python.sync_playwright import Axe
    number = daemon.get("/pipelines/sensors")["batch"] - 1
    bad = []
    for path in ("/", "/p/sensors?node=by_device", "/p/sensors?view=table", f"/p/sensors/batch?at={number}",
                 f"/p/sensors/quality?at={number}", "/p/sensors/state", "/serve", "/events"):
        for theme in ("dark", "light"):
            with browser.page(daemon.url + path, theme=theme) as page:
                page.wait_for_selector(".conn.live")
                page.wait_for_selector("main table, main .graph, main .empty")
                for each in Axe().run(page).response["violations"]:
                    if each["impact"] in ("serious", "critical"):
                        bad.append((path, theme, each["id"], [node["html"][:160] for node in each["nodes"][:3]]))
    assert not bad, "\n".join(map(str, bad))


def narrow_windows_and_both_themes(browser, daemon):
    """800 pixels: no page, and no part of one but a table, is wider than its place."""
    number = daemon.get("/pipelines/sensors")["batch"] - 1
    wide = []
    for theme in ("light", "dark"):
        with browser.page(daemon.url, width=800, theme=theme) as page:
            for path in ("/", "/p/sensors", "/p/sensors?node=by_device", "/p/sensors?view=table", f"/p/sensors/batch?at={number}",
                         f"/p/sensors/quality?at={number}", "/p/sensors/state", "/p/sensors/serve", "/p/sensors/trace",
                         "/p/sensors/events", "/serve", "/events"):
                # As a click on a link would: the page that is there goes on.
                page.evaluate("path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path)
                page.wait_for_selector("main table, main .node, main .empty")
                eventually(page, lambda: page.locator("main .skel").count() == 0, f"{path} to be loaded")
                browser.keep(page, f"narrow{re.sub('[^a-z]+', '-', path)}-{theme}")
                wide += [(theme, path, each) for each in page.evaluate("""() => ['html', '.body', 'main', 'main > .pad', '.phead', '.side']
                    .flatMap(s => [...document.querySelectorAll(s)].filter(e => e.scrollWidth > e.clientWidth)
                                                                   .map(e => [s, e.scrollWidth, e.clientWidth]))""")]
            assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert not wide, "\n".join(map(str, wide))


def an_empty_process_says_so(browser):
    with tempfile.TemporaryDirectory() as folder, Daemon(folder) as daemon:
        with browser.page(daemon.url) as page:
            page.wait_for_selector(".empty")
            eventually(page, lambda: "No pipeline runs in this process" in page.inner_text("main"), "the empty page")
            # One that is added appears by itself.
            (pathlib.Path(folder) / "sensors.yaml").write_text(SENSORS)
            daemon.post("/reload", {})
            page.wait_for_selector(".ptable tbody tr")


def a_thousand_datasets(browser):
    with tempfile.TemporaryDirectory() as folder, Daemon(folder, wide()) as daemon:
        daemon.wait_for_batch("wide", 0)
        with browser.page(f"{daemon.url}/p/wide") as page:
            page.wait_for_selector(".node", timeout=60_000)
            assert page.locator(".node.n-group").count() == 25, "groups first"
            assert page.locator(".node").count() <= 200, "groups first"
            fetched = [url for url in page.requested if "/batches/" in url]
            assert fetched and all("nodes=groups" in url for url in fetched), fetched
            browser.keep(page, "graph-groups")
            # A group that is opened is in the link, and its nodes have what they did.
            page.locator(".node.n-group", has_text="d12").click()
            eventually(page, lambda: page.locator(".node.n-dataset").count() == WIDE // 25, "the nodes of the group")
            assert "open=d12" in page.url, page.url
            page.keyboard.press("ArrowLeft")
            eventually(page, lambda: "at=" in page.url, "a batch that stays")
            at = re.search(r"at=(\d+)", page.url).group(1)
            node = next(each for each in daemon.get(f"/pipelines/wide/batches/{at}")["nodes"] if each["id"] == "d12_07")
            group = next(each for each in daemon.get(f"/pipelines/wide/batches/{at}?nodes=groups")["nodes"] if each["id"] == "group:d13")
            assert group["in"] == node["in"] * (WIDE // 25) > 0, (group, node)

            def says(name, rows):
                return f", {rows:,} rows in, " in (page.get_by_role("button", name=re.compile(rf"\b{name}, ")).get_attribute("aria-label") or "")
            eventually(page, lambda: says("d12_07", node["in"]) and says("d13", group["in"]), "numbers of a node and of a group")
            page.get_by_role("button", name="Table").click()
            row = page.locator(".gtab tbody tr", has_text="d12_07")
            cells = row.locator("td").all_inner_texts()
            assert numbers(cells[4:6]) == [node["in"], node["out"]] and cells[2] == "d11", cells
            page.get_by_role("button", name="d13", exact=True).focus()
            page.keyboard.press("Enter")
            eventually(page, lambda: "open=d12%2Cd13" in page.url, "the other group")
            eventually(page, lambda: page.locator(".gtab tbody tr").count() == 23 + 2 * WIDE // 25 + 41, "its rows")
        with browser.page(f"{daemon.url}/p/wide/batch?at={at}") as page:
            page.wait_for_selector(".acct tbody tr")
            assert page.locator(".acct tbody tr").count() == 25
            page.get_by_role("button", name="d12 group").click()
            eventually(page, lambda: page.locator(".acct tbody tr", has_text="d12_07").count() == 1, "its datasets")
        with browser.page(f"{daemon.url}/p/wide") as page:
            page.fill(".gbar input", "d12_07")
            page.press(".gbar input", "Enter")
            page.wait_for_selector(".insp h2")
            assert text_of(page, ".insp h2") == "d12_07"
            eventually(page, lambda: 2 <= page.locator(".node").count() <= 20, "its neighbourhood")
            page.wait_for_selector(".insp .kv2")  # what it did, of a batch that is fetched by groups
            browser.keep(page, "graph-1000")


def batches_of_long_ago(browser):
    """Lines are kept for longer than details, and than a page has at hand."""
    with tempfile.TemporaryDirectory() as folder, Daemon(folder, FAST) as daemon:
        daemon.wait_for_batch("fast", 700)
        line = daemon.get("/pipelines/fast/progress?from=130&to=130")[0]
        with browser.page(f"{daemon.url}/p/fast/batch?at=130", may_fail=True) as page:
            rail = page.get_by_role("slider", name="Batch")
            said = f"{line['rows_in']:,} rows"
            eventually(page, lambda: said in rail.get_attribute("aria-valuetext"), f"the line of batch 130: {said}")
            page.wait_for_selector(".facts")
            eventually(page, lambda: "older than the details that are kept" in page.inner_text("main"), "what has become of its details")
            box = rail.bounding_box()
            page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
            eventually(page, lambda: re.search(r"at=(\d+)", page.url) and "at=130" not in page.url, "another batch")
            assert int(re.search(r"at=(\d+)", page.url)[1]) < 400, page.url
            page.keyboard.press("l")
            eventually(page, lambda: "at=" not in page.url, "the newest batch")


def who_may_only_look(browser):
    """Buttons that would be refused say why; the browser's question for a password takes a token."""
    users = "control: { users: { ops: { token: '${file:ops.token}', permission: control }, eye: { token: '${file:eye.token}' } } }\n"
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "millrace.yaml").write_text(users)
        (home / "ops.token").write_text("ops-secret\n")
        (home / "eye.token").write_text("eye-secret\n")
        with Daemon(folder, SENSORS, headers={"Authorization": "Bearer ops-secret"}) as daemon:
            m.wait_until(lambda: daemon.get("/pipelines/sensors/quarantine"), "rows in quarantine")
            with browser.page(f"{daemon.url}/p/sensors", user=("eye", "eye-secret")) as page:
                page.wait_for_selector(".conn.live")
                page.wait_for_selector(".ctl")
                assert "read only" in text_of(page, ".ctl"), text_of(page, ".ctl")
                for name in ("Pause", "Trigger", "Savepoint", "Stop"):
                    button = page.get_by_role("button", name=name)
                    assert button.is_disabled() and "permission control" in button.get_attribute("title"), name
                page.keyboard.press("/")
                page.fill(".palette input", "sensors")
                assert page.locator(".palette li").count() >= 1 and page.locator(".palette li", has_text="action").count() == 0
                page.keyboard.press("Escape")
                page.keyboard.press("3")
                page.wait_for_selector(".qdetail button")
                for name in ("Discard", "Replay"):
                    assert page.locator(".qdetail").get_by_role("button", name=name).is_disabled(), name
                page.keyboard.press("4")
                page.wait_for_selector(".res tbody tr")  # asking changes nothing
                browser.keep(page, "read-only")
            with browser.page(f"{daemon.url}/p/sensors", user=("ops", "ops-secret")) as page:
                page.get_by_role("button", name="Pause").click()
                eventually(page, lambda: "paused" in text_of(page, ".ptitle .status"), "the page to say so")
                assert daemon.get("/pipelines/sensors")["state_by"] == "ops"
                page.keyboard.press("3")
                page.wait_for_selector(".qdetail button")
                replay = page.locator(".qdetail").get_by_role("button", name="Replay")  # of a row that a check took out
                assert replay.is_disabled() and "could not read" in replay.get_attribute("title")
                assert page.locator(".qdetail").get_by_role("button", name="Discard").is_enabled()


WITH_SENSORS = [graph_and_inspector, a_batch_equals_the_api, time_travel_by_keys_and_links,
                quarantine_is_looked_at_and_discarded, tables_are_asked, endpoints_and_events, buttons_steer_the_pipeline,
                two_tabs_share_a_stream, nothing_serious_for_axe, narrow_windows_and_both_themes,
                a_cut_stream_is_taken_up_again]
ALONE = [the_overview_tells_of_all, an_empty_process_says_so, a_thousand_datasets, batches_of_long_ago, who_may_only_look]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=pathlib.Path, metavar="DIR")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    report = m.Report("webui")
    wanted = [function for function in WITH_SENSORS + ALONE if not options.cases or function.__name__ in options.cases]
    with browsing(options.shots) as browser:
        with tempfile.TemporaryDirectory() as folder, Daemon(folder, SENSORS) as daemon:
            daemon.wait_for_batch("sensors", 12)
            for function in WITH_SENSORS:
                if function in wanted:
                    case(report, function, browser, daemon)
        for function in ALONE:
            if function in wanted:
                case(report, function, browser)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
