"""Formats of values and keys, and headers, against a real broker and registry, with clients of another maker on the other side."""
import csv
import io
import json
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402
from registry import Registry  # noqa: E402

import registry_test  # noqa: E402
import fastavro  # noqa: E402

Bench = registry_test.Bench


def kept(b):
    """What was put aside: (offset, column, reason)."""
    return sorted((x["offset"], x["column"], x["reason"]) for path in b.folder.rglob("quarantine/input/*.jsonl")
                  for x in map(json.loads, path.read_text().splitlines()))


def csv_line(row):
    line = io.StringIO()
    csv.writer(line).writerow(row)
    return line.getvalue()


def csv_both_ways(b):
    """What Python's csv writes is read, and what is written it reads."""
    into, out = b.topic(partitions=1), b.topic("out", partitions=1)
    names = ["plain", "with, comma", 'with "quotes"', "two\nlines", "crlf\r\nhere", "Zürich 日本", " spaces ", "'"]
    b.produce(into, [csv_line([i, names[i % len(names)], f"{i}.25", "true" if i % 2 else "", f"2024-02-29 12:00:{i % 60:02}"])
                     for i in range(200)])
    b.produce(into, ["1,2", '1,"open,2,,', "x,a,1,,", b"1,\xff,1,,", "7,a,1,,\n8,b,2,,"])
    schema = "'id INTEGER, name VARCHAR, price DECIMAL(9,2), flag BOOLEAN, seen TIMESTAMP'"
    b.pipeline(f"topic: {into}, format: csv, schema: {schema}", "SELECT * FROM input", f"bus, topic: {out}, format: csv")
    b.run()
    got = [next(csv.reader(io.StringIO(x.value().decode(), newline=""))) for x in b.consume(out)]
    assert got == [[str(i), names[i % len(names)], f"{i}.25", "true" if i % 2 else "", f"2024-02-29T12:00:{i % 60:02}"]
                   for i in range(200)], got[:3]
    assert kept(b) == [(200, "", "2 fields instead of 5"), (201, "", "a quote is never closed"), (202, "id", "`x` is no INTEGER"),
                       (203, "", "not valid UTF-8 at byte 3"), (204, "", "more than one line")], kept(b)


def csv_of_another_dialect(b):
    into, out = b.topic(partitions=1), b.topic("out", partitions=1)
    dialect = "format: csv, delimiter: ';', quote: \"'\", escape: '\\', null_value: 'NULL', timestamp_format: '%d.%m.%Y %H:%M'"
    lines = ["1;'it\\'s; here';29.02.2024 12:30", "NULL;;NULL", "2;'NULL';01.01.1970 00:00"]
    b.produce(into, lines)
    b.pipeline(f"topic: {into}, {dialect}, schema: 'id INTEGER, what VARCHAR, seen TIMESTAMP'",
               "SELECT id, what, seen FROM input", f"bus, topic: {out}, {dialect}")
    b.run()
    assert [x.value().decode() for x in b.consume(out)] == lines, [x.value() for x in b.consume(out)]


def texts(b):
    """Values and keys that are a text each; a sink writes its one column."""
    into, out = b.topic(partitions=1), b.topic("out", partitions=1)
    b.produce(into, [{"key": "k1", "value": "one"}, {"key": None, "value": ""}, {"key": "", "value": None},
                     {"key": b"\xff", "value": "bad key"}, {"key": "k2", "value": b"a\xff"}])
    b.pipeline(f"topic: {into}, format: string, schema: 'line VARCHAR', key_format: string", "SELECT line, key FROM input",
               f"bus, topic: {out}, format: string, key_format: string, key_columns: [key], key_only: true")
    b.run()
    assert [(x.key(), x.value()) for x in b.consume(out)] == [(b"k1", b"one"), (None, b""), (b"", None)]
    assert kept(b) == [(3, "key", "the key: not valid UTF-8 at byte 1"), (4, "line", "not valid UTF-8 at byte 2")], kept(b)


