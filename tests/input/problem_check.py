"""One more check for schemathesis: every refusal is an RFC 9457 document."""

import schemathesis
from server import problem_fault


class Answer:
    """What `problem_fault` reads of an answer."""

    def __init__(self, response):
        self.status_code = response.status_code
        self.headers = {name.lower(): values[0] for name, values in response.headers.items()}
        self.json = response.json


@schemathesis.check
def problem_document(ctx, response, case):
    if response.status_code >= 400 and case.method != "HEAD":
        fault = problem_fault(Answer(response))
        assert fault is None, f"{response.status_code} is no problem document: {fault}"
