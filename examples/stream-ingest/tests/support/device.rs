//! A device that sends what it is told. Its frames are made and read here, bit by bit.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Client;

/// A frame that a device was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub kind: u8,
    pub device: u32,
    pub epoch: u64,
    pub sequence: u32,
    pub body: Vec<u8>,
}

pub struct Device {
    pub id: u32,
    pub client: Client,
}

impl Device {
    pub fn connect(address: SocketAddr, id: u32) -> Self {
        Self { id, client: Client::connect(address) }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.client.send(bytes);
    }

    /// The next frame.
    pub fn next(&mut self) -> io::Result<Sent> {
        let mut encoded = Vec::new();
        loop {
            match self.client.take(1)?[..] {
                [0] => return Ok(read(&encoded)),
                [byte] => encoded.push(byte),
                _ => unreachable!("one byte was asked for"),
            }
        }
    }

    /// The epoch with which it is welcomed.
    pub fn hello(&mut self) -> u64 {
        self.try_hello().unwrap()
    }

    pub fn try_hello(&mut self) -> io::Result<u64> {
        self.client.try_send(hello(self.id))?;
        loop {
            let frame = self.next()?;
            if frame.kind == 0x81 {
                return Ok(frame.epoch);
            }
        }
    }

    pub fn reading(&mut self, epoch: u64, sequence: u32, base: u32) {
        self.send(&reading(self.id, epoch, sequence, base));
    }

    /// The sequence of the next acknowledgement of an epoch.
    pub fn acknowledged(&mut self, epoch: u64) -> u32 {
        loop {
            let frame = self.next().unwrap();
            if (frame.kind, frame.epoch) == (0x82, epoch) {
                return frame.sequence;
            }
        }
    }

    /// Whether it is sent nothing for this time.
    pub fn is_quiet(&self, time: Duration) -> bool {
        self.client.is_quiet(time)
    }
}

pub fn hello(device: u32) -> Vec<u8> {
    frame(1, 0x01, device, 0, 0, &[0; 8])
}

/// With a value that tells its number, a second after the one before.
pub fn reading(device: u32, epoch: u64, sequence: u32, base: u32) -> Vec<u8> {
    let elapsed = i64::from(sequence) * 1_000;
    let value = i32::try_from(sequence % 1_000_000).unwrap();
    let body = [&elapsed.to_le_bytes()[..], &value.to_le_bytes(), &base.to_le_bytes()].concat();
    frame(1, 0x02, device, epoch, sequence, &body)
}

/// A frame as it goes over the wire.
pub fn frame(
    version: u8,
    kind: u8,
    device: u32,
    epoch: u64,
    sequence: u32,
    body: &[u8],
) -> Vec<u8> {
    let mut raw = vec![version, kind];
    raw.extend(device.to_le_bytes());
    raw.extend(epoch.to_le_bytes());
    raw.extend(sequence.to_le_bytes());
    raw.extend(body);
    raw.extend(crc(&raw).to_le_bytes());
    stuffed(&raw)
}

/// CRC-16/IBM-3740.
pub fn crc(bytes: &[u8]) -> u16 {
    let mut remainder = 0xFFFF_u16;
    for byte in bytes {
        for bit in (0..8).rev() {
            let carry = (remainder >> 15) ^ u16::from((byte >> bit) & 1);
            remainder = (remainder << 1) ^ (carry * 0x1021);
        }
    }
    remainder
}

/// COBS of what has no run of 254 bytes without a zero, delimiter included.
pub fn stuffed(raw: &[u8]) -> Vec<u8> {
    let groups = raw.split(|byte| *byte == 0);
    let coded = groups.map(|group| [&[u8::try_from(group.len() + 1).unwrap()], group].concat());
    coded.chain([vec![0]]).flatten().collect()
}

/// The frames of bytes that were sent to a device.
pub fn sent(bytes: &[u8]) -> Vec<Sent> {
    let blocks = bytes.split(|byte| *byte == 0);
    blocks.filter(|block| !block.is_empty()).map(read).collect()
}

fn read(encoded: &[u8]) -> Sent {
    let (mut raw, mut rest) = (Vec::new(), encoded);
    while let Some((code, after)) = rest.split_first() {
        let (group, others) = after.split_at(usize::from(*code) - 1);
        raw.extend(group);
        if !others.is_empty() {
            raw.push(0);
        }
        rest = others;
    }
    let (fields, check) = raw.split_at(raw.len() - 2);
    assert_eq!(check, crc(fields).to_le_bytes(), "{raw:x?}");
    let number = |from: usize, to: usize| {
        fields[from..to].iter().rev().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
    };
    assert_eq!(fields[0], 1);
    Sent {
        kind: fields[1],
        device: u32::try_from(number(2, 6)).unwrap(),
        epoch: number(6, 14),
        sequence: u32::try_from(number(14, 18)).unwrap(),
        body: fields[18..].to_vec(),
    }
}
