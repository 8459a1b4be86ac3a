//! What the catalogue publishes, keyed by product or category: the product or category after the change.
//!
//! Each commit that raises a version tells everything that happened in it, all with the same body: a change of a name
//! and of a price is `product.updated` and `product.price_changed`. So whoever reads one type misses nothing of its
//! kind, and whoever mirrors the catalogue applies each body whose version is not older than what they have. What the
//! public is told of the stock has no version and is told by the inventory's events.

mod sample;

use crate::events::contract::EventType;
use crate::events::contract::values::{Money, Time, Word};
use crate::events::outbox::NewEvent;
use chrono::{DateTime, Utc};
use entity::catalog::{CategoryStatus, ProductStatus, category, product, variant};
use entity::ids::{CategoryId, VariantId};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The name of a product in the outbox.
pub const PRODUCT: &str = "product";
/// The name of a category in the outbox.
pub const CATEGORY: &str = "category";

/// A product is new.
pub const PRODUCT_CREATED: &str = "tradepost.product.created.v1";
/// Something of a product is another than before.
pub const PRODUCT_UPDATED: &str = "tradepost.product.updated.v1";
/// A variant has another price.
pub const PRODUCT_PRICE_CHANGED: &str = "tradepost.product.price_changed.v1";
/// A product is not sold any more, and kept because orders refer to it.
pub const PRODUCT_ARCHIVED: &str = "tradepost.product.archived.v1";
/// A product is gone.
pub const PRODUCT_DELETED: &str = "tradepost.product.deleted.v1";
/// A category is new.
pub const CATEGORY_CREATED: &str = "tradepost.category.created.v1";
/// Something of a category is another than before.
pub const CATEGORY_UPDATED: &str = "tradepost.category.updated.v1";
/// A category stands elsewhere, with all below it.
pub const CATEGORY_MOVED: &str = "tradepost.category.moved.v1";
/// A category is gone.
pub const CATEGORY_DELETED: &str = "tradepost.category.deleted.v1";

/// What the catalogue publishes.
#[rustfmt::skip]
pub const TYPES: &[EventType] = &[
    EventType::of::<ProductBody>(PRODUCT_CREATED, PRODUCT, "A product is new.", sample::product_created),
    EventType::of::<ProductBody>(PRODUCT_UPDATED, PRODUCT, "A product, its variants, images or categories changed; `changed` says what.", sample::product_updated),
    EventType::of::<ProductBody>(PRODUCT_PRICE_CHANGED, PRODUCT, "Variants have other prices; `priceChanges` says which.", sample::product_price_changed),
    EventType::of::<ProductBody>(PRODUCT_ARCHIVED, PRODUCT, "A product is not sold any more, and kept because orders refer to it.", sample::product_archived),
    EventType::of::<ProductDeleted>(PRODUCT_DELETED, PRODUCT, "A product that no order refers to was deleted.", sample::product_deleted),
    EventType::of::<CategoryBody>(CATEGORY_CREATED, CATEGORY, "A category is new.", sample::category_created),
    EventType::of::<CategoryBody>(CATEGORY_UPDATED, CATEGORY, "A category changed where it stands; `changed` says what.", sample::category_updated),
    EventType::of::<CategoryBody>(CATEGORY_MOVED, CATEGORY, "A category stands elsewhere, with all below it.", sample::category_moved),
    EventType::of::<CategoryDeleted>(CATEGORY_DELETED, CATEGORY, "A category was deleted; drafts and archived products have left it, without events of their own.", sample::category_deleted),
];

/// A choice of a variant, as `Colour: Red`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariantOption {
    /// What is chosen.
    pub name: String,
    /// The choice.
    pub value: String,
}

/// A variant that is sold.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// The variant.
    pub variant_id: Uuid,
    /// Its SKU.
    pub sku: String,
    /// Its name; empty for the only variant of a product.
    pub name: String,
    /// Its choices.
    pub options: Vec<VariantOption>,
    /// Its price.
    pub price: Money,
    /// Whether it is kept in stock; a service is not.
    pub is_stocked: bool,
}

/// Another price of a variant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChange {
    /// The variant.
    pub variant_id: Uuid,
    /// Its SKU.
    pub sku: String,
    /// Its price.
    pub price: Money,
    /// Its price before.
    pub previous_price: Money,
}

