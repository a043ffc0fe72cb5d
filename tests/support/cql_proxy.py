"""A proxy that understands Cassandra's native protocol (v4 and v5, uncompressed): it knows what is asked, and can answer
errors in a real server's place."""
import dataclasses
import io
import struct
import threading
import time
import zlib

from fault_proxy import CHUNK, FaultProxy, _reset

ERROR, READY, AUTHENTICATE, RESULT, PREPARE, EXECUTE, BATCH = 0x00, 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0D
CODES = {"unavailable": 0x1000, "overloaded": 0x1001, "still starting": 0x1002, "write timeout": 0x1100, "read timeout": 0x1200,
         "read failure": 0x1300, "write failure": 0x1500, "server error": 0x0000, "syntax error": 0x2000, "not allowed": 0x2100,
         "invalid": 0x2200, "configuration error": 0x2300}
SEGMENT_MAX = (1 << 17) - 1
ONE_PREPARED = 4  # the kind of a RESULT


@dataclasses.dataclass
class Request:
    """An EXECUTE or a BATCH: the statements' texts, and of each its values."""
    opcode: int
    body: bytes
    texts: list
    values: list
    consistency: int
    at: float = dataclasses.field(default_factory=time.monotonic)

    def is_about(self, table):
        return any(f'."{table}" ' in text + " " for text in self.texts)


@dataclasses.dataclass
class Refusal:
    """What is answered; `done`: after the server has done it all the same, as when a write times out at one of its replicas."""
    code: int
    message: str
    done: bool = False

    def body(self, consistency):
        text = self.message.encode()
        body = struct.pack(">iH", self.code, len(text)) + text
        if self.code in (0x1000, 0x1100, 0x1200, 0x1300, 0x1500):
            body += struct.pack(">Hii", consistency, 2, 1)
        if self.code in (0x1300, 0x1500):
            body += struct.pack(">i", 0)  # nobody's reason
        if self.code in (0x1100, 0x1500):
            body += struct.pack(">H", 6) + b"SIMPLE"
        if self.code in (0x1200, 0x1300):
            body += b"\0"
        return body


class CqlProxy(FaultProxy):
    """`judge` is given each Request and returns None, so that the server answers it, or a Refusal. `requests` has them
    all, and `prepared` the texts that were to be prepared."""
    texts = {}  # of prepared statements; whichever node prepares one gives it the same id

    def __init__(self, to_port, judge=lambda request: None, **more):
        super().__init__(to_port, **more)
        self.judge, self.requests, self.prepared = judge, [], []

    def of_table(self, name):
        return [request for request in self.requests if request.is_about(name)]

    def _pass_both_ways(self, client, server):
        link = _Link(self, client, server)
        back = threading.Thread(target=link.run, args=(server, client, link.answer), daemon=True)
        back.start()
        link.run(client, server, link.ask)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()


class _Link:
    """One connection: envelopes (version, flags, stream, opcode, length), in segments after the greeting if it is of v5."""

    def __init__(self, proxy, client, server):
        self.proxy, self.segments = proxy, False
        self.locks = {client: threading.Lock(), server: threading.Lock()}
        self.client, self.server = client, server
        self.preparing, self.replacing = {}, {}  # by stream

    def run(self, one, other, take):
        raw, envelopes = b"", b""
        try:
            while piece := one.recv(CHUNK):
                raw += piece
                while True:
                    if self.segments:
                        payload, raw = _cut_segment(raw)
                        envelopes += payload
                        progress = bool(payload)
                    else:
                        envelopes, raw, progress = envelopes + raw, b"", False
                    while len(envelopes) >= 9 and len(envelopes) >= 9 + int.from_bytes(envelopes[5:9], "big"):
                        size = 9 + int.from_bytes(envelopes[5:9], "big")
                        whole, envelopes = envelopes[:size], envelopes[size:]
                        was = self.segments
                        take(whole)
                        if self.segments and not was:
                            raw, envelopes, progress = envelopes, b"", True
                    if not progress:
                        break
            other.shutdown(2)
        except OSError:
            _reset(one)
            _reset(other)

    def send(self, to, envelope, plain=False):
        with self.locks[to]:
            to.sendall(envelope if plain or not self.segments else _segments_of(envelope))

    def ask(self, envelope):
        version, _, stream, opcode = struct.unpack(">BBhB", envelope[:5])
        body = envelope[9:]
        if opcode == PREPARE:
            self.preparing[stream] = body[4:4 + int.from_bytes(body[:4], "big")].decode()
            self.proxy.prepared.append(self.preparing[stream])
        if opcode in (EXECUTE, BATCH):
            request = self._request(version & 0x7F, opcode, body)
            self.proxy.requests.append(request)
            refusal = self.proxy.judge(request)
            if refusal is not None:
                error = refusal.body(request.consistency)
                answer = struct.pack(">BBhBi", version | 0x80, 0, stream, ERROR, len(error)) + error
                if not refusal.done:
                    self.send(self.client, answer)
                    return
                self.replacing[stream] = answer
        self.send(self.server, envelope)

    def answer(self, envelope):
        version, _, stream, opcode = struct.unpack(">BBhB", envelope[:5])
        body = envelope[9:]
        text = self.preparing.pop(stream, None)
        if text is not None and opcode == RESULT and int.from_bytes(body[:4], "big") == ONE_PREPARED:
            size = int.from_bytes(body[4:6], "big")
            self.proxy.texts[body[6:6 + size]] = text
        greeted = not self.segments and version & 0x7F >= 5 and opcode in (READY, AUTHENTICATE)
        self.segments |= greeted  # before the client can answer
        self.send(self.client, self.replacing.pop(stream, envelope), plain=greeted)

    def _request(self, version, opcode, body):
        rest = io.BytesIO(body)

        def number(size):
            return int.from_bytes(rest.read(size), "big", signed=size == 4)

        def some(size):  # less than 0: NULL, or not set
            return rest.read(size) if size >= 0 else None

        def values():
            return [some(number(4)) for _ in range(number(2))]
        texts, all_values = [], []
        if opcode == EXECUTE:
            texts.append(self.proxy.texts[some(number(2))])
            if version >= 5:
                some(number(2))
            consistency = number(2)
            if number(4 if version >= 5 else 1) & 1:
                all_values.append(values())
        else:
            number(1)
            for _ in range(number(2)):
                assert number(1) == 1, "not a prepared statement"
                texts.append(self.proxy.texts[some(number(2))])
                all_values.append(values())
            consistency = number(2)
        return Request(opcode, body, texts, all_values, consistency)


def _cut_segment(raw):
    """The payload of the first segment, and the rest; no payload: it is not all there yet."""
    if len(raw) < 6:
        return b"", raw
    size = int.from_bytes(raw[:3], "little") & SEGMENT_MAX
    if len(raw) < 6 + size + 4:
        return b"", raw
    return raw[6:6 + size], raw[6 + size + 4:]


def _segments_of(envelope):
    out = b""
    for at in range(0, len(envelope), SEGMENT_MAX):
        payload = envelope[at:at + SEGMENT_MAX]
        header = (len(payload) | (len(envelope) <= SEGMENT_MAX) << 17).to_bytes(3, "little")
        out += header + _crc24(header).to_bytes(3, "little") + payload
        out += zlib.crc32(payload, zlib.crc32(b"\xfa\x2d\x55\xca")).to_bytes(4, "little")
    return out


def _crc24(data):
    crc = 0x875060
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            crc ^= 0x1974F0B if crc & 0x1000000 else 0
    return crc & 0xFFFFFF
