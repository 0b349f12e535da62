//! The image as the processor sees it: functions, what they push, and where they go from there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{Result, llvm};

/// A function of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Bytes that it takes from the stack, all its paths together.
    pub frame: u32,
    /// The functions that it calls or jumps to, by their address.
    pub callees: BTreeSet<u32>,
    /// Calls and jumps through a register, which nobody can follow.
    pub indirect: Vec<String>,
    /// Breakpoints, by which only a debugger or an emulator is called.
    pub breakpoints: u32,
    /// Instructions of the floating-point unit.
    pub floating: u32,
}

/// An image: its functions by address, and what its vector table says.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// All functions.
    pub functions: BTreeMap<u32, Function>,
    /// The address at which the stack begins, above its highest byte.
    pub stack: u32,
    /// The addresses of the handlers from the reset on, without the Thumb bit; 0 where there is none.
    pub vectors: Vec<u32>,
}

impl Program {
    /// Reads an ELF file.
    ///
    /// # Errors
    ///
    /// If there is no llvm-objdump, or it prints what is not understood.
    pub fn read(elf: &Path) -> Result<Self> {
        let code = llvm::read("llvm-objdump", &["-d", "--no-show-raw-insn", "--demangle"], elf)?;
        let table = llvm::read("llvm-objdump", &["-s", "--section=.vector_table"], elf)?;
        let (stack, vectors) = vectors(&table)?;
        Ok(Self { functions: functions(&code)?, stack, vectors })
    }
}

/// Reads a disassembly.
fn functions(listing: &str) -> Result<BTreeMap<u32, Function>> {
    let mut functions: BTreeMap<u32, Function> = BTreeMap::new();
    let mut branches = Vec::new();
    let mut start = 0;
    for line in listing.lines() {
        if let Some((address, name)) = label(line) {
            start = address;
            functions.insert(start, Function { name: name.to_owned(), ..Function::default() });
        } else if let Some(instruction) = Instruction::parse(line)
            && let Some(function) = functions.get_mut(&start)
        {
            function.frame += instruction.pushes()?;
            function.breakpoints += u32::from(instruction.mnemonic == "bkpt");
            function.floating += u32::from(instruction.mnemonic.starts_with('v'));
            if instruction.is_indirect() {
                function.indirect.push(line.trim().to_owned());
            }
            if let Some(target) = instruction.target() {
                branches.push((start, target, instruction.is_call()));
            }
        }
    }
    for (from, target, is_call) in branches {
        let (&to, _) = functions.range(..=target).next_back().ok_or("a branch to nowhere")?;
        // Where `b` does not reach, `bl` jumps within a function.
        if (to != from || is_call && target == from)
            && let Some(function) = functions.get_mut(&from)
        {
            function.callees.insert(to);
        }
    }
    Ok(functions)
}

/// The address and name in a line like `000000c0 <Reset>:`.
fn label(line: &str) -> Option<(u32, &str)> {
    let (address, name) = line.split_once(" <")?;
    Some((u32::from_str_radix(address, 16).ok()?, name.strip_suffix(">:")?))
}

/// How the linker's filling between functions, 0xD4D4, looks: `bmi` back by 88 bytes. No compiler knows
/// another function to be so near, so within a function it leads nowhere else, and between them nowhere.
const FILLING: (&str, &str) = ("bmi", "@ imm = #-0x58");

struct Instruction<'a> {
    mnemonic: &'a str,
    operands: &'a str,
}

