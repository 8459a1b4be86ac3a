//! Changes of carts.

use super::{Cart, owner};
use crate::app::App;
use crate::domain::carts::error::{Error, line_path};
use crate::domain::carts::model::{Contents, Owner};
use crate::domain::carts::service::NewLine;
use crate::domain::orders::graphql::{OrderLineInput, read_lines};
use crate::error::{ErrorCode, Failure, Problem};
use crate::graphql::authorization::{Authorized, viewer};
use crate::graphql::error::{ApiError, UserError, Warning};
use crate::graphql::idempotency::{self, told};
use crate::graphql::payload::{Payload, answer, payload};
use crate::graphql::scalars::{id, mutation_id};
use crate::graphql::validate;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::ids::CartLineId;
use serde::Serialize;
use uuid::Uuid;
use validator::Validate;

/// The answer of `cartLinesAdd`.
#[derive(Debug, SimpleObject)]
pub struct CartLinesAddPayload {
    /// The cart.
    pub cart: Option<Cart>,
    /// Of a new guest's cart: opens it from now on. Keep it; it is not told again.
    pub cart_token: Option<String>,
    /// What has to be mended before the mutation can be done; empty when it was done.
    pub user_errors: Vec<UserError>,
    /// What is worth knowing though the mutation was done.
    pub warnings: Vec<Warning>,
}

impl Payload for CartLinesAddPayload {
    type Value = (Cart, Option<String>);

    fn done((cart, cart_token): Self::Value) -> Self {
        Self {
            cart: Some(cart),
            cart_token,
            user_errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            cart: None,
            cart_token: None,
            user_errors,
            warnings: Vec::new(),
        }
    }
}

payload!(
    /// The answer of `cartLinesUpdate`.
    CartLinesUpdatePayload {
        /// The cart.
        cart: Cart,
    }
);

payload!(
    /// The answer of `cartLinesRemove`.
    CartLinesRemovePayload {
        /// The cart.
        cart: Cart,
    }
);

payload!(
    /// The answer of `cartClear`.
    CartClearPayload {
        /// The empty cart.
        cart: Cart,
    }
);

payload!(
    /// The answer of `cartMerge`.
    CartMergePayload {
        /// Your cart, with what the guest's had.
        cart: Cart,
    }
);

payload!(
    /// The answer of `cartDelete`.
    CartDeletePayload {
        /// Id of the cart that was deleted.
        deleted_id: ID,
    }
);

/// Another quantity of a line.
#[derive(Clone, Debug, InputObject, Serialize, Validate)]
pub struct CartLineUpdateInput {
    /// The line.
    pub line_id: ID,
    /// Units; 0 takes the line out.
    #[validate(range(min = 0))]
    pub quantity: i32,
}

/// The rules of `cartLinesAdd`'s arguments.
#[derive(Debug, Validate)]
struct Adding {
    #[validate(length(min = 1), nested)]
    lines: Vec<OrderLineInput>,
}

impl Adding {
    fn read(self, app: &App) -> Result<Vec<NewLine>, Failure<Error>> {
        let limits = &app.config().limits;
        too_many(self.lines.len(), limits.order_lines, "lines")?;
        let mut problems = validate::check(&self).err().unwrap_or_default();
        let lines = read_lines(&self.lines, limits, &mut problems);
        if problems.is_empty() {
            let line = |(reference, quantity)| NewLine {
                reference,
                quantity,
            };
            Ok(lines.into_iter().map(line).collect())
        } else {
            Err(inputs(problems))
        }
    }
}

/// The rules of `cartLinesUpdate`'s arguments.
#[derive(Debug, Validate)]
struct Updating {
    #[validate(length(min = 1), nested)]
    lines: Vec<CartLineUpdateInput>,
}

impl Updating {
    fn read(self, app: &App) -> Result<Vec<(CartLineId, i64)>, Failure<Error>> {
        too_many(self.lines.len(), app.config().limits.order_lines, "lines")?;
        let mut problems = validate::check(&self).err().unwrap_or_default();
        let mut read = Vec::with_capacity(self.lines.len());
        for (place, line) in self.lines.iter().enumerate() {
            match mutation_id(&line.line_id, &["lines", &place.to_string(), "lineId"]) {
                Ok(id) => read.push((id, i64::from(line.quantity))),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(inputs(problems))
        }
    }
}

fn inputs(problems: Vec<Problem>) -> Failure<Error> {
    Failure::Refused(problems.into_iter().map(Error::Input).collect())
}

/// Refuses a list that no cart can hold before each of its items is looked at.
fn too_many(count: usize, most: usize, argument: &str) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    let message = format!("At most {most} are allowed.");
    Err(Problem::new(ErrorCode::TooLong, message, &[argument]).into())
}

