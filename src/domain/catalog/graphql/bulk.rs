//! Changes of many products in one mutation.

use super::inputs::ProductUpdateInput;
use super::product::Product;
use crate::app::App;
use crate::domain::catalog::error::{Error, Kind};
use crate::domain::catalog::model::ProductChanges;
use crate::error::{ErrorCode, Problem};
use crate::graphql::error::UserError;
use crate::graphql::payload::payload;
use crate::graphql::scalars::mutation_id;
use async_graphql::{Context, ID, InputObject, SimpleObject};
use entity::catalog::product;
use entity::ids::ProductId;
use serde::Serialize;

/// A product and what changes of it. What is left out stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct ProductsUpdateInput {
    /// Id of the product.
    pub id: ID,
    /// What changes.
    #[graphql(flatten)]
    pub changes: ProductUpdateInput,
}

/// What became of one product of `productsUpdate`.
#[derive(Clone, Debug, SimpleObject)]
pub struct ProductsUpdateResult {
    /// The product as it is now; null when it was not changed.
    pub product: Option<Product>,
    /// What has to be mended before this product can be changed, with paths as `["inputs", "3", "price"]`; empty when it
    /// was changed.
    pub user_errors: Vec<UserError>,
}

payload!(
    /// The answer of `productsUpdate`.
    ProductsUpdatePayload {
        /// What became of each product, in the order of the inputs. A product that cannot be changed stops no other, and
        /// its mistakes stand here and not in `userErrors` beside this field.
        results: Vec<ProductsUpdateResult>,
    }
);

/// A row that was read, or what is wrong with it; paths begin at the row.
pub(super) type Row = Result<(ProductId, ProductChanges), Vec<Error>>;

/// What makes two requests with one key the same.
#[derive(Serialize)]
pub(super) struct RowArguments<'a> {
    changes: Option<(ProductId, &'a ProductChanges)>,
    wrong: Vec<Problem>,
}

impl<'a> RowArguments<'a> {
    pub(super) fn of(rows: &'a [Row]) -> Vec<Self> {
        use crate::error::Refusal as _;
        let row = |row: &'a Row| Self {
            changes: row.as_ref().ok().map(|(id, changes)| (*id, changes)),
            wrong: match row {
                Ok(_) => Vec::new(),
                Err(errors) => errors.iter().map(Error::problem).collect(),
            },
        };
        rows.iter().map(row).collect()
    }
}

/// Reads all rows.
///
/// # Errors
/// None, or too many of them; what is wrong with a row stands in its place.
pub(super) fn read(
    ctx: &Context<'_>,
    inputs: Vec<ProductsUpdateInput>,
) -> Result<Vec<Row>, Vec<Error>> {
    let app = ctx.data_unchecked::<App>();
    let max = app.config().limits.bulk_rows;
    if inputs.len() > max {
        return Err(vec![Error::at(Kind::TooMany(max as u64), &["inputs"])]);
    }
    if inputs.is_empty() {
        let message = "Give at least one product.";
        return Err(vec![
            Problem::new(ErrorCode::Required, message, &["inputs"]).into(),
        ]);
    }
    let currency = app.catalog().currency();
    let row = |input: ProductsUpdateInput| {
        let id = mutation_id(&input.id, &["id"]);
        match (id, input.changes.read(currency)) {
            (Ok(id), Ok(changes)) => Ok((id, changes)),
            (id, changes) => {
                let mut errors: Vec<Error> = id.err().into_iter().map(Error::from).collect();
                errors.extend(changes.err().unwrap_or_default());
                Err(errors)
            }
        }
    };
    Ok(inputs.into_iter().map(row).collect())
}

/// The results of rows in their order.
pub(super) fn results(
    outcomes: Vec<Result<product::Model, Vec<Problem>>>,
) -> Vec<ProductsUpdateResult> {
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(row) => ProductsUpdateResult {
                product: Some(row.into()),
                user_errors: Vec::new(),
            },
            Err(problems) => ProductsUpdateResult {
                product: None,
                user_errors: problems
                    .into_iter()
                    .map(|problem| UserError::new(problem, &[]))
                    .collect(),
            },
        })
        .collect()
}
