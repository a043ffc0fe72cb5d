"""TLS, passwords, and the profile of Amazon Keyspaces, against a real server that wants both."""
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server as real  # noqa: E402
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import servers  # noqa: E402

from cassandra_test import Bench  # noqa: E402

ENV = {"CASSANDRA_PASSWORD": real.PASSWORD, "WRONG": "wrong"}


def connect(b, ca=None, user=real.USER, password="CASSANDRA_PASSWORD", more=""):
    b.connection = (f", tls: true, tls_ca: '{ca or b.server.ca}', username: '{user}', password: '${{env:{password}}}'{more}")


def refused(b, *want):
    done = b.run(check=False, env=ENV)
    assert done.returncode != 0 and all(w in done.stderr for w in want), (want, done.stderr[-3000:])
    assert real.PASSWORD not in done.stdout + done.stderr, "it shows the password"


def table(b, more=""):
    b.feed("a", [{"p": i % 7, "c": i} for i in range(1000)])
    b.to_table("p INTEGER, c INTEGER", f", create_table: true, partition_key: p, clustering_key: [c desc]{more}")


def tls_and_password(b):
    connect(b)
    table(b)
    b.run(env=ENV)
    assert len(b.rows()) == 1000
    b.from_table()
    b.run(env=ENV)
    assert len(b.written()) == 1000


def wrong_password(b):
    connect(b, password="WRONG")
    table(b)
    refused(b, "check `username` and `password`")


def nobody(b):
    b.connection = f", tls: true, tls_ca: '{b.server.ca}'"
    table(b)
    refused(b, "wants to know who we are")


def whom_to_trust(b):
    connect(b, ca=b.server.other_authority.certificate)
    table(b)
    refused(b, "is not trusted", "`tls_ca`")
    connect(b, more=", tls_server_name: elsewhere.example.com")
    table(b)
    refused(b, "is not trusted", "`tls_server_name`")
    connect(b, ca=b.folder / "nowhere.pem")
    table(b)
    refused(b, "`tls_ca`", "can't be used")
    b.connection = f", username: '{real.USER}', password: '${{env:CASSANDRA_PASSWORD}}'"
    table(b)
    done = m.run("validate", b.file, cwd=b.folder, env=ENV, check=False)
    assert "sends its password unencrypted" in done.stdout + done.stderr, done.stderr


def certificates_of_a_truststore(b):
    """Made PEM by Java's own tool, as examples/retail says; what it says around them does not matter."""
    store, words = b.folder / "cassandra_truststore.jks", ["-storepass", "changeit"]
    for name, authority in (("ours", b.server.authority), ("other", b.server.other_authority)):
        servers.run_to_end("making the truststore", "keytool", "-importcert", "-noprompt", "-alias", name, "-file", authority.certificate,
                           "-keystore", store, *words)
    listed = subprocess.run(["keytool", "-list", "-rfc", "-keystore", store, *words], capture_output=True, text=True, check=True).stdout
    assert listed.count("BEGIN CERTIFICATE") == 2 and "Alias name" in listed, listed
    (b.folder / "sf-class2-root.crt").write_text(listed)
    connect(b, ca=b.folder / "sf-class2-root.crt")
    table(b)
    b.run(env=ENV)
    assert len(b.rows()) == 1000


def keyspaces(b):
    """Its port apart: version 4, TLS, LOCAL_QUORUM, small batches, a pace, and no nodes but the contact point."""
    b.connection = (f", profile: keyspaces, tls_ca: '{b.server.ca}', username: '{real.USER}', "
                    "password: '${env:CASSANDRA_PASSWORD}', max_requests_per_second: 100")
    b.feed("a", [{"p": 1, "c": i} for i in range(900)])
    b.execute("CREATE TABLE $t (p int, c int, PRIMARY KEY (p, c))")
    b.to_table("p INTEGER, c INTEGER")
    done = b.run(env=ENV)
    assert len(b.rows()) == 900, done.stderr
    b.from_table(", ranges: 5")
    b.run(env=ENV)
    assert len(b.written()) == 900
    for sink, want in ((", max_batch_statements: 31", "at most 30"), (", consistency: ONE", "LOCAL_QUORUM only")):
        b.to_table("p INTEGER, c INTEGER", sink)
        done = m.run("validate", b.file, cwd=b.folder, env=ENV, check=False)
        assert done.returncode != 0 and want in done.stdout + done.stderr, (sink, done.stderr)
    b.execute("DROP TABLE $t")
    for sql, options in (("SELECT p, c, INTERVAL 1 DAY AS wait FROM input", ""),
                         ("SELECT p, c, [1.5] AS v FROM input", ", column_types: { v: 'vector<float, 1>' }")):
        b.to_table("p INTEGER, c INTEGER", f", create_table: true, partition_key: p{options}", sql=sql)
        for command in (["run", "--once"], ["validate", "--connect"]):
            done = m.run(*command, b.file, cwd=b.folder, env=ENV, check=False)
            assert done.returncode == 2 and "which Keyspaces does not have; cast it in SQL" in done.stderr + done.stdout, (command, done)


