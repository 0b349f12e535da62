//! What the image takes of flash and RAM.

use std::path::Path;

use crate::budgets::{self, Budgets};
use crate::image::Image;
use crate::symbols::Symbols;
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
}

/// Prints the sizes of the released image.
///
/// # Errors
///
/// If one exceeds its budget; it says which symbols have grown.
pub fn check() -> Result<()> {
    let elf = Image::Release.build()?;
    let (size, symbols) = (Size::of(&elf)?, Symbols::of(&elf)?);
    let budgets = Budgets::read()?;
    budgets::hold(&[("flash", size.flash, budgets.flash), ("RAM", size.ram, budgets.ram)])
        .map_err(|exceeded| format!("{exceeded}; {}", symbols.growth(&elf)))?;
    symbols.keep(&elf)
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
}
