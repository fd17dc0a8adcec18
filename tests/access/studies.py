"""Lessons with a quiz, series, study plans, and what is studied."""

from attendance import Attendance
from objects import at, day, kind
from world import mark, new_id


class Studies(Attendance):
    def write_lesson(self, place):
        body = {
            "organization_id": place.organization,
            "kind": "article",
            "title": mark(place.name, "lesson"),
            "body": mark(place.name, "words"),
        }
        return place.maker.post("/lessons", body).expect(201).id

    def published_lesson(self, place):
        lesson = self.write_lesson(place)
        for verb in ("submit", "publish"):
            place.maker.post(f"/lessons/{lesson}/{verb}", {} if verb == "publish" else None).expect(200)
        return lesson

    @kind
    def draft_lesson(self, place):
        return self.write_lesson(place)

    @kind
    def lesson(self, place):
        lesson = self.published_lesson(place)
        place.maker.put(f"/lessons/{lesson}/quiz", self.quiz()).expect(201)
        return lesson

    def quiz(self):
        question = {"kind": "true_false", "text": "x", "options": ["a", "b"], "answer": [0]}
        return {"questions": [question], "attempt_limit": 100}

    @kind
    def question(self, place):
        quiz = place.maker.get(f"/lessons/{self.find('lesson', place.name)}/quiz").expect(200)
        return quiz.json["document"]["questions"][0]["id"]

    def gone_lesson(self):
        place = self.world.places["own"]
        lesson = self.lesson(place)
        place.maker.post(f"/lessons/{lesson}/archive", {"reason": "x"}).expect(200)
        return lesson

    @kind
    def spare_lesson(self, place):
        return self.lesson(place)

    def gone_spare_lesson(self):
        return self.find("lesson", "deleted")

    gone_draft_lesson = gone_spare_lesson

    @kind
    def quiz_attempt(self, place):
        lesson = self.find("spare_lesson", place.name)
        attempt = place.subject.post(f"/lessons/{lesson}/quiz/attempts").expect(201).id
        body = {"answers": [], "occurred_at": at()}
        place.subject.post(f"/quiz-attempts/{attempt}/hand-in", body).expect(200)
        return attempt

    @kind
    def study_review(self, place):
        lesson = self.published_lesson(place)
        ahead = {"session_id": new_id(), "sections": [0], "occurred_at": at(days=1)}
        place.subject.put(f"/lessons/{lesson}/progress", ahead).expect(200)
        found = place.maker.get(f"/study-reviews?organization_id={place.organization}").expect(200).json["items"]
        return next(review["id"] for review in found if review["lesson_id"] == lesson)

    @kind
    def series(self, place):
        series = self.draft_series(place)
        place.maker.post(f"/series/{series}/publish").expect(200)
        return series

    @kind
    def draft_series(self, place):
        lessons = [{"lesson_id": self.find("lesson", place.name)}]
        body = {"organization_id": place.organization, "title": mark(place.name, "series"), "lessons": lessons}
        return place.maker.post("/series", body).expect(201).id

    def gone_series(self):
        place = self.world.places["own"]
        series = self.series(place)
        place.maker.post(f"/series/{series}/archive", {"reason": "x"}).expect(200)
        return series

    @kind
    def spare_series(self, place):
        return self.series(place)

    def gone_spare_series(self):
        return self.find("series", "deleted")

    gone_draft_series = gone_spare_series

    def plan(self, place, publish=True):
        lessons = [self.find("lesson", place.name)]
        body = {"organization_id": place.organization, "title": mark(place.name, "plan"), "lesson_ids": lessons}
        plan = place.maker.post("/study-plans", {**body, "due_on": day(days=90)}).expect(201).id
        if publish:
            place.maker.post(f"/study-plans/{plan}/publish").expect(200)
        return plan

    @kind
    def study_plan(self, place):
        return self.plan(place)

    @kind
    def draft_plan(self, place):
        return self.plan(place, publish=False)

    def gone_study_plan(self):
        place = self.world.places["own"]
        plan = self.plan(place)
        place.maker.post(f"/study-plans/{plan}/cancel", {"reason": "x"}).expect(200)
        return plan

    @kind
    def spare_plan(self, place):
        return self.plan(place)

    def gone_spare_plan(self):
        return self.find("study_plan", "deleted")

    gone_draft_plan = gone_spare_plan
