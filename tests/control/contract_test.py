#!/usr/bin/env python3
"""The control API's OpenAPI document: that it is one, and that every answer and event of a running process is as it says, with no field more.

Usage: contract_test.py [CASE ...]
"""
import json
import pathlib
import re
import tempfile
import urllib.parse
import urllib.request

from watched import m, report

import openapi  # noqa: E402
from daemon import Daemon  # noqa: E402

SHOP = """pipeline: shop
trigger: 100ms
checkpoint: { sync: false }
sources:
  orders:
    from: { type: files, path: in }
    format: csv
    schema: id BIGINT, who VARCHAR, spent DOUBLE, moment TIMESTAMP
    on_malformed: quarantine
    watermark: { column: moment, delay: 1m }
  ticks: { from: rate, rows_per_second: 100 }
checks:
  orders:
    - { name: positive, expect: spent > 0, otherwise: quarantine }
    - { name: known, expect: who <> 'eve', otherwise: warn }
datasets:
  people: SELECT who, count(*) AS n, sum(spent) AS spent, bool_and(spent > 1) AS rich, max(moment) AS newest FROM orders GROUP BY who
  by_hour: SELECT tumble(moment, INTERVAL 1 HOUR) AS hour, count(*) AS n FROM orders GROUP BY 1
  even: SELECT * FROM ticks WHERE value % 2 = 0
sinks:
  orders: { from: orders, to: { type: files, path: out }, format: parquet }
  hours: { from: by_hour, to: { type: files, path: hours }, format: csv }
  even: { from: even, to: blackhole }
serve:
  listen: 127.0.0.1:0
  endpoints:
    - { get: /people, query: FROM people }
alerts:
  notify: [log]
  rules:
    - { name: negative, query: SELECT who FROM people WHERE spent < 1000 }
    - { name: behind, metric: lag_rows, above: 100000, for: 5m, severity: critical }
    - { name: down, metric: state, equal: [failed, stopped] }
"""
FAILING = """pipeline: ledger
trigger: 100ms
checkpoint: { sync: false }
sources:
  rows: { from: rate, rows_per_second: 1000 }
datasets:
  divided: SELECT CAST(CASE WHEN value > 300 THEN 'x' ELSE '1' END AS INTEGER) AS d FROM rows
sinks:
  out: { from: divided, to: blackhole }
"""
OTHER = """pipeline: other
trigger: 1h
sources:
  rows: { from: rate, rows_per_second: 10 }
sinks:
  out: { from: rows, to: blackhole }
"""
ROWS = """id,who,spent,moment
1,ann,2.5,2026-01-01 00:00:00
2,bob,-1,2026-01-01 00:10:00
x,malformed,1,2026-01-01 00:20:00
3,eve,1,2026-01-01 03:00:00
"""


def started(folder, *pipelines):
    for path in ("in", "out", "hours"):
        (folder / path).mkdir()
    (folder / "in" / "a.csv").write_text(ROWS)
    return Daemon(folder, *pipelines)


class Asker:
    """Asks the routes of openapi.json, holds what is sent and what comes against it, and remembers which were asked."""

    def __init__(self, daemon):
        self.daemon, self.document, self.asked = daemon, daemon.get("/openapi.json"), set()

    def check(self, value, schema, what):
        openapi.check(self.document, value, schema, what)

    def __call__(self, route, body=None, want=200, query="", **names):
        """The answer of a route, such as "GET /api/v1/pipelines/{id}", with these names in its path."""
        method, path = route.split(" ")
        operation = self.document["paths"][path][method.lower()]
        assert (body is not None) == ("requestBody" in operation) or method == "POST", route
        if "requestBody" in operation and want != 400:
            self.check(body, operation["requestBody"]["content"]["application/json"]["schema"], f"the body of {route}")
        for name, value in names.items():
            path = path.replace(f"{{{name}}}", urllib.parse.quote(str(value)))
        known = {each["name"] for each in operation["parameters"]}
        assert set(urllib.parse.parse_qs(query)) | set(names) <= known, (route, query, known)
        status, answer = self.daemon.ask(path + (f"?{query}" if query else ""), body)
        assert status == want, (route, status, answer)
        self.asked.add(route)
        of = operation["responses"]["200"] if status == 200 else self.document["components"]["responses"]["Problem"]
        (kind, content), = of["content"].items()
        value = json.loads(answer) if kind == "application/json" else answer.decode()
        self.check(value, content["schema"], f"{route} ")
        return value


