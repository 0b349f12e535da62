//! What holds the claims of the safety manual is there, and each test that shows one is run.

use std::fs;

use xtask::image::workspace;

/// Whether a source has a test of this name, on its own or among properties, that is not ignored.
fn is_run(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let above = before.trim_end().lines().rev().map(str::trim_start);
    let attributes: Vec<_> = above.take_while(|line| line.starts_with(['#', '/'])).collect();
    attributes.contains(&"#[test]") && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn every_claim_is_held_by_what_is_there_and_shown_by_tests_that_are_run() {
    let manual = fs::read_to_string(workspace().join("docs/safety.md")).unwrap();
    let claims: Vec<&str> = manual.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(claims.len() > 10);
    for claim in claims {
        let columns: Vec<_> = claim.trim_matches(['|', ' ']).split(" | ").collect();
        let [_, held_by, shown_by] = columns[..] else { panic!("{claim}") };
        for path in held_by.split('`').skip(1).step_by(2) {
            assert!(workspace().join(path).is_file(), "{path} is no file: {claim}");
        }
        for test in shown_by.split(", ") {
            let (file, name) = test.trim_matches('`').split_once("::").expect(claim);
            let source = fs::read_to_string(workspace().join(file)).expect(file);
            assert!(is_run(&source, name), "{file} has no test {name} that is run");
        }
    }
}

#[test]
fn tells_a_test_that_is_run_from_others() {
    assert!(is_run("#[test]\nfn holds() {", "holds"));
    assert!(is_run("proptest! {\n    /// For all.\n    #[test]\n    fn holds(x: u8) {", "holds"));
    for source in [
        "fn holds() {",
        "#[test]\nfn other() {}\n\nfn holds() {",
        "#[test]\n#[ignore = \"slow\"]\nfn holds() {",
        "#[ignore]\n#[test]\nfn holds() {",
        "#[test]\nfn holds_more() {",
    ] {
        assert!(!is_run(source, "holds"), "{source}");
    }
}
