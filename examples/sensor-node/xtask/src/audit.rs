//! What must not be in the released image.

use std::path::Path;

use crate::disassembly::Program;
use crate::image::Image;
use crate::{Result, llvm, stack};

/// Symbols that come with what the image does without, by a part of their name.
const BANNED: [(&str, &str); 7] = [
    ("core::panicking", "a panic"),
    ("rust_begin_unwind", "a panic"),
    ("core::fmt", "formatting"),
    ("__rust_alloc", "an allocation"),
    ("alloc::", "an allocation"),
    ("__aeabi_f", "floating point in software"),
    ("__aeabi_d", "floating point in software"),
];

/// What an image has that it must not have; empty for a good one.
///
/// # Errors
///
/// If LLVM's programs are not there, or can't read the file.
pub fn complaints(elf: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for symbol in llvm::read("llvm-nm", &["--demangle", "--just-symbol-name"], elf)?.lines() {
        complaints.extend(banned(symbol).map(|what| format!("{what}: {symbol}")));
    }
    let program = Program::read(elf)?;
    for function in program.functions.values() {
        let name = &function.name;
        complaints.extend(
            function
                .indirect
                .iter()
                .map(|call| format!("a call through a register: {name}: {call}")),
        );
        if function.breakpoints > 0 {
            complaints.push(format!("a breakpoint, which is a fault without a debugger: {name}"));
        }
    }
    if complaints.is_empty() {
        complaints.extend(stack::Depth::of(&program).err().map(|error| error.to_string()));
    }
    Ok(complaints)
}

fn banned(symbol: &str) -> Option<&'static str> {
    BANNED.iter().find(|(part, _)| symbol.contains(part)).map(|(_, what)| *what)
}

/// Audits the released image.
///
/// # Errors
///
/// If there are complaints.
pub fn check() -> Result<()> {
    let complaints = complaints(&Image::Release.build()?)?;
    if complaints.is_empty() {
        println!(
            "no panic, allocation, formatting, recursion, breakpoint or call into the unknown"
        );
        return Ok(());
    }
    Err(complaints.join("\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_symbols_of_a_panic() {
        assert_eq!(banned("core::panicking::panic_bounds_check"), Some("a panic"));
        assert_eq!(banned("app::node::Node::on_tick"), None);
    }
}
