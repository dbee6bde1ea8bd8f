//! Why what came is not a reply, in sentences that say what was seen.

use std::fmt;

/// Why a frame is not an answer to the command. The connection it came from is out of step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyError {
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// Bytes before the first that is not.
        offset: usize,
    },
    /// The text is not one JSON document.
    NotJson {
        /// What is wrong and where.
        message: String,
    },
    /// It is JSON, but not an object.
    NotAnObject,
    /// An object without the row's status field, or with one of another type.
    MissingStatus {
        /// The field.
        field: &'static str,
        /// The dialect the reply has the shape of, if any.
        looks_like: Option<&'static str>,
    },
    /// A failure whose text stands where another row has it.
    OtherDialect {
        /// The dialect the reply has the shape of.
        looks_like: &'static str,
    },
    /// An answer to something else.
    WrongId {
        /// The id sent.
        expected: u64,
        /// The id in the reply, as JSON; `null` when there is none.
        got: String,
    },
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::NotUtf8 { offset } => {
                write!(f, "the reply is not UTF-8 text from byte {offset} on")
            }
            ReplyError::NotJson { message } => write!(f, "the reply is not valid JSON: {message}"),
            ReplyError::NotAnObject => write!(f, "the reply is JSON but not an object"),
            ReplyError::MissingStatus { field, looks_like } => {
                write!(f, "the reply has no usable \"{field}\" field")?;
                match looks_like {
                    Some(dialect) => write!(f, "; it looks like the dialect '{dialect}'"),
                    None => write!(f, ": the endpoint speaks another dialect"),
                }
            }
            ReplyError::OtherDialect { looks_like } => {
                write!(f, "the reply is a failure as the dialect '{looks_like}' tells it")
            }
            ReplyError::WrongId { expected, got } => {
                write!(f, "the reply answers another command: expected id {expected}, got {got}")
            }
        }
    }
}

impl std::error::Error for ReplyError {}
