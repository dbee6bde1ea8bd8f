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
//! Whoever has a command writes it at once from its own thread ([`Connection::start`]); one task
//! per stream reads, finishes writes that the socket would not take, and notices a peer that went
//! away or speaks out of turn while nobody asked. A stream whose exchange was cut short is never
//! used again: without ids, a late reply would be taken for the next answer.
//!
//! The `line` mutex is held for a few instructions and at most one non-blocking `write`; never
//! across an await and never while the owner is called.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, debug, trace, warn};

use super::dial::dial;
use super::open::Target;
use super::stream::Stream;
use crate::fault::{Cause, Code, Delivered, Fault};
use crate::wire::{Dialect, FrameError, Framer};

/// What one read asks the buffer to make room for.
const READ_MIN: usize = 8 * 1024;
/// Growth of the buffer is capped, so that a large reply costs at most this much too much.
const READ_MAX: usize = 4 * 1024 * 1024;
/// A reply up to this size is copied out and the buffer kept; a larger one takes the buffer along.
const KEEP: usize = 64 * 1024;

/// Who is told what becomes of a connection. Called from the connection's task, without any lock.
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
    /// A whole, well-formed reply. The connection is fit for the next command.
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
    /// The document's bytes, without delimiters.
    pub bytes: Vec<u8>,
    /// Whether all of them are ASCII.
    pub ascii: bool,
    /// Whether the add-on says it succeeded.
    pub ok: bool,
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
    /// Tells the stream's task to look at the line again.
    wake: Notify,
    owner: Weak<dyn Owner>,
}

