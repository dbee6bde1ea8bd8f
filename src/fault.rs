//! What can go wrong, in one table.
//!
//! Every error a caller ever sees is a [`Fault`]: a stable [`Code`], what happened, whether the
//! command may have run, what to do next, and the cause below it. Code, types, documentation and
//! tests read the same rows ([`CODES`]). This module knows no sockets, no slots and no JavaScript.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

macro_rules! codes {
    ($($name:ident = $text:literal, retryable: $retryable:literal, $meaning:literal, $advice:literal $(, resources: $resources:literal)?;)*) => {
        /// A stable error code: match on this, never on a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $meaning] $name,)* }

        /// Every code with its meaning, its advice and whether a retry may help.
        pub static CODES: &[CodeRow] = &[
            $(CodeRow { code: Code::$name, text: $text, retryable: $retryable, meaning: $meaning, advice: $advice, of_resources: [$($resources,)? $advice][0] },)*
        ];
    };
}

codes! {
    InvalidOption = "ERR_POOL_INVALID_OPTION", retryable: false,
        "An option is unknown, of the wrong type, out of range or contradicts another.",
        "Correct it; nothing was started.";
    InvalidCommand = "ERR_POOL_INVALID_COMMAND", retryable: false,
        "The command cannot be sent: not JSON, cyclic, too large, or not in the add-on's language.",
        "Correct the command; nothing was sent.";
    Closed = "ERR_POOL_CLOSED", retryable: false,
        "The pool is closing or closed.",
        "Create a new pool; see delivered for whether a command was under way.",
        resources: "Create a new pool where one is needed still.";
    Cleared = "ERR_POOL_CLEARED", retryable: true,
        "The pool was cleared or is paused.",
        "Call ready() when Blender is there again, then try again; see delivered for whether a command was under way.",
        resources: "Call ready() when what create connects to is there again, then try again.";
    AcquireTimeout = "ERR_POOL_ACQUIRE_TIMEOUT", retryable: true,
        "No connection became free in time.",
        "Raise acquireTimeoutMs or maxConnections, hold connections for a shorter time, or see the cause: opening one may be what fails.",
        resources: "Raise acquireTimeoutMs or maxConnections, hold resources for a shorter time, or see the cause: create may be what fails.";
    QueueFull = "ERR_POOL_QUEUE_FULL", retryable: true,
        "maxWaiting callers are waiting already, or waits have been longer than queueTargetMs for too long.",
        "Slow the callers down, or raise maxWaiting or queueTargetMs.";
    Connect = "ERR_POOL_CONNECT", retryable: true,
        "No connection could be opened, or create failed.",
        "Start Blender and the add-on's server, and check host and port; the cause is the operating system's own error.",
        resources: "Look at the cause, the error of create, and whether what it connects to is there.";
    EndpointDown = "ERR_POOL_ENDPOINT_DOWN", retryable: true,
        "Every Blender this call could go to is down.",
        "Start one of them; the cause is the last real error.",
        resources: "Look at the cause, the last error of create, and whether what it connects to is there.";
    ConnectionLost = "ERR_POOL_CONNECTION_LOST", retryable: true,
        "The connection broke while the command was running or the connection was held.",
        "Look at delivered: with 'no' send it again; with 'maybe' check the scene first. Blender may have crashed or been closed.",
        resources: "Stop using it; acquire another, and do there again what did not finish.";
    CommandTimeout = "ERR_POOL_COMMAND_TIMEOUT", retryable: false,
        "The command was sent, and no whole reply came in time.",
        "Blender may be rendering, or a dialog may be open. Raise commandTimeoutMs for long work; check the scene before sending the command again.";
    CommandFailed = "ERR_POOL_COMMAND_FAILED", retryable: false,
        "The add-on ran the command and reported an error (only with rejectOnError).",
        "Read the message: it is the add-on's own.";
    Protocol = "ERR_POOL_PROTOCOL", retryable: false,
        "What came back is not a reply of this dialect, or the connection ended in the middle of a reply.",
        "Check the dialect option and which add-on listens on that port; the message shows what was received.";
    ReplyTooLarge = "ERR_POOL_REPLY_TOO_LARGE", retryable: false,
        "The reply is larger than maxReplyBytes.",
        "Ask for less, write to a file instead, or raise maxReplyBytes.";
    Deadlock = "ERR_POOL_DEADLOCK", retryable: false,
        "Every connection is held by callers that wait for another one themselves.",
        "Use the connection you hold instead of asking for another, release it first, or raise maxConnections above the number of callers that hold one and ask for more.",
        resources: "Use the resource you hold instead of asking for another, release it first, or raise maxConnections above the number of callers that hold one and ask for more.";
    NotHeld = "ERR_POOL_NOT_HELD", retryable: false,
        "The connection is not held by this caller: released already, or never acquired.",
        "Release once, and use a connection only between acquire and release.",
        resources: "Release once, and use a resource only between acquire and release.";
}

