//! The options of a connection pool, in one table.
//!
//! The facade checks what a caller wrote against [`OPTIONS`] (unknown names, types, ranges) and
//! passes every value on; types, documentation and tests are checked against the same rows.
//! [`Options::from_json`] refuses what only this side can judge: addresses, dialects, and what
//! contradicts itself.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::endpoint_options::{EndpointOptions, RawEndpoint, dialect_names, parse_dialect, refuse};
use super::settings::{
    AlertSettings, CodelSettings, HealthSettings, HookSettings, IdleOrder, Settings,
};
use super::table::MAX_SLOTS;
use crate::fault::{Code, Fault};
use crate::wire::Dialect;

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
    /// What it must be.
    pub kind: Kind,
    /// `null`: see `about`.
    pub default: Default,
    /// What it does.
    pub about: &'static str,
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

const MS_MAX: u64 = i32::MAX as u64;
const MIB: u64 = 1024 * 1024;
/// A reply becomes one JavaScript string, and those end just below 512 MiB.
const MAX_BYTES: u64 = 511 * MIB;

macro_rules! row {
    ($name:literal, $kind:expr, $default:expr, $about:literal) => {
        OptionRow { name: $name, kind: $kind, default: $default, about: $about }
    };
}

/// Every option, in the order of the documentation.
#[rustfmt::skip]
pub static OPTIONS: &[OptionRow] = &[
    row!("name", Kind::Text, Default::None, "The pool's name in log lines and warnings; made up (pool-1, pool-2, …) when not given."),
    row!("endpoints", Kind::Endpoints, Default::None, "Where the Blenders are: 'host:port', 'tcp://host:port', 'unix:/path', {name, host, port, path, dialect, minConnections, maxConnections}, or a list of these. Without it, BLENDER_HOST and BLENDER_PORT, else localhost:9876."),
    row!("dialect", Kind::Dialect, Default::Text("auto"), "What the add-ons speak; 'auto' asks each endpoint once."),
    row!("minConnections", Kind::Integer(0, MAX_SLOTS as u64), Default::Integer(0), "Connections kept open, over all endpoints, opened in the background."),
    row!("maxConnections", Kind::Integer(1, MAX_SLOTS as u64), Default::Integer(5), "Sockets at the same time, over all endpoints."),
    row!("maxConnecting", Kind::Integer(1, MAX_SLOTS as u64), Default::None, "Connects in flight for each endpoint; without it the dialect's own, else 2."),
    row!("maxInFlightPerEndpoint", Kind::Integer(1, MAX_SLOTS as u64), Default::None, "Commands running on one Blender at the same time; without it the dialect's own, else no limit."),
    row!("pingOnConnect", Kind::Boolean, Default::None, "Whether a new connection must answer a ping before it counts as open; without it the dialect's own."),
    row!("maxWaiting", Kind::Integer(0, 1_000_000), Default::None, "Callers that may wait for a connection; beyond it ERR_POOL_QUEUE_FULL at once. Without it, any number."),
    row!("acquireTimeoutMs", Kind::Integer(1, MS_MAX), Default::Integer(30_000), "How long a call waits for a connection, opening one included."),
    row!("connectTimeoutMs", Kind::Integer(1, MS_MAX), Default::Integer(5_000), "One attempt to connect, and the ping after it."),
    row!("connectRetryMs", Kind::Integer(0, MS_MAX), Default::Integer(3_000), "How long a call puts up with failing attempts to connect before the last failure becomes its error; long enough for a Blender to restart. 0: the first failure is."),
    row!("commandTimeoutMs", Kind::Integer(1, MS_MAX), Default::Integer(180_000), "From writing a command to its whole reply."),
    row!("drainTimeoutMs", Kind::Integer(0, MS_MAX), Default::Integer(5_000), "How long a connection whose command was cut may finish its reply before it is closed; also how long close() waits unless told otherwise."),
    row!("idleTimeoutMs", Kind::Integer(0, MS_MAX), Default::Integer(60_000), "A connection that nobody used for so long is closed, but never below minConnections. 0: never."),
    row!("maxLifetimeMs", Kind::Integer(0, MS_MAX), Default::Integer(1_800_000), "A connection older than this, less a random 0 to 10 %, is replaced; never while it is held. 0: never."),
    row!("maxUses", Kind::Integer(1, u32::MAX as u64), Default::Integer(1_000), "A connection is closed after this many commands and holders."),
    row!("maxRequestBytes", Kind::Integer(1, MAX_BYTES), Default::None, "A larger command is refused at the call; without it the dialect's own, else 64 MiB."),
    row!("maxReplyBytes", Kind::Integer(1, MAX_BYTES), Default::None, "A larger reply cuts the connection; without it the dialect's own, else 64 MiB."),
    row!("retryBackoffMs", Kind::Integer(1, MS_MAX), Default::Integer(100), "The first pause after a failed connect; doubles with each failure, with full jitter."),
    row!("maxRetryBackoffMs", Kind::Integer(1, MS_MAX), Default::Integer(30_000), "The pause stops growing here."),
    row!("healthCheckIntervalMs", Kind::Integer(0, MS_MAX), Default::Integer(30_000), "How often idle connections are pinged; longer while all is well, shorter after trouble. 0: never."),
    row!("healthCheckTimeoutMs", Kind::Integer(1, MS_MAX), Default::Integer(5_000), "How long a ping may take."),
    row!("healthCheckFailures", Kind::Integer(1, 1_000), Default::Integer(3), "A connection is closed after so many failed pings in a row."),
    row!("healthCheckConcurrency", Kind::Integer(1, MAX_SLOTS as u64), Default::Integer(32), "Pings at the same time, and connections checked in one round."),
    row!("maintenanceIntervalMs", Kind::Integer(0, MS_MAX), Default::Integer(1_000), "How often what is too old, too few or stuck is looked for. 0: never."),
    row!("hookTimeoutMs", Kind::Integer(1, MS_MAX), Default::Integer(10_000), "How long onConnect, onRelease and the function of recycle() may take before the connection is closed."),
    row!("onConnect", Kind::Function, Default::None, "async (connection) => …: runs on every new connection before anybody gets it."),
    row!("onRelease", Kind::Function, Default::None, "async (connection) => …: runs on every connection that a holder gives back before anybody else gets it."),
    row!("leakThresholdMs", Kind::Integer(0, MS_MAX), Default::Integer(0), "A connection held longer is reported once, with the stack of its acquire, and again when it comes back. 0: off."),
    row!("detectNestedAcquire", Kind::Boolean, Default::Boolean(true), "Whether an alert tells when all connections are held by the work of use() and each waits for one more of the pool; a call that runs out of time in that gets ERR_POOL_DEADLOCK."),
    row!("idleOrder", Kind::Choice(&["lifo", "fifo"]), Default::Text("lifo"), "Which idle connection is used next: the one used last, so that the others can go, or the one used longest ago."),
    row!("start", Kind::Choice(&["ready", "paused"]), Default::Text("ready"), "Whether the pool works at once or waits for ready()."),
    row!("queueTargetMs", Kind::Integer(0, MS_MAX), Default::Integer(0), "The wait that is acceptable at all times; when every call has waited longer for queueIntervalMs, calls are dropped with ERR_POOL_QUEUE_FULL (CoDel). 0: off."),
    row!("queueIntervalMs", Kind::Integer(1, MS_MAX), Default::Integer(100), "For how long calls may wait longer than queueTargetMs."),
    row!("alertQueueDepth", Kind::Integer(0, 1_000_000), Default::Integer(10), "alert (info) when so many calls wait. 0: never, as for every alert."),
    row!("alertWaitMs", Kind::Integer(0, MS_MAX), Default::Integer(1_000), "alert (warning) when a call waited so long for its connection."),
    row!("alertUsePercent", Kind::Integer(0, 100), Default::Integer(90), "alert (warning) when so many percent of the connections are in use."),
    row!("alertFailedChecks", Kind::Integer(0, 1_000), Default::Integer(3), "alert (critical) when so many health checks running have failed at one endpoint."),
    row!("alertOldestWaitMs", Kind::Integer(0, MS_MAX), Default::Integer(30_000), "alert (critical) when a call has been waiting for so long."),
    row!("allowRemote", Kind::Boolean, Default::Boolean(false), "Allows endpoints on other machines. The add-ons run any code they are sent, without a password."),
];

