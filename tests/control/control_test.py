"""The control API over real HTTP, against `millrace run`: what it shows is what happened, and what it is told to do happens.

Usage: control_test.py [CASE ...]
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.request

from watched import Follower, Run, m, running


def steering():
    """Pause, trigger, resume and stop, each with exactly the batches it stands for."""
    with running(trigger="as_fast_as_possible") as run:
        run.wait_for("running")
        assert run.control("resume", 409)["code"] == "wrong_state"
        run.control("pause")
        run.wait_for("paused")
        assert run.control("pause", 409)["message"]
        for i in range(3):
            run.put(f"f{i}", range(i * 10, i * 10 + 10))
        run.control("trigger")
        run.wait_for_batch(0)
        assert len(run.written()) == 10, run.written()
        run.control("trigger")
        run.wait_for_batch(1)
        assert len(run.written()) == 20
        assert run.summary()["state"] == "paused"
        run.control("resume")
        run.wait_for_batch(2)
        assert run.written() == sorted(str(i) for i in range(30))
        assert run.control("retry", 409)["hint"]
        assert run.ask("/pipelines/watched/control", {"action": "dance"})[0] == 400
        run.control("savepoint")
        m.wait_until(lambda: list((run.home / ".millrace/watched/snapshots").glob("*.snapshot")), "a snapshot")
        run.control("stop")
        assert run.process.wait(timeout=30) == 0
        assert [p["numInputRows"] for p in run.progress] == [10, 10, 10]


def interval():
    """A trigger runs a batch at once, whatever the interval says."""
    with running(trigger="1h") as run:
        run.wait_for("running")
        assert run.summary()["trigger_ms"] == 3_600_000
        run.put("a", range(5))
        run.control("trigger")
        run.wait_for_batch(0)
        assert run.written() == [str(i) for i in range(5)]


def numbers():
    """What the API tells is what --progress json and the outputs say."""
    with running(trigger="as_fast_as_possible") as run:
        for i in range(4):
            run.put(f"f{i}", range(i * 7, i * 7 + 7))
            run.wait_for_batch(i)
        lines = run.get("/pipelines/watched/progress?from=0")
        m.wait_until(lambda: len(run.progress) == 4, "the progress")
        assert [(p["n"], p["rows_in"], p["rows_out"]) for p in lines] == \
            [(p["batchId"], p["numInputRows"], p["numOutputRows"]) for p in run.progress]
        assert [p["n"] for p in run.get("/pipelines/watched/progress?from=1&to=2")] == [1, 2]
        assert run.summary()["progress"] == lines
        graph = run.get("/pipelines/watched/graph")
        names = {n["id"] for n in graph["nodes"]}
        assert {"rows", "passed", "totals"} <= names, names
        status, headers, batch = run.ask("/pipelines/watched/batches/2")
        assert status == 200 and headers["Cache-Control"] == "no-cache"  # the number alone may be another one's, one day
        of = run.summary()["checkpoint"]
        assert "immutable" in run.ask(f"/pipelines/watched/batches/2?of={of}")[1]["Cache-Control"]
        status, _, answer = run.ask("/pipelines/watched/batches/2?of=another")
        assert status == 410 and answer["code"] == "other_checkpoint", answer
        assert batch["n"] == 2 and batch["outcome"] == "committed" and batch["progress"] == lines[2]
        node = next(n for n in batch["nodes"] if n["id"] == "passed")
        assert node["in"] == node["out"] == 7, node
        assert run.ask("/pipelines/watched/batches/2", headers={"If-None-Match": headers["ETag"]})[0] == 304
        chosen = run.get("/pipelines/watched/batches/2?nodes=passed")
        assert [n["id"] for n in chosen["nodes"]] == ["passed"]
        state = run.get("/pipelines/watched/state")
        assert [s["id"] for s in state] == ["totals"] and state[0]["bytes"] > 0
        assert len(state[0]["history"]) == 4
        assert run.get("/process")["pid"] == run.process.pid


def wrong():
    """Mistakes have a status, a code and a way out."""
    with running() as run:
        run.wait_for("running")
        for path, status, code in [("/pipelines/other", 404, "no_such_pipeline"), ("/nothing", 404, None),
                                   ("/pipelines/watched/batches/x", 400, "bad_request"),
                                   ("/pipelines/watched/batches/7", 404, "batch_not_yet"),
                                   ("/pipelines/watched/checks", 404, "no_batch"),
                                   ("/pipelines/watched/progress?from=x", 400, "bad_request")]:
            got, _, answer = run.ask(path)
            assert got == status and (code is None or answer["code"] == code), (path, got, answer)
        body = {"action": "pause"}
        assert run.ask("/pipelines/watched/control", body, {"Origin": "http://elsewhere.example"})[0] == 403
        assert run.ask("/pipelines/watched/control", body, {"Content-Type": "text/plain"})[0] == 415
        assert run.summary()["state"] == "running"
        assert run.ask("/pipelines/watched/control", body, {"Origin": run.url})[0] == 200
        run.wait_for("paused")
        assert urllib.request.urlopen(f"{run.url}/healthz").status == 200
        assert urllib.request.urlopen(f"{run.url}/readyz").status == 200


def history():
    """Batches and events are there after a kill and a restart; what expired says by which setting."""
    with running(trigger="as_fast_as_possible", args=("--history-details", "8")) as run:
        for i in range(12):
            run.put(f"f{i:02}", [i])
            run.wait_for_batch(i)
        before = run.get("/pipelines/watched/progress?from=0&to=10")
        detail = run.get("/pipelines/watched/batches/10")
        m.kill(run.process)
        run.end()
        run.put("more", [99])
        run.start()
        run.wait_for_batch(12)
        assert run.get("/pipelines/watched/progress?from=0&to=10") == before
        assert run.get("/pipelines/watched/batches/10") == detail
        status, _, answer = run.ask("/pipelines/watched/batches/0")
        assert status == 410 and "--history-details" in answer["hint"], answer
        texts = [e["text"] for e in run.get("/events?pipeline=watched")]
        assert len([t for t in texts if t.startswith("running")]) == 2, texts
        ids = [e["id"] for e in run.get("/events")]
        assert ids == sorted(set(ids), reverse=True)
        assert run.written() == sorted([str(i) for i in range(12)] + ["99"])


def torn():
    """A history with a torn end is healed, and nothing of it stops the pipeline."""
    with running(trigger="as_fast_as_possible") as run:
        for i in range(3):
            run.put(f"f{i}", [i])
            run.wait_for_batch(i)
        run.end()
        for path in (run.home / ".millrace/watched/history").glob("*.log"):
            os.truncate(path, max(path.stat().st_size - 5, 0))
        run.put("more", [99])
        run.start()
        run.wait_for_batch(3)
        assert [p["n"] for p in run.get("/pipelines/watched/progress?from=0")] == [0, 1, 3]


def stream():
    """Events come as they happen; who comes back goes on where it was, or is told that it can't."""
    with running(trigger="as_fast_as_possible") as run:
        run.wait_for("running")
        first = Follower(run)
        run.put("a", range(3))
        m.wait_until(lambda: first.of("batch"), "a batch")
        assert first.of("batch")[0] == run.get("/pipelines/watched/progress?from=0")[0]
        assert {p["phase"] for p in first.of("phase")} >= {"run", "commit"}, first.events
        first.close()
        last = [e for e in first.events if e["event"] == "batch"][-1]["id"]
        run.put("b", range(3))
        run.wait_for_batch(1)
        run.control("pause")
        run.wait_for("paused")
        second = Follower(run, last)
        m.wait_until(lambda: second.of("state") and second.of("batch"), "what was missed")
        assert [b["n"] for b in second.of("batch")] == [1], second.events
        assert second.of("state")[-1]["state"] == "paused", second.events
        assert any(e["kind"] == "command" for e in second.of("log")), second.events
        second.close()
        strange = Follower(run, "another-17")
        assert strange.events[0]["event"] == "reset", strange.events
        strange.close()


