//! Address books. Every change begins with the lock of the user's row, so the limit and the defaults hold for changes at
//! the same time.

use super::{Result, Service};
use crate::db::Tx;
use crate::domain::accounts::error::Error;
use crate::domain::accounts::model::{self, ADDRESSES_MAX, AddressChange, AddressKind};
use crate::domain::accounts::store;
use crate::error::{Failure, Fault};
use chrono::{DateTime, Utc};
use entity::accounts::{Address, address};
use entity::ids::{AddressId, UserId};

fn checked(address: Address) -> Result<Address> {
    model::address(address).map_err(|flaws| {
        let error = |(field, flaw)| Error::Field(field, flaw);
        Failure::Refused(flaws.into_iter().map(error).collect())
    })
}

impl Service {
    /// Addresses of users, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn addresses_of_users(
        &self,
        users: &[UserId],
    ) -> std::result::Result<Vec<address::Model>, Fault> {
        self.db
            .read("accounts.addresses_of_users", async |c| {
                Ok(store::addresses_of_users(&*c, users).await?)
            })
            .await
    }

    /// One of a user's own addresses, for orders to copy.
    ///
    /// # Errors
    /// The database fails.
    pub async fn address_of_user(
        &self,
        user_id: UserId,
        id: AddressId,
    ) -> std::result::Result<Option<Address>, Fault> {
        self.db
            .read("accounts.address_of_user", async |c| {
                let row = store::address_of_user(&*c, user_id, id).await?;
                Ok(row.map(|row| row.value()))
            })
            .await
    }

    /// A user's default, for orders that name no address.
    ///
    /// # Errors
    /// The database fails.
    pub async fn address_default(
        &self,
        user_id: UserId,
        kind: AddressKind,
    ) -> std::result::Result<Option<Address>, Fault> {
        let rows = self.addresses_of_users(&[user_id]).await?;
        let default = rows.iter().find(|row| model::is_default(row, kind));
        Ok(default.map(address::Model::value))
    }

    /// Adds an address to the caller's book. The first one becomes the default of both kinds.
    ///
    /// # Errors
    /// Rules of addresses, [`Error::TooManyAddresses`].
    pub async fn address_create(
        &self,
        user_id: UserId,
        address: Address,
    ) -> Result<address::Model> {
        let address = &checked(address)?;
        let (id, now) = (self.clock.id(), self.clock.now());
        self.db
            .write("accounts.address_create", async |tx| {
                user_lock(&tx, user_id).await?;
                let count = store::addresses_count(&*tx, user_id).await?;
                if usize::try_from(count).is_ok_and(|count| count >= ADDRESSES_MAX) {
                    return Err(Error::TooManyAddresses.into());
                }
                let default = (count == 0).then_some(user_id);
                let row = row(id, user_id, default, address.clone(), now);
                store::address_insert(&*tx, row.clone()).await?;
                Ok::<_, Failure<Error>>(row)
            })
            .await
    }

    /// Changes one of the caller's addresses. Orders keep the address as it was.
    ///
    /// # Errors
    /// Rules of addresses, [`Error::AddressNotFound`], [`Error::AddressStale`].
    pub async fn address_update(
        &self,
        user_id: UserId,
        id: AddressId,
        change: &AddressChange,
    ) -> Result<address::Model> {
        let now = self.clock.now();
        self.db
            .write("accounts.address_update", async |tx| {
                let mut row = address_lock(&tx, user_id, id).await?;
                let version = row.version;
                if change.expected_version.is_some_and(|seen| seen != version) {
                    return Err(Error::AddressStale { version }.into());
                }
                let address = checked(model::changed(row.value(), change.clone()))?;
                if address != row.value() {
                    model::set_address(&mut row, address);
                    raise(&tx, &mut row, now).await?;
                }
                Ok::<_, Failure<Error>>(row)
            })
            .await
    }

    /// Makes one of the caller's addresses the default of a kind, and no other.
    ///
    /// # Errors
    /// [`Error::AddressNotFound`].
    pub async fn address_set_default(
        &self,
        user_id: UserId,
        id: AddressId,
        kind: AddressKind,
    ) -> Result<address::Model> {
        let now = self.clock.now();
        self.db
            .write("accounts.address_set_default", async |tx| {
                let mut row = address_lock(&tx, user_id, id).await?;
                if !model::is_default(&row, kind) {
                    store::address_default_clear(&*tx, user_id, kind).await?;
                    match kind {
                        AddressKind::Shipping => row.shipping_of = Some(user_id),
                        AddressKind::Billing => row.billing_of = Some(user_id),
                    }
                    raise(&tx, &mut row, now).await?;
                }
                Ok::<_, Failure<Error>>(row)
            })
            .await
    }

    /// Deletes one of the caller's addresses and answers it as it was. No other becomes the default in its place.
    ///
    /// # Errors
    /// [`Error::AddressNotFound`].
    pub async fn address_delete(&self, user_id: UserId, id: AddressId) -> Result<address::Model> {
        self.db
            .write("accounts.address_delete", async |tx| {
                let row = address_lock(&tx, user_id, id).await?;
                if !store::address_delete(&*tx, user_id, id).await? {
                    return Err(Error::AddressNotFound.into());
                }
                Ok::<_, Failure<Error>>(row)
            })
            .await
    }
}

/// Holds a user's book until the transaction ends.
async fn user_lock(tx: &Tx, user_id: UserId) -> Result<()> {
    let user = store::user_lock(&**tx, user_id).await?;
    user.map(|_| ()).ok_or_else(|| Error::UserNotFound.into())
}

/// A user's address, with the book held.
async fn address_lock(tx: &Tx, user_id: UserId, id: AddressId) -> Result<address::Model> {
    user_lock(tx, user_id).await?;
    let row = store::address_of_user(&**tx, user_id, id).await?;
    row.ok_or_else(|| Error::AddressNotFound.into())
}

/// Writes an address as its next version.
async fn raise(
    tx: &Tx,
    row: &mut address::Model,
    now: DateTime<Utc>,
) -> std::result::Result<(), Fault> {
    row.version += 1;
    row.updated_at = now;
    store::address_update(&**tx, row).await
}

fn row(
    id: AddressId,
    user_id: UserId,
    default_of: Option<UserId>,
    address: Address,
    now: DateTime<Utc>,
) -> address::Model {
    address::Model {
        id,
        user_id,
        shipping_of: default_of,
        billing_of: default_of,
        name: address.name,
        company: address.company,
        line1: address.line1,
        line2: address.line2,
        city: address.city,
        region: address.region,
        postal_code: address.postal_code,
        country_code: address.country_code,
        phone: address.phone,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
