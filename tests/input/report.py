"""What a part found: how it is gathered, and how it is said."""


class Findings:
    """Of one part: any finding fails it."""

    def __init__(self, part):
        self.part = part
        self.requests = 0
        self.found = []
        self.notes = []

    def add(self, case, what):
        self.found.append((case, what))

    def extend(self, pairs):
        self.found.extend(pairs)

    def note(self, text):
        self.notes.append(text)

    def expect(self, case, holds, what):
        """One thing that must hold; `what` says how it did not."""
        if not holds:
            self.add(case, what)
        return holds

    def say(self):
        for case, what in self.found:
            print(f"  FINDING [{case}] {what}")
        verdict = f"FAILED: {len(self.found)} findings" if self.found else "passed: no findings"
        print(f"{self.part}: {'; '.join([f'{self.requests} requests', *self.notes])}; {verdict}", flush=True)
