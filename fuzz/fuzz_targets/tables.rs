//! libFuzzer's entry to the target `tables`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::tables::run(data));