/// The body of `product.created`, `.updated`, `.price_changed` and `.archived`: the product after the change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductBody {
    /// The product.
    pub product_id: Uuid,
    /// Its version: raised by each change that staff make.
    pub version: i32,
    /// Its handle in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// Who sees it.
    pub status: Word<ProductStatus>,
    /// Its id in the system it came from.
    pub external_reference: Option<String>,
    /// The categories it stands in.
    pub category_ids: Vec<Uuid>,
    /// The variant that gives its price.
    pub default_variant_id: Uuid,
    /// The price of the default variant.
    pub price: Money,
    /// The smallest price of its variants.
    pub price_min: Money,
    /// The greatest price of its variants.
    pub price_max: Money,
    /// What is sold of it, in the order in which it is shown.
    pub variants: Vec<Variant>,
    /// What this commit changed, as `name`, `status`, `variants` or `images`; only where something was there before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
    /// The prices that this commit changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub price_changes: Vec<PriceChange>,
    /// When it was made.
    pub created_at: Time,
    /// When this change was made.
    pub updated_at: Time,
}

/// The body of `product.deleted`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductDeleted {
    /// The product.
    pub product_id: Uuid,
    /// Its last version.
    pub version: i32,
    /// Its handle in addresses; another product may have it from now on.
    pub slug: String,
    /// When it was deleted.
    pub deleted_at: Time,
}

/// The body of `category.created`, `.updated` and `.moved`: the category after the change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryBody {
    /// The category.
    pub category_id: Uuid,
    /// Its version: raised by each change.
    pub version: i32,
    /// The category above it; null at the top.
    pub parent_id: Option<Uuid>,
    /// The category above it before; only when it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_parent_id: Option<Option<Uuid>>,
    /// Its handle in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// Who sees it.
    pub status: Word<CategoryStatus>,
    /// Its place among its siblings, smallest first.
    pub position: i32,
    /// What this change changed, as `name` or `status`; only where something was there before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
    /// When it was made.
    pub created_at: Time,
    /// When this change was made.
    pub updated_at: Time,
}

/// The body of `category.deleted`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryDeleted {
    /// The category.
    pub category_id: Uuid,
    /// Its last version.
    pub version: i32,
    /// Its handle in addresses; another category may have it from now on.
    pub slug: String,
    /// When it was deleted.
    pub deleted_at: Time,
}

/// A variant that has another price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repriced {
    /// The variant.
    pub variant_id: VariantId,
    /// Its SKU.
    pub sku: String,
    /// Its price before, in minor units.
    pub from_minor: i64,
    /// Its price, in minor units.
    pub to_minor: i64,
}

/// How a product came to be as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The product before; nothing for a new one.
    pub before: Option<product::Model>,
    /// What changed beside its own columns: `variants`, `categoryIds`, `images`.
    pub parts: Vec<&'static str>,
    /// Variants that have another price.
    pub repriced: Vec<Repriced>,
}

impl Change {
    /// Of a product that was there before.
    #[must_use]
    pub fn of(before: &product::Model, parts: &[&'static str]) -> Self {
        Self {
            before: Some(before.clone()),
            parts: parts.to_vec(),
            repriced: Vec::new(),
        }
    }

    /// The fields that are others, as bodies name them.
    fn changed(&self, after: &product::Model) -> Vec<&'static str> {
        let Some(before) = &self.before else {
            return Vec::new();
        };
        let fields = [
            ("slug", before.slug != after.slug),
            ("name", before.name != after.name),
            ("description", before.description != after.description),
            ("status", before.status != after.status),
            (
                "externalReference",
                before.external_reference != after.external_reference,
            ),
            (
                "defaultVariantId",
                before.default_variant_id != after.default_variant_id,
            ),
        ];
        let own = fields
            .into_iter()
            .filter_map(|(name, is)| is.then_some(name));
        own.chain(self.parts.iter().copied()).collect()
    }

    /// The types that a commit with this change writes.
    fn types(&self, after: &product::Model) -> Vec<&'static str> {
        let Some(before) = &self.before else {
            return vec![PRODUCT_CREATED];
        };
        let archived = after.status == ProductStatus::Archived && before.status != after.status;
        let mut types = Vec::new();
        if archived {
            types.push(PRODUCT_ARCHIVED);
        }
        if !self.repriced.is_empty() {
            types.push(PRODUCT_PRICE_CHANGED);
        }
        let is_more = self
            .changed(after)
            .iter()
            .any(|field| !archived || *field != "status");
        // A version that nothing else tells is told by this.
        if is_more || types.is_empty() {
            types.push(PRODUCT_UPDATED);
        }
        types
    }
}

