//! What the image takes when it runs, and that it does so in the same way each time.

use emulator_tests::qemu::{Exit, Pace, Qemu};
use xtask::budgets::Budgets;

/// What a case measured, by name.
fn figures(case: &str) -> Vec<(String, u32)> {
    let (exit, said) = Qemu::boot_to_exit(case).exit();
    assert_eq!(exit, Exit::Done, "{said}");
    let figure = |line: &str| {
        let (value, name) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    said.lines().filter_map(figure).collect()
}

fn figure(figures: &[(String, u32)], name: &str) -> u32 {
    figures.iter().find(|(known, _)| known == name).expect("measured").1
}

#[test]
fn keeps_to_its_budgets_of_instructions() {
    let figures = figures("budget");
    let budgets = Budgets::read().unwrap();
    let to_ready = figure(&figures, "instructions to ready");
    assert!((1..=budgets.instructions_to_ready).contains(&to_ready), "{to_ready}");
    let a_turn = figure(&figures, "instructions a turn");
    assert!((1..=budgets.instructions_a_turn).contains(&a_turn), "{a_turn}");
}

#[test]
fn counts_an_instruction_as_one() {
    let counted = figure(&figures("budget"), "instructions of 20000");
    // A cycle is up to three instructions, it takes some to read the counter, and the clock interrupts.
    assert!((20_000..20_300).contains(&counted), "{counted}");
}

#[test]
fn uses_less_stack_than_the_call_graph_allows() {
    let used = figure(&figures("stack"), "bytes of stack");
    let allowed = Budgets::read().unwrap().stack;
    assert!((1..=allowed).contains(&used), "{used}");
}

#[test]
fn boots_thirty_times_the_same() {
    let boot = || {
        let mut node = Qemu::boot(Pace::Free);
        [node.next_message(), node.next_message()]
    };
    let first = boot();
    for _ in 1..30 {
        assert_eq!(boot(), first);
    }
}

#[test]
fn measures_the_same_in_every_boot() {
    let first = figures("budget");
    for _ in 0..3 {
        assert_eq!(figures("budget"), first);
    }
}
