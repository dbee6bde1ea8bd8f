//! One endpoint among the options: where a Blender is, and what is special about it.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::conn::Address;
use crate::conn::address::DEFAULT_PORT;
use crate::fault::{Code, Fault};
use crate::pool::table::MAX_SLOTS;
use crate::wire::{DIALECTS, Dialect, dialect};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::pool) struct RawEndpoint {
    name: Option<String>,
    address: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    path: Option<String>,
    dialect: Option<String>,
    min_connections: Option<u64>,
    max_connections: Option<u64>,
    /// How errors call it, where no option named it.
    label: Option<String>,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// Unique in its pool.
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// `None`: find out.
    pub dialect: Option<&'static Dialect>,
    /// Sockets kept open.
    pub min_connections: u32,
    /// Sockets at the same time.
    pub max_connections: Option<usize>,
}

pub(in crate::pool) fn parse_dialect(
    option: &str,
    name: Option<&str>,
) -> Result<Option<&'static Dialect>, Fault> {
    match name {
        None | Some("auto") => Ok(None),
        Some(name) => match dialect(name) {
            Some(row) => Ok(Some(row)),
            None => Err(refuse(
                option,
                name,
                &format!("is not a dialect; use one of {}", dialect_names().join(", ")),
            )),
        },
    }
}

impl RawEndpoint {
    pub(in crate::pool) fn parse(
        self,
        at: usize,
        shared_dialect: Option<&'static Dialect>,
        allow_remote: bool,
        names: &mut HashSet<String>,
    ) -> Result<EndpointOptions, Fault> {
        let option = self.label.unwrap_or_else(|| format!("endpoints[{at}]"));
        let dialect = match self.dialect.as_deref() {
            Some(name) => parse_dialect(&format!("{option}.dialect"), Some(name))?,
            None => shared_dialect,
        };
        let address = match (self.address, self.host, self.port, self.path) {
            (Some(text), None, None, None) => text.parse::<Address>().map_err(|error| {
                refuse(&option, text.as_str(), &format!("is not an address: {error}"))
            })?,
            (None, None, None, Some(path)) => {
                format!("unix:{path}").parse::<Address>().map_err(|error| {
                    refuse(
                        &format!("{option}.path"),
                        path.as_str(),
                        &format!("is not a path: {error}"),
                    )
                })?
            }
            (None, host, port, None) if host.is_some() || port.is_some() => {
                let host = host.unwrap_or_else(|| "localhost".into());
                let port = port.unwrap_or(dialect.map_or(DEFAULT_PORT, |row| row.port));
                Address::tcp(&host, port).map_err(|error| {
                    refuse(
                        &option,
                        format!("{host}:{port}"),
                        &format!("is not an address: {error}"),
                    )
                })?
            }
            (None, None, None, None) => {
                return Err(refuse(
                    &option,
                    json!({}),
                    "says nowhere to connect to; give host and port, or path",
                ));
            }
            _ => {
                return Err(refuse(
                    &option,
                    json!({}),
                    "gives two addresses; give host and port, or path, or an address",
                ));
            }
        };
        if cfg!(not(unix)) && matches!(address, Address::Unix(_)) {
            return Err(refuse(
                &option,
                address.to_string(),
                "is a Unix socket, which this system does not have",
            ));
        }
        if !allow_remote && !address.is_local() {
            return Err(refuse(&option, address.to_string(), "is not on this machine").advice(
                "Blender add-ons run any code that reaches them, without a password. If the network between is trusted (or the port is tunnelled), set allowRemote: true.",
            ));
        }
        let max_connections = match self.max_connections {
            Some(0) => {
                return Err(refuse(
                    &format!("{option}.maxConnections"),
                    0,
                    &format!("is outside 1 to {MAX_SLOTS}"),
                ));
            }
            other => other.map(|value| value as usize),
        };
        let min_connections = self.min_connections.unwrap_or(0);
        let most = max_connections.map_or(u64::from(MAX_SLOTS), |max| max as u64);
        if min_connections > most {
            return Err(refuse(
                &format!("{option}.minConnections"),
                min_connections,
                &format!("is outside 0 to {most}"),
            ));
        }
        let name = self.name.unwrap_or_else(|| address.to_string());
        if name.is_empty() || !names.insert(name.clone()) {
            return Err(refuse(
                &format!("{option}.name"),
                name,
                "is empty or taken by another endpoint; names must differ",
            ));
        }
        Ok(EndpointOptions {
            name,
            address,
            dialect,
            min_connections: min_connections as u32,
            max_connections,
        })
    }
}

/// An option that cannot be: which, its value, and why.
pub(in crate::pool) fn refuse(option: &str, value: impl Into<Value>, why: &str) -> Fault {
    let value = value.into();
    Fault::new(Code::InvalidOption, format!("{option}: {value} {why}"))
        .detail("option", option)
        .detail("value", value)
}

pub(in crate::pool) fn dialect_names() -> Vec<&'static str> {
    std::iter::once("auto").chain(DIALECTS.iter().map(|row| row.name)).collect()
}
