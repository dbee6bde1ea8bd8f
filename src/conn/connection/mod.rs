//! One exchange at a time with one Blender.
//!
//! ```text
//!            start            whole reply
//!   QUIET ──────────> BUSY ───────────────> QUIET
//!     │ ^               │ cut                          a *warm* connection keeps its stream;
//!     │ └─ OPENING <────┘ (per request)                a *per-request* one dials for each exchange
//!     │                 v
//!     │             DRAINING  the caller is gone, the add-on must still be read
//!     v                 v
//!    OVER <─────────────┘
//! ```
//!
//! Whoever has a command writes it at once from its own thread ([`Connection::start`]); a
//! [poller](super::poller), or where there is none one task per stream, reads, finishes writes that the
//! socket would not take, and notices a peer that went away or speaks out of turn while nobody asked. A
//! stream whose exchange was cut short is never used again: without ids, a late reply would be taken for
//! the next answer.
//!
//! The `line` mutex is held for a few instructions, at most one non-blocking look at the socket and one
//! `write`; never across an await and never while the owner is called.

mod attend;
pub(super) mod complaint;
mod reading;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

pub use self::reading::News;
use self::reading::Reading;
use super::body::Body;
use super::stream::Stream;
use super::target::Target;
use crate::fault::{Delivered, Fault};
use crate::wire::Dialect;

/// A connection that was quiet for longer may have ended since anybody looked: the event loop had something
/// else to do.
const FRESH: Duration = Duration::from_micros(100);

/// Who is told what becomes of a connection. Called without any lock, from the
/// connection's task or from the thread that closes a connection which has none.
pub trait Owner: Send + Sync + 'static {
    /// The exchange that was started has an outcome. Once per [`Connection::start`] that was
    /// accepted, unless it was cut.
    fn settled(&self, connection: &Arc<Connection>, outcome: Outcome);
    /// The connection is over and its socket closed. Once, as the last call.
    fn ended(&self, connection: &Arc<Connection>, ending: Ending);
}

/// How an exchange came out.
#[derive(Debug)]
pub enum Outcome {
    /// A whole, well-formed reply.
    Reply(Reply),
    /// No reply. The connection is over: [`Owner::ended`] follows.
    Failed(Fault),
    /// Nothing was written, because no stream could be opened for it (per-request connections).
    /// The connection is fit for another try.
    Unsent(Fault),
}

/// One reply document, checked: UTF-8, one JSON object, of the dialect's shape, the right id.
#[derive(Debug)]
pub struct Reply {
    /// The document, without delimiters.
    pub body: Body,
    /// Whether the add-on says it succeeded.
    pub ok: bool,
    /// Whether the connection is fit for the next command; if not, [`Owner::ended`] follows.
    pub fit: bool,
}

/// Why a connection is over.
#[derive(Debug)]
pub enum Ending {
    /// [`Connection::close`] was called.
    Closed,
    /// The peer closed or reset it, or the exchange failed.
    Lost(Fault),
    /// Bytes arrived that nobody had asked for.
    Desync(Fault),
    /// A cut exchange was read to its end, or given up after its time.
    Drained,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Quiet,
    Opening,
    Busy,
    Draining,
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Connection {
    target: Arc<Target>,
    slot: u32,
    id: u64,
    dialect: &'static Dialect,
    line: Mutex<Line>,
    reading: Reading,
    /// Tells the stream's task to look at the line again.
    wake: Notify,
    owner: Weak<dyn Owner>,
}

/// The state of the exchange. `written == request.len()` means that nothing is left to write.
struct Line {
    phase: Phase,
    stream: Option<Arc<Stream>>,
    exchange: u64,
    /// Whether the reply is to be given as it comes.
    raw: bool,
    request: Vec<u8>,
    written: usize,
    received: usize,
    drain_until: Option<Instant>,
    quiet_since: Instant,
    closing: bool,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({:?}, {} written, {} received)", self.phase, self.written, self.received)
    }
}

impl Line {
    fn delivered(&self) -> Delivered {
        match (self.written, self.received) {
            (0, _) => Delivered::No,
            (_, 0) => Delivered::Maybe,
            _ => Delivered::Yes,
        }
    }

    /// Whether something is left to write, and until when an exchange that was cut is read.
    fn asks(&self) -> (bool, Option<Instant>) {
        (self.written < self.request.len(), self.drain_until)
    }

    /// Whether the peer has hung up since the last exchange.
    fn has_ended(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| self.quiet_since.elapsed() > FRESH && stream.has_ended())
    }

    /// Writes what the socket takes now.
    fn push(&mut self) -> io::Result<()> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        while self.written < self.request.len() {
            match stream.try_write(&self.request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        if let Some(stream) = &self.stream {
            stream.shutdown();
        }
    }
}

/// The connection cannot take a command now; the command was not touched.
#[derive(Debug)]
pub struct NotReady;

impl Connection {
    /// A warm connection over `stream`, whose task is spawned on the current runtime.
    ///
    /// # Errors
    /// When the system cannot watch one more socket.
    pub fn warm(
        target: Arc<Target>,
        slot: u32,
        id: u64,
        dialect: &'static Dialect,
        stream: Stream,
    ) -> io::Result<Arc<Self>> {
        #[cfg(unix)]
        let stream = if target.poller.is_some() { stream.into_watched()? } else { stream };
        let stream = Arc::new(stream);
        let connection = Self::new(target, slot, id, dialect, Some(stream.clone()));
        connection.start_reading(&stream)?;
        let span = connection.span();
        tokio::spawn(connection.clone().attend(stream).instrument(span));
        Ok(connection)
    }

