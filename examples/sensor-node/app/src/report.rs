//! What the device says: the bodies of its frames.

use crate::epitaph::{Cause, Epitaph, Registers};
use crate::wire::Writer;

/// The kind of a hello: the device has booted and wants to be welcomed.
pub const HELLO: u8 = 0x01;
/// The kind of a reading.
pub const READING: u8 = 0x02;
/// The kind of a status.
pub const STATUS: u8 = 0x03;
/// The kind of an epitaph: how the run before this one ended.
pub const EPITAPH: u8 = 0x04;
/// The kind of a reply to a command.
pub const REPLY: u8 = 0x05;

/// The longest frame that a device sends, encoded: an epitaph of 39 bytes, a code byte, a delimiter.
pub const LONGEST_ENCODED: usize = crate::wire::SHORTEST + 19 + 2;

/// A buffer for any frame that a device sends.
pub type Outgoing = Writer<LONGEST_ENCODED>;

/// Major, minor and patch number of the firmware.
pub type Version = [u8; 3];

/// What the device does about samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// It takes none.
    Idle = 0,
    /// It takes one each period.
    Streaming = 1,
    /// It tries each period, and the sensor does not answer.
    Fault = 2,
}

/// Writes the body of a hello: the low 32 bits of the uptime, why the device booted, what it runs.
pub fn hello(frame: &mut Outgoing, uptime_ms: u32, reset_cause: Cause, version: Version) {
    frame.put_u32(uptime_ms);
    frame.put_u8(reset_cause as u8);
    for number in version {
        frame.put_u8(number);
    }
}

/// Writes the body of a reading: milliseconds since the welcome, thousandths of the unit, and the
/// number of the oldest reading that the device holds.
pub fn reading(frame: &mut Outgoing, elapsed_ms: i64, value: i32, base: u32) {
    frame.put_u64(elapsed_ms.cast_unsigned());
    frame.put_u32(value.cast_unsigned());
    frame.put_u32(base);
}

/// How the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it does about samples.
    pub mode: Mode,
    /// The period in force.
    pub period_ms: u32,
    /// How many readings it holds.
    pub queued: u16,
    /// How many it has overwritten before they were acknowledged.
    pub dropped: u32,
    /// How many blocks it received that were no frames.
    pub bad_frames: u32,
}

/// Writes the body of a status.
pub fn status(frame: &mut Outgoing, status: &Status) {
    frame.put_u8(status.mode as u8);
    frame.put_u32(status.period_ms);
    frame.put_u16(status.queued);
    frame.put_u32(status.dropped);
    frame.put_u32(status.bad_frames);
}

/// Writes the body of an epitaph.
pub fn epitaph(frame: &mut Outgoing, epitaph: &Epitaph) {
    let Registers { pc, lr, sp, cfsr } = epitaph.registers;
    frame.put_u8(epitaph.cause as u8);
    for word in [pc, lr, sp, cfsr] {
        frame.put_u32(word);
    }
    frame.put_u16(epitaph.boots);
}

/// Writes the body of a reply: the kind of the command, whether it was obeyed, what it asked for.
pub fn reply(frame: &mut Outgoing, command: u8, done: bool, value: u32) {
    frame.put_u8(command);
    frame.put_u8(u8::from(!done));
    frame.put_u32(value);
}
