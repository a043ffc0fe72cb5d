"""Alerts of a pipeline, received by a real HTTP server, with and without TLS, and by a topic of a real broker."""
import http.server
import json
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from certificates import Authority  # noqa: E402

SECRET = "s3cret-t0ken"


class Receiver:
    """Takes webhooks. `answers`: what comes first, a status, a (status, headers), or a number of seconds to hang;
    then 200."""

    def __init__(self, answers=(), certificate=None):
        self.requests, self.answers, self.lock = [], list(answers), threading.Lock()
        self.leave = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    answer = receiver.answers.pop(0) if receiver.answers else 200
                    receiver.requests.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
                if isinstance(answer, float):
                    receiver.leave.wait(answer)
                    answer = 200
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    text = f"your token is {self.headers.get('Authorization')}".encode()
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # who asked did not wait

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}/hook/{SECRET}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def wait_for(self, count):
        m.wait_until(lambda: len(self.requests) >= count, f"{count} requests, there are {len(self.requests)}")
        return self.requests


class Pipeline:
    """Files with numbers in, alerts out. A context manager: it is killed in the end."""

    def __init__(self, folder, receivers, rules, more=""):
        self.folder, self.files, self.process = pathlib.Path(folder), 0, None
        (self.folder / "in").mkdir()
        self.env = {"HOOK_TOKEN": SECRET}
        self.write(receivers, rules, more)

    def write(self, receivers, rules, more=""):
        self.file = self.folder / "pipeline.yaml"
        self.file.write_text(
            "pipeline: numbers\n"
            f"{more}"
            "sources:\n  numbers: { from: { type: files, path: in }, format: csv, header: true, schema: n BIGINT }\n"
            "sinks:\n  out: { from: numbers, to: blackhole }\n"
            f"alerts:\n  every: 200ms\n  receivers:\n{receivers}  rules:\n{rules}")

    def give(self, rows):
        self.files += 1
        m.write_csv(self.folder / "in" / f"{self.files:03}.csv", ["n"], [[i] for i in range(rows)])

    def start(self, **env):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([m.BINARY, "run", str(self.file), "--progress", "log"], cwd=self.folder,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env={**m.os.environ, **self.env, **env})
        log.close()
        return self

    def log(self):
        return (self.folder / "log").read_text()

    def wait_for_log(self, text, times=1):
        m.wait_until(lambda: self.log().count(text) >= times, f"{text!r} in the log:\n{self.log()[-2000:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log()[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            m.kill(self.process)


BIG = "    - { name: big, metric: input_rows, of: numbers, above: 5, notify: [ops, log], severity: critical }\n"


def ops(url, more=""):
    return f"    ops: {{ type: webhook, url: '{url}'{more} }}\n"


def fires_and_is_over(folder):
    body = (", headers: { Authorization: 'Bearer ${env:HOOK_TOKEN}', X-Team: shop }, body: { text: '$alert of $pipeline: "
            "$message', value: $value, state: $state, nested: { all: [$labels, 'costs $$5', 7, true] } }")
    rule = BIG.replace(" }\n", """, message: 'said "$value" \\\\ $of', labels: { quote: '"}', team: "a\\nb" } }\n""")
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url, body), rule) as p:
        p.give(5)
        p.start()
        p.wait_for_log("batch 0")
        assert not receiver.requests
        p.give(10)
        receiver.wait_for(1)
        p.give(1)
        fired, over = receiver.wait_for(2)
        p.stop()
    labels = {"quote": '"}', "team": "a\nb"}
    assert fired["body"] == {"text": 'big of numbers: said "10" \\\\ numbers', "value": 10, "state": "firing",
                             "nested": {"all": [labels, "costs $5", 7, True]}}, fired["body"]
    assert over["body"]["state"] == "resolved" and over["body"]["value"] == 1, over
    assert fired["headers"]["Authorization"] == f"Bearer {SECRET}" and fired["headers"]["X-Team"] == "shop"
    assert fired["headers"]["Content-Type"] == "application/json", fired["headers"]
    assert fired["headers"]["Idempotency-Key"] != over["headers"]["Idempotency-Key"]
    log = p.log()
    assert 'ERROR pipeline=numbers alert big fires: said "10"' in log and "alert big is over" in log, log
    assert SECRET not in log, log


def says_all_without_a_template(folder):
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url), BIG) as p:
        p.give(10)
        p.start()
        body = receiver.wait_for(1)[0]["body"]
    assert body["alert"] == "big" and body["pipeline"] == "numbers" and body["state"] == "firing", body
    assert body["value"] == 10 and body["threshold"] == 5 and body["severity"] == "critical" and body["batch"] == 0, body
    assert body["message"] == "input_rows of numbers is 10, above 5" and body["since"].endswith("Z"), body


