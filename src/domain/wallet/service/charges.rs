//! Charges: payments that are taken from a wallet. The wallet is a payment provider, so each of these is a transaction
//! of its own and can be repeated: what was done before is found by its reference and answered again.
//!
//! A charge is a hold; taking it moves the amount to clearing, from where the payment's own entry moves it on to what the
//! shop earned, as with every other provider (`docs/decisions/0211-the-wallet-as-a-payment-provider.md`).

use super::super::error::Error;
use super::super::model::{Account, NewEntry, NewPosting};
use super::super::store::{self, holds};
use super::{Capture, NewHold, Rest, Service};
use crate::db::Tx;
use crate::error::{Failure, Fault};
use entity::ids::{HoldId, JournalEntryId, OrderId, UserId};
use entity::wallet::{AccountKind, EntryKind, HoldStatus, hold};

/// An amount that an order is to be paid with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What it is known by, unique, up to 64 characters: the payment's id.
    pub reference: String,
    /// Whose wallet pays.
    pub user_id: UserId,
    /// The order.
    pub order_id: OrderId,
    /// The asset's code.
    pub asset: String,
    /// Minor units, 1 or more.
    pub amount_minor: i64,
}

/// How a charge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// Its amount is set aside.
    Held,
    /// Its amount was taken.
    Taken,
    /// It was called off, and never comes back.
    CalledOff,
    /// The wallet has too little; nothing was set aside.
    Short,
}

/// The ledger's key of the entry that takes a charge.
#[must_use]
pub fn charge_key(reference: &str) -> String {
    format!("wallet:{reference}:capture")
}

/// The ledger's key of the entry that pays back; `key` is the caller's own.
#[must_use]
pub fn return_key(key: &str) -> String {
    format!("wallet:{key}")
}

/// What taking a charge posts; the posting to the held account comes last.
#[must_use]
pub fn taken(charge: &Charge) -> Vec<NewPosting> {
    vec![
        cleared(charge, charge.amount_minor),
        of_user(charge, AccountKind::UserHeld, -charge.amount_minor),
    ]
}

/// What paying an amount of a charge back posts.
#[must_use]
pub fn returned(charge: &Charge, amount_minor: i64) -> Vec<NewPosting> {
    vec![
        cleared(charge, -amount_minor),
        of_user(charge, AccountKind::UserAvailable, amount_minor),
    ]
}

impl Service {
    /// Sets a charge's amount aside.
    ///
    /// # Errors
    /// The database fails, or two did the same at once: what became of it, [`Service::charge_find`] tells.
    pub async fn charge_hold(&self, charge: &Charge) -> Result<Charged, Fault> {
        let new = self.hold_of(charge);
        let done = self
            .db
            .write("wallet.charge_hold", async |tx| {
                if let Some(hold) = holds::hold_by_reference(&*tx, &new.reference).await? {
                    return Ok(charged(&hold));
                }
                self.hold_place_in(&tx, &new).await?;
                Ok(Charged::Held)
            })
            .await;
        match done {
            Err(Failure::Refused(errors))
                if matches!(errors[..], [Error::InsufficientFunds { .. }]) =>
            {
                Ok(Charged::Short)
            }
            done => done.map_err(broken),
        }
    }

    /// Takes what was set aside for a charge. Nothing when there is no such charge.
    ///
    /// # Errors
    /// As [`Service::charge_hold`].
    pub async fn charge_take(&self, charge: &Charge) -> Result<Option<Charged>, Fault> {
        let reference = reference(charge);
        let entry_id = self.clock.id();
        let done = self.db.write("wallet.charge_take", async |tx| {
            let Some(hold) = holds::hold_by_reference(&*tx, &reference).await? else {
                return Ok(None);
            };
            if hold.status != HoldStatus::Active {
                return Ok(Some(charged(&hold)));
            }
            self.hold_capture_in(&tx, capture(charge, hold.id, entry_id))
                .await?;
            Ok(Some(Charged::Taken))
        });
        done.await.map_err(broken)
    }

    /// Calls a charge off before it is taken. One that was never heard of is called off for ever, so that who asks for it
    /// later finds it so.
    ///
    /// # Errors
    /// As [`Service::charge_hold`].
    pub async fn charge_call_off(&self, charge: &Charge) -> Result<Charged, Fault> {
        let new = self.hold_of(charge);
        self.db
            .write(
                "wallet.charge_call_off",
                async |tx| match holds::hold_by_reference(&*tx, &new.reference).await? {
                    Some(hold) if hold.status == HoldStatus::Active => {
                        self.charge_release_in(&tx, &hold, new.entry_id).await
                    }
                    Some(hold) => Ok(charged(&hold)),
                    None => {
                        let now = self.clock.now();
                        let row = hold::Model {
                            remaining_minor: 0,
                            status: HoldStatus::Released,
                            ..new.row(now)
                        };
                        holds::hold_insert(&*tx, row).await?;
                        Ok(Charged::CalledOff)
                    }
                },
            )
            .await
    }

