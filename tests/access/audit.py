"""The audit log (P19): whether all that was done and refused here is in it, once and for good, and who may read it.

What is compared with it is what every client heard (client.py): the world's making, and all that the actors did.
"""

import base64
import json
import re
from datetime import datetime, timezone

from client import BASE, Client, heard
from world import PASSWORD

# The first so many refusals of an account in a minute are on record (docs/api-design.md).
REFUSALS_A_MINUTE = 20
# What people do for themselves is no administration: it is on record in its own table.
OWN = {
    *("login", "logout", "refresh_session"),
    *("verify_code", "create_check_in_proof", "check_in", "check_in_batch", "check_in_as_guest"),
    *("request_leave", "create_sign_up", "create_own_guest", "cancel_own_guest"),
    *("update_progress", "record_progress_batch", "start_quiz_attempt", "hand_in_quiz_attempt"),
    *("create_reflection", "update_reflection", "withdraw_reflection", "like_reflection", "unlike_reflection"),
    *("add_reflection_picture", "remove_reflection_picture"),
    *("update_me", "create_calendar_feed", "delete_calendar_feed", "update_leaderboard_wishes"),
    *("update_notice_settings", "mark_notices_read"),
    # Pieces of an upload, which is on record since it was begun.
    *("continue_upload", "override_upload"),
    # Asks what other rules would have made of the past.
    "simulate_points",
}
# Nothing is sent where jobs rest, so nothing can be sent again.
NOT_DONE = {"redeliver_webhook_delivery"}
# Whose lines the readers of the log are shown, by actor.
READ = {
    "inspector": {"own", "child"},
    "admin": {"own", "child"},
    "child": {"child"},
    "parent": {"parent", "own", "child", "sibling"},
    "sibling": {"sibling"},
    "foreign": {"foreign"},
    "inspector top": {"top", "parent", "own", "child", "sibling"},
    "inspector child": {"child"},
    "inspector sibling": {"sibling"},
    "inspector both": {"sibling"},
    "admin both": {"sibling"},
}
SECRETS = {"access_token", "refresh_token", "device_token", "code", "secret", "pass", "url"}


def account_of(authorization):
    """Whose token it is; none for a device's."""
    if not authorization.startswith("Bearer "):
        return None
    claims = authorization.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


def instant(text):
    return datetime.fromisoformat(text).astimezone(timezone.utc).timestamp()


def read(client, query=""):
    """All lines that somebody is shown, the newest first."""
    lines, cursor = [], ""
    while True:
        page = client.get(f"/audit-log?limit=200{query}{cursor}").expect(200).json
        lines += page["items"]
        if not page["next_cursor"]:
            return lines
        cursor = f"&cursor={page['next_cursor']}"


