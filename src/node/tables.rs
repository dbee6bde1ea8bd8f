//! Options, error codes and dialects, as the facade reads them.

use napi_derive::napi;
use serde_json::{Value, json};

use crate::fault::CODES;
use crate::pool::options::OPTIONS;
use crate::wire::DIALECTS;

/// The tables as JSON: `{ options, errors, dialects }`.
#[napi]
pub fn tables() -> String {
    let errors: Vec<Value> = CODES
        .iter()
        .map(|row| json!({ "code": row.text, "retryable": row.retryable, "meaning": row.meaning, "advice": row.advice }))
        .collect();
    let options: Vec<Value> = OPTIONS.iter().map(|row| row.describe()).collect();
    let dialects: Vec<Value> = DIALECTS.iter().map(|row| row.describe()).collect();
    json!({ "options": options, "errors": errors, "dialects": dialects }).to_string()
}
