#!/usr/bin/env python3
"""What is served outlives its clients: hostile values, broken requests, clients that are slow, vanish or come by the thousand, and more than it
can do at once; afterwards it has given everything back."""
import contextlib
import http.client
import json
import pathlib
import re
import resource
import socket
import struct
import sys
import tempfile
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from serving import Api, ask, same  # noqa: E402

IDLE = 10_000
PIPELINE = """
pipeline: words
trigger: 10ms
sources:
  lines: { from: { type: files, path: input }, format: csv, schema: "word VARCHAR, pieces BIGINT" }
datasets:
  words: SELECT word, sum(pieces)::BIGINT AS pieces FROM lines GROUP BY word
serve:
  listen: 127.0.0.1:0
  max_connections: 12000
  request_timeout: 3s
  query_threads: 2
  query_queue: 4
  envelope: { error: { status: error, message: $message, data: {} } }
  endpoints:
    - { get: "/words/{word}", parameters: { word: { type: string, maximum: 3000 } }, query: SELECT * FROM words WHERE word = $word, returns: one }
    - { get: "/say", parameters: { text: { type: string, maximum: 3000 } }, query: SELECT $text AS text }
    - get: /slow
      parameters: { n: { type: int } }
      query: SELECT count(*) AS n FROM range(3000000) a, range(1000) b WHERE (a.range * b.range + $n) % 7 = 3
      timeout: 2s
    - get: /large
      query: "SELECT repeat(word, 1000) AS text, range AS n FROM words, range(20000) LIMIT 20000"
      max_rows: 20000
    - changes: words
"""
HOSTILE = ["'", '"', "';--", "' OR '1'='1", "'; DROP TABLE words; --", "1; ATTACH '/tmp/x.db'; --", "$word", "${env:HOME}", "{{word}}", "%s", "\\", "\\'",
           "read_csv('/etc/passwd')", "\u2028", "\u202e", "🦆", "e\u0301", "null", "NULL", "true", "0x10", "NaN", "<script>alert(1)</script>", "a\tb\nc\r\n",
           "\x01\x1f\x7f", "/", "..", "../../etc/passwd", "a&b=c", "a+b", "a%20b", "a" * 2999]


def raw(api, request, timeout=30):
    """All that comes back, until the server closes."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=timeout) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                answer += piece
        return answer


def status_of(answer):
    head = answer.partition(b"\r\n")[0].split(b" ")
    return int(head[1]) if len(head) > 1 else None


def values_stay_values(api):
    for text in HOSTILE:
        status, _, body = api.get("/say?text=" + urllib.parse.quote(text, safe=""))
        same((status, body), (200, [{"text": text}]), repr(text))
        status, _, body = api.get("/words/" + urllib.parse.quote(text, safe=""))
        assert status in (400, 404) and body["status"] == "error", (text, status, body)
    same(api.get("/words/apple")[2], {"word": "apple", "pieces": 3}, "what is there")


def broken_requests(api):
    """Each is refused, in the shape of the file where it can be read as a request, and nothing of it lingers."""
    head = b"Host: localhost\r\n\r\n"
    for request, statuses in (
            (b"GET /words/%ff HTTP/1.1\r\n" + head, {400}), (b"GET /words/%c3%28 HTTP/1.1\r\n" + head, {400}),
            (b"GET /words/\xff\xfe HTTP/1.1\r\n" + head, {400}), (b"GET /words/%00 HTTP/1.1\r\n" + head, {400}),
            (b"GET /say?text=%ff HTTP/1.1\r\n" + head, {400}), (b"GET /say?%ff=1 HTTP/1.1\r\n" + head, {400}),
            (b"GET /../../etc/passwd HTTP/1.1\r\n" + head, {400, 404}), (b"GET /words/../../etc/passwd HTTP/1.1\r\n" + head, {400, 404}),
            (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + head, {400, 404}), (b"GET //etc/passwd HTTP/1.1\r\n" + head, {400, 404}),
            (b"GET /docs/../words/apple HTTP/1.1\r\n" + head, {400, 404}),
            (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + head, {414}), (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n" + head, {431}),
            (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + head, {431}),
            (b"POST /words/a HTTP/1.1\r\nContent-Length: 99999999999\r\n" + head, {413}),
            (b"POST /words/a HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" + head, {400}),
            (b"POST /words/a HTTP/1.1\r\nContent-Length: -1\r\n" + head, {400}),
            (b"GET / HTTP/9.9\r\n" + head, {400, 505}), (b"BREW /words/apple HTTP/1.1\r\n" + head, {501}),
            (b"TRACE /words/apple HTTP/1.1\r\n" + head, {405}), (b"\x16\x03\x01\x02\x00\x01\x00", {400}), (b"\r\n\r\n\r\nhello\r\n\r\n", {400})):
        answer = raw(api, request)
        assert status_of(answer) in statuses, (request[:60], answer[:200])
        body = answer.partition(b"\r\n\r\n")[2]
        same(list(json.loads(body)), ["status", "message", "data"], f"envelope of {request[:60]}")
        assert b"root:" not in answer and b"/etc/passwd" not in body, answer


def broken_pipelining(api):
    """What came before is answered, in order; what follows garbage is not."""
    good = b"GET /words/apple HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(api, good * 3 + b"GARBAGE\r\n\r\n" + good * 3)
    same((answer.count(b"HTTP/1.1 200"), answer.count(b"HTTP/1.1 400"), answer.count(b"HTTP/1.1")), (3, 1, 4), "answers")
    answer = raw(api, good + b"GET /say?text=2 HTTP/1.1\r\nHost: localhost\r\n\r\n" + good.replace(b"apple", b"nothing") + good)
    same(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200", b"200", b"404", b"200"], "in order")


def slow_clients(api):
    """A head that does not come to its end is given up, and so is an answer that nobody reads; others are answered meanwhile."""
    clients = [socket.create_connection(("127.0.0.1", api.port), timeout=30) for _ in range(50)]
    deaf = [socket.create_connection(("127.0.0.1", api.port), timeout=30) for _ in range(5)]
    for client in clients:
        client.sendall(b"GET /words/apple HT")
    for client in deaf:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(50):
        same(api.get("/words/apple")[0], 200, "beside slow clients")
    for client in clients:
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(4096):
                answer += piece
        assert status_of(answer) == 408, answer
        client.close()
    m.wait_until(lambda: sockets_of(api) <= 5, "clients that read nothing to be let go")
    for client in deaf:
        client.close()


def vanishing_clients(api):
    """In mid-request, mid-answer and mid-stream, with a RST."""
    def vanish(request, read):
        client = socket.create_connection(("127.0.0.1", api.port), timeout=30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(request)
        if read:
            client.recv(read)
        client.close()
    for i in range(200):
        vanish(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" if i % 20 == 0 else b"GET /words/apple HTTP/1.1\r\nHost: localhost\r\n\r\n", i % 2 * 100)
        vanish(b"GET /words/changes?after=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n", i % 2 * 10)
        vanish(b"POST /words/apple HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc", 0)
    same(api.get("/words/apple")[0], 200, "after them")
    m.wait_until(lambda: sockets_of(api) <= 2, "connections to be given back")


def sockets_of(api):
    """The server's ends of connections that are not given back."""
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    closed, listens = "06", "0A"
    return sum(line[1].endswith(f":{api.port:04X}") and line[3] not in (closed, listens) for line in lines)


