//! The types of carts.

use crate::domain::carts::model::{Contents, LineNow, LineProblem};
use crate::domain::catalog;
use crate::domain::catalog::graphql::ProductVariant;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Money, Time, id, int};
use async_graphql::{Context, Enum, ID, Interface, Object, SimpleObject};

/// What a cart would cost.
#[derive(Clone, Debug, SimpleObject)]
pub struct CartCost {
    /// Sum of the lines that are for sale, at the prices of now.
    pub subtotal: Money,
    /// What an order of them would cost.
    pub total: Money,
}

/// What somebody means to buy. Prices and totals are those of now; nothing is held in stock before it is ordered.
#[derive(Clone, Debug)]
pub struct Cart {
    contents: Contents,
    currency: String,
}

impl Cart {
    /// A cart of a shop with this currency.
    #[must_use]
    pub fn new(contents: Contents, currency: &str) -> Self {
        Self {
            contents,
            currency: currency.to_owned(),
        }
    }
}

/// What somebody means to buy. Prices and totals are those of now; nothing is held in stock before it is ordered.
#[Object]
impl Cart {
    /// Id. It opens nothing: a guest's cart is found by its token, a user's by its user.
    async fn id(&self) -> ID {
        id(self.contents.cart.id)
    }

    /// Raised by each change.
    async fn version(&self) -> i32 {
        self.contents.cart.version
    }

    /// What is in it, in the order in which it was added.
    #[graphql(complexity = "5 * child_complexity")]
    async fn lines(&self) -> Vec<CartLine> {
        self.contents.lines.iter().cloned().map(CartLine).collect()
    }

    /// Units of all lines together.
    async fn total_quantity(&self) -> i32 {
        let units = self.contents.lines.iter().map(|line| line.line.quantity);
        int(units.fold(0_i64, i64::saturating_add))
    }

    /// What it would cost; null when the sum is too large for any amount. Lines that are not for sale do not count.
    async fn cost(&self) -> Option<CartCost> {
        let total = Money::new(self.contents.total_minor()?, &self.currency);
        Some(CartCost {
            subtotal: total.clone(),
            total,
        })
    }

    /// What stands between the cart and its being bought as you saw it: prices that changed, too little stock, things
    /// that are gone. Empty when it can be ordered as it is.
    #[graphql(complexity = "5 * child_complexity")]
    async fn problems(&self) -> Vec<CartProblem> {
        let of_line = |line: &LineNow| {
            let problems = line.problems().into_iter();
            let line = line.clone();
            problems.map(move |problem| CartProblem::new(problem, &line))
        };
        self.contents.lines.iter().flat_map(of_line).collect()
    }

    /// When it was begun.
    async fn created_at(&self) -> Time {
        self.contents.cart.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.contents.cart.updated_at.into()
    }

    /// When it is removed if nobody changes it before.
    async fn expires_at(&self) -> Time {
        self.contents.expires_at.into()
    }
}

/// A variant in a cart and how many of it.
#[derive(Clone, Debug)]
pub struct CartLine(LineNow);

/// A variant in a cart and how many of it.
#[Object]
impl CartLine {
    /// Id; `cartLinesUpdate` and `cartLinesRemove` take it.
    async fn id(&self) -> ID {
        id(self.0.line.id)
    }

    /// The variant; null when it is gone.
    async fn variant(&self, ctx: &Context<'_>) -> Result<Option<ProductVariant>, ApiError> {
        catalog::graphql::variant(ctx, self.0.line.variant_id).await
    }

    /// Its SKU when the line was added.
    async fn sku(&self) -> &str {
        &self.0.line.sku
    }

    /// Its name when the line was added.
    async fn name(&self) -> &str {
        &self.0.line.name
    }

    /// Units.
    async fn quantity(&self) -> i32 {
        int(self.0.line.quantity)
    }

    /// Price of one unit now; null when it is not for sale any more.
    async fn unit_price(&self) -> Option<Money> {
        let price = self.0.price_minor?;
        Some(Money::new(price, &self.0.line.currency))
    }

