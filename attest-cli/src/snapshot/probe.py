"""Looks at this Python and what is installed in it. No input, and no code of what is installed is run."""

try:
    from importlib import metadata
except ImportError:
    metadata = None


def distributions():
    found = {}
    for one in metadata.distributions() if metadata else []:
        record = one.read_text("RECORD")
        name, version = one.metadata["Name"], one.version
        if name and version and (name, version) not in found:
            found[(name, version)] = hashlib.sha256(record.encode("utf-8")).hexdigest() if record else None
    return [{"name": name, "version": version, "recordSha256": sha} for (name, version), sha in sorted(found.items())]


# Without the folder of a script: nothing in the working directory is imported.
json.dump(dict(interpreter(), system=platform.platform(), distributions=distributions()), sys.stdout)
