//! The files of a release.

use std::fmt::Write;
use std::fs;

use sha2::{Digest, Sha256};

use crate::image::{Image, workspace};
use crate::{Result, llvm, project, sbom};

/// Puts into `dist/` the image as ELF file, for emulators and debuggers, and as plain binary, for
/// programmers; its bill of materials; and the checksums of all.
///
/// # Errors
///
/// If the image can't be built, or the files can't be written.
pub fn pack() -> Result<()> {
    let elf = Image::Release.build()?;
    let dist = workspace().join("dist");
    fs::create_dir_all(&dist)?;
    let named = |suffix: &str| format!("{}.{suffix}", project::NAME);
    fs::copy(&elf, dist.join(named("elf")))?;
    llvm::extract_binary(&elf, &dist.join(named("bin")))?;
    fs::write(dist.join(named("cdx.json")), format!("{:#}\n", sbom::write()?))?;

    let mut sums = String::new();
    for name in [named("bin"), named("cdx.json"), named("elf")] {
        for byte in Sha256::digest(fs::read(dist.join(&name))?) {
            write!(sums, "{byte:02x}")?;
        }
        writeln!(sums, "  {name}")?;
    }
    fs::write(dist.join("SHA256SUMS"), &sums)?;
    print!("{sums}");
    Ok(())
}