fn line_ids(ids: &[ID], app: &App) -> Result<Vec<CartLineId>, Failure<Error>> {
    too_many(ids.len(), app.config().limits.order_lines, "lineIds")?;
    if ids.is_empty() {
        let message = "At least 1 is needed.";
        let problem = Problem::new(ErrorCode::Required, message, &["lineIds"]);
        return Err(inputs(vec![problem]));
    }
    let (mut read, mut problems) = (Vec::with_capacity(ids.len()), Vec::new());
    for (place, id) in ids.iter().enumerate() {
        let path = line_path("lineIds", place, "");
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match mutation_id(id, &path) {
            Ok(id) => read.push(id),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(inputs(problems))
    }
}

fn shown(app: &App, contents: Contents) -> Cart {
    Cart::new(contents, &app.config().shop.currency)
}

/// The owner of a cart that must be there already.
fn owner_of_cart(ctx: &Context<'_>, cart_token: Option<&str>) -> Result<Owner, Error> {
    owner(ctx, cart_token).ok_or(Error::CartNotFound)
}

/// Changes of carts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CartsMutation;

#[Object]
impl CartsMutation {
    /// Puts things into a cart; what is in it already adds up. A user's cart is made with the first line. A guest's
    /// request without a token makes a new cart and answers its token: keep it. Stock is not checked here; the cart's
    /// `problems` tell.
    #[graphql(guard = "Authorized")]
    async fn cart_lines_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The token of a guest's cart. Without it, the cart of the user who asks."
        )]
        cart_token: Option<String>,
        #[graphql(desc = "What to put in, and how many of each.")] lines: Vec<OrderLineInput>,
        #[graphql(
            desc = "1 to 255 characters of your choice: the same key again adds nothing more. A guest without a token has no cart that it could be kept for: it is then not looked at."
        )]
        idempotency_key: Option<String>,
    ) -> Result<Option<CartLinesAddPayload>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let lines = Adding { lines }.read(app)?;
            let owner = owner(ctx, cart_token.as_deref());
            // The key's form is checked for everybody.
            let scope = owner.as_ref().map_or(Uuid::nil(), Owner::scope);
            let key = idempotency::key(ctx, scope, "cartLinesAdd", idempotency_key, &lines)?;
            let key = key.filter(|_| owner.is_some());
            let done = app.carts().lines_add(owner.as_ref(), &lines, key).await?;
            let (contents, token, replayed) = done;
            Ok::<_, Failure<Error>>(told(ctx, ((shown(app, contents), token), replayed)))
        };
        answer(outcome.await, &[])
    }

    /// Sets the quantities of lines; 0 takes a line out. With that the prices of now are accepted.
    #[graphql(guard = "Authorized")]
    async fn cart_lines_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The token of a guest's cart. Without it, the cart of the user who asks."
        )]
        cart_token: Option<String>,
        #[graphql(desc = "Lines and their new quantities.")] lines: Vec<CartLineUpdateInput>,
    ) -> Result<Option<CartLinesUpdatePayload>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let lines = Updating { lines }.read(app)?;
            let owner = owner_of_cart(ctx, cart_token.as_deref())?;
            let contents = app.carts().lines_update(&owner, &lines).await?;
            Ok::<_, Failure<Error>>(shown(app, contents))
        };
        answer(outcome.await, &[])
    }

    /// Takes lines out of a cart.
    #[graphql(guard = "Authorized")]
    async fn cart_lines_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The token of a guest's cart. Without it, the cart of the user who asks."
        )]
        cart_token: Option<String>,
        #[graphql(desc = "The lines.")] line_ids: Vec<ID>,
    ) -> Result<Option<CartLinesRemovePayload>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let ids = self::line_ids(&line_ids, app)?;
            let owner = owner_of_cart(ctx, cart_token.as_deref())?;
            let contents = app.carts().lines_remove(&owner, &ids).await?;
            Ok::<_, Failure<Error>>(shown(app, contents))
        };
        answer(outcome.await, &[])
    }

    /// Takes everything out of a cart.
    #[graphql(guard = "Authorized")]
    async fn cart_clear(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The token of a guest's cart. Without it, the cart of the user who asks."
        )]
        cart_token: Option<String>,
    ) -> Result<Option<CartClearPayload>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let owner = owner_of_cart(ctx, cart_token.as_deref())?;
            let contents = app.carts().cart_clear(&owner).await?;
            Ok::<_, Failure<Error>>(shown(app, contents))
        };
        answer(outcome.await, &[])
    }

    /// Deletes a cart. A guest's token opens nothing then.
    #[graphql(guard = "Authorized")]
    async fn cart_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The token of a guest's cart. Without it, the cart of the user who asks."
        )]
        cart_token: Option<String>,
    ) -> Result<Option<CartDeletePayload>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = async {
            let owner = owner_of_cart(ctx, cart_token.as_deref())?;
            Ok::<_, Failure<Error>>(id(app.carts().cart_delete(&owner).await?))
        };
        answer(outcome.await, &[])
    }

    /// Puts a guest's cart into yours, after the log-in: the same variant adds up, and the token opens nothing from then
    /// on. The same again changes nothing. Requires CUSTOMER.
    #[graphql(guard = "Authorized")]
    async fn cart_merge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token of the guest's cart.")] cart_token: String,
    ) -> Result<Option<CartMergePayload>, ApiError> {
        let user = viewer(ctx).user().ok_or(ApiError::Unauthenticated)?;
        let app = ctx.data_unchecked::<App>();
        let outcome = app.carts().cart_merge(user.user_id, &cart_token).await;
        answer(outcome.map(|contents| shown(app, contents)), &[])
    }
}
