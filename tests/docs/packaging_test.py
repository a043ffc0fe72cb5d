#!/usr/bin/env python3
"""The systemd unit, by systemd's own tools: it is right, and says of itself how much it leaves open."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402

UNIT = m.ROOT / "packaging" / "millrace.service"
EXPOSURE_MAX = 20  # tenths; 100 is a unit that restricts nothing


def analyze(*arguments, text):
    """(exit code, what it says) about a unit, whose binary is the one that is tested."""
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / "millrace.service"
        unit.write_text(text.replace("/usr/bin/millrace", m.BINARY))
        done = subprocess.run(["systemd-analyze", *arguments, unit], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


def verified():
    """Unknown words are only warned of, so nothing may be said at all."""
    text = UNIT.read_text()
    code, said = analyze("verify", "--man=no", text=text)
    assert (code, said) == (0, ""), said
    for right, wrong in (("ProtectProc", "ProtectProk"), ("RestartSec=5s", "RestartSec=5parsecs"), ("/usr/bin/millrace", "/usr/bin/millraze")):
        assert analyze("verify", "--man=no", text=text.replace(right, wrong))[1], f"it takes {wrong}"


def exposed():
    code, said = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", text=UNIT.read_text())
    assert code == 0, said
    print(f"     {said.strip().splitlines()[-1]}")
    weaker = UNIT.read_text().replace("SystemCallFilter=@system-service", "").replace("CapabilityBoundingSet=\n", "")
    assert analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", text=weaker)[0] != 0, "the bound bounds nothing"


def the_user():
    """The unit's user is the one that is made, and the daemon takes the options of ExecStart."""
    unit = UNIT.read_text()
    _, name, *_ = next(line for line in (UNIT.parent / "millrace.sysusers").read_text().splitlines() if line.startswith("u ")).split()
    assert f"\nUser={name}\nGroup={name}\n" in unit, name
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).split()[1:]
    known = m.run(command[0], "--help").stdout
    assert [option for option in command if option.startswith("--") and option not in known] == [], command


def main():
    report = m.Report("packaging")
    for case in (verified, exposed, the_user):
        report.case(case.__name__.replace("_", " "), case)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
