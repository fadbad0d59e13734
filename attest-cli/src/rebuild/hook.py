"""Runs PEP 517 hooks of one project. Everything above `run` happens before project code does."""

import importlib
import json
import os
import resource
import sys
import time

# Backends cut a file's time down to the second, and the kernel's own stamp lags behind its clock.
BEGIN = int(time.time()) - 1


def limit(limits):
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def replay_clock(stamp):
    """Every time since the build began shows as `stamp`: what a backend writes into the zip for files it generates."""

    def replay(real):
        def convert(seconds=None):
            return real(stamp if seconds is None or seconds >= BEGIN else seconds)

        return convert

    time.gmtime = replay(time.gmtime)
    time.localtime = replay(time.localtime)


def load(name, path):
    module, _, attributes = name.partition(":")
    sys.path[:0] = [os.path.abspath(folder) for folder in path]
    backend = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    return backend


def run(job):
    backend = load(job["backend"], job["path"])
    requires = getattr(backend, "get_requires_for_build_wheel", lambda settings: [])({})
    with open(os.path.join(job["out"], "requires.json"), "w", encoding="utf-8") as file:
        json.dump([str(line) for line in requires], file)
    if job["hook"] == "build_wheel":
        backend.build_wheel(job["out"], {}, None)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        JOB = json.load(file)
    # Whoever runs this tells its own failures from the project's by this file.
    with open(os.path.join(JOB["out"], "began"), "wb"):
        pass
    # The folder of this script is no part of the project's path.
    sys.path.pop(0)
    sys.argv[1:] = []
    os.umask(JOB["umask"])
    limit(JOB["limits"])
    if JOB["stamp"] is not None:
        replay_clock(JOB["stamp"])
    run(JOB)
