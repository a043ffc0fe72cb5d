"""Real servers for tests: fetched once into the cache folder, started on free ports with data of their own."""
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import venv

from millrace import ROOT, Failed, wait_until

CACHE = pathlib.Path(os.environ.get("MILLRACE_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace")
KAFKA = CACHE / "servers" / "kafka-4.3.1"
AVRO_TOOLS = CACHE / "servers" / "avro-tools-1.12.0"
# Clients of other makers, to check ours against; cramjam and backports.zstd are fastavro's, for snappy and zstandard.
CLIENTS = {"confluent-kafka": "2.16.1", "fastavro": "1.13.1", "cramjam": "2.11.0", "backports.zstd": "1.8.0",
           "PyMySQL": "1.2.4"}


def clients():
    """Makes the modules of CLIENTS importable."""
    modules(CLIENTS)


def modules(versions):
    """Makes modules importable, by their names and versions; returns the folder that they are in."""
    name = "-".join(f"{module}{version}" for module, version in versions.items())
    if len(name) > 200:  # no name of a file
        name = f"{next(iter(versions))}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    home = CACHE / "clients" / f"py{sys.version_info[0]}.{sys.version_info[1]}-{name}"
    if not home.exists():
        fresh = pathlib.Path(tempfile.mkdtemp(dir=made(home.parent)))
        venv.create(fresh, with_pip=True)
        run_to_end("fetching the clients", fresh / "bin" / "pip", "-q", "install", "--no-deps",
             *(f"{module}=={version}" for module, version in versions.items()))
        put(fresh, home)
    packages = str(next(home.glob("lib/python*/site-packages")))
    if packages not in sys.path:
        sys.path.insert(0, packages)
    return packages


class Kafka:
    """One broker, which is its own controller. A context manager; stop() and start() keep the data."""

    def __init__(self):
        self.home = None
        self.process = None

    def __enter__(self):
        fetch_java("the broker", "kafka", KAFKA)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-kafka-"))
        self.port, self.controller = free_port(), free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self.prepare()
        (self.home / "server.properties").write_text("\n".join([*self.properties(), ""]))
        (self.home / "log4j2.yaml").write_text(
            "Configuration:\n  Appenders:\n    Console: { name: C, PatternLayout: { pattern: '[%d] %p %m (%c)%n' } }\n"
            "  Loggers:\n    Root: { level: WARN, AppenderRef: { ref: C } }\n"
            "    Logger: [ { name: kafka.server.KafkaRaftServer, level: INFO } ]\n")
        run_to_end("formatting the broker's folder", *self.java("-Xmx128m"), "kafka.tools.StorageTool", "format",
             "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self.home / "server.properties", *self.users())
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def prepare(self):
        """What has to be in `home` before the broker's folder is formatted."""

    def users(self):
        """Options of the formatting: who has a password in the cluster."""
        return []

    def listeners(self):
        """Listeners for clients: names, protocols and addresses."""
        return [("PLAINTEXT", "PLAINTEXT", self.brokers)]

    def properties(self):
        addresses = [f"{name}://{address}" for name, _, address in self.listeners()]
        protocols = [f"{name}:{protocol}" for name, protocol, _ in self.listeners()]
        return [
            "process.roles=broker,controller", "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{self.controller}",
            f"listeners={','.join(addresses)},CONTROLLER://127.0.0.1:{self.controller}",
            f"advertised.listeners={','.join(addresses)}",
            f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{','.join(protocols)}",
            "controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={self.home / 'log'}", "num.partitions=3", "auto.create.topics.enable=false",
            "offsets.topic.num.partitions=4", "offsets.topic.replication.factor=1",
            "transaction.state.log.num.partitions=4", "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1", "share.coordinator.state.topic.num.partitions=2",
            "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
            "group.initial.rebalance.delay.ms=0", "controlled.shutdown.enable=false",
            "log.retention.check.interval.ms=500", "log.initial.task.delay.ms=100",
            # A broker that was killed may register again only when its old session is over.
            "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500"]

    def java(self, *options):
        # Quick to start, and few threads: tests send little.
        return ["java", *options, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                f"-Dlog4j2.configurationFile={self.home / 'log4j2.yaml'}", "-cp", f"{KAFKA / 'lib'}/*"]

    def start(self):
        log = self.home / "kafka.log"
        with open(log, "ab") as out:
            began = out.tell()
            self.process = subprocess.Popen(
                [*self.java("-Xmx512m", "-Xms128m"), "kafka.Kafka", str(self.home / "server.properties")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def ready():
            if self.process.poll() is not None:
                raise Failed(f"the broker ended:\n{log.read_text()[-4000:]}")
            with open(log, "rb") as lines:
                lines.seek(began)
                return b"Kafka Server started" in lines.read()
        wait_until(ready, "the broker to start", timeout=120)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


def avro_tools():
    """The path of Avro's command-line tools in Java."""
    fetch_java("Avro's tools", "avro-tools", AVRO_TOOLS, "-DexcludeTransitive=true")  # all is in one file
    return next((AVRO_TOOLS / "lib").glob("avro-tools-*.jar"))


def fetch_java(what, name, home, *more):
    """The dependencies of tests/servers/NAME/pom.xml."""
    if (home / "lib").exists():
        return
    fresh = pathlib.Path(tempfile.mkdtemp(dir=made(home.parent)))
    run_to_end(f"fetching {what}", "mvn", "-q", "-B", "-f", ROOT / "tests" / "servers" / name / "pom.xml",
         "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
         f"-DoutputDirectory={fresh / 'lib'}", "-DincludeScope=runtime", *more)
    put(fresh, home)


def run_to_end(what, *command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"{what} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def put(fresh, home):
    """Two test runs may fetch the same at once: the first one counts."""
    try:
        fresh.rename(home)
    except OSError:
        shutil.rmtree(fresh)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
