//! The other side of the link: boots an image in QEMU, sends it commands and reads what it says.
//!
//! Virtual time follows the instructions that are executed (`-icount shift=5`: one takes 32 ns), so
//! intervals between frames are exact, and the tests take them from the frames. What depends on when
//! the host gets to send something is not exact, and no test looks at it.

pub mod message;
pub mod qemu;
