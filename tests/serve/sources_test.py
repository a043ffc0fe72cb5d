#!/usr/bin/env python3
"""What endpoints read besides a pipeline's own tables: a lake on S3, a table of MariaDB by key and whole, and tables of the embedded store; as
they change, and while they are away."""
import os
import pathlib
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import s3  # noqa: E402
from serving import Api, same  # noqa: E402

s3.clients()
import duckdb  # noqa: E402

WRITER = """
pipeline: writer
trigger: 10ms
sources:
  orders: { from: { type: files, path: input }, format: csv, schema: "day DATE, item VARCHAR, pieces INTEGER" }
datasets:
  per_day: SELECT day, item, sum(pieces)::INTEGER AS pieces FROM orders GROUP BY day, item
sinks:
  lake: { from: per_day, to: %s, format: parquet, partition_by: [day], mode: complete, partition_overwrite_mode: dynamic }
  stored: { from: per_day, to: { type: store, path: shop.duckdb }, table: per_day, mode: update, key: [day, item] }
serve:
  listen: 127.0.0.1:0
  endpoints:
    - get: /stored/{item}
      parameters: { item: { type: string } }
      query: SELECT day, item, pieces FROM stored WHERE item = $item ORDER BY day
    - get: /lake/{day}
      parameters: { day: { type: date } }
      query: SELECT day, item, pieces FROM lake WHERE day = $day ORDER BY item
"""
READER = """
pipeline: reader
connections:
  shop: { type: mysql, host: 127.0.0.1, port: %d, user: etl, password: "${env:SHOP_PASSWORD}", database: shop, connect_timeout: 2s }
sources:
  items: { from: shop, table: items, as: lookup, key: item }
  places: { from: shop, table: places, as: table, refresh: 300ms }
  lake:
    from: %s
    recursive_file_lookup: true
    as: table
    refresh: 200ms
    format: parquet
    schema: day DATE, item VARCHAR, pieces INTEGER
  archive: { from: { type: store, path: old.duckdb }, table: sold, as: table }
serve:
  listen: 127.0.0.1:0
  endpoints:
    - get: /items/{item}
      parameters: { item: { type: string } }
      query: SELECT item, price, made FROM items WHERE item = $item
      returns: one
    - get: /places
      query: SELECT place, item FROM places ORDER BY place
    - get: /days/{day}
      parameters: { day: { type: date } }
      query: SELECT lake.item, pieces, place FROM lake LEFT JOIN places USING (item) WHERE day = $day ORDER BY lake.item
      empty: not_found
    - get: /since/{day}
      parameters: { day: { type: date } }
      query: SELECT day, sum(pieces)::INTEGER AS pieces FROM lake WHERE day >= $day GROUP BY day ORDER BY day
      timeout: 3s
    - get: /archive
      query: SELECT * FROM archive ORDER BY id
"""


def put(home, name, rows):
    m.write_csv(home / "input" / name, ["day", "item", "pieces"], rows)


def reaches(api, path, expected):
    """Within what `refresh` allows, on a busy machine."""
    m.wait_until(lambda: api.get(path)[2] == expected, f"{path} to be {expected}; it is {api.get(path)[2]}", timeout=30)


def what_the_pipeline_itself_writes(writer, home):
    """The embedded store and a lake on S3, as of the batch that was waited for."""
    same(writer.get("/stored/apple")[2], [{"day": "2026-01-01", "item": "apple", "pieces": 3}], "the store")
    same(writer.get("/lake/2026-01-01")[2], [{"day": "2026-01-01", "item": "apple", "pieces": 3}, {"day": "2026-01-01", "item": "pear", "pieces": 1}],
         "the lake")
    batch = int(writer.get("/stored/apple")[1]["Millrace-Batch"])
    put(home, "b.csv", [["2026-01-01", "apple", 4], ["2026-01-02", "plum", 5]])
    same(writer.get(f"/stored/apple?wait_for_batch={batch + 1}")[2], [{"day": "2026-01-01", "item": "apple", "pieces": 7}], "the store")
    same(writer.get("/lake/2026-01-02")[2], [{"day": "2026-01-02", "item": "plum", "pieces": 5}], "another day of the lake")
    same([row["pieces"] for row in writer.get("/lake/2026-01-01")[2]], [7, 1], "a day that was replaced")


def a_lake_of_others(reader, home):
    """Files on S3 that another pipeline writes, replaces and adds."""
    reaches(reader, "/days/2026-01-01", [{"item": "apple", "pieces": 7, "place": "A1"}, {"item": "pear", "pieces": 1, "place": None}])
    same(reader.get("/days/2030-01-01")[0], 404, "no such day")
    put(home, "c.csv", [["2026-01-01", "pear", 1], ["2026-01-03", "fig", 9]])
    reaches(reader, "/since/2026-01-01", [{"day": "2026-01-01", "pieces": 9}, {"day": "2026-01-02", "pieces": 5}, {"day": "2026-01-03", "pieces": 9}])
    same(reader.get("/since/2026-01-02")[2], [{"day": "2026-01-02", "pieces": 5}, {"day": "2026-01-03", "pieces": 9}], "fewer days")


def replaced_while_it_is_read(reader, home):
    """Each answer has the files of some moment: sums only grow, and none is an error."""
    last, batches = 0, 15
    for i in range(batches):
        put(home, f"r{i:02}.csv", [["2026-02-01", "apple", 1]] * 10)
        for _ in range(5):
            status, _, body = reader.get("/since/2026-02-01")
            same(status, 200, body)
            pieces = body[0]["pieces"] if body else 0
            assert pieces >= last and pieces % 10 == 0, (pieces, last)
            last = pieces
    reaches(reader, "/since/2026-02-01", [{"day": "2026-02-01", "pieces": 10 * batches}])


