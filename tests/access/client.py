"""One kept-alive connection, and an answer that can be compared. Nothing here knows what is asked.

HTTP is spoken by hand, as much of it as the server answers with: the standard library's client costs more than the server.
"""

import json
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field

BASE = "/api/v1"
# They differ between two answers that say the same: the time, the request, and whether the server has read the rest of a body.
PASSING_HEADERS = {"date", "x-request-id", "connection", "x-experience-api-consistent-through"}


# All that was done, and all that was refused with 403, of every client: what the audit log is compared with.
heard = []


class Closed(Exception):
    """The server has closed a connection that was kept."""


class Unexpected(Exception):
    """An answer that the world cannot be made without."""


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes
    request: str = ""
    # Who asked, by what they showed, and between which instants it was answered.
    by: str = ""
    method: str = ""
    path: str = ""
    begun: float = 0.0
    ended: float = 0.0
    _json: object = field(default=None, repr=False)

    @property
    def json(self):
        if self._json is None:
            try:
                self._json = json.loads(self.body)
            except ValueError:
                self._json = {}
        return self._json

    def expect(self, *statuses):
        if self.status not in statuses:
            raise Unexpected(f"{self.request} -> {self.status} {self.body[:600].decode(errors='replace')}")
        return self

    @property
    def id(self):
        return self.json["id"]

    def likeness(self):
        """All that tells somebody anything: what two refusals must have in common to the byte."""
        headers = {k: v for k, v in self.headers.items() if k not in PASSING_HEADERS}
        request_id = self.headers.get("x-request-id", "").encode()
        body = self.body.replace(request_id, b"-") if request_id else self.body
        return self.status, headers, body


class Client:
    """Speaks to one server over one connection, with one token or none."""

    def __init__(self, address, authorization=""):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.authorization = authorization
        self.connection = None
        # Makers are asked by whoever needs something made.
        self.turn = threading.RLock()

    def send(self, method, path, body=None, headers=None):
        """`path` is below the base, or begins with it. A body that is no bytes is sent as JSON."""
        headers = dict(headers or {})
        if self.authorization:
            headers["Authorization"] = self.authorization
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        path = path if path.startswith((BASE, "/c/", "/healthz")) else BASE + path
        begun = time.time()
        reply = self._patiently(method, path, body, headers)
        reply.by, reply.method, reply.path, reply.begun, reply.ended = self.authorization, method, path, begun, time.time()
        sent = body.decode(errors="replace") if body and len(body) < 2000 else ("…" if body else "")
        reply.request = f"{method} {path} {sent}".strip()
        if reply.status == 403 or (reply.status < 300 and method not in ("GET", "OPTIONS")):
            heard.append(reply)
        return reply

    def _patiently(self, method, path, body, headers):
        """Repeats what a busy machine could not do in time: a 503 says to."""
        for _ in range(5):
            with self.turn:
                reply = self._anew_if_closed(method, path, body, headers)
            if reply.status != 503:
                break
            time.sleep(1)
        return reply

    def _anew_if_closed(self, method, path, body, headers):
        try:
            return self._once(method, path, body, headers)
        except (OSError, Closed):
            # A kept connection may have been closed meanwhile; a fresh one may not.
            self.close()
            return self._once(method, path, body, headers)

    def open_stream(self, path):
        """What a live screen is sent, line by line, until it ends or this is closed."""
        status, found = self._ask("GET", BASE + path, None, {"Authorization": self.authorization})
        if status != 200:
            raise Unexpected(f"GET {path} -> {status} {self._body(status, found)[:300].decode(errors='replace')}")
        return self.answers

    def _once(self, method, path, body, headers):
        status, found = self._ask(method, path, body, headers)
        if found.get("content-type", "").startswith("text/event-stream"):
            # A live screen has no end: its first event is the whole state.
            text = b"".join(self.answers.readline() for _ in range(4))
            self.close()
            return Reply(status, found, text)
        reply = Reply(status, found, self._body(status, found))
        if found.get("connection") == "close":
            self.close()
        return reply

    def _ask(self, method, path, body, headers):
        if self.connection is None:
            self.connection = socket.create_connection((self.host, self.port), timeout=30)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.answers = self.connection.makefile("rb")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"Content-Length: {len(body or b'')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        return self._head()

    def _head(self):
        line = self.answers.readline()
        if not line:
            raise Closed
        found = {}
        while (header := self.answers.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(":")
            found[name.lower()] = value.strip()
        return int(line.split()[1]), found

    def _body(self, status, found):
        if status in (204, 304):
            return b""
        if found.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks())
        return self.answers.read(int(found.get("content-length", 0)))

    def _chunks(self):
        while size := int(self.answers.readline(), 16):
            yield self.answers.read(size)
            self.answers.readline()
        self.answers.readline()

    def close(self):
        if self.connection:
            self.answers.close()
            self.connection.close()
        self.connection = None

    def get(self, path, **headers):
        return self.send("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        """For making the world: done once, however often it has to be sent."""
        return self.send("POST", path, body, {"Idempotency-Key": str(uuid.uuid4()), **(headers or {})})

    def put(self, path, body, version="*"):
        return self.send("PUT", path, body, {"If-Match": version})
