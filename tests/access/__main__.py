"""Drives a server as everybody and compares with the table. scripts/access.sh starts the servers and calls this."""

import argparse
import pathlib
import sys
import time

import check
import document
import policy
import recipes
from drive import Driver
from everything import Everything
from lists import Lists
from revocation import WITHIN_S, Revocation
from world import World

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "openapi" / "openapi.json"


def arguments():
    parser = argparse.ArgumentParser(prog="tests/access", description=__doc__)
    parser.add_argument("--address", required=True, help="host:port of a fresh server")
    parser.add_argument("--second", required=True, help="host:port of another process on the same database")
    parser.add_argument("--code", required=True, help="the system admin's one-time activation code")
    parser.add_argument("--document", default=DOCUMENT, type=pathlib.Path, help="the OpenAPI document")
    parser.add_argument("--only", help="one operation, by its operationId")
    return parser.parse_args()


def show(title, found):
    """Prints them under a heading, mismatches of one sort together; tells how many there were."""
    found = list(found)
    print(f"{title}: {len(found)}")
    mismatches = [one for one in found if isinstance(one, check.Mismatch)]
    for one in [*(one for one in found if one not in mismatches), *check.summary(mismatches)]:
        print(f"  {one}")
    return len(found)


def revoke(world, objects, addresses):
    slow = 0
    for name, took, left in Revocation(world, objects, addresses).run():
        good = took <= WITHIN_S and not left
        slow += not good
        print(f"  {name}: {took:.2f} s{'' if good else '  NOT WITHIN ' + str(WITHIN_S) + ' s: ' + '; '.join(left)}")
    return slow


def main():
    asked = arguments()
    operations = list(document.read(asked.document))
    if asked.only and asked.only not in {operation.id for operation in operations}:
        sys.exit(f"there is no operation {asked.only}")
    table = policy.read(HERE / "policy.csv")
    wrong = show("operations and slots without a row, rows without one", check.rows(table, operations))
    wrong += show("recipes of nothing", recipes.unknown(operations))
    begun = time.monotonic()
    world = World(asked.address, asked.code)
    objects = Everything(world)
    objects.make_all()
    world.disable()
    # What ends with the account ends within a second.
    time.sleep(WITHIN_S)
    print(f"the world is made: {len(objects.ids)} things, {time.monotonic() - begun:.0f} s")
    driver = Driver(world, objects, operations)
    # Before anything is moved: somebody who was transferred takes along the name of where they came from.
    lists = Lists(driver)
    wrong += show("lists, counts and cursors that tell more", lists.run(asked.only))
    print(f"lists, counts and cursors: {lists.tried} requests")
    driver.run(asked.only)
    print(f"cells: {len(driver.replies)} of {len(table)} rows, {time.monotonic() - begun:.0f} s")
    wrong += show("cells that differ from the table", check.cells(table, driver.replies))
    wrong += show("out of sight, and not as if missing", check.alike(table, driver.replies))
    wrong += show("names from out of sight", check.leaks(driver.replies))
    if not asked.only:
        print("until two processes refuse what was taken away:")
        wrong += revoke(world, objects, [asked.address, asked.second])
    print(f"wrong: {wrong}, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
