#!/usr/bin/env python3
"""Systems that only endpoints read, and that are away when millrace starts: it starts all the same, answers what does not need them, says 503 for
the rest, and has all of it as soon as they are there. And what is asked of MariaDB by key is prepared once a connection, not once a request."""
import concurrent.futures
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from serving import Api, ask, same  # noqa: E402

PIPELINE = """
pipeline: shop
trigger: 10ms
connections:
  shop: %s
sources:
  sales: { from: { type: files, path: input }, format: csv, schema: "item VARCHAR, pieces INTEGER" }
  items: { from: shop, table: items, as: lookup, key: item }
  places: { from: shop, table: places, as: table, refresh: 300ms }
datasets:
  sold: SELECT item, sum(pieces)::INTEGER AS pieces FROM sales GROUP BY item
serve:
  listen: 127.0.0.1:0
  endpoints:
    - get: /items/{item}
      parameters: { item: { type: string } }
      query: SELECT item, price FROM items WHERE item = $item
      returns: one
    - get: /places
      query: SELECT place, item FROM places ORDER BY place
    - get: /sold/{item}
      parameters: { item: { type: string } }
      query: SELECT item, pieces FROM sold WHERE item = $item
      returns: one
"""
APPLE = {"item": "apple", "price": 0.5}


def pipeline(home, database, proxy, change=("", "")):
    (home / "shop.yaml").write_text((PIPELINE % database.connection(port=proxy.port, connect_timeout="2s")).replace(*change))


def unavailable(api, path):
    status, headers, body = api.get(path)
    same((status, headers["Retry-After"], body["code"]), (503, "1", "unavailable"), path)


def comes_up(command, home, proxy):
    """What needs MariaDB waits for it; nothing else does."""
    proxy.refuse()
    with Api(*command, "shop.yaml", cwd=home) as api:
        m.wait_until(lambda: api.get("/readyz")[0] == 200, "what the pipeline itself makes")
        same(api.get("/sold/apple")[2], {"item": "apple", "pieces": 3}, "what needs no MariaDB")
        for path in ("/items/apple", "/items/nothing", "/places"):
            unavailable(api, path)
        assert "source items: " in api.log() and "503" in api.log(), api.log()
        columns = ("paths", "/items/{item}", "get", "responses", "200", "content", "application/json", "schema", "properties")
        same(described(api, columns), {}, "columns that nobody knows yet")
        batch = api.get("/sold/apple")[1]["Millrace-Batch"]
        before = proxy.connections
        m.wait_until(lambda: proxy.connections > before + 1, "it to try again")
        proxy.accept()
        m.wait_until(lambda: api.get("/items/apple")[0] == 200 and api.get("/places")[0] == 200, "MariaDB to be found")
        same(api.get("/items/apple")[2], APPLE, "a row")
        same(api.get("/items/nothing")[0], 404, "none")
        same(api.get("/places")[2], [{"place": "A1", "item": "apple"}], "the table")
        same(api.get("/sold/apple")[1]["Millrace-Batch"], batch, "the pipeline was not disturbed")
        same(sorted(described(api, columns)), ["item", "price"], "columns")
        proxy.refuse()  # and goes again
        proxy.cut()
        m.wait_until(lambda: api.get("/items/apple")[0] == 503, "it to be missed")
        proxy.accept()
        m.wait_until(lambda: api.get("/items/apple")[2] == APPLE, "it to be back")


def described(api, keys):
    at = api.get("/openapi.json")[2]
    for key in keys:
        at = at[key]
    return at


def mistakes_that_nobody_could_tell(home, database, proxy):
    """Of the file, they end it at once if the system is there; if it is away, they are logged when it comes, and the answer stays 503."""
    for change, expected in ((("table: items", "table: nothing"), "nothing"), (("SELECT item, price", "SELECT item, prize"), "prize"),
                             (("key: item }", "key: itm }"), "itm")):
        pipeline(home, database, proxy, change)
        proxy.accept()
        done = m.run("serve", "shop.yaml", cwd=home, check=False)
        same(done.returncode, 2, done.stderr)
        assert expected in done.stderr and "shop.yaml:" in done.stderr, done.stderr
        proxy.refuse()
        with Api("serve", "shop.yaml", cwd=home) as api:
            unavailable(api, "/items/apple")
            proxy.accept()
            m.wait_until(lambda: api.get("/places")[0] == 200, "what has no mistake")
            m.wait_until(lambda: expected in api.log(), f"{expected} to be told of")
            unavailable(api, "/items/apple")
    pipeline(home, database, proxy)


