#!/usr/bin/env python3
"""Files in S3, against a real server: each format as sink and source, what is written read back by other makers'
clients, whole tables, large files, leftovers, listings, mistakes.

Usage: files_test.py [--only WORD]
"""
import argparse
import csv
import importlib.util
import io
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402

SCHEMA = "id BIGINT, day DATE, note VARCHAR"
NOTES = ["plain", "with, comma", 'with "quotes"', "Grüße", ""]


def orders(first, count):
    return [[i, f"2026-01-{1 + i % 3:02}", NOTES[i % len(NOTES)]] for i in range(first, first + count)]


class Lab:
    bucket = "lake"

    def __init__(self, server, folder):
        self.server, self.folder, self.made = server, pathlib.Path(folder), 0
        self.boto = server.client()

    def home(self, files=3, rows=100):
        """A folder with input files; and the bucket, empty."""
        self.made += 1
        if self.made == 1:
            self.boto.create_bucket(Bucket=self.bucket)
        for upload in self.uploads():
            self.boto.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        keys = self.keys()
        for begin in range(0, len(keys), 1000):
            self.boto.delete_objects(Bucket=self.bucket, Delete={
                "Objects": [{"Key": key} for key in keys[begin:begin + 1000]]})
        home = self.folder / f"home{self.made}"
        (home / "in").mkdir(parents=True)
        for i in range(files):
            self.write(home, i, rows)
        return home

    def write(self, home, number, rows):
        m.write_csv(home / "in" / f"{number:04}.csv", ["id", "day", "note"], orders(number * rows, rows))

    def pipeline(self, home, sink, source="", more="", endpoint=None, name="pipeline.yaml"):
        source = source or f"{{ from: {{ type: files, path: in }}, format: csv, schema: '{SCHEMA}', " \
                           "max_files_per_trigger: 1 }"
        (home / name).write_text(f"""
pipeline: p-{name.split('.')[0]}
sources:
  orders: {source}
sinks:
  out: {sink}
{more}""")

    def to(self, prefix="out", **more):
        return self.server.connection(f"s3://{self.bucket}/{prefix}", **more)

    def run(self, home, name="pipeline.yaml", **more):
        more["env"] = {"S3_SECRET": self.server.SECRET, "S3_READER": "readersecret", **more.get("env", {})}
        return m.run("run", name, "--once", cwd=home, **more)

    def keys(self, prefix=""):
        pages = self.boto.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def get(self, key):
        return self.boto.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def uploads(self):
        return self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])

    def parquet(self, prefix="out/"):
        import pyarrow.parquet as pq
        return [row for key in self.keys(prefix) if key.endswith(".parquet")
                for row in pq.read_table(io.BytesIO(self.get(key)), partitioning=None).to_pylist()]


def ids(rows):
    return sorted(int(row["id"]) for row in rows)


def want_rows(count):
    return [{"id": i, "day": day, "note": note or None} for i, day, note in orders(0, count)]


def plain(rows):
    return sorted(({"id": int(r["id"]), "day": str(r["day"]), "note": r["note"] or None} for r in rows),
                  key=lambda r: r["id"])


def each_format(lab):
    """Sinks of each format; sources of what they wrote."""
    import fastavro
    home = lab.home()
    readers = {
        "parquet": lambda: lab.parquet(),
        "json": lambda: [json.loads(line) for key in lab.keys("out/") for line in lab.get(key).splitlines()],
        "csv": lambda: [dict(zip(("id", "day", "note"), row)) for key in lab.keys("out/")
                        for row in list(csv.reader(io.StringIO(lab.get(key).decode())))[1:]],
        "avro": lambda: [row for key in lab.keys("out/") for row in fastavro.reader(io.BytesIO(lab.get(key)))],
    }
    for form, read in readers.items():
        home = lab.home()
        lab.pipeline(home, f"{{ from: orders, to: {lab.to()}, format: {form} }}")
        lab.run(home)
        names = [k.removeprefix("out/") for k in lab.keys("out/")]
        assert names == [f"out-{batch:010}-000.{form}" for batch in range(3)], names
        assert plain(read()) == want_rows(300), f"{form}: {read()[:3]}"
        columns = "" if form in ("parquet", "avro") else f", schema: '{SCHEMA}'"
        lab.pipeline(home, "{ from: orders, to: { type: files, path: back }, format: json }",
                     source=f"{{ from: {lab.to()}, format: {form}{columns} }}", name="back.yaml")
        lab.run(home, "back.yaml")
        back = [json.loads(line) for f in (home / "back").glob("*.json") for line in f.read_text().splitlines()]
        assert plain(back) == want_rows(300), f"{form} read again: {len(back)} rows, {back[:2]}"


