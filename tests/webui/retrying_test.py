#!/usr/bin/env python3
"""The web UI over a sink whose MariaDB is away: the finding that batches are tried again, in the words of the API, the log, the alert and the
overview, for as long as it is so.

Usage: retrying_test.py
"""
import re
import sys
import tempfile

from browser import browsing, case, eventually, m

import mariadb  # noqa: E402
from daemon import Daemon  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402

PIPELINE = """pipeline: sales
trigger: 50ms
checkpoint: {{ sync: false }}
connections: {{ shop: {connection} }}
sources: {{ ticks: {{ from: rate, rows_per_second: 100 }} }}
datasets: {{ sold: SELECT value FROM ticks }}
sinks: {{ out: {{ from: sold, to: shop, table: sold, mode: append }} }}
alerts:
  rules: [{{ name: no_shop, finding: retrying }}]
"""


def a_sink_that_is_tried_again(browser):
    with mariadb.Mariadb() as database, FaultProxy(database.port) as proxy, tempfile.TemporaryDirectory() as folder:
        database.sql("CREATE TABLE sold (value BIGINT PRIMARY KEY)")
        connection = database.connection(port=proxy.port, connect_timeout="1s")
        with Daemon(folder, PIPELINE.format(connection=connection)) as daemon:
            daemon.wait_for_batch("sales", 3)

            def finding():
                return next((each for each in daemon.get("/pipelines/sales")["findings"] if each["kind"] == "retrying"), None)

            def alert():
                return daemon.get("/pipelines/sales/alerts")["alerts"][0]
            assert finding() is None and alert()["state"] == "inactive", (finding(), alert())
            proxy.refuse()
            proxy.cut()
            m.wait_until(finding, "the finding")
            words = re.compile(r"(sink out is tried again): For [0-9.]+ m?s: .+\. Nothing is lost; batch \d+ waits until it goes through")
            found = finding()
            title = words.fullmatch(f"{found['title']}: {found['detail']}")
            assert title and found["severity"] == "warn" and found["about"] == "failure of sink out", found
            m.wait_until(lambda: words.search(daemon.log()), "the log to say it")
            m.wait_until(lambda: alert()["state"] == "firing", "the alert")
            assert words.fullmatch(alert()["message"]), alert()
            with browser.page(daemon.url) as page:
                shown = page.locator(".find", has=page.get_by_text(title[1], exact=True))
                shown.wait_for()
                assert words.fullmatch(f"{title[1]}: {shown.locator('p').inner_text()}"), shown.inner_text()
                shown.click()
                eventually(page, lambda: found["link"].split("?")[0] in page.url, found["link"])
            proxy.accept()
            batch = daemon.get("/pipelines/sales")["batch"]
            daemon.wait_for_batch("sales", batch + 3)
            m.wait_until(lambda: not finding() and alert()["state"] == "inactive", "it to be over")
            daemon.kill()
        [[rows, last]] = database.sql("SELECT count(*), max(value) FROM sold")
        assert int(rows) == int(last) + 1, (rows, last)


def main():
    report = m.Report("a sink that is tried again, in the web UI")
    with browsing() as browser:
        case(report, a_sink_that_is_tried_again, browser)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
