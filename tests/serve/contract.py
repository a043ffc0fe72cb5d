"""The contract of the REST API of examples/customer-360, as a table of requests and answers, for each of its twins."""
import contextlib
import datetime
import decimal
import json
import re

import millrace as m
import s3
from serving import same

s3.clients()
import duckdb  # noqa: E402

PROFILE = {"customer_id": int, "name": str, "email": str, "gender": str, "total_spend": float, "total_transactions": int,
           "avg_order_value": float, "first_purchase": "moment", "last_purchase": "moment", "favorite_category": str}
SUMMARY = {"date": "date", "customer_id": int, "total_amount": float, "total_items": int, "distinct_products": int, "top_category": str}
EVENT = {"date": "date", "event_id": str, "customer_id": int, "event_type": str, "product_id": (int, type(None)),
         "event_timestamp": "moment", "ingestion_timestamp": "moment"}

EXAMPLE = m.ROOT / "examples" / "customer-360"
INPUT = {
    "customers": "'customer_id': 'INTEGER', 'name': 'VARCHAR', 'email': 'VARCHAR', 'gender': 'VARCHAR', 'signup_date': 'DATE'",
    "products": "'product_id': 'INTEGER', 'name': 'VARCHAR', 'category': 'VARCHAR', 'price': 'DECIMAL(10,2)'",
    "transactions": "'txn_id': 'BIGINT', 'customer_id': 'INTEGER', 'product_id': 'INTEGER', 'qty': 'INTEGER', "
                    "'amount': 'DECIMAL(10,2)', 'txn_timestamp': 'TIMESTAMPTZ'"}

# What is wrong with a request: path, status, message. {customer}, {day} are of rows that are there.
ERRORS = [
    ("/customer/99999999", 404, "not-found"),
    ("/customer/0", 404, "not-found"),
    ("/customer/-1", 404, "not-found"),
    ("/customer/3000000000", 404, "not-found"),              # no INT, and a number all the same
    ("/customer/9223372036854775807", 404, "not-found"),
    ("/customer/9223372036854775808", 400, "invalid_customer_id"),
    ("/customer/x", 400, "invalid_customer_id"),
    ("/customer/1.5", 400, "invalid_customer_id"),
    ("/customer/1e3", 400, "invalid_customer_id"),
    ("/customer/0x10", 400, "invalid_customer_id"),
    ("/customer/%201", 400, "invalid_customer_id"),
    ("/customer/1%20OR%201=1", 400, "invalid_customer_id"),
    ("/customer/1%27--", 400, "invalid_customer_id"),
    ("/customer/%D9%A1", 400, "invalid_customer_id"),        # a digit, but none of ours
    ("/summary/1999-01-01", 404, "not-found"),
    ("/summary/x", 400, "invalid_date_format"),
    ("/summary/2024-13-01", 400, "invalid_date_format"),
    ("/summary/2023-02-29", 400, "invalid_date_format"),
    ("/summary/2024-1-1", 400, "invalid_date_format"),
    ("/summary/20240101", 400, "invalid_date_format"),
    ("/summary/2024-01-01T00:00:00Z", 400, "invalid_date_format"),
    ("/summary/{day}'", 400, "invalid_date_format"),
    ("/summary/1999-01-01/{customer}", 404, "not-found"),
    ("/summary/{day}/99999999", 404, "not-found"),
    ("/summary/{day}/3000000000", 404, "not-found"),
    ("/summary/{day}/x", 400, "invalid_customer_id"),
    ("/summary/x/{customer}", 400, "invalid_date_format"),
    ("/summary/x/x", 400, "invalid_date_format"),
    ("/events/99999999", 404, "not-found"),
    ("/events/3000000000", 404, "not-found"),
    ("/events/x", 400, "invalid_customer_id"),
    ("/events/{customer}?fromDate=2999-01-01", 404, "not-found"),
    ("/events/{customer}?toDate=1999-01-01", 404, "not-found"),
    ("/events/{customer}?fromDate=2999-01-01&toDate=1999-01-01", 404, "not-found"),
    ("/events/{customer}?fromDate=x", 400, "invalid_fromDate_format"),
    ("/events/{customer}?fromDate=", 400, "invalid_fromDate_format"),
    ("/events/{customer}?fromDate=2024-02-30", 400, "invalid_fromDate_format"),
    ("/events/{customer}?toDate=2024-1-1", 400, "invalid_toDate_format"),
    ("/events/{customer}?toDate=yesterday", 400, "invalid_toDate_format"),
    ("/events/{customer}?limit=0", 400, "invalid_limit"),
    ("/events/{customer}?limit=-1", 400, "invalid_limit"),
    ("/events/{customer}?limit=1.5", 400, "invalid_limit"),
    ("/events/{customer}?limit=x", 400, "invalid_limit"),
    ("/events/{customer}?limit=", 400, "invalid_limit"),
    ("/events/{customer}?limit=1001", 400, "invalid_limit"),
    ("/events/{customer}?limit=1&limit=2", 400, "invalid_limit"),
    ("/events/x?limit=x", 400, "invalid_customer_id"),
    ("/", 404, "there is nothing at this path"),
    ("/customer", 404, "there is nothing at this path"),
    ("/customer/", 404, "there is nothing at this path"),
    ("/customer/1/2", 404, "there is nothing at this path"),
]


