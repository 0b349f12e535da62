//! The images and how they are built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, str};

use serde_json::Value;

use crate::{Result, project};

/// One of the two images that are made of the same sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// The one that goes on the chip.
    Release,
    /// The one that breaks on demand and reports by semihosting, for the emulator alone.
    Selftest,
}

impl Image {
    /// Builds the image of this workspace and returns the path of its ELF file.
    ///
    /// # Errors
    ///
    /// If cargo can't be run or can't build it; cargo says why.
    pub fn build(self) -> Result<PathBuf> {
        self.build_in(workspace())
    }

    /// Builds the image of a copy of the workspace.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    pub fn build_in(self, workspace: &Path) -> Result<PathBuf> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--quiet", "--locked", "--package=firmware"]);
        cargo.args(["--message-format=json-render-diagnostics", "--target", project::TARGET]);
        match self {
            Self::Release => cargo.arg("--release"),
            Self::Selftest => cargo.args(["--profile=selftest", "--features=selftest"]),
        };
        cargo.current_dir(workspace).stdin(Stdio::null()).stderr(Stdio::inherit());
        cargo.env("CARGO_ENCODED_RUSTFLAGS", remapped(workspace)?);
        let output = cargo.output()?;
        if !output.status.success() {
            return Err("cargo could not build the firmware".into());
        }
        executable(str::from_utf8(&output.stdout)?)
            .ok_or_else(|| "cargo built no executable".into())
    }
}

/// The root of this workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Flags that keep the paths of this machine out of the ELF file, so that it is the same wherever
/// it is built. Separated as cargo wants it.
fn remapped(workspace: &Path) -> Result<String> {
    let home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => {
            env::home_dir().ok_or("CARGO_HOME is not set, and there is no home")?.join(".cargo")
        }
    };
    let flag = |path: &Path, name| format!("--remap-path-prefix={}={name}", path.display());
    Ok([flag(&home, "cargo"), flag(workspace, ".")].join("\x1f"))
}

/// The executable that cargo's messages tell of.
fn executable(messages: &str) -> Option<PathBuf> {
    let message = |line| serde_json::from_str::<Value>(line).ok();
    messages
        .lines()
        .filter_map(message)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
