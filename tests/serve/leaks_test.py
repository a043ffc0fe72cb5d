#!/usr/bin/env python3
"""What is served gives back all it has taken: files, memory and room, after tens of thousands of requests, broken connections and ever other
questions; and clients that are refused hear why, whatever they are still sending.

Usage: leaks_test.py [CASE ...]
"""
import concurrent.futures
import contextlib
import json
import pathlib
import re
import socket
import ssl
import struct
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from certificates import Authority  # noqa: E402
from serving import Api, ask, same  # noqa: E402

ROUNDS, REQUESTS, BROKEN = 4, 6_000, 1_500  # 24,000 requests and 6,000 broken connections in all
GROWTH_MAX = 12 << 20  # bytes of memory, from the first round to the last
CACHE = 1 << 20
PIPELINE = """
pipeline: words
trigger: 10ms
sources:
  lines: { from: { type: files, path: input }, format: csv, schema: "word VARCHAR, pieces BIGINT" }
datasets:
  words: SELECT word, sum(pieces)::BIGINT AS pieces FROM lines GROUP BY word
serve:
  listen: 127.0.0.1:0
  cache_size: 1MiB
  max_connections: %d
  max_body_size: 1KiB
  envelope: { error: { status: error, message: $message } }%s
  endpoints:
    - { get: "/words/{word}", parameters: { word: { type: string } }, query: SELECT * FROM words WHERE word = $word, returns: one }
    - { get: "/say", parameters: { text: { type: string, maximum: 3000 } }, query: SELECT $text AS text }
    - { get: "/large", query: "SELECT repeat(word, 100) AS text, range AS n FROM words, range(5000)", max_rows: 5000, cache: false }
    - changes: words
"""
APPLE = b"GET /words/apple HTTP/1.1\r\nHost: localhost\r\n\r\n"


def files_of(api):
    return len(list(pathlib.Path(f"/proc/{api.process.pid}/fd").iterdir()))


def memory_of(api):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{api.process.pid}/status").read_text())[1]) * 1024


def value(api, series):
    url = re.search(r"metrics at (http://\S+)", api.log())[1]
    with urllib.request.urlopen(url, timeout=20) as answer:
        return int(next(line for line in answer.read().decode().splitlines() if line.startswith(series + " ")).rsplit(" ", 1)[1])


CONNECTIONS, FOLLOWERS = 'millrace_http_connections{server="serve/words"}', 'millrace_serve_followers{pipeline="words"}'
KEPT, KEPT_BYTES = (f'millrace_serve_{name}{{pipeline="words",what="answers"}}' for name in ("kept", "kept_bytes"))
HITS = 'millrace_endpoint_cache_hits_total{pipeline="words",endpoint="/say"}'


def some_requests(api, number):
    """On one connection: rows by key, answers that are kept and new ones, errors, large answers."""
    connection = api.connection()
    for i in range(number):
        path, expected = (("/words/apple", 200), (f"/say?text={'x' * 500}{i % 50}", 200), ("/words/nothing", 404), (f"/say?text=new{i}", 200), ("/none", 404),
                          ("/large" if i % 300 == 5 else "/words/pear", 200))[i % 6]
        headers = {"Accept-Encoding": "gzip"} if i % 4 == 0 else {}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        same(answer.status, expected, path)
    connection.close()


