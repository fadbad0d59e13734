"""Writes statements/*.json: one statement of each kind, as attest prints it, built without attest.

Run in this folder, after inputs_digest.py: python3 statements.py
"""
import hashlib
import json
import os

STATEMENT = "https://in-toto.io/Statement/v1"
TYPE = "https://w3id.org/attest/{}/v1"


def sha256(text):
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def inputs_digest(source, recipe, dependencies):
    recorded = [d["digest"]["sha256"] for d in dependencies if d["uri"].startswith("attest:dependencies?total=")]
    text = {
        "source": source,
        "recipe": recipe["sha256"],
        "dependencies": recorded[0] if recorded else sorted(d["digest"]["sha256"] for d in dependencies),
    }
    return sha256(json.dumps(text, sort_keys=True, separators=(",", ":")))


SUBJECT = {
    "name": "six-1.16.0-py2.py3-none-any.whl",
    "uri": "pkg:pypi/six@1.16.0?file_name=six-1.16.0-py2.py3-none-any.whl",
    "digest": {"sha256": "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"},
}
LOCAL = {
    "name": "Torch_CPU-2.0.0+cpu-1-cp310-cp310-linux_x86_64.whl",
    "uri": "pkg:pypi/torch-cpu@2.0.0%2Bcpu?file_name=Torch_CPU-2.0.0%2Bcpu-1-cp310-cp310-linux_x86_64.whl",
    "digest": sha256("torch"),
}
SDIST = {"name": "six-1.16.0.tar.gz", "digest": sha256("sdist"), "fromCommit": "UNVERIFIED"}
GIT = {
    "uri": "git+https://github.com/benjaminp/six",
    "ref": "refs/tags/1.16.0",
    "digest": {"gitCommit": "65486e4383f9f411da95937451205d3c7b61b9e1"},
    "treeSha256": sha256("tree")["sha256"],
}
RECIPE_TEXT = 'backend = "setuptools.build_meta"\numask = "0022"\n'
DEPENDENCIES = [
    {"uri": "pkg:pypi/setuptools@57.0.0", "digest": sha256("setuptools")},
    {"uri": "pkg:pypi/wheel@0.36.2", "digest": sha256("wheel")},
]


def body(origin="SDIST", source=(SDIST,), recipe=None, method="EXACT", environment=None, dependencies=None, byproducts=()):
    source = list(source)
    recipe = recipe or {"kind": "INFERRED", "digest": sha256(RECIPE_TEXT), "content": RECIPE_TEXT}
    dependencies = DEPENDENCIES if dependencies is None else dependencies
    value = {
        "rebuilder": {"id": "https://rebuilder.example/v1", "version": {"attest": "0.1.0", "pip": "26.0"}},
        "origin": origin,
        "source": source,
        "recipe": recipe,
        "method": method,
        "environment": environment
        or {
            "platform": "linux/x86_64",
            "variables": {"LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "1620236137", "TZ": "UTC"},
            "umask": "0022",
            "buildPath": "/build/six-1.16.0",
            "clock": "SOURCE_DATE_EPOCH",
            "network": "NONE",
            "python": {"version": "CPython 3.9.2"},
            "zlib": {"version": "1.2.13"},
        },
        "resolvedDependencies": dependencies,
        "inputsDigest": inputs_digest(source, recipe["digest"], dependencies),
        "recordDigest": sha256("record"),
        "rebuiltAt": "2026-11-21T21:00:00Z",
        "repeat": 2,
    }
    if byproducts:
        value["byproducts"] = list(byproducts)
    return value


def write(name, kind, predicate, subject=SUBJECT):
    statement = {
        "_type": STATEMENT,
        "subject": [subject],
        "predicateType": TYPE.format(kind),
        "predicate": predicate,
    }
    with open(os.path.join("statements", name + ".json"), "w", encoding="utf-8") as out:
        out.write(compact(statement))


write("reproduced", "reproduced", body())
write(
    "reproduced-from-git",
    "reproduced",
    body(
        origin="GIT",
        source=[GIT],
        recipe={"kind": "CUSTOM", "digest": sha256("recipe"), "downloadLocation": "https://rebuilder.example/recipes/six"},
        method="REPLAYED",
        environment={
            "platform": "linux/x86_64",
            "variables": {"CFLAGS": "", "LANG": "C"},
            "umask": "0002",
            "buildPath": "/project",
            "clock": "REPLAYED",
            "network": "FETCH_ONLY",
            "python": {"version": "CPython 3.10.12", "digest": sha256("python")},
            "zlib": {"version": "zlib-ng 2.1"},
            "cc": {"version": "gcc 12.2.0"},
            "ld": {"version": "GNU ld 2.40"},
            "libc": {"version": "glibc 2.28"},
            "containerImage": sha256("image"),
        },
        byproducts=[{"name": "build.log", "digest": sha256("log")}],
    ),
    LOCAL,
)
write("reproduced-verified-sdist", "reproduced", body(source=[{**SDIST, "fromCommit": "VERIFIED"}, GIT]))
recorded = body()
recorded["resolvedDependencies"] = [{"uri": "attest:dependencies?total=143", "digest": sha256("list")}]
recorded["inputsDigest"] = inputs_digest(recorded["source"], recorded["recipe"]["digest"], recorded["resolvedDependencies"])
write("reproduced-recorded-dependencies", "reproduced", recorded)
write(
    "equivalent",
    "equivalent",
    {
        **body(),
        "rebuilt": sha256("rebuilt"),
        "members": [
            {"path": p, "published": sha256("p" + p)["sha256"], "rebuilt": sha256("r" + p)["sha256"]}
            for p in ["six-1.16.0.dist-info/RECORD", "six-1.16.0.dist-info/sboms/auditwheel.cdx.json"]
        ],
    },
)
write(
    "not-reproduced-different",
    "not-reproduced",
    {
        **body(),
        "outcome": "DIFFERENT",
        "rebuilt": sha256("rebuilt"),
        "contradicts": sha256("statement")["sha256"],
        "differences": [
            {"path": "six.py", "kind": "CONTENT"},
            {"path": "evil\\u{202e}.py", "kind": "ONLY_IN_PUBLISHED"},
        ],
        "differencesTotal": 2,
        "report": sha256("report"),
    },
)
write(
    "not-reproduced-many-differences",
    "not-reproduced",
    {
        **body(),
        "outcome": "NONDETERMINISTIC",
        "rebuilt": sha256("rebuilt"),
        "differences": [{"path": f"m{i:02}.py", "kind": "ZIP_METADATA"} for i in range(32)],
        "differencesTotal": 4711,
    },
)
write("not-reproduced-build-failed", "not-reproduced", {**body(), "outcome": "BUILD_FAILED", "differencesTotal": 0})
write(
    "not-reproduced-source-not-found",
    "not-reproduced",
    {**body(source=[], dependencies=[]), "outcome": "SOURCE_NOT_FOUND", "differencesTotal": 0},
)
write("withdrawn", "withdrawn", {"statementId": sha256("statement")["sha256"], "reason": "Built with a broken compiler."})
