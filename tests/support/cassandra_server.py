"""A real Cassandra server for tests: fetched once into the cache folder, started on free ports with data of its own."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import venv

import servers
from certificates import Authority
from millrace import Failed, wait_until

HOME = servers.CACHE / "servers" / "cassandra-5.0.9"
# A client of another maker, to check ours against; the others are what it needs.
CLIENTS = {"cassandra-driver": "3.30.1", "geomet": "1.1.0", "click": "8.5.1", "Deprecated": "1.3.1", "wrapt": "2.5.2",
           "cqlsh": "6.2.2", "pure-sasl": "0.6.2", "wcwidth": "0.9.4"}
USER, PASSWORD = "svc-at-123456789012", "Svc+Secret=1"

EXPORTS = """java.base/jdk.internal.misc java.base/java.lang.ref java.management.rmi/com.sun.jmx.remote.internal.rmi
    java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql jdk.unsupported/sun.misc
    jdk.attach/sun.tools.attach""".split()
OPENS = """java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref
    java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module
    java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal java.base/sun.nio.ch java.base/java.io
    java.base/java.nio java.base/java.lang.reflect java.base/java.lang java.base/java.util""".split()


def client():
    """Makes the Python driver importable; returns where it and cqlsh are."""
    return servers.modules(CLIENTS)


class Cassandra:
    """One node, which is a cluster. A context manager; stop() and start() keep the data."""
    address = "127.0.0.1"

    def __init__(self, share_classes=True):
        self.home = self.process = None
        self.share_classes = share_classes

    def __enter__(self):
        servers.fetch_java("the server", "cassandra", HOME)
        archive = HOME / "classes.jsa"
        if self.share_classes and not archive.exists():
            _train(archive)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-cassandra-"))
        self.port, self.storage_port, self.jmx_port = (servers.free_port() for _ in range(3))
        self.prepare()
        (self.home / "triggers").mkdir()
        (self.home / "cassandra.yaml").write_text("\n".join([*self.settings(), *self.security(), ""]))
        (self.home / "logback.xml").write_text(
            '<configuration><appender name="OUT" class="ch.qos.logback.core.ConsoleAppender"><encoder>'
            "<pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder></appender>"
            '<root level="WARN"><appender-ref ref="OUT"/></root></configuration>')
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def cqlsh(self, statement):
        """What Cassandra's own shell prints."""
        done = subprocess.run([sys.executable, "-m", "cqlshlib", "127.0.0.1", str(self.port), "--no-color", "-e", statement],
                              env={**os.environ, "PYTHONPATH": client(), "CQLSH_NO_BUNDLED": "1", "TZ": "UTC"},
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Failed(f"cqlsh exited with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def prepare(self):
        """What has to be in `home` before the server starts."""

    def security(self):
        return ["authenticator: AllowAllAuthenticator", "authorizer: AllowAllAuthorizer"]

    def settings(self):
        return [
            "cluster_name: millrace-test", "num_tokens: 1", "initial_token: 0",
            "partitioner: org.apache.cassandra.dht.Murmur3Partitioner",
            f"data_file_directories: [ {self.home / 'data'} ]",
            *(f"{name}_directory: {self.home / name}" for name in ("commitlog", "saved_caches", "hints")),
            f"cdc_raw_directory: {self.home / 'cdc'}", "commitlog_sync: periodic", "commitlog_sync_period: 10s",
            "commitlog_segment_size: 16MiB", "commitlog_disk_access_mode: legacy", "disk_access_mode: mmap",
            "memtable_heap_space: 128MiB", "memtable_offheap_space: 128MiB", "file_cache_size: 64MiB",
            "concurrent_reads: 8", "concurrent_writes: 8", "concurrent_compactors: 1",
            "native_transport_max_threads: 32", "endpoint_snitch: SimpleSnitch", "seed_provider:",
            "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider",
            f'    parameters: [ {{ seeds: "127.0.0.1:{self.storage_port}" }} ]',
            "listen_address: 127.0.0.1", f"storage_port: {self.storage_port}", "rpc_address: 127.0.0.1",
            "start_native_transport: true", f"native_transport_port: {self.port}", "auto_snapshot: false",
            "incremental_backups: false", "hinted_handoff_enabled: false", "auto_bootstrap: false",
            *(f"{kind}request_timeout: 20s" for kind in ("", "read_", "range_", "write_")),
            "truncate_request_timeout: 60s"]

    def start(self, *java):
        log = self.home / "cassandra.log"
        archive = HOME / "classes.jsa"
        options = java or ([f"-XX:SharedArchiveFile={archive}"] if self.share_classes else [])
        command = [
            "java", *options, "-Xms512m", "-Xmx512m", "-Xss384k", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=256m",
            "-XX:TieredStopAtLevel=1", *(f"--add-exports={each}=ALL-UNNAMED" for each in EXPORTS),
            *(f"--add-opens={each}=ALL-UNNAMED" for each in OPENS),
            f"-javaagent:{next((HOME / 'lib').glob('jamm-*.jar'))}", "-Djdk.attach.allowAttachSelf=true",
            "-Dio.netty.tryReflectionSetAccessible=true", f"-Dlogback.configurationFile={self.home / 'logback.xml'}",
            f"-Dcassandra.config=file://{self.home / 'cassandra.yaml'}", f"-Dcassandra.storagedir={self.home}",
            f"-Dcassandra.triggers_dir={self.home / 'triggers'}", "-Dcassandra-foreground=true",
            f"-Dcassandra.jmx.local.port={self.jmx_port}", "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.ring_delay_ms=1", "-Dcassandra.superuser_setup_delay_ms=0",
            "-Dcassandra.consistent.rangemovement=false", "-Djava.net.preferIPv4Stack=true",
            "-cp", f"{HOME / 'lib'}/*", "org.apache.cassandra.service.CassandraDaemon"]
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def ready():
            if self.process.poll() is not None:
                raise Failed(f"the server ended:\n{log.read_text()[-4000:]}")
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 1):
                return True
            return False
        wait_until(ready, "the server to start", timeout=180)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def session(self, **more):
        """A session of the Python driver; closed by its `cluster.shutdown()`."""
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import RoundRobinPolicy
        profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=60)
        return Cluster([self.address], port=self.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                       **more).connect()


