#!/usr/bin/env python3
"""Requests made of what /openapi.json says, by another maker's tool: no bug of the server, no answer that the description does not have, none
refused that it allows, and none answered that it does not."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import openapi  # noqa: E402
import servers  # noqa: E402
from serving import Api, same  # noqa: E402

import contract  # noqa: E402

# Schemathesis, and what it needs.
TOOL = {"schemathesis": "4.32.5", "anyio": "4.16.0", "certifi": "2026.10.18", "charset-normalizer": "3.5.2", "click": "8.5.1",
        "graphql-core": "3.3.2", "harfile": "0.6.0", "hypothesis": "6.170.15", "hypothesis-graphql": "0.13.5", "idna": "3.20", "iniconfig": "2.3.1",
        "jsonschema-rs": "0.60.3", "markdown-it-py": "4.3.0", "MarkupSafe": "3.0.4", "mdurl": "0.1.2", "packaging": "26.3", "pluggy": "1.7.0",
        "Pygments": "2.21.0", "pyrate-limiter": "4.5.1", "pytest": "9.2.0", "PyYAML": "6.0.3", "requests": "2.34.2", "rich": "15.0.0",
        "sortedcontainers": "2.4.0", "typing-extensions": "4.16.0", "urllib3": "2.8.0", "werkzeug": "3.1.9"}
SECONDS = 15  # for what is made by chance

# Batch 0 is there: waiting for others is not what is tried here. A range of dates can only be described in words.
CONFIG = """
[parameters]
"query.wait_for_batch" = 0
[[operations]]
include-path = "/days/{day}"
[operations.checks.positive_data_acceptance]
expected-statuses = [200, 400, 422]
"""

KINDS = """
pipeline: kinds
trigger: 100ms
sources:
  rows:
    from: { type: files, path: rows }
    format: csv
    schema: id BIGINT, name VARCHAR, price DOUBLE, is_new BOOLEAN, day DATE, moment TIMESTAMPTZ
datasets:
  latest: "SELECT id, max(name) AS name, max(price) AS price, bool_or(is_new) AS is_new, max(day) AS day, max(moment) AS moment FROM rows GROUP BY id"
serve:
  listen: 127.0.0.1:0
  errors: { invalid_parameter: { code: E_VALIDATION, status: 422 }, no_such_endpoint: { status: 410 } }
  endpoints:
    - get: /rows/{id}
      parameters: { id: { type: int, minimum: 0, maximum: 100 } }
      query: SELECT * FROM latest WHERE id = $id
      returns: one
    - get: /days/{day}
      parameters: { day: { type: date, minimum: 2000-01-01, maximum: 2099-12-31 } }
      query: SELECT id, day FROM latest WHERE day = $day
    - get: /path/{day}/{at}/{word}/{price}/{flag}
      parameters:
        day: { type: date }
        at: { type: timestamp }
        word: { type: string, maximum: 12 }
        price: { type: number, minimum: -1.5, maximum: 1e6 }
        flag: { type: bool }
      query: SELECT $day AS day, $at AS moment, $word AS word, $price AS price, $flag AS flag, id FROM latest WHERE id < 3
    - get: /search
      parameters:
        least: { type: int, default: 1, minimum: -5, maximum: 5 }
        price: { type: number, required: true }
        name: { type: string, minimum: 2, maximum: 8 }
        code: { type: string, pattern: "[A-Z]{2}-[0-9]+" }
        color: { type: string, enum: [red, green, "light blue"], default: green }
        is_new: { type: bool }
        since: { type: date, default: 2024-02-29 }
        at: { type: timestamp, default: "2024-02-29T12:00:00Z" }
      query: |
        SELECT *, $name AS asked_name, $code AS asked_code, $color AS asked_color, $at AS asked_at, [$name, $code] AS list, {'a': $at} AS struct
        FROM latest WHERE id >= $least AND price >= $price AND (is_new = $is_new OR $is_new IS NULL) AND day >= $since
      unknown_parameters: refuse
    - get: /first
      parameters: { limit: { type: int, default: 10, minimum: 1, maximum: 50 } }
      query: SELECT id, name FROM latest ORDER BY id LIMIT $limit
      empty: not_found
      max_rows: 2
"""
OTHERS = """
pipeline: others
sources:
  numbers: { from: { type: files, path: lake }, as: table, format: csv, schema: n BIGINT }
serve:
  listen: 127.0.0.1:0
  endpoints:
    - { get: /sums, parameters: { least: { type: int, default: 0 } }, query: SELECT sum(n)::BIGINT AS sum FROM numbers WHERE n >= $least }
