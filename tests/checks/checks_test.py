"""Quality checks: each kind and each consequence, counted, and the same after kills and restarts."""
import json
import pathlib
import shutil
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support")]
import millrace as m  # noqa: E402

FAULTS = ["checkpoint.offsets.after_sync", "batch.after_run", "batch.after_stage", "quarantine.after_sync",
          "batch.after_quarantine", "batch.after_publish", "checkpoint.commit.after_sync"]


def pipeline(folder, checks, of="valid", more_datasets="", more_sources="", more_sinks=""):
    """Orders of a folder of CSV files, a file a batch; `valid` has checks and goes to a store."""
    (folder / "in").mkdir(exist_ok=True)
    file = folder / "pipeline.yaml"
    text = "".join(f"    - {{ {check} }}\n" for check in checks)
    file.write_text(f"""
pipeline: checked
sources:
  orders:
    from: {{ type: files, path: in }}
    format: csv
    schema: 'id BIGINT, customer INTEGER, amount DECIMAL(10,2), kind VARCHAR'
    max_files_per_trigger: 1
{more_sources}
datasets:
  valid: SELECT * FROM orders
  totals: SELECT count(*) AS n, sum(amount) AS amount FROM {of}
{more_datasets}
checks:
  {of}:
{text}
sinks:
  out: {{ from: {of}, to: {{ type: store, path: out.duckdb }}, table: result }}
  totals: {{ from: totals, to: {{ type: store, path: out.duckdb }}, table: totals }}
{more_sinks}
""")
    return file


def give(folder, name, rows):
    (folder / "in").mkdir(exist_ok=True)
    m.write_csv(folder / "in" / f"{name}.csv", ["id", "customer", "amount", "kind"], rows)


def orders(first, last):
    """Every tenth has a negative amount, every seventh no kind, every thirteenth an unknown customer."""
    return [(i, 1000 if i % 13 == 0 else i % 5, f"{'-' if i % 10 == 0 else ''}{i}.25", None if i % 7 == 0 else "book")
            for i in range(first, last)]


def batches(file, folder, check=True, env=None):
    done = m.run("run", file, "--once", "--progress", "json", cwd=folder, check=check, env=env)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def ids(file, folder):
    return sorted(r["id"] for r in m.query(file, "SELECT id FROM out", cwd=folder))


def kept(file, folder):
    return json.loads(m.run("quarantine", "list", file, "--json", cwd=folder).stdout)


def state(file, folder):
    return json.loads(m.run("state", file, "--json", cwd=folder).stdout)["checks"]


def consequences(folder, of):
    file = pipeline(folder, [
        "name: positive, expect: amount > 0, otherwise: quarantine",
        "name: has_kind, expect: kind = 'book', otherwise: drop",
        "name: known, expect: customer < 1000, otherwise: warn",
        "name: sane, expect: id >= 0, otherwise: fail"], of=of)
    give(folder, 0, orders(0, 100))
    give(folder, 1, orders(100, 200))
    done, progress = batches(file, folder)
    want = [i for i in range(200) if i % 10 and i % 7]
    assert ids(file, folder) == want, ids(file, folder)[:10]
    [totals] = m.query(file, "SELECT * FROM totals", cwd=folder)
    assert totals["n"] == len(want), totals
    first = progress[0]["checks"][of]
    assert first == {"positive": {"rows": 100, "violations": 10, "otherwise": "quarantine"},
                     "has_kind": {"rows": 100, "violations": 15, "otherwise": "drop"},
                     "known": {"rows": 100, "violations": 8, "otherwise": "warn"},
                     "sane": {"rows": 100, "violations": 0, "otherwise": "fail"}}, first
    [counts] = [d for d in progress[0]["datasets"] if d["name"] == of]
    gone = sum(1 for i in range(100) if i % 10 == 0 or i % 7 == 0)
    assert counts["in"] == 100 and counts["out"] == 100 - gone and counts["removedByChecks"] == gone, counts
    assert all(":" not in d["name"] for d in progress[0]["datasets"]), progress[0]["datasets"]
    # Five samples a batch and check, and no more.
    assert done.stderr.count("violates check known") == 10, done.stderr
    [group] = kept(file, folder)
    assert group["of"] == f"checks of {of}" and group["rows"] == 20, group
    shown = m.run("quarantine", "show", file, "--of", of, cwd=folder).stdout
    assert "check positive: amount > 0" in shown and '"id":110' in shown and '"-110.25"' in shown, shown
    said = m.run("quarantine", "replay", file, cwd=folder)
    assert "nothing is in quarantine that could be read again" in said.stdout and "quality checks" in said.stderr, said
    assert state(file, folder)[of]["positive"] == {"rows": 200, "violations": 20}, state(file, folder)
    words = m.run("state", file, cwd=folder).stdout
    assert f"{of}.positive: 20 violations of 200 rows (quarantine)" in words, words
    give(folder, 2, orders(200, 300))
    said = m.run("run", file, "--once", "--progress", "log", cwd=folder).stderr
    assert "violations of checks" in said and "; " in said, said
    assert state(file, folder)[of]["positive"] == {"rows": 300, "violations": 30}, state(file, folder)


