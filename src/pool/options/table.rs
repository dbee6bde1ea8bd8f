//! Every option there is, in one table.
//!
//! The facade checks what a caller wrote against [`OPTIONS`] (unknown names, types, ranges) and
//! passes every value on; types, documentation and tests are checked against the same rows. What a
//! face reads of them goes through [`Given`](super::given::Given).

use serde_json::{Value, json};

use super::endpoint::dialect_names;
use crate::pool::table::MAX_SLOTS;

/// What has options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A pool of connections to Blenders.
    ConnectionPool,
    /// A pool of what user code makes.
    ResourcePool,
    /// Permits.
    Limiter,
}

impl Owner {
    /// Its class in JavaScript.
    pub fn text(self) -> &'static str {
        match self {
            Owner::ConnectionPool => "ConnectionPool",
            Owner::ResourcePool => "ResourcePool",
            Owner::Limiter => "Limiter",
        }
    }
}

const POOLS: &[Owner] = &[Owner::ConnectionPool, Owner::ResourcePool];
const BLENDERS: &[Owner] = &[Owner::ConnectionPool];
const RESOURCES: &[Owner] = &[Owner::ResourcePool];
const LIMITER: &[Owner] = &[Owner::Limiter];

/// What a value must be. Ranges are inclusive.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number within a range.
    Integer(u64, u64),
    /// `true` or `false`.
    Boolean,
    /// A short text.
    Text,
    /// `auto` or the name of a dialect.
    Dialect,
    /// One endpoint or a list of them.
    Endpoints,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A function; the facade keeps it and passes `true`.
    Function,
}

/// One row of [`OPTIONS`].
#[derive(Debug)]
pub struct OptionRow {
    /// As JavaScript writes it.
    pub name: &'static str,
    /// Who takes it.
    pub owners: &'static [Owner],
    /// What it must be.
    pub kind: Kind,
    /// `null`: see `about`.
    pub default: Default,
    /// What it does.
    pub about: &'static str,
    /// The same where a pool holds what user code makes.
    pub of_resources: &'static str,
}

/// The default of an option.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// The dialect's own habit, no limit, or made up: `about` says which.
    None,
    /// A number.
    Integer(u64),
    /// A flag.
    Boolean(bool),
    /// A text.
    Text(&'static str),
}

pub(in crate::pool) const MS_MAX: u64 = i32::MAX as u64;
const MIB: u64 = 1024 * 1024;
/// Starts within a window of a rate.
const MAX_RATE: u64 = 100_000;
/// A reply becomes one JavaScript string, and those end just below 512 MiB.
const MAX_BYTES: u64 = 511 * MIB;

macro_rules! row {
    ($name:literal, $owners:expr, $kind:expr, $default:expr, $about:literal $(, resources: $resources:literal)?) => {
        OptionRow { name: $name, owners: $owners, kind: $kind, default: $default, about: $about, of_resources: [$($resources,)? $about][0] }
    };
}

