"""Part `files`: files that were made to hurt, against the import of members, the uploads and the pictures. Promise P16."""

import base64
import io
import pathlib
import random
import re
import socket
import struct
import time
import zipfile
import zlib

import openpyxl

import world
from report import Findings
from server import Server, problem_fault, sign_in_roles

REFUSED = {400, 413, 415, 422}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GROWTH_KIB = 160 * 1024  # of the server's memory, after all of it
LONGEST_S = 10.0  # that one file may take, on a machine that has other things to do
PEOPLE = [["姓名", "手機號碼", "黨員類別"], ["張三", "13700000001", "正式黨員"]]
HEAD = "姓名,手機號碼,黨員類別\n"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(rows):
    """As openpyxl writes it."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def altered(changes, extra=()):
    """A good workbook with parts replaced (name: bytes), and more put in as (name, bytes)."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook(PEOPLE))) as good:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
            for name in good.namelist():
                out.writestr(name, changes.get(name, good.read(name)))
            for name, data in extra:
                out.writestr(name, data)
    return target.getvalue()


def sheet(rows, before=""):
    text = f'<?xml version="1.0" encoding="UTF-8"?>{before}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return altered({"xl/worksheets/sheet1.xml": text.encode()})


def many_sheets(count):
    sheets = "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="rId{n}"/>' for n in range(1, count + 1))
    relations = "".join(
        f'<Relationship Id="rId{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, count + 1)
    )
    book = f'<workbook xmlns="{MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{sheets}</sheets></workbook>'
    related = f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>'
    empty = f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>'.encode()
    extra = [(f"xl/worksheets/sheet{n}.xml", empty) for n in range(2, count + 1)]
    return altered({"xl/workbook.xml": book.encode(), "xl/_rels/workbook.xml.rels": related.encode()}, extra)