"""
ROWS = '''id,name,price,is_new,day,moment
1,"Ann, ""A""",1.5,true,2024-02-29,2024-02-29T12:00:00Z
2,Zoë,,false,,
3,,NaN,,2025-01-01,2025-01-01T00:00:00.123456+02:00
'''


def tried(api, home):
    (home / "schemathesis.toml").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", home / "schemathesis.toml", "run", f"http://127.0.0.1:{api.port}/openapi.json",
         "--checks", "all", "--phases", "coverage,fuzzing", "--exclude-path-regex", "/changes$", "--max-time", str(SECONDS), "--max-examples", "25",
         "--seed", "20261123", "--no-color", "--generation-database", "none"],
        cwd=home, env={**os.environ, "PYTHONPATH": servers.modules(TOOL)}, capture_output=True, text=True, timeout=110)
    tried_all = re.search(r"(\d+) generated, (\d+) (passed|skipped)", done.stdout)
    assert done.returncode == 0 and tried_all and int(tried_all[1]) > 20, done.stdout[-5000:] + done.stderr[-1000:]
    status = api.get("/healthz")[0]
    assert status == 200, status


def described(home):
    """It is OpenAPI 3.1, before and after the first batch, and with nothing that is made in batches; the changes of a table are in it, and their
    errors are as it says."""
    prepare(home)
    with Api("serve", "embedded.yaml", cwd=home) as api:
        before = api.get("/openapi.json")[2]
        openapi.validate(before)
        for path in ("/customer/1", "/profile/changes"):
            status, headers, body = api.get(path)
            same((status, headers["Retry-After"]), (503, "1"), path)
            openapi.check(before, body, schema_of(before, path.replace("1", "{id}"), 503), path)
    with Api("run", "embedded.yaml", "--control", "127.0.0.1:0", cwd=home) as api:
        m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
        document = api.get("/openapi.json")[2]
        same(document, before, "the document after the first batch")
        changes = document["paths"]["/profile/changes"]["get"]
        assert {"200", "400", "404", "405", "503", "504"} <= set(changes["responses"]), changes["responses"].keys()
        same(list(changes["responses"]["200"]["content"]), ["text/event-stream"], "what changes are sent as")
        for path, method, status in (("/profile/changes?after=x", "GET", 400), ("/profile/changes?after=-2", "GET", 400), ("/profile/change", "GET", 404),
                                     ("/profile/changes", "POST", 405)):
            got, headers, body = api.get(path, method=method)
            same((got, headers["Content-Type"]), (status, "application/json"), path)
            openapi.check(document, body, schema_of(document, "/profile/changes", status), path)
        status, _, body = api.get("/customer/1")
        openapi.check(document, body, schema_of(document, "/customer/{id}", status), "a row")
    (home / "lake").mkdir(exist_ok=True)
    (home / "others.yaml").write_text(OTHERS)
    with Api("serve", "others.yaml", cwd=home) as api:
        document = api.get("/openapi.json")[2]
        openapi.validate(document)
        same([each["name"] for each in document["paths"]["/sums"]["get"]["parameters"]], ["least"], "parameters of what is made by nobody here")
        same(sorted(document["paths"]["/sums"]["get"]["responses"]["200"]["headers"]), ["ETag", "Millrace-Truncated"], "its headers")


def schema_of(document, path, status):
    return document["paths"][path]["get"]["responses"][str(status)]["content"]["application/json"]["schema"]


def prepare(home):
    shutil.copytree(contract.EXAMPLE, home, ignore=shutil.ignore_patterns("input", "lake", ".millrace", "*.duckdb*"))
    contract.generate(home)
    text = (home / "embedded.yaml").read_text()
    (home / "embedded.yaml").write_text(text.replace("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0").replace("trigger: 10s", "trigger: 100ms"))


def the_contract(home):
    prepare(home)
    with Api("run", "embedded.yaml", "--control", "127.0.0.1:0", cwd=home) as api:
        m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
        tried(api, home)


def every_kind_of_parameter(home):
    (home / "rows").mkdir(parents=True)
    (home / "rows" / "a.csv").write_text(ROWS)
    (home / "kinds.yaml").write_text(KINDS)
    with Api("run", "kinds.yaml", "--control", "127.0.0.1:0", cwd=home) as api:
        m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
        tried(api, home)


def main():
    report = m.Report("requests made of the API's description")
    with tempfile.TemporaryDirectory(prefix="millrace-openapi-") as folder:
        for case in (described, the_contract, every_kind_of_parameter):
            report.case(case.__name__.replace("_", " "), lambda: case(pathlib.Path(folder) / case.__name__))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
