//! What the image is made for.

use std::ops::Range;

/// The name of the project, and of the files of a release.
pub const NAME: &str = "sensor-node";
/// The board, as `budgets.toml` names it.
pub const BOARD: &str = "mps2-an385";
/// The target of the board's processor.
pub const TARGET: &str = "thumbv7m-none-eabi";
/// The board as QEMU names it.
pub const MACHINE: &str = "mps2-an385";
/// The addresses of its flash.
pub const FLASH: Range<u32> = 0x0000_0000..0x0040_0000;
/// The addresses of the stack, which comes first in RAM.
pub const STACK: Range<u32> = 0x2000_0000..0x2000_0400;
/// The exceptions that interrupts preempt, by their numbers: none, all have the same priority.
pub const PREEMPTED: &[usize] = &[];