def json_keys(b):
    into, out = b.topic(partitions=1), b.topic("out", partitions=1)
    b.produce(into, [{"key": json.dumps({"id": i, "seen": f"2024-02-29T12:00:{i:02}Z"}), "value": json.dumps({"what": f"w{i}"})}
                     for i in range(30)])
    b.produce(into, [{"key": None, "value": '{"what": "none"}'}, {"key": '{"id": "x"}', "value": '{"what": "bad"}'},
                     {"key": "{", "value": '{"what": "worse"}'}])
    b.pipeline(f"topic: {into}, format: json, schema: what VARCHAR, key_format: json, key_schema: 'id BIGINT, seen TIMESTAMPTZ', "
               "metadata: { place: offset }", "SELECT * FROM input",
               f"bus, topic: {out}, format: json, key_format: json, key_columns: [id, what]")
    b.run()
    got = [(json.loads(x.key()), json.loads(x.value())) for x in b.consume(out)]
    want = [({"id": i, "what": f"w{i}"}, {"what": f"w{i}", "id": i, "seen": f"2024-02-29T12:00:{i:02}Z", "place": i}) for i in range(30)]
    assert got == want + [({"id": None, "what": "none"}, {"what": "none", "id": None, "seen": None, "place": 30})], got[-3:]
    assert list(got[0][1]) == ["what", "id", "seen", "place"]
    assert [(offset, column) for offset, column, _ in kept(b)] == [(31, "id"), (32, "")], kept(b)
    assert all(reason.startswith("the key: ") for _, _, reason in kept(b))
    # A rebuild and a second life read the same.
    with tempfile.TemporaryDirectory() as folder:
        other = Bench(b.kafka, b.registry, folder, b.number)
        other.pipeline(f"topic: {into}, format: json, schema: what VARCHAR, key_format: json, key_schema: 'id BIGINT', "
                       "on_malformed: permissive, corrupt_record_column: bad", "SELECT what, decode(bad) AS bad, id FROM input WHERE what IS NULL")
        other.run()
        assert m.canonical(other.rows()) == m.canonical(
            [{"what": None, "bad": f'{{"what": "{w}"}}', "id": None} for w in ("bad", "worse")]), other.rows()


KEY = {"type": "record", "name": "Key", "fields": [{"name": "country", "type": "string"}, {"name": "city", "type": ["null", "string"]}]}


def avro_keys(b):
    """Keys by the registry: records, and single values."""
    into, lone, out = b.topic(partitions=1), b.topic("lone", partitions=1), b.topic("out", partitions=1)
    number = b.registry.register(f"{into}-key", KEY)
    cities = [{"country": "AT", "city": f"c{i}" if i % 3 else None} for i in range(100)]
    b.produce(into, [{"key": b.frame(number, KEY, city), "value": str(i)} for i, city in enumerate(cities)])
    b.produce(into, [{"key": b"{}", "value": "bad"}])
    b.pipeline(f"topic: {into}, format: string, key_format: avro", "SELECT country, city, value::INTEGER AS n FROM input",
               f"bus, topic: {out}, format: json, key_format: avro, key_columns: [city, country], key_only: true")
    b.run()
    assert [(offset, column) for offset, column, _ in kept(b)] == [(100, "")], kept(b)
    found = b.registry.ask(f"/subjects/{out}-key/versions/latest")
    schema = fastavro.parse_schema(json.loads(found["schema"]))
    got = []
    for message in b.consume(out):
        magic, number = struct.unpack(">bI", message.key()[:5])
        assert (magic, number) == (0, found["id"])
        got.append((fastavro.schemaless_reader(io.BytesIO(message.key()[5:]), schema), json.loads(message.value())))
    assert got == [({"city": city["city"], "country": "AT"}, {"n": i}) for i, city in enumerate(cities)], got[:3]
    # Single values: in a column of their own, by the registry or by a file.
    number = b.registry.register(f"{lone}-key", {"type": "long"})
    b.produce(lone, [{"key": b.frame(number, {"type": "long"}, i * 1000), "value": "x"} for i in range(5)])
    for more, column in (("", "key"), (", key_schema: id BIGINT", "id"), (", key_schema: id DOUBLE", "id")):
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(b.kafka, b.registry, folder, b.number)
            other.pipeline(f"topic: {lone}, format: string, key_format: avro{more}", f"SELECT {column}::BIGINT AS v FROM input")
            other.run()
            assert other.values() == ([0, 1000, 2000, 3000, 4000] if "DOUBLE" not in more else []), (more, other.values(), kept(other))
    plain = b.topic("plain", partitions=1)
    b.produce(plain, [{"key": b"\x06abc", "value": "x"}])
    with tempfile.TemporaryDirectory() as folder:
        other = Bench(b.kafka, b.registry, folder, b.number)
        (other.folder / "key.avsc").write_text('"string"')
        other.pipeline(f"topic: {plain}, format: string, key_format: avro, key_schema_file: key.avsc", "SELECT key AS v FROM input")
        other.run()
        assert other.values() == ["abc"], other.values()


