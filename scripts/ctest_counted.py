#!/usr/bin/env python3
"""Runs ctest in a build folder and ends with "N passed, N failed, N skipped" on a line of its own."""
import os
import subprocess
import sys
import xml.etree.ElementTree as xml


def main():
    build, *options = sys.argv[1:]
    report = os.path.join(os.path.abspath(build), "ctest.xml")
    if os.path.exists(report):
        os.remove(report)
    code = subprocess.run(["ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error",
                           "--progress" if sys.stdout.isatty() else "-Q", "--output-junit", report,
                           *options]).returncode
    passed = failed = skipped = 0
    if os.path.exists(report):
        for case in xml.parse(report).getroot().iter("testcase"):
            status = case.get("status")
            if status == "run":
                passed += 1
            elif status in ("notrun", "disabled"):
                skipped += 1
            else:
                failed += 1
                print(f"FAILED {case.get('name')}")
                print(case.findtext("system-out") or "")
    if code != 0 and failed == 0:
        failed = 1  # ctest itself failed, for one because there is no test at all
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
