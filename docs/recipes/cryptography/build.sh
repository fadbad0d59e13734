#!/bin/sh
# What the project's wheel-builder.yml does for manylinux_2_34, without network.
set -eu
python=/opt/python/cp311-cp311/bin/python
export PATH="/root/.cargo/bin:$PATH" RUSTUP_HOME=/root/.rustup
# The crates were vendored before (cargo vendor, by the Cargo.lock of the sdist).
export CARGO_NET_OFFLINE=true

"$python" -m venv "$TMPDIR/venv"
. "$TMPDIR/venv/bin/activate"
# A release job without WHEELS takes the same files from its index.
python -m pip install --require-hashes --no-deps ${WHEELS:+--no-index --find-links "$WHEELS"} -r "$LOCK"

# The image of the project has OpenSSL, linked in statically; sboms/sbom.json in the wheel names its version and digest.
OPENSSL_DIR=/opt/pyca/cryptography/openssl OPENSSL_STATIC=1 \
    python -m pip wheel --no-build-isolation --no-deps --no-index -w "$TMPDIR/raw" .
auditwheel repair --plat manylinux_2_34_x86_64 -w "$OUT" "$TMPDIR"/raw/*.whl
