"""`millrace top` in a terminal: keys, another size, a pipeline that fails, a process that goes away and comes back.

Usage: top_test.py [CASE ...]
"""
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading

from watched import m, report, running


class Terminal:
    """A command in a terminal of its own. What it draws is kept as the lines that are to be seen."""

    def __init__(self, *args, env=None, rows=24, columns=120):
        self.master, slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([m.BINARY, *args], stdin=slave, stdout=slave, stderr=slave,
                                        env={**os.environ, **(env or {})}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave, self.drawn, self.ends = slave, "", False
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while not self.ends:
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.drawn += os.read(self.master, 65536).decode(errors="replace")

    def frames(self):
        return self.drawn.split("\x1b[H")[1:]

    def lines(self):
        """Of the last frame that is complete."""
        whole = [f for f in self.frames() if "\x1b[J" in f]
        if not whole:
            return []
        text = whole[-1][:whole[-1].index("\x1b[J")]
        return [re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", line) for line in text.split("\r\n")]

    def shows(self, text):
        m.wait_until(lambda: any(text in line for line in self.lines()) or self.process.poll() is not None,
                     f"`{text}` in the terminal: {self.lines()}")
        assert any(text in line for line in self.lines()), self.drawn[-2000:]

    def press(self, keys):
        os.write(self.master, keys.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.ends = True
        self.reader.join()
        os.close(self.master)
        os.close(self.slave)


@contextlib.contextmanager
def top(run, *args, **size):
    terminal = Terminal("top", *args, env=run.env, **size)
    try:
        yield terminal
    finally:
        terminal.close()


def restored(terminal):
    """The terminal is as it was."""
    m.wait_until(lambda: "\x1b[?1049l" in terminal.drawn, "the screen that was there before")
    assert termios.tcgetattr(terminal.slave)[3] == terminal.before[3], "keys are still unseen"
    assert terminal.drawn.count("\x1b[?25l") == terminal.drawn.count("\x1b[?25h") == 1


def keys():
    """q ends it, other keys do not, and nor do they appear; Ctrl-C ends it, too; the terminal is as before."""
    with running() as run:
        run.wait_for("running")
        for end in ("q", "Q", "\x03"):
            with top(run) as terminal:
                terminal.shows("watched")
                terminal.press("xyz\x1b[A")
                frames = len(terminal.frames())
                m.wait_until(lambda: len(terminal.frames()) > frames + 1, "another frame")
                assert "xyz" not in terminal.drawn and terminal.process.poll() is None
                terminal.press(end)
                assert terminal.process.wait(timeout=20) in (0, -signal.SIGINT), terminal.process.returncode
                restored(terminal)


def size():
    """No line is longer than the terminal is wide, nor are there more than it has."""
    with running() as run:
        run.wait_for("running")
        with top(run, rows=24, columns=200) as terminal:
            terminal.shows("BATCHES")
            terminal.size(3, 40)
            m.wait_until(lambda: not any("BATCHES" in line for line in terminal.lines()), "the smaller frame")
            lines = terminal.lines()
            assert len(lines) <= 3 and max(map(len, lines)) <= 40, lines
            terminal.size(24, 200)
            terminal.shows("BATCHES")
            terminal.press("q")
            terminal.process.wait(timeout=20)


def steering():
    """What becomes of a pipeline is seen within seconds."""
    with running(trigger="as_fast_as_possible") as run:
        run.wait_for("running")
        with top(run) as terminal:
            terminal.shows("running")
            run.put("a", range(5))
            run.wait_for_batch(0)
            terminal.shows("█")
            run.control("pause")
            terminal.shows("paused")
            (run.home / "in/.x").write_text("id\nbad\n")
            (run.home / "in/.x").rename(run.home / "in/x.csv")
            run.control("trigger")
            terminal.shows("1 row in quarantine")
            terminal.press("q")
            assert terminal.process.wait(timeout=20) == 0


def gone():
    """A process that goes away is told of, what was seen last stays, and it is found again."""
    with running(args=()) as run:
        run.wait_for("running")
        with top(run) as found, top(run, "--url", run.url) as asked:
            found.shows("watched")
            asked.shows("watched")
            port = run.url.rsplit(":", 1)[1]
            m.kill(run.process)
            found.shows("no pipeline runs here")
            asked.shows("Failed to connect")
            assert any("watched" in line for line in asked.lines()), asked.lines()
            run.end()
            run.args = ["--control", f"127.0.0.1:{port}"]
            run.start()
            found.shows("watched")
            m.wait_until(lambda: asked.lines()[-1] == "q ends", "the connection")
            for terminal in (found, asked):
                terminal.press("q")
                assert terminal.process.wait(timeout=20) == 0
                restored(terminal)
        nobody = m.run("top", "--url", "http://127.0.0.1:1", check=False)
        assert nobody.returncode == 3 and "127.0.0.1:1" in nobody.stderr, nobody


FAILS = """
pipeline: NAME
trigger: 50ms
sources: { rows: { from: { type: files, path: in-NAME }, format: csv, schema: id BIGINT, on_malformed: fail } }
datasets: { passed: SELECT * FROM rows }
sinks: { out: { from: passed, to: blackhole } }
"""


def failing():
    """A pipeline that fails is shown as such, with the reason, beside one that goes on; and running again after a retry."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        env = {"XDG_RUNTIME_DIR": folder, "NO_COLOR": "1"}
        for name, row in (("broken", "bad"), ("sound", "1")):
            (home / f"in-{name}").mkdir()
            (home / f"in-{name}" / "x.csv").write_text(f"id\n{row}\n")
            (home / f"{name}.yaml").write_text(FAILS.replace("NAME", name))
        daemon = m.start("daemon", home, "--control", "127.0.0.1:0", env=env)
        terminal = Terminal("top", env=env, columns=200)
        try:
            terminal.shows("broken")
            m.wait_until(lambda: [line for line in terminal.lines() if "broken" in line and "failed" in line], "the failure")
            terminal.shows("  ! ")
            reason = [line for line in terminal.lines() if line.startswith("  ! ")]
            assert len(reason) == 1 and "x.csv" in reason[0], terminal.lines()
            assert [line for line in terminal.lines() if "sound" in line and "running" in line], terminal.lines()
            (home / "in-broken" / ".y").write_text("id\n2\n")
            (home / "in-broken" / ".y").rename(home / "in-broken" / "x.csv")
            # The daemon tries again by itself, too: when it has just done so, there is nothing left to ask for.
            asked = m.run("retry", "broken", env=env, check=False)
            assert asked.returncode == 0 or "only one that has failed" in asked.stderr, asked
            m.wait_until(lambda: [line for line in terminal.lines() if "broken" in line and "running" in line], "the retry")
            m.wait_until(lambda: not [line for line in terminal.lines() if line.startswith("  ! ")], "no reason any more")
            terminal.press("q")
            assert terminal.process.wait(timeout=20) == 0
        finally:
            terminal.close()
            daemon.terminate()
            daemon.communicate(timeout=60)


CASES = [keys, size, steering, gone, failing]


if __name__ == "__main__":
    sys.exit(report("top", CASES))
