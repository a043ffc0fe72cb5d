"""The live tables of a running pipeline: what there is, and SQL over them, read-only, as of one batch, within limits.

Usage: tables_test.py [CASE ...]
"""
import sys
import threading
import time
import urllib.error
import urllib.request

from watched import m, report, running

PATH = "/pipelines/watched"
TEXT = """
pipeline: watched
trigger: as_fast_as_possible
sources:
  rows: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT, who TEXT, price DECIMAL(20, 4)',
          max_files_per_trigger: 1 }
datasets:
  people: SELECT who, count(*) AS n, sum(price) AS spent, max(id) AS newest FROM rows GROUP BY who
  total: SELECT count(*) AS n FROM rows
serve:
  listen: 127.0.0.1:0
  endpoints:
    - { get: /people, query: FROM people }
    - { get: /total, query: FROM total }
"""


def put(run, name, rows):
    m.write_csv(run.home / "in" / f"{name}.csv", ["id", "who", "price"], rows)


def ask(run, sql, want=200, **more):
    status, _, answer = run.ask(f"{PATH}/query", {"sql": sql, **more})
    assert status == want, (sql, status, answer)
    return answer


def tables():
    """Names, columns, keys, rows and bytes, as of the last batch."""
    with running(text=TEXT) as run:
        run.wait_for("running")
        put(run, "a", [[1, "ann", 2.5], [2, "bob", 1], [3, "ann", 1]])
        run.wait_for_batch(0)
        found = {t["name"]: t for t in run.get(f"{PATH}/tables")}
        assert set(found) == {"people", "total"}, found
        people = found["people"]
        assert people["columns"] == [["who", "VARCHAR"], ["n", "BIGINT"], ["spent", "DECIMAL(38,4)"],
                                     ["newest", "BIGINT"]], people
        assert people["key"] == "who" and people["rows"] == 2 and people["bytes"] > 0 and people["at"] == 0, people
        put(run, "b", [[4, "cid", 1]])
        run.wait_for_batch(1)
        people = {t["name"]: t for t in run.get(f"{PATH}/tables")}["people"]
        assert people["rows"] == 3 and people["at"] == 1 and people["changed_at"] == 1, people
    with running() as run:
        run.wait_for("running")
        assert run.get(f"{PATH}/tables") == []
        assert ask(run, "SELECT 1", 409)["code"] == "no_tables"


def answers():
    """Rows with their columns and their batch; numbers that JSON has not exactly are texts."""
    with running(text=TEXT) as run:
        run.wait_for("running")
        status, _, answer = run.ask(f"{PATH}/query", {"sql": "FROM people"})
        assert status == 404 and answer["code"] == "no_batch", answer
        put(run, "a", [[1, "ann", "1234567890123456.5"], [2, "bob", 1], [3, "ann", 1]])
        run.wait_for_batch(0)
        answer = ask(run, "SELECT who, n, spent, NULL AS nothing, n > 1 AS often FROM people ORDER BY who;")
        assert answer["columns"] == [["who", "VARCHAR"], ["n", "BIGINT"], ["spent", "DECIMAL(38,4)"],
                                     ["nothing", "INTEGER"], ["often", "BOOLEAN"]], answer["columns"]
        assert answer["rows"] == [["ann", 2, "1234567890123457.5000", None, True], ["bob", 1, 1.0, None, False]], answer
        assert answer["at"] == 0 and answer["total"] == 2 and answer["scanned"] == 2 and answer["ms"] > 0, answer
        assert ask(run, "SELECT * FROM people JOIN total USING (n)")["rows"] == []
        assert ask(run, "WITH x AS (FROM people) SELECT sum(n) FROM x", at=0)["rows"] == [[3]]
        assert ask(run, "FROM people", 404, at=7)["code"] == "batch_not_yet"
        put(run, "b", [[4, "bob", 1]])
        run.wait_for_batch(1)
        assert ask(run, "FROM people", 410, at=0)["code"] == "batch_expired"
        assert ask(run, "SELECT n FROM total")["rows"] == [[4]]


def wrong():
    """Mistakes say where and what to do; nothing is changed, and no file, function or setting of the machine is read."""
    with running(text=TEXT) as run:
        put(run, "a", [[1, "ann", 2.5]])
        run.wait_for_batch(0)
        answer = ask(run, "SELECT who,\n  whoo FROM people", 400)
        assert answer["code"] == "bad_sql" and answer["hint"] and "whoo" in answer["message"], answer
        assert "position" in answer, answer
        assert (answer["position"], answer["line"], answer["column"]) == (14, 2, 3), answer
        assert ask(run, "SELECT 'ä€', whoo FROM people", 400)["position"] == 13
        answer = ask(run, "SELECT * FROM peeple", 400)
        assert "people" in answer["message"] + answer["hint"], answer
        for sql in ("DELETE FROM people", "CREATE TABLE x AS FROM people", "DROP TABLE people", "SET threads = 1",
                    "SELECT 1; SELECT 2", "COPY people TO '/tmp/x'", "ATTACH '/tmp/x.db'", "PRAGMA version",
                    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "INSTALL httpfs",
                    "SELECT getenv('HOME')", "SELECT * FROM duckdb_settings()", "SELECT * FROM rows", "SELEC 1",
                    "SELECT current_setting('threads')", "SELECT content FROM read_text('/etc/passwd')", "CALL x()",
                    "SELECT * FROM information_schema.tables", "SELECT * FROM glob('/*')", "BEGIN", "EXPLAIN FROM people"):
            answer = ask(run, sql, 400)
            assert answer["code"] == "bad_sql", (sql, answer)
        for body in ({}, {"sql": 3}, {"sql": "  "}, {"sql": "FROM people", "at": "x"}, {"sql": "FROM people", "limit": 0},
                     {"sql": "FROM people", "limit": 10**9}):
            status, _, answer = run.ask(f"{PATH}/query", body)
            assert status == 400 and answer["code"] == "bad_request", (body, answer)
        assert run.ask(f"{PATH}/query", {"sql": "FROM people"}, {"Content-Type": "text/plain"})[0] == 415
        assert run.ask(f"{PATH}/query", {"sql": "FROM people"}, {"Origin": "http://evil.example"})[0] == 403
        assert ask(run, "SELECT CAST(who AS INTEGER) FROM people", 400)["code"] == "query_failed"
        assert ask(run, "SELECT n FROM total")["rows"] == [[1]]
        status, _, answer = run.ask(f"{PATH}/trace", {"dataset": "people", "where": "who = 'ann'"})
        assert status == 501 and answer["code"] == "no_trace" and answer["hint"], answer