def quarantine():
    """What could not be read is listed, discarded row by row, and read again in the running pipeline."""
    with running(trigger="as_fast_as_possible") as run:
        (run.home / "in/.x").write_text("id\n1\nbad\n2\nworse\n3\nworst\n")
        (run.home / "in/.x").rename(run.home / "in/x.csv")
        run.wait_for_batch(0)
        rows = run.get("/pipelines/watched/quarantine")
        assert [r["raw"] for r in rows] == ["bad", "worse", "worst"] and run.summary()["quarantine_open"] == 3
        assert {r["dataset"] for r in rows} == {"rows"}
        page = run.get("/pipelines/watched/quarantine?limit=2")
        assert page + run.get(f"/pipelines/watched/quarantine?limit=2&cursor={page[-1]['id']}") == rows
        path = "/pipelines/watched/quarantine"
        assert run.ask(path, {"action": "discard"})[0] == 400
        status, _, answer = run.ask(path, {"action": "discard", "ids": [rows[1]["id"]]})
        assert status == 200 and answer["rows"] == 1, answer
        assert [r["raw"] for r in run.get(path + "?status=open")] == ["bad", "worst"]
        status, _, answer = run.ask(path, {"action": "replay", "dataset": "rows"})
        assert status == 200 and answer["batch"] == 1 and answer["rows"] == 2, answer
        run.wait_for_batch(1)
        again = run.get(path + "?status=open")
        assert [(r["raw"], r["batch"]) for r in again] == [("bad", 1), ("worst", 1)], again
        assert run.written() == ["1", "2", "3"]
        kinds = [e["text"] for e in run.get("/events?kind=quarantine")]
        assert len(kinds) == 2 and "discarded" in kinds[1], kinds


