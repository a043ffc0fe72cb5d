"""Drives what answers requests: `millrace serve`, or `millrace run` of a pipeline with `serve:`."""
import http.client
import json
import re
import threading

import millrace as m


class Api:
    """A command that serves, on the port that it tells. A context manager; kill() ends it at once."""

    def __init__(self, *command, cwd, env=None):
        self.process = m.start(*command, cwd=cwd, env=env)
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"serving (?:on|at) (?:https?://)?127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise m.Failed("it did not start:\n" + "".join(self.lines))
        self.readers = [threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True),
                        threading.Thread(target=self.process.stdout.read, daemon=True)]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.process.poll() is None:
            self.stop()
        else:
            self.kill()

    def connection(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path, headers=None, method="GET"):
        """(status, headers, body as JSON or text)"""
        connection = self.connection()
        try:
            return ask(connection, path, headers, method)
        finally:
            connection.close()

    def log(self):
        return "".join(self.lines)

    def stop(self):
        """Ends it as Ctrl-C does; it has to end in order."""
        self.process.terminate()
        code = self.process.wait(60)
        self._close()
        if code != 0:
            raise m.Failed(f"it exited with {code}:\n{self.log()[-3000:]}")

    def kill(self):
        m.kill(self.process)
        self._close()

    def _close(self):
        for reader in self.readers:
            reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()


def ask(connection, path, headers=None, method="GET"):
    """(status, headers, body as JSON or text), on a connection that may be used again."""
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return answer.status, answer.headers, json.loads(body) if body and is_json else body


def same(actual, expected, what):
    if actual != expected:
        raise m.Failed(f"{what}:\n  {json.dumps(actual, default=str)[:1500]}\nexpected\n  {json.dumps(expected, default=str)[:1500]}")
