"""What could not be read: kept, looked at, and read again after a fix, each record once whatever happens meanwhile."""
import json
import pathlib
import shutil
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "kafka")]
import millrace as m  # noqa: E402
import servers  # noqa: E402
from kafka_test import Bench  # noqa: E402

# Where a replay may be killed; what comes before its commit must not count, what comes after must.
FAULTS = ["checkpoint.offsets.after_sync", "batch.after_run", "batch.after_stage", "quarantine.after_sync",
          "batch.after_quarantine", "batch.after_publish", "checkpoint.commit.after_sync"]


def pipeline(folder, format, amount, more=""):
    file = folder / "pipeline.yaml"
    file.write_text(f"""
pipeline: kept
sources:
  input: {{ from: {{ type: files, path: in }}, format: {format}, schema: 'id BIGINT, amount {amount}'{more} }}
datasets:
  result: SELECT id, amount::VARCHAR AS amount FROM input
  total: SELECT count(*) AS n, count(DISTINCT id) AS ids FROM input
sinks:
  out: {{ from: result, to: {{ type: store, path: out.duckdb }}, table: result }}
""")
    return file


def make_input(folder, format):
    """100 records; every fifth has an amount that is no number, every 20th no id either."""
    (folder / "in").mkdir()
    for part in range(4):
        rows = [(i if i % 20 else "none", f"{i}.5" if i % 5 else f"about {i}") for i in range(part * 25, part * 25 + 25)]
        if format == "csv":
            # The columns are in another order than in the schema.
            m.write_csv(folder / "in" / f"{part}.csv", ["amount", "id"], [[a, i] for i, a in rows])
        else:
            (folder / "in" / f"{part}.json").write_text("".join(json.dumps({"id": i, "amount": a}) + "\n" for i, a in rows))


def rows(file, folder):
    return sorted((r["id"], r["amount"]) for r in m.query(file, "SELECT * FROM out", cwd=folder))


def listed(file, folder, *more):
    return json.loads(m.run("quarantine", "list", file, "--json", *more, cwd=folder).stdout)


def looked_at(folder):
    make_input(folder, "json")
    file = pipeline(folder, "json", "DOUBLE")
    assert "nothing is in quarantine" in m.run("quarantine", "list", file, cwd=folder).stdout
    m.run("run", file, "--once", cwd=folder)
    groups = listed(file, folder)
    assert sum(g["rows"] for g in groups) == 20 and all(g["of"] == "source input" for g in groups), groups
    shown = m.run("quarantine", "show", file, "--limit", 1000, cwd=folder).stdout
    assert all(f"about {i}" in shown for i in range(0, 100, 5)), shown
    few = m.run("quarantine", "show", file, "--limit", 2, cwd=folder).stdout
    assert "and more" in few and few.count("source input, batch") == 2, few
    assert "with such a reason" in m.run("quarantine", "show", file, "--reason", "no such", cwd=folder).stdout
    assert listed(file, folder, "--of", "other") == []


def read_again(folder, format):
    make_input(folder, format)
    file = pipeline(folder, format, "DOUBLE")
    m.run("run", file, "--once", cwd=folder)
    assert len(rows(file, folder)) == 80
    file = pipeline(folder, format, "VARCHAR")  # the fix: amounts are texts now
    said = m.run("quarantine", "replay", file, "--of", "input", cwd=folder)
    assert "20 records read again" in said.stdout and "5 still malformed" in said.stdout, (said.stdout, said.stderr)
    want = sorted([(i, f"{i}.5") for i in range(100) if i % 5] + [(i, f"about {i}") for i in range(100) if i % 5 == 0 and i % 20])
    assert rows(file, folder) == want, rows(file, folder)[:5]
    [group] = listed(file, folder)
    assert group["rows"] == 5, group
    # And again: they stay, and nothing comes twice.
    said = m.run("quarantine", "replay", file, cwd=folder)
    assert "5 records read again" in said.stdout and "5 still malformed" in said.stdout, said.stdout
    assert rows(file, folder) == want and sum(g["rows"] for g in listed(file, folder)) == 5
    m.run("run", file, "--once", cwd=folder)
    assert rows(file, folder) == want


