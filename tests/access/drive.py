"""Sends every operation as every actor, with the thing of every place in every slot, and keeps what came."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bodies import upload_metadata
from client import Client
from document import NO_THINGS
from recipes import ANY, KIND_BY_SEGMENT, KIND_BY_TYPE, WORDS, place_into, recipe_of
from world import ACTORS, PLACES, escaped

# More would wait for each other in Python, fewer for the server.
AT_ONCE = 8
# A row for an operation that names nothing has one letter.
NOWHERE = "-"


@dataclass(frozen=True)
class Cell:
    operation: str
    slot: str
    actor: str
    place: str


class Home:
    """Things that an actor has at hand: those of their own place, for what a request needs beside the slot."""

    def __init__(self, objects, actor, tried):
        self.objects = objects
        self.actor = actor
        self.name = objects.world.home_of(actor)
        self.place = objects.world.places[self.name]
        # The place whose thing stands in the slot.
        self.tried = tried

    def id(self, kind):
        return self.objects.find(kind, self.name)

    def code(self):
        return self.objects.code(self.name)

    def there(self, kind):
        """That of the place that is tried, where there is one: what fits to the thing in the slot."""
        return self.objects.find(kind, self.there_name())

    def there_name(self):
        # What is deleted was branch A's.
        return {"deleted": "own", "missing": self.name}.get(self.tried, self.tried)

    def me(self):
        """The actor; for those who are no member, one of the place that is tried; one of their own people for those of two lines."""
        if ACTORS[self.actor].granted_at:
            return self.id("spare_member")
        return self.objects.world.actor_ids.get(self.actor) or self.there("spare_member")

    def me_at_home(self):
        return self.objects.world.actor_ids.get(self.actor) or self.id("spare_member")

    def session(self, place=None):
        """A session of the sign-up event that is tried, or of that of the place."""
        place = place or self.there_name()
        self.objects.find("sign_up_event", place)
        return {"session_id": self.objects.secrets["sessions", place][0]}

    def kind_below(self):
        """What may stand below the organization that is tried."""
        return {"parent": "branch"}.get(self.tried, "group")

    def target_above(self):
        """Where an organization stands already: whoever may move it, moves nothing."""
        places = self.objects.world.places
        if self.tried == "deleted":
            return places["own"].organization
        return (places.get(self.tried) or self.place).above


class Driver:
    def __init__(self, world, objects, operations, table, actors):
        self.world = world
        self.objects = objects
        self.operations = operations
        self.table = table
        self.actors = actors
        self.replies = {}

    def run(self, only=None):
        """The gentle ones first; what changes more of the world comes later."""
        asked = [operation for operation in self.operations if only in (None, operation.id)]
        rows = [(operation, slot) for operation in asked for slot in operation.slots or [NOWHERE]]
        rows.sort(key=lambda row: (row[0].method != "GET", recipe_of(*row).turn))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for operation, slot in rows:
                recipe = recipe_of(operation, slot)
                alone = recipe.uses_up or recipe.undo or recipe.turn or recipe.headers == ANY
                # Who takes or changes a thing does so alone: else the next one would find out by chance.
                each = map if alone else pool.map
                for found in each(lambda actor: self._try_all(operation, slot, actor), self._actors(operation, slot)):
                    self.replies.update(found)

    def _actors(self, operation, slot):
        row = self.table.get((operation.id, slot))
        return [name for name in self.actors if not row or row.asks(ACTORS[name].column)]

    def _try_all(self, operation, slot, actor):
        places = PLACES if slot != NOWHERE else ("own",)
        tried = ((Cell(operation.id, slot, actor, place), self._try(operation, slot, actor, place)) for place in places)
        return {cell: reply for cell, reply in tried if reply}

    def _try(self, operation, slot, actor, place):
        recipe = recipe_of(operation, slot)
        home = Home(self.objects, actor, place)
        kind = self._kind(operation, slot, recipe)
        path = self._path(operation, slot, recipe, home)
        tried = None
        if slot != NOWHERE:
            tried = self._thing(kind, place, operation)
            if tried is None:
                return None
        query = recipe.query_of(home) if recipe.query_of else recipe.query
        body, headers = recipe.body(home) if recipe.body else None, dict(recipe.headers)
        where, _, name = slot.partition(":")
        if where == "query":
            query = "&".join(filter(None, [query, f"{name}={escaped(tried)}"]))
        elif where == "body":
            place_into(body, name, tried)
        if operation.id == "create_upload":
            headers["Upload-Metadata"] = upload_metadata(tried)
        query = query or ("organization_id=" + home.id("organization") if operation.id == "import_members" else "")
        client = self._client(actor, recipe)
        reply = client.send(operation.method, path + (f"?{query}" if query else ""), body, headers)
        if 200 <= reply.status < 300:
            if recipe.uses_up:
                self._renew(operation, slot, recipe, home, place)
            if recipe.undo:
                recipe.undo(self.objects, client, reply)
        return reply

    def _kind(self, operation, slot, recipe):
        """What stands in the slot."""
        if slot in recipe.kinds:
            return recipe.kinds[slot]
        where, _, name = slot.partition(":")
        if where == "path":
            return KIND_BY_SEGMENT[re.search(r"/([^/]+)/\{%s\}" % name, operation.path).group(1)]
        if where == "header":
            return "organization"
        return KIND_BY_TYPE.get(operation.slots.get(slot), "text")

    def _thing(self, kind, place, operation):
        if kind == "text":
            ticket = operation.id == "find_media_content"
            return self.objects.ticket(place) if ticket else self.objects.code(place)
        if kind == "invitation":
            return self.objects.invitation(place)
        return self.objects.find(kind, place)

    def _path(self, operation, slot, recipe, home):
        """The thing that is tried in its own slot and what hangs on it; elsewhere those of home."""
        path = operation.path.removeprefix("/api/v1")
        for name in re.findall(r"\{(\w+)\}", path):
            if name in NO_THINGS:
                path = path.replace("{%s}" % name, WORDS["{%s}" % name])
                continue
            here = f"path:{name}"
            place = home.tried if slot in (here, "path:id") else home.name
            found = self._thing(self._kind(operation, here, recipe), place, operation)
            path = path.replace("{%s}" % name, found or "")
        return path

    def path_at_home(self, operation, actor):
        """For what is asked about an actor's own place."""
        home = Home(self.objects, actor, self.world.home_of(actor))
        return self._path(operation, NOWHERE, recipe_of(operation), home)

    def _client(self, actor, recipe):
        if not recipe.own_session or actor in ("anonymous", "disabled", "device"):
            return self.world.actors[actor]
        tokens = self.world.log_in(actor)
        return Client(self.world.address, f"Bearer {tokens['access_token']}")

    def _renew(self, operation, slot, recipe, home, place):
        for name in re.findall(r"\{(\w+)\}", operation.path):
            here = f"path:{name}"
            where = place if slot in (here, "path:id") else home.name
            kind = self._kind(operation, here, recipe)
            if kind != "organization":
                self.objects.renew(kind, where)
