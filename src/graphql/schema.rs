//! The roots of the schema, its limits and its text.

use super::engine::Engine;
use super::root::Root;
use super::scalars::CurrencyCode;
use crate::app::App;
use crate::domain::accounts::graphql::{AccountsMutation, AccountsQuery, AddressesMutation};
use crate::domain::carts::graphql::{CartsMutation, CartsQuery};
use crate::domain::catalog::graphql::{CatalogMutation, CatalogQuery, CatalogSubscription};
use crate::domain::inventory::graphql::{InventoryMutation, InventoryQuery, InventorySubscription};
use crate::domain::orders::graphql::{OrdersMutation, OrdersQuery, OrdersSubscription};
use crate::domain::reports::graphql::ReportsQuery;
use crate::domain::wallet::graphql::{WalletMutation, WalletQuery};
use async_graphql::{
    Context, MergedObject, MergedSubscription, Object, SDLExportOptions, SimpleObject,
};

/// The schema.
pub type Schema = async_graphql::Schema<Root<Query>, Root<Mutation>, Subscription>;

/// Reads.
#[derive(Clone, Copy, Debug, Default, MergedObject)]
pub struct Query(
    ShopQuery,
    AccountsQuery,
    CatalogQuery,
    InventoryQuery,
    CartsQuery,
    OrdersQuery,
    ReportsQuery,
    WalletQuery,
);

/// Changes.
#[derive(Clone, Copy, Debug, Default, MergedObject)]
pub struct Mutation(
    AccountsMutation,
    AddressesMutation,
    CatalogMutation,
    InventoryMutation,
    CartsMutation,
    OrdersMutation,
    WalletMutation,
);

/// Changes as they are committed, by WebSocket or as an event stream: `docs/subscriptions.md`.
#[derive(Clone, Copy, Debug, Default, MergedSubscription)]
pub struct Subscription(
    OrdersSubscription,
    CatalogSubscription,
    InventorySubscription,
);

/// The shop as everybody sees it.
#[derive(Clone, Debug, SimpleObject)]
pub struct Shop {
    /// The shop's name.
    pub name: String,
    /// The currency of all its prices.
    pub currency_code: CurrencyCode,
    /// The version of the program.
    pub version: &'static str,
}

/// Reads about the shop itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShopQuery;

#[Object]
impl ShopQuery {
    /// The shop: its name and its currency.
    async fn shop(&self, ctx: &Context<'_>) -> Shop {
        let shop = &ctx.data_unchecked::<App>().config().shop;
        Shop {
            name: shop.name.clone(),
            currency_code: CurrencyCode(shop.currency.clone()),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Builds the schema over an app, with the limits of its configuration.
#[must_use]
pub fn build(app: &App) -> Engine {
    let limits = &app.config().limits;
    let introspection = app
        .config()
        .http
        .introspection
        .is_on(!app.config().production());
    let roots = || {
        let (query, mutation) = (Root::<Query>::default(), Root::<Mutation>::default());
        (query, mutation, Subscription::default())
    };
    let engine = Engine::new(limits, roots, |builder| {
        let builder = builder.data(app.clone()).data(limits.clone());
        if introspection {
            builder
        } else {
            builder.disable_introspection().disable_suggestions()
        }
    });
    engine.remembering(app.config().cache.document_bytes_max)
}

/// The schema's text, as `schema.graphql` has it.
#[must_use]
pub fn sdl() -> String {
    let (query, mutation) = (Root::default(), Root::default());
    let schema = Schema::new(query, mutation, Subscription::default());
    schema.sdl_with_options(
        SDLExportOptions::new()
            .sorted_fields()
            .include_specified_by()
            .prefer_single_line_descriptions()
            .use_space_ident(),
    )
}
