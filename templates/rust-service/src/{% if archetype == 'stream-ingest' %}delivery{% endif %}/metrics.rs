//! What is scraped of the way to the API.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::DescriptorEncoder;

use crate::stats::Stats;

/// What a worker counts of it.
#[derive(Debug, Default)]
pub struct Counters {}

pub fn encode(_: &mut DescriptorEncoder<'_>, _: &[Arc<Stats>]) -> fmt::Result {
    Ok(())
}
