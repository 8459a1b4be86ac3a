//! Rules of carts that need no database: whose a cart is, how lines add up, and what is wrong with them.

use super::error::{Error, line_path};
use crate::domain::catalog::model::SellableVariant;
use crate::money;
use chrono::{DateTime, Utc};
use entity::carts::{cart, cart_line};
use entity::ids::{CartId, CartLineId, UserId, VariantId};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Names a cart: there is no look-up without one of these.
#[derive(Clone, PartialEq, Eq)]
pub enum Owner {
    /// The open cart of a user.
    User(UserId),
    /// The open cart of a guest, by the hash of the guest's token.
    Guest(String),
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Guest(_) => f.write_str("guest"),
        }
    }
}

impl Owner {
    /// What idempotency keys of this owner are told apart by.
    #[must_use]
    pub fn scope(&self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            // The first half of the hash: 128 bits that only the token gives.
            Self::Guest(hash) => hash
                .get(..32)
                .and_then(|half| Uuid::try_parse(half).ok())
                .unwrap_or_default(),
        }
    }
}

/// How much a cart may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lines of a cart.
    pub lines: usize,
    /// Units of a line.
    pub quantity: i64,
}

/// Something that goes into a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adding {
    /// Its place in the arguments.
    pub place: usize,
    /// What.
    pub variant: SellableVariant,
    /// Units, 1 or more.
    pub quantity: i64,
}

/// Puts variants into a cart: what is there already adds up and has been seen at its price of now. Answers the lines
/// that are new or changed; `id` makes the ids of new ones.
///
/// # Errors
/// Every line with too many units, and too many lines.
pub fn add(
    cart_id: CartId,
    present: &[cart_line::Model],
    adding: &[Adding],
    limits: Limits,
    now: DateTime<Utc>,
    mut id: impl FnMut() -> CartLineId,
) -> Result<Vec<cart_line::Model>, Vec<Error>> {
    let mut touched: Vec<cart_line::Model> = Vec::new();
    let mut places: HashMap<VariantId, usize> = HashMap::new();
    let mut errors = Vec::new();
    let by_variant: HashMap<VariantId, &cart_line::Model> =
        present.iter().map(|line| (line.variant_id, line)).collect();
    for item in adding {
        let variant = &item.variant;
        let place = *places.entry(variant.variant_id).or_insert_with(|| {
            let line = by_variant.get(&variant.variant_id).copied().cloned();
            touched.push(line.unwrap_or_else(|| cart_line::Model {
                id: id(),
                cart_id,
                variant_id: variant.variant_id,
                quantity: 0,
                sku: variant.sku.clone(),
                name: variant.name.clone(),
                seen_price_minor: variant.unit_price_minor,
                currency: variant.currency.clone(),
                created_at: now,
                updated_at: now,
            }));
            touched.len() - 1
        });
        let Some(line) = touched.get_mut(place) else {
            continue;
        };
        line.seen_price_minor = variant.unit_price_minor;
        line.updated_at = now;
        line.quantity = line.quantity.saturating_add(item.quantity);
        if line.quantity > limits.quantity {
            let path = line_path("lines", item.place, "quantity");
            let most = limits.quantity;
            errors.push(Error::TooManyUnits { path, most });
        }
    }
    let new = touched
        .iter()
        .filter(|line| !by_variant.contains_key(&line.variant_id));
    if present.len() + new.count() > limits.lines {
        errors.push(Error::TooManyLines {
            path: vec!["lines".to_owned()],
            most: limits.lines,
        });
    }
    if errors.is_empty() {
        Ok(touched)
    } else {
        Err(errors)
    }
}

/// What a change of quantities makes of a cart's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Lines with another quantity.
    pub lines: Vec<cart_line::Model>,
    /// Lines that go.
    pub gone: Vec<CartLineId>,
}

/// Sets the quantities of lines; 0 takes a line out. A changed line has been seen at its price of now, where `prices`
/// has one.
///
/// # Errors
/// Every line that is not there or stands there twice, and quantities out of range.
pub fn update(
    present: &[cart_line::Model],
    quantities: &[(CartLineId, i64)],
    prices: &HashMap<VariantId, i64>,
    limits: Limits,
    now: DateTime<Utc>,
) -> Result<Changed, Vec<Error>> {
    let by_id: HashMap<CartLineId, &cart_line::Model> =
        present.iter().map(|line| (line.id, line)).collect();
    let mut seen = HashSet::new();
    let (mut changed, mut errors) = (Changed::default(), Vec::new());
    for (place, &(id, quantity)) in quantities.iter().enumerate() {
        let path = line_path("lines", place, "lineId");
        if !seen.insert(id) {
            errors.push(Error::LineRepeated { path });
            continue;
        }
        let Some(&line) = by_id.get(&id) else {
            errors.push(Error::LineNotFound { path });
            continue;
        };
        if quantity > limits.quantity {
            let path = line_path("lines", place, "quantity");
            let most = limits.quantity;
            errors.push(Error::TooManyUnits { path, most });
        } else if quantity == 0 {
            changed.gone.push(id);
        } else {
            let mut line = line.clone();
            line.quantity = quantity;
            line.updated_at = now;
            if let Some(&price) = prices.get(&line.variant_id) {
                line.seen_price_minor = price;
            }
            changed.lines.push(line);
        }
    }
    if errors.is_empty() {
        Ok(changed)
    } else {
        Err(errors)
    }
}

