//! Changes of the catalogue. A resolver is guard → input → service → type.

use super::bulk::{self, ProductsUpdateInput, ProductsUpdatePayload};
use super::category::Category;
use super::inputs::{
    CategoryCreateInput, CategoryUpdateInput, ProductCreateInput, ProductUpdateInput,
    VariantCreateInput, VariantUpdateInput,
};
use super::product::{Product, ProductVariant};
use crate::app::App;
use crate::domain::catalog::error::Error;
use crate::domain::catalog::service::Service;
use crate::error::Failure;
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::{ApiError, Warning};
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{answer, payload};
use crate::graphql::scalars::mutation_id;
use async_graphql::{Context, ID, Object};
use entity::ids::UserId;
use uuid::Uuid;

payload!(
    /// The answer of `productCreate`.
    ProductCreatePayload {
        /// The product.
        product: Product,
    }
);

payload!(
    /// The answer of `productUpdate`.
    ProductUpdatePayload {
        /// The product as it is now.
        product: Product,
    }
);

payload!(
    /// The answer of `productDelete`.
    ProductDeletePayload {
        /// The product as it was, or archived when orders refer to it; then a warning says so.
        product: Product,
    }
);

payload!(
    /// The answer of `variantCreate`.
    VariantCreatePayload {
        /// The variant.
        variant: ProductVariant,
    }
);

payload!(
    /// The answer of `variantUpdate`.
    VariantUpdatePayload {
        /// The variant as it is now.
        variant: ProductVariant,
    }
);

payload!(
    /// The answer of `variantDelete`.
    VariantDeletePayload {
        /// The variant as it was, or archived when orders refer to it; then a warning says so.
        variant: ProductVariant,
    }
);

payload!(
    /// The answer of `categoryCreate`.
    CategoryCreatePayload {
        /// The category.
        category: Category,
    }
);

payload!(
    /// The answer of `categoryUpdate`.
    CategoryUpdatePayload {
        /// The category as it is now.
        category: Category,
    }
);

payload!(
    /// The answer of `categoryMove`.
    CategoryMovePayload {
        /// The category where it stands now.
        category: Category,
    }
);

payload!(
    /// The answer of `categoryDelete`.
    CategoryDeletePayload {
        /// The category as it was.
        category: Category,
    }
);

/// Changes of the catalogue.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogMutation;

