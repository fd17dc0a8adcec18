"""What a load generator cannot ask: how soon points are on a board, how long a board is made anew while it is read, and what
ten thousand who watch one cost. Standard library only.

board_effects.py visible URL FOLDER [TIMES]      check-ins one after another, until one's own rank shows the points
board_effects.py move URL FOLDER                 moves an organization, so that all boards of the tree are made anew
board_effects.py watch URL FOLDER COUNT PID      so many streams of one board on the process PID; what they add to its memory
"""

import base64
import json
import pathlib
import selectors
import socket
import sys
import time
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone


def call(url, token, method="GET", body=None, key=False):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def read(folder, name):
    return (pathlib.Path(folder) / name).read_text().split()


def member_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]


def when(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def organization(api, admin, root, name, kind="branch"):
    body = {"name": f"{name} {uuid.uuid4().hex[:8]}", "kind": kind, "parent_id": root}
    return call(f"{api}/organizations", admin, "POST", body, key=True)["id"]


def visible(api, folder, times=20):
    tell_effects(api, folder, read(folder, "tokens.txt")[: int(times)])


def tell_effects(api, folder, tokens):
    admin, root = read(folder, "admin.txt")[0], read(folder, "root.txt")[0]
    body = {
        "organization_id": organization(api, admin, root, "到會"),
        "title": "到會",
        "place": "三樓",
        "starts_at": when(600),
        "ends_at": when(4200),
        "forms": ["general_meeting"],
        "expected": {"member_ids": [member_of(token) for token in tokens]},
    }
    event = call(f"{api}/events", admin, "POST", body, key=True)["id"]
    call(f"{api}/events/{event}/publish", admin, "POST", key=True)
    took = []
    for token in tokens:
        mine = f"{api}/leaderboards/{root}/me"
        before = call(mine, token)["me"]["points"]
        code = call(f"{api}/events/{event}/code", admin)["code"]
        check_in = {"code": code, "client_event_id": str(uuid.uuid4()), "occurred_at": when(0)}
        call(f"{api}/check-ins", token, "POST", check_in)
        begun = time.monotonic()
        while call(mine, token)["me"]["points"] == before:
            if time.monotonic() - begun > 30:
                sys.exit("the points are not on the board")
            time.sleep(0.005)
        took.append((time.monotonic() - begun) * 1000)
    took.sort()
    print(f"points on the board after p50_ms={took[len(took) // 2]:.0f} max_ms={took[-1]:.0f} of {len(took)} check-ins")


def move(api, folder):
    admin, root = read(folder, "admin.txt")[0], read(folder, "root.txt")[0]
    below = organization(api, admin, root, "總支", "general_branch")
    moved = organization(api, admin, root, "支部")
    call(f"{api}/organizations/{moved}/move", admin, "POST", {"parent_id": below}, key=True)


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def watch(api, folder, count, pid):
    root, tokens = read(folder, "root.txt")[0], read(folder, "tokens.txt")
    address = urllib.parse.urlparse(api)
    before = resident_mib(pid)
    streams = selectors.DefaultSelector()
    begun = time.monotonic()
    for n in range(int(count)):
        stream = socket.create_connection((address.hostname, address.port))
        head = (
            f"GET {address.path}/leaderboards/{root}/live HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {tokens[n % len(tokens)]}\r\nAccept: text/event-stream\r\n\r\n"
        )
        stream.sendall(head.encode())
        stream.setblocking(False)
        streams.register(stream, selectors.EVENT_READ, [b""])
    opened, told, closed, changed = time.monotonic() - begun, set(), 0, 0

    def listen(seconds):
        nonlocal closed, changed
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, _ in streams.select(timeout=0.2):
                try:
                    piece = key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                if not piece:
                    closed += 1
                    streams.unregister(key.fileobj)
                    continue
                if b"event: leaderboard" in piece:
                    told.add(key.fd)
                    changed += 1

    while len(told) < int(count) and time.monotonic() - begun < 120 and not closed:
        listen(1)
    first = changed
    # Three of those who are shown earn something, so all are told again.
    shown = {line["member_id"] for line in call(f"{api}/leaderboards/{root}", tokens[0])["items"]}
    tell_effects(api, folder, [token for token in tokens if member_of(token) in shown][:3])
    listen(20)
    print(
        f"{count} streams opened in {opened:.1f} s, {len(told)} told, {changed - first} frames after 3 changes, {closed} closed; "
        f"resident {before:.0f} MiB before, {resident_mib(pid):.0f} MiB with them"
    )


if __name__ == "__main__":
    what, url, *rest = sys.argv[1:]
    {"visible": visible, "move": move, "watch": watch}[what](f"{url}/api/v1", *rest)
