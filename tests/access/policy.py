"""Reads the table of who may do what: a row for each operation and slot, a column for each sort of actor."""

import csv
from dataclasses import dataclass

from world import ACTORS, PLACES

COLUMNS = list(dict.fromkeys(column for _, _, column in ACTORS.values()))
LETTERS = "yxfnu-"


@dataclass
class Row:
    operation: str
    slot: str
    # Column -> a letter for each place, or one for all of them.
    cells: dict
    line: int

    def letter(self, column, place):
        cell = self.cells[column]
        return cell if len(cell) == 1 else cell[PLACES.index(place)]


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
