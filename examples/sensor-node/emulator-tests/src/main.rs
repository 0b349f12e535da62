//! Runs the released image in QEMU on a terminal: welcomes it, acknowledges what it sends, prints
//! what it says, and passes on what is typed.

use std::io;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use app::command;
use emulator_tests::message::{Command, Message};
use emulator_tests::qemu::{Pace, Qemu};

const USAGE: &str = "commands: start MILLISECONDS, stop, ping, status, version; Ctrl-C ends";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut node = Qemu::boot(Pace::Real);
    println!("{USAGE}");
    let link = node.link();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            match parse(&line) {
                Some(command) if link.send(&command.encoded()).is_ok() => {}
                Some(_) => return,
                None => println!("{USAGE}"),
            }
        }
    });
    loop {
        let message = node.next_message();
        println!("{message:?}");
        match message {
            Message::Hello { .. } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
                node.send(Command::welcome(u64::try_from(now)?));
            }
            Message::Reading { epoch, sequence, .. } => node.send(Command::ack(epoch, sequence)),
            _ => {}
        }
    }
}

/// The command in a line.
fn parse(line: &str) -> Option<Command> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["start", period] => Some(Command::start(period.parse().ok()?)),
        ["stop"] => Some(Command::plain(command::STOP)),
        ["ping"] => Some(Command::plain(command::PING)),
        ["status"] => Some(Command::plain(command::GET_STATUS)),
        ["version"] => Some(Command::plain(command::GET_VERSION)),
        _ => None,
    }
}
