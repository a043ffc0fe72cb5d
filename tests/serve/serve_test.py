#!/usr/bin/env python3
"""`millrace serve`: the REST API of examples/customer-360 over what the embedded pipeline has made, to the
letter of its contract, while another process runs batches. DuckDB over the outputs (`millrace query`) is the
oracle."""
import json
import pathlib
import re
import shutil
import sys
import tempfile
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from serving import Api, same  # noqa: E402

EXAMPLE = m.ROOT / "examples" / "customer-360"


def as_set(rows):
    """DOUBLEs may be written with or without `.0`."""
    return m.canonical([{key: float(value) if isinstance(value, int) else value for key, value in row.items()}
                        for row in rows])


def check_envelope(body, status, what):
    same(sorted(body), ["data", "message", "status"], f"keys of {what}")
    same(body["status"], status, f"status of {what}")


def refused(service, path, status, message):
    got, _, body = service.get(path)
    same((got, body), (status, {"status": "error", "message": message, "data": {}}), path)


def moment(text):
    """ISO 8601 UTC with Z, as `millrace query` prints a TIMESTAMPTZ."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        raise m.Failed(f"{text} is no time of the contract")
    return text.replace("T", " ").replace("Z", "+00")


def before_the_first_batch(home):
    """What is not there yet is 503, and says so in the envelope."""
    shutil.copytree(EXAMPLE, home, ignore=shutil.ignore_patterns("input", "lake", ".millrace", "*.duckdb*"))
    service = Api("serve", "embedded.yaml", "--listen", "127.0.0.1:0", cwd=home)
    try:
        same(service.get("/healthz")[0], 200, "healthz")
        for path in ("/customer/1", "/summary/2024-01-01", "/events/1", "/profile/changes", "/readyz"):
            status, headers, body = service.get(path)
            same((status, headers["Retry-After"]), (503, "1"), path)
            check_envelope(body, "error", path)
        refused(service, "/customer/x", 400, "invalid_customer_id")
    finally:
        service.stop()


def prepare(home):
    m.run("generate", "shop", "--out", "input", "--rows", 2000, cwd=home)
    m.run("generate", "events", "--out", "input/events", "--rows", 1000, cwd=home)
    m.run("run", "embedded.yaml", "--once", "--progress", "none", cwd=home)


def customers(service, home):
    rows = m.query("embedded.yaml", "SELECT customer_id, name, total_spend, total_transactions FROM "
                   "customer_profile ORDER BY customer_id LIMIT 50", cwd=home)
    for row in rows:
        status, headers, body = service.get(f"/customer/{row['customer_id']}")
        same(status, 200, "status")
        check_envelope(body, "success", "a profile")
        same(body["message"], "Customer profile retrieved successfully", "message")
        same({key: body["data"][key] for key in row}, row, "profile")
        moment(body["data"]["first_purchase"])
        if not headers["Millrace-Batch"].isdigit():
            raise m.Failed(f"batch {headers['Millrace-Batch']}")
    refused(service, "/customer/99999999", 404, "not-found")
    for bad in ("x", "1.5", "1%20OR%201=1", "%27", "99999999999999999999"):
        refused(service, f"/customer/{bad}", 400, "invalid_customer_id")


def summaries(service, home):
    columns = "date, customer_id, total_amount, total_items, distinct_products, top_category"
    days = [row["date"] for row in m.query("embedded.yaml", "SELECT DISTINCT date FROM txn_summary ORDER BY 1",
                                           cwd=home)]
    for day in days[:3]:
        rows = m.query("embedded.yaml", f"SELECT {columns} FROM txn_summary WHERE date = '{day}' "
                       "ORDER BY customer_id", cwd=home)
        status, _, body = service.get(f"/summary/{day}")
        same(status, 200, "status")
        same(body["message"], "Daily transaction summaries retrieved successfully", "message")
        same(as_set(body["data"]["summaries"]), as_set(rows), f"summaries of {day}")
        status, _, body = service.get(f"/summary/{day}/{rows[0]['customer_id']}")
        same(body["message"], "Daily transaction summary retrieved successfully", "message")
        same(as_set([body["data"]["summary"]]), as_set(rows[:1]), f"a summary of {day}")
        refused(service, f"/summary/{day}/99999999", 404, "not-found")
        refused(service, f"/summary/{day}/x", 400, "invalid_customer_id")
    refused(service, "/summary/1999-01-01", 404, "not-found")
    for bad in ("x", "2024-13-01", "2023-02-29", "20240101"):
        refused(service, f"/summary/{bad}", 400, "invalid_date_format")


def events(service, home):
    rows = m.query("embedded.yaml", "SELECT customer_id, count(*) AS n, min(event_date) AS first FROM events "
                   "GROUP BY ALL ORDER BY n DESC LIMIT 5", cwd=home)
    for row in rows:
        customer = row["customer_id"]
        ids = [each["event_id"] for each in m.query(
            "embedded.yaml", f"SELECT event_id FROM events WHERE customer_id = {customer} "
            "ORDER BY event_timestamp, event_id LIMIT 100", cwd=home)]
        status, _, body = service.get(f"/events/{customer}")
        same(status, 200, "status")
        same(body["message"], "Customer events retrieved successfully", "message")
        same([each["event_id"] for each in body["data"]["events"]], ids, "events")
        same(list(body["data"]["events"][0]), ["date", "event_id", "customer_id", "event_type", "product_id",
                                               "event_timestamp", "ingestion_timestamp"], "keys")
        for each in body["data"]["events"]:
            moment(each["event_timestamp"])
            moment(each["ingestion_timestamp"])
        _, _, body = service.get(f"/events/{customer}?limit=1")
        same([each["event_id"] for each in body["data"]["events"]], ids[:1], "the first event")
        day = row["first"]
        _, _, body = service.get(f"/events/{customer}?fromDate={day}&toDate={day}")
        same({each["date"] for each in body["data"]["events"]}.pop(), day, "day")
        refused(service, f"/events/{customer}?toDate=1999-01-01", 404, "not-found")
        refused(service, f"/events/{customer}?fromDate=x", 400, "invalid_fromDate_format")
        refused(service, f"/events/{customer}?toDate=2024-1-1", 400, "invalid_toDate_format")
        for bad in ("x", "0", "-1", "1.5", ""):
            refused(service, f"/events/{customer}?limit={bad}", 400, "invalid_limit")
    refused(service, "/events/x", 400, "invalid_customer_id")
    refused(service, "/events/99999999", 404, "not-found")


def everything_else(service, home):
    day = m.query("embedded.yaml", "SELECT max(date) AS day FROM txn_summary", cwd=home)[0]["day"]
    status, headers, body = service.get(f"/summary/{day}")
    status, again, _ = service.get(f"/summary/{day}", {"If-None-Match": headers["ETag"]})
    same((status, again["ETag"]), (304, headers["ETag"]), "what is known already")
    same(service.get("/healthz")[0], 200, "healthz")
    same(service.get("/readyz")[0], 200, "readyz")
    for path in ("/", "/customer", "/nothing", "/summary/%00"):
        status, _, body = service.get(path)
        if status not in (400, 404):
            raise m.Failed(f"{path}: {status}")
        check_envelope(body, "error", path)
    status, headers, body = service.get("/customer/1", method="POST")
    same(status, 405, "POST")
    check_envelope(body, "error", "POST")
    api = service.get("/openapi.json")[2]
    same(sorted(api["paths"]), ["/customer/{id}", "/events/{customerId}", "/profile/changes", "/summary/{date}",
                                "/summary/{date}/{customerId}"], "paths")
    status, headers, page = service.get("/docs")
    same(status, 200, "docs")
    if "http:" in page or "https:" in page or "<script" in page:
        raise m.Failed("the page needs something from elsewhere")


def hostile(service, _home):
    """Whatever a parameter holds, it is a value: no 5xx, and nothing of it is run."""
    for text in ("'", "';--", "$id", "${env:HOME}", "1; DROP TABLE profile", "\\", "%", "a" * 3000, "\u2028",
                 "read_csv('/etc/passwd')", "0x10", "+1", "1e3", "NaN", "null"):
        piece = urllib.parse.quote(text, safe="")
        for path in (f"/customer/{piece}", f"/summary/{piece}", f"/summary/2024-01-01/{piece}", f"/events/{piece}",
                     f"/events/1?fromDate={piece}", f"/events/1?toDate={piece}", f"/events/1?limit={piece}"):
            status, _, body = service.get(path)
            if text != "+1":  # which is a number, and no date
                same((status, body["status"]), (400, "error"), path)
            elif status >= 500:
                raise m.Failed(f"{path}: {status} {body}")
        status, _, body = service.get(f"/customer/1?{piece}={piece}")
        if status >= 500:
            raise m.Failed(f"{piece} as a name: {status} {body}")


def follows_a_run(service, home):
    """Another process runs a batch; what it has committed is served soon, and its batch can be waited for."""
    before = int(service.get("/customer/1")[1]["Millrace-Batch"] or 0)
    target = m.query("embedded.yaml", "SELECT customer_id, total_transactions AS n FROM customer_profile LIMIT 1",
                     cwd=home)[0]
    customer = target["customer_id"]
    day = m.query("embedded.yaml", "SELECT max(date) AS day FROM txn_summary", cwd=home)[0]["day"]
    header = (sorted((home / "input" / "transactions").glob("*.csv"))[0]).read_text().splitlines()[0].split(",")
    values = {"txn_id": 10_000_000, "customer_id": customer, "product_id": 1, "qty": 1, "amount": "1.00",
              "txn_timestamp": f"{day}T12:00:00Z"}
    m.write_csv(home / "input" / "transactions" / "zz.csv", header, [[values[name] for name in header]])
    m.run("run", "embedded.yaml", "--once", "--progress", "none", cwd=home)
    status, headers, body = service.get(f"/customer/{customer}?wait_for_batch={before + 1}")
    same((status, body["data"]["total_transactions"]), (200, target["n"] + 1), "the profile after the batch")
    if int(headers["Millrace-Batch"]) <= before:
        raise m.Failed("an older batch")
    summaries(service, home)


def mistakes(home):
    text = (home / "embedded.yaml").read_text()
    for broken, expected in (
            (text.replace("FROM profile WHERE customer_id = $id", "FROM profil WHERE customer_id = $id"), "profil"),
            (text.replace("customer_id = $id", "customer_id = $idd"), "uses `$idd`, which is no parameter"),
            (text.replace("- changes: profile", "- changes: sold"), "`sold` is no table")):
        (home / "broken.yaml").write_text(broken)
        done = m.run("validate", "broken.yaml", cwd=home, check=False)
        same(done.returncode, 2, "exit code")
        if not re.search(r"broken\.yaml:\d+:\d+: error: .*" + re.escape(expected), done.stderr + done.stdout):
            raise m.Failed(done.stderr + done.stdout)


def main():
    report = m.Report("serve")
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder) / "home"
        if not report.case("before the first batch", lambda: before_the_first_batch(home)):
            return report.close()
        prepare(home)
        service = Api("serve", "embedded.yaml", "--listen", "127.0.0.1:0", cwd=home)
        try:
            for name, case in (("profiles by their key", customers), ("summaries from the lake", summaries),
                               ("events from the lake", events), ("all else of the API", everything_else),
                               ("hostile values stay values", hostile),
                               ("what a run elsewhere commits", follows_a_run)):
                report.case(name, lambda case=case: case(service, home))
        finally:
            try:
                report.case("it ends in order", service.stop)
            finally:
                if service.process.poll() is None:
                    m.kill(service.process)
        report.case("mistakes in queries, at their places", lambda: mistakes(home))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
