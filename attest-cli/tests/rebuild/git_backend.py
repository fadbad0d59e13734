"""A build backend that asks git for its version, as setuptools_scm does, or an sdist's PKG-INFO."""

import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile

FILES = ["PKG-INFO", "backend.py", "core.py", "pyproject.toml"]


def version():
    if os.path.exists("PKG-INFO"):
        with open("PKG-INFO", encoding="utf-8") as file:
            return file.read().split()[-1]
    command = ["git", "describe", "--tags", "--dirty", "--exact-match"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().strip().lstrip("v")


def build_wheel(out, config_settings=None, metadata_directory=None):
    info = "demo-%s.dist-info/" % version()
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with open("core.py", encoding="utf-8") as file:
        core = file.read()
    name = "demo-%s-py3-none-any.whl" % version()
    with zipfile.ZipFile(os.path.join(out, name), "w") as wheel:
        for path, text in (
            ("demo/core.py", core),
            (info + "METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: %s\n@URLS@\n" % version()),
            (info + "WHEEL", "Wheel-Version: 1.0\nGenerator: fixture 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (info + "RECORD", ""),
        ):
            wheel.writestr(zipfile.ZipInfo(path, moment), text)
    return name


def build_sdist(out, config_settings=None):
    top = "demo-" + version()
    with tarfile.open(os.path.join(out, top + ".tar.gz"), "w:gz") as sdist:
        for name in FILES:
            if name == "PKG-INFO":
                content = ("Name: demo\nVersion: %s\n" % version()).encode()
            else:
                with open(name, "rb") as file:
                    content = file.read()
            member = tarfile.TarInfo(top + "/" + name)
            member.size = len(content)
            sdist.addfile(member, io.BytesIO(content))
    return top + ".tar.gz"


if __name__ == "__main__":
    build_wheel(sys.argv[1])
    build_sdist(sys.argv[1])
