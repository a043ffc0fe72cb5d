"""The event stream under load: who comes back, who was away too long, who reads too slowly, and many at once.

Usage: stream_test.py [CASE ...]
"""
import http.client
import json
import socket
import sys

from watched import Follower, m, report, running

FAST = """
pipeline: watched
trigger: as_fast_as_possible
sources: { ticks: { from: { type: rate }, rows_per_second: 100000 } }
datasets: { n: SELECT count(*) AS n FROM ticks }
sinks: { out: { from: n, to: blackhole } }
"""


def rest_of(run):
    return run.summary()["batch"]


def numbers(events):
    return [int(e["id"].rsplit("-", 1)[1]) for e in events]


def resume():
    """Who comes back gets all that it missed, once, in order, however often it was away."""
    with running(text=FAST) as run:
        run.wait_for_batch(1)
        first = Follower(run)
        m.wait_until(lambda: len(first.events) > 20 and first.of("batch"), "events")
        first.close()
        seen = list(first.events)
        for _ in range(5):
            before = rest_of(run)
            m.wait_until(lambda: rest_of(run) > before + 5, "batches without a listener")
            again = Follower(run, seen[-1]["id"])
            m.wait_until(lambda: len(again.events) > 20 and again.of("batch"), "events, and a batch, which come less often")
            again.close()
            assert all(e["event"] != "reset" for e in again.events), again.events[0]
            seen += again.events
        ids = numbers(seen)
        assert ids == list(range(ids[0], ids[0] + len(ids))), [b - a for a, b in zip(ids, ids[1:]) if b != a + 1]
        by_query = http.client.HTTPConnection(run.url.removeprefix("http://"), timeout=60)
        by_query.request("GET", f"/api/v1/stream?last_event_id={seen[-2]['id']}")
        answer = by_query.getresponse()
        assert answer.readline().decode() == f"id: {seen[-1]['id']}\n"
        by_query.sock and by_query.sock.close()
        answer.close()
        by_query.close()
        batches = [e["data"] for e in seen if e["event"] == "batch"]
        assert len(batches) > 5, len(batches)
        for earlier, later in zip(batches, batches[1:]):  # one may stand for several, when they come fast
            assert later["n"] - earlier["n"] == later.get("merged", 1), (earlier["n"], later)


def gap():
    """Who was away for longer than the ring remembers is told so, and goes on from there."""
    with running(text=FAST) as run:
        run.wait_for_batch(1)
        first = Follower(run)
        last = first.events[-1]["id"]
        first.close()
        number = numbers(first.events)[-1]

        def newest():
            probe = Follower(run)
            probe.close()
            return numbers(probe.events)[0]
        m.wait_until(lambda: newest() > number + 8500, "more events than are remembered", timeout=180)
        again = Follower(run, last)
        m.wait_until(lambda: len(again.events) > 3, "events after the gap")
        again.close()
        assert again.events[0]["event"] == "reset", again.events[0]
        ids = numbers(again.events)
        assert ids == list(range(ids[0], ids[0] + len(ids))) and ids[0] > number + 8192, ids[:5]
        back = Follower(run, again.events[0]["id"])
        assert back.events[0]["event"] != "reset", back.events[0]
        back.close()
        for strange in ("x", "-1", "1-999999999999", last.rsplit("-", 1)[0] + "-99999999999999999999"):
            odd = Follower(run, strange)
            assert odd.events[0]["event"] == "reset", (strange, odd.events[0])
            odd.close()


def slow():
    """Who reads nothing is dropped; batches, and those who read, do not wait for it."""
    with running(text=FAST) as run:
        run.wait_for_batch(1)
        reader = Follower(run)
        m.wait_until(lambda: len(reader.events) > 4500, "events to send", timeout=120)
        host, port = run.url.removeprefix("http://").split(":")
        sleepers = []
        for _ in range(20):  # all that has happened is more than may wait for one
            sleeper = socket.socket()
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sleeper.connect((host, int(port)))
            sleeper.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}\r\n"
                            f"Last-Event-ID: {reader.events[0]['id']}\r\n\r\n".encode())
            sleepers.append(sleeper)
        before, events = rest_of(run), len(reader.events)
        m.wait_until(lambda: rest_of(run) > before + 20 and len(reader.events) > events + 200, "batches and events")
        ids = numbers(list(reader.events))
        assert ids == list(range(ids[0], ids[0] + len(ids))), "who reads has missed something"

        def dropped(sleeper):
            """Its end of the connection says so when it reads at last."""
            sleeper.settimeout(60)
            got = 0
            try:
                while chunk := sleeper.recv(1 << 16):
                    got += len(chunk)
                    if got > 4 << 20:
                        return False
            except ConnectionResetError:
                pass
            return True
        assert all(dropped(sleeper) for sleeper in sleepers)
        for sleeper in sleepers:
            sleeper.close()
        reader.close()
        assert run.summary()["state"] == "running"


def many():
    """As many listeners as are allowed at once; one more is refused, and may come when another has gone."""
    with running() as run:
        run.wait_for("running")
        host = run.url.removeprefix("http://")
        open_ones = []
        while True:
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("GET", "/api/v1/stream")
            connection.kept = connection.sock
            answer = connection.getresponse()
            if answer.status != 200:
                break
            open_ones.append((connection, answer))
            assert len(open_ones) <= 256, "no end of them"
        assert answer.status == 503 and json.loads(answer.read())["code"], answer.status
        assert len(open_ones) == 256, len(open_ones)
        for connection, answer in open_ones[:10]:
            connection.kept.shutdown(2)
            answer.close()
            connection.close()

        def room():
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("GET", "/api/v1/stream")
            answer = connection.getresponse()
            answer.close()
            connection.close()
            return answer.status == 200
        m.wait_until(room, "room for another one")
        for connection, answer in open_ones[10:]:
            connection.kept.shutdown(2)
            answer.close()
            connection.close()


CASES = [resume, gap, slow, many]


if __name__ == "__main__":
    sys.exit(report("control stream", CASES))
