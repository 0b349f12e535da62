//! Bytes from each side to the other, until both have ended or one has broken.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep};

use super::buffer::{Buffer, Room};
use super::end::End;
use crate::stats::add;

/// Buffers of a connection on which nothing has moved for so long shrink.
const QUIET: Duration = Duration::from_secs(1);

/// Counts bytes of an endpoint, and of one connection.
type Tally<'a> = (&'a AtomicU64, &'a Cell<u64>);

/// What a relay is given beside its sides.
pub struct Relay<'a> {
    /// Of silence in both directions, after which it ends.
    pub idle: Duration,
    pub room: &'a Room,
    /// From the client.
    pub sent: Tally<'a>,
    /// From the upstream.
    pub received: Tally<'a>,
}

/// Copies until the end. Half of a connection that has ended is ended on the other side as well.
pub async fn relay<C, U>(client: &mut C, upstream: &mut U, given: Relay<'_>) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let Relay { idle, room, sent, received } = given;
    let (mut up, mut down) = (Flow::new(room, sent), Flow::new(room, received));
    let mut last = Instant::now();
    let mut alarm = pin!(sleep(idle));
    // Who has ended its half first.
    let mut first = None;
    // Nothing more can be sent to the upstream.
    let mut cut = false;
    poll_fn(|context| {
        // What an upstream has sent is passed on, though the way to it is broken.
        let down_is_over = match down.poll(context, upstream, client, room) {
            Poll::Ready(Err(Broken::Source)) => return Poll::Ready(End::UpstreamReset),
            Poll::Ready(Err(Broken::Sink)) => return Poll::Ready(End::ClientReset),
            outcome => outcome.is_ready(),
        };
        let up_is_over = !cut
            && match up.poll(context, client, upstream, room) {
                Poll::Ready(Err(Broken::Source)) => return Poll::Ready(End::ClientReset),
                Poll::Ready(Err(Broken::Sink)) => {
                    cut = true;
                    false
                }
                outcome => outcome.is_ready(),
            };
        if cut && down_is_over {
            return Poll::Ready(End::UpstreamReset);
        }
        if down_is_over || up_is_over {
            let now = if down_is_over { End::UpstreamClosed } else { End::ClientClosed };
            let first = *first.get_or_insert(now);
            if down_is_over && up_is_over {
                return Poll::Ready(first);
            }
        }
        let is_large = up.buffer.is_large() || down.buffer.is_large();
        if up.has_moved() | down.has_moved() {
            last = Instant::now();
            if is_large && alarm.deadline() > last + QUIET {
                alarm.as_mut().reset(last + QUIET);
            }
        }
        while alarm.as_mut().poll(context).is_ready() {
            let silence = last.elapsed();
            if silence >= idle {
                return Poll::Ready(End::Idle);
            }
            let busy = is_large && silence < QUIET;
            if !busy {
                up.buffer.shrink();
                down.buffer.shrink();
            }
            alarm.as_mut().reset(last + if busy { QUIET } else { idle });
        }
        Poll::Pending
    })
    .await
}

/// Which end of a flow is broken.
enum Broken {
    Source,
    Sink,
}

/// One direction.
struct Flow<'a> {
    buffer: Buffer,
    tally: Tally<'a>,
    moved: bool,
    /// Its source has ended.
    over: bool,
    /// Its sink was told.
    told: bool,
}

impl<'a> Flow<'a> {
    fn new(room: &Room, tally: Tally<'a>) -> Self {
        Self { buffer: Buffer::new(room), tally, moved: false, over: false, told: false }
    }

