//! What is remembered of the catalogue.

use crate::cache::Value;
use crate::page::Page;
use entity::catalog::{category, product, product_image, variant};
use entity::ids::CategoryId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A product with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDetail {
    /// The product.
    pub product: product::Model,
    /// All its variants in their order, archived ones too.
    pub variants: Vec<variant::Model>,
    /// Its images in their order.
    pub images: Vec<product_image::Model>,
    /// The categories it stands in, archived ones too, in no order.
    pub category_ids: Vec<CategoryId>,
}

impl Value for ProductDetail {
    const VERSION: u8 = 1;

    fn bytes(&self) -> usize {
        let product = &self.product;
        let texts = product.slug.len()
            + product.name.len()
            + product.name_folded.len()
            + product.description.len();
        let variant = |row: &variant::Model| {
            let options = row.options.0.iter();
            let options = options.map(|option| 64 + option.name.len() + option.value.len());
            size_of::<variant::Model>()
                + 2 * row.sku.len()
                + row.name.len()
                + options.sum::<usize>()
        };
        let image = |row: &product_image::Model| {
            size_of::<product_image::Model>() + row.url.len() + row.alt.len()
        };
        size_of::<Self>()
            + texts
            + self.variants.iter().map(variant).sum::<usize>()
            + self.images.iter().map(image).sum::<usize>()
            + self.category_ids.len() * size_of::<CategoryId>()
    }
}

impl Value for category::Model {
    const VERSION: u8 = 1;

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.slug.len() + self.description.len()
    }
}

/// A page of a list: which items, and where they stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ids {
    pub(super) items: Vec<(Uuid, String)>,
    pub(super) has_next: bool,
    pub(super) has_previous: bool,
    pub(super) total: Option<u64>,
}

impl Value for Ids {
    const VERSION: u8 = 1;

    fn bytes(&self) -> usize {
        let items = self.items.iter().map(|(_, cursor)| 48 + cursor.len());
        size_of::<Self>() + items.sum::<usize>()
    }
}

impl Ids {
    pub(super) fn of<T>(page: Page<T>, id: impl Fn(&T) -> Uuid) -> Self {
        let items = page.items.into_iter();
        Self {
            items: items.map(|(row, cursor)| (id(&row), cursor)).collect(),
            has_next: page.has_next,
            has_previous: page.has_previous,
            total: page.total,
        }
    }

    pub(super) fn ids<I: From<Uuid>>(&self) -> Vec<I> {
        self.items.iter().map(|(id, _)| I::from(*id)).collect()
    }

    /// The page of what was found under its ids. What was deleted, or left the list, since the ids were read is left
    /// out: the list is about to be read anew.
    pub(super) fn page<T>(&self, found: Vec<Option<T>>) -> Page<T> {
        let items = self.items.iter().zip(found);
        Page {
            items: items
                .filter_map(|((_, cursor), row)| Some((row?, cursor.clone())))
                .collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
            total: self.total,
        }
    }
}
