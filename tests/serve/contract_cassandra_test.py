#!/usr/bin/env python3
"""The contract of examples/customer-360's API, of api.yaml over what the three jobs have put into Cassandra and the lake; and what it says
while Cassandra is away."""
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server  # noqa: E402
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402
from serving import Api, same  # noqa: E402

import contract  # noqa: E402


def run_the_jobs(home, database, cassandra, kafka, registry):
    shop, events = contract.generate(home)
    os.environ.update(MYSQL_HOST="127.0.0.1", MYSQL_PORT=str(database.port), MYSQL_USER="etl", MYSQL_PASSWORD=mariadb.PASSWORD,
                      MYSQL_DATABASE="shop", CASSANDRA_HOSTS=f"127.0.0.1:{cassandra.port}", KAFKA_BROKERS=kafka.brokers,
                      SCHEMA_REGISTRY=registry.url)
    cassandra_server.client()
    session = cassandra.session()
    session.execute("CREATE KEYSPACE crm WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    session.cluster.shutdown()
    m.run("generate", *shop, "--mysql", f"127.0.0.1:{database.port}", "--mysql-option", "user=etl", "--mysql-option", "database=shop",
          "--mysql-option", "password=${env:MYSQL_PASSWORD}")
    m.run("generate", *events, "--brokers", kafka.brokers, "--registry", registry.url, "--partitions", 3)
    for job in ("profile", "daily-summary", "events"):
        m.run("run", f"{job}.yaml", "--once", "--progress", "none", cwd=home)


def cassandra_is_away(api, cassandra, oracle):
    """503 in the envelope, soon; what needs no Cassandra is answered; and all is well when it is back."""
    customer, day = next(iter(oracle.profiles())), next(iter(oracle.summaries()))
    cassandra.stop()
    status, headers, body = api.get(f"/customer/{customer}")
    same((status, headers["Retry-After"], body["status"], body["data"]), (503, "1", "error", {}), "without Cassandra")
    assert "9042" not in body["message"] and str(cassandra.port) not in body["message"], body
    contract.summaries_of(api, day)
    same(api.get("/customer/x")[0], 400, "a mistake stays one")
    cassandra.start()
    m.wait_until(lambda: api.get(f"/customer/{customer}")[0] == 200, "Cassandra's profiles to be back")
    contract.check_profiles(api, oracle)


def away_at_the_start(home, cassandra, oracle):
    """The API starts all the same, answers what comes from the lake, and has the profiles once Cassandra is there."""
    customer, day = next(iter(oracle.profiles())), next(iter(oracle.summaries()))
    cassandra.stop()
    with Api("serve", "api.yaml", "--listen", "127.0.0.1:0", cwd=home) as api:
        same(api.get("/readyz")[0], 200, "readyz")
        status, headers, body = api.get(f"/customer/{customer}")
        same((status, headers["Retry-After"], body["status"], body["data"]), (503, "1", "error", {}), "without Cassandra")
        same(api.get("/customer/x")[0], 400, "a mistake stays one")
        contract.summaries_of(api, day)
        cassandra.start()
        m.wait_until(lambda: api.get(f"/customer/{customer}")[0] == 200, "Cassandra's profiles")
        contract.check_profiles(api, oracle)


def main():
    report = m.Report("the API's contract, over Cassandra")
    with tempfile.TemporaryDirectory(prefix="millrace-contract-") as folder, contextlib.ExitStack() as stack:
        # One after the other: two Java machines that start at once on two cores take longer.
        database, cassandra, kafka, registry = (stack.enter_context(server()) for server in (
            mariadb.Mariadb, cassandra_server.Cassandra, servers.Kafka, Registry))
        home = pathlib.Path(folder) / "home"
        shutil.copytree(contract.EXAMPLE, home, ignore=shutil.ignore_patterns("input", "lake", ".millrace", "*.duckdb*"))
        if report.case("the three jobs", lambda: run_the_jobs(home, database, cassandra, kafka, registry)):
            oracle = contract.Oracle(home)
            with Api("serve", "api.yaml", "--listen", "127.0.0.1:0", cwd=home) as api:
                contract.check_all(report, "serve", api, oracle)
                report.case("Cassandra is away", lambda: cassandra_is_away(api, cassandra, oracle))
            report.case("Cassandra is away at the start", lambda: away_at_the_start(home, cassandra, oracle))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
