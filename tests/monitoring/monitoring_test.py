#!/usr/bin/env python3
"""Metrics as those see them who scrape: promtool on what is served, on the alerts and on the configuration of
examples/monitoring, and a real Prometheus that scrapes a running pipeline and answers every panel of the dashboard."""
import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402

EXAMPLE = m.ROOT / "examples" / "monitoring"
PIPELINE = """pipeline: shop
trigger: 50ms
checkpoint: {{ sync: false, snapshot_interval: 200ms }}
sources:
  events: {{ from: rate, rows_per_second: 2000{rows} }}
  parts:
    from: {{ type: files, path: parts }}
    format: csv
    schema: id BIGINT, happened TIMESTAMP
    watermark: {{ column: happened, delay: 1s }}
checks:
  parts:
    - {{ name: positive, expect: id > 0, otherwise: quarantine }}
datasets:
  totals: SELECT value % 10 AS k, count(*) AS n, max(timestamp) AS last FROM events GROUP BY 1
  hourly: SELECT time_bucket(INTERVAL 1 MINUTE, happened) AS at, count(*) AS n FROM parts GROUP BY 1
alerts:
  rules: [{{ name: some, metric: input_rows, of: parts, above: 1, over: 1h }}]
sinks:
  totals: {{ from: totals, to: {{ type: files, path: out }}, format: parquet, mode: complete }}
  hourly: {{ from: hourly, to: {{ type: files, path: hours }}, format: json }}
serve:
  listen: 127.0.0.1:0
  endpoints:
    - get: /totals/{{k}}
      parameters: {{ k: {{ type: int }} }}
      query: SELECT * FROM totals WHERE k = $k
      returns: one
      empty: not_found
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@contextlib.contextmanager
def running(rows=""):
    """A pipeline that serves results and metrics; gives its home and where they are."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "parts").mkdir()
        feed(home, 1)
        (home / "pipeline.yaml").write_text(PIPELINE.format(rows=rows))
        process = m.start("run", "pipeline.yaml", "--metrics", "127.0.0.1:0", "--progress", "none", cwd=home)
        said = []
        reader = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
        reader.start()
        try:
            def where():
                found = {what: url for what, url in re.findall(r"(metrics|serving) at (http://[0-9.:]+)", "".join(said))}
                return found if len(found) == 2 else None
            m.wait_until(lambda: where() or process.poll() is not None, "metrics and results being served")
            assert process.poll() is None, "".join(said)
            yield home, where()
            assert process.poll() is None, "".join(said)
        finally:
            process.terminate()
            process.wait(30)
            reader.join(30)
            process.stdout.close()
            process.stderr.close()


def feed(home, number):
    """A file of rows: one violates the check, one can't be decoded, one is an hour old."""
    rows = "".join(f"{i},2026-11-20 12:{number:02}:{i:02}\n" for i in range(1, 50))
    aside = home / f".{number}.csv"
    aside.write_text(f"id,happened\n{rows}-5,2026-11-20 12:{number:02}:30\nbroken,row\n7,2026-11-20 11:00:00\n")
    aside.rename(home / "parts" / f"{number}.csv")


def values(text):
    """{series: value} of the text format."""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line and not line.startswith("#")}


def promtool(*args, **options):
    done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"promtool {' '.join(map(str, args))}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def promtool_takes_alerts_and_configuration():
    promtool("check", "rules", EXAMPLE / "alerts.yml")
    promtool("check", "config", EXAMPLE / "prometheus.yml")


def alerts_and_panels_use_what_is_declared():
    declared = set(re.findall(r"^\| `(\w+)` \| (\w+)", (m.ROOT / "docs/reference/metrics.md").read_text(), re.M))
    names = {name for name, _ in declared} | {
        name + end for name, kind in declared if kind == "histogram" for end in ("_bucket", "_sum", "_count")}
    for path in (EXAMPLE / "alerts.yml", EXAMPLE / "dashboard.json"):
        used = set(re.findall(r"\b(?:millrace|process)_\w+", path.read_text()))
        assert used and used <= names, f"{path.name} uses what is not declared: {sorted(used - names)}"