def the_shop_moves_to_keyspaces(b):
    """examples/retail/migrate.yaml with the connection that stands in it as a comment; the contact point and the authority are ours."""
    home = b.folder / "retail"
    shutil.copytree(m.ROOT / "examples" / "retail", home)
    text = (home / "migrate.yaml").read_text()
    plain = next(line for line in text.splitlines(True) if line.startswith("  sales: { type: cassandra"))
    text = re.sub(r"(?m)^  # (sales:|  \S)", r"  \1", text.replace(plain, ""))
    for old, new in (("contact_points: cassandra.eu-central-1.amazonaws.com", f"contact_points: 127.0.0.1:{b.server.port}"),
                     ("tls_ca: sf-class2-root.crt", f"tls_ca: {b.server.ca}")):
        assert text.count(old) == 1, text
        text = text.replace(old, new)
    assert "profile: keyspaces" in text and "# sales" not in text, text
    (home / "migrate.yaml").write_text(text)
    # As Keyspaces makes it for `create_table`; this server does not know its words.
    b.execute("CREATE KEYSPACE IF NOT EXISTS spark_keyspace WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    b.execute("CREATE TABLE spark_keyspace.sales_data (customer_id int, order_id int, name text, email text, city text, order_date date, "
              "amount decimal, item_id int, product_name text, quantity int, PRIMARY KEY (customer_id, order_id))")
    with mariadb.Mariadb() as database:
        env = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(database.port), "MYSQL_USER": "etl", "MYSQL_PASSWORD": mariadb.PASSWORD,
               "MYSQL_DATABASE": "shop", "KEYSPACES_USER": real.USER, "KEYSPACES_PASSWORD": real.PASSWORD}
        m.run("generate", "retail", "--mysql", f"127.0.0.1:{database.port}", "--mysql-option", "user=etl", "--mysql-option", "database=shop",
              "--mysql-option", "password=${env:MYSQL_PASSWORD}", "--rows", 500, env=env)
        done = m.run("run", "migrate.yaml", "--once", cwd=home, env={**env, "MILLRACE_FAULT": "cassandra.during_publish:3"}, check=False)
        assert done.returncode == -signal.SIGKILL, done
        m.run("run", "migrate.yaml", "--once", cwd=home, env=env)
        columns = "customer_id, order_id, name, email, city, order_date, amount, item_id, product_name, quantity"
        want = database.sql(f"SELECT {columns} FROM order_items JOIN orders USING (order_id) JOIN customers USING (customer_id) "
                            "WHERE item_id IN (SELECT MAX(item_id) FROM order_items GROUP BY order_id) ORDER BY item_id")
    rows = [[str(value) for value in row] for row in b.execute(f"SELECT {columns} FROM spark_keyspace.sales_data")]
    assert sorted(rows, key=lambda row: int(row[7])) == want and len(want) == 500, (len(rows), len(want))


CASES = [tls_and_password, wrong_password, nobody, whom_to_trust, certificates_of_a_truststore, keyspaces, the_shop_moves_to_keyspaces]


def main():
    report = m.Report("cassandra security")
    names = sys.argv[1:]
    with real.SecureCassandra() as server:
        server.make_user()
        session = server.session()
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-cassandra-") as folder:
                report.case(case.__name__, lambda: case(Bench(server, session, folder, f"s{number}")))
        session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
