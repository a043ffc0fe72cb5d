"""Sample data, into files and topics: what generate says it made is there, and the examples' pipelines agree."""
import collections
import csv
import datetime
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "kafka")]
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import servers  # noqa: E402

servers.clients()
import fastavro  # noqa: E402
from confluent_kafka.admin import NewTopic  # noqa: E402
from kafka_test import Bench  # noqa: E402

START = datetime.datetime(2026, 1, 1)
KEYS = {"orders": lambda x: x["order"]["order_id"], "listens": lambda x: x["name"], "events": lambda x: x["event_id"],
        "order-records": lambda x: str(x["order_id"])}
Made = collections.namedtuple("Made", "all malformed late duplicates")


def said(text):
    """The numbers at the end."""
    found = re.search(r"([\d,]+) messages? in .*: ([\d,]+) malformed, ([\d,]+) late, ([\d,]+) duplicates?;", text)
    assert found, text
    return Made(*(int(number.replace(",", "")) for number in found.groups()))


def generate(b, kind, *options):
    return said(m.run("generate", kind, *options, cwd=b.folder).stderr)


def to_topic(b, kind, *options):
    return generate(b, kind, "--brokers", b.kafka.brokers, *options)


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def lines(folder):
    return [line for path in sorted(folder.glob("*.json")) for line in path.read_bytes().splitlines()]


def files(b):
    """The same seed, the same bytes; what was said is there."""
    flaws = ["--invalid", 0.1, "--late", 0.05, "--duplicates", 0.2]
    for kind in KEYS:
        made = [generate(b, kind, "--out", f"{kind}-{i}", *flaws, "--rows", 2000, "--format", "json", "--seed", seed)
                for i, seed in enumerate((7, 7, 8))]
        texts = [lines(b.folder / f"{kind}-{i}") for i in range(3)]
        assert texts[0] == texts[1] and texts[0] != texts[2] and made[0] == made[1]
        assert len(texts[0]) == 2000 == made[0].all
        assert sum(parsed(line) is None for line in texts[0]) == made[0].malformed > 0
        assert 2000 - len(set(texts[0])) >= made[0].duplicates > 0
        # In two parts they are the same.
        for part in (["--first", 0, "--rows", 900], ["--first", 900, "--rows", 1100, "--append"]):
            generate(b, kind, "--out", f"{kind}-parts", *flaws, *part, "--format", "json", "--seed", 7)
        assert lines(b.folder / f"{kind}-parts") == texts[0]
        done = m.run("generate", kind, "--out", f"{kind}-0", "--format", "json", cwd=b.folder, check=False)
        assert done.returncode == 2 and "--append" in done.stderr, done.stderr


def containers(b):
    for kind in ("listens", "events", "order-records"):
        made = generate(b, kind, "--out", kind, "--format", "avro", "--rows", 300, "--invalid", 0,
                        "--schema-out", f"{kind}.avsc")
        generate(b, kind, "--out", f"{kind}-json", "--format", "json", "--rows", 300, "--invalid", 0)
        records = [record for path in sorted((b.folder / kind).glob("*.avro"))
                   for record in fastavro.reader(path.open("rb"))]
        assert made == Made(300, 0, 0, 0) and records == [json.loads(line) for line in lines(b.folder / f"{kind}-json")]
        fastavro.parse_schema(json.loads((b.folder / f"{kind}.avsc").read_text()))


def topics(b):
    """Keys, partitions, and the same as in files."""
    for kind, key_of in KEYS.items():
        topic = f"made-{kind}"
        options = ["--rows", 1000, "--invalid", 0.1, "--duplicates", 0.1, "--late", 0.1, "--format", "json"]
        made = to_topic(b, kind, "--topic", topic, "--partitions", 3, *options)
        messages = b.consume(topic)
        assert {x.partition() for x in messages} == {0, 1, 2}
        assert sum(parsed(x.value()) is None for x in messages) == made.malformed > 0
        assert all(x.key().decode() == key_of(value) for x in messages if (value := parsed(x.value())) is not None)
        generate(b, kind, "--out", kind, *options)
        assert sorted(x.value() for x in messages) == sorted(lines(b.folder / kind))


def interrupted(b):
    """Ctrl-C ends it with all that was said written."""
    b.topic("endless")
    for options in (["--brokers", b.kafka.brokers, "--topic", f"endless-{b.number}", "--rows", 0, "--rate", 2000],
                    ["--out", "files", "--rows", 1_000_000, "--files", 10_000, "--rate", 2000]):
        process = m.start("generate", "events", *map(str, options), cwd=b.folder)
        if options[0] == "--out":
            m.wait_until(lambda: len(list((b.folder / "files").glob("*.json"))) > 2, "files")
        else:
            m.wait_until(lambda: len(b.consume(f"endless-{b.number}")) > 100, "messages")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        there = lines(b.folder / "files") if options[0] == "--out" else b.consume(f"endless-{b.number}")
        assert len(there) == said(errors).all, (len(there), errors)


