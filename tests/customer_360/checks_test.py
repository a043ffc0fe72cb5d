#!/usr/bin/env python3
"""The quality checks of customer-360 as the control API shows them, batch by batch, are what `millrace state` counts and what the input has; also
after a restart."""
import json
import pathlib
import re
import shutil
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from serving import Api, same  # noqa: E402

import counted  # noqa: E402

EXAMPLE = m.ROOT / "examples" / "customer-360"
PIPELINE = "/api/v1/pipelines/customer-360-embedded"
ROWS, EVENTS = 2_000, 400  # of a batch


def get(api, path):
    url = re.search(r"control at (http://\S+)", api.log())[1]
    with urllib.request.urlopen(url + path, timeout=20) as answer:
        return json.loads(answer.read())


def run(home):
    return Api("run", "embedded.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home)


def feed(home, batch):
    m.run("generate", "shop", "--out", "input", *(["--append"] if batch else []), "--first", batch * ROWS, "--rows", ROWS, "--invalid", "0.05", cwd=home)
    m.run("generate", "events", "--out", "input/events", *(["--append"] if batch else []), "--first", batch * EVENTS, "--rows", EVENTS, "--invalid", "0.1", cwd=home)


def fed_and_run(api, home, batch):
    """Files that appear while a batch begins may come in the next."""
    before = get(api, PIPELINE)["batch"]
    feed(home, batch)
    m.wait_until(lambda: get(api, PIPELINE)["batch"] > before and all_rows(api, "transactions.has_ids") == (batch + 1) * ROWS
                 and all_rows(api, "received.readable") == (batch + 1) * EVENTS, f"the rows of batch {batch}")


def sums(api):
    """What each check has seen and found, over the batches."""
    found, last = {}, get(api, PIPELINE)["batch"]
    for at in range(last + 1):
        for check in get(api, f"{PIPELINE}/checks?at={at}"):
            name = f"{check['dataset']}.{check['name']}"
            rows, failed = found.get(name, (0, 0))
            found[name] = (rows + check["passed"] + check["failed"], failed + check["failed"])
    return found


def all_rows(api, check):
    return sums(api)[check][0]


def as_state_counts(api, home):
    shown, state = sums(api), counted.in_all("embedded.yaml", home)
    same(sorted(shown), sorted(state), "checks")
    same({name: failed for name, (_, failed) in shown.items()}, {name: violations for name, (_, violations) in state.items()}, "violations")
    same({name: rows for name, (rows, _) in shown.items()}, {name: rows for name, (rows, _) in state.items()}, "rows that were looked at")
    last = {f"{check['dataset']}.{check['name']}": check for check in get(api, f"{PIPELINE}/checks")}
    same({name: check["failed_total"] for name, check in last.items()}, {name: failed for name, (_, failed) in shown.items()}, "violations in all")
    same({name: sum(check["history"]) for name, check in last.items()}, {name: failed for name, (_, failed) in shown.items()}, "the history")
    return state


def while_it_runs(api, home):
    for batch in range(1, 4):
        fed_and_run(api, home, batch)
        as_state_counts(api, home)


def after_a_restart(api, home):
    m.wait_until(lambda: get(api, PIPELINE)["state"] == "running", "it to run")
    before = as_state_counts(api, home)
    fed_and_run(api, home, 4)
    after = as_state_counts(api, home)
    assert all(after[name][1] >= found for name, (_, found) in before.items()), (before, after)


def what_the_input_has(api, home):
    """Of those that are easily counted by hand."""
    rows = [line.split(",") for path in (home / "input" / "transactions").glob("*.csv") for line in path.read_text().splitlines()[1:]]
    bad = sum(float(amount or 1) <= 0 or int(qty or 1) <= 0 for _, _, _, qty, amount, _ in rows)
    found = counted.in_all("embedded.yaml", home)
    same(found["transactions.positive"][1], bad, "amounts and pieces that are not positive")
    broken = 0
    for path in (home / "input" / "events").glob("*.json"):
        for line in path.read_bytes().splitlines():
            try:
                json.loads(line)
            except ValueError:
                broken += 1
    assert bad > 50 and broken > 50, (bad, broken)
    assert found["received.readable"][1] >= broken, (found["received.readable"], broken)


def main():
    report = m.Report("checks of customer-360")
    with tempfile.TemporaryDirectory(prefix="millrace-checks-") as folder:
        home = pathlib.Path(folder) / "home"
        shutil.copytree(EXAMPLE, home, ignore=shutil.ignore_patterns("input", "lake", ".millrace", "*.duckdb*"))
        text = (home / "embedded.yaml").read_text()
        (home / "embedded.yaml").write_text(text.replace("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0").replace("trigger: 10s", "trigger: 100ms"))
        feed(home, 0)
        for cases in ((while_it_runs,), (after_a_restart, what_the_input_has)):
            with run(home) as api:
                m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
                for case in cases:
                    report.case(case.__name__.replace("_", " "), lambda: case(api, home))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
