//! libFuzzer's entry to the target `connection`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_targets::connection::run(data));
