//! A dialled connection that has proved that it answers.
//!
//! A TCP connection that opens is not a Blender that answers: the kernel accepts on behalf of a
//! process that is stopped, and a listener with a full backlog lets the client believe that it is
//! connected. Where the dialect asks for it, a connection is therefore not open before a ping has
//! come back.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::connection::Connection;
use super::connection::complaint::excerpt;
use super::detect::detect;
use super::dial::dial;
use super::stream::Stream;
use super::target::Target;
use crate::fault::{Cause, Code, Fault};
use crate::wire::{Dialect, Framer};

/// For whom a connection is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The slot reserved for it.
    pub slot: u32,
    /// Its number.
    pub id: u64,
    /// What to speak; `None`: find out.
    pub dialect: Option<&'static Dialect>,
}

/// Opens a connection: detects the dialect if need be, dials, and pings where the dialect asks for
/// it. Per-request dialects dial later, for each exchange.
///
/// # Errors
/// [`Code::Connect`] when nothing answers; [`Code::Protocol`] when what answers does not speak the
/// dialect.
///
/// # Cancel safety
/// Dropping the future closes whatever was being opened.
pub async fn open(target: Arc<Target>, opening: Opening) -> Result<Arc<Connection>, Fault> {
    let Opening { slot, id, .. } = opening;
    let dialect = match opening.dialect {
        Some(dialect) => dialect,
        None => detect(&target).await.map_err(|fault| fault.endpoint(&*target.name))?,
    };
    if dialect.policy.per_request {
        return Ok(Connection::per_request(target, slot, id, dialect));
    }
    let stream = dial(&target.address, target.connect_timeout)
        .await
        .map_err(|fault| fault.endpoint(&*target.name).connection(id))?;
    let ping = target.ping_on_connect.unwrap_or(dialect.policy.ping_on_connect);
    if ping && let Some(request) = dialect.encode_ping(id) {
        let deadline = Instant::now() + target.connect_timeout;
        match timeout_at(deadline, round_trip(&target, &stream, dialect, id, &request)).await {
            Ok(answer) => answer.map_err(|fault| fault.endpoint(&*target.name).connection(id))?,
            Err(_) => return Err(silence(&target, id)),
        }
    }
    debug!(connection = id, endpoint = %target.name, dialect = dialect.name, "ready");
    Connection::warm(target.clone(), slot, id, dialect, stream).map_err(|error| {
        Fault::new(Code::Connect, format!("the connection could not be watched: {error}"))
            .endpoint(&*target.name)
            .connection(id)
            .cause(target.address.cause(&error, "epoll_ctl"))
            .advice("The process may have too many files and sockets open (ulimit -n).")
    })
}

fn silence(target: &Target, id: u64) -> Fault {
    let millis = target.connect_timeout.as_millis();
    Fault::new(
        Code::Connect,
        format!("connected to {}, but it did not answer a ping within {millis} ms", target.name),
    )
    .endpoint(&*target.name)
    .connection(id)
    .advice("Something listens there, but it is busy, stopped, or speaks another dialect. Close any dialog in Blender, wait for a running render, and check the dialect option. A headless Blender never runs the add-on's timers: use blender/worker.py there.")
    .cause(Cause::text(format!("no answer to a ping within {millis} ms")))
}

/// Writes one request and reads one reply, on a stream that nobody else knows yet.
async fn round_trip(
    target: &Target,
    stream: &Stream,
    dialect: &'static Dialect,
    exchange: u64,
    request: &[u8],
) -> Result<(), Fault> {
    let lost = |error: std::io::Error| {
        Fault::new(
            Code::Connect,
            format!("the connection broke before it answered a ping: {error}"),
        )
        .cause(target.address.cause(&error, "read"))
    };
    stream.write_all(request).await.map_err(lost)?;
    let mut framer = Framer::new(dialect.framing, target.max_reply_bytes);
    let mut bytes = Vec::with_capacity(512);
    loop {
        stream.readable().await.map_err(lost)?;
        match stream.try_read(&mut bytes) {
            Ok(0) if bytes.is_empty() => {
                return Err(Fault::new(Code::Connect, "the connection was accepted and closed without an answer to a ping")
                    .advice("The add-on may take one client only, or speak another dialect: disconnect other clients and check the dialect option.")
                    .cause(Cause::text("the stream ended with 0 bytes of reply")));
            }
            Ok(0) => {
                return Err(stranger(dialect, "the connection ended in the middle of it", &bytes));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(lost(error)),
        }
        match framer.scan(&bytes) {
            Ok(None) => {}
            Ok(Some(frame)) => {
                let surplus =
                    bytes[frame.consumed..].iter().any(|byte| !dialect.framing.is_padding(*byte));
                return match dialect.check_reply(exchange, &bytes[frame.start..frame.end]) {
                    Ok(_) if surplus => Err(stranger(dialect, "more came than one reply", &bytes)),
                    Ok(_) => Ok(()),
                    Err(error) => Err(stranger(dialect, &error.to_string(), &bytes)),
                };
            }
            Err(_) => return Err(stranger(dialect, "it is framed in another way", &bytes)),
        }
    }
}

fn stranger(dialect: &Dialect, why: &str, bytes: &[u8]) -> Fault {
    Fault::new(
        Code::Protocol,
        format!(
            "what listens there does not speak {}: {why}; it answered a ping with {}",
            dialect.name,
            excerpt(bytes)
        ),
    )
    .advice("Check which add-on listens on that port, and set dialect to match (or to 'auto').")
}