    /// Price of one unit when the line was added or changed last.
    async fn seen_unit_price(&self) -> Money {
        Money::new(self.0.line.seen_price_minor, &self.0.line.currency)
    }

    /// Quantity × unit price of now; null when it is not for sale any more.
    async fn total(&self) -> Option<Money> {
        let total = self.0.total_minor()?;
        Some(Money::new(total, &self.0.line.currency))
    }

    /// When it was added.
    async fn created_at(&self) -> Time {
        self.0.line.created_at.into()
    }
}

/// What kind of problem a cart has. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CartProblemCode {
    /// The price is another one than when the line was added or changed last.
    PriceChanged,
    /// Nothing of it can be bought now.
    OutOfStock,
    /// Less of it can be bought than the line has.
    NotEnoughStock,
    /// It is not for sale any more.
    ProductGone,
}

/// Something that stands between a cart and its being bought as it was seen.
#[derive(Clone, Debug, Interface)]
#[graphql(
    field(
        name = "code",
        ty = "&CartProblemCode",
        desc = "What kind of problem it is."
    ),
    field(
        name = "message",
        ty = "&String",
        desc = "A sentence for people, in English."
    ),
    field(name = "line", ty = "&CartLine", desc = "The line.")
)]
pub enum CartProblem {
    /// Another price.
    PriceChanged(CartPriceChanged),
    /// Too little stock.
    Stock(CartStockProblem),
    /// Not for sale any more.
    Gone(CartProductGone),
}

/// The price of a line is another one than when it was added or changed last. Changing the line accepts the price of
/// now.
#[derive(Clone, Debug, SimpleObject)]
pub struct CartPriceChanged {
    /// `PRICE_CHANGED`.
    pub code: CartProblemCode,
    /// A sentence for people, in English.
    pub message: String,
    /// The line.
    pub line: CartLine,
    /// Price of one unit as it was seen.
    pub was: Money,
    /// Price of one unit now.
    pub now: Money,
}

/// Less of a line can be bought than it has, or nothing.
#[derive(Clone, Debug, SimpleObject)]
pub struct CartStockProblem {
    /// `OUT_OF_STOCK` or `NOT_ENOUGH_STOCK`.
    pub code: CartProblemCode,
    /// A sentence for people, in English.
    pub message: String,
    /// The line.
    pub line: CartLine,
}

/// A line is not for sale any more; take it out.
#[derive(Clone, Debug, SimpleObject)]
pub struct CartProductGone {
    /// `PRODUCT_GONE`.
    pub code: CartProblemCode,
    /// A sentence for people, in English.
    pub message: String,
    /// The line.
    pub line: CartLine,
}

impl CartProblem {
    fn new(problem: LineProblem, line: &LineNow) -> Self {
        let name = &line.line.name;
        let stock = |code, message| {
            Self::Stock(CartStockProblem {
                code,
                message,
                line: CartLine(line.clone()),
            })
        };
        match problem {
            LineProblem::PriceChanged { was, now } => {
                let (was, now) = (
                    Money::new(was, &line.line.currency),
                    Money::new(now, &line.line.currency),
                );
                Self::PriceChanged(CartPriceChanged {
                    code: CartProblemCode::PriceChanged,
                    message: format!(
                        "The price of {name} changed from {} to {} {}.",
                        was.amount.0, now.amount.0, line.line.currency
                    ),
                    line: CartLine(line.clone()),
                    was,
                    now,
                })
            }
            LineProblem::OutOfStock => {
                let message = format!("{name} is out of stock.");
                stock(CartProblemCode::OutOfStock, message)
            }
            LineProblem::NotEnough => {
                let units = line.line.quantity;
                let message = format!("Fewer than {units} of {name} can be bought.");
                stock(CartProblemCode::NotEnoughStock, message)
            }
            LineProblem::Gone => Self::Gone(CartProductGone {
                code: CartProblemCode::ProductGone,
                message: format!("{name} is not for sale any more."),
                line: CartLine(line.clone()),
            }),
        }
    }
}
