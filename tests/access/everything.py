"""All kinds of things, in the order of what they are made of."""

from concurrent.futures import ThreadPoolExecutor

from money import Money
from world import PLACES


class Everything(Money):
    def make_all(self):
        for cls in reversed(Everything.__mro__):
            for name, value in vars(cls).items():
                if getattr(value, "is_kind", False):
                    with ThreadPoolExecutor(len(PLACES)) as pool:
                        list(pool.map(lambda place: self.find(name, place), PLACES))
        self.world.system.post(f"/organizations/{self.world.archived}/archive").expect(204)