def read_by_spark(folder, form):
    """Where pyspark is installed; else says so."""
    if importlib.util.find_spec("pyspark") is None:
        print("     pyspark is not installed: not read by Spark")
        return
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    reader = spark.read.option("header", "true").option("escape", '"').option("emptyValue", "")
    rows = [row.asDict() for row in getattr(reader, form)(str(folder / f"out-*.{form}")).collect()]
    assert plain(rows) == want_rows(300), (form, rows[:3])


def read_by_others(lab):
    """pandas, DuckDB's own command line, and Spark read what was written."""
    import pandas
    home = lab.home()
    for form, read in (("parquet", pandas.read_parquet), ("json", lambda file: pandas.read_json(file, lines=True, dtype=False)),
                       ("csv", lambda file: pandas.read_csv(file, keep_default_na=False))):
        home = lab.home()
        lab.pipeline(home, f"{{ from: orders, to: {lab.to()}, format: {form} }}")
        lab.run(home)
        frame = pandas.concat([read(io.BytesIO(lab.get(key))) for key in lab.keys("out/")])
        frame = frame.astype({"day": str}).astype(object).where(frame.notna(), None)
        assert plain(frame.to_dict("records")) == want_rows(300), (form, frame.head())
        for key in lab.keys("out/"):
            (home / key.split("/")[-1]).write_bytes(lab.get(key))
        done = m.subprocess.run([sys.executable, "-m", "duckdb_cli", "-json", "-c", f"SELECT id, day::VARCHAR AS day, note FROM 'out-*.{form}'"],
                                cwd=home, capture_output=True, text=True, env={**m.os.environ, "PYTHONPATH": ":".join(sys.path)})
        assert done.returncode == 0, done.stderr
        assert plain(json.loads(done.stdout)) == want_rows(300), (form, done.stdout[:300])
        read_by_spark(home, form)


def packed_and_patterns(lab):
    """Text that is packed; patterns, single objects, folders, hidden names."""
    import gzip
    home = lab.home(files=0)
    lines = "".join(json.dumps({"id": i}) + "\n" for i in range(1000)).encode()
    for key, body in {"in/a/x.json.gz": gzip.compress(lines), "in/a/y.json": lines, "in/b c/z+ü.json": lines,
                      "in/_hidden/h.json": lines, "in/top.json": lines, "in/t.tmp": lines}.items():
        lab.boto.put_object(Bucket=lab.bucket, Key=key, Body=body)

    def count(path, name, more=""):
        lab.pipeline(home, f"{{ from: orders, to: {{ type: files, path: {name} }}, format: json }}",
                     source=f"{{ from: {lab.server.connection(path)}, format: json, schema: id BIGINT{more} }}",
                     name=f"{name}.yaml")
        lab.run(home, f"{name}.yaml")
        return sum(len(f.read_text().splitlines()) for f in (home / name).glob("*.json"))
    base = f"s3://{lab.bucket}"
    found = {"one": count(f"{base}/in/a/y.json", "one"), "folder": count(f"{base}/in/a/", "folder"),
             "flat": count(f"{base}/in", "flat"), "all": count(f"{base}/in", "all", ", recursive_file_lookup: true"),
             "glob": count(f"{base}/in/*/*.json", "glob"), "deep": count(f"{base}/**/[xz]*", "deep"),
             "rescue": count(f"{base}/in/a/x*", "rescue", ", on_schema_change: fail")}
    assert found == {"one": 1000, "folder": 2000, "flat": 1000, "all": 4000, "glob": 2000, "deep": 2000,
                     "rescue": 1000}, found


