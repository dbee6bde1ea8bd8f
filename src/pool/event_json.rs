//! Events as JavaScript sees them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::event::Event;
use super::table::Lease;

/// Names an endpoint, or its dialect, by its index.
pub(super) type NameOf<'a, T> = &'a dyn Fn(usize) -> T;

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Event {
    /// The payload, with the event's name under `event`.
    pub(super) fn to_json(
        &self,
        name_of: NameOf<'_, &str>,
        dialect_of: NameOf<'_, Option<&'static str>>,
    ) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("event", json!(self.name().text()));
        if let Some((id, endpoint)) = self.connection() {
            put("connectionId", json!(id));
            put("endpoint", json!(name_of(endpoint)));
        }
        match self {
            Event::PoolReady | Event::PoolClosed | Event::ConnectionCreated { .. } => {}
            Event::PoolCleared { endpoint, interrupt } => {
                if let Some(endpoint) = endpoint {
                    put("endpoint", json!(name_of(*endpoint)));
                }
                put("interruptInUse", json!(interrupt));
            }
            Event::ConnectionReady { endpoint, took, .. } => {
                put("durationMs", json!(ms(*took)));
                if let Some(dialect) = dialect_of(*endpoint) {
                    put("dialect", json!(dialect));
                }
            }
            Event::ConnectionClosed { reason, fault, .. } => {
                put("reason", json!(reason.text()));
                if let Some(fault) = fault {
                    put("error", fault.to_json());
                }
            }
            Event::CheckOutStarted { endpoint } => {
                if let Some(endpoint) = endpoint {
                    put("endpoint", json!(name_of(*endpoint)));
                }
            }
            Event::CheckOutFailed { endpoint, reason, waited, fault } => {
                if let Some(endpoint) = endpoint {
                    put("endpoint", json!(name_of(*endpoint)));
                }
                put("reason", json!(reason.text()));
                put("durationMs", json!(ms(*waited)));
                put("error", fault.to_json());
            }
            Event::CheckedOut { waited: took, .. }
            | Event::CheckedIn { used: took, .. }
            | Event::HealthCheckSucceeded { took, .. } => {
                put("durationMs", json!(ms(*took)));
            }
            Event::HealthCheckFailed { fault, failures, .. } => {
                put("error", fault.to_json());
                put("consecutiveFailures", json!(failures));
            }
            Event::EndpointDown { endpoint, fault, failures } => {
                put("endpoint", json!(name_of(*endpoint)));
                put("error", fault.to_json());
                put("failures", json!(failures));
            }
            Event::EndpointUp { endpoint, down } => {
                put("endpoint", json!(name_of(*endpoint)));
                put("downMs", json!(ms(*down)));
            }
            Event::LeakDetected { lease, held, .. }
            | Event::LeakReturned { lease, held, .. }
            | Event::LeaseLost { lease, held, .. } => {
                let Lease { slot, generation } = lease;
                put("heldMs", json!(ms(*held)));
                put("slot", json!(slot));
                put("generation", json!(generation));
            }
            Event::HookFailed { hook, fault, .. } => {
                put("hook", json!(hook.text()));
                put("error", fault.to_json());
            }
            Event::Desync { fault, .. } => {
                put("error", fault.to_json());
            }
            Event::Alert { severity, metric, value, threshold, endpoint, message } => {
                put("severity", json!(severity.text()));
                put("metric", json!(metric));
                put("value", json!(value));
                put("threshold", json!(threshold));
                put("message", json!(message));
                if let Some(endpoint) = endpoint {
                    put("endpoint", json!(name_of(*endpoint)));
                }
            }
        }
        Value::Object(fields)
    }

    /// The connection it tells of: its number and its endpoint.
    fn connection(&self) -> Option<(u64, usize)> {
        match self {
            Event::ConnectionCreated { id, endpoint }
            | Event::ConnectionReady { id, endpoint, .. }
            | Event::ConnectionClosed { id, endpoint, .. }
            | Event::CheckedOut { id, endpoint, .. }
            | Event::CheckedIn { id, endpoint, .. }
            | Event::HealthCheckSucceeded { id, endpoint, .. }
            | Event::HealthCheckFailed { id, endpoint, .. }
            | Event::LeakDetected { id, endpoint, .. }
            | Event::LeakReturned { id, endpoint, .. }
            | Event::LeaseLost { id, endpoint, .. }
            | Event::HookFailed { id, endpoint, .. }
            | Event::Desync { id, endpoint, .. } => Some((*id, *endpoint)),
            _ => None,
        }
    }
}
