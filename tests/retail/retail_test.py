"""The five jobs of examples/retail, end to end: MariaDB, Cassandra, S3 and Kafka, compared with the same SQL run by hand."""
import datetime
import io
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server  # noqa: E402
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import s3  # noqa: E402
import servers  # noqa: E402

servers.clients()
cassandra_server.client()
s3.clients()
import confluent_kafka  # noqa: E402
import fastavro  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

class Shop:
    def __init__(self, database, cassandra, store, kafka, folder):
        self.database, self.cassandra, self.store, self.kafka = database, cassandra, store, kafka
        self.folder = pathlib.Path(folder) / "retail"
        shutil.copytree(m.ROOT / "examples" / "retail", self.folder)
        self.s3 = store.client()
        self.s3.create_bucket(Bucket="lake")
        os.environ.update(MYSQL_HOST="127.0.0.1", MYSQL_PORT=str(database.port), MYSQL_USER="etl", MYSQL_PASSWORD=mariadb.PASSWORD,
                          MYSQL_DATABASE="shop", CASSANDRA_HOSTS=f"127.0.0.1:{cassandra.port}", KAFKA_BROKERS=kafka.brokers,
                          LAKE="s3://lake", AWS_ENDPOINT_URL=store.endpoint, AWS_ACCESS_KEY_ID=store.KEY,
                          AWS_SECRET_ACCESS_KEY=store.SECRET, AWS_REGION="us-east-1")
        self.session = cassandra.session()
        self.session.execute("CREATE KEYSPACE spark_keyspace WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")

    def generate(self, kind, *options):
        m.run("generate", kind, "--mysql", f"127.0.0.1:{self.database.port}", "--mysql-option", "user=etl", "--mysql-option", "database=shop",
              "--mysql-option", "password=${env:MYSQL_PASSWORD}", *options)

    def run(self, job, **options):
        return m.run("run", f"{job}.yaml", "--once", cwd=self.folder, **options)

    def killed(self, job, fault):
        done = self.run(job, env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -signal.SIGKILL, (job, fault, done)

    def objects(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=prefix)
        return {one["Key"]: self.s3.get_object(Bucket="lake", Key=one["Key"])["Body"].read()
                for page in pages for one in page.get("Contents", [])}


COLUMNS = "customer_id, order_id, name, email, city, order_date, amount, item_id, product_name, quantity"


def sold(shop, table="sales_data"):
    """What Cassandra has, as texts, in the order of items."""
    rows = shop.session.execute(f"SELECT {COLUMNS} FROM spark_keyspace.{table}")
    return sorted(([str(value) for value in row] for row in rows), key=lambda row: int(row[7]))


def migrate(shop):
    """Each order keeps the last of its items; what the shop gets later follows."""
    shop.generate("retail", "--rows", 500)
    shop.killed("migrate", "batch.after_publish")
    shop.run("migrate")
    # A new order, and another item of an old one.
    shop.database.sql("INSERT INTO orders VALUES (501, 7, '2024-12-24', 99.99);"
                      "INSERT INTO order_items VALUES (100001, 501, 'Star', 2), (100002, 1, 'Candle', 3), (100003, 501, 'Bell', 1)")
    shop.run("migrate")
    last = shop.database.sql(f"SELECT {COLUMNS} FROM order_items JOIN orders USING (order_id) JOIN customers USING (customer_id) "
                             "WHERE item_id IN (SELECT MAX(item_id) FROM order_items GROUP BY order_id) ORDER BY item_id")
    rows = sold(shop)
    assert rows == last and len(rows) == 501, (len(rows), len(last), [pair for pair in zip(rows, last) if pair[0] != pair[1]][:3])
    assert len(shop.database.sql("SELECT order_id FROM order_items GROUP BY order_id HAVING COUNT(*) > 1")) > 100


def migrate_by_item(shop):
    """The other key, which the file and the README offer: all items."""
    text = (shop.folder / "migrate.yaml").read_text()
    for old, new in (("pipeline: migrate", "pipeline: migrate-by-item"), ("table: sales_data", "table: sales_items"),
                     ("clustering_key: order_id ", "clustering_key: [order_id, item_id] ")):
        assert text.count(old) == 1, (old, text)
        text = text.replace(old, new)
    (shop.folder / "migrate-by-item.yaml").write_text(text)
    shop.killed("migrate-by-item", "cassandra.during_publish")
    shop.run("migrate-by-item")
    want = shop.database.sql(f"SELECT {COLUMNS} FROM order_items JOIN orders USING (order_id) JOIN customers USING (customer_id) ORDER BY item_id")
    rows = sold(shop, "sales_items")
    assert rows == want, (len(rows), len(want), [pair for pair in zip(rows, want) if pair[0] != pair[1]][:3])
    last = {row[1]: row for row in rows}  # the greatest item comes last
    assert sorted(last.values()) == sorted(sold(shop))


def export(shop):
    import pyarrow.parquet
    shop.killed("export", "batch.after_publish")
    shop.run("export")
    shop.run("export")  # it is done
    got = []
    for key, data in shop.objects("sales/parquet/").items():
        customer = int(key.split("customer_id=")[1].split("/")[0])
        table = pyarrow.parquet.read_table(io.BytesIO(data))
        assert table.column_names == ["order_id", "amount", "product_name", "quantity"], table.column_names
        got += [(customer, *row.values()) for row in table.to_pylist()]
    rows = [(r.customer_id, r.order_id, r.amount, r.product_name, r.quantity)
            for r in shop.session.execute("SELECT * FROM spark_keyspace.sales_data")]
    assert sorted(got, key=lambda row: row[1]) == sorted(rows, key=lambda row: row[1]), (len(got), len(rows))


def products(shop):
    """One file, in the order asked for, and the marker."""
    done = shop.run("products")
    files = {key: data for key, data in shop.objects("aggregates/products.json/").items() if "manifest" not in key}
    parts = [key for key in files if not key.endswith("_SUCCESS")]
    assert len(parts) == 1 and len(files) == 2, (list(files), done.stderr, list(shop.objects(""))[-5:])
    rows = [json.loads(line) for line in files[parts[0]].splitlines()]
    want = {}
    for r in shop.session.execute("SELECT product_name, quantity, amount FROM spark_keyspace.sales_data"):
        quantity, revenue = want.get(r.product_name, (0, 0))
        want[r.product_name] = (quantity + r.quantity, revenue + r.amount)
    order = sorted(want, key=lambda name: (-want[name][1], name))
    assert [row["product_name"] for row in rows] == order, rows[:3]
    assert all(row["total_quantity"] == want[row["product_name"]][0] and
               abs(row["total_revenue"] - float(want[row["product_name"]][1])) < 0.005 for row in rows), rows[:3]


def orders_to_kafka_to_json(shop):
    """New orders, as they come, to Avro in a topic, and from there to JSON lines."""
    admin = AdminClient({"bootstrap.servers": shop.kafka.brokers, "log_level": 0})
    admin.create_topics([NewTopic("orders_avro_topic", 3, 1)])["orders_avro_topic"].result(30)
    for to_kafka, to_json in (("batch.after_stage", "batch.after_publish"), ("kafka.after_commit", None), (None, "batch.after_stage")):
        shop.generate("new-orders", "--rows", 50)
        for job, fault in (("orders-to-kafka", to_kafka), ("kafka-to-json", to_json)):
            if fault:
                shop.killed(job, fault)
            shop.run(job)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shop.kafka.brokers, "group.id": "check", "auto.offset.reset": "earliest",
                                         "isolation.level": "read_committed", "log_level": 0})
    consumer.subscribe(["orders_avro_topic"])
    schema = fastavro.parse_schema(json.loads((shop.folder / "order_record.avsc").read_text()))
    sent = {}
    while len(sent) < 150:
        message = consumer.poll(30)
        assert message is not None and not message.error(), "the topic has too few messages"
        assert message.key() not in sent, message.key()
        sent[message.key()] = (fastavro.schemaless_reader(io.BytesIO(message.value()), schema), message.timestamp()[1])
    consumer.close()
    table = shop.database.sql("SELECT order_id, customer_id, amount, created_at FROM new_orders")
    assert {key.decode(): [str(v["order_id"]), str(v["customer_id"]), f"{v['amount']:.2f}", v["created_at"]] for key, (v, _) in
            sent.items()} == {row[0]: row for row in table}
    got = [json.loads(line) for data in shop.objects("stream/json/").values() for line in data.splitlines()]
    assert m.canonical(got) == m.canonical(
        {**value, "kafka_timestamp": datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds")}
        for value, ms in sent.values()), got[:2]


def main():
    report = m.Report("retail")
    with tempfile.TemporaryDirectory(prefix="millrace-retail-") as folder, mariadb.Mariadb() as database, \
            cassandra_server.Cassandra() as cassandra, s3.S3() as store, servers.Kafka() as kafka:
        shop = Shop(database, cassandra, store, kafka, folder)
        for case in (migrate, migrate_by_item, export, products, orders_to_kafka_to_json):
            report.case(case.__name__, lambda: case(shop))
        shop.session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
