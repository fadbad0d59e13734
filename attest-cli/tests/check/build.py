"""Builds a wheel of `demo` with what the first argument says in it, as a build command and as a PEP 517 backend."""

import getpass
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile

WHEEL = "Wheel-Version: 1.0\nGenerator: fixture 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
NAME = "demo-1.0-py3-none-any.whl"
CONTENT = {
    "time": lambda: str(int(time.time())),
    "path": os.getcwd,
    "temporary": tempfile.gettempdir,
    "hash-seed": lambda: repr({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}),
    "order": lambda: repr(os.listdir("data")),
    "scandir": lambda: repr([entry.name for entry in os.scandir("data")]),
    "umask": lambda: oct(os.stat("build.py").st_mode),
    "locale": lambda: os.environ["LC_ALL"],
    "zone": lambda: time.strftime("%H:%M", time.localtime(0)),
    "home": lambda: os.path.expanduser("~"),
    "user": getpass.getuser,
    "host": platform.node,
    "date": lambda: time.strftime("%Y-%m", time.gmtime()),
    "cpus": lambda: str(len(os.sched_getaffinity(0))),
    "repeat": lambda: str(uuid.uuid4()),
}


def write(folder, mischief):
    content = CONTENT.get(mischief, lambda: "nothing")()
    members = [("demo/core.py", "x = " + repr(content) + "\n")]
    if mischief == "native":
        flags = os.environ.get("CFLAGS", "").split()
        subprocess.run(["cc", "-g", *flags, "-shared", "-fPIC", "-o", "core.so", "core.c"], check=True)
        with open("core.so", "rb") as file:
            members.append(("demo/core.so", file.read()))
    info = "demo-1.0.dist-info/"
    members += [(info + "METADATA", METADATA), (info + "WHEEL", WHEEL), (info + "RECORD", "")]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time() if mischief == "zip-time" else 1700000000))
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(os.path.join(folder, NAME), "w") as wheel:
        for name, text in members:
            member = zipfile.ZipInfo(name, time.gmtime(epoch)[:6])
            mode = os.stat("build.py").st_mode & 0o777 if mischief == "zip-mode" else 0o644
            member.external_attr = (0o100000 | mode) << 16
            wheel.writestr(member, text)


def build_wheel(folder, settings=None, metadata=None):
    with open("mischief", encoding="utf-8") as file:
        write(folder, file.read().strip())
    return NAME


if __name__ == "__main__":
    MISCHIEF = sys.argv[1]
    if MISCHIEF == "fails":
        sys.exit("the compiler is on strike")
    if MISCHIEF == "hangs":
        with open(sys.argv[2], "w", encoding="utf-8") as mark:
            mark.write(str(os.getpid()))
        time.sleep(600)
    if MISCHIEF != "nothing":
        write("dist", MISCHIEF)
    if MISCHIEF == "twins":
        write("wheelhouse", "zone")
