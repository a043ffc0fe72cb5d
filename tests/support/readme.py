"""Does what a README says, as a newcomer would: its commands, in a copy of its folder."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from millrace import BINARY, ROOT, Failed, Report


def copied(example, folder):
    """A copy of the example's folder, with the command `millrace` in `bin`, and the README's commands, in blocks."""
    home = pathlib.Path(folder) / example
    shutil.copytree(ROOT / "examples" / example, home)
    (home / "bin").mkdir()
    (home / "bin" / "millrace").symlink_to(BINARY)
    return home, re.findall(r"```sh\n(.*?)```", (home / "README.md").read_text(), re.S)


def done_in(home, commands):
    done = subprocess.run(["sh", "-euc", commands], cwd=home, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
                          env={**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}, errors="surrogateescape")
    if done.returncode != 0:
        raise Failed(f"{home.name}/README.md ({done.returncode}): {commands}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def embedded_of(example, folder, changes=()):
    """Runs the README's commands of embedded.yaml, with some texts in place of others; the folder, and what each query gave."""
    home, blocks = copied(example, folder)
    [commands] = [block for block in blocks if "run embedded.yaml" in block]
    for before, after in changes:
        assert before in commands, before
        commands = commands.replace(before, after)
    return home, done_in(home, commands)


def report_embedded(example, cases):
    """The commands of the README's embedded.yaml, and what cases say of the folder and of what the queries gave."""
    report = Report(f"{example} embedded")
    with tempfile.TemporaryDirectory(prefix="millrace-embedded-") as folder:
        made = []
        if report.case("the commands of the README", lambda: made.extend(embedded_of(example, folder))):
            for case in cases:
                report.case(case.__name__.replace("_", " "), lambda: case(*made))
    return report.close()
