"""What a server may answer in place of what was asked for, and which consistency it is asked for: by a proxy that reads
the native protocol before a real server."""
import collections
import json
import shutil
import sys
import tempfile

from cassandra_test import Bench, m, real

from cql_proxy import BATCH, CODES, EXECUTE, CqlProxy, Refusal

SCHEMA = "p INTEGER, c INTEGER, v VARCHAR"
FIRST_PAUSE_S = 0.05
# By the protocol's specification, section 3.
LEVELS = {"ANY": 0, "ONE": 1, "TWO": 2, "THREE": 3, "QUORUM": 4, "ALL": 5, "LOCAL_QUORUM": 6, "EACH_QUORUM": 7, "LOCAL_ONE": 10}


class Refusing:
    """Refuses the first `chosen` requests of each kind about the table t, each so many times."""

    def __init__(self, name, times, chosen=5, done=False):
        self.refusal = Refusal(CODES[name], f"the test says {name}", done)
        self.times, self.chosen = times, chosen
        self.seen = collections.defaultdict(list)  # by body: when
        self.kinds = collections.defaultdict(set)

    def __call__(self, request):
        if not request.is_about("t"):
            return None
        self.seen[request.body].append(request.at)
        kind = self.kinds[request.opcode]
        if len(kind) < self.chosen:
            kind.add(request.body)
        return self.refusal if request.body in kind and len(self.seen[request.body]) <= self.times else None

    def refused(self):
        return set().union(*self.kinds.values())


def rows_of(name):
    """300 partitions of a row each, which go by EXECUTE, and 20 of ten, which go by BATCH."""
    return [{"p": p, "c": c, "v": f"{name} {p} {c}"} for p in range(320) for c in range(1 if p < 300 else 10)]


def through(b, proxy, **more):
    b.port, b.connection = proxy.port, "".join(f", {name}: {value}" for name, value in more.items())


def tried_again_with_growing_pauses(judge, times):
    for body, at in judge.seen.items():
        assert len(at) == (times + 1 if body in judge.refused() else 1), (len(at), body in judge.refused())
        for i, (before, after) in enumerate(zip(at, at[1:])):
            assert after - before >= 0.5 * FIRST_PAUSE_S * 2 ** i, [y - x for x, y in zip(at, at[1:])]


def writes_are_tried_again(b):
    """Also when the server has done what it says it may not have done: nothing is lost, and nothing is there with other values."""
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    for version in 5, 4:
        for name, done in (("unavailable", False), ("overloaded", False), ("still starting", False), ("write timeout", False),
                           ("write timeout", True), ("read timeout", False)):
            judge = Refusing(name, times=4, done=done)
            rows = rows_of(f"{name} {done} {version}")
            with CqlProxy(b.server.port, judge) as proxy:
                through(b, proxy, protocol_version=version)
                b.to_table(SCHEMA)
                b.feed(f"{name} {done} {version}", rows)
                said = b.run().stderr
            assert f"{name}: the test says {name}; going on trying" in said and "the cluster answers again" in said, said
            assert set(judge.kinds) == {EXECUTE, BATCH} and len(judge.refused()) == 10, judge.kinds.keys()
            tried_again_with_growing_pauses(judge, 4)
            written = collections.defaultdict(set)
            for request in proxy.of_table("t"):
                for values in request.values:
                    written[tuple(values[:2])].add(tuple(values))
            assert len(written) == len(rows) and all(len(each) == 1 for each in written.values()), len(written)
            there = b.rows("p, c, v, writetime(v) AS time")
            assert len({row.pop("time") for row in there}) == 1, "one batch, one time"
            assert m.canonical(there) == m.canonical(rows), (name, len(there))


def reads_are_tried_again(b):
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    b.feed("a", rows_of("a"))
    b.to_table(SCHEMA)
    b.run()
    for name in "unavailable", "overloaded", "still starting", "read timeout":
        judge = Refusing(name, times=4)
        with CqlProxy(b.server.port, judge) as proxy:
            through(b, proxy)
            b.from_table(", page_rows: 50, ranges: 7")
            said = b.run().stderr
        assert f"{name}: the test says {name}; going on trying" in said, said
        assert len(judge.refused()) == 5, judge.refused()
        tried_again_with_growing_pauses(judge, 4)
        assert m.canonical(b.written()) == m.canonical(rows_of("a")), name
        shutil.rmtree(b.folder / "out")
        shutil.rmtree(b.folder / ".millrace")


