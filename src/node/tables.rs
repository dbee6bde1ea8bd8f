//! Options, error codes and dialects, as the facade reads them.

use napi_derive::napi;
use serde_json::{Value, json};

use crate::fault::CODES;
use crate::pool::event::Name;
use crate::pool::options::table::OPTIONS;
use crate::wire::DIALECTS;

/// The tables as JSON: `{ options, errors, dialects, events }`; an event's place is its bit in
/// `NativePool.observe`.
#[napi]
pub fn tables() -> String {
    let errors: Vec<Value> = CODES
        .iter()
        .map(|row| json!({ "code": row.text, "retryable": row.retryable, "meaning": row.meaning, "advice": row.advice, "ofResources": row.of_resources }))
        .collect();
    let options: Vec<Value> = OPTIONS.iter().map(|row| row.describe()).collect();
    let dialects: Vec<Value> = DIALECTS.iter().map(|row| row.describe()).collect();
    let events: Vec<&str> = Name::ALL.iter().map(|name| name.text()).collect();
    json!({ "options": options, "errors": errors, "dialects": dialects, "events": events })
        .to_string()
}
