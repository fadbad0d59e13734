"""Forges an Ed25519 signature with a small-order R for the seed of 32 bytes 0x07 over b"m", with integers alone.

R is the neutral element, so S = k * a mod L satisfies the verification equation S*B = R + k*A: verification that is not
strict accepts it. Prints public key, R and S; key/ed25519.rs holds the result.
"""
import hashlib

L = 2**252 + 27742317777372353535851937790883648493
PUBLIC = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"

h = hashlib.sha512(bytes([7] * 32)).digest()
a = int.from_bytes(h[:32], "little")
a &= (1 << 254) - 8
a |= 1 << 254
public = bytes.fromhex(PUBLIC)
r = bytes([1] + [0] * 31)
k = int.from_bytes(hashlib.sha512(r + public + b"m").digest(), "little") % L
s = k * a % L
print(public.hex(), r.hex(), s.to_bytes(32, "little").hex(), sep="\n")
