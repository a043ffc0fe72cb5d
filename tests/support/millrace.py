"""Drives the millrace binary as a user would. Python's standard library only."""
import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The build with fault points; MILLRACE_BIN names another binary.
BINARY = os.environ.get("MILLRACE_BIN", str(ROOT / "build" / "test" / "millrace"))


class Failed(AssertionError):
    pass


def run(*args, cwd=None, env=None, check=True, timeout=120):
    """Runs a command of millrace to its end; returns the CompletedProcess."""
    done = subprocess.run([BINARY, *map(str, args)], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, **(env or {})}, timeout=timeout, stdin=subprocess.DEVNULL,
                          errors="surrogateescape")
    if "MILLRACE_FAULT must be" in done.stderr:  # else a test whose kill never came would pass
        raise Failed(done.stderr)
    if check and done.returncode != 0:
        raise Failed(f"millrace {' '.join(map(str, args))} exited with {done.returncode}:\n"
                     f"{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done


def start(*args, cwd=None, env=None):
    """Starts a command and leaves it running."""
    return subprocess.Popen([BINARY, *map(str, args)], cwd=cwd, env={**os.environ, **(env or {})},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def query(pipeline, sql, cwd=None):
    """Rows of a query, each as a dict."""
    out = run("query", pipeline, sql, "--format", "json", "--limit", 100_000_000, cwd=cwd).stdout
    return [json.loads(line) for line in out.splitlines()]


def canonical(rows):
    """Rows as sorted texts, floating-point numbers to 9 digits, for comparing results as sets."""
    def value(v):
        if isinstance(v, float):
            return f"{v:.9g}"
        if isinstance(v, dict):
            return {k: value(x) for k, x in v.items()}
        if isinstance(v, list):
            return [value(x) for x in v]
        return v
    return sorted(json.dumps(value(row), sort_keys=True) for row in rows)


def write_csv(path, header, rows):
    """Writes a CSV file as one step, as careful producers do: under another name, then renamed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if v is None else v for v in row] for row in rows])
    path = pathlib.Path(path)
    aside = path.with_name("." + path.name + ".tmp")
    aside.write_text(text.getvalue())
    aside.rename(path)


def balanced(progress):
    """Checks lines of `--progress json`: every row of every part of the graph has a destination, and what goes over
    an edge came out of its beginning. Returns how many batches there were."""
    batches = 0
    for line in progress.splitlines():
        batch = json.loads(line)
        batches += 1
        out = {node["id"]: node["out"] for node in batch["nodes"]}
        for node in batch["nodes"]:
            came = node["in"] + node["emitted"]
            went = sum(node[k] for k in ("out", "filtered", "late", "duplicate", "quarantined", "absorbed"))
            if came != went or min(v for v in node.values() if isinstance(v, (int, float))) < 0:
                raise Failed(f"batch {batch['batchId']}: rows of {node['id']} have no destination: {node}")
        for edge in batch["edges"]:
            to_sink = edge["to"].startswith("sink:")
            if edge["from"] not in out or (not to_sink and edge["to"] not in out):
                raise Failed(f"batch {batch['batchId']}: an edge between nobody: {edge}")
            if to_sink and edge["rows"] > out[edge["from"]] and not late_sink(batch, edge):
                raise Failed(f"batch {batch['batchId']}: more rows over {edge} than came out")
        if len(out) != len(batch["nodes"]):
            raise Failed(f"batch {batch['batchId']}: two nodes of one id: {sorted(n['id'] for n in batch['nodes'])}")
    return batches


def late_sink(batch, edge):
    """Whether a sink may have got late rows, which do not come out of their dataset."""
    return next(n for n in batch["nodes"] if n["id"] == edge["from"])["late"] >= edge["rows"]


def files_below(folder):
    folder = pathlib.Path(folder)
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()) \
        if folder.exists() else []


def wait_until(condition, what, timeout=60.0):
    """Waits for a condition, polling; a clear failure after the timeout."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {timeout} s for {what}")
        time.sleep(0.01)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


class Report:
    """Counts cases and prints the plain closing line."""

    def __init__(self, name):
        self.name, self.passed, self.failed, self.start = name, 0, 0, time.monotonic()

    def case(self, what, function):
        begin = time.monotonic()
        try:
            function()
        except (Failed, AssertionError, subprocess.TimeoutExpired) as error:
            self.failed += 1
            # Frame 0 is this function; of what the case called, its own file's deepest line tells most.
            frames = traceback.extract_tb(error.__traceback__)[1:]
            at = [frame for frame in frames if frame.filename != __file__][-1]
            print(f"FAIL {what} ({pathlib.Path(at.filename).name}:{at.lineno}: {at.line})\n     {str(error)[:6000]}",
                  flush=True)
            return False
        self.passed += 1
        print(f"ok   {what} ({time.monotonic() - begin:.2f} s)", flush=True)
        return True

    def close(self):
        print(f"{self.name}: {self.passed} passed, {self.failed} failed "
              f"in {time.monotonic() - self.start:.1f} s")
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.failed == 0 and self.passed > 0 else 1
