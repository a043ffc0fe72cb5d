"""Makes the pipeline file of a Nexmark query, for the benchmark and the test. Standard library only."""
import dataclasses
import pathlib

QUERIES = pathlib.Path(__file__).resolve().parent / "queries"
SIDE_ROWS = 10_000  # as published


@dataclasses.dataclass(frozen=True)
class Query:
    """What a query needs beside its SQL."""
    mode: str = "append"
    side_input: bool = False  # it reads the table side_input, which write_side_input() makes
    files: str = ""           # it is about writing files, with these options


NEEDS = {
    "q0": Query(), "q1": Query(), "q2": Query(), "q5": Query(), "q7": Query(),
    "q10": Query(files="format: csv, partition_by: [dt, hm]"),
    "q11": Query(), "q12": Query(mode="update"), "q13": Query(side_input=True), "q14": Query(),
    "q15": Query(mode="update"), "q16": Query(mode="update"), "q17": Query(mode="update"),
    "q18": Query(mode="update"), "q19": Query(mode="complete"),
    "q21": Query(), "q22": Query(),
}


def source(table, options):
    """A source of one of the three tables; `options` are those of the nexmark connector."""
    listed = "".join(f", {key}: {value}" for key, value in options.items())
    return f"  {table}: {{ from: nexmark, table: {table}{listed}, watermark: {{ column: dateTime, delay: 4s }} }}\n"


def events(options, folder, threads=None):
    """A pipeline that writes the three tables as Parquet files below `folder`, for a batch query."""
    tables = ("person", "auction", "bid")
    return (head("events", threads) + "sources:\n" + "".join(source(table, options) for table in tables) + "sinks:\n" +
            "".join(f"  {table}s: {{ from: {table}, to: {{ type: files, path: {folder}/{table} }}, format: parquet }}\n"
                    for table in tables))


def query(name, options, keep=False, sql=None, threads=None):
    """The pipeline of a query, whose sink is called `out`.

    Its rows are counted and thrown away, as in the published benchmark; or, to `keep` them, written
    to files, or to a table if they change. `sql` stands in for the text of the query.
    """
    needs = NEEDS[name]
    to = "{ type: blackhole }"
    if needs.files:
        to = "{ type: files, path: out }, " + needs.files
    elif keep and needs.mode == "update":
        to = "{ type: store, path: out.duckdb }, table: out"
    elif keep:
        to = "{ type: files, path: out }, format: parquet"
    side = ("  side_input: { from: { type: files, path: side_input.csv }, as: table, format: csv, "
            "schema: 'key BIGINT, value VARCHAR' }\n") if needs.side_input else ""
    text = (QUERIES / f"{name}.sql").read_text() if sql is None else sql
    return (head(name, threads) + "sources:\n" + source("bid", options) + side +
            f"datasets:\n  {name}: |\n" + "".join(f"    {line}\n" for line in text.splitlines()) +
            f"sinks:\n  out: {{ from: {name}, to: {to}, mode: {needs.mode} }}\n")


def head(name, threads):
    # Durable: each batch is synced, and the state is written as a whole now and then.
    return (f"pipeline: {name}\n" + (f"threads: {threads}\n" if threads else "") +
            "checkpoint: { sync: true, snapshot_interval: 30s }\n")


def write_side_input(folder, step=1):
    """The table of q13: numbers below SIDE_ROWS, every `step`th of them, each with a text."""
    rows = "".join(f"{i},side-{i}\n" for i in range(0, SIDE_ROWS, step))
    (pathlib.Path(folder) / "side_input.csv").write_text("key,value\n" + rows)
