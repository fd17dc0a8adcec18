"""One connection to the servers, as a phone has it: an answer, or `Unanswered` when nobody can tell what became of the request."""

import http.client
import json


class Unanswered(Exception):
    """A timeout, a cut, a refused connection: the request may have had its effect or not."""


class Answer:
    def __init__(self, status, body, retry_after):
        self.status, self.body, self.retry_after = status, body, retry_after

    @property
    def code(self):
        return self.body.get("code", "") if isinstance(self.body, dict) else ""


class Connection:
    def __init__(self, ports, turn=0, timeout=5):
        """Of several servers that share a database it uses one, until it moves to the next: at each failure, and when told to."""
        self.ports, self.turn, self.timeout = ports, turn, timeout
        self.http = None

    def send(self, method, path, token=None, body=None, key=None, match=None, drop=False):
        """`drop`: hangs up once the request is out, as a phone does that loses its signal."""
        self.request(method, path, token, body, key, match)
        if drop:
            self.close()
            raise Unanswered("dropped")
        return self.answer()

    def request(self, method, path, token=None, body=None, key=None, match=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        if match:
            headers["If-Match"] = match
        data = None if body is None else json.dumps(body).encode()
        try:
            if self.http is None:
                self.http = http.client.HTTPConnection("127.0.0.1", self.ports[self.turn % len(self.ports)], timeout=self.timeout)
            self.http.request(method, f"/api/v1{path}", body=data, headers=headers)
        except (OSError, http.client.HTTPException) as error:
            raise self.failed(error) from error

    def answer(self):
        try:
            answer = self.http.getresponse()
            text = answer.read()
            return Answer(answer.status, json.loads(text) if text else None, answer.getheader("Retry-After"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self.failed(error) from error

    def failed(self, error):
        self.move()
        return Unanswered(type(error).__name__)

    def move(self):
        self.close()
        self.turn += 1

    def close(self):
        if self.http is not None:
            self.http.close()
            self.http = None