def partitioned(lab):
    home = lab.home()
    lab.pipeline(home, f"{{ from: orders, to: {lab.to()}, format: parquet, partition_by: [day], "
                       "success_marker: true }")
    lab.run(home)
    keys = lab.keys("out/")
    assert "out/_SUCCESS" in keys and len(keys) == 10, keys
    import duckdb
    copy = home / "copy"
    for key in keys:
        (copy / key).parent.mkdir(parents=True, exist_ok=True)
        (copy / key).write_bytes(lab.get(key))
    rows = duckdb.sql(f"SELECT id, day, note FROM read_parquet('{copy}/out/**/*.parquet', hive_partitioning = true)")
    assert plain([dict(zip(rows.columns, row)) for row in rows.fetchall()]) == want_rows(300)
    queried = m.run("query", "pipeline.yaml", "SELECT count(*) AS n, count(DISTINCT day) AS d FROM out", "--format",
                    "json", cwd=home, env={"S3_SECRET": lab.server.SECRET}).stdout
    assert json.loads(queried) == {"n": 300, "d": 3}, queried


COUNTS = """
datasets:
  counts: SELECT day, count(*) AS n, max(id) AS id FROM orders GROUP BY day
"""


def complete(lab):
    """One object that is replaced; and several, with the manifest that lists those that count."""
    home = lab.home()
    lab.pipeline(home, f"{{ from: counts, to: {lab.to('one')}, format: json, mode: complete }}", more=COUNTS)
    lab.run(home)
    assert lab.keys("one/") == ["one/out.json"], lab.keys()
    assert [r["n"] for r in map(json.loads, lab.get("one/out.json").splitlines())] == [100, 100, 100]
    home = lab.home()
    lab.pipeline(home, f"{{ from: counts, to: {lab.to('many')}, format: json, mode: complete, "
                       "partition_by: [day] }", more=COUNTS)
    lab.run(home)

    def check(batch, n):
        manifest = json.loads(lab.get("many/_out.manifest.json"))
        files = [f"day=2026-01-0{d}/out-{batch:010}-000.json" for d in (1, 2, 3)]
        assert manifest == {"batch": batch, "files": files}, manifest
        assert sorted(lab.keys("many/")) == sorted(["many/_out.manifest.json", *(f"many/{f}" for f in files)])
        assert sum(json.loads(lab.get(f"many/{f}"))["n"] for f in files) == n
    check(2, 300)
    # What a crash between the steps leaves is put right by the next start.
    lab.boto.put_object(Bucket=lab.bucket, Key="many/day=2026-01-09/out-0000000003-000.json", Body=b"{}")
    lab.boto.put_object(Bucket=lab.bucket, Key="many/day=2026-01-01/out-0000000001-000.json", Body=b"{}")
    lab.boto.put_object(Bucket=lab.bucket, Key="many/other.json", Body=b"{}")
    lab.run(home)
    assert "many/other.json" in lab.keys("many/"), "a file of others is gone"
    lab.boto.delete_object(Bucket=lab.bucket, Key="many/other.json")
    check(2, 300)
    lab.write(home, 3, 100)
    lab.run(home)
    check(3, 400)
    rows = m.run("query", "pipeline.yaml", "SELECT sum(n)::INT AS n FROM out", "--format", "json", cwd=home,
                 env={"S3_SECRET": lab.server.SECRET}).stdout
    assert json.loads(rows) == {"n": 400}, rows


def large(lab):
    """A file of more than 16 MiB goes in parts, and comes back by ranges."""
    home = lab.home(files=0)
    lab.pipeline(home, f"{{ from: orders, to: {lab.to()}, format: parquet, compression: uncompressed }}",
                 source=f"{{ from: {{ type: files, path: in }}, format: csv, schema: 'id BIGINT, note VARCHAR' }}")
    with open(home / "in" / "big.csv", "w") as file:
        file.write("id,note\n")
        file.writelines(f"{i},{i * 2654435761 % 2**64:064x}\n" for i in range(400_000))
    lab.run(home)
    [key] = lab.keys("out/")
    head = lab.boto.head_object(Bucket=lab.bucket, Key=key)
    parts = (head["ContentLength"] + (8 << 20) - 1) // (8 << 20)
    assert head["ContentLength"] > 16 << 20 and head["ETag"].endswith(f'-{parts}"'), head
    assert ids(lab.parquet()) == list(range(400_000)) and lab.uploads() == []
    for form, source in {"parquet": lab.to(), "csv": None}.items():
        if source is None:
            lab.boto.upload_file(str(home / "in" / "big.csv"), lab.bucket, "text/big.csv")
            source = lab.to("text")
        lab.pipeline(home, "{ from: sums, to: { type: files, path: back-" + form + " }, format: json, mode: complete }",
                     source=f"{{ from: {source}, format: {form}, schema: 'id BIGINT, note VARCHAR' }}",
                     more="datasets:\n  sums: SELECT count(*) AS n, sum(id)::BIGINT AS s, count(DISTINCT note) AS d "
                          "FROM orders\n", name=f"back-{form}.yaml")
        lab.run(home, f"back-{form}.yaml")
        row = json.loads((home / f"back-{form}" / "out.json").read_text())
        assert row == {"n": 400_000, "s": 399_999 * 200_000, "d": 400_000}, row


