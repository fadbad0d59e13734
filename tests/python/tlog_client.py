#!/usr/bin/env python3
"""A client of a C2SP transparency log that shares no code with attest: standard library only.

    tlog_client.py URL LOG_VKEY [--witness VKEY]... [--quorum N] [--old FILE] [--proof FILE ENTRY]...

Fetches the checkpoint, every entry bundle and every tile of the log at URL. Exit code 0 and one line of JSON only if the
log's signature holds (signed-note, RFC 8032), N of the witnesses cosigned it (tlog-cosignature), every tile and the root are
what the entries hash to (RFC 6962, tlog-tiles), the tree of the older checkpoint in --old is the beginning of this one, and
each .tlog-proof includes its entry (tlog-proof, RFC 9162 section 2.1.3.2).
"""

import argparse
import base64
import gzip
import hashlib
import json
import struct
import urllib.request

# Ed25519, RFC 8032 section 5.1: slow and plain, for verifying only.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def add(a, b):
    """Extended homogeneous coordinates (X, Y, Z, T), section 5.1.4."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(s, point):
    result = (0, 1, 1, 0)
    while s:
        if s & 1:
            result = add(result, point)
        point, s = add(point, point), s >> 1
    return result


def point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    assert y < P, "not a canonical point"
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if x * x % P == x2 else x * SQRT_M1 % P
    assert x * x % P == x2 and (x or not sign), "not a point of the curve"
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def check_ed25519(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    assert len(signature) == 64 and s < L, "not a canonical signature"
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(point(r), multiply(k, point(key)))
    same = (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0
    assert same, "the signature does not verify"


class Key:
    """A vkey of signed-note: type 1 signs a note, type 4 cosigns a checkpoint."""

    def __init__(self, text):
        self.name, key_id, material = text.split("+", 2)
        material = base64.b64decode(material, validate=True)
        self.id, self.type, self.public = bytes.fromhex(key_id), material[0], material[1:]
        expected = hashlib.sha256(self.name.encode() + b"\n" + material).digest()[:4]
        assert self.id == expected and len(self.public) == 32, f"not a key: {text}"

    def check(self, text, blob):
        if self.type == 1:
            return check_ed25519(self.public, text, blob)
        assert self.type == 4, "expected an Ed25519 key"
        time = struct.unpack(">Q", blob[:8])[0]
        check_ed25519(self.public, b"cosignature/v1\ntime %d\n" % time + text, blob[8:])


class Checkpoint:
    """A note whose log signature was verified."""

    def __init__(self, note, log):
        text, lines = note.rsplit("\n\n", 1)
        self.text = (text + "\n").encode()
        self.lines = []
        for line in lines.splitlines():
            dash, name, blob = line.split(" ")
            assert dash == "\u2014", f"not a signature line: {line}"
            blob = base64.b64decode(blob, validate=True)
            self.lines.append((name, blob[:4], blob[4:]))
        origin, size, root = text.split("\n")
        assert origin == log.name and size == str(int(size)), "a checkpoint of another log"
        self.size, self.root = int(size), base64.b64decode(root, validate=True)
        assert self.signed_by(log), "not signed by the log"

    def signed_by(self, key):
        found = [blob for name, key_id, blob in self.lines if (name, key_id) == (key.name, key.id)]
        for blob in found:
            key.check(self.text, blob)
        return bool(found)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree_hash(nodes):
    """RFC 6962 section 2.1, over leaf hashes or over the roots of perfect subtrees."""
    if len(nodes) == 1:
        return nodes[0]
    split = 1 << (len(nodes) - 1).bit_length() - 1
    return sha256(b"\1", tree_hash(nodes[:split]), tree_hash(nodes[split:]))


def root_of(leaves):
    return tree_hash(leaves) if leaves else sha256()


def fetch(url, path):
    with urllib.request.urlopen(url.rstrip("/") + "/" + path, timeout=30) as answer:
        body = answer.read()
        return gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body


def pieces(count):
    """Paths of tlog-tiles: N in groups of three digits, all but the last with an x; .p/W where it is not full."""
    for index in range((count + 255) // 256):
        groups = [f"{index % 1000:03}"]
        rest = index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        width = min(256, count - index * 256)
        yield index, "/".join(groups) + ("" if width == 256 else f".p/{width}")


def read_entries(url, size):
    entries = []
    for _, path in pieces(size):
        bundle = fetch(url, "tile/entries/" + path)
        while bundle:
            length = struct.unpack(">H", bundle[:2])[0]
            entries.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    assert len(entries) == size, f"expected {size} entries, found {len(entries)}"
    return entries


def check_tiles(url, leaves):
    level, hashes, tiles = 0, leaves, 0
    while hashes:
        for index, path in pieces(len(hashes)):
            expected = b"".join(hashes[index * 256 : index * 256 + 256])
            assert fetch(url, f"tile/{level}/{path}") == expected, f"tile/{level}/{path} is not what the entries hash to"
            tiles += 1
        full = len(hashes) // 256
        hashes = [tree_hash(hashes[i * 256 : i * 256 + 256]) for i in range(full)]
        level += 1
    return tiles


def check_proof(proof, entry, log, quorum):
    head, note = proof.split("\n\n", 1)
    lines = head.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("index "), "not a proof"
    index, path = int(lines[1][6:]), [base64.b64decode(line, validate=True) for line in lines[2:]]
    checkpoint = Checkpoint(note, log)
    quorum(checkpoint)
    f, s, node = index, checkpoint.size - 1, sha256(b"\0", entry)
    assert f <= s, "an index beyond the tree"
    for sibling in path:
        assert s, "a proof that is too long"
        if f & 1 or f == s:
            node = sha256(b"\1", sibling, node)
            while not f & 1 and f:
                f, s = f >> 1, s >> 1
        else:
            node = sha256(b"\1", node, sibling)
        f, s = f >> 1, s >> 1
    assert s == 0 and node == checkpoint.root, "the proof leads to another root"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("log", type=Key)
    parser.add_argument("--witness", type=Key, action="append", default=[])
    parser.add_argument("--quorum", type=int, default=0)
    parser.add_argument("--old", metavar="FILE")
    parser.add_argument("--proof", nargs=2, metavar=("FILE", "ENTRY"), action="append", default=[])
    args = parser.parse_args()
    assert len({key.public for key in args.witness + [args.log]}) == len(args.witness) + 1, "a key given twice"

    def quorum(checkpoint):
        found = sum(checkpoint.signed_by(witness) for witness in args.witness)
        assert found >= args.quorum, f"expected {args.quorum} cosignatures, found {found}"
        return found

    checkpoint = Checkpoint(fetch(args.url, "checkpoint").decode(), args.log)
    cosignatures = quorum(checkpoint)
    leaves = [sha256(b"\0", entry) for entry in read_entries(args.url, checkpoint.size)]
    assert root_of(leaves) == checkpoint.root, "the root is not what the entries hash to"
    tiles = check_tiles(args.url, leaves)
    if args.old:
        old = Checkpoint(open(args.old, encoding="utf-8").read(), args.log)
        assert old.size <= checkpoint.size and root_of(leaves[: old.size]) == old.root, "the log forked"
    for proof, entry in args.proof:
        check_proof(open(proof, encoding="utf-8").read(), open(entry, "rb").read(), args.log, quorum)
    done = {"size": checkpoint.size, "cosignatures": cosignatures, "tiles": tiles, "proofs": len(args.proof)}
    print(json.dumps(done))


if __name__ == "__main__":
    main()
