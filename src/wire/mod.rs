//! Bytes to and from one JSON document, and the table of what each Blender add-on speaks.
//!
//! Everything here is a pure function of bytes: no sockets, no clock, no runtime. It refuses to guess:
//! bytes that are not the dialect's are an error that says what was seen, never half a reply.
//!
//! | file | noun |
//! |---|---|
//! | `framing` | how one document is told from the next, and how a request is closed off |
//! | `framer` | finds the end of a frame in bytes that arrive in any pieces |
//! | `document` | finds the end of bare JSON, for add-ons that send no delimiter |
//! | `dialect` | one row: what an add-on speaks and how it wants to be treated |
//! | `table` | the rows |
//! | `request`, `reply` | the shape of a row's two envelopes |
//! | `encode` | a command's way out: from `{type, params}` to a frame |
//! | `ascii` | JSON text without a byte above 127 |
//! | `check` | an answer's way in: is it JSON, is it this row's, is it ours |
//! | `encode_error`, `reply_error` | why not, in sentences |
//! | `envelope` | the fields of a reply that decide this |
//! | `probe` | which dialect a port speaks |

mod ascii;
mod check;
mod dialect;
mod document;
mod encode;
mod encode_error;
mod envelope;
mod framer;
mod framing;
pub mod probe;
mod reply;
mod reply_error;
mod request;
mod table;

pub use check::Checked;
pub use dialect::{Dialect, Ping, Policy};
pub use encode_error::EncodeError;
pub use framer::{Frame, FrameError, Framer};
pub use framing::Framing;
pub use reply::{OkField, ReplyShape, Scalar};
pub use reply_error::ReplyError;
pub use request::{IdShape, Kinds, Member, RequestShape, ValueKind};
pub use table::{DIALECTS, dialect};
