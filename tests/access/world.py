"""Two trees with people of every role, made through the API alone: who the actors are, and where things lie."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from client import Client

PASSWORD = "seven red lanterns by the bridge"

# Where an object lies, seen from branch A. Their order is that of the letters in a cell of the table.
PLACES = ("own", "child", "parent", "sibling", "foreign", "missing", "deleted")
# Where there are people, from the top of each tree.
INHABITED = ("top", "parent", "own", "child", "sibling", "foreign_top", "foreign")

# Actor -> where their home is, the role they have there, and the column of the table that says what they may.
ACTORS = {
    "anonymous": (None, None, "nobody"),
    "disabled": ("own", "admin", "nobody"),
    "member": ("own", None, "member"),
    "former": ("own", "admin", "member"),
    "subject": ("own", None, "subject"),
    "lecturer": ("own", "lecturer", "lecturer"),
    "organizer": ("own", "organizer", "organizer"),
    "secretary": ("own", "secretary", "secretary"),
    "treasurer": ("own", "treasurer", "treasurer"),
    "inspector": ("own", "inspector", "inspector"),
    "admin": ("own", "admin", "admin"),
    "child": ("child", "admin", "child"),
    "parent": ("parent", "admin", "parent"),
    "sibling": ("sibling", "admin", "sibling"),
    "foreign": ("foreign", "admin", "foreign"),
    "system": (None, None, "system"),
    "device": ("own", None, "device"),
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
        wanted = [(name, home, role) for name, (home, role, _) in ACTORS.items() if home and name != "device"]
        wanted += [(f"maker {top}", top, "admin") for top in ("top", "foreign_top")]
        wanted += [(f"subject {place}", place, None) for place in ("child", "parent", "sibling", "foreign", "top")]
        for name, home, role in wanted:
            self.actor_ids[name] = self.member(home, name, role)
            self.accounts[name] = f"access-{name.replace(' ', '-')}"
        codes = {}
        for top in ("top", "foreign_top"):
            body = {"organization_id": self.places[top].organization}
            issued = self.system.post("/members/activation-codes", body).expect(201).json["items"]
            codes.update({item["member_id"]: item["code"] for item in issued})
        names = [name for name, *_ in wanted]
        with ThreadPoolExecutor(8) as pool:
            self.actors.update(zip(names, pool.map(lambda name: self._activate(codes[self.actor_ids[name]]), names)))
        for place in INHABITED:
            maker = "maker foreign_top" if place.startswith("foreign") else "maker top"
            subject = "subject" if place == "own" else f"subject {place}"
            found = self.places[place]
            found.maker, found.maker_id = self.actors[maker], self.actor_ids[maker]
            found.subject, found.subject_id = self.actors.get(subject), self.actor_ids.get(subject, "")

    def member(self, place, name, role=None, organization=None):
        organization = organization or self.places[place].organization
        account = f"access-{name.replace(' ', '-')}"
        body = {"name": mark(place, f"person {name}"), "organization_id": organization, "account_name": account, "standing": "full"}
        made = self.system.post("/members", body).expect(201).id
        if role:
            self.grant(organization, made, role)
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
        """Where an actor's own things lie; those who have no home look at branch A."""
        return ACTORS[actor][0] or "own"


def mark(place, what):
    """Each name tells where it belongs, so that an answer that shows it where it must not is found out."""
    return f"canary-{place}-{what.replace(' ', '-')}."


def new_id():
    return str(uuid.uuid4())


def escaped(text):
    return quote(text, safe="")
