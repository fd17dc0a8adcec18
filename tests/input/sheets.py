"""Part `sheets`: what is exported and imported, read and written by openpyxl and Python's csv. Promise P16."""

import csv
import datetime
import io
import re
import uuid
from collections import Counter

import openpyxl

import world
from hostile_files import XLSX
from report import Findings
from server import Server, sign_in_roles

# What a spreadsheet program might run; each is planted wherever the API takes free text.
FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "=HYPERLINK(\"http://evil.example\",\"x\")", "\uff1d1+1")
STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d")
HEADERS = ["姓名", "手機號碼", "工號", "黨員類別", "所在支部", "入黨日期"]


def people(branch, first):
    """Rows as a person types them: rare signs, leading zeros, and dates in several guises."""
    birthday = datetime.date(1999, 7, 1)
    return [
        ["張三", f"1370000{first:04}", f"00{first}", "正式黨員", branch, birthday],
        ["司馬相如", f"1370000{first + 1:04}", f"A-00{first}", "預備黨員", branch, datetime.date(2024, 2, 29)],
        ["𠮷田龘", None, f"000{first}", "入黨積極分子", branch, None],
        ["阿卜杜拉·買買提", f"1370000{first + 2:04}", None, "服務對象", branch, None],
    ]


def as_workbook(rows):
    book = openpyxl.Workbook()
    book.active.append(HEADERS)
    for row in rows:
        book.active.append(row)
    for line in book.active.iter_rows(min_row=2):
        line[5].number_format = "yyyy/m/d"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def as_text(rows):
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(HEADERS)
    writer.writerows(rows)
    return target.getvalue().encode("utf-8-sig")


def read_csv(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def read_xlsx(data):
    """The cells as openpyxl gives them, and which of them it holds for formulas."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    cells = list(book.active.iter_rows())
    formulas = [cell.coordinate for line in cells for cell in line if cell.data_type == "f" or cell.hyperlink]
    return [[cell.value for cell in line] for line in cells], formulas


def plain(value):
    """A cell of a workbook as the text file has it."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d" if not (value.hour or value.minute) else "%Y-%m-%d %H:%M:%S")
    return str(value)


def same(left, right):
    """The same cell, a number by its value and a text without the mark that keeps it from being a formula."""
    left, right = (re.sub("^'(?=[=+\\-@\t\r\uff1d])", "", text) for text in (left, right))
    try:
        return left == right or float(left) == float(right)
    except ValueError:
        return False


