#!/usr/bin/env python3
"""Of Parquet files whose paths say nothing about what is asked for, their statistics leave out row groups and files: what they leave out is not
read, on a disk (it is damaged, and nobody notices) nor on S3 (no request asks for it)."""
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402
from serving import Api, same  # noqa: E402

s3.clients()
import duckdb  # noqa: E402

FILES, GROUPS, GROUP_ROWS = 8, 5, 2_048
FILE_ROWS = GROUPS * GROUP_ROWS
PIPELINE = """
pipeline: statistics
sources:
  lake:
    from: %s
    as: table
    refresh: 1h
    format: parquet
    schema: n BIGINT, moment TIMESTAMP, code VARCHAR, text VARCHAR
serve:
  listen: 127.0.0.1:0
  cache_size: 0
  file_cache_size: 0
  endpoints:
    - get: /between
      parameters: { from: { type: int }, to: { type: int } }
      query: SELECT count(*) AS rows, min(n) AS least, max(n) AS most, sum(length(text)) AS letters FROM lake WHERE n >= $from AND n < $to
    - get: /moments
      parameters: { from: { type: timestamp }, to: { type: timestamp } }
      query: SELECT count(*) AS rows, sum(length(text)) AS letters FROM lake WHERE moment >= $from AND moment < $to
    - get: /one
      parameters: { n: { type: int } }
      query: SELECT n, length(text) AS letters FROM lake WHERE n = $n
    - get: /code
      parameters: { code: { type: string } }
      query: SELECT n, length(text) AS letters FROM lake WHERE code = $code
"""


def make(folder):
    """Rows in the order of `n`, so that each row group has a range of its own. `text` does not compress."""
    folder.mkdir()
    for file in range(FILES):
        duckdb.sql(f"COPY (SELECT range AS n, TIMESTAMP '2026-01-01' + to_seconds(range) AS moment, printf('%08d', range) AS code,"
                   f" repeat(md5(range::VARCHAR), 6) AS text FROM range({file * FILE_ROWS}, {(file + 1) * FILE_ROWS}))"
                   f" TO '{folder}/{file}.parquet' (FORMAT parquet, ROW_GROUP_SIZE {GROUP_ROWS}, COMPRESSION uncompressed)")


def damage(path, groups):
    """Overwrites the pages of row groups; the footer, with the statistics, stays."""
    with open(path, "r+b") as file:
        for group in groups:
            for begin, size in duckdb.sql(f"SELECT least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset), total_compressed_size"
                                          f" FROM parquet_metadata('{path}') WHERE row_group_id = {group}").fetchall():
                file.seek(begin)
                file.write(b"\xff" * size)


def time_of(n):
    return f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"


def on_a_disk(home):
    """All is damaged, but one row group of one file."""
    make(home / "lake")
    (home / "api.yaml").write_text(PIPELINE % "{ type: files, path: lake }")
    begin = 3 * FILE_ROWS + 2 * GROUP_ROWS  # of what stays
    questions = {
        f"/between?from={begin + 10}&to={begin + 20}": [{"rows": 10, "least": begin + 10, "most": begin + 19, "letters": 1920}],
        f"/between?from={begin}&to={begin + GROUP_ROWS}": [{"rows": GROUP_ROWS, "least": begin, "most": begin + GROUP_ROWS - 1,
                                                            "letters": 192 * GROUP_ROWS}],
        f"/moments?from={time_of(begin + 5)}&to={time_of(begin + 9)}": [{"rows": 4, "letters": 768}],
        f"/one?n={begin + 7}": [{"n": begin + 7, "letters": 192}], f"/code?code={begin + 7:08}": [{"n": begin + 7, "letters": 192}],
        f"/one?n={FILES * FILE_ROWS + 1}": []}
    with Api("serve", "api.yaml", cwd=home) as api:
        for path, expected in questions.items():
            same(api.get(path)[2], expected, path)
    for file in range(FILES):
        damage(home / "lake" / f"{file}.parquet", [group for group in range(GROUPS) if (file, group) != (3, 2)])
    with Api("serve", "api.yaml", cwd=home) as api:
        for path, expected in questions.items():
            same(api.get(path)[2], expected, f"{path}, with all else damaged")
        for path in (f"/between?from={begin - 1}&to={begin + 1}", f"/one?n={begin - 1}", "/code?code=00000001", f"/between?from=0&to={FILE_ROWS}"):
            status = api.get(path)[0]
            same(status, 503, f"{path}: what it has to read is damaged")
    for file in range(FILES):  # its end, where the footer was
        with open(home / "lake" / f"{file}.parquet", "r+b") as damaged:
            damaged.truncate(damaged.seek(0, os.SEEK_END) - 9)
    with Api("serve", "api.yaml", cwd=home) as api:
        for path in questions:
            same(api.get(path)[0], 503, f"{path}: no file can be read")


