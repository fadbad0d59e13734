"""Looks at the room before project code runs: what is in it that builds, and whether a network can be reached."""

import shutil
import socket
import subprocess


def reached(port):
    """Which of these answered or could at least be routed to. In a room without network: none."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
        stream.settimeout(2)
        if stream.connect_ex(("127.0.0.1", port)) == 0:
            found.append("the host's loopback")
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as datagram:
                datagram.connect((address, 9))
            found.append("a route to " + address)
        except OSError:
            pass
    # The kernel's own tables: IPv4 lists no loopback route there, IPv6 does.
    for table, device in (("/proc/net/route", 0), ("/proc/net/ipv6_route", -1)):
        try:
            with open(table, encoding="ascii") as routes:
                devices = {line.split()[device] for line in routes if line.strip()} - {"Iface", "lo"}
        except OSError:
            continue
        found += sorted("a route through " + name for name in devices)
    return found


def said(command):
    """The first line that a program prints."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.decode("utf-8", "replace").splitlines() or [""])[0].strip()[:200]


def programs():
    """What a build could call, and what `cc` calls itself: a driver's digest says nothing about the compiler proper."""
    found = {name: shutil.which(name) for name in ("cc", "c++", "as", "ld", "ar", "rustc", "cargo", "cmake", "ninja", "git", "patchelf")}
    if found["cc"]:
        for name in ("cc1", "cc1plus", "collect2"):
            path = said([found["cc"], "-print-prog-name=" + name])
            found[name] = path if os.path.isabs(path) and os.path.isfile(path) else None
    return [
        {
            "name": name,
            "path": os.path.realpath(path),
            "version": said([found["cc"] if name.startswith("cc1") or name == "collect2" else path, "--version"]),
            "sha256": digest(path),
        }
        for name, path in sorted(found.items())
        if path
    ]


with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(
        dict(
            interpreter(),
            reached=reached(int(sys.argv[2])),
            platform=sys.platform + "/" + platform.machine(),
            kernel=platform.release(),
            programs=programs(),
        ),
        file,
    )