def failing(folder):
    file = pipeline(folder, ["name: positive, expect: amount > 0, otherwise: fail"])
    give(folder, 0, [(1, 1, "1", "a")])
    give(folder, 1, [(2, 1, "2", "a"), (3, 1, "-3", "a")])
    done, _ = batches(file, folder, check=False)
    assert done.returncode not in (0, -6, -11), done.returncode
    assert "positive" in done.stderr and "valid" in done.stderr and '"id":3' in done.stderr, done.stderr
    assert ids(file, folder) == [1], ids(file, folder)
    assert state(file, folder)["valid"]["positive"] == {"rows": 1, "violations": 0}
    # With the check gone, or the data mended, it goes on where it stopped.
    file = pipeline(folder, ["name: positive, expect: amount > 0, otherwise: warn"])
    batches(file, folder)
    assert ids(file, folder) == [1, 2, 3]


def null_is_a_violation(folder):
    file = pipeline(folder, ["name: book, expect: kind = 'book', otherwise: drop"])
    give(folder, 0, [(1, 1, "1", None), (2, 1, "1", "book"), (3, 1, "1", "pen")])
    batches(file, folder)
    assert ids(file, folder) == [2]


def shares(folder):
    file = pipeline(folder, ["name: few, expect: amount > 0, max_share: 0.5, otherwise: fail",
                             "name: some, expect: kind = 'book', max_share: 0.25, otherwise: drop"])
    give(folder, 0, [(1, 1, "-1", "book"), (2, 1, "1", "pen"), (3, 1, "1", "pen"), (4, 1, "-1", "book")])
    _, [first] = batches(file, folder)
    assert ids(file, folder) == [1, 4]  # half is not more than half
    assert len(first["alerts"]) == 1 and "some" in first["alerts"][0] and "50 %" in first["alerts"][0], first["alerts"]
    give(folder, 1, [(5, 1, "-1", "book"), (6, 1, "-1", "book"), (7, 1, "1", "book")])
    done, _ = batches(file, folder, check=False)
    assert done.returncode != 0 and "few" in done.stderr and "max_share" in done.stderr, done.stderr
    assert ids(file, folder) == [1, 4]


def references(folder):
    (folder / "customers").mkdir()
    table = folder / "customers" / "all.csv"
    m.write_csv(table, ["customer_id"], [[1], [2]])
    source = """  customers:
    from: { type: files, path: customers }
    format: csv
    as: table
    schema: 'customer_id INTEGER'
"""
    for of in ["valid", "orders"]:
        home = folder / of
        home.mkdir()
        shutil.copytree(folder / "customers", home / "customers")
        file = pipeline(home, ["name: known, references: customers.customer_id, column: customer, otherwise: drop",
                               "name: positive, expect: amount > 0, otherwise: warn"], of=of, more_sources=source)
        give(home, 0, [(1, 1, "1", "a"), (2, 3, "1", "a"), (3, None, "1", "a")])
        _, [first] = batches(file, home)
        assert first["checks"][of]["known"]["violations"] == 1, first
        assert ids(file, home) == [1, 3]  # NULL refers to nothing
        m.write_csv(home / "customers" / "all.csv", ["customer_id"], [[3]])
        give(home, 1, [(4, 1, "1", "a"), (5, 3, "1", "a")])
        batches(file, home)
        assert ids(file, home) == [1, 3, 5]


