//! Which symbols an image is made of, and which of them have grown.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, llvm};

/// The most symbols that are told.
const TOLD: usize = 5;

/// The bytes of each symbol, by its name. Several of one name are added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Symbols(BTreeMap<String, u32>);

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
        let lines = self.0.iter().map(|(name, size)| format!("0 {size} . {name}\n"));
        Ok(fs::write(kept(elf), lines.collect::<String>())?)
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
        let before = |name| earlier.0.get(name).copied().unwrap_or(0);
        let grown = self.0.iter().map(|(name, size)| (name, size.saturating_sub(before(name))));
        let grown = grown.filter(|(_, growth)| *growth > 0).collect::<Vec<_>>();
        if grown.is_empty() {
            return self.largest();
        }
        format!("since it was within them, these have grown:{}", told(grown))
    }

    fn largest(&self) -> String {
        let sizes = self.0.iter().map(|(name, size)| (name, *size));
        format!("the largest symbols are:{}", told(sizes.collect()))
    }

    /// Lines of address, size, type and name; labels have no size.
    fn from_listing(listing: &str) -> Self {
        let mut sizes = BTreeMap::new();
        for line in listing.lines() {
            if let [_, size, _, name] = line.splitn(4, ' ').collect::<Vec<_>>()[..]
                && let Ok(size) = size.parse::<u32>()
            {
                *sizes.entry(without_hash(name).to_owned()).or_default() += size;
            }
        }
        Self(sizes)
    }
}

/// A name without what the compiler tells crates apart by, which may change with any of them.
fn without_hash(name: &str) -> &str {
    name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(path, _)| path)
}

fn told(mut sizes: Vec<(&String, u32)>) -> String {
    sizes.sort_by_key(|(_, size)| Reverse(*size));
    let lines = sizes.iter().take(TOLD).map(|(name, size)| format!("\n{size:>8} bytes  {name}"));
    lines.collect::<Vec<_>>().concat()
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
";

    #[test]
    fn adds_up_what_has_one_name_and_passes_over_labels() {
        let names = [
            "firmware::main",
            "<app::node::Node>::on_tick",
            "<app::node::Node>::next_frame",
            ".Lanon",
        ];
        let sizes = names.map(str::to_owned).into_iter().zip([40, 300, 60, 16]);
        assert_eq!(Symbols::from_listing(LISTING), Symbols(sizes.collect()));
    }

    #[test]
    fn tells_the_largest_where_nothing_has_grown() {
        let symbols = Symbols::from_listing(LISTING);
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
