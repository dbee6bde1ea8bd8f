//! Options, error codes and dialects, as the facade reads them.

use napi_derive::napi;
use serde_json::{Value, json};

use crate::fault::CODES;
use crate::pool::atomics::SHELF_NOTES;
use crate::pool::event::Name;
use crate::pool::options::table::OPTIONS;
use crate::pool::shelf::{SHELF_SLOTS, SLOTS_PER_WORD, Shelf};
use crate::wire::DIALECTS;

/// The tables as JSON: `{ options, errors, dialects, events, shelf }`; an event's place is its bit in
/// `NativePool.observe`, and of the shelf it says where in its memory everything is.
#[napi]
pub fn tables() -> String {
    let errors: Vec<Value> = CODES
        .iter()
        .map(|row| json!({ "code": row.text, "retryable": row.retryable, "meaning": row.meaning, "advice": row.advice, "ofResources": row.of_resources }))
        .collect();
    let options: Vec<Value> = OPTIONS.iter().map(|row| row.describe()).collect();
    let dialects: Vec<Value> = DIALECTS.iter().map(|row| row.describe()).collect();
    let events: Vec<&str> = Name::ALL.iter().map(|name| name.text()).collect();
    let fields: serde_json::Map<String, Value> =
        Shelf::layout().fields.iter().map(|(name, at)| ((*name).to_owned(), json!(at))).collect();
    let shelf = json!({
        "slots": SHELF_SLOTS, "slotsPerWord": SLOTS_PER_WORD, "notes": SHELF_NOTES, "at": fields,
    });
    json!({ "options": options, "errors": errors, "dialects": dialects, "events": events, "shelf": shelf })
        .to_string()
}
