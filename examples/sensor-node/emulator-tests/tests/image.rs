//! What is said of the image is read off the image, and it is the same wherever it is built.

use std::fs;
use std::path::Path;

use xtask::audit;
use xtask::image::{Image, workspace};

#[test]
fn the_audit_finds_what_the_image_for_the_emulator_has() {
    let complaints = audit::complaints(&Image::Selftest.build().unwrap()).unwrap();
    for what in ["a panic", "a breakpoint"] {
        assert!(complaints.iter().any(|complaint| complaint.starts_with(what)), "{complaints:?}");
    }
}

#[test]
fn the_audit_finds_nothing_in_the_released_image() {
    let complaints = audit::complaints(&Image::Release.build().unwrap()).unwrap();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn the_image_is_the_same_in_another_directory() {
    let here = fs::read(Image::Release.build().unwrap()).unwrap();
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moved").join("workspace");
    let _ = fs::remove_dir_all(&copy);
    copy_sources(workspace(), &copy);
    let there = fs::read(Image::Release.build_in(&copy).unwrap()).unwrap();
    assert!(here == there, "the images differ");
}

/// Copies what is needed for a build.
fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), entry.path());
        if ["target", "dist", ".git"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        if path.is_dir() {
            copy_sources(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
