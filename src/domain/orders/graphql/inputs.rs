//! The inputs of orders.

use super::super::service::{
    AddressChoice, Details, NewCheckout, NewFulfillment, NewLine, NewOrder, NewRefund, Origin,
    Tracking,
};
use crate::config::Limits;
use crate::domain::accounts::graphql::AddressInput;
use crate::domain::catalog::model::VariantReference;
use crate::domain::payments::service::Method;
use crate::error::{ErrorCode, Problem};
use crate::graphql::scalars::{CurrencyCode, Decimal, mutation_id};
use crate::graphql::validate;
use crate::money;
use async_graphql::{ID, InputObject, OneofObject};
use entity::ids::OrderLineId;
use serde::Serialize;
use validator::Validate;

/// Something to buy: exactly one of productId, variantId and sku, and how many.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct OrderLineInput {
    /// A product that has a single variant.
    pub product_id: Option<ID>,
    /// A variant.
    pub variant_id: Option<ID>,
    /// A variant by its SKU, in any case.
    #[validate(length(min = 1, max = 64))]
    pub sku: Option<String>,
    /// Units, 1 or more.
    #[validate(range(min = 1))]
    pub quantity: i32,
}

/// A card, known by what the payment provider calls it. For tries: `tok_ok`, `tok_declined`, `tok_insufficient`,
/// `tok_slow`, `tok_fails_once`, `tok_unknown`, `tok_webhook_late`, `tok_webhook_twice`.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct CardInput {
    /// The provider's name of the card; it is never stored.
    #[validate(length(min = 1, max = 255))]
    pub token: String,
}

/// How to pay; exactly one field.
#[derive(Clone, Debug, OneofObject)]
pub enum PaymentInput {
    /// By card.
    Card(CardInput),
    /// From your wallet.
    Wallet(WalletPaymentInput),
}

/// The part of a wallet that pays.
#[derive(Clone, Debug, InputObject)]
pub struct WalletPaymentInput {
    /// The asset: the shop's currency, as `"GBP"`; nothing is exchanged.
    pub asset: CurrencyCode,
}

impl PaymentInput {
    /// The way to pay.
    ///
    /// # Errors
    /// Every mistake in it, with paths relative to it.
    pub fn read(self) -> Result<Method, Vec<Problem>> {
        match self {
            Self::Card(card) => match validate::check(&card) {
                Ok(()) => Ok(Method::Card { token: card.token }),
                Err(problems) => Err(below("card", problems)),
            },
            Self::Wallet(wallet) => Ok(Method::Wallet {
                asset: wallet.asset.0,
            }),
        }
    }
}

/// Where an order is sent or who is billed; exactly one field.
#[derive(Clone, Debug, OneofObject)]
pub enum OrderAddressInput {
    /// An address of your address book.
    Id(ID),
    /// Another address; it is kept with the order only.
    Address(AddressInput),
}

impl OrderAddressInput {
    fn read(self) -> Result<AddressChoice, Vec<Problem>> {
        match self {
            Self::Id(id) => mutation_id(&id, &["id"])
                .map(AddressChoice::Book)
                .map_err(|problem| vec![problem]),
            Self::Address(address) => address
                .read()
                .map(|address| AddressChoice::New(Box::new(address)))
                .map_err(|problems| below("address", problems)),
        }
    }
}

/// Problems of a part of an input, as problems of the input.
fn below(field: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in &mut problems {
        problem.path.insert(0, field.to_owned());
    }
    problems
}

/// The rules of what an order is asked for with.
#[derive(Debug, Validate)]
struct DetailsRules<'a> {
    #[validate(length(min = 1, max = 48))]
    client_reference: Option<&'a str>,
    #[validate(length(max = 1000))]
    note: Option<&'a str>,
}

/// Reads what an order is asked for with; the mistakes are added to `problems`.
fn read_details(
    (client_reference, note): (Option<String>, Option<String>),
    (shipping, billing): (Option<OrderAddressInput>, Option<OrderAddressInput>),
    payment: Option<PaymentInput>,
    problems: &mut Vec<Problem>,
) -> Details {
    let rules = DetailsRules {
        client_reference: client_reference.as_deref(),
        note: note.as_deref(),
    };
    problems.extend(validate::check(&rules).err().unwrap_or_default());
    let mut address = |field, input: Option<OrderAddressInput>| {
        let read = input.map(OrderAddressInput::read).transpose();
        read.unwrap_or_else(|faults| {
            problems.extend(below(field, faults));
            None
        })
    };
    let shipping_address = address("shippingAddress", shipping);
    let billing_address = address("billingAddress", billing);
    let payment = payment.map(PaymentInput::read).transpose();
    let payment = payment.unwrap_or_else(|faults| {
        problems.extend(below("payment", faults));
        None
    });
    Details {
        client_reference,
        note,
        shipping_address,
        billing_address,
        payment,
        is_purchase: false,
        origin: Origin::default(),
    }
}

