//! Signatures of webhooks: HMAC-SHA256 over the time and the body.
//!
//! The header is `t=<seconds since 1970>,v1=<hexadecimal>`, as Stripe has it (stripe.com/docs/webhooks/signatures). The
//! time is signed too, so that a recorded webhook is worth nothing after a while.

use crate::config::Secret;
use crate::random;
use aws_lc_rs::hmac;
use chrono::{DateTime, TimeDelta, Utc};

/// The header that carries the signature.
pub const HEADER: &str = "tradepost-signature";

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// There is no header of the right form.
    Malformed,
    /// It was signed too long ago, or in the future.
    OutOfWindow,
    /// The signature is not that of the time and the body.
    WrongSignature,
}

/// Signs and checks webhooks.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
    window: TimeDelta,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// A signer whose signatures are good for `window`. Without a secret it makes one that nobody else knows.
    #[must_use]
    pub fn new(secret: &Secret, window: TimeDelta) -> Self {
        let key = match secret.expose() {
            "" => hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()),
            secret => hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        };
        Self { key, window }
    }

    /// The header for a body that is sent now.
    #[must_use]
    pub fn sign(&self, body: &[u8], now: DateTime<Utc>) -> String {
        let tag = hmac::sign(&self.key, &signed(now.timestamp(), body));
        let mut header = format!("t={},v1=", now.timestamp());
        for byte in tag.as_ref() {
            header.push_str(&format!("{byte:02x}"));
        }
        header
    }

    /// Checks a header, in a time that does not depend on how much of the signature is right.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn check(&self, header: &str, body: &[u8], now: DateTime<Utc>) -> Result<(), Distrust> {
        let (time, tag) = read(header).ok_or(Distrust::Malformed)?;
        hmac::verify(&self.key, &signed(time, body), &tag).map_err(|_| Distrust::WrongSignature)?;
        let age = now.timestamp().checked_sub(time);
        if age.is_none_or(|age| age.saturating_abs() > self.window.num_seconds()) {
            return Err(Distrust::OutOfWindow);
        }
        Ok(())
    }
}

fn signed(time: i64, body: &[u8]) -> Vec<u8> {
    [time.to_string().as_bytes(), b".", body].concat()
}

/// Time and signature of a header.
fn read(header: &str) -> Option<(i64, Vec<u8>)> {
    let (mut time, mut tag) = (None, None);
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", text) => time = text.parse().ok(),
            ("v1", text) => tag = from_hex(text),
            _ => {}
        }
    }
    Some((time?, tag?))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|start| u8::from_str_radix(&text[start..start + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_lately_and_unchanged_is_believed() {
        let signer = Signer::new(&Secret::default(), TimeDelta::seconds(300));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let header = signer.sign(b"body", now);
        let check = |header: &str, body: &[u8], age: i64| {
            signer.check(header, body, now + TimeDelta::seconds(age))
        };
        assert_eq!(check(&header, b"body", 0), Ok(()));
        assert_eq!(check(&header, b"body", 300), Ok(()));
        assert_eq!(check(&header, b"body", -300), Ok(()));
        assert_eq!(check(&header, b"body", 301), Err(Distrust::OutOfWindow));
        assert_eq!(check(&header, b"body", -301), Err(Distrust::OutOfWindow));
        assert_eq!(check(&header, b"bodY", 0), Err(Distrust::WrongSignature));
        let later = header.replace("t=1800000000", "t=1800000200");
        assert_eq!(check(&later, b"body", 200), Err(Distrust::WrongSignature));
        let other = Signer::new(&Secret::default(), TimeDelta::seconds(300));
        assert_eq!(
            check(&other.sign(b"body", now), b"body", 0),
            Err(Distrust::WrongSignature)
        );
        for malformed in [
            "",
            "t=1",
            "v1=00",
            "t=x,v1=",
            "t=1800000000,v1=zz",
            "nonsense",
            &format!("t=9223372036854775807,v1={}", "é".repeat(32)),
        ] {
            assert_eq!(check(malformed, b"body", 0), Err(Distrust::Malformed));
        }
    }
}
