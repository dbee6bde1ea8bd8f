//! Why a command cannot be said in a dialect, in sentences a caller can act on.

use std::fmt;

/// Why a command cannot be sent; not a byte of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// The add-on has no such command.
    UnknownKind {
        /// The row.
        dialect: &'static str,
        /// The type asked for.
        kind: String,
        /// The types there are.
        known: &'static [&'static str],
    },
    /// The row sends a type in two parts and this one has no separator.
    UndividedKind {
        /// The row.
        dialect: &'static str,
        /// The type asked for.
        kind: String,
        /// What must stand between the parts.
        separator: char,
    },
    /// The parameters are not JSON.
    BadParams {
        /// What the parser says.
        reason: String,
    },
    /// The parameters are JSON, but not an object.
    ParamsNotAnObject,
    /// A parameter the command cannot do without, or of the wrong kind.
    WrongParam {
        /// The row.
        dialect: &'static str,
        /// The parameter.
        param: &'static str,
        /// What it must be.
        wants: &'static str,
    },
    /// A parameter the envelope has no room for.
    UnknownParam {
        /// The row.
        dialect: &'static str,
        /// The parameter.
        param: String,
    },
    /// The frame's length cannot be stated in four bytes.
    TooLarge {
        /// Bytes of the payload.
        size: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::UnknownKind { dialect, kind, known } => write!(
                f,
                "the {dialect} add-on has no command {kind:?}; it knows only {}",
                known.join(", ")
            ),
            EncodeError::UndividedKind { dialect, kind, separator } => write!(
                f,
                "the {dialect} add-on wants a type in two parts, as \"category{separator}action\"; \
                 {kind:?} has no {separator:?}"
            ),
            EncodeError::BadParams { reason } => write!(f, "params are not valid JSON: {reason}"),
            EncodeError::ParamsNotAnObject => write!(f, "params must be an object"),
            EncodeError::WrongParam { dialect, param, wants } => {
                write!(f, "for the {dialect} add-on params.{param} must be {wants}")
            }
            EncodeError::UnknownParam { dialect, param } => {
                write!(f, "the {dialect} add-on has no place for params.{param}")
            }
            EncodeError::TooLarge { size } => {
                write!(f, "the command is {size} bytes; this dialect cannot state 4 GiB or more")
            }
        }
    }
}

impl std::error::Error for EncodeError {}