def memory_of(api):
    for line in pathlib.Path(f"/proc/{api.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise m.Failed("no VmRSS")


def many_idle_connections(api):
    """Answers go on, memory is bounded, and all is given back."""
    before = memory_of(api)
    clients = []
    try:
        for _ in range(IDLE):
            # An address of their own, and a RST at the end: else their ports would be missing elsewhere for a minute.
            clients.append(socket.create_connection(("127.0.0.1", api.port), timeout=30, source_address=("127.0.0.2", 0)))
            clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        m.wait_until(lambda: sockets_of(api) >= IDLE, "all to be accepted")
        for _ in range(100):
            same(api.get("/words/apple")[0], 200, "beside idle connections")
        for client in clients[:: IDLE // 50]:  # they are alive
            client.sendall(b"GET /words/apple HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200"), "an idle connection asks"
        each = (memory_of(api) - before) / IDLE
        assert each < 16_384, f"{each:.0f} bytes of memory a connection"
    finally:
        for client in clients:
            client.close()
    m.wait_until(lambda: sockets_of(api) <= 2, "them to be given back")
    same(api.get("/words/apple")[0], 200, "afterwards")


def busy(api):
    """More queries than may wait: 503 at once, with Retry-After; those that are too slow 504; rows by their key are answered all the while."""
    answers, lock = [], threading.Lock()

    def slow(i):
        answer = api.get(f"/slow?n={i}")
        with lock:
            answers.append(answer)
    threads = [threading.Thread(target=slow, args=(i,)) for i in range(30)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        same(api.get("/words/apple")[0], 200, "a row by its key")
        threads[0].join(0.05)
        for thread in threads:
            thread.join(0.001)
    statuses = [status for status, _, _ in answers]
    assert set(statuses) <= {200, 503, 504} and statuses.count(503) >= 20, statuses
    for status, headers, body in answers:
        if status == 503:
            same((headers["Retry-After"], body["status"], body["data"]), ("1", "error", {}), "busy")
    m.wait_until(lambda: api.get("/say?text=x")[0] == 200, "it to be free again")


def too_many_connections(home):
    """Those beyond `max_connections` are told, in the shape of the file."""
    text = (home / "words.yaml").read_text()
    (home / "few.yaml").write_text(text.replace("max_connections: 12000", "max_connections: 20"))
    with Api("serve", "few.yaml", cwd=home) as api:
        clients = []
        for _ in range(20):
            clients.append(api.connection())
            same(ask(clients[-1], "/words/apple")[0], 200, "within the limit")
        for _ in range(5):
            connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
            connection.connect()
            answer = http.client.HTTPResponse(connection.sock)
            answer.begin()
            same((answer.status, answer.headers["Retry-After"]), (503, "1"), "beyond it")
            same(list(json.loads(answer.read())), ["status", "message", "data"], "envelope beyond it")
            connection.close()
        for client in clients:
            client.close()
        m.wait_until(lambda: api.get("/words/apple")[0] == 200, "room again")


def main():
    report = m.Report("abuse of what is served")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 1000:
        raise m.Failed(f"this system lets a process open {hard} files; the test needs {IDLE + 1000}")
    with tempfile.TemporaryDirectory(prefix="millrace-abuse-") as folder:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        m.write_csv(home / "input" / "a.csv", ["word", "pieces"], [["apple", 1], ["apple", 2], ["pear", 4]])
        (home / "words.yaml").write_text(PIPELINE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # as shells have it; millrace asks for more by itself
        api = Api("run", "words.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
            for case in (values_stay_values, broken_requests, broken_pipelining, slow_clients, vanishing_clients, many_idle_connections, busy):
                report.case(case.__name__.replace("_", " "), lambda: case(api))
            report.case("it ends in order", api.stop)
        finally:
            if api.process.poll() is None:
                api.kill()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        report.case("too many connections", lambda: too_many_connections(home))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
