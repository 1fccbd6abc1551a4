//! What the test runners of the suites print: how many tests passed, failed and were skipped, and
//! which failed.

/// Passed, failed, skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts(pub(super) u32, pub(super) u32, pub(super) u32);

impl Counts {
    fn add(&mut self, Self(passed, failed, skipped): Self) {
        self.0 += passed;
        self.1 += failed;
        self.2 += skipped;
    }
}

/// Adds up the summaries in a suite's output.
pub(super) fn count(text: &str) -> Counts {
    let mut sum = Counts::default();
    text.lines().for_each(|line| sum.add(summary(line)));
    // Others sum up what they print about single tests.
    if sum == Counts::default() {
        text.lines().for_each(|line| sum.add(single(line)));
    }
    sum
}

/// The number before a word or after it, in a line cut into words.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        Self(line.split([' ', ',', ';', '=', '(', ')']).filter(|it| !it.is_empty()).collect())
    }

    fn number(&self, at: Option<usize>) -> u32 {
        at.and_then(|at| self.0.get(at)?.trim_end_matches('.').parse().ok()).unwrap_or(0)
    }

    fn before(&self, word: &str) -> u32 {
        self.number(self.0.iter().position(|it| *it == word).and_then(|at| at.checked_sub(1)))
    }

    fn after(&self, word: &str) -> u32 {
        self.number(self.0.iter().position(|it| *it == word).map(|at| at + 1))
    }
}

/// A line that sums up many tests.
fn summary(line: &str) -> Counts {
    let words = Words::of(line);
    let before = |word| words.before(word);
    // pytest and cargo.
    let ends = line.contains(" in ") && (line.contains("passed") || line.contains("failed"));
    if line.starts_with("test result:") || ends {
        let failed = before("failed") + before("error") + before("errors");
        return Counts(before("passed"), failed, before("skipped") + before("ignored"));
    }
    // ctest: "100% tests passed, 0 tests failed out of 7".
    if line.contains("tests failed out of") {
        let (failed, all) = (words.after("passed"), words.after("of"));
        return Counts(all.saturating_sub(failed), failed, 0);
    }
    // RSpec: "267 examples, 3 failures, 2 pending".
    if line.contains(" examples, ") {
        let failed = before("failure") + before("failures");
        let (all, pending) = (before("examples"), before("pending"));
        return Counts(all.saturating_sub(failed + pending), failed, pending);
    }
    // JUnit: "OK (12 tests)", PHPUnit: "OK (12 tests, 30 assertions)".
    if line.starts_with("OK (") {
        return Counts(before("tests") + before("test"), 0, 0);
    }
    // JUnit: "Tests run: 12,  Failures: 1".
    if line.starts_with("Tests run:") {
        let (all, failed) = (words.after("run:"), words.after("Failures:"));
        return Counts(all.saturating_sub(failed), failed, 0);
    }
    // PHPUnit: "Tests: 95, Assertions: 295, Errors: 9, Failures: 1, Skipped: 12."
    if line.starts_with("Tests: ") {
        let failed = words.after("Errors:") + words.after("Failures:");
        let skipped = words.after("Skipped:") + words.after("Incomplete:");
        return Counts(words.after("Tests:").saturating_sub(failed + skipped), failed, skipped);
    }
    // PHP's own: "Tests failed    :    3 (  1.7%) (  1.8%)".
    match *words.0.as_slice() {
        ["Tests", "passed", ":", number, ..] => Counts(number.parse().unwrap_or(0), 0, 0),
        ["Tests", "failed", ":", number, ..] => Counts(0, number.parse().unwrap_or(0), 0),
        ["Tests", "skipped", ":", number, ..] => Counts(0, 0, number.parse().unwrap_or(0)),
        _ => node(line),
    }
}

/// Node: "# pass 317".
fn node(line: &str) -> Counts {
    let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} "));
    let number =
        |mark: &str| rest.and_then(|it| it.strip_prefix(mark)?.trim().parse().ok()).unwrap_or(0);
    Counts(number("pass "), number("fail "), number("skipped "))
}

