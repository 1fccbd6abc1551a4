//! Where things are: the workspace, its built programs, and what `cargo xtask test` installed.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the workspace.
///
/// Cargo names it when it runs a test. What was compiled in may be another clone's folder: clones
/// that share a build cache share the test programs too.
pub fn workspace() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR");
    let tests = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    tests.parent().expect("tests/ stands in the workspace").to_path_buf()
}

/// A program that the workspace builds, for instance `warren`.
///
/// The variable `<NAME>_BIN` names another one. Without it the program stands in the folder of the
/// build that made the running test: `target/<profile>/deps/it-0123` -> `target/<profile>/NAME`.
///
/// # Panics
/// When the program has not been built.
pub fn built_program(name: &str) -> PathBuf {
    let variable = format!("{}_BIN", name.to_uppercase());
    if let Some(path) = env::var_os(&variable) {
        return PathBuf::from(path);
    }
    let test = env::current_exe().expect("the running test has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests are built into deps/");
    let path = profile.join(name);
    assert!(
        path.is_file(),
        "{} has not been built: run `cargo xtask test`, or set {variable}",
        path.display()
    );
    path
}

/// Something that only `cargo xtask test` installs, given to the tests by a variable.
///
/// # Panics
/// When the variable is not set.
pub fn installed(variable: &str) -> PathBuf {
    match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => panic!(
            "{variable} is not set: run `cargo xtask test`, which installs what the tests need, or \
             `eval \"$(cargo xtask env)\"` before `cargo test`"
        ),
    }
}
