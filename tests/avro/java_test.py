"""Files of Avro's own library for Java, through millrace and back: Java reads the same as it wrote."""
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from avro_test import CODECS, SCHEMA, Bench, record, row  # noqa: E402

SEED = 20261122
ROWS = 300


def java(*args):
    done = subprocess.run(["java", "-Xmx256m", "-jar", str(servers.avro_tools()), *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, (args, done.stderr[-2000:])
    return done.stdout


class Types:
    """Random types that both sides have: what a union may be is NULL or one other type."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = 0

    def name(self):
        self.names += 1
        return f"N{self.names}"

    def any(self, depth):
        kinds = ["boolean", "int", "long", "float", "double", "string", "bytes", "enum", "fixed", "null"]
        kind = self.random.choice(kinds + (["array", "map", "record"] * 2 if depth else []))
        if kind == "enum":
            return {"type": "enum", "name": self.name(), "symbols": ["RED", "GREEN", "BLUE"][:self.random.randint(1, 3)]}
        if kind == "fixed":
            return {"type": "fixed", "name": self.name(), "size": self.random.randint(1, 20)}
        if kind == "null":
            return ["null", "string"] if self.random.random() < 0.5 else ["long", "null"]
        if kind == "array":
            return {"type": "array", "items": self.any(depth - 1)}
        if kind == "map":
            return {"type": "map", "values": self.any(depth - 1)}
        if kind == "record":
            return self.record(depth - 1)
        return kind

    def record(self, depth):
        return record(self.name(), **{f"f{i}": self.any(depth) for i in range(self.random.randint(1, 6))})


def lines(file):
    """A file's records as Java shows them, however often each."""
    return collections.Counter(json.dumps(json.loads(line), sort_keys=True) for line in java("tojson", file).split("\n") if line)


def through_and_back(b, schema, codec):
    """Reads what is in `in`, writes it with the same schema, and has Java compare."""
    b.forget()
    (b.folder / "same.avsc").write_text(json.dumps(schema))
    b.pipeline(sink=f"{{ from: result, to: {{ type: files, path: out }}, format: avro, compression: {'none' if codec == 'null' else codec}, schema_file: same.avsc }}")
    b.run()
    [given] = (b.folder / "in").iterdir()
    want = lines(given)
    got = sum((lines(b.folder / "out" / name) for name in m.files_below(b.folder / "out")), collections.Counter())
    assert want.total() == ROWS and got == want, (schema, list((got - want).items())[:2], list((want - got).items())[:2])


def of_random_types(b):
    for i, codec in enumerate(CODECS):
        types = Types(SEED + i)
        schema = types.record(2)
        for old in (b.folder / "in").iterdir():
            old.unlink()
        (b.folder / "random.avsc").write_text(json.dumps(schema))
        java("random", "--count", ROWS, "--seed", SEED + i, "--codec", codec, "--level", 3, "--schema-file", b.folder / "random.avsc",
             b.folder / "random.avro")  # and a checksum beside it
        (b.folder / "random.avro").rename(b.folder / "in" / "random.avro")
        through_and_back(b, schema, codec)


def of_logical_types(b):
    """Java makes no sensible ones at random, so these come from Python."""
    b.write("given.avro", SCHEMA, (row(i) for i in range(ROWS)))
    through_and_back(b, SCHEMA, "snappy")


CASES = [of_random_types, of_logical_types]


def main():
    report = m.Report("avro and java")
    print(f"types of seed {SEED}")
    for case in CASES:
        if sys.argv[1:] and case.__name__ not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory(prefix="millrace-java-") as folder:
            report.case(case.__name__, lambda: case(Bench(folder)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
