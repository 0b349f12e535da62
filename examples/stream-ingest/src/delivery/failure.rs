//! The one table of what keeps a batch from being stored, so that it is tried again.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    NoHealthyEndpoint,
    /// Every endpoint has as many requests as it may, or this process no descriptor left.
    Overloaded,
    ConnectRefused,
    ConnectTimeout,
    AnswerIncomplete,
    AnswerMalformed,
    AnswerTimeout,
    /// 429, or 503: the API has too much to do.
    Throttled,
    ServerError,
    /// An answer that a correct request to the right API does not get.
    Misconfigured,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The label of its metric.
    pub name: &'static str,
    /// Whether the endpoint is to blame.
    pub blame: bool,
    /// Whether another endpoint may do better at once.
    pub elsewhere: bool,
}

impl Failure {
    pub const ALL: [Self; 10] = [
        Self::NoHealthyEndpoint,
        Self::Overloaded,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::AnswerIncomplete,
        Self::AnswerMalformed,
        Self::AnswerTimeout,
        Self::Throttled,
        Self::ServerError,
        Self::Misconfigured,
    ];

    pub const fn row(self) -> Row {
        let (name, blame, elsewhere) = match self {
            Self::NoHealthyEndpoint => ("no_healthy_endpoint", false, false),
            Self::Overloaded => ("overloaded", false, false),
            Self::ConnectRefused => ("connect_refused", true, true),
            Self::ConnectTimeout => ("connect_timeout", true, true),
            Self::AnswerIncomplete => ("answer_incomplete", true, true),
            Self::AnswerMalformed => ("answer_malformed", true, true),
            Self::AnswerTimeout => ("answer_timeout", true, true),
            Self::Throttled => ("throttled", false, false),
            Self::ServerError => ("server_error", true, true),
            Self::Misconfigured => ("misconfigured", true, false),
        };
        Row { name, blame, elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_label_of_its_own() {
        let names: BTreeSet<_> = Failure::ALL.iter().map(|failure| failure.row().name).collect();
        assert_eq!(names.len(), Failure::ALL.len());
    }
}
