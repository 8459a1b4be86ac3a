//! Registering, changing and listing users.

use super::super::hashing::Hasher;
use super::{Result, Service};
use crate::db::idempotency::{self, Request};
use crate::db::{Tx, page};
use crate::domain::accounts::error::Error;
use crate::domain::accounts::events;
use crate::domain::accounts::model::{
    self, Flaw, Identifier, SessionTokens, User, UsersFilter, UsersSort, Viewer,
};
use crate::domain::accounts::store::{self, Profile};
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use chrono::{DateTime, Utc};
use entity::accounts::{Role, UserStatus, user};
use entity::ids::UserId;
use serde::Serialize;
use uuid::Uuid;

/// What a newcomer says, as it came. Idempotency compares it without the password: a hash that is quick to compute
/// would be quick to guess; a repeated request checks the password itself.
#[derive(Clone, Serialize)]
pub struct Registration {
    /// Name.
    pub name: String,
    /// E-mail.
    pub email: String,
    /// Phone.
    pub phone: Option<String>,
    /// Password.
    #[serde(skip)]
    pub password: String,
}

/// A registration whose rules hold.
#[derive(Clone, Debug)]
struct Checked {
    name: String,
    email: String,
    phone: Option<String>,
}

/// What a user changes of their own profile; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// Name.
    pub name: Option<String>,
    /// Phone; `Some(None)` removes it.
    pub phone: Option<Option<String>>,
    /// The version that the caller has seen.
    pub expected_version: Option<i32>,
}

/// bcrypt's cost for demo users: some milliseconds.
const DEMO_COST: u32 = 6;

impl Registration {
    /// What an idempotency key is good for: registering this e-mail. Guests have nothing else that tells them apart.
    #[must_use]
    pub fn operation(&self) -> String {
        format!("userRegister\n{}", self.email.trim().to_lowercase())
    }

    /// Holds it against the rules of the model; all that is wrong is told at once.
    fn check(&self) -> std::result::Result<Checked, Vec<Error>> {
        let mut errors = Vec::new();
        let name = field(&mut errors, "name", model::name(&self.name));
        let email = field(&mut errors, "email", model::email(&self.email));
        let phone = self.phone.as_deref().map(model::phone).transpose();
        let phone = field(&mut errors, "phone", phone);
        let password = model::password(&self.password)
            .and_then(|()| model::password_for(&self.password, &self.email));
        field(&mut errors, "password", password);
        match (name, email, phone) {
            (Some(name), Some(email), Some(phone)) if errors.is_empty() => {
                Ok(Checked { name, email, phone })
            }
            _ => Err(errors),
        }
    }
}

fn field<T>(
    errors: &mut Vec<Error>,
    name: &'static str,
    result: std::result::Result<T, Flaw>,
) -> Option<T> {
    result
        .map_err(|flaw| errors.push(Error::Field(name, flaw)))
        .ok()
}

impl Service {
    /// Registers a customer and logs them in. Tells also whether an earlier request with the same key registered them:
    /// whoever repeats a request must know the password, as for any log-in, and gets a session of their own.
    ///
    /// # Errors
    /// Rules of the input, [`Error::EmailTaken`], [`Error::PhoneTaken`], [`Error::Overloaded`], and those of
    /// idempotency.
    pub async fn user_register(
        &self,
        registration: &Registration,
        request: Option<Request>,
    ) -> Result<(SessionTokens, bool)> {
        let checked = registration.check()?;
        let (user_id, opening) = (self.clock.id::<UserId>(), self.opening());
        let (opening, checked, password) = (&opening, &checked, registration.password.as_str());
        let (made, replayed) = self
            .idempotency
            .once(request, async |request| {
                if request.is_none() {
                    // With a key this may be the same request, done elsewhere since the key was looked up.
                    self.not_taken(checked).await?;
                }
                let row = self.user_row(user_id, checked, password).await?;
                let (row, request) = (&row, request.as_ref());
                self.db
                    .write("accounts.user_register", async |tx| {
                        idempotency::record(&tx, &self.clock, request, user_id.into()).await?;
                        let taken =
                            store::user_taken(&*tx, &row.email, row.phone.as_deref()).await?;
                        if !taken.is_empty() {
                            return Err(Failure::Refused(taken));
                        }
                        store::user_insert(&*tx, row.clone()).await?;
                        self.session_insert_in(&tx, opening, user_id).await?;
                        let event = events::registered(&row.clone().into());
                        self.events.publish_in(&tx, vec![event]).await?;
                        Ok::<_, Failure<Error>>(())
                    })
                    .await?;
                Ok(Uuid::from(user_id))
            })
            .await?;
        let tokens = if replayed {
            self.register_again(made.into(), password).await?
        } else {
            let user = self.user_by_id(user_id).await?;
            let user = user.ok_or_else(|| Fault::Broken("the new user is gone".to_owned()))?;
            self.session_tokens(opening, user)?
        };
        Ok((tokens, replayed))
    }