class Audit:
    def __init__(self, world, operations):
        self.world = world
        self.patterns = [(o, re.compile(re.sub(r"\{\w+\}", "[^/]+", o.path) + "$")) for o in operations]
        # The plainest path first: it is the one that is meant.
        self.patterns.sort(key=lambda one: one[0].path.count("{"))
        self.early = read(world.system)

    def run(self, whole):
        """Name of the question, and what is wrong; `whole`: have all operations been asked?"""
        self.lines = read(self.world.system)
        self.by_request = {}
        for line in self.lines:
            self.by_request.setdefault(line["request_id"], []).append(line)
        self.done = [reply for reply in heard if reply.status < 300]
        print(f"the audit log: {len(self.lines)} lines, {len(self.done)} writes, {len(heard) - len(self.done)} refusals")
        yield "operations that write and leave no line", self._silent() if whole else []
        yield "lines without who, what, when or by which request", [one for reply in self.done for one in self._vague(reply)]
        yield "refusals without a line", list(self._unrecorded())
        yield "lines that are gone or changed", list(self._changed())
        yield "ways to write the log", list(self._ways_in())
        yield "lines from out of sight", list(self._seen())
        yield "secrets", list(self._secrets())

    def _operation(self, reply):
        path = reply.path.partition("?")[0]
        return next((o.id for o, pattern in self.patterns if o.method == reply.method and pattern.match(path)), "-")

    def _silent(self):
        done, recorded = {}, set()
        for reply in self.done:
            operation = self._operation(reply)
            done.setdefault(operation, reply)
            if reply.headers.get("x-request-id") in self.by_request:
                recorded.add(operation)
        writes = {o.id for o, _ in self.patterns if o.method not in ("GET", "OPTIONS")} - OWN - NOT_DONE
        never = [f"{operation}: nobody has done it" for operation in sorted(writes - set(done))]
        silent = sorted(set(done) - recorded - OWN)
        own = [f"{operation} is nobody's own: it is on record" for operation in sorted(OWN & recorded)]
        return never + own + [f"{operation}: {done[operation].request[:200]}" for operation in silent]

    def _vague(self, reply):
        who = account_of(reply.by)
        for line in self.by_request.get(reply.headers.get("x-request-id"), []):
            # To the microsecond on the server, and it is the same machine's clock.
            in_time = reply.begun - 0.001 <= instant(line["at"]) <= reply.ended + 0.001
            told = line["action"] and line["object_kind"] and line["object_id"] and line["outcome"] == "done"
            if not (in_time and told and line["actor_id"] and who in (None, line["actor_id"])):
                yield f"{reply.request[:200]}: {line}"

    def _unrecorded(self):
        counts = {}
        for reply in sorted(heard, key=lambda reply: reply.begun):
            if reply.status != 403 or reply.json.get("code") != "forbidden":
                continue
            who = account_of(reply.by) or reply.by
            counts[who] = counts.get(who, 0) + 1
            if counts[who] > REFUSALS_A_MINUTE:
                continue
            lines = self.by_request.get(reply.headers.get("x-request-id"), [])
            route = f"{reply.method} {reply.path.partition('?')[0]}"
            if [(line["outcome"], line["detail"].get("route")) for line in lines] != [("refused", route)]:
                yield f"{reply.request[:200]}: {lines}"

    def _changed(self):
        """But for what was said of somebody who was erased: who did what to whom and when stays."""
        gone = [reply.path.split("/")[4] for reply in self.done if reply.path.endswith("/personal-data")]
        known = {line["id"]: line for line in self.lines}
        for line in self.early:
            now = known.get(line["id"])
            emptied = {**line, "detail": {}}
            about = json.dumps([line["object_id"], line["detail"]])
            if now != line and not (now == emptied and any(member in about for member in gone)):
                yield f"{line} is now {now}"

    def _ways_in(self):
        """As the one who may do the most."""
        for path in ("/audit-log", f"/audit-log/{self.early[0]['id']}"):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                reply = self.world.system.send(method, path, {"action": "x"})
                if reply.status not in (404, 405):
                    yield f"{reply.request} -> {reply.status}"

    def _seen(self):
        places, everything = self._places(), {line["id"] for line in self.lines}
        for actor, allowed in READ.items():
            tokens = self.world.log_in(actor)
            shown = read(Client(self.world.address, f"Bearer {tokens['access_token']}"))
            hidden = [line for line in shown if places.get(line["organization_id"]) not in allowed]
            # Read later, and by being read nothing is written.
            hidden += [line for line in shown if line["id"] not in everything]
            if hidden or not shown:
                yield f"{actor}: {len(shown)} lines, of which {len(hidden)} from elsewhere: {hidden[:1]}"

    def _places(self):
        """Of each organization the place that it belongs to; what was made on the way belongs to what is above it."""
        places = {place.organization: name for name, place in self.world.places.items()}
        made = [reply.json for reply in self.done if reply.method == "POST" and reply.path == f"{BASE}/organizations"]
        moving = re.compile(f"{BASE}/organizations/([^/]+)/move")
        moved = {found[1]: reply.json["parent_id"] for reply in self.done if (found := moving.match(reply.path))}
        for one in made:
            places.setdefault(one["id"], places.get(moved.get(one["id"], one["parent_id"])))
        return places

    def _secrets(self):
        text = json.dumps(self.lines, ensure_ascii=False)
        said = {PASSWORD, *(secret for reply in self.done for secret in _secrets_in(reply.json))}
        for secret in said:
            if secret in text:
                yield secret


def _secrets_in(value):
    if isinstance(value, list):
        for one in value:
            yield from _secrets_in(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            # Not the words by which an item of a batch is refused.
            if name in SECRETS and isinstance(one, str) and not re.fullmatch("[a-z_]*", one):
                one = one.rsplit("/", 1)[1] if name == "url" else one
                # An address that is no secret ends in a word.
                yield from [one] if len(one) >= 6 else []
            else:
                yield from _secrets_in(one)
