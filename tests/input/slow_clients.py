"""Part `slow`: clients that drip, hang, claim and flood, while an honest one is served. Promise P15."""

import http.client
import io
import json
import re
import shutil
import socket
import statistics
import subprocess
import threading
import time

from report import Findings
from server import Server, sign_in

LIMIT_S = 3  # server.request_timeout_s of a short run
HONEST_S = 1.0  # within which an honest request is answered, whatever the others do; on a busy machine
BUSY = 4  # so many times what it takes without the others
GROWTH_KIB = 96 * 1024  # of the server's memory, after all of it
LOGIN = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = "GET /api/v1/home HTTP/1.1\r\nHost: x\r\n"


class Case:
    """Bytes to send; the statuses that may answer; whether the answer must be a problem document."""

    def __init__(self, name, sent, statuses, problem=True):
        self.name, self.statuses, self.problem = name, statuses, problem
        self.sent = sent if isinstance(sent, bytes) else sent.encode()


def nested(depth):
    """An account of `depth` levels, counted with the object around it."""
    return '{"account":' + "[" * (depth - 1) + "]" * (depth - 1) + ',"password":"x"}'


def with_body(body, head=LOGIN):
    return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}"


def chunked(*chunks, head=LOGIN):
    text = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks)
    return f"{head}Transfer-Encoding: chunked\r\n\r\n{text}0\r\n\r\n"


def sizes():
    body = '{"account":"%s","password":"x"}'
    return [
        Case("a header of 17 KiB", f"{GET}X-Padding: {'x' * 17 * 1024}\r\n\r\n", {431}),
        Case("a header of 300 KiB", f"{GET}X-Padding: {'x' * 300 * 1024}\r\n\r\n", {431, 400}, problem=False),
        Case("150 headers", GET + "".join(f"X-{n}: y\r\n" for n in range(150)) + "\r\n", {431, 400}, problem=False),
        Case("an address of 20 KiB", f"GET /api/v1/home?q={'x' * 20 * 1024} HTTP/1.1\r\nHost: x\r\n\r\n", {414, 431}),
        Case("a path of 4,000 parts", f"GET /{'a/' * 4000} HTTP/1.1\r\nHost: x\r\n\r\n", {404, 414}),
        Case("a body of 65,537 bytes", with_body(body % ("x" * (65_537 - 29))), {413}),
        Case("a claim of 1 GB, nothing sent", f"{LOGIN}Content-Length: 1073741824\r\n\r\n", {413}),
        Case("a claim of 2^64", f"{LOGIN}Content-Length: 18446744073709551616\r\n\r\n", {400, 413}, problem=False),
        Case("chunks of 100 KiB in all", chunked(*["x" * 10_240] * 10), {413, 400}),
        Case("a header of 8 KiB is all right", f"{GET}X-Padding: {'x' * 8 * 1024}\r\n\r\n", {401}),
        Case("a body of 60 KiB is all right", with_body(body % ("x" * 60_000)), {401, 422}),
    ]


def depths():
    return [
        Case("JSON 33 deep", with_body(nested(33)), {400, 422}),
        Case("JSON 5,000 deep", with_body(nested(5_000)), {400, 422}),
        Case("an array 30,000 deep", with_body("[" * 30_000), {400, 422}),
        Case("objects 5,000 deep", with_body('{"a":' * 5_000 + "1" + "}" * 5_000), {400, 422}),
        Case("a number of 60,000 digits", with_body('{"account":' + "9" * 60_000 + "}"), {400, 422}),
        Case("1e999", with_body('{"account":1e999,"password":"x"}'), {400, 422}),
        Case("a lone surrogate", with_body('{"account":"\\ud800","password":"x"}'), {400, 422}),
        Case("NUL in a string", with_body('{"account":"a\\u0000b","password":"x"}'), {401, 422}),
        Case("bytes that are no UTF-8", LOGIN.encode() + b"Content-Length: 4\r\n\r\n\"\xff\xfe\"", {400, 422}),
        Case("a byte order mark", with_body("\ufeff{}"), {400, 422}),
        Case("nothing", with_body(""), {400, 422}),
    ]