def a_row_by_its_key(reader, database):
    """Of MariaDB: as it is at the moment of the request."""
    same(reader.get("/items/apple")[2], {"item": "apple", "price": 0.5, "made": "2026-01-01T10:00:00Z"}, "a row")
    same(reader.get("/items/nothing")[0], 404, "none")
    database.sql("UPDATE items SET price = 0.75 WHERE item = 'apple'")
    same(reader.get("/items/apple")[2]["price"], 0.75, "at once")
    for text in ("'", "apple' OR '1'='1", "apple'; DROP TABLE items; --", "%", "APPLE%", "\\", "🦆"):
        same(reader.get("/items/" + urllib.parse.quote(text, safe=""))[0], 404, repr(text))
    same(len(database.sql("SELECT * FROM items")), 2, "rows of the table")


def a_whole_table(reader, database):
    same(reader.get("/places")[2], [{"place": "A1", "item": "apple"}], "the table")
    database.sql("INSERT INTO places VALUES ('B2', 'fig')")
    reaches(reader, "/places", [{"place": "A1", "item": "apple"}, {"place": "B2", "item": "fig"}])


def a_table_of_the_store(reader):
    same(reader.get("/archive")[2], [{"id": 1, "what": "old"}, {"id": 2, "what": None}], "the archive")


def waits_for_no_batch(writer, reader):
    """Who makes no batches says so at once, and describes no such parameter; who makes them waits."""
    for path, headers in (("/days/2026-01-01?wait_for_batch=0", {}), ("/places", {"Millrace-Wait-For-Batch": "1"}), ("/archive?wait_for_batch=9", {})):
        begin = time.monotonic()
        status, _, body = reader.get(path, headers)
        same((status, body["code"]), (400, "invalid_parameter"), path)
        assert "not made in batches" in body["hint"] and time.monotonic() - begin < 20, body  # wait_timeout is 30 s
    for api, expected in ((reader, False), (writer, True)):
        document = api.get("/openapi.json")[2]
        for path, operations in document["paths"].items():
            names = {each["name"] for each in operations["get"]["parameters"]}
            same("wait_for_batch" in names, expected, path)
            same("Millrace-Batch" in operations["get"]["responses"]["200"]["headers"], expected, path)
    batch = int(writer.get("/stored/apple")[1]["Millrace-Batch"])
    same(writer.get(f"/stored/apple?wait_for_batch={batch}")[0], 200, "a batch that is there")


def away(reader, database, store):
    """503, with Retry-After, for what needs it; the rest is answered; all is well when it is back."""
    database.stop()
    for path in ("/items/apple", "/items/pear"):
        status, headers, _ = reader.get(path)
        same((status, headers["Retry-After"]), (503, "1"), path)
    m.wait_until(lambda: reader.get("/places")[0] == 503, "the table to be too old")
    same(reader.get("/archive")[0], 200, "what needs no MariaDB")
    same(reader.get("/since/2026-01-02")[0], 200, "what needs no MariaDB")
    database.start()
    m.wait_until(lambda: reader.get("/items/apple")[0] == 200 and reader.get("/places")[0] == 200, "MariaDB to be back")
    store.stop()
    m.wait_until(lambda: reader.get("/since/2026-01-02")[0] in (503, 504), "S3 to be missed", timeout=60)
    same(reader.get("/items/apple")[0], 200, "what needs no S3")
    store.start()
    m.wait_until(lambda: reader.get("/since/2026-01-02")[0] == 200, "S3 to be back", timeout=60)


def main():
    report = m.Report("sources of what is served")
    with tempfile.TemporaryDirectory(prefix="millrace-sources-") as folder, mariadb.Mariadb() as database, s3.S3() as store:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        os.environ["S3_SECRET"] = store.SECRET
        store.client().create_bucket(Bucket="shop")
        database.sql("SET time_zone = '+00:00'; CREATE TABLE items (item VARCHAR(50) PRIMARY KEY, price DECIMAL(10,2), made TIMESTAMP);"
                     "INSERT INTO items VALUES ('apple', 0.50, '2026-01-01 10:00:00'), ('pear', 1.25, '2026-01-02 10:00:00');"
                     "CREATE TABLE places (place VARCHAR(10) PRIMARY KEY, item VARCHAR(50)); INSERT INTO places VALUES ('A1', 'apple')")
        duckdb.connect(str(home / "old.duckdb")).execute("CREATE TABLE sold AS SELECT 1 AS id, 'old' AS what UNION ALL SELECT 2, NULL").close()
        lake = store.connection("s3://shop/lake")
        (home / "writer.yaml").write_text(WRITER % lake)
        (home / "reader.yaml").write_text(READER % (database.port, lake))
        put(home, "a.csv", [["2026-01-01", "apple", 3], ["2026-01-01", "pear", 1]])
        with Api("run", "writer.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home) as writer:
            m.wait_until(lambda: writer.get("/readyz")[0] == 200, "the first batch")
            report.case("what the pipeline itself writes", lambda: what_the_pipeline_itself_writes(writer, home))
            with Api("serve", "reader.yaml", cwd=home) as reader:
                for case, with_what in ((a_lake_of_others, home), (replaced_while_it_is_read, home), (a_row_by_its_key, database),
                                        (a_whole_table, database)):
                    report.case(case.__name__.replace("_", " "), lambda: case(reader, with_what))
                report.case("waits for no batch", lambda: waits_for_no_batch(writer, reader))
                report.case("a table of the store", lambda: a_table_of_the_store(reader))
                report.case("systems that are away", lambda: away(reader, database, store))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
