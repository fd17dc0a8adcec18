"""Checks a draw from what is published of it, without a line of the server's: reads {"draw", "entries"}, the policy's
draw and its entries in their order, from standard input; prints what it found."""

import hashlib
import json
import sys
import uuid

told = json.load(sys.stdin)
seed = bytes.fromhex(told["draw"]["seed"])
if hashlib.sha256(seed).hexdigest() != told["draw"]["commitment"]:
    sys.exit("the seed is not the one that was promised")
key = lambda entry: hashlib.sha256(seed + uuid.UUID(entry["sign_up_id"]).bytes).digest()
if [entry["rank"] for entry in told["entries"]] != list(range(1, len(told["entries"]) + 1)):
    sys.exit("the ranks have a gap")
if sorted(told["entries"], key=key) != told["entries"]:
    sys.exit("the order is another one")
print("the draw is true")
