//! What one connection knows of the readings that came over it, and what is to be sent over it.

use std::cell::RefCell;
use std::collections::VecDeque;

use tokio::sync::Notify;

use super::device::{CARRIED, to_front};
use super::end::End;
use super::frame::{HELD, Order};
use crate::delivery::{Reading, Recipient};
use crate::shutdown::Work;

/// Of more epochs of devices, those with nothing on their way are forgotten. A device has one at a time.
const EPOCHS: usize = 64;
/// With so many, all with something on their way, there is no room for another.
const MOST_EPOCHS: usize = 1_024;
/// With so many bytes to be sent, no device is welcomed.
const ROOM: usize = 512;

pub struct Session {
    state: RefCell<State>,
    /// There is something to send, or nothing is on its way any more.
    stirred: Notify,
    /// A device is owed a welcome, or there is room again for one.
    owing: Notify,
    _work: Work,
}

#[derive(Default)]
struct State {
    /// The one that was used last comes first.
    windows: Vec<Window>,
    out: Vec<u8>,
    /// Devices that are to be welcomed, each once.
    owed: VecDeque<u32>,
    on_the_way: usize,
    /// Nothing more will come.
    ended: bool,
    /// What was on its way will not get there.
    lost: bool,
}

/// The readings that a device may hold: its bits begin with the reading `base`.
struct Window {
    device: u32,
    epoch: u64,
    base: u32,
    on_the_way: u64,
    durable: u64,
    acknowledged: u32,
    /// An acknowledgement is to be sent.
    due: bool,
}

/// What is to be done with a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Taken {
    /// It is to be delivered.
    New,
    /// It is on its way, or durable and acknowledged again.
    Again,
}

impl Session {
    pub fn new(work: Work) -> Self {
        Self {
            state: RefCell::default(),
            stirred: Notify::new(),
            owing: Notify::new(),
            _work: work,
        }
    }

    /// A reading came. One that is new counts as on its way from here on. An end when there is no room to know
    /// of it.
    pub fn take(&self, reading: &Reading, base: u32) -> Result<Taken, End> {
        let state = &mut *self.state.borrow_mut();
        let is_of = |window: &Window| window.is_of(reading);
        if !to_front(&mut state.windows, is_of) {
            make_room(&mut state.windows)?;
            state.windows.insert(0, Window::new(reading, base));
        }
        let Some(window) = state.windows.first_mut() else {
            return Ok(Taken::Again);
        };
        let taken = window.take(reading.sequence, base);
        if taken == Taken::New {
            state.on_the_way += 1;
        }
        if window.due {
            self.stirred.notify_one();
        }
        Ok(taken)
    }

    pub fn send(&self, order: Order, device: u32, epoch: u64) {
        order.encode(device, epoch, &mut self.state.borrow_mut().out);
        self.stirred.notify_one();
    }

    /// A device said hello. Until it is welcomed, saying so again adds nothing; nor does it when as many others
    /// wait as a connection may carry.
    pub fn owe(&self, device: u32) {
        let owed = &mut self.state.borrow_mut().owed;
        if owed.len() < CARRIED && !owed.contains(&device) {
            owed.push_back(device);
            self.owing.notify_one();
        }
    }

    /// Waits until a device is to be welcomed, and not too much is to be sent. There must not be more than one who
    /// does.
    pub async fn owes(&self) {
        while !self.state.borrow().may_welcome() {
            self.owing.notified().await;
        }
    }

    /// The device whose turn it is to be welcomed.
    pub fn next_owed(&self) -> Option<u32> {
        self.state.borrow_mut().owed.pop_front()
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.state.borrow_mut().ended = true;
        self.stirred.notify_one();
    }

    /// Waits for something to send, and moves it to `out`, which is empty: how many acknowledgements are among
    /// it. None when nothing will come any more.
    pub async fn next(&self, out: &mut Vec<u8>) -> Result<Option<u64>, End> {
        loop {
            {
                out.shrink_to(2 * ROOM);
                let state = &mut *self.state.borrow_mut();
                if state.lost {
                    return Err(End::Aborted);
                }
                std::mem::swap(out, &mut state.out);
                let due = state.windows.iter_mut().filter_map(Window::acknowledge);
                let mut acks = 0;
                for (device, epoch, sequence) in due {
                    Order::Ack { sequence }.encode(device, epoch, out);
                    acks += 1;
                }
                if !out.is_empty() {
                    self.owing.notify_one();
                    return Ok(Some(acks));
                }
                if state.ended && state.on_the_way == 0 {
                    return Ok(None);
                }
            }
            self.stirred.notified().await;
        }
    }
}