def what_may_pass_is_tried_a_few_times(b):
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    b.feed("a", rows_of("a"))
    for name in "write failure", "read failure", "server error":
        judge = Refusing(name, times=1000, chosen=1)
        with CqlProxy(b.server.port, judge) as proxy:
            through(b, proxy)
            b.to_table(SCHEMA)
            b.refused(f"writing to {b.keyspace}.t: {name}: the test says {name}")
        assert 6 in map(len, judge.seen.values()) and max(map(len, judge.seen.values())) == 6, collections.Counter(map(len, judge.seen.values()))
    judge = Refusing("write failure", times=3)
    with CqlProxy(b.server.port, judge) as proxy:
        through(b, proxy)
        b.to_table(SCHEMA)
        b.run()
    tried_again_with_growing_pauses(judge, 3)
    assert m.canonical(b.rows()) == m.canonical(rows_of("a"))


def what_does_not_pass_is_told(b):
    """At once, with the server's words; and nothing counts as done."""
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    b.feed("a", rows_of("a"))
    for name in "invalid", "not allowed", "syntax error", "configuration error":
        judge = Refusing(name, times=1000, chosen=1)
        with CqlProxy(b.server.port, judge) as proxy:
            through(b, proxy)
            b.to_table(SCHEMA)
            b.refused(f"writing to {b.keyspace}.t: {name}: the test says {name}")
        assert set(map(len, judge.seen.values())) == {1}, "something was tried again"
    b.port, b.connection = b.server.port, ""
    b.to_table(SCHEMA)
    b.run()
    assert m.canonical(b.rows()) == m.canonical(rows_of("a")) and b.quarantined("refused") == []
    judge = Refusing("not allowed", times=1000, chosen=1)
    with CqlProxy(b.server.port, judge) as proxy:
        through(b, proxy)
        b.from_table()
        b.refused(f"reading {b.keyspace}.t: not allowed: the test says not allowed")
    assert set(map(len, judge.seen.values())) == {1}


def offered_levels():
    """Of the sink and of the source, by the schema of pipeline files."""
    definitions = json.loads(m.run("schema").stdout)["$defs"]
    for kind in "sink", "source":
        [levels] = [level["enum"] for branch in definitions[kind]["allOf"]
                    for level in branch.get("then", {}).get("properties", {}).get("consistency", {}).get("anyOf", []) if "enum" in level]
        yield set(levels)


def the_consistency_is_the_one_asked_for(b):
    """In the frames of writes, batches of them, reads back and scans; and where one node can't give it, the server says which it was asked for."""
    assert list(offered_levels()) == [set(LEVELS)] * 2, list(offered_levels())
    b.execute("CREATE TABLE $t (p int, c int, v text, PRIMARY KEY (p, c))")
    b.feed("a", rows_of("a"))

    def asked(may_fail, *words):
        with CqlProxy(b.server.port) as proxy:
            through(b, proxy, retry_timeout="300ms")
            b.file.write_text(b.file.read_text().replace(f"127.0.0.1:{b.server.port}'", f"127.0.0.1:{proxy.port}'{b.connection}"))
            done = b.run(check=False)
        assert (done.returncode != 0) == may_fail and all(word in done.stderr for word in words), (words, done.stderr)
        shutil.rmtree(b.folder / ".millrace")
        requests = proxy.of_table("t")
        assert requests
        return {(request.opcode, request.texts[0].split()[0], request.consistency) for request in requests}
    for level in [None, *LEVELS]:
        option = "" if level is None else f", consistency: {level}"
        too_few = level in ("TWO", "THREE")
        words = ("unavailable", level) if too_few else ()
        b.port, b.connection = b.server.port, ""
        b.to_table(SCHEMA, option + ("" if too_few or level == "ANY" else ", read_back: true"))
        code = LEVELS[level or "LOCAL_QUORUM"]
        want = {(EXECUTE, "INSERT", code), (BATCH, "INSERT", code), (EXECUTE, "SELECT", code)}
        got = asked(too_few, *words)
        assert got == (want if not too_few and level != "ANY" else {one for one in want if one[1] == "INSERT"}), (level, got)
        b.port, b.connection = b.server.port, ""
        b.from_table(option)
        got = asked(too_few or level == "ANY", *(words or (["ANY"] if level == "ANY" else [])))
        assert got == {(EXECUTE, "SELECT", LEVELS[level or "LOCAL_ONE"])}, (level, got)


CASES = [writes_are_tried_again, reads_are_tried_again, what_may_pass_is_tried_a_few_times, what_does_not_pass_is_told,
         the_consistency_is_the_one_asked_for]


def main():
    report = m.Report("cassandra's errors")
    with real.Cassandra() as server:
        session = server.session()
        for number, case in enumerate(CASES):
            if len(sys.argv) > 1 and case.__name__ not in sys.argv[1:]:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-cassandra-") as folder:
                report.case(case.__name__.replace("_", " "), lambda: case(Bench(server, session, folder, number)))
        session.cluster.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
