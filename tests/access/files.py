"""Files and their addresses, and reflections with their pictures."""

from objects import DATA, kind, text64
from studies import Studies
from world import mark


class Files(Studies):
    def begin(self, client, place, purpose, data, whole=True):
        told = {"organization_id": place.organization, "purpose": purpose, "filename": mark(place.name, "file")}
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(data)),
            "Upload-Metadata": ",".join(f"{name} {text64(text)}" for name, text in told.items()),
            "Content-Type": "application/offset+octet-stream",
        }
        made = client.send("POST", "/uploads", data if whole else data[:1], headers).expect(201)
        return made.headers["location"].rsplit("/", 1)[1]

    def file(self, place, purpose="lesson"):
        return self.begin(place.maker, place, purpose, (DATA / "poster.jpg").read_bytes())

    @kind
    def media(self, place):
        return self.file(place)

    @kind
    def spare_media(self, place):
        return self.file(place)

    def gone_media(self):
        place = self.world.places["own"]
        media = self.file(place)
        self.secrets["ticket", "deleted"] = self.ticket_of(place, media)
        place.maker.send("DELETE", f"/media/{media}").expect(204)
        return media

    def gone_spare_media(self):
        return self.find("media", "deleted")

    @kind
    def receipt(self, place):
        return self.file(place, "receipt")

    @kind
    def slides(self, place):
        return self.file(place, "material")

    @kind
    def upload(self, place):
        # Branch A's is the lecturer's, so that somebody's own upload is among them.
        client = self.world.actors["lecturer"] if place.name == "own" else place.maker
        return self.begin(client, place, "lesson", (DATA / "poster.jpg").read_bytes(), whole=False)

    def gone_upload(self):
        return self.find("media", "deleted")

    @kind
    def material(self, place):
        body = {"title": mark(place.name, "material"), "media_id": self.find("slides", place.name)}
        return place.maker.post(f"/events/{self.find('event', place.name)}/materials", body).expect(201).id

    def gone_material(self):
        place = self.world.places["own"]
        material = self.material(place)
        place.maker.send("DELETE", f"/materials/{material}").expect(204)
        return material

    def ticket(self, place):
        """What the address of a file there says, for whoever may see the file."""
        if place == "missing":
            return "A" * 43
        media = self.find("media", place)
        return self.secrets.get(("ticket", place)) or self.ticket_of(self.world.places[place], media)

    def ticket_of(self, place, media):
        return place.maker.get(f"/media/{media}").expect(200).json["content_url"].split("ticket=")[1]

    def share(self, place, event):
        body = {"text": mark(place.name, "reflection"), "visibility": "branch"}
        return place.subject.post(f"/events/{event}/reflections", body).expect(201).id

    @kind
    def reflection(self, place):
        self.find("reflection", "deleted")
        return self.published(place, self.find("begun_event", place.name))

    @kind
    def spare_reflection(self, place):
        return self.published(place, self.begun_event(place))

    def gone_spare_reflection(self):
        return self.find("reflection", "deleted")

    def published(self, place, event):
        reflection = self.share(place, event)
        picture = (DATA / "poster.jpg").read_bytes()
        kind_of = {"Content-Type": "image/jpeg"}
        place.subject.send("POST", f"/reflections/{reflection}/pictures", picture, kind_of).expect(201)
        place.maker.post(f"/reflections/{reflection}/approve", headers={"If-Match": "*"}).expect(200)
        return reflection

    def gone_reflection(self):
        place = self.world.places["own"]
        reflection = self.share(place, self.find("begun_event", "own"))
        place.subject.post(f"/reflections/{reflection}/withdraw").expect(200)
        return reflection