impl State {
    fn may_welcome(&self) -> bool {
        !self.owed.is_empty() && self.out.len() < ROOM
    }

    /// A reading is not on its way any more: the window that it is in, unless that is forgotten.
    fn off_the_way(&mut self, reading: &Reading) -> Option<&mut Window> {
        self.on_the_way -= 1;
        self.windows.iter_mut().find(|window| window.is_of(reading))
    }
}

impl Recipient for Session {
    fn settle(&self, reading: &Reading) {
        let state = &mut *self.state.borrow_mut();
        let due = state.off_the_way(reading).is_some_and(|window| window.settle(reading.sequence));
        if due || state.on_the_way == 0 {
            self.stirred.notify_one();
        }
    }

    fn forget(&self, reading: &Reading) {
        let state = &mut *self.state.borrow_mut();
        if let Some(window) = state.off_the_way(reading) {
            window.forget(reading.sequence);
        }
        if state.on_the_way == 0 {
            self.stirred.notify_one();
        }
    }

    /// Only an end makes the device send it elsewhere.
    fn lose(&self) {
        let state = &mut *self.state.borrow_mut();
        state.on_the_way -= 1;
        state.lost = true;
        self.stirred.notify_one();
    }
}

impl Window {
    fn new(reading: &Reading, base: u32) -> Self {
        Self {
            device: reading.device,
            epoch: reading.epoch,
            base,
            on_the_way: 0,
            durable: 0,
            acknowledged: 0,
            due: false,
        }
    }

    fn is_of(&self, reading: &Reading) -> bool {
        (self.device, self.epoch) == (reading.device, reading.epoch)
    }

    /// None for what the device does not hold any more.
    fn bit(&self, sequence: u32) -> Option<u64> {
        let place = sequence.checked_sub(self.base).filter(|place| *place < HELD)?;
        Some(1 << place)
    }

    fn take(&mut self, sequence: u32, base: u32) -> Taken {
        if let Some(freed) = base.checked_sub(self.base) {
            self.base = base;
            self.on_the_way = self.on_the_way.checked_shr(freed).unwrap_or(0);
            self.durable = self.durable.checked_shr(freed).unwrap_or(0);
            self.progress();
        }
        let Some(bit) = self.bit(sequence) else {
            return Taken::New;
        };
        if self.durable & bit != 0 {
            self.due = true;
            Taken::Again
        } else if self.on_the_way & bit != 0 {
            Taken::Again
        } else {
            self.on_the_way |= bit;
            Taken::New
        }
    }

    /// The device has to send it again.
    fn forget(&mut self, sequence: u32) {
        if let Some(bit) = self.bit(sequence) {
            self.on_the_way &= !bit;
        }
    }

    /// Whether an acknowledgement is due.
    fn settle(&mut self, sequence: u32) -> bool {
        if let Some(bit) = self.bit(sequence) {
            self.on_the_way &= !bit;
            self.durable |= bit;
            self.progress();
        }
        self.due
    }

    /// The last of the readings, from the oldest on, that are durable without a gap.
    fn reached(&self) -> Option<u32> {
        let count = self.durable.trailing_ones();
        (count > 0).then(|| self.base + (count - 1))
    }

    fn progress(&mut self) {
        if let Some(reached) = self.reached().filter(|reached| *reached > self.acknowledged) {
            self.acknowledged = reached;
            self.due = true;
        }
    }

    /// The acknowledgement that is due.
    fn acknowledge(&mut self) -> Option<(u32, u64, u32)> {
        let sequence = std::mem::take(&mut self.due).then(|| self.reached()).flatten()?;
        Some((self.device, self.epoch, sequence))
    }
}

/// Makes room for one more where there are many: of those with nothing on its way, the ones that were used longest
/// ago go.
fn make_room(windows: &mut Vec<Window>) -> Result<(), End> {
    let is_idle = |window: &Window| window.on_the_way == 0;
    while windows.len() >= EPOCHS {
        match windows.iter().rposition(is_idle) {
            Some(place) => drop(windows.remove(place)),
            None if windows.len() < MOST_EPOCHS => return Ok(()),
            None => return Err(End::TooManyDevices),
        }
    }
    windows.shrink_to(EPOCHS);
    Ok(())
}