    /// A connection that dials for each exchange and closes after the reply.
    pub fn per_request(
        target: Arc<Target>,
        slot: u32,
        id: u64,
        dialect: &'static Dialect,
    ) -> Arc<Self> {
        Self::new(target, slot, id, dialect, None)
    }

    fn new(
        target: Arc<Target>,
        slot: u32,
        id: u64,
        dialect: &'static Dialect,
        stream: Option<Arc<Stream>>,
    ) -> Arc<Self> {
        let line = Line {
            phase: Phase::Quiet,
            stream,
            exchange: 0,
            raw: false,
            request: Vec::new(),
            written: 0,
            received: 0,
            drain_until: None,
            quiet_since: Instant::now(),
            closing: false,
        };
        let owner = target.owner.clone();
        Arc::new(Connection {
            target,
            slot,
            id,
            dialect,
            line: Mutex::new(line),
            reading: Reading::default(),
            wake: Notify::new(),
            owner,
        })
    }

    /// Its number, from 1 in order of creation.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The slot it was opened for.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Where it leads.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// What it speaks.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing in here panics between two consistent states.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn span(&self) -> tracing::Span {
        tracing::debug_span!("connection", pool = %self.target.pool, connection = self.id, endpoint = %self.target.name)
    }

    /// Writes what the socket would not take before.
    #[cfg(unix)]
    fn write_on(&self) {
        let mut line = self.line();
        if line.written < line.request.len()
            && line.push().is_err()
            && let Some(stream) = &line.stream
        {
            // Whoever reads sees the end.
            stream.shutdown();
        }
    }

    /// Begins an exchange: writes `request` as far as the socket takes it, on this thread.
    /// `exchange` is the id that the reply must echo, where the dialect has ids; `raw` asks for its bytes
    /// as they come. A `request` that the socket takes at once is left to the caller, whose memory it is;
    /// of another an empty one is left.
    ///
    /// # Errors
    /// [`NotReady`] when the connection is busy or over. Then no byte was written.
    pub fn start(
        self: &Arc<Self>,
        exchange: u64,
        request: &mut Vec<u8>,
        raw: bool,
    ) -> Result<(), NotReady> {
        let mut line = self.line();
        if line.phase != Phase::Quiet {
            return Err(NotReady);
        }
        if line.has_ended() {
            // Whoever reads reports it.
            line.end();
            return Err(NotReady);
        }
        line.exchange = exchange;
        line.raw = raw;
        line.request = std::mem::take(request);
        line.written = 0;
        line.received = 0;
        if line.stream.is_none() {
            line.phase = Phase::Opening;
            drop(line);
            let span = self.span();
            self.target.runtime.spawn(self.clone().dial_and_attend().instrument(span));
            return Ok(());
        }
        line.phase = Phase::Busy;
        if line.push().is_err() {
            let untouched = line.written == 0;
            // The task sees the end of the stream and reports it: as the exchange's failure when
            // part of it was written, as a quiet end when the caller may still send it elsewhere.
            if untouched {
                line.phase = Phase::Over;
            }
            if let Some(stream) = &line.stream {
                stream.shutdown();
            }
            return if untouched { Err(NotReady) } else { Ok(()) };
        }
        if line.written < line.request.len() {
            self.wake.notify_one();
        } else {
            *request = std::mem::take(&mut line.request);
            line.written = usize::MAX;
        }
        Ok(())
    }

    /// The caller of `exchange` is gone. What was wholly written is read to the end of its reply
    /// for at most `drain`, because an add-on that cannot write its reply freezes Blender; what was
    /// written in part is closed at once, so that it can never run; what was not started yet never
    /// will be. [`Owner::settled`] will not be called for it any more than it has been;
    /// [`Owner::ended`] will.
    pub fn cut(self: &Arc<Self>, exchange: u64, drain: Duration) -> Delivered {
        let mut line = self.line();
        let delivered = if line.exchange == exchange { line.delivered() } else { Delivered::No };
        match line.phase {
            Phase::Busy if line.written >= line.request.len() => {
                line.phase = Phase::Draining;
                line.drain_until = Some(Instant::now() + drain);
                self.wake.notify_one();
            }
            Phase::Busy | Phase::Opening => {
                line.end();
                self.wake.notify_one();
            }
            Phase::Quiet => {
                drop(line);
                self.close();
            }
            Phase::Draining | Phase::Over => {}
        }
        delivered
    }

    /// Closes the socket. A running exchange fails; draining stops. [`Owner::ended`] follows.
    pub fn close(self: &Arc<Self>) {
        let mut line = self.line();
        let was = line.phase;
        // One that is over already ended for a reason of its own.
        line.closing |= was != Phase::Over;
        let no_task = line.stream.is_none() && was == Phase::Quiet;
        match was {
            Phase::Over => return,
            // The task still owes an outcome, so it must see the exchange as running.
            Phase::Busy => {
                if let Some(stream) = &line.stream {
                    stream.shutdown();
                }
            }
            _ => line.end(),
        }
        self.wake.notify_one();
        drop(line);
        if no_task && let Some(owner) = self.owner.upgrade() {
            owner.ended(self, Ending::Closed);
        }
    }
}
