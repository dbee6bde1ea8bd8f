//! One live connection: dial it, write a command, read one reply, notice its death.
//!
//! - [`address`]: where a Blender listens, as text and as a value.
//! - [`stream`]: a TCP or Unix socket behind one face.
//! - [`target`]: one Blender, as everything that connects to it knows it.
//! - [`dial`]: opening a stream, both address families of `localhost`.
//! - [`connection`]: one exchange at a time over one stream, or over one stream per exchange.
//! - [`poller`]: answers read by the thread that waits for them.
//! - [`body`]: a reply's document, ready for its reader.
//! - [`open`]: a dialled connection that has proved it answers.
//! - [`detect`]: finding out which dialect listens.
//!
//! This room knows bytes and sockets. It refuses to know who waits for a connection, how many
//! there are, or what happens to one that has ended: it reports to its [`Owner`] and is done.

pub mod address;
pub mod body;
pub mod connection;
pub mod detect;
pub mod dial;
pub mod open;
#[cfg_attr(not(unix), path = "no_poller.rs")]
pub mod poller;
pub mod stream;
pub mod target;

pub use address::Address;
pub use body::Body;
pub use connection::{Connection, Ending, Outcome, Owner, Reply};
pub use open::Opening;
pub use poller::Poller;
pub use target::Target;
