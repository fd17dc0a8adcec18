"""One connection to the server, as a phone has it: an answer, or `Unanswered` when nobody can tell what became of the request."""

import http.client
import json


class Unanswered(Exception):
    """A timeout, a cut, a refused connection: the request may have had its effect or not."""


class Answer:
    def __init__(self, status, body, retry_after, etag):
        self.status, self.body, self.retry_after, self.etag = status, body, retry_after, etag

    @property
    def code(self):
        return self.body.get("code", "") if isinstance(self.body, dict) else ""


class Connection:
    def __init__(self, address, timeout=5):
        self.address, self.timeout = address, timeout
        self.http = None

    def send(self, method, path, token=None, body=None, key=None, match=None, drop=False):
        """`drop`: hangs up once the request is out, as a phone does that loses its signal."""
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
                host, port = self.address
                self.http = http.client.HTTPConnection(host, port, timeout=self.timeout)
            self.http.request(method, f"/api/v1{path}", body=data, headers=headers)
            if drop:
                raise Unanswered("dropped")
            answer = self.http.getresponse()
            text = answer.read()
            parsed = json.loads(text) if text else None
        except Unanswered:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unanswered(type(error).__name__) from error
        return Answer(answer.status, parsed, answer.getheader("Retry-After"), answer.getheader("ETag"))

    def close(self):
        if self.http is not None:
            self.http.close()
            self.http = None
