"""TLS, passwords, and the profile of Amazon Keyspaces, against a real server that wants both."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server as real  # noqa: E402
import millrace as m  # noqa: E402

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


CASES = [tls_and_password, wrong_password, nobody, whom_to_trust, keyspaces]


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
