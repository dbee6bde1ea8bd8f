//! Bytes into replies: by the connection's task, or by whoever polls for it.
//!
//! The reader is behind a lock, so that of two who come at the same time the second finds what the first
//! has left. It is held while the owner is called; the owner never asks for it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::{trace, warn};

use super::{Connection, Ending, Outcome, Phase, Reply};
use crate::conn::body::Body;
#[cfg(unix)]
use crate::conn::poller::Watch;
use crate::conn::stream::{More, Stream};
use crate::fault::{Cause, Code, Fault};
use crate::wire::Framer;

/// What one read asks the buffer to make room for.
const READ_MIN: usize = 8 * 1024;
/// Growth of the buffer is capped, so that a large reply costs at most this much too much.
const READ_MAX: usize = 4 * 1024 * 1024;
/// A reply up to this size is copied out and the buffer kept; a larger one takes the buffer along, and is
/// no poller's to read.
const KEEP: usize = 64 * 1024;

/// What a poller has heard of a socket.
#[derive(Clone, Copy, Debug)]
pub struct News {
    /// It takes bytes again.
    pub may_write: bool,
    /// After what has come there will be no more.
    pub is_last: bool,
}

/// How a connection's stream is read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    reader: Mutex<Option<Reader>>,
    /// A long reply is on its way, which the task reads.
    is_long: AtomicBool,
    /// More of it has come than the task knows of.
    has_more: AtomicBool,
}

#[cfg(not(unix))]
type Watch = std::convert::Infallible;

#[derive(Debug)]
struct Reader {
    stream: Arc<Stream>,
    watch: Option<Watch>,
    /// What whoever polls has found, and the task is to act on.
    found: Option<Next>,
    buffer: Vec<u8>,
    framer: Framer,
}

/// What a read led to, unless it is for the next one to go on.
#[derive(Debug)]
pub(super) enum Next {
    /// The connection is over.
    Ended(Ending),
    /// The stream is over, the (per-request) connection is not.
    Parted,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
enum By {
    Task,
    Poller(News),
}

impl Connection {
    fn reader(&self) -> MutexGuard<'_, Option<Reader>> {
        // A bug in the owner that panics must not hang the connection too.
        self.reading.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `stream` is read, by a poller if it is one for that.
    pub(super) fn start_reading(self: &Arc<Self>, stream: &Arc<Stream>) -> io::Result<()> {
        let mut reader = self.reader();
        let framer = Framer::new(self.dialect.framing, self.target.max_reply_bytes);
        *reader = Some(Reader {
            stream: stream.clone(),
            watch: self.watch(stream)?,
            found: None,
            buffer: Vec::new(),
            framer,
        });
        Ok(())
    }

    #[cfg(unix)]
    fn watch(self: &Arc<Self>, stream: &Stream) -> io::Result<Option<Watch>> {
        match (stream, &self.target.poller) {
            (Stream::Watched(_), Some(poller)) => poller.watch(stream.fd(), self).map(Some),
            _ => Ok(None),
        }
    }

    #[cfg(not(unix))]
    fn watch(self: &Arc<Self>, _stream: &Stream) -> io::Result<Option<Watch>> {
        Ok(None)
    }

    /// Nobody reads after this.
    pub(super) fn stop_reading(&self) {
        let reader = self.reader().take();
        #[cfg(unix)]
        if let Some(Reader { watch: Some(watch), stream, .. }) = reader
            && let Some(poller) = &self.target.poller
        {
            poller.forget(watch, stream.fd());
        }
    }

    /// The stream, which tokio watches, has something.
    pub(super) fn read_on_task(self: &Arc<Self>) -> Option<Next> {
        self.read(self.reader().as_mut()?, By::Task)
    }

    /// A poller leaves something to the task: an end, or the rest of a long reply.
    pub(super) fn read_after_poller(self: &Arc<Self>) -> Option<Next> {
        let mut reader = self.reader();
        let reader = reader.as_mut()?;
        if reader.found.is_some() {
            return reader.found.take();
        }
        if !self.reading.has_more.swap(false, SeqCst) {
            return None;
        }
        let next = self.read(reader, By::Task);
        // What comes from here on the poller reads; what has come meanwhile it has left, and said so.
        self.reading.is_long.store(reader.buffer.len() > KEEP, SeqCst);
        next
    }

