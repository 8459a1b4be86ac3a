//! Roots whose fields fail alone.
//!
//! An error of a field that may be null has to make that field null and nothing else. The library does so only where a
//! value is resolved; when a guard or a resolver itself refuses, the error climbs to the next object above that may be
//! null, which for a root field is the whole answer (`async_graphql::resolver_utils::resolve_field_async`). One refusal
//! would then erase the answers to everything else that was asked, and hide that a mutation beside it was done.

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value,
};
use std::borrow::Cow;

/// A root of the schema, in whose place it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Root<T>(T);

impl<T: ObjectType> ContainerType for Root<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        match self.0.resolve_field(ctx).await {
            Err(error) if may_be_null::<T>(ctx) => {
                ctx.add_error(error);
                Ok(Some(Value::Null))
            }
            result => result,
        }
    }
}

/// Whether the field that is resolved may be null.
fn may_be_null<T: OutputType>(ctx: &Context<'_>) -> bool {
    let types = &ctx.schema_env.registry.types;
    types
        .get(T::type_name().as_ref())
        .and_then(|root| root.field_by_name(&ctx.item.node.name.node))
        .is_some_and(|field| !field.ty.ends_with('!'))
}

impl<T: ObjectType> OutputType for Root<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

impl<T: ObjectType> ObjectType for Root<T> {}
