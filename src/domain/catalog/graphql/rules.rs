//! The rules of inputs that `validator` has no name for.

use crate::domain::catalog::model::{
    DESCRIPTION_MAX, NAME_MAX, PRODUCT_NAME_MAX, REFERENCE_MAX, is_slug,
};
use crate::graphql::validate::{changed, not_blank};
use async_graphql::MaybeUndefined;
use validator::{ValidateUrl, ValidationError};

fn wrong_form(text: &'static str) -> ValidationError {
    ValidationError::new("form").with_message(text.into())
}

pub(super) fn address_form(url: &str) -> Result<(), ValidationError> {
    let known = url.starts_with("https://") || url.starts_with("http://");
    if known && url.validate_url() {
        Ok(())
    } else {
        Err(ValidationError::new("url"))
    }
}

pub(super) fn sku_form(sku: &str) -> Result<(), ValidationError> {
    not_blank(sku)?;
    if sku.chars().any(char::is_control) {
        return Err(wrong_form("A SKU has no control characters."));
    }
    // What is compared must fit as well; lower case can be longer.
    changed(
        &MaybeUndefined::Value(sku.trim().to_lowercase()),
        1,
        REFERENCE_MAX,
    )?;
    changed(
        &MaybeUndefined::Value(sku.trim().to_owned()),
        1,
        REFERENCE_MAX,
    )
}

pub(super) fn slug_form(slug: &str) -> Result<(), ValidationError> {
    if is_slug(slug) {
        Ok(())
    } else {
        Err(wrong_form(
            "A slug has lower case letters, digits and single hyphens between them.",
        ))
    }
}

fn changed_slug(value: &MaybeUndefined<String>, max: u64) -> Result<(), ValidationError> {
    changed(value, 1, max)?;
    value.value().map_or(Ok(()), |text| slug_form(text))
}

pub(super) fn changed_product_name(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 1, PRODUCT_NAME_MAX)
}

pub(super) fn changed_product_slug(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed_slug(value, PRODUCT_NAME_MAX)
}

pub(super) fn changed_category_name(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 1, NAME_MAX)
}

pub(super) fn changed_category_slug(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed_slug(value, NAME_MAX)
}

pub(super) fn changed_variant_name(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 0, NAME_MAX)
}

pub(super) fn changed_description(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    changed(value, 0, DESCRIPTION_MAX)
}

pub(super) fn changed_reference(value: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    match value {
        MaybeUndefined::Value(text) => not_blank(text).and(changed(value, 1, REFERENCE_MAX)),
        _ => Ok(()),
    }
}
