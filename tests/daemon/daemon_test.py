#!/usr/bin/env python3
"""millrace daemon: several pipelines in one process, their mistakes and failures, reloads, kills,
stops, what the service manager is told, and JSON logs."""
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import millrace as m  # noqa: E402


def pipeline(name, sql, sink="{ from: totals, to: { type: files, path: output/NAME }, format: json, mode: complete }",
             source="path: input/NAME", more="trigger: 50ms\n"):
    return f"""pipeline: {name}
{more}checkpoint: {{ snapshot_interval: 100ms, snapshot_log_size: 8KiB }}
sources:
  rows: {{ from: {{ type: files, {source.replace('NAME', name)} }}, format: csv, schema: "id BIGINT, kind VARCHAR", max_files_per_trigger: 1 }}
datasets:
  totals: {sql}
sinks:
  out: {sink.replace('NAME', name)}
"""


TOTALS = "SELECT kind, count(*) AS n, sum(id) AS total FROM rows GROUP BY kind"
COPIED = "SELECT id, kind FROM rows"
APPEND = "{ from: totals, to: { type: files, path: output/NAME }, format: json }"
STORE = "{ from: totals, to: { type: store, path: output/NAME.duckdb }, table: totals, mode: update, key: [kind] }"


class Daemon:
    """A daemon over a folder, and its log."""

    def __init__(self, home, *options, env=None):
        self.log_path = home / f"log{len(list(home.glob('log*')))}"
        self.log_file = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            [m.BINARY, "daemon", str(home), "--log-format", "json",
             *(() if "--control" in options else ("--no-control",)), *options], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.log_file,
            env={**{k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}, **(env or {})})

    def lines(self):
        """All whole lines; each has to be an object with what all lines have."""
        text = self.log_path.read_text()
        lines = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        for line in lines:
            assert {"time", "level", "message"} <= line.keys(), line
        return lines

    def told(self, message, pipeline=None):
        return [line for line in self.lines()
                if message in line["message"] and pipeline in (None, line.get("pipeline"))]

    def wait_for(self, message, pipeline=None, count=1):
        def there():
            if self.process.poll() is not None:
                raise m.Failed(f"it ended with {self.process.returncode}: {self.log_path.read_text()[-3000:]}")
            return len(self.told(message, pipeline)) >= count
        try:
            m.wait_until(there, f"`{message}`")
        except m.Failed as error:
            raise m.Failed(f"{error}\n{self.log_path.read_text()[-4000:]}") from None

    def reload(self):
        """Reloads; gives the sentence that sums it up."""
        before = len(self.told("reloaded:"))
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("reloaded:", count=before + 1)
        return self.told("reloaded:")[-1]["message"]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.log_file.close()
        return code

    def close(self):
        if self.process.poll() is None:
            m.kill(self.process)
        self.log_file.close()


@contextlib.contextmanager
def lab():
    with tempfile.TemporaryDirectory(prefix="millrace-daemon-") as folder:
        yield pathlib.Path(folder)


@contextlib.contextmanager
def running(home, *options, env=None):
    daemon = Daemon(home, *options, env=env)
    try:
        yield daemon
    finally:
        daemon.close()


def give(home, name, file, rows):
    folder = home / "input" / name
    folder.mkdir(parents=True, exist_ok=True)
    m.write_csv(folder / f"{file}.csv", ["id", "kind"], rows)


def result(home, name):
    """What a pipeline has written, while it runs or not."""
    rows = []
    for folder, folders, files in os.walk(home / "output" / name):
        folders[:] = [each for each in folders if not each.startswith((".", "_"))]
        for file in files:
            with contextlib.suppress(FileNotFoundError):  # the next result has replaced it
                rows += [json.loads(line) for line in pathlib.Path(folder, file).read_text().splitlines()]
    return m.canonical(rows)


def wait_for_result(home, name, want, timeout=60):
    try:
        m.wait_until(lambda: result(home, name) == m.canonical(want), f"the rows of {name}", timeout)
    except m.Failed as error:
        raise m.Failed(f"{error}: {result(home, name)}, not {m.canonical(want)}") from None


