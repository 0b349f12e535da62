//! The one table of the ways in which a connection ends.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Both sides have ended it; the client was first.
    ClientClosed,
    UpstreamClosed,
    ClientReset,
    UpstreamReset,
    /// Nothing moved for too long.
    Idle,
    ConnectRefused,
    ConnectTimeout,
    NoHealthyEndpoint,
    /// Every endpoint has as many connections as it may.
    Overloaded,
    /// By a drain whose time was over, or by a panic.
    Aborted,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The label of its metric.
    pub name: &'static str,
    /// Whether it is logged with the errors.
    pub is_error: bool,
}

impl End {
    pub const ALL: [Self; 10] = [
        Self::ClientClosed,
        Self::UpstreamClosed,
        Self::ClientReset,
        Self::UpstreamReset,
        Self::Idle,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::NoHealthyEndpoint,
        Self::Overloaded,
        Self::Aborted,
    ];

    pub fn row(self) -> Row {
        let row = |name, is_error| Row { name, is_error };
        match self {
            Self::ClientClosed => row("client_closed", false),
            Self::UpstreamClosed => row("upstream_closed", false),
            Self::ClientReset => row("client_reset", false),
            Self::UpstreamReset => row("upstream_reset", true),
            Self::Idle => row("idle", false),
            Self::ConnectRefused => row("connect_refused", true),
            Self::ConnectTimeout => row("connect_timeout", true),
            Self::NoHealthyEndpoint => row("no_healthy_endpoint", true),
            Self::Overloaded => row("overloaded", true),
            Self::Aborted => row("aborted", true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_end_has_a_label_of_its_own() {
        let labels: BTreeSet<_> = End::ALL.map(|end| end.row().name).into();
        assert_eq!(labels.len(), End::ALL.len());
    }
}
