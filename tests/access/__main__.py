"""Drives a server as everybody and compares with the table. scripts/access.sh starts the servers and calls this."""

import argparse
import pathlib
import sys
import time

import check
import document
import policy
import recipes
from audit import Audit
from deeds import Deeds
from drive import Driver
from everything import Everything
from lists import Lists
from revocation import WITHIN_S, Revocation
from rotation import Rotation
from streams import Streams
from world import ACTORS, World

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "openapi" / "openapi.json"
# All but the last look at the same world, in which nothing happens by itself.
PARTS = ("table", "revocation", "rotation", "audit", "live")


def arguments():
    parser = argparse.ArgumentParser(prog="tests/access", description=__doc__)
    parser.add_argument("--address", required=True, help="host:port of a fresh server")
    parser.add_argument("--second", required=True, help="host:port of another process on the same database")
    parser.add_argument("--code", required=True, help="the system admin's one-time activation code")
    parser.add_argument("--document", default=DOCUMENT, type=pathlib.Path, help="the OpenAPI document")
    parser.add_argument("--only", help="one operation of the table, by its operationId, and no other part")
    parser.add_argument("--actors", help="some of them alone, with commas between, in the table")
    parser.add_argument("--part", choices=PARTS, help="one part alone")
    return parser.parse_args()


def show(title, found):
    """Prints them under a heading, mismatches of one sort together; tells how many there were."""
    found = list(found)
    print(f"{title}: {len(found)}")
    mismatches = [one for one in found if isinstance(one, check.Mismatch)]
    for one in [*(one for one in found if one not in mismatches), *check.summary(mismatches)]:
        print(f"  {one}")
    return len(found)


def look_at_table(driver, table, only):
    """P9."""
    # Before anything is moved: somebody who was transferred takes along the name of where they came from.
    lists = Lists(driver)
    wrong = show("lists, counts and cursors that tell more", lists.run(only))
    print(f"lists, counts and cursors: {lists.tried} requests, cursors of {lists.lent} of {lists.paged} lists")
    driver.run(only)
    print(f"cells: {len(driver.replies)} of {len(table)} rows")
    wrong += show("cells of the table that nobody asked", check.unasked(table, driver.replies, driver.actors))
    wrong += show("cells that differ from the table", check.cells(table, driver.replies))
    wrong += show("out of sight, and not as if missing", check.alike(table, driver.replies))
    return wrong + show("names from out of sight", check.leaks(driver.replies))


def revoke(title, cases):
    """P10."""
    slow = 0
    print(f"{title}:")
    for name, took, left in cases.run():
        good = took <= WITHIN_S and not left
        slow += not good
        print(f"  {name}: {took:.2f} s{'' if good else '  NOT WITHIN ' + str(WITHIN_S) + ' s: ' + '; '.join(left)}")
    return slow


def rotate(world, addresses):
    """P11."""
    return sum(show(f"refresh tokens, {name}", wrong) for name, wrong in Rotation(world, addresses).run())


def main():
    asked = arguments()
    parts = ["table"] if asked.only else [asked.part] if asked.part else PARTS[:-1]
    operations = list(document.read(asked.document))
    if asked.only and asked.only not in {operation.id for operation in operations}:
        sys.exit(f"there is no operation {asked.only}")
    actors = asked.actors.split(",") if asked.actors else list(ACTORS)
    if unknown := set(actors) - set(ACTORS):
        sys.exit(f"there is no actor {', '.join(unknown)}")
    table = policy.read(HERE / "policy.csv")
    wrong = show("operations and slots without a row, rows without one", check.rows(table, operations))
    wrong += show("recipes of nothing", recipes.unknown(operations))
    begun, addresses = time.monotonic(), [asked.address, asked.second]
    world = World(asked.address, asked.code)
    objects = Everything(world)
    if "table" in parts:
        objects.make_all()
    world.disable()
    # What ends with the account ends within a second.
    time.sleep(WITHIN_S)
    print(f"the world is made: {len(objects.ids)} things, {time.monotonic() - begun:.0f} s")
    audit = Audit(world, operations)
    if "table" in parts:
        wrong += look_at_table(Driver(world, objects, operations, table, actors), table, asked.only)
        if not asked.only:
            Deeds(world, objects).do_all()
        print(f"{time.monotonic() - begun:.0f} s")
    if "revocation" in parts:
        wrong += revoke("until two processes refuse what was taken away", Revocation(world, objects, addresses))
    if "rotation" in parts:
        wrong += rotate(world, addresses)
    if "live" in parts:
        wrong += revoke("until a live screen at either of them shows nothing more", Streams(world, objects, addresses))
    if "audit" in parts:
        wrong += sum(show(name, found) for name, found in audit.run("table" in parts))
    print(f"wrong: {wrong}, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
