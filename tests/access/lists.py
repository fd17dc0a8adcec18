"""Lists: a count counts what is shown, and a cursor is a place in an order, not a right."""

from concurrent.futures import ThreadPoolExecutor

from check import Mismatch, leaks
from drive import AT_ONCE, Cell
from recipes import recipe_of

# Whose cursors the others try.
LENDERS = ("system", "parent", "foreign")


def paged(operations):
    return [operation for operation in operations if operation.method == "GET" and "cursor" in operation.parameters]


class Lists:
    def __init__(self, driver):
        self.driver = driver
        self.tried = 0
        # Lists, and those of which somebody had a second page, hence a cursor that others could try.
        self.paged, self.lent = 0, 0

    def run(self, only=None):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for operation in paged(self.driver.operations):
                if only in (None, operation.id):
                    lent = {name: self._first_cursor(operation, name) for name in LENDERS}
                    self.paged += 1
                    self.lent += any(lent.values())
                    for found in pool.map(lambda actor: list(self._of(operation, actor, lent)), self.driver.actors):
                        yield from found

    def _ask(self, operation, actor, query):
        self.tried += 1
        recipe = recipe_of(operation)
        path = self.driver.path_at_home(operation, actor)
        query = "&".join(filter(None, [recipe.query, query]))
        return self.driver.world.actors[actor].get(f"{path}?{query}")

    def _first_cursor(self, operation, actor):
        reply = self._ask(operation, actor, "limit=1")
        return reply.json.get("next_cursor") if reply.status == 200 else None

    def _of(self, operation, actor, lent):
        counts = "count" in operation.parameters
        plain = self._ask(operation, actor, "limit=200" + ("&count=true" if counts else ""))
        home = self.driver.world.home_of(actor)
        cell = Cell(operation.id, "query:limit", actor, home)
        yield from leaks({cell: plain})
        if counts and plain.status == 200 and not plain.json.get("next_cursor"):
            shown, counted = len(plain.json["items"]), plain.json.get("count")
            if shown != counted:
                yield Mismatch(cell, f"a count of {shown}, as many as are shown", str(counted), plain)
        for cursor in filter(None, lent.values()):
            reply = self._ask(operation, actor, f"limit=200&cursor={cursor}")
            cell = Cell(operation.id, "query:cursor", actor, home)
            # One of another order is 422.
            if reply.status not in (plain.status, 422):
                yield Mismatch(cell, f"{plain.status} as without the cursor", str(reply.status), reply)
            yield from leaks({cell: reply})