#[Object]
impl CatalogMutation {
    /// Makes a product with its variants; nothing of it is in stock yet. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn product_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: ProductCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second product."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<ProductCreatePayload>, ApiError> {
        let outcome = async {
            let only_one = !input.has_variants();
            let new = input.read(catalog(ctx).currency())?;
            let key = idempotency::key(ctx, scope(ctx)?, "productCreate", idempotency_key, &new)?;
            let made = catalog(ctx).product_create(&new, key).await;
            let made = made.map_err(|failure| {
                failure.map(|e| if only_one { of_only_variant(e) } else { e })
            })?;
            Ok::<_, Failure<Error>>(told(ctx, made).into())
        };
        answer(outcome.await, &[])
    }

    /// Changes a product. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn product_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the product.")] id: ID,
        #[graphql(desc = "What changes.")] input: ProductUpdateInput,
    ) -> Result<Option<ProductUpdatePayload>, ApiError> {
        let outcome = async {
            let (id, changes) = both(own_id(&id), input.read(catalog(ctx).currency()))?;
            Ok::<_, Failure<Error>>(catalog(ctx).product_update(id, &changes).await?.into())
        };
        answer(outcome.await, &[])
    }

    /// Changes many products, each as `productUpdate` does. A product that cannot be changed stops no other: look at
    /// `results` for what became of each. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn products_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The products, each once and at most 100, with what changes of them.")]
        inputs: Vec<ProductsUpdateInput>,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again changes nothing a second time and answers what was refused the first time."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<ProductsUpdatePayload>, ApiError> {
        let outcome = async {
            let rows = bulk::read(ctx, inputs)?;
            let arguments = bulk::RowArguments::of(&rows);
            let key = idempotency::key(
                ctx,
                scope(ctx)?,
                "productsUpdate",
                idempotency_key,
                &arguments,
            )?;
            let done = catalog(ctx).products_update(&rows, key).await?;
            Ok::<_, Failure<Error>>(bulk::results(told(ctx, done)))
        };
        answer(outcome.await, &[])
    }

    /// Deletes a product. One that orders refer to is archived instead, and a warning says so. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn product_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the product.")] id: ID,
    ) -> Result<Option<ProductDeletePayload>, ApiError> {
        let mut archived = false;
        let outcome = async {
            let removed = catalog(ctx).product_delete(own_id(&id)?).await?;
            archived = removed.archived;
            Ok::<_, Failure<Error>>(removed.row.into())
        };
        let payload: Option<ProductDeletePayload> = answer(outcome.await, &[])?;
        Ok(payload.map(|mut payload| {
            payload.warnings = archived_warning(archived, "product");
            payload
        }))
    }

    /// Adds a variant to a product, as its last; nothing of it is in stock yet. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn variant_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the product.")] product_id: ID,
        #[graphql(desc = "The variant.")] input: VariantCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second variant."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<VariantCreatePayload>, ApiError> {
        let outcome = async {
            let product = mutation_id(&product_id, &["productId"]);
            let (product, new) = both(product, input.read(catalog(ctx).currency()))?;
            let arguments = (product, &new);
            let key = idempotency::key(
                ctx,
                scope(ctx)?,
                "variantCreate",
                idempotency_key,
                &arguments,
            )?;
            let made = catalog(ctx).variant_create(product, &new, key).await?;
            Ok::<_, Failure<Error>>(told(ctx, made).into())
        };
        answer(outcome.await, &[])
    }

    /// Changes a variant. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn variant_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the variant.")] id: ID,
        #[graphql(desc = "What changes.")] input: VariantUpdateInput,
    ) -> Result<Option<VariantUpdatePayload>, ApiError> {
        let outcome = async {
            let (id, changes) = both(own_id(&id), input.read(catalog(ctx).currency()))?;
            Ok::<_, Failure<Error>>(catalog(ctx).variant_update(id, &changes).await?.into())
        };
        answer(outcome.await, &[])
    }

    /// Deletes a variant, but not the only one of a product. One that orders refer to is archived instead, and a warning
    /// says so. When it was the default, the first of the others becomes it. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn variant_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the variant.")] id: ID,
    ) -> Result<Option<VariantDeletePayload>, ApiError> {
        let mut archived = false;
        let outcome = async {
            let removed = catalog(ctx).variant_delete(own_id(&id)?).await?;
            archived = removed.archived;
            Ok::<_, Failure<Error>>(removed.row.into())
        };
        let payload: Option<VariantDeletePayload> = answer(outcome.await, &[])?;
        Ok(payload.map(|mut payload| {
            payload.warnings = archived_warning(archived, "variant");
            payload
        }))
    }

    /// Makes a category. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn category_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category.")] input: CategoryCreateInput,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again makes no second category."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<CategoryCreatePayload>, ApiError> {
        let outcome = async {
            let new = input.read()?;
            let key = idempotency::key(ctx, scope(ctx)?, "categoryCreate", idempotency_key, &new)?;
            let made = catalog(ctx).category_create(&new, key).await?;
            Ok::<_, Failure<Error>>(told(ctx, made).into())
        };
        answer(outcome.await, &[])
    }

    /// Changes a category where it stands. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn category_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the category.")] id: ID,
        #[graphql(desc = "What changes.")] input: CategoryUpdateInput,
    ) -> Result<Option<CategoryUpdatePayload>, ApiError> {
        let outcome = async {
            let (id, changes) = both(own_id(&id), input.read())?;
            Ok::<_, Failure<Error>>(catalog(ctx).category_update(id, &changes).await?.into())
        };
        answer(outcome.await, &[])
    }

    /// Puts a category, with all below it, under another one as its last. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn category_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the category.")] id: ID,
        #[graphql(
            desc = "Id of the category above it; at the top of the tree when it is not given."
        )]
        parent_id: Option<ID>,
    ) -> Result<Option<CategoryMovePayload>, ApiError> {
        let outcome = async {
            let parent = parent_id.as_ref().map(|id| mutation_id(id, &["parentId"]));
            let parent = parent
                .transpose()
                .map_err(|problem| vec![Error::from(problem)]);
            let (id, parent) = both(own_id(&id), parent)?;
            Ok::<_, Failure<Error>>(catalog(ctx).category_move(id, parent).await?.into())
        };
        answer(outcome.await, &[])
    }

    /// Deletes a category in which no categories and no active products stand; others leave it. Requires STAFF.
    #[graphql(guard = "Authorized")]
    async fn category_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the category.")] id: ID,
    ) -> Result<Option<CategoryDeletePayload>, ApiError> {
        let outcome = async {
            let row = catalog(ctx).category_delete(own_id(&id)?).await?;
            Ok::<_, Failure<Error>>(row.into())
        };
        answer(outcome.await, &[])
    }
}

fn catalog<'a>(ctx: &Context<'a>) -> &'a Service {
    ctx.data_unchecked::<App>().catalog()
}

/// Whose idempotency keys these are. The guard let only users pass.
fn scope(ctx: &Context<'_>) -> Result<UserId, Failure<Error>> {
    let user = viewer(ctx).user();
    let broken = || crate::error::Fault::Broken("a guest passed the guard".to_owned());
    Ok(user.ok_or_else(broken)?.user_id)
}

/// The argument `id`.
fn own_id<T: From<Uuid>>(id: &ID) -> Result<T, Error> {
    Ok(mutation_id(id, &["id"])?)
}

/// Two arguments, or everything that is wrong with either.
fn both<A, B>(
    a: Result<A, impl Into<Error>>,
    b: Result<B, Vec<Error>>,
) -> Result<(A, B), Vec<Error>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(error), Ok(_)) => Err(vec![error.into()]),
        (Ok(_), Err(errors)) => Err(errors),
        (Err(error), Err(mut errors)) => {
            errors.insert(0, error.into());
            Err(errors)
        }
    }
}

/// A mistake of a product's first variant, where clients gave it when they gave no list of variants.
fn of_only_variant(mut error: Error) -> Error {
    if error
        .path
        .starts_with(&["input".to_owned(), "variants".to_owned(), "0".to_owned()])
    {
        error.path.drain(1..3);
    }
    error
}

fn archived_warning(archived: bool, what: &str) -> Vec<Warning> {
    let message = || format!("Orders refer to this {what}, so it was archived, not deleted.");
    archived
        .then(|| Warning {
            message: message(),
            path: Some(vec!["id".to_owned()]),
        })
        .into_iter()
        .collect()
}