/// The lines of a user's cart that a guest's cart changes or adds: the same variant adds up, and keeps the price that
/// was seen last.
///
/// # Errors
/// Together they are more than a cart may hold.
pub fn merge(
    cart_id: CartId,
    own: &[cart_line::Model],
    guest: &[cart_line::Model],
    limits: Limits,
    now: DateTime<Utc>,
) -> Result<Vec<cart_line::Model>, Vec<Error>> {
    let by_variant: HashMap<VariantId, &cart_line::Model> =
        own.iter().map(|line| (line.variant_id, line)).collect();
    let mut errors = Vec::new();
    let mut new = 0;
    let mut merged = Vec::with_capacity(guest.len());
    for line in guest {
        let mut line = line.clone();
        line.cart_id = cart_id;
        if let Some(&mine) = by_variant.get(&line.variant_id) {
            line.id = mine.id;
            line.created_at = mine.created_at;
            line.quantity = line.quantity.saturating_add(mine.quantity);
            if mine.updated_at > line.updated_at {
                line.seen_price_minor = mine.seen_price_minor;
            }
        } else {
            new += 1;
        }
        line.updated_at = now;
        if line.quantity > limits.quantity {
            let (path, most) = (vec!["cartToken".to_owned()], limits.quantity);
            errors.push(Error::TooManyUnits { path, most });
        }
        merged.push(line);
    }
    if own.len() + new > limits.lines {
        let (path, most) = (vec!["cartToken".to_owned()], limits.lines);
        errors.push(Error::TooManyLines { path, most });
    }
    if errors.is_empty() {
        Ok(merged)
    } else {
        Err(errors)
    }
}

/// A line with what the shop says of it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineNow {
    /// The line.
    pub line: cart_line::Model,
    /// The price of one unit; nothing when it is not for sale any more.
    pub price_minor: Option<i64>,
    /// Units that could be bought.
    pub available: i64,
}

impl LineNow {
    /// Quantity × price; nothing when it is not for sale, or does not fit.
    #[must_use]
    pub fn total_minor(&self) -> Option<i64> {
        money::line_total(self.line.quantity, self.price_minor?)
    }
}

/// What stands between a line and its being bought as the customer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// Another price than the customer saw.
    PriceChanged {
        /// The price that was seen, in minor units.
        was: i64,
        /// The price now.
        now: i64,
    },
    /// Nothing of it can be bought now.
    OutOfStock,
    /// Less can be bought than the line has.
    NotEnough,
    /// It is not for sale any more.
    Gone,
}

impl LineNow {
    /// What is wrong with the line; a line that is gone has no further problem.
    #[must_use]
    pub fn problems(&self) -> Vec<LineProblem> {
        let Some(now) = self.price_minor else {
            return vec![LineProblem::Gone];
        };
        let mut problems = Vec::new();
        if now != self.line.seen_price_minor {
            let was = self.line.seen_price_minor;
            problems.push(LineProblem::PriceChanged { was, now });
        }
        if self.available <= 0 {
            problems.push(LineProblem::OutOfStock);
        } else if self.available < self.line.quantity {
            problems.push(LineProblem::NotEnough);
        }
        problems
    }
}

/// A cart as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The cart.
    pub cart: cart::Model,
    /// Its lines, in the order in which they were added.
    pub lines: Vec<LineNow>,
    /// When it is removed if nobody changes it.
    pub expires_at: DateTime<Utc>,
}

impl Contents {
    /// Sum of the lines that are for sale, at the prices of now; nothing when it does not fit.
    #[must_use]
    pub fn total_minor(&self) -> Option<i64> {
        self.lines
            .iter()
            .filter(|line| line.price_minor.is_some())
            .try_fold(0_i64, |sum, line| sum.checked_add(line.total_minor()?))
    }
}

/// A user's cart as a checkout reads it. Prices are not here: the order takes the catalogue's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutCart {
    /// The cart.
    pub id: CartId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its version: the cart becomes an order only if it still has this one.
    pub version: i32,
    /// Variants and units, in the order in which they were added; may be empty.
    pub lines: Vec<(VariantId, i64)>,
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
