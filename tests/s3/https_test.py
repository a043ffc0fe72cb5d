#!/usr/bin/env python3
"""What goes to S3, seen by a server in front of it that has certificates and listens in: https and whom it trusts, session tokens, "slow
down", and parts that go at once.

Usage: https_test.py [CASE]...
"""
import contextlib
import hashlib
import hmac
import http.client
import http.server
import pathlib
import ssl
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402
from certificates import Authority  # noqa: E402
from files_test import Lab, ids  # noqa: E402

SLOW_DOWN = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
AT_LEAST_TWO_S = 30  # how long a part waits for another one


class Front(http.server.ThreadingHTTPServer):
    """Passes requests on to S3 and keeps what came. `refuse`: how many of the next PUTs are told to slow down."""

    def __init__(self, to_port, certificate=None, check=None):
        super().__init__(("127.0.0.1", 0), Passing)
        self.to_port, self.check, self.checked = to_port, check, 0
        self.requests, self.refused, self.refuse = [], 0, 0
        self.lock, self.parts, self.parts_at_once, self.more_parts = threading.Lock(), 0, 0, threading.Event()
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # The handshake is the handler's: one that fails must not hold up the others.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        self.url = f"{scheme}://localhost:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Who does not trust us hangs up."""


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        size = next((value for name, value in headers if name.lower() == "content-length"), None)
        self.send_header("Content-Length", size if self.command == "HEAD" and size else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def pass_on(self):
        front, body = self.server, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with front.lock:
            front.requests.append((self.command, self.path, dict((name.lower(), value) for name, value in self.headers.items())))
            slow = self.command == "PUT" and front.refuse > 0
            front.refuse -= slow
            front.refused += slow
        if slow:
            self.answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
            return
        headers = self.headers if front.check is None else front.check(self, body)
        with self.counted():
            back = http.client.HTTPConnection("127.0.0.1", front.to_port, timeout=60)
            back.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("connection", "expect"):
                    back.putheader(name, value)
            back.endheaders(body)
            got = back.getresponse()
            content = got.read()
            self.answer(got.status, got.getheaders(), content)
            back.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

    @contextlib.contextmanager
    def counted(self):
        """A part waits until there is another one, but for the last of them."""
        front = self.server
        if self.command != "PUT" or "partNumber=" not in self.path:
            yield
            return
        with front.lock:
            front.parts += 1
            front.parts_at_once = max(front.parts_at_once, front.parts)
            if front.parts >= 2:
                front.more_parts.set()
        front.more_parts.wait(AT_LEAST_TWO_S)
        try:
            yield
        finally:
            with front.lock:
                front.parts -= 1


TOKEN = "a/token+of=ours"


def signature(handler, signed, scope):
    """Version 4 of AWS's signatures, over these headers."""
    path, _, query = handler.path.partition("?")
    parameters = sorted(part if "=" in part else part + "=" for part in query.split("&") if part)
    values = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in signed)
    canonical = "\n".join([handler.command, path, "&".join(parameters), values, ";".join(signed), handler.headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + s3.S3.SECRET).encode()
    for part in [*scope.split("/"), text]:
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def without_token(handler, body):
    """Checks that the token is signed with all else, and takes it away: the server behind knows of none."""
    scheme, _, rest = handler.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, (key, scope) = parts["SignedHeaders"].split(";"), parts["Credential"].split("/", 1)
    assert scheme == "AWS4-HMAC-SHA256" and key == s3.S3.KEY and "x-amz-security-token" in signed, parts
    assert handler.headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest(), handler.path
    assert signature(handler, signed, scope) == parts["Signature"], (handler.path, parts)
    signed.remove("x-amz-security-token")
    headers = dict(handler.headers.items())
    token = next(headers.pop(name) for name in list(headers) if name.lower() == "x-amz-security-token")
    headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    assert token == TOKEN, token
    handler.server.checked += 1
    return {**headers, "Authorization": f"{scheme} Credential={key}/{scope}, SignedHeaders={';'.join(signed)}, "
                                        f"Signature={signature(handler, signed, scope)}"}


class Https(Lab):
    def __init__(self, server, folder):
        super().__init__(server, folder)
        certificates = self.folder / "certificates"
        certificates.mkdir()
        self.authority, self.other = Authority(certificates, "authority"), Authority(certificates, "other")
        self.certificate = self.authority.sign("server", hosts=["DNS:localhost"])
        self.elsewhere = self.authority.sign("elsewhere", hosts=["DNS:elsewhere.example.com"])

    def sink(self, home, front, **more):
        self.pipeline(home, f"{{ from: orders, to: {self.to(endpoint=front.url, **more)}, format: parquet, compression: uncompressed }}")


def trusted(lab):
    """Written and read through TLS, by the authority that is named."""
    home = lab.home()
    with Front(lab.server.port, lab.certificate) as front:
        lab.sink(home, front, ca_file=str(lab.authority.certificate))
        lab.run(home)
        assert ids(lab.parquet()) == list(range(300))
        lab.pipeline(home, "{ from: orders, to: { type: files, path: back }, format: json }", name="back.yaml",
                     source=f"{{ from: {lab.to(endpoint=front.url, ca_file=str(lab.authority.certificate))}, format: parquet }}")
        lab.run(home, "back.yaml")
        lines = [line for file in (home / "back").glob("*.json") for line in file.read_text().splitlines()]
        assert len(lines) == 300 and len([r for r in front.requests if r[0] == "PUT"]) == 3, len(lines)


def not_trusted(lab):
    """Another authority, those of the system, and a certificate for another host: nothing is sent, and it is said why."""
    for certificate, more in ((lab.certificate, {"ca_file": str(lab.other.certificate)}), (lab.certificate, {}),
                              (lab.elsewhere, {"ca_file": str(lab.authority.certificate)})):
        home = lab.home()
        with Front(lab.server.port, certificate) as front:
            lab.sink(home, front, max_attempts=2, **more)
            done = lab.run(home, check=False)
            assert done.returncode != 0 and "certificate" in done.stderr and "`ca_file`" in done.stderr, (more, done.returncode, done.stderr)
            assert front.requests == [] and lab.keys() == [], front.requests


def session_tokens(lab):
    """A temporary key's token is sent, and signed; by the options, and by the environment."""
    by_environment = {"AWS_ACCESS_KEY_ID": s3.S3.KEY, "AWS_SECRET_ACCESS_KEY": s3.S3.SECRET, "AWS_SESSION_TOKEN": TOKEN}
    for options, env in (({"session_token": "${env:TOKEN}"}, {"TOKEN": TOKEN}), (None, by_environment)):
        home = lab.home()
        with Front(lab.server.port, check=without_token) as front:
            lab.sink(home, front, **(options or {}))
            if options is None:
                text, of_options = (home / "pipeline.yaml").read_text(), f', access_key_id: "{s3.S3.KEY}", secret_access_key: "${{env:S3_SECRET}}"'
                assert of_options in text, text
                (home / "pipeline.yaml").write_text(text.replace(of_options, ""))
            done = lab.run(home, env=env)
            assert len([r for r in front.requests if r[0] == "PUT"]) == 3 and front.checked == len(front.requests), (front.checked, front.requests)
        assert TOKEN not in done.stderr and ids(lab.parquet()) == list(range(300)), done.stderr


def slow_down(lab):
    """A store that has too much to do: each file is sent again until it is taken, and is there once."""
    home = lab.home(files=5)
    with Front(lab.server.port) as front:
        front.refuse = 7
        lab.sink(home, front)
        done = lab.run(home)
        assert front.refused == 7 and len([r for r in front.requests if r[0] == "PUT"]) == 7 + 5, (front.refused, front.requests)
    assert ids(lab.parquet()) == list(range(500)) and len(lab.keys("out/")) == 5, lab.keys()
    # More often than `max_attempts`: it is said, and tried on.
    home = lab.home(files=1)
    with Front(lab.server.port) as front:
        front.refuse = 5
        lab.sink(home, front, max_attempts=2)
        done = lab.run(home)
        assert front.refused == 5 and "SlowDown" in done.stderr, (front.refused, done.stderr)
    assert ids(lab.parquet()) == list(range(100))


def parts_go_at_once(lab):
    """A large file's parts: the first waits until there is a second one."""
    home = lab.home(files=0)
    with open(home / "in" / "big.csv", "w") as file:
        file.write("id,day,note\n")
        file.writelines(f"{i},2026-01-01,{i * 2654435761 % 2**64:064x}\n" for i in range(500_000))
    with Front(lab.server.port) as front:
        lab.sink(home, front, timeout="60s")
        lab.run(home)
        parts = sorted(path.split("partNumber=")[1].split("&")[0] for method, path, _ in front.requests if method == "PUT" and "partNumber" in path)
        assert front.parts_at_once >= 2 and front.more_parts.is_set() and len(parts) == len(set(parts)) >= 4, (front.parts_at_once, parts)
    assert ids(lab.parquet()) == list(range(500_000)) and lab.uploads() == []


CASES = [trusted, not_trusted, session_tokens, slow_down, parts_go_at_once]


def main():
    s3.clients()
    report = m.Report("s3 by https")
    names = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="millrace-s3-https-") as folder, s3.S3() as server:
        lab = Https(server, folder)
        for case in CASES:
            if not names or case.__name__ in names:
                report.case(case.__name__.replace("_", " "), lambda: case(lab))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
