#!/usr/bin/env python3
"""Runs the clang-tidy of scripts/versions.sh over our sources, a few at a time, and remembers what passed.

Usage: scripts/lint.py [--all | --changed] [--build DIR] [FILE...]

--changed (the default) takes the files that differ from the main branch, and for a header the sources
that include it. A source that passed is not looked at again, in this checkout or another one, until it,
a header of ours that it includes, its compile command, .clang-tidy or the version of clang-tidy changes;
what passed is kept beside the downloads of scripts/deps.sh. The last line is "N passed, N failed".
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else []


def changed_files():
    base = git("merge-base", "HEAD", "origin/main") or git("rev-parse", "HEAD~1")
    files = git("diff", "--name-only", *base) if base else git("ls-files")
    return {os.path.join(ROOT, f) for f in files + git("ls-files", "--others", "--exclude-standard")}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def includers(headers, sources):
    names = [os.path.relpath(h, os.path.join(ROOT, "src")) for h in headers if h.endswith(".h")]
    found = set()
    for source in sources:
        text = read(source).decode()
        if any(f'#include "{name}"' in text for name in names):
            found.add(source)
    return found


def included(path, seen):
    """Our files that a file includes, in the order of their names; `seen` gets them."""
    for name in re.findall(rb'(?m)^#include "([^"]+)"', read(path)):
        for folder in ("src", "tests", "."):
            found = os.path.join(ROOT, folder, name.decode())
            if found not in seen and os.path.exists(found):
                seen.add(found)
                included(found, seen)
    return sorted(seen)


def fingerprint(source, command, rules):
    digest = hashlib.sha256(rules)
    digest.update(command.replace(ROOT, ".").encode())
    for path in [source, *included(source, set())]:
        digest.update(read(path))
    return digest.hexdigest()


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("MILLRACE_CACHE") or os.path.join(base, "millrace")


def forget_old(folder):
    month_ago = time.time() - 30 * 24 * 3600
    for entry in os.scandir(folder):
        if entry.stat().st_mtime < month_ago:
            os.unlink(entry.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "tidy"), metavar="DIR",
                        help="a configured build folder; the preset tidy makes one")
    parser.add_argument("files", nargs="*", metavar="FILE")
    options = parser.parse_args()

    found = subprocess.run([os.path.join(ROOT, "scripts", "deps.sh"), "--print-tool", "clang-tidy"],
                           stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        return found.returncode
    tidy = found.stdout.strip()
    with open(os.path.join(options.build, "compile_commands.json"), encoding="utf-8") as file:
        commands = {c["file"]: c["command"] for c in json.load(file)}
    commands = {f: c for f, c in commands.items()
                if f.startswith((os.path.join(ROOT, "src"), os.path.join(ROOT, "tests")))}
    wanted = set(commands)
    if options.files:
        wanted &= {os.path.abspath(f) for f in options.files}
    elif not options.all:
        changed = changed_files()
        wanted = (wanted & changed) | includers(changed, wanted)

    rules = read(os.path.join(ROOT, ".clang-tidy")) + tidy.encode()  # which names the version
    passed_before = os.path.join(cache_folder(), "lint-passed")
    os.makedirs(passed_before, exist_ok=True)
    forget_old(passed_before)

    def lint(source):
        stamp = os.path.join(passed_before, fingerprint(source, commands[source], rules))
        if os.path.exists(stamp):
            os.utime(stamp)
            return True, ""
        # -Wno-*: flags that only GCC knows are not our findings.
        done = subprocess.run([tidy, "-p", options.build, "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                               "--extra-arg=-Wno-error", source], capture_output=True, text=True)
        if done.returncode == 0:
            open(stamp, "w", encoding="utf-8").close()
        return done.returncode == 0, done.stdout + re.sub(r"(?m)^\d+ warnings.*\n?", "", done.stderr)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        for source, (ok, output) in zip(sorted(wanted), pool.map(lint, sorted(wanted))):
            if not ok:
                failed += 1
                print(f"{os.path.relpath(source, ROOT)}:\n{output}", flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