def break_one(api, i):
    """In mid-request, mid-answer, mid-stream and mid-body; by a RST, or an end."""
    request, read = ((APPLE, 0), (APPLE[:30], 0), (b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n", 100), (APPLE * 20, 1),
                     (b"GET /words/changes?after=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 10), (b"GARBAGE\r\n\r\n", 0),
                     (b"POST /words/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc", 0), (b"", 0))[i % 8]
    client = socket.create_connection(("127.0.0.1", api.port), timeout=30)
    if i % 3:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(request)
    if read:
        client.recv(read)
    client.close()


def everything_is_given_back(api, _home):
    files, memory = None, []
    for _ in range(ROUNDS):
        with concurrent.futures.ThreadPoolExecutor(4) as many:
            jobs = [many.submit(some_requests, api, REQUESTS // 8) for _ in range(8)] + [many.submit(break_one, api, i) for i in range(BROKEN)]
            for job in jobs:
                job.result()
        m.wait_until(lambda: value(api, CONNECTIONS) == 0, "connections to be given back")
        m.wait_until(lambda: value(api, FOLLOWERS) == 0, "followers to be given up")
        m.wait_until(lambda: files is None or files_of(api) <= files, f"{files} open files, as before; there are {files_of(api)}")
        files = files or files_of(api)
        memory.append(memory_of(api))
    print(f"     {files} open files; {', '.join(f'{each / 2**20:.1f}' for each in memory)} MiB after each round")
    assert memory[-1] - memory[0] < GROWTH_MAX, f"memory grew by {memory[-1] - memory[0]:,} bytes"


def ever_other_questions(api, _home):
    """The kept answers have a bound, and what is asked often stays among them; followers of changes put nothing there."""
    hits, before = value(api, HITS), memory_of(api)
    connection = api.connection()
    for i in range(6_000):
        same(ask(connection, f"/say?text={i:01000}")[0], 200, "another question")
        if i % 50 == 0:
            same(ask(connection, "/say?text=often")[2], [{"text": "often"}], "the same question")
    assert value(api, KEPT_BYTES) <= CACHE, "more answers than may be kept"
    same(value(api, HITS) - hits, 119, "answers that were kept, though others came in between")
    connection.close()
    answers = value(api, KEPT)
    clients = []
    for i in range(200):
        client = socket.create_connection(("127.0.0.1", api.port), timeout=30)
        client.sendall(f"GET /words/changes?after=-1&word=w{i}&x={'y' * 500}{i} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        clients.append(client)
    for client in clients:
        assert client.recv(4096).startswith(b"HTTP/1.1 200"), "a follower"
    m.wait_until(lambda: value(api, FOLLOWERS) == 200, "followers")
    same(value(api, KEPT), answers, "kept answers")
    for client in clients:
        client.close()
    m.wait_until(lambda: value(api, FOLLOWERS) == 0, "followers to be given up")
    same(api.get("/words/changes?word=a&WORD=b")[0], 400, "one key twice")
    grown = memory_of(api) - before
    assert grown < GROWTH_MAX, f"memory grew by {grown:,} bytes"


def all_of(client):
    answer = b""
    while piece := client.recv(65536):  # a RST is an exception
        answer += piece
    return answer


def expect(answer, status, what):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), (what, answer[:200])
    same(list(json.loads(body)), ["status", "message"], what)


def refused_while_sending(_api, home):
    """Nobody reads what is sent, and yet the answer is not lost: of one connection too many, and of a body that is too large."""
    body = b"POST /words/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 10_000_000
    (home / "few.yaml").write_text(PIPELINE % (20, ""))
    with Api("serve", "few.yaml", cwd=home) as api:
        held = [socket.create_connection(("127.0.0.1", api.port), timeout=30) for _ in range(20)]
        for client in held:
            client.sendall(APPLE)
            assert client.recv(4096).startswith(b"HTTP/1.1 200"), "within the limit"
        for i in range(300):
            with socket.create_connection(("127.0.0.1", api.port), timeout=30) as client:
                with contextlib.suppress(ConnectionError) if i % 10 == 9 else contextlib.nullcontext():  # so much that it may be cut off
                    client.sendall(body if i % 10 == 9 else APPLE * (1 + i % 10 * 20))
                    expect(all_of(client), 503, "one connection too many")
        for client in held:
            client.close()
        m.wait_until(lambda: api.get("/words/apple")[0] == 200, "room again")
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", api.port), timeout=30) as client:
                client.sendall(body)
                expect(all_of(client), 413, "a body that is too large")
    authority = Authority(home, "authority")
    certificate, key = authority.sign("server", hosts=["DNS:localhost", "IP:127.0.0.1"])
    (home / "tls.yaml").write_text(PIPELINE % (20, f"\n  tls: {{ certificate: {certificate}, key: {key} }}"))
    context = ssl.create_default_context(cafile=authority.certificate)
    with Api("serve", "tls.yaml", cwd=home) as api:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", api.port), timeout=30) as plain, context.wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(body)
                expect(all_of(client), 413, "a body that is too large, through TLS")


CASES = (everything_is_given_back, ever_other_questions, refused_while_sending)


def main():
    report = m.Report("what is served gives back")
    with tempfile.TemporaryDirectory(prefix="millrace-leaks-") as folder:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        m.write_csv(home / "input" / "a.csv", ["word", "pieces"], [["apple", 3], ["pear", 4]])
        (home / "words.yaml").write_text(PIPELINE % (1000, ""))
        with Api("run", "words.yaml", "--control", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--progress", "none", cwd=home) as api:
            m.wait_until(lambda: api.get("/readyz")[0] == 200 and "metrics at" in api.log(), "the first batch")
            for case in [case for case in CASES if case.__name__.replace("_", " ") in sys.argv[1:] or not sys.argv[1:]]:
                report.case(case.__name__.replace("_", " "), lambda: case(api, home))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
