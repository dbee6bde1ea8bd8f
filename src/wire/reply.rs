//! The shape of a row's replies: where success, result and failure stand.
//!
//! Data, and how a value compares with it; `check` applies it here, and whoever parses the reply applies
//! the same row from [`Dialect::describe`](super::Dialect::describe). Telling add-ons apart by their
//! replies takes more than the status field: several share it.

use serde_json::{Value, json};

/// A reply's envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyShape {
    /// Where success is told from failure.
    pub ok: OkField,
    /// The field with the result.
    pub result: &'static str,
    /// The way to the text of a failure, field by field from the outside in.
    pub message: &'static [&'static str],
    /// Fields to pass on beside the result, where present.
    pub extras: &'static [&'static str],
}

/// The field that tells success from failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OkField {
    /// The field.
    pub field: &'static str,
    /// Its value on success; any other of the same type is a failure.
    pub equals: Scalar,
}

/// A value in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    Text(&'static str),
    /// A boolean.
    Flag(bool),
}

impl Scalar {
    /// Whether a value equals this one; none when it is of another type.
    pub(super) fn compare(self, value: &Value) -> Option<bool> {
        match self {
            Scalar::Text(text) => value.as_str().map(|value| value == text),
            Scalar::Flag(flag) => value.as_bool().map(|value| value == flag),
        }
    }

    /// The same for a value that is still text.
    pub(super) fn compare_text(self, json: &str) -> Option<bool> {
        // An array or an object is of another type; there is no need to build it.
        if json.starts_with(['{', '[']) {
            return None;
        }
        self.compare(&serde_json::from_str(json).ok()?)
    }

    fn describe(self) -> Value {
        match self {
            Scalar::Text(text) => json!(text),
            Scalar::Flag(flag) => json!(flag),
        }
    }
}

impl ReplyShape {
    /// Whether a reply looks like this add-on's: its status field, and with it the result of a success or
    /// the text of a failure where this add-on puts it.
    pub(super) fn fits(&self, reply: &Value) -> bool {
        let status = reply.get(self.ok.field);
        match status.and_then(|status| self.ok.equals.compare(status)) {
            Some(true) => reply.get(self.result).is_some(),
            Some(false) => self
                .message
                .iter()
                .try_fold(reply, |value, field| value.get(field))
                .is_some_and(Value::is_string),
            None => false,
        }
    }

    /// The shape as JSON.
    pub(super) fn describe(&self) -> Value {
        json!({
            "ok": { "field": self.ok.field, "equals": self.ok.equals.describe() },
            "result": self.result,
            "message": self.message,
            "extras": self.extras,
        })
    }
}