def troubles_are_ones_own():
    with lab() as home:
        (home / "a.yaml").write_text(pipeline("good", TOTALS))
        (home / "b.yaml").write_text(pipeline("broken", "SELECT nothing FROM rows").replace("trigger", "triger"))
        (home / "c.yaml").write_text(pipeline("failing", COPIED, APPEND))
        (home / "settings.yaml").write_text("connections: {}\n")
        give(home, "good", "1", [(1, "x"), (2, "y")])
        give(home, "failing", "1", [(1, "x")])
        (home / "output").mkdir()
        (home / "output" / "failing").write_text("a file where its folder should be")
        with running(home) as daemon:
            wait_for_result(home, "good", [{"kind": "x", "n": 1, "total": 1}, {"kind": "y", "n": 1, "total": 2}])
            daemon.wait_for("unknown option `triger`" if daemon.told("unknown option") else "triger", "broken")
            daemon.wait_for("trying again in 2s", "failing")
            assert daemon.told("settings.yaml is left out")
            assert daemon.told("ready: 2 started, 1 refused"), daemon.told("ready")
            give(home, "good", "2", [(3, "x")])
            wait_for_result(home, "good", [{"kind": "x", "n": 2, "total": 4}, {"kind": "y", "n": 1, "total": 2}])
            (home / "output" / "failing").unlink()
            wait_for_result(home, "failing", [{"id": 1, "kind": "x"}])
            assert daemon.stop() == 0
            assert daemon.lines()[-1]["message"] == "stopped"


def reload_does_what_has_changed():
    with lab() as home:
        (home / "sql").mkdir()
        (home / "sql" / "changed.sql").write_text("SELECT id, kind FROM rows")
        (home / "same.yaml").write_text(pipeline("same", TOTALS))
        (home / "changed.yaml").write_text(pipeline("changed", "sql/changed.sql", APPEND))
        (home / "gone.yaml").write_text(pipeline("gone", COPIED, APPEND))
        for name in ("same", "changed", "gone", "new"):
            give(home, name, "1", [(1, "x")])
        with running(home) as daemon:
            wait_for_result(home, "changed", [{"id": 1, "kind": "x"}])
            wait_for_result(home, "gone", [{"id": 1, "kind": "x"}])
            wait_for_result(home, "same", [{"kind": "x", "n": 1, "total": 1}])
            assert daemon.reload() == "reloaded: 3 unchanged"

            (home / "sql" / "changed.sql").write_text("SELECT id + 100 AS id, kind FROM rows")
            (home / "gone.yaml").unlink()
            (home / "new.yaml").write_text(pipeline("new", COPIED, APPEND))
            (home / "same.yaml").write_text(pipeline("same", "SELECT nothing FROM rows"))
            said = daemon.reload()
            assert said == "reloaded: 1 started, 1 restarted, 1 stopped, 1 refused", said
            assert daemon.told("sql/changed.sql") == [] and daemon.told("changed.yaml: restarted", "changed")
            assert daemon.told("same.yaml:", "same") and any("nothing" in line["message"] for line in daemon.lines()
                                                            if line["level"] == "error")
            wait_for_result(home, "new", [{"id": 1, "kind": "x"}])
            give(home, "changed", "2", [(2, "x")])
            wait_for_result(home, "changed", [{"id": 1, "kind": "x"}, {"id": 102, "kind": "x"}])
            give(home, "same", "2", [(2, "x")])  # what ran before runs on
            wait_for_result(home, "same", [{"kind": "x", "n": 2, "total": 3}])
            assert len(daemon.told("starting afresh", "same")) == 1 and not daemon.told("going on", "same")
            assert daemon.told("going on after batch", "changed")
            assert (home / ".millrace" / "gone").is_dir()

            (home / "same.yaml").write_text(pipeline("same", TOTALS))
            assert daemon.reload() == "reloaded: 3 unchanged"
            assert daemon.stop(signal.SIGINT) == 0


