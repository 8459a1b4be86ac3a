//! Amounts: `i64` minor units of a currency with its exponent; decimals only at the edge.
//!
//! Exponents are those of ISO 4217 (2018 and amendments) and, for crypto assets, the scale their networks use.

use rust_decimal::Decimal;
use std::collections::HashMap;
use std::sync::LazyLock;

/// An amount of a currency.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Money {
    /// Minor units (pence of GBP, yen of JPY).
    pub minor: i64,
    /// Code of the currency.
    pub currency: String,
}

/// Why a decimal is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More decimals than the currency has.
    #[error("The currency has {0} decimals.")]
    Precision(u32),
    /// Too large for 64 bits of minor units.
    #[error("The amount is too large.")]
    TooLarge,
    /// The program does not know the currency.
    #[error("The currency is not known.")]
    UnknownCurrency,
}

/// Decimals of currencies and crypto assets that the program knows.
const EXPONENTS: &[(u32, &[&str])] = &[
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND",
            "VUV", "XAF", "XOF", "XPF",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (6, &["XRP", "USDC", "USDT"]),
    (8, &["BTC", "ETH", "LTC", "SOL", "DOGE"]),
    (
        2,
        &[
            "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD",
            "BDT", "BGN", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD",
            "CDF", "CHF", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP",
            "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD",
            "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR",
            "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD",
            "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
            "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON",
            "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD",
            "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD",
            "TZS", "UAH", "USD", "UYU", "UZS", "VES", "WST", "XCD", "YER", "ZAR", "ZMW",
        ],
    ),
];

/// Decimals of a currency or crypto asset, as the table `assets` has them, or nothing when it is not known. 0 for JPY, 2 for GBP, 3 for KWD, 8 for BTC.
#[must_use]
pub fn exponent(currency: &str) -> Option<u32> {
    // Asked for each amount that is shown.
    static BY_CODE: LazyLock<HashMap<&str, u32, ahash::RandomState>> = LazyLock::new(|| {
        let of_exponent = |(exponent, codes): &(u32, &'static [&'static str])| {
            let exponent = *exponent;
            codes.iter().map(move |code| (*code, exponent))
        };
        EXPONENTS.iter().flat_map(of_exponent).collect()
    });
    BY_CODE.get(currency).copied()
}

/// Minor units of a decimal.
///
/// # Errors
/// More decimals than the currency has, a value beyond 64 bits, or an unknown currency; nothing is ever rounded.
pub fn to_minor(amount: Decimal, currency: &str) -> Result<i64, Error> {
    let scale = exponent(currency).ok_or(Error::UnknownCurrency)?;
    to_minor_at(amount, scale)
}

fn to_minor_at(amount: Decimal, scale: u32) -> Result<i64, Error> {
    let amount = amount.normalize();
    if amount.scale() > scale {
        return Err(Error::Precision(scale));
    }
    let factor = 10_i128.pow(scale - amount.scale());
    amount
        .mantissa()
        .checked_mul(factor)
        .and_then(|minor| i64::try_from(minor).ok())
        .ok_or(Error::TooLarge)
}

/// The decimal of minor units, with all the decimals of its currency (`150.00`).
#[must_use]
pub fn to_decimal(minor: i64, currency: &str) -> Decimal {
    Decimal::from_i128_with_scale(i128::from(minor), exponent(currency).unwrap_or(0))
}

/// A decimal as text: as its own `Display` writes it, which is too slow for what stands in every list.
#[must_use]
pub fn to_text(amount: Decimal) -> String {
    let scale = amount.scale() as usize;
    let is_plain = scale > 0 && !amount.is_sign_negative();
    let mantissa = u64::try_from(amount.mantissa()).ok();
    let Some(mut rest) = mantissa.filter(|_| is_plain) else {
        return amount.to_string();
    };
    let mut text = [b'0'; 64];
    let mut place = text.len();
    // At least one digit before the point.
    for digits in 0.. {
        if digits > scale && rest == 0 {
            break;
        }
        if digits == scale {
            place -= 1;
            text[place] = b'.';
        }
        place -= 1;
        text[place] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    String::from_utf8_lossy(&text[place..]).into_owned()
}

impl Money {
    /// An amount of minor units.
    #[must_use]
    pub fn new(minor: i64, currency: &str) -> Self {
        Self {
            minor,
            currency: currency.to_owned(),
        }
    }

    /// Its decimal as text, with all the decimals of the currency.
    #[must_use]
    pub fn amount(&self) -> String {
        to_decimal(self.minor, &self.currency).to_string()
    }
}

/// Quantity × unit price in minor units, or nothing when it does not fit into 64 bits.
#[must_use]
pub fn line_total(quantity: i64, unit_price_minor: i64) -> Option<i64> {
    i64::try_from(i128::from(quantity) * i128::from(unit_price_minor)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_the_decimal_itself_shows() {
        for minor in [
            0,
            1,
            9,
            10,
            99,
            100,
            101,
            12_345,
            -1,
            -12_345,
            i64::MAX,
            i64::MIN,
        ] {
            for scale in [0, 1, 2, 3, 8, 18, 28] {
                let decimal = Decimal::from_i128_with_scale(i128::from(minor), scale);
                assert_eq!(to_text(decimal), decimal.to_string(), "{minor} at {scale}");
            }
        }
        assert_eq!(to_text(Decimal::MAX), Decimal::MAX.to_string());
    }

    #[test]
    fn decimals_and_minor_units_are_exact_for_every_exponent() {
        for (currency, text, minor) in [
            ("JPY", "150", 150),
            ("GBP", "150.00", 15_000),
            ("KWD", "1.005", 1_005),
            ("BTC", "0.00000001", 1),
        ] {
            let decimal = Decimal::from_str_exact(text).unwrap();
            assert_eq!(to_minor(decimal, currency), Ok(minor));
            assert_eq!(to_decimal(minor, currency).to_string(), text);
        }
    }

    #[test]
    fn too_many_decimals_are_refused_and_trailing_zeros_are_not() {
        assert_eq!(
            to_minor(Decimal::from_str_exact("0.001").unwrap(), "GBP"),
            Err(Error::Precision(2))
        );
        assert_eq!(
            to_minor(Decimal::from_str_exact("1.5000").unwrap(), "GBP"),
            Ok(150)
        );
        assert_eq!(to_minor(Decimal::MAX, "GBP"), Err(Error::TooLarge));
    }

    #[test]
    fn every_number_of_decimals_is_exact_there_and_back() {
        for scale in 0..=8 {
            for minor in [0, 1, -1, 9, 10, 99_999_999, 100_000_000, i64::MAX, i64::MIN] {
                let text = Decimal::from_i128_with_scale(i128::from(minor), scale).to_string();
                let read: Decimal = text.parse().unwrap();
                assert_eq!(to_minor_at(read, scale), Ok(minor), "{text} {scale}");
            }
            let finer = Decimal::new(1, scale + 1);
            assert_eq!(to_minor_at(finer, scale), Err(Error::Precision(scale)));
        }
    }
}