impl<'a> Instruction<'a> {
    /// The instruction in a line like `      c0:       bl      0xe56 <pre_init>     @ imm = #0xd92`.
    fn parse(line: &'a str) -> Option<Self> {
        let (address, rest) = line.trim_start().split_once(':')?;
        u32::from_str_radix(address, 16).ok()?;
        let rest = rest.trim();
        if rest.split_whitespace().next() == Some(FILLING.0) && rest.ends_with(FILLING.1) {
            return None;
        }
        let rest = rest.split_once('@').map_or(rest, |(code, _)| code).trim();
        let (mnemonic, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let mnemonic = mnemonic.strip_suffix(".w").unwrap_or(mnemonic);
        Some(Self { mnemonic, operands: operands.trim() })
    }

    /// By how much it lowers the stack pointer, taken that its condition holds.
    fn pushes(&self) -> Result<u32> {
        let Self { mnemonic, operands } = self;
        let stores_many = mnemonic.starts_with("stmdb") && operands.starts_with("sp!");
        if mnemonic.starts_with("push") || stores_many {
            return Ok(4 * u32::try_from(1 + self.list().matches(',').count())?);
        }
        let writes_sp = operands.starts_with("sp,") && !mnemonic.starts_with("cmp");
        if writes_sp && mnemonic.starts_with("sub") {
            return number(operands);
        }
        if mnemonic.starts_with("str") && operands.contains("[sp, #-") && operands.ends_with('!') {
            return number(&operands.replace("#-", "#"));
        }
        let raises_sp = mnemonic.starts_with("add") && operands.contains('#');
        if writes_sp && !raises_sp || mnemonic.starts_with("vpush") {
            return Err(format!("what does `{mnemonic} {operands}` take from the stack?").into());
        }
        Ok(0)
    }

    /// What stands between braces.
    fn list(&self) -> &str {
        self.operands.split_once('{').map_or("", |(_, list)| list)
    }

    fn is_call(&self) -> bool {
        // `bl`, and with a condition `bleq`; but `bls`, `blt` and the like are no calls.
        self.mnemonic == "bl" || self.mnemonic.len() == 4 && self.mnemonic.starts_with("bl")
    }

    /// Where it goes on, if that is written in it.
    fn target(&self) -> Option<u32> {
        let branches = self.mnemonic.starts_with('b') || self.mnemonic.starts_with("cb");
        let (address, _) = self.operands.rsplit_once(" <").filter(|_| branches)?;
        let (_, address) = address.rsplit_once("0x")?;
        u32::from_str_radix(address, 16).ok()
    }

    /// Whether it calls what only a register or memory knows. A return does not, nor do `tbb` and
    /// `mov pc`, by which compilers go through a table within the function.
    fn is_indirect(&self) -> bool {
        let Self { mnemonic, operands } = self;
        mnemonic.starts_with("blx")
            || mnemonic.starts_with("bx") && *operands != "lr"
            || mnemonic.starts_with("ldr") && operands.starts_with("pc,")
    }
}

/// The last number among operands.
fn number(operands: &str) -> Result<u32> {
    let digits = operands.rsplit_once('#').ok_or_else(|| format!("no number in {operands}"))?.1;
    let digits = digits.trim_end_matches(['!', ']']);
    Ok(match digits.strip_prefix("0x") {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16)?,
        None => digits.parse()?,
    })
}

