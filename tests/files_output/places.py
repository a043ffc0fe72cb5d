"""Where the tests of this room write: a folder, or a bucket of a real S3 server. Both are read by other makers' clients."""
import argparse
import gzip
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402

SCHEMA = "id BIGINT, day DATE, amount DECIMAL(12,2)"


def day_of(number):
    return f"2026-01-{1 + number % 3:02}"


class Place:
    """A home for a pipeline, with input files; and a target."""

    env = {}

    def __init__(self, folder):
        self.folder, self.made = pathlib.Path(folder), 0

    def fresh(self, files=0, rows=50):
        self.made += 1
        shutil.rmtree(self.folder / f"{self.kind}{self.made - 1}", ignore_errors=True)
        self.home = self.folder / f"{self.kind}{self.made}"
        (self.home / "in").mkdir(parents=True)
        self.files = 0
        self.clear()
        self.add(files, rows)
        return self

    def add(self, files=1, rows=50, day=day_of):
        """Input files, one a batch."""
        for number in range(self.files, self.files + files):
            m.write_csv(self.home / "in" / f"{number:05}.csv", ["id", "day", "amount"],
                        [[i, day(i), f"{i % 100}.25"] for i in range(number * rows, (number + 1) * rows)])
        self.files += files

    def pipeline(self, options, dataset="SELECT * FROM orders", trigger="", more=""):
        """`more`: other sources, each a line."""
        (self.home / "pipeline.yaml").write_text(f"""
pipeline: p
{trigger}
connections:
  lake: {self.connection()}
sources:
  orders:
    from: {{ type: files, path: in }}
    format: csv
    schema: {SCHEMA}
    max_files_per_trigger: 1
    poll_interval: 10ms
{more}
datasets:
  d: {dataset}
sinks:
  out: {{ from: d, to: lake, {options} }}
""")

    def run(self, *args, **more):
        more["env"] = {**self.env, **more.get("env", {})}
        return m.run("run", "pipeline.yaml", *(args or ["--once"]), cwd=self.home, **more)

    def start(self, *args, env=None):
        return m.start("run", "pipeline.yaml", *args, cwd=self.home, env={**self.env, **(env or {})})

    def command(self, *args, **more):
        more["env"] = {**self.env, **more.get("env", {})}
        return m.run(*args, cwd=self.home, **more)

    def seen(self):
        """The files that a reader finds, by name."""
        return {name: what for name, what in self.list().items()
                if not any(part.startswith((".", "_")) for part in name.split("/"))}

    def rows(self):
        """All rows, with the values of partitions."""
        import pyarrow.parquet as pq
        found = []
        for name in self.seen():
            folders = dict(part.split("=", 1) for part in name.split("/")[:-1])
            if name.endswith(".parquet"):
                rows = pq.read_table(io.BytesIO(self.get(name)), partitioning=None).to_pylist()
            else:
                data = self.get(name)
                text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
                if ".csv" in name:
                    header, *lines = text.splitlines()
                    rows = [dict(zip(header.split(","), line.split(","))) for line in lines]
                else:
                    rows = [json.loads(line) for line in text.splitlines()]
            found += [{**row, **folders} for row in rows]
        return found

    def ids(self):
        return sorted(int(row["id"]) for row in self.rows())

    def staged(self):
        """What is left over where nothing should be."""
        return m.files_below(self.home / ".millrace" / "p" / "staging")


class Local(Place):
    kind = "local"

    def connection(self):
        return "{ type: files, path: out }"

    def clear(self):
        pass

    def list(self):
        """Without what is on its way, which comes and goes."""
        out, found = self.home / "out", {}
        for folder, folders, files in os.walk(out):
            folders[:] = [name for name in folders if not name.startswith(".millrace-")]
            for name in files:
                status = os.stat(os.path.join(folder, name))
                found[os.path.relpath(os.path.join(folder, name), out)] = (status.st_ino, status.st_mtime_ns)
        return found

    def get(self, name):
        return (self.home / "out" / name).read_bytes()


class Bucket(Place):
    kind = "s3"
    bucket = "rolling"

    def __init__(self, folder, server):
        super().__init__(folder)
        self.server, self.boto = server, server.client()
        self.boto.create_bucket(Bucket=self.bucket)
        self.env = {"S3_SECRET": server.SECRET}

    def connection(self):
        return self.server.connection(f"s3://{self.bucket}/out")

    def clear(self):
        for name in self.list():
            self.boto.delete_object(Bucket=self.bucket, Key=f"out/{name}")

    def list(self):
        pages = self.boto.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="out/")
        return {o["Key"].removeprefix("out/"): (o["ETag"], o["LastModified"])
                for page in pages for o in page.get("Contents", [])}

    def get(self, name):
        return self.boto.get_object(Bucket=self.bucket, Key=f"out/{name}")["Body"].read()


def run_cases(title, cases):
    """Each case in each place, or those with the word of --only in their names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    s3.clients()
    report = m.Report(title)
    with tempfile.TemporaryDirectory(prefix="millrace-files-") as folder, s3.S3() as server:
        for place in (Local(folder), Bucket(folder, server)):
            for case in cases:
                name = f"{case.__name__} {place.kind}"
                if options.only in name:
                    report.case(name, lambda: case(place))
    return report.close()