def sequences(folder):
    file = pipeline(folder, ["name: no_gaps, sequence: id, otherwise: warn"])
    give(folder, 0, [(i, 1, "1", "a") for i in (12, 10, 11, 15, 14, 14)])
    _, [first] = batches(file, folder)
    assert first["checks"]["valid"]["no_gaps"]["violations"] == 1 and "13" in first["alerts"][0], first
    # The next number, in a new process; then a gap between two batches; then what was missing.
    give(folder, 1, [(16, 1, "1", "a")])
    give(folder, 2, [(20, 1, "1", "a"), (21, 1, "1", "a")])
    give(folder, 3, [(13, 1, "1", "a"), (22, 1, "1", "a")])
    _, progress = batches(file, folder)
    assert [p["checks"]["valid"]["no_gaps"]["violations"] for p in progress] == [0, 3, 0], progress
    assert "17 to 19" in progress[1]["alerts"][0], progress[1]["alerts"]
    assert state(file, folder)["valid"]["no_gaps"] == {"rows": 11, "violations": 4, "last": 22}, state(file, folder)
    file = pipeline(folder, ["name: no_gaps, sequence: id, otherwise: fail"])
    give(folder, 4, [(24, 1, "1", "a")])
    done, _ = batches(file, folder, check=False)
    assert done.returncode != 0 and "23" in done.stderr and "no_gaps" in done.stderr, done.stderr


def uniqueness(folder):
    """Over batches and restarts; rows that another check takes out do not count as the first."""
    rows = [[(1, 1, "1", "a"), (2, 1, "-1", "a"), (1, 2, "2", "a"), (3, 1, "1", "a")],
            [(2, 1, "1", "a"), (3, 5, "1", "a"), (4, 1, "1", "a"), (None, 1, "1", "a"), (None, 2, "1", "a")]]
    want = {"drop": [1, 2, 3, 4, None], "quarantine": [1, 2, 3, 4, None], "warn": [1, 1, 2, 3, 3, 4, None, None]}
    for otherwise, there in want.items():
        home = folder / otherwise
        home.mkdir()
        file = pipeline(home, ["name: positive, expect: amount > 0, otherwise: drop",
                               f"name: once, unique: id, otherwise: {otherwise}"])
        counted = []
        for name, batch in enumerate(rows):
            give(home, name, batch)
            _, [progress] = batches(file, home)
            counted.append(progress["checks"]["valid"]["once"]["violations"])
        assert counted == [1, 2], (otherwise, counted)
        got = sorted((r["id"] for r in m.query(file, "SELECT id FROM out", cwd=home)), key=lambda i: i or 99)
        assert got == there, (otherwise, got)
        assert [g["rows"] for g in kept(file, home)] == ([3] if otherwise == "quarantine" else []), otherwise
    file = pipeline(folder / "warn", ["name: positive, expect: amount > 0, otherwise: drop",
                                      "name: once, unique: id, otherwise: fail"])
    give(folder / "warn", 3, [(4, 1, "1", "a")])
    done, _ = batches(file, folder / "warn", check=False)
    assert done.returncode != 0 and "violate check once" in done.stderr and '"id":4' in done.stderr, done.stderr