def tries_again(folder):
    """What may pass, and with the same key, so that who got it already can tell."""
    with Receiver([503, (429, {"Retry-After": "0"})]) as receiver, Pipeline(folder, ops(receiver.url), BIG) as p:
        p.give(10)
        p.start()
        requests = receiver.wait_for(3)
        p.wait_for_log("has the notice of alert big now")
        p.stop()
    assert len(requests) == 3 and len({r["headers"]["Idempotency-Key"] for r in requests}) == 1, requests
    assert p.log().count("can't be sent yet") == 1 and "answers 503" in p.log() and SECRET not in p.log(), p.log()


def gives_up_what_is_refused(folder):
    """And goes on with the next notice; the answer shows us our own token, which the log must not have."""
    headers = ", headers: { Authorization: 'Bearer ${env:HOOK_TOKEN}' }"
    with Receiver([403]) as receiver, Pipeline(folder, ops(receiver.url, headers), BIG) as p:
        p.give(10)
        p.start()
        p.wait_for_log("is given up")
        p.give(1)
        requests = receiver.wait_for(2)
        p.stop()
    assert [r["body"]["state"] for r in requests] == ["firing", "resolved"], requests
    assert "answers 403: your token is ***" in p.log() and SECRET not in p.log(), p.log()


def never_follows_a_redirect(folder):
    with Receiver() as other, Receiver([(307, {"Location": other.url})]) as receiver:
        with Pipeline(folder, ops(receiver.url), BIG) as p:
            p.give(10)
            p.start()
            p.wait_for_log("a redirect, which is not followed")
            p.stop()
        assert not other.requests


def a_slow_receiver_holds_up_nothing(folder):
    """Neither batches nor other receivers; and the end of the run waits for it only so long."""
    with Receiver([30.0]) as slow, Receiver() as quick:
        receivers = ops(quick.url) + ops(slow.url, ", timeout: 60s").replace("ops:", "slow:")
        with Pipeline(folder, receivers, BIG.replace("[ops, log]", "[slow, ops]")) as p:
            p.give(10)
            p.start()
            slow.wait_for(1)
            for rows in (1, 10, 1):
                p.give(rows)
                p.wait_for_log(f"batch {p.files - 1}")
            quick.wait_for(4)
            assert len(slow.requests) == 1
            slow.leave.set()
            slow.wait_for(4)
            p.stop()
    assert [r["body"]["state"] for r in slow.requests] == ["firing", "resolved"] * 2


def gives_a_slow_one_a_second_chance(folder):
    with Receiver([30.0]) as receiver, Pipeline(folder, ops(receiver.url, ", timeout: 300ms"), BIG) as p:
        p.give(10)
        p.start()
        receiver.wait_for(2)
        p.wait_for_log("has the notice of alert big now")
        p.stop()


def checks_certificates(folder):
    authority = Authority(folder, "authority")
    certificate = authority.sign("hook", ["IP:127.0.0.1"])
    with Receiver(certificate=certificate) as receiver:
        with Pipeline(folder, ops(receiver.url, ", retry_for: 0s"), BIG) as p:
            p.give(10)
            p.start()
            p.wait_for_log("is given up")
            p.stop()
        assert not receiver.requests and "certificate" in p.log(), p.log()
        with tempfile.TemporaryDirectory() as again:
            with Pipeline(again, ops(receiver.url, f", ca_file: '{authority.certificate}'"), BIG) as p:
                p.give(10)
                p.start()
                receiver.wait_for(1)
                p.stop()


def a_kill_neither_forgets_nor_repeats(folder):
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url), BIG) as p:
        p.give(10)
        p.start()
        receiver.wait_for(1)
        p.wait_for_log("alert big fires")
        saved = p.folder / ".millrace" / "numbers" / "alerts" / "alerts.json"
        m.wait_until(lambda: '"waiting":[{' not in saved.read_text(), "the notices to be noted as sent")
        m.kill(p.process)
        p.start()
        p.give(20)  # still too many
        p.wait_for_log("batch 1")
        p.give(1)
        receiver.wait_for(2)
        p.stop()
    fired, over = (r["body"] for r in receiver.requests)
    assert fired["state"] == "firing" and over["state"] == "resolved" and over["value"] == 1, over
    assert fired["since"] == over["since"] and p.log().count("alert big fires") == 1