/// Every option, in the order of the documentation.
#[rustfmt::skip]
pub static OPTIONS: &[OptionRow] = &[
    row!("create", RESOURCES, Kind::Function, Default::None, "async (signal) => resource: makes what a slot holds; must be given. The signal aborts when nobody wants it any more; what comes after that is destroyed at once."),
    row!("validate", RESOURCES, Kind::Function, Default::None, "async (resource) => boolean: the health check of an idle resource. false, a throw or a rejection has it destroyed."),
    row!("validateAfterIdleMs", RESOURCES, Kind::Integer(0, MS_MAX), Default::Integer(500), "A resource that was idle for longer, or in whose hands the work of use() failed, is validated before the next holder gets it. 0: before every holder."),
    row!("destroy", RESOURCES, Kind::Function, Default::None, "async (resource) => …: takes it apart; its slot is free when that is done, or after drainTimeoutMs."),
    row!("name", POOLS, Kind::Text, Default::None, "The pool's name in log lines and warnings; made up (pool-1, pool-2, …) when not given."),
    row!("endpoints", BLENDERS, Kind::Endpoints, Default::None, "Where the Blenders are: 'host:port', 'tcp://host:port', 'unix:/path', {name, host, port, path, dialect, minConnections, maxConnections}, or a list of these. Without it, BLENDER_HOST and BLENDER_PORT, else localhost:9876."),
    row!("dialect", BLENDERS, Kind::Dialect, Default::Text("auto"), "What the add-ons speak; 'auto' asks each endpoint once."),
    row!("minConnections", POOLS, Kind::Integer(0, MAX_SLOTS as u64), Default::Integer(0), "Connections kept open, over all endpoints, opened in the background.", resources: "Resources kept ready, made in the background."),
    row!("maxConnections", POOLS, Kind::Integer(1, MAX_SLOTS as u64), Default::Integer(5), "Sockets at the same time, over all endpoints.", resources: "Resources at the same time, those on their way out included."),
    row!("maxConnecting", POOLS, Kind::Integer(1, MAX_SLOTS as u64), Default::None, "Connects in flight for each endpoint; without it the dialect's own, else 2.", resources: "create calls at the same time; without it 2."),
    row!("maxInFlightPerEndpoint", BLENDERS, Kind::Integer(1, MAX_SLOTS as u64), Default::None, "Commands running on one Blender at the same time; without it the dialect's own, else no limit."),
    row!("pingOnConnect", BLENDERS, Kind::Boolean, Default::None, "Whether a new connection must answer a ping before it counts as open; without it the dialect's own."),
    row!("maxWaiting", POOLS, Kind::Integer(0, 1_000_000), Default::None, "Callers that may wait for a connection; beyond it ERR_POOL_QUEUE_FULL at once. Without it, any number.", resources: "Callers that may wait for a resource; beyond it ERR_POOL_QUEUE_FULL at once. Without it, any number."),
    row!("acquireTimeoutMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(30_000), "How long a call waits for a connection, opening one included.", resources: "How long a call waits for a resource, making one included."),
    row!("connectTimeoutMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(5_000), "One attempt to connect, and the ping after it.", resources: "How long one create may take."),
    row!("connectRetryMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(3_000), "How long a call puts up with failing attempts to connect before the last failure becomes its error; long enough for a Blender to restart. 0: the first failure is.", resources: "How long a call puts up with a create that fails before the last failure becomes its error. 0: the first failure is."),
    row!("commandTimeoutMs", BLENDERS, Kind::Integer(1, MS_MAX), Default::Integer(180_000), "From writing a command to its whole reply."),
    row!("drainTimeoutMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(5_000), "How long a connection whose command was cut may finish its reply before it is closed; also how long close() waits unless told otherwise.", resources: "How long a destroy may take before its slot is free; also how long close() waits for holders unless told otherwise."),
    row!("idleTimeoutMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(60_000), "A connection that nobody used for so long is closed, but never below minConnections. 0: never.", resources: "A resource that nobody used for so long is destroyed, but never below minConnections. 0: never."),
    row!("maxLifetimeMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(1_800_000), "A connection older than this, less a random 0 to 10 %, is replaced; never while it is held. 0: never.", resources: "A resource older than this, less a random 0 to 10 %, is replaced; never while it is held. 0: never."),
    row!("maxUses", POOLS, Kind::Integer(1, u32::MAX as u64), Default::Integer(1_000), "A connection is closed after this many commands and holders.", resources: "A resource is destroyed after this many holders."),
    row!("maxRequestBytes", BLENDERS, Kind::Integer(1, MAX_BYTES), Default::None, "A larger command is refused at the call; without it the dialect's own, else 64 MiB."),
    row!("maxReplyBytes", BLENDERS, Kind::Integer(1, MAX_BYTES), Default::None, "A larger reply cuts the connection; without it the dialect's own, else 64 MiB."),
    row!("retryBackoffMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(100), "The first pause after a failed connect; doubles with each failure, with full jitter.", resources: "The first pause after a create that failed; doubles with each failure, with full jitter."),
    row!("maxRetryBackoffMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(30_000), "The pause stops growing here."),
    row!("healthCheckIntervalMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(30_000), "How often idle connections are pinged; longer while all is well, shorter after trouble. 0: never.", resources: "How often validate looks at idle resources; longer while all is well, shorter after trouble. 0: never."),
    row!("healthCheckTimeoutMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(5_000), "How long a ping may take.", resources: "How long a validate may take."),
    row!("healthCheckFailures", POOLS, Kind::Integer(1, 1_000), Default::Integer(3), "A connection is closed after so many failed pings in a row.", resources: "A resource is destroyed after so many validates in a row that did not end in time."),
    row!("healthCheckConcurrency", POOLS, Kind::Integer(1, MAX_SLOTS as u64), Default::Integer(32), "Pings at the same time, and connections checked in one round.", resources: "validate calls at the same time, and resources checked in one round."),
    row!("maintenanceIntervalMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(1_000), "How often what is too old, too few or stuck is looked for. 0: never."),
    row!("hookTimeoutMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(10_000), "How long onConnect, onRelease and the function of recycle() may take before the connection is closed.", resources: "How long onConnect, onRelease and the function of recycle() may take before the resource is destroyed."),
    row!("onConnect", POOLS, Kind::Function, Default::None, "async (connection) => …: runs on every new connection before anybody gets it.", resources: "async (lease) => …: runs on every new resource before anybody gets it."),
    row!("onRelease", POOLS, Kind::Function, Default::None, "async (connection) => …: runs on every connection that a holder gives back before anybody else gets it.", resources: "async (lease) => …: runs on every resource that a holder gives back before anybody else gets it."),
    row!("leakThresholdMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(0), "A connection held longer is reported once, with the stack of its acquire, and again when it comes back. 0: off.", resources: "A resource held longer is reported once, with the stack of its acquire, and again when it comes back. 0: off."),
    row!("detectNestedAcquire", POOLS, Kind::Boolean, Default::Boolean(true), "Whether an alert tells when all connections are held by the work of use() and each waits for one more of the pool; a call that runs out of time in that gets ERR_POOL_DEADLOCK.", resources: "Whether an alert tells when all resources are held by the work of use() and each waits for one more of the pool; a call that runs out of time in that gets ERR_POOL_DEADLOCK."),
    row!("idleOrder", POOLS, Kind::Choice(&["lifo", "fifo"]), Default::Text("lifo"), "Which idle connection is used next: the one used last, so that the others can go, or the one used longest ago.", resources: "Which idle resource is used next: the one used last, so that the others can go, or the one used longest ago."),
    row!("start", POOLS, Kind::Choice(&["ready", "paused"]), Default::Text("ready"), "Whether the pool works at once or waits for ready()."),
    row!("queueTargetMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(0), "The wait that is acceptable at all times; when every call has waited longer for queueIntervalMs, calls are dropped with ERR_POOL_QUEUE_FULL (CoDel). 0: off."),
    row!("queueIntervalMs", POOLS, Kind::Integer(1, MS_MAX), Default::Integer(100), "For how long calls may wait longer than queueTargetMs."),
    row!("alertQueueDepth", POOLS, Kind::Integer(0, 1_000_000), Default::Integer(10), "alert (info) when so many calls wait. 0: never, as for every alert."),
    row!("alertWaitMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(1_000), "alert (warning) when a call waited so long for its connection.", resources: "alert (warning) when a call waited so long for its resource."),
    row!("alertUsePercent", POOLS, Kind::Integer(0, 100), Default::Integer(90), "alert (warning) when so many percent of the connections are in use.", resources: "alert (warning) when so many percent of the resources are in use."),
    row!("alertFailedChecks", POOLS, Kind::Integer(0, 1_000), Default::Integer(3), "alert (critical) when so many health checks running have failed at one endpoint.", resources: "alert (critical) when so many health checks running have failed."),
    row!("alertOldestWaitMs", POOLS, Kind::Integer(0, MS_MAX), Default::Integer(30_000), "alert (critical) when a call has been waiting for so long."),
    row!("allowRemote", BLENDERS, Kind::Boolean, Default::Boolean(false), "Allows endpoints on other machines. The add-ons run any code they are sent, without a password."),
    row!("maxConcurrent", LIMITER, Kind::Integer(1, MAX_SLOTS as u64), Default::None, "Runs at the same time; must be given."),
    row!("requestsPerSecond", LIMITER, Kind::Integer(0, MAX_RATE), Default::Integer(0), "Starts in any window of 1 000 ms. 0: no limit."),
    row!("requestsPerMinute", LIMITER, Kind::Integer(0, MAX_RATE), Default::Integer(0), "Starts in any window of 60 000 ms. 0: no limit."),
    row!("maxWaiting", LIMITER, Kind::Integer(0, 1_000_000), Default::None, "Runs that may wait; beyond it ERR_POOL_QUEUE_FULL at once. Without it, any number."),
    row!("queueTimeoutMs", LIMITER, Kind::Integer(1, MS_MAX), Default::Integer(30_000), "How long a run waits for a permit and for the rate."),
    row!("maxCached", LIMITER, Kind::Integer(0, 1_000_000), Default::Integer(1_000), "Results kept for cacheTtlMs; the oldest makes room."),
    row!("name", LIMITER, Kind::Text, Default::None, "The limiter's name in log lines and statistics; made up (limiter-1, limiter-2, …) when not given."),
];

impl OptionRow {
    /// The row as the facade reads it.
    pub fn describe(&self) -> Value {
        let (kind, min, max, values) = match self.kind {
            Kind::Integer(min, max) => ("integer", json!(min), json!(max), Value::Null),
            Kind::Boolean => ("boolean", Value::Null, Value::Null, Value::Null),
            Kind::Text => ("string", Value::Null, Value::Null, Value::Null),
            Kind::Dialect => ("enum", Value::Null, Value::Null, json!(dialect_names())),
            Kind::Endpoints => ("endpoints", Value::Null, Value::Null, Value::Null),
            Kind::Choice(words) => ("enum", Value::Null, Value::Null, json!(words)),
            Kind::Function => ("function", Value::Null, Value::Null, Value::Null),
        };
        let default = match self.default {
            Default::None => Value::Null,
            Default::Integer(number) => json!(number),
            Default::Boolean(flag) => json!(flag),
            Default::Text(text) => json!(text),
        };
        let owners: Vec<&str> = self.owners.iter().map(|owner| owner.text()).collect();
        json!({ "name": self.name, "owners": owners, "kind": kind, "default": default, "min": min, "max": max, "values": values, "about": self.about, "ofResources": self.of_resources })
    }
}
