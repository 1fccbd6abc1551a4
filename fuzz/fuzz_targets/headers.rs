//! libFuzzer's entry to the target `headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::headers::run(data));
