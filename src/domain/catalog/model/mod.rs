//! Rules of the catalogue that need no database, and the values that its use cases take and give.

mod changes;
mod lists;
mod search;

pub use changes::*;
pub use lists::*;
pub use search::*;

use crate::money;
use entity::catalog::{Availability, category, variant};
use entity::ids::{CategoryId, ProductId, VariantId};
use rust_decimal::Decimal;
use std::collections::HashSet;

/// Characters of a product's name and slug.
pub const PRODUCT_NAME_MAX: u64 = 200;
/// Characters of a category's name and slug, and of a variant's name.
pub const NAME_MAX: u64 = 120;
/// Characters of a description.
pub const DESCRIPTION_MAX: u64 = 10_000;
/// Characters of a SKU and of an external reference.
pub const REFERENCE_MAX: u64 = 64;
/// Characters of an image's address.
pub const URL_MAX: u64 = 2_048;
/// Characters of an image's alternative text.
pub const ALT_MAX: u64 = 250;
/// Variants of a product that can be bought.
pub const VARIANTS_MAX: u64 = 100;
/// Options of a variant.
pub const OPTIONS_MAX: u64 = 10;
/// Images of a product.
pub const IMAGES_MAX: u64 = 20;
/// Categories of a product, and values in a list of a filter.
pub const CATEGORIES_MAX: u64 = 50;
/// Categories directly below another: `Category.children` is a plain list.
pub const CHILDREN_MAX: u64 = 200;
/// Levels of the category tree.
pub const TREE_DEPTH_MAX: usize = 8;
/// The greatest price in minor units: a thousand of them times the largest quantity still fits into 64 bits.
pub const PRICE_MAX_MINOR: i64 = 1_000_000_000_000;
/// Characters of a product's name as orders copy it.
const SELLABLE_NAME_MAX: usize = 200;

/// What the public is told of a variant's stock became something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityChange {
    /// The variant.
    pub variant_id: VariantId,
    /// Its product.
    pub product_id: ProductId,
    /// Its SKU.
    pub sku: String,
    /// What it was told before.
    pub from: Availability,
    /// What it is told now.
    pub to: Availability,
}

/// Text in lower case, as it is compared and sorted on every database; at most `max` characters, since lower case can
/// be longer (`İ`).
#[must_use]
pub fn fold(text: &str, max: u64) -> String {
    (0..max)
        .zip(text.to_lowercase().chars())
        .map(|(_, letter)| letter)
        .collect()
}

/// A SKU as SKUs are compared: without case and surrounding blanks.
#[must_use]
pub fn sku_fold(sku: &str) -> String {
    fold(sku.trim(), REFERENCE_MAX)
}

/// Whether a text is a slug: lower case ASCII letters, digits and single hyphens between them.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    text.split('-').all(|word| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

/// A slug made from a name; `fallback` when the name has no letter that can stand in one.
#[must_use]
pub fn slug(name: &str, fallback: &str, max: u64) -> String {
    // Room for the number that makes it unique.
    let max = usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(8);
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            'à'..='å' => slug.push('a'),
            'æ' => slug.push_str("ae"),
            'ç' => slug.push('c'),
            'è'..='ë' => slug.push('e'),
            'ì'..='ï' => slug.push('i'),
            'ñ' => slug.push('n'),
            'ò'..='ö' | 'ø' => slug.push('o'),
            'œ' => slug.push_str("oe"),
            'ß' => slug.push_str("ss"),
            'ù'..='ü' => slug.push('u'),
            'ý' | 'ÿ' => slug.push('y'),
            '\'' | '’' => {}
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
        if slug.len() >= max {
            break;
        }
    }
    slug.truncate(max);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { fallback } else { slug }.to_owned()
}

/// The `number`th choice for a slug: `tea`, `tea-2`, `tea-3` …
#[must_use]
pub fn slug_candidate(base: &str, number: usize) -> String {
    if number <= 1 {
        base.to_owned()
    } else {
        format!("{base}-{number}")
    }
}

/// Why a decimal is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceError {
    /// More decimals than the currency has.
    Precision(u32),
    /// Below zero or above [`PRICE_MAX_MINOR`].
    OutOfRange,
}

/// Minor units of a price.
///
/// # Errors
/// It is not a price; nothing is rounded.
pub fn price_minor(amount: Decimal, currency: &str) -> Result<i64, PriceError> {
    match money::to_minor(amount, currency) {
        Ok(minor) if (0..=PRICE_MAX_MINOR).contains(&minor) => Ok(minor),
        Err(money::Error::Precision(decimals)) => Err(PriceError::Precision(decimals)),
        // The shop's currency is known since the configuration was checked.
        Ok(_) | Err(money::Error::TooLarge | money::Error::UnknownCurrency) => {
            Err(PriceError::OutOfRange)
        }
    }
}

/// What a product's row repeats of its live variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The default variant.
    pub default_variant_id: VariantId,
    /// Its price.
    pub price_minor: i64,
    /// The smallest price.
    pub price_min_minor: i64,
    /// The greatest price.
    pub price_max_minor: i64,
    /// The best availability.
    pub availability: Availability,
}

/// Sums up live variants in their order; the first is the default when `default` is not among them. Nothing without
/// any variant.
#[must_use]
pub fn summary(default: VariantId, live: &[variant::Model]) -> Option<Summary> {
    let first = live.first()?;
    let default = live.iter().find(|v| v.id == default).unwrap_or(first);
    Some(Summary {
        default_variant_id: default.id,
        price_minor: default.price_minor,
        price_min_minor: live.iter().map(|v| v.price_minor).min()?,
        price_max_minor: live.iter().map(|v| v.price_minor).max()?,
        // The declaration goes from the best to the worst.
        availability: live.iter().map(|v| v.availability).min()?,
    })
}

