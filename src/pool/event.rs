//! What a pool tells those who listen.
//!
//! The names, their order and their meaning are those of the MongoDB Connection Monitoring and
//! Pooling specification, and what it has no word for. Nothing is built for an event nobody
//! listens to: see [`Observed`].

use std::time::Duration;

use super::table::Lease;
use crate::fault::Fault;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $word,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$word,)*];

            /// The word JavaScript sees.
            pub const fn text(self) -> &'static str {
                match self { $($name::$word => $text,)* }
            }
        }
    };
}

words! {
    /// Why something was closed.
    Reason {
        /// It belongs to a generation that was cleared.
        Stale = "stale",
        /// Nobody used it, or its slot was needed elsewhere.
        Idle = "idle",
        /// The peer went away, or an exchange broke.
        Error = "error",
        /// The pool was closed.
        PoolClosed = "poolClosed",
        /// It was open for as long as it may be.
        Lifetime = "lifetime",
        /// It had served as often as it may.
        Uses = "uses",
        /// It failed too many checks.
        Unhealthy = "unhealthy",
        /// Its holder threw it away.
        Discarded = "discarded",
    }
}

words! {
    /// Why a caller got no slot.
    Failed {
        /// The pool was closed, or closing.
        PoolClosed = "poolClosed",
        /// Its time ran out.
        Timeout = "timeout",
        /// Nothing could be opened, or the pool was cleared.
        ConnectionError = "connectionError",
        /// Too many were waiting already, or waiting took too long for all.
        QueueFull = "queueFull",
    }
}

words! {
    /// User code that runs while a slot is out of the pool.
    Hook {
        /// After opening, before anybody gets it.
        OnConnect = "onConnect",
        /// After a holder gave it back.
        OnRelease = "onRelease",
        /// When its holder asked for it.
        Recycle = "recycle",
        /// When what user code made is to go.
        Destroy = "destroy",
    }
}

words! {
    /// What JavaScript is to do about what it makes; its place is its number there.
    Errand {
        /// Make one.
        Create = "create",
        /// Nobody wants the one that is being made.
        Abandon = "abandon",
        /// See whether it is well.
        Validate = "validate",
        /// Take it apart.
        Destroy = "destroy",
    }
}

words! {
    /// How bad an alert is.
    Severity {
        /// Worth knowing.
        Info = "info",
        /// Worth looking at.
        Warning = "warning",
        /// Callers suffer.
        Critical = "critical",
    }
}

words! {
    /// The name of an event; its place is its bit in [`Observed`].
    Name {
        /// The facade tells it.
        PoolCreated = "poolCreated",
        /// Slots are given out from now on.
        PoolReady = "poolReady",
        /// What was open is not used any more.
        PoolCleared = "poolCleared",
        /// The last event.
        PoolClosed = "poolClosed",
        /// Opening began.
        ConnectionCreated = "connectionCreated",
        /// Open and fit for use.
        ConnectionReady = "connectionReady",
        /// Gone.
        ConnectionClosed = "connectionClosed",
        /// Somebody asked for a slot.
        CheckOutStarted = "connectionCheckOutStarted",
        /// And got none.
        CheckOutFailed = "connectionCheckOutFailed",
        /// And got one.
        CheckedOut = "connectionCheckedOut",
        /// And gave it back, or lost it.
        CheckedIn = "connectionCheckedIn",
        /// A check was answered.
        HealthCheckSucceeded = "healthCheckSucceeded",
        /// A check was not answered in time, or not well.
        HealthCheckFailed = "healthCheckFailed",
        /// Nothing can be opened there, and nothing is open.
        EndpointDown = "endpointDown",
        /// It answers again.
        EndpointUp = "endpointUp",
        /// A slot is held for too long.
        LeakDetected = "leakDetected",
        /// And came back after all.
        LeakReturned = "leakReturned",
        /// A holder was garbage collected.
        LeaseLost = "leaseLost",
        /// User code failed.
        HookFailed = "hookFailed",
        /// Bytes came that nobody had asked for.
        Desync = "desync",
        /// The facade tells it.
        CommandAborted = "commandAborted",
        /// A figure is where it should not be.
        Alert = "alert",
    }
}

/// The events that somebody listens to, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed(pub u32);

impl Observed {
    /// Every event.
    pub const ALL: Observed = Observed(u32::MAX);

    /// Whether anybody listens to this one.
    pub fn has(self, name: Name) -> bool {
        self.0 & (1 << name as u32) != 0
    }
}

