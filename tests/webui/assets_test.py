#!/usr/bin/env python3
"""What the web UI is sent as: small, compressed, under names that change with their content, and by a policy that lets a browser
load nothing from elsewhere.

Usage: assets_test.py
"""
import gzip
import pathlib
import re
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from daemon import Daemon  # noqa: E402

MOST_BYTES = 250_000  # of all files, as they are


def fetch(url):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=20) as answer:
        body = answer.read()
        packed = answer.headers.get("Content-Encoding") == "gzip"
        return answer.headers, gzip.decompress(body) if packed else body, packed


def small_packed_and_named_by_content(daemon):
    headers, page, packed = fetch(daemon.url + "/")
    assert headers["Cache-Control"] == "no-cache", headers
    names = re.findall(r'(?:src|href)="(/[^"]+)"', page.decode())
    assert len(names) >= 3, page
    total = len(page)
    for name in names:
        headers, body, packed = fetch(daemon.url + name)
        total += len(body)
        assert packed or len(body) < 2_000, f"{name} comes as {len(body)} bytes, not compressed"
        if name.startswith("/assets/"):
            assert re.search(r"-[\w-]{8}\.(js|css)$", name), name
            assert "immutable" in headers["Cache-Control"], headers
        else:
            assert headers["Cache-Control"] == "no-cache", headers
    assert total <= MOST_BYTES, f"{total} bytes in all"


def nothing_from_elsewhere(daemon):
    headers, page, _ = fetch(daemon.url + "/")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'", policy
    for kind in ("script-src", "style-src", "connect-src"):
        assert policy[kind] == "'self'", policy
    assert not re.search(rb'(src|href)="(https?:)?//', page), page
    assert fetch(daemon.url + "/p/any/batch")[1] == page, "a link into the UI is the UI"


def main():
    report = m.Report("webui assets")
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(folder).start()
        try:
            for case in (small_packed_and_named_by_content, nothing_from_elsewhere):
                report.case(case.__name__.replace("_", " "), lambda: case(daemon))
        finally:
            daemon.process.terminate()
            daemon.process.wait(30)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