def limits():
    """Rows, bytes and time have limits, and queries at once have; a query is gone when its pipeline is."""
    with running(text=TEXT) as run:
        put(run, "a", [[i, f"p{i}", 1] for i in range(3000)])
        run.wait_for_batch(0)
        answer = ask(run, "FROM people")
        assert len(answer["rows"]) == 1000 and answer["total"] == 3000 and answer["truncated"], len(answer["rows"])
        assert len(ask(run, "SELECT who FROM people -- a comment", limit=2000)["rows"]) == 2000
        assert len(ask(run, "FROM people", limit=10)["rows"]) == 10
        answer = ask(run, "SELECT repeat(who, 5000) AS x FROM people", 400, limit=1000)
        assert answer["code"] == "query_failed" and "larger" in answer["message"], answer
        endless = "SELECT count(*) FROM people a, people b, people c, people d WHERE a.n + b.n + c.n + d.n = 5"
        begin = time.monotonic()
        answer = ask(run, endless, 400)
        assert answer["code"] == "too_slow" and 9 < time.monotonic() - begin < 25, answer
        results = []

        def long_one():
            results.append(run.ask(f"{PATH}/query", {"sql": endless}))
        threads = [threading.Thread(target=long_one) for _ in range(22)]
        for thread in threads:
            thread.start()
        m.wait_until(lambda: any(r[0] == 503 for r in results), "a refusal")
        begin = time.monotonic()
        run.control("stop")
        for thread in threads:
            thread.join()
        assert run.process.wait(timeout=30) == 0 and time.monotonic() - begin < 20
        codes = {r[2]["code"] for r in results if r[2]}
        assert codes <= {"busy", "wrong_state", "no_tables", "no_such_pipeline", "too_slow"}, codes


def beside():
    """Each answer is of one batch, while batches go on."""
    with running(text=TEXT) as run:
        put(run, "a0", [[0, "ann", 1], [1, "bob", 1]])
        run.wait_for_batch(0)
        for i in range(1, 40):
            put(run, f"a{i:02}", [[2 * i, "ann", 1], [2 * i + 1, "bob", 1]])
        seen = set()
        while 39 not in seen:
            answer = ask(run, "SELECT (SELECT n FROM total), (SELECT sum(n) FROM people)")
            seen.add(answer["at"])
            assert answer["rows"] == [[2 * answer["at"] + 2] * 2], answer


def from_outside(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def endpoint():
    """What an endpoint answers, tried through the control API; it is what a client of its own address gets."""
    def try_it(run, target, want=200):
        status, _, answer = run.ask(f"{PATH}/try", {"target": target})
        assert status == want, (target, status, answer)
        return answer

    text = TEXT.replace("serve:\n", "serve:\n  users: { app: { token: '${env:TOKEN}' } }\n") + """
    - { get: "/person/{who}", parameters: { who: { type: string } }, query: SELECT * FROM people WHERE who = $who, returns: one }
    - { changes: people }
"""
    with running(text=text, env={"TOKEN": "a-token-of-the-application"}) as run:
        run.wait_for("running")
        put(run, "a", [[1, "ann", 2.5], [2, "bob", 1]])
        run.wait_for_batch(0)
        m.wait_until(lambda: run.get("/endpoints"), "the endpoints")
        url = run.get("/endpoints")[0]["url"]
        for target in ("/person/ann", "/person/nobody", "/people", "/total?wait_for_batch=0", "/nothing", "/total?odd=1"):
            answer = try_it(run, target)
            status, headers, body = from_outside(url + target, "a-token-of-the-application")
            assert (answer["status"], answer["body"]) == (status, body), (target, answer, status, body)
            assert answer["bytes"] == len(body) and not answer["truncated"] and answer["ms"] > 0, answer
            batch = [h["value"] for h in answer["headers"] if h["name"] == "Millrace-Batch"]
            assert batch == ([headers["Millrace-Batch"]] if "Millrace-Batch" in headers else []), (target, answer)
        assert try_it(run, "/person/ann")["status"] == 200 and try_it(run, "/person/nobody")["status"] == 404
        assert try_it(run, "/people/changes", 400)["code"] == "stream"
        for odd in ("", "people", "/a/../b", "/%zz", 7, None):
            assert try_it(run, odd, 400)["code"] == "bad_request", odd
    with running() as run:
        run.wait_for("running")
        assert try_it(run, "/people", 409)["code"] == "no_endpoints"


CASES = [tables, answers, wrong, limits, beside, endpoint]


if __name__ == "__main__":
    sys.exit(report("control tables", CASES))
