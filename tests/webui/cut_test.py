#!/usr/bin/env python3
"""The web UI's event stream, over a proxy that counts, listens and cuts: one stream a tab, taken up again where it was, with what was
missed meanwhile.

Usage: cut_test.py [CASE]...
"""
import pathlib
import re
import sys
import tempfile

from browser import browsing, case, eventually, m, number_in, text_of

from daemon import Daemon  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402

TICKS = """pipeline: ticks
trigger: 200ms
checkpoint: { sync: false }
sources: { ticks: { from: rate, rows_per_second: 100 } }
datasets: { all_of_it: SELECT value FROM ticks }
sinks: { out: { from: all_of_it, to: blackhole } }
"""


class Listening(FaultProxy):
    """Remembers who asked for the stream, and the ids of its events."""

    def __enter__(self):
        self.asked, self.ids = [], []
        return super().__enter__()

    def heard(self, piece):
        if piece.startswith(b"GET /api/v1/stream"):
            self.asked.append(piece.decode())
        self.ids += re.findall(r"^id: (\S+)$", piece.decode(errors="replace"), re.MULTILINE)


def one_stream_a_tab(browser, daemon, proxy):
    """Whatever pages are looked at."""
    with browser.page(f"http://127.0.0.1:{proxy.port}/") as page:
        page.wait_for_selector(".conn.live")
        page.locator("a.pname").click()
        page.wait_for_selector(".node")
        for key, what in (("2", ".bsum h2"), ("3", ".ql"), ("7", ".ev"), ("1", ".node")):
            page.keyboard.press(key)
            page.wait_for_selector(what)
        begin = number_in(text_of(page, ".now b"))
        eventually(page, lambda: number_in(text_of(page, ".now b")) > begin, "it to go on")
        assert len(proxy.asked) == 1 and "Last-Event-ID" not in proxy.asked[0], proxy.asked


def a_cut_is_taken_up_where_it_was(browser, daemon, proxy):
    with browser.page(f"http://127.0.0.1:{proxy.port}/p/ticks/events", may_fail=True) as page:  # lost connections are logged
        page.wait_for_selector(".conn.live")
        page.wait_for_selector(".ev tbody tr")
        for turn in range(2):
            before = len(proxy.asked)
            proxy.refuse()
            proxy.cut()
            page.wait_for_selector(".conn.lost")
            last = proxy.ids[-1]
            assert "Reconnecting" in text_of(page, ".foot")
            at = daemon.get("/pipelines/ticks")["batch"]
            for action in ("pause", "resume"):  # which nobody hears
                daemon.post("/pipelines/ticks/control", {"action": action})
                daemon.wait_for("ticks", "paused" if action == "pause" else "running")
            daemon.wait_for_batch("ticks", at + 5)
            missed = [each["text"] for each in daemon.get("/events?pipeline=ticks&limit=4")]
            proxy.accept()
            page.wait_for_selector(".conn.live")
            assert len(proxy.asked) > before, proxy.asked
            came_back = re.search(r"^last-event-id: (\S+)\r$", proxy.asked[-1], re.MULTILINE | re.IGNORECASE)
            # A piece that was on its way when it was cut may not have come.
            epoch, number = last.rsplit("-", 1)
            assert came_back and came_back[1].rsplit("-", 1)[0] == epoch, proxy.asked[-1]
            assert int(number) - 3 <= int(came_back[1].rsplit("-", 1)[1]) <= int(number), (came_back[1], last)
            first = came_back[1].rsplit("-", 1)
            eventually(page, lambda: f"{first[0]}-{int(first[1]) + 1}" in proxy.ids[-4000:], "the event after it")
            eventually(page, lambda: [row.locator("td").nth(3).inner_text() for row in page.locator(".ev tbody tr").all()[:4]] == missed,
                       f"what was missed, in turn {turn}: {missed}")
        page.keyboard.press("1")
        rail = page.get_by_role("slider", name="Batch")
        newest = daemon.get("/pipelines/ticks")["batch"]
        eventually(page, lambda: int(rail.get_attribute("aria-valuenow")) >= newest, "the newest batch")
        # Batches that nobody heard of have their bars.
        for n in (at + 1, at + 3):
            page.evaluate(f"history.pushState(null, '', '/p/ticks/batch?at={n}'); dispatchEvent(new PopStateEvent('popstate'))")
            eventually(page, lambda: f"batch {n:,}, " in rail.get_attribute("aria-valuetext"), f"batch {n} on the rail")


CASES = [one_stream_a_tab, a_cut_is_taken_up_where_it_was]


def main():
    report = m.Report("the web UI's stream")
    with browsing() as browser, tempfile.TemporaryDirectory() as folder, Daemon(pathlib.Path(folder), TICKS) as daemon:
        daemon.wait_for_batch("ticks", 3)
        for function in CASES:
            if not sys.argv[1:] or function.__name__ in sys.argv[1:]:
                with Listening(daemon.port) as proxy:
                    case(report, function, browser, daemon, proxy)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
