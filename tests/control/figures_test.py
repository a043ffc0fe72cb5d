"""What the control API tells of batches, state, checks and the quarantine: every field of the contract, and what they say.

Usage: figures_test.py [CASE ...]
"""
import gzip
import json
import sys
import urllib.request

from watched import m, report, running

PATH = "/pipelines/watched"

STATEFUL = """
pipeline: watched
trigger: as_fast_as_possible
checkpoint: { snapshot_interval: 1h }
sources:
  rows:
    from: { type: files, path: in }
    format: csv
    schema: 'id BIGINT, who TEXT, seen TIMESTAMP'
    max_files_per_trigger: 1
    watermark: { column: seen, delay: 0s }
datasets:
  windows: SELECT tumble(seen, INTERVAL 1 MINUTE) AS w, who, count(*) AS n FROM rows GROUP BY ALL
  kinds: { sql: 'SELECT who, count(*) AS n FROM rows GROUP BY who', state_ttl: 1h }
  total: SELECT count(*) AS n FROM rows
  growing: SELECT id % 3 AS third, max(seen) AS newest FROM rows GROUP BY third
sinks:
  a: { from: windows, to: blackhole }
  b: { from: kinds, to: blackhole }
  c: { from: total, to: blackhole }
  d: { from: growing, to: blackhole }
"""

CHECKED = """
pipeline: watched
trigger: as_fast_as_possible
sources:
  rows: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT, seen TIMESTAMP', max_files_per_trigger: 1,
          watermark: { column: seen, delay: 1s } }
datasets:
  passed: SELECT * FROM rows WHERE id <> 13
checks:
  passed:
    - { name: small, expect: id < 100, otherwise: quarantine }
    - { name: even, expect: id % 2 = 0, otherwise: warn }
sinks:
  out: { from: passed, to: { type: files, path: out }, format: csv }
"""


def put(run, name, rows, header=("id", "who", "seen")):
    m.write_csv(run.home / "in" / f"{name}.csv", list(header), rows)


def at(minute):
    return f"2026-01-01 00:{minute:02}:00"


EPOCH_MS = 1_767_225_600_000  # 2026-01-01


def state():
    """Keys, rows, bytes in memory and on disk, what changed, what was forgotten, and the oldest, also of batches before."""
    with running(text=STATEFUL) as run:
        put(run, "a", [[1, "ann", at(0)], [2, "bob", at(0)], [3, "ann", at(1)]])
        run.wait_for_batch(0)
        put(run, "b", [[4, "ann", at(5)]])
        run.wait_for_batch(1)
        first = {s["id"]: s for s in run.get(f"{PATH}/state?at=0")}
        second = {s["id"]: s for s in run.get(f"{PATH}/state")}
        assert set(first) == set(second) == {"windows", "kinds", "total", "growing"}, (first, second)
        for table in [*first.values(), *second.values()]:
            assert set(table) == {"id", "kind", "keys", "rows", "bytes", "mem", "disk", "updated", "evicted", "oldest",
                                  "ttl", "history"}, table
            assert table["mem"] == table["bytes"] and table["disk"] >= 0, table
        assert "who" in second["windows"]["keys"] and second["kinds"]["keys"] == "who", second
        assert second["total"]["keys"] == "" and second["total"]["rows"] == 1, second
        assert [second[n]["ttl"] for n in ("windows", "kinds", "total", "growing")] == \
            ["watermark", "1h 00m", "one row", "none"], second
        # At 00:01 the windows of 00:00 were closed, at 00:05 that of 00:01.
        assert (first["windows"]["rows"], first["windows"]["evicted"]) == (1, 2), first["windows"]
        assert (second["windows"]["rows"], second["windows"]["evicted"]) == (1, 1), second["windows"]
        assert first["windows"]["oldest"] == EPOCH_MS + 60_000, first["windows"]
        assert second["windows"]["oldest"] == EPOCH_MS + 300_000, second["windows"]
        assert (first["kinds"]["updated"], second["kinds"]["updated"], second["kinds"]["rows"]) == (2, 1, 2)
        assert second["growing"]["oldest"] is None and second["growing"]["evicted"] == 0
        # Changes were logged: what is on disk grows, and a snapshot makes it what there is.
        assert 0 < first["kinds"]["disk"] < second["kinds"]["disk"], (first["kinds"], second["kinds"])
        assert len(second["kinds"]["history"]) == 2 and len(first["kinds"]["history"]) == 1
        run.control("savepoint")
        put(run, "c", [[5, "cid", at(6)]])
        run.wait_for_batch(2)
        third = {s["id"]: s for s in run.get(f"{PATH}/state")}
        assert third["kinds"]["rows"] == 3 and third["kinds"]["disk"] > 0
        run.end()
        run.start()
        put(run, "d", [[6, "cid", at(6)]])
        run.wait_for_batch(3)
        fourth = {s["id"]: s for s in run.get(f"{PATH}/state")}
        assert fourth["kinds"]["disk"] > third["kinds"]["disk"], (third["kinds"], fourth["kinds"])


