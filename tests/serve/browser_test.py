#!/usr/bin/env python3
"""A page in a browser that reads a table and follows its changes by EventSource, over batches and a restart of the server: Chromium, without a
window."""
import contextlib
import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from serving import Api  # noqa: E402

PIPELINE = """
pipeline: stock
trigger: 10ms
sources:
  moves: { from: { type: files, path: input }, format: csv, schema: "item VARCHAR, pieces INTEGER" }
datasets:
  stock: SELECT item, sum(pieces)::INTEGER AS pieces FROM moves GROUP BY item HAVING sum(pieces) > 0
serve:
  listen: 127.0.0.1:%d
  cors_origins: ["http://127.0.0.1:%d"]
  endpoints:
    - get: /stock
      query: SELECT item, pieces FROM stock ORDER BY item
    - changes: stock
"""
# Tells its own server what it sees: the table after each batch, and how often it was connected.
PAGE = """<!doctype html><meta charset="utf-8"><title>Stock</title><script>
const api = "http://127.0.0.1:%d", table = {};
let opened = 0, resets = 0;
const tell = (what) => fetch("/told", {method: "POST", body: JSON.stringify(what)});
const events = new EventSource(api + "/stock/changes?after=-1");
events.onopen = () => { opened += 1; };
events.addEventListener("reset", () => { resets += 1; });
events.addEventListener("gone", (event) => { for (const row of JSON.parse(event.data).rows) delete table[row.item]; });
events.addEventListener("rows", (event) => { for (const row of JSON.parse(event.data).rows) table[row.item] = row.pieces; });
for (const kind of ["rows", "gone"]) events.addEventListener(kind, async (event) => {
  const answer = await fetch(api + "/stock", {cache: "no-cache"}), read = {};
  for (const row of await answer.json()) read[row.item] = row.pieces;
  await tell({id: event.lastEventId, table, read, opened, resets, batch: answer.headers.get("Millrace-Batch")});
});
</script>
"""


class Pages(http.server.BaseHTTPRequestHandler):
    """Gives the page, and takes what it tells."""

    def __init__(self, page, told, *args):
        self.page, self.told = page, told
        super().__init__(*args)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def do_POST(self):
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def browser(url, home):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise m.Failed("there is no chromium; scripts/deps.sh test installs it")
    log = open(home / "browser.log", "wb")
    process = subprocess.Popen([program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                                "--disable-background-networking", "--disable-component-update", f"--user-data-dir={home / 'profile'}", url],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def follows(home, port, told):
    def put(name, text):
        m.write_csv(home / "input" / name, ["item", "pieces"], [line.split() for line in text.split(",")])

    def seen(table):
        def is_there():
            return told and told[-1]["table"] == table and told[-1]["read"] == table
        m.wait_until(is_there, f"the page to see {table}; it told {told[-3:]}", timeout=60)
    api = Api("run", "pipeline.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home)
    try:
        put("a.csv", "apple 3,pear 1")
        m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
        with browser(f"http://127.0.0.1:{port}/", home):
            seen({"apple": 3, "pear": 1})
            put("b.csv", "pear -1,plum 7")
            seen({"apple": 3, "plum": 7})
            api.kill()
            api = Api("run", "pipeline.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home)
            put("c.csv", "apple 1,Zürich 2")
            seen({"apple": 4, "plum": 7, "Zürich": 2})
        assert told[-1]["opened"] == 2, told[-1]
        assert told[-1]["batch"] == told[-1]["id"], told[-1]
    finally:
        if api.process.poll() is None:
            api.kill()


def main():
    report = m.Report("a page in a browser")
    with tempfile.TemporaryDirectory(prefix="millrace-browser-", ignore_cleanup_errors=True) as folder:
        home, told, api_port = pathlib.Path(folder), [], servers.free_port()
        (home / "input").mkdir()
        pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages, PAGE % api_port, told))
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        (home / "pipeline.yaml").write_text(PIPELINE % (api_port, pages.server_port))
        report.case("EventSource follows a table over batches and a restart", lambda: follows(home, pages.server_port, told))
        pages.shutdown()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
