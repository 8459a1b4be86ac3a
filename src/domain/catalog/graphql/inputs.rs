//! The inputs of the catalogue's mutations. `read` gives what the service takes, or everything that is wrong at once.

use super::rules::{
    address_form, changed_category_name, changed_category_slug, changed_description,
    changed_product_name, changed_product_slug, changed_reference, changed_variant_name, sku_form,
    slug_form,
};
use super::types::{CategoryStatus, ProductStatus};
use crate::domain::catalog::error::{Error, Kind};
use crate::domain::catalog::model::{
    ALT_MAX, CATEGORIES_MAX, CategoryChanges, DESCRIPTION_MAX, IMAGES_MAX, NAME_MAX, NewCategory,
    NewImage, NewProduct, NewVariant, OPTIONS_MAX, PRODUCT_NAME_MAX, ProductChanges, REFERENCE_MAX,
    URL_MAX, VARIANTS_MAX, VariantChanges, price_minor,
};
use crate::error::{ErrorCode, Problem};
use crate::graphql::scalars::{Decimal, mutation_id};
use crate::graphql::validate::{self, not_blank};
use async_graphql::{ID, InputObject, MaybeUndefined};
use entity::catalog::VariantOption;
use entity::ids::CategoryId;
use serde::Serialize;
use uuid::Uuid;
use validator::Validate;

/// An image of a product.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct ProductImageInput {
    /// Address of the image, `https://…`, up to 2,048 characters.
    #[validate(length(max = URL_MAX), custom(function = "address_form"))]
    pub url: String,
    /// What it shows, for those who do not see it; up to 250 characters.
    #[validate(length(max = ALT_MAX))]
    pub alt: Option<String>,
}

/// One choice of a variant, as `Colour: Red`.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct VariantOptionInput {
    /// What is chosen, as `Colour`; up to 120 characters.
    #[validate(length(max = NAME_MAX), custom(function = "not_blank"))]
    pub name: String,
    /// The choice, as `Red`; up to 120 characters.
    #[validate(length(max = NAME_MAX), custom(function = "not_blank"))]
    pub value: String,
}

/// A variant to be made.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct VariantCreateInput {
    /// Stock keeping unit, unique without regard to case, up to 64 characters.
    #[validate(custom(function = "sku_form"))]
    pub sku: String,
    /// Price of one unit in the shop's currency, as `"12.50"`.
    pub price: Decimal,
    /// Name, up to 120 characters; made from the options when it is not given.
    #[validate(length(max = NAME_MAX))]
    pub name: Option<String>,
    /// The choices that make this variant, at most 10.
    #[validate(length(max = OPTIONS_MAX), nested)]
    pub options: Option<Vec<VariantOptionInput>>,
}

/// Changes of a variant. What is left out stays as it is.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct VariantUpdateInput {
    /// Stock keeping unit, unique without regard to case, up to 64 characters.
    #[validate(custom(function = "sku_form"))]
    pub sku: Option<String>,
    /// Price of one unit in the shop's currency, as `"12.50"`.
    pub price: Option<Decimal>,
    /// Name, up to 120 characters; null removes it.
    #[validate(custom(function = "changed_variant_name"))]
    pub name: MaybeUndefined<String>,
    /// All choices from now on, at most 10.
    #[validate(length(max = OPTIONS_MAX), nested)]
    pub options: Option<Vec<VariantOptionInput>>,
    /// Place among the product's variants, smallest first.
    #[validate(range(min = 0))]
    pub position: Option<i32>,
    /// Refuse the change when the variant has another version.
    pub expected_version: Option<i32>,
}

