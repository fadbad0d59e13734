"""Writes negatives.json: lists of negatives, their shards, tables and signed notes (docs/negatives.md), without attest.

Run in this folder: python3 negatives.py (needs the package `cryptography`, for Ed25519).
"""
import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "log.example.org/attest"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
EMPTY_TREE = base64.b64encode(hashlib.sha256(b"").digest()).decode()


def b64(data):
    return base64.b64encode(data).decode()


class Key:
    def __init__(self, name, seed):
        self.name, self.secret = name, Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))
        material = b"\x01" + self.secret.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(material)}"

    def line(self, text):
        return f"\u2014 {self.name} {b64(self.id + self.secret.sign(text.encode()))}\n"


LOG, AUDITOR = Key(ORIGIN, 1), Key("auditor.example.net/attest", 2)


def case(name, size, root, records):
    records = sorted(bytes.fromhex(subject) + index.to_bytes(8, "big") for subject, index in records)
    shards = [b"".join(r for r in records if r[0] == first) for first in range(256)]
    table = b"".join(hashlib.sha256(shard).digest() for shard in shards)
    count, digest = len(records), b64(hashlib.sha256(table).digest())
    text = f"attest/negatives/v1\n{ORIGIN}\n{size}\n{root}\n{count}\n{digest}\n"
    return {
        "name": name,
        "records": [{"subject": r[:32].hex(), "index": int.from_bytes(r[32:], "big")} for r in records],
        "shards": {f"{first:02x}": b64(shard) for first, shard in enumerate(shards) if shard},
        "table": b64(table),
        "note": f"{text}\n{LOG.line(text)}{AUDITOR.line(text)}",
    }


def subject(name):
    return hashlib.sha256(name.encode()).hexdigest()


many = [(subject(f"file {n}"), 7 * n) for n in range(300)]
out = {
    "generated_by": "negatives.py",
    "origin": ORIGIN,
    "log": LOG.vkey,
    "auditor": AUDITOR.vkey,
    "cases": [
        case("an empty log", 0, EMPTY_TREE, []),
        case("no negatives", 1000, ROOT, []),
        case("one", 1, ROOT, [(subject("six"), 0)]),
        case(
            "two about one file, first and last shard",
            2**40,
            ROOT,
            [("ff" * 32, 2**40 - 1), ("ff" * 32, 3), ("00" * 32, 4), ("00" * 31 + "01", 2)],
        ),
        case("many", 2100, ROOT, many),
    ],
}
with open("negatives.json", "w") as file:
    json.dump(out, file, indent=1, ensure_ascii=False)
    file.write("\n")
