#!/usr/bin/env python3
"""What people read is true: the generated reference is current, pipelines in documents are valid, the
examples validate and preview, and every command explains itself."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

COMMANDS = ["run", "validate", "explain", "preview", "query", "state", "compact", "generate", "infer", "schema", "docs",
            "completion", "version"]


def reference_is_current():
    for command, path in (("docs", "options.md"), ("docs metrics", "metrics.md"), ("schema", "pipeline.schema.json")):
        kept = (m.ROOT / "docs" / "reference" / path).read_text()
        assert m.run(*command.split()).stdout == kept, \
            f"docs/reference/{path} is stale; make it again: millrace {command} > docs/reference/{path}"


def schema_is_json():
    schema = json.loads(m.run("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/"), schema["$schema"]
    assert {"pipeline", "sources", "datasets", "sinks"} <= set(schema["properties"])


def readme_pipeline_is_valid():
    """The pipeline that the README shows, run on rows that the generator makes."""
    text = (m.ROOT / "README.md").read_text()
    pipeline = re.search(r"```yaml\n(pipeline:.*?)```", text, re.S).group(1)
    with tempfile.TemporaryDirectory() as home:
        path = pathlib.Path(home)
        (path / "pipeline.yaml").write_text(pipeline)
        m.run("validate", "pipeline.yaml", cwd=home)
        header = "transaction_id,product_category,amount,quantity,event_time\n"
        (path / "input").mkdir()
        (path / "input" / "a.csv").write_text(header + "T1,toys,2.5,4,2026-01-02 10:00:00\n")
        m.run("run", "pipeline.yaml", "--once", cwd=home)
        rows = m.query("pipeline.yaml", "FROM revenue_by_category", cwd=home)
        assert rows == [{"product_category": "toys", "sales": 1, "revenue": 10.0}], rows


def connector_examples_are_yaml_of_known_options():
    """The snippets of the connectors' READMEs name only connectors and options that exist."""
    reference = m.run("docs").stdout
    for readme in sorted((m.ROOT / "src" / "connectors").glob("*/README.md")):
        for snippet in re.findall(r"```yaml\n(.*?)```", readme.read_text(), re.S):
            for option in re.findall(r"(?<!\$)[{,] ?([a-z_]+):", snippet):
                known = f"`{option}`" in reference or option in ("type", "from", "to", "mode", "key", "as")
                assert known, f"{readme}: no option `{option}`"


def examples():
    for path in sorted((m.ROOT / "examples").glob("*/pipeline.yaml")):
        m.run("validate", path)
        text = m.run("explain", path).stdout
        assert "guarantee: exactly once" in text and "mode:" in text, text
    for path in sorted((m.ROOT / "examples").glob("*/embedded.yaml")):
        m.run("validate", path)


def help_of_every_command():
    for command in COMMANDS:
        text = m.run(command, "--help").stdout
        assert "Example" in text or command == "version", f"{command} --help has no example"


def completions():
    for shell, check in (("bash", ["bash", "-n"]), ("zsh", None), ("fish", None)):
        text = m.run("completion", shell).stdout
        assert all(command in text for command in COMMANDS), shell
        if check:
            subprocess.run(check, input=text, text=True, check=True)


def preview_touches_nothing():
    with tempfile.TemporaryDirectory() as home:
        example = m.ROOT / "examples" / "sql-first-etl"
        for path in (example / "pipeline.yaml", example / "sql"):
            subprocess.run(["cp", "-r", path, home], check=True)
        m.run("generate", "transactions", "--out", "input", cwd=home)
        before = m.files_below(home)
        for dataset in ("transactions", "transformed_transactions", "transaction_metrics",
                        "rejected_transactions"):
            text = m.run("preview", "pipeline.yaml", dataset, "-n", 3, cwd=home).stdout
            assert "transaction" in text or "product_category" in text, text
        assert m.files_below(home) == before


def progress_has_the_fields_of_spark():
    with tempfile.TemporaryDirectory() as home:
        (pathlib.Path(home) / "p.yaml").write_text(
            "pipeline: p\nsources:\n  t: { from: generator, kind: transactions, rows: 1000, "
            "rows_per_trigger: 400 }\ndatasets:\n  c: SELECT status, count(*) AS n FROM t GROUP BY 1\n"
            "sinks:\n  out: { from: c, to: blackhole, mode: update }\n")
        out = m.run("run", "p.yaml", "--once", "--progress", "json", cwd=home).stdout
        batches = [json.loads(line) for line in out.splitlines()]
        assert [b["batchId"] for b in batches] == [0, 1, 2], batches
        assert [b["numInputRows"] for b in batches] == [400, 400, 200], batches
        for field in ("id", "runId", "name", "timestamp", "batchDuration", "inputRowsPerSecond",
                      "processedRowsPerSecond", "durationMs", "stateOperators", "sources", "sink",
                      "eventTime"):
            assert field in batches[0], field
        assert batches[2]["stateOperators"][0]["numRowsTotal"] == 4, batches[2]["stateOperators"]
        state = m.run("state", "p.yaml", cwd=home).stdout
        assert "pipeline p" in state, state


def main():
    report = m.Report("docs")
    for case in (reference_is_current, schema_is_json, readme_pipeline_is_valid,
                 connector_examples_are_yaml_of_known_options, examples, help_of_every_command,
                 completions, preview_touches_nothing, progress_has_the_fields_of_spark):
        report.case(case.__name__.replace("_", " "), case)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