/// The bytes of a request and of a reply, unless told otherwise.
const DEFAULT_MAX_BYTES: usize = 64 * MIB as usize;

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
        json!({ "name": self.name, "kind": kind, "default": default, "min": min, "max": max, "values": values, "about": self.about })
    }
}

/// What the facade passes on. Every name is a row's; `None` is its default.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    name: Option<String>,
    endpoints: Vec<RawEndpoint>,
    dialect: Option<String>,
    min_connections: Option<u64>,
    max_connections: Option<u64>,
    max_connecting: Option<u64>,
    max_in_flight_per_endpoint: Option<u64>,
    ping_on_connect: Option<bool>,
    max_waiting: Option<u64>,
    acquire_timeout_ms: Option<u64>,
    connect_timeout_ms: Option<u64>,
    connect_retry_ms: Option<u64>,
    command_timeout_ms: Option<u64>,
    drain_timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
    max_lifetime_ms: Option<u64>,
    max_uses: Option<u64>,
    max_request_bytes: Option<u64>,
    max_reply_bytes: Option<u64>,
    retry_backoff_ms: Option<u64>,
    max_retry_backoff_ms: Option<u64>,
    health_check_interval_ms: Option<u64>,
    health_check_timeout_ms: Option<u64>,
    health_check_failures: Option<u64>,
    health_check_concurrency: Option<u64>,
    maintenance_interval_ms: Option<u64>,
    hook_timeout_ms: Option<u64>,
    on_connect: Option<bool>,
    on_release: Option<bool>,
    leak_threshold_ms: Option<u64>,
    /// The facade's affair.
    #[allow(dead_code)]
    detect_nested_acquire: Option<bool>,
    idle_order: Option<String>,
    start: Option<String>,
    queue_target_ms: Option<u64>,
    queue_interval_ms: Option<u64>,
    alert_queue_depth: Option<u64>,
    alert_wait_ms: Option<u64>,
    alert_use_percent: Option<u64>,
    alert_failed_checks: Option<u64>,
    alert_oldest_wait_ms: Option<u64>,
    allow_remote: Option<bool>,
}