def document():
    """It is OpenAPI 3.1; every shape is used, and all objects say all of their fields."""
    with tempfile.TemporaryDirectory() as folder, started(pathlib.Path(folder), OTHER) as daemon:
        document = daemon.get("/openapi.json")
        openapi.validate(document)
        used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
        shapes = document["components"]["schemas"]
        assert used == set(shapes), used ^ set(shapes)
        open_ones = [name for name, shape in shapes.items()
                     if shape.get("type") == "object" and shape.get("additionalProperties") is not False]
        assert open_ones == ["OpenApi"], open_ones
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation["summary"] and "default" in operation["responses"], (path, method)
                assert ("requestBody" in operation) <= (method == "post"), (path, method)


def answers():
    """Every route of a running process answers as it says; and so do its problems."""
    with tempfile.TemporaryDirectory() as folder, started(pathlib.Path(folder), SHOP, FAILING) as daemon:
        daemon.wait_for_batch("shop", 3)
        daemon.wait_for("ledger", "failed")
        m.wait_until(lambda: len(daemon.get("/pipelines/shop/quarantine")) == 2, "two rows in quarantine")
        ask, api, of = Asker(daemon), "/api/v1", "/api/v1/pipelines/{id}"
        about_all(ask, api)
        for pipeline in ("shop", "ledger"):
            about_one(ask, of, pipeline)
        assert ask(f"GET {of}", id="ledger")["error"]["where"] == "dataset divided"
        about_rows(ask, of)
        steering(ask, of, api)
        daemon.kill()  # what is read back from the history is the same
        daemon.start()
        daemon.wait_for_batch("shop", 3)
        about_one(ask, of, "shop")
        stream = f"GET {api}/stream"
        declared = {f"{method.upper()} {path}" for path, operations in ask.document["paths"].items() for method in operations}
        assert ask.asked == declared - {stream}, ask.asked ^ (declared - {stream})


def about_all(ask, api):
    assert ask(f"GET {api}/access")["permission"] == "control"
    assert {each["id"] for each in ask(f"GET {api}/pipelines")} == {"shop", "ledger"}
    for path in ("process", "openapi.json"):
        assert ask(f"GET {api}/{path}"), path
    endpoint, = ask(f"GET {api}/endpoints")
    urllib.request.urlopen(f"{endpoint['url']}/people", timeout=20).read()
    m.wait_until(lambda: ask(f"GET {api}/endpoints")[0]["requests"] == 1, "the request to be counted")
    assert ask(f"GET {api}/events", query="limit=1000&level=info")
    assert ask(f"GET {api}/events", want=400, query="limit=x")["code"] == "bad_request"
    assert ask("GET /healthz") == "alive\n"
    assert ask("GET /readyz", want=503)["code"] == "not_ready"


def about_one(ask, of, pipeline):
    last = ask(f"GET {of}", id=pipeline)["progress"][-1]["n"]
    assert ask(f"GET {of}/progress", id=pipeline, query="from=0")[0]["n"] == 0
    assert ask(f"GET {of}/graph", id=pipeline)["nodes"]
    for n in range(last + 1):
        assert ask(f"GET {of}/batches/{{n}}", id=pipeline, n=n)["n"] == n
    for nodes in ("groups", "orders,people"):
        assert ask(f"GET {of}/batches/{{n}}", id=pipeline, n=0, query=f"nodes={nodes}")["n"] == 0
    for each in ("checks", "state", "alerts", "tables"):
        ask(f"GET {of}/{each}", id=pipeline)
    assert ask(f"GET {of}/batches/{{n}}", id=pipeline, n=10**9, want=404)["code"] == "batch_not_yet"


