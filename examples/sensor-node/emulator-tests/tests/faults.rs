//! Every way to crash: it is named, ends in a reset, and the next run tells of it.

use app::epitaph::{Cause, Class, location_hash};
use emulator_tests::message::{Command, Message};
use emulator_tests::qemu::{Exit, Pace, Qemu};
use xtask::project::{FLASH, STACK};

#[derive(Debug)]
struct Epitaph {
    cause: u8,
    pc: u32,
    lr: u32,
    sp: u32,
    cfsr: u32,
    boots: u16,
}

fn epitaph(message: Message) -> Option<Epitaph> {
    match message {
        Message::Epitaph { cause, pc, lr, sp, cfsr, boots } => {
            Some(Epitaph { cause, pc, lr, sp, cfsr, boots })
        }
        _ => None,
    }
}

/// The causes of the hellos up to the epitaph, and the epitaph.
fn crash(case: &str) -> (Vec<u8>, Epitaph) {
    let mut node = Qemu::boot_case(Pace::Free, case);
    let mut causes = Vec::new();
    let epitaph = node.expect(|message| {
        if let Message::Hello { reset_cause, .. } = message {
            causes.push(reset_cause);
        }
        epitaph(message)
    });
    (causes, epitaph)
}

fn assert_fault(case: &str, class: Class) {
    let (causes, epitaph) = crash(case);
    assert_eq!(causes, [Cause::Power as u8, Cause::Fault as u8]);
    assert_eq!(epitaph.cause, Cause::Fault as u8);
    assert_eq!(epitaph.boots, 1);
    assert_eq!(Class::of(epitaph.cfsr, epitaph.sp, STACK.start), class, "{epitaph:x?}");
    if class == Class::StackOverflow {
        // At the first access below the stack, and not where it had got to by the next interrupt.
        assert!((STACK.start - 64..STACK.start + 32).contains(&epitaph.sp), "{epitaph:x?}");
    } else {
        assert!(STACK.contains(&epitaph.sp), "{epitaph:x?}");
    }
}

#[test]
fn an_undefined_instruction() {
    assert_fault("undefined", Class::UndefinedInstruction);
}

#[test]
fn a_jump_without_the_thumb_bit() {
    assert_fault("invalid-state", Class::InvalidState);
}

#[test]
fn an_unaligned_access() {
    assert_fault("unaligned", Class::Unaligned);
}

#[test]
fn an_instruction_of_a_missing_coprocessor() {
    assert_fault("no-coprocessor", Class::NoCoprocessor);
}

#[test]
fn a_division_by_zero() {
    assert_fault("divide", Class::DivideByZero);
}

#[test]
fn an_access_to_nothing() {
    assert_fault("bus", Class::Bus);
}

#[test]
fn a_jump_to_where_no_code_may_be() {
    assert_fault("execute", Class::NoCode);
}

#[test]
fn a_stack_that_is_used_up() {
    assert_fault("overflow", Class::StackOverflow);
}

#[test]
fn an_epitaph_names_the_instruction_and_the_link_register() {
    let (_, epitaph) = crash("undefined");
    assert!(FLASH.contains(&epitaph.pc), "{epitaph:x?}");
    assert_eq!(epitaph.lr, epitaph.pc | 1, "{epitaph:x?}");
}

#[test]
fn a_panic() {
    let (causes, epitaph) = crash("panic");
    assert_eq!(causes, [Cause::Power as u8, Cause::Panic as u8]);
    assert_eq!(epitaph.cause, Cause::Panic as u8);
    assert!(FLASH.contains(&epitaph.pc), "{epitaph:x?}");
    let file = "firmware/src/selftest/mod.rs";
    let source = include_str!("../../firmware/src/selftest/mod.rs");
    let line = source.lines().position(|line| line.contains("Case::Panic))")).unwrap() + 1;
    assert_eq!(epitaph.cfsr, location_hash(file, u32::try_from(line).unwrap()));
}

#[test]
fn the_emulator_tells_crashes_apart() {
    let exit = |case| Qemu::boot_to_exit(case).exit();
    for (case, end, name) in [
        ("undefined", Exit::Fault, "undefined instruction"),
        ("panic", Exit::Panic, "panic"),
        ("overflow", Exit::Overflow, "stack overflow"),
        ("hang", Exit::Watchdog, "watchdog"),
    ] {
        let (exit, said) = exit(case);
        assert_eq!(exit, end, "{said}");
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn the_epitaph_follows_each_hello_until_the_welcome_clears_it() {
    let mut node = Qemu::boot_case(Pace::Free, "undefined");
    for _ in 0..2 {
        let told = node.expect(epitaph);
        assert_eq!((told.cause, told.boots), (Cause::Fault as u8, 1));
        let next = node.next_message();
        assert!(matches!(next, Message::Hello { .. }), "{next:?}");
    }
    node.send(Command::welcome(1));
    node.expect(|message| matches!(message, Message::Reading { .. }).then_some(()));
    node.reset();
    let cause = node.expect(|message| match message {
        Message::Hello { uptime_ms: 0, reset_cause, .. } => Some(reset_cause),
        _ => None,
    });
    assert_eq!(cause, Cause::Pin as u8);
    let next = node.next_message();
    assert!(matches!(next, Message::Hello { .. }), "{next:?}");
}
