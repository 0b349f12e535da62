//! An API that takes readings as strictly as the contract says, and misbehaves as it is told.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;

use super::{take, take_head};

/// What the API does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// What the contract says.
    Judge,
    /// The same, but the answer is lost.
    JudgeInSilence,
    /// Refuses readings with a value below 0 with this status, and names them or not.
    Refuse(u16, bool),
    /// These bytes, and the connection stays.
    Say(String),
    /// These bytes again and again, as long as somebody reads them.
    Endless(String),
    /// Nothing, until the other side has gone.
    Silence,
    Close,
    Reset,
}

/// Device, epoch and sequence.
pub type Key = (String, u64, u64);
type Answer = dyn Fn(usize, &[Value]) -> Reply + Send + Sync;

#[derive(Clone, Default)]
struct Kept {
    /// What each key was stored with.
    readings: BTreeMap<Key, (String, String)>,
    /// How many readings each request had.
    requests: Vec<usize>,
    violations: Vec<String>,
}

pub struct Api {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Api {
    /// Listens until the tests end. The number of a request and its readings say what is done with it.
    pub fn start(answer: impl Fn(usize, &[Value]) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub fn listen(
        listener: TcpListener,
        answer: impl Fn(usize, &[Value]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let kept = Arc::default();
        let api = Self { address, kept: Arc::clone(&kept) };
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                // One that breaks is the service's to judge.
                std::thread::spawn(move || {
                    drop(stream.and_then(|stream| converse(stream, &*answer, &kept)));
                });
            }
        });
        api
    }

    /// One that does nothing wrong.
    pub fn well() -> Self {
        Self::start(|_, _| Reply::Judge)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub fn has(&self, key: &Key) -> bool {
        self.kept().readings.contains_key(key)
    }

    pub fn count(&self) -> usize {
        self.kept().readings.len()
    }

    /// How many readings each request had.
    pub fn requests(&self) -> Vec<usize> {
        self.kept().requests.clone()
    }

    /// What requests did that the contract forbids.
    pub fn violations(&self) -> Vec<String> {
        self.kept().violations.clone()
    }
}

fn converse(mut stream: TcpStream, answer: &Answer, kept: &Mutex<Kept>) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        let head = take_head(&mut stream, &mut pending)?.to_ascii_lowercase();
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let length = lines.find_map(|(name, text)| (name == "content-length").then_some(text));
        let body = take(&mut stream, &mut pending, length.unwrap().parse().unwrap())?;
        let (number, readings) = note(&head, &body, &mut kept.lock().unwrap());
        let reply = answer(number, &readings);
        let text = match &reply {
            Reply::Judge | Reply::JudgeInSilence => judge(&readings, &mut kept.lock().unwrap()),
            Reply::Refuse(status, names) => match refuse(*status, *names, &readings) {
                Some(text) => text,
                None => judge(&readings, &mut kept.lock().unwrap()),
            },
            Reply::Say(text) | Reply::Endless(text) => text.clone(),
            Reply::Silence | Reply::Close | Reply::Reset => String::new(),
        };
        match reply {
            Reply::Judge | Reply::Refuse(..) | Reply::Say(_) => {
                stream.write_all(text.as_bytes())?;
            }
            Reply::Endless(_) => loop {
                stream.write_all(text.as_bytes())?;
            },
            Reply::Silence => return io::copy(&mut stream, &mut io::sink()).map(drop),
            Reply::Reset => return SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
            Reply::JudgeInSilence | Reply::Close => return Ok(()),
        }
    }
}

/// Holds a request to the contract: its number, and its readings.
fn note(head: &str, body: &[u8], kept: &mut Kept) -> (usize, Vec<Value>) {
    let mut wrong = Vec::new();
    if !head.starts_with("post /v1/readings http/1.1\r\n")
        || !head.contains("\r\ncontent-type: application/json\r\n")
        || head.matches("\r\nhost: ").count() != 1
    {
        wrong.push(head.to_owned());
    }
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let readings = value["readings"].as_array().cloned().unwrap_or_default();
    if value.as_object().is_none_or(|object| object.len() != 1)
        || !(1..=1_000).contains(&readings.len())
        || body.len() > 1 << 20
    {
        wrong.push(value.to_string());
    }
    let invalid = readings.iter().filter(|reading| !is_valid(reading));
    wrong.extend(invalid.map(Value::to_string));
    kept.violations.extend(wrong);
    kept.requests.push(readings.len());
    (kept.requests.len() - 1, readings)
}

fn is_valid(reading: &Value) -> bool {
    let number = |name: &str| reading[name].as_u64().unwrap_or(0);
    let text = |name: &str| reading[name].as_str().unwrap_or_default();
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let device = text("device");
    let at = text("measured_at");
    let shape: String = at.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    reading.as_object().is_some_and(|object| object.len() == 5)
        && device.len() == 8
        && device.bytes().all(is_hex)
        && (1..=1 << 53).contains(&number("epoch"))
        && (1..=u64::from(u32::MAX)).contains(&number("sequence"))
        && shape == "0000-00-00T00:00:00.000Z"
        && ("2000".."2101").contains(&at)
        && reading["value"].is_number()
}

pub fn key(reading: &Value) -> Key {
    let number = |name: &str| reading[name].as_u64().unwrap();
    (reading["device"].as_str().unwrap().to_owned(), number("epoch"), number("sequence"))
}

/// All or nothing, and once.
fn judge(readings: &[Value], kept: &mut Kept) -> String {
    let content =
        |reading: &Value| (reading["measured_at"].to_string(), reading["value"].to_string());
    let differs = |reading: &Value| {
        kept.readings.get(&key(reading)).is_some_and(|stored| *stored != content(reading))
    };
    let conflicts: Vec<_> = (0..readings.len()).filter(|at| differs(&readings[*at])).collect();
    if !conflicts.is_empty() {
        return problem(409, &conflicts);
    }
    kept.readings.extend(readings.iter().map(|reading| (key(reading), content(reading))));
    said(200, "{\"accepted\":1,\"duplicates\":0}")
}

fn refuse(status: u16, names: bool, readings: &[Value]) -> Option<String> {
    let is_bad = |at: &usize| readings[*at]["value"].as_f64().is_some_and(|value| value < 0.0);
    let bad: Vec<_> = (0..readings.len()).filter(is_bad).collect();
    (!bad.is_empty()).then(|| problem(status, if names { &bad } else { &[] }))
}

/// What names these readings.
fn problem(status: u16, readings: &[usize]) -> String {
    let violation = |at: &usize| json!({"pointer": format!("#/readings/{at}"), "detail": "is bad"});
    let errors: Vec<_> = readings.iter().map(violation).collect();
    said(status, &json!({"code": "refused", "detail": "no", "errors": errors}).to_string())
}

/// An answer in bytes.
pub fn said(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
