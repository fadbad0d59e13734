"""A build backend that lives in its own sdist and misbehaves as @MISCHIEF@ says."""

import os
import socket
import subprocess
import sys
import time
import zipfile

RECORD = ""
WHEEL = "Wheel-Version: 1.0\nGenerator: fixture 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def reached():
    found = []
    for host in ("127.0.0.1", "localhost"):
        try:
            socket.create_connection((host, @PORT@), timeout=1).close()
            found.append(host)
        except OSError:
            pass
    try:
        socket.getaddrinfo("example.com", 443)
        found.append("names")
    except OSError:
        pass
    for path in @PATHS@:
        if os.path.exists(path):
            found.append(path)
    if "@MISCHIEF@" == "escape":
        for path in ("/usr/attest-was-here", "/build/env/attest-was-here", "/build/run/attest-was-here"):
            try:
                open(path, "w").close()
                found.append(path)
            except OSError:
                pass
    return found


def write(out, core):
    name = "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(out, name), "w") as wheel:
        for path, text in (
            ("demo/core.py", core),
            ("demo-1.0.dist-info/METADATA", METADATA),
            ("demo-1.0.dist-info/WHEEL", WHEEL),
            ("demo-1.0.dist-info/RECORD", RECORD),
        ):
            wheel.writestr(zipfile.ZipInfo(path, (2024, 2, 25, 23, 17, 32)), text)
        if "@MISCHIEF@" == "sbom":
            sbom = zipfile.ZipInfo("demo-1.0.dist-info/sboms/demo.cdx.json", (2024, 2, 25, 23, 17, 32))
            wheel.writestr(sbom, '{"serialNumber": "%s"}' % os.urandom(16).hex())
    return name


def build_wheel(out, config_settings=None, metadata_directory=None):
    mischief = "@MISCHIEF@"
    core = "reached = []\n"
    if mischief in ("reach", "escape"):
        core = "reached = %r\n" % (reached(),)
    elif mischief == "clock":
        core = "built = %r\n" % (time.time_ns(),)
    elif mischief == "cpus":
        core = "cpus = %r\n" % (len(os.sched_getaffinity(0)),)
    elif mischief == "hang":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # @MARK@"])
        time.sleep(600)
    elif mischief == "link":
        os.symlink("/etc/passwd", os.path.join(out, "demo-1.0-py3-none-any.whl"))
        return "demo-1.0-py3-none-any.whl"
    elif mischief in ("lure", "lure further"):
        # Outside of the room these lead to folders with the published wheel.
        folder, bait = (out, "wheels") if mischief == "lure" else (os.path.dirname(out), "")
        os.rename(folder, folder + "-away")
        os.symlink(os.path.join(@PATHS@[0], bait), folder)
        return "demo-1.0-py3-none-any.whl"
    elif mischief == "fill":
        with open(os.path.join(out, "big"), "wb") as file:
            while True:
                file.write(b"x" * (1 << 20))
    elif mischief == "hide":
        for _ in range(40):
            os.mkdir("x" * 120)
            os.chdir("x" * 120)
        time.sleep(60)
    return write(out, core)


if __name__ == "__main__":
    write(sys.argv[1], "reached = []\n")
