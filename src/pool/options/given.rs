//! The options that a facade passes on, read by the rows of the option table.
//!
//! What is not given is its row's default. The facade has checked names, types and ranges already;
//! they are checked here again, since who else calls this crate has not.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::endpoint::refuse;
use super::table::{Default, Kind, MS_MAX, OPTIONS, OptionRow, Owner};
use crate::fault::{Code, Fault};

/// See the module.
#[derive(Debug)]
pub struct Given {
    owner: Owner,
    values: Map<String, Value>,
}

impl Given {
    /// Reads the text of a JSON object.
    ///
    /// # Errors
    /// [`Code::InvalidOption`] when it is none, or holds what `owner` does not take.
    pub fn read(text: &str, owner: Owner) -> Result<Self, Fault> {
        let mut values: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Fault::new(Code::InvalidOption, format!("the options could not be read: {error}"))
        })?;
        values.retain(|_, value| !value.is_null());
        let given = Given { owner, values };
        match given.values.keys().find(|name| given.find(name).is_none()) {
            Some(name) => Err(refuse(name, given.values[name].clone(), "is not an option")),
            None => Ok(given),
        }
    }

    fn find(&self, name: &str) -> Option<&'static OptionRow> {
        OPTIONS.iter().find(|row| row.name == name && row.owners.contains(&self.owner))
    }

    fn row(&self, name: &str) -> &'static OptionRow {
        self.find(name).unwrap_or_else(|| unreachable!("{name} has no row"))
    }

    /// A number; `None` where the row has no default.
    ///
    /// # Errors
    /// [`Code::InvalidOption`] outside the row's range.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let row = self.row(name);
        let Kind::Integer(min, max) = row.kind else { unreachable!("{name} is a number") };
        match (self.values.get(name), row.default) {
            (None, Default::Integer(number)) => Ok(Some(number)),
            (None, _) => Ok(None),
            (Some(value), _) => match value.as_u64() {
                Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
                _ => Err(refuse(name, value.clone(), &format!("is outside {min} to {max}"))),
            },
        }
    }

    /// A number that counts things; 0 where the row has no default.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub fn count(&self, name: &str) -> Result<u32, Fault> {
        Ok(self.number(name)?.unwrap_or(0) as u32)
    }

    /// A number that a dialect may have its own of.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub fn size(&self, name: &str) -> Result<Option<usize>, Fault> {
        Ok(self.number(name)?.map(|number| number as usize))
    }

    /// A time.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub fn millis(&self, name: &str) -> Result<Duration, Fault> {
        Ok(Duration::from_millis(self.number(name)?.unwrap_or(MS_MAX)))
    }

    /// A time of which zero means "never".
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub fn some_millis(&self, name: &str) -> Result<Option<Duration>, Fault> {
        Ok(Some(self.millis(name)?).filter(|time| !time.is_zero()))
    }

    /// One of the row's words.
    ///
    /// # Errors
    /// [`Code::InvalidOption`] for any other.
    pub fn choice(&self, name: &str) -> Result<&'static str, Fault> {
        let row = self.row(name);
        let (Kind::Choice(words), Default::Text(default)) = (row.kind, row.default) else {
            unreachable!("{name} is a choice")
        };
        let Some(value) = self.values.get(name) else { return Ok(default) };
        match words.iter().find(|word| value.as_str() == Some(word)) {
            Some(word) => Ok(word),
            None => {
                Err(refuse(name, value.clone(), &format!("is not one of {}", words.join(", "))))
            }
        }
    }

    /// A flag, or whether there is such a function; false where the row has no default.
    ///
    /// # Errors
    /// [`Code::InvalidOption`] for anything but a flag.
    pub fn flag(&self, name: &str) -> Result<bool, Fault> {
        Ok(self.some_flag(name)?.unwrap_or(false))
    }

    /// The same where the dialect may have its own.
    ///
    /// # Errors
    /// As [`flag`](Self::flag).
    pub fn some_flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        match (self.values.get(name), self.row(name).default) {
            (None, Default::Boolean(flag)) => Ok(Some(flag)),
            (None, _) => Ok(None),
            (Some(Value::Bool(flag)), _) => Ok(Some(*flag)),
            (Some(value), _) => Err(refuse(name, value.clone(), "is neither true nor false")),
        }
    }

    /// A text, if there is one.
    ///
    /// # Errors
    /// [`Code::InvalidOption`] for anything but text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match (self.values.get(name), self.row(name).default) {
            (None, Default::Text(text)) => Ok(Some(text)),
            (None, _) => Ok(None),
            (Some(Value::String(text)), _) => Ok(Some(text)),
            (Some(value), _) => Err(refuse(name, value.clone(), "is not a text")),
        }
    }

    /// Whatever else it is; `None` when it is not there.
    ///
    /// # Errors
    /// [`Code::InvalidOption`] when it is not that.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.row(name);
        let Some(value) = self.values.get(name) else { return Ok(None) };
        serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| refuse(name, value.clone(), &format!("could not be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_class_takes_is_refused() {
        assert!(Given::read(r#"{"dialect":"auto"}"#, Owner::ConnectionPool).is_ok());
        let fault = Given::read(r#"{"dialect":"auto"}"#, Owner::Limiter).unwrap_err();
        assert_eq!(fault.code(), Code::InvalidOption);
        assert!(fault.message().contains("dialect"), "{fault}");
    }

    #[test]
    fn null_is_as_good_as_nothing() {
        let given = Given::read(r#"{"maxConnections":null}"#, Owner::ResourcePool).unwrap();
        assert_eq!(given.number("maxConnections").unwrap(), Some(5));
        assert_eq!(given.number("maxWaiting").unwrap(), None);
    }

    #[test]
    fn a_wrong_type_is_refused_by_name() {
        let text = r#"{"maxConnections":"9","start":1,"detectNestedAcquire":0}"#;
        let given = Given::read(text, Owner::ConnectionPool).unwrap();
        for fault in [
            given.number("maxConnections").unwrap_err(),
            given.choice("start").unwrap_err(),
            given.flag("detectNestedAcquire").unwrap_err(),
        ] {
            assert_eq!(fault.code(), Code::InvalidOption);
        }
    }
}