    /// Ready when its source has ended and its sink was told.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
        room: &Room,
    ) -> Poll<Result<(), Broken>> {
        while !self.told {
            if !self.buffer.pending().is_empty() {
                let written = Pin::new(&mut *sink).poll_write(context, self.buffer.pending());
                self.wrote(ready!(written)).map_err(|_| Broken::Sink)?;
            } else if self.over {
                let told = Pin::new(&mut *sink).poll_shutdown(context);
                ready!(told).map_err(|_| Broken::Sink)?;
                self.told = true;
            } else {
                let mut space = ReadBuf::new(self.buffer.space(room));
                let read = Pin::new(&mut *source).poll_read(context, &mut space);
                ready!(read).map_err(|_| Broken::Source)?;
                let count = space.filled().len();
                self.buffer.read(count);
                (self.over, self.moved) = (count == 0, true);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, outcome: io::Result<usize>) -> io::Result<()> {
        let count = outcome?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.buffer.written(count);
        self.moved = true;
        let (of_endpoint, of_connection) = self.tally;
        let bytes = count as u64;
        add(of_endpoint, bytes);
        of_connection.set(of_connection.get().wrapping_add(bytes));
        Ok(())
    }

    /// Whether something was read or written since it was asked before.
    fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::stats::Stats;

    const IDLE: Duration = Duration::from_mins(5);

    struct Middle {
        stats: Arc<Stats>,
        counters: (AtomicU64, AtomicU64),
        bytes: (Cell<u64>, Cell<u64>),
    }

    impl Middle {
        fn new() -> Self {
            Self { stats: Arc::default(), counters: Default::default(), bytes: Default::default() }
        }

        async fn relay(&self, client: &mut DuplexStream, upstream: &mut DuplexStream) -> End {
            let room = Room::new(1 << 30, &self.stats);
            let given = Relay {
                idle: IDLE,
                room: &room,
                sent: (&self.counters.0, &self.bytes.0),
                received: (&self.counters.1, &self.bytes.1),
            };
            relay(client, upstream, given).await
        }

        fn buffered(&self) -> i64 {
            self.stats.buffered.load(Relaxed)
        }
    }

    /// A peer, and this side of the connection to it, with a wire that takes so many bytes.
    fn wire(bytes: usize) -> (DuplexStream, DuplexStream) {
        duplex(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_after_silence_and_not_before() {
        let ((mut client, mut down), (_upstream, mut up)) = (wire(64), wire(64));
        let middle = Middle::new();
        let began = Instant::now();
        let talk = async {
            advance(Duration::from_secs(299)).await;
            client.write_all(b"still here").await.unwrap();
            std::future::pending::<End>().await
        };
        let end = tokio::select! {
            end = middle.relay(&mut down, &mut up) => end,
            end = talk => end,
        };
        assert_eq!(end, End::Idle);
        assert_eq!(began.elapsed().as_secs(), 2 * IDLE.as_secs() - 1);
        assert_eq!((middle.bytes.0.get(), middle.bytes.1.get()), (10, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_that_has_ended_leaves_the_other() {
        let ((mut client, mut down), (mut upstream, mut up)) = (wire(64), wire(64));
        let middle = Middle::new();
        let talk = async {
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = String::new();
            upstream.read_to_string(&mut heard).await.unwrap();
            upstream.write_all(b"answer").await.unwrap();
            upstream.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            (heard, answer)
        };
        let (end, (heard, answer)) = tokio::join!(middle.relay(&mut down, &mut up), talk);
        assert_eq!((heard.as_str(), answer.as_str()), ("question", "answer"));
        assert_eq!(end, End::ClientClosed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_upstream_has_said_before_it_went_away_arrives() {
        let ((mut client, mut down), (mut upstream, mut up)) = (wire(8), wire(64));
        let middle = Middle::new();
        let talk = async {
            upstream.write_all(&[7; 64]).await.unwrap();
            drop(upstream);
            client.write_all(b"more").await.unwrap();
            let mut heard = [0; 64];
            client.read_exact(&mut heard).await.unwrap();
            heard
        };
        let (end, heard) = tokio::join!(middle.relay(&mut down, &mut up), talk);
        assert_eq!((end, heard), (End::UpstreamReset, [7; 64]));
    }

    #[tokio::test(start_paused = true)]
    async fn buffers_grow_under_load_and_shrink_in_a_quiet_second() {
        let ((mut client, mut down), (mut upstream, mut up)) = (wire(1 << 20), wire(1 << 20));
        let middle = Middle::new();
        let talk = async {
            upstream.write_all(&vec![7; 1 << 20]).await.unwrap();
            let mut bytes = vec![0; 1 << 20];
            client.read_exact(&mut bytes).await.unwrap();
            assert!(bytes.iter().all(|byte| *byte == 7));
            assert_eq!(middle.buffered(), (256 - 1) << 10);
            tokio::time::sleep(2 * QUIET).await;
            assert_eq!(middle.buffered(), 0);
        };
        tokio::select! {
            end = middle.relay(&mut down, &mut up) => panic!("{end:?}"),
            () = talk => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_holds_up_the_other_side_and_takes_no_more_memory() {
        let ((_client, mut down), (mut upstream, mut up)) = (wire(64), wire(64));
        let middle = Middle::new();
        let flood = async {
            let mut taken = 0;
            while timeout(Duration::from_secs(30), upstream.write_all(&[0; 64])).await.is_ok() {
                taken += 64;
            }
            taken
        };
        tokio::select! {
            end = middle.relay(&mut down, &mut up) => panic!("{end:?}"),
            taken = flood => assert!(taken < 1_024 + 4 * 64, "{taken} bytes were taken"),
        }
        assert_eq!(middle.buffered(), 0);
    }
}
