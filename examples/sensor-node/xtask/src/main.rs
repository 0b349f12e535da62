//! `cargo xtask COMMAND`: what cargo does not know about the image.

use std::env;
use std::process::ExitCode;

use xtask::image::Image;
use xtask::{Result, audit, dist, size, stack};

const USAGE: &str = "usage: cargo xtask COMMAND

  build    build the released image and print its path
  size     what the image takes of flash and RAM, against budgets.toml
  stack    the deepest the stacks can get, against their room and budgets.toml
  audit    refuse panics, allocation, formatting, recursion, breakpoints and calls into the unknown
  dist     put the files of a release into dist/";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [command] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match command.as_str() {
        "build" => build(),
        "size" => size::check(),
        "stack" => stack::check(),
        "audit" => audit::check(),
        "dist" => dist::pack(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{command}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    println!("{}", Image::Release.build()?.display());
    Ok(())
}
