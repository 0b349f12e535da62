//! What the image must be: builds it, measures it, audits it and packs it.
//!
//! The figures and claims about the image come from the image: from its sections, its vector table
//! and its disassembly, never from the sources.

pub mod audit;
pub mod budgets;
pub mod disassembly;
pub mod dist;
pub mod image;
pub mod llvm;
pub mod project;
pub mod sbom;
pub mod size;
pub mod stack;
pub mod symbols;

use std::error::Error;

/// A result whose error is for the one who called the command.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;