def headers_both_ways(b):
    into, out, mapped = b.topic(partitions=1), b.topic("out", partitions=1), b.topic("mapped", partitions=1)
    headers = [[("h", b"1"), ("h", b"\xff\x00"), ("none", None), ("empty", b""), ("", b"no name")], [], None]
    b.produce(into, [{"key": "k", "value": str(i), "headers": h} for i, h in enumerate(headers)])
    b.pipeline(f"topic: {into}, format: string, metadata: {{ headers: headers }}",
               "SELECT value, headers FROM input UNION ALL SELECT 'null', NULL FROM input WHERE value = '0'",
               f"bus, topic: {out}, format: json")
    b.run()
    got = {x.value(): x.headers() for x in b.consume(out)}
    assert got == {b'{"value":"0"}': headers[0], b'{"value":"1"}': None, b'{"value":"2"}': None, b'{"value":"null"}': None}, got
    with tempfile.TemporaryDirectory() as folder:
        other = Bench(b.kafka, b.registry, folder, b.number)
        other.pipeline(f"topic: {into}", "SELECT value, map(['trace', 'kind'], [decode(value), 'm']) AS headers FROM input",
                       f"bus, topic: {mapped}, mode: append")
        other.run()
        got = [(x.value(), x.headers()) for x in b.consume(mapped)]
        assert got == [(str(i).encode(), [("trace", str(i).encode()), ("kind", b"m")]) for i in range(3)], got


def bad_options(b):
    topic = b.topic()
    for source, sink, want in (
            ("topic: a, key_schema: id BIGINT", "bus, topic: c", "has raw keys, which have no schema"),
            ("topic: [a, b], key_format: avro", "bus, topic: c", "nothing says what the key's columns are"),
            ("topic: a, key_format: string, key_framing: confluent", "bus, topic: c", "`key_framing: confluent`"),
            ("topic: a, format: csv, framing: confluent, schema: id BIGINT", "bus, topic: c", "not before `format: csv`"),
            ("topic: a", "bus, topic: c, format: json, key_format: json", "nothing says what the keys"),
            ("topic: a", "bus, topic: c, format: json, key_columns: [x]", "has raw keys"),
            ("topic: a", "bus, topic: c, format: json, key_format: json, key_columns: [x], key_framing: confluent", "with Avro only")):
        b.pipeline(source, "SELECT 1 AS x FROM input", sink)
        told = b.refused("validate", b.file)
        assert want in told, (source, sink, told)
    for source, sql, sink, want in (
            (f"topic: {topic}, format: json, schema: 'id BIGINT', key_format: json, key_schema: 'ID BIGINT'", "SELECT id FROM input",
             "bus, topic: c, format: json", "there are two columns ID; one is of the key; leave it out of `schema` or of `key_schema`"),
            (f"topic: {topic}, key_format: json", "SELECT 1 AS x FROM input", "bus, topic: c, format: json",
             "`key_format: json` needs a `key_schema`"),
            (f"topic: {topic}, format: csv", "SELECT 1 AS x FROM input", "bus, topic: c, format: json", "`format: csv` needs a `schema`"),
            (f"topic: {topic}, format: csv, schema: 'a INTEGER[]'", "SELECT 1 AS x FROM input", "bus, topic: c", "can't be read from CSV"),
            (f"topic: {topic}, format: string, schema: 'a INTEGER'", "SELECT 1 AS x FROM input", "bus, topic: c", "one VARCHAR column"),
            (f"topic: {topic}", "SELECT value AS x, topic AS y FROM input", "bus, topic: c, format: string", "made of one column"),
            (f"topic: {topic}", "SELECT [value] AS x FROM input", "bus, topic: c, format: csv", "can't be written as CSV"),
            (f"topic: {topic}", "SELECT topic AS headers FROM input", "bus, topic: c, format: json", "the headers of messages must be"),
            (f"topic: {topic}", "SELECT topic FROM input", "bus, topic: c, format: json, key_format: json, key_columns: [id]",
             "`key_columns` names id")):
        b.pipeline(source, sql, sink + ", create_topic: true")
        told = b.refused("run", b.file, "--once")
        assert want in told, (source, sink, told)


CASES = [bad_options, csv_both_ways, csv_of_another_dialect, texts, json_keys, avro_keys, headers_both_ways]


def main():
    report = m.Report("formats")
    names = sys.argv[1:]
    with servers.Kafka() as kafka, Registry() as registry:
        for number, case in enumerate(CASES):
            if names and case.__name__ not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="millrace-formats-") as folder:
                report.case(case.__name__, lambda: case(Bench(kafka, registry, folder, number)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