def a_topic_without_an_end(b):
    """Ten a second that happen now, until Ctrl-C, if nothing is said of it; at another rate; and at once what is counted."""
    def seconds_of(messages):
        """When they were written, and when they happened."""
        happened = [datetime.datetime.fromisoformat(parsed(x.value())["event_timestamp"].replace("Z", "+00:00")) for x in messages]
        return [x.timestamp()[1] / 1000 for x in messages], [at.timestamp() for at in happened]

    for number, (options, rate, enough) in enumerate((([], 10, 40), (["--rate", 50, "--first", 1_000_000], 50, 150))):
        topic = b.topic(f"live{number}")
        process = m.start("generate", "events", "--brokers", b.kafka.brokers, "--topic", topic, "--format", "json", "--invalid", "0", *map(str, options))
        try:
            m.wait_until(lambda: len(b.consume(topic)) >= enough, "messages")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            m.kill(process)
        messages = b.consume(topic)
        assert process.returncode == 0 and said(errors).all == len(messages), (len(messages), errors)
        written, happened = seconds_of(messages)
        assert 0.8 * rate < (len(messages) - 1) / (max(written) - min(written)) < 1.2 * rate, (rate, len(messages), written)
        assert all(abs(one - other) < 5 for one, other in zip(written, happened)), (written[0], happened[0])
    topic = b.topic("counted")
    assert to_topic(b, "events", "--topic", topic, "--rows", 1000, "--format", "json", "--invalid", 0).all == 1000
    written, happened = seconds_of(b.consume(topic))
    assert len(written) == 1000 and max(written) - min(written) < 10, max(written) - min(written)
    assert min(happened) == START.replace(tzinfo=datetime.timezone.utc).timestamp(), min(happened)


def mistakes(b):
    for options, want in ((["orders"], "--out"), (["orders", "--out", "a", "--brokers", "b:1"], "--out"),
                          (["transactions", "--brokers", "b:1"], "transactions are written to files"),
                          (["orders", "--out", "a", "--format", "avro"], "JSON only"),
                          (["orders", "--out", "a", "--format", "csv"], "json or avro"),
                          (["orders", "--out", "a", "--late", 0.6, "--duplicates", 0.6], "not be more than 1"),
                          (["events", "--out", "a", "--rows", 0], "--rows 0"),
                          (["events", "--out", "a", "--start", "noon"], "--start"),
                          (["events", "--out", "a", "--format", "avro"], "--invalid 0"),
                          (["events", "--brokers", b.kafka.brokers, "--topic", "absent"], "--partitions N makes it")):
        done = m.run("generate", *options, cwd=b.folder, check=False)
        assert done.returncode == 2 and want in done.stderr, (options, done.stderr)
        assert not (b.folder / "a").exists(), options


# What becomes of rows once they are in a database: as its own client shows them.
TABLES = {"shop": {"customers": 1000, "products": 240, "transactions": None}, "retail": {"customers": 200, "orders": None, "order_items": None},
          "new-orders": {"new_orders": None}}


def table_of(folder, table):
    rows = []
    for path in sorted((folder / table).glob("*.csv")):
        with path.open(newline="") as file:
            header, *more = csv.reader(file)
            rows += more
    return header, [[re.sub(r"^(....-..-..)T(..:..:..)Z?$", r"\1 \2", value) for value in row] for row in rows]


def to_mysql(b, kind, *options, check=True):
    return m.run("generate", kind, "--mysql", f"127.0.0.1:{b.database.port}", "--mysql-option", "user=etl", "--mysql-option",
                 f"database={b.shop}", "--mysql-option", "password=${env:SHOP_PASSWORD}", *options, cwd=b.folder, check=check)