def reload_by_command():
    with lab() as home:
        (home / "a.yaml").write_text(pipeline("first", COPIED, APPEND))
        (home / "b.yaml").write_text(pipeline("second", COPIED, APPEND))
        for name in ("first", "second", "third"):
            give(home, name, "1", [(1, "x")])
        (home / "run").mkdir()
        env = {"XDG_RUNTIME_DIR": str(home / "run")}
        with running(home, "--control", "127.0.0.1:0", env=env) as daemon:
            daemon.wait_for("control at http://")
            for name in ("first", "second"):
                wait_for_result(home, name, [{"id": 1, "kind": "x"}])
            shown = json.loads(m.run("ps", "--json", env=env).stdout)
            assert sorted(each["id"] for each in shown) == ["first", "second"], shown
            m.run("pause", "first", env=env)
            daemon.wait_for("paused by", "first")
            (home / "b.yaml").write_text(pipeline("second", "SELECT nothing FROM rows", APPEND))
            (home / "c.yaml").write_text(pipeline("third", COPIED, APPEND))
            done = m.run("reload", env=env, check=False)
            assert done.returncode == 2, done
            assert "started: third\nunchanged: first\nrefused: second" in done.stdout, done.stdout
            assert "nothing" in done.stdout, done.stdout
            (home / "b.yaml").unlink()
            done = m.run("reload", "--json", env=env)
            told = json.loads(done.stdout)
            assert told["stopped"] == ["second"] and told["unchanged"] == ["first", "third"], told
            wait_for_result(home, "third", [{"id": 1, "kind": "x"}])
            shown = json.loads(m.run("ps", "--json", env=env).stdout)
            assert {each["id"]: each["state"] for each in shown} == {"first": "paused", "third": "running"}, shown
            # One that is paused stays so though it changes.
            (home / "a.yaml").write_text(pipeline("first", "SELECT id + 1 AS id, kind FROM rows", APPEND))
            done = m.run("reload", env=env)
            assert "restarted: first" in done.stdout, done
            give(home, "first", "2", [(2, "x")])
            daemon.wait_for("paused by", "first", count=2)
            m.run("resume", "first", env=env)
            wait_for_result(home, "first", [{"id": 1, "kind": "x"}, {"id": 3, "kind": "x"}])
            code = daemon.stop()
            assert code == 0, (code, daemon.log_path.read_text()[-1500:])
        done = m.run("reload", env=env, check=False)
        assert done.returncode == 2 and "no `millrace daemon` of this user runs here" in done.stderr, done


def alerts_follow_their_file():
    """Alerts of each pipeline in a daemon, over its tables; a reload brings other rules, and forgets nothing."""
    def with_rule(threshold):
        return pipeline("first", TOTALS) + (
            "alerts:\n  every: 100ms\n  rules:\n"
            f"    - {{ name: many, query: SELECT sum(n) AS value FROM totals, above: {threshold} }}\n"
            "    - { name: rows, metric: input_rows, above: 5 }\n")
    with lab() as home:
        (home / "a.yaml").write_text(with_rule(3))
        (home / "b.yaml").write_text(pipeline("second", COPIED, APPEND))
        give(home, "first", "1", [(1, "x"), (2, "y")])
        with running(home, "--control", "127.0.0.1:0") as daemon:
            daemon.wait_for("control at http://")
            url = re.search(r"control at (http://\S+)", daemon.told("control at")[0]["message"]).group(1)

            def alerts(name="first"):
                with urllib.request.urlopen(f"{url}/api/v1/pipelines/{name}/alerts", timeout=20) as answer:
                    return {each["name"]: each["state"] for each in json.load(answer)["alerts"]}
            wait_for_result(home, "first", [{"kind": "x", "n": 1, "total": 1}, {"kind": "y", "n": 1, "total": 2}])
            assert alerts() == {"many": "inactive", "rows": "inactive"} and alerts("second") == {}
            give(home, "first", "2", [(3, "x"), (4, "x")])
            daemon.wait_for("alert many fires", "first")
            (home / "a.yaml").write_text(with_rule(10))
            assert daemon.reload() == "reloaded: 1 restarted, 1 unchanged"
            daemon.wait_for("alert many is over", "first")
            (home / "a.yaml").write_text(with_rule("ten"))
            told = daemon.reload()
            assert told == "reloaded: 1 unchanged, 1 refused", told
            give(home, "first", "3", [(5, "z")] * 7)
            daemon.wait_for("alert rows fires", "first")
            daemon.wait_for("alert many fires", "first", count=2)
            assert alerts() == {"many": "firing", "rows": "firing"}
            with urllib.request.urlopen(f"{url}/metrics", timeout=20) as answer:
                text = answer.read().decode()
            assert 'millrace_alerts{pipeline="first",state="firing"} 2' in text, text
            assert daemon.stop() == 0