/// Options that make sense.
#[derive(Clone, Debug)]
pub struct Options {
    /// The pool's name.
    pub name: String,
    /// At least one.
    pub endpoints: Vec<EndpointOptions>,
    /// What concerns slots.
    pub settings: Settings,
    /// Overrides the dialects' own.
    pub max_connecting: Option<usize>,
    /// Overrides the dialects' own.
    pub max_in_flight: Option<usize>,
    /// Overrides the dialects' own.
    pub ping_on_connect: Option<bool>,
    /// One attempt, and the ping after it.
    pub connect_timeout: Duration,
    /// Overrides the dialects' own.
    pub max_request_bytes: Option<usize>,
    /// Overrides the dialects' own.
    pub max_reply_bytes: Option<usize>,
}

impl Options {
    /// Reads what the facade passes on.
    ///
    /// # Errors
    /// [`Code::InvalidOption`], naming the option, the value and what would do.
    pub fn from_json(text: &str) -> Result<Self, Fault> {
        let raw: Raw = serde_json::from_str(text).map_err(|error| {
            Fault::new(Code::InvalidOption, format!("the options could not be read: {error}"))
        })?;
        let number = |name: &str, value: Option<u64>| checked(name, value);
        let millis = |name: &str, value: Option<u64>| -> Result<Duration, Fault> {
            Ok(Duration::from_millis(checked(name, value)?.unwrap_or(MS_MAX)))
        };
        // Where a zero means "never".
        let some_millis = |name: &str, value: Option<u64>| -> Result<Option<Duration>, Fault> {
            Ok(Some(millis(name, value)?).filter(|time| !time.is_zero()))
        };
        let count = |name: &str, value: Option<u64>| -> Result<u32, Fault> {
            Ok(checked(name, value)?.unwrap_or(0) as u32)
        };
        let size = |value: Option<u64>| value.map(|value| value as usize);

        let shared_dialect = parse_dialect("dialect", raw.dialect.as_deref())?;
        let allow_remote = raw.allow_remote.unwrap_or(false);
        if raw.endpoints.is_empty() {
            return Err(refuse("endpoints", json!([]), "names no endpoint; give at least one"));
        }
        let mut names = HashSet::new();
        let endpoints = raw
            .endpoints
            .into_iter()
            .enumerate()
            .map(|(at, endpoint)| endpoint.parse(at, shared_dialect, allow_remote, &mut names))
            .collect::<Result<Vec<_>, _>>()?;

        let base = millis("retryBackoffMs", raw.retry_backoff_ms)?;
        let max = millis("maxRetryBackoffMs", raw.max_retry_backoff_ms)?;
        if base > max {
            return Err(refuse(
                "retryBackoffMs",
                base.as_millis() as u64,
                &format!("is more than maxRetryBackoffMs ({})", max.as_millis()),
            ));
        }
        let min_slots = count("minConnections", raw.min_connections)?;
        let max_slots = count("maxConnections", raw.max_connections)?;
        if min_slots > max_slots {
            return Err(refuse(
                "minConnections",
                min_slots,
                &format!("is more than maxConnections ({max_slots})"),
            ));
        }
        let kept: u32 = endpoints.iter().map(|endpoint| endpoint.min_connections).sum();
        if kept > max_slots {
            return Err(refuse(
                "endpoints",
                kept,
                &format!(
                    "is what their minConnections add up to, more than maxConnections ({max_slots})"
                ),
            ));
        }
        let connect_timeout = millis("connectTimeoutMs", raw.connect_timeout_ms)?;
        let settings = Settings {
            min_slots,
            max_slots,
            start_paused: choice("start", raw.start.as_deref())? == "paused",
            max_waiting: number("maxWaiting", raw.max_waiting)?
                .map_or(usize::MAX, |value| value as usize),
            acquire_timeout: millis("acquireTimeoutMs", raw.acquire_timeout_ms)?,
            job_timeout: millis("commandTimeoutMs", raw.command_timeout_ms)?,
            drain_timeout: millis("drainTimeoutMs", raw.drain_timeout_ms)?,
            // Finding out the dialect, dialling and the ping each stay within it.
            open_timeout: connect_timeout * 3,
            patience: millis("connectRetryMs", raw.connect_retry_ms)?,
            backoff: Backoff { base, max },
            max_uses: number("maxUses", raw.max_uses)?.unwrap_or(u64::MAX),
            idle_timeout: some_millis("idleTimeoutMs", raw.idle_timeout_ms)?,
            max_lifetime: some_millis("maxLifetimeMs", raw.max_lifetime_ms)?,
            upkeep_interval: some_millis("maintenanceIntervalMs", raw.maintenance_interval_ms)?,
            idle_order: match choice("idleOrder", raw.idle_order.as_deref())? {
                "fifo" => IdleOrder::Fifo,
                _ => IdleOrder::Lifo,
            },
            health: HealthSettings {
                interval: some_millis("healthCheckIntervalMs", raw.health_check_interval_ms)?,
                timeout: millis("healthCheckTimeoutMs", raw.health_check_timeout_ms)?,
                failures: count("healthCheckFailures", raw.health_check_failures)?,
                concurrency: count("healthCheckConcurrency", raw.health_check_concurrency)?
                    as usize,
            },
            hooks: HookSettings {
                on_connect: raw.on_connect.unwrap_or(false),
                on_release: raw.on_release.unwrap_or(false),
                timeout: millis("hookTimeoutMs", raw.hook_timeout_ms)?,
            },
            leak_threshold: some_millis("leakThresholdMs", raw.leak_threshold_ms)?,
            codel: {
                let interval = millis("queueIntervalMs", raw.queue_interval_ms)?;
                some_millis("queueTargetMs", raw.queue_target_ms)?
                    .map(|target| CodelSettings { target, interval })
            },
            alerts: AlertSettings {
                queue_depth: count("alertQueueDepth", raw.alert_queue_depth)? as usize,
                wait: millis("alertWaitMs", raw.alert_wait_ms)?,
                use_percent: count("alertUsePercent", raw.alert_use_percent)?,
                failed_checks: count("alertFailedChecks", raw.alert_failed_checks)?,
                oldest_wait: millis("alertOldestWaitMs", raw.alert_oldest_wait_ms)?,
            },
        };
        Ok(Options {
            name: raw.name.unwrap_or_else(|| "pool".into()),
            endpoints,
            settings,
            max_connecting: size(number("maxConnecting", raw.max_connecting)?),
            max_in_flight: size(number("maxInFlightPerEndpoint", raw.max_in_flight_per_endpoint)?),
            ping_on_connect: raw.ping_on_connect,
            connect_timeout,
            max_request_bytes: size(number("maxRequestBytes", raw.max_request_bytes)?),
            max_reply_bytes: size(number("maxReplyBytes", raw.max_reply_bytes)?),
        })
    }

