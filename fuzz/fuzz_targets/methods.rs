//! libFuzzer's entry to the target `methods`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::methods::run(data));
