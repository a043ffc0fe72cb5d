"""Who may ask the control API: users, TLS, origins and public addresses, for `run` and `daemon`, and how the commands get in.

Usage: access_test.py [CASE ...]
"""
import base64
import json
import pathlib
import re
import signal
import ssl
import sys
import tempfile
import threading
import urllib.error
import urllib.request

from watched import m, report, running

from certificates import Authority  # noqa: E402
from daemon import Daemon  # noqa: E402

USERS = """control:
  listen: 127.0.0.1:0
  users:
    ops: { token: "${env:OPS_TOKEN}", permission: control }
    eye: { token: "${file:eye.token}" }
    ann: { password: "${env:ANN_PASSWORD}" }
"""
SECRETS = {"OPS_TOKEN": "ops-secret-1", "ANN_PASSWORD": "ann-secret-2"}
BEARER = {"Authorization": "Bearer ops-secret-1"}


def eye(home):
    (home / "eye.token").write_text("eye-secret-3\n")


def users():
    """Nobody without a secret; read is not control; secrets are nowhere to be seen."""
    with running(top=USERS, env=SECRETS, before=eye, args=(), control=None) as run:
        path = "/pipelines/watched/control"
        status, headers, answer = run.ask("/pipelines")
        assert status == 401 and answer["message"] and "Bearer" in headers["WWW-Authenticate"], (status, answer)
        assert urllib.request.urlopen(f"{run.url}/healthz").status == 200
        assert run.ask("/pipelines", headers={"Authorization": "Bearer wrong"})[0] == 401
        reads = {"Authorization": "Bearer eye-secret-3"}
        assert run.ask("/pipelines", headers=reads)[0] == 200
        status, _, answer = run.ask(path, {"action": "pause"}, reads)
        assert status == 403 and answer["code"] == "forbidden", answer
        assert run.ask("/pipelines/watched/query", {"sql": "SELECT 1"}, reads)[2]["code"] == "no_tables"
        basic = {"Authorization": "Basic YW5uOmFubi1zZWNyZXQtMg=="}
        assert run.ask("/pipelines", headers=basic)[0] == 200
        assert run.ask(path, {"action": "pause"}, BEARER)[0] == 200
        events = json.dumps(run.ask("/events", headers=BEARER)[2])
        assert "pause, by ops" in events, events
        # The commands take the token of the environment, or of a file.
        env = {**run.env, "MILLRACE_TOKEN": "", "MILLRACE_TOKEN_FILE": ""}
        refused = m.run("pause", "--url", run.url, env=env, check=False)
        assert refused.returncode == 2 and "MILLRACE_TOKEN" in refused.stderr, refused
        m.wait_until(lambda: "paused" in m.run("ps", env={**env, "MILLRACE_TOKEN": "ops-secret-1"}).stdout, "the pause")
        (run.home / "ops.token").write_text("ops-secret-1\n")
        by_file = {**env, "MILLRACE_TOKEN_FILE": str(run.home / "ops.token")}
        m.run("resume", env=by_file)
        assert "resume, by ops" in m.run("logs", env=by_file).stdout
        everything = "".join(run.log) + events + refused.stderr
        assert not re.search("secret-[123]", everything), everything


def tls():
    """Encrypted, with a certificate that is checked."""
    def certificates(home):
        eye(home)
        authority = Authority(home, "authority")
        authority.sign("server", hosts=("IP:127.0.0.1",))
    text = USERS + "  tls: { certificate: server.crt, key: server.key }\n"
    with running(top=text, env=SECRETS, before=certificates, control=None) as run:
        assert run.url.startswith("https://"), run.url
        context = ssl.create_default_context(cafile=str(run.home / "authority.crt"))
        request = urllib.request.Request(f"{run.url}/api/v1/pipelines", headers=BEARER)
        with urllib.request.urlopen(request, context=context) as answer:
            assert json.loads(answer.read())[0]["id"] == "watched"
        env = {**run.env, "MILLRACE_TOKEN": "ops-secret-1"}
        distrusts = m.run("ps", "--url", run.url, env=env, check=False)
        assert distrusts.returncode == 3 and "certificate" in distrusts.stderr.lower(), distrusts
        trusts = m.run("ps", env={**env, "MILLRACE_CA_FILE": str(run.home / "authority.crt")})
        assert "watched" in trusts.stdout, trusts


