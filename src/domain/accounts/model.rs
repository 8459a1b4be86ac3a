//! Rules of accounts that need no database.

mod addresses;

use crate::error::ErrorCode;
use chrono::{DateTime, Utc};
use entity::accounts::{Role, UserStatus, session, user};
use entity::ids::{SessionId, UserId};
use validator::ValidateEmail as _;

pub use addresses::*;

/// Characters of a name.
pub const NAME_MAX: usize = 120;
/// Characters of an e-mail address (RFC 5321, section 4.5.3.1.3, without the angle brackets).
pub const EMAIL_MAX: usize = 254;
/// Least bytes of a password.
pub const PASSWORD_MIN: usize = 8;
/// Most bytes of a password: bcrypt ignores what comes after them.
pub const PASSWORD_MAX: usize = 72;

/// Passwords that every guesser tries first. Those of the demo users are not among them, because seeding goes through
/// the same rule; production refuses to start while one of them works.
const COMMON_PASSWORDS: &[&str] = &[
    "00000000",
    "11111111",
    "12345678",
    "123456789",
    "1234567890",
    "abcd1234",
    "baseball",
    "football",
    "iloveyou",
    "letmein1",
    "passw0rd",
    "password",
    "password1",
    "princess",
    "qwerty123",
    "qwertyui",
    "qwertyuiop",
    "sunshine",
    "trustno1",
    "welcome1",
];

/// Which users a list has; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsersFilter {
    /// With one of these roles; nobody if empty.
    pub roles: Option<Vec<Role>>,
    /// With one of these statuses; nobody if empty.
    pub statuses: Option<Vec<UserStatus>>,
    /// With one of these e-mails, normalised; nobody if empty.
    pub emails: Option<Vec<String>>,
}

/// What a list of users is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsersSort {
    /// When they registered.
    CreatedAt,
    /// Their names, byte by byte.
    Name,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody that we know.
    Guest,
    /// A user with a session.
    User(ViewerUser),
}

/// A user with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerUser {
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The user's role now, not when the token was made.
    pub role: Role,
}

impl Viewer {
    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<&ViewerUser> {
        match self {
            Self::Guest => None,
            Self::User(user) => Some(user),
        }
    }

    /// Whether the viewer has at least this role.
    #[must_use]
    pub fn is(&self, least: Role) -> bool {
        self.user().is_some_and(|user| user.role >= least)
    }
}

/// A user as everything above the store sees it: without the password's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Name.
    pub name: String,
    /// E-mail, normalised.
    pub email: String,
    /// Phone in E.164 form.
    pub phone: Option<String>,
    /// Role.
    pub role: Role,
    /// Status.
    pub status: UserStatus,
    /// Raised by each change.
    pub version: i32,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
    /// When the user changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<user::Model> for User {
    fn from(row: user::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            email: row.email,
            phone: row.phone,
            role: row.role,
            status: row.status,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Id.
    pub id: SessionId,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends if it is not refreshed.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<session::Model> for Session {
    fn from(row: session::Model) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// What a log-in or a refresh gives. It has no `Debug`, so that no log ever has a token.
#[derive(Clone)]
pub struct SessionTokens {
    /// Goes into `Authorization: Bearer`.
    pub access_token: String,
    /// Until when.
    pub access_token_expires_at: DateTime<Utc>,
    /// Gets the next pair of tokens, once.
    pub refresh_token: String,
    /// Until when.
    pub refresh_token_expires_at: DateTime<Utc>,
    /// The session.
    pub session: Session,
    /// Whose session it is.
    pub user: User,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Kind.
    pub code: ErrorCode,
    /// A sentence for people.
    pub message: &'static str,
}

const fn flaw(code: ErrorCode, message: &'static str) -> Flaw {
    Flaw { code, message }
}

/// A name as it is stored: trimmed, 1 to [`NAME_MAX`] characters, none of them a control character.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, Flaw> {
    let name = text.trim();
    if name.is_empty() {
        Err(flaw(ErrorCode::Required, "A name is needed."))
    } else if name.chars().count() > NAME_MAX {
        Err(flaw(
            ErrorCode::TooLong,
            "A name has at most 120 characters.",
        ))
    } else if name.chars().any(char::is_control) {
        Err(flaw(
            ErrorCode::Invalid,
            "A name has no line breaks or other control characters.",
        ))
    } else {
        Ok(name.to_owned())
    }
}

/// An e-mail address as it is stored: trimmed and in lower case. Its form is that of HTML's e-mail field; whether
/// somebody reads it only a mail can tell.
///
/// # Errors
/// What is wrong with it.
pub fn email(text: &str) -> Result<String, Flaw> {
    let email = text.trim().to_lowercase();
    if email.is_empty() {
        Err(flaw(ErrorCode::Required, "An e-mail address is needed."))
    } else if email.chars().count() > EMAIL_MAX {
        Err(flaw(
            ErrorCode::TooLong,
            "An e-mail address has at most 254 characters.",
        ))
    } else if email.validate_email() {
        Ok(email)
    } else {
        Err(flaw(
            ErrorCode::Invalid,
            "This is not an e-mail address; it looks like ada@example.com.",
        ))
    }
}

/// A phone number as it is stored, in the form of E.164: `+`, then 7 to 15 digits, the first not 0. Spaces, dots,
/// dashes and brackets, which people write for their eyes, are left out.
///
/// # Errors
/// What is wrong with it.
pub fn phone(text: &str) -> Result<String, Flaw> {
    let phone: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')'))
        .collect();
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let well_formed = (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if well_formed {
        Ok(phone)
    } else {
        Err(flaw(
            ErrorCode::Invalid,
            "A phone number is + and 7 to 15 digits with the country's code first, like +442071838750.",
        ))
    }
}