class Sheets:
    def __init__(self, server, findings):
        self.server, self.findings = server, findings
        self.roles = sign_in_roles(server)
        self.admin, self.organizer, self.member = self.roles["admin"], self.roles["organizer"], self.roles["member"]
        self.known, _ = world.build(server, self.roles)
        self.root, self.branch, self.spare = self.known["OrganizationId"][:3]
        self.event = self.known["EventId"][0]
        self.planted = 0

    def get(self, path, accept, language="zh-Hant"):
        self.findings.requests += 1
        return self.admin.get(path, headers={"Accept": accept, "Accept-Language": language})

    def items(self, path):
        """All of a JSON list, page by page, seven at a time."""
        found, cursor = [], ""
        while cursor is not None:
            joint = "&" if "?" in path else "?"
            page = self.get(f"{path}{joint}limit=7{cursor and f'&cursor={cursor}'}", "application/json").json()
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    def plant(self):
        """Formulas in everything that is exported and takes free text."""
        branch = {"kind": "branch", "parent_id": self.root}
        for formula in FORMULAS:
            expense = {"category": "transport", "amount_cents": 100, "spent_on": world.day(0), "payee": formula, "note": formula}
            self.try_to_plant(self.organizer, f"/events/{self.event}/expenses", expense)
            self.try_to_plant(self.admin, "/organizations", {**branch, "name": formula})
            person = {"name": "王小明", "organization_id": self.branch, "standing": "full"}
            self.try_to_plant(self.admin, "/members", {**person, "employee_no": formula})
            self.try_to_plant(self.admin, "/members", {**person, "name": formula})
        self.sign_up_with_a_formula()
        self.findings.expect("planting", self.planted >= 10, f"only {self.planted} formulas were taken: the exports show nothing")

    def try_to_plant(self, client, path, body):
        reply = client.send("POST", path, json=body)
        self.findings.requests += 1
        self.findings.expect(f"POST {path}", reply.status_code in (201, 422), f"answered {reply.status_code} {reply.text[:200]}")
        self.planted += reply.status_code == 201

    def sign_up_with_a_formula(self):
        starts = {"starts_at": world.instant(days=6), "ends_at": world.instant(days=6, hours=2)}
        event = {"organization_id": self.branch, "title": FORMULAS[0], "forms": ["theme_day"], **starts}
        made = self.organizer.make("POST", "/events", event)["id"]
        question = {"key": "bus_stop", "kind": "text", "text": FORMULAS[0], "required": True}
        policy = {"capacity": 5, "questions": [question]}
        self.organizer.make("PUT", f"/events/{made}/sign-up-policy", policy, headers={"If-Match": "*"})
        self.organizer.make("POST", f"/events/{made}/publish", {})
        wish = {"client_event_id": str(uuid.uuid4()), "answers": {"bus_stop": FORMULAS[4]}}
        self.member.make("POST", f"/events/{made}/sign-ups", wish)
        self.formula_event = made
        self.planted += 2

    def exports(self):
        plan = self.known["StudyPlanId"][0]
        self.roles["secretary"].make("POST", f"/study-plans/{plan}/publish")
        for path in (
            "/members", f"/members?organization_id={self.branch}", f"/events/{self.event}/attendance", f"/events/{self.event}/expenses",
            f"/events/{self.known['EventId'][3]}/sign-ups", f"/events/{self.formula_event}/sign-ups", f"/organizations/{self.root}/expenses",
            f"/organizations/{self.root}/cost-totals/organizations?year={world.day(0)[:4]}", f"/study-plans/{plan}/members",
            f"/organizations/{self.root}/service-hours?year={world.day(0)[:4]}",
        ):
            self.export(path)

    def export(self, path):
        items = self.items(path)
        text, book = self.get(path, "text/csv"), self.get(path, XLSX)
        for reply, kind in ((text, "text/csv"), (book, XLSX)):
            fine = reply.status_code == 200 and reply.headers["content-type"].startswith(kind)
            if not self.findings.expect(f"{path} as {kind}", fine, f"answered {reply.status_code} {reply.headers.get('content-type')}"):
                return
        lines, (rows, formulas) = read_csv(text.content), read_xlsx(book.content)
        self.findings.expect(path, not formulas, f"openpyxl finds formulas or links in {formulas[:5]}")
        # A list of sums has a line for each currency of an item.
        wanted = 1 + sum(len(item["currencies"]) if "currencies" in item else 1 for item in items)
        self.findings.expect(path, len(lines) == len(rows) == wanted, f"{len(lines)} lines and {len(rows)} rows instead of {wanted}")
        for line, row in zip(lines, rows):
            differ = [(left, right) for left, right in zip(line, map(plain, row)) if not same(left, right)]
            self.findings.expect(path, not differ, f"csv and xlsx differ: {differ[:3]}")
        bare = [cell for line in lines for cell in line if cell.startswith(STARTS) and not re.fullmatch(r"-?\d+(\.\d+)?", cell)]
        self.findings.expect(path, not bare, f"cells that a spreadsheet program would run: {bare[:5]}")
        names = Counter(item["name"] for item in items if isinstance(item.get("name"), str))
        told = Counter(re.sub("^'", "", cell) for line in lines[1:] for cell in line)
        missing = [name for name, count in names.items() if told[name] < count]
        self.findings.expect(path, not missing, f"names of the JSON list that the sheet has not: {missing[:5]}")
        print(f"  {path.split('?')[0].replace(self.event, '…')}: {len(items)} items, {len(rows)} rows in csv and xlsx", flush=True)

    def round_trips(self):
        branch = next(item["name"] for item in self.items("/organizations") if item["id"] == self.spare)
        for data, kind, rows in (
            (as_workbook(people(branch, 1)), XLSX, people(branch, 1)),
            (as_text(people(branch, 5)), "text/csv", people(branch, 5)),
        ):
            reply = self.send(data, kind)
            if self.findings.expect(f"import as {kind}", reply.status_code == 201, f"answered {reply.status_code} {reply.text[:400]}"):
                self.findings.expect(f"import as {kind}", reply.json()["created"] == len(rows), f"created {reply.json()}")
                self.compare(kind, rows)
        for kind in ("text/csv", XLSX):
            self.back(kind)

    def send(self, data, kind):
        self.findings.requests += 1
        return self.admin.send("POST", f"/members/imports?organization_id={self.spare}", data=data, headers={"Content-Type": kind})

    def compare(self, kind, rows):
        """Each row typed is a member now, sign for sign."""
        listed = {}
        for item in self.items(f"/members?organization_id={self.spare}"):
            one = self.admin.make("GET", f"/members/{item['id']}")
            listed.setdefault(one["name"], []).append((one.get("phone"), one.get("employee_no"), one.get("joined_on")))
        for name, phone, number, _, _, joined in rows:
            wanted = (phone, number, joined and joined.isoformat())
            self.findings.expect(f"import as {kind}", wanted in listed.get(name, []), f"{name} {wanted} came as {listed.get(name)}")

    def back(self, kind):
        """An export that is sent back changes nobody."""
        path = f"/members?organization_id={self.spare}"
        data = self.get(path, kind).content
        if kind == XLSX:
            # Through openpyxl, as a person would who opens it and saves it.
            book, target = openpyxl.load_workbook(io.BytesIO(data)), io.BytesIO()
            book.save(target)
            data = target.getvalue()
        reply, count = self.send(data, kind), len(self.items(path))
        told = reply.json() if reply.status_code == 201 else {}
        fine = told.get("unchanged") == count and not told.get("created") and not told.get("updated")
        self.findings.expect(f"an export sent back as {kind}", fine, f"answered {reply.status_code} {reply.text[:300]}, {count} members")


def run(options):
    findings = Findings("sheets")
    with Server(options) as server:
        sheets = Sheets(server, findings)
        sheets.plant()
        sheets.exports()
        sheets.round_trips()
        findings.note(f"{sheets.planted} formulas planted")
        findings.extend(("panic", line) for line in server.panics())
    return findings
