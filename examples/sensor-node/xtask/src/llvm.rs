//! LLVM's programs for object files, those of the toolchain first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use crate::Result;

/// Runs a program on a file and returns what it prints.
///
/// # Errors
///
/// If the program is not there, or fails.
pub fn read(program: &str, arguments: &[&str], file: &Path) -> Result<String> {
    Ok(String::from_utf8(run(Command::new(find(program)?).args(arguments).arg(file))?)?)
}

/// Copies the loadable part of an ELF file, as it goes into flash.
///
/// # Errors
///
/// If llvm-objcopy is not there, or fails.
pub fn extract_binary(elf: &Path, binary: &Path) -> Result<()> {
    let mut objcopy = Command::new(find("llvm-objcopy")?);
    run(objcopy.args(["--output-target", "binary"]).args([elf, binary])).map(drop)
}

fn run(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{} is missing: rustup component add llvm-tools", name.display())
        }
        _ => format!("{}: {error}", name.display()),
    })?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", name.display(), complaint.trim()).into());
    }
    Ok(output.stdout)
}

/// The program of the component `llvm-tools`, or else the one on PATH.
fn find(program: &str) -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let libraries = run(Command::new(rustc).args(["--print", "target-libdir"]))?;
    let beside = Path::new(str::from_utf8(&libraries)?.trim()).with_file_name("bin").join(program);
    Ok(if beside.is_file() { beside } else { program.into() })
}
