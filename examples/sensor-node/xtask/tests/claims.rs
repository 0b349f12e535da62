//! Each test that the safety manual names is there.

use std::fs;

use xtask::image::workspace;

#[test]
fn every_claim_is_shown_by_tests_that_are_there() {
    let manual = fs::read_to_string(workspace().join("docs/safety.md")).unwrap();
    let claims: Vec<&str> = manual.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(claims.len() > 10);
    for claim in claims {
        let shown_by = claim.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in shown_by.split(", ") {
            let (file, name) = test.trim_matches('`').split_once("::").expect(claim);
            let source = fs::read_to_string(workspace().join(file)).expect(file);
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
        }
    }
}
