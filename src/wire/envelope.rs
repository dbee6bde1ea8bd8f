//! The two fields of a reply that decide what it is, picked out of its text in one pass.
//!
//! No tree is built and nothing is copied; every other field is skipped, however deep.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The fields of a reply that decide what it is, as JSON.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    /// The value of the status field.
    pub(super) ok: Option<&'a RawValue>,
    /// The value of the id field.
    pub(super) id: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Opens text that is one JSON object, and nothing behind it.
    pub(super) fn open(
        text: &'a str,
        ok: &'static str,
        id: Option<&'static str>,
    ) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let envelope = EnvelopeSeed { ok, id }.deserialize(&mut json)?;
        json.end()?;
        Ok(envelope)
    }
}

/// Which fields to keep.
struct EnvelopeSeed {
    ok: &'static str,
    id: Option<&'static str>,
}

impl<'a> DeserializeSeed<'a> for EnvelopeSeed {
    type Value = Envelope<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Envelope<'a>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for EnvelopeSeed {
    type Value = Envelope<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Envelope<'a>, M::Error> {
        let mut envelope = Envelope::default();
        // A field named twice counts as it does in JavaScript and Python: the last one stands.
        while let Some(field) = map.next_key_seed(FieldSeed(&self))? {
            match field {
                Field::Ok => envelope.ok = Some(map.next_value()?),
                Field::Id => envelope.id = Some(map.next_value()?),
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}

enum Field {
    Ok,
    Id,
    Other,
}

/// Tells a field by its name without keeping the name.
struct FieldSeed<'s>(&'s EnvelopeSeed);

impl<'a> DeserializeSeed<'a> for FieldSeed<'_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed<'_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        Ok(match name {
            name if name == self.0.ok => Field::Ok,
            name if Some(name) == self.0.id => Field::Id,
            _ => Field::Other,
        })
    }
}