def origins():
    """Pages of origins that are named may steer; others may not."""
    text = "control: { listen: '127.0.0.1:0', cors_origins: ['https://ui.example'] }\n"
    with running(top=text, control=None) as run:
        body = {"action": "pause"}
        path = "/pipelines/watched/control"
        assert run.ask(path, body, {"Origin": "https://other.example"})[0] == 403
        status, headers, _ = run.ask(path, body, {"Origin": "https://ui.example"})
        assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://ui.example", headers
        assert run.ask("/pipelines", headers={"Origin": "https://other.example"})[1]["Access-Control-Allow-Origin"] is None


def pages_of_other_sites():
    """Nothing that a browser does for a page of another site changes anything, and no such page reads an answer."""
    def status(run, path="/pipelines/watched/control", body='{"action": "pause"}', **headers):
        request = urllib.request.Request(f"{run.url}/api/v1{path}", body.encode(),
                                         {name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    json_type = "application/json"
    with running() as run, running(top=USERS, env=SECRETS, before=eye, control=None) as known:
        run.wait_for("running")
        port = run.url.rsplit(":", 1)[1]
        # A form of another page: the body of a text/plain form can look like JSON.
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            for origin in ("https://evil.example", "null"):
                assert status(run, Content_Type=kind, Origin=origin) in (403, 415), (kind, origin)
            assert status(run, Content_Type=kind) == 415, kind
        # A script of another page, and of another port of this machine; a browser asks first whether it may.
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"http://127.0.0.1.evil.example:{port}"):
            for path in ("control", "query", "quarantine", "trace"):
                assert status(run, f"/pipelines/watched/{path}", Content_Type=json_type, Origin=origin) == 403, (origin, path)
            assert status(run, "/reload", Content_Type=json_type, Origin=origin) == 403, origin
            preflight = urllib.request.Request(f"{run.url}/api/v1/pipelines/watched/control", method="OPTIONS", headers={
                "Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
            with urllib.request.urlopen(preflight, timeout=30) as answer:
                assert not [name for name in answer.headers if name.startswith("Access-Control-Allow")], answer.headers
            for path in ("/pipelines", "/stream"):
                asked = urllib.request.Request(f"{run.url}/api/v1{path}", headers={"Origin": origin})
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    assert answer.headers["Access-Control-Allow-Origin"] is None, (origin, path)
        # A name of somebody else's that means this machine (DNS rebinding): by it the page's own origin is ours.
        for host in (f"evil.example:{port}", "evil.example", f"127.0.0.1.evil.example:{port}"):
            assert status(run, Content_Type=json_type, Host=host, Origin=f"http://{host}") == 421, host
            assert run.ask("/pipelines", headers={"Host": host})[0] == 421, host
            assert known.ask("/pipelines", headers={"Host": host})[0] == 401, host  # there the browser has no password for it
        # With the password that a browser keeps and sends along, too.
        assert status(known, Content_Type=json_type, Origin="https://evil.example", **BEARER) == 403
        assert status(known, Content_Type="text/plain", Origin="https://evil.example", **BEARER) in (403, 415)
        assert run.summary()["state"] == "running", run.summary()
        assert not [each for each in run.get("/events") if each["kind"] == "command"], run.get("/events")
        # Its own page may.
        assert status(run, Content_Type=json_type, Origin=run.url) == 200
        run.wait_for("paused")


def who_asks():
    """Everybody is told who they are, and what they may do; a token does as a password."""
    with running(top=USERS, env=SECRETS, before=eye, control=None) as run:
        def basic(text):
            return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
        for headers, user, permission in ((BEARER, "ops", "control"), (basic("ops:ops-secret-1"), "ops", "control"),
                                          (basic("eye:eye-secret-3"), "eye", "read"), (basic("ann:ann-secret-2"), "ann", "read")):
            status, _, answer = run.ask("/access", headers=headers)
            assert status == 200 and answer == {"user": user, "permission": permission}, (status, answer)
        for wrong in (basic("eye:ops-secret-1"), basic("ann:eye-secret-3"), basic(":ops-secret-1")):
            assert run.ask("/access", headers=wrong)[0] == 401, wrong
    with running() as run:
        assert run.get("/access") == {"user": "127.0.0.1", "permission": "control"}


def public():
    """An address that others reach needs users, or somebody who says twice that it does not."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        text = ("pipeline: p\ntrigger: 1h\nsources: { r: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT' } }\n"
                "sinks: { s: { from: r, to: blackhole } }\n")
        (home / "in").mkdir()
        (home / "p.yaml").write_text(text)
        refused = m.run("run", "p.yaml", "--control", "0.0.0.0:0", cwd=home, check=False)
        assert refused.returncode == 2 and "users" in refused.stderr, refused
        (home / "p.yaml").write_text(text + "control: { listen: '0.0.0.0:0' }\n")
        for command in ("run", "validate"):
            refused = m.run(command, "p.yaml", cwd=home, check=False)
            assert refused.returncode == 2 and "p.yaml:5:" in refused.stderr + refused.stdout, refused
        (home / "p.yaml").write_text(text + "control: { lissten: here, history: 3 }\nhistory: { batches: 1 }\n")
        refused = m.run("validate", "p.yaml", cwd=home, check=False)
        words = refused.stdout + refused.stderr
        assert "`listen`" in words and "`batches` of history" in words, words
    open_text = "control: { listen: '0.0.0.0:0', allow_public_without_authentication: true }\n"
    with running(top=open_text, control=None) as run:
        assert run.ask("/pipelines")[0] == 200


def limits():
    """How much is remembered is said in the file, and flags win."""
    top = "control: { listen: '127.0.0.1:0' }\nhistory: { details: 3 }\n"
    for args, oldest in (((), 3), (("--history-details", "5"), 1)):
        with running(top=top, trigger="as_fast_as_possible", control=None, args=args) as run:
            for i in range(6):
                run.put(f"f{i}", [i])
                run.wait_for_batch(i)
            kept = [n for n in range(6) if run.ask(f"/pipelines/watched/batches/{n}")[0] == 200]
            assert kept == list(range(oldest, 6)), (args, kept)


def limits_of_a_daemon():
    """Each pipeline's file goes before the folder's, and flags before both."""
    text = ("trigger: 20ms\ncheckpoint: { sync: false }\nsources: { n: { from: rate, rows_per_second: 1000 } }\n"
            "sinks: { s: { from: n, to: blackhole } }\n")
    for args, kept in (((), {"own": 3, "all": 6}), (("--history-details", "4"), {"own": 4, "all": 4})):
        with tempfile.TemporaryDirectory() as folder:
            home = pathlib.Path(folder)
            (home / "own.yaml").write_text("pipeline: own\nhistory: { details: 3 }\n" + text)
            (home / "all.yaml").write_text("pipeline: all\n" + text)
            (home / "millrace.yaml").write_text("history: { details: 6, batches: 200 }\n")
            with Daemon(folder, args=args) as run:
                for name, details in kept.items():
                    run.wait_for_batch(name, 10)
                    run.post(f"/pipelines/{name}/control", {"action": "pause"})
                    run.wait_for(name, "paused")
                    last = run.get(f"/pipelines/{name}")["batch"]
                    there = [n for n in range(last + 1) if run.ask(f"/api/v1/pipelines/{name}/batches/{n}")[0] == 200]
                    assert there == list(range(last + 1 - details, last + 1)), (args, name, there, last)


def daemon():
    """A folder's millrace.yaml says the same for all of its pipelines."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "in").mkdir()
        (home / "a.yaml").write_text(
            "pipeline: a\ntrigger: 1h\nsources: { r: { from: { type: files, path: in }, format: csv, schema: 'id BIGINT' } }\n"
            "sinks: { s: { from: r, to: blackhole } }\n")
        (home / "millrace.yaml").write_text(
            "control: { listen: '127.0.0.1:0', users: { ops: { token: '${env:OPS_TOKEN}', permission: control } } }\n"
            "history: { batches: 500 }\n")
        env = {"XDG_RUNTIME_DIR": folder, **SECRETS}
        process = m.start("daemon", folder, env=env)
        log, url = [], []

        def read():
            for line in process.stderr:
                log.append(line)
                url.extend(re.findall(r"control at (http://\S+)", line))
        reader = threading.Thread(target=read)
        reader.start()
        try:
            m.wait_until(lambda: url or process.poll() is not None, "the address")
            assert url, log
            try:
                urllib.request.urlopen(f"{url[0]}/api/v1/pipelines")
                raise AssertionError("it was open")
            except urllib.error.HTTPError as error:
                assert error.code == 401
            listed = json.loads(m.run("ps", "--json", env={**env, "MILLRACE_TOKEN": "ops-secret-1"}).stdout)
            assert [p["id"] for p in listed] == ["a"], listed
            assert not any("millrace.yaml" in line and "left out" in line for line in log), log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            reader.join()
        (home / "millrace.yaml").write_text("control: { listn: x }\nother: 3\n")
        refused = m.run("daemon", folder, env=env, check=False)
        assert refused.returncode == 2 and "millrace.yaml:1" in refused.stderr and "`other`" in refused.stderr, refused


CASES = [users, who_asks, tls, origins, pages_of_other_sites, public, limits, limits_of_a_daemon, daemon]


if __name__ == "__main__":
    sys.exit(report("control access", CASES))
