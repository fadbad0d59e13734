#!/usr/bin/env python3
"""Writes recipe.toml: the digests of build.sh and build.lock, Rust's components, and every crate of Cargo.lock.

    recipe.py > recipe.toml        of this commit
    recipe.py --fetch DIR          its packages as an archive, DIR/SHA256/FILE, for `attest rebuild --dependencies DIR`
    recipe.py --packages DIR       the same files in one folder, as build.sh finds them in PACKAGES

Python 3.11 or newer; nothing else.
"""

import hashlib
import os

import sys
import tomllib
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# Published by the Rust project beside each file, and in channel-rust-VERSION.toml.
RUST = "1.95.0"
DIST = "https://static.rust-lang.org/dist/2026-04-16/"
COMPONENTS = {
    "cargo-1.95.0-x86_64-unknown-linux-gnu.tar.xz": "e74edd2cf7d0f1f1383b4f00eb90c843750bc489e2ccf7214e6476678a907425",
    "rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz": "8426a3d170a5879f5682f5fbdd024a1779b3951e7baba685af2d6dc32a6dfc15",
    "rust-std-1.95.0-x86_64-unknown-linux-gnu.tar.xz": "047ea7098803d3500fa1072e9cee5392697e21525559e4458128a2bf874aa382",
    "rust-std-1.95.0-x86_64-unknown-linux-musl.tar.xz": "aee540abf132920f791ef781489851a078d69dff493fb628d49c1d573f92bb3a",
}
CRATES = "https://static.crates.io/crates/"

HEAD = """# Written by recipe.py; build.sh says what is done with all of it.
schema = "https://w3id.org/attest/recipe/v1"
wheel = "attest_wheels-{version}-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.musllinux_1_1_x86_64.whl"
generator = "maturin (1.16.0)"
guesses = []

[backend]
name = "backend"
path = ["build"]

[requirements]
build = []

[time]
clock = "REAL"
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
PYTHONHASHSEED = "0"

[custom]
build-sh = "{build_sh}"
build-lock = "{build_lock}"
"""

def packages():
    """File name, name, version, digest and address of everything that is unpacked."""
    for file, digest in COMPONENTS.items():
        yield file, file.split("-" + RUST)[0], RUST, digest, DIST + file
    for crate in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]:
        if "checksum" in crate:
            file = "{name}-{version}.crate".format(**crate)
            yield file, crate["name"], crate["version"], crate["checksum"], CRATES + crate["name"] + "/" + file

def recipe():
    digest = lambda name: hashlib.sha256((HERE / name).read_bytes()).hexdigest()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    head = HEAD.format(version=version, build_sh=digest("build.sh"), build_lock=digest("build.lock"))
    entry = '\n[[custom.packages]]\nname = "{1}"\nversion = "{2}"\nfile = "{0}"\nsha256 = "{3}"\nurl = "{4}"\n'
    return head + "".join(entry.format(*package) for package in packages())

def fetch(folder, by_digest):
    """Takes what cargo has kept on this machine, and the rest from where the recipe says."""
    kept = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo", "registry", "cache")
    for file, _, _, digest, address in packages():
        place = Path(folder, digest, file) if by_digest else Path(folder, file)
        if place.exists():
            continue
        known = next(kept.glob("*/" + file), None)
        data = known.read_bytes() if known else urllib.request.urlopen(address, timeout=120).read()
        if hashlib.sha256(data).hexdigest() != digest:
            sys.exit("expected {} with sha256 {}, found another file".format(address, digest))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

if __name__ == "__main__":
    if sys.argv[1:2] in (["--fetch"], ["--packages"]):
        fetch(sys.argv[2], sys.argv[1] == "--fetch")
    else:
        sys.stdout.write(recipe())
