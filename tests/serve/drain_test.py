#!/usr/bin/env python3
"""SIGTERM while requests are under way: they are answered in full, nobody new is let in, who waits is let go, and the process ends in order within
its limit, also if a client never takes its answer."""
import http.client
import json
import pathlib
import re
import signal
import socket
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from serving import Api, same  # noqa: E402

DRAIN = 5  # seconds; what requests under way may take
ROWS = 10_000
PIPELINE = """
pipeline: words
trigger: 10ms
sources:
  lines: { from: { type: files, path: input }, format: csv, schema: "word VARCHAR, pieces BIGINT" }
datasets:
  words: SELECT word, sum(pieces)::BIGINT AS pieces FROM lines GROUP BY word
serve:
  listen: 127.0.0.1:0
  endpoints:
    - { get: "/words/{word}", parameters: { word: { type: string } }, query: SELECT * FROM words WHERE word = $word, returns: one }
    - { get: /slow, parameters: { n: { type: int } }, cache: false, timeout: 60s,
        query: "SELECT count(*) AS n FROM range(100000) a, range(1000000) b WHERE b.range < $n AND hash(a.range * b.range) % 7 = 3" }
    - { get: /large, query: "SELECT repeat(word, 1000) AS text, range AS n FROM words, range(10000) LIMIT 10000", timeout: 60s }
    - changes: words
"""
APPLE = b"GET /words/apple HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(api, request=b""):
    client = socket.create_connection(("127.0.0.1", api.port), timeout=60)
    client.sendall(request)
    return client


def answer_of(client):
    """(status, body as JSON, whether the server says that it closes); to its end, or it is an exception."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status, json.loads(answer.read()), answer.headers.get("Connection") == "close"


def under_way(api):
    url = re.search(r"metrics at (http://\S+)", api.log())[1]
    with urllib.request.urlopen(url, timeout=20) as scraped:
        found = re.search(r'millrace_http_requests_in_flight\{server="serve/words"\} (\d+)', scraped.read().decode())
    return int(found[1])


def takes(api, seconds):
    """The `n` of /slow that takes so long, here and now: 100,000 rows each."""
    rows, took = 10, 0.0
    while took < 0.2:
        rows *= 2
        begin = time.monotonic()
        same(api.get(f"/slow?n={rows}")[0], 200, "a slow query")
        took = time.monotonic() - begin
    return int(rows * seconds / took)


def is_refused(api):
    try:
        connect(api).close()
    except ConnectionRefusedError:
        return True
    return False


def started(command, home):
    api = Api(*command, "words.yaml", "--metrics", "127.0.0.1:0", cwd=home)
    m.wait_until(lambda: api.get("/readyz")[0] == 200 and "metrics at" in api.log(), "the first batch")
    return api


def in_full(command, home):
    with started(command, home) as api:
        rows = takes(api, DRAIN / 4)
        idle = [connect(api) for _ in range(20)]
        for client in idle[:10]:  # others have asked nothing yet
            client.sendall(APPLE)
            same(answer_of(client), (200, {"word": "apple", "pieces": 3}, False), "before")
        half = connect(api, APPLE[:20])
        stream = connect(api, b"GET /words/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(4096).startswith(b"HTTP/1.1 200"), "a stream"
        large = connect(api, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert large.recv(15, socket.MSG_PEEK).startswith(b"HTTP/1.1 200"), "it is being sent"
        slow = connect(api, f"GET /slow?n={rows} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        m.wait_until(lambda: under_way(api) == 1, "the slow request to be under way")
        api.process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        m.wait_until(lambda: is_refused(api), "new connections to be refused")
        slow.setblocking(False)
        try:
            slow.recv(1, socket.MSG_PEEK)
            raise m.Failed("the slow query was done before anything was tried")
        except BlockingIOError:
            slow.setblocking(True)
            slow.settimeout(60)
        for client in idle:
            same(client.recv(1), b"", "an idle connection is closed")
        while stream.recv(4096):
            pass  # its end
        half.sendall(APPLE[20:])
        same(answer_of(half), (200, {"word": "apple", "pieces": 3}, True), "a request that was half there")
        status, body, closes = answer_of(slow)
        assert (status, closes) == (200, True) and rows * 10_000 < body[0]["n"] < rows * 20_000, (status, body, closes)
        status, body, _ = answer_of(large)
        same((status, len(body), {len(row["text"]) for row in body}), (200, ROWS, {5_000}), "an answer of 50 MB")
        for client in (*idle, half, stream, large, slow):
            client.close()
        same(api.process.wait(60), 0, "exit code")
        assert time.monotonic() - begin < DRAIN + 3, f"it ended after {time.monotonic() - begin:.1f} s"


def never_taken(command, home):
    """A client that reads nothing of its answer is waited for as long as the limit says."""
    with started(command, home) as api:
        deaf = connect(api, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert deaf.recv(15, socket.MSG_PEEK).startswith(b"HTTP/1.1 200"), "it is being sent"
        begin = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        same(api.process.wait(60), 0, "exit code")
        took = time.monotonic() - begin
        assert DRAIN - 1 < took < DRAIN + 3, f"it ended after {took:.1f} s"
        deaf.close()


def main():
    report = m.Report("ends of what is served")
    with tempfile.TemporaryDirectory(prefix="millrace-drain-") as folder:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        m.write_csv(home / "input" / "a.csv", ["word", "pieces"], [["apple", 3]])
        (home / "words.yaml").write_text(PIPELINE)
        for command in (("run", "--control", "127.0.0.1:0", "--progress", "none"), ("serve",)):  # `serve` needs what `run` has made
            for case in (in_full, never_taken):
                report.case(f"{command[0]}: {case.__name__.replace('_', ' ')}", lambda: case(command, home))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
