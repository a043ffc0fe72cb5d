#!/usr/bin/env python3
"""Every word of an envelope, and the file's own messages, in answers to real requests: of success, and of each error that a request can bring about,
whether an endpoint or the HTTP server says it."""
import json
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import openapi  # noqa: E402
from serving import Api, same  # noqa: E402

PIPELINE = """
pipeline: words
trigger: 10ms
sources:
  lines:
    from: { type: files, path: input }
    format: csv
    schema: word VARCHAR, pieces BIGINT, said TIMESTAMP
    watermark: { column: said, delay: 1m }
datasets:
  words: SELECT word, sum(pieces)::BIGINT AS pieces FROM lines GROUP BY word
serve:
  listen: 127.0.0.1:0
  users: { app: { token: "${env:WORDS_TOKEN}" } }
  max_body_size: 1KiB
  envelope:
    success: { ok: true, at: [$batch, $watermark], says: $message, http: $status, code: $code, hint: $hint, body: { rows: $data }, price: 1.5, more: "of $batch" }
    error: { ok: false, at: [$batch, $watermark], says: $message, http: $status, code: $code, hint: $hint, body: { rows: $data }, price: 1.5, more: "of $batch" }
  errors:
    not_found: nothing here
    unauthorized: "who are you?"
    payload_too_large: that is "too" much
    not_ready: come back later
    no_such_endpoint: no such path
    method_not_allowed: { status: 501, code: E0501 }
    invalid_parameter: { code: E0400 }
  endpoints:
    - get: /words/{word}
      parameters: { word: { type: string, maximum: 10 }, least: { type: int, minimum: 1, error: least must be a count } }
      query: SELECT word, pieces FROM words WHERE word = $word AND pieces >= coalesce($least, 0)
      returns: one
      message: "a word, \\"quoted\\""
    - get: /all
      query: SELECT word, pieces FROM words ORDER BY word
      data: words
      unknown_parameters: refuse
      errors: { unknown_parameter: "what is that?", not_ready: not yet }
    - get: /said
      parameters: { word: { type: string }, least: { type: int, error: least must be a count } }
      query: SELECT word, pieces FROM words WHERE word = $word AND pieces >= coalesce($least, 0)
      returns: one
      errors:
        not_found: { message: never said, code: E1000, status: 200 }
        invalid_parameter: { status: 422 }
    - get: /slow
      parameters: { n: { type: int, default: 1 } }
      query: SELECT count(*) AS n FROM range(3000000) a, range(1000) b WHERE (a.range * b.range + $n) % 7 = 3
      timeout: 200ms
    - changes: words
"""
TOKEN = {"Authorization": "Bearer 0123456789abcdef0123456789abcdef"}
KEYS = ["ok", "at", "says", "http", "code", "hint", "body", "price", "more"]


def success(data, batch, watermark, message=""):
    return {"ok": True, "at": [batch, watermark], "says": message, "http": 200, "code": "ok", "hint": "", "body": {"rows": data}, "price": 1.5,
            "more": "of $batch"}


def expect_error(answer, status, code, message, hint=""):
    """Of an error, `$data`, `$batch` and `$watermark` are null."""
    got, _, body = answer
    assert list(body) == KEYS, body
    if hint is None:
        hint = body["hint"]
        assert hint, body
    same((got, body), (status, {"ok": False, "at": [None, None], "says": message, "http": status, "code": code, "hint": hint, "body": {"rows": None},
                                "price": 1.5, "more": "of $batch"}), code)


def before_the_first_batch(home):
    with Api("serve", "words.yaml", cwd=home) as api:
        expect_error(api.get("/words/apple", TOKEN), 503, "not_ready", "come back later")
        expect_error(api.get("/all", TOKEN), 503, "not_ready", "not yet")
        expect_error(api.get("/words/changes", TOKEN), 503, "not_ready", "come back later")


def results(api):
    m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
    status, headers, body = api.get("/words/apple", TOKEN)
    batch, watermark = int(headers["Millrace-Batch"]), headers["Millrace-Watermark"]
    same((status, list(body)), (200, KEYS), "a row")
    same(body, success({"word": "apple", "pieces": 3}, batch, watermark, 'a word, "quoted"'), "a row")
    same(watermark.startswith("2026-01-02T09:59:00"), True, watermark)
    rows = [{"word": "apple", "pieces": 3}, {"word": "pear", "pieces": 4}]
    same(api.get("/all", TOKEN)[2], success({"words": rows}, batch, watermark), "rows")


