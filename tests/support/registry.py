"""A schema registry for tests: Apicurio, which speaks Confluent's protocol."""
import json
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from millrace import ROOT, Failed, wait_until
from servers import CACHE, free_port, made, put, run_to_end

VERSION = "3.0.9"
APICURIO = CACHE / "servers" / f"apicurio-{VERSION}"


class Registry:
    """One registry. A context manager; stop() and start() keep the data. `url` is what a pipeline names."""

    def __init__(self):
        self.home = None
        self.process = None

    def __enter__(self):
        _fetch_registry()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-registry-"))
        self.port, self.management = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def settings(self):
        return {
            "quarkus.http.host": "127.0.0.1", "quarkus.http.port": self.port,
            "quarkus.management.host": "127.0.0.1", "quarkus.management.port": self.management,
            "quarkus.otel.sdk.disabled": "true",
            "apicurio.storage.kind": "sql", "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.home / 'registry'};DB_CLOSE_ON_EXIT=FALSE",
            "apicurio.datasource.username": "sa", "apicurio.datasource.password": "sa",
            "apicurio.rest.deletion.artifact.enabled": "true",
            "apicurio.ccompat.use-canonical-hash": "true"}

    def start(self):
        log = self.home / "registry.log"
        with open(log, "ab") as out:
            # Quick to start, and few threads: tests send little.
            self.process = subprocess.Popen(
                ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                 *(f"-D{name}={value}" for name, value in self.settings().items()),
                 "-jar", str(APICURIO / f"apicurio-registry-app-{VERSION}-runner.jar")],
                cwd=self.home, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def ready():
            if self.process.poll() is not None:
                raise Failed(f"the registry ended:\n{log.read_text()[-4000:]}")
            try:
                return self.ask("/subjects") is not None
            except OSError:
                return False
        wait_until(ready, "the registry to start", timeout=120)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def ask(self, path, body=None, method=None):
        """What the registry answers, as JSON. An answer that is an error raises urllib.error.HTTPError, an OSError."""
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"})
        # No proxy: it is on this machine.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def register(self, subject, schema, references=(), kind="AVRO"):
        """The number of a schema, given as JSON or as a text; references are (name, subject, version)."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        body = {"schema": text, "schemaType": kind,
                "references": [dict(zip(("name", "subject", "version"), each)) for each in references]}
        return self.ask(f"/subjects/{urllib.parse.quote(subject, safe='')}/versions", body)["id"]

    def compatibility(self, level, subject=None):
        """Sets which changes a subject, or each, may make: NONE, as it is at first, BACKWARD, FULL, ..."""
        where = "" if subject is None else "/" + urllib.parse.quote(subject, safe="")
        self.ask(f"/config{where}", {"compatibility": level}, "PUT")


def _fetch_registry():
    if APICURIO.exists():
        return
    fresh = pathlib.Path(tempfile.mkdtemp(dir=made(APICURIO.parent)))
    run_to_end("fetching the registry", "mvn", "-q", "-B", "-f", ROOT / "tests" / "servers" / "registry" / "pom.xml",
         "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
         f"-DoutputDirectory={fresh}", "-DincludeScope=runtime")
    packed = fresh / f"apicurio-registry-app-{VERSION}-all.tar.gz"
    with tarfile.open(packed) as files:
        files.extractall(fresh)
    packed.unlink()
    put(fresh, APICURIO)