    async fn charge_release_in(
        &self,
        tx: &Tx,
        hold: &hold::Model,
        entry_id: JournalEntryId,
    ) -> Result<Charged, Fault> {
        if self.hold_release_in(tx, hold.id, entry_id).await? {
            return Ok(Charged::CalledOff);
        }
        let id = hold.id;
        Err(Fault::Broken(format!("hold {id} was closed meanwhile")))
    }

    /// How a charge stands; nothing when it was never heard of.
    ///
    /// # Errors
    /// The database fails.
    pub async fn charge_find(&self, charge: &Charge) -> Result<Option<Charged>, Fault> {
        let reference = reference(charge);
        let hold = self
            .db
            .read("wallet.charge_find", async |c| {
                Ok::<_, Fault>(holds::hold_by_reference(&*c, &reference).await?)
            })
            .await?;
        Ok(hold.as_ref().map(charged))
    }

    /// Pays an amount of a taken charge back, once for each key.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the wallet would have more than can be counted; else as [`Service::charge_hold`].
    pub async fn charge_return(
        &self,
        charge: &Charge,
        key: &str,
        amount_minor: i64,
    ) -> super::Result<()> {
        let entry = settlement(
            charge,
            self.clock.id(),
            return_key(key),
            "Refund of an order",
            returned(charge, amount_minor),
        );
        let entry = std::slice::from_ref(&entry);
        self.db
            .write("wallet.charge_return", async |tx| {
                let keys = [return_key(key)];
                if store::entries_by_keys(&*tx, &keys).await?.is_empty() {
                    self.post_in(&tx, entry).await?;
                }
                Ok(())
            })
            .await
    }

    /// Whether an amount was paid back under a key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn charge_is_returned(&self, key: &str) -> Result<bool, Fault> {
        Ok(!self.posted_by_keys(&[return_key(key)]).await?.is_empty())
    }

    fn hold_of(&self, charge: &Charge) -> NewHold {
        NewHold {
            id: self.clock.id(),
            entry_id: self.clock.id(),
            user_id: charge.user_id,
            asset: charge.asset.clone(),
            amount_minor: charge.amount_minor,
            reference: reference(charge),
            order_id: Some(charge.order_id),
            expires_at: None,
            description: "Set aside for an order".to_owned(),
        }
    }
}

fn reference(charge: &Charge) -> String {
    format!("payment:{}", charge.reference)
}

fn charged(hold: &hold::Model) -> Charged {
    match hold.status {
        HoldStatus::Active => Charged::Held,
        HoldStatus::Captured => Charged::Taken,
        HoldStatus::Released | HoldStatus::Expired => Charged::CalledOff,
    }
}

fn cleared(charge: &Charge, amount_minor: i64) -> NewPosting {
    NewPosting {
        account: Account::of_shop(AccountKind::Clearing, &charge.asset),
        amount_minor,
    }
}

fn of_user(charge: &Charge, kind: AccountKind, amount_minor: i64) -> NewPosting {
    NewPosting {
        account: Account::of_user(kind, &charge.asset, charge.user_id),
        amount_minor,
    }
}

fn capture(charge: &Charge, hold_id: HoldId, entry_id: JournalEntryId) -> Capture {
    // The capture adds the posting to the held account itself.
    let postings = vec![cleared(charge, charge.amount_minor)];
    let key = charge_key(&charge.reference);
    Capture {
        hold_id,
        amount_minor: charge.amount_minor,
        rest: Rest::Keep,
        entry: settlement(charge, entry_id, key, "Payment of an order", postings),
    }
}

fn settlement(
    charge: &Charge,
    id: JournalEntryId,
    operation_key: String,
    description: &str,
    postings: Vec<NewPosting>,
) -> NewEntry {
    NewEntry {
        id,
        operation_key,
        kind: EntryKind::Settlement,
        user_id: Some(charge.user_id),
        order_id: Some(charge.order_id),
        payment_id: None,
        refund_id: None,
        description: description.to_owned(),
        postings,
    }
}

/// What nobody who drives a payment can mend; they ask again how it stands.
fn broken(failure: Failure<Error>) -> Fault {
    match failure {
        Failure::Fault(fault) => fault,
        Failure::Refused(errors) => Fault::Broken(format!("a charge was refused: {errors:?}")),
    }
}