BATCH = {"p": str, "n": int, "at": int, "ms": (int, float), "outcome": str, "phases": list, "nodes": list, "edges": list,
         "sources": list, "sinks": list, "checks": list, "spans": list, "watermark": int, "progress": dict,
         "fingerprint": str}
PARTS = {
    "phases": {"name": str, "start": (int, float), "ms": (int, float), "p50": (int, float), "what": str},
    "nodes": {"id": str, "in": int, "out": int, "emitted": int, "absorbed": int, "filtered": int, "late": int,
              "duplicate": int, "quarantined": int, "ms": (int, float), "start_ms": (int, float),
              "bytes": (int, type(None)), "state_rows": int, "state_bytes": int},
    "edges": {"from": str, "to": str, "rows": int, "bytes": (int, type(None))},
    "sources": {"id": str, "kind": str, "where": str, "parts": list, "watermark": (int, type(None)), "allowed_ms": int},
    "sinks": {"id": str, "kind": str, "where": str, "rows": int, "bytes": int, "files": int, "version": str,
              "ms": (int, float)},
    "checks": {"name": str, "dataset": str, "expr": str, "consequence": str, "passed": int, "failed": int},
    "spans": {"lane": str, "phase": str, "start": (int, float), "ms": (int, float), "rows": int, "p50": (int, float)},
}
PART = {"part": str, "from": (int, type(None)), "to": (int, type(None)), "head": (int, type(None)),
        "watermark": (int, type(None)), "idle_ms": int}
LINE = {"p": str, "n": int, "at": int, "ms": (int, float), "ph": list, "rows_in": int, "rows_out": int, "late": int,
        "dup": int, "filtered": int, "quarantined": int, "lag_rows": int, "freshness_ms": (int, float),
        "wm_delay_ms": (int, float), "state_bytes": int, "failed_checks": int, "ok": bool}


def shaped(what, fields):
    for name, kind in fields.items():
        assert name in what and isinstance(what[name], kind), (name, what.get(name), what)