class Member(Cassandra):
    """A node of a cluster of several. Clients are told that it is at the address `told`, where a proxy may be."""

    def __init__(self, address, told, token, seed=None):
        super().__init__()
        self.address, self.told, self.token, self.seed = address, told, token, seed or self

    def settings(self):
        here = {"initial_token": self.token, "listen_address": self.address, "rpc_address": self.address,
                "broadcast_rpc_address": self.told}
        kept = [line for line in super().settings() if line.split(":")[0] not in ("num_tokens", *here) and "seeds:" not in line]
        place = kept.index("  - class_name: org.apache.cassandra.locator.SimpleSeedProvider") + 1
        seeds = f'    parameters: [ {{ seeds: "{self.seed.address}:{self.seed.storage_port}" }} ]'
        return [*kept[:place], seeds, *kept[place:], "num_tokens: 1", *(f"{name}: {value}" for name, value in here.items())]


class SecureCassandra(Cassandra):
    """With TLS and passwords, as Amazon Keyspaces has them."""

    def cqlsh(self, statement):
        """What Cassandra's own shell prints."""
        done = subprocess.run([sys.executable, "-m", "cqlshlib", "127.0.0.1", str(self.port), "--no-color", "-e", statement],
                              env={**os.environ, "PYTHONPATH": client(), "CQLSH_NO_BUNDLED": "1", "TZ": "UTC"},
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Failed(f"cqlsh exited with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def prepare(self):
        folder = servers.made(self.home / "certificates")
        self.authority = Authority(folder, "test authority")
        self.other_authority = Authority(folder, "other authority")
        self.ca = self.authority.certificate
        certificate, key = self.authority.sign("server", hosts=["DNS:localhost", "IP:127.0.0.1"])
        servers.run_to_end("making the key store", "openssl", "pkcs12", "-export", "-name", "server", "-inkey", key,
                           "-in", certificate, "-certfile", self.ca, "-passout", "pass:changeit",
                           "-out", self.home / "keystore.p12")

    def security(self):
        return ["authenticator: PasswordAuthenticator", "authorizer: CassandraAuthorizer",
                "role_manager: CassandraRoleManager", "client_encryption_options:", "  enabled: true",
                "  optional: false", "  require_client_auth: false",
                f"  keystore: {self.home / 'keystore.p12'}", "  keystore_password: changeit",
                "  store_type: PKCS12"]

    def session(self, user=USER, password=PASSWORD, **more):
        from cassandra.auth import PlainTextAuthProvider
        context = ssl.create_default_context(cafile=self.ca)
        return super().session(ssl_context=context, ssl_options={"server_hostname": "localhost"},
                               auth_provider=PlainTextAuthProvider(user, password), **more)

    def make_user(self):
        """The superuser comes a little after the port is open."""
        from cassandra.cluster import NoHostAvailable
        found = []

        def login():
            with contextlib.suppress(NoHostAvailable):
                found.append(self.session("cassandra", "cassandra"))
            return found
        wait_until(login, "the superuser to be there", timeout=60)
        found[0].execute(f"CREATE ROLE IF NOT EXISTS \"{USER}\" WITH PASSWORD = '{PASSWORD}' AND LOGIN = true "
                         "AND SUPERUSER = true")
        found[0].cluster.shutdown()


def _train(archive):
    """Writes down the classes that a server loads: the next ones start in half the time."""
    fresh = archive.with_name(f"classes-{os.getpid()}.jsa")
    server = Cassandra(share_classes=False)
    start = server.start
    server.start = lambda: start("-XX:+UnlockDiagnosticVMOptions", "-XX:+AllowArchivingWithJavaAgent",
                                 f"-XX:ArchiveClassesAtExit={fresh}")
    with server:
        server.stop()
    if fresh.exists():
        fresh.rename(archive)
