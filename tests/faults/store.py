"""What is stored, read straight from the database and not through the server: the same plain rows from SQLite and from PostgreSQL."""

import json
import sqlite3
import uuid

# Columns by table. Those that end in `id` (and whose names are listed) hold UUIDs: bytes in SQLite, text from PostgreSQL.
TABLES = {
    "check_ins": ("id", "event_id", "member_id", "client_event_id", "annulled_at"),
    "sign_ups": ("id", "event_id", "session_id", "member_id", "client_event_id", "status", "seq"),
    "sign_up_sessions": ("id", "event_id", "capacity", "taken", "waiting"),
    "lesson_progress": ("member_id", "lesson_id", "played", "covered_ms"),
    "lesson_completions": ("member_id", "lesson_id"),
    "lesson_versions": ("lesson_id", "number", "sections"),
    "point_awards": ("id", "member_id", "points", "reason", "status"),
    "point_entries": ("member_id", "source_id", "rule", "turn", "points", "day"),
    "point_totals": ("member_id", "span", "starts_on", "points"),
    "events": ("id", "title"),
    "lessons": ("id", "title"),
}
BYTES = ("played",)


def read_sqlite(path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        connection.execute("BEGIN")
        read = lambda table, columns: connection.execute(f"SELECT {', '.join(columns)} FROM {table}")
        return {table: [_row(columns, row) for row in read(table, columns)] for table, columns in TABLES.items()}
    finally:
        connection.close()


def _row(columns, values):
    row = dict(zip(columns, values))
    for name, value in row.items():
        if name.endswith("id") and isinstance(value, bytes):
            row[name] = str(uuid.UUID(bytes=value))
    return row


def read_postgres(server):
    """All tables in one statement, hence at one moment."""
    parts = []
    for table, columns in TABLES.items():
        chosen = ", ".join(f"encode({name}, 'hex') AS {name}" if name in BYTES else name for name in columns)
        parts.append(f"'{table}', (SELECT coalesce(json_agg(t), '[]') FROM (SELECT {chosen} FROM {table}) t)")
    stored = json.loads(server.psql(f"SELECT json_build_object({', '.join(parts)})"))
    for row in stored["lesson_progress"]:
        row["played"] = bytes.fromhex(row["played"])
    return stored


def ranges(played):
    """The milliseconds that a member has covered: gaps and lengths by turns, seven bits a byte, the lowest first."""
    numbers, value, shift = [], 0, 0
    for byte in played:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value, shift = 0, 0
    found, at = [], 0
    for gap, length in zip(numbers[::2], numbers[1::2]):
        found.append((at + gap, at + gap + length))
        at += gap + length
    return found


def sections(version):
    """The range of milliseconds of each section of an article."""
    found, at = [], 0
    told = version["sections"]
    for section in json.loads(told) if isinstance(told, (str, bytes)) else told:
        found.append((at, at + section["ms"]))
        at += section["ms"]
    return found
