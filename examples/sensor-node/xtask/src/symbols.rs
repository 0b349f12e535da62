//! Which symbols an image is made of, and which of them have grown.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, llvm};

/// The most symbols that are told.
const TOLD: usize = 5;

/// A memory that has a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Code, constants and the initial values of variables.
    Flash,
    /// Variables.
    Ram,
}

impl Memory {
    /// Whether symbols of a type take some of this memory. Those of `.data` take both.
    fn has(self, kind: char) -> bool {
        match self {
            Self::Flash => !matches!(kind, 'B' | 'b'),
            Self::Ram => matches!(kind, 'B' | 'b' | 'D' | 'd'),
        }
    }
}

/// The type of a symbol, as nm has it, and its name.
type Symbol = (char, String);

/// The bytes of each symbol. Several of one type and name are added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Symbols(BTreeMap<Symbol, u32>);

impl Symbols {
    /// Reads them from an ELF file.
    ///
    /// # Errors
    ///
    /// If there is no llvm-nm, or the file is none of the firmware.
    pub fn of(elf: &Path) -> Result<Self> {
        let options = ["--print-size", "--radix=d", "--demangle", "--defined-only"];
        Ok(Self::from_listing(&llvm::read("llvm-nm", &options, elf)?))
    }

    /// Keeps them beside the image, as those of one that was within its budgets.
    ///
    /// # Errors
    ///
    /// If they can't be written.
    pub fn keep(&self, elf: &Path) -> Result<()> {
        let line = |((kind, name), size): (&Symbol, &u32)| format!("0 {size} {kind} {name}\n");
        let lines = self.0.iter().map(line);
        Ok(fs::write(kept(elf), lines.collect::<String>())?)
    }

    /// Those that take some of these memories.
    #[must_use]
    pub fn within(mut self, memories: &[Memory]) -> Self {
        self.0.retain(|(kind, _), _| memories.iter().any(|memory| memory.has(*kind)));
        self
    }

    /// What has grown since the last image on this machine that was within its budgets, or the
    /// largest symbols where there was none.
    #[must_use]
    pub fn growth(&self, elf: &Path) -> String {
        match fs::read_to_string(kept(elf)) {
            Ok(listing) => self.since(&Self::from_listing(&listing)),
            Err(_) => self.largest(),
        }
    }

    fn since(&self, earlier: &Self) -> String {
        let before = |symbol| earlier.0.get(symbol).copied().unwrap_or(0);
        let growth = |(symbol, size): (_, &u32)| (symbol, size.saturating_sub(before(symbol)));
        let grown = self.0.iter().map(growth).filter(|(_, growth)| *growth > 0);
        let grown = grown.collect::<Vec<_>>();
        if grown.is_empty() {
            return self.largest();
        }
        format!("since it was within them, these have grown:{}", told(grown))
    }

    fn largest(&self) -> String {
        let sizes = self.0.iter().map(|(symbol, size)| (symbol, *size));
        format!("the largest symbols are:{}", told(sizes.collect()))
    }

    /// Lines of address, size, type and name; labels have no size.
    fn from_listing(listing: &str) -> Self {
        let mut sizes = BTreeMap::new();
        for line in listing.lines() {
            if let [_, size, kind, name] = line.splitn(4, ' ').collect::<Vec<_>>()[..]
                && let (Ok(size), Ok(kind)) = (size.parse::<u32>(), kind.parse())
            {
                *sizes.entry((kind, without_hash(name).to_owned())).or_default() += size;
            }
        }
        Self(sizes)
    }
}

/// A name without what the compiler tells crates apart by, which may change with any of them.
fn without_hash(name: &str) -> &str {
    name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(path, _)| path)
}

fn told(mut sizes: Vec<(&Symbol, u32)>) -> String {
    sizes.sort_by_key(|(_, size)| Reverse(*size));
    let line = |((_, name), size): &(&Symbol, u32)| format!("\n{size:>8} bytes  {name}");
    sizes.iter().take(TOLD).map(line).collect()
}

fn kept(elf: &Path) -> PathBuf {
    elf.with_extension("symbols")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
00000192 00000040 T firmware::main::h50bfbf8f92238c50
00000232 00000300 t <app::node::Node>::on_tick
00000532 00000060 t <app::node::Node>::next_frame
00000592 T _stack_start
00000600 00000012 r .Lanon
00000612 00000004 r .Lanon
536871936 00001024 b firmware::runtime::MEMORY
536872960 00000008 d firmware::board::STATE
";

    #[test]
    fn adds_up_what_has_one_name_and_passes_over_labels() {
        let sizes = [
            ('T', "firmware::main", 40),
            ('t', "<app::node::Node>::on_tick", 300),
            ('t', "<app::node::Node>::next_frame", 60),
            ('r', ".Lanon", 16),
            ('b', "firmware::runtime::MEMORY", 1_024),
            ('d', "firmware::board::STATE", 8),
        ];
        let sizes = sizes.map(|(kind, name, size)| ((kind, name.to_owned()), size));
        assert_eq!(Symbols::from_listing(LISTING), Symbols(sizes.into_iter().collect()));
    }

    #[test]
    fn tells_of_the_memory_that_is_asked_for() {
        let told = |memories: &[_]| Symbols::from_listing(LISTING).within(memories).largest();
        let flash = told(&[Memory::Flash]);
        assert!(flash.contains("on_tick") && flash.contains("STATE"), "{flash}");
        assert!(!flash.contains("MEMORY"), "{flash}");
        let ram = told(&[Memory::Ram]);
        assert!(ram.contains("MEMORY") && ram.contains("STATE"), "{ram}");
        assert!(!ram.contains("on_tick"), "{ram}");
        let both = told(&[Memory::Flash, Memory::Ram]);
        assert!(both.contains("MEMORY") && both.contains("on_tick"), "{both}");
    }

    #[test]
    fn tells_the_largest_where_nothing_has_grown() {
        let symbols = Symbols::from_listing(LISTING).within(&[Memory::Flash]);
        let told = symbols.since(&symbols);
        assert!(
            told.starts_with(
                "the largest symbols are:\n     300 bytes  <app::node::Node>::on_tick\n"
            )
        );
    }

    #[test]
    fn tells_what_has_grown_and_by_how_much() {
        let later = LISTING.replace("00000300 t", "00000340 t").replace("00000060 t", "00000050 t");
        let later = Symbols::from_listing(&format!("{later}00000700 00000008 t added\n"));
        assert_eq!(
            later.since(&Symbols::from_listing(LISTING)),
            "since it was within them, these have grown:\
             \n      40 bytes  <app::node::Node>::on_tick\
             \n       8 bytes  added"
        );
    }
}
