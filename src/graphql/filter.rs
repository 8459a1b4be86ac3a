//! Operators of filters that several lists have. All that is given must hold; an empty list matches nothing.

use super::error::ApiError;
use super::scalars::{Decimal, query_id};
use async_graphql::{ID, InputObject};
use uuid::Uuid;
use validator::Validate;

/// Values in one list of a filter.
const VALUES_MAX: u64 = 100;

/// An id is one of these.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct IdFilter {
    /// Exactly this.
    pub eq: Option<ID>,
    /// One of these, at most 100; an empty list matches nothing.
    #[validate(length(max = VALUES_MAX))]
    pub r#in: Option<Vec<ID>>,
}

impl IdFilter {
    /// The ids that match; nothing when every id does.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what is not an id.
    pub fn read<T: From<Uuid> + PartialEq>(&self) -> Result<Option<Vec<T>>, ApiError> {
        let eq = self.eq.as_ref().map(query_id).transpose()?;
        let list = self.r#in.as_ref();
        let list = list
            .map(|ids| ids.iter().map(query_id).collect())
            .transpose()?;
        Ok(one_of(eq, list))
    }
}

/// An amount lies in a range; both ends are included.
#[derive(Clone, Copy, Debug, Default, InputObject, Validate)]
pub struct DecimalFilter {
    /// At least.
    pub gte: Option<Decimal>,
    /// At most.
    pub lte: Option<Decimal>,
}

/// A text is like this, without regard to case.
#[derive(Clone, Debug, Default, InputObject, Validate)]
pub struct TextFilter {
    /// It has this in it; at most 200 characters.
    #[validate(length(min = 1, max = 200))]
    pub contains: Option<String>,
    /// It begins with this; at most 200 characters.
    #[validate(length(min = 1, max = 200))]
    pub prefix: Option<String>,
}

/// The values that `eq` and `in` allow together; nothing when they allow all.
#[must_use]
pub fn one_of<T: PartialEq>(eq: Option<T>, list: Option<Vec<T>>) -> Option<Vec<T>> {
    match (eq, list) {
        (None, list) => list,
        (Some(eq), None) => Some(vec![eq]),
        (Some(eq), Some(list)) => Some(list.into_iter().filter(|value| *value == eq).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::one_of;

    #[test]
    fn eq_and_in_hold_together() {
        assert_eq!(one_of::<u8>(None, None), None);
        assert_eq!(one_of(Some(1), None), Some(vec![1]));
        assert_eq!(one_of(None, Some(vec![1, 2])), Some(vec![1, 2]));
        assert_eq!(one_of(Some(2), Some(vec![1, 2])), Some(vec![2]));
        assert_eq!(one_of(Some(3), Some(vec![1, 2])), Some(vec![]));
        assert_eq!(
            one_of::<u8>(None, Some(vec![])),
            Some(vec![]),
            "an empty list matches nothing"
        );
    }
}