/// An order. Prices are the shop's; the whole order is refused when one line is short.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct OrderCreateInput {
    /// What to buy; 1 to 1,000 lines.
    #[validate(length(min = 1), nested)]
    pub lines: Vec<OrderLineInput>,
    /// Pay at once; without it the order waits for `orderPay`.
    pub payment: Option<PaymentInput>,
    /// Where it is sent; without it, the default of your address book.
    pub shipping_address: Option<OrderAddressInput>,
    /// Who is billed; without it, the default of your address book.
    pub billing_address: Option<OrderAddressInput>,
    /// Your own name for the order, unique among your orders, up to 48 characters: `order(by: {clientReference})`
    /// finds it.
    pub client_reference: Option<String>,
    /// A note for the shop, up to 1,000 characters.
    pub note: Option<String>,
}

impl OrderCreateInput {
    /// The order that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self, limits: &Limits) -> Result<NewOrder, Vec<Problem>> {
        let mut problems = validate::check(&self).err().unwrap_or_default();
        if self.lines.len() > limits.order_lines {
            let message = format!("At most {} lines are allowed.", limits.order_lines);
            return Err(vec![Problem::new(ErrorCode::TooLong, message, &["lines"])]);
        }
        let lines = read_lines(&self.lines, limits, &mut problems);
        let lines = lines
            .into_iter()
            .map(|(reference, quantity)| NewLine {
                reference,
                quantity,
            })
            .collect();
        let details = read_details(
            (self.client_reference, self.note),
            (self.shipping_address, self.billing_address),
            self.payment,
            &mut problems,
        );
        if problems.is_empty() {
            Ok(NewOrder { lines, details })
        } else {
            Err(problems)
        }
    }
}

/// A purchase: an order and its payment in one.
#[derive(Clone, Debug, InputObject)]
pub struct TransactionCreateInput {
    /// What to buy; 1 to 1,000 lines.
    pub lines: Vec<OrderLineInput>,
    /// How to pay.
    pub payment: PaymentInput,
}

impl TransactionCreateInput {
    /// The order that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self, limits: &Limits) -> Result<NewOrder, Vec<Problem>> {
        let order = OrderCreateInput {
            lines: self.lines,
            payment: Some(self.payment),
            shipping_address: None,
            billing_address: None,
            client_reference: None,
            note: None,
        };
        order.read(limits)
    }
}

/// The checkout of your cart. Prices are the shop's of now.
#[derive(Clone, Debug, InputObject)]
pub struct CartCheckoutInput {
    /// Pay at once; without it the order waits for `orderPay`.
    pub payment: Option<PaymentInput>,
    /// Where it is sent; without it, the default of your address book.
    pub shipping_address: Option<OrderAddressInput>,
    /// Who is billed; without it, the default of your address book.
    pub billing_address: Option<OrderAddressInput>,
    /// Your own name for the order, unique among your orders, up to 48 characters.
    pub client_reference: Option<String>,
    /// A note for the shop, up to 1,000 characters.
    pub note: Option<String>,
    /// The total that you saw, in the shop's currency: with another one now, nothing is ordered and the error is
    /// `PRICE_CHANGED`.
    pub expected_total: Option<Decimal>,
}

impl CartCheckoutInput {
    /// The checkout that is asked for.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self, currency: &str) -> Result<NewCheckout, Vec<Problem>> {
        let mut problems = Vec::new();
        let expected = self.expected_total.map(|total| {
            money::to_minor(total.0, currency).map_err(|error| {
                Problem::new(ErrorCode::Precision, error.to_string(), &["expectedTotal"])
            })
        });
        let expected_total_minor = expected.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let details = read_details(
            (self.client_reference, self.note),
            (self.shipping_address, self.billing_address),
            self.payment,
            &mut problems,
        );
        if problems.is_empty() {
            Ok(NewCheckout {
                expected_total_minor,
                details,
            })
        } else {
            Err(problems)
        }
    }
}