/// One row of [`CODES`].
#[derive(Debug)]
pub struct CodeRow {
    /// The code as Rust names it.
    pub code: Code,
    /// The code as JavaScript sees it.
    pub text: &'static str,
    /// Whether trying again, unchanged, may succeed.
    pub retryable: bool,
    /// What happened.
    pub meaning: &'static str,
    /// What to do next.
    pub advice: &'static str,
    /// The same where a pool holds what user code makes.
    pub of_resources: &'static str,
}

impl Code {
    /// This code's row.
    pub fn row(self) -> &'static CodeRow {
        &CODES[self as usize]
    }
}

/// May the command have run?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivered {
    /// Not one byte of it was written.
    #[default]
    No,
    /// It was written, at least in part, and nothing came back.
    Maybe,
    /// Blender began to answer it.
    Yes,
}

impl Delivered {
    /// The word JavaScript sees.
    pub fn text(self) -> &'static str {
        match self {
            Delivered::No => "no",
            Delivered::Maybe => "maybe",
            Delivered::Yes => "yes",
        }
    }
}

/// What lies below a [`Fault`]: most often the operating system's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What happened, in one sentence.
    pub message: String,
    /// The system's name for it, such as `ECONNREFUSED`.
    pub code: Option<&'static str>,
    /// The system's number for it.
    pub errno: Option<i32>,
    /// The call that failed: `connect`, `read` or `write`.
    pub syscall: Option<&'static str>,
    /// Where it was going: a host, or a path.
    pub address: Option<String>,
    /// Where it was going, over TCP.
    pub port: Option<u16>,
    /// The run of user code that failed: what ran, and its number. The facade has what it threw.
    pub run: Option<(&'static str, u64)>,
}

impl Cause {
    /// The cause that an operating system error is.
    pub fn io(error: &std::io::Error, syscall: &'static str, address: impl Into<String>) -> Self {
        let address = address.into();
        let code = name_of(error);
        let message = match code {
            Some(code) => format!("{syscall} {code} {address}"),
            None => format!("{syscall} {address}: {error}"),
        };
        Cause {
            message,
            code,
            errno: error.raw_os_error(),
            syscall: Some(syscall),
            address: Some(address),
            port: None,
            run: None,
        }
    }

    /// A cause that is only a sentence.
    pub fn text(message: impl Into<String>) -> Self {
        Cause {
            message: message.into(),
            code: None,
            errno: None,
            syscall: None,
            address: None,
            port: None,
            run: None,
        }
    }

    /// A cause that user code threw.
    pub fn thrown(message: impl Into<String>, what: &'static str, number: u64) -> Self {
        Cause { run: Some((what, number)), ..Cause::text(message) }
    }
}

/// The errno names that Node uses, for the kinds a socket can meet.
fn name_of(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind::*;
    Some(match error.kind() {
        ConnectionRefused => "ECONNREFUSED",
        ConnectionReset => "ECONNRESET",
        ConnectionAborted => "ECONNABORTED",
        NotConnected => "ENOTCONN",
        AddrInUse => "EADDRINUSE",
        AddrNotAvailable => "EADDRNOTAVAIL",
        BrokenPipe => "EPIPE",
        TimedOut => "ETIMEDOUT",
        NotFound => "ENOENT",
        PermissionDenied => "EACCES",
        HostUnreachable => "EHOSTUNREACH",
        NetworkUnreachable => "ENETUNREACH",
        _ => return None,
    })
}

/// One error, as a caller sees it. Cheap to clone: a dead Blender fails many callers at once.
#[derive(Clone, Debug)]
pub struct Fault {
    inner: Arc<Inner>,
    delivered: Delivered,
}

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: String,
    advice: Option<String>,
    unsent_advice: Option<String>,
    retryable: Option<bool>,
    endpoint: Option<String>,
    connection_id: Option<u64>,
    cause: Option<Cause>,
    details: Map<String, Value>,
}