def tables(b):
    """In the database as in files; a second run goes on; each row is one that the first one alone would have made."""
    times = ["--start", "2026-01-01T00:00:00Z", "--event-rate", 0.01, "--invalid", 0.1]
    for kind, sizes in TABLES.items():
        b.shop = kind.replace("-", "_")
        b.database.sql(f"CREATE DATABASE IF NOT EXISTS {b.shop}")
        m.run("generate", kind, "--out", kind, "--rows", 700, *times, cwd=b.folder)
        said_first = to_mysql(b, kind, "--rows", 700, *times).stderr
        for table, size in sizes.items():
            header, want = table_of(b.folder / kind, table)
            got = b.database.sql(f"SET time_zone = '+00:00'; SELECT {', '.join(header)} FROM {table} ORDER BY 1", b.shop)
            assert got == want and len(want) == (size or len(want)), (table, got[:2], want[:2], len(got), len(want))
        if kind == "shop":
            wrong = b.database.sql("SELECT SUM(qty < 1 OR amount <> qty * price) FROM transactions JOIN products USING (product_id)", b.shop)
            emails = b.database.sql("SELECT COUNT(*) FROM customers WHERE email NOT LIKE '%@%'", b.shop)
            assert int(wrong[0][0]) + int(emails[0][0]) == int(re.search(r"([\d,]+) flawed", said_first)[1].replace(",", "")), said_first
            assert 40 < int(wrong[0][0]) < 110 and b.database.sql("SELECT * FROM profile_offsets, txn_summary_offsets", b.shop) == []
        to_mysql(b, kind, "--rows", 300, "--rate", 1000)
        counted = list(sizes)[-2 if kind == "retail" else -1]
        assert b.database.sql(f"SELECT COUNT(*), MAX({table_of(b.folder / kind, counted)[0][0]}) FROM {counted}", b.shop) == [["1000", "1000"]]
    m.run("generate", "retail", "--out", "parts", "--rows", 300, *times, cwd=b.folder)
    m.run("generate", "retail", "--out", "parts", "--rows", 400, "--first", 300, "--append", *times, cwd=b.folder)
    for table in TABLES["retail"]:
        whole, parts = table_of(b.folder / "retail", table), table_of(b.folder / "parts", table)
        assert [row[:2] for row in whole[1]] == [row[:2] for row in parts[1]], table


def dates_of_tables(b):
    """Yesterday and today, if nothing is said of it; now, at a rate; and without an end."""
    b.shop = "dates"
    b.database.sql("CREATE DATABASE dates")
    to_mysql(b, "shop", "--rows", 1000)
    days = [int(row[0]) for row in b.database.sql("SELECT DISTINCT DATEDIFF(UTC_DATE(), CONVERT_TZ(txn_timestamp, @@time_zone, '+00:00')) "
                                                  "FROM transactions ORDER BY 1", "dates")]
    assert days in ([0, 1], [1], [1, 2]), days  # [1] just after midnight
    process = m.start("generate", "shop", "--mysql", f"127.0.0.1:{b.database.port}", "--mysql-option", "user=etl", "--mysql-option",
                      "database=dates", "--mysql-option", "password=${env:SHOP_PASSWORD}", "--rows", "0", "--rate", "500", cwd=b.folder)
    m.wait_until(lambda: int(b.database.sql("SELECT COUNT(*) FROM transactions", "dates")[0][0]) > 1500, "transactions")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    rows, youngest = b.database.sql("SELECT COUNT(*), MIN(TIMESTAMPDIFF(SECOND, txn_timestamp, NOW())) FROM transactions", "dates")[0]
    assert f"{int(rows):,} transactions" in errors and -5 <= int(youngest) < 120, (rows, youngest, errors)


def mistakes_of_tables(b):
    b.shop = "mistakes"
    b.database.sql("CREATE DATABASE mistakes; USE mistakes; CREATE TABLE customers (customer_id INT PRIMARY KEY)")
    for options, want in ((["shop"], "Unknown column 'name'"), (["orders"], "are no tables"), (["shop", "--first", 3], "highest key"),
                          (["shop", "--late", 0.1], "for messages"), (["shop", "--mysql-option", "pasword=x"], "pasword"),
                          (["shop", "--mysql-option", "tls"], "NAME=VALUE"), (["shop", "--out", "x"], "say where to")):
        done = to_mysql(b, *options, check=False)
        assert done.returncode == 2 and want in done.stderr, (options, done.returncode, done.stderr)
    done = m.run("generate", "shop", "--mysql", "localhost", "--mysql-option", "user=etl", "--mysql-option", "database=x", "--mysql-option",
                 "password=literal", cwd=b.folder, check=False)
    assert done.returncode == 2 and "literal" not in done.stderr, done.stderr


