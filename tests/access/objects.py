"""One thing of each kind at each place, and how it is found. A maker is named like its kind and returns the id."""

import base64
import itertools
import pathlib
import threading
from collections import defaultdict
from datetime import datetime, timedelta, timezone

from world import new_id

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


def at(**after):
    return (datetime.now(timezone.utc) + timedelta(**after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(**after):
    return at(**after)[:10]


def text64(text):
    return base64.b64encode(text.encode()).decode()


class Objects:
    def __init__(self, world):
        self.world = world
        # What was made beside an id, by the same kind and place: a code, an address, a token.
        self.secrets = {}
        self.ids = {}
        self.turns = defaultdict(threading.RLock)
        self.phones = itertools.count(13800000001)

    def find(self, kind, place):
        """The id of that kind there, made when it is first asked for."""
        # What a thing is made of is made first, never the other way round: so these locks meet in one order.
        with self.turns[kind, place]:
            if (kind, place) not in self.ids:
                self.ids[kind, place] = self._make(kind, place)
            return self.ids[kind, place]

    def _make(self, kind, place):
        if place == "missing":
            made = getattr(self, f"missing_{kind}", new_id)
            return made()
        if place == "deleted":
            gone = getattr(self, f"gone_{kind}", None)
            return gone() if gone else None
        return getattr(self, kind)(self.world.places[place])

    def secret(self, kind, place):
        self.find(kind, place)
        return self.secrets.get((kind, place), "")

    def renew(self, kind, place):
        """Somebody's success has used it up: the next one finds another."""
        self.ids.pop((kind, place), None)


def kind(maker):
    maker.is_kind = True
    return maker
