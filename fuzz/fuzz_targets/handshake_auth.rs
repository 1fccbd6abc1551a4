//! libFuzzer's entry to the target `handshake_auth`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::handshake_auth::run(data));
