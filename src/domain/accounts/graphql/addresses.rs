//! Address books in the schema, and addresses as orders show them.

use super::super::loaders::{AddressesOfUser, UserLoader};
use crate::app::App;
use crate::domain::accounts::error::Error;
use crate::domain::accounts::model::{self, ADDRESS_LINE_MAX, ADDRESS_NAME_MAX, POSTAL_CODE_MAX};
use crate::error::{Failure, Problem};
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::ApiError;
use crate::graphql::loading;
use crate::graphql::payload::{answer, payload};
use crate::graphql::scalars::{Time, id, mutation_id};
use crate::graphql::validate::{self, changed, not_blank};
use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::accounts::{self as values, address};
use entity::ids::{AddressId, UserId};
use serde::Serialize;
use validator::{Validate, ValidationError};

/// What an address is used for. New values may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::accounts::model::AddressKind")]
pub enum AddressKind {
    /// Where things are sent.
    Shipping,
    /// Who is billed.
    Billing,
}

/// An entry of an address book. Changing it changes no order: orders keep copies.
#[derive(Clone, Debug)]
pub struct Address(address::Model);

impl From<address::Model> for Address {
    fn from(row: address::Model) -> Self {
        Self(row)
    }
}

/// An entry of an address book. Changing it changes no order: orders keep copies.
#[Object]
impl Address {
    /// Id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Who receives.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Company.
    async fn company(&self) -> Option<&str> {
        self.0.company.as_deref()
    }

    /// Street and number.
    async fn line1(&self) -> &str {
        &self.0.line1
    }

    /// What else helps to find it.
    async fn line2(&self) -> Option<&str> {
        self.0.line2.as_deref()
    }

    /// Town.
    async fn city(&self) -> &str {
        &self.0.city
    }

    /// State, county or the like.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// Postal code, where the country has them.
    async fn postal_code(&self) -> Option<&str> {
        self.0.postal_code.as_deref()
    }

    /// Country, two capital letters of ISO 3166-1: `"GB"`.
    async fn country_code(&self) -> &str {
        &self.0.country_code
    }

    /// Phone for the carrier, in the form of E.164.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// Whether things are sent here when nothing is said.
    async fn is_default_shipping(&self) -> bool {
        model::is_default(&self.0, model::AddressKind::Shipping)
    }

    /// Whether bills go here when nothing is said.
    async fn is_default_billing(&self) -> bool {
        model::is_default(&self.0, model::AddressKind::Billing)
    }

    /// Raised by each change; give it as `expectedVersion` to change only what you have seen.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// When it changed last.
    async fn updated_at(&self) -> Time {
        self.0.updated_at.into()
    }
}

/// An address as an order keeps it: what it was when the order was made.
#[derive(Clone, Debug, SimpleObject)]
pub struct PostalAddress {
    /// Who receives.
    pub name: String,
    /// Company.
    pub company: Option<String>,
    /// Street and number.
    pub line1: String,
    /// What else helps to find it.
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State, county or the like.
    pub region: Option<String>,
    /// Postal code, where the country has them.
    pub postal_code: Option<String>,
    /// Country, two capital letters of ISO 3166-1: `"GB"`.
    pub country_code: String,
    /// Phone for the carrier, in the form of E.164.
    pub phone: Option<String>,
}

impl From<values::Address> for PostalAddress {
    fn from(address: values::Address) -> Self {
        Self {
            name: address.name,
            company: address.company,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country_code: address.country_code,
            phone: address.phone,
        }
    }
}

/// The addresses of a user, for those to whom they are shown.
pub(super) async fn of_user(
    ctx: &Context<'_>,
    user_id: UserId,
    shown: bool,
) -> Result<Vec<Address>, ApiError> {
    if !shown {
        return Ok(Vec::new());
    }
    let loader = loading::of::<UserLoader>(ctx);
    let rows = loader.load_one(AddressesOfUser(user_id)).await?;
    let rows = rows.unwrap_or_default().into_iter();
    Ok(rows.map(Address).collect())
}

fn country_rule(text: &str) -> Result<(), ValidationError> {
    super::inputs::rule(model::country(text))
}