    /// The answer to a repeated registration. Another password is other input.
    async fn register_again(&self, user_id: UserId, password: &str) -> Result<SessionTokens> {
        let user = self
            .db
            .read("accounts.user_by_id", async |c| {
                Ok::<_, Fault>(store::user_by_id(&*c, user_id).await?)
            })
            .await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        if self.hasher.verify(password, hash).await? {
            self.session_open(user_id).await
        } else {
            Err(Error::from(idempotency::reused()).into())
        }
    }

    /// Tells what is taken before the password costs time; the unique indexes decide.
    async fn not_taken(&self, checked: &Checked) -> Result<()> {
        let taken = self
            .db
            .read("accounts.user_taken", async |c| {
                let phone = checked.phone.as_deref();
                Ok::<_, Fault>(store::user_taken(&*c, &checked.email, phone).await?)
            })
            .await?;
        if taken.is_empty() {
            Ok(())
        } else {
            Err(Failure::Refused(taken))
        }
    }

    /// A customer's row.
    async fn user_row(&self, id: UserId, checked: &Checked, password: &str) -> Result<user::Model> {
        let password_hash = self.hasher.hash(password).await?;
        let now = self.clock.now();
        Ok(user::Model {
            id,
            name: checked.name.clone(),
            email: checked.email.clone(),
            phone: checked.phone.clone(),
            password_hash,
            role: Role::Customer,
            status: UserStatus::Active,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Makes a user with any role; for operators.
    ///
    /// # Errors
    /// As [`Service::user_register`].
    pub async fn user_create(
        &self,
        email: &str,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<User> {
        let id = self.clock.id();
        self.user_create_with(id, email, name, password, role).await
    }

    /// Makes a user with an id that is known before: demo users have the same ids everywhere. Their passwords are in the
    /// documentation, so their hashes are cheap: a new shop answers its first query sooner.
    ///
    /// # Errors
    /// As [`Service::user_register`].
    pub async fn demo_user_create(
        &self,
        id: UserId,
        email: &str,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<User> {
        let demo = Self {
            hasher: Hasher::new(DEMO_COST, 1, 1),
            ..self.clone()
        };
        demo.user_create_with(id, email, name, password, role).await
    }

    async fn user_create_with(
        &self,
        id: UserId,
        email: &str,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<User> {
        let registration = Registration {
            name: name.to_owned(),
            email: email.to_owned(),
            phone: None,
            password: password.to_owned(),
        };
        let checked = registration.check()?;
        self.not_taken(&checked).await?;
        let row = user::Model {
            role,
            ..self.user_row(id, &checked, password).await?
        };
        let row = &row;
        self.db
            .write("accounts.user_create", async |tx| {
                store::user_insert(&*tx, row.clone()).await?;
                let event = events::registered(&row.clone().into());
                Ok::<_, Failure<Error>>(self.events.publish_in(&tx, vec![event]).await?)
            })
            .await?;
        Ok(row.clone().into())
    }

    /// Gives the user with this e-mail or phone a role; for operators, who need no session. The last admin can be
    /// replaced here, too.
    ///
    /// # Errors
    /// [`Error::UserNotFound`].
    pub async fn user_promote(&self, identifier: &str, role: Role) -> Result<User> {
        let identifier = Identifier::parse(identifier);
        let identifier = &identifier;
        let user = self
            .db
            .read("accounts.user_by_identifier", async |c| {
                Ok::<_, Fault>(store::user_by_identifier(&*c, identifier).await?)
            })
            .await?;
        let id = user.ok_or(Error::UserNotFound)?.id;
        let user = self
            .db
            .write("accounts.user_promote", async |tx| {
                let row = store::user_lock(&*tx, id).await?;
                let row = row.ok_or(Error::UserNotFound)?;
                let status = row.status;
                self.standing_set_in(&tx, row, role, status).await
            })
            .await?;
        self.viewer_changed(id);
        Ok(user)
    }

    /// Changes the caller's own profile.
    ///
    /// # Errors
    /// Rules of the input, [`Error::VersionStale`], [`Error::PhoneTaken`].
    pub async fn profile_update(&self, user_id: UserId, change: &ProfileChange) -> Result<User> {
        let mut errors = Vec::new();
        let name = change.name.as_deref().map(model::name).transpose();
        let name = field(&mut errors, "name", name).flatten();
        let phone = match &change.phone {
            Some(Some(phone)) => field(&mut errors, "phone", model::phone(phone)).map(Some),
            Some(None) => Some(None),
            None => None,
        };
        if !errors.is_empty() {
            return Err(Failure::Refused(errors));
        }
        let (name, phone, now) = (&name, &phone, self.clock.now());
        self.db
            .write("accounts.profile_update", async |tx| {
                let row = store::user_lock(&*tx, user_id).await?;
                let row = row.ok_or(Error::UserNotFound)?;
                if change
                    .expected_version
                    .is_some_and(|seen| seen != row.version)
                {
                    let version = row.version;
                    return Err(Error::VersionStale { version }.into());
                }
                let profile = Profile {
                    name: name.clone().unwrap_or_else(|| row.name.clone()),
                    phone: phone.clone().unwrap_or_else(|| row.phone.clone()),
                };
                if profile.name == row.name && profile.phone == row.phone {
                    return Ok(User::from(row));
                }
                store::user_profile_set(&*tx, &row, &profile, now).await?;
                let before = User::from(row);
                let after = User {
                    name: profile.name,
                    phone: profile.phone,
                    version: before.version + 1,
                    updated_at: now,
                    ..before.clone()
                };
                let event = events::updated(&before, &after);
                self.events
                    .publish_in(&tx, event.into_iter().collect())
                    .await?;
                Ok::<_, Failure<Error>>(after)
            })
            .await
    }

    /// Gives a user a role; the caller is an admin.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::LastAdmin`].
    pub async fn user_set_role(&self, id: UserId, role: Role) -> Result<User> {
        let user = self
            .db
            .write("accounts.user_set_role", async |tx| {
                let row = store::user_lock(&*tx, id).await?;
                let row = row.ok_or(Error::UserNotFound)?;
                if row.role == Role::Admin && role != Role::Admin {
                    self.admin_stays_in(&tx, id).await?;
                }
                let status = row.status;
                self.standing_set_in(&tx, row, role, status).await
            })
            .await?;
        self.viewer_changed(id);
        Ok(user)
    }

    /// Enables or disables a user; the caller is staff. Disabling ends all the user's sessions.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::AdminOnly`] when staff tries it on an admin, [`Error::LastAdmin`].
    pub async fn user_set_status(
        &self,
        viewer: &Viewer,
        id: UserId,
        status: UserStatus,
    ) -> Result<User> {
        let now = self.clock.now();
        let user = self
            .db
            .write("accounts.user_set_status", async |tx| {
                let row = store::user_lock(&*tx, id).await?;
                let row = row.ok_or(Error::UserNotFound)?;
                if row.role == Role::Admin && !viewer.is(Role::Admin) {
                    return Err(Error::AdminOnly.into());
                }
                if status == UserStatus::Disabled {
                    if row.role == Role::Admin {
                        self.admin_stays_in(&tx, id).await?;
                    }
                    store::sessions_revoke(&*tx, id, now).await?;
                }
                let role = row.role;
                self.standing_set_in(&tx, row, role, status).await
            })
            .await?;
        self.viewer_changed(id);
        Ok(user)
    }

    /// Makes sure that an active admin stays when this one goes.
    async fn admin_stays_in(&self, tx: &Tx, going: UserId) -> Result<()> {
        let admins = store::admins_lock(&**tx).await?;
        if admins.iter().any(|&admin| admin != going) {
            Ok(())
        } else {
            Err(Error::LastAdmin.into())
        }
    }

    async fn standing_set_in(
        &self,
        tx: &Tx,
        row: user::Model,
        role: Role,
        status: UserStatus,
    ) -> Result<User> {
        if row.role == role && row.status == status {
            return Ok(row.into());
        }
        let now: DateTime<Utc> = self.clock.now();
        store::user_standing_set(&**tx, &row, role, status, now).await?;
        let before = User::from(row);
        let after = User {
            role,
            status,
            version: before.version + 1,
            updated_at: now,
            ..before.clone()
        };
        let event = events::updated(&before, &after);
        self.events
            .publish_in(tx, event.into_iter().collect())
            .await?;
        Ok(after)
    }

    /// A user.
    ///
    /// # Errors
    /// The database fails.
    pub async fn user_by_id(&self, id: UserId) -> std::result::Result<Option<User>, Fault> {
        let users = self.users_by_ids(&[id]).await?;
        Ok(users.into_iter().next())
    }

    /// Users by id, in any order; those that do not exist are missing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn users_by_ids(&self, ids: &[UserId]) -> std::result::Result<Vec<User>, Fault> {
        self.db
            .read("accounts.users_by_ids", async |c| {
                Ok(store::users_by_ids(&*c, ids).await?)
            })
            .await
    }

    /// A page of users.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn users_page(
        &self,
        filter: &UsersFilter,
        sort: UsersSort,
        descending: bool,
        request: &PageRequest,
    ) -> std::result::Result<Page<User>, page::Error> {
        self.db
            .read("accounts.users_page", async |c| {
                store::users_page(&*c, filter, sort, descending, request).await
            })
            .await
    }
}
