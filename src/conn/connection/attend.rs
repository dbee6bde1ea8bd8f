//! The task that attends to one stream: reads what no poller reads, finishes writes, and says when it is over.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::reading::Next;
use super::{Connection, Ending, Outcome, Phase};
use crate::conn::dial::dial;
use crate::conn::stream::Stream;
use crate::fault::{Code, Fault};

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
        if self.start_reading(&stream).is_err() {
            stream.shutdown();
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
        // What the line asks of this task. It changes only with a wake-up, so a task that has read a reply
        // need not wait for the thread that is writing the next command just then.
        let (mut unwritten, mut drain_until) = self.line().asks();
        let ending = loop {
            tokio::select! {
                ready = stream.readable() => {
                    let next = match ready {
                        Ok(()) => self.read_on_task(),
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
                () = self.wake.notified() => {
                    (unwritten, drain_until) = self.line().asks();
                    if let Some(Next::Ended(ending)) = self.read_after_poller() {
                        break Some(ending);
                    }
                }
                () = sleep_until(drain_until.unwrap_or_else(Instant::now)), if drain_until.is_some() => {
                    debug!("gave up draining");
                    self.line().end();
                    break Some(Ending::Drained);
                }
            }
        };
        self.stop_reading();
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
}
