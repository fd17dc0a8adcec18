"""Two trees with people of every role, made through the API alone: who the actors are, and where things lie."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from client import Client

PASSWORD = "seven red lanterns by the bridge"

# Where an object lies, seen from branch A. Their order is that of the letters in a cell of the table.
PLACES = ("own", "child", "parent", "sibling", "foreign", "missing", "deleted")
# Where there are people, from the top of each tree.
INHABITED = ("top", "parent", "own", "child", "sibling", "foreign_top", "foreign")

ROLES = ("lecturer", "organizer", "secretary", "treasurer", "inspector", "admin")
ELSEWHERE = ("lecturer", "treasurer", "inspector")


class Actor(NamedTuple):
    """Where their home is, the role they have, and the column of the table that says what they may."""

    home: str
    role: str
    column: str
    # Where the role was granted, if not at home.
    granted_at: str = None


ACTORS = {
    "anonymous": Actor(None, None, "nobody"),
    "disabled": Actor("own", "admin", "nobody"),
    "member": Actor("own", None, "member"),
    "former": Actor("own", "admin", "member"),
    "subject": Actor("own", None, "subject"),
    "lecturer": Actor("own", "lecturer", "lecturer"),
    "organizer": Actor("own", "organizer", "organizer"),
    "secretary": Actor("own", "secretary", "secretary"),
    "treasurer": Actor("own", "treasurer", "treasurer"),
    "inspector": Actor("own", "inspector", "inspector"),
    "admin": Actor("own", "admin", "admin"),
    "child": Actor("child", "admin", "child"),
    "parent": Actor("parent", "admin", "parent"),
    "sibling": Actor("sibling", "admin", "sibling"),
    "foreign": Actor("foreign", "admin", "foreign"),
    "system": Actor(None, None, "system"),
    "device": Actor("own", None, "device"),
    # Roles that an admin's column says nothing about, at the root, beside A and below it: read from their columns (policy.py).
    **{f"{role} {place}": Actor(place, role, f"{role} at {place}") for role in ELSEWHERE for place in ("top", "sibling", "child")},
    # Two lines at once: home is branch A, the role is branch B's.
    **{f"{role} both": Actor("own", role, f"member, {role} reaching sibling", "sibling") for role in ROLES},
}


@dataclass
class Place:
    """An organization with a plain member, whose the personal things there are, and an admin from above who makes them."""

    name: str
    organization: str
    above: str
    maker: Client
    maker_id: str
    subject: Client = None
    subject_id: str = ""


class World:
    """The trees, their people with a token each, and where they belong."""

    def __init__(self, address, activation_code):
        self.address = address
        self.places = {}
        self.actors = {}
        self.actor_ids = {}
        self.accounts = {}
        self.devices = {}
        self.system = self._activate(activation_code)
        self.actors["system"] = self.system
        self.actors["anonymous"] = Client(address)
        self.accounts["system"] = "admin"
        self._make_trees()
        self._make_people()
        self._make_device()

    def _activate(self, code):
        tokens = Client(self.address).post("/auth/activations", {"code": code, "password": PASSWORD}).expect(200, 201)
        return self._bearer(tokens.json["access_token"])

    def _bearer(self, token):
        return Client(self.address, f"Bearer {token}")

    def log_in(self, actor, address=None):
        """One more session of that actor's, whose end spoils nothing."""
        body = {"account": self.accounts[actor], "password": PASSWORD, "device_id": f"phone of {actor}"}
        return Client(address or self.address).post("/auth/login", body).expect(200).json

    def organization(self, name, kind, parent=None):
        # Open boards: else their own setting hides them from everybody, whatever their rights.
        settings = {"leaderboards": "open"}
        body = {"name": name, "kind": kind, "parent_id": parent, "settings": settings}
        return self.system.post("/organizations", body).expect(201).id

    def _make_trees(self):
        tree = (
            ("top", "committee", None),
            ("parent", "general_branch", "top"),
            ("own", "branch", "parent"),
            ("child", "group", "own"),
            ("sibling", "branch", "parent"),
            ("foreign_top", "committee", None),
            ("foreign", "branch", "foreign_top"),
        )
        for name, kind, above in tree:
            parent = self.places[above].organization if above else None
            organization = self.organization(mark(name, "organization"), kind, parent)
            self.places[name] = Place(name, organization, parent, None, "")
        self.archived = self.organization(mark("own", "archived"), "group", self.places["own"].organization)

    def _make_people(self):
        wanted = {name: actor for name, actor in ACTORS.items() if actor.home and name != "device"}
        wanted |= {f"maker {top}": Actor(top, "admin", "") for top in ("top", "foreign_top")}
        wanted |= {f"subject {place}": Actor(place, None, "") for place in ("child", "parent", "sibling", "foreign", "top")}
        for name, actor in wanted.items():
            self.actor_ids[name] = self.member(actor.home, name, actor.role, actor.granted_at)
            self.accounts[name] = account_of(name)
        codes = {}
        for top in ("top", "foreign_top"):
            body = {"organization_id": self.places[top].organization}
            issued = self.system.post("/members/activation-codes", body).expect(201).json["items"]
            codes.update({item["member_id"]: item["code"] for item in issued})
        names = list(wanted)
        with ThreadPoolExecutor(8) as pool:
            self.actors.update(zip(names, pool.map(lambda name: self._activate(codes[self.actor_ids[name]]), names)))
        for place in INHABITED:
            maker = "maker foreign_top" if place.startswith("foreign") else "maker top"
            subject = "subject" if place == "own" else f"subject {place}"
            found = self.places[place]
            found.maker, found.maker_id = self.actors[maker], self.actor_ids[maker]
            found.subject, found.subject_id = self.actors.get(subject), self.actor_ids.get(subject, "")

    def member(self, place, name, role=None, granted_at=None):
        home = self.places[place].organization
        # Somebody of two lines is known on both.
        marked = mark("both" if granted_at else place, f"person {name}")
        body = {"name": marked, "organization_id": home, "account_name": account_of(name), "standing": "full"}
        made = self.system.post("/members", body).expect(201).id
        if role:
            self.grant(self.places[granted_at or place].organization, made, role)
        return made

    def grant(self, organization, member, role):
        body = {"member_id": member, "role": role}
        return self.system.post(f"/organizations/{organization}/roles", body).expect(201).id

    def _make_device(self):
        place = self.places["own"]
        body = {"name": mark("own", "screen"), "purposes": ["screen", "scanner"]}
        made = place.maker.post(f"/organizations/{place.organization}/devices", body).expect(201).json
        token = Client(self.address).post("/devices/enrolments", {"code": made["code"]}).expect(201).json
        self.actors["device"] = Client(self.address, f"Device {token['device_token']}")

    def disable(self):
        """After their last sign-in: the account `disabled`, and the role of `former`."""
        member = self.actor_ids["disabled"]
        self.system.post(f"/members/{member}/deactivate", {"reason": "moved away"}).expect(200)
        own = self.places["own"].organization
        grants = self.system.get(f"/organizations/{own}/roles?limit=200").expect(200).json["items"]
        for grant in grants:
            if grant["member_id"] == self.actor_ids["former"]:
                self.system.send("DELETE", f"/organizations/{own}/roles/{grant['id']}").expect(204)

    def home_of(self, actor):
        """Where the things lie that an actor works with: at their role; who has no home, or is above all, looks at branch A."""
        home = ACTORS[actor].granted_at or ACTORS[actor].home
        return home if home in PLACES else "own"


def account_of(name):
    return f"access-{name.replace(' ', '-')}"


def mark(place, what):
    """Each name tells where it belongs, so that an answer that shows it where it must not is found out."""
    return f"canary-{place}-{what.replace(' ', '-')}."


def new_id():
    return str(uuid.uuid4())


def escaped(text):
    return quote(text, safe="")