/// How a variant is called in an order: `Tea – Green`.
#[must_use]
pub fn sellable_name(product: &str, variant: &str) -> String {
    let name = if variant.is_empty() {
        product.to_owned()
    } else {
        format!("{product} – {variant}")
    };
    name.chars().take(SELLABLE_NAME_MAX).collect()
}

/// What a client names when it wants to buy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum VariantReference {
    /// A product, which stands for its only variant.
    Product(ProductId),
    /// A variant.
    Variant(VariantId),
    /// A SKU, compared without case.
    Sku(String),
}

/// A variant that can be bought now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SellableVariant {
    /// The variant.
    pub variant_id: VariantId,
    /// Its product.
    pub product_id: ProductId,
    /// Its SKU as staff wrote it.
    pub sku: String,
    /// Name of product and variant, at most 200 characters.
    pub name: String,
    /// Price of one unit in minor units of `currency`.
    pub unit_price_minor: i64,
    /// Currency of the price.
    pub currency: String,
    /// What the public is told of its stock.
    pub availability: Availability,
}

/// Levels of the tree that begins with `root`, itself included; `rows` are all below it.
#[must_use]
pub fn height(root: CategoryId, rows: &[category::Model]) -> usize {
    let mut level = vec![root];
    let mut levels = 0;
    // No level is looked at twice, so a broken tree ends as well.
    while !level.is_empty() && levels <= rows.len() {
        levels += 1;
        level = rows
            .iter()
            .filter(|row| row.parent_id.is_some_and(|parent| level.contains(&parent)))
            .map(|row| row.id)
            .collect();
    }
    levels
}

/// The indexes of SKUs that another one before them has, compared as SKUs are.
#[must_use]
pub fn repeated_skus<'a>(skus: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut seen = HashSet::new();
    skus.into_iter()
        .enumerate()
        .filter(|(_, sku)| !seen.insert(sku_fold(sku)))
        .map(|(index, _)| index)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use entity::catalog::VariantOptions;
    use uuid::Uuid;

    #[test]
    fn a_slug_has_only_letters_digits_and_single_hyphens() {
        for (name, expected) in [
            ("Green Tea", "green-tea"),
            ("  Crème brûlée – 200 g!  ", "creme-brulee-200-g"),
            ("Rock'n'Roll", "rocknroll"),
            ("STRASSE / Straße", "strasse-strasse"),
            ("緑茶", "product"),
            ("", "product"),
        ] {
            let slug = slug(name, "product", 200);
            assert_eq!(slug, expected);
            assert!(is_slug(&slug), "{slug}");
        }
        let long = slug(&"ab ".repeat(300), "product", 200);
        assert!(long.len() <= 192 && is_slug(&long), "{long}");
        for bad in ["", "-", "a--b", "-a", "a-", "A", "a_b", "é"] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn slugs_are_numbered_from_two() {
        assert_eq!(slug_candidate("tea", 1), "tea");
        assert_eq!(slug_candidate("tea", 2), "tea-2");
    }

    #[test]
    fn skus_are_compared_without_case() {
        assert_eq!(sku_fold(" Tea-1 "), sku_fold("TEA-1"));
        assert_eq!(repeated_skus(["a", "b", "A", "B ", "c"]), [2, 3]);
        assert_eq!(fold(&"İ".repeat(64), 64).chars().count(), 64);
    }

    #[test]
    fn prices_are_exact_and_in_range() {
        let price = |text: &str| price_minor(Decimal::from_str_exact(text).unwrap(), "GBP");
        assert_eq!(price("10.50"), Ok(1_050));
        assert_eq!(price("0"), Ok(0));
        assert_eq!(price("10000000000.00"), Ok(PRICE_MAX_MINOR));
        assert_eq!(price("10000000000.01"), Err(PriceError::OutOfRange));
        assert_eq!(price("-0.01"), Err(PriceError::OutOfRange));
        assert_eq!(price("0.001"), Err(PriceError::Precision(2)));
    }

    fn variant(id: u128, price_minor: i64, availability: Availability) -> variant::Model {
        variant::Model {
            id: VariantId(Uuid::from_u128(id)),
            product_id: ProductId(Uuid::nil()),
            sku: String::new(),
            sku_folded: String::new(),
            name: String::new(),
            options: VariantOptions::default(),
            price_minor,
            currency: "GBP".to_owned(),
            position: 0,
            availability,
            archived_at: None,
            version: 1,
            created_at: chrono::DateTime::UNIX_EPOCH,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_product_repeats_its_variants() {
        let variants = [
            variant(1, 500, Availability::OutOfStock),
            variant(2, 300, Availability::LowStock),
            variant(3, 900, Availability::OutOfStock),
        ];
        let two = VariantId(Uuid::from_u128(2));
        assert_eq!(
            summary(two, &variants),
            Some(Summary {
                default_variant_id: two,
                price_minor: 300,
                price_min_minor: 300,
                price_max_minor: 900,
                availability: Availability::LowStock,
            })
        );
        let gone = summary(VariantId(Uuid::from_u128(9)), &variants).unwrap();
        assert_eq!(gone.default_variant_id, variants[0].id, "the default moves");
        assert_eq!(summary(two, &[]), None);
    }

    #[test]
    fn names_in_orders_have_both_names_and_fit() {
        assert_eq!(sellable_name("Tea", ""), "Tea");
        assert_eq!(sellable_name("Tea", "Green"), "Tea – Green");
        let long = sellable_name(&"x".repeat(200), "y");
        assert_eq!(long.chars().count(), 200);
    }
}
