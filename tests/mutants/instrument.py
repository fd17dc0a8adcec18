"""Puts the mutants that cargo-mutants names into one copy of the program, where MUTANT chooses one when it runs.

A function with mutants becomes a `match` of its own body and of each mutant's, so all of them are compiled once. cargo-mutants
by itself compiles the program for each: some minutes a thousand times.
"""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CHOOSER = '''//! Made by tests/mutants/instrument.py, for a copy of the program that serves nobody.

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static CHOSEN: LazyLock<u32> = LazyLock::new(|| {
    let chosen = std::env::var("MUTANT").ok();
    chosen.and_then(|number| number.parse().ok()).unwrap_or(0)
});
static RECORD: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MUTANTS_RECORD").ok());
static REACHED: [AtomicBool; FUNCTIONS] = [const { AtomicBool::new(false) }; FUNCTIONS];

/// The mutant that was chosen; 0 is the program as it is. Notes that this function was reached, where somebody asks.
pub fn chosen(function: usize) -> u32 {
    if let (Some(path), Some(reached)) = (RECORD.as_ref(), REACHED.get(function))
        && !reached.swap(true, Ordering::Relaxed)
        && let Ok(mut file) = std::fs::File::options().create(true).append(true).open(path)
    {
        let _ = file.write_all(format!("{function}\\n").as_bytes());
    }
    *CHOSEN
}

const FUNCTIONS: usize = COUNT;
'''

# What cargo-mutants does not know to be a Result.
RESULTS = ("AppResult", "QueryResult")


@dataclass
class Mutant:
    number: int
    name: str
    file: str
    start: tuple
    end: tuple
    replacement: str
    why_not: str = ""  # it cannot be compiled


@dataclass
class Function:
    number: int
    file: str
    name: str
    start: tuple
    end: tuple
    mutants: list = field(default_factory=list)
    why_not: str = ""


def named(root):
    """The functions that have mutants, as .cargo/mutants.toml chooses them."""
    listed = subprocess.run(["cargo", "mutants", "--list", "--json"], cwd=root, capture_output=True, text=True, check=True)
    functions, number = {}, 0
    for one in json.loads(listed.stdout):
        replacement = of_result(one["replacement"])
        if replacement is None or not one["function"]:
            continue
        start, end = (point(one["function"]["span"][side]) for side in ("start", "end"))
        key = (one["file"], start)
        if key not in functions:
            functions[key] = Function(len(functions), one["file"], one["function"]["function_name"], start, end)
        known = functions[key].mutants
        start, end = (point(one["span"][side]) for side in ("start", "end"))
        if any((other.start, other.end, other.replacement) == (start, end, replacement) for other in known):
            continue
        number += 1
        known.append(Mutant(number, one["name"], one["file"], start, end, replacement))
    return list(functions.values())


def point(place):
    return (place["line"], place["column"])


def of_result(replacement):
    """`Ok(…)` for what cargo-mutants guessed of our own names for Result; None for guesses that say the same or nothing."""
    for name in RESULTS:
        if replacement.startswith(f"{name}::"):
            guess = re.fullmatch(rf"{name}::new\((.+)\)", replacement, re.DOTALL)
            return f"Ok({guess[1]})" if guess else None
    return replacement


def write(root, copy, functions):
    """Writes the sources with all mutants that can be compiled; gives the lines of each mutant and function."""
    ranges = {}
    for file in sorted({one.file for one in functions}):
        text = (root / file).read_text()
        offsets = line_offsets(text)

        def at(place, offsets=offsets):
            return offsets[place[0] - 1] + place[1] - 1

        pieces, done, line = [], 0, 1
        for function in sorted((one for one in functions if one.file == file), key=lambda one: one.start):
            mutants = [one for one in function.mutants if not one.why_not]
            begin, stop = at(function.start), at(function.end)
            if function.why_not or not mutants or begin < done:
                if begin < done:
                    function.why_not = "inside another function"
                continue
            opening = body_start(text, begin)
            body = text[opening + 1 : stop - 1]
            head = text[done : opening + 1]
            pieces.append(head)
            line += head.count("\n")
            first = line
            # The function as it is comes first, so that a mutant of another type is what does not compile.
            numbers = [mutant.number for mutant in mutants]
            whole = f" match crate::mutants::chosen({function.number}) {{\nother if !{numbers}.contains(&other) => {{ {body} }}\n"
            pieces.append(whole)
            line += whole.count("\n")
            for mutant in mutants:
                a, b = at(mutant.start) - opening - 1, at(mutant.end) - opening - 1
                arm = f"{mutant.number} => {{ {body[:a]}{mutant.replacement}{body[b:]} }}\n"
                ranges[(file, line, line + arm.count("\n") - 1)] = mutant
                pieces.append(arm)
                line += arm.count("\n")
            pieces.append("_ => unreachable!()\n} }")
            line += 1
            ranges[(file, first, line)] = function
            done = stop
        pieces.append(text[done:])
        (copy / file).write_text("".join(pieces))
    (copy / "src/mutants.rs").write_text(CHOOSER.replace("COUNT", str(len(functions))))
    library = (root / "src/lib.rs").read_text()
    if "mod mutants;" not in library:
        (copy / "src/lib.rs").write_text(library + "\npub mod mutants;\n")
    return ranges


def line_offsets(text):
    offsets, at = [], 0
    for line in text.splitlines(keepends=True):
        offsets.append(at)
        at += len(line)
    return offsets


def body_start(text, begin):
    """Where the function's `{` stands: the first one outside of brackets."""
    depth = 0
    for at in range(text.index("fn ", begin), len(text)):
        if text[at] in "([":
            depth += 1
        elif text[at] in ")]":
            depth -= 1
        elif text[at] == "{" and depth == 0:
            return at
    raise ValueError("a function without a body")


def compile_copy(copy, ranges, environment):
    """True when it compiles; else takes out the mutants, or functions, that do not."""
    command = ["cargo", "build", "--locked", "--lib", "--features", "failpoints", "--message-format", "json"]
    run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if run.returncode == 0:
        return True
    found = 0
    for line in run.stdout.splitlines():
        message = json.loads(line).get("message") or {}
        if isinstance(message, dict) and message.get("level") == "error":
            for span in message["spans"]:
                found += take_out(ranges, span, message["message"])
    if not found:
        raise SystemExit(f"the copy does not compile:\n{run.stderr[-3000:]}")
    return False


def take_out(ranges, span, why):
    hit = [
        (end - start, one)
        for (file, start, end), one in ranges.items()
        if Path(span["file_name"]) == Path(file) and start <= span["line_start"] <= end
    ]
    if not hit or not span["is_primary"]:
        return 0
    narrowest = min(hit, key=lambda pair: pair[0])[1]
    new = not narrowest.why_not
    narrowest.why_not = narrowest.why_not or why
    return int(new)
