//! Finding out which dialect listens.
//!
//! One throw-away connection, one object that every dialect that can be probed answers in its own
//! way, and, after a silence, the NUL that a NUL-framed add-on waits for. The socket is never used
//! again: what a stranger makes of the probe is unknown. Dialling and asking together take no longer
//! than a connection may take to open.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::connection::complaint::excerpt;
use super::dial::dial;
use super::target::Target;
use crate::fault::{Cause, Code, Fault};
use crate::wire::{DIALECTS, Dialect, probe};

/// How long the bare probe is given at most. The add-ons that answer it do so within one beat (≤ 10 ms);
/// a busy one stays silent and is asked again later.
const FIRST: Duration = Duration::from_millis(500);
/// How long the NUL is given at most: the add-on that needs it answers within 0.75 s in GUI mode.
const SECOND: Duration = Duration::from_millis(1_500);
/// The bare probe's share of a time too short for both, as one part in so many: the add-ons that need
/// the NUL are the slow ones.
const FIRST_SHARE: u32 = 4;

/// No add-on answers the probe at greater length.
const LONGEST: usize = 256 * 1024;

/// Asks the endpoint what it speaks.
///
/// # Errors
/// [`Code::Connect`] when nothing answers, [`Code::Protocol`] when the answer is none that is
/// known. Both say what was seen.
pub async fn detect(target: &Target) -> Result<&'static Dialect, Fault> {
    let last = Instant::now() + target.connect_timeout;
    let stream = dial(&target.address, target.connect_timeout).await?;
    let name = &target.name;
    let asked = Instant::now();
    let first = FIRST.min(last.saturating_duration_since(asked) / FIRST_SHARE);
    let second = (asked + first + SECOND).min(last);
    let mut bytes = Vec::with_capacity(1024);
    for (request, deadline) in [(probe::REQUEST, asked + first), (probe::NUDGE, second)] {
        if let Err(error) = stream.write_all(request).await {
            return Err(hung_up(target, &bytes).cause(target.address.cause(&error, "write")));
        }
        while let Ok(ready) = timeout_at(deadline, stream.readable()).await {
            let read = ready.and_then(|()| stream.try_read(&mut bytes));
            match read {
                Ok(0) => return Err(hung_up(target, &bytes)),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => {
                    return Err(hung_up(target, &bytes).cause(target.address.cause(&error, "read")));
                }
            }
            match probe::recognise(&bytes) {
                probe::Verdict::Known(dialect) => {
                    debug!(endpoint = %name, dialect = dialect.name, "detected");
                    return Ok(dialect);
                }
                // An answer to a probe is short.
                probe::Verdict::NeedMore if bytes.len() > LONGEST => {
                    return Err(unknown(target, &bytes));
                }
                probe::Verdict::NeedMore => {}
                probe::Verdict::Unknown => return Err(unknown(target, &bytes)),
            }
        }
    }
    if bytes.is_empty() {
        Err(silent(target, asked.elapsed()))
    } else {
        Err(unknown(target, &bytes))
    }
}

/// The dialects that can be found in this way, or those that cannot.
fn dialects(can_be_found: bool) -> Vec<&'static str> {
    let rows = DIALECTS.iter().filter(|row| probe::can_find(row) == can_be_found);
    rows.map(|row| row.name).collect()
}

/// What `'auto'` never finds, in a sentence.
fn never_found() -> String {
    format!(
        "{} put a length before each message: 'auto' never finds these, so set the dialect option for them",
        dialects(false).join(" and ")
    )
}

fn silent(target: &Target, waited: Duration) -> Fault {
    let millis = waited.as_millis();
    Fault::new(
        Code::Connect,
        format!("connected to {}, but it did not answer the dialect probe within {millis} ms", target.name),
    )
    .advice(format!(
        "Blender may be busy (a render, an open dialog), or the add-on speaks none of {}: set the dialect option if you know it. {}.",
        dialects(true).join(", "),
        never_found(),
    ))
    .cause(Cause::text("the probe met silence"))
    .detail("probe", "silent")
    .detail("ruledOut", dialects(true))
}

fn unknown(target: &Target, bytes: &[u8]) -> Fault {
    Fault::new(
        Code::Protocol,
        format!(
            "{} answered the dialect probe with {}, which is none of {}",
            target.name,
            excerpt(bytes),
            dialects(true).join(", ")
        ),
    )
    .advice("Check what listens on that port: it may not be a Blender add-on at all.")
    .detail("probe", "unknown")
    .detail("ruledOut", dialects(true))
    .detail("receivedBytes", bytes.len())
}

fn hung_up(target: &Target, bytes: &[u8]) -> Fault {
    let seen = if bytes.is_empty() { "nothing".to_owned() } else { excerpt(bytes) };
    Fault::new(
        Code::Connect,
        format!("{} closed the connection on the dialect probe; it had sent {seen}", target.name),
    )
    .advice(format!("Blender may just have been closed, or something else listens on that port: check it, or set the dialect option if you know it. {}.", never_found()))
    .cause(Cause::text("the stream ended during the probe"))
    .detail("probe", "hungUp")
}