def chunk_abuse():
    head = f"{LOGIN}Transfer-Encoding: chunked\r\n\r\n"
    return [
        Case("a chunk size of 17 digits", f"{head}FFFFFFFFFFFFFFFF1\r\nx\r\n0\r\n\r\n", {400, 413}),
        Case("a negative chunk size", f"{head}-1\r\nx\r\n0\r\n\r\n", {400}),
        Case("a chunk size that is a word", f"{head}ten\r\nx\r\n0\r\n\r\n", {400}),
        Case("a chunk longer than told", f"{head}1\r\nxyz\r\n0\r\n\r\n", {400}),
        Case("a chunk extension of 64 KiB", f"{head}2;a={'x' * 65_536}\r\n{{}}\r\n0\r\n\r\n", {400, 413, 422, 431}),
        Case("10,000 chunks of one byte", chunked(*['{"account":"' + "x"] + ["y"] * 10_000 + ['","password":"x"}']), {401, 422, 400}),
        Case("chunked twice", f"{LOGIN}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 422}, problem=False),
        Case("an unknown coding", f"{LOGIN}Transfer-Encoding: xchunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n", {400, 501}, problem=False),
    ]


def smuggling():
    return [
        Case("both lengths", f"{LOGIN}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}, problem=False),
        Case("two lengths that differ", f"{LOGIN}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x", {400}, problem=False),
        Case("a length with a sign", f"{LOGIN}Content-Length: +2\r\n\r\n{{}}", {400}, problem=False),
        Case("a negative length", f"{LOGIN}Content-Length: -2\r\n\r\n{{}}", {400}, problem=False),
        Case("a list of lengths", f"{LOGIN}Content-Length: 2, 2\r\n\r\n{{}}", {400}, problem=False),
        Case("a space before the colon", f"{GET}X-A : b\r\n\r\n", {400}, problem=False),
        Case("a folded header", f"{GET}X-A: b\r\n c\r\n\r\n", {400}, problem=False),
        Case("a header without a colon", f"{GET}nothing\r\n\r\n", {400}, problem=False),
        Case("NUL in a header", f"{GET}X-A: a\0b\r\n\r\n", {400}, problem=False),
        Case("a bare CR in a header", f"{GET}X-A: a\rb\r\n\r\n", {400}, problem=False),
        Case("HTTP/3.0", "GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", {400, 505}, problem=False),
        Case("HTTP/2 without being asked", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}, problem=False),
        Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", {400}, problem=False),
        Case("a path out of the tree", "GET /api/v1/../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", {404, 400}),
        Case("an encoded path out of the tree", "GET /c/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n", {404, 400}),
        Case("NUL in a path", "GET /api/v1/events/%00 HTTP/1.1\r\nHost: x\r\n\r\n", {401, 404, 400}),
        Case("no UTF-8 in a path", "GET /api/v1/events/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", {401, 404, 400}),
        Case("no UTF-8 in a query", "GET /api/v1/events?form=%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", {401, 422, 400}),
        Case("another method", "BREW /api/v1/home HTTP/1.1\r\nHost: x\r\n\r\n", {405}),
        Case("CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 405}),
    ]


def drips(limit_s):
    """Cut off at the deadline. What is answered then must be 408; headers that drip may be cut without a word."""
    return [
        Case("headers that never end", GET, {408, None}, problem=False),
        Case("a body that never ends", f"{LOGIN}Content-Length: 50\r\n\r\n{{", {408}),
        Case("chunks that never end", f"{LOGIN}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n", {408}),
    ]


def answer(server, case, wait_s=5.0):
    """(status, header, body) of the first answer; status None when the connection just ended."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait_s) as connection:
        try:
            connection.sendall(case.sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered and closed before all of it was read, which is what huge input deserves
        return read_answer(connection)


def read_answer(connection):
    data = b""
    try:
        while b"\r\n\r\n" not in data or missing(data):
            piece = connection.recv(65_536)
            if not piece:
                break
            data += piece
    except ConnectionResetError:
        pass
    if not data:
        return None, {}, b""
    parsed = http.client.HTTPResponse(Replay(data))
    parsed.begin()
    return parsed.status, {name.lower(): value for name, value in parsed.getheaders()}, parsed.read()


def missing(data):
    """Does the body still lack something?"""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        return len(body) < int(length[1])
    return b"chunked" in head.lower() and not body.endswith(b"0\r\n\r\n")


class Replay:
    """Bytes in the place of a socket."""

    def __init__(self, data):
        self.data = data

    def makefile(self, *_):
        return io.BytesIO(self.data)


def judge(findings, case, got):
    status, headers, body = got
    findings.requests += 1
    told = f"answered {status} {body[:160].decode(errors='replace')!r}, not one of {sorted(case.statuses, key=str)}"
    findings.expect(case.name, status in case.statuses, told)
    if case.problem and status and status >= 400:
        kind = headers.get("content-type", "none")
        code = json.loads(body).get("code") if kind.startswith("application/problem+json") and body else None
        findings.expect(case.name, code, f"answered {status} as {kind}: {body[:160]!r}, no problem document")


class Honest(threading.Thread):
    """Asks for the home screen over and over, and notes how long each answer took."""

    limit_s = HONEST_S

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client = sign_in(server, "demo-member-003")
        self.seconds, self.faults, self.ended = [], [], threading.Event()

    def run(self):
        # Once at least, however short it is.
        while not self.seconds or not self.ended.wait(0.05):
            begun = time.monotonic()
            try:
                status = self.client.get("/home", timeout=10).status_code
            except OSError as why:
                status = str(why)
            self.seconds.append(time.monotonic() - begun)
            if status != 200:
                self.faults.append(f"an honest GET /home got {status}")

    def finish(self, findings, name):
        self.ended.set()
        self.join(15)
        findings.requests += len(self.seconds)
        slowest, median = max(self.seconds, default=99), statistics.median(self.seconds or [99])
        findings.extend((name, fault) for fault in self.faults[:3])
        findings.expect(name, slowest < self.limit_s, f"an honest request took {slowest:.2f} s; the limit is {self.limit_s:.1f} s")
        print(f"  {name}: {len(self.seconds)} honest requests, median {median * 1000:.0f} ms, slowest {slowest * 1000:.0f} ms", flush=True)
        return slowest


def dripping(findings, server, limit_s):
    def one(case):
        begun = time.monotonic()
        got = answer(server, case, wait_s=limit_s + 10)
        judge(findings, case, got)
        took = time.monotonic() - begun
        findings.expect(case.name, took < limit_s + 3, f"was cut off after {took:.1f} s; the limit is {limit_s} s")

    threads = [threading.Thread(target=one, args=(case,)) for case in drips(limit_s)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pipelining(findings, server):
    """Sixty requests in one piece have sixty answers, in order, and none is taken for part of another."""
    paths = [f"/errors/{'closed' if n % 2 else 'no_such_code'}" for n in range(60)]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths).encode())
        statuses, stream = [], connection.makefile("rb")
        for _ in paths:
            parsed = http.client.HTTPResponse(Stream(stream))
            parsed.begin()
            parsed.read()
            statuses.append(parsed.status)
    findings.requests += len(paths)
    wanted = [200 if n % 2 else 404 for n in range(60)]
    findings.expect("pipelining", statuses == wanted, f"answered {statuses}")


class Stream:
    """One response after the other from the same reader, which HTTPResponse must not close."""

    def __init__(self, stream):
        self.stream = stream

    def makefile(self, *_):
        return io.BufferedReader(_Unclosed(self.stream), 1)


class _Unclosed(io.RawIOBase):
    def __init__(self, stream):
        self.stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.stream.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def idle(findings, server, count):
    """So many connections that say nothing, or half of a request line."""
    open_ones = []
    try:
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            if number % 2:
                connection.sendall(b"GET /healthz HT")
            open_ones.append(connection)
        time.sleep(2)
        findings.requests += len(open_ones)
        findings.expect("idle", len(open_ones) == count, f"only {len(open_ones)} of {count} connections were taken")
    finally:
        for connection in open_ones:
            connection.close()


def flood(findings, server, kind, seconds):
    """slowhttptest: -H slow headers, -B slow bodies, -X slow reading."""
    address = f"{server.url}/api/v1/" + ("openapi.json" if kind == "-X" else "auth/login")
    how = {"-H": ["-i", "1"], "-B": ["-i", "1", "-s", "60000", "-f", "application/json"], "-X": ["-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3"]}[kind]
    command = ["slowhttptest", kind, "-c", "300", "-r", "150", "-l", str(seconds), "-p", "2", "-u", address, *how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, cwd=server.folder)
    printed = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    lost = re.findall(r"service available:\s*(\w+)", printed)
    opened = re.findall(r"(?:closed|connected):\s*(\d+)", printed)
    findings.requests += 300
    findings.expect(f"slowhttptest {kind}", bool(lost), f"printed nothing to read: {printed[-300:]!r}")
    findings.expect(f"slowhttptest {kind}", "NO" not in lost, f"found the service unavailable {lost.count('NO')} of {len(lost)} times")
    return len(lost), opened


def run(options):
    findings = Findings("slow")
    limit_s = 10 if options.long else LIMIT_S
    with Server(options, ZHIBU__SERVER__REQUEST_TIMEOUT_S=str(limit_s)) as server:
        alone = during(findings, server, "nobody else", lambda: time.sleep(3))
        Honest.limit_s = max(HONEST_S, BUSY * alone)
        before = server.resident_kib()
        cases = [*sizes(), *depths(), *chunk_abuse(), *smuggling()]
        during(findings, server, "huge and wrong requests", lambda: [judge(findings, case, answer(server, case)) for case in cases])
        during(findings, server, "drips", lambda: dripping(findings, server, limit_s))
        during(findings, server, "pipelining", lambda: pipelining(findings, server))
        during(findings, server, "1,000 idle connections", lambda: idle(findings, server, 1_000))
        tool = shutil.which("slowhttptest")
        for kind, name in (("-H", "slow headers"), ("-B", "slow bodies"), ("-X", "slow readers")) if tool else ():
            during(findings, server, f"slowhttptest: {name}", lambda kind=kind: flood(findings, server, kind, 3 * limit_s if options.long else 8))
        after = server.resident_kib()
        grown = f"the server's memory grew from {before} to {after} KiB"
        findings.expect("memory", after - before < GROWTH_KIB, grown)
        findings.note(f"{len(cases) + 3} cases, {'slowhttptest in 3 modes' if tool else 'no slowhttptest here'}; {grown}")
        findings.extend(("panic", line) for line in server.panics())
    return findings


def during(findings, server, name, act):
    honest = Honest(server)
    honest.start()
    try:
        act()
    finally:
        slowest = honest.finish(findings, name)
    return slowest
