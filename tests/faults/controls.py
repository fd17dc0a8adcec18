"""Shows that the checker can see: copies of what is stored that were spoiled, and servers that are broken on purpose."""

import copy

import checker
import rounds


def spoil_lost_check_in(stored, new):
    stored["check_ins"].remove(new("check_ins"))


def spoil_doubled_check_in(stored, new):
    stored["check_ins"].append({**new("check_ins"), "id": "another"})


def spoil_invented_sign_up(stored, new):
    stored["sign_ups"].append({**new("sign_ups"), "id": "another", "client_event_id": "nobody's"})


def spoil_lost_sign_up(stored, new):
    stored["sign_ups"].remove(new("sign_ups"))


def spoil_lost_award(stored, new):
    stored["point_awards"].remove(new("point_awards"))


def spoil_lost_progress(stored, new):
    stored["lesson_progress"].remove(max(stored["lesson_progress"], key=lambda row: row["covered_ms"]))


def spoil_invented_progress(stored, new):
    row = max(stored["lesson_progress"], key=lambda row: row["covered_ms"])
    row["played"], row["covered_ms"] = b"\x00\xc0\x84\x3d", 1_000_000


def spoil_lost_points(stored, new):
    source = new("check_ins")["id"]
    stored["point_entries"] = [row for row in stored["point_entries"] if row["source_id"] != source]


def spoil_total(stored, new):
    stored["point_totals"][0]["points"] += 1


def spoil_places(stored, new):
    row = next(row for row in stored["sign_ups"] if row["status"] == "confirmed")
    row["status"] = "waitlisted"


def spoil_oversold(stored, new):
    row = next(row for row in stored["sign_ups"] if row["status"] == "waitlisted")
    row["status"] = "confirmed"


def unseen_spoils(operations, before, after, names=None, is_long=True):
    """Names of the spoiled copies, of these or all, in which the checker found nothing."""
    unseen = []
    for name in names or SPOILS:
        stored = copy.deepcopy(after)
        old = {table: {row["id"] for row in before[table]} for table in ("check_ins", "sign_ups", "point_awards")}
        told = {operation.answer.get("id") for operation in operations.values() if operation.outcome == "ok"}
        new = lambda table: next(row for row in stored[table] if row["id"] not in old[table] and row["id"] in told)
        try:
            SPOILS[name](stored, new)
        except StopIteration:
            # A short round may have nothing of that kind. The kills have, or fail.
            if is_long:
                unseen.append(f"{name}, for which there was nothing")
            continue
        if not checker.Checker(operations, before, stored).check().all():
            unseen.append(name)
    return unseen


SPOILS = {name.removeprefix("spoil_"): value for name, value in list(globals().items()) if name.startswith("spoil_")}


def plans(backend, seed, binary, cluster_parent):
    """Servers that acknowledge what they may lose, so a round of them must end in losses."""
    # The moment between answer and commit is made longer, so that a few kills meet it.
    early = {"FAILPOINTS": "lane::answer_before_commit=return;lane::before_commit=sleep(100)"}
    if backend == "sqlite":
        normal = {"FAILPOINTS": "sqlite::synchronous_normal=return"}
        broken = [("at synchronous=NORMAL", "power-loss", 1, normal, ())]
    else:
        # A commit that is not waited for is written by the WAL writer: seldom, here.
        late = {"FAILPOINTS": "postgres::asynchronous_commit=return"}
        broken = [("at synchronous_commit=off", "kill-postgres", 4, late, ["wal_writer_delay=10s"])]
    # Four were too few: on PostgreSQL the other server often takes what was lost before it is missed.
    broken.append(("the lane answers before it commits", "kill-server", 10, early, ()))
    for what, fault, times, settings, options in broken:
        yield rounds.Plan(
            f"control: {backend}, {what}", backend, seed, binary, [fault], times,
            longest=0.8, settings=settings, postgres=options, cluster_parent=cluster_parent,
        )
