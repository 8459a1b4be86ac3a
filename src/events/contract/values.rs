//! Values of bodies, each with its form on the wire and its schema. A body has these instead of plain text, so that
//! neither a float nor a time of another form can get into an event.

use crate::clock;
use crate::money;
use chrono::{DateTime, Utc};
use entity::TextEnum;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// A decimal, exact, never a number of JSON.
pub(in crate::events) const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]+)?$";
/// A currency of ISO 4217, or a crypto asset.
pub(in crate::events) const CURRENCY: &str = "^[A-Z]{3,10}$";
/// A time in UTC with six digits of fraction.
const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$";
/// A word of a fixed set that may grow.
const WORD: &str = "^[A-Z][A-Z0-9_]*$";

/// A moment, as RFC 3339 in UTC with six digits of fraction and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clock::to_text(self.0))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "pattern": TIME })
    }
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// A decimal with all the decimals of the currency.
    #[schemars(regex(pattern = DECIMAL))]
    pub amount: String,
    /// The currency: ISO 4217, or a crypto asset.
    #[schemars(regex(pattern = CURRENCY))]
    pub currency_code: String,
}

impl Money {
    /// An amount of minor units.
    #[must_use]
    pub fn new(minor: i64, currency: &str) -> Self {
        Self {
            amount: money::to_decimal(minor, currency).to_string(),
            currency_code: currency.to_owned(),
        }
    }
}

/// One of a fixed set of words. Its schema names those of today and allows others: a later release may have more, and
/// consumers treat what they do not know as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T: TextEnum> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text())
    }
}

impl<T: TextEnum> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known: Vec<&str> = T::VALUES.iter().map(|value| value.text()).collect();
        words(&known)
    }
}

/// The schema of a word that is one of these today.
#[must_use]
pub fn words(known: &[&str]) -> Schema {
    json_schema!({ "type": "string", "anyOf": [{ "enum": known }, { "pattern": WORD }] })
}
