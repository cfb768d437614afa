//! The number of threads that evaluate one picture.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use glimpsed_inference::MAX_THREADS;

/// The name of this format in the JSON Schema; see `config::key_list`.
pub const FORMAT: &str = "threads";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Measured when the model is loaded: doubled as long as that pays.
    Auto,
    /// From 1 to [`MAX_THREADS`].
    Fixed(usize),
}

impl Default for Threads {
    /// One thread costs the least CPU time per picture.
    fn default() -> Self {
        Self::Fixed(1)
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(threads) => serializer.serialize_u64(*threads as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

#[derive(Clone, Copy)]
struct Reader;

impl Visitor<'_> for Reader {
    type Value = Threads;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "a whole number from 1 to {MAX_THREADS}, or \"auto\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Threads, E> {
        match usize::try_from(number) {
            Ok(threads @ 1..=MAX_THREADS) => Ok(Threads::Fixed(threads)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Threads, E> {
        self.visit_u64(u64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))?)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Threads, E> {
        match text {
            "auto" => Ok(Threads::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl JsonSchema for Threads {
    fn schema_name() -> Cow<'static, str> {
        "Threads".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": MAX_THREADS,
            "pattern": "^auto$",
            "format": FORMAT,
        })
    }
}
