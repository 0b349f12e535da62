//! What the image may take, from `budgets.toml`.

use std::fs;

use toml::Table;

use crate::image::workspace;
use crate::{Result, project};

/// The limits for this board: bytes, and instructions where the name says so.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// Code and constants, the vector table left out.
    pub flash: u32,
    /// Variables, the stack left out.
    pub ram: u32,
    /// The deepest that the stack can get.
    pub stack: u32,
    /// The deepest that the stack of the fault path can get.
    pub emergency_stack: u32,
    /// From reset until the first turn begins.
    pub instructions_to_ready: u32,
    /// The longest turn.
    pub instructions_a_turn: u32,
}

impl Budgets {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or lacks one for this board.
    pub fn read() -> Result<Self> {
        let table: Table = fs::read_to_string(workspace().join("budgets.toml"))?.parse()?;
        let budget = |name: &str| -> Result<u32> {
            let value = table.get(project::BOARD).and_then(|board| board.get(name)?.as_integer());
            let missing = || format!("budgets.toml has no {name} for {}", project::BOARD);
            Ok(u32::try_from(value.ok_or_else(missing)?)?)
        };
        Ok(Self {
            flash: budget("flash")?,
            ram: budget("ram")?,
            stack: budget("stack")?,
            emergency_stack: budget("emergency_stack")?,
            instructions_to_ready: budget("instructions_to_ready")?,
            instructions_a_turn: budget("instructions_a_turn")?,
        })
    }
}

/// Prints figures against their budgets.
///
/// # Errors
///
/// If one is exceeded.
pub fn hold(figures: &[(&str, u32, u32)]) -> Result<()> {
    for (name, measured, budget) in figures {
        println!("{name:<16} {measured:>6} of {budget:>6} bytes");
    }
    let exceeded: Vec<_> = figures
        .iter()
        .filter(|(_, measured, budget)| measured > budget)
        .map(|(name, measured, budget)| {
            format!("{name} takes {} bytes more than budgets.toml allows", measured - budget)
        })
        .collect();
    if exceeded.is_empty() { Ok(()) } else { Err(exceeded.join("; ").into()) }
}
