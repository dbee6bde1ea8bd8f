//! What a connection has to complain about, in words that a caller can act on.

use super::Connection;
use crate::fault::{Cause, Code, Fault};
use crate::wire::FrameError;

impl Connection {
    pub(super) fn fault(&self, code: Code, message: impl Into<String>) -> Fault {
        Fault::new(code, message).endpoint(&*self.target.name).connection(self.id)
    }

    pub(super) fn desync(&self, bytes: &[u8]) -> Fault {
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

    pub(super) fn not_a_frame(&self, error: &FrameError, bytes: &[u8]) -> Fault {
        let name = &self.target.name;
        let dialect = self.dialect.name;
        match error {
            FrameError::TooLarge { limit, size } => self
                .fault(Code::ReplyTooLarge, format!("the reply of {name} is larger than maxReplyBytes ({limit}); {size} bytes had come or were announced"))
                .detail("limitBytes", *limit)
                .detail("receivedBytes", *size),
            FrameError::Malformed { .. } | FrameError::NotALength { .. } => self
                .fault(
                    Code::Protocol,
                    format!("{name} answered with something that is not {dialect}: {}", excerpt(bytes)),
                )
                .detail("received", beginning(bytes)),
        }
    }

    pub(super) fn not_a_reply(&self, error: &dyn std::error::Error, bytes: &[u8]) -> Fault {
        let name = &self.target.name;
        let dialect = self.dialect.name;
        self.fault(Code::Protocol, format!("{name} answered with something that is not a {dialect} reply: {error}; received {}", excerpt(bytes)))
            .cause(Cause::text(error.to_string()))
            .detail("received", beginning(bytes))
    }
}

/// The first bytes of something unexpected, fit for an error message.
pub(in crate::conn) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let head = &bytes[..bytes.len().min(SHOWN)];
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    format!("'{}{dots}'", head.escape_ascii())
}

/// The beginning of something unexpected as it came, for whoever looks into it.
fn beginning(bytes: &[u8]) -> String {
    const KEPT: usize = 1_024;
    String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]).into_owned()
}
