//! What mutations answer: the object, or what the caller can mend.

use super::error::{ApiError, UserError};
use crate::error::{Failure, Refusal};

/// A mutation's answer, made by the macro `payload!`.
pub trait Payload: Sized {
    /// What a success carries.
    type Value;

    /// The mutation did it.
    fn done(value: Self::Value) -> Self;

    /// The mutation did nothing.
    fn refused(user_errors: Vec<UserError>) -> Self;
}

/// Declares a payload: `payload!(/// doc  OrderCancelPayload { /// doc  order: Order })`. A payload of several objects
/// carries them in the order of its fields, as a tuple.
#[macro_export]
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident { $(#[$fmeta:meta])* $field:ident: $type:ty $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, async_graphql::SimpleObject)]
        pub struct $name {
            $(#[$fmeta])*
            pub $field: Option<$type>,
            /// What has to be mended before the mutation can be done; empty when it was done.
            pub user_errors: Vec<$crate::graphql::error::UserError>,
            /// What is worth knowing though the mutation was done.
            pub warnings: Vec<$crate::graphql::error::Warning>,
        }

        impl $crate::graphql::payload::Payload for $name {
            type Value = $type;

            fn done(value: Self::Value) -> Self {
                Self { $field: Some(value), user_errors: Vec::new(), warnings: Vec::new() }
            }

            fn refused(user_errors: Vec<$crate::graphql::error::UserError>) -> Self {
                Self { $field: None, user_errors, warnings: Vec::new() }
            }
        }
    };
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, async_graphql::SimpleObject)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: Option<$type>,)+
            /// What has to be mended before the mutation can be done; empty when it was done.
            pub user_errors: Vec<$crate::graphql::error::UserError>,
            /// What is worth knowing though the mutation was done.
            pub warnings: Vec<$crate::graphql::error::Warning>,
        }

        impl $crate::graphql::payload::Payload for $name {
            type Value = ($($type,)+);

            fn done(($($field,)+): Self::Value) -> Self {
                Self { $($field: Some($field),)+ user_errors: Vec::new(), warnings: Vec::new() }
            }

            fn refused(user_errors: Vec<$crate::graphql::error::UserError>) -> Self {
                Self { $($field: None,)+ user_errors, warnings: Vec::new() }
            }
        }
    };
}
pub use crate::payload;

/// Turns a use case's outcome into a payload; paths of problems are put below `prefix` (`["input"]`).
///
/// # Errors
/// Faults, which are top-level errors.
pub fn answer<P: Payload, E: Refusal>(
    outcome: Result<P::Value, Failure<E>>,
    prefix: &[&str],
) -> Result<Option<P>, ApiError> {
    match outcome {
        Ok(value) => Ok(Some(P::done(value))),
        Err(Failure::Refused(errors)) => {
            let errors = errors
                .iter()
                .map(|error| UserError::new(error.problem(), prefix))
                .collect();
            Ok(Some(P::refused(errors)))
        }
        Err(Failure::Fault(fault)) => Err(fault.into()),
    }
}