def killed_in_between(folder):
    start = folder / "start"
    start.mkdir()
    make_input(start, "json")
    m.run("run", pipeline(start, "json", "DOUBLE"), "--once", cwd=start)
    want = None
    for fault in [None, *FAULTS]:
        home = folder / (fault or "none")
        shutil.copytree(start, home)
        file = pipeline(home, "json", "VARCHAR")
        if fault:
            done = m.run("quarantine", "replay", file, cwd=home, env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
            assert done.returncode < 0, (fault, done.returncode, done.stderr)
        # Whoever comes next finishes it; a replay of nothing is no error.
        m.run("quarantine", "replay", file, cwd=home)
        m.run("run", file, "--once", cwd=home)
        got = (rows(file, home), sum(g["rows"] for g in listed(file, home)))
        want = want or got
        assert got == want, (fault, len(got[0]), len(want[0]), got[1], want[1])
    assert len(want[0]) == 95 and want[1] == 5, (len(want[0]), want[1])


def counts_what_it_puts_back(folder):
    """A record too long to be held, of which a part is gone, can't be read again: it stays, and is counted."""
    (folder / "in").mkdir()
    m.write_csv(folder / "in" / "0.csv", ["id", "amount"], [[1, "1.5"], [2, "9" * 5_000_000], [3, "2.5"]])
    file = pipeline(folder, "csv", "VARCHAR", ", max_line_bytes: 1000")
    m.run("run", file, "--once", cwd=folder)
    assert len(rows(file, folder)) == 2
    [kept] = (folder / ".millrace" / "kept" / "quarantine" / "input").glob("*.jsonl")
    parts = kept.read_text().splitlines(keepends=True)
    assert len(parts) > 1 and sum(g["rows"] for g in listed(file, folder)) == 1, len(parts)
    kept.write_text("".join(part for part in parts if json.loads(part)["part"] != 2))
    said = m.run("quarantine", "replay", file, cwd=folder)
    assert "1 record read again" in said.stdout and "1 still malformed" in said.stdout, (said.stdout, said.stderr)
    [kept] = (folder / ".millrace" / "kept" / "quarantine" / "input").glob("*.jsonl")
    assert len(kept.read_text().splitlines()) == len(parts) - 1 and len(rows(file, folder)) == 2


def nothing_to_read_again(folder):
    make_input(folder, "json")
    file = pipeline(folder, "json", "VARCHAR")
    assert "nothing is in quarantine" in m.run("quarantine", "replay", file, cwd=folder).stdout
    done = m.run("quarantine", "replay", file, "--of", "result", cwd=folder, check=False)
    assert done.returncode == 2 and "no source result" in done.stderr, done.stderr
    # What is kept of a source that is no longer there can be looked at, and is left alone.
    gone = folder / ".millrace" / "kept" / "quarantine" / "gone"
    gone.mkdir(parents=True)
    (gone / "000000000000.jsonl").write_text(json.dumps({"origin": "a.csv", "line": 1, "column": "", "reason": "old", "raw": "x"}) + "\n")
    assert "nothing is in quarantine" in m.run("quarantine", "replay", file, cwd=folder).stdout
    assert [g["of"] for g in listed(file, folder)] == ["source gone"]


def alert(folder):
    make_input(folder, "json")
    for share, alerts in (("0.15", 1), ("0.5", 0)):
        shutil.rmtree(folder / ".millrace", ignore_errors=True)
        (folder / "out.duckdb").unlink(missing_ok=True)
        file = pipeline(folder, "json", "DOUBLE", f", alert_malformed_share: {share}")
        done = m.run("run", file, "--once", "--progress", "json", cwd=folder)
        said = [a for line in done.stdout.splitlines() for a in json.loads(line)["alerts"]]
        assert len(said) == alerts and done.stderr.count("alert_malformed_share") == alerts, (said, done.stderr)
        if said:
            assert "20 of 100 records are malformed, 20 %" in said[0], said
    file = pipeline(folder, "json", "DOUBLE", ", alert_malformed_share: 2")
    assert m.run("validate", file, cwd=folder, check=False).returncode == 2


def of_a_topic(b):
    """Messages keep their coordinates, keys and headers."""
    topic = b.topic(partitions=2)
    values = [json.dumps({"id": i, "amount": "much" if i % 3 == 0 else i}) for i in range(30)]
    b.produce(topic, [{"value": v, "partition": i % 2, "timestamp": 1_700_000_000_000 + i, "key": b"\xff" + str(i).encode(),
                       "headers": [("h", str(i).encode()), ("none", None)]} for i, v in enumerate(values)]
              + [{"value": b"\xff\xfe", "partition": 0, "key": None}])
    sql = ("SELECT id, amount::VARCHAR AS amount, hex(k) AS k, p, o, epoch_ms(t) AS t, "
           "list_transform(h, x -> x.key || '=' || coalesce(decode(x.value), 'NULL')) AS h FROM input")
    metadata = "metadata: { k: key, p: partition, o: offset, t: timestamp, h: headers }"

    def source(amount, more=""):
        return f"topic: {topic}, format: json, schema: 'id BIGINT, amount {amount}', {metadata}{more}"
    b.pipeline(source("BIGINT"), sql)
    b.run()
    assert len(b.rows()) == 20
    b.pipeline(source("VARCHAR"), sql)
    said = m.run("quarantine", "replay", b.file, cwd=b.folder).stdout
    assert "11 records read again" in said and "1 still malformed" in said, said
    want = [{"id": i, "amount": "much" if i % 3 == 0 else str(i), "k": (b"\xff" + str(i).encode()).hex().upper(), "p": i % 2,
             "o": i // 2, "t": 1_700_000_000_000 + i, "h": [f"h={i}", "none=NULL"]} for i in range(30)]
    assert m.canonical(b.rows()) == m.canonical(want), b.rows()[:2]
    shown = m.run("quarantine", "show", b.file, cwd=b.folder).stdout
    assert "(base64) //4=" in shown and f"{topic}/0:15" in shown, shown


def permissive_topic(b):
    topic = b.topic(partitions=1)
    b.produce(topic, [json.dumps({"id": 1}), b"\xff{", json.dumps({"id": "x"}), json.dumps({"id": 4})])
    source = f"topic: {topic}, format: json, schema: 'id BIGINT', metadata: {{ o: offset }}"
    b.pipeline(f"{source}, on_malformed: permissive, corrupt_record_column: bad", "SELECT id, hex(bad) AS bad, o FROM input")
    done = m.run("run", b.file, "--once", "--progress", "json", cwd=b.folder)
    [source_progress] = json.loads(done.stdout.splitlines()[0])["sources"]
    assert (source_progress["numInputRows"], source_progress["numMalformedRows"]) == (4, 2), source_progress
    assert sorted(b.rows(), key=lambda r: r["o"]) == [
        {"id": 1, "bad": None, "o": 0}, {"id": None, "bad": "FF7B", "o": 1},
        {"id": None, "bad": json.dumps({"id": "x"}).encode().hex().upper(), "o": 2}, {"id": 4, "bad": None, "o": 3}], b.rows()
    assert done.stderr.count("is malformed") == 2 and "nothing is in quarantine" in m.run("quarantine", "list", b.file, cwd=b.folder).stdout
    b.pipeline(f"{source}, corrupt_record_column: bad", "SELECT id FROM input")
    refused = m.run("validate", b.file, cwd=b.folder, check=False)
    assert refused.returncode == 2 and "on_malformed: permissive" in refused.stderr + refused.stdout


def of_files(case, *more):
    with tempfile.TemporaryDirectory(prefix="millrace-kept-") as folder:
        case(pathlib.Path(folder), *more)


def main():
    report = m.Report("quarantine")
    names = sys.argv[1:]

    def wanted(name):
        return not names or name in names
    for case, *more in ((looked_at,), (read_again, "json"), (read_again, "csv"), (killed_in_between,),
                        (nothing_to_read_again,), (counts_what_it_puts_back,), (alert,)):
        if wanted(case.__name__):
            report.case(" ".join([case.__name__, *more]), lambda: of_files(case, *more))
    topics = [case for case in (of_a_topic, permissive_topic) if wanted(case.__name__)]
    if topics:
        with servers.Kafka() as kafka:
            for number, case in enumerate(topics):
                with tempfile.TemporaryDirectory(prefix="millrace-kept-") as folder:
                    report.case(case.__name__, lambda: case(Bench(kafka, folder, f"q{number}")))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
