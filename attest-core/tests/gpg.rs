//! Signatures by a real gpg: `packet` and `verify` accept what it makes for each algorithm of the profile, gpg accepts
//! what we log, and what the profile refuses is refused by its own error.
//!
//! Skipped with a printed reason where gpg is missing, unless `CI` is set.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run gpg in a folder of their own"
)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attest_core::envelope::{Envelope, EnvelopeError, Signature, pae};
use attest_core::key::openpgp::{Certificate, OpenPgpError, packet};
use attest_core::key::{KeyError, PublicKey};

const PAYLOAD: &[u8] = include_bytes!("vectors/statements/reproduced.json");

/// A keyring of its own, without passphrases, and the agent that comes with it.
struct Gpg {
    home: PathBuf,
}

impl Gpg {
    fn new(name: &str) -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI needs gpg");
            println!("skipped: gpg is not installed");
            return None;
        }
        // Short: the agent's socket is below it, and paths of sockets are limited to about 100 bytes.
        let home = std::env::temp_dir().join(format!("attest-{name}-{}", std::process::id()));
        fs::create_dir(&home).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Some(Self { home })
    }

    fn run(&self, args: &[&dyn AsRef<OsStr>]) -> Output {
        Command::new("gpg")
            .env("GNUPGHOME", &self.home)
            .args(["--no-options", "--batch", "--yes", "--quiet"])
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            .args(args.iter().map(AsRef::as_ref))
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&dyn AsRef<OsStr>]) -> Vec<u8> {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        output.stdout
    }

    /// Makes a key and returns its fingerprint.
    fn key(&self, algorithm: &str, usage: &str) -> String {
        let user = format!("{algorithm} {usage} <{algorithm}@gpg.example>");
        self.ok(&[&"--quick-gen-key", &user, &algorithm, &usage, &"never"]);
        self.fingerprints(&user).remove(0)
    }

    fn fingerprints(&self, user: &str) -> Vec<String> {
        let listing = self.ok(&[&"--with-colons", &"--list-keys", &user]);
        String::from_utf8(listing)
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("fpr:"))
            .map(|rest| rest.trim_matches(':').to_owned())
            .collect()
    }

    fn export(&self, fingerprint: &str) -> String {
        String::from_utf8(self.ok(&[&"--armor", &"--export", &fingerprint])).unwrap()
    }

    fn certificate(&self, fingerprint: &str) -> Certificate {
        Certificate::parse(&self.export(fingerprint)).unwrap()
    }

    fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.home.join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    fn sign(&self, fingerprint: &str, options: &[&str], message: &[u8]) -> Vec<u8> {
        let exact = format!("{fingerprint}!");
        let message = self.file("message", message);
        let mut args: Vec<&dyn AsRef<OsStr>> = vec![&"--local-user", &exact];
        args.extend(options.iter().map(|o| o as &dyn AsRef<OsStr>));
        args.extend([&"--output" as &dyn AsRef<OsStr>, &"-", &"--detach-sign", &message]);
        self.ok(&args)
    }

    fn accepts(&self, signature: &[u8], message: &[u8]) -> bool {
        let signature = self.file("signature", signature);
        let message = self.file("message", message);
        self.run(&[&"--verify", &signature, &message]).status.success()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // Ends the agent of this keyring and no other.
        let _ = Command::new("gpgconf")
            .args([OsStr::new("--homedir"), self.home.as_os_str()])
            .args(["--kill", "all"])
            .status();
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, KeyError>) -> OpenPgpError {
    match result {
        Err(KeyError::OpenPgp(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn statements_signed_by_gpg_are_logged_and_verified_by_both() {
    let Some(gpg) = Gpg::new("sign") else { return };
    let message = pae(PAYLOAD);
    for algorithm in ["ed25519", "rsa3072", "rsa4096", "nistp256", "nistp384"] {
        let fingerprint = gpg.key(algorithm, "sign");
        let key = PublicKey::OpenPgp(gpg.certificate(&fingerprint));
        assert_eq!(key.fingerprint(), format!("openpgp:{fingerprint}"));
        for options in [
            // gpg signs no digest that is shorter than the curve.
            &["--digest-algo", if algorithm == "nistp384" { "SHA384" } else { "SHA256" }][..],
            &["--digest-algo", "SHA384"],
            &["--digest-algo", "SHA512"],
            &["--armor"],
        ] {
            let packet = packet(&gpg.sign(&fingerprint, options, &message)).unwrap();
            let envelope = Envelope::new(PAYLOAD.to_vec(), Signature::OpenPgp(packet)).unwrap();
            let logged = Envelope::parse(&envelope.to_bytes()).unwrap();
            assert!(logged.verify(&key).is_ok(), "{algorithm} {options:?}");
            let Signature::OpenPgp(packet) = logged.signature() else {
                panic!("another suite");
            };
            assert!(gpg.accepts(packet, &message), "gpg refuses what we log: {algorithm} {options:?}");
            assert!(!gpg.accepts(packet, b"other"));
        }
    }
}

/// The leading bytes of R and S are zero in some of these, which is where forms of integers differ.
#[test]
fn many_signatures_have_one_form_each() {
    let Some(gpg) = Gpg::new("many") else { return };
    for algorithm in ["ed25519", "nistp256"] {
        let fingerprint = gpg.key(algorithm, "sign");
        let certificate = gpg.certificate(&fingerprint);
        for i in 0..40_u8 {
            let packet = packet(&gpg.sign(&fingerprint, &[], &[i])).unwrap();
            assert_eq!(certificate.verify(&[i], &packet), Ok(()));
            // Every tenth, because gpg takes its time.
            assert!(i % 10 != 0 || gpg.accepts(&packet, &[i]));
        }
    }
}

#[test]
fn a_signing_subkey_signs_and_an_encryption_subkey_does_not_disturb() {
    let Some(gpg) = Gpg::new("subkey") else {
        return;
    };
    let primary = gpg.key("ed25519", "cert");
    let export = gpg.export(&primary);
    assert_eq!(refusal(Certificate::parse(&export)), OpenPgpError::NoSigningKey);
    for (algorithm, usage) in [("rsa3072", "sign"), ("ed25519", "sign"), ("cv25519", "encr")] {
        gpg.ok(&[&"--quick-add-key", &primary, &algorithm, &usage, &"never"]);
    }
    let keys = gpg.fingerprints(&primary);
    let certificate = gpg.certificate(&primary);
    assert_eq!(certificate.fingerprint(), primary);
    assert_eq!(certificate.raw_keys().len(), 4);
    for subkey in &keys[1..3] {
        let packet = packet(&gpg.sign(subkey, &[], b"m")).unwrap();
        assert_eq!(certificate.verify(b"m", &packet), Ok(()));
        assert!(gpg.accepts(&packet, b"m"));
    }
}

type Expected = fn(&OpenPgpError) -> bool;

#[test]
fn what_the_profile_refuses_is_refused_by_its_own_error() {
    let Some(gpg) = Gpg::new("refuse") else {
        return;
    };
    let fingerprint = gpg.key("ed25519", "sign");
    let certificate = gpg.certificate(&fingerprint);
    let table: &[(&[&str], Expected)] = &[
        (&["--textmode"], |e| matches!(e, OpenPgpError::Type { found: 1 })),
        (&["--default-sig-expire", "30d"], |e| matches!(e, OpenPgpError::Expires)),
        (&["--digest-algo", "SHA1"], |e| matches!(e, OpenPgpError::HashAlgorithm { found: 2 })),
        (&["--sig-notation", "n@gpg.example=1"], |e| matches!(e, OpenPgpError::Notation)),
        (&["--sig-policy-url", "https://gpg.example/"], |e| matches!(e, OpenPgpError::Subpacket { tag: 26, .. })),
    ];
    for (options, expected) in table {
        let signature = gpg.sign(&fingerprint, options, b"m");
        assert!(gpg.accepts(&signature, b"m"), "{options:?}: a bad case");
        let error = refusal(packet(&signature));
        assert!(expected(&error), "{options:?}: {error:?}");
        let error = refusal(certificate.verify(b"m", &signature));
        assert!(expected(&error), "{options:?}: {error:?}");
    }

    let good = gpg.sign(&fingerprint, &[], b"m");
    let twice = [good.clone(), good.clone()].concat();
    assert!(matches!(refusal(packet(&twice)), OpenPgpError::SeveralPackets { .. }));
    assert!(matches!(refusal(certificate.verify(b"m", &good)), OpenPgpError::UnhashedArea { found: 10 }));
    let extended = with_unhashed(&good, &[5, 101, b'e', b'v', b'i', b'l']);
    assert!(gpg.accepts(&extended, b"m"), "a bad case");
    assert!(matches!(refusal(packet(&extended)), OpenPgpError::UnhashedArea { found: 16 }));
    let envelope = Envelope::new(b"{}".to_vec(), Signature::OpenPgp(extended));
    assert!(matches!(envelope, Err(EnvelopeError::Key(KeyError::OpenPgp(OpenPgpError::UnhashedArea { .. })))));
}

/// Appends a subpacket to the unhashed area of a packet with a one-byte length.
fn with_unhashed(signature: &[u8], subpacket: &[u8]) -> Vec<u8> {
    let hashed = usize::from(u16::from_be_bytes([signature[6], signature[7]]));
    let length_at = 8 + hashed + 1;
    let end = length_at + 1 + usize::from(signature[length_at]);
    let mut extended = signature.to_vec();
    extended.splice(end..end, subpacket.iter().copied());
    let added = u8::try_from(subpacket.len()).unwrap();
    extended[length_at] += added;
    extended[1] += added;
    extended
}

#[test]
fn keys_outside_of_the_profile_and_other_peoples_keys_are_refused() {
    let Some(gpg) = Gpg::new("keys") else { return };
    let weak = gpg.key("rsa2048", "sign");
    assert_eq!(refusal(Certificate::parse(&gpg.export(&weak))), OpenPgpError::RsaBits { found: 2048 });
    let ours = gpg.key("ed25519", "sign");
    let theirs = gpg.key("nistp256", "sign");
    let signature = packet(&gpg.sign(&theirs, &[], b"m")).unwrap();
    assert_eq!(
        refusal(gpg.certificate(&ours).verify(b"m", &signature)),
        OpenPgpError::WrongSigner { expected: ours.clone(), found: theirs }
    );
    // A secret key behind the header of a public one.
    let secret = gpg.ok(&[&"--armor", &"--export-secret-keys", &ours]);
    let secret = String::from_utf8(secret).unwrap();
    assert!(matches!(refusal(Certificate::parse(&secret)), OpenPgpError::Certificate { .. }));
    assert_eq!(refusal(Certificate::parse(&secret.replace("PRIVATE", "PUBLIC"))), OpenPgpError::SecretKey);
}

/// Whether a certificate says that its key is revoked or expired must not change what it signed: the
/// policy's ranges decide.
#[test]
fn expiry_and_revocation_inside_a_certificate_change_no_signature() {
    let Some(gpg) = Gpg::new("revoke") else {
        return;
    };
    let fingerprint = gpg.key("ed25519", "sign");
    let signature = packet(&gpg.sign(&fingerprint, &[], b"m")).unwrap();
    gpg.ok(&[&"--quick-set-expire", &fingerprint, &"seconds=1"]);
    let expiring = gpg.certificate(&fingerprint);
    assert_eq!(expiring.verify(b"m", &signature), Ok(()));
    let revocation = revocation_of(&gpg.home, &fingerprint);
    let revocation = gpg.file("revocation", revocation.as_bytes());
    gpg.ok(&[&"--import", &revocation]);
    let revoked = gpg.certificate(&fingerprint);
    assert_eq!(revoked.verify(b"m", &signature), Ok(()));
    assert_eq!(revoked.raw_keys(), expiring.raw_keys());
    // What the policy asks, to demand bounds for its votes.
    assert!(revoked.is_revoked() && !expiring.is_revoked());
}

/// gpg writes a revocation for each new key, with a colon in front of its armor so that nobody imports it by accident.
fn revocation_of(home: &Path, fingerprint: &str) -> String {
    let file = home.join(format!("openpgp-revocs.d/{fingerprint}.rev"));
    fs::read_to_string(file).unwrap().replace(":-----", "-----")
}
