"""Runs PEP 517 hooks of one project. Everything above `run` happens before project code does."""

import builtins
import importlib
import io
import json
import os
import pathlib
import re
import resource
import runpy
import sys
import tempfile
import time
import zipfile

# Backends cut a file's time down to the second, and the kernel's own stamp lags behind its clock.
BEGIN = int(time.time()) - 1


def limit(limits):
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def replay_clock(stamp, ticks):
    """Times since the build began show, in the order in which they are asked for, as the `ticks`, then as `stamp`: what a
    backend writes into the zip for files that it generates."""
    runs = [[count, second] for count, second in ticks]

    def tick():
        while runs and runs[0][0] == 0:
            del runs[0]
        if not runs:
            return stamp
        runs[0][0] -= 1
        return runs[0][1]

    def replay(real):
        def convert(seconds=None):
            return real(tick() if seconds is None or seconds >= BEGIN else seconds)

        return convert

    time.gmtime = replay(time.gmtime)
    time.localtime = replay(time.localtime)


def replay_temporary(names):
    """A folder whose name shows in the published wheel gets that name, as long as it is free."""
    real = tempfile.mkdtemp

    def mkdtemp(suffix=None, prefix=None, dir=None):
        for name in names:
            # Eight characters are made up.
            if not suffix and name[:-8] == (tempfile.template if prefix is None else prefix):
                path = os.path.abspath(os.path.join(dir or tempfile.gettempdir(), name))
                try:
                    os.mkdir(path, 0o700)
                except FileExistsError:
                    continue
                return path
        return real(suffix, prefix, dir)

    tempfile.mkdtemp = mkdtemp


def end_lines_with(ends):
    """Text that is written without a word about line ends gets these, as Python on Windows does it."""
    real = io.open

    def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        if newline is None and "b" not in mode and set(mode) & set("awx"):
            newline = ends
        return real(file, mode, buffering, encoding, errors, newline, closefd, opener)

    io.open = builtins.open = opened


def know_only_read_only():
    """`os.chmod` on Windows: everybody may write a file, or nobody."""
    real = os.chmod

    def chmod(path, mode, **options):
        if not os.path.isdir(path):
            mode = 0o666 if mode & 0o200 else 0o444
        real(path, mode, **options)

    os.chmod = chmod


def sort_paths_without_case():
    """How Windows compares paths, so how backends that sort paths, and not their names, order a wheel."""

    def key(path):
        return [part.lower() for part in path.parts]

    def lower(self, other):
        return key(self) < key(other) if isinstance(other, pathlib.PurePath) else NotImplemented

    pathlib.PurePosixPath.__lt__ = lower


def make_zips_on(system):
    """`zipfile` writes on which system it runs into every entry."""
    real = zipfile.ZipInfo.__init__

    def init(self, *args, **kwargs):
        real(self, *args, **kwargs)
        self.create_system = system

    zipfile.ZipInfo.__init__ = init


def configure_setuptools(python_tag):
    """In the user's own file, which every setuptools reads."""
    with open(os.path.expanduser("~/.pydistutils.cfg"), "w", encoding="ascii") as file:
        file.write("[bdist_wheel]\npython-tag = " + python_tag + "\n")


def is_settled(line, settled):
    """Whether a requirement is installed, replaced by a pin of the same project, or only for an extra."""
    if "extra" in line.partition(";")[2].split():
        return True
    name = re.match("[A-Za-z0-9._-]*", line).group()
    return line in settled["lines"] or re.sub("[-_.]+", "-", name).lower() in settled["projects"]


class SetupScript:
    """What setuptools before 40.8 has instead of hooks, which is also how wheels were made with it."""

    @staticmethod
    def build_wheel(out, settings, metadata):
        sys.argv[:] = ["setup.py", "bdist_wheel", "--dist-dir", out]
        sys.path.insert(0, os.getcwd())
        runpy.run_path("setup.py", run_name="__main__")


def load(name, path):
    module, _, attributes = name.partition(":")
    sys.path[:0] = [os.path.abspath(folder) for folder in path]
    try:
        backend = importlib.import_module(module)
        for attribute in filter(None, attributes.split(".")):
            backend = getattr(backend, attribute)
    except (AttributeError, ImportError):
        if module != "setuptools.build_meta":
            raise
        return SetupScript
    return backend


def run(job):
    backend = load(job["backend"], job["path"])
    what = job["hook"].rpartition("_")[2]
    asked = getattr(backend, "get_requires_for_build_" + what, lambda settings: [])({})
    asked = [str(line) for line in asked]
    with open(os.path.join(job["out"], "requires.json"), "w", encoding="utf-8") as file:
        json.dump(asked, file)
    # Without what it asks for it would not be the build that is wanted; whoever runs this installs it and comes back.
    if job["hook"] == "build_wheel" and all(is_settled(line, job["settled"]) for line in asked):
        # A folder of its own: setuptools before 41 empties it.
        wheels = os.path.join(job["out"], "wheels")
        os.mkdir(wheels)
        backend.build_wheel(wheels, {}, None)
    elif job["hook"] == "build_sdist":
        backend.build_sdist(job["out"], {})


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
    if JOB["python_tag"] is not None:
        configure_setuptools(JOB["python_tag"])
    if JOB["line_ends"] is not None:
        end_lines_with(JOB["line_ends"])
    if JOB["modes"] == "WINDOWS":
        know_only_read_only()
        sort_paths_without_case()
    if JOB["zip_system"] is not None:
        make_zips_on(JOB["zip_system"])
    if JOB["stamp"] is not None:
        replay_clock(JOB["stamp"], JOB["ticks"])
    replay_temporary(JOB["temporary"])
    run(JOB)
