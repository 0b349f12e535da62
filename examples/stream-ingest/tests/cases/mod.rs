//! Cases that are made up for each run.

use proptest::test_runner::{Config, TestRunner};

/// Tries so many, or as many as it takes to find one that fails. That is told in its smallest form, to
/// become a test of its own; no file is kept of it.
pub fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}
