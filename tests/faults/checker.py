"""Compares what was acknowledged, what is unknown and what is stored. It knows the log and the database, nothing of the server.

acknowledged − stored = ∅ (else a loss), stored − (acknowledged ∪ unknown) = ∅ (else an invention), nothing twice (else a
duplicate).
"""

from collections import Counter, defaultdict

import store

CHECK_IN_RULES = ("check_in_on_time", "check_in_late")


class Findings:
    def __init__(self):
        self.losses, self.inventions, self.duplicates, self.others = [], [], [], []

    def all(self):
        named = (("lost", self.losses), ("invented", self.inventions), ("doubled", self.duplicates), ("wrong", self.others))
        return [f"{name}: {text}" for name, found in named for text in found]


class Checker:
    def __init__(self, operations, before, after):
        """`before`: what was stored before the first operation; it is nobody's doing."""
        self.operations, self.stored, self.found = operations, after, Findings()
        self.by_kind = defaultdict(list)
        for operation in operations.values():
            self.by_kind[operation.kind].append(operation)
        self.old = {table: {row["id"] for row in before[table]} for table in ("check_ins", "sign_ups", "point_awards", "events", "lessons")}

    def check(self):
        self.marked("check_in", "check_ins", "client_event_id")
        self.marked("sign_up", "sign_ups", "client_event_id")
        self.marked("award", "point_awards", "reason")
        self.marked("event", "events", "title")
        self.marked("lesson", "lessons", "title")
        self.one_check_in_each()
        self.cancelled()
        self.approved()
        self.progress()
        self.points()
        self.totals()
        self.places()
        self.repeats()
        return self.found

    def new(self, table):
        return [row for row in self.stored[table] if row["id"] not in self.old[table]]

    def marked(self, kind, table, column):
        """Things that a client gives a mark of its own: found again by it, once, with the id that was answered."""
        rows = defaultdict(list)
        for row in self.new(table):
            rows[row[column]].append(row["id"])
        possible = set()
        for operation in self.by_kind[kind]:
            mark = operation.fields["mark"]
            if operation.outcome != "fail":
                possible.add(mark)
            if operation.outcome == "ok" and operation.answer["id"] not in rows[mark]:
                self.found.losses.append(f"{kind} {mark}, answered as {operation.answer['id']}")
        for mark, ids in rows.items():
            if ids and mark not in possible:
                self.found.inventions.append(f"{kind} {mark}: {ids}")
            if len(ids) > 1:
                self.found.duplicates.append(f"{kind} {mark}: {ids}")

    def one_check_in_each(self):
        times = Counter((row["event_id"], row["member_id"]) for row in self.stored["check_ins"] if row["annulled_at"] is None)
        self.found.duplicates += [f"{count} check-ins of {who}" for who, count in times.items() if count > 1]

    def outcomes(self, kind, field):
        told = defaultdict(set)
        for operation in self.by_kind[kind]:
            told[operation.fields[field]].add(operation.outcome)
        return told

    def cancelled(self):
        self.changed("cancel", "sign_up", "sign_ups", "cancelled")

    def approved(self):
        self.changed("approve", "award", "point_awards", "approved")

    def changed(self, kind, field, table, status):
        """Things that an operation changes: in that status if it was acknowledged, and only if one was tried."""
        told = self.outcomes(kind, field)
        for row in self.new(table):
            outcomes = told.get(row["id"], set())
            if row["status"] != status and "ok" in outcomes:
                self.found.losses.append(f"{kind} of {row['id']}: it is {row['status']}")
            if row["status"] == status and not outcomes & {"ok", "unknown"}:
                self.found.inventions.append(f"{kind} of {row['id']}")

    def progress(self):
        """Acknowledged milliseconds are covered; those covered were reported."""
        layout = {row["lesson_id"]: store.sections(row) for row in self.stored["lesson_versions"]}
        acknowledged, reported = defaultdict(set), defaultdict(set)
        for operation in self.by_kind["progress"]:
            who = (operation.fields["member"], operation.fields["lesson"])
            span = layout.get(who[1], {})[operation.fields["section"]] if who[1] in layout else (0, 0)
            if operation.outcome != "fail":
                reported[who].add(span)
            if operation.outcome == "ok" and not operation.answer["rejected"]:
                acknowledged[who].add(span)
        covered = {}
        for row in self.stored["lesson_progress"]:
            covered[row["member_id"], row["lesson_id"]] = (store.ranges(row["played"]), row["covered_ms"])
        for who, spans in acknowledged.items():
            played = covered.get(who, ([], 0))[0]
            missing = [span for span in spans if not any(start <= span[0] and span[1] <= end for start, end in played)]
            self.found.losses += [f"progress of {who}: {span} ms" for span in missing]
        done = {(row["member_id"], row["lesson_id"]) for row in self.stored["lesson_completions"]}
        whole = [who for who, spans in acknowledged.items() if who[1] in layout and spans >= set(layout[who[1]])]
        self.found.losses += [f"completion of {who}" for who in whole if who not in done]
        for who, (played, total) in covered.items():
            if who[1] not in layout or who[1] in self.old["lessons"]:
                continue
            if total != sum(end - start for start, end in played):
                self.found.others.append(f"progress of {who}: {total} ms are told, {played} are covered")
            extra = sum(end - start for start, end in played) - sum(end - start for start, end in reported[who])
            if extra > 0:
                self.found.inventions.append(f"progress of {who}: {extra} ms that nobody reported")

    def count_stored(self):
        """Effects of operations: check-ins, sign-ups, cancellations, awards, approvals, sections that were read, events and lessons."""
        changed = sum(row["status"] == "cancelled" for row in self.new("sign_ups"))
        changed += sum(row["status"] == "approved" for row in self.new("point_awards"))
        versions = [row for row in self.stored["lesson_versions"] if row["lesson_id"] not in self.old["lessons"]]
        layout = {row["lesson_id"]: store.sections(row) for row in versions}
        read = 0
        for row in self.stored["lesson_progress"]:
            played = store.ranges(row["played"])
            read += sum(any(start <= span[0] and span[1] <= end for start, end in played) for span in layout.get(row["lesson_id"], []))
        return sum(len(self.new(table)) for table in self.old) + changed + read

    def points(self):
        """Each deed has its entry in the journal, once; each entry its deed."""
        entries = defaultdict(list)
        for row in self.stored["point_entries"]:
            rule = "check_in" if row["rule"] in CHECK_IN_RULES else row["rule"]
            entries[rule, row["member_id"], row["source_id"]].append(row["points"])
        deeds = {("check_in", row["member_id"], row["id"]): None for row in self.stored["check_ins"]}
        awards = [row for row in self.stored["point_awards"] if row["status"] == "approved"]
        deeds.update({("manual_award", row["member_id"], row["id"]): row["points"] for row in awards})
        deeds.update({("lesson_completed", row["member_id"], row["lesson_id"]): None for row in self.stored["lesson_completions"]})
        for deed, points in deeds.items():
            given = entries.get(deed, [])
            # What was there before may be of people who earn nothing.
            if not given and deed[2] not in self.old["check_ins"]:
                self.found.losses.append(f"points of {deed}")
            if len(given) > 1:
                self.found.duplicates.append(f"points of {deed}: {given}")
            if given and points is not None and given[0] != points:
                self.found.others.append(f"points of {deed}: {given[0]} instead of {points}")
        known = {"check_in", "manual_award", "lesson_completed"}
        self.found.inventions += [f"points of {deed}" for deed in entries if deed[0] in known and deed not in deeds]

    def totals(self):
        """The journal's sums are the totals, for days, months and years."""
        sums = Counter()
        for row in self.stored["point_entries"]:
            year, month, day = row["day"].split("-")
            for span, start in (("day", row["day"]), ("month", f"{year}-{month}-01"), ("year", f"{year}-01-01")):
                sums[row["member_id"], span, start] += row["points"]
        told = Counter({(row["member_id"], row["span"], row["starts_on"]): row["points"] for row in self.stored["point_totals"]})
        for which in sums.keys() | told.keys():
            if sums[which] != told[which]:
                self.found.others.append(f"points of {which}: the total says {told[which]}, the journal {sums[which]}")

    def points_of_members(self):
        """What a leaderboard of all time has to show."""
        sums = Counter()
        for row in self.stored["point_entries"]:
            sums[row["member_id"]] += row["points"]
        return +sums

    def places(self):
        """Never more than there are, none empty while somebody waits, and who came first is first."""
        standing = defaultdict(lambda: defaultdict(list))
        for row in self.stored["sign_ups"]:
            standing[row["session_id"]]["place" if row["status"] in ("confirmed", "offered") else row["status"]].append(row["seq"])
        for session in self.stored["sign_up_sessions"]:
            placed, waiting = standing[session["id"]]["place"], standing[session["id"]]["waitlisted"]
            name = f"session {session['id']} of {session['capacity']} places"
            if len(placed) > session["capacity"]:
                self.found.others.append(f"{name}: oversold, {len(placed)} have one")
            if (session["taken"], session["waiting"]) != (len(placed), len(waiting)):
                counted = f"{session['taken']} and {session['waiting']}"
                self.found.others.append(f"{name}: it counts {counted}, there are {len(placed)} and {len(waiting)}")
            if waiting and len(placed) < session["capacity"]:
                self.found.others.append(f"{name}: {len(waiting)} wait, {len(placed)} have one")
            if waiting and placed and min(waiting) < max(placed):
                self.found.others.append(f"{name}: number {min(waiting)} waits, number {max(placed)} has one")

    def repeats(self):
        for operation in self.operations.values():
            for repeat in operation.repeats:
                if operation.outcome == "ok" and repeat["answer"] != operation.answer:
                    self.found.duplicates.append(f"{operation.kind}: answered {operation.answer}, and again {repeat['answer']}")


def check_answers(operations, found):
    """Overload and absence are 503 with Retry-After, nothing else above 499."""
    for operation in operations.values():
        for attempt in operation.attempts:
            status = attempt.get("status", 0)
            if status >= 500 and status != 503:
                found.others.append(f"{operation.kind}: answered {status} {attempt['code']}")
            elif status == 503 and not attempt["retry_after"]:
                found.others.append(f"{operation.kind}: answered 503 {attempt['code']} without Retry-After")


def check_shown(what, shown, stored, found):
    for key in shown.keys() | stored.keys():
        if shown.get(key) != stored.get(key):
            found.others.append(f"{what}: the API shows {shown.get(key)} for {key}, stored is {stored.get(key)}")


def count(operations, kinds):
    """ok, fail, unknown."""
    outcomes = Counter(operation.outcome for operation in operations.values() if operation.kind in kinds)
    return outcomes["ok"], outcomes["fail"], outcomes["unknown"]