fn phone_rule(text: &str) -> Result<(), ValidationError> {
    super::inputs::rule(model::phone(text))
}

/// An address.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct AddressInput {
    /// Who receives, 1 to 120 characters: `"Ada Lovelace"`.
    #[validate(length(max = ADDRESS_NAME_MAX), custom(function = "not_blank"))]
    pub name: String,
    /// Company, up to 120 characters.
    #[validate(length(max = ADDRESS_NAME_MAX))]
    pub company: Option<String>,
    /// Street and number, 1 to 200 characters: `"12 St James's Square"`.
    #[validate(length(max = ADDRESS_LINE_MAX), custom(function = "not_blank"))]
    pub line1: String,
    /// What else helps to find it, up to 200 characters.
    #[validate(length(max = ADDRESS_LINE_MAX))]
    pub line2: Option<String>,
    /// Town, 1 to 120 characters: `"London"`.
    #[validate(length(max = ADDRESS_NAME_MAX), custom(function = "not_blank"))]
    pub city: String,
    /// State, county or the like, up to 120 characters.
    #[validate(length(max = ADDRESS_NAME_MAX))]
    pub region: Option<String>,
    /// Postal code, up to 20 characters, where the country has them: `"SW1Y 4JH"`.
    #[validate(length(max = POSTAL_CODE_MAX))]
    pub postal_code: Option<String>,
    /// Country, two letters of ISO 3166-1: `"GB"`.
    #[validate(custom(function = "country_rule"))]
    pub country_code: String,
    /// Phone for the carrier, in the form of E.164: `"+442071838750"`.
    #[validate(custom(function = "phone_rule"))]
    pub phone: Option<String>,
}

impl AddressInput {
    /// The address as it is stored.
    ///
    /// # Errors
    /// Every rule that is broken, with its path from the input.
    pub fn read(self) -> Result<values::Address, Vec<Problem>> {
        validate::check(&self)?;
        let address = values::Address {
            name: self.name,
            company: self.company,
            line1: self.line1,
            line2: self.line2,
            city: self.city,
            region: self.region,
            postal_code: self.postal_code,
            country_code: self.country_code,
            phone: self.phone,
        };
        model::address(address).map_err(|flaws| {
            let problem = |(field, flaw): (&str, model::Flaw)| {
                Problem::new(flaw.code, flaw.message, &[field])
            };
            flaws.into_iter().map(problem).collect()
        })
    }
}

fn optional_name(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 0, ADDRESS_NAME_MAX)
}

fn optional_line(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 0, ADDRESS_LINE_MAX)
}

fn optional_postal_code(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 0, POSTAL_CODE_MAX)
}

fn optional_phone(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    match value {
        MaybeUndefined::Value(text) => phone_rule(text),
        MaybeUndefined::Null | MaybeUndefined::Undefined => Ok(()),
    }
}

/// Changes of an address; what is left out stays, `null` removes what may be missing.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct AddressUpdateInput {
    /// Who receives, 1 to 120 characters.
    #[validate(length(max = ADDRESS_NAME_MAX), custom(function = "not_blank"))]
    pub name: Option<String>,
    /// Company, up to 120 characters.
    #[validate(custom(function = "optional_name"))]
    pub company: MaybeUndefined<String>,
    /// Street and number, 1 to 200 characters.
    #[validate(length(max = ADDRESS_LINE_MAX), custom(function = "not_blank"))]
    pub line1: Option<String>,
    /// What else helps to find it, up to 200 characters.
    #[validate(custom(function = "optional_line"))]
    pub line2: MaybeUndefined<String>,
    /// Town, 1 to 120 characters.
    #[validate(length(max = ADDRESS_NAME_MAX), custom(function = "not_blank"))]
    pub city: Option<String>,
    /// State, county or the like, up to 120 characters.
    #[validate(custom(function = "optional_name"))]
    pub region: MaybeUndefined<String>,
    /// Postal code, up to 20 characters.
    #[validate(custom(function = "optional_postal_code"))]
    pub postal_code: MaybeUndefined<String>,
    /// Country, two letters of ISO 3166-1.
    #[validate(custom(function = "country_rule"))]
    pub country_code: Option<String>,
    /// Phone for the carrier, in the form of E.164.
    #[validate(custom(function = "optional_phone"))]
    pub phone: MaybeUndefined<String>,
    /// The `Address.version` that was seen before: if the address has changed since, nothing is done and the error is
    /// `VERSION_STALE`.
    #[validate(range(min = 1))]
    pub expected_version: Option<i32>,
}