class Ranges(s3.RequestLog):
    """How many bytes requests ask for, by object."""

    def __init__(self, to_port):
        super().__init__(to_port)
        self.bytes = {}

    def heard(self, piece):
        super().heard(piece)
        if found := re.match(rb"GET /shop/lake/(\d+)\.parquet[ ?].*?\r\nrange: bytes=(\d+)-(\d+)", piece, re.S | re.I):
            self.bytes[int(found[1])] = self.bytes.get(int(found[1]), 0) + int(found[3]) - int(found[2]) + 1


def on_s3(home, store):
    make(home / "objects")
    client = store.client()
    client.create_bucket(Bucket="shop")
    for path in sorted((home / "objects").iterdir()):
        client.put_object(Bucket="shop", Key=f"lake/{path.name}", Body=path.read_bytes())
    file_bytes = (home / "objects" / "0.parquet").stat().st_size
    group_bytes = duckdb.sql(f"SELECT sum(total_compressed_size) FROM parquet_metadata('{home}/objects/0.parquet') WHERE row_group_id = 0").fetchone()[0]
    os.environ["S3_SECRET"] = store.SECRET
    with Ranges(store.port) as log:
        (home / "remote.yaml").write_text(PIPELINE % store.connection("s3://shop/lake", endpoint=f"http://127.0.0.1:{log.port}"))
        with Api("serve", "remote.yaml", cwd=home) as api:
            for first in (5 * FILE_ROWS + GROUP_ROWS + 3, 6 * FILE_ROWS):  # the second one within what footers are known of
                log.bytes.clear()
                same(api.get(f"/between?from={first}&to={first + 4}")[2], [{"rows": 4, "least": first, "most": first + 3, "letters": 768}], "rows")
                read, rest = log.bytes[first // FILE_ROWS], {file: count for file, count in log.bytes.items() if file != first // FILE_ROWS}
                print(f"     a row group of {group_bytes:,} bytes in {FILES} files of {file_bytes:,}: {read:,} bytes of its file, "
                      f"{sum(rest.values()):,} of all others")
                assert read < 2 * group_bytes, f"{read} bytes of a file of {file_bytes}"
                assert all(count < group_bytes / 2 for count in rest.values()), f"more than the footers of others: {rest}"
            log.bytes.clear()
            everything = api.get(f"/between?from=0&to={FILES * FILE_ROWS}")[2]
            same(everything[0]["rows"], FILES * FILE_ROWS, "all of it")
            assert sum(log.bytes.values()) > FILES * file_bytes * 0.8, log.bytes  # else the figures above would mean nothing


def main():
    report = m.Report("statistics of Parquet files")
    with tempfile.TemporaryDirectory(prefix="millrace-statistics-") as folder, s3.S3() as store:
        home = pathlib.Path(folder)
        report.case("on a disk", lambda: on_a_disk(home))
        report.case("on S3", lambda: on_s3(home, store))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
