"""The append-only log of a round: what was asked, what was answered, and which fault was on at the time.

One JSON object a line. `invoke` is written before the first byte of a request leaves, so whatever the server may have done is in the log.
An operation ends as `ok` (answered 2xx) or `fail` (refused, so it must have no effect). Without either it is unknown: it may have
happened or not.
"""

import json
import threading
import time


class OperationLog:
    def __init__(self, path):
        self.path = path
        self._file = open(path, "a", buffering=1, encoding="utf-8")
        self._lock = threading.Lock()
        self._last = 0
        self.acknowledged = 0

    def write(self, what, **fields):
        line = json.dumps({"what": what, "at": round(time.monotonic(), 4), **fields}, ensure_ascii=False)
        with self._lock:
            self.acknowledged += what == "ok"
            self._file.write(line + "\n")

    def invoke(self, kind, **fields):
        with self._lock:
            self._last += 1
            number = self._last
        self.write("invoke", op=number, kind=kind, **fields)
        return number

    def close(self):
        self._file.close()


class Operation:
    """An operation as the log tells it."""

    def __init__(self, line):
        self.kind = line["kind"]
        self.fields = line
        self.outcome = "unknown"
        self.answer = None
        self.attempts = []
        self.repeats = []


def read(path):
    """All operations by number, and the lines that tell of faults."""
    operations, faults = {}, []
    with open(path, encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            what = line["what"]
            if what == "invoke":
                operations[line["op"]] = Operation(line)
            elif what in ("ok", "fail"):
                operation = operations[line["op"]]
                operation.outcome, operation.answer = what, line["answer"]
            elif what == "attempt":
                operations[line["op"]].attempts.append(line)
            elif what == "repeat":
                operations[line["op"]].repeats.append(line)
            elif what == "fault":
                faults.append(line)
    return operations, faults
