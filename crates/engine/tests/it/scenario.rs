//! The one helper of all scenarios.

use crate::world::World;

/// Plays a scenario on a fresh virtual host and compares what follows from each line with what
/// the scenario says.
///
/// A line is a command (see `script.rs`); the lines behind it that begin with `>` are what follows
/// from it. `given` is in front of commands that only set the scene, split by `;`: what follows
/// from them is not shown, but must not be an error. `#` begins a comment.
pub(crate) fn scenario(expected: &str) {
    let mut world = World::new();
    let mut actual = vec![];
    for line in expected.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('>') {
            continue;
        }
        actual.push(line.to_owned());
        if let Some(commands) = line.strip_prefix("given ") {
            for command in commands.split(';').map(str::trim) {
                for effect in world.run(command) {
                    assert!(!effect.contains(" error "), "{command:?} gave {effect:?}");
                }
            }
        } else if !line.starts_with('#') {
            actual.extend(world.run(line).into_iter().map(|effect| format!("> {effect}")));
        }
    }
    let expected: Vec<_> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if actual != expected {
        let at = actual.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let (actual, expected) = (actual.join("\n"), expected.join("\n"));
        panic!("differs from line {at} on\n--- expected\n{expected}\n--- actual\n{actual}\n---");
    }
}
