"""Writes inputs_digest.json: what inputsDigest, recordDigest, treeSha256 and the dependency record are, computed without attest.

Only integers, ASCII keys and strings occur, so json.dumps with sorted keys and no white space is RFC 8785 here (its
string escapes for the characters used are the same, and ASCII sorts alike in UTF-16 and in code points).
Run in this folder: python3 inputs_digest.py
"""
import hashlib
import json


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file(name):
    return sha256(name.encode())


SDIST = {"name": "six-1.16.0.tar.gz", "digest": {"sha256": file("sdist")}, "fromCommit": "UNVERIFIED"}
VERIFIED = {**SDIST, "fromCommit": "VERIFIED"}
GIT = {
    "uri": "git+https://github.com/benjaminp/six",
    "ref": "refs/tags/1.16.0",
    "digest": {"gitCommit": "65486e4383f9f411da95937451205d3c7b61b9e1"},
    "treeSha256": file("tree"),
}
DEPENDENCIES = [
    {"uri": f"pkg:pypi/{name}@{version}", "digest": {"sha256": file(name)}}
    for name, version in [("wheel", "0.36.2"), ("setuptools", "57.0.0"), ("flit-core", "3.9.0")]
]
RECIPE = file("recipe")
MANY = [{"uri": f"pkg:pypi/d{n}@1", "digest": {"sha256": file(f"d{n}")}} for n in range(143)]


def record(dependencies):
    return canonical(sorted(dependencies, key=lambda d: (d["uri"], d["digest"]["sha256"])))


def named(dependencies):
    """More than 100, or a reference to them, by the digest of their record; others one by one."""
    if len(dependencies) > 100:
        return sha256(record(dependencies))
    if len(dependencies) == 1 and dependencies[0]["uri"].startswith("attest:dependencies?total="):
        return dependencies[0]["digest"]["sha256"]
    return sorted(d["digest"]["sha256"] for d in dependencies)


inputs = []
for name, source, dependencies in [
    ("an sdist without dependencies", [SDIST], []),
    ("an sdist with dependencies", [SDIST], DEPENDENCIES),
    ("a commit", [GIT], DEPENDENCIES),
    ("a verified sdist and its commit", [VERIFIED, GIT], DEPENDENCIES),
    ("no source", [], []),
    ("the order of dependencies does not matter", [SDIST], DEPENDENCIES[::-1]),
    ("more dependencies than are listed", [SDIST], MANY),
    (
        "the same by their record",
        [SDIST],
        [{"uri": "attest:dependencies?total=143", "digest": {"sha256": sha256(record(MANY))}}],
    ),
]:
    text = canonical(
        {
            "source": source,
            "recipe": RECIPE,
            "dependencies": named(dependencies),
        }
    )
    inputs.append(
        {
            "name": name,
            "source": source,
            "recipe": {"sha256": RECIPE},
            "dependencies": dependencies,
            "canonical": text.decode(),
            "inputsDigest": {"sha256": sha256(text)},
        }
    )

records = []
for name, rows in [
    ("no rows", []),
    ("rows are sorted", [["six.py", file("six.py"), 34549], ["six-1.16.0.dist-info/METADATA", file("M"), 1795]]),
    (
        "scripts are left out",
        [["b.py", file("b"), 0], ["six-1.16.0.data/scripts/run", file("run"), 5], ["b.data/data/x", file("x"), 1]],
    ),
    ("a path outside of ASCII", [["\u00f6.py", file("o"), 9007199254740991], ["z.py", file("z"), 1]]),
]:
    kept = sorted(
        ([p, h, n] for p, h, n in rows if not p.partition("/")[0].endswith(".data") or "/scripts/" not in p),
        key=lambda row: (row[0].encode(), row[1], row[2]),
    )
    records.append({"name": name, "rows": rows, "recordDigest": {"sha256": sha256(canonical(kept))}})

trees = []
for name, entries in [
    ("an empty tree", []),
    ("paths are sorted by their bytes", [["b", "100644", "x"], ["a/b", "100755", "x"], ["a.b", "100644", "y"]]),
    ("a link is where it points", [["link", "120000", "a/b"], ["\u00f6\n.py", "100644", ""]]),
]:
    rows = sorted((path.encode(), mode, sha256(content.encode())) for path, mode, content in entries)
    text = b"".join(mode.encode() + b" " + path + b"\0" + digest.encode() + b"\n" for path, mode, digest in rows)
    trees.append({"name": name, "entries": entries, "treeSha256": sha256(text)})

listed = canonical(sorted(DEPENDENCIES, key=lambda d: (d["uri"], d["digest"]["sha256"])))
with open("inputs_digest.json", "w", encoding="utf-8") as out:
    json.dump(
        {
            "inputs": inputs,
            "records": records,
            "trees": trees,
            "dependencyRecord": {
                "dependencies": DEPENDENCIES,
                "canonical": listed.decode(),
                "digest": {"sha256": sha256(listed)},
            },
        },
        out,
        indent=1,
        ensure_ascii=False,
    )
    out.write("\n")
