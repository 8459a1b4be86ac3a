//! What a caller of the catalogue can do wrong.
//!
//! Paths are those of the mutation's arguments: `id` stands beside `input`, so each error knows where it belongs.

use super::model::PriceError;
use crate::error::{ErrorCode, Problem, Refusal};

/// Why a reference is not something to buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// Nothing on sale has this id or SKU.
    NotFound,
    /// The product has several variants: one of them must be named.
    VariantRequired,
}

/// What must be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// Slug of a product.
    ProductSlug,
    /// External reference of a product.
    ExternalReference,
    /// SKU of a variant.
    Sku,
    /// Slug of a category.
    CategorySlug,
}

/// A mistake, and where in the mutation's arguments it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: Kind,
    /// Where.
    pub path: Vec<String>,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A rule that is not the catalogue's alone: the form of an input, an idempotency key.
    Input(Problem),
    /// No such category, product or variant; the text names which.
    NotFound(&'static str),
    /// Another one has this value.
    Taken(Unique),
    /// The same input has this SKU twice.
    SkuRepeated,
    /// Not a price of the shop's currency.
    Price(PriceError),
    /// The object has another version than the caller expected: this one.
    VersionStale(i32),
    /// The same batch has this object twice.
    Repeated(&'static str),
    /// The product has several variants, so one of them must be named.
    VariantRequired,
    /// The product's only variant cannot go.
    LastVariant,
    /// More variants, or categories below one, than allowed.
    TooMany(u64),
    /// A category would stand below itself.
    Cycle,
    /// The tree would have more levels than allowed.
    TooDeep(usize),
    /// The category has categories below it, or active products.
    CategoryInUse,
}

impl Error {
    /// A mistake at a place of the arguments.
    #[must_use]
    pub fn at(kind: Kind, path: &[&str]) -> Self {
        Self {
            kind,
            path: path.iter().map(|&part| part.to_owned()).collect(),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self {
            path: problem.path.clone(),
            kind: Kind::Input(problem),
        }
    }
}

impl Unique {
    const fn message(self) -> &'static str {
        match self {
            Self::ProductSlug => "Another product has this slug.",
            Self::ExternalReference => "Another product has this external reference.",
            Self::Sku => "Another variant has this SKU; SKUs are compared without case.",
            Self::CategorySlug => "Another category has this slug.",
        }
    }
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        let (code, message) = match &self.kind {
            Kind::Input(problem) => {
                // The error's own path counts: a batch puts it below its row.
                return Problem {
                    path: self.path.clone(),
                    ..problem.clone()
                };
            }
            Kind::NotFound(what) => (ErrorCode::NotFound, format!("There is no such {what}.")),
            Kind::Taken(unique) => (ErrorCode::AlreadyExists, unique.message().to_owned()),
            Kind::SkuRepeated => (
                ErrorCode::AlreadyExists,
                "Another variant of this product has this SKU; SKUs are compared without case."
                    .to_owned(),
            ),
            Kind::Price(PriceError::Precision(decimals)) => (
                ErrorCode::Precision,
                format!("The shop's currency has {decimals} decimals."),
            ),
            Kind::Price(PriceError::OutOfRange) => (
                ErrorCode::OutOfRange,
                "A price is 0 or more, and at most a million million of the smallest unit."
                    .to_owned(),
            ),
            Kind::VersionStale(version) => (
                ErrorCode::VersionStale,
                format!("It was changed meanwhile and has version {version} now; read it again."),
            ),
            Kind::Repeated(what) => (
                ErrorCode::Invalid,
                format!("The same {what} stands here twice; only the first one counts."),
            ),
            Kind::VariantRequired => (
                ErrorCode::VariantRequired,
                "The product has several variants; change the price of one of them.".to_owned(),
            ),
            Kind::LastVariant => (
                ErrorCode::Invalid,
                "A product keeps at least one variant; delete the product instead.".to_owned(),
            ),
            Kind::TooMany(max) => (ErrorCode::TooLong, format!("At most {max} are allowed.")),
            Kind::Cycle => (
                ErrorCode::Invalid,
                "A category cannot stand below itself.".to_owned(),
            ),
            Kind::TooDeep(max) => (
                ErrorCode::OutOfRange,
                format!("The tree of categories has at most {max} levels."),
            ),
            Kind::CategoryInUse => (
                ErrorCode::CategoryInUse,
                "Categories or active products stand in this category; move them first.".to_owned(),
            ),
        };
        Problem {
            path: self.path.clone(),
            ..Problem::new(code, message, &[])
        }
    }
}
