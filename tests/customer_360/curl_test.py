#!/usr/bin/env python3
"""The requests in the README of customer-360, by curl and as they stand there: each answer is what the README says of it."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import readme  # noqa: E402
from serving import Api, same  # noqa: E402

README = (m.ROOT / "examples" / "customer-360" / "README.md").read_text()
# The time at which the README was written: then its commands give what it shows.
THEN = "--start 2026-11-22T00:00:00Z --event-rate 0.200529"


def rows():
    """(command, what is said of it) of the table."""
    section = README[README.index("## The REST API"):README.index("## Quality checks")]
    return re.findall(r"^\| (`curl .*?) \| (.*) \|$", section, re.MULTILINE)


def pattern_of(sample):
    """Of an answer in which ... stands for what differs, or goes on."""
    text = re.escape(sample).replace(r":\.\.\.", r':(?:"[^"]*"|null|-?[0-9.]+)')
    return text.replace(r",\ \.\.\.\]", r"(?:,.*)?\]")


class Curl:
    """As somebody has it at hand who has `millrace serve` on port 8080."""

    def __init__(self, home, api):
        self.home = home / "curl"
        self.home.mkdir()
        (self.home / ".curlrc").write_text(f'silent\nshow-error\nconnect-to = "localhost:8080:127.0.0.1:{api.port}"\nwrite-out = "\\n%{{http_code}}"\n')
        self.env = {**os.environ, "CURL_HOME": str(self.home), "no_proxy": "localhost"}

    def __call__(self, command):
        """(status, body)"""
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, env=self.env)
        same(done.returncode, 0, f"{command}: {done.stderr}")
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body


def answers(curl):
    found = rows()
    assert len(found) == 6, found
    for command, said in found:
        commands = re.findall(r"`(.*?)`", command)
        first = re.match(r"(curl '?localhost:8080)", commands[0])[1]
        samples = re.findall(r"`(\{.*?\})`", said)
        messages = [] if samples else re.findall(r"`(\w+)`", said)
        expected = int(said[:3]) if said[:3].isdigit() else 200
        for i, each in enumerate(commands):
            status, body = curl(each if i == 0 else first + each)
            same(status, expected, f"{each}: {body}")
            sample = samples[0] if samples else f'{{"status":"error","message":"{messages[i]}","data":{{}}}}'
            assert re.fullmatch(pattern_of(sample), body), f"{each}:\n{body[:2000]}\nthe README says\n{sample}"


def the_first_request(curl):
    """Those of the block of commands, too, on the day after the README was written."""
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README, re.S) if "millrace serve" in block]
    serve, *asks = block.strip().splitlines()
    same(serve, "millrace serve embedded.yaml &", "how it is served")
    same(len(asks), 2, "requests")
    for ask in asks:
        same(curl(ask.replace("-d yesterday", "-d 2026-11-22"))[0], 200, ask)


def other_places(curl):
    """/docs, /openapi.json, and the changes, which do not end."""
    assert "`localhost:8080/docs`" in README and "`/openapi.json`" in README
    assert curl("curl localhost:8080/docs")[1].lower().startswith("<!doctype html>")
    assert '"openapi":"3.1' in curl("curl localhost:8080/openapi.json")[1]
    [command] = re.findall(r"`(curl -N .*?)`", README)
    with subprocess.Popen(["sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True, env=curl.env) as process:
        same([process.stdout.readline() for _ in range(4)], ["retry: 1000\n", "\n", "id: 0\n", "\n"], command)
        process.kill()


def main():
    report = m.Report("the README's requests, by curl")
    with tempfile.TemporaryDirectory(prefix="millrace-curl-") as folder:
        made = []
        if report.case("the README's commands", lambda: made.append(readme.embedded_of("customer-360", folder, (("generate shop ", f"generate shop {THEN} "),))[0])):
            [home] = made
            text = (home / "embedded.yaml").read_text()
            (home / "embedded.yaml").write_text(text.replace("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0"))
            with Api("serve", "embedded.yaml", cwd=home) as api:
                curl = Curl(home, api)
                for case in (answers, the_first_request, other_places):
                    report.case(case.__name__.replace("_", " "), lambda: case(curl))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
