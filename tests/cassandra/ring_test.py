"""A cluster of two real nodes: a row's write goes to the node that has it, and while that one is away to the other one."""
import signal
import sys
import tempfile

from cassandra_test import Bench, NoHostAvailable, OperationTimedOut, m, real

from cassandra import ReadTimeout, Unavailable
from cql_proxy import BATCH, EXECUTE, CqlProxy

ROWS = [{"a": f"partition {p}", "b": p % 7, "c": c, "v": p} for p in range(600) for c in range(1 if p < 500 else 5)]
SCHEMA = "a VARCHAR, b INTEGER, c INTEGER, v INTEGER"


class Ring:
    """Two nodes, each with a proxy where clients are told that it is."""

    def __enter__(self):
        self.first = real.Member("127.0.0.1", told="127.0.0.11", token=-3 * 10**18)
        self.second = real.Member("127.0.0.2", told="127.0.0.12", token=3 * 10**18, seed=self.first)
        self.nodes = []
        try:
            for node in self.first, self.second:
                node.__enter__()
                self.nodes.append(node)
                node.proxy = CqlProxy(node.port, to_host=node.address, at=(node.told, node.port)).__enter__()
            self.session = self.first.session(compression=False)
            self.wait_for_both()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if hasattr(self, "session"):
            self.session.cluster.shutdown()
        for node in self.nodes:
            if hasattr(node, "proxy"):
                node.proxy.__exit__()
            node.__exit__()

    def each(self, cql):
        """What each node answers; nothing, if the driver does not reach it."""
        for host in self.session.cluster.metadata.all_hosts():
            try:
                yield tuple(self.session.execute(cql, host=host))
            except (NoHostAvailable, OperationTimedOut):
                yield ()

    def wait_for_both(self):
        m.wait_until(lambda: [len(peers) for peers in self.each("SELECT peer FROM system.peers_v2")] == [1, 1], "the nodes to know each other", timeout=120)

    def owner(self, token):
        """Each node has the tokens after the other's, up to and with its own."""
        return min(self.nodes, key=lambda node: (node.token < token, node.token))


class TableOfTheRing(Bench):
    def __init__(self, ring, folder, number, replicas):
        super().__init__(ring.first, ring.session, folder, number)
        self.execute(f"ALTER KEYSPACE {self.keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}")
        self.execute("CREATE TABLE $t (a text, b int, c int, v int, PRIMARY KEY ((a, b), c))")
        m.wait_until(lambda: len(set(ring.each("SELECT schema_version FROM system.local"))) == 1, "the nodes to agree on the table")

    def to_ring(self, contact, sink="", more=""):
        self.to_table(SCHEMA, sink, more=more)
        self.file.write_text(self.file.read_text().replace(f"127.0.0.1:{self.port}", f"{contact.told}:{contact.port}"))

    def asked(self, node):
        """Of the requests that went to a node: opcode, kind of statement, and the row's key."""
        return [(request.opcode, text.split()[0], values[0].decode(), int.from_bytes(values[1], "big"), int.from_bytes(values[2], "big"))
                for request in node.proxy.of_table("t") if f'"{self.keyspace}"' in request.texts[0]
                for text, values in zip(request.texts, request.values)]


def each_row_goes_to_the_node_that_has_it(ring, folder):
    """By the tokens that the server itself gives the rows. Whichever node is the one that was asked for the others."""
    for number, contact in enumerate(ring.nodes):
        (folder / str(number)).mkdir()
        b = TableOfTheRing(ring, folder / str(number), number, replicas=1)
        b.feed("a", ROWS)
        b.to_ring(contact, ", consistency: ONE, read_back: true")
        b.run()
        tokens = {(row["a"], row["b"], row["c"]): row["at"] for row in b.rows("a, b, c, token(a, b) AS at")}
        assert len(tokens) == len(ROWS), len(tokens)
        asked = {node: b.asked(node) for node in ring.nodes}
        for node, requests in asked.items():
            strays = [key for _, _, *key in requests if ring.owner(tokens[tuple(key)]) is not node]
            assert strays == [], (node.address, len(strays), len(requests))
            assert {(opcode, kind) for opcode, kind, *_ in requests} == {(EXECUTE, "INSERT"), (BATCH, "INSERT"), (EXECUTE, "SELECT")}, requests[:5]
            writes = sum(kind == "INSERT" for _, kind, *_ in requests)
            assert 0.2 * len(ROWS) < writes < 0.8 * len(ROWS), writes  # a third and two thirds, so to say
        assert sum(kind == "INSERT" for requests in asked.values() for _, kind, *_ in requests) == len(ROWS), "a row a write"
        prepared = {node.address: [text.split()[0] for text in node.proxy.prepared if f'"{b.keyspace}"."t"' in text] for node in ring.nodes}
        assert all(sorted(texts) == ["INSERT", "SELECT"] for texts in prepared.values()), prepared


def the_other_node_takes_over(ring, folder):
    """A node dies under a pipeline that runs: the other one has the rows, too. When it is back, its rows go to it again."""
    b = TableOfTheRing(ring, folder, 9, replicas=2)
    b.connection = ", request_timeout: 2s, connect_timeout: 2s"
    b.to_ring(ring.first, ", consistency: ONE", more="trigger: 100ms\n")
    process = m.start("run", b.file, "--progress", "none", cwd=b.folder)

    def there(count):
        try:
            return b.session.execute(f"SELECT count(*) FROM {b.keyspace}.t").one()[0] == count
        except (ReadTimeout, Unavailable):  # of a node that still relies on the one that is away
            return False

    def writes(node):
        return sum(kind == "INSERT" for _, kind, *_ in b.asked(node))
    try:
        b.feed("a", [row for row in ROWS if row["v"] < 200])
        m.wait_until(lambda: there(200), "the first rows")
        assert writes(ring.first) > 20 and writes(ring.second) > 20
        ring.second.stop(signal.SIGKILL)
        before = writes(ring.first)
        b.feed("b", [row for row in ROWS if 200 <= row["v"] < 500])
        m.wait_until(lambda: there(500), "the rows while one node is away", timeout=120)
        assert writes(ring.first) >= before + 300
        ring.second.start()
        ring.wait_for_both()
        before, batch = writes(ring.second), 0

        def goes_there_again():
            nonlocal batch
            batch += 1
            b.feed(f"c{batch}", [{**row, "v": -batch} for row in ROWS])
            m.wait_until(lambda: list(b.session.execute(f"SELECT min(v), max(v) FROM {b.keyspace}.t").one()) == [-batch, -batch], "a batch", timeout=60)
            return writes(ring.second) > before + 100
        m.wait_until(goes_there_again, "writes to the node that is back", timeout=120)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    finally:
        m.kill(process)
    assert process.returncode == 0 and "going on trying" in said, said
    assert there(len(ROWS))


CASES = [each_row_goes_to_the_node_that_has_it, the_other_node_takes_over]


def main():
    report = m.Report("a ring of Cassandra")
    with Ring() as ring:
        for case in CASES:
            if len(sys.argv) > 1 and case.__name__ not in sys.argv[1:]:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-cassandra-") as folder:
                report.case(case.__name__.replace("_", " "), lambda: case(ring, m.pathlib.Path(folder)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
