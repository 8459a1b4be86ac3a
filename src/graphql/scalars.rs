//! Scalars and small types that several domains use.

use crate::error::{ErrorCode, Problem};
use crate::graphql::error::ApiError;
use crate::{clock, money};
use async_graphql::{
    ID, InputType, InputValueError, InputValueResult, Pos, Scalar, ScalarType, SimpleObject, Value,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// An exact decimal number as a string, with all the decimals of its currency: `"150.00"`. A JSON number is refused,
/// because programs read those as floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub rust_decimal::Decimal);

/// An exact decimal number as a string, with all the decimals of its currency: `"150.00"`. A JSON number is refused,
/// because programs read those as floats.
#[Scalar(
    name = "Decimal",
    specified_by_url = "https://en.wikipedia.org/wiki/Decimal_floating_point"
)]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => rust_decimal::Decimal::from_str_exact(text)
                .map(Self)
                .map_err(|_| {
                    InputValueError::custom(
                        "A decimal is a string like \"150.00\", of at most 28 digits.",
                    )
                }),
            Value::Number(number) => Err(InputValueError::custom(format!(
                "Write the number as a string: \"{number}\"."
            ))),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(money::to_text(self.0))
    }
}

impl serde::Serialize for Decimal {
    /// As clients write it; rules of input structs and idempotency keys read inputs through serde.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A moment in UTC as RFC 3339 with microseconds: `"2026-01-15T10:30:00.000000Z"`. Other offsets are read and turned
/// into UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub DateTime<Utc>);

/// A moment in UTC as RFC 3339 with microseconds: `"2026-01-15T10:30:00.000000Z"`. Other offsets are read and turned
/// into UTC.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339"
)]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => DateTime::parse_from_rfc3339(text)
                .map(|time| Self(time.to_utc()))
                .map_err(|_| {
                    InputValueError::custom("A time is a string like \"2026-01-15T10:30:00Z\".")
                }),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(clock::to_text(self.0))
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

/// Code of a currency or crypto asset, 3 to 10 capital letters: `GBP`, `BTC`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CurrencyCode(pub String);

/// Code of a currency or crypto asset, 3 to 10 capital letters: `GBP`, `BTC`.
#[Scalar(
    name = "CurrencyCode",
    specified_by_url = "https://www.iso.org/iso-4217-currency-codes.html"
)]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text)
                if (3..=10).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_uppercase()) =>
            {
                Ok(Self(text))
            }
            _ => Err(InputValueError::custom(
                "A currency is 3 to 10 capital letters, like \"GBP\".",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// What is wrong with a value of one of the scalars above, said with how to write it.
#[must_use]
pub fn problem(scalar: &str, value: &Value) -> Option<String> {
    match scalar {
        "Decimal" => unreadable::<Decimal>(value),
        "DateTime" => unreadable::<Time>(value),
        "CurrencyCode" => unreadable::<CurrencyCode>(value),
        _ => None,
    }
}

fn unreadable<S: ScalarType + InputType>(value: &Value) -> Option<String> {
    let error = <S as ScalarType>::parse(value.clone()).err()?;
    Some(error.into_server_error(Pos::default()).message)
}

/// An amount of money.
#[derive(Clone, Debug, SimpleObject)]
pub struct Money {
    /// The amount with all the decimals of its currency, as `"150.00"`.
    pub amount: Decimal,
    /// The currency.
    pub currency_code: CurrencyCode,
}

impl Money {
    /// An amount of minor units.
    #[must_use]
    pub fn new(minor: i64, currency: &str) -> Self {
        Self {
            amount: Decimal(money::to_decimal(minor, currency)),
            currency_code: CurrencyCode(currency.to_owned()),
        }
    }
}

/// A 64-bit count in the 32 bits of GraphQL's Int; counts beyond it are shown as its greatest value.
#[must_use]
pub fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// An id as GraphQL shows it.
#[must_use]
pub fn id(id: impl Into<Uuid>) -> ID {
    let text = &mut Uuid::encode_buffer();
    ID(id.into().hyphenated().encode_lower(text).to_owned())
}

/// Reads the id of a mutation: what is not a UUID is a user error at `path`.
///
/// # Errors
/// `INVALID`.
pub fn mutation_id<T: From<Uuid>>(id: &ID, path: &[&str]) -> Result<T, Problem> {
    Uuid::try_parse(id.as_str()).map(T::from).map_err(|_| {
        Problem::new(
            ErrorCode::Invalid,
            "An id is a UUID, as the schema's ids are.",
            path,
        )
    })
}

/// Reads the id of a query.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn query_id<T: From<Uuid>>(id: &ID) -> Result<T, ApiError> {
    Uuid::try_parse(id.as_str()).map(T::from).map_err(|_| {
        ApiError::BadUserInput(format!("{:?} is not an id: ids are UUIDs.", id.as_str()))
    })
}
