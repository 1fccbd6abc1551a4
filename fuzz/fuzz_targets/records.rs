//! libFuzzer's entry to the target `records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::records::run(data));
