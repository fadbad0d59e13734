#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    attest_fuzz::properties::negatives_note(bytes);
});
