"""HTTP/1.1 as a client speaks it, close to the bytes: what was sent and how an answer ended must be seen exactly."""

import json
import socket
import struct

PATIENCE_SECONDS = 60


class Cut(Exception):
    """The connection ended in the middle of an answer."""


class Connection:
    """One connection. Requests are sent as they are; answers are read piece by piece."""

    def __init__(self, address, timeout=PATIENCE_SECONDS):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def reset(self):
        """Closes so that the other side sees a reset, as when a client's process is killed with data unread."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, path, body=None):
        """Sends a request; a body that is not bytes goes as JSON."""
        self.send(request(method, path, body))

    def line(self):
        try:
            line = self.reader.readline()
        except ConnectionResetError:
            line = b""
        if not line.endswith(b"\n"):
            raise Cut("the connection ended early")
        return line

    def head(self):
        """Status and fields of an answer, their names in lower case."""
        status = int(self.line().split(b" ")[1])
        fields = {}
        while (line := self.line()) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return status, fields

    def exactly(self, count):
        try:
            data = self.reader.read(count)
        except ConnectionResetError:
            data = b""
        if len(data) < count:
            raise Cut("the connection ended early")
        return data

    def pieces(self, fields):
        """The body: chunk by chunk, or whole where it has a length."""
        if fields.get("transfer-encoding") != "chunked":
            yield self.exactly(int(fields.get("content-length", "0")))
            return
        while (size := int(self.line().split(b";")[0], 16)) > 0:
            yield self.exactly(size + 2)[:-2]
        self.line()

    def answer(self):
        """Status, fields and the whole body."""
        status, fields = self.head()
        return status, fields, b"".join(self.pieces(fields))

    def is_closed(self):
        """Whether the server has closed and sent nothing more."""
        try:
            return self.reader.read(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def request(method, path, body=None):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def call(address, method, path, body=None):
    """One request on a connection of its own: its status and its JSON, or its text where it is none."""
    with Connection(address) as connection:
        connection.ask(method, path, body)
        status, _, data = connection.answer()
    try:
        return status, json.loads(data)
    except ValueError:
        return status, data.decode(errors="replace")


def call_ok(address, method, path, body=None):
    """The same where nothing but success will do."""
    status, value = call(address, method, path, body)
    if not 200 <= status < 300:
        raise RuntimeError(f"{method} {path}: {status} {value}")
    return value
