//! From received bytes to commands for this device.

use crate::cobs::Decoder;
use crate::command::{self, Command};
use crate::wire::Frame;

/// The memory of a [`Receiver`].
pub type Buffer = Decoder<{ command::LONGEST }>;

/// Takes bytes, and counts the blocks that are no frames.
#[derive(Debug)]
pub struct Receiver<'a> {
    decoder: &'a mut Buffer,
    device: u32,
    bad_frames: u32,
}

impl<'a> Receiver<'a> {
    /// One that listens to frames for `device`.
    #[must_use]
    pub const fn new(decoder: &'a mut Buffer, device: u32) -> Self {
        Self { decoder, device, bad_frames: 0 }
    }

    /// Takes a byte; returns the command that it completes, if that is one to obey.
    pub fn push(&mut self, byte: u8) -> Option<Command> {
        let block = self.decoder.push(byte)?;
        match block.and_then(|block| Frame::parse(block, command::body_length)) {
            Ok(frame) if frame.header.device == self.device => Command::parse(&frame),
            Ok(_) => None,
            Err(_) => {
                self.bad_frames = self.bad_frames.saturating_add(1);
                None
            }
        }
    }

    /// How many blocks were no frames.
    #[must_use]
    pub const fn bad_frames(&self) -> u32 {
        self.bad_frames
    }
}
