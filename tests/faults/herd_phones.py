"""Thousands of phones in one loop. Each sends one request, over a connection of its own, until it is answered for good.

One thread, ready-made bytes and no client library: what the phones take of the machine, the servers lack.
"""

import gc
import heapq
import itertools
import json
import select
import socket
import time

# A phone that has waited so long for an answer, or for a connection, hangs up and sends again.
PATIENCE_S = 10
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8
SENT_AGAIN = (408, 429, 502, 503, 504)
SCANNED_AGAIN = ("expired_code", "invalid_code")
CONNECTING, ASKING, IDLE = "connecting", "asking", "idle"


class Phone:
    def __init__(self, member, token, mark, due):
        # `due`: when its owner wants to check in, in seconds after the beginning.
        self.member, self.token, self.mark, self.due = member, token, mark, due
        self.line, self.state, self.received = None, IDLE, b""
        # The same bytes each time, until a new code has to be scanned.
        self.request, self.sent, self.attempts = None, None, []
        self.outcome, self.answer, self.began, self.done = None, None, None, None

    def retries(self):
        return len(self.attempts) - 1


class Loop:
    """`make_request(phone)` gives the bytes to send; `decide(status, body)` says ok, fail, again or scan."""

    def __init__(self, port, make_request, random):
        self.address, self.make_request, self.random = ("127.0.0.1", port), make_request, random
        self.poll, self.phones = select.epoll(), {}
        self.timers, self.order = [], itertools.count()
        self.waiting, self.finished, self.latest = set(), 0, 0.0

    def at(self, when, act, *about):
        heapq.heappush(self.timers, (when, next(self.order), act, about))

    def run(self, until, is_over):
        # A collection in the middle would look like the server's delay.
        gc.collect()
        gc.disable()
        while not is_over() and time.monotonic() < until:
            self.turn(until)
        gc.enable()

    def turn(self, until):
        """Answers first: on a busy machine one that has arrived must not count as late because nobody looked."""
        until = min(until, self.timers[0][0]) if self.timers else until
        for number, events in self.poll.poll(max(0, until - time.monotonic())):
            self.ready(self.phones[number], events)
        # Only what is due by now, or many timers would keep us from the answers.
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            when, _, act, about = heapq.heappop(self.timers)
            self.latest = max(self.latest, time.monotonic() - when)
            act(*about)

    def begin(self, phone):
        """Its owner wants to check in."""
        phone.began = time.monotonic()
        self.waiting.add(phone)
        self.ask(phone)

    def ask(self, phone):
        phone.request = phone.request or self.make_request(phone)
        phone.sent, phone.received = time.monotonic(), b""
        self.at(phone.sent + PATIENCE_S, self.out_of_patience, phone, len(phone.attempts))
        if phone.line is None:
            phone.state = CONNECTING
            self.connect(phone)
        else:
            phone.state = ASKING
            self.send(phone)

    def connect(self, phone):
        phone.line = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        phone.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.phones[phone.line.fileno()] = phone
        phone.line.connect_ex(self.address)
        # It tells when there is a connection, or none.
        self.poll.register(phone.line, select.EPOLLOUT)

    def ready(self, phone, events):
        if phone.state != CONNECTING:
            self.receive(phone)
            return
        error = phone.line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.failed(phone, OSError(error, ""))
            return
        self.poll.modify(phone.line, select.EPOLLIN)
        phone.state = ASKING if phone.request else IDLE
        if phone.request:
            self.send(phone)

    def send(self, phone):
        try:
            # It is smaller than any socket's buffer.
            phone.line.send(phone.request)
        except OSError as error:
            self.failed(phone, error)

    def receive(self, phone):
        try:
            piece = phone.line.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.failed(phone, error)
            return
        phone.received += piece
        if phone.state == IDLE:
            self.hang_up(phone)  # closed by the other side, as nothing has been asked
        elif is_complete(phone.received):
            self.answered(phone)
        elif not piece:
            self.failed(phone, ConnectionResetError())

    def answered(self, phone):
        status, headers, body = parse(phone.received)
        told = {"status": status, "code": body.get("code", "") if status >= 400 else "", "retry_after": headers.get("retry-after")}
        if status >= 500 and "x-request-id" not in headers:
            told["code"] += " (said the balancer)"
        self.note(phone, **told)
        phone.state = IDLE
        if headers.get("connection") == "close":
            self.hang_up(phone)
        if status < 300:
            self.finish(phone, "ok", body)
        elif told["code"] in SCANNED_AGAIN:
            phone.request = None
            self.again(phone, 0)
        elif status in SENT_AGAIN:
            self.again(phone, float(told["retry_after"] or 0))
        else:
            self.finish(phone, "fail", {"status": status, "code": told["code"]})

    def failed(self, phone, error):
        """Nobody can tell what became of the request, if one was under way."""
        was_asking = phone.state != IDLE and phone.request
        self.hang_up(phone)
        if was_asking:
            self.note(phone, error=type(error).__name__)
            self.again(phone, 0)

    def out_of_patience(self, phone, attempt):
        if len(phone.attempts) == attempt and phone.outcome is None:
            self.failed(phone, TimeoutError())

    def again(self, phone, at_least):
        """Backoff with jitter, and never before the server wants it."""
        phone.state = IDLE
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** phone.retries()) * self.random.uniform(0.5, 1)
        if at_least:
            pause = max(pause, at_least + self.random.uniform(0, 1))
        self.at(time.monotonic() + pause, self.ask, phone)

    def finish(self, phone, outcome, answer):
        phone.outcome, phone.answer, phone.done = outcome, answer, time.monotonic()
        self.waiting.discard(phone)
        self.finished += 1

    def note(self, phone, **told):
        phone.attempts.append({"kind": "check_in", "sent": phone.sent, "at": time.monotonic(), **told})

    def hang_up(self, phone):
        phone.state = IDLE
        if phone.line is not None:
            del self.phones[phone.line.fileno()]
            phone.line.close()  # which takes it out of the poll, too
            phone.line = None

    def close(self):
        for phone in list(self.phones.values()):
            self.hang_up(phone)
        self.poll.close()


def is_complete(received):
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    at = head.lower().find(b"content-length:")
    return at >= 0 and len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0])


def parse(received):
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    try:
        return int(lines[0].split(" ")[1]), headers, json.loads(body)
    except ValueError:
        return int(lines[0].split(" ")[1]), headers, {}


def check_in_request(port, token, body):
    data = json.dumps(body).encode()
    head = (
        f"POST /api/v1/check-ins HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data
