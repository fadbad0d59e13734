#!/bin/sh
# What the project's release job does (build_tools/wheels and [tool.cibuildwheel] in its pyproject.toml), without cibuildwheel
# and without network: one interpreter, one image, one wheel.
set -eu
python=/opt/python/cp311-cp311/bin/python

# cibuildwheel copies the source to /project. Compilers write that path into what they make.
mkdir -p /project
cp -a . /project
cd /project

"$python" -m venv "$TMPDIR/venv"
. "$TMPDIR/venv/bin/activate"
# A release job without WHEELS takes the same files from its index.
python -m pip install --require-hashes --no-deps ${WHEELS:+--no-index --find-links "$WHEELS"} -r "$LOCK"

# A folder with a fixed name, where meson-python would make one up.
python -m pip wheel --no-build-isolation --no-deps --no-index -w "$TMPDIR/raw" -Cbuild-dir=build .

# Copies libgomp of the image into the wheel and writes its package into sboms/auditwheel.cdx.json. The image brings
# auditwheel: the published file was repaired by 6.7.0.
auditwheel --version
auditwheel repair --plat manylinux_2_28_x86_64 -w "$OUT" "$TMPDIR"/raw/*.whl