def batch():
    """All fields of a batch, with what was true of it; compressed, and never asked for twice."""
    with running(text=CHECKED) as run:
        put(run, "a", [[1, at(0)], [2, at(0)], [13, at(1)], [200, at(2)]], ("id", "seen"))
        run.wait_for_batch(0)
        put(run, "b", [[4, at(3)]], ("id", "seen"))
        run.wait_for_batch(1)
        status, headers, answer = run.ask(f"{PATH}/batches/0?of={run.summary()['checkpoint']}")
        assert status == 200 and "immutable" in headers["Cache-Control"], headers
        shaped(answer, BATCH)
        shaped(answer["progress"], LINE)
        for name, fields in PARTS.items():
            assert answer[name], name
            for one in answer[name]:
                shaped(one, fields)
        for source in answer["sources"]:
            assert source["parts"], source
            for part in source["parts"]:
                shaped(part, PART)
        assert [p["name"] for p in answer["phases"]] == ["plan", "read", "run", "stage", "commit"]
        nodes = {n["id"]: n for n in answer["nodes"]}
        assert (nodes["passed"]["in"], nodes["passed"]["filtered"], nodes["passed"]["quarantined"],
                nodes["passed"]["out"]) == (4, 1, 1, 2), nodes
        checks = {c["name"]: (c["passed"], c["failed"], c["consequence"]) for c in answer["checks"]}
        assert checks["small"] == (2, 1, "quarantine") and checks["even"][1] == 1, checks
        assert answer["watermark"] == EPOCH_MS + 119_000 and answer["outcome"] == "committed"
        assert answer["holder"]["source"] == "rows", answer["holder"]
        assert any(p["p50"] > 0 for p in run.get(f"{PATH}/batches/1")["phases"])
        assert answer["fingerprint"] == run.get(f"{PATH}/batches/1")["fingerprint"] != ""
        request = urllib.request.Request(f"{run.url}/api/v1{PATH}/batches/0", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as packed:
            assert packed.headers["Content-Encoding"] == "gzip" and json.loads(gzip.decompress(packed.read())) == answer
            tag = packed.headers["ETag"]
        for known in (tag, headers["ETag"]):
            assert run.ask(f"{PATH}/batches/0", headers={"If-None-Match": known})[0] == 304
        some = run.get(f"{PATH}/batches/0?nodes=passed,rows")
        assert {n["id"] for n in some["nodes"]} == {"passed", "rows"}
        assert {s["lane"] for s in some["spans"]} <= {"passed", "rows"}


def groups():
    """Sums of groups: the folders that datasets' files are in."""
    text = CHECKED.replace("datasets:\n", "datasets:\n  x: team/x.sql\n  y: team/y.sql\n").replace(
        "sinks:\n", "sinks:\n  sx: { from: x, to: blackhole }\n  sy: { from: y, to: blackhole }\n")

    def team(home):
        (home / "team").mkdir(exist_ok=True)
        (home / "team/x.sql").write_text("SELECT * FROM rows WHERE id < 3")
        (home / "team/y.sql").write_text("SELECT * FROM x")
    with running(text=text, before=team) as run:
        put(run, "a", [[1, at(0)], [2, at(0)], [5, at(1)]], ("id", "seen"))
        run.wait_for_batch(0)
        whole = {n["id"]: n for n in run.get(f"{PATH}/batches/0")["nodes"]}
        answer = run.get(f"{PATH}/batches/0?nodes=groups")
        nodes = {n["id"]: n for n in answer["nodes"]}
        assert "group:team" in nodes and "x" not in nodes and "passed" in nodes, nodes
        for field in ("in", "out", "filtered"):
            assert nodes["group:team"][field] == whole["x"][field] + whole["y"][field]
        edges = {(e["from"], e["to"]): e["rows"] for e in answer["edges"]}
        assert edges[("rows", "group:team")] == 3 and ("x", "y") not in edges, edges
        assert not any(a == b for a, b in edges), edges


def checks():
    """Checks with what failed before, when last, and a row that did."""
    with running(text=CHECKED) as run:
        for i, ids in enumerate([[2, 200], [4, 6], [8, 3], [10, 10]]):
            put(run, f"f{i}", [[n, at(i)] for n in ids], ("id", "seen"))
            run.wait_for_batch(i)
        rows = {c["name"]: c for c in run.get(f"{PATH}/checks")}
        assert rows["small"]["history"] == [1, 0, 0, 0] and rows["small"]["failed_total"] == 1
        assert rows["small"]["last_failed"] == 0 and "200" in rows["small"]["sample"], rows["small"]
        assert rows["even"]["history"] == [0, 0, 1, 0] and rows["even"]["last_failed"] == 2, rows["even"]
        assert rows["even"]["consequence"] == "warn" and "sample" not in rows["even"]
        then = {c["name"]: c for c in run.get(f"{PATH}/checks?at=1")}
        assert then["even"]["history"] == [0, 0] and "last_failed" not in then["even"], then
        assert run.summary()["checks"] == 2 and run.summary()["checks_failing"] == 0
        run.end()
        run.start()
        m.wait_until(lambda: run.summary()["state"] == "running", "the restart")
        again = {c["name"]: c for c in run.get(f"{PATH}/checks")}
        assert again == rows, (rows, again)


def quarantine():
    """Rows by status, check and dataset, page by page; what was discarded, or read again, is still told of."""
    path = f"{PATH}/quarantine"
    with running(trigger="as_fast_as_possible") as run:
        for i, text in enumerate(["1\nbad\nworse\n", "2\nworst\n", "3\nugly\nugly\n"]):
            (run.home / "in/.x").write_text("id\n" + text)
            (run.home / "in/.x").rename(run.home / f"in/x{i}.csv")
            run.wait_for_batch(i)
        rows = run.get(path)
        assert [r["raw"] for r in rows] == ["ugly", "ugly", "worst", "bad", "worse"], rows
        assert {r["status"] for r in rows} == {"open"} and {r["check"] for r in rows} == {"malformed"}
        assert len({r["id"] for r in rows}) == 5
        for fields in ({"check": "malformed"}, {"dataset": "rows"}, {"status": "open"}):
            name, value = next(iter(fields.items()))
            assert run.get(f"{path}?{name}={value}") == rows, fields
        for fields in ("check=other", "dataset=other", "status=waiting", "status=replayed"):
            assert run.get(f"{path}?{fields}") == [], fields
        assert run.ask(f"{path}?status=strange")[0] == 400
        pages, cursor = [], ""
        while page := run.get(f"{path}?limit=2&cursor={cursor}"):
            pages += page
            cursor = page[-1]["id"]
        assert pages == rows
        # Ids stay those of the same rows when others go.
        bad, worse = rows[3], rows[4]
        run.ask(path, {"action": "discard", "ids": [bad["id"]]})
        assert run.get(f"{path}?status=open")[-1] == worse
        gone = run.get(f"{path}?status=discarded")
        assert [(r["raw"], r["batch"], r["status"]) for r in gone] == [("bad", 0, "discarded")], gone
        assert run.summary()["quarantine_open"] == 4
        assert run.ask(path, {"action": "discard", "ids": [bad["id"]]})[2]["rows"] == 0
        # Only the file with this row is read again.
        run.control("pause")
        run.wait_for("paused")
        status, _, answer = run.ask(path, {"action": "replay", "ids": [rows[2]["id"]]})
        assert status == 200 and answer == {"batch": 3, "rows": 1}, answer
        run.wait_for_batch(3)
        assert run.get("/pipelines/watched/progress?from=3")[0]["rows_in"] == 1
        opened = run.get(f"{path}?status=open")
        assert [(r["raw"], r["batch"]) for r in opened] == [("worst", 3), ("ugly", 2), ("ugly", 2), ("worse", 0)], opened
        again = run.get(f"{path}?status=replayed")
        assert [(r["raw"], r["batch"], r["read_by"]) for r in again] == [("worst", 1, 3)], again
        assert len(run.get(path)) == 6
        pages, cursor = [], ""
        while page := run.get(f"{path}?limit=4&cursor={cursor}"):
            pages += page
            cursor = page[-1]["id"]
        assert pages == run.get(path)
        m.kill(run.process)
        run.end()
        run.start()
        run.wait_for("running")
        assert len(run.get(path)) == 6 and run.get(f"{path}?status=discarded") == gone
        assert run.ask(path, {"action": "discard", "all": True})[2]["rows"] == 4
        assert run.summary()["quarantine_open"] == 0 and run.get(f"{path}?status=open") == []
        assert run.written() == ["1", "2", "3"]


def mended():
    """Rows that wait to be read again say so, and are rows of the result once the batch could read them."""
    path = f"{PATH}/quarantine"
    with running(trigger="1h", columns="id BIGINT") as run:
        run.wait_for("running")
        (run.home / "in/x.csv").write_text("id\nbad\n")
        run.control("trigger")
        run.wait_for_batch(0)
        # Two wishes before one batch: both are read.
        (run.home / "in/y.csv").write_text("id\nworse\n")
        run.control("trigger")
        run.wait_for_batch(1)
        run.control("pause")
        run.wait_for("paused")
        a, b = (r["id"] for r in run.get(path))
        first = run.ask(path, {"action": "replay", "ids": [a]})[2]
        second = run.ask(path, {"action": "replay", "ids": [b]})[2]
        assert first["rows"] == second["rows"] == 1, (first, second)
        m.wait_until(lambda: len(run.get(f"{path}?status=replayed")) == 2, "both")
        assert run.get(f"{path}?status=waiting") == []
        assert run.ask(path, {"action": "replay", "check": "refused"})[2]["code"] == "nothing_to_replay"


CASES = [state, batch, groups, checks, quarantine, mended]


if __name__ == "__main__":
    sys.exit(report("control figures", CASES))
