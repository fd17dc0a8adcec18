"""Which mutants of the rules the tests find out (docs/reliability.md, Mutants). Begun by scripts/mutants.sh."""

import argparse
import dataclasses
import filecmp
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import instrument

ROOT = Path(__file__).resolve().parents[2]
# Tests against a mutant that is known to live.
FEW = 20
COPIED = ("Cargo.toml", "Cargo.lock", ".cargo", "src", "tests", "migrations", "openapi", "benches", "fuzz", "clippy.toml")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=str(ROOT / "target/mutants"), help="the copy, its build and what was found")
    parser.add_argument("--only", action="append", help="mutants whose name has this in it; may be given many times")
    parser.add_argument("--most", type=int, default=1000, help="tests against each mutant, the likeliest first")
    parser.add_argument("--again", action="store_true", help="with what was built and measured before")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    folder = Path(options.folder)
    copy, environment = prepare(folder, options.again)
    functions = build(copy, environment, folder / "mutants.json", options.again)
    suite = Suite(copy, environment, functions, options.most, catchers(folder / "outcomes.txt"))
    suite.look(options.jobs, folder / "tests.json", options.again)
    wanted = options.only or [""]
    mutants = [(one, mutant) for one in functions for mutant in one.mutants if any(text in mutant.name for text in wanted)]
    unexplained = judge(suite, mutants, options.jobs, folder / "outcomes.txt")
    raise SystemExit(1 if unexplained else 0)


def prepare(folder, again):
    copy = folder / "copy"
    copy.mkdir(parents=True, exist_ok=True)
    for name in () if again else COPIED:
        mirror(ROOT / name, copy / name)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target"), "ZHIBU_TEST_BACKEND": "sqlite"}
    python = ROOT / "target/foreign/bin/python"
    if python.exists():
        environment["ZHIBU_TEST_PYTHON"] = str(python)
    return copy, environment