impl Fault {
    /// A fault with the code's own advice, delivered `no`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let inner = Inner {
            code,
            message: message.into(),
            advice: None,
            unsent_advice: None,
            retryable: None,
            endpoint: None,
            connection_id: None,
            cause: None,
            details: Map::new(),
        };
        Fault { inner: Arc::new(inner), delivered: Delivered::No }
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// Replaces the code's advice by one that fits this case better.
    pub fn advice(self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        self.edit(|inner| inner.advice = Some(advice))
    }

    /// The same for those copies whose command was not sent.
    pub fn unsent_advice(self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        self.edit(|inner| inner.unsent_advice = Some(advice))
    }

    /// Overrides whether a retry may help.
    pub fn retryable(self, retryable: bool) -> Self {
        self.edit(|inner| inner.retryable = Some(retryable))
    }

    /// Names the endpoint.
    pub fn endpoint(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.edit(|inner| inner.endpoint = Some(name))
    }

    /// Names the connection.
    pub fn connection(self, id: u64) -> Self {
        self.edit(|inner| inner.connection_id = Some(id))
    }

    /// Adds what lies below.
    pub fn cause(self, cause: Cause) -> Self {
        self.edit(|inner| inner.cause = Some(cause))
    }

    /// Adds a machine-readable detail.
    pub fn detail(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.edit(|inner| {
            inner.details.insert(name.to_owned(), value);
        })
    }

    /// Says whether the command may have run.
    pub fn delivered(mut self, delivered: Delivered) -> Self {
        self.delivered = delivered;
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// May the command have run?
    pub fn was_delivered(&self) -> Delivered {
        self.delivered
    }

    /// Whether it has this detail.
    pub fn has(&self, name: &str) -> bool {
        self.inner.details.contains_key(name)
    }

    /// What lies below, where something does.
    pub fn cause_of(&self) -> Option<&Cause> {
        self.inner.cause.as_ref()
    }

    /// Whether trying again, unchanged, may succeed and can do no harm: a command that may have run
    /// already is not for a machine to send twice.
    pub fn is_retryable(&self) -> bool {
        self.delivered == Delivered::No
            && self.inner.retryable.unwrap_or(self.inner.code.row().retryable)
    }

    /// The fault as the facade reads it.
    pub fn to_json(&self) -> Value {
        let row = self.inner.code.row();
        let mut fault = json!({
            "code": row.text,
            "message": self.inner.message,
            "delivered": self.delivered.text(),
            "retryable": self.is_retryable(),
        });
        let fields = fault.as_object_mut().expect("built as an object");
        // The code's own the facade knows, and which of them it is.
        let unsent = self.inner.unsent_advice.as_ref().filter(|_| self.delivered == Delivered::No);
        if let Some(advice) = unsent.or(self.inner.advice.as_ref()) {
            fields.insert("advice".into(), json!(advice));
        }
        if let Some(endpoint) = &self.inner.endpoint {
            fields.insert("endpoint".into(), json!(endpoint));
        }
        if let Some(id) = self.inner.connection_id {
            fields.insert("connectionId".into(), json!(id));
        }
        if let Some(cause) = &self.inner.cause {
            let mut below = json!({ "message": cause.message });
            let slots = below.as_object_mut().expect("built as an object");
            if let Some(code) = cause.code {
                slots.insert("code".into(), json!(code));
            }
            if let Some(errno) = cause.errno {
                // Node gives errno as the negative number libuv uses.
                slots.insert("errno".into(), json!(-errno));
            }
            if let Some(syscall) = cause.syscall {
                slots.insert("syscall".into(), json!(syscall));
            }
            if let Some(address) = &cause.address {
                slots.insert("address".into(), json!(address));
            }
            if let Some(port) = cause.port {
                slots.insert("port".into(), json!(port));
            }
            if let Some((what, number)) = cause.run {
                slots.insert("run".into(), json!(format!("{what} {number}")));
            }
            fields.insert("cause".into(), below);
        }
        if !self.inner.details.is_empty() {
            fields.insert("details".into(), Value::Object(self.inner.details.clone()));
        }
        fault
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.code.row().text, self.inner.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_own_row() {
        for row in CODES {
            assert_eq!(row.code.row().text, row.text);
        }
    }

    #[test]
    fn a_fault_carries_the_system_error_as_node_would() {
        let refused = std::io::Error::from_raw_os_error(111);
        let fault =
            Fault::new(Code::Connect, "no").cause(Cause::io(&refused, "connect", "127.0.0.1:1"));
        let json = fault.to_json();
        assert_eq!(json["cause"]["code"], "ECONNREFUSED");
        assert_eq!(json["cause"]["errno"], -111);
        assert_eq!(json["retryable"], true);
    }

    #[test]
    fn delivery_is_told_per_caller_and_the_rest_is_shared() {
        let fault = Fault::new(Code::ConnectionLost, "gone");
        let sent = fault.clone().delivered(Delivered::Yes);
        assert_eq!(fault.was_delivered(), Delivered::No);
        assert_eq!(sent.to_json()["delivered"], "yes");
        assert!(fault.is_retryable() && !sent.is_retryable());
    }

    #[test]
    fn advice_fits_what_became_of_the_command() {
        let fault = Fault::new(Code::Closed, "closed").advice("look").unsent_advice("wait");
        assert_eq!(fault.to_json()["advice"], "wait");
        assert_eq!(fault.delivered(Delivered::Maybe).to_json()["advice"], "look");
        assert_eq!(Fault::new(Code::Closed, "closed").advice("look").to_json()["advice"], "look");
    }
}
