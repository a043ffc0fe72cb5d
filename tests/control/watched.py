"""A pipeline that runs, seen through its control API and its event stream."""
import contextlib
import http.client
import json
import pathlib
import re
import signal
import sys
import tempfile
import threading
import urllib.error
import urllib.request

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "support")]
import millrace as m  # noqa: E402


class Run:
    """A pipeline that runs, in a folder of its own."""

    def __init__(self, home, trigger="1h", columns="id BIGINT", more="", top="", args=(), text=None,
                 before=None, env=None, control="127.0.0.1:0"):
        self.home = home
        self.env = {"XDG_RUNTIME_DIR": str(home), "NO_COLOR": "1", **(env or {})}
        if before:
            before(home)
        (home / "in").mkdir(exist_ok=True)
        (home / "pipeline.yaml").write_text(text or f"""
pipeline: watched
trigger: {trigger}
{top}sources:
  rows: {{ from: {{ type: files, path: in }}, format: csv, schema: '{columns}', max_files_per_trigger: 1 }}
datasets:
  passed: SELECT * FROM rows
  totals: SELECT count(*) AS n FROM rows
{more}sinks:
  out: {{ from: passed, to: {{ type: files, path: out }}, format: csv }}
  sums: {{ from: totals, to: blackhole }}
""")
        self.args = [*([] if control is None else ["--control", control]), *args]
        self.start()

    def start(self):
        self.process = m.start("run", "pipeline.yaml", "--progress", "json", *self.args,
                               cwd=self.home, env=self.env)
        self.url, self.log, self.progress = None, [], []
        self.readers = [threading.Thread(target=self.read_log), threading.Thread(target=self.read_progress)]
        for reader in self.readers:
            reader.start()
        m.wait_until(lambda: self.url or self.process.poll() is not None, "the address of the control API")
        assert self.url, "".join(self.log)

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"control at (https?://\S+)", line)
            self.url = found[1] if found else self.url

    def read_progress(self):
        for line in self.process.stdout:
            self.progress.append(json.loads(line))

    def ask(self, path, body=None, headers=None):
        """(status, headers, JSON)"""
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method="GET" if body is None else "POST",
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={**({} if body is None else {"Content-Type": "application/json"}),
                                                  **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read() or b"null")
        except OSError as error:
            raise m.Failed(f"{path}: {error}\n{''.join(self.log)[-3000:]}")

    def get(self, path):
        status, _, answer = self.ask(path)
        assert status == 200, (path, status, answer)
        return answer

    def summary(self):
        return self.get("/pipelines/watched")

    def control(self, action, want=200):
        status, _, answer = self.ask("/pipelines/watched/control", {"action": action})
        assert status == want, (action, status, answer)
        return answer

    def wait_for(self, state):
        m.wait_until(lambda: self.summary()["state"] == state, state)

    def wait_for_batch(self, n):
        m.wait_until(lambda: self.summary()["batch"] >= n, f"batch {n}")

    def put(self, name, rows):
        m.write_csv(self.home / "in" / f"{name}.csv", ["id"], [[i] for i in rows])

    def written(self):
        lines = []
        for path in (self.home / "out").rglob("*.csv"):
            lines += path.read_text().splitlines()[1:]
        return sorted(lines)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        for reader in self.readers:
            reader.join()
        return code

    def client(self, *args, check=True):
        return m.run(*args, env=self.env, check=check)


@contextlib.contextmanager
def running(**options):
    with tempfile.TemporaryDirectory() as folder:
        run = Run(pathlib.Path(folder), **options)
        try:
            yield run
        finally:
            run.end()


class Follower:
    """Listens to the event stream, and keeps what it hears."""

    def __init__(self, run, last_id=None):
        self.connection = http.client.HTTPConnection(run.url.removeprefix("http://"), timeout=60)
        self.connection.request("GET", "/api/v1/stream", headers={"Last-Event-ID": last_id} if last_id else {})
        self.socket = self.connection.sock  # which is the answer's from now on
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.status
        self.events = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        m.wait_until(lambda: self.events, "the first event")

    def read(self):
        event = {}
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name in ("id", "event", "data"):
                    event[name] = json.loads(value) if name == "data" else value
                elif not name and event:
                    self.events.append(event)
                    event = {}

    def of(self, kind):
        return [e["data"] for e in self.events if e["event"] == kind]

    def close(self):
        self.socket.shutdown(2)
        self.thread.join()
        self.answer.close()
        self.connection.close()


def report(name, cases):
    """Runs all cases, or those that the command line names; each says in its docstring what it is about."""
    told = m.Report(name)
    for case in cases:
        if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
            told.case(f"{case.__name__}: {case.__doc__.split(';')[0]}", case)
    return told.close()
