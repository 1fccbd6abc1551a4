//! libFuzzer's entry to the target `frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::frames::run(data));
