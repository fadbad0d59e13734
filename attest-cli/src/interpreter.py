"""What runs this: the interpreter, its compressor and its C library, each by version and digest. It stands in front of the probes,
which go on from here."""

import hashlib
import json
import os
import platform
import sys
import zlib


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def mapped(*names):
    """The digest of the shared library that this process really uses, if it is one (Linux)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            paths = sorted({line.split(None, 5)[5].strip() for line in maps if "/" in line})
    except OSError:
        return None
    for path in paths:
        if os.path.basename(path).startswith(names):
            return digest(path)
    return None


def interpreter():
    executable = os.path.realpath(sys.executable)
    variant = getattr(zlib, "ZLIBNG_VERSION", None)
    libc = " ".join(part for part in platform.libc_ver() if part)
    return {
        "python": {
            "path": executable,
            "version": platform.python_implementation() + " " + platform.python_version(),
            "sha256": mapped("libpython") or digest(executable),
        },
        "zlib": {"version": "zlib-ng " + variant if variant else zlib.ZLIB_RUNTIME_VERSION, "sha256": mapped("libz")},
        "libc": {"version": libc, "sha256": mapped("libc.so", "libc-", "ld-musl")} if libc else None,
    }