/// One event. `id` numbers what was opened, from 1.
#[derive(Clone, Debug)]
pub enum Event {
    /// Slots are given out from now on.
    PoolReady,
    /// What was open is not used any more.
    PoolCleared {
        /// Only there.
        endpoint: Option<usize>,
        /// What was held was cut.
        interrupt: bool,
    },
    /// The pool is closed: the last event.
    PoolClosed,
    /// A slot was reserved and opening began.
    ConnectionCreated {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
    },
    /// It is open and fit for use.
    ConnectionReady {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// How long opening took.
        took: Duration,
    },
    /// It is gone.
    ConnectionClosed {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// Why.
        reason: Reason,
        /// The error behind it, if there is one.
        fault: Option<Fault>,
    },
    /// Somebody asked for a slot.
    CheckOutStarted {
        /// The endpoint it must be.
        endpoint: Option<usize>,
    },
    /// And got none.
    CheckOutFailed {
        /// The endpoint it had to be.
        endpoint: Option<usize>,
        /// Why.
        reason: Failed,
        /// How long it waited.
        waited: Duration,
        /// What the caller is told.
        fault: Fault,
    },
    /// And got one.
    CheckedOut {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// How long it waited.
        waited: Duration,
    },
    /// And gave it back, or lost it.
    CheckedIn {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// How long it was out.
        used: Duration,
    },
    /// A check was answered.
    HealthCheckSucceeded {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// How long the answer took.
        took: Duration,
    },
    /// A check was not answered in time, or not well.
    HealthCheckFailed {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// What happened.
        fault: Fault,
        /// How many in a row, this one included.
        failures: u32,
    },
    /// Nothing can be opened there, and nothing is open.
    EndpointDown {
        /// Which.
        endpoint: usize,
        /// What happened.
        fault: Fault,
        /// Failed attempts in a row.
        failures: u32,
    },
    /// It answers again.
    EndpointUp {
        /// Which.
        endpoint: usize,
        /// How long it did not.
        down: Duration,
    },
    /// A slot is held for too long.
    LeakDetected {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// Whose hold.
        lease: Lease,
        /// For how long.
        held: Duration,
    },
    /// And came back after all.
    LeakReturned {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// Whose hold.
        lease: Lease,
        /// For how long.
        held: Duration,
    },
    /// A holder was garbage collected.
    LeaseLost {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// Whose hold.
        lease: Lease,
        /// For how long.
        held: Duration,
    },
    /// User code failed; what it ran on is closed.
    HookFailed {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// Which.
        hook: Hook,
        /// How.
        fault: Fault,
    },
    /// Bytes came that nobody had asked for; the connection is closed.
    Desync {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// What came.
        fault: Fault,
    },
    /// A figure is where it should not be.
    Alert {
        /// How bad it is.
        severity: Severity,
        /// The figure.
        metric: &'static str,
        /// Where it is.
        value: f64,
        /// Where it should not be.
        threshold: f64,
        /// The endpoint concerned, if it is one.
        endpoint: Option<usize>,
        /// The same in a sentence.
        message: String,
    },
}

impl Event {
    /// Its name.
    pub fn name(&self) -> Name {
        match self {
            Event::PoolReady => Name::PoolReady,
            Event::PoolCleared { .. } => Name::PoolCleared,
            Event::PoolClosed => Name::PoolClosed,
            Event::ConnectionCreated { .. } => Name::ConnectionCreated,
            Event::ConnectionReady { .. } => Name::ConnectionReady,
            Event::ConnectionClosed { .. } => Name::ConnectionClosed,
            Event::CheckOutStarted { .. } => Name::CheckOutStarted,
            Event::CheckOutFailed { .. } => Name::CheckOutFailed,
            Event::CheckedOut { .. } => Name::CheckedOut,
            Event::CheckedIn { .. } => Name::CheckedIn,
            Event::HealthCheckSucceeded { .. } => Name::HealthCheckSucceeded,
            Event::HealthCheckFailed { .. } => Name::HealthCheckFailed,
            Event::EndpointDown { .. } => Name::EndpointDown,
            Event::EndpointUp { .. } => Name::EndpointUp,
            Event::LeakDetected { .. } => Name::LeakDetected,
            Event::LeakReturned { .. } => Name::LeakReturned,
            Event::LeaseLost { .. } => Name::LeaseLost,
            Event::HookFailed { .. } => Name::HookFailed,
            Event::Desync { .. } => Name::Desync,
            Event::Alert { .. } => Name::Alert,
        }
    }
}