def leftovers(lab):
    home = lab.home(files=2)
    lab.pipeline(home, f"{{ from: orders, to: {lab.to()}, format: parquet }}")
    lab.run(home)
    for key in ("out/out-0000000002-000.parquet", "out/out-0000000002-001.parquet", "out/other-0000000002-000.parquet"):
        lab.boto.put_object(Bucket=lab.bucket, Key=key, Body=b"left over")
    for key in ("out/out-0000000002-002.parquet", "out/theirs.parquet"):
        upload = lab.boto.create_multipart_upload(Bucket=lab.bucket, Key=key)
        lab.boto.upload_part(Bucket=lab.bucket, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    lab.run(home)
    assert lab.keys("out/") == ["out/other-0000000002-000.parquet", "out/out-0000000000-000.parquet",
                                "out/out-0000000001-000.parquet"], lab.keys()
    assert [u["Key"] for u in lab.uploads()] == ["out/theirs.parquet"], lab.uploads()
    lab.boto.put_object(Bucket=lab.bucket, Key="out/out-0000000007-000.parquet", Body=b"later")
    done = lab.run(home, check=False)
    assert done.returncode != 0 and "is of batch 7, but the checkpoint ends with batch 1" in done.stderr, done.stderr


def many_objects(lab):
    """2,100 objects are listed by three requests; what is done is not listed again."""
    from concurrent.futures import ThreadPoolExecutor
    home = lab.home(files=0)

    def put(i):
        lab.boto.put_object(Bucket=lab.bucket, Key=f"in/{i:05}.json", Body=f'{{"id": {i}}}\n'.encode())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(100, 2200)))
    with s3.RequestLog(lab.server.port) as log:
        source = lab.server.connection(f"s3://{lab.bucket}/in", f"http://127.0.0.1:{log.port}")
        lab.pipeline(home, "{ from: orders, to: { type: files, path: out }, format: json }",
                     source=f"{{ from: {source}, format: json, schema: id BIGINT, poll_interval: 50ms, "
                            "full_listing_interval: 3s }", more="trigger: as_fast_as_possible\n")
        running = m.start("run", "pipeline.yaml", cwd=home, env={"S3_SECRET": lab.server.SECRET})

        def got():
            return sorted(json.loads(line)["id"] for f in (home / "out").glob("*.json")
                          for line in f.read_text().splitlines())
        try:
            m.wait_until(lambda: len(got()) == 2100, "all objects to be read", 120)
            listed = log.count("GET", "list-type=2")
            pages = log.count("GET", "continuation-token")
            assert pages <= 6, f"{pages} further pages of {listed} listings"
            assert log.count("HEAD") <= 1, "an object was asked for its size"
            put(3000)  # grows
            m.wait_until(lambda: 3000 in got(), "a new object with a name behind the others")
            put(5)     # does not: found by the full listing
            m.wait_until(lambda: 5 in got(), "a new object with a name before the others")
            # Most listings begin behind what is done; one of all takes three requests.
            after, pages = log.count("GET", "start-after=in%2F0"), log.count("GET", "continuation-token")
            full = log.count("GET", "list-type=2") - after - pages
            assert after >= 2 and pages <= 2 * full, (after, pages, full, log.requests[-20:])
        finally:
            m.kill(running)
            running.communicate()
    assert got() == sorted([*range(100, 2200), 5, 3000])


