//! What the cache knows: subjects whose change is told ([`Tag`]), and the keys of what is kept about them.

use entity::ids::{CategoryId, ProductId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use uuid::Uuid;

/// A subject that changes: everything that was made of it is tagged with it, and a change names it.
///
/// A new kind of subject is a line here and one in [`Tag::name`]. The form is stored in rows and sent between replicas;
/// an older release takes a message with a kind that it does not know for "everything changed".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tag {
    /// A product with its variants, its images and the categories it stands in.
    Product(ProductId),
    /// The lists of products: which there are, in which order, under which names.
    Products,
    /// A category.
    Category(CategoryId),
    /// The lists of categories and the shape of their tree.
    Categories,
}

impl Tag {
    /// The name of the subject's own entry: the entity, or the generation of the lists.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Product(id) => format!("product:detail:{id}"),
            Self::Products => "products:list:generation".to_owned(),
            Self::Category(id) => format!("category:detail:{id}"),
            Self::Categories => "categories:list:generation".to_owned(),
        }
    }

    /// What the names of the lists of this subject begin with.
    const fn lists(self) -> &'static str {
        match self {
            Self::Product(_) => "product:part",
            Self::Products => "products:list",
            Self::Category(_) => "category:part",
            Self::Categories => "categories:list",
        }
    }

    /// The kind, for metrics.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Product(_) => "product",
            Self::Products => "products",
            Self::Category(_) => "category",
            Self::Categories => "categories",
        }
    }
}

/// Which lists are the current ones: a fresh random value after each change, never a counter, which could restart and
/// meet entries of its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation(pub Uuid);

/// What one entry is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    tag: Tag,
    /// Of a list: the generation it belongs to and the hash of all its arguments.
    list: Option<(Generation, [u8; 16])>,
}

impl Key {
    /// The subject's own entry.
    #[must_use]
    pub const fn of(tag: Tag) -> Self {
        Self { tag, list: None }
    }

    /// A list of a generation under its arguments: all of them, each by its own `Hash`, so that a new argument is part
    /// of the key without anybody thinking of it.
    #[must_use]
    pub fn list(tag: Tag, generation: Generation, arguments: &impl Hash) -> Self {
        let mut written = Written(Vec::with_capacity(256));
        arguments.hash(&mut written);
        let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]: [u8; 32] =
            Sha256::digest(&written.0).into();
        Self {
            tag,
            list: Some((generation, hash)),
        }
    }

    /// The subject it is made of.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// Its name, as `product:detail:{id}` or `products:list:{generation}:{hash}`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.list {
            None => self.tag.name(),
            Some((Generation(generation), hash)) => format!(
                "{}:{}:{}",
                self.tag.lists(),
                generation.simple(),
                Uuid::from_bytes(hash).simple()
            ),
        }
    }
}

/// Collects what `Hash` writes, for SHA-256: two lists of arguments that differ have different keys, whoever chose them.
struct Written(Vec<u8>);

impl Hasher for Written {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        // Only the whole digest is used.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_documentation() {
        let id = ProductId(Uuid::from_u128(7));
        assert_eq!(
            Key::of(Tag::Product(id)).name(),
            "product:detail:00000000-0000-0000-0000-000000000007"
        );
        let generation = Generation(Uuid::from_u128(1));
        let name = Key::list(Tag::Products, generation, &"arguments").name();
        let rest = name
            .strip_prefix("products:list:00000000000000000000000000000001:")
            .unwrap();
        assert_eq!(rest.len(), 32);
    }

    #[test]
    fn another_argument_or_generation_is_another_key() {
        let key = |generation: u128, arguments: &(Option<&str>, &str)| {
            Key::list(
                Tag::Products,
                Generation(Uuid::from_u128(generation)),
                arguments,
            )
        };
        let first = key(1, &(Some("a"), "b"));
        assert_eq!(first, key(1, &(Some("a"), "b")));
        for other in [
            key(2, &(Some("a"), "b")),
            key(1, &(Some("ab"), "")),
            key(1, &(None, "b")),
        ] {
            assert_ne!(first, other);
        }
    }
}