def two_of_a_name():
    with lab() as home:
        (home / "a.yaml").write_text(pipeline("orders", COPIED, APPEND))
        (home / "b.yaml").write_text(pipeline("orders", COPIED, APPEND))
        (home / "c.yaml").write_text(pipeline("other", COPIED, APPEND)
                                     .replace("checkpoint: {", "checkpoint: { path: .millrace/orders,"))
        give(home, "orders", "1", [(1, "x")])
        with running(home) as daemon:
            wait_for_result(home, "orders", [{"id": 1, "kind": "x"}])
            daemon.wait_for("is called `orders`, too")
            daemon.wait_for("is that of pipeline `orders`")
            assert daemon.told("ready: 1 started, 2 refused")
            assert daemon.stop() == 0


NAMES = {"totals": TOTALS, "copied": COPIED, "stored": TOTALS}


def three(home):
    (home / "totals.yaml").write_text(pipeline("totals", TOTALS))
    (home / "copied.yaml").write_text(pipeline("copied", COPIED, APPEND))
    (home / "stored.yaml").write_text(pipeline("stored", TOTALS, STORE))


def results(home):
    rows = {name: result(home, name) for name in ("totals", "copied")}
    rows["stored"] = m.canonical(m.query("stored.yaml", "SELECT * FROM out", cwd=home))
    return rows


def kills_change_nothing(seed):
    rng = random.Random(seed)
    files = [[(rng.randrange(1000), rng.choice("abc")) for _ in range(20)] for _ in range(40)]
    with lab() as undisturbed, lab() as home:
        for place in (undisturbed, home):
            three(place)
        for name in NAMES:
            for number, rows in enumerate(files):
                give(undisturbed, name, f"{number:03}", rows)
            m.run("run", f"{name}.yaml", "--once", "--progress", "none", cwd=undisturbed)
        want = results(undisturbed)
        kills = 0
        for number in range(0, len(files), 5):
            with running(home) as daemon:
                for name in NAMES:
                    for i in range(number, number + 5):
                        give(home, name, f"{i:03}", files[i])
                daemon.wait_for("ready:")
                time.sleep(rng.uniform(0.0, 0.4))  # where it is hit, is chance
                m.kill(daemon.process)
                kills += 1
        with running(home) as daemon:
            count = sum(len(rows) for rows in files)
            m.wait_until(lambda: len(result(home, "copied")) >= count, "all rows")
            wait_for_result(home, "totals", [json.loads(row) for row in want["totals"]])
            time.sleep(0.3)  # what comes twice, comes now
            assert daemon.stop() == 0
        for name in NAMES:
            m.run("run", f"{name}.yaml", "--once", "--progress", "none", cwd=home)
        got = results(home)
        for name, rows in want.items():
            assert got[name] == rows, f"{name} differs after {kills} kills, seed {seed}"


# Some seconds a row: a batch that no stop request ends soon.
HEAVY = "SELECT id, levenshtein(repeat('ab', 30000 + id::INTEGER), repeat('ba', 30000 + id::INTEGER)) AS kind FROM rows"


def heavy(home):
    (home / "heavy.yaml").write_text(pipeline("heavy", HEAVY, APPEND))
    (home / "light.yaml").write_text(pipeline("light", COPIED, APPEND))
    give(home, "heavy", "1", [(i, "x") for i in range(500)])
    give(home, "light", "1", [(1, "x")])


