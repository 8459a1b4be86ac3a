//! One event of each type, as the contract shows them: a mug, and the category it stands in.

use super::{
    CATEGORY, CATEGORY_CREATED, CATEGORY_DELETED, CATEGORY_MOVED, CATEGORY_UPDATED, CategoryBody,
    CategoryDeleted, CategoryStatus, Money, NewEvent, PRODUCT, PRODUCT_ARCHIVED, PRODUCT_CREATED,
    PRODUCT_DELETED, PRODUCT_PRICE_CHANGED, PRODUCT_UPDATED, PriceChange, ProductBody,
    ProductDeleted, ProductStatus, Time, Variant, VariantOption, Word, category_event, event,
    product_event,
};
use crate::events::contract::sample::{self, PARENT, VARIANT, at};

const SKU: &str = "MUG-BLUE";

fn money(minor: i64) -> Money {
    Money::new(minor, "GBP")
}

/// The product as it was made.
fn mug() -> ProductBody {
    ProductBody {
        product_id: sample::PRODUCT,
        version: 1,
        slug: "mug".to_owned(),
        name: "Mug".to_owned(),
        description: "To drink from.".to_owned(),
        status: Word(ProductStatus::Active),
        external_reference: None,
        category_ids: vec![sample::CATEGORY],
        default_variant_id: VARIANT,
        price: money(7_500),
        price_min: money(7_500),
        price_max: money(7_500),
        variants: vec![Variant {
            variant_id: VARIANT,
            sku: SKU.to_owned(),
            name: "Blue".to_owned(),
            options: vec![VariantOption {
                name: "Colour".to_owned(),
                value: "Blue".to_owned(),
            }],
            price: money(7_500),
            is_stocked: true,
        }],
        changed: Vec::new(),
        price_changes: Vec::new(),
        created_at: Time(at(0)),
        updated_at: Time(at(0)),
    }
}

pub(super) fn product_created() -> NewEvent {
    product_event(PRODUCT_CREATED, &mug())
}

pub(super) fn product_updated() -> NewEvent {
    let body = ProductBody {
        version: 2,
        name: "Large mug".to_owned(),
        changed: vec!["name"],
        updated_at: Time(at(60)),
        ..mug()
    };
    product_event(PRODUCT_UPDATED, &body)
}

pub(super) fn product_price_changed() -> NewEvent {
    let mut body = ProductBody {
        version: 2,
        price: money(6_900),
        price_min: money(6_900),
        price_max: money(6_900),
        price_changes: vec![PriceChange {
            variant_id: VARIANT,
            sku: SKU.to_owned(),
            price: money(6_900),
            previous_price: money(7_500),
        }],
        updated_at: Time(at(60)),
        ..mug()
    };
    body.variants[0].price = money(6_900);
    product_event(PRODUCT_PRICE_CHANGED, &body)
}

pub(super) fn product_archived() -> NewEvent {
    let body = ProductBody {
        version: 2,
        status: Word(ProductStatus::Archived),
        changed: vec!["status"],
        updated_at: Time(at(60)),
        ..mug()
    };
    product_event(PRODUCT_ARCHIVED, &body)
}

pub(super) fn product_deleted() -> NewEvent {
    let body = ProductDeleted {
        product_id: sample::PRODUCT,
        version: 1,
        slug: "mug".to_owned(),
        deleted_at: Time(at(60)),
    };
    event(
        PRODUCT,
        PRODUCT_DELETED,
        body.product_id,
        &body,
        Time(at(60)),
    )
}

/// The category as it was made.
fn cups() -> CategoryBody {
    CategoryBody {
        category_id: sample::CATEGORY,
        version: 1,
        parent_id: None,
        previous_parent_id: None,
        slug: "cups".to_owned(),
        name: "Cups and pots".to_owned(),
        description: "To drink from and to brew in.".to_owned(),
        status: Word(CategoryStatus::Active),
        position: 2,
        changed: Vec::new(),
        created_at: Time(at(0)),
        updated_at: Time(at(0)),
    }
}

pub(super) fn category_created() -> NewEvent {
    category_event(CATEGORY_CREATED, &cups())
}

pub(super) fn category_updated() -> NewEvent {
    let body = CategoryBody {
        version: 2,
        name: "Cups".to_owned(),
        changed: vec!["name"],
        updated_at: Time(at(60)),
        ..cups()
    };
    category_event(CATEGORY_UPDATED, &body)
}

pub(super) fn category_moved() -> NewEvent {
    let body = CategoryBody {
        version: 2,
        parent_id: Some(PARENT),
        previous_parent_id: Some(None),
        position: 0,
        updated_at: Time(at(60)),
        ..cups()
    };
    category_event(CATEGORY_MOVED, &body)
}

pub(super) fn category_deleted() -> NewEvent {
    let body = CategoryDeleted {
        category_id: sample::CATEGORY,
        version: 1,
        slug: "cups".to_owned(),
        deleted_at: Time(at(60)),
    };
    event(
        CATEGORY,
        CATEGORY_DELETED,
        body.category_id,
        &body,
        Time(at(60)),
    )
}