class Oracle:
    """What the API has to answer, by plain SQL over the input's files."""

    def __init__(self, home, transactions=None):
        """`transactions`: their files; none: all that there are."""
        self.home, con = home, duckdb.connect()
        self.con = con
        con.execute("SET TimeZone = 'UTC'")
        for table, columns in INPUT.items():
            files = transactions if transactions and table == "transactions" else sorted((home / "input" / table).glob("*.csv"))
            con.execute(f"CREATE TABLE {table} AS FROM read_csv({[str(file) for file in files]}, header = true, columns = {{{columns}}})")
        con.execute("DELETE FROM transactions WHERE amount <= 0 OR qty <= 0")
        con.execute("CREATE VIEW bought AS SELECT t.*, t.txn_timestamp::DATE AS day, category FROM transactions AS t JOIN products USING (product_id)")

    def _rows(self, sql, *values):
        cursor = self.con.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]

    def profiles(self):
        """By customer."""
        rows = self._rows("""
            SELECT customer_id, any_value(name) AS name, any_value(email) AS email, any_value(gender) AS gender, sum(amount) AS total_spend,
                   count(*) AS total_transactions, 0 AS avg_order_value, epoch_ms(min(txn_timestamp)) AS first_purchase,
                   epoch_ms(max(txn_timestamp)) AS last_purchase,
                   (SELECT category FROM bought AS b WHERE b.customer_id = t.customer_id GROUP BY category ORDER BY count(*) DESC, category
                    LIMIT 1) AS favorite_category
            FROM transactions AS t JOIN customers USING (customer_id) GROUP BY customer_id""")
        for row in rows:
            row["avg_order_value"] = float((row["total_spend"] / row["total_transactions"]).quantize(decimal.Decimal("0.01"),
                                                                                                   decimal.ROUND_HALF_UP))
            row["total_spend"] = float(row["total_spend"])
        return {row["customer_id"]: row for row in rows}

    def summaries(self):
        """By day, and customer."""
        days = {}
        for row in self._rows("""
                SELECT day::VARCHAR AS date, customer_id, sum(amount)::DOUBLE AS total_amount, sum(qty)::INTEGER AS total_items,
                       count(DISTINCT product_id) AS distinct_products,
                       (SELECT category FROM bought AS b WHERE b.customer_id = t.customer_id AND b.day = t.day
                        GROUP BY category ORDER BY count(*) DESC, category LIMIT 1) AS top_category
                FROM bought AS t GROUP BY day, customer_id ORDER BY 1, 2"""):
            days.setdefault(row["date"], []).append(row)
        return days

    def events(self):
        """By customer, each in its order."""
        events = {}
        for path in (self.home / "input" / "events").glob("*.json"):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(ValueError):  # one that is cut short
                    event = json.loads(line)
                    event["event_timestamp"] = at_ms(event["event_timestamp"])
                    event["date"] = str(datetime.datetime.fromtimestamp(event["event_timestamp"] / 1000, datetime.timezone.utc).date())
                    events.setdefault(event["customer_id"], []).append(event)
        for of_one in events.values():
            of_one.sort(key=lambda event: (event["event_timestamp"], event["event_id"]))
        return events


def at_ms(text):
    """Milliseconds since 1970; Cassandra has no more."""
    moment = datetime.datetime.fromisoformat(text)
    assert moment.tzinfo is not None, text
    return int(moment.timestamp() * 1000)


def row_of(row, shape, what):
    """Checks the types of an answer's row, and gives it as an oracle does."""
    same(list(row), list(shape), f"keys of {what}")
    read = dict(row)
    for name, kind in shape.items():
        value = row[name]
        if kind == "date":
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", value), f"{what}: {name} {value}"
        elif kind == "moment":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value), f"{what}: {name} {value}"
            read[name] = at_ms(value)
        else:
            is_number = kind is float and isinstance(value, int) and not isinstance(value, bool)
            assert is_number or isinstance(value, kind) and not isinstance(value, bool), f"{what}: {name} {value!r}"
            read[name] = round(value, 6) if kind is float else value
    return read


