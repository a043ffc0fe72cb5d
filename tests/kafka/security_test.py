"""TLS and passwords, against a real broker and through the door that a user has."""
import pathlib
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from secure_kafka import PASSWORD, SecureKafka  # noqa: E402

servers.clients()
from kafka_test import Bench  # noqa: E402

# A refusal ends the process at once; the time-out of librdkafka that would end it else is 30 s.
AT_ONCE_S = 10
TOKEN = "sasl_mechanism: OAUTHBEARER, librdkafka: { enable.sasl.oauthbearer.unsecure.jwt: true, " \
        "sasl.oauthbearer.config: principal=carol }"


class Door(Bench):
    """A pipeline from a topic to a topic by a connection of given options, with the password in a variable."""

    def pipeline(self, brokers, *options):
        self.file = self.folder / "pipeline.yaml"
        self.file.write_text("\n".join([
            f"pipeline: p{self.number}", "connections:",
            f"  bus: {{ {', '.join(['type: kafka', f'brokers: {brokers!r}', *options])} }}",
            f"sources:\n  input: {{ from: bus, topic: {self.source} }}",
            "datasets:\n  result: SELECT key, value FROM input",
            f"sinks:\n  out: {{ from: result, to: bus, topic: {self.target}, mode: append }}", ""]))

    def prepare(self):
        self.source, self.target = self.topic("in"), self.topic("out")
        self.ca = f"tls_ca: '{self.kafka.authority}'"

    def user(self, mechanism, name=None):
        name = name or ("alice" if mechanism == "PLAIN" else "bob")
        return f"sasl_mechanism: {mechanism}, sasl_username: {name}, sasl_password: '${{env:KAFKA_PASSWORD}}'"

    def millrace(self, *args, password=PASSWORD, **options):
        """Runs a command to its end. Whatever it says, it does not say the password."""
        env = {"KAFKA_PASSWORD": password, **options.pop("env", {})}
        done = m.run(*args, cwd=self.folder, env=env, check=False, **options)
        for secret in (password, PASSWORD):
            assert secret not in done.stdout + done.stderr, "a password was printed"
        return done

    def passes(self, **options):
        """New messages come through."""
        before = len(self.consume(self.target))
        self.produce(self.source, [f"{before}-{i}" for i in range(20)])
        done = self.millrace("run", self.file, "--once", **options)
        if done.returncode == 0:
            got = sorted(x.value().decode() for x in self.consume(self.target))[before:]
            assert got == sorted(f"{before}-{i}" for i in range(20)), got
        return done

    def refused(self, *wanted, **options):
        began = time.monotonic()
        done = self.millrace("run", self.file, "--once", timeout=60, **options)
        took = time.monotonic() - began
        assert done.returncode == 2 and took < AT_ONCE_S, (done.returncode, took, done.stderr)
        assert all(text in done.stderr for text in wanted), (wanted, done.stderr)
        assert "WARN" not in done.stderr and done.stderr.count("\n") == 1, done.stderr
        return done


def plain_and_tokens(b):
    for options in (b.user("PLAIN"), TOKEN):
        b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca, options)
        done = b.passes()
        assert done.returncode == 0, (options, done.stderr)


def scram(b):
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca, b.user(mechanism))
        done = b.passes()
        assert done.returncode == 0, (mechanism, done.stderr)
        b.refused("check `sasl_username` and `sasl_password`", password="wr0ng-p4ss")


def client_certificates(b):
    certificate, key = b.kafka.client
    b.pipeline(b.kafka.ssl, "tls: true", b.ca, f"tls_certificate: '{certificate}', tls_key: '{key}'")
    assert b.passes().returncode == 0
    b.pipeline(b.kafka.ssl, "tls: true", b.ca)
    b.refused("set `tls_certificate` and `tls_key`")
    certificate, key = b.kafka.locked_client
    locked = f"tls_certificate: '{certificate}', tls_key: '{key}'"
    b.pipeline(b.kafka.ssl, "tls: true", b.ca, locked, "tls_key_password: '${env:KAFKA_PASSWORD}'")
    assert b.passes().returncode == 0
    b.refused("`tls_key`", str(key), "`tls_key_password`", password="wr0ng-p4ss")
    b.pipeline(b.kafka.ssl, "tls: true", b.ca, locked)
    b.refused("`tls_key`", str(key), "`tls_key_password`")
    b.pipeline(b.kafka.ssl, "tls: true", b.ca, f"tls_certificate: '{certificate}'")
    assert "set `tls_certificate` and `tls_key`" in b.millrace("validate", b.file).stderr


