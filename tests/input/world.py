"""What the fuzzer may find: one or two of each kind of thing, made through the API, listed by the name of its id's schema."""

import base64
import uuid
from datetime import datetime, timedelta, timezone

from server import sign_in

# In every list, so that each operation also meets an id of nothing.
NOBODY = "01a20be8-c3a0-73b6-8911-a9d308c2654c"


def instant(**ahead):
    return (datetime.now(timezone.utc) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%d")


def build(server, roles):
    """The ids by schema name, and single values (codes, tokens) by theirs."""
    maker = Maker(server, roles)
    for part in (maker.organizations, maker.people, maker.events, maker.attendance, maker.study, maker.money, maker.rest):
        part()
    return maker.known, maker.values


class Maker:
    def __init__(self, server, roles):
        self.server, self.admin, self.member = server, roles["admin"], roles["member"]
        self.secretary, self.organizer = roles["secretary"], roles["organizer"]
        self.known, self.values = {}, {}

    def keep(self, schema, *ids):
        self.known.setdefault(schema, []).extend(ids)
        return ids[0]

    def organizations(self):
        self.root = self.keep("OrganizationId", self.admin.me()["organization_id"])
        self.branch = self.keep("OrganizationId", self.secretary.me()["organization_id"])
        for name in ("備用支部", "要撤銷的支部"):
            spare = {"name": name, "kind": "branch", "parent_id": self.root}
            self.keep("OrganizationId", self.admin.make("POST", "/organizations", spare)["id"])

    def people(self):
        # Not the accounts that the roles act with: those must be able to go on.
        acting = {client.me()["id"] for client in (self.admin, self.member, self.secretary, self.organizer)}
        listed = self.admin.make("GET", f"/members?organization_id={self.branch}&limit=20")["items"]
        self.keep("MemberId", *[one["id"] for one in listed if one["id"] not in acting][:3])
        for role in ("lecturer", "inspector"):
            grant = {"member_id": self.known["MemberId"][0], "role": role}
            self.keep("RoleGrantId", self.admin.make("POST", f"/organizations/{self.branch}/roles", grant)["id"])
        spare = sign_in(self.server, "demo-member-060")
        self.keep("SessionId", spare.make("GET", "/auth/sessions")["items"][0]["id"])
        award = {"points": 3, "reason": "社區服務"}
        for member in self.known["MemberId"][:2]:
            self.keep("PointAwardId", self.secretary.make("POST", f"/members/{member}/point-awards", award)["id"])

    def event(self, title, *, publish=True, **changes):
        new = {
            "organization_id": self.branch, "title": title, "starts_at": instant(minutes=-1), "ends_at": instant(hours=2),
            "forms": ["volunteering", "theme_day"], "opens_before_s": 3600, "closes_after_s": 7200, "code_window_s": 60, **changes,
        }
        made = self.organizer.make("POST", "/events", new)["id"]
        if publish:
            self.organizer.make("POST", f"/events/{made}/publish", {})
        return self.keep("EventId", made)

    def events(self):
        self.open = self.event("開著的活動")
        self.event("草稿", publish=False)
        self.dull = self.event("有人請假的活動", starts_at=instant(days=2), ends_at=instant(days=2, hours=2))
        self.later = self.event("報名的活動", publish=False, starts_at=instant(days=5), ends_at=instant(days=5, hours=2))
        policy = {"capacity": 5}
        self.organizer.make("PUT", f"/events/{self.later}/sign-up-policy", policy, headers={"If-Match": "*"})
        self.organizer.make("POST", f"/events/{self.later}/publish", {})
        for client in (self.secretary, self.member):
            wish = {"client_event_id": str(uuid.uuid4())}
            self.keep("SignUpId", client.make("POST", f"/events/{self.later}/sign-ups", wish)["id"])
        template = {
            "title": "每月主題黨日", "forms": ["theme_day"], "rule": "FREQ=MONTHLY;BYDAY=1FR", "starts_at": "14:30",
            "starts_on": day(7), "duration_s": 7200, "ahead_days": 21,
        }
        for _ in range(2):
            made = self.organizer.make("POST", f"/organizations/{self.branch}/event-templates", template)
            self.keep("EventTemplateId", made["id"])
        self.event("要取消的活動")

    def attendance(self):
        code = self.organizer.make("GET", f"/events/{self.open}/code")["code"]
        for client in (self.secretary, self.member):
            arrival = {"code": code, "client_event_id": str(uuid.uuid4()), "occurred_at": instant()}
            self.keep("CheckInId", client.make("POST", "/check-ins", arrival)["id"])
        leave = self.organizer.make("POST", f"/events/{self.later}/leave-requests", {"reason": "出差"})
        self.keep("LeaveRequestId", leave["id"])
        leave = self.organizer.make("POST", f"/events/{self.dull}/leave-requests", {"reason": "出差"})
        self.keep("LeaveRequestId", leave["id"])
        points = {"checkpoints": [{"kind": "check_in", "name": "出發"}, {"kind": "check_out", "name": "簽退"}], "presence": "any"}
        tour = self.event("有兩個點的活動")
        made = self.organizer.make("PUT", f"/events/{tour}/checkpoints", points, headers={"If-Match": "*"})
        self.keep("CheckpointId", *[one["id"] for one in made["checkpoints"]])
        for number in (7, 8):
            link = {"expires_at": instant(hours=1), "places": 30}
            link = self.organizer.make("POST", f"/events/{self.open}/guest-links", link)
            self.keep("GuestLinkId", link["id"])
            self.values.setdefault("token", link["url"].rsplit("/", 1)[1])
            guest = {"name": "王小明", "phone": f"1381234567{number}", "consent": True}
            self.keep("GuestId", self.organizer.make("POST", f"/events/{self.open}/guests", guest)["id"])
            device = {"name": "投影", "purposes": ["screen"]}
            made = self.admin.make("POST", f"/organizations/{self.branch}/devices", device)
            self.keep("DeviceId", made["device"]["id"])

    def study(self):
        article = {"organization_id": self.branch, "kind": "article", "title": "微黨課", "body": "# 要點\n\n開好會。" * 20}
        for title in ("微黨課", "草稿", "要歸檔的課"):
            self.keep("LessonId", self.secretary.make("POST", "/lessons", {**article, "title": title})["id"])
        lesson = self.known["LessonId"][0]
        quiz = {"questions": [{"kind": "single", "text": "哪一年？", "options": ["1919", "1921"], "answer": [1]}], "pass_permille": 600}
        self.secretary.make("PUT", f"/lessons/{lesson}/quiz", quiz, headers={"If-Match": "*"})
        self.secretary.make("POST", f"/lessons/{lesson}/submit")
        self.secretary.make("POST", f"/lessons/{lesson}/publish", {})
        attempt = self.member.make("POST", f"/lessons/{lesson}/quiz/attempts")
        self.keep("QuizAttemptId", attempt["id"])
        self.keep("QuestionId", attempt["questions"][0]["id"])
        for number in (1, 2):
            series = {"organization_id": self.branch, "title": f"黨史專題{number}", "summary": "五講"}
            self.keep("SeriesId", self.secretary.make("POST", "/series", series)["id"])
            plan = {"organization_id": self.branch, "title": f"第{number}月", "due_on": day(20), "lesson_ids": [lesson]}
            self.keep("StudyPlanId", self.secretary.make("POST", "/study-plans", plan)["id"])

    def money(self):
        expense = {"category": "transport", "amount_cents": 86050, "spent_on": day(0), "payee": "市公交集團", "note": ""}
        for _ in range(2):
            made = self.organizer.make("POST", f"/events/{self.open}/expenses", expense)
            self.keep("ExpenseId", made["id"])

    def rest(self):
        for client in (self.secretary, self.member):
            thought = {"text": "一碗水也有來處。", "visibility": "branch"}
            self.keep("ReflectionId", client.make("POST", f"/events/{self.open}/reflections", thought)["id"])
        hook = {"url": "https://gateway.example.org/zhibu", "kinds": ["event_cancelled"], "description": "短信網關"}
        for _ in range(2):
            made = self.admin.make("POST", f"/organizations/{self.branch}/webhooks", hook)
            self.keep("WebhookId", made["id"])
        length = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
        named = {"Upload-Metadata": "organization_id " + base64_of(self.branch) + ",filename " + base64_of("a.mp3")}
        for _ in range(2):
            upload = self.secretary.send("POST", "/uploads", headers={**length, **named})
            self.keep("MediaId", upload.headers["Location"].rsplit("/", 1)[1])


def base64_of(text):
    return base64.b64encode(text.encode()).decode()