def answer(api, path, message):
    """`data` of a success."""
    status, headers, body = api.get(path)
    same((status, body.get("message") if isinstance(body, dict) else body), (200, message), path)
    same((list(body), body["status"]), (["status", "message", "data"], "success"), f"envelope of {path}")
    same(headers["Content-Type"], "application/json", "Content-Type")
    return body["data"]


def profile_of(api, customer):
    return row_of(answer(api, f"/customer/{customer}", "Customer profile retrieved successfully"), PROFILE, f"customer {customer}")


def summaries_of(api, day):
    data = answer(api, f"/summary/{day}", "Daily transaction summaries retrieved successfully")
    same(list(data), ["summaries"], "keys of data")
    return [row_of(row, SUMMARY, f"summaries of {day}") for row in data["summaries"]]


def summary_of(api, day, customer):
    data = answer(api, f"/summary/{day}/{customer}", "Daily transaction summary retrieved successfully")
    same(list(data), ["summary"], "keys of data")
    return row_of(data["summary"], SUMMARY, f"summary of {day}, {customer}")


def events_of(api, customer, query=""):
    data = answer(api, f"/events/{customer}{query}", "Customer events retrieved successfully")
    same(list(data), ["events"], "keys of data")
    rows = [row_of(row, EVENT, f"events of {customer}") for row in data["events"]]
    for row in rows:
        assert row.pop("ingestion_timestamp") > at_ms("2026-01-01T00:00:00Z")
    return rows


def check_profiles(api, oracle):
    wanted = oracle.profiles()
    assert len(wanted) > 50, len(wanted)
    for customer, row in wanted.items():
        same(profile_of(api, customer), row, f"profile of {customer}")


def check_summaries(api, oracle):
    wanted = oracle.summaries()
    assert len(wanted) > 1, len(wanted)
    for day, rows in wanted.items():
        same(summaries_of(api, day), rows, f"summaries of {day}")
        for row in rows[:5] + rows[-5:]:
            same(summary_of(api, day, row["customer_id"]), row, f"summary of {day}")


def check_events(api, oracle):
    wanted = oracle.events()
    assert len(wanted) > 50, len(wanted)
    for customer, rows in list(wanted.items())[:60]:
        rows = [{name: row[name] for name in EVENT if name in row} for row in rows]
        same(events_of(api, customer), rows[:100], f"events of {customer}")
        same(events_of(api, customer, "?limit=1"), rows[:1], f"the first event of {customer}")
        first, last = rows[0]["date"], rows[-1]["date"]
        same(events_of(api, customer, f"?fromDate={first}&toDate={last}&limit=1000"), rows, f"all events of {customer}")
        of_last = [row for row in rows if row["date"] == last]
        same(events_of(api, customer, f"?fromDate={last}"), of_last, f"from {last} on")
        of_first = [row for row in rows if row["date"] == first]
        same(events_of(api, customer, f"?toDate={first}"), of_first, f"until {first}")


def check_errors(api, oracle):
    day, rows = next(iter(oracle.summaries().items()))
    failed = []
    for path, status, message in ERRORS:
        path = path.format(day=day, customer=rows[0]["customer_id"])
        got, _, body = api.get(path)
        if (got, body) != (status, {"status": "error", "message": message, "data": {}}):
            failed.append(f"{path}: {got} {body}, not {status} {message}")
    assert not failed, "\n     ".join(failed)


def check_methods(api, _oracle):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        status, headers, body = api.get("/customer/1", method=method)
        same((status, body["status"], body["data"]), (405, "error", {}), method)
        assert "GET" in headers["Allow"], headers["Allow"]
    status, headers, body = api.get("/customer/99999999", method="HEAD")
    same((status, body), (404, ""), "HEAD")


CASES = {"profiles, by their key": check_profiles, "summaries of days and customers": check_summaries, "events, by time": check_events,
         "every error": check_errors, "other methods": check_methods}


def check_all(report, name, api, oracle):
    for what, case in CASES.items():
        report.case(f"{name}: {what}", lambda case=case: case(api, oracle))


def generate(home, rows=3000, events=2000):
    """The input of both twins: transactions of two days, whole seconds apart, and events of four."""
    shop = ["shop", "--rows", rows, "--start", "2026-03-01T00:00:00Z", "--event-rate", 0.02, "--invalid", 0]
    of_events = ["events", "--rows", events, "--start", "2026-03-01T00:00:00Z", "--event-rate", 0.006]
    m.run("generate", *shop, "--out", "input", cwd=home)
    m.run("generate", *of_events, "--out", "input/events", cwd=home)
    return shop, of_events