/// A line about one test: Go, and Perl's TAP with its subtests, each of which has a line too.
fn single(line: &str) -> Counts {
    let line = line.trim_start();
    let is = |mark: &str| u32::from(line.starts_with(mark));
    let skips = line.starts_with("ok ") && line.contains("# skip");
    let passed = is("--- PASS") + if skips { 0 } else { is("ok ") * u32::from(is_tap(line)) };
    let failed = is("--- FAIL") + is("not ok ");
    Counts(passed, failed, is("--- SKIP") + u32::from(skips))
}

/// "ok 12 - a name"; Go prints "ok" and the name of a package.
fn is_tap(line: &str) -> bool {
    line.split(' ').nth(1).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The names of the tests that failed, as far as the runner names them in a line of their own.
pub(super) fn failures(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text.lines().filter_map(failure).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn failure(line: &str) -> Option<&str> {
    let line = line.trim();
    for mark in ["FAILED ", "ERROR tests/", "--- FAIL: ", "not ok ", "rspec ./"] {
        if let Some(name) = line.strip_prefix(mark) {
            return (!name.starts_with("TEST SUMMARY")).then_some(name);
        }
    }
    // cargo: "test a::b ... FAILED"; JUnit and PHPUnit: "3) name"; PHP: "... [run/a.phpt]".
    if let Some(name) = line.strip_prefix("test ").and_then(|it| it.strip_suffix(" ... FAILED")) {
        return Some(name);
    }
    if let Some((number, name)) = line.split_once(") ")
        && number.parse::<u32>().is_ok()
        && (name.ends_with(')') || name.contains("::"))
    {
        return Some(name);
    }
    (line.ends_with(".phpt]") && !line.starts_with("TEST ")).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_all_test_runners_are_read() {
        assert_eq!(count("== 40 passed, 2 skipped in 3.1s =="), Counts(40, 0, 2));
        assert_eq!(count("=== 1 failed, 40 passed in 3.1s ==="), Counts(40, 1, 0));
        let cargo = "test result: ok. 2 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out";
        assert_eq!(count(&format!("{cargo}\n{cargo}")), Counts(4, 2, 6));
        let node = "    ok 1 - a\nok 1 - A\n# pass 317\n# fail 1\n# skipped 2";
        assert_eq!(count(node), Counts(317, 1, 2));
        let go = "--- PASS: TestA (0.1s)\n    --- PASS: TestA/b\n--- FAIL: TestC\n--- SKIP: TestD\n\
                  ok  \tgithub.com/a/b\t1.2s";
        assert_eq!(count(go), Counts(2, 1, 1));
        assert_eq!(count("71% tests passed, 2 tests failed out of 7"), Counts(5, 2, 0));
        assert_eq!(count("267 examples, 3 failures, 2 pending"), Counts(262, 3, 2));
        assert_eq!(count("OK (12 tests)"), Counts(12, 0, 0));
        assert_eq!(count("OK (12 tests, 30 assertions)"), Counts(12, 0, 0));
        assert_eq!(count("Tests run: 312,  Failures: 33"), Counts(279, 33, 0));
        let php_unit = "Tests: 95, Assertions: 295, Errors: 9, Failures: 1, Skipped: 12.";
        assert_eq!(count(php_unit), Counts(73, 10, 12));
        let php = "Tests skipped   :    8 (  4.6%) --------\nTests failed    :    3 (  1.7%)\n\
                   Tests passed    :  164 ( 93.7%) ( 98.2%)";
        assert_eq!(count(php), Counts(164, 3, 8));
        let tap = "ok 1 - a\n    ok 1 - b\nnot ok 2 - c\nok 3 # skip no\nAll tests successful.";
        assert_eq!(count(tap), Counts(2, 1, 1));
    }

    #[test]
    fn tests_that_failed_are_named() {
        let text = "FAILED t/a.py::test_b - no\nFAILED TEST SUMMARY\ntest x::y ... FAILED\n\
                    3) fairness(com.rabbitmq.QosTests)\n--- FAIL: TestC (0.1s)\nok 1 - fine\n\
                    a name [run/b.phpt]\nrspec ./spec/a_spec.rb:21 # a\n2) PhpAmqpLib\\A::b";
        let expected = [
            "PhpAmqpLib\\A::b",
            "TestC (0.1s)",
            "a name [run/b.phpt]",
            "fairness(com.rabbitmq.QosTests)",
            "spec/a_spec.rb:21 # a",
            "t/a.py::test_b - no",
            "x::y",
        ];
        assert_eq!(failures(text), expected);
    }
}