/// A product to be made: with `variants`, or with `sku` and `price` for a single one.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct ProductCreateInput {
    /// Name, up to 200 characters.
    #[validate(length(max = PRODUCT_NAME_MAX), custom(function = "not_blank"))]
    pub name: String,
    /// Handle in addresses: lower case letters, digits and hyphens; made from the name when it is not given.
    #[validate(length(max = PRODUCT_NAME_MAX), custom(function = "slug_form"))]
    pub slug: Option<String>,
    /// Text for people, up to 10,000 characters.
    #[validate(length(max = DESCRIPTION_MAX))]
    pub description: Option<String>,
    /// Who sees it; `ACTIVE` when it is not given.
    pub status: Option<ProductStatus>,
    /// Its id in the system it comes from, unique, up to 64 characters.
    #[validate(length(max = REFERENCE_MAX), custom(function = "not_blank"))]
    pub external_reference: Option<String>,
    /// The categories it stands in, at most 50.
    #[validate(length(max = CATEGORIES_MAX))]
    pub category_ids: Option<Vec<ID>>,
    /// Its images in their order, at most 20.
    #[validate(length(max = IMAGES_MAX), nested)]
    pub images: Option<Vec<ProductImageInput>>,
    /// Its variants in their order, at most 100; the first is the default.
    #[validate(length(max = VARIANTS_MAX), nested)]
    pub variants: Option<Vec<VariantCreateInput>>,
    /// SKU of its only variant, when no `variants` are given.
    #[validate(custom(function = "sku_form"))]
    pub sku: Option<String>,
    /// Price of its only variant, when no `variants` are given.
    pub price: Option<Decimal>,
}

/// Changes of a product. What is left out stays as it is.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct ProductUpdateInput {
    /// Name, up to 200 characters; the slug stays.
    #[validate(custom(function = "changed_product_name"))]
    pub name: MaybeUndefined<String>,
    /// Handle in addresses: lower case letters, digits and hyphens.
    #[validate(custom(function = "changed_product_slug"))]
    pub slug: MaybeUndefined<String>,
    /// Text for people, up to 10,000 characters; null removes it.
    #[validate(custom(function = "changed_description"))]
    pub description: MaybeUndefined<String>,
    /// Who sees it.
    pub status: Option<ProductStatus>,
    /// Its id in the system it came from, unique, up to 64 characters; null removes it.
    #[validate(custom(function = "changed_reference"))]
    pub external_reference: MaybeUndefined<String>,
    /// All categories it stands in from now on, at most 50.
    #[validate(length(max = CATEGORIES_MAX))]
    pub category_ids: Option<Vec<ID>>,
    /// All its images from now on, at most 20.
    #[validate(length(max = IMAGES_MAX), nested)]
    pub images: Option<Vec<ProductImageInput>>,
    /// Price of its only variant; of a product with several, `variantUpdate` changes one.
    pub price: Option<Decimal>,
    /// The variant that gives its price.
    pub default_variant_id: Option<ID>,
    /// Refuse the change when the product has another version.
    pub expected_version: Option<i32>,
}

/// A category to be made.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct CategoryCreateInput {
    /// Name, up to 120 characters.
    #[validate(length(max = NAME_MAX), custom(function = "not_blank"))]
    pub name: String,
    /// Handle in addresses: lower case letters, digits and hyphens; made from the name when it is not given.
    #[validate(length(max = NAME_MAX), custom(function = "slug_form"))]
    pub slug: Option<String>,
    /// Text for people, up to 10,000 characters.
    #[validate(length(max = DESCRIPTION_MAX))]
    pub description: Option<String>,
    /// The category above it; at the top of the tree when it is not given.
    pub parent_id: Option<ID>,
    /// Place among its siblings, smallest first; the last when it is not given.
    #[validate(range(min = 0))]
    pub position: Option<i32>,
    /// Who sees it; `ACTIVE` when it is not given.
    pub status: Option<CategoryStatus>,
}

/// Changes of a category. What is left out stays as it is; `categoryMove` puts it elsewhere in the tree.
#[derive(Clone, Debug, InputObject, Validate)]
pub struct CategoryUpdateInput {
    /// Name, up to 120 characters.
    #[validate(custom(function = "changed_category_name"))]
    pub name: MaybeUndefined<String>,
    /// Handle in addresses: lower case letters, digits and hyphens.
    #[validate(custom(function = "changed_category_slug"))]
    pub slug: MaybeUndefined<String>,
    /// Text for people, up to 10,000 characters; null removes it.
    #[validate(custom(function = "changed_description"))]
    pub description: MaybeUndefined<String>,
    /// Place among its siblings, smallest first.
    #[validate(range(min = 0))]
    pub position: Option<i32>,
    /// Who sees it.
    pub status: Option<CategoryStatus>,
    /// Refuse the change when the category has another version.
    pub expected_version: Option<i32>,
}

