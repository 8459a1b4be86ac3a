//! Rules of addresses.

use super::{Flaw, flaw, phone};
use crate::error::ErrorCode;
use entity::accounts::{Address, address};
use entity::ids::UserId;

/// Addresses of one user.
pub const ADDRESSES_MAX: usize = 50;
/// Characters of a name, a company, a city and a region.
pub const ADDRESS_NAME_MAX: u64 = 120;
/// Characters of a line.
pub const ADDRESS_LINE_MAX: u64 = 200;
/// Characters of a postal code. Its form is not checked: every country has another, and some have none.
pub const POSTAL_CODE_MAX: u64 = 20;

/// What an address is the default of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Where things are sent.
    Shipping,
    /// Who is billed.
    Billing,
}

/// Changes of an address; what is `None` stays, `Some(None)` removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressChange {
    /// Who receives.
    pub name: Option<String>,
    /// Company.
    pub company: Option<Option<String>>,
    /// Street and number.
    pub line1: Option<String>,
    /// What else helps to find it.
    pub line2: Option<Option<String>>,
    /// Town.
    pub city: Option<String>,
    /// State or county.
    pub region: Option<Option<String>>,
    /// Postal code.
    pub postal_code: Option<Option<String>>,
    /// Country.
    pub country_code: Option<String>,
    /// Phone.
    pub phone: Option<Option<String>>,
    /// The version that the caller has seen.
    pub expected_version: Option<i32>,
}

/// A country as it is stored: two capital letters of ISO 3166-1.
///
/// # Errors
/// What is wrong with it.
pub fn country(text: &str) -> Result<String, Flaw> {
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 2 && rust_iso3166::from_alpha2(&code).is_some() {
        Ok(code)
    } else {
        Err(flaw(
            ErrorCode::Invalid,
            "A country is two letters of ISO 3166-1, like GB.",
        ))
    }
}

/// Text without surrounding blanks; nothing when nothing is left.
fn tidy(text: Option<String>) -> Option<String> {
    let text = text?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// An address as it is stored: without surrounding blanks, with the country in capitals and the phone as E.164. Lengths
/// are the input's rules.
///
/// # Errors
/// Every field that is wrong, with its name.
pub fn address(mut address: Address) -> Result<Address, Vec<(&'static str, Flaw)>> {
    let mut flaws = Vec::new();
    match country(&address.country_code) {
        Ok(code) => address.country_code = code,
        Err(flaw) => flaws.push(("countryCode", flaw)),
    }
    address.phone = match tidy(address.phone).map(|text| phone(&text)).transpose() {
        Ok(phone) => phone,
        Err(flaw) => {
            flaws.push(("phone", flaw));
            None
        }
    };
    for text in [&mut address.name, &mut address.line1, &mut address.city] {
        *text = text.trim().to_owned();
    }
    for text in [
        &mut address.company,
        &mut address.line2,
        &mut address.region,
        &mut address.postal_code,
    ] {
        *text = tidy(text.take());
    }
    if flaws.is_empty() {
        Ok(address)
    } else {
        Err(flaws)
    }
}

/// An address with a change.
#[must_use]
pub fn changed(address: Address, change: AddressChange) -> Address {
    Address {
        name: change.name.unwrap_or(address.name),
        company: change.company.unwrap_or(address.company),
        line1: change.line1.unwrap_or(address.line1),
        line2: change.line2.unwrap_or(address.line2),
        city: change.city.unwrap_or(address.city),
        region: change.region.unwrap_or(address.region),
        postal_code: change.postal_code.unwrap_or(address.postal_code),
        country_code: change.country_code.unwrap_or(address.country_code),
        phone: change.phone.unwrap_or(address.phone),
    }
}

/// Puts an address into a row of the book.
pub fn set_address(row: &mut address::Model, address: Address) {
    row.name = address.name;
    row.company = address.company;
    row.line1 = address.line1;
    row.line2 = address.line2;
    row.city = address.city;
    row.region = address.region;
    row.postal_code = address.postal_code;
    row.country_code = address.country_code;
    row.phone = address.phone;
}

/// Whether a row is the default of its user.
#[must_use]
pub fn is_default(row: &address::Model, kind: AddressKind) -> bool {
    default_of(row, kind).is_some()
}

/// Whose default a row is.
#[must_use]
pub const fn default_of(row: &address::Model, kind: AddressKind) -> Option<UserId> {
    match kind {
        AddressKind::Shipping => row.shipping_of,
        AddressKind::Billing => row.billing_of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_those_of_iso_3166() {
        assert_eq!(country(" gb ").unwrap(), "GB");
        for wrong in ["", "G", "GBR", "ZZ", "UK", "\u{212a}E", "12"] {
            assert!(country(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_tidied_and_all_that_is_wrong_is_told() {
        let given = Address {
            name: " Ada ".into(),
            company: Some("  ".into()),
            line1: "1 High Street".into(),
            line2: None,
            city: "London".into(),
            region: None,
            postal_code: Some(" N1 9GU".into()),
            country_code: "gb".into(),
            phone: Some("+44 20 7183 8750".into()),
        };
        let tidy = address(given.clone()).unwrap();
        assert_eq!((tidy.name.as_str(), tidy.company), ("Ada", None));
        assert_eq!(tidy.postal_code.as_deref(), Some("N1 9GU"));
        assert_eq!(tidy.phone.as_deref(), Some("+442071838750"));
        let wrong = Address {
            country_code: "XX".into(),
            phone: Some("call me".into()),
            ..given
        };
        let fields: Vec<_> = address(wrong)
            .unwrap_err()
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["countryCode", "phone"]);
    }
}