impl From<AddressUpdateInput> for model::AddressChange {
    fn from(input: AddressUpdateInput) -> Self {
        let optional = |value: MaybeUndefined<String>| match value {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        Self {
            name: input.name,
            company: optional(input.company),
            line1: input.line1,
            line2: optional(input.line2),
            city: input.city,
            region: optional(input.region),
            postal_code: optional(input.postal_code),
            country_code: input.country_code,
            phone: optional(input.phone),
            expected_version: input.expected_version,
        }
    }
}

payload!(
    /// The answer to `addressCreate`.
    AddressCreatePayload {
        /// The new address.
        address: Address,
    }
);

payload!(
    /// The answer to `addressUpdate`.
    AddressUpdatePayload {
        /// The address after the change.
        address: Address,
    }
);

payload!(
    /// The answer to `addressDelete`.
    AddressDeletePayload {
        /// The address as it was.
        address: Address,
    }
);

payload!(
    /// The answer to `addressSetDefault`.
    AddressSetDefaultPayload {
        /// The address, now the default.
        address: Address,
    }
);

fn inputs(problems: Vec<Problem>) -> Failure<Error> {
    Failure::Refused(problems.into_iter().map(Error::Input).collect())
}

/// Who asks, and which address.
fn own(ctx: &Context<'_>, id: &ID) -> Result<(UserId, AddressId), Failure<Error>> {
    let id = mutation_id(id, &["id"]).map_err(Error::Input)?;
    // The guard lets nobody else through.
    let user = viewer(ctx).user().ok_or(Error::UserNotFound)?;
    Ok((user.user_id, id))
}

/// Changes of address books.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressesMutation;

#[Object]
impl AddressesMutation {
    /// Adds an address to your book, 50 at most. The first one becomes the default to send to and to bill to. Requires
    /// the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn address_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] input: AddressInput,
    ) -> Result<Option<AddressCreatePayload>, ApiError> {
        let user = viewer(ctx).user().ok_or(ApiError::Unauthenticated)?;
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = async {
            let address = input.read().map_err(inputs)?;
            accounts.address_create(user.user_id, address).await
        };
        answer(outcome.await.map(Address), &["input"])
    }

    /// Changes one of your addresses. Requires the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn address_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] id: ID,
        #[graphql(desc = "What changes.")] input: AddressUpdateInput,
    ) -> Result<Option<AddressUpdatePayload>, ApiError> {
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = async {
            validate::check(&input).map_err(inputs)?;
            let (user_id, id) = own(ctx, &id)?;
            accounts.address_update(user_id, id, &input.into()).await
        };
        answer(outcome.await.map(Address), &["input"])
    }

    /// Deletes one of your addresses. Orders keep their copies; no other address becomes the default in its place.
    /// Requires the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn address_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] id: ID,
    ) -> Result<Option<AddressDeletePayload>, ApiError> {
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = async {
            let (user_id, id) = own(ctx, &id)?;
            accounts.address_delete(user_id, id).await
        };
        answer(outcome.await.map(Address), &[])
    }

    /// Makes one of your addresses the default to send to or to bill to. Requires the role CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn address_set_default(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] id: ID,
        #[graphql(desc = "What it becomes the default of.")] kind: AddressKind,
    ) -> Result<Option<AddressSetDefaultPayload>, ApiError> {
        let accounts = ctx.data_unchecked::<App>().accounts();
        let outcome = async {
            let (user_id, id) = own(ctx, &id)?;
            let done = accounts.address_set_default(user_id, id, kind.into());
            done.await
        };
        answer(outcome.await.map(Address), &[])
    }
}
