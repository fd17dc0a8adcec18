"""Reads the table of who may do what: a row for each operation and slot, a column for each sort of actor.

Who has a role of a column elsewhere has no column of their own: their letters are those of the column, seen from there.
"""

import csv
from dataclasses import dataclass

from world import ACTORS, PLACES

COLUMNS = list(dict.fromkeys(actor.column for actor in ACTORS.values() if " " not in actor.column))
LETTERS = "yxfnu-"
# What is allowed in one of several ways is allowed; a thing that is seen in one of them is refused with 403.
WORST_FIRST = "-unfxy"
# Where a role stands -> what a place is from there. `reaching` and `top`: it reaches where one is not at home, as from A to
# the group below it. What was deleted was A's or below it.
SEEN_FROM = {
    "at top": {place: "child" for place in ("own", "child", "parent", "sibling")},
    "at child": {"own": "parent", "child": "own"},
    "at sibling": {"own": "sibling", "child": "sibling", "sibling": "own", "deleted": "missing"},
    "reaching sibling": {"own": "sibling", "child": "sibling", "sibling": "child", "deleted": "missing"},
}
# What an organization is asked about itself: there the role stands on it, and reaches nowhere.
ABOUT_ITSELF = {"archive_organization", "move_organization"}
# No column tells: whoever views nobody is 403, else any organization that one sees may be named; a lecturer at the root does not know of
# branch A's plan; a secretary names their own people at any event that they see, and each is answered by itself.
UNTOLD = {
    ("create_group_sign_up", "path:id"),
    ("list_study_reviews", "query:organization_id"),
    ("excuse_member", "body:/member_id"),
    ("unexcuse_member", "body:/member_id"),
}
# Where branch A's is its lecturer's own.
OF_THE_LECTURER = {"find_upload", "continue_upload", "override_upload", "delete_upload"}


@dataclass
class Row:
    operation: str
    slot: str
    # Column -> a letter for each place, or one for all of them.
    cells: dict
    line: int

    @property
    def is_ever_deleted(self):
        """A cell of one letter for all places does not tell; the others say so with a dash."""
        last = [cell[PLACES.index("deleted")] for cell in self.cells.values() if len(cell) > 1]
        return not last or any(letter != "-" for letter in last)

    def letter(self, column, place):
        """Of several ways the best."""
        return max((self._by(way, place) for way in self._ways(column)), key=WORST_FIRST.index)

    def _ways(self, column):
        """In the slots that stand beside another thing of home, the way to that thing is the only one."""
        ways = column.split(", ")
        return ways[-1:] if self.slot.startswith("path:") and self.slot != "path:id" else ways

    def _by(self, way, place):
        role, _, view = way.partition(" ")
        if not view:
            return self._written(role, place)
        if len(self.cells[role]) == 1:
            return self.cells[role]
        if place == "deleted" and view == "at child" and self._written("child", place) != "y":
            return self._written("child", place)
        there = SEEN_FROM[view].get(place, place)
        if (self._is_of_home or self.operation in ABOUT_ITSELF) and there == "child":
            there = "own" if place in ("own", view.split()[1]) else there
        if self.operation in OF_THE_LECTURER and there == "own":
            there = "child"
        return self._written(role, there)

    @property
    def _is_of_home(self):
        """Is the slot one beside a thing of home?"""
        return self.slot != "path:id"

    def _written(self, column, place):
        cell = self.cells[column]
        return cell if len(cell) == 1 else cell[PLACES.index(place)]

    def asks(self, column):
        """Is it worth asking? Where a role changes nothing, it changes nothing elsewhere."""
        if " " not in column:
            return True
        *others, (role, _, view) = [way.partition(" ") for way in column.split(", ")]
        if self.cells[role] == self.cells["member"] or (self.operation, self.slot) in UNTOLD:
            return False
        return not others or self.slot.startswith(("path:", "header:")) or self.slot.endswith(":organization_id")


class WrongTable(Exception):
    """The table itself cannot be read."""


def read(file):
    """The rows by operation and slot. Lines that begin with # explain."""
    with open(file, newline="") as text:
        lines = [(number, line) for number, line in enumerate(text, 1) if line.strip() and not line.startswith("#")]
    heads, *found = [(number, [field.strip() for field in next(csv.reader([line]))]) for number, line in lines]
    if heads[1] != ["operation", "slot", *COLUMNS]:
        raise WrongTable(f"line {heads[0]}: the columns must be operation, slot, {', '.join(COLUMNS)}")
    rows = {}
    for number, fields in found:
        operation, slot, *cells = fields
        if len(cells) != len(COLUMNS) or (operation, slot) in rows:
            raise WrongTable(f"line {number}: {len(cells)} cells, or a second row for {operation} {slot}")
        for cell in cells:
            if len(cell) not in (1, len(PLACES)) or set(cell) - set(LETTERS):
                raise WrongTable(f"line {number}: '{cell}' is neither one letter nor {len(PLACES)} of {LETTERS}")
        rows[operation, slot] = Row(operation, slot, dict(zip(COLUMNS, cells)), number)
    return rows
