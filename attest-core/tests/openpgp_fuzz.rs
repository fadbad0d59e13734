//! No bytes make the OpenPGP code panic, and no changed packet verifies: real certificates and packets with a few bits,
//! bytes or lengths changed.
#![allow(clippy::unwrap_used, reason = "tests")]

use attest_core::key::openpgp::{Certificate, check_form, packet};
use base64::{Engine as _, prelude::BASE64_STANDARD};

macro_rules! vector {
    ($name:literal) => {
        (
            include_str!(concat!("vectors/openpgp/", $name, ".cert.asc")),
            include_bytes!(concat!("vectors/openpgp/", $name, ".gpg.sig")).as_slice(),
        )
    };
}

const MESSAGE: &[u8] = include_bytes!("vectors/openpgp/message.bin");

/// xorshift64: the same changes each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] = 0,
                1 => bytes[at] = 0xff,
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, 0),
                _ => bytes[at] ^= 1 << self.below(8),
            }
        }
    }
}

fn rounds() -> usize {
    option_env!("ATTEST_FUZZ_ROUNDS").map_or(200, |n| n.parse().unwrap())
}

fn dearmored(armored: &str) -> Vec<u8> {
    let body: String = armored
        .lines()
        .skip_while(|line| !line.is_empty())
        .take_while(|line| !line.starts_with('=') && !line.starts_with("-----END"))
        .collect();
    BASE64_STANDARD.decode(body).unwrap()
}

fn armored(binary: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(binary);
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{body}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

#[test]
fn changed_certificates_and_packets_make_errors() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (certificate, signature) in [
        vector!("ed25519"),
        vector!("rsa3072"),
        vector!("nistp256"),
        vector!("nistp384"),
        vector!("subkey"),
        vector!("expired"),
        vector!("brainpoolP256r1"),
        vector!("nistp521"),
    ] {
        let binary = dearmored(certificate);
        let good = Certificate::parse(&armored(&binary));
        let canonical = packet(signature);
        for _ in 0..rounds() {
            let mut changed = binary.clone();
            random.change(&mut changed);
            if let (Ok(changed), Ok(packet)) = (Certificate::parse(&armored(&changed)), &canonical) {
                let _ = changed.verify(MESSAGE, packet);
            }
            let mut changed = signature.to_vec();
            random.change(&mut changed);
            let _ = packet(&changed);
            let (Ok(good), Ok(canonical)) = (&good, &canonical) else {
                continue;
            };
            for _ in 0..10 {
                let mut changed = canonical.clone();
                random.change(&mut changed);
                let _ = check_form(&changed);
                if changed != *canonical {
                    assert!(good.verify(MESSAGE, &changed).is_err(), "{changed:02x?}");
                }
            }
        }
    }
}