/// What a commit tells of a product; `variants` are those that are sold, in their order.
#[must_use]
pub fn product_events(
    product: &product::Model,
    variants: &[variant::Model],
    category_ids: &[CategoryId],
    change: &Change,
) -> Vec<NewEvent> {
    let money = |minor| Money::new(minor, &product.currency);
    let body = ProductBody {
        product_id: product.id.0,
        version: product.version,
        slug: product.slug.clone(),
        name: product.name.clone(),
        description: product.description.clone(),
        status: Word(product.status),
        external_reference: product.external_reference.clone(),
        category_ids: category_ids.iter().map(|id| id.0).collect(),
        default_variant_id: product.default_variant_id.0,
        price: money(product.price_minor),
        price_min: money(product.price_min_minor),
        price_max: money(product.price_max_minor),
        variants: variants.iter().map(variant_of).collect(),
        changed: change.changed(product),
        price_changes: change
            .repriced
            .iter()
            .map(|one| PriceChange {
                variant_id: one.variant_id.0,
                sku: one.sku.clone(),
                price: money(one.to_minor),
                previous_price: money(one.from_minor),
            })
            .collect(),
        created_at: Time(product.created_at),
        updated_at: Time(product.updated_at),
    };
    let types = change.types(product).into_iter();
    types
        .map(|event_type| product_event(event_type, &body))
        .collect()
}

fn variant_of(variant: &variant::Model) -> Variant {
    Variant {
        variant_id: variant.id.0,
        sku: variant.sku.clone(),
        name: variant.name.clone(),
        options: variant
            .options
            .0
            .iter()
            .map(|option| VariantOption {
                name: option.name.clone(),
                value: option.value.clone(),
            })
            .collect(),
        price: Money::new(variant.price_minor, &variant.currency),
        is_stocked: variant.is_stocked,
    }
}

fn product_event(event_type: &'static str, body: &ProductBody) -> NewEvent {
    event(PRODUCT, event_type, body.product_id, body, body.updated_at)
}

/// A product is gone.
#[must_use]
pub fn product_deleted(product: &product::Model, now: DateTime<Utc>) -> NewEvent {
    let body = ProductDeleted {
        product_id: product.id.0,
        version: product.version,
        slug: product.slug.clone(),
        deleted_at: Time(now),
    };
    event(PRODUCT, PRODUCT_DELETED, body.product_id, &body, Time(now))
}

fn category_body(category: &category::Model) -> CategoryBody {
    CategoryBody {
        category_id: category.id.0,
        version: category.version,
        parent_id: category.parent_id.map(|id| id.0),
        previous_parent_id: None,
        slug: category.slug.clone(),
        name: category.name.clone(),
        description: category.description.clone(),
        status: Word(category.status),
        position: category.position,
        changed: Vec::new(),
        created_at: Time(category.created_at),
        updated_at: Time(category.updated_at),
    }
}

/// A category is new.
#[must_use]
pub fn category_created(category: &category::Model) -> NewEvent {
    category_event(CATEGORY_CREATED, &category_body(category))
}

/// Something of a category is another than before.
#[must_use]
pub fn category_updated(before: &category::Model, after: &category::Model) -> NewEvent {
    let fields = [
        ("slug", before.slug != after.slug),
        ("name", before.name != after.name),
        ("description", before.description != after.description),
        ("status", before.status != after.status),
        ("position", before.position != after.position),
    ];
    let body = CategoryBody {
        changed: fields
            .into_iter()
            .filter_map(|(name, is)| is.then_some(name))
            .collect(),
        ..category_body(after)
    };
    category_event(CATEGORY_UPDATED, &body)
}

/// A category stands elsewhere.
#[must_use]
pub fn category_moved(before: &category::Model, after: &category::Model) -> NewEvent {
    let body = CategoryBody {
        previous_parent_id: Some(before.parent_id.map(|id| id.0)),
        ..category_body(after)
    };
    category_event(CATEGORY_MOVED, &body)
}

fn category_event(event_type: &'static str, body: &CategoryBody) -> NewEvent {
    event(
        CATEGORY,
        event_type,
        body.category_id,
        body,
        body.updated_at,
    )
}

/// A category is gone.
#[must_use]
pub fn category_deleted(category: &category::Model, now: DateTime<Utc>) -> NewEvent {
    let body = CategoryDeleted {
        category_id: category.id.0,
        version: category.version,
        slug: category.slug.clone(),
        deleted_at: Time(now),
    };
    event(
        CATEGORY,
        CATEGORY_DELETED,
        body.category_id,
        &body,
        Time(now),
    )
}

fn event(
    aggregate_type: &'static str,
    event_type: &'static str,
    aggregate_id: Uuid,
    body: &impl Serialize,
    at: Time,
) -> NewEvent {
    NewEvent {
        aggregate_type,
        aggregate_id,
        aggregate_version: None,
        event_type,
        payload: serde_json::json!(body),
        created_at: at.0,
    }
}
