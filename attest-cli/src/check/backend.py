"""Calls PEP 517 hooks of the project in the current directory, and lists folders in a given order."""

import importlib
import json
import os
import sys

# Names of the standard library as it came: a project may replace what it likes.
SCANDIR, LISTDIR = os.scandir, os.listdir


class Listing:
    """What os.scandir returns, sorted."""

    def __init__(self, entries):
        self.entries = iter(entries)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.entries = iter(())


def sort_folders(backwards):
    """Filesystems list in an order of their own, often the same in two folders: here the two builds see two orders."""

    def listdir(path="."):
        return sorted(LISTDIR(path), reverse=backwards)

    def scandir(path="."):
        with SCANDIR(path) as entries:
            return Listing(sorted(entries, key=lambda entry: entry.name, reverse=backwards))

    os.listdir, os.scandir = listdir, scandir


def load(name, path):
    module, _, attributes = name.partition(":")
    sys.path[:0] = [os.path.abspath(folder) for folder in path]
    backend = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    return backend


def run(job):
    backend = load(job["backend"], job["path"])
    if job["requires"]:
        found = []
        for hook in job["hooks"]:
            found += getattr(backend, "get_requires_for_" + hook, lambda settings: [])({})
        with open(job["requires"], "w", encoding="utf-8") as file:
            json.dump([str(line) for line in found], file)
        return
    os.makedirs("dist", exist_ok=True)
    for hook in job["hooks"]:
        getattr(backend, hook)(os.path.abspath("dist"), {})


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        JOB = json.load(file)
    # The folder of this script is no part of the project's path.
    sys.path.pop(0)
    sys.argv[1:] = []
    if JOB["backwards"] is not None:
        sort_folders(JOB["backwards"])
    run(JOB)
