//! libFuzzer's entry to the target `topic`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::topic::run(data));