def watermarks(folder):
    """A row that a check takes out does not move the watermark."""
    (folder / "in").mkdir()
    file = folder / "pipeline.yaml"
    file.write_text("""
pipeline: checked
sources:
  events:
    from: { type: files, path: in }
    format: csv
    schema: 'id BIGINT, time TIMESTAMP'
    max_files_per_trigger: 1
    watermark: { column: time, delay: 1m }
datasets:
  hourly: SELECT tumble(time, INTERVAL 1 HOUR) AS start, count(*) AS n FROM events GROUP BY ALL
checks:
  events:
    - { name: not_in_the_future, expect: "time < TIMESTAMP '2030-01-01'", otherwise: quarantine }
sinks:
  out: { from: hourly, to: { type: store, path: out.duckdb }, table: result, mode: append }
""")
    for name, rows in enumerate([[(1, "2026-01-01 10:00:00"), (2, "2099-01-01 00:00:00")],
                                 [(3, "2026-01-01 10:30:00")], [(4, "2026-01-01 12:00:00")]]):
        m.write_csv(folder / "in" / f"{name}.csv", ["id", "time"], rows)
    batches(file, folder)
    got = m.query(file, "SELECT n FROM out", cwd=folder)
    assert got == [{"n": 2}], got


def unique_within_the_watermark(folder):
    """With a watermark a value is remembered for its delay, and what is the second one then is found."""
    (folder / "in").mkdir()
    file = folder / "pipeline.yaml"
    file.write_text("""
pipeline: checked
sources:
  events:
    from: { type: files, path: in }
    format: csv
    schema: 'id BIGINT, time TIMESTAMP'
    max_files_per_trigger: 1
    watermark: { column: time, delay: 10m }
checks:
  events:
    - { name: once, unique: id, otherwise: drop }
sinks:
  out: { from: events, to: { type: store, path: out.duckdb }, table: result }
""")
    for name, rows in enumerate([[(1, "10:00"), (2, "10:01"), (1, "10:02")], [(2, "10:05"), (3, "10:06")],
                                 [(4, "12:00")], [(5, "12:01"), (4, "12:02")]]):
        m.write_csv(folder / "in" / f"{name}.csv", ["id", "time"], [(i, f"2026-01-01 {time}:00") for i, time in rows])
    _, progress = batches(file, folder)
    assert [b["checks"]["events"]["once"]["violations"] for b in progress] == [1, 1, 0, 1], progress
    assert ids(file, folder) == [1, 2, 3, 4, 5]
    [remembered] = [d for d in progress[-1]["datasets"] if d["name"] == "events.once(id)"] or [None]
    assert remembered is None or remembered["stateRows"] <= 2, remembered


def rebuilt(folder):
    """State made anew from the input so far has the rows that the checks let pass, and counts nothing twice."""
    checks = ["name: positive, expect: amount > 0, otherwise: quarantine", "name: known, references: customers.id, column: customer, otherwise: drop"]
    tables = "  customers:\n    from: { type: files, path: customers }\n    format: csv\n    schema: id INTEGER\n    as: table\n"
    (folder / "customers").mkdir()
    m.write_csv(folder / "customers" / "all.csv", ["id"], [(i,) for i in range(5)])
    file = pipeline(folder, checks, more_sources=tables)
    give(folder, 0, orders(0, 100))
    give(folder, 1, orders(100, 200))
    batches(file, folder)
    want = [i for i in range(200) if i % 10 and i % 13]
    assert ids(file, folder) == want
    before = state(file, folder)
    file.write_text(file.read_text().replace("SELECT count(*) AS n,", "SELECT count(*) * 2 AS n,"))
    m.run("run", file, "--once", "--rebuild", "totals", cwd=folder)
    assert m.query(file, "SELECT n FROM totals", cwd=folder) == [{"n": 2 * len(want)}]
    assert state(file, folder) == before, (state(file, folder), before)
    give(folder, 2, orders(200, 300))
    batches(file, folder)
    want = [i for i in range(300) if i % 10 and i % 13]
    assert m.query(file, "SELECT n FROM totals", cwd=folder) == [{"n": 2 * len(want)}]
    assert state(file, folder)["valid"]["positive"] == {"rows": 300, "violations": 30}


