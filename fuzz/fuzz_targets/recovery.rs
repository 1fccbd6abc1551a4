//! libFuzzer's entry to the target `recovery`.

#![no_main]

use warren_fuzz_targets::{recovery, run_guarded};

// The store catches what the database panics over when its file is damaged.
libfuzzer_sys::fuzz_target!(|data: &[u8]| run_guarded(recovery::run, data));
