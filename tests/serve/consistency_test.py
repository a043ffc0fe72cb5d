#!/usr/bin/env python3
"""Each answer is of the batch that it names, by an oracle over that batch's input, while batches commit, clients ask, and the process is killed;
followers of changes have, at each batch, the table of that batch."""
import http.client
import json
import pathlib
import random
import shutil
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from serving import Api, ask, same  # noqa: E402

import contract  # noqa: E402

BATCHES, ROWS, CLIENTS = 16, 3200, 3


class Shop:
    """The embedded example, whose batches are a file of transactions each."""

    def __init__(self, home):
        shutil.copytree(contract.EXAMPLE, home, ignore=shutil.ignore_patterns("input", "lake", ".millrace", "*.duckdb*"))
        self.home, self.port = home, servers.free_port()
        m.run("generate", "shop", "--out", "input", "--rows", ROWS, "--files", BATCHES, "--start", "2026-03-01T00:00:00Z", "--event-rate", 0.02,
              "--invalid", 0, cwd=home)
        (home / "input" / "events").mkdir()
        (home / "input" / "transactions").rename(home / "later")
        (home / "input" / "transactions").mkdir()
        self.files = sorted((home / "later").glob("*.csv"))
        assert len(self.files) == BATCHES
        text = (home / "embedded.yaml").read_text()
        (home / "embedded.yaml").write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}").replace("trigger: 10s", "trigger: 10ms"))
        self.fed, self.oracles = 0, {}

    def start(self):
        self.api = Api("run", "embedded.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=self.home)

    def feed(self):
        shutil.copy(self.files[self.fed], self.home / "coming")
        (self.home / "coming").rename(self.home / "input" / "transactions" / self.files[self.fed].name)
        self.fed += 1

    def feed_and_wait(self):
        """The answer after the batch."""
        self.feed()
        status, headers, body = self.api.get(f"/customer/1?wait_for_batch={self.fed - 1}")
        assert status in (200, 404), (status, body)
        same(int(headers["Millrace-Batch"]), self.fed - 1, "the batch")

    def oracle(self, batch):
        """(profiles, summaries) as of a batch."""
        if batch not in self.oracles:
            of = contract.Oracle(self.home, self.files[:batch + 1])
            self.oracles[batch] = (of.profiles(), of.summaries())
        return self.oracles[batch]


class Reader:
    """A client that goes on asking until it is told to end; what it has seen is checked afterwards."""

    def __init__(self, shop, seed):
        self.shop, self.rng, self.errors = shop, random.Random(seed), []
        self.seen, self.count = {}, 0  # different answers, by path, batch, status and ETag
        self.known = {}  # ETags and bodies, by path
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        connection = self.shop.api.connection()
        batch = -1
        while not self.end.is_set():
            path = self.rng.choice([f"/customer/{self.rng.randint(1, 300)}", "/summary/2026-03-01", "/summary/2026-03-02",
                                    f"/summary/2026-03-01/{self.rng.randint(1, 300)}"])
            etag, known = self.known.get(path, ("", None))
            try:
                status, headers, body = ask(connection, path, {"If-None-Match": etag} if etag else {})
            except (OSError, http.client.HTTPException):  # it was killed
                connection.close()
                self.end.wait(0.01)
                continue
            if status == 503:
                continue  # it has just been started
            if int(headers["Millrace-Batch"]) < batch:
                self.errors.append(f"{path}: batch {headers['Millrace-Batch']} after {batch}")
            batch = int(headers["Millrace-Batch"])
            if status == 304:
                body, status = known, 200
            elif status == 200:
                if etag == headers["ETag"]:
                    self.errors.append(f"{path}: 200 for what is known")
                self.known[path] = (headers["ETag"], body)
            self.seen[path, batch, status, headers.get("ETag")] = body
            self.count += 1
            self.end.wait(0.002)
        connection.close()

    def check(self):
        """How many answers were right."""
        self.end.set()
        self.thread.join()
        assert not self.errors, self.errors[:3]
        for (path, batch, status, _), body in self.seen.items():
            assert self.is_right(path, batch, status, body), (path, batch, status, body)
        return self.count

    def is_right(self, path, batch, status, body):
        words = path.split("/")[1:]
        if words[0] == "customer":
            row = self.shop.oracle(batch)[0].get(int(words[1]))
            return self.fits(status, body, row and [row], lambda data: [contract.row_of(data, contract.PROFILE, path)])
        # A partition may be of the batch that is being committed.
        for of in {batch, min(batch + 1, BATCHES - 1)}:
            rows = [row for row in self.shop.oracle(of)[1].get(words[1], []) if len(words) == 2 or row["customer_id"] == int(words[2])]
            if self.fits(status, body, rows, lambda data: [contract.row_of(row, contract.SUMMARY, path) for row in
                                                            data.get("summaries") or [data["summary"]]]):
                return True
        return False

    @staticmethod
    def fits(status, body, rows, read):
        return status == 404 if not rows else status == 200 and read(body["data"]) == rows


class Follower:
    """A client of changes, which has the table as of the last event with an id."""

    def __init__(self, shop):
        self.shop, self.table, self.last, self.at, self.resets = shop, {}, "-1", {}, 0
        self.connect()

    def connect(self):
        self.connection = self.shop.api.connection(timeout=30)
        self.connection.request("GET", "/profile/changes", headers={"Last-Event-ID": self.last, "Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200 and self.answer.headers["Content-Type"].startswith("text/event-stream"), self.answer.status

    def event(self):
        """The next one: its fields."""
        fields = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise ConnectionError("the stream has ended")
            if line == "\n":
                if fields.keys() & {"data", "id"}:
                    return fields
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value

    def follow(self, until):
        """Up to a batch."""
        while int(self.last) < until:
            event = self.event()
            kind, data = event.get("event"), json.loads(event.get("data", "{}"))
            if kind == "reset":
                self.resets += 1
                self.table, self.last = {}, "-1"
                self.connection.close()
                self.connect()
                continue
            for row in data.get("rows", []):
                assert kind == "rows", event
                read = contract.row_of(row, contract.PROFILE, "a change")
                assert self.table.get(read["customer_id"]) != read, f"{read} is sent again"
                self.table[read["customer_id"]] = read
            if "id" in event:
                self.last = event["id"]
                self.at[int(self.last)] = dict(self.table)
                same(self.table == self.shop.oracle(int(self.last))[0], True, f"the table at batch {self.last}")


def while_batches_commit(shop):
    readers = [Reader(shop, seed) for seed in range(CLIENTS)]
    for _ in range(6):
        shop.feed_and_wait()
    seen = sum(reader.check() for reader in readers)
    assert seen > 100, seen


def waits_for_a_batch(shop):
    """Those who wait are answered when the batch is there, by all that it has."""
    answers = []
    batch = shop.fed
    waiting = [threading.Thread(target=lambda: answers.append(shop.api.get(f"/customer/1?wait_for_batch={batch}"))) for _ in range(20)]
    for thread in waiting:
        thread.start()
    shop.feed()
    for thread in waiting:
        thread.join()
    assert len(answers) == 20 and all(int(headers["Millrace-Batch"]) >= batch for _, headers, _ in answers)
    status, _, body = shop.api.get("/customer/1", {"Millrace-Wait-For-Batch": str(batch)})
    same(status, 200, "the header does the same")
    for bad in ("x", "-1", "1.5", "", "99999999999999999999"):
        same(shop.api.get(f"/customer/1?wait_for_batch={bad}")[0], 400, f"wait_for_batch={bad}")


def changes_over_restarts(shop):
    """Nothing is lost or sent twice to who has all when the process is killed; who has not may be told to read the table anew."""
    follower = Follower(shop)
    follower.follow(shop.fed - 1)
    for _ in range(2):
        shop.feed_and_wait()
        follower.follow(shop.fed - 1)
        shop.api.kill()
        shop.start()
        m.wait_until(lambda: shop.api.get("/readyz")[0] == 200, "it to be ready")
        follower.connect()
    shop.feed_and_wait()
    follower.follow(shop.fed - 1)
    same(follower.resets, 0, "resets")
    shop.feed_and_wait()
    shop.api.kill()  # which it has not read yet
    shop.start()
    m.wait_until(lambda: shop.api.get("/readyz")[0] == 200, "it to be ready")
    follower.connect()
    follower.follow(shop.fed - 1)
    shop.feed_and_wait()
    follower.follow(shop.fed - 1)
    follower.connection.close()


def killed_under_load(shop):
    """No batch that anybody has seen is gone, and all answers are those of an undisturbed run."""
    rng = random.Random(7)
    readers = [Reader(shop, 100 + seed) for seed in range(CLIENTS)]
    while shop.fed < BATCHES:
        shop.feed()
        m.wait_until(lambda: rng.random() < 0.02, "some moment")
        shop.api.kill()
        shop.start()
        shop.api.get(f"/customer/1?wait_for_batch={shop.fed - 1}")
    seen = sum(reader.check() for reader in readers)  # a client that was answered with a batch never gets an older one
    assert seen > 100, seen
    profiles, summaries = shop.oracle(BATCHES - 1)
    for customer, row in profiles.items():
        same(contract.profile_of(shop.api, customer), row, f"profile of {customer}")
    for day, rows in summaries.items():
        same(contract.summaries_of(shop.api, day), rows, f"summaries of {day}")


def main():
    report = m.Report("consistency of what is served")
    with tempfile.TemporaryDirectory(prefix="millrace-consistency-") as folder:
        shop = Shop(pathlib.Path(folder) / "home")
        shop.start()
        try:
            for case in (while_batches_commit, waits_for_a_batch, changes_over_restarts, killed_under_load):
                report.case(case.__name__.replace("_", " "), lambda: case(shop))
            report.case("it ends in order", shop.api.stop)
        finally:
            if shop.api.process.poll() is None:
                shop.api.kill()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