def few_requests(lab):
    """A batch costs one request for each of its files."""
    home = lab.home(files=20, rows=20)
    with s3.RequestLog(lab.server.port) as log:
        lab.pipeline(home, f"{{ from: orders, to: {lab.to(endpoint=f'http://127.0.0.1:{log.port}')}, format: parquet }}")
        lab.run(home)
    assert ids(lab.parquet()) == list(range(400))
    assert log.count("PUT") == 20 and len(log.requests) <= 22, log.requests


def cleaned(lab):
    home = lab.home(files=0)
    for i in range(3):
        lab.boto.put_object(Bucket=lab.bucket, Key=f"in/{i}.json", Body=b'{"id": 1}\n')
    lab.pipeline(home, "{ from: orders, to: { type: files, path: out }, format: json }",
                 source=f"{{ from: {lab.to('in')}, format: json, schema: id BIGINT, clean_source: delete }}")
    lab.run(home)
    assert lab.keys() == [], lab.keys()


def changed(lab):
    """An object that was put again after it was planned must not be read as if nothing had been."""
    home = lab.home(files=0)
    lab.boto.put_object(Bucket=lab.bucket, Key="in/a.json", Body=b'{"id": 1}\n')
    lab.pipeline(home, "{ from: orders, to: { type: files, path: out }, format: json }",
                 source=f"{{ from: {lab.to('in')}, format: json, schema: id BIGINT }}")
    done = lab.run(home, check=False, env={"MILLRACE_FAULT": "files.after_stage:1"})
    assert done.returncode == -9, done.returncode
    lab.boto.put_object(Bucket=lab.bucket, Key="in/a.json", Body=b'{"id": 2}\n')
    done = lab.run(home, check=False)
    assert done.returncode != 0 and "has changed since it was planned" in done.stderr, done.stderr
    lab.boto.delete_object(Bucket=lab.bucket, Key="in/a.json")
    done = lab.run(home, check=False)
    assert done.returncode != 0 and "is gone" in done.stderr, done.stderr


def mistakes(lab):
    home = lab.home(files=1)

    def says(want, **more):
        lab.pipeline(home, f"{{ from: orders, to: {more.pop('to', None) or lab.to(**more)}, format: parquet }}")
        done = lab.run(home, check=False, timeout=60)
        assert done.returncode != 0, "it ran"
        assert want in done.stderr, f"{want}\nis not in\n{done.stderr}"
        assert lab.server.SECRET not in done.stderr, "a secret was printed"
    says("SignatureDoesNotMatch", secret_access_key="${env:HOME}")
    says("asked with the key millracekey of the connection's options", secret_access_key="${env:HOME}")
    says("InvalidAccessKeyId", access_key_id="nobody")
    says("AccessDenied", access_key_id="readerkey", secret_access_key="${env:S3_READER}")
    says("there is no bucket `nowhere`", to=lab.server.connection("s3://nowhere/out"))
    says("`s3://` names no bucket", to=lab.server.connection("s3://"))
    says("it has to begin with https://", endpoint="localhost:9000")
    says("has `access_key_id` without `secret_access_key`",
         to=f"{{ type: files, path: s3://{lab.bucket}/out, access_key_id: k }}")
    says("has `region`, which is for paths that begin with s3://", to="{ type: files, path: out, region: x }")
    says("paths are not in this version", to="{ type: files, path: 'gs://b/out' }")
    says("both a key and a `profile`", profile="etl")
    says("no profile `nobody`", to=f"{{ type: files, path: s3://{lab.bucket}/out, profile: nobody }}")
    lab.pipeline(home, "{ from: orders, to: { type: files, path: out }, format: json }",
                 source=f"{{ from: {lab.to('in')}, format: json, schema: id BIGINT, clean_source: archive, "
                        "source_archive_dir: x }")
    done = lab.run(home, check=False)
    assert "files can't be moved to an archive" in done.stderr, done.stderr


CASES = [each_format, read_by_others, packed_and_patterns, partitioned, complete, large, leftovers, many_objects, few_requests, cleaned,
         changed, mistakes]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    s3.clients()
    report = m.Report("s3 files")
    with tempfile.TemporaryDirectory(prefix="millrace-s3-files-") as folder, s3.S3() as server:
        lab = Lab(server, folder)
        for case in CASES:
            if options.only in case.__name__:
                report.case(case.__name__.replace("_", " "), lambda: case(lab))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
