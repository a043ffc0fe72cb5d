#!/usr/bin/env python3
"""Runs tests/**/*_test.py, two at a time, since each waits much for servers to start, and shows what one says when it has
ended. The last line adds up theirs: "N passed, N failed", and ", N skipped" if a test left cases out.

Usage: system_tests.py [FILE]...     default: all
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
AT_ONCE = min(2, os.cpu_count() or 1)
LAST_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def run(script):
    begin = time.monotonic()
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout, time.monotonic() - begin


def main():
    scripts = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or sorted(ROOT.glob("tests/**/*_test.py"))
    if not scripts:
        sys.exit("there is no test")
    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run, script): script for script in scripts}
        for future in concurrent.futures.as_completed(running):
            code, output, seconds = future.result()
            *_, last = output.splitlines() or [""]
            counts = LAST_LINE.match(last)
            good, bad, out = map(int, counts.groups("0")) if counts else (int(code == 0), int(code != 0), 0)
            if code != 0 and bad == 0:
                bad = 1  # an exit code that disagrees is a failure of its own
            passed, failed, skipped = passed + good, failed + bad, skipped + out
            print(f"{running[future].relative_to(ROOT)} ({seconds:.0f} s)\n{output}", end="\n" if output else "", flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
