"""What is asked for and decided: expenses and points."""

from files import Files
from objects import day, kind
from world import mark


class Money(Files):
    @kind
    def expense(self, place):
        # Branch A's is submitted by its organizer, so that the one who submitted it is among the actors.
        client = self.world.actors["organizer"] if place.name == "own" else place.maker
        return self.spend(place, client)

    def spend(self, place, client):
        body = {"category": "venue", "amount_cents": 100, "spent_on": day(), "payee": mark(place.name, "payee")}
        return client.post(f"/events/{self.find('event', place.name)}/expenses", body).expect(201).id

    def gone_expense(self):
        place = self.world.places["own"]
        expense = self.spend(place, place.maker)
        place.maker.post(f"/expenses/{expense}/withdraw").expect(200)
        return expense

    @kind
    def point_award(self, place):
        client = self.world.actors["secretary"] if place.name == "own" else place.maker
        return self.propose(place, client)

    def propose(self, place, client):
        body = {"points": 1, "reason": mark(place.name, "award")}
        return client.post(f"/members/{place.subject_id}/point-awards", body).expect(201).id

    def gone_point_award(self):
        place = self.world.places["own"]
        award = self.propose(place, place.maker)
        place.maker.post(f"/point-awards/{award}/withdraw").expect(200)
        return award
