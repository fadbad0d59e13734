#!/bin/sh
# Makes the files beside it with GnuPG (written with 2.2.40). Keys are new each time, so all files change together.
# Run in this folder: sh generate.sh
set -eu
here=$(pwd)
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
chmod 700 "$GNUPGHOME"
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
run() { gpg --no-options --batch --quiet --yes --pinentry-mode loopback --passphrase '' "$@" 2>/dev/null; }
fpr() { run --with-colons --list-keys "$1@gpg.example" | awk -F: '/^fpr/{print $10}'; }

printf 'DSSEv1 28 application/vnd.in-toto+json 12 {"a":"b"} \nx' > message.bin

for algo in ed25519 rsa3072 nistp256 nistp384 rsa2048 nistp521 brainpoolP256r1; do
  run --quick-gen-key "$algo <$algo@gpg.example>" "$algo" sign never
  run --armor --export "$(fpr $algo)" > "$algo.cert.asc"
  run --local-user "$(fpr $algo)!" --digest-algo SHA512 --output "$algo.gpg.sig" --detach-sign message.bin
done

# A primary key that only certifies, with subkeys: signing, then encryption.
run --quick-gen-key "subkey <subkey@gpg.example>" ed25519 cert never
primary=$(fpr subkey | head -n 1)
run --quick-add-key "$primary" ed25519 sign never
run --quick-add-key "$primary" cv25519 encr never
run --armor --export "$primary" > subkey.cert.asc
run --local-user "$(fpr subkey | sed -n 2p)!" --output subkey.gpg.sig --detach-sign message.bin

# A certificate without a key that may sign data.
run --quick-gen-key "certify-only <certify-only@gpg.example>" ed25519 cert never
run --armor --export "$(fpr certify-only)" > certify-only.cert.asc

# A key that expired long ago: what the certificate itself says of that decides nothing.
run --faked-system-time 20200101T000000 --quick-gen-key "expired <expired@gpg.example>" ed25519 sign 1d
run --faked-system-time 20200101T010000 --local-user "$(fpr expired)!" --output expired.gpg.sig --detach-sign message.bin
run --armor --export "$(fpr expired)" > expired.cert.asc

# A key that its owner revoked.
run --quick-gen-key "revoked <revoked@gpg.example>" ed25519 sign never
revoked=$(fpr revoked)
sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$revoked.rev" > "$GNUPGHOME/revocation"
run --import "$GNUPGHOME/revocation"
run --armor --export "$revoked" > revoked.cert.asc

# What the profile refuses, all by the ed25519 key.
sign() { out=$1; shift; run --local-user "$(fpr ed25519)!" "$@" --output "$out.gpg.sig" --detach-sign message.bin; }
sign text --textmode
sign expiring --default-sig-expire 30d
sign sha1 --digest-algo SHA1
sign sha224 --digest-algo SHA224
sign notation --sig-notation note@gpg.example=1
sign critical-notation --sig-notation '!note@gpg.example=1'
sign policy-url --sig-policy-url https://gpg.example/policy
sign keyserver-url --sig-keyserver-url https://gpg.example/keys
sign sender --sender ed25519@gpg.example
sign early --faked-system-time 20200101T000000 --ignore-time-conflict
run --local-user "$(fpr ed25519)!" --armor --output armored.gpg.sig --detach-sign message.bin
run --local-user "$(fpr ed25519)!" --local-user "$(fpr rsa3072)!" --output two-signers.gpg.sig --detach-sign message.bin
run --local-user "$(fpr ed25519)!" --output inline.gpg.sig --sign message.bin
cd "$here"
