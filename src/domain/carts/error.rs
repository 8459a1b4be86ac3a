//! What callers of carts can do wrong.

use crate::error::{ErrorCode, Problem, Refusal};

/// What callers of carts can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule of the input or of idempotency.
    Input(Problem),
    /// The guest's token opens no cart, or the user has none.
    CartNotFound,
    /// A line names nothing that is for sale.
    NothingSold {
        /// Place of the line.
        line: usize,
        /// Which field names it.
        field: &'static str,
    },
    /// A line names a product that has several variants.
    VariantRequired {
        /// Place of the line.
        line: usize,
    },
    /// The cart has no line with this id.
    LineNotFound {
        /// Where in the arguments.
        path: Vec<String>,
    },
    /// The same line is changed twice in one request.
    LineRepeated {
        /// Where in the arguments.
        path: Vec<String>,
    },
    /// More units of a variant than a line may have.
    TooManyUnits {
        /// Where in the arguments.
        path: Vec<String>,
        /// Units of a line at most.
        most: i64,
    },
    /// More lines than a cart may have.
    TooManyLines {
        /// Where in the arguments.
        path: Vec<String>,
        /// Lines at most.
        most: usize,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Input(problem)
    }
}

/// The path of a field of a line in the arguments.
#[must_use]
pub fn line_path(argument: &str, line: usize, field: &str) -> Vec<String> {
    let mut path = vec![argument.to_owned(), line.to_string()];
    if !field.is_empty() {
        path.push(field.to_owned());
    }
    path
}

impl Refusal for Error {
    fn problem(&self) -> Problem {
        let at = |code, message: String, path: &[String]| Problem {
            path: path.to_vec(),
            ..Problem::new(code, message, &[])
        };
        match self {
            Self::Input(problem) => problem.clone(),
            Self::CartNotFound => Problem::new(
                ErrorCode::NotFound,
                "There is no such cart; it may have been ordered, merged or removed.",
                &["cartToken"],
            ),
            Self::NothingSold { line, field } => at(
                ErrorCode::NotFound,
                "Nothing with this reference is for sale.".to_owned(),
                &line_path("lines", *line, field),
            ),
            Self::VariantRequired { line } => at(
                ErrorCode::VariantRequired,
                "This product has several variants: say which one by variantId or sku.".to_owned(),
                &line_path("lines", *line, "productId"),
            ),
            Self::LineNotFound { path } => at(
                ErrorCode::NotFound,
                "The cart has no line with this id.".to_owned(),
                path,
            ),
            Self::LineRepeated { path } => at(
                ErrorCode::Invalid,
                "This line stands here twice.".to_owned(),
                path,
            ),
            Self::TooManyUnits { path, most } => at(
                ErrorCode::OutOfRange,
                format!("A line has at most {most} units, those that are in the cart included."),
                path,
            ),
            Self::TooManyLines { path, most } => at(
                ErrorCode::TooLong,
                format!("A cart has at most {most} lines."),
                path,
            ),
        }
    }
}