/// Units of a line of an order.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct OrderLineUnitsInput {
    /// The line.
    pub line_id: ID,
    /// Units, 1 or more.
    #[validate(range(min = 1))]
    pub quantity: i32,
}

fn read_units(
    lines: Option<&[OrderLineUnitsInput]>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<(OrderLineId, i64)>> {
    let mut units = Vec::new();
    for (place, line) in lines?.iter().enumerate() {
        match mutation_id(&line.line_id, &["lines", &place.to_string(), "lineId"]) {
            Ok(id) => units.push((id, i64::from(line.quantity))),
            Err(problem) => problems.push(problem),
        }
    }
    Some(units)
}

/// How a parcel can be followed.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct TrackingInput {
    /// Who carries it, up to 64 characters.
    #[validate(length(max = 64))]
    pub carrier: Option<String>,
    /// The carrier's number of it, up to 128 characters.
    #[validate(length(max = 128))]
    pub number: Option<String>,
    /// Where it can be followed, up to 500 characters.
    #[validate(length(max = 500))]
    pub url: Option<String>,
}

/// A parcel that was sent.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct OrderFulfillInput {
    /// What is in it; without it, all that was not sent.
    #[validate(length(min = 1, max = 1000), nested)]
    pub lines: Option<Vec<OrderLineUnitsInput>>,
    /// How it can be followed.
    #[validate(nested)]
    pub tracking: Option<TrackingInput>,
}

impl OrderFulfillInput {
    /// The parcel.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self) -> Result<NewFulfillment, Vec<Problem>> {
        let mut problems = validate::check(&self).err().unwrap_or_default();
        let lines = read_units(self.lines.as_deref(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let tracking = self.tracking.map(|tracking| Tracking {
            carrier: tracking.carrier,
            number: tracking.number,
            url: tracking.url,
        });
        Ok(NewFulfillment {
            lines,
            tracking: tracking.unwrap_or_default(),
        })
    }
}

/// What is paid back.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct OrderRefundInput {
    /// Units of lines; without it, all that was not paid back.
    #[validate(length(min = 1, max = 1000), nested)]
    pub lines: Option<Vec<OrderLineUnitsInput>>,
    /// Whether the units come back into the stock of the warehouses that they left; they do not if nothing is said.
    pub restock: Option<bool>,
    /// Why, up to 200 characters.
    #[validate(length(max = 200))]
    pub reason: Option<String>,
}

impl OrderRefundInput {
    /// The refund.
    ///
    /// # Errors
    /// Every mistake in the input, with paths relative to it.
    pub fn read(self) -> Result<NewRefund, Vec<Problem>> {
        let mut problems = validate::check(&self).err().unwrap_or_default();
        let lines = read_units(self.lines.as_deref(), &mut problems);
        if problems.is_empty() {
            Ok(NewRefund {
                lines,
                restock: self.restock.unwrap_or(false),
                reason: self.reason,
            })
        } else {
            Err(problems)
        }
    }
}

/// What lines name and how many; their mistakes are added to `problems`, with paths below `lines`.
pub fn read_lines(
    lines: &[OrderLineInput],
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Vec<(VariantReference, i64)> {
    let mut read = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let place = place.to_string();
        let quantity = i64::from(line.quantity);
        if quantity > limits.quantity_max {
            let message = format!("The number must be {} or less.", limits.quantity_max);
            problems.push(Problem::new(
                ErrorCode::OutOfRange,
                message,
                &["lines", &place, "quantity"],
            ));
        }
        match line.reference(&place) {
            Ok(reference) => read.push((reference, quantity)),
            Err(problem) => problems.push(problem),
        }
    }
    read
}

impl OrderLineInput {
    fn reference(&self, place: &str) -> Result<VariantReference, Problem> {
        match (&self.product_id, &self.variant_id, &self.sku) {
            (Some(id), None, None) => {
                mutation_id(id, &["lines", place, "productId"]).map(VariantReference::Product)
            }
            (None, Some(id), None) => {
                mutation_id(id, &["lines", place, "variantId"]).map(VariantReference::Variant)
            }
            (None, None, Some(sku)) => Ok(VariantReference::Sku(sku.clone())),
            _ => Err(Problem::new(
                ErrorCode::Invalid,
                "Give exactly one of productId, variantId and sku.",
                &["lines", place],
            )),
        }
    }
}