def a_stop_has_an_end():
    with lab() as home:
        heavy(home)
        with running(home, "--stop-timeout", "1s") as daemon:
            wait_for_result(home, "light", [{"id": 1, "kind": "x"}])
            daemon.wait_for("starting afresh", "heavy")
            begin = time.monotonic()
            assert daemon.stop() == 4
            assert time.monotonic() - begin < 15
            last = daemon.lines()[-1]
            assert last["level"] == "error" and last["message"].startswith("heavy did not end within 1s"), last
        (home / "heavy.yaml").unlink()
        give(home, "light", "2", [(2, "x")])
        with running(home) as daemon:
            wait_for_result(home, "light", [{"id": 1, "kind": "x"}, {"id": 2, "kind": "x"}])
            assert daemon.stop() == 0


def a_second_signal_ends_at_once():
    with lab() as home:
        heavy(home)
        with running(home) as daemon:
            wait_for_result(home, "light", [{"id": 1, "kind": "x"}])
            daemon.wait_for("starting afresh", "heavy")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_for("stopping, on SIGTERM, within 1m")
            assert daemon.stop() == 128 + signal.SIGTERM


class Manager:
    """Listens as systemd does."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(30)
        self.messages = []

    def wait_for(self, what, count=1):
        while sum(what in message for message in self.messages) < count:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except TimeoutError:
                raise m.Failed(f"no {what}: {self.messages}") from None
        return [message for message in self.messages if what in message]


def the_manager_is_told():
    with lab() as home:
        (home / "a.yaml").write_text(pipeline("good", COPIED, APPEND))
        (home / "b.yaml").write_text("pipeline: broken\n")
        give(home, "good", "1", [(1, "x")])
        manager = Manager(str(home / "notify"))
        with running(home, env={"NOTIFY_SOCKET": str(home / "notify"), "WATCHDOG_USEC": "300000"}) as daemon:
            manager.wait_for("READY=1")
            manager.wait_for("STATUS=1 failed (broken), 1 running")
            manager.wait_for("WATCHDOG=1", 3)
            daemon.process.send_signal(signal.SIGHUP)
            manager.wait_for("RELOADING=1\nMONOTONIC_USEC=")
            manager.wait_for("READY=1", 2)
            assert daemon.stop() == 0
            manager.wait_for("STOPPING=1")
        order = [word for message in manager.messages for word in ("READY=1", "RELOADING=1", "STOPPING=1")
                 if message.startswith(word)]
        assert order == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"], order


def memory_follows_a_reload():
    with lab() as home:
        (home / "a.yaml").write_text(pipeline("first", COPIED, APPEND))
        give(home, "first", "1", [(1, "x")])
        with running(home, "--memory-limit", "1GB", "--threads", "2", "--log-level", "debug") as daemon:
            wait_for_result(home, "first", [{"id": 1, "kind": "x"}])
            (home / "b.yaml").write_text(pipeline("second", COPIED, APPEND))
            assert daemon.reload() == "reloaded: 1 started, 1 unchanged"
            daemon.wait_for("the memory limit is 500 MB now", "first")
            (home / "b.yaml").unlink()
            daemon.reload()
            daemon.wait_for("the memory limit is 1.0 GB now", "first")
            assert daemon.stop() == 0


def mistakes_of_the_command_line():
    with lab() as home:
        done = m.run("daemon", home / "nowhere", check=False)
        assert done.returncode == 2 and "there is no folder" in done.stderr, done
        done = m.run("daemon", home, "--stop-timeout", "60", check=False)
        assert done.returncode == 2 and "is no duration, such as 60s" in done.stderr, done
        done = m.run("daemon", home, "--memory-limit", "much", check=False)
        assert done.returncode == 2 and "is no size, such as 8GiB" in done.stderr, done
        with running(home) as daemon:
            daemon.wait_for("there is no pipeline in the folder")
            assert daemon.stop() == 0


def logs_of_run():
    with lab() as home:
        (home / "p.yaml").write_text(pipeline("p", COPIED, APPEND))
        (home / "input" / "p").mkdir(parents=True)
        (home / "input" / "p" / "1.csv").write_bytes(b"id,kind\n1,good\nbad\xff\xfe\x1b[2J,x\n")
        done = m.run("run", "p.yaml", "--once", "--log-format", "json", cwd=home)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert lines and all(line["pipeline"] == "p" for line in lines), done.stderr
        assert any(r"\xff\xfe" in line["message"] for line in lines), done.stderr
        (home / "input" / "p" / "2.csv").write_bytes(b"id,kind\nbad\xff\xfe\x1b[2J,x\n")
        done = m.run("run", "p.yaml", "--once", cwd=home)
        assert r"\xff\xfe\x1b[2J" in done.stderr, done.stderr
        done = m.run("run", "p.yaml", "--once", "--log-level", "warn", cwd=home)
        assert done.stderr == "", done.stderr
        (home / "p.yaml").write_text("pipeline: p\n")
        done = m.run("run", "p.yaml", "--once", "--log-format", "json", cwd=home, check=False)
        assert done.returncode == 2, done
        assert all(json.loads(line)["level"] == "error" for line in done.stderr.splitlines()), done.stderr


def journald_gets_priorities():
    with lab() as home:
        (home / "p.yaml").write_text(pipeline("p", COPIED, APPEND))
        (home / "input" / "p").mkdir(parents=True)
        (home / "input" / "p" / "1.csv").write_text("id,kind\n1,good\nbad,x\n")
        ours, theirs = socket.socketpair()
        status = os.fstat(theirs.fileno())
        process = subprocess.Popen([m.BINARY, "run", "p.yaml", "--once"], cwd=home, stderr=theirs.fileno(),
                                   stdout=subprocess.DEVNULL,
                                   env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        theirs.close()
        text = b"".join(iter(lambda: ours.recv(65536), b"")).decode()
        assert process.wait(60) == 0
        lines = text.splitlines()
        assert lines[0].startswith("<6>INFO  pipeline=p starting afresh"), text
        assert any(line.startswith("<4>WARN  pipeline=p ") for line in lines), text
        assert all(line[0] == "<" for line in lines), text


def nobody_reads_the_log():
    """A log that nobody reads must not stop a pipeline."""
    with lab() as home:
        (home / "p.yaml").write_text(pipeline("p", COPIED, APPEND, more="trigger: 1ms\n"))
        for number in range(300):
            give(home, "p", f"{number:03}", [(number, "x")])
        reader, writer = os.pipe()
        process = subprocess.Popen([m.BINARY, "daemon", str(home), "--log-level", "debug", "--no-control"],
                                   stderr=writer, stdout=subprocess.DEVNULL)
        os.close(writer)
        try:
            m.wait_until(lambda: len(result(home, "p")) == 300, "all rows", 60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                m.kill(process)
            os.close(reader)


def main():
    report = m.Report("daemon")
    seed = random.SystemRandom().randrange(1 << 30)
    report.case("a broken and a failing pipeline are their own trouble", troubles_are_ones_own)
    report.case("a reload does what has changed, and nothing else", reload_does_what_has_changed)
    report.case("millrace reload says what became of each", reload_by_command)
    report.case("alerts follow their file", alerts_follow_their_file)
    report.case("two pipelines of a name, or of a checkpoint", two_of_a_name)
    report.case(f"kills change nothing (seed {seed})", lambda: kills_change_nothing(seed))
    report.case("a stop has an end", a_stop_has_an_end)
    report.case("a second signal ends at once", a_second_signal_ends_at_once)
    report.case("the service manager is told", the_manager_is_told)
    report.case("memory follows a reload", memory_follows_a_reload)
    report.case("mistakes of the command line", mistakes_of_the_command_line)
    report.case("logs of a run", logs_of_run)
    report.case("journald gets priorities", journald_gets_priorities)
    report.case("nobody reads the log", nobody_reads_the_log)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