/// Reads a dump of the vector table: lines of an address, four words, and their characters. Returns the
/// initial stack pointer, and the addresses of the handlers.
fn vectors(dump: &str) -> Result<(u32, Vec<u32>)> {
    let mut words = Vec::new();
    for line in dump.lines().filter(|line| line.starts_with(' ')) {
        let columns = line.get(..line.rfind("  ").unwrap_or(line.len())).unwrap_or(line);
        for word in columns.split_whitespace().skip(1) {
            words.push(u32::from_str_radix(word, 16)?.swap_bytes());
        }
    }
    let (&stack, handlers) = words.split_first().ok_or("the vector table is empty")?;
    // Bit 0 says Thumb.
    Ok((stack, handlers.iter().map(|word| word & !1).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "
firmware:	file format elf32-littlearm

Disassembly of section .text:

000000c0 <Reset>:
      c0:      	bl	0xd0 <main>             @ imm = #0xc
      c4: 00 04 00 20  	.word	0x20000400

000000d0 <main>:
      d0:      	push.w	{r4, r5, lr}
      d4:      	sub	sp, #0x10
      d6:      	str	r0, [sp, #-0x8]!
      d8:      	tbb	[pc, r3]
      dc:      	cbz	r0, 0xd6 <main+0x6>     @ imm = #-0xa
      de:      	bls	0xd8 <main+0x8>         @ imm = #-0xa
      e0:      	blx	r3
      e2:      	bl	0xd0 <main>             @ imm = #-0x16
      e6:      	bkpt	#0xab
      e8:      	b.w	0xc0 <Reset>            @ imm = #-0x2c
";

    #[test]
    fn reads_frames_and_calls() {
        let functions = functions(LISTING).unwrap();
        let reset = &functions[&0xC0];
        assert_eq!((reset.name.as_str(), reset.frame), ("Reset", 0));
        assert_eq!(reset.callees, BTreeSet::from([0xD0]));
        let main = &functions[&0xD0];
        assert_eq!(main.frame, 12 + 16 + 8);
        assert_eq!(main.callees, BTreeSet::from([0xC0, 0xD0]));
        assert_eq!(main.indirect.len(), 1);
        assert_eq!(main.breakpoints, 1);
    }

    #[test]
    fn takes_no_jump_within_a_function_for_recursion() {
        let calls = |target| single(&format!("bl\t0x{target} <f+0x{target}>")).unwrap().callees;
        assert_eq!(calls("8"), BTreeSet::new());
        assert_eq!(calls("0"), BTreeSet::from([0]));
    }

    #[test]
    fn takes_no_filling_between_functions_for_a_branch() {
        let filled = "000000c0 <f>:\n      c0:\tbl\t0xc8 <g>\n";
        let filling = "      c4:\tbmi\t0x70 <e+0x4>   @ imm = #-0x58\n";
        let functions = functions(&format!("0000006c <e>:\n{filled}{filling}000000c8 <g>:\n"));
        assert_eq!(functions.unwrap()[&0xC0].callees, BTreeSet::from([0xC8]));
    }

    #[test]
    fn knows_the_floating_point_unit_by_its_instructions() {
        assert_eq!(single("vadd.f32\ts0, s1, s2").unwrap().floating, 1);
        assert_eq!(single("add\tr0, r1").unwrap().floating, 0);
    }

    fn single(instruction: &str) -> Result<Function> {
        let functions = functions(&format!("00000000 <f>:\n       0:      \t{instruction}\n"))?;
        Ok(functions[&0].clone())
    }

    #[test]
    fn takes_conditions_to_hold() {
        let frame = |instruction| single(instruction).unwrap().frame;
        assert_eq!(frame("pushne\t{r4, lr}"), 8);
        assert_eq!(frame("subhs\tsp, #0x10"), 16);
        assert_eq!(frame("addlo\tsp, #0x8"), 0);
        for instruction in ["blxne\tr3", "bxeq\tr0", "ldrne\tpc, [r0]"] {
            assert_eq!(single(instruction).unwrap().indirect.len(), 1, "{instruction}");
        }
        assert_eq!(single("bxlo\tlr").unwrap().indirect.len(), 0);
    }

    #[test]
    fn refuses_what_it_cannot_add_up() {
        for instruction in ["sub.w\tsp, sp, r4", "add\tsp, r4", "mov\tsp, r7"] {
            assert!(single(instruction).is_err(), "{instruction}");
        }
    }

    #[test]
    fn reads_the_stack_pointer_and_handlers_from_the_vector_table() {
        let dump = "
firmware:	file format elf32-littlearm
Contents of section .vector_table:
 0000 00040020 c1000000 19010000 fd000000  ... ............
 0010 00000000                             ....
";
        assert_eq!(vectors(dump).unwrap(), (0x2000_0400, vec![0xC0, 0x118, 0xFC, 0]));
    }
}
