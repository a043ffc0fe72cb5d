#!/usr/bin/env python3
"""Writes the seeds of fuzz/corpus: a beginning for the fuzzer, one file for each idea.

Usage: fuzz/make_seeds.py

Files that are there already and are no seeds, such as former findings, are left alone.
"""
import bz2
import json
import lzma
import os
import struct
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def long(value):
    """A number as Avro writes it."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def sized(value):
    data = value.encode() if isinstance(value, str) else value
    return long(len(data)) + data


def schema(value):
    return json.dumps(value, separators=(",", ":")).encode()


def record(name, /, **fields):
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def avro_decoder():
    flat = (b"\x01" + long(-5) + long(1 << 40) + struct.pack("<f", 1.5) + struct.pack("<d", -0.0) + sized("é text")
            + sized(b"\x00\xff") + long(1) + long(7) + long(1) + long(2) + b"abc")
    yield "flat", b"\x00" + flat
    yield "flat-two-records", b"\x00" + flat + flat
    logical = (long(19782) + long(86399999) + long(1) + long(1709164800000) + long(-1) + long(1709164800000000001)
               + long(0) + long(5) + sized(b"\x04\xd2") + b"\xff" * 16 + sized("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
               + bytes(range(16)) + struct.pack("<III", 1, 2, 3))
    yield "logical", b"\x01" + logical
    strings = long(2) + long(1) + sized("a") + long(0) + long(0)
    nested = (strings + long(-1) + long(4) + long(1) + long(7) + long(0) + long(0)
              + long(1) + sized("k") + long(2) + long(1) + long(2) + long(0) + long(0)
              + long(1) + struct.pack("<d", 2.5) + long(1) + sized("m") + sized(b"v") + long(0) + long(0))
    yield "nested", b"\x02" + nested
    yield "unions", (b"\x03" + long(3) + long(1) + long(9) + long(0) + long(2) + long(1) + sized("p") + long(2)
                     + long(1) + long(0) + long(0) + struct.pack("<d", 1.0) + sized("end"))
    yield "empty-values", b"\x04" + long(100000) + long(0) + long(5) + long(0) + long(2) + long(3) + long(0) + long(0) + long(0)
    yield "own-schema", schema(record("R", a="long", b={"type": "map", "values": "string"})) + b"\0" + long(3) + long(0)
    recursive = record("Node", value="int", next=["null", "Node"])
    yield "own-recursive", schema(recursive) + b"\0" + long(1) + long(1) + long(2) + long(0)
    # Found: two fields of one name.
    yield "own-branches-of-one-name", schema(record("R", a=[{"type": "map", "values": "int"}, record("map", x="int")])) + (
        b"\0" + long(1) + long(5))
    yield "length-below-zero", b"\x00\x01" + long(1) + long(1) + bytes(12) + long(-3)
    yield "number-too-long", b"\x00\x01" + b"\xff" * 12


def avro_schema():
    order = {"type": "record", "name": "Order", "namespace": "shop", "aliases": ["Purchase"], "doc": "x", "fields": [
        {"name": "id", "type": "long", "aliases": ["key"]},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "DONE"], "default": "NEW"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 0},
        {"name": "hash", "type": {"type": "fixed", "name": "H", "size": 4}, "default": "\u00ff\u0000ab"},
        {"name": "lines", "type": {"type": "array", "items": record("Line", sku="string", parent=["null", "Order"])},
         "default": []},
        {"name": "tags", "type": {"type": "map", "values": ["null", "double"]}, "default": {"a": None}}]}
    yield "order", schema(order)
    reader = {"type": "record", "name": "Purchase", "fields": [
        {"name": "key", "type": "double", "aliases": ["id"]},
        {"name": "more", "type": record("M", x="int", y={"type": "array", "items": "string"}),
         "default": {"x": 3, "y": ["q"]}},
        {"name": "state", "type": ["null", {"type": "enum", "name": "State", "symbols": ["DONE"], "default": "DONE"}]}]}
    yield "order-as-another", schema(order) + b"\0" + schema(reader) + b"\0" + long(5) + long(1)
    writer = record("R", a=["null", "int", "string"], b="int", c="float")
    wanted = record("R", a=["string", "long"], b="double", c=["null", "double"])
    yield "promotions", schema(writer) + b"\0" + schema(wanted) + b"\0" + long(1) + long(2) + long(3) + bytes(4)
    yield "lone-name", b"long"
    # Found: the reason was no UTF-8.
    yield "no-utf8", b"lo" + b"\xf0" * 90
    yield "letter-at-the-cut", schema([["x" * 73 + "\u00e9" * 9]]).decode("unicode_escape").encode()
    # Found: slow, and read what was gone.
    yield "unknown-name", schema(record("R", a="lnog", b="x" * 300))
    yield "names-with-spaces", schema(record("a b", **{"c-d": "string"}))
    yield "dots-before-a-name", schema(record("...R", a="int"))
    for logical in ("date", "time-millis", "uuid", "duration", "local-timestamp-nanos"):
        yield "logical-" + logical, schema({"type": {"date": "int", "time-millis": "int", "uuid": "string"}.get(
            logical, "long"), "logicalType": logical})
    deep = "int"
    for _ in range(60):
        deep = {"type": "array", "items": deep}
    yield "deep", schema(record("R", a=deep))


def avro_framing():
    def message(schema_id, body):
        framed = b"\0" + struct.pack(">I", schema_id) + body
        return bytes([len(framed)]) + framed
    one, two = long(7), long(8) + long(1) + sized("t") + long(0)
    three = long(1) + sized("n") + long(1) + sized("k") + bytes(8) + long(0) + long(9)
    yield "one-of-each", message(0, one) + message(1, two) + message(2, three)
    yield "over-chunks", message(1, two) + b"\xff" + message(1, two) + message(0, one)
    yield "unknown-number", message(77, one) + message(0, one)
    yield "no-frame", b"\x03\x01\x02\x03" + b"\x00" + message(0, one)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def avro_container():
    records = b"".join(long(i) + sized("name " + str(i)) for i in range(5))
    snappy = bytes([len(records)]) + bytes([len(records) - 1 << 2]) + records
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    zstd_raw_block = (b"\x28\xb5\x2f\xfd\x20" + bytes([len(records)])
                      + struct.pack("<I", len(records) << 3 | 1)[:3] + records)
    blocks = {"null": records, "deflate": raw.compress(records) + raw.flush(), "bzip2": bz2.compress(records),
              "snappy": snappy + struct.pack(">I", zlib.crc32(records)), "zstandard": zstd_raw_block,
              "xz": lzma.compress(records)}
    marker = b"0123456789abcdef"
    for number, (codec, block) in enumerate(blocks.items()):
        metadata = [("avro.schema", schema(record("R", id="int", name="string"))), ("avro.codec", codec.encode())]
        header = b"Obj\x01" + long(len(metadata)) + b"".join(sized(k) + sized(v) for k, v in metadata) + b"\0" + marker
        file = header + (long(5) + sized(block) + marker) * 2
        yield codec, bytes([number * 16]) + file
        yield codec + "-small-reads", bytes([number * 16 + 7]) + file
    # Found: the reason was no UTF-8.
    yield "codec-no-utf8", b"\x00Obj\x01" + long(2) + sized("avro.schema") + sized('"int"') + sized("avro.codec") + (
        sized(b"lz\xff") + b"\0" + marker)
    yield "schema-no-utf8", b"\x00Obj\x01" + long(1) + sized("avro.schema") + sized(b'{"type":"r\xffcord"}') + b"\0" + marker
    yield "lost-and-found", b"\x01" + header.replace(b"xz", b"null").replace(long(2) + b"null", long(4) + b"null") + (
        b"\xff" * 20 + marker + long(5) + sized(records) + marker)


def json_decoder():
    options = b"\x00\x40\x10\x33\x81\xc4"
    texts = [
        (0, r'{"text":"a \"b\" \u00e9 \\ é €","id":12,"f":-0.5e+3,"ok":true,"more":[1,{"a":null}]}'),
        (0, ' {"ID" : "7" , "id" : 1e2, "text" : { "a" : [ ] } , "f":"1.5"} '),
        (1, '{"a":-128,"b":65535,"c":170141183460469231731687303715884105727,"d":"18446744073709551615",'
            '"e":3.4e38,"g":12.345,"h":"-0.0000000001","text":1}'),
        (2, '{"d":"2024-02-29","t":"23:59:59.123456","s":1709164800,"ms":"2024-02-29T12:00:00+02:00",'
            '"us":"1582-10-15 00:00:00.1234567Z","ns":9223372036854775806,"tz":"2024-02-29T24:00:00","text":null}'),
        (3, r'{"b":"AP9h","u":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","é \"x\"":"\ud834\udd1e","text":"x"}'),
        (4, '{"list":["a",null,1],"map":{"k":1,"k":2,"l":null},"row":{"x":1,"y":{"z":["q"]}}}'),
        (5, '{"deep":[{"a":{"k":[{"b":[["2024-01-01"]],"c d":1}]}}],"maps":{"a":{"b":true}}}'),
        (6, "{" + ",".join('"c%d":%s' % (i, i if i % 2 == 0 else '"%d"' % i) for i in range(70)) + "}"),
        (7, 'MAP(VARCHAR, STRUCT(a DECIMAL(9,3), "B" UUID[]))\0{"v":{"x":{"a":1.5,"b":[]}}}'),
        (0, '{"text":"' + "x" * 70 + '\\n","pad":' + " " * 20 + "1e5\n\t}"),
        (0, '{"a":' + "[" * 40 + "]" * 40 + "}"),
    ]
    for number, (columns, text) in enumerate(texts):
        for option in options[number % 2::2]:
            yield f"columns-{columns}-options-{option:02x}-{number}", bytes([columns, option]) + text.encode()
    yield "no-utf8", b"\x00\x00" + b'{"text":"\xed\xa0\x80"}'
    yield "byte-order-mark", b"\x00\x00\xef\xbb\xbf{}"
    yield "nothing", b"\x00\x00"


def http_requests():
    yield "get", b"rGET /a/b%20c?x=1+2&y=%C3%A9 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n"
    yield "length", b"rPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    yield "chunks", (b"rPUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n")
    yield "no-chunks", b"rPUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "two-lengths", b"rPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
    yield "header-in-two-lines", b"rGET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"
    yield "of-a-proxy", b"rGET http://host:80/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    yield "target", b"t/a%2Fb/%E2%82%AC?token=x&y=%26&&z"
    yield "target-dots", b"t/a/%2e%2E/b"
    yield "authorization", b"aBasic YW5uOnBhc3M="
    yield "bearer", b"abearer abc"
    yield "encodings", b"ebr;q=0.5, gzip;q=0.25, identity;q=0, *;q=1.000"


def json_infer():
    yield "kinds", (b'{"a":1,"b":true,"c":"2024-02-29","d":{"x":[1,2.5],"y":null},"e":[{"z":1}]}\n'
                    b'{"A":170141183460469231731687303715884105727,"c":"2024-02-29T00:00:00","d":{"x":[],"q":"t"},"f":1e400}\n')
    yield "times", b'{"a":"2024-02-29T00:00:00Z","b":"2024-02-29T00:00:00+01:00"}\n{"a":"2024-02-29T00:00:00","b":null}'
    yield "mixtures", b'{"a":1}\n{"a":"x"}\n{"a":[1]}\n{"a":{"b":1}}\n\n[1]\n{"":1,"\\u0061":2}'
    yield "quoted-names", b'{"a \\"b\\", c":{"d)e":1,"f\\u0000":2}}'
    yield "byte-0-behind", b'{"a":1}\0\0'
    yield "deep", b'{"a":' + b'[{"b":' * 70 + b"1" + b"}]" * 70 + b"}"


def debezium():
    envelope = {"before": None, "after": {"id": 1, "name": "é"}, "source": {"db": "x"}, "op": "c", "ts_ms": 1709164800000}
    yield "create", schema(envelope)
    yield "with-schema", schema({"schema": {"type": "struct", "fields": []}, "payload": envelope})
    yield "delete", schema({**envelope, "op": "d", "before": {"id": 1}, "after": None})
    yield "truncate", schema({"op": "t", "ts_ms": None})
    yield "tombstone", b""
    yield "null", b"null"
    yield "null-payload", b'{"payload":null}'
    # Found: the reason was no UTF-8.
    yield "unknown-op", '{"op":"éééééééééééééé"}'.encode()


def cassandra_frames():
    def text(value):
        return struct.pack(">H", len(value)) + value.encode()

    def cell(value):
        return struct.pack(">i", len(value)) + value

    def rows(*columns):
        """One row: names, types and values."""
        body = struct.pack(">iii", 2, 1, len(columns)) + text("ks") + text("t")
        body += b"".join(text(name) + kind for name, kind, _ in columns) + struct.pack(">i", 1)
        return body + b"".join(cell(value) for _, _, value in columns)

    def envelope(opcode, body, flags=0, version=0x84):
        return struct.pack(">BBhBI", version, flags, 1, opcode, len(body)) + body
    fixed = rows(("i", b"\0\x09", b"\0\0\0\7"), ("t", b"\0\x0d", "é".encode()), ("d", b"\0\x06", b"\0\0\0\2\0\x96"),
                 ("v", b"\0\x0e", b"\x80" * 20), ("u", b"\0\x0c", bytes(16)), ("a", b"\0\x10", bytes(4)),
                 ("du", b"\0\x15", b"\x1c\6\xfc\x1a\xc0\x3f\x6a\xb2\0"), ("dt", b"\0\x11", b"\x80\0\0\0"))
    nested = rows(("l", b"\0\x20\0\x22\0\x09", struct.pack(">i", 1) + cell(struct.pack(">i", 1) + cell(bytes(4)))),
                  ("m", b"\0\x21\0\x0d\0\x09", struct.pack(">i", 1) + cell(b"k") + cell(bytes(4))),
                  ("p", b"\0\x30" + text("ks") + text("u") + b"\0\1" + text("f") + b"\0\x0d", cell(b"x")),
                  ("tp", b"\0\x31\0\2\0\x09\0\x0d", cell(bytes(4)) + struct.pack(">i", -1)),
                  ("ve", b"\0\0" + text("org.apache.cassandra.db.marshal.VectorType(FloatType , 2)"), bytes(8)))
    yield "rows", b"\x88" + fixed
    yield "rows-nested", b"\x88" + nested
    yield "error", b"\x08" + struct.pack(">i", 0x1100) + text("late")
    yield "supported", b"\x68" + b"\0\1" + text("COMPRESSION") + b"\0\1" + text("lz4")
    yield "prepared", b"\x98" + struct.pack(">i", 4) + text("id") + struct.pack(">iiih", 1, 1, 1, 0) + text("k") + text("t") + \
        text("p") + b"\0\x09" + struct.pack(">ii", 4, 0)
    yield "frames", b"\0" + envelope(8, fixed) + envelope(2, b"")
    yield "frame-lz4", b"\4" + envelope(8, struct.pack(">I", 20) + b"\x1fa\1\0\x00\x50aaaaa", 1)
    yield "frame-lz4-much-of-little", b"\4" + envelope(8, struct.pack(">I", 200_000_000) + b"\x10a", 1)
    yield "warnings", b"\0" + envelope(8, b"\0\1" + text("careful") + fixed, 8)
    # By another client: "hello, segment", which is no envelope.
    yield "segment", b"\3" + bytes.fromhex("0e0002e7a74f68656c6c6f2c207365676d656e7462b18f9c")
    yield "nested-types", b"\x88" + struct.pack(">iii", 2, 1, 1) + text("k") + text("t") + text("c") + b"\0\x20" * 3000


def binlog():
    document = bytes.fromhex("00020029001200010013000200021500072500616262030010000501000c0d000400000178007011 0100".replace(" ", ""))
    yield "json", b"\0" + document
    yield "json-opaque", b"\0\x0f\xf6\x06\x06\x03\x80\x01\x00\x05"
    yield "json-time", b"\0\x0f\x0c\x08" + struct.pack("<Q", 0x19B27AC8B8000000)
    yield "json-double", b"\0\x0b" + struct.pack("<d", 1.5e-20)
    # shop.t (id INT UNSIGNED, name VARCHAR(20), price DECIMAL(10,2), at DATETIME(3), e ENUM('a','b'), doc JSON), and two rows.
    table = (b"\4shop\0\1t\0" + bytes([6, 3, 15, 246, 18, 254, 245, 8, 80, 0, 10, 2, 3, 247, 1, 4, 0x3F, 1, 1, 0x80, 2, 1, 45])
             + b"\4\x17\2id\4name\5price\2at\1e\3doc" + b"\6\5\2\1a\1b")
    row = (b"\0" + b"\xff" * 4 + b"\3Zoe" + bytes.fromhex("7ffffffbce99b2bac8b81ebe02") + struct.pack("<I", 2) + b"\4\1")
    yield "rows", b"\1" + bytes([len(table)]) + table + row + row
    wrong = table.replace(b"name", b"\xcaame").replace(bytes([6, 3, 15]), bytes([6, 3, 120]))  # found: a message that was no UTF-8
    yield "rows-name-no-utf8", b"\1" + bytes([len(wrong)]) + wrong + row
    text = b"rows of an event" * 20
    yield "deflated", b"\2\x82" + struct.pack(">H", len(text)) + zlib.compress(text)
    event = struct.pack("<IBIIIH", 0, 19, 1, 22, 0, 0) + b"map"
    yield "payload-plain", b"\3" + bytes([2, 3, 252, 255, 0, 1, 1, len(event) * 2, 0]) + event + event
    yield "statement-drop", b"\4DROP TABLE IF EXISTS `a`, \"shop\".t /*!50100 RESTRICT */"
    yield "statement-alter", b"\4alter /* why */ table t add column x text comment 'a\\'b', drop partition p"


def registry():
    one = {"subject": "a", "version": 1, "id": 7, "schema": json.dumps(record("R", a="B")), "references": [
        {"name": "B", "subject": "b-value", "version": 2}]}
    two = {"subject": "b-value", "version": 2, "id": 3, "schema": json.dumps(record("B", x="long"))}
    yield "schema", b"\x00" + schema(two)
    yield "references", b"\x00" + schema(one) + b"\0" + schema(two)
    yield "references-in-a-circle", b"\x00" + schema(one) + b"\0" + schema({**one, "schema": two["schema"]})
    yield "lone-name", b"\x00" + schema({"schema": "\"long\""})
    yield "other-type", b"\x00" + schema({"schemaType": "JSON", "schema": "{}"})
    yield "unknown", b"\x01" + schema({"error_code": 40403, "message": "Schema not found"})
    yield "long-message", b"\x04" + schema({"error_code": 409, "message": "é" * 400})
    yield "page", b"\x01<html>"
    yield "verdict", b"\x00" + schema({"is_compatible": True})
    yield "negative", b"\x00" + schema({"id": -1, "version": 1 << 40})


def sql_type():
    for number, text in enumerate([
            "BIGINT", "timestamp with time zone", "DECIMAL(38,10)", "DECIMAL", "VARCHAR[][]", "INTEGER[3]",
            'STRUCT(a INTEGER, "b ""c" DECIMAL(12,2)[], "" MAP(VARCHAR, UUID))', "MAP(VARCHAR, STRUCT(x DATE)[])",
            "ENUM('a', 'b')", "STRUCT(a STRUCT(b STRUCT(c BLOB)))", "DECIMAL(4294967297, 2)", "DECIMAL(5,9)",  # found: read as another
            "DATE" + "[]" * 3000, "STRUCT(a " * 1000]):  # deep enough to be told from a limit
        yield f"type-{number}", text.encode()


def main():
    for target in (avro_container, avro_decoder, avro_framing, avro_schema, binlog, cassandra_frames, debezium, http_requests,
                   json_decoder, json_infer, registry, sql_type):
        folder = os.path.join(ROOT, target.__name__)
        os.makedirs(folder, exist_ok=True)
        for name, data in target():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
