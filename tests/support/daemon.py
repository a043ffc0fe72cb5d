"""A daemon over a folder of pipelines, and its control API."""
import json
import pathlib
import re
import subprocess
import urllib.error
import urllib.request

import millrace as m


class Daemon:
    """A daemon over a folder of pipelines. A context manager. `headers`: of all that is asked; `args`: more of its own."""

    def __init__(self, folder, *pipelines, port=0, headers=None, args=()):
        self.folder = pathlib.Path(folder)
        for text in pipelines:
            name = re.search(r"^pipeline: (\S+)", text, re.MULTILINE).group(1)
            (self.folder / f"{name}.yaml").write_text(text)
        self.port, self.process, self.headers, self.args = port, None, headers or {}, args

    def start(self):
        log = self.folder / "log"
        with open(log, "ab") as file:
            begin = file.tell()
            self.process = subprocess.Popen([m.BINARY, "daemon", str(self.folder), "--control", f"127.0.0.1:{self.port}",
                                             *self.args],
                                            stdin=subprocess.DEVNULL, stdout=file, stderr=file)

        def address():
            assert self.process.poll() is None, log.read_text()[-3000:]
            return re.search(r"control at (http://127\.0\.0\.1:(\d+))", log.read_text()[begin:])
        m.wait_until(address, "the control server")
        self.url, self.port = address().group(1), int(address().group(2))
        return self

    def ask(self, path, body=None, headers=None):
        """(status, bytes) of a path below the address."""
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(),
                                         {**({} if body is None else {"Content-Type": "application/json"}), **self.headers, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path):
        status, answer = self.ask(f"/api/v1{path}")
        assert status == 200, (path, status, answer)
        return json.loads(answer)

    def post(self, path, body):
        status, answer = self.ask(f"/api/v1{path}", body)
        assert status == 200, (path, body, status, answer)
        return json.loads(answer)

    def log(self):
        return (self.folder / "log").read_text()

    def wait_for_batch(self, pipeline, batch):
        m.wait_until(lambda: self.get(f"/pipelines/{pipeline}")["batch"] >= batch, f"batch {batch} of {pipeline}")

    def wait_for(self, pipeline, state):
        m.wait_until(lambda: self.get(f"/pipelines/{pipeline}")["state"] == state, f"{pipeline} to be {state}")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.process.poll() is None:
            m.kill(self.process)
