"""Compares what came with the table, and what must look alike with its like."""

import re
from dataclasses import dataclass

from document import TOLD_AS_TEXT
from drive import NOWHERE, Cell
from world import ACTORS, PLACES

# Whose names may stand in an answer, by column: the organizations on one's line, and below what one has a role on.
LINE = {"own", "parent", "top"}
SEES = {
    "nobody": set(),
    "member": LINE,
    "subject": LINE,
    **{role: LINE | {"child"} for role in ("lecturer", "organizer", "secretary", "treasurer", "inspector", "admin")},
    "child": LINE | {"child"},
    "parent": LINE | {"child", "sibling"},
    "sibling": {"sibling", "parent", "top"},
    "foreign": {"foreign", "foreign_top"},
    "system": {"own", "child", "parent", "top", "sibling", "foreign", "foreign_top"},
    "device": {"own", "child"},
}
# Asked with a secret instead of a token: a guest's address, somebody's password.
BY_SECRET = {"find_guest_invitation", "create_own_guest", "login"}
# Of a role that stands elsewhere, by where it does.
SIGHT = {
    "at top": LINE | {"child", "sibling"},
    "at child": LINE | {"child"},
    "at sibling": {"sibling", "parent", "top"},
    "reaching sibling": {"sibling", "parent", "top"},
}
CANARY = re.compile(rb"canary-(\w+)-[\w-]*\.")
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Slots of an item that has an outcome of its own, and what it was refused for, as the status that the same alone would have.
OF_AN_ITEM = ("body:/items/0", "body:/member_ids/0", "body:/session_id")
ITEM_LETTERS = {
    "not_found": "n",
    "forbidden": "f",
    "not_expected": "f",
    "already_checked_in": "y",
    "member_inactive": "y",
}
# Open boards show the people of all organizations below; a group's reflections are its branch's. So they tell more than the line.
BOARDS = {"list_leaderboard", "watch_leaderboard", "find_my_rank"}
BELOW = {"own": {"child"}, "parent": {"own", "child", "sibling"}}
OF_THE_BRANCH = {"list_reflections", "list_event_reflections", "find_reflection"}
LETTERS = {401: "u", 403: "f", 404: "n", 422: "x"}
# After the question of access: done, as it is already, or of another state or version.
ALLOWED = {200, 201, 204, 206, 304, 409, 410, 412}


@dataclass
class Mismatch:
    cell: object
    expected: str
    got: str
    reply: object

    def shown(self):
        """The request that shows it, and what came."""
        words = self.reply.body[:300].decode(errors="replace")
        return f"    {self.reply.request[:300]}\n    {self.reply.status} {words}"


def summary(mismatches):
    """Those of one operation and sort together, with the request of the first."""
    groups = {}
    for one in mismatches:
        groups.setdefault((one.cell.operation, one.cell.slot, one.expected, one.got), []).append(one)
    for (operation, slot, expected, got), found in groups.items():
        where = ", ".join(f"{one.cell.actor}/{one.cell.place}" for one in found)
        yield f"{operation} {slot}: expected {expected}, got {got}: {where}\n{found[0].shown()}"


def letter_of(reply, slot):
    """What an answer says of access, in the table's letters."""
    item = _first_item(reply) if slot.startswith(OF_AN_ITEM) else {}
    if item.get("outcome") == "rejected":
        return ITEM_LETTERS.get(item.get("code"), "x")
    if reply.status in ALLOWED:
        return "y"
    return LETTERS.get(reply.status, str(reply.status))


def _first_item(reply):
    if reply.status != 200 or b'"outcome"' not in reply.body:
        return {}
    items = reply.json.get("items") or [{}]
    return items[0]


def rows(table, operations):
    """Operations and slots without a row, and rows without one of these."""
    asked = {(operation.id, slot) for operation in operations for slot in operation.slots or [NOWHERE]}
    missing = [f"no row for {operation} {slot}" for operation, slot in sorted(asked - set(table))]
    return missing + [f"a row for nothing: {operation} {slot}" for operation, slot in sorted(set(table) - asked)]


def cells(table, replies):
    for cell, reply in replies.items():
        row = table.get((cell.operation, cell.slot))
        if row is None:
            continue
        expected, got = row.letter(ACTORS[cell.actor].column, cell.place), letter_of(reply, cell.slot)
        if expected != got:
            yield Mismatch(cell, f"{expected} (line {row.line})", got, reply)


def unasked(table, replies, actors):
    """Cells of rows that were asked about with a letter for what nobody came to."""
    came = {(cell.operation, cell.slot) for cell in replies}
    for (operation, slot), row in table.items():
        places = ("own",) if slot == NOWHERE else PLACES
        if (operation, slot) not in came:
            continue
        for actor in actors:
            column = ACTORS[actor].column
            missed = [place for place in places if row.asks(column) and row.letter(column, place) != "-"]
            missed = [place for place in missed if place != "deleted" or row.is_ever_deleted]
            missed = [place for place in missed if Cell(operation, slot, actor, place) not in replies]
            if missed:
                yield f"{operation} {slot}: {actor} at {', '.join(missed)}"


def sees(column):
    """Of whom one may read; people of two lines are known on both."""
    ways = (way.partition(" ") for way in column.split(", "))
    seen = set().union(*(SIGHT[view] if view else SEES[role] for role, _, view in ways))
    return seen | {"both"} if seen & {"own", "sibling"} else seen


def alike(table, replies):
    """What lies out of sight must be told apart from what is missing by nothing."""
    for cell, reply in replies.items():
        row = table.get((cell.operation, cell.slot))
        column = ACTORS[cell.actor].column
        if row is None or cell.slot == NOWHERE or cell.place == "missing" or cell.place in sees(column):
            continue
        if row.letter(column, cell.place) != row.letter(column, "missing"):
            continue
        missing = replies[type(cell)(cell.operation, cell.slot, cell.actor, "missing")]
        if cell.place != "deleted" and _likeness(reply) != _likeness(missing):
            yield Mismatch(cell, "the same as for a missing one", _difference(reply, missing), reply)


def _likeness(reply):
    status, headers, body = reply.likeness()
    if status < 400:
        # A success tells what the client sent: ids that it made up.
        body = UUID.sub(b"-", body)
    return status, headers, body


def _difference(reply, missing):
    parts = zip(("status", "headers", "body"), _likeness(reply), _likeness(missing))
    return "another " + ", ".join(name for name, one, other in parts if one != other)


def leaks(replies):
    """No name of a place out of sight stands in any answer, unless a secret was shown for it."""
    for cell, reply in replies.items():
        if TOLD_AS_TEXT.get(cell.operation) == cell.slot or cell.operation in BY_SECRET:
            continue
        hidden = _shown(reply) - _may_be_told(cell)
        if hidden:
            yield Mismatch(cell, "nothing of " + ", ".join(sorted(hidden)), "a name from there", reply)


def _shown(reply):
    return {place.decode() for place in CANARY.findall(reply.body)}


def _may_be_told(cell):
    seen = sees(ACTORS[cell.actor].column)
    if cell.operation in BOARDS:
        return seen | BELOW.get(cell.place, set())
    if cell.operation in OF_THE_BRANCH and "own" in seen:
        return seen | {"child"}
    return seen