def about_rows(ask, of):
    checks = {each["name"]: each for each in ask(f"GET {of}/checks", id="shop", query="at=0")}
    assert checks["positive"]["failed"] == checks["known"]["failed"] == 1, checks
    assert ask(f"GET {of}/state", id="shop"), "no state"
    assert len(ask(f"GET {of}/alerts", id="shop")["alerts"]) == 3
    assert ask(f"GET {of}/tables", id="shop")[0]["name"] == "people"
    found = ask(f"POST {of}/query", {"sql": "FROM people ORDER BY who", "limit": 1}, id="shop")
    assert found["truncated"] and found["rows"][0][0] == "ann", found
    assert ask(f"POST {of}/query", {"sql": "SELECT nope FROM people"}, want=400, id="shop")["position"] == 7
    assert ask(f"POST {of}/try", {"target": "/people"}, id="shop")["status"] == 200
    assert ask(f"POST {of}/trace", {"dataset": "people", "where": "who = 'ann'"}, want=501, id="shop")["code"] == "no_trace"
    assert len(ask(f"GET {of}/quarantine", id="shop", query="status=open")) == 2
    assert ask(f"POST {of}/quarantine", {"action": "replay", "check": "malformed"}, id="shop")["batch"] > 0
    m.wait_until(lambda: ask(f"GET {of}/quarantine", id="shop", query="status=replayed"), "it to be read again")
    assert ask(f"POST {of}/quarantine", {"action": "discard", "check": "positive"}, id="shop") == {"rows": 1, "batch": None}
    assert ask(f"GET {of}/quarantine", id="shop", query="status=discarded")[0]["check"] == "positive"


def steering(ask, of, api):
    for action in ("savepoint", "pause"):
        assert ask(f"POST {of}/control", {"action": action}, id="shop")["state"] == "running"
    assert ask(f"POST {of}/control", {"action": "fly"}, want=400, id="shop")["code"] == "bad_request"
    ask.daemon.wait_for("shop", "paused")
    assert ask(f"POST {of}/control", {"action": "resume"}, id="shop")["state"] == "paused"
    assert ask(f"POST {of}/control", {"action": "stop"}, id="ledger")["state"] == "failed"
    m.wait_until(lambda: ask.daemon.ask("/readyz")[0] == 200, "it to be ready")
    assert ask("GET /readyz") == "ready\n"
    (ask.daemon.folder / "other.yaml").write_text(OTHER)
    (ask.daemon.folder / "wrong.yaml").write_text("pipeline: wrong\nsources: {}\n")
    reloaded = ask(f"POST {api}/reload", {})
    assert reloaded["started"] == ["other"] and reloaded["refused"][0]["mistakes"], reloaded


def events():
    """Every event of the stream is as it says, and there is one of each kind."""
    with tempfile.TemporaryDirectory() as folder, started(pathlib.Path(folder), SHOP) as daemon:
        ask, seen = Asker(daemon), set()
        content = ask.document["paths"]["/api/v1/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]
        kinds = {each["properties"]["event"]["const"] for each in ask.document["components"]["schemas"]["StreamEvent"]["oneOf"]}
        for last_id in ("", "gone-1"):
            request = urllib.request.Request(f"{daemon.url}/api/v1/stream", headers={"Last-Event-ID": last_id} if last_id else {})
            with urllib.request.urlopen(request, timeout=60) as stream:
                event = {}
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name in ("event", "data"):
                        event[name] = json.loads(value) if name == "data" else value
                    elif not name and event:
                        ask.check(event, content["schema"], "the stream ")
                        if not seen:
                            daemon.post("/pipelines/shop/control", {"action": "pause"})
                            daemon.post("/pipelines/shop/control", {"action": "resume"})
                        seen.add(event["event"])
                        event = {}
                        if seen >= kinds - {"reset"} and (not last_id or "reset" in seen):
                            break
        assert seen == kinds, seen ^ kinds


if __name__ == "__main__":
    raise SystemExit(report("the contract of the control API", [document, answers, events]))
