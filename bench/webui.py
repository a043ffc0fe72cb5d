#!/usr/bin/env python3
"""What the web UI costs: 10 pipelines at 5 batches a second, without and with a tab open, in turns; how soon the page is drawn;
and what the tab's memory does over time.

Usage: bench/webui.py [--pipelines N] [--seconds N] [--rounds N] [--minutes N]
  --minutes: how long the tab's memory is watched, after that (default 0)
"""
import argparse
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("MILLRACE_BIN", str(ROOT / "build" / "release" / "millrace"))
sys.path.insert(0, str(ROOT / "tests" / "webui"))
from browser import browsing  # noqa: E402

from daemon import Daemon  # noqa: E402

PIPELINE = """pipeline: p{number:02}
trigger: 200ms
checkpoint: {{ sync: false }}
sources:
  rows: {{ from: rate, rows_per_second: 1000 }}
datasets:
  even: SELECT * FROM rows WHERE value % 2 = 0
  sums: SELECT value % 100 AS k, count(*) AS n FROM even GROUP BY 1
sinks:
  out: {{ from: sums, to: blackhole, mode: complete }}
"""


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of_core(pid, seconds):
    before, begin = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - begin)


def first_paint_ms(browser, url):
    with browser.page(url) as page:
        page.wait_for_selector(".ptable tbody tr")
        return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")


def heap_mb(page):
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"] / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("pipelines", 10), ("seconds", 15), ("rounds", 5), ("minutes", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with browsing() as browser, tempfile.TemporaryDirectory() as folder, \
            Daemon(folder, *(PIPELINE.format(number=i) for i in range(options.pipelines))) as daemon:
        daemon.wait_for_batch("p00", 20)
        pid = daemon.process.pid
        paints = [first_paint_ms(browser, daemon.url) for _ in range(5)]
        without, with_tab = [], []
        for _ in range(options.rounds):
            without.append(share_of_core(pid, options.seconds))
            with browser.page(daemon.url) as page:
                page.wait_for_selector(".conn.live")
                with_tab.append(share_of_core(pid, options.seconds))
        cost = statistics.median(b - a for a, b in zip(without, with_tab))
        rss = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1e3
        print(f"{options.pipelines} pipelines at 5 batches/s, CPU of the process in % of a core (medians of {options.rounds} turns)")
        print(f"  without a tab  {statistics.median(without) * 100:6.1f}")
        print(f"  with one tab   {statistics.median(with_tab) * 100:6.1f}   the tab costs {cost * 100:.1f} (to reach: 2)")
        print(f"first paint      {statistics.median(paints):6.0f} ms, worst {max(paints):.0f} (to reach: 500)")
        print(f"memory           {rss:6.0f} MB of millrace")
        if options.minutes:
            with browser.page(f"{daemon.url}/p/p00") as page:
                page.wait_for_selector(".conn.live")
                for minute in range(options.minutes + 1):
                    print(f"tab after {minute:3} min {heap_mb(page):6.1f} MB of heap", flush=True)
                    page.wait_for_timeout(60_000)
        browser.browser.close()


if __name__ == "__main__":
    main()
