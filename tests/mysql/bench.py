"""What the tests of MySQL have in common: a server, a database that is empty, a folder for a pipeline."""
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import mariadb  # noqa: E402
import millrace as m  # noqa: E402
import servers  # noqa: E402

servers.clients()

FILES_SINK = "{ type: files, path: out }, format: json"
TABLE_SINK = "{ type: store, path: out.duckdb }, table: result"


class Bench:
    def __init__(self, server, folder):
        self.server, self.folder = server, pathlib.Path(folder)

    def sql(self, text):
        return self.server.sql(text)

    def pipeline(self, source="", sql="SELECT * FROM input", sink=TABLE_SINK, port=None, more="", connection=None, sources="",
                 datasets=""):
        """One source, one dataset, one sink; `more` are lines of the pipeline, `connection` options of the server."""
        self.file = self.folder / "pipeline.yaml"
        source = f"  input: {{ from: shop, {source} }}\n" if source else ""
        self.file.write_text(
            f"pipeline: p\n{more}connections:\n  shop: {self.server.connection(port, **(connection or {}))}\n"
            f"sources:\n{source}{sources}datasets:\n  result: {sql}\n{datasets}"
            f"sinks:\n  out: {{ from: result, to: {sink} }}\n")
        return self.file

    def run(self, **options):
        return m.run("run", self.file, "--once", "--progress", "none", cwd=self.folder, **options)

    def start(self, *options):
        return m.start("run", self.file, "--progress", "none", *options, cwd=self.folder)

    def rows(self, what="out"):
        return m.query(self.file, f"SELECT * FROM {what}", cwd=self.folder)

    def written(self):
        """The rows in files that a process writes meanwhile."""
        return [json.loads(line) for path in (self.folder / "out").glob("*.json") for line in path.read_text().splitlines()]

    def forget(self):
        """Another life: no checkpoint, no output."""
        for name in (".millrace", "out.duckdb", "out"):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def run_cases(name, cases, argv, server=mariadb.Mariadb):
    """Each case with a database of its own; names of cases may be given as arguments."""
    report = m.Report(name)
    with server() as server:
        for case in cases:
            if len(argv) > 1 and case.__name__ not in argv[1:]:
                continue
            server.sql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;", database="mysql")
            with tempfile.TemporaryDirectory(prefix="millrace-mysql-") as folder:
                report.case(case.__name__.replace("_", " "), lambda: case(Bench(server, folder)))
    return report.close()
