#!/bin/sh
# Builds the wheel of attest for Linux on x86-64, from nothing but what recipe.toml and build.lock pin by digest: Rust's
# own toolchain, every crate of Cargo.lock, maturin, and zig for the C code and the linking of build scripts.
# Of the machine it takes a shell, tar, xz and coreutils. The release job runs it as rebuilders do.
set -eu
python=$(command -v python)
toolchain="$TMPDIR/rust"
crates="$TMPDIR/crates"
mkdir -p "$toolchain" "$crates" "$TMPDIR/bin"

# Rust, from its components.
for part in "$PACKAGES"/cargo-*.tar.xz "$PACKAGES"/rust*.tar.xz; do
    mkdir "$TMPDIR/part"
    tar -xJf "$part" -C "$TMPDIR/part"
    for component in "$TMPDIR"/part/*/*/manifest.in; do
        folder=${component%/manifest.in}
        sed -n 's/^file://p' "$component" | grep -v '^share/' | tar -cf - -C "$folder" -T - | tar -xf - -C "$toolchain"
    done
    rm -rf "$TMPDIR/part"
done

# The crates, as `cargo vendor` would lay them out; their digests are those of Cargo.lock, and cargo compares them.
for crate in "$PACKAGES"/*.crate; do
    tar -xzf "$crate" -C "$crates"
    name=$(basename "$crate" .crate)
    digest=$(sha256sum "$crate")
    printf '{"files":{},"package":"%s"}' "${digest%% *}" >"$crates/$name/.cargo-checksum.json"
done

# zig as the compiler that cargo and the `cc` crate call: they name targets as clang does, and no sanitizer is wanted.
for target in gnu musl; do
    cat >"$TMPDIR/bin/zig-$target" <<END
#!/bin/sh
for word; do
    shift
    case \$word in --target=*) ;; *) set -- "\$@" "\$word" ;; esac
done
exec "$python" -m ziglang cc -target x86_64-linux-$target -fno-sanitize=undefined "\$@"
END
    chmod +x "$TMPDIR/bin/zig-$target"
done
printf '#!/bin/sh\nexec "%s" -m ziglang ar "$@"\n' "$python" >"$TMPDIR/bin/zig-ar"
chmod +x "$TMPDIR/bin/zig-ar"

export PATH="$toolchain/bin:$PATH" CARGO_HOME="$TMPDIR/cargo" CARGO_NET_OFFLINE=true
export ZIG_GLOBAL_CACHE_DIR="$TMPDIR/zig" ZIG_LOCAL_CACHE_DIR="$TMPDIR/zig"
export CARGO_TARGET_DIR="$TMPDIR/target"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER="$TMPDIR/bin/zig-gnu"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
export CC_x86_64_unknown_linux_gnu="$TMPDIR/bin/zig-gnu" CC_x86_64_unknown_linux_musl="$TMPDIR/bin/zig-musl"
export AR_x86_64_unknown_linux_gnu="$TMPDIR/bin/zig-ar" AR_x86_64_unknown_linux_musl="$TMPDIR/bin/zig-ar"
mkdir -p "$CARGO_HOME"
cat >"$CARGO_HOME/config.toml" <<END
[source.crates-io]
replace-with = "pinned"
[source.pinned]
directory = "$crates"
END

export ATTEST_WHEEL_TARGET=x86_64-unknown-linux-musl ATTEST_WHEEL_VENDORED="$crates"
python attest-cli/build/backend.py "$OUT"
