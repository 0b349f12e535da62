//! The one table of the ways in which a request to the API comes to nothing.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    ConnectRefused,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The label of its metric.
    pub name: &'static str,
}

impl Failure {
    pub const ALL: [Self; 1] = [Self::ConnectRefused];

    pub fn row(self) -> Row {
        match self {
            Self::ConnectRefused => Row { name: "connect_refused" },
        }
    }
}
