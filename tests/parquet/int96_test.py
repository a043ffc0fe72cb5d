"""Parquet with INT96 timestamps: readers of other makers see each type's values, over row groups, partitions, codecs and NULLs."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402

s3.clients()
import duckdb  # noqa: E402
import pyarrow.parquet  # noqa: E402

ROWS = 10_000
# Each type with values at its ends, and NULLs.
COLUMNS = {
    "id": "n", "b": "n % 3 = 0", "i8": "(n % 256 - 128)::TINYINT", "i16": "(n * 6 - 30000)::SMALLINT", "i32": "(n * 214748 - 2147483648)::INTEGER",
    "i64": "n * 922337203685477 - 4611686018427387904", "u8": "(n % 256)::UTINYINT", "u16": "(65535 - n)::USMALLINT",
    "u32": "(4294967295 - n)::UINTEGER", "u64": "18446744073709551615::UBIGINT - n::UBIGINT", "f32": "(n / 3)::FLOAT", "f64": "n / 7",
    "text": "CASE WHEN n % 5 = 0 THEN '' ELSE repeat('ü', (n % 40)::INTEGER) || n END", "bytes": "encode('b' || n)", "d": "DATE '1800-01-01' + n::INTEGER * 30",
    "t": "TIME '23:59:59.999999' - n * INTERVAL 1 MICROSECOND", "ts": "TIMESTAMP '1600-01-01 00:00:00.000001' + n * INTERVAL 1000003 SECOND",
    "tz": "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' + n * INTERVAL 1 MICROSECOND", "ts_s": "(TIMESTAMP '1900-01-01' + n * INTERVAL 1 DAY)::TIMESTAMP_S",
    "ts_ms": "(TIMESTAMP '1900-01-01 00:00:00.001' + n * INTERVAL 1 DAY)::TIMESTAMP_MS", "ts_ns": "make_timestamp_ns(n * 1000000007 + 5)",
    "d4": "(n % 9999 / 100)::DECIMAL(4,2)", "d9": "(n - 5000)::DECIMAL(9,3)", "d18": "(n - 5000)::DECIMAL(18,6) / 1", "d38": "((n - 5000)::HUGEINT * 10 ** 30)::DECIMAL(38,2)",
    "huge": "(n - 5000)::HUGEINT * 1000000000000000000000"}
MOMENTS = ["ts", "tz", "ts_s", "ts_ms", "ts_ns"]


def make(folder, sql, sink):
    (folder / "in").mkdir()
    duckdb.execute(f"SET TimeZone = 'UTC'; COPY (SELECT i AS n FROM range({ROWS}) r(i)) TO '{folder}/in/a.parquet'")
    (folder / "p.yaml").write_text(f"pipeline: p\nsources:\n  s: {{ from: {{ type: files, path: in }}, format: parquet, schema: n BIGINT }}\n"
                                   f"datasets:\n  d: |\n    {sql}\n"
                                   f"sinks:\n  out: {{ from: d, to: {{ type: files, path: out }}, timestamps: int96, {sink} }}\n")
    return folder / "p.yaml"


def every_type(folder):
    nulled = [f"CASE WHEN n % 11 <> {i % 11} THEN {sql} END AS {name}" for i, (name, sql) in enumerate(COLUMNS.items())]
    for number, codec in enumerate(("snappy", "zstd", "uncompressed")):
        home = folder / codec
        home.mkdir()
        m.run("run", make(home, f"SELECT {', '.join(nulled)}, n AS k FROM s", f"row_group_size: 2048, compression: {codec}"), "--once", cwd=home)
        [path] = (home / "out").glob("*.parquet")
        file = pyarrow.parquet.ParquetFile(path)
        assert file.metadata.num_rows == ROWS and file.metadata.num_row_groups >= ROWS // 2048, file.metadata
        physical = {file.schema.column(i).name: file.schema.column(i).physical_type for i in range(len(file.schema))}
        assert all(physical[name] == "INT96" for name in MOMENTS) and physical["d"] == "INT32", physical
        assert {file.metadata.row_group(0).column(0).compression} == {codec.upper()}
        # In DuckDB, INT96 is a TIMESTAMP, in microseconds.
        duckdb.execute(f"CREATE OR REPLACE TABLE want AS SELECT * REPLACE (timezone('UTC', tz) AS tz, ts_ns::TIMESTAMP AS ts_ns) "
                       f"FROM (SELECT {', '.join(nulled)}, n AS k FROM (SELECT i AS n FROM range({ROWS}) r(i)))")
        duckdb.execute(f"CREATE OR REPLACE TABLE got AS FROM read_parquet('{path}')")
        for name in COLUMNS:
            [different] = duckdb.execute(f"SELECT count(*) FILTER (want.{name} IS DISTINCT FROM got.{name}) "
                                         "FROM want JOIN got USING (k)").fetchone()
            assert different == 0, (name, different, duckdb.execute(f"SELECT k, want.{name}::VARCHAR, got.{name}::VARCHAR FROM want JOIN got USING (k) "
                                                                    f"WHERE want.{name} IS DISTINCT FROM got.{name} LIMIT 3").fetchall())
        assert duckdb.execute("SELECT count(*) FROM want JOIN got USING (k)").fetchone() == (ROWS,)
        table = file.read(columns=["ts_ns", "k"])
        for k, nanos in zip(table["k"].to_pylist(), table["ts_ns"].cast("int64").to_pylist()):
            assert nanos == (None if k % 11 == list(COLUMNS).index("ts_ns") % 11 else k * 1_000_000_007 + 5), (k, nanos)


def partitions_and_no_rows(folder):
    pipeline = make(folder, "SELECT n, n % 3 AS part, TIMESTAMP '2026-01-01' + n * INTERVAL 1 HOUR AS t FROM s WHERE n > 10", "partition_by: [part]")
    m.run("run", pipeline, "--once", cwd=folder)
    assert len(list((folder / "out").glob("part=*/*.parquet"))) == 3
    rows = m.query(pipeline, "SELECT count(*) AS n, sum(n)::BIGINT AS s, max(t)::VARCHAR AS t FROM out", cwd=folder)
    assert rows == [{"n": ROWS - 11, "s": sum(range(11, ROWS)), "t": "2027-02-21 15:00:00"}], rows


def what_it_does_not_hold(folder):
    for number, (sql, sink, want) in enumerate((
            ("SELECT [n] AS list FROM s", "mode: append", "column list is BIGINT[]"),
            ("SELECT n FROM s", "format: json", "writes no Parquet"), ("SELECT n FROM s", "compression: brotli", "compression"),
            ("SELECT n, CASE WHEN n = 5 THEN 'infinity'::TIMESTAMP END AS t FROM s", "mode: append", "infinite time"))):
        home = folder / str(number)
        home.mkdir()
        done = m.run("run", make(home, sql, sink), "--once", cwd=home, check=False)
        assert done.returncode != 0 and want in done.stderr, (sql, done.stderr)


def main():
    report = m.Report("int96")
    for case in (every_type, partitions_and_no_rows, what_it_does_not_hold):
        with tempfile.TemporaryDirectory(prefix="millrace-int96-") as folder:
            report.case(case.__name__.replace("_", " "), lambda: case(pathlib.Path(folder)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
