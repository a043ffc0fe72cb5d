#!/usr/bin/env python3
"""Bad input and a bad world: each gives a clear error or is kept aside, and nothing is lost."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

PIPELINE = """pipeline: bad
sources:
  input:
    from: {{ type: files, path: in }}
    format: {format}
    schema: id BIGINT, name VARCHAR, amount DOUBLE
    on_malformed: {on_malformed}
datasets:
  kept: SELECT id, name, amount FROM input
sinks:
  kept: {{ from: kept, to: {{ type: files, path: out }}, format: parquet, mode: append }}
"""
HEADER = b"id,name,amount\n"


class Home:
    """A folder with a pipeline and an input folder."""

    def __init__(self, folder, on_malformed="quarantine", format="csv", pipeline=PIPELINE):
        self.path = pathlib.Path(folder)
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / "in").mkdir(parents=True)
        (self.path / "pipeline.yaml").write_text(
            pipeline.format(on_malformed=on_malformed, format=format))

    def write(self, content, name="a.csv"):
        (self.path / "in" / name).write_bytes(content)
        os.utime(self.path / "in" / name, (1_700_000_000, 1_700_000_000))
        return self

    def run(self, code=0, **options):
        done = m.run("run", "pipeline.yaml", "--once", cwd=self.path, check=False, **options)
        assert done.returncode == code, f"exit code {done.returncode}, not {code}: {done.stderr}"
        return done.stderr

    def rows(self):
        return m.query("pipeline.yaml", "SELECT id, name, amount FROM kept ORDER BY ALL",
                       cwd=self.path)

    def ids(self):
        return [row["id"] for row in self.rows()]

    @property
    def quarantine(self):
        return self.path / ".millrace" / "bad" / "quarantine"

    def quarantined(self):
        """The rows put aside, by file, line and part; `raw` as bytes, however they are written."""
        rows = [json.loads(line) for f in self.quarantine.rglob("*.jsonl")
                for line in f.read_text().split("\n") if line]
        for row in rows:
            assert ("raw" in row) != ("raw_base64" in row), row
            row["raw"] = base64.b64decode(row["raw_base64"], validate=True) \
                if "raw_base64" in row else row["raw"].encode()
        return sorted(rows, key=lambda r: (r["origin"], r["line"], r.get("part", 0)))


def says(text, *parts):
    for part in parts:
        assert part in text, f"`{part}` is not in: {text}"


class Files:
    """Files that are odd or broken."""

    def __init__(self, folder):
        self.folder = folder

    def home(self, *args, **options):
        return Home(self.folder, *args, **options)

    def empty_file(self):
        home = self.home().write(b"").write(HEADER + b"1,a,1.5\n", "b.csv")
        home.run()
        assert home.ids() == [1], home.ids()

    def header_only(self):
        home = self.home().write(HEADER).write(HEADER + b"1,a,1.5\n", "b.csv")
        home.run()
        assert home.ids() == [1], home.ids()

    def wrong_header(self):
        text = self.home().write(b"id,nam,amount\n1,a,2\n").run(code=3)
        says(text, "a.csv", "name", "nam")

    def other_order(self):
        home = self.home().write(HEADER + b"1,a,1.5\n")
        home.write(b"amount,id,name\n2.5,2,b\n", "b.csv").run()
        assert [(r["id"], r["name"], r["amount"]) for r in home.rows()] == \
            [(1, "a", 1.5), (2, "b", 2.5)], home.rows()

    def truncated_last_line(self):
        home = self.home().write(HEADER + b"1,a,1.5\n2,b")
        home.run()
        assert home.ids() == [1], home.ids()
        bad = home.quarantined()
        assert len(bad) == 1 and bad[0]["line"] == 3 and bad[0]["raw"] == b"2,b", bad

    def no_newline_at_the_end(self):
        home = self.home().write(HEADER + b"1,a,1.5\n2,b,2.5")
        home.run()
        assert home.ids() == [1, 2], home.ids()

    def invalid_utf8(self):
        home = self.home().write(HEADER + b"1,a,1.5\n2,\xff\xfe,2.5\n3,c,3.5\n")
        home.run()
        assert home.ids() == [1, 3], home.ids()
        bad = home.quarantined()
        assert len(bad) == 1 and bad[0]["line"] == 3 and "raw_base64" in bad[0], bad
        assert bad[0]["raw"] == b"2,\xff\xfe,2.5", bad

    def many_malformed_rows(self):
        """Every one of them is kept, however many a batch has."""
        home = self.home()
        want = []
        for file in range(2):
            lines = [b"%d,%s,%s" % (i, os.urandom(i % 90).replace(b"\n", b"").replace(b"\r", b"")
                                    .replace(b'"', b"").replace(b",", b"") or b"x",
                                    b"1.5" if i % 6 == 0 else b"much") for i in range(3000)]
            lines = [l if i % 6 else b"%d,good,1.5" % i for i, l in enumerate(lines)]
            home.write(HEADER + b"\n".join(lines) + b"\n", f"{file}.csv")
            want += [(f"{file}.csv", i + 2, l) for i, l in enumerate(lines) if i % 6]
        home.run()
        assert len(home.ids()) == 1000, len(home.ids())
        bad = home.quarantined()
        assert len(bad) == 5000 == len(want), len(bad)
        for got, (name, line, raw) in zip(bad, want):
            assert got["origin"].endswith(f"/in/{name}") and got["line"] == line and \
                got["raw"] == raw, (got, name, line, raw)

    def long_malformed_record(self):
        rows = [b"2," + b"x" * 1_000_000 + b",much", b"3," + b"\xff" * 1_000_000 + b",3"]
        home = self.home().write(HEADER + b"1,a,1\n" + b"\n".join(rows) + b"\n4,d,4\n")
        home.run()
        assert home.ids() == [1, 4], home.ids()
        assert [b["raw"] for b in home.quarantined()] == rows, [len(b["raw"]) for b in home.quarantined()]

    def record_longer_than_is_held(self):
        """It is kept in parts; the rows around it are read."""
        long = "2,".encode() + "größer €".encode() * 300_000
        home = self.home().write(HEADER + b"1,a,1\n" + long + b"\n3,c,3\n4,d\n")
        path = home.path / "pipeline.yaml"
        path.write_text(path.read_text().replace("    on_malformed",
                                                 "    max_line_bytes: 100000\n    on_malformed"))
        home.run()
        assert home.ids() == [1, 3], home.ids()
        bad = home.quarantined()
        assert [b["line"] for b in bad] == [3] * (len(bad) - 1) + [5] and len(bad) > 2, bad[-1]
        assert [b.get("part") for b in bad] == [*range(1, len(bad)), None], bad[-1]
        assert b"".join(b["raw"] for b in bad[:-1]) == long
    def ten_megabyte_field(self):
        home = self.home().write(HEADER + b"1,a,1\n2," + b"x" * 10_000_000 + b",2\n3,c,3\n")
        home.run()
        assert home.ids() == [1, 2, 3], home.ids()
        assert len(home.rows()[1]["name"]) == 10_000_000

    def nul_byte(self):
        home = self.home().write(HEADER + b"1,a,1.5\n2,b\0c,2.5\n3,c,3.5\n")
        home.run()
        kept, bad = home.ids(), home.quarantined()
        assert kept in ([1, 2, 3], [1, 3]) and len(kept) + len(bad) == 3, (kept, bad)

    def crlf(self):
        home = self.home().write(b"id,name,amount\r\n1,a,1.5\r\n2,b,2.5\r\n")
        home.run()
        assert [(r["id"], r["name"], r["amount"]) for r in home.rows()] == \
            [(1, "a", 1.5), (2, "b", 2.5)], home.rows()

    def byte_order_mark(self):
        home = self.home().write(b"\xef\xbb\xbf" + HEADER + b"1,a,1.5\n")
        home.run()
        assert home.ids() == [1], home.ids()

    def quotes_and_newlines(self):
        home = self.home().write(HEADER + b'1,"a, ""b""\nc",1.5\n2,d,2.5\n')
        home.run()
        assert [r["name"] for r in home.rows()] == ['a, "b"\nc', "d"], home.rows()

    def unparsable_value(self):
        home = self.home().write(HEADER + b"1,a,1.5\n2,b,much\n3,c,3.5\n")
        home.run()
        bad = home.quarantined()
        assert home.ids() == [1, 3], home.ids()
        assert len(bad) == 1 and bad[0]["column"] == "amount" and bad[0]["line"] == 3, bad
        assert "a.csv" in bad[0]["origin"] and bad[0]["raw"] == b"2,b,much" and bad[0]["reason"], bad

    def drop(self):
        home = self.home("drop").write(HEADER + b"1,a,1.5\n2,b,much\n3,c,3.5\n")
        home.run()
        assert home.ids() == [1, 3] and not home.quarantined()

    def _permissive(self, content, name, column=True):
        """A pipeline whose malformed rows are rows of NULLs, run over a file; and its progress."""
        home = self.home("permissive", format=name.split(".")[1])
        if column:
            path = home.path / "pipeline.yaml"
            text = path.read_text().replace("name, amount FROM", "name, amount, bad FROM")
            path.write_text(text.replace("permissive",
                                         "permissive\n    corrupt_record_column: bad"))
        home.write(content, name)
        done = m.run("run", "pipeline.yaml", "--once", "--progress", "json", cwd=home.path)
        progress = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(progress) == 1, progress
        rows = m.query("pipeline.yaml", "FROM kept", cwd=home.path)
        return home, [tuple(row.values()) for row in rows], progress[0]

    CSV = HEADER + b'1,a,1.5\n2,b,much\n3,c,3.5\n4,\xff d,4\n5,e\n6,"f"g,6\n7,g,7\n'
    TEXTS = ["2,b,much", "4,\ufffd d,4", "5,e", '6,"f"g,6']

    def permissive_csv(self):
        """Rows of NULLs at their places, with their texts; counted as rows, and as malformed."""
        home, rows, progress = self._permissive(self.CSV, "a.csv")
        nulls = [(None, None, None, text) for text in self.TEXTS]
        assert rows == [(1, "a", 1.5, None), nulls[0], (3, "c", 3.5, None), *nulls[1:],
                        (7, "g", 7, None)], rows
        source = progress["sources"][0]
        assert source["numInputRows"] == 7 and source["numMalformedRows"] == 4, progress
        assert progress["numOutputRows"] == 7 and progress["numQuarantinedRows"] == 0, progress
        assert not home.quarantined()

    def permissive_csv_without_the_column(self):
        home, rows, progress = self._permissive(self.CSV, "a.csv", column=False)
        assert [row[0] for row in rows] == [1, None, 3, None, None, None, 7], rows
        assert all(row == (None, None, None) for row in rows if row[0] is None), rows
        assert progress["sources"][0]["numMalformedRows"] == 4 and not home.quarantined(), progress

    def permissive_json(self):
        """A key named like the column does not fill it."""
        for column in (True, False):
            home, rows, progress = self._permissive(
                b'{"id": 1, "bad": "x"}\n{"id": 2, "na\n{"id": 3}\n{"id": "x", "name": "y"}\n'
                b'[\xff]\n{"id": 4}\n', "a.json", column)
            texts = [None, '{"id": 2, "na', None, '{"id": "x", "name": "y"}', "[\ufffd]", None]
            assert rows == [(id, None, None, text)[:4 if column else 3] for id, text in
                            zip([1, None, 3, None, None, 4], texts)], rows
            source = progress["sources"][0]
            assert source["numInputRows"] == 6 and source["numMalformedRows"] == 3, progress
            assert not home.quarantined()

    def permissive_record_longer_than_is_held(self):
        """It can't be a row: it is put aside, in parts."""
        long = b"2," + b"x" * 40_000_000 + b",2"
        home, rows, progress = self._permissive(
            HEADER + b"1,a,1\n" + long + b"\n3,c\n4,d,4\n", "a.csv")
        assert {row[0]: row[3] for row in rows} == {1: None, None: "3,c", 4: None}, rows
        assert progress["sources"][0]["numMalformedRows"] == 2, progress
        assert b"".join(b["raw"] for b in home.quarantined()) == long

    def the_column_for_corrupt_records_in_a_header(self):
        home = self.home("permissive\n    corrupt_record_column: Bad")
        says(home.write(b"id,name,amount,bad\n1,a,1,x\n").run(code=3), "a.csv", "`bad`",
             "corrupt_record_column")

    def read_again(self):
        """What was put aside is a row once its columns fit; the rest is put aside again."""
        home = self.home()
        home.write(HEADER + b'1,a,1.5\n2,"b\nb",much\n3,c\n4,"d,4\n')
        home.write(b"amount,id,name\nmore,5,e\n", "b.csv")
        home.run()
        assert home.ids() == [1] and len(home.quarantined()) == 4, home.quarantined()
        path = home.path / "pipeline.yaml"
        text = path.read_text().replace("amount DOUBLE", "amount VARCHAR")
        path.write_text(text.replace("name, amount FROM",
                                     "name, TRY_CAST(amount AS DOUBLE) AS amount FROM"))
        out = m.run("quarantine", "replay", "pipeline.yaml", cwd=home.path).stdout
        says(out, "4 records read again", "2 still malformed")
        assert [(r["id"], r["name"]) for r in home.rows()] == \
            [(1, "a"), (2, "b\nb"), (5, "e")], home.rows()
        left = sorted(b["raw"] for b in home.quarantined())
        assert left == [b"3,c", b'4,"d,4'], left

    def fail(self):
        home = self.home("fail").write(HEADER + b"1,a,1.5\n2,b,much\n3,c,3.5\n")
        says(home.run(code=3), "a.csv", ":3", "amount", "much")
        home.write(HEADER + b"1,a,1.5\n2,b,2.5\n3,c,3.5\n")
        (home.path / ".millrace").rename(home.path / "old")
        home.run()
        assert home.ids() == [1, 2, 3], home.ids()

    def json_lines(self):
        home = self.home(format="json")
        home.write(b'{"id": 1, "name": "a", "amount": 1.5}\n{"id": 2, "na\n{"id": "x"}\n'
                   b'{"id": 3, "extra": true}\n', "a.json").run()
        assert home.ids() == [1, 3], home.ids()
        assert [(b["line"], b["raw"]) for b in home.quarantined()] == \
            [(2, b'{"id": 2, "na'), (3, b'{"id": "x"}')], home.quarantined()

    def broken_parquet(self):
        says(self.home(format="parquet").write(b"PAR1 no, not really", "a.parquet").run(code=3),
             "a.parquet")

    def hidden_and_temporary_files(self):
        home = self.home().write(HEADER + b"1,a,1\n").write(HEADER + b"2,b,2\n", ".b.csv")
        home.write(HEADER + b"3,c,3\n", "c.csv.tmp").write(HEADER + b"4,d,4\n", "_d.csv").run()
        assert home.ids() == [1], home.ids()

    def compressed(self):
        import gzip
        home = self.home().write(gzip.compress(HEADER + b"1,a,1.5\n"), "a.csv.gz")
        home.run()
        assert home.ids() == [1], home.ids()


