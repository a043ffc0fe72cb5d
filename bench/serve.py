#!/usr/bin/env python3
"""Requests per second of customer-360's REST API while its pipeline keeps committing, by wrk on the same machine.

Data of the size of the system replaced: 5,000 customers, 999 days, 50,000 events a day (`--days`, `--events` for less). The four
requests in turn, as there: a customer's profile by key (a live table), a day's summaries, a customer's summary of a day, and a
customer's events of one to seven days with a limit (Parquet lakes, a folder a day); days and customers by chance. That system did 66
requests/s in all, averages of 3, 23, 13 and 161 ms, worst 12.9 s.

Usage: bench/serve.py [--days N] [--events N] [--seconds N] [--connections N...] [--lake DIR] [--file-cache SIZE] [--bin millrace]
"""
import argparse
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402

CLIENT = {"duckdb": "1.5.5"}
CUSTOMERS = 5_000
FIRST_DAY = "2024-01-01"
WARMING = 20  # connections
# What wrk asks for, by thread; each turn of `mix` is one of the others. Requests are made before they are sent, since wrk has the same
# cores as the server.
SCRIPT = """
local days, customers, turn = {days}, {customers}, 0
local first = {first}
local function date(day) return os.date("!%Y-%m-%d", first + day * 86400) end
local function customer() return math.random(1, customers) end
local paths = {{
  profile = function() return "/customer/" .. customer() end,
  day = function() return "/summary/" .. date(math.random(0, days - 1)) end,
  summary = function() return "/summary/" .. date(math.random(0, days - 1)) .. "/" .. customer() end,
  events = function()
    local from, length = math.random(0, days - 1), math.random(0, 6)
    return "/events/" .. customer() .. "?fromDate=" .. date(from) .. "&toDate=" .. date(math.min(from + length, days - 1)) .. "&limit=100"
  end,
}}
local order = {{"profile", "day", "summary", "events"}}
local which = "{which}"
function setup(thread) thread:set("seed", math.random(1, 1e9)) end
local made = {{}}
function init()
  math.randomseed(seed + os.time())
  for _, kind in ipairs(order) do
    made[kind] = {{}}
    for i = 1, 20000 do made[kind][i] = wrk.format("GET", paths[kind]()) end
  end
end
function request()
  turn = turn % 4 + 1
  return made[which == "mix" and order[turn] or which][math.random(20000)]
end
function response(status) if status ~= 200 and status ~= 404 then io.stderr:write("status " .. status .. "\\n") end end
function done(summary, latency, requests)
  io.stderr:write(string.format('{{"requests": %d, "us": %d, "p50": %d, "p99": %d, "max": %d, "errors": %d, "bytes": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout, summary.bytes))
end
"""


def make_lake(lake, days, events):
    """The lakes as customer-360's jobs leave them: a folder a day, a file each."""
    servers.modules(CLIENT)
    import duckdb
    lake.mkdir(parents=True)
    db = duckdb.connect(config={"temp_directory": str(lake / ".tmp"), "preserve_insertion_order": False})
    for day in range(days):
        date = f"(DATE '{FIRST_DAY}' + {day})"
        name = db.sql(f"SELECT {date}::VARCHAR").fetchone()[0]
        for table, column, sql in (
                ("events", "event_date",
                 f"SELECT md5(({day}::BIGINT * 100000000 + i)::VARCHAR) AS event_id, (hash(i, {day}) % {CUSTOMERS} + 1)::INTEGER AS customer_id, "
                 f"['WISHLIST', 'LIKE', 'CART_ADD'][i % 3 + 1] AS event_type, CASE WHEN i % 10 > 0 THEN (hash(i) % 500)::INTEGER END AS product_id, "
                 f"{date}::TIMESTAMPTZ + (i * 86400000 // {events}) * INTERVAL 1 MILLISECOND AS event_timestamp, "
                 f"{date}::TIMESTAMPTZ + INTERVAL 1 DAY AS ingestion_timestamp FROM range({events}) r(i)"),
                ("txn_summary", "date",
                 f"SELECT i::INTEGER AS customer_id, (hash(i, {day}) % 100000 / 100)::DOUBLE AS total_amount, (hash(i) % 9 + 1)::INTEGER AS total_items, "
                 f"(i % 3 + 1)::INTEGER AS distinct_products, ['books', 'toys', 'home'][i % 3 + 1] AS top_category "
                 f"FROM range(1, {CUSTOMERS + 1}) r(i) WHERE hash(i, {day}, 1) % 5 = 0")):
            folder = lake / table / f"{column}={name}"
            folder.mkdir(parents=True)
            db.sql(f"COPY ({sql}) TO '{folder}/part-0.parquet' (FORMAT parquet, COMPRESSION snappy)")
        if day % 50 == 0:
            print(f"\r  day {day} of {days}", end="", flush=True)
    (lake / "made").write_text(f"{days} days of {events} events")
    print("\r  " + " " * 30, end="\r")