def commands():
    """ps, top, logs and the commands that steer find the process by themselves."""
    with running(trigger="1h") as run:
        run.wait_for("running")
        listed = json.loads(run.client("ps", "--json").stdout)
        assert [(p["id"], p["pid"], p["url"]) for p in listed] == [("watched", run.process.pid, run.url)]
        assert "watched" in run.client("ps").stdout
        run.put("a", range(3))
        run.client("trigger")
        run.wait_for_batch(0)
        run.client("pause", "watched")
        run.wait_for("paused")
        refused = run.client("pause", check=False)
        assert refused.returncode == 2 and "paused" in refused.stderr, refused
        frame = run.client("top", "--once").stdout
        assert "watched" in frame and "paused" in frame, frame
        run.client("resume", "--url", run.url)
        run.wait_for("running")
        log = run.client("logs").stdout
        assert "pause, by 127.0.0.1" in log and log.index("pause, by") < log.index("resume, by"), log
        assert run.client("pause", "other", check=False).returncode == 2
        run.client("stop")
        assert run.process.wait(timeout=30) == 0
        m.wait_until(lambda: "no pipeline" in run.client("ps").stdout, "the end")
        assert run.client("ps", "--url", "http://127.0.0.1:1", check=False).returncode == 3


def stale():
    """The file of a process that was killed is removed."""
    with running() as run:
        m.kill(run.process)
        files = list((run.home / "millrace").glob("*.json"))
        assert len(files) == 1
        assert "no pipeline" in run.client("ps").stdout
        assert not list((run.home / "millrace").glob("*.json"))


def without():
    """A run to the end serves nothing, nor one that is told so."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        run = Run(home)
        run.put("a", [1])
        assert run.end() == 0
        done = m.run("run", "pipeline.yaml", "--once", cwd=home)
        assert "control at" not in done.stderr
        process = m.start("run", "pipeline.yaml", "--no-control", cwd=home)
        process.send_signal(signal.SIGTERM)
        try:
            errors = process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            m.kill(process)
            raise
        assert "control at" not in errors, errors


CASES = [steering, interval, numbers, wrong, history, torn, stream, quarantine, commands, stale, without]


def main():
    report = m.Report("control")
    for case in CASES:
        if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
            report.case(f"{case.__name__}: {case.__doc__.split(';')[0]}", case)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
