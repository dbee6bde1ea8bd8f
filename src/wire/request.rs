//! The shape of a row's requests: which fields, in which order, filled from where.
//!
//! Data only; `encode` fills it.

/// A command's envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestShape {
    /// The commands there are.
    pub kinds: Kinds,
    /// The fields, in the order they are written.
    pub members: &'static [Member],
}

/// An id that the add-on echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdShape {
    /// The field, the same in request and reply.
    pub field: &'static str,
    /// Sent as a string, for add-ons that insist on one; else as a number.
    pub text: bool,
    /// What a failure bears for an id when the add-on could not read the request, as JSON. A missing
    /// id counts as `null`.
    pub unread: &'static str,
}

impl IdShape {
    /// The id as JSON.
    pub(super) fn json(self, id: u64) -> String {
        if self.text { format!("\"{id}\"") } else { id.to_string() }
    }

    /// Whether an id, as JSON, is the one of a request that could not be read.
    pub(super) fn is_unread(self, json: &str) -> bool {
        json == "null" || json == self.unread
    }
}

/// The commands an add-on knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// It decides for itself.
    Any,
    /// These and no other.
    Only(&'static [&'static str]),
}

/// One field of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The number of the request, which the reply must repeat.
    Id(IdShape),
    /// The command's type.
    Kind {
        /// The field's name.
        field: &'static str,
    },
    /// The part of the command's type before the first `separator`.
    KindBefore {
        /// The field's name.
        field: &'static str,
        /// Must occur in the type.
        separator: char,
    },
    /// The part of the command's type after the first `separator`.
    KindAfter {
        /// The field's name.
        field: &'static str,
        /// Must occur in the type.
        separator: char,
    },
    /// All parameters, as an object.
    Params {
        /// The field's name.
        field: &'static str,
    },
    /// One parameter, taken out of the object. A row with such members has no parameters but these.
    Param {
        /// The field's name, and the parameter's.
        field: &'static str,
        /// What it must be.
        kind: ValueKind,
        /// JSON to send when it is missing; without one it is required.
        default: Option<&'static str>,
    },
    /// The same in every request.
    Constant {
        /// The field's name.
        field: &'static str,
        /// The value, as JSON.
        json: &'static str,
    },
}

impl Member {
    /// The field's name in the envelope.
    pub fn field(&self) -> &'static str {
        match *self {
            Member::Id(IdShape { field, .. })
            | Member::Kind { field }
            | Member::KindBefore { field, .. }
            | Member::KindAfter { field, .. }
            | Member::Params { field }
            | Member::Param { field, .. }
            | Member::Constant { field, .. } => field,
        }
    }
}

/// What a parameter taken out of the object must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
}

impl ValueKind {
    /// Whether a value is of this kind.
    pub(super) fn fits(self, json: &str) -> bool {
        match self {
            ValueKind::Text => json.starts_with('"'),
            ValueKind::Flag => matches!(json, "true" | "false"),
        }
    }

    /// The kind in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            ValueKind::Text => "a string",
            ValueKind::Flag => "true or false",
        }
    }
}

impl RequestShape {
    /// The id of the envelope, where it has one.
    pub fn id(&self) -> Option<IdShape> {
        self.members.iter().find_map(|member| match member {
            Member::Id(id) => Some(*id),
            _ => None,
        })
    }
}