def whom_to_trust(b):
    for ca in ((), (f"tls_ca: '{b.kafka.other_authority}'",)):
        b.pipeline(b.kafka.sasl_ssl, "tls: true", *ca, b.user("PLAIN"))
        b.refused("certificate verify failed", "signed by nobody we trust", "set `tls_ca`")
    b.pipeline(b.kafka.sasl_ssl, "tls: true", "tls_ca: absent.pem", b.user("PLAIN"))
    b.refused("`tls_ca`", str(b.folder / "absent.pem"))
    b.pipeline(b.kafka.elsewhere, "tls: true", b.ca)
    b.refused("certificate verify failed", "it is for another host", "`brokers`")


def other_protocols(b):
    """TLS or a user on one side alone."""
    b.pipeline(b.kafka.brokers, "tls: true", b.ca)
    b.refused("leave out `tls`")
    b.pipeline(b.kafka.sasl_ssl)
    b.refused("set `tls: true`")
    b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca)
    b.refused("set `sasl_mechanism`")
    b.pipeline(b.kafka.brokers, b.user("SCRAM-SHA-256"))
    b.refused("set `sasl_mechanism`")


def wrong_password(b):
    for name, password in (("alice", "wr0ng-p4ss"), ("mallory", PASSWORD)):
        b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca, b.user("PLAIN", name))
        b.refused("Invalid username or password", "check `sasl_username` and `sasl_password`", password=password)
    b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca, "sasl_mechanism: OAUTHBEARER",
               "librdkafka: { enable.sasl.oauthbearer.unsecure.jwt: true, sasl.oauthbearer.config: nothing=carol }")
    b.refused("sasl.oauthbearer")


def secrets(b):
    """From a file or a variable they are used, and are nowhere afterwards."""
    (b.folder / "password.txt").write_text(PASSWORD + "\n")
    at_file = b.user("PLAIN").replace("${env:KAFKA_PASSWORD}", "${file:password.txt}")
    for options in (b.user("PLAIN"), at_file):
        b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca, options)
        assert b.passes(password=PASSWORD if options is not at_file else "unused-one").returncode == 0
        for command in (["validate", b.file], ["explain", b.file], ["state", b.file],
                        ["run", b.file, "--once", "--progress", "json"]):
            done = b.millrace(*command)
            assert done.returncode == 0, (command, done.stderr)
        kept = [path for path in b.folder.rglob("*") if path.is_file() and path.name != "password.txt"
                and PASSWORD.encode() in path.read_bytes()]
        assert not kept, kept
    for value, want in ((PASSWORD, "must not be written into the file"), ("'${env:ABSENT_PASSWORD}'", "ABSENT_PASSWORD"),
                        ("'${file:absent.txt}'", "absent.txt")):
        b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca,
                   f"sasl_mechanism: PLAIN, sasl_username: alice, sasl_password: {value}")
        done = b.millrace("validate", b.file)
        assert done.returncode == 2 and want in done.stderr and "pipeline.yaml:3:" in done.stderr, done.stderr


