//! Readings that the API refuses for good.

use crate::config::DeadLetter;

/// The way of workers to the thread that writes them.
#[derive(Clone)]
pub struct DeadLetters;

impl DeadLetters {
    pub fn start(_: &DeadLetter) -> std::io::Result<Self> {
        Ok(Self)
    }
}
