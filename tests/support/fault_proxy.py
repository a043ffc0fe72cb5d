"""A TCP proxy for tests that cuts, delays and stalls connections between millrace and a real server."""
import socket
import threading

CHUNK = 16 * 1024


class FaultProxy:
    """Passes on what comes to `port` to a server's port. A context manager.

    `cut()` resets all connections that are open; `refuse()` lets no new ones in until `accept()`; `stall()` leaves
    connections open and passes nothing on until `go_on()`; `delay_s` is waited before each piece that is passed on.
    `cut_after(bytes)` resets the connection that has passed so many more bytes, once.
    """

    def __init__(self, to_port, to_host="127.0.0.1", at=("127.0.0.1", 0)):
        self.to, self._at = (to_host, to_port), at
        self.delay_s = 0.0
        self.connections = 0
        self.cuts = 0
        self._lock = threading.Lock()
        self._open = set()
        self._threads = []
        self._going = threading.Event()
        self._going.set()
        self._refusing = False
        self._until_cut = None

    def __enter__(self):
        self._listener = socket.create_server(self._at)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self._ended = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._going.set()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self):
        with self._lock:
            self.cuts += len(self._open) // 2
            for one in self._open:
                _reset(one)

    def cut_after(self, count):
        with self._lock:
            self._until_cut = count

    def refuse(self):
        self._refusing = True

    def accept(self):
        self._refusing = False

    def stall(self):
        self._going.clear()

    def go_on(self):
        self._going.set()

    def heard(self, piece):
        """What is to be passed on, either way: for who listens in."""

    def _start(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                _reset(client)
                client.close()
                continue
            try:
                server = socket.create_connection(self.to)
            except OSError:
                _reset(client)
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._start(self._pass_both_ways, client, server)

    def _pass_both_ways(self, client, server):
        back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
        back.start()
        self._pass_on(client, server)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pass_on(self, one, other):
        try:
            while piece := one.recv(CHUNK):
                self.heard(piece)
                if self.delay_s:
                    threading.Event().wait(self.delay_s)
                self._going.wait()
                if self._is_to_be_cut(len(piece)):
                    _reset(one)
                    _reset(other)
                    return
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(one)
            _reset(other)

    def _is_to_be_cut(self, count):
        with self._lock:
            if self._until_cut is None:
                return False
            self._until_cut -= count
            if self._until_cut > 0:
                return False
            self._until_cut = None
            self.cuts += 1
            return True


def _reset(one):
    try:  # not a clean end: the other side must not take it for one
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