def mirror(source, target):
    """Copies what differs, so that the next build is a short one."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        # What cargo-fuzz has built is large, and of no use to the copy.
        for name in ({one.name for one in source.iterdir()} | {one.name for one in target.iterdir()}) - {"target"}:
            mirror(source / name, target / name)
    elif not source.exists():
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    elif not target.exists() or not filecmp.cmp(source, target, shallow=False):
        shutil.copyfile(source, target)


def build(copy, environment, kept, again):
    """The functions with their mutants, each with why it cannot be compiled, where it cannot."""
    if again:
        known = json.loads(kept.read_text())
        return [instrument.Function(**{**one, "mutants": [instrument.Mutant(**each) for each in one["mutants"]]}) for one in known]
    functions = instrument.named(ROOT)
    ranges = instrument.write(ROOT, copy, functions)
    while not instrument.compile_copy(copy, ranges, environment):
        ranges = instrument.write(ROOT, copy, functions)
    built = ["cargo", "nextest", "run", "--no-run", "--locked", "--features", "failpoints"]
    subprocess.run(built, cwd=copy, env=environment, check=True)
    for one in functions:
        for mutant in one.mutants:
            mutant.why_not = mutant.why_not or one.why_not
    kept.write_text(json.dumps([dataclasses.asdict(one) for one in functions]))
    return functions


class Suite:
    """Each test by itself: how long it takes, and which functions with mutants it reaches."""

    def __init__(self, copy, environment, functions, most, caught_before):
        self.copy, self.environment, self.most, self.caught_before = copy, environment, most, caught_before
        self.explained = explained()
        self.file_of = {one.number: one.file for one in functions}
        listing = ["cargo", "nextest", "list", "--locked", "--features", "failpoints", "--message-format", "json"]
        listed = json.loads(subprocess.run(listing, cwd=copy, env=environment, capture_output=True, text=True, check=True).stdout)
        self.tests = [
            (binary["binary-path"], name)
            for binary in listed["rust-suites"].values()
            for name in binary["testcases"]
            # That the document and the sources are as they should be says nothing of a mutant: the copy's differ anyway.
            if not name.startswith(("guard::layers", "guard::openapi", "guard::errors"))
        ]
        self.took, self.reached = {}, {}

    def run(self, test, mutant=0, record="", limit=120.0):
        environment = {**self.environment, "MUTANT": str(mutant)}
        if record:
            environment["MUTANTS_RECORD"] = record
        command = [test[0], "--exact", test[1]]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=self.copy, env=environment, start_new_session=True, **quiet)
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False

    def look(self, jobs, kept, again):
        """Runs all tests without a mutant. One that fails here tells nothing of mutants and is left out."""
        if again:
            self.tests = [tuple(test) for test, _, _ in json.loads(kept.read_text())]
            self.took = {tuple(test): took for test, took, _ in json.loads(kept.read_text())}
            self.reached = {tuple(test): set(reached) for test, _, reached in json.loads(kept.read_text())}
            return

        def one(test):
            with tempfile.NamedTemporaryFile("r") as record:
                begun = time.monotonic()
                passed = self.run(test, record=record.name)
                self.took[test] = time.monotonic() - begun
                self.reached[test] = {int(line) for line in record.read().split()}
            return passed

        with ThreadPoolExecutor(jobs) as pool:
            passed = list(pool.map(one, self.tests))
        failed = [test for test, good in zip(self.tests, passed) if not good]
        self.tests = [test for test, good in zip(self.tests, passed) if good]
        kept.write_text(json.dumps([(test, self.took[test], sorted(self.reached[test])) for test in self.tests]))
        print(f"{len(self.tests)} tests; left out, because they fail without a mutant: {[name for _, name in failed]}", flush=True)

    def of(self, function):
        """Those that reach it: unit tests first, then what comes to most of its file in little time."""

        def likeliest(test):
            in_file = sum(self.file_of[number] == function.file for number in self.reached[test])
            return ("/api-" in test[0], -(in_file**2) / (0.2 + self.took[test]))

        reaching = [test for test in self.tests if function.number in self.reached[test]]
        return sorted(reaching, key=likeliest)[: self.most]

    def finds_out(self, function, mutant):
        """The test that fails, if one does."""
        tests = self.of(function)
        if placeless(mutant.name) in self.explained:
            # Mostly they live; a few tests show it if they do not.
            tests = tests[:FEW]
        before = self.caught_before.get(placeless(mutant.name))
        for test in sorted(tests, key=lambda test: test[1] != before):
            if not self.run(test, mutant.number, limit=20 + 5 * self.took[test]):
                return test[1]
        return None


def judge(suite, mutants, jobs, outcomes):
    """Runs the tests against each; the names of those that lived and are not explained."""
    able = [(one, mutant) for one, mutant in mutants if not mutant.why_not]
    told = {}

    def one(pair):
        function, mutant = pair
        killer = suite.finds_out(function, mutant)
        told[mutant.name] = f"caught by {killer}" if killer else "LIVES" if suite.of(function) else "LIVES: no test comes there"
        print(f"{len(told)}/{len(able)} {told[mutant.name]}: {mutant.name}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, able))
    for function, mutant in mutants:
        if mutant.name not in told:
            told[mutant.name] = f"does not compile: {mutant.why_not.splitlines()[0]}"
    outcomes.write_text("".join(f"{outcome}: {name}\n" for name, outcome in sorted(told.items())))
    lived = {name for name, outcome in told.items() if outcome.startswith("LIVES")}
    known = {name for name in lived if placeless(name) in suite.explained}
    for name in sorted(lived):
        print("lives:", name, "(explained)" if name in known else "")
    print(f"mutants={len(told)} compiled={len(able)} caught={len(able) - len(lived)} lived={len(lived)} explained={len(known)}")
    return lived - known


def catchers(outcomes):
    """Which test caught a mutant the last time: it is tried first."""
    lines = outcomes.read_text().splitlines() if outcomes.exists() else []
    caught = [line.removeprefix("caught by ").split(": ", 1) for line in lines if line.startswith("caught by ")]
    return {placeless(name): test for test, name in caught}


def placeless(name):
    """Without line and column, which move."""
    return re.sub(r":\d+:\d+:", ":", name)


def explained():
    """Survivors that change nothing anybody could see, each with its reason, in survivors.txt."""
    lines = (Path(__file__).parent / "survivors.txt").read_text().splitlines()
    return {line.removeprefix("mutant: ") for line in lines if line.startswith("mutant: ")}


if __name__ == "__main__":
    main()