def wrk(options, home, base, which, seconds, connections=WARMING):
    script = home / f"{which}.lua"
    first = int(time.mktime(time.strptime(FIRST_DAY + " UTC", "%Y-%m-%d %Z"))) - time.timezone
    script.write_text(SCRIPT.format(days=options.days, customers=CUSTOMERS, which=which, first=first))
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script, base],
                          capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    bad = [line for line in lines if line.startswith("status")]
    if bad:
        sys.exit(f"{which}: {len(bad)} answers were neither 200 nor 404, the first: {bad[0]}")
    return json.loads(lines[-1])


class Service:
    """The pipeline, running and serving."""

    def __init__(self, options, home, lake):
        shutil.copy(ROOT / "bench" / "serve.yaml", home)
        m.BINARY = str(pathlib.Path(options.bin).resolve())
        self.process = m.start("run", "serve.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home,
                               env={"LAKE": str(lake), "FILE_CACHE": options.file_cache, "CACHE": options.cache})
        self.lines = []
        self.base = self.control = None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"(serving|control) at (http://127\.0\.0\.1:\d+)", line):
                setattr(self, "base" if found[1] == "serving" else "control", found[2])
            if self.base and self.control:
                break
        else:
            sys.exit("it did not start:\n" + "".join(self.lines))
        threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()
        m.wait_until(lambda: self.batch() is not None, "the first batch")

    def batch(self):
        """The last committed batch; None: there is none yet."""
        try:
            with urllib.request.urlopen(f"{self.base}/customer/1", timeout=10) as answer:
                return int(answer.headers["Millrace-Batch"])
        except urllib.error.HTTPError:
            return None

    def metric(self, pattern):
        with urllib.request.urlopen(f"{self.control}/metrics", timeout=30) as answer:
            return float(re.search(rf"(?m)^{pattern} (\S+)$", answer.read().decode())[1])

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self, which):
        return int(re.search(which + r":\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def warm(options, service, home):
    """Asks until no more files come into memory: they do as they are asked for."""
    files, begin, first = 0, time.monotonic(), None
    while time.monotonic() - begin < options.warm:
        got = wrk(options, home, service.base, "mix", 5)
        rate, before, files = got["requests"] / got["us"] * 1e6, files, service.metric('millrace_serve_kept{.*what="files".*}')
        first = first or rate
        print(f"\r  warming up: {rate:,.0f} requests/s, {files:,.0f} files in memory", end="    ", flush=True)
        if files and files <= before * 1.005:
            break
    print("\r" + " " * 60, end="\r")
    print(f"warm after {time.monotonic() - begin:.0f} s, {files:,.0f} files in memory; the first 5 s gave {first:,.0f} requests/s of all four "
          "in turn")


def measure(options, home, lake):
    service = Service(options, home, lake)
    try:
        warm(options, service, home)
        print(f"{'':10} {'connections':>11} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'worst ms':>9} {'MB/s':>7} {'CPU us each':>11} {'batches':>8}")
        for which, connections in itertools.product(("profile", "day", "summary", "events", "mix"), options.connections):
            wrk(options, home, service.base, which, 3, connections)  # answers that the last kind has kept give way
            cpu, batch = service.cpu_seconds(), service.batch()
            got = wrk(options, home, service.base, which, options.seconds, connections)
            cpu, batch = service.cpu_seconds() - cpu, service.batch() - batch
            rate = got["requests"] / got["us"] * 1e6
            print(f"{which:10} {connections:11} {rate:10,.0f} {got['p50'] / 1e3:8.2f} {got['p99'] / 1e3:8.2f} {got['max'] / 1e3:9.1f} "
                  f"{got['bytes'] / got['us']:7.0f} {cpu / max(got['requests'], 1) * 1e6:11.1f} {batch:8}"
                  + (f"   {got['errors']} errors" if got["errors"] else ""))
        print(f"memory {service.megabytes('VmRSS'):,.0f} MB, at its peak {service.megabytes('VmHWM'):,.0f} MB")
    finally:
        service.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=999)
    parser.add_argument("--events", type=int, default=50_000, help="of a day")
    parser.add_argument("--seconds", type=int, default=20, help="of each kind of request")
    parser.add_argument("--warm", type=int, default=600, help="seconds to warm up, at most")
    parser.add_argument("--connections", type=int, nargs="+", default=[10, 20], help="that ask at once, one figure each")
    parser.add_argument("--lake", type=pathlib.Path, help="a folder where the lake is made once, and kept; else it is removed in the end")
    parser.add_argument("--cache", default="256MB", help="cache_size of the pipeline")
    parser.add_argument("--file-cache", default="8GB", help="file_cache_size of the pipeline")
    parser.add_argument("--bin", default=os.environ.get("MILLRACE_BIN", str(ROOT / "build" / "release" / "millrace")))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-serve-") as folder:
        home = pathlib.Path(folder)
        lake = (options.lake or home / "lake").resolve()
        made = lake / "made"
        wanted = f"{options.days} days of {options.events} events"
        if not made.exists():
            if lake.exists():
                sys.exit(f"{lake} is there, but not whole: remove it")
            make_lake(lake, options.days, options.events)
        if made.read_text() != wanted:
            sys.exit(f"{lake} has {made.read_text()}, and not {wanted}")
        print(f"{wanted}, load before: {os.getloadavg()[0]:.1f}")
        measure(options, home, lake)


if __name__ == "__main__":
    main()