def away_for_the_pipeline_itself(home, database, proxy):
    """Without what it reads itself nothing can be planned."""
    pipeline(home, database, proxy, ("FROM sales GROUP", "FROM sales JOIN items USING (item) GROUP"))
    proxy.refuse()
    done = m.run("serve", "shop.yaml", cwd=home, check=False)
    assert done.returncode == 2 and "source items: " in done.stderr, done
    proxy.accept()
    pipeline(home, database, proxy)


def away_when_the_pipeline_goes_on(home, database, proxy):
    """A pipeline that has lost a system of its own goes on as soon as that is back, whatever endpoints miss."""
    home = home / "lost"
    (home / "input").mkdir(parents=True)
    m.write_csv(home / "input" / "a.csv", ["item", "pieces"], [["apple", 3]])
    with FaultProxy(database.port) as own:
        added = (f"  own: {database.connection(port=own.port, connect_timeout='2s')}\nsources:\n"
                 "  prices: { from: own, table: items, as: table, refresh: 10ms }")
        pipeline(home, database, proxy, ("sources:", added))
        text = (home / "shop.yaml").read_text()
        (home / "shop.yaml").write_text(text.replace("FROM sales GROUP", "FROM sales JOIN prices USING (item) GROUP"))
        with Api("run", "shop.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home) as api:
            m.wait_until(lambda: api.get("/sold/pear")[0] == 404 and api.get("/items/apple")[2] == APPLE, "all of it")
            for each in (proxy, own):
                each.refuse()
                each.cut()
            m.write_csv(home / "input" / "b.csv", ["item", "pieces"], [["pear", 7]])
            m.wait_until(lambda: "prices" in api.log(), "the pipeline to be lost")
            own.accept()
            m.wait_until(lambda: api.get("/sold/pear")[2] == {"item": "pear", "pieces": 7}, "it to go on", timeout=90)
            unavailable(api, "/items/apple")
            proxy.accept()
            m.wait_until(lambda: api.get("/items/apple")[2] == APPLE, "the other one")


def prepared_once(home, database):
    """Not once a request: the server counts."""
    def prepared():
        return int(database.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'")[0][1])

    def executed():
        return int(database.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1])
    with Api("serve", "shop.yaml", cwd=home) as api:
        m.wait_until(lambda: api.get("/items/apple")[0] == 200, "MariaDB")
        before, executed_before = prepared(), executed()
        connection = api.connection()
        for i in range(100):
            same(ask(connection, f"/items/{'apple' if i % 2 else 'pear'}")[2]["price"], 0.5 if i % 2 else 1.25, "one after the other")
        connection.close()
        same(prepared() - before, 0, "prepared for 100 requests on a connection that is there already")
        with concurrent.futures.ThreadPoolExecutor(8) as many:
            answers = list(many.map(lambda i: api.get(f"/items/{'apple' if i % 2 else 'pear'}")[2]["price"], range(400)))
        same(answers, [0.5 if i % 2 else 1.25 for i in range(400)], "side by side")
        assert prepared() - before <= 8, f"{prepared() - before} statements prepared for 500 requests"
        assert executed() - executed_before >= 500, "each asks MariaDB"
        same(api.get("/items/nothing")[0], 404, "no row")
        database.sql("ALTER TABLE items MODIFY price DECIMAL(12,4), ADD made DATE FIRST")
        m.wait_until(lambda: api.get("/items/apple")[2] == APPLE, "a table that has changed")
        for i in range(20):
            same(api.get("/items/apple")[2], APPLE, "it")
        database.sql("ALTER TABLE items DROP made, MODIFY price DECIMAL(10,2)")
        for i in range(20):
            same(api.get("/items/pear")[2]["price"], 1.25, "changed back")


def main():
    report = m.Report("systems away at the start")
    with tempfile.TemporaryDirectory(prefix="millrace-away-") as folder, mariadb.Mariadb() as database, FaultProxy(database.port) as proxy:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        m.write_csv(home / "input" / "a.csv", ["item", "pieces"], [["apple", 3]])
        database.sql("CREATE TABLE items (item VARCHAR(50) PRIMARY KEY, price DECIMAL(10,2)); INSERT INTO items VALUES ('apple', 0.50), ('pear', 1.25);"
                     "CREATE TABLE places (place VARCHAR(10) PRIMARY KEY, item VARCHAR(50)); INSERT INTO places VALUES ('A1', 'apple')")
        pipeline(home, database, proxy)
        report.case("run: MariaDB is away at the start", lambda: comes_up(("run", "--control", "127.0.0.1:0", "--progress", "none"), home, proxy))
        report.case("serve: MariaDB is away at the start", lambda: comes_up(("serve",), home, proxy))
        for case in (mistakes_that_nobody_could_tell, away_for_the_pipeline_itself, away_when_the_pipeline_goes_on):
            report.case(case.__name__.replace("_", " "), lambda: case(home, database, proxy))
        report.case("prepared once", lambda: prepared_once(home, database))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
