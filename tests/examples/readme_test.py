"""What READMEs of examples say of servers, done as it is written, with real ones: only the addresses are others, what goes
on until somebody stops it is run `--once`, or gets its Ctrl-C, and `...` is a password."""
import contextlib
import json
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server  # noqa: E402
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import readme  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

UNTIL_CTRL_C = "timeout --foreground --preserve-status --signal=INT 4 "  # once, and not its group, too


class Systems:
    def __init__(self, stack):
        # One after the other: two Java machines that start at once on two cores take longer.
        self.database, self.cassandra, self.kafka, self.registry = (stack.enter_context(server()) for server in (
            mariadb.Mariadb, cassandra_server.Cassandra, servers.Kafka, Registry))

    def adapted(self, text):
        for there, here in (("localhost:3306", f"127.0.0.1:{self.database.port}"), ("localhost:9042", f"127.0.0.1:{self.cassandra.port}"),
                            ("localhost:9092", self.kafka.brokers), ("http://localhost:8081", self.registry.url),
                            ("MYSQL_HOST=localhost", f"MYSQL_HOST=127.0.0.1 MYSQL_PORT={self.database.port}"),
                            ("MYSQL_PASSWORD=...", f"MYSQL_PASSWORD={mariadb.PASSWORD}")):
            text = text.replace(there, here)
        text = re.sub(r"(millrace run \S+\.yaml)(?! --once)", r"\1 --once", text)
        return re.sub(r"^(millrace generate (?:(?!--rows).)* --brokers (?:(?!--rows).)*|millrace generate .* --rows 0 .*)$",
                      lambda match: UNTIL_CTRL_C + match[0], text, flags=re.M)

    def do(self, example, folder):
        """All blocks but those of embedded.yaml, and of the API of a process that stays; the folder."""
        home, blocks = readme.copied(example, folder)
        shell = home / "bin" / "cqlsh"
        shell.write_text(f"#!/bin/sh\nPYTHONPATH='{cassandra_server.client()}' CQLSH_NO_BUNDLED=1 exec '{sys.executable}' -m cqlshlib 127.0.0.1 "
                         f"{self.cassandra.port} \"$@\"\n")
        shell.chmod(0o755)
        blocks = [block for block in blocks if "embedded.yaml" not in block]
        assert blocks
        readme.done_in(home, self.adapted("\n".join(blocks)))
        return home

    def count(self, table):
        session = self.cassandra.session()
        try:
            return session.execute(f"SELECT count(*) FROM {table}").one()[0]
        finally:
            session.cluster.shutdown()


def json_rows(folder):
    return [json.loads(line) for path in folder.rglob("*.json") for line in path.read_text().splitlines()]


def retail(systems, folder):
    systems.database.sql("CREATE DATABASE retail")
    home = systems.do("retail", folder)
    assert systems.count("spark_keyspace.sales_data") == 10_000
    assert len(list((home / "lake/sales/parquet").glob("customer_id=*"))) > 100
    assert len(json_rows(home / "lake/aggregates/products.json")) > 10
    assert 1_900 < len(json_rows(home / "lake/stream/json")) <= 2_000  # of new orders, and of those made up most


def customer_360(systems, folder):
    home = systems.do("customer-360", folder)
    assert systems.count("crm.customer_profile") == 1_000
    [events] = [row["n"] for row in m.query(home / "events.yaml", "SELECT count(*) AS n FROM events", cwd=home)]
    assert 9_000 < events < 10_000 and json_rows(home / "lake/malformed_events")
    days = sorted((home / "lake/txn_summary").glob("date=*"))
    assert 1 <= len(days) <= 3 and all(list(day.glob("*.parquet")) for day in days), days


def listening(systems, folder):
    systems.do("listening", folder)
    assert systems.count("spotify.records") == 0  # from the latest offset on, and then it has been stopped


CASES = [retail, customer_360, listening]


def main():
    cassandra_server.client()
    report = m.Report("READMEs of examples")
    with contextlib.ExitStack() as stack:
        systems = Systems(stack)
        for case in CASES:
            if len(sys.argv) > 1 and case.__name__ not in sys.argv[1:]:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-readme-") as folder:
                report.case(case.__name__.replace("_", " "), lambda: case(systems, folder))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
