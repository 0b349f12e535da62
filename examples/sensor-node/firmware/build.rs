//! Writes the linker's memory map and what else the image is built with.

use std::path::PathBuf;
use std::{env, fs};

/// Room for the deepest call chain with every interrupt on top; `cargo xtask stack` holds that it
/// suffices. `xtask/src/project.rs` has it, too.
const STACK: u32 = 1024;

const FLASH: Region = Region { origin: 0x0000_0000, length: 0x0040_0000 };
const MEMORY: Region = Region { origin: 0x2000_0000, length: 0x0040_0000 };

struct Region {
    origin: u32,
    length: u32,
}

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    fs::write(out.join("memory.x"), memory_map()).unwrap();
    // The board lists its handlers itself, so no weak default is needed.
    fs::write(out.join("device.x"), "").unwrap();

    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    // Sections need not start on pages of a host's size.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rustc-env=DEVICE_ID={}", env::var("DEVICE_ID").as_deref().unwrap_or("1"));
    println!("cargo:rerun-if-env-changed=DEVICE_ID");
    println!("cargo:rerun-if-changed=build.rs");
}

/// The stack lies below all data: one that grows too far leaves RAM before it reaches a variable.
fn memory_map() -> String {
    format!(
        "MEMORY
{{
  FLASH (rx) : ORIGIN = {flash:#010x}, LENGTH = {flash_length:#x}
  STACK (rw) : ORIGIN = {stack:#010x}, LENGTH = {STACK:#x}
  RAM (rw) : ORIGIN = {ram:#010x}, LENGTH = {ram_length:#x}
}}
_stack_start = ORIGIN(STACK) + LENGTH(STACK);
_stack_end = ORIGIN(STACK);
",
        flash = FLASH.origin,
        flash_length = FLASH.length,
        stack = MEMORY.origin,
        ram = MEMORY.origin + STACK,
        ram_length = MEMORY.length - STACK,
    )
}