/// Collects what is wrong while an input is read; values that are wrong have stand-ins until [`Reading::done`].
struct Reading<'a> {
    currency: &'a str,
    wrong: Vec<Error>,
}

impl<'a> Reading<'a> {
    fn of(input: &impl Validate, currency: &'a str) -> Self {
        let problems = validate::check(input).err().unwrap_or_default();
        let below_input = |mut problem: Problem| {
            problem.path.insert(0, "input".to_owned());
            Error::from(problem)
        };
        Self {
            currency,
            wrong: problems.into_iter().map(below_input).collect(),
        }
    }

    fn refuse(&mut self, code: ErrorCode, message: &str, path: &[&str]) {
        self.wrong.push(Problem::new(code, message, path).into());
    }

    fn price(&mut self, amount: Decimal, path: &[&str]) -> i64 {
        price_minor(amount.0, self.currency).unwrap_or_else(|error| {
            self.wrong.push(Error::at(Kind::Price(error), path));
            0
        })
    }

    fn id<T: From<Uuid>>(&mut self, id: &ID, path: &[&str]) -> T {
        mutation_id(id, path).unwrap_or_else(|problem| {
            self.wrong.push(problem.into());
            Uuid::nil().into()
        })
    }

    fn category_ids(&mut self, ids: &[ID]) -> Vec<CategoryId> {
        (0..)
            .zip(ids)
            .map(|(index, id): (usize, _)| {
                self.id(id, &["input", "categoryIds", &index.to_string()])
            })
            .collect()
    }

    fn variant(&mut self, input: VariantCreateInput, price_path: &[&str]) -> NewVariant {
        let options = options(input.options.unwrap_or_default());
        NewVariant {
            price_minor: self.price(input.price, price_path),
            name: input
                .name
                .map_or_else(|| name_of(&options), |name| trimmed(&name)),
            sku: input.sku,
            options,
        }
    }

    fn done<T>(self, value: T) -> Result<T, Vec<Error>> {
        if self.wrong.is_empty() {
            Ok(value)
        } else {
            Err(self.wrong)
        }
    }
}

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

fn options(inputs: Vec<VariantOptionInput>) -> Vec<VariantOption> {
    let option = |input: VariantOptionInput| VariantOption {
        name: trimmed(&input.name),
        value: trimmed(&input.value),
    };
    inputs.into_iter().map(option).collect()
}

/// The name of a variant from its choices: `Green, 100 g`.
fn name_of(options: &[VariantOption]) -> String {
    let values: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
    let name = values.join(", ");
    (0..NAME_MAX)
        .zip(name.chars())
        .map(|(_, letter)| letter)
        .collect()
}

fn images(inputs: Vec<ProductImageInput>) -> Vec<NewImage> {
    let image = |input: ProductImageInput| NewImage {
        url: input.url,
        alt: input.alt.unwrap_or_default(),
    };
    inputs.into_iter().map(image).collect()
}

/// A text that null empties.
fn emptied(value: MaybeUndefined<String>) -> Option<String> {
    value
        .as_opt_ref()
        .map(|text| text.cloned().unwrap_or_default())
}

impl VariantCreateInput {
    pub(super) fn read(self, currency: &str) -> Result<NewVariant, Vec<Error>> {
        let mut reading = Reading::of(&self, currency);
        let new = reading.variant(self, &["input", "price"]);
        reading.done(new)
    }
}

impl VariantUpdateInput {
    pub(super) fn read(self, currency: &str) -> Result<VariantChanges, Vec<Error>> {
        let mut reading = Reading::of(&self, currency);
        let changes = VariantChanges {
            sku: self.sku,
            name: emptied(self.name).map(|name| trimmed(&name)),
            options: self.options.map(options),
            price_minor: self
                .price
                .map(|price| reading.price(price, &["input", "price"])),
            position: self.position,
            expected_version: self.expected_version,
        };
        reading.done(changes)
    }
}

