//! What the image takes of flash and RAM.

use std::path::Path;

use crate::budgets::{self, Budgets};
use crate::image::Image;
use crate::symbols::{Memory, Symbols};
use crate::{Result, llvm};

/// Bytes that an image takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Code, constants and the initial values of variables; the vector table left out.
    pub flash: u32,
    /// Variables, the emergency stack among them; the stack left out.
    pub ram: u32,
}

impl Size {
    /// Reads the sections of an ELF file.
    ///
    /// # Errors
    ///
    /// If there is no llvm-size, or the file is none of the firmware.
    pub fn of(elf: &Path) -> Result<Self> {
        Self::from_sections(&llvm::read("llvm-size", &["-A"], elf)?)
    }

    fn from_sections(listing: &str) -> Result<Self> {
        let section = |name: &str| -> Result<u32> {
            let row = listing.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let size = row.and_then(|row| row.split_whitespace().next());
            Ok(size.ok_or_else(|| format!("no section {name}"))?.parse()?)
        };
        let data = section(".data")?;
        Ok(Self {
            flash: section(".text")? + section(".rodata")? + data,
            ram: data + section(".bss")? + section(".uninit")?,
        })
    }

    /// The memories of which it takes more than it may.
    fn exceeded(self, budgets: &Budgets) -> Vec<Memory> {
        let flash = (self.flash > budgets.flash).then_some(Memory::Flash);
        let ram = (self.ram > budgets.ram).then_some(Memory::Ram);
        flash.into_iter().chain(ram).collect()
    }
}

/// Prints the sizes of the released image.
///
/// # Errors
///
/// If one exceeds its budget; it says which symbols of that memory have grown.
pub fn check() -> Result<()> {
    let elf = Image::Release.build()?;
    let (size, symbols) = (Size::of(&elf)?, Symbols::of(&elf)?);
    let budgets = Budgets::read()?;
    let held =
        budgets::hold(&[("flash", size.flash, budgets.flash), ("RAM", size.ram, budgets.ram)]);
    match held {
        Ok(()) => symbols.keep(&elf),
        Err(error) => {
            let symbols = symbols.within(&size.exceeded(&budgets));
            Err(format!("{error}; {}", symbols.growth(&elf)).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_sections_by_the_memory_they_take() {
        let listing = "firmware  :
section               size        addr
.vector_table          192           0
.text                 3000         192
.rodata                 40        3192
.data                    8   536871936
.bss                  1000   536871944
.uninit                500   536872944
.debug_info          99999           0
";
        let size = Size::from_sections(listing).unwrap();
        assert_eq!(size, Size { flash: 3048, ram: 1508 });
    }

    #[test]
    fn names_the_memories_of_which_there_is_too_little() {
        let budgets = Budgets {
            flash: 3_000,
            ram: 1_500,
            stack: 0,
            emergency_stack: 0,
            instructions_to_ready: 0,
            instructions_a_turn: 0,
        };
        let exceeded = |flash, ram| Size { flash, ram }.exceeded(&budgets);
        assert_eq!(exceeded(3_000, 1_500), []);
        assert_eq!(exceeded(3_001, 1_500), [Memory::Flash]);
        assert_eq!(exceeded(3_000, 1_501), [Memory::Ram]);
        assert_eq!(exceeded(3_001, 1_501), [Memory::Flash, Memory::Ram]);
    }
}