    /// A poller has heard something of the stream: reads it, unless it is long.
    #[cfg(unix)]
    pub(in crate::conn) fn heard(self: &Arc<Self>, news: News) {
        if news.may_write {
            self.write_on();
        }
        if self.reading.is_long.load(SeqCst) {
            return self.leave_to_task();
        }
        let mut reader = self.reader();
        let Some(reader) = reader.as_mut() else { return };
        if reader.found.is_some() {
            return;
        }
        let _inside = self.span().entered();
        reader.found = self.read(reader, By::Poller(news));
        if reader.found.is_some() {
            self.wake.notify_one();
        }
    }

    fn leave_to_task(&self) {
        self.reading.is_long.store(true, SeqCst);
        self.reading.has_more.store(true, SeqCst);
        self.wake.notify_one();
    }

    /// Takes what has arrived. `None`: nothing more for now.
    fn read(self: &Arc<Self>, reader: &mut Reader, by: By) -> Option<Next> {
        let stream = reader.stream.clone();
        // Of what a poller watches, there is no other word that the end has come.
        let to_end = match by {
            By::Task => reader.watch.is_some(),
            By::Poller(news) => news.is_last,
        };
        let mut taken = 0;
        loop {
            // Much that makes no reply, such as line after empty line, is no poller's to read either.
            if matches!(by, By::Poller(_)) && reader.buffer.len().max(taken) > KEEP {
                self.leave_to_task();
                return None;
            }
            if reader.buffer.capacity() - reader.buffer.len() < READ_MIN / 2 {
                reader.buffer.reserve(reader.buffer.capacity().clamp(READ_MIN, READ_MAX));
            }
            match stream.try_drain(&mut reader.buffer) {
                Ok((0, _)) => return Some(self.end_of_stream()),
                Ok((count, more)) => {
                    trace!(bytes = count, "read");
                    taken += count;
                    if let Some(next) = self.take(&stream, reader, count) {
                        return Some(next);
                    }
                    if more == More::No && !to_end {
                        return None;
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
        if reader.buffer.iter().all(|byte| self.dialect.framing.is_padding(*byte)) {
            // It trails behind the last reply, even when the next command has been sent already.
            reader.buffer.clear();
            reader.framer.reset();
            return None;
        }
        let (phase, exchange, raw, all_written) = {
            let mut line = self.line();
            line.received += count;
            let all_written = line.written >= line.request.len();
            let seen = (line.phase, line.exchange, line.raw, all_written);
            if matches!(line.phase, Phase::Quiet | Phase::Opening) {
                // From here on nothing can be started on it. Whatever was written between this
                // look and the end would be sent again elsewhere, and run twice.
                line.end();
            }
            seen
        };
        match phase {
            Phase::Quiet | Phase::Opening => {
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
        let body = if raw { Body::Bytes(bytes) } else { Body::text(bytes, checked.ascii) };
        // An answer that overtook its own request, or one with more behind it, is still this
        // caller's answer; but the stream is out of step from here on. A per-request connection
        // parts from its stream anyway, and dials another for the next command.
        let parted = self.dialect.policy.per_request;
        let fit = parted || (stray.is_none() && all_written);
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
            line.phase = if fit { Phase::Quiet } else { Phase::Over };
            line.quiet_since = Instant::now();
        }
        if let Some(owner) = self.owner.upgrade() {
            owner.settled(self, Outcome::Reply(Reply { body, ok: checked.ok, fit }));
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

    /// Ends the running exchange with `fault`, and the connection with it.
    fn fail(self: &Arc<Self>, fault: Fault) -> Next {
        let mut line = self.line();
        let phase = line.phase;
        // What a quiet connection wrote and received was another exchange's.
        let running = matches!(phase, Phase::Busy | Phase::Draining);
        let fault = if running { fault.delivered(line.delivered()) } else { fault };
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

    pub(super) fn broken(self: &Arc<Self>, error: &io::Error) -> Next {
        let name = &self.target.name;
        let fault = self
            .fault(Code::ConnectionLost, format!("the connection to {name} broke: {error}"))
            .cause(self.target.address.cause(error, "read"));
        self.fail(fault)
    }
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