impl ProductCreateInput {
    pub(super) fn read(self, currency: &str) -> Result<NewProduct, Vec<Error>> {
        let mut reading = Reading::of(&self, currency);
        let new = NewProduct {
            category_ids: reading.category_ids(&self.category_ids.unwrap_or_default()),
            variants: match self.variants {
                Some(variants) if !variants.is_empty() => {
                    let beside = "Give either variants, or sku and price.";
                    if self.sku.is_some() {
                        reading.refuse(ErrorCode::Invalid, beside, &["input", "sku"]);
                    }
                    if self.price.is_some() {
                        reading.refuse(ErrorCode::Invalid, beside, &["input", "price"]);
                    }
                    let place = |index: usize| index.to_string();
                    let numbered = variants.into_iter().enumerate();
                    numbered
                        .map(|(index, variant)| {
                            reading.variant(variant, &["input", "variants", &place(index), "price"])
                        })
                        .collect()
                }
                _ => only_variant(&mut reading, self.sku, self.price)
                    .into_iter()
                    .collect(),
            },
            name: trimmed(&self.name),
            slug: self.slug,
            description: self.description.unwrap_or_default(),
            status: self.status.unwrap_or(ProductStatus::Active).into(),
            external_reference: self.external_reference.map(|text| trimmed(&text)),
            images: images(self.images.unwrap_or_default()),
        };
        reading.done(new)
    }

    /// Whether the product's only variant is given beside it, which decides where mistakes of its SKU are shown.
    pub(super) fn has_variants(&self) -> bool {
        self.variants
            .as_ref()
            .is_some_and(|variants| !variants.is_empty())
    }
}

/// The variant of a product that has only one.
fn only_variant(
    reading: &mut Reading<'_>,
    sku: Option<String>,
    price: Option<Decimal>,
) -> Option<NewVariant> {
    let needed = "A product needs variants, or sku and price for a single one.";
    if sku.is_none() {
        reading.refuse(ErrorCode::Required, needed, &["input", "sku"]);
    }
    if price.is_none() {
        reading.refuse(ErrorCode::Required, needed, &["input", "price"]);
    }
    Some(NewVariant {
        sku: sku?,
        name: String::new(),
        options: Vec::new(),
        price_minor: reading.price(price?, &["input", "price"]),
    })
}

impl ProductUpdateInput {
    pub(super) fn read(self, currency: &str) -> Result<ProductChanges, Vec<Error>> {
        let mut reading = Reading::of(&self, currency);
        let default = &["input", "defaultVariantId"];
        let reference = self.external_reference.as_opt_ref();
        let changes = ProductChanges {
            name: self.name.value().map(|name| trimmed(name)),
            external_reference: reference.map(|text| text.map(|text| trimmed(text))),
            slug: self.slug.take(),
            description: emptied(self.description),
            status: self.status.map(Into::into),
            category_ids: self.category_ids.map(|ids| reading.category_ids(&ids)),
            images: self.images.map(images),
            price_minor: self
                .price
                .map(|price| reading.price(price, &["input", "price"])),
            default_variant_id: self.default_variant_id.map(|id| reading.id(&id, default)),
            expected_version: self.expected_version,
        };
        reading.done(changes)
    }
}

impl CategoryCreateInput {
    pub(super) fn read(self) -> Result<NewCategory, Vec<Error>> {
        let mut reading = Reading::of(&self, "");
        let new = NewCategory {
            name: trimmed(&self.name),
            slug: self.slug,
            description: self.description.unwrap_or_default(),
            parent_id: self
                .parent_id
                .map(|id| reading.id(&id, &["input", "parentId"])),
            position: self.position,
            status: self.status.unwrap_or(CategoryStatus::Active).into(),
        };
        reading.done(new)
    }
}

impl CategoryUpdateInput {
    pub(super) fn read(self) -> Result<CategoryChanges, Vec<Error>> {
        let reading = Reading::of(&self, "");
        let changes = CategoryChanges {
            name: self.name.value().map(|name| trimmed(name)),
            slug: self.slug.take(),
            description: emptied(self.description),
            position: self.position,
            status: self.status.map(Into::into),
            expected_version: self.expected_version,
        };
        reading.done(changes)
    }
}
