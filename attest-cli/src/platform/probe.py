"""Which wheels and markers this Python goes by, as the `packaging` library tells them: uv's environments have no pip to ask.

Runs with -I -S, so that nothing of an environment is imported before or while it runs.
"""

import json
import os
import platform
import struct
import subprocess
import sys
import sysconfig

LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def mapped():
    """The files this Python consists of, its libc among them: with other files the answer may be another one."""
    with open("/proc/self/maps") as maps:
        fields = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    return sorted({field[5] for field in fields if len(field) == 6 and field[5].startswith("/")})


def glibc():
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
    except (AttributeError, OSError, ValueError):
        return None
    numbers = version.split(".")
    return (int(numbers[0]), int(numbers[1])) if name == "glibc" else None


def musl(files):
    """The loader prints its version where it is run without a program."""
    for file in files:
        if os.path.basename(file).startswith(("ld-musl-", "libc.musl-")):
            said = subprocess.run([file], stderr=subprocess.PIPE, universal_newlines=True).stderr.split()
            numbers = said[said.index("Version") + 1].split(".")
            return int(numbers[0]), int(numbers[1])
    return None


def platforms(files):
    """PEP 600 and PEP 656, most specific first; nothing where this is no Linux."""
    name = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if not name.startswith("linux_"):
        return None
    arch = name[len("linux_") :]
    if struct.calcsize("P") == 4:
        arch = {"x86_64": "i686", "aarch64": "armv8l"}.get(arch, arch)
    tags = []
    for arch in {"armv8l": ["armv8l", "armv7l"]}.get(arch, [arch]):
        libc = glibc()
        if libc and libc[0] != 2:
            return None
        if libc:
            for minor in range(libc[1], 4 if arch in ("x86_64", "i686") else 16, -1):
                tags.append("manylinux_2_%d_%s" % (minor, arch))
                if minor in LEGACY:
                    tags.append("%s_%s" % (LEGACY[minor], arch))
        libc = musl(files)
        if libc:
            tags.extend("musllinux_%d_%d_%s" % (libc[0], minor, arch) for minor in range(libc[1], -1, -1))
        tags.append("linux_" + arch)
    return tags


def tags(files):
    """Nothing where it is not known how an installer would choose."""
    kinds = platforms(files)
    major, minor = sys.version_info[:2]
    short = {"cpython": "cp", "pypy": "pp"}.get(sys.implementation.name)
    # Before 3.8 the names of ABIs have more flags.
    if kinds is None or short is None or (major, minor) < (3, 8):
        return None
    own = "%s%d%d" % (short, major, minor)
    if short == "cp":
        free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
        debug = ["d"] if sysconfig.get_config_var("Py_DEBUG") else []
        abis = [own + free + suffix for suffix in debug + [""]]
        stable = (["abi3"] if not free else []) + (["abi3t"] if minor >= 15 else [])
        older = ["cp%d%d" % (major, n) for n in range(minor - 1, 1, -1)]
    else:
        # pypy39-pp73-x86_64-linux-gnu
        abis = ["_".join(sysconfig.get_config_var("SOABI").split("-")[:2])]
        stable, older = [], []
    found = [(own, abi, kind) for abi in abis + stable + ["none"] for kind in kinds]
    found += [(python, abi, kind) for python in older for abi in stable for kind in kinds]
    generic = ["py%d%d" % (major, minor), "py%d" % major]
    generic += ["py%d%d" % (major, n) for n in range(minor - 1, -1, -1)]
    found += [(python, "none", kind) for python in generic for kind in kinds]
    found += [(python, "none", "any") for python in [own] + (["pp3"] if short == "pp" else []) + generic]
    return ["-".join(tag) for tag in found]


def implementation_version():
    info = sys.implementation.version
    kind = "" if info.releaselevel == "final" else info.releaselevel[0] + str(info.serial)
    return "%d.%d.%d%s" % (info.major, info.minor, info.micro, kind)


def main():
    try:
        files = mapped()
    except OSError:
        files = []
    json.dump(
        {
            "executable": os.path.realpath(sys.executable),
            "files": files,
            "tags": tags(files),
            # Not platform_release and platform_version: another kernel would change them behind a remembered answer.
            "markers": {
                "implementation_name": sys.implementation.name,
                "implementation_version": implementation_version(),
                "os_name": os.name,
                "platform_machine": platform.machine(),
                "platform_python_implementation": platform.python_implementation(),
                "platform_system": platform.system(),
                "python_full_version": platform.python_version(),
                "python_version": ".".join(platform.python_version_tuple()[:2]),
                "sys_platform": sys.platform,
            },
        },
        sys.stdout,
    )


main()