def a_kill_between_fires_once_it_is_back(folder):
    """Killed when the alert was noted and not sent, and when it was sent and that was not noted."""
    for fault, keys in (("alerts.noted:1", 1), ("alerts.sent:1", 1)):
        with tempfile.TemporaryDirectory() as own, Receiver() as receiver:
            with Pipeline(own, ops(receiver.url), BIG.replace("[ops, log]", "[ops]")) as p:
                p.give(10)
                p.start(MILLRACE_FAULT=fault)
                assert p.process.wait(60) == -signal.SIGKILL, p.log()
                p.start()
                receiver.wait_for(1)
                p.give(1)
                m.wait_until(lambda: receiver.requests[-1]["body"]["state"] == "resolved", "the end")
                p.stop()
            fired = [r for r in receiver.requests if r["body"]["state"] == "firing"]
            assert len({r["headers"]["Idempotency-Key"] for r in fired}) == keys, (fault, fired)
            assert 1 <= len(fired) <= (1 if fault == "alerts.noted:1" else 2), (fault, fired)


def fires_while_nothing_comes(folder):
    rules = ("    - { name: no_news, metric: freshness, of: numbers, above: 1s, for: 300ms, notify: ops }\n"
             "    - { name: quiet, metric: input_rows, over: 2s, below: 1, notify: ops }\n")
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url), rules) as p:
        p.give(1)
        p.start()
        receiver.wait_for(2)
        p.give(1)
        receiver.wait_for(4)
        p.stop()
    assert sorted((r["body"]["alert"], r["body"]["state"]) for r in receiver.requests[:4]) == [
        ("no_news", "firing"), ("no_news", "resolved"), ("quiet", "firing"), ("quiet", "resolved")], receiver.requests


def tells_that_the_pipeline_stopped(folder):
    rule = "    - { name: down, metric: state, equal: [stopped, failed], notify: ops }\n"
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url), rule) as p:
        p.give(1)
        p.start()
        p.wait_for_log("batch 0")
        p.stop()
        assert [r["body"]["value"] for r in receiver.requests] == ["stopped"], receiver.requests
        p.start()
        assert receiver.wait_for(2)[1]["body"]["state"] == "resolved"
        p.write(ops(receiver.url), BIG)  # the rule is gone while it does not fire
        p.stop()
        p.start()
        p.give(10)
        receiver.wait_for(3)


def an_alert_that_was_removed_is_over(folder):
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url), BIG) as p:
        p.give(10)
        p.start()
        receiver.wait_for(1)
        p.stop()
        p.write(ops(receiver.url), BIG.replace("name: big", "name: other").replace("above: 5", "above: 500"))
        p.start()
        body = receiver.wait_for(2)[1]["body"]
        assert body["alert"] == "big" and body["state"] == "resolved" and "no alert big any more" in body["message"], body


def validate_shows_mistakes(folder):
    p = Pipeline(folder, "    ops: { type: webhook, url: 'http://x', headers: { Authorization: secret } }\n",
                 "    - { name: a, metric: lag_row, above: 1 }\n"
                 "    - { name: b, metric: freshness, of: numbrs, above: 10m, notify: [opps] }\n"
                 "    - { name: c, metric: batch_age, above: 10 }\n")
    done = m.run("validate", p.file, check=False)
    assert done.returncode == 2, done
    for text in ("pipeline.yaml:9:70: error: the header `Authorization` of receiver `ops` must not be written",
                 "pipeline.yaml:11:26: error: alert `a` watches `lag_row`, which is no metric; did you mean `lag_rows`?",
                 "`notify` of alert `b` names `opps`, which is no receiver; did you mean `ops`?",
                 "pipeline.yaml:13:44: error: the threshold of alert `c` must be a duration such as 10m, not `10`"):
        assert text in done.stderr, (text, done.stderr)


TABLES = "datasets:\n  counts: SELECT n % 10 AS digit, count(*) AS n FROM numbers GROUP BY 1\n"
MANY = "    - { name: many, query: 'SELECT sum(n) AS value FROM counts', above: 15, notify: ops }\n"
SEEN = "    - { name: seen, query: 'SELECT digit, n FROM counts WHERE digit = 7 ORDER BY n', notify: ops }\n"