class World:
    """Folders, disks and checkpoints that are not as they should be."""

    def __init__(self, folder):
        self.folder = folder

    def home(self):
        return Home(self.folder).write(HEADER + b"1,a,1.5\n")

    def no_such_directory(self):
        home = self.home()
        shutil.rmtree(home.path / "in")
        says(home.run(code=3), "/in", "No such file or directory")

    def no_permission(self):
        """As a user that may not read; root may read everything."""
        home = self.home()
        (home.path / "in").chmod(0o700)
        os.chmod(home.path, 0o777)
        for parent in home.path.parents:
            if str(parent).startswith(tempfile.gettempdir() + "/"):
                parent.chmod(0o755)
        binary = home.path / "millrace"
        shutil.copy(m.BINARY, binary)
        library = subprocess.run(["ldd", m.BINARY], capture_output=True, text=True).stdout
        library = [w.split("=>")[1].split()[0] for w in library.splitlines() if "libduckdb" in w][0]
        shutil.copy(library, home.path / "libduckdb.so")
        if os.geteuid() != 0:
            (home.path / "in").chmod(0)
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run([binary, "run", "pipeline.yaml", "--once"], cwd=home.path, text=True,
                              capture_output=True, env={"LD_LIBRARY_PATH": str(home.path)}, **user)
        (home.path / "in").chmod(0o700)
        assert done.returncode == 3, (done.returncode, done.stderr)
        says(done.stderr, "/in", "ermission denied")

    def full_disk(self):
        """A small tmpfs: a clear error, nothing half-written; with room again nothing is lost."""
        if os.geteuid() != 0:
            raise m.Failed("needs root to mount a small tmpfs")
        home = self.home()
        rows = b"".join(b"%d,%s,1.5\n" % (i, os.urandom(64).hex().encode()) for i in range(60_000))
        home.write(HEADER + rows)
        out = home.path / "out"
        out.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", out], check=True)
        try:
            says(home.run(code=3), "No space left on device")
            assert not [f for f in m.files_below(out) if f.endswith(".parquet")], m.files_below(out)
            subprocess.run(["mount", "-o", "remount,size=64m", out], check=True)
            home.run()
            assert len(home.ids()) == 60_000
        finally:
            subprocess.run(["umount", out], check=True)

    def malformed(self, rows):
        home = self.home()
        return home.write(HEADER + b"".join(b"%d,%s,much\n" % (i, os.urandom(64).hex().encode())
                                            for i in range(rows)), "b.csv")

    def full_disk_for_quarantine(self):
        """Rows that can't be put aside fail the batch; with room again, none is missing."""
        if os.geteuid() != 0:
            raise m.Failed("needs root to mount a small tmpfs")
        home = self.malformed(20_000)
        home.quarantine.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", home.quarantine], check=True)
        try:
            says(home.run(code=3), "No space left on device", ".millrace/bad/quarantine/input/")
            assert not m.files_below(home.quarantine), m.files_below(home.quarantine)
            assert not m.files_below(home.path / "out"), m.files_below(home.path / "out")
            subprocess.run(["mount", "-o", "remount,size=64m", home.quarantine], check=True)
            home.run()
            assert home.ids() == [1] and len(home.quarantined()) == 20_000
        finally:
            subprocess.run(["umount", home.quarantine], check=True)

    def quarantine_that_can_not_be_written(self):
        home = self.malformed(10)
        home.quarantine.parent.mkdir(parents=True)
        home.quarantine.write_text("a file where the folder should be")
        says(home.run(code=3), ".millrace/bad/quarantine", "Not a directory")
        assert not m.files_below(home.path / "out"), m.files_below(home.path / "out")
        home.quarantine.unlink()
        home.run()
        assert home.ids() == [1] and len(home.quarantined()) == 10

    def killed_while_it_quarantines(self):
        """The batch runs again and leaves the same rows, once, and nothing half-written."""
        for fault in ("batch.after_run:1", "quarantine.after_sync:1", "batch.after_quarantine:1",
                      "checkpoint.commit.before_write:1"):
            home = self.malformed(5_000)
            done = m.run("run", "pipeline.yaml", "--once", cwd=home.path, check=False,
                         env={"MILLRACE_FAULT": fault})
            assert done.returncode == -9, (fault, done)
            home.run()
            assert m.files_below(home.quarantine) == ["input/000000000000.jsonl"], \
                (fault, m.files_below(home.quarantine))
            assert [b["line"] for b in home.quarantined()] == [*range(2, 5_002)], fault

    def corrupted_checkpoint(self):
        home = self.home()
        home.run()
        logs = [p for p in (home.path / ".millrace" / "bad").rglob("*.log")]
        snapshots = [p for p in (home.path / ".millrace" / "bad").rglob("*.snapshot")]
        assert logs or snapshots
        for path in logs + snapshots:
            data = bytearray(path.read_bytes())
            if data:
                data[len(data) // 3] ^= 0xFF
                path.write_bytes(bytes(data))
        home.write(HEADER + b"2,b,2.5\n", "b.csv")
        says(home.run(code=3), ".millrace/bad/")

    def changed_query(self):
        """State that was built by another query is recognised and explained, not misread."""
        home = self.home()
        path = home.path / "pipeline.yaml"
        total = path.read_text().replace("SELECT id, name, amount FROM input",
                                         "SELECT name, sum(amount) AS total FROM input GROUP BY name")
        path.write_text(total.replace("append", "complete"))
        home.run()
        path.write_text(path.read_text().replace("sum(amount)", "max(amount)"))
        says(home.run(code=2), "dataset kept", "its SQL changed", "to start over")
        path.write_text(total.replace("append", "complete") + "    # a comment is no change\n")
        home.run()

    def other_pipeline(self):
        home = self.home()
        home.run()
        path = home.path / "pipeline.yaml"
        path.write_text(path.read_text().replace("pipeline: bad", "pipeline: other\n"
                                                 "checkpoint: { path: .millrace/bad }"))
        says(home.run(code=2), "pipeline bad", "other")

    def harmless_change(self):
        home = self.home()
        home.run()
        path = home.path / "pipeline.yaml"
        path.write_text(path.read_text().replace("FROM input", "FROM input WHERE id > 1"))
        says(home.run(), "dataset kept changed")

    def two_processes(self):
        home = self.home()
        first = m.start("run", "pipeline.yaml", cwd=home.path)
        try:
            m.wait_until(lambda: m.files_below(home.path / "out"), "the first batch")
            says(home.run(code=2), str(first.pid))
        finally:
            first.terminate()
            out, errors = first.communicate(timeout=30)
        assert first.returncode == 0, (first.returncode, errors)
        home.write(HEADER + b"2,b,2.5\n", "b.csv").run()
        assert home.ids() == [1, 2], home.ids()

    def changed_file(self):
        """A file that changes after it was planned: the batch fails and says so."""
        home = self.home()
        done = m.run("run", "pipeline.yaml", "--once", cwd=home.path, check=False,
                     env={"MILLRACE_FAULT": "checkpoint.offsets.after_sync:1"})
        assert done.returncode == -9, done
        home.write(HEADER + b"1,a,1.5\n2,b,2.5\n")
        says(home.run(code=3), "a.csv", "changed")

    def disappeared_file(self):
        home = self.home()
        done = m.run("run", "pipeline.yaml", "--once", cwd=home.path, check=False,
                     env={"MILLRACE_FAULT": "checkpoint.offsets.after_sync:1"})
        assert done.returncode == -9, done
        (home.path / "in" / "a.csv").unlink()
        says(home.run(code=3), "a.csv")


class Mistakes:
    """Mistakes in a pipeline file: all at once, each at its place, with the way out."""

    BASE = PIPELINE.format(on_malformed="quarantine", format="csv")

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def check(self, text, *parts):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "pipeline.yaml").write_text(text)
        done = m.run("validate", "pipeline.yaml", cwd=self.folder, check=False)
        assert done.returncode == 2, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        says(done.stderr, *parts)
        return done.stderr

    def unknown_key(self):
        self.check(self.BASE.replace("sinks:", "sink:"), "pipeline.yaml:10:1: error: ",
                   "did you mean `sinks`?")

    def unknown_option(self):
        self.check(self.BASE.replace("schema:", "shema:"), "pipeline.yaml:6:5: error: ",
                   "did you mean `schema`?")

    def unknown_connector(self):
        self.check(self.BASE.replace("type: files, path: in", "type: file, path: in"),
                   "pipeline.yaml:4:", "did you mean `files`?")

    def bad_sql(self):
        self.check(self.BASE.replace("SELECT id,", "SELECT idd,"), "pipeline.yaml:9:16: error: ",
                   "idd")

    def bad_syntax_in_sql(self):
        self.check(self.BASE.replace("FROM input", "FORM input"), "pipeline.yaml:9:", "error: ")

    def unknown_dataset(self):
        self.check(self.BASE.replace("FROM input", "FROM inputs"), "pipeline.yaml:9:",
                   "did you mean `input`?")

    def unknown_sink_source(self):
        self.check(self.BASE.replace("from: kept", "from: keptt"), "pipeline.yaml:11:",
                   "did you mean `kept`?")

    def bad_yaml(self):
        self.check(self.BASE + "\n  - : : x", "pipeline.yaml:", "error: ")

    def wrong_mode(self):
        self.check(self.BASE.replace("mode: append", "mode: complete"), "pipeline.yaml:11:",
                   "complete")

    def permissive(self):
        """The column for corrupt records: only where there are such rows, and no other's name."""
        given = "on_malformed: permissive\n    corrupt_record_column: %s"
        asked = "on_malformed: quarantine"
        self.check(self.BASE.replace(asked, (given % "bad").replace("permissive\n", "drop\n")),
                   "pipeline.yaml:8:28: error: ", "set `on_malformed: permissive`")
        self.check(self.BASE.replace(asked, given % "Name"), "pipeline.yaml:8:28: error: ",
                   "`Name` in its `schema`", "another name")
        text = self.check(self.BASE.replace(asked, given % "bad").replace("csv", "parquet"),
                          "pipeline.yaml:7:19: error: ", "pipeline.yaml:8:28: error: ", "Parquet")
        assert text.count(": error: ") == 2, text

    def literal_secret_and_many_mistakes(self):
        text = self.check(self.BASE.replace("schema:", "shema:").replace("from: kept", "from: keptt")
                          .replace("on_malformed: quarantine", "on_malformed: ignore"),
                          "pipeline.yaml:6:", "pipeline.yaml:7:", "pipeline.yaml:11:")
        assert text.count(": error: ") >= 3, text


def main():
    report = m.Report("bad input")
    with tempfile.TemporaryDirectory(prefix="millrace-bad-") as folder:
        for group in (Files, World, Mistakes):
            instance = group(os.path.join(folder, "home"))
            for name in [n for n in group.__dict__ if not n.startswith("_")
                         and n not in ("home", "malformed", "check", "BASE", "CSV", "TEXTS")]:
                if not sys.argv[1:] or name in sys.argv[1:]:
                    report.case(f"{group.__name__}: {name}", getattr(instance, name))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