def killed_in_between(folder):
    checks = ["name: positive, expect: amount > 0, otherwise: quarantine",
              "name: has_kind, expect: kind IS NOT NULL, otherwise: drop",
              "name: known, expect: customer < 1000, otherwise: warn",
              "name: once, unique: customer, otherwise: warn",
              "name: no_gaps, sequence: id, otherwise: warn"]
    want = None
    for fault in [None, *FAULTS]:
        home = folder / (fault or "none")
        home.mkdir()
        file = pipeline(home, checks)
        for part in range(4):
            give(home, part, orders(part * 60, part * 60 + 50))
        hits = (1, 2) if fault and fault.startswith("checkpoint.") else (1, 2, 3)  # then too few batches are left for a third
        for hit in hits if fault else ():
            done = m.run("run", file, "--once", cwd=home, env={"MILLRACE_FAULT": f"{fault}:{hit}"}, check=False)
            assert done.returncode == -9, (fault, hit, done)
        batches(file, home)
        got = (ids(file, home), sorted((g["of"], g["reason"], g["rows"]) for g in kept(file, home)), state(file, home))
        want = want or got
        assert got == want, (fault, got[1:], want[1:])
    assert want[2]["valid"]["no_gaps"]["violations"] == 30, want[2]


def mistakes(folder):
    def said(*checks, of="valid", **more):
        done = m.run("validate", pipeline(folder, checks, of=of, **more), cwd=folder, check=False)
        assert done.returncode != 0, (checks, done.stdout)
        return done.stderr + done.stdout

    give(folder, 0, orders(0, 10))
    text = said("name: a, expect: amont > 0, otherwise: warn")
    line = [n for n, l in enumerate((folder / "pipeline.yaml").read_text().splitlines(), 1) if "amont" in l][0]
    assert f"pipeline.yaml:{line}:26: error: check a of valid" in text and "amont" in text, text
    assert "BOOLEAN" in said("name: a, expect: amount + 1, otherwise: warn")
    assert "one row" in said("name: a, expect: count(*) > 1, otherwise: warn")
    assert "there is no column nosuch" in said("name: a, sequence: nosuch, otherwise: warn")
    assert "whole numbers" in said("name: a, sequence: kind, otherwise: warn")
    assert "no row in a gap" in said("name: a, sequence: id, otherwise: drop")
    assert "is a stream" in said("name: a, references: orders.id, otherwise: drop")
    assert "neither a dataset nor a source" in said("name: a, references: nobody.id, otherwise: drop")
    assert "needs the option `otherwise`" in said("name: a, expect: id > 0")
    assert "several things" in said("name: a, expect: id > 0, unique: id, otherwise: drop")
    text = said("name: a, expect: id > 0, otherwise: drop", "name: A, expect: id > 1, otherwise: drop")
    assert "two checks that are called `A`" in text, text
    file = pipeline(folder, ["name: a, expect: n > 0, otherwise: warn"])
    file.write_text(file.read_text().replace("  valid:\n    - {", "  totals:\n    - {"))
    done = m.run("validate", file, cwd=folder, check=False)
    assert done.returncode != 0 and "totals is a table" in done.stderr + done.stdout, done.stderr + done.stdout


def explained(folder):
    file = pipeline(folder, ["name: positive, expect: amount > 0, max_share: 0.1, otherwise: fail"])
    give(folder, 0, orders(0, 10))
    text = m.run("explain", file, cwd=folder).stdout
    assert "check:   positive: amount > 0, but for 10 % of the rows, otherwise fail" in text, text
    assert "valid:" not in text, text


def main():
    report = m.Report("checks")
    cases = [("consequences, of a dataset", lambda f: consequences(f, "valid")),
             ("consequences, of a source", lambda f: consequences(f, "orders")),
             ("a batch that fails", failing), ("NULL is a violation", null_is_a_violation),
             ("shares of a batch", shares), ("references to a table that changes", references),
             ("sequences over batches and restarts", sequences), ("uniqueness", uniqueness), ("watermarks", watermarks),
             ("unique within the watermark", unique_within_the_watermark), ("rebuilt", rebuilt),
             ("killed in between", killed_in_between), ("mistakes", mistakes), ("explained", explained)]
    for what, case in cases:
        with tempfile.TemporaryDirectory(prefix="millrace_checks_") as folder:
            report.case(what, lambda case=case, folder=folder: case(pathlib.Path(folder)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
