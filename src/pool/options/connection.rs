//! The options of a connection pool, read and judged.
//!
//! Here is refused what only this side can judge: addresses, dialects, and what contradicts
//! itself. Names, types and ranges are the [option table](super::table)'s affair.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::endpoint::{EndpointOptions, RawEndpoint, parse_dialect, refuse};
use super::given::Given;
use super::table::Owner;
use crate::fault::Fault;
use crate::pool::settings::Settings;
use crate::wire::Dialect;

/// The bytes of a request and of a reply, unless told otherwise.
const DEFAULT_MAX_BYTES: usize = 64 << 20;

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
    /// [`Code::InvalidOption`](crate::fault::Code::InvalidOption), naming the option, the value and
    /// what would do.
    pub fn from_json(text: &str) -> Result<Self, Fault> {
        let given = Given::read(text, Owner::ConnectionPool)?;
        let shared_dialect = parse_dialect("dialect", given.text("dialect")?)?;
        let allow_remote = given.flag("allowRemote")?;
        let named: Vec<RawEndpoint> = given.value("endpoints")?.unwrap_or_default();
        if named.is_empty() {
            return Err(refuse("endpoints", json!([]), "names no endpoint; give at least one"));
        }
        let mut names = HashSet::new();
        let endpoints = named
            .into_iter()
            .enumerate()
            .map(|(at, endpoint)| endpoint.parse(at, shared_dialect, allow_remote, &mut names))
            .collect::<Result<Vec<_>, _>>()?;
        let settings = Settings::read(&given)?;
        let kept: u32 = endpoints.iter().map(|endpoint| endpoint.min_connections).sum();
        if kept > settings.max_slots {
            return Err(refuse(
                "endpoints",
                kept,
                &format!(
                    "is what their minConnections add up to, more than maxConnections ({})",
                    settings.max_slots
                ),
            ));
        }
        Ok(Options {
            name: given.text("name")?.unwrap_or("pool").to_owned(),
            endpoints,
            settings: Settings { job_timeout: given.millis("commandTimeoutMs")?, ..settings },
            max_connecting: given.size("maxConnecting")?,
            max_in_flight: given.size("maxInFlightPerEndpoint")?,
            ping_on_connect: given.some_flag("pingOnConnect")?,
            connect_timeout: given.millis("connectTimeoutMs")?,
            max_request_bytes: given.size("maxRequestBytes")?,
            max_reply_bytes: given.size("maxReplyBytes")?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Code;

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
