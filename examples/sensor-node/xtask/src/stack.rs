//! How deep the stacks can get, from the call graph.
//!
//! The main stack holds, at worst, the deepest path from the reset on, what all interrupts preempt
//! on top of it, the deepest interrupt on top of that (all have the same priority, so one at a time),
//! the non-maskable interrupt, and what the processor pushes when that one faults. The fault handler
//! goes on with a stack of its own, where only the non-maskable interrupt can come on top.

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::budgets::{self, Budgets};
use crate::disassembly::Program;
use crate::image::Image;
use crate::project::{PREEMPTED, STACK};

/// What the processor pushes when it takes an exception: eight words, and one to align them.
const EXCEPTION: u32 = 36;
/// And what it pushes in a program that uses the floating-point unit: eighteen words more.
const FLOATING_EXCEPTION: u32 = EXCEPTION + 72;

/// Bytes of stack, at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Of the main stack.
    pub main: u32,
    /// Of the stack of the fault path.
    pub emergency: u32,
}

impl Depth {
    /// Walks the call graph of an image.
    ///
    /// # Errors
    ///
    /// If there are calls that can't be followed, or functions that call themselves.
    pub fn of(program: &Program) -> Result<Self> {
        Self::with(program, PREEMPTED)
    }

    /// The same, with the exceptions given that interrupts preempt.
    fn with(program: &Program, preempted: &[usize]) -> Result<Self> {
        let [reset, nmi, hard_fault, others @ ..] = program.vectors.as_slice() else {
            return Err("the vector table has no handler".into());
        };
        let mut walk = Walk { program, known: BTreeMap::new(), open: BTreeSet::new() };
        let floating = program.functions.values().any(|function| function.floating > 0);
        let exception = if floating { FLOATING_EXCEPTION } else { EXCEPTION };
        let nmi = exception + walk.deepest(*nmi)?;
        let (mut below, mut interrupt) = (0, 0);
        for (number, handler) in (4..).zip(others).filter(|(_, handler)| **handler != 0) {
            let depth = exception + walk.deepest(*handler)?;
            let level = if preempted.contains(&number) { &mut below } else { &mut interrupt };
            *level = depth.max(*level);
        }
        Ok(Self {
            main: walk.deepest(*reset)? + below + interrupt + nmi + exception,
            emergency: walk.deepest(*hard_fault)? + nmi,
        })
    }

    /// Holds the main stack to the room that it has.
    fn fits(self, room: u32) -> Result<()> {
        if self.main <= room {
            return Ok(());
        }
        let depth = self.main;
        Err(format!(
            "the stack gets {depth} bytes deep and has {room}: raise STACK in firmware/build.rs \
             and xtask/src/project.rs"
        )
        .into())
    }
}

struct Walk<'a> {
    program: &'a Program,
    known: BTreeMap<u32, u32>,
    /// The functions on the way to the current one.
    open: BTreeSet<u32>,
}

impl Walk<'_> {
    fn deepest(&mut self, entry: u32) -> Result<u32> {
        if let Some(&depth) = self.known.get(&entry) {
            return Ok(depth);
        }
        let program = self.program;
        let function =
            program.functions.get(&entry).ok_or_else(|| format!("no function at {entry:#x}"))?;
        if let Some(call) = function.indirect.first() {
            return Err(format!("{} goes where nobody can follow: {call}", function.name).into());
        }
        if !self.open.insert(entry) {
            return Err(format!("{} calls itself", function.name).into());
        }
        let mut below = 0;
        for &callee in &function.callees {
            below = below.max(self.deepest(callee)?);
        }
        self.open.remove(&entry);
        self.known.insert(entry, function.frame + below);
        Ok(function.frame + below)
    }
}

/// Prints how deep the stacks of the released image can get.
///
/// # Errors
///
/// If that can't be told, or exceeds the room in RAM or its budget.
pub fn check() -> Result<()> {
    let program = Program::read(&Image::Release.build()?)?;
    let depth = Depth::of(&program)?;
    depth.fits(program.stack.saturating_sub(STACK.start))?;
    let budgets = Budgets::read()?;
    budgets::hold(&[
        ("stack", depth.main, budgets.stack),
        ("emergency stack", depth.emergency, budgets.emergency_stack),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disassembly::Function;

    fn program(functions: &[(u32, u32, &[u32])]) -> Program {
        let function = |&(entry, frame, callees): &(u32, u32, &[u32])| {
            let callees = callees.iter().copied().collect();
            (entry, Function { frame, callees, ..Function::default() })
        };
        Program {
            functions: functions.iter().map(function).collect(),
            vectors: vec![2, 4, 6, 8, 0, 10],
            ..Program::default()
        }
    }

    #[test]
    fn adds_what_can_come_on_top_of_each_other() {
        let program = program(&[
            (2, 100, &[12, 14]),
            (4, 8, &[]),
            (6, 0, &[16]),
            (8, 20, &[]),
            (10, 4, &[12]),
            (12, 40, &[]),
            (14, 10, &[12]),
            (16, 24, &[]),
        ]);
        let depth = Depth::with(&program, &[]).unwrap();
        let reset = 100 + 10 + 40;
        let interrupt = 36 + 4 + 40;
        assert_eq!(depth.main, reset + interrupt + (36 + 8) + 36);
        assert_eq!(depth.emergency, 24 + (36 + 8));

        let preempted = Depth::with(&program, &[4]).unwrap();
        assert_eq!(preempted.main, depth.main + 36 + 20);
    }

    #[test]
    fn counts_the_registers_of_the_floating_point_unit_where_it_is_used() {
        let mut program =
            program(&[(2, 8, &[]), (4, 0, &[]), (6, 0, &[]), (8, 0, &[]), (10, 0, &[])]);
        program.functions.entry(2).or_default().floating = 1;
        let depth = Depth::of(&program).unwrap();
        assert_eq!((depth.main, depth.emergency), (8 + 3 * 108, 108));
    }

    #[test]
    fn refuses_a_stack_that_is_deeper_than_its_room() {
        let depth = Depth { main: 1_025, emergency: 0 };
        assert!(depth.fits(1_025).is_ok());
        let refused = depth.fits(1_024).unwrap_err().to_string();
        assert!(refused.contains("STACK in firmware/build.rs"), "{refused}");
    }

    #[test]
    fn refuses_recursion() {
        let program = program(&[(2, 8, &[4]), (4, 8, &[6]), (6, 8, &[4])]);
        assert!(Depth::of(&program).unwrap_err().to_string().ends_with("calls itself"));
    }

    #[test]
    fn refuses_calls_through_registers() {
        let mut program = program(&[(4, 8, &[])]);
        program.functions.entry(4).or_default().indirect.push("blx r3".to_owned());
        assert!(Depth::of(&program).is_err());
    }
}