/// The state of the exchange. `written == request.len()` means that nothing is left to write.
struct Line {
    phase: Phase,
    stream: Option<Arc<Stream>>,
    exchange: u64,
    request: Vec<u8>,
    written: usize,
    received: usize,
    drain_until: Option<Instant>,
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
    pub fn warm(
        target: Arc<Target>,
        slot: u32,
        id: u64,
        dialect: &'static Dialect,
        stream: Stream,
    ) -> Arc<Self> {
        let stream = Arc::new(stream);
        let connection = Self::new(target, slot, id, dialect, Some(stream.clone()));
        let span = connection.span();
        tokio::spawn(connection.clone().attend(stream).instrument(span));
        connection
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
            request: Vec::new(),
            written: 0,
            received: 0,
            drain_until: None,
            closing: false,
        };
        let owner = target.owner.clone();
        Arc::new(Connection {
            target,
            slot,
            id,
            dialect,
            line: Mutex::new(line),
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

    /// Begins an exchange: writes `request` as far as the socket takes it, on this thread.
    /// `exchange` is the id that the reply must echo, where the dialect has ids.
    ///
    /// # Errors
    /// [`NotReady`] when the connection is busy or over. Then no byte was written.
    pub fn start(self: &Arc<Self>, exchange: u64, request: Vec<u8>) -> Result<(), NotReady> {
        let mut line = self.line();
        if line.phase != Phase::Quiet {
            return Err(NotReady);
        }
        line.exchange = exchange;
        line.request = request;
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
            line.request = Vec::new();
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
        line.closing = true;
        let was = line.phase;
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

    /// The task of a per-request connection, from dialling to the reply.
    async fn dial_and_attend(self: Arc<Self>) {
        let dialled = tokio::select! {
            dialled = dial(&self.target.address, self.target.connect_timeout) => dialled,
            () = self.wait_for_end() => Err(Fault::new(Code::ConnectionLost, "the call was cut while its connection opened")),
        };
        let stream = match dialled {
            Ok(stream) => Arc::new(stream),
            Err(fault) => {
                let mut line = self.line();
                let over = line.phase == Phase::Over;
                if !over {
                    line.phase = Phase::Quiet;
                }
                drop(line);
                let Some(owner) = self.owner.upgrade() else {
                    return;
                };
                if over {
                    owner.ended(&self, Ending::Closed);
                } else {
                    let fault = fault.endpoint(&*self.target.name);
                    owner.settled(&self, Outcome::Unsent(fault));
                }
                return;
            }
        };
        {
            let mut line = self.line();
            if line.phase == Phase::Over {
                drop(line);
                if let Some(owner) = self.owner.upgrade() {
                    owner.ended(&self, Ending::Closed);
                }
                return;
            }
            line.stream = Some(stream.clone());
            line.phase = Phase::Busy;
            // A failing write shows as the end of the stream, which the task reports.
            if line.push().is_err() {
                stream.shutdown();
            }
        }
        self.attend(stream).await;
    }

    async fn wait_for_end(&self) {
        loop {
            let woken = self.wake.notified();
            if self.line().phase == Phase::Over {
                return;
            }
            woken.await;
        }
    }

    /// Reads until the stream is over, or (per request) until its one exchange is.
    async fn attend(self: Arc<Self>, stream: Arc<Stream>) {
        debug!("open");
        let mut reader = Reader {
            buffer: Vec::new(),
            framer: Framer::new(self.dialect.framing, self.target.max_reply_bytes),
        };
        let ending = loop {
            let (unwritten, drain_until) = {
                let line = self.line();
                (line.written < line.request.len(), line.drain_until)
            };
            tokio::select! {
                ready = stream.readable() => {
                    let next = match ready {
                        Ok(()) => self.read(&stream, &mut reader),
                        Err(error) => Some(self.broken(&error)),
                    };
                    match next {
                        None => {}
                        Some(Next::Ended(ending)) => break Some(ending),
                        Some(Next::Parted) => break None,
                    }
                }
                _ = stream.writable(), if unwritten => {
                    let failed = self.line().push().is_err();
                    if failed {
                        stream.shutdown();
                    }
                }
                () = self.wake.notified() => {}
                () = sleep_until(drain_until.unwrap_or_else(Instant::now)), if drain_until.is_some() => {
                    debug!("gave up draining");
                    self.line().end();
                    break Some(Ending::Drained);
                }
            }
        };
        let Some(ending) = ending else { return };
        let closing = {
            let mut line = self.line();
            line.end();
            line.stream = None;
            line.closing
        };
        let ending = if closing { Ending::Closed } else { ending };
        debug!(?ending, "over");
        if let Some(owner) = self.owner.upgrade() {
            // The socket must be gone before the owner counts a free slot.
            drop(stream);
            owner.ended(&self, ending);
        }
    }

    /// Takes what has arrived. `None`: nothing more for now.
    fn read(self: &Arc<Self>, stream: &Arc<Stream>, reader: &mut Reader) -> Option<Next> {
        loop {
            if reader.buffer.capacity() - reader.buffer.len() < READ_MIN / 2 {
                reader.buffer.reserve(reader.buffer.capacity().clamp(READ_MIN, READ_MAX));
            }
            match stream.try_read(&mut reader.buffer) {
                Ok(0) => return Some(self.end_of_stream()),
                Ok(count) => {
                    trace!(bytes = count, "read");
                    if let Some(next) = self.take(stream, reader, count) {
                        return Some(next);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(self.broken(&error)),
            }
        }
    }

    /// Looks at the bytes in the buffer, the last `count` of which are new.
    fn take(
        self: &Arc<Self>,
        stream: &Arc<Stream>,
        reader: &mut Reader,
        count: usize,
    ) -> Option<Next> {
        let (phase, exchange, all_written) = {
            let mut line = self.line();
            line.received += count;
            (line.phase, line.exchange, line.written >= line.request.len())
        };
        match phase {
            Phase::Quiet | Phase::Opening => {
                let padding =
                    reader.buffer.iter().all(|byte| self.dialect.framing.is_padding(*byte));
                if padding {
                    reader.buffer.clear();
                    return None;
                }
                return Some(Next::Ended(Ending::Desync(self.desync(&reader.buffer))));
            }
            Phase::Over => {
                reader.buffer.clear();
                return None;
            }
            Phase::Busy | Phase::Draining => {}
        }
        let frame = match reader.framer.scan(&reader.buffer) {
            Ok(None) => return None,
            Ok(Some(frame)) => frame,
            Err(error) => {
                let fault = self.not_a_frame(&error, &reader.buffer);
                return Some(self.fail(fault));
            }
        };
        let checked =
            match self.dialect.check_reply(exchange, &reader.buffer[frame.start..frame.end]) {
                Ok(checked) => checked,
                Err(error) => {
                    let fault = self.not_a_reply(&error, &reader.buffer[frame.start..frame.end]);
                    return Some(self.fail(fault));
                }
            };
        let leftover = &reader.buffer[frame.consumed..];
        let surplus = !leftover.iter().all(|byte| self.dialect.framing.is_padding(*byte));
        let stray = surplus.then(|| self.desync(leftover));
        let bytes = reader.pull(frame.start, frame.end);
        // An answer that overtook its own request, or one with more behind it, is still this
        // caller's answer; but the stream is out of step from here on.
        let fit = stray.is_none() && all_written;
        let parted = self.dialect.policy.per_request;
        {
            let mut line = self.line();
            if line.phase == Phase::Draining || line.phase == Phase::Over {
                line.end();
                return Some(Next::Ended(Ending::Drained));
            }
            line.request = Vec::new();
            line.written = usize::MAX;
            if parted || !fit {
                stream.shutdown();
            }
            if parted {
                line.stream = None;
            }
            line.phase = if parted || fit { Phase::Quiet } else { Phase::Over };
        }
        if let Some(owner) = self.owner.upgrade() {
            owner.settled(
                self,
                Outcome::Reply(Reply { bytes, ascii: checked.ascii, ok: checked.ok }),
            );
        }
        if parted {
            return Some(Next::Parted);
        }
        match stray {
            Some(fault) => Some(Next::Ended(Ending::Desync(fault))),
            None if !fit => Some(Next::Ended(Ending::Lost(
                self.fault(Code::Protocol, "the reply came before the whole command had been sent"),
            ))),
            None => None,
        }
    }

    fn fault(&self, code: Code, message: impl Into<String>) -> Fault {
        Fault::new(code, message).endpoint(&*self.target.name).connection(self.id)
    }

    /// Ends the running exchange with `fault`, and the connection with it.
    fn fail(self: &Arc<Self>, fault: Fault) -> Next {
        let mut line = self.line();
        let phase = line.phase;
        let fault = fault.delivered(line.delivered());
        line.end();
        drop(line);
        match phase {
            Phase::Busy => {
                warn!(%fault, "exchange failed");
                if let Some(owner) = self.owner.upgrade() {
                    owner.settled(self, Outcome::Failed(fault.clone()));
                }
                Next::Ended(Ending::Lost(fault))
            }
            Phase::Draining => Next::Ended(Ending::Drained),
            Phase::Quiet | Phase::Opening | Phase::Over => Next::Ended(Ending::Lost(fault)),
        }
    }

    fn end_of_stream(self: &Arc<Self>) -> Next {
        let (received, busy, closing) = {
            let line = self.line();
            (line.received, line.phase == Phase::Busy, line.closing)
        };
        let name = &self.target.name;
        let fault = match (busy, received) {
            (true, _) if closing => self.fault(Code::ConnectionLost, format!("the connection to {name} was closed while the command ran")),
            (true, 0) => self
                .fault(Code::ConnectionLost, format!("{name} closed the connection before it answered"))
                .cause(Cause::text("the stream ended with 0 bytes of reply")),
            (true, count) => self
                .fault(Code::Protocol, format!("{name} closed the connection in the middle of a reply, after {count} bytes"))
                .advice("Blender may have crashed while it answered, or the add-on speaks another dialect. Check the scene before sending the command again.")
                .detail("receivedBytes", count),
            (false, _) => self.fault(Code::ConnectionLost, format!("{name} closed the connection")),
        };
        self.fail(fault)
    }

    fn broken(self: &Arc<Self>, error: &io::Error) -> Next {
        let name = &self.target.name;
        let fault = self
            .fault(Code::ConnectionLost, format!("the connection to {name} broke: {error}"))
            .cause(Cause::io(error, "read", self.target.address.to_string()));
        self.fail(fault)
    }

    fn desync(&self, bytes: &[u8]) -> Fault {
        self.fault(
            Code::Protocol,
            format!(
                "{} sent {} bytes that nobody had asked for: {}",
                self.target.name,
                bytes.len(),
                excerpt(bytes)
            ),
        )
        .detail("bytes", bytes.len())
    }

    fn not_a_frame(&self, error: &FrameError, bytes: &[u8]) -> Fault {
        let name = &self.target.name;
        let dialect = self.dialect.name;
        match error {
            FrameError::TooLarge { limit, size } => self
                .fault(Code::ReplyTooLarge, format!("the reply of {name} is larger than maxReplyBytes ({limit}); {size} bytes had come or were announced"))
                .detail("limitBytes", *limit)
                .detail("receivedBytes", *size),
            FrameError::Malformed { .. } => self.fault(
                Code::Protocol,
                format!("{name} answered with something that is not {dialect}: {}", excerpt(bytes)),
            ),
        }
    }

    fn not_a_reply(&self, error: &dyn std::error::Error, bytes: &[u8]) -> Fault {
        let name = &self.target.name;
        let dialect = self.dialect.name;
        self.fault(Code::Protocol, format!("{name} answered with something that is not a {dialect} reply: {error}; received {}", excerpt(bytes)))
            .cause(Cause::text(error.to_string()))
    }
}

enum Next {
    /// The connection is over.
    Ended(Ending),
    /// The stream is over, the (per-request) connection is not.
    Parted,
}

/// The reading side's own state: nobody else sees it, so it needs no lock.
struct Reader {
    buffer: Vec<u8>,
    framer: Framer,
}

impl Reader {
    /// Takes the document out and makes ready for the next frame.
    fn pull(&mut self, start: usize, end: usize) -> Vec<u8> {
        self.framer.reset();
        if end - start <= KEEP {
            let bytes = self.buffer[start..end].to_vec();
            self.buffer.clear();
            self.buffer.shrink_to(KEEP);
            return bytes;
        }
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.truncate(end);
        bytes.drain(..start);
        bytes
    }
}

/// The first bytes of something unexpected, fit for an error message.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let head = &bytes[..bytes.len().min(SHOWN)];
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    format!("'{}{dots}'", head.escape_ascii())
}