def queries_read_the_tables_of_the_last_batch(folder):
    """Whole tables, not the rows of a batch; also after a restart, and of a run that ends by itself."""
    with Receiver() as receiver, Pipeline(folder, ops(receiver.url), MANY + SEEN, TABLES) as p:
        p.give(7)
        p.start()
        p.wait_for_log("batch 0")
        p.give(8)  # 15 in all, and the first 7
        body = receiver.wait_for(1)[0]["body"]
        assert body["alert"] == "seen" and body["rows"] == [{"digit": 7, "n": 1}], body
        p.give(1)
        body = receiver.wait_for(2)[1]["body"]
        assert body["alert"] == "many" and body["value"] == 16 and body["state"] == "firing", body
        p.stop()
        p.write(ops(receiver.url), MANY.replace("above: 15", "above: 20") + SEEN, TABLES)
        p.start()
        body = receiver.wait_for(3)[2]["body"]
        assert body["alert"] == "many" and body["state"] == "resolved" and body["value"] == 16, body
        p.stop()
        p.give(10)
        done = m.run("run", "--once", p.file, cwd=p.folder, env=p.env)
        body = receiver.wait_for(4)[3]["body"]
        assert body["alert"] == "many" and body["value"] == 26, (body, done.stderr)


def queries_are_checked_before_anything_runs(folder):
    rules = ("    - { name: a, query: 'SELECT digits AS value FROM counts', above: 1 }\n"
             "    - { name: b, query: 'SELECT n FROM numbers' }\n"
             "    - { name: c, query: 'SELECT digit, n FROM counts', above: 1 }\n"
             "    - { name: d, query: 'SELECT n AS value FROM counts WHERE digit = 1', above: 1 }\n")
    p = Pipeline(folder, "    ops: { type: log }\n", rules, TABLES)
    for command in ("validate", "run"):
        done = m.run(command, p.file, check=False, cwd=p.folder)
        assert done.returncode == 2, done
        for text in ('pipeline.yaml:13:26: error: alert `a`: Referenced column "digits" not found',
                     "pipeline.yaml:14:40: error: alert `b`: there is no `numbers` that could be read here; there is: counts",
                     "alert `c`: the query gives digit BIGINT, n BIGINT, and a threshold is compared with"):
            assert text in done.stderr, (command, text, done.stderr)
        assert "alert `d`" not in done.stderr, done.stderr
    assert not (p.folder / ".millrace").exists()


def a_topic_gets_each_notice_once(folder, kafka):
    """Also when the process is killed after the notice was written, and before that was noted."""
    servers.clients()
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kafka"))
    from kafka_test import Bench
    bench = Bench(kafka, folder, "a")
    topic = bench.topic("alerts", partitions=1)
    more = f"connections:\n  bus: {{ type: kafka, brokers: '{kafka.brokers}' }}\n"
    receivers = f"    bus: {{ to: bus, topic: {topic} }}\n"
    rule = BIG.replace("[ops, log]", "bus").replace(" }\n", ", labels: { team: shop } }\n")
    with Pipeline(folder, receivers, rule, more) as p:
        p.give(10)
        p.start(MILLRACE_FAULT="alerts.sent:1")
        assert p.process.wait(120) == -signal.SIGKILL, p.log()
        p.start()
        p.wait_for_log("batch ")
        saved = p.folder / ".millrace" / "numbers" / "alerts" / "alerts.json"
        m.wait_until(lambda: '"waiting":[{' not in saved.read_text(), "the notice to be noted as sent")
        p.give(1)
        p.wait_for_log("batch 1")
        m.wait_until(lambda: '"next":2,"waiting":[]' in saved.read_text(), "the end of it to be sent")
        p.stop()
    rows = [json.loads(message.value()) for message in bench.consume(topic)]
    assert [row["state"] for row in rows] == ["firing", "resolved"], rows
    assert rows[0]["alert"] == "big" and rows[0]["value"] == 10 and rows[0]["threshold"] == 5, rows
    assert rows[0]["labels"] == {"team": "shop"} and rows[0]["pipeline"] == "numbers" and rows[0]["batch"] == 0, rows
    assert rows[0]["since"] == rows[1]["since"], rows


CASES = [fires_and_is_over, says_all_without_a_template, tries_again, gives_up_what_is_refused, never_follows_a_redirect,
         a_slow_receiver_holds_up_nothing, gives_a_slow_one_a_second_chance, checks_certificates,
         a_kill_neither_forgets_nor_repeats, a_kill_between_fires_once_it_is_back, fires_while_nothing_comes,
         tells_that_the_pipeline_stopped, an_alert_that_was_removed_is_over, validate_shows_mistakes,
         queries_read_the_tables_of_the_last_batch, queries_are_checked_before_anything_runs]


def main():
    report = m.Report("alerts")
    names = sys.argv[1:]

    def run(case, *more):
        if not names or case.__name__ in names:
            with tempfile.TemporaryDirectory(prefix="millrace-alerts-") as folder:
                report.case(case.__name__, lambda: case(folder, *more))
    for case in CASES:
        run(case)
    if not names or a_topic_gets_each_notice_once.__name__ in names:
        with servers.Kafka() as kafka:
            run(a_topic_gets_each_notice_once, kafka)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
