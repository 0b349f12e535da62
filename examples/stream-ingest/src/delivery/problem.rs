//! What the API says when it refuses a batch, and which readings it means.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Characters of a text that is kept.
const MOST_TEXT: usize = 200;

/// Whatever else a problem says, and whatever it lacks, is of no use here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    #[serde(skip)]
    pub status: u16,
    pub code: String,
    pub detail: String,
    errors: Vec<Violation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Violation {
    pointer: String,
    detail: String,
}

/// Why one reading is refused.
#[derive(Debug, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub detail: String,
}

impl Problem {
    /// A body that is none names nothing.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let problem: Self = serde_json::from_slice(body).unwrap_or_default();
        Self { status, ..problem }
    }

    /// The readings that it names, among so many, with what it says of each first.
    pub fn named(&self, count: usize) -> BTreeMap<usize, Refusal> {
        let mut named = BTreeMap::new();
        for violation in &self.errors {
            if let Some(number) = violation.reading().filter(|number| *number < count) {
                named.entry(number).or_insert_with(|| {
                    self.refusal(&format!("{}: {}", violation.pointer, violation.detail))
                });
            }
        }
        named
    }

    /// Of a reading that was sent alone.
    pub fn of_the_only_one(&self) -> Refusal {
        self.refusal(&self.detail)
    }

    fn refusal(&self, detail: &str) -> Refusal {
        Refusal { status: self.status, code: bounded(&self.code), detail: bounded(detail) }
    }
}

impl Violation {
    /// The number in `#/readings/3` or `#/readings/3/value`.
    fn reading(&self) -> Option<usize> {
        let (number, _) = match self.pointer.strip_prefix("#/readings/")? {
            rest if rest.contains('/') => rest.split_once('/')?,
            number => (number, ""),
        };
        // `parse` would take a sign.
        number.bytes().all(|digit| digit.is_ascii_digit()).then(|| number.parse().ok())?
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that a problem with these pointers names among five.
    fn named(pointers: &[&str]) -> Vec<usize> {
        let errors: Vec<_> =
            pointers.iter().map(|pointer| serde_json::json!({ "pointer": pointer })).collect();
        let body = serde_json::json!({ "errors": errors }).to_string();
        Problem::read(422, body.as_bytes()).named(5).into_keys().collect()
    }

    #[test]
    fn pointers_name_readings() {
        assert_eq!(named(&["#/readings/3", "#/readings/0/value", "#/readings/3/epoch"]), [0, 3]);
        for elsewhere in [
            "",
            "#",
            "#/readings",
            "#/readings/",
            "#/readings/5",
            "#/readings/-1",
            "#/readings/+1",
            "#/readings/x",
            "#/readings/1x",
            "/readings/1",
            "#/reading/1",
            "#/readings/99999999999999999999999999",
        ] {
            assert_eq!(named(&[elsewhere]), [0; 0], "{elsewhere}");
        }
    }

    #[test]
    fn what_it_says_of_a_reading_is_kept() {
        let body = r##"{"code": "validation_failed", "detail": "2 rules are broken", "title": 1,
            "errors": [{"pointer": "#/readings/1/value", "detail": "must be finite"}]}"##;
        let problem = Problem::read(422, body.as_bytes());
        let refusal = |detail: &str| Refusal {
            status: 422,
            code: "validation_failed".to_owned(),
            detail: detail.to_owned(),
        };
        assert_eq!(problem.named(2)[&1], refusal("#/readings/1/value: must be finite"));
        assert_eq!(problem.of_the_only_one(), refusal("2 rules are broken"));
    }

    #[test]
    fn a_body_that_is_no_problem_names_nothing() {
        for body in ["", "<html>", "[]", "null", r#"{"errors": "none"}"#, r#"{"errors": [7]}"#] {
            let problem = Problem::read(409, body.as_bytes());
            assert!(problem.named(5).is_empty(), "{body}");
            assert_eq!(problem.of_the_only_one().status, 409);
        }
    }

    #[test]
    fn a_text_is_kept_up_to_a_length() {
        let body = format!("{{\"code\": \"{0}\", \"detail\": \"{0}\"}}", "\u{e9}".repeat(1_000));
        let refusal = Problem::read(409, body.as_bytes()).of_the_only_one();
        assert_eq!((refusal.code.chars().count(), refusal.detail.chars().count()), (200, 200));
    }
}
