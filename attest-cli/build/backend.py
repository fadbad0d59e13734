"""Builds the wheel through maturin: https://peps.python.org/pep-0517/.

What maturin alone does not do: no path of the machine that builds gets into the program, and the program writes its own
completions and manual pages before the wheel is packed. Two builds of one commit with one toolchain are the same bytes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
DATA = PACKAGE / "wheel.data"
# With musl everything is linked in, so that one file does for every Linux, whatever its C library.
STATIC = "-unknown-linux-musl"
TAGS = ["manylinux_2_17", "musllinux_1_1"]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the program, has it write its own pages, and packs both."""
    profile = os.environ.get("ATTEST_WHEEL_PROFILE", "dist")
    target = os.environ.get("ATTEST_WHEEL_TARGET", "")
    with tempfile.TemporaryDirectory() as packed:
        environment = reproducible(dict(os.environ), Path(packed))
        arguments = ["--locked", "--profile", profile] + (["--target", target] if target else [])
        cargo = ["cargo", "rustc", "--manifest-path", str(PACKAGE / "Cargo.toml"), "--bin", "attest"]
        subprocess.run(cargo + arguments, check=True, env=environment)
        folder = "debug" if profile == "dev" else profile
        pages(Path(environment["CARGO_TARGET_DIR"], target, folder, "attest" + (".exe" if os.name == "nt" else "")))
        if target.endswith(STATIC):
            for tag in TAGS:
                arguments += ["--compatibility", tag]
        build = ["maturin", "build", "--manifest-path", str(PACKAGE / "Cargo.toml"), "--out", packed]
        subprocess.run(build + arguments, check=True, env=environment)
        (wheel,) = Path(packed).glob("*.whl")
        shutil.copyfile(str(wheel), str(Path(wheel_directory, wheel.name)))
        return wheel.name


def build_sdist(sdist_directory, config_settings=None):
    """The program is built from the whole repository, and Cargo.lock is a part of it."""
    raise NotImplementedError("expected a build from a checkout: the source of a wheel is the repository at its tag")


def reproducible(environment, temporary):
    """The same variables, with what makes the result depend on the commit and the toolchain alone."""
    home = Path(environment.get("CARGO_HOME") or Path.home() / ".cargo")
    target = Path(environment.setdefault("CARGO_TARGET_DIR", str(PACKAGE.parent / "target"))).resolve()
    environment["CARGO_TARGET_DIR"] = str(target)
    sources = home / "registry" / "src"
    folders = [(PACKAGE.parent, "/attest"), (target, "/target")]
    # One folder for each registry, or mirror of it, that something was ever taken from. The last that fits counts.
    folders += [(folder, "/crates") for folder in sorted(sources.glob("*"))]
    vendored = environment.get("ATTEST_WHEEL_VENDORED")
    folders += [(Path(vendored).resolve(), "/crates")] if vendored else []
    flags = ["--remap-path-prefix={}={}".format(folder, name) for folder, name in folders]
    environment["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(flags)
    environment.pop("RUSTFLAGS", None)
    environment["CARGO_INCREMENTAL"] = "0"
    # maturin's own time for members of a wheel, whoever builds it when.
    environment.setdefault("SOURCE_DATE_EPOCH", "315532800")
    return environment


def pages(program):
    """What the program says about itself, where shells and `man` look for it."""
    shutil.rmtree(str(DATA), ignore_errors=True)
    share = DATA / "data" / "share"
    places = {
        "bash": share / "bash-completion" / "completions" / "attest",
        "fish": share / "fish" / "vendor_completions.d" / "attest.fish",
        "zsh": share / "zsh" / "site-functions" / "_attest",
    }
    for shell, place in places.items():
        place.parent.mkdir(parents=True)
        place.write_bytes(subprocess.run([str(program), "completions", shell], check=True, stdout=subprocess.PIPE).stdout)
    manual = share / "man" / "man1"
    subprocess.run([str(program), "man", "--dir", str(manual), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    for path in DATA.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    print(build_wheel(sys.argv[1]))
