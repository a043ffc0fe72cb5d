"""Servers of MariaDB and MySQL for tests: each on a free port with data of its own, gone afterwards."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from certificates import Authority
from millrace import Failed, wait_until
from servers import CACHE, free_port, made, put, run_to_end

PASSWORD = "etl-secret"  # given to millrace by reference, as users have to
os.environ["SHOP_PASSWORD"] = PASSWORD


class Mariadb:
    """A context manager; stop() and start() keep the data. The database is `shop`, the user `etl`."""

    def __init__(self):
        self.process = None

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-database-"))
        self.data, self.socket = self.home / "data", self.home / "s"
        self.port = free_port()
        authority = Authority(self.home, "authority")
        self.authority = authority.certificate
        certificate, key = authority.sign("server", hosts=["DNS:localhost", "IP:127.0.0.1"])
        (self.home / "my.cnf").write_text("\n".join([
            "[mysqld]", f"datadir={self.data}", f"tmpdir={self.home}",  # a server that starts clears its tmpdir of others' tables
            f"socket={self.socket}", f"pid-file={self.home / 'pid'}",
            "bind-address=127.0.0.1", f"port={self.port}", "user=root", "server-id=1", f"log-bin={self.data / 'binlog'}",
            "binlog-format=ROW", "binlog-row-image=FULL", "binlog-row-metadata=FULL", "sync-binlog=0",
            "innodb-flush-log-at-trx-commit=2", "innodb-buffer-pool-size=128M", "character-set-server=utf8mb4",
            "max-connections=100", f"ssl-ca={authority.certificate}", f"ssl-cert={certificate}", f"ssl-key={key}",
            *self.options(), ""]))
        self.make_data()
        self.start()
        self.sql("SET SESSION sql_log_bin = 0;"
                 f"CREATE USER 'etl'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'etl'@'%';"
                 f"CREATE USER 'tlsonly'@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL; GRANT ALL ON *.* TO 'tlsonly'@'%';"
                 f"CREATE USER 'reader'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON *.* TO 'reader'@'%';"
                 "CREATE DATABASE shop;", database="mysql")
        return self

    def options(self):
        return ["gtid-strict-mode=ON", "innodb-log-file-size=48M"]

    def make_data(self):
        run_to_end("making the database's folder", "mariadb-install-db", "--no-defaults", f"--datadir={self.data}",
                   "--user=root", "--auth-root-authentication-method=socket", "--skip-test-db")

    def command(self):
        return ["mariadbd", f"--defaults-file={self.home / 'my.cnf'}"]

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        log = open(self.home / "log", "ab")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

        def ready():
            if self.process.poll() is not None:
                raise Failed(f"the database ended:\n{(self.home / 'log').read_text()[-4000:]}")
            return subprocess.run(["mariadb-admin", "--no-defaults", "-hlocalhost", "-S", str(self.socket), "-u", "root", "--silent", "ping"],
                                  capture_output=True).returncode == 0
        wait_until(ready, "the database to start", timeout=120)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def sql(self, text, database="shop"):
        """Runs statements by the server's own client; rows as lists of texts, NULL as "NULL"."""
        done = subprocess.run(["mariadb", "--no-defaults", "-hlocalhost", "-S", str(self.socket), "-u", "root", "--batch", "--raw",
                               "--skip-column-names", "--default-character-set=utf8mb4", database],
                              input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{text[:500]}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def connect(self, **options):
        """A connection of another maker's client, for transactions that are held open."""
        import pymysql
        return pymysql.connect(host="127.0.0.1", port=self.port, user="etl", password=PASSWORD, database="shop",
                               charset="utf8mb4", **options)

    def connection(self, port=None, **more):
        """What a pipeline file says of it."""
        options = {"type": "mysql", "host": "127.0.0.1", "port": port or self.port, "user": "etl",
                   "password": "${env:SHOP_PASSWORD}", "database": "shop", **more}
        return "{ " + ", ".join(f"{name}: {value}" for name, value in options.items()) + " }"


MYSQL = CACHE / "servers" / "mysql-9"
# Of Debian's unstable release, which has MySQL: fetched by an apt with lists of its own, and unpacked; nothing is installed.
FETCH_MYSQL = r"""set -eu
cd "$1"
mkdir -p apt/lists/partial apt/cache/archives/partial root
: > apt/status
mirror=$(sed -n 's/^URIs: *//p; s/^deb [^h]*\(http[^ ]*\) .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
  grep -v security | grep debian | head -n 1)
[ -n "$mirror" ]
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/} sid main" > apt/sources.list
cat > apt/apt.conf <<CONF
Dir::Etc::sourcelist "$1/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$1/apt/lists";
Dir::Cache "$1/apt/cache";
Dir::State::status "$1/apt/status";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$1/apt/apt.conf
apt-get -qq update
apt-get -qq -y --no-install-recommends -d install mysql-server-core
for package in apt/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C root --exclude='./usr/share/doc*' --exclude='./usr/share/man*' \
    --exclude='./usr/share/locale*' --exclude='./usr/share/perl*' --keep-directory-symlink
done
rm -rf apt
"""


def has_mysql():
    """Whether MySQL itself is there, or can be fetched: not where Debian's archive can't be reached."""
    if MYSQL.exists():
        return True
    fresh = pathlib.Path(tempfile.mkdtemp(dir=made(MYSQL.parent)))
    if subprocess.run(["sh", "-c", FETCH_MYSQL, "fetch", str(fresh)], capture_output=True).returncode != 0:
        shutil.rmtree(fresh)
        return False
    put(fresh, MYSQL)
    return True


class Mysql(Mariadb):
    """The genuine one, with the libraries that it came with. Its users log in by caching_sha2_password."""

    def options(self):
        share = MYSQL / "root" / "usr" / "share" / "mysql"
        return [f"basedir={MYSQL / 'root' / 'usr'}", "secure-file-priv=", f"lc-messages-dir={share}",
                f"character-sets-dir={share / 'charsets'}", f"plugin-dir={MYSQL / 'root' / 'usr' / 'lib' / 'mysql' / 'plugin'}",
                "mysqlx=OFF", "gtid-mode=ON", "enforce-gtid-consistency=ON", "innodb-redo-log-capacity=64M",
                "innodb-doublewrite=OFF", "performance-schema=OFF"]

    def make_data(self):
        run_to_end("making the database's folder", *self.command(), "--initialize-insecure")

    def command(self):
        lib = next((MYSQL / "root" / "usr" / "lib").glob("*-linux-gnu"))
        return [next(lib.glob("ld-linux*")), "--library-path", f"{lib}:{lib / 'mysql' / 'private'}:{lib.parent / 'mysql' / 'private'}",
                MYSQL / "root" / "usr" / "sbin" / "mysqld", f"--defaults-file={self.home / 'my.cnf'}"]
