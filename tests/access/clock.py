"""A server whose clock is days away from this machine's, and from the database's (P17): its own clock decides.

scripts/access.sh starts it half an hour after midnight of a first of a month in Shanghai, when it is the last day of the month before in UTC.
"""

import argparse
import sys
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from client import Client
from world import PASSWORD, new_id


def text(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Run:
    def __init__(self, address, code):
        self.address = address
        self.wrong = []
        self.system = self.activate(code)
        told = parsedate_to_datetime(self.system.get("/me").expect(200).headers["date"])
        self.now = told.astimezone(timezone.utc)

    def activate(self, code):
        body = {"code": code, "password": PASSWORD, "device_id": "phone"}
        tokens = Client(self.address).post("/auth/activations", body).expect(200, 201).json
        return Client(self.address, f"Bearer {tokens['access_token']}")

    def expect(self, wanted, found, what):
        print(f"  {what}: {found}")
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}")

    def tree(self, **settings):
        """A committee with one member, and that member."""
        body = {"name": f"x {new_id()}", "kind": "committee", "settings": {"leaderboards": "open", **settings}}
        top = self.system.post("/organizations", body).expect(201).id
        person = {"name": "x", "organization_id": top, "account_name": f"x-{new_id()}", "standing": "full"}
        member = self.system.post("/members", person).expect(201).id
        code = self.system.post(f"/members/{member}/activation-codes").expect(201).json["code"]
        return top, self.activate(code)

    def event(self, top, begins):
        times = {"starts_at": text(begins), "ends_at": text(begins + timedelta(hours=1))}
        made = self.system.post("/events", {"organization_id": top, "title": "x", "forms": ["lecture"], **times}).expect(201).id
        self.system.post(f"/events/{made}/publish").expect(200)
        return made

    def look(self):
        shanghai, member = self.tree()
        utc, other = self.tree(time_zone="Etc/UTC")
        self.months(shanghai, member, utc, other)
        self.check_in(shanghai, member)
        return self.wrong

    def months(self, shanghai, member, utc, other):
        local = self.now + timedelta(hours=8)
        for span in ("day", "month"):
            for name, top, client, there in (("in Shanghai", shanghai, member, local), ("in UTC", utc, other, self.now)):
                board = client.get(f"/leaderboards/{top}?span={span}").expect(200).json
                begins = there.strftime("%Y-%m-%d" if span == "day" else "%Y-%m-01")
                self.expect(begins, board["starts_on"], f"the {span} {name} begins on")

    def check_in(self, top, member):
        event = self.event(top, self.now + timedelta(minutes=10))
        code = self.system.get(f"/events/{event}/code").expect(200).json["code"]
        # The phone goes by this machine's clock, which is days away.
        claimed = text(datetime.now(timezone.utc))
        body = {"code": code, "client_event_id": new_id(), "occurred_at": claimed}
        made = member.post("/check-ins", body).expect(201).json
        received = datetime.fromisoformat(made["received_at"])
        self.expect("present", made["status"], "whose phone's clock is days away is")
        self.expect(True, abs((received - self.now).total_seconds()) < 60, "and was received by the server's clock")
        print(f"  the phone claimed {claimed}, the server says {made['received_at']}; to look at: {made['review']}")
        # Now is three days before the server's now: an event that is open by this machine's clock is over.
        over = self.system.send("GET", f"/events/{self.event(top, datetime.now(timezone.utc) + timedelta(minutes=10))}/code")
        self.expect(409, over.status, "a code of an event that is open by this machine's clock alone answers")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--code", required=True)
    asked = parser.parse_args()
    run = Run(asked.address, asked.code)
    print(f"a server whose clock says {text(run.now)} (here it is {text(datetime.now(timezone.utc))}):")
    wrong = run.look()
    print(f"wrong: {len(wrong)}", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