def the_next_batch(api, home):
    """`$batch` and `$watermark` are those of the answer, also of one that was kept."""
    batch = int(api.get("/all", TOKEN)[1]["Millrace-Batch"])
    m.write_csv(home / "input" / "b.csv", ["word", "pieces", "said"], [["fig", 1, "2026-01-03 10:00:00"]])
    m.wait_until(lambda: len(api.get("/all", TOKEN)[2]["body"]["rows"]["words"]) == 3, "the next batch")
    for _ in range(3):
        _, headers, body = api.get("/words/apple", TOKEN)
        same(body["at"], [int(headers["Millrace-Batch"]), headers["Millrace-Watermark"]], "as the headers say")
        assert body["at"][0] > batch and body["at"][1].startswith("2026-01-03T09:59:00"), body


def errors_of_endpoints(api):
    expect_error(api.get("/words/plum", TOKEN), 404, "not_found", "nothing here")
    expect_error(api.get("/words/aaaaaaaaaaaaaa", TOKEN), 400, "E0400", "a parameter is missing or wrong", None)
    expect_error(api.get("/words/apple?least=0", TOKEN), 400, "E0400", "least must be a count", "`least` must be a whole number of at least 1")
    expect_error(api.get("/said?least=x", TOKEN), 422, "E0400", "least must be a count", "`least` must be a whole number")
    expect_error(api.get("/said?word=plum", TOKEN), 200, "E1000", "never said")
    expect_error(api.get("/said?word=plum", TOKEN), 200, "E1000", "never said")  # from the cache
    expect_error(api.get("/all?wrd=x", TOKEN), 400, "unknown_parameter", "what is that?")
    expect_error(api.get("/all?wait_for_batch=x", TOKEN), 400, "E0400", "a parameter is missing or wrong", None)
    expect_error(api.get("/words/changes?after=x", TOKEN), 400, "E0400", "a parameter is missing or wrong", None)
    expect_error(api.get("/slow", TOKEN), 504, "timeout", "the answer took too long")


def errors_of_the_server(api):
    expect_error(api.get("/words/apple"), 401, "unauthorized", "who are you?", api.get("/all")[2]["hint"])
    expect_error(api.get("/nothing", TOKEN), 404, "no_such_endpoint", "no such path", api.get("/nothing", TOKEN)[2]["hint"])
    status, headers, body = api.get("/all", TOKEN, method="POST")
    assert "GET" in headers["Allow"], headers
    expect_error((status, headers, body), 501, "E0501", body["says"], body["hint"])
    assert body["says"], body
    connection = api.connection()
    connection.request("POST", "/all", body=b"x" * 2000, headers=TOKEN)
    answer = connection.getresponse()
    expect_error((answer.status, answer.headers, json.loads(answer.read())), 413, "payload_too_large", 'that is "too" much', None)
    connection.close()
    document = api.get("/openapi.json", TOKEN)[2]
    openapi.validate(document)
    responses = document["paths"]["/said"]["get"]["responses"]
    assert {"200", "304", "401", "404", "413", "422", "501", "503"} <= set(responses) and "405" not in responses, responses.keys()
    assert "never said" not in responses["404"]["description"], responses["404"]
    for path in ("/said?word=plum", "/said?word=apple", "/said?least=x"):
        status, _, body = api.get(path, TOKEN)
        openapi.check(document, body, responses[str(status)]["content"]["application/json"]["schema"], path)


def main():
    report = m.Report("envelopes")
    os.environ["WORDS_TOKEN"] = TOKEN["Authorization"].removeprefix("Bearer ")
    with tempfile.TemporaryDirectory(prefix="millrace-envelope-") as folder:
        home = pathlib.Path(folder)
        (home / "input").mkdir()
        (home / "words.yaml").write_text(PIPELINE)
        report.case("before the first batch", lambda: before_the_first_batch(home))
        m.write_csv(home / "input" / "a.csv", ["word", "pieces", "said"], [["apple", 3, "2026-01-01 10:00:00"], ["pear", 4, "2026-01-02 10:00:00"]])
        with Api("run", "words.yaml", "--control", "127.0.0.1:0", "--progress", "none", cwd=home) as api:
            report.case("results", lambda: results(api))
            report.case("errors of endpoints", lambda: errors_of_endpoints(api))
            report.case("errors of the server", lambda: errors_of_the_server(api))
            report.case("the next batch", lambda: the_next_batch(api, home))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