def what_is_scraped_adds_up():
    with running(", rows: 400") as (home, at):
        url = at["metrics"]

        def scraped():
            return values(get(url + "/metrics"))
        m.wait_until(lambda: scraped().get('millrace_source_rows_total{pipeline="shop",source="events"}') == 400,
                     "all rows")
        m.wait_until(lambda: scraped().get('millrace_source_rows_total{pipeline="shop",source="parts"}') == 52,
                     "the file")
        asked = [status_of(f"{at['serving']}/totals/{k}") for k in (3, 4, 99, "x")]
        assert asked == [200, 200, 404, 400], asked
        text = get(url + "/metrics")
        now = values(text)
        of = lambda name, labels="": now[f'millrace_{name}{{pipeline="shop"{labels}}}']  # noqa: E731
        assert of("source_malformed_rows_total", ',source="parts"') == 1
        assert of("check_violations_total", ',dataset="parts",check="positive",consequence="quarantine"') == 1
        assert of("edge_rows_total", ',from="events",to="totals"') == 400
        assert of("pipeline_state", ',state="running"') == 1
        for dataset in ("events", "parts", "totals", "hourly"):
            flow = {f: of("dataset_rows_total", f',dataset="{dataset}",flow="{f}"')
                    for f in ("in", "emitted", "out", "filtered", "late", "duplicate", "quarantined", "absorbed")}
            assert flow["in"] + flow["emitted"] == sum(v for k, v in flow.items() if k not in ("in", "emitted")), flow
        assert of("batches_total", ',outcome="committed"') == of("batch_duration_seconds_count")
        assert now["process_resident_memory_bytes"] > 10e6 and now["process_threads"] > 1
        assert 'millrace_build_info{version="' in text
        assert of("alerts", ',state="firing"') == 1 and of("alerts", ',state="pending"') == 0
        of_endpoint = lambda name, labels="": of(name, ',endpoint="/totals/{k}"' + labels)  # noqa: E731
        assert of_endpoint("endpoint_request_duration_seconds_count") == 4, text
        assert {r: of_endpoint("endpoint_requests_total", f',result="{r}"') for r in ("ok", "client_error", "server_error")} \
            == {"ok": 2, "client_error": 2, "server_error": 0}, text
        assert sum(v for k, v in now.items() if k.startswith('millrace_http_requests_total{server="serve/shop"')) == 4, text
        promtool("check", "metrics", input=text)
        request = urllib.request.Request(url + "/metrics", headers={"Accept": "application/openmetrics-text"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers
            assert answer.read().decode().endswith("# EOF\n")
        assert get(url + "/healthz") == "ok\n"


def ready(url):
    try:
        return "Ready" in get(url + "/-/ready")
    except OSError:
        return False


@contextlib.contextmanager
def prometheus(target):
    """A Prometheus with the example's configuration, but for where and how often it scrapes."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        config = (EXAMPLE / "prometheus.yml").read_text()
        config = config.replace("15s", "1s").replace("localhost:8087", target)
        (home / "prometheus.yml").write_text(config)
        shutil.copy(EXAMPLE / "alerts.yml", home)
        port = free_port()
        with open(home / "log", "w") as log:
            process = subprocess.Popen(
                ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            m.wait_until(lambda: ready(url) or process.poll() is not None, "Prometheus")
            assert process.poll() is None, (home / "log").read_text()[-2000:]
            yield url
        finally:
            process.terminate()
            process.wait(60)


def answer(url, expression):
    found = json.loads(get(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
    assert found["status"] == "success", found
    return found["data"]["result"]


def expressions():
    """(panel, expression) of the dashboard, with its variables filled in."""
    for panel in json.loads((EXAMPLE / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$pipeline", ".*").replace("$__rate_interval", "30s")


def every_panel_has_data():
    with running() as (home, at), prometheus(at["metrics"].removeprefix("http://")) as prom:
        begin = time.monotonic()
        fed = set()

        def missing():
            number = 2 + int(time.monotonic() - begin)  # a file a second: one that changes is refused
            if number not in fed and number < 60:
                fed.add(number)
                feed(home, number)
                status_of(f"{at['serving']}/totals/{number % 10}")
            return [(title, expr) for title, expr in expressions() if not answer(prom, expr)]
        left = []

        def complete():
            left[:] = missing()
            return not left
        try:
            m.wait_until(complete, "every panel to have data")
        except m.Failed:
            raise m.Failed(f"panels without data: {left}") from None
        rules = json.loads(get(prom + "/api/v1/rules"))["data"]["groups"][0]["rules"]
        m.wait_until(lambda: all(r["health"] == "ok" for r in json.loads(get(prom + "/api/v1/rules"))["data"]["groups"][0]["rules"]),
                     f"every alert to be evaluated: {[r['name'] for r in rules]}")
        up = answer(prom, 'up{job="millrace"}')
        assert up[0]["value"][1] == "1", up


def a_taken_or_wrong_address_is_told():
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "parts").mkdir()
        (home / "pipeline.yaml").write_text(PIPELINE.format(rows=", rows: 1"))
        done = m.run("run", "pipeline.yaml", "--metrics", "nowhere", cwd=home, check=False)
        assert done.returncode == 2 and "127.0.0.1:9187" in done.stderr, done
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = m.run("run", "pipeline.yaml", "--metrics", f"127.0.0.1:{taken.getsockname()[1]}", cwd=home,
                         check=False)
            assert done.returncode == 3, done


def main():
    report = m.Report("monitoring")
    for case in (promtool_takes_alerts_and_configuration, alerts_and_panels_use_what_is_declared,
                 what_is_scraped_adds_up, every_panel_has_data, a_taken_or_wrong_address_is_told):
        report.case(case.__name__.replace("_", " "), case)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
