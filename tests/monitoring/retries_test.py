#!/usr/bin/env python3
"""A sink whose system is away for a while: its retries are counted, and no row is lost or doubled."""
import pathlib
import re
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from serving import Api, same  # noqa: E402

PIPELINE = """
pipeline: shop
trigger: 10ms
connections:
  shop: %s
sources:
  sales: { from: { type: files, path: input }, format: csv, schema: "item VARCHAR, pieces INTEGER" }
sinks:
  sold: { from: sales, to: shop, table: sold }
  kept: { from: sales, to: { type: files, path: out }, format: json }
serve: { listen: "127.0.0.1:0", endpoints: [{ get: /ready, query: SELECT 1 AS ready }] }
"""


def scraped(api):
    """{series: value}"""
    m.wait_until(lambda: "metrics at" in api.log(), "where metrics are")
    with urllib.request.urlopen(re.search(r"metrics at (http://\S+)", api.log())[1], timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and not line.startswith("#")}


def counted(home, database, proxy):
    with Api("run", "shop.yaml", "--control", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--progress", "none", cwd=home) as api:
        def value(name, labels):
            return scraped(api).get(f'millrace_{name}{{pipeline="shop",{labels}}}')
        m.wait_until(lambda: database.sql("SHOW TABLES LIKE 'sold'") and database.sql("SELECT count(*) FROM sold") == [["1"]], "the first batch")
        m.wait_until(lambda: value("sink_commits_total", 'sink="sold"') == 1, "it to be counted")
        same([value("sink_retries_total", f'sink="{sink}"') for sink in ("sold", "kept")], [0, 0], "before anything happened")
        connections = proxy.connections
        proxy.refuse()
        proxy.cut()
        m.write_csv(home / "input" / "b.csv", ["item", "pieces"], [["pear", 2]])
        m.wait_until(lambda: proxy.connections > connections + 1, "the sink to try again")
        same(database.sql("SELECT count(*) FROM sold"), [["1"]], "rows while it is away")
        proxy.accept()
        m.wait_until(lambda: database.sql("SELECT count(*) FROM sold") == [["2"]], "the row to be there")
        m.wait_until(lambda: value("sink_commits_total", 'sink="sold"') == 2, "it to be counted")
        retries = value("sink_retries_total", 'sink="sold"')
        assert retries >= 2, f"{retries} retries"
        same(value("sink_retries_total", 'sink="kept"'), 0, "a sink that nothing happened to")
        m.write_csv(home / "input" / "c.csv", ["item", "pieces"], [["fig", 3]])
        m.wait_until(lambda: database.sql("SELECT count(*) FROM sold") == [["3"]], "the next batch")
        same(value("sink_retries_total", 'sink="sold"'), retries, "retries while all is well")


def main():
    report = m.Report("retries of sinks")
    with tempfile.TemporaryDirectory(prefix="millrace-retries-") as folder, mariadb.Mariadb() as database, FaultProxy(database.port) as proxy:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        m.write_csv(home / "input" / "a.csv", ["item", "pieces"], [["apple", 1]])
        (home / "shop.yaml").write_text(PIPELINE % database.connection(port=proxy.port))
        report.case("a sink that is away for a while", lambda: counted(home, database, proxy))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