    /// The most bytes of a request in this dialect.
    pub fn request_limit(&self, dialect: &Dialect) -> usize {
        limit(self.max_request_bytes, dialect.policy.max_request_bytes)
    }

    /// The most bytes of a reply in this dialect, or in any when it is not known yet.
    pub fn reply_limit(&self, dialect: Option<&Dialect>) -> usize {
        limit(self.max_reply_bytes, dialect.map_or(0, |dialect| dialect.policy.max_reply_bytes))
    }
}

fn limit(explicit: Option<usize>, own: usize) -> usize {
    explicit.unwrap_or(if own == 0 { DEFAULT_MAX_BYTES } else { own })
}

/// The value, or the row's default; refused outside the row's range.
fn checked(name: &str, value: Option<u64>) -> Result<Option<u64>, Fault> {
    let row = OPTIONS.iter().find(|row| row.name == name).expect("every number is a row");
    let (Kind::Integer(min, max), Some(value)) = (row.kind, value) else {
        return Ok(match row.default {
            Default::Integer(number) => Some(number),
            _ => None,
        });
    };
    if (min..=max).contains(&value) {
        Ok(Some(value))
    } else {
        Err(refuse(name, value, &format!("is outside {min} to {max}")))
    }
}

/// The word, or the row's default; refused when it is not one of the row's.
fn choice(name: &str, value: Option<&str>) -> Result<&'static str, Fault> {
    let row = OPTIONS.iter().find(|row| row.name == name).expect("every choice is a row");
    let (Kind::Choice(words), Default::Text(default)) = (row.kind, row.default) else {
        unreachable!("{name} is a choice")
    };
    let Some(value) = value else { return Ok(default) };
    match words.iter().find(|word| **word == value) {
        Some(word) => Ok(word),
        None => Err(refuse(name, value, &format!("is not one of {}", words.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> Fault {
        let fault = Options::from_json(json).unwrap_err();
        assert_eq!(fault.code(), Code::InvalidOption);
        fault
    }

    #[test]
    fn what_is_not_given_takes_the_default_of_its_row() {
        let options =
            Options::from_json(r#"{"endpoints":[{"address":"127.0.0.1:9876"}]}"#).unwrap();
        assert_eq!(options.settings.max_slots, 5);
        assert_eq!(options.settings.acquire_timeout, Duration::from_secs(30));
        assert_eq!(options.settings.max_waiting, usize::MAX);
        assert_eq!(options.reply_limit(None), 64 << 20);
        assert!(options.endpoints[0].dialect.is_none());
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_range() {
        let fault = refused(r#"{"endpoints":[{"address":"localhost"}],"maxConnections":0}"#);
        assert!(fault.message().contains("maxConnections: 0 is outside 1 to 1024"), "{fault}");
    }

    #[test]
    fn another_machine_must_be_allowed() {
        let fault = refused(r#"{"endpoints":[{"host":"10.0.0.1","port":9876}]}"#);
        assert!(fault.to_json()["advice"].as_str().unwrap().contains("allowRemote"), "{fault}");
        assert!(
            Options::from_json(r#"{"endpoints":[{"host":"10.0.0.1"}],"allowRemote":true}"#).is_ok()
        );
    }

    #[test]
    fn contradictions_are_refused() {
        refused(r#"{"endpoints":[]}"#);
        refused(r#"{"endpoints":[{"host":"localhost","path":"/x"}]}"#);
        refused(r#"{"endpoints":[{"name":"a","port":1},{"name":"a","port":2}]}"#);
        refused(r#"{"endpoints":[{"port":1}],"retryBackoffMs":50,"maxRetryBackoffMs":10}"#);
        refused(r#"{"endpoints":[{"port":1,"dialect":"klingon"}]}"#);
        refused(r#"{"endpoints":[{"port":1}],"minConnections":6}"#);
        refused(r#"{"endpoints":[{"port":1,"minConnections":3},{"port":2,"minConnections":3}]}"#);
    }
}
