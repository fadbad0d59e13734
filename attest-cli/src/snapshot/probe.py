"""Looks at this Python and what is installed in it. No input, and no code of what is installed is run."""

import hashlib
import json
import os
import platform
import sys
import zlib

try:
    from importlib import metadata
except ImportError:
    metadata = None


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def mapped(parts):
    """The digest of a shared library that this process really uses (Linux)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            paths = sorted({line.split(None, 5)[5].strip() for line in maps if "/" in line})
    except OSError:
        return None
    for path in paths:
        if os.path.basename(path).startswith(parts):
            return digest(path)
    return None


def distributions():
    found = {}
    for one in metadata.distributions() if metadata else []:
        record = one.read_text("RECORD")
        name, version = one.metadata["Name"], one.version
        if name and version and (name, version) not in found:
            found[(name, version)] = hashlib.sha256(record.encode("utf-8")).hexdigest() if record else None
    return [{"name": name, "version": version, "recordSha256": sha} for (name, version), sha in sorted(found.items())]


# Without the folder of a script: nothing in the working directory is imported.
executable = os.path.realpath(sys.executable)
libpython = mapped(("libpython",))
variant = getattr(zlib, "ZLIBNG_VERSION", None)
libc = " ".join(part for part in platform.libc_ver() if part)
json.dump(
    {
        "python": {
            "path": executable,
            "version": platform.python_implementation() + " " + platform.python_version(),
            "sha256": libpython or digest(executable),
        },
        "zlib": {"version": "zlib-ng " + variant if variant else zlib.ZLIB_RUNTIME_VERSION, "sha256": mapped(("libz",))},
        "libc": {"version": libc, "sha256": mapped(("libc.so", "libc-", "ld-musl"))} if libc else None,
        "system": platform.platform(),
        "distributions": distributions(),
    },
    sys.stdout,
)