def lying_sizes(size):
    """The directory of the archive claims `size` bytes for every entry."""
    data = bytearray(altered({}))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", data, at + 24, size)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def cell(text, place="A2"):
    return f'<row r="{place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def workbooks():
    title = cell("姓名", "A1")
    entity = '<!DOCTYPE worksheet [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    laughs = "<!DOCTYPE worksheet [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)) + "]>"
    return {
        "200 MB of blanks in a sheet": altered({"xl/worksheets/sheet1.xml": b" " * 200_000_000}),
        "200 MB of blanks in a part nobody reads": altered({}, [("xl/media/image1.bin", bytes(200_000_000))]),
        "20,000 entries": altered({}, [(f"xl/junk/{n}", b"") for n in range(20_000)]),
        "3,000 sheets": many_sheets(3_000),
        "sizes that claim 4 GB": lying_sizes(0xFFFFFFFE),
        "sizes that claim nothing": lying_sizes(0),
        "an external entity": sheet(title + cell("&x;"), entity),
        "a billion laughs": sheet(title + cell("&a9;"), laughs),
        "an external document type": sheet(title, '<!DOCTYPE worksheet SYSTEM "http://127.0.0.1:1/x.dtd">'),
        "tags 100,000 deep": sheet("<row>" * 100_000),
        "row 4,294,967,295": sheet(title + cell("張三", "A4294967295")),
        "column ZZZZ": sheet(title + cell("張三", "ZZZZ2")),
        "a million empty rows": sheet(title + "".join(f'<row r="{n}"/>' for n in range(2, 1_000_000)) + cell("張三", "A1000000")),
        "cells merged over the whole sheet": altered({"xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{title}{cell("張三")}</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells></worksheet>'.encode()}),
        "a shared string that is not there": sheet(title + '<row r="2"><c r="A2" t="s"><v>4294967295</v></c></row>'),
        "no sheet at all": many_sheets(0),
        "cut off in the middle": altered({})[: len(altered({})) // 2],
        "an archive of something else": zipped([("hello.txt", b"hello")]),
        "names that lead out": altered({}, [("../../../../tmp/zhibu-escaped", b"x"), ("/etc/zhibu-escaped", b"x"), ("..\\..\\zhibu", b"x")]),
        "a relation that leads out": altered({"xl/_rels/workbook.xml.rels": b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="../../../../etc/passwd"/></Relationships>'}),
        "XML that is none": sheet("<row r='2'><c r='A2'"),
        "XML in UTF-16": altered({"xl/worksheets/sheet1.xml": f'<?xml version="1.0" encoding="UTF-16"?><worksheet xmlns="{MAIN}"/>'.encode("utf-16")}),
        "random bytes behind the magic": b"PK\x03\x04" + random.Random(1).randbytes(50_000),
        "an old .xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096),
        "a formula as a name": sheet(title + '<row r="2"><c r="A2"><f>cmd|\' /C calc\'!A0</f></c></row>'),
    }


def zipped(entries):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in entries:
            out.writestr(name, data)
    return target.getvalue()


def texts():
    person = HEAD + "張三,13700000001,正式黨員\n"
    return {
        "nothing": b"",
        "NUL": (HEAD + "張\0三,,正式黨員\n").encode(),
        "UTF-16 without a mark": person.encode("utf-16-le"),
        "UTF-32": person.encode("utf-32"),
        "bytes of no encoding": HEAD.encode() + b"\xff\xfe\x80\x81,,x\n",
        "a formula as a name": (HEAD + "=cmd|' /C calc'!A0,,正式黨員\n").encode(),
        "a link as a name": (HEAD + '"=HYPERLINK(""http://evil.example"",""張三"")",,正式黨員\n').encode(),
        "a path as a branch": ("姓名,所在支部\n張三,../../../etc/passwd\n").encode(),
        "a quote that is not closed": (HEAD + '"張三' + "x" * 3_000_000).encode(),
        "a cell of 2 MB": (HEAD + "張" * 700_000 + ",,\n").encode(),
        "100,000 columns": (",".join(f"c{n}" for n in range(100_000)) + "\n").encode(),
        "2,000,000 empty lines": (HEAD + "\n" * 2_000_000 + "張,,\n").encode(),
        "300,000 people": (HEAD + "張三,,正式黨員\n" * 300_000).encode(),
        "9 MB": (HEAD + "x" * 9_000_000).encode(),
        "a page": b"<html><script>alert(1)</script></html>",
        "a script": b"#!/bin/sh\nrm -rf /\n",
        "control characters": (HEAD + "張\x1b[2J三,,正式黨員\n").encode(),
        "a name that turns direction": (HEAD + "張\u202e三,,正式黨員\n").encode(),
        "the header alone": HEAD.encode(),
    }


def png(width, height, data=b"", kind=b"\x08\x02\x00\x00\x00"):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II", width, height) + kind) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def good_png():
    return png(8, 8, (b"\0" + bytes(24)) * 8)


def pictures():
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    return {
        "an SVG as PNG": svg,
        "a page as PNG": b"<html><script>alert(1)</script></html>",
        "100,000 x 100,000 pixels": png(100_000, 100_000),
        "4,294,967,295 x 1 pixels": png(4_294_967_295, 1),
        "no pixels": png(0, 0),
        "20,000 x 20,000 pixels, all there": png(20_000, 20_000, (b"\0" + bytes(2_500)) * 20_000, b"\x01\x00\x00\x00\x00"),
        "a PNG cut off": good_png()[:40],
        "a PNG's magic alone": b"\x89PNG\r\n\x1a\n",
        "a GIF": b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
        "a JPEG's magic and a script": b"\xff\xd8\xff\xe0<script>alert(1)</script>",
        "a JPEG that claims 65,535 x 65,535": b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9",
        "a WebP that claims 16,384 x 16,384": b"RIFF\x1e\x00\x00\x00WEBPVP8L\x11\x00\x00\x00\x2f\xff\xff\xff\x0f" + bytes(12),
        "a TIFF": b"II*\x00\x08\x00\x00\x00" + bytes(64),
        "a program": b"MZ" + bytes(1_000),
        "11 MB of nothing": bytes(11 << 20),
        "nothing": b"",
    }


def uploads():
    """For the media upload, where the file's own bytes tell what it is: none of these is anything.

    A picture that was cut off is: its head is read here, its pixels are not.
    """
    heads = {name: data for name, data in pictures().items() if 0 < len(data) < 4_000_000 and name != "a PNG cut off"}
    return {
        **{f"picture: {name}": data for name, data in heads.items()},
        "WebVTT without its magic": b"00:00.000 --> 00:01.000\nhello\n",
        "WebVTT's magic and more": b"WEBVTTX\n\n00:00.000 --> 00:01.000\nhello\n",
        "WebVTT behind a blank": b" WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n",
        "WebVTT in UTF-16": "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n".encode("utf-16"),
        "WebVTT with NUL": b"WEBVTT\n\n00:00.000 --> 00:01.000\nhel\0lo\n",
        "WebVTT with bytes of no encoding": b"WEBVTT\n\n00:00.000 --> 00:01.000\nhel\xff\xfelo\n",
        "an MP4's first box alone": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        "an MP4 whose box claims 2^63 bytes": b"\x00\x00\x00\x01ftyp" + b"\x7f" + b"\xff" * 7 + bytes(32),
        "an MP4 with boxes 10,000 deep": b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + b"".join(struct.pack(">I", 8 * n) + b"moov" for n in range(10_000, 0, -1)),
        "a Matroska of endless size": b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + bytes(100),
        "an MP3's tag of 256 MB": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(100),
        "a PDF's magic alone": b"%PDF-1.7\n",
        "an HTML page that begins as a PDF": b"%PDF-1.7\n<html><script>alert(1)</script></html>",
        "a workbook": workbook([["a"]]),
        "a program": b"\x7fELF" + bytes(2_000),
    }


NAMES = ("../../../../etc/passwd", "..", "/etc/passwd", "C:\\Windows\\x.dll", "a\0b.mp3", "a\nb.mp3", "x" * 2_000, "\u202egpj.exe", "con", " ", "%2e%2e%2fx")


def tus(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Files:
    def __init__(self, server, findings):
        self.server, self.findings = server, findings
        self.roles = sign_in_roles(server)
        known, _ = world.build(server, self.roles)
        self.branch, self.reflection = known["OrganizationId"][1], known["ReflectionId"][-1]
        self.admin, self.member = self.roles["admin"], self.roles["member"]

    def refuse(self, name, send, statuses=REFUSED):
        """The request must be refused in words and in time."""
        begun = time.monotonic()
        reply = send()
        self.findings.requests += 1
        self.findings.expect(name, reply.status_code in statuses, f"answered {reply.status_code} {reply.text[:200]}, not one of {sorted(statuses)}")
        self.findings.expect(name, "root:" not in reply.text, f"told of a file of the server's: {reply.text[:300]}")
        if reply.status_code >= 400:
            fault = problem_fault(reply)
            self.findings.expect(name, fault is None, f"answered {reply.status_code}: {fault}")
        took = time.monotonic() - begun
        self.findings.expect(name, took < LONGEST_S, f"took {took:.1f} s")

    def imported(self, data, kind, dry_run="true"):
        where = f"/members/imports?organization_id={self.branch}&dry_run={dry_run}"
        return self.admin.send("POST", where, data=data, headers={"Content-Type": kind}, timeout=60)

    def imports(self):
        text = (HEAD + "張三,13700000001,正式黨員\n").encode()
        for name, data, kind in (("workbook", workbook(PEOPLE), XLSX), ("text", text, "text/csv")):
            reply = self.imported(data, kind)
            self.findings.requests += 1
            self.findings.expect(f"control: a good {name}", reply.status_code == 200, f"answered {reply.status_code} {reply.text[:200]}")
        for name, data in workbooks().items():
            self.refuse(f"XLSX: {name}", lambda data=data: self.imported(data, XLSX))
        for name, data in texts().items():
            self.refuse(f"CSV: {name}", lambda data=data: self.imported(data, "text/csv"))
        self.refuse("a workbook cut off, as text", lambda: self.imported(workbook(PEOPLE)[:3_000], "text/csv"))
        self.refuse("an unknown type", lambda: self.imported(b"x", "image/png"))
        files = {"file": ("../../../../tmp/zhibu-escaped.csv", b"\0\0\0", "text/csv")}
        where = f"/members/imports?organization_id={self.branch}&dry_run=true"
        self.refuse("a form whose file name leads out", lambda: self.admin.send("POST", where, files=files))
        self.claim_of_a_gigabyte(where)

    def claim_of_a_gigabyte(self, where):
        """Judged by the claim: not a byte of the file is sent, so an answer cannot have waited for it."""
        head = f"POST /api/v1{where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.admin.token}\r\nContent-Type: text/csv\r\nContent-Length: 1073741824\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as connection:
            connection.sendall(head.encode())
            first = connection.recv(4096).decode(errors="replace")
        self.findings.requests += 1
        self.findings.expect("a claim of 1 GB", first.startswith("HTTP/1.1 413") and "application/problem+json" in first, f"answered {first[:120]!r}")

    def pictures(self):
        def send(data, kind="image/png"):
            return self.member.send("POST", f"/reflections/{self.reflection}/pictures", data=data, headers={"Content-Type": kind}, timeout=60)

        good = send(good_png())
        self.findings.requests += 1
        self.findings.expect("control: a good PNG", good.status_code == 201, f"answered {good.status_code} {good.text[:200]}")
        # What lies behind the last pixel is not unpacked, and not kept.
        bomb = png(8, 8, bytes(200_000_000))
        self.refuse("picture: 200 MB behind eight by eight", lambda: send(bomb), REFUSED | {201})
        for name, data in pictures().items():
            for kind in ("image/png", "image/jpeg", "image/webp"):
                self.refuse(f"picture as {kind}: {name}", lambda data=data, kind=kind: send(data, kind))

    def uploaded(self, data, name="a.bin", purpose="lesson"):
        """The state that the file comes to, or the answer that refused it before."""
        told = f"organization_id {tus(self.branch)},filename {tus(name)},purpose {tus(purpose)}"
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data)), "Upload-Metadata": told}
        made = self.roles["secretary"].send("POST", "/uploads", headers=headers)
        self.findings.requests += 1
        if made.status_code != 201:
            return made, None
        address = f"{self.server.url}/api/v1/uploads/{made.headers['Location'].rsplit('/', 1)[1]}"
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        sent = self.roles["secretary"].send("PATCH", address, data=data, headers=headers)
        self.findings.requests += 1
        if sent.status_code != 204:
            return sent, None
        for _ in range(100):
            media = self.roles["secretary"].get(address.replace("/uploads/", "/media/")).json()
            if media.get("state") not in ("uploading", "checking"):
                return sent, media
            time.sleep(0.05)
        return sent, media

    def uploads(self):
        _, media = self.uploaded(b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "a.vtt")
        self.findings.expect("control: a good WebVTT", media and media["state"] == "ready", f"came to {media}")
        for name, data in uploads().items():
            reply, media = self.uploaded(data)
            state = media.get("state") if media else None
            fine = state == "refused" if media else reply.status_code in REFUSED and not problem_fault(reply)
            told = f"answered {reply.status_code} {reply.text[:120]}, came to {media and {key: media.get(key) for key in ('state', 'kind', 'content_type')}}"
            self.findings.expect(f"upload: {name}", fine, told)
        for name in NAMES:
            reply, media = self.uploaded(b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", name)
            kept = media and media.get("name") or ""
            fine = reply.status_code in REFUSED and not problem_fault(reply) if not media else not re.search(r"[/\\\x00-\x1f\u202e]", kept)
            self.findings.expect(f"upload named {name[:30]!r}", fine, f"answered {reply.status_code} {reply.text[:120]}; its name is {kept[:60]!r}")

    def names_on_disk(self):
        """Files lie under names of the server's own: no part of a path came from a client."""
        kept = [path for path in (self.server.folder / "data" / "media").rglob("*") if path.is_file()]
        self.findings.expect("control: there are files", kept, "none")
        for folder in ("/", "/etc", "/tmp", self.server.folder, self.server.folder / "data"):
            for path in pathlib.Path(folder).glob("*zhibu-escaped*"):
                self.findings.add("names that lead out", f"{path} was written")
        for path in kept:
            if not re.fullmatch(r"[0-9a-f-]{32,36}(\.[a-z0-9]+)?", path.name):
                self.findings.add("names on disk", f"{path.relative_to(self.server.folder)} is no name of the server's")


def run(options):
    findings = Findings("files")
    with Server(options) as server:
        files = Files(server, findings)
        before = server.resident_kib()
        for part in (files.imports, files.pictures, files.uploads, files.names_on_disk):
            part()
            print(f"  {part.__name__}: {findings.requests} requests so far, memory {server.resident_kib()} KiB", flush=True)
        after = server.resident_kib()
        grown = f"the server's memory grew from {before} to {after} KiB"
        findings.expect("memory", after - before < GROWTH_KIB, grown)
        findings.note(grown)
        findings.extend(("panic", line) for line in server.panics())
    return findings