/// Whether a password may be chosen: [`PASSWORD_MIN`] to [`PASSWORD_MAX`] bytes, without NUL (bcrypt repeats the
/// password after its closing NUL, so `a\0a` would be the same as `a`), and not among the first that are guessed.
///
/// # Errors
/// What is wrong with it.
pub fn password(text: &str) -> Result<(), Flaw> {
    let weak = |message| Err(flaw(ErrorCode::WeakPassword, message));
    if text.is_empty() {
        Err(flaw(ErrorCode::Required, "A password is needed."))
    } else if text.len() < PASSWORD_MIN {
        weak("A password has at least 8 bytes.")
    } else if text.len() > PASSWORD_MAX {
        Err(flaw(
            ErrorCode::TooLong,
            "A password has at most 72 bytes; letters beyond ASCII take 2 to 4.",
        ))
    } else if text.contains('\0') {
        Err(flaw(ErrorCode::Invalid, "A password has no NUL character."))
    } else if COMMON_PASSWORDS.contains(&text.to_lowercase().as_str()) {
        weak("This password is among the first that are guessed.")
    } else {
        Ok(())
    }
}

/// Whether a password is not its user's e-mail address.
///
/// # Errors
/// It is.
pub fn password_for(text: &str, email: &str) -> Result<(), Flaw> {
    if !email.trim().is_empty() && text.trim().to_lowercase() == email.trim().to_lowercase() {
        return Err(flaw(
            ErrorCode::WeakPassword,
            "A password must not be the e-mail address.",
        ));
    }
    Ok(())
}

/// What people log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// An e-mail address, normalised.
    Email(String),
    /// A phone number, normalised.
    Phone(String),
    /// Neither: nobody has it.
    Unknown,
}

impl Identifier {
    /// Tells e-mail addresses by their `@`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.contains('@') {
            email(text).map_or(Self::Unknown, Self::Email)
        } else {
            phone(text).map_or(Self::Unknown, Self::Phone)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mails_are_trimmed_and_folded() {
        assert_eq!(
            email(" Ada.L@Example.COM ").unwrap(),
            "ada.l@example.com".to_owned()
        );
        for bad in ["ada", "@example.com", "ada@", "a b@example.com", "a@b@c"] {
            assert_eq!(email(bad).unwrap_err().code, ErrorCode::Invalid, "{bad}");
        }
        assert_eq!(email(" ").unwrap_err().code, ErrorCode::Required);
        let long = format!("a@{}.com", "b".repeat(300));
        assert_eq!(email(&long).unwrap_err().code, ErrorCode::TooLong);
    }

    #[test]
    fn phones_are_e164() {
        assert_eq!(phone("+44 (20) 7183-8750").unwrap(), "+442071838750");
        for bad in [
            "",
            "442071838750",
            "+123456",
            "+1234567890123456",
            "+0123456789",
            "+44x071838750",
            "++442071838750",
            "+٤٤٢٠٧١٨٣٨",
        ] {
            assert_eq!(phone(bad).unwrap_err().code, ErrorCode::Invalid, "{bad}");
        }
    }

    #[test]
    fn passwords_are_counted_in_bytes() {
        assert_eq!(
            password("short12").unwrap_err().code,
            ErrorCode::WeakPassword
        );
        assert!(password("longer12").is_ok());
        assert!(password(&"a".repeat(72)).is_ok());
        assert_eq!(
            password(&"a".repeat(73)).unwrap_err().code,
            ErrorCode::TooLong
        );
        assert_eq!(
            password(&"é".repeat(37)).unwrap_err().code,
            ErrorCode::TooLong
        );
        assert_eq!(
            password("PassWord1").unwrap_err().code,
            ErrorCode::WeakPassword
        );
        assert_eq!(password("abcdefg\0h").unwrap_err().code, ErrorCode::Invalid);
        assert!(password_for("ada@example.com", "Ada@example.com").is_err());
        assert!(password_for("another one", "Ada@example.com").is_ok());
    }

    #[test]
    fn identifiers_are_e_mails_or_phones() {
        assert_eq!(
            Identifier::parse("A@b.com"),
            Identifier::Email("a@b.com".into())
        );
        assert_eq!(
            Identifier::parse("+44 2071838750"),
            Identifier::Phone("+442071838750".into())
        );
        assert_eq!(Identifier::parse("ada"), Identifier::Unknown);
    }
}