def expired_credentials(b):
    """A password that is changed while the pipeline runs is said once; when it is right again, it goes on."""
    b.pipeline(b.kafka.sasl_ssl, "tls: true", b.ca, b.user("PLAIN"))
    process = m.start("run", b.file, "--progress", "none", cwd=b.folder, env={"KAFKA_PASSWORD": PASSWORD})
    said = []
    reader = threading.Thread(target=lambda: said.extend(process.stderr))
    reader.start()

    def wait(count):
        m.wait_until(lambda: process.poll() is None and len(b.consume(b.target)) == count, f"{count} messages")

    def restart(password):
        b.kafka.stop()
        b.kafka.password = password
        b.kafka.start()
    try:
        b.produce(b.source, ["first"])
        wait(1)
        restart("an0ther-one")
        b.produce(b.source, ["second"])
        m.wait_until(lambda: any("Invalid username or password" in line for line in list(said)), "the refusal")
        restart(PASSWORD)
        wait(2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, said
        reader.join()
        refusals = [line for line in said if "Invalid username or password" in line]
        assert 1 <= len(refusals) <= 2 and all("WARN" in line for line in refusals), said  # of the source, of the sink
        assert not any(secret in line for line in said for secret in (PASSWORD, "an0ther-one"))
    finally:
        b.kafka.password = PASSWORD
        if process.poll() is None:
            m.kill(process)


def librdkafka_options(b):
    """A name or a value that librdkafka does not know, and options that are ours, are found by validate."""
    for option, want in (("socket.timeouts: 1000", "socket.timeouts"),
                         ("socket.timeout.ms: soon", "socket.timeout.ms"),
                         ("socket.timeout.ms: 1", "socket.timeout.ms"),
                         ("security.protocol: ssl", "use `tls`"),
                         (f"sasl.password: {PASSWORD}", "use `sasl_password`"),
                         ("enable.ssl.certificate.verification: false", "`tls` always checks certificates"),
                         ("group.id: mine", "use `group_id`")):
        b.pipeline(b.kafka.brokers, f"librdkafka: {{ {option} }}")
        done = b.millrace("validate", b.file)
        assert done.returncode == 2 and want in done.stderr, (option, done.stderr)
        assert all(line.startswith(f"{b.file}:") for line in done.stderr.splitlines() if "error:" in line), done.stderr
    b.pipeline(b.kafka.brokers, "librdkafka: { socket.timeout.ms: 10000 }")
    assert b.passes().returncode == 0


def generated_messages(b):
    """`millrace generate` has the options of a connection, and a secret is never among its arguments."""
    command = ["generate", "events", "--brokers", b.kafka.sasl_ssl, "--topic", b.source, "--rows", 50, "--invalid", 0]
    options = ["tls=true", f"tls_ca={b.kafka.authority}", "sasl_mechanism=SCRAM-SHA-256", "sasl_username=bob",
               "librdkafka.socket.timeout.ms=10000"]

    def generate(*more, **settings):
        return b.millrace(*command, *(word for option in (*options, *more) for word in ("--kafka-option", option)), **settings)
    (b.folder / "password.txt").write_text(PASSWORD + "\n")
    for reference in ("${env:KAFKA_PASSWORD}", "${file:password.txt}"):
        before = len(b.consume(b.source))
        done = generate(f"sasl_password={reference}")
        assert done.returncode == 0 and len(b.consume(b.source)) == before + 50, done.stderr
    for more, want in ((["sasl_password=${env:KAFKA_PASSWORD}"], "check `sasl_username` and `sasl_password`"),
                       ([], "needs a name and a password"), ([f"sasl_password={PASSWORD}"], "${env:"), (["tsl=true"], "`tls`"),
                       (["tls"], "NAME=VALUE"), (["sasl_password=${env:KAFKA_PASSWORD}", "librdkafka.socket.timeouts=1"], "socket.timeouts")):
        done = generate(*more, password="wr0ng-p4ss")
        assert done.returncode == 2 and want in done.stderr, (more, done.stderr)


CASES = [plain_and_tokens, scram, client_certificates, whom_to_trust, other_protocols, wrong_password, secrets,
         librdkafka_options, generated_messages, expired_credentials]


def main():
    report = m.Report("security")
    names = sys.argv[1:]
    with SecureKafka() as kafka:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-security-") as folder:
                bench = Door(kafka, folder, number)
                bench.prepare()
                report.case(case.__name__, lambda: case(bench))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