def medallion(b):
    """First all on time, then some that come when the watermark has passed them."""
    made = [to_topic(b, "orders", "--partitions", 3, "--rows", 3000, "--invalid", 0.03, "--duplicates", 0.1)]
    shutil.copytree(m.ROOT / "examples" / "medallion", b.folder, dirs_exist_ok=True)
    b.file, env = b.folder / "pipeline.yaml", {"KAFKA_BROKERS": b.kafka.brokers}
    b.run(env=env)
    made.append(to_topic(b, "orders", "--first", 3000, "--rows", 1000, "--invalid", 0.03, "--duplicates", 0.1,
                         "--late", 0.2, "--late-by", 180))
    b.run(env=env)
    total = Made(*map(sum, zip(*made)))
    orders = [value for x in b.consume("custords") if (value := parsed(x.value())) is not None]
    late = [o for o in orders if datetime.datetime.fromisoformat(o["event_time"][:-1]) < START]
    assert len(orders) == total.all - total.malformed and len(late) == total.late > 100
    distinct = {o["event_id"]: o for o in orders}
    assert len(orders) - len(distinct) == total.duplicates > 100
    paid = {key: o for key, o in distinct.items() if o["order"]["status"] == "PAID"}
    late_paid = sorted(o["event_id"] for o in late if o["order"]["status"] == "PAID")

    def one(sql):
        return json.loads(m.run("query", b.file, sql, "--format", "json", cwd=b.folder, env=env).stdout)
    items = sum(len(o["order"]["items"]) for key, o in paid.items() if key not in late_paid)
    assert one("SELECT count(*) AS n FROM bronze") == {"n": total.all - total.malformed}
    assert one("SELECT count(*) AS n, count(DISTINCT event_id) AS events FROM silver") == \
        {"n": items, "events": len(paid) - len(late_paid)}
    assert one("SELECT list_sort(list(event_id)) AS ids FROM late_paid")["ids"] == late_paid
    quarantined = (b.folder / ".millrace/medallion/quarantine/orders").glob("*.jsonl")
    assert sum(len(path.read_text().splitlines()) for path in quarantined) == total.malformed


def listening(b):
    b.admin.create_topics([NewTopic("test", 2, 1)])["test"].result(30)
    shutil.copytree(m.ROOT / "examples" / "listening", b.folder, dirs_exist_ok=True)
    (b.folder / "catalogue").mkdir()
    shutil.copy(b.folder / "songs.csv", b.folder / "catalogue")
    b.file, env = b.folder / "pipeline.yaml", {"KAFKA_BROKERS": b.kafka.brokers}
    # Its table of Cassandra is looked at by tests/cassandra; here it is one of the embedded store.
    text = b.file.read_text()
    b.file.write_text(text[:text.index("sinks:")] + "sinks:\n  records: { from: records, to: { type: store, path: out.duckdb }, table: records }\n")
    b.run(env=env)  # from the latest offset on: there is nothing yet
    made = to_topic(b, "listens", "--rows", 2000, "--invalid", 0.05, "--duplicates", 0.1)
    b.run(env=env)
    with (b.folder / "songs.csv").open(newline="") as songs:
        titles = {row["name"] for row in csv.DictReader(songs)}
    listens = [value for x in b.consume("test") if (value := parsed(x.value())) is not None]
    unknown = sum(x["song"] not in titles for x in listens)
    assert 0 < unknown < len(listens) / 5 and len(listens) == made.all - made.malformed
    row = json.loads(m.run("query", b.file, "SELECT count(*) AS n, count(*) FILTER (artists IS NULL) AS unknown, "
                           "count(DISTINCT name) AS users FROM records", "--format", "json", cwd=b.folder, env=env).stdout)
    assert row == {"n": len(listens), "unknown": unknown, "users": 11}, row


def order_records(b):
    made = to_topic(b, "order-records", "--partitions", 3, "--rows", 1000, "--invalid", 0.05, "--schema-out", "made.avsc")
    shutil.copytree(m.ROOT / "examples" / "retail", b.folder, dirs_exist_ok=True)
    assert json.loads((b.folder / "made.avsc").read_text()) == json.loads((b.folder / "order_record.avsc").read_text())
    m.run("run", "kafka-to-json.yaml", "--once", cwd=b.folder, env={"KAFKA_BROKERS": b.kafka.brokers})
    got = [json.loads(line) for line in lines(b.folder / "lake" / "stream" / "json")]
    assert len(got) == made.all - made.malformed and made.malformed > 0, (len(got), made)


CASES = [files, containers, tables, dates_of_tables, mistakes_of_tables, mistakes, topics, interrupted, a_topic_without_an_end, medallion, listening, order_records]


def main():
    report = m.Report("generate")
    names = sys.argv[1:]
    with servers.Kafka() as kafka, mariadb.Mariadb() as database:
        Bench.database = database
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-generate-") as folder:
                report.case(case.__name__, lambda: case(Bench(kafka, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
