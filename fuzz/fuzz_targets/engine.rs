//! libFuzzer's entry to the target `engine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::engine::run(data));
