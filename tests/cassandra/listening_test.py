"""The example `listening`, as it is: Kafka, a catalogue, and Cassandra, with the three questions that it is for."""
import datetime
import json
import pathlib
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cassandra_server as real  # noqa: E402
import millrace as m  # noqa: E402
import servers  # noqa: E402

servers.clients()
real.client()
from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

HEADER = ["name", "artists", "duration_ms", "album_name", "album_release_date", "danceability", "energy", "key", "loudness",
          "mode", "speechiness", "acousticness", "instrumentalness", "liveness", "valence", "tempo"]
COLUMNS = {"name": "text", "timestamp": "timestamp", "song": "text", "artists": "text", "duration_ms": "text",
           "album_name": "text", "album_release_date": "date", "key": "tinyint", "mode": "tinyint",
           **dict.fromkeys(("danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness",
                            "liveness", "valence", "tempo"), "float")}
TITLES = ["Hello, \"World\"", "two\nlines", "Für Elise", "plain"]  # which CSV has to quote
START = 1_700_000_000_000


class Bench:
    def __init__(self, kafka, server, folder):
        self.kafka, self.server, self.session = kafka, server, server.session()
        self.folder = pathlib.Path(folder)
        shutil.copytree(m.ROOT / "examples" / "listening", self.folder, dirs_exist_ok=True)
        admin = AdminClient({"bootstrap.servers": kafka.brokers, "log_level": 0})
        admin.create_topics([NewTopic("test", 2, 1, config={"retention.ms": "-1"})])["test"].result(30)
        self.session.execute("CREATE KEYSPACE spotify WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        (self.folder / "catalogue").mkdir()
        m.write_csv(self.folder / "catalogue" / "songs.csv", HEADER,
                    [[t, f"artist {i}", str(1000 * i), "album", f"2001-02-0{i + 1}", 0.25 * i, 0.5, i, -7.5, 1, 0, 0, 0, 0,
                      0, 120] for i, t in enumerate(TITLES)])
        self.env = {"KAFKA_BROKERS": kafka.brokers, "CASSANDRA_HOSTS": f"127.0.0.1:{server.port}"}

    def produce(self, listens):
        producer = Producer({"bootstrap.servers": self.kafka.brokers, "log_level": 0, "compression.type": "gzip"})
        for listen in listens:
            producer.produce("test", json.dumps(listen))
        producer.flush()

    def run(self):
        return m.run("run", "pipeline.yaml", "--once", cwd=self.folder, env=self.env)

    def rows(self, cql, *values):
        return [row._asdict() for row in self.session.execute(cql, *values)]


def listen_of(i):
    return {"name": f"user{i % 3}", "song": (TITLES + ["unknown"])[i % 5], "timestamp": START + 1000 * i}


def moment(i):
    return datetime.datetime.fromtimestamp((START + 1000 * i) / 1000, datetime.timezone.utc).replace(tzinfo=None)


def answers_in_cql(b):
    b.produce([{"name": "early", "song": "x", "timestamp": 1}])
    b.run()  # from the latest offset on: there is nothing yet
    b.produce(listen_of(i) for i in range(60))
    b.run()
    types = {row["column_name"]: row["type"] for row in b.rows(
        "SELECT column_name, type FROM system_schema.columns WHERE keyspace_name = 'spotify' AND table_name = 'records'")}
    assert types == COLUMNS, types
    mine = [i for i in range(60) if i % 3 == 1]
    got = b.rows("SELECT * FROM spotify.records WHERE name = 'user1'")
    assert [row["timestamp"] for row in got] == [moment(i) for i in mine], got[:3]
    for row, i in zip(got, mine):
        known = i % 5 < len(TITLES)
        want = (listen_of(i)["song"], f"artist {i % 5}" if known else None, 0.25 * (i % 5) if known else None,
                f"2001-02-0{i % 5 + 1}" if known else None, i % 5 if known else None)
        assert (row["song"], row["artists"], row["danceability"], row["album_release_date"] and str(row["album_release_date"]),
                row["key"]) == want, (row, want)
    within = "WHERE name = 'user1' AND timestamp >= %s AND timestamp < %s"
    times = (moment(10), moment(40))
    got = b.rows(f"SELECT timestamp FROM spotify.records {within}", times)
    chosen = [i for i in mine if 10 <= i < 40]
    assert [row["timestamp"] for row in got] == [moment(i) for i in chosen], got
    known = [0.25 * (i % 5) for i in chosen if i % 5 < len(TITLES)]
    got = b.rows(f"SELECT avg(danceability) AS a FROM spotify.records {within}", times)[0]["a"]
    assert abs(got - sum(known) / len(known)) < 1e-6, (got, known)
    # As a person asks.
    shell = b.server.cqlsh(f"SELECT timestamp, song, danceability FROM spotify.records "
                           f"WHERE name = 'user1' AND timestamp >= {START + 10_000} AND timestamp < {START + 40_000}")
    lines = [line.split(" | ") for line in shell.splitlines() if " | " in line][1:]
    assert [line[1].strip() for line in lines] == [listen_of(i)["song"].replace("\n", "\\n") for i in chosen], shell
    assert f"({len(chosen)} rows)" in shell, shell


def killed_and_run_again(b):
    b.produce(listen_of(i) for i in range(60, 120))
    done = m.run("run", "pipeline.yaml", "--once", cwd=b.folder, check=False,
                 env={**b.env, "MILLRACE_FAULT": "cassandra.during_publish:2"})
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    b.run()
    assert b.rows("SELECT count(*) AS n FROM spotify.records")[0]["n"] == 120


def cassandra_goes_and_comes(b):
    b.server.stop()
    b.produce(listen_of(i) for i in range(120, 150))
    process = m.start("run", "pipeline.yaml", "--once", "--progress", "none", cwd=b.folder, env=b.env)
    for line in process.stderr:
        if "trying" in line:
            break
    b.server.start()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    b.session.cluster.shutdown()
    b.session = b.server.session()
    assert b.rows("SELECT count(*) AS n FROM spotify.records")[0]["n"] == 150


CASES = [answers_in_cql, killed_and_run_again, cassandra_goes_and_comes]  # one after the other, on the same table


def main():
    report = m.Report("listening on Cassandra")
    with servers.Kafka() as kafka, real.Cassandra() as server, \
            tempfile.TemporaryDirectory(prefix="millrace-listening-") as folder:
        bench = Bench(kafka, server, folder)
        for case in CASES:
            report.case(case.__name__, lambda: case(bench))
        bench.session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
