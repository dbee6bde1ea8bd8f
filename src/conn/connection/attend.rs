//! The task that attends to one stream: reads, finishes writes, and says when it is over.

use std::io;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, trace, warn};

use super::{Connection, Ending, Outcome, Phase, Reply};
use crate::conn::body::Body;
use crate::conn::dial::dial;
use crate::conn::stream::{More, Stream};
use crate::fault::{Cause, Code, Fault};
use crate::wire::Framer;

/// What one read asks the buffer to make room for.
const READ_MIN: usize = 8 * 1024;
/// Growth of the buffer is capped, so that a large reply costs at most this much too much.
const READ_MAX: usize = 4 * 1024 * 1024;
/// A reply up to this size is copied out and the buffer kept; a larger one takes the buffer along.
const KEEP: usize = 64 * 1024;

impl Connection {
    /// The task of a per-request connection, from dialling to the reply.
    pub(super) async fn dial_and_attend(self: Arc<Self>) {
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
    pub(super) async fn attend(self: Arc<Self>, stream: Arc<Stream>) {
        debug!("open");
        let mut reader = Reader {
            buffer: Vec::new(),
            framer: Framer::new(self.dialect.framing, self.target.max_reply_bytes),
        };
        // What the line asks of this task. It changes only with a wake-up, so a task that has read a reply
        // need not wait for the thread that is writing the next command just then.
        let (mut unwritten, mut drain_until) = self.line().asks();
        let ending = loop {
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
                    let mut line = self.line();
                    if line.push().is_err() {
                        stream.shutdown();
                    }
                    (unwritten, drain_until) = line.asks();
                }
                () = self.wake.notified() => (unwritten, drain_until) = self.line().asks(),
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
            match stream.try_drain(&mut reader.buffer) {
                Ok((0, _)) => return Some(self.end_of_stream()),
                Ok((count, more)) => {
                    trace!(bytes = count, "read");
                    if let Some(next) = self.take(stream, reader, count) {
                        return Some(next);
                    }
                    if more == More::No {
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

    fn broken(self: &Arc<Self>, error: &io::Error) -> Next {
        let name = &self.target.name;
        let fault = self
            .fault(Code::ConnectionLost, format!("the connection to {name} broke: {error}"))
            .cause(self.target.address.cause(error, "read"));
        self.fail(fault)
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
