//! Access tokens (JWT, RFC 7519, signed with ES256) and refresh tokens (random).

use super::error::TokenRefusal;
use super::keys;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::Fault;
use crate::random;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{SessionId, UserId};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Bytes of an access token; ours have about 400. What is longer is not looked at.
const TOKEN_MAX: usize = 2_048;

/// What an access token says. It carries no role: that is looked up on every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `auth.issuer`.
    pub iss: String,
    /// `auth.audience`.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// Until when it is good, in seconds since 1970.
    pub exp: i64,
}

/// What is remembered of a token whose signature was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    expires_s: i64,
}

/// Makes and verifies access tokens; cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    issuer: String,
    audience: String,
    ttl: TimeDelta,
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    jwks: String,
    /// Signatures that were good, by SHA-256 of the token. Expiry is not remembered: it is looked at every time.
    verified: moka::sync::Cache<[u8; 32], Verified>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kid = &self.inner.header.kid;
        f.debug_struct("Tokens").field("kid", kid).finish()
    }
}

impl Tokens {
    /// Reads the key, or makes it at the first start.
    ///
    /// # Errors
    /// The key cannot be read, or is none for ES256.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, Fault> {
        let pem = keys::load(config)?;
        let encoding = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(Fault::doing(
            "reading the key of access tokens (PEM, PKCS#8)",
        ))?;
        let mut jwk = Jwk::from_encoding_key(&encoding, Algorithm::ES256)
            .map_err(Fault::doing("reading the key of access tokens (P-256)"))?;
        match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {}
            _ => {
                let message = "the key of access tokens is not on the curve P-256";
                return Err(Fault::Broken(message.to_owned()));
            }
        }
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(Fault::doing("naming the key of access tokens"))?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&jwk)
            .map_err(Fault::doing("reading the public key of access tokens"))?;
        let jwks = serde_json::json!({ "keys": [jwk] }).to_string();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid);
        let mut validation = Validation::new(Algorithm::ES256);
        // Time is the clock's business: tests move it.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[&config.auth.issuer]);
        validation.set_audience(&[&config.auth.audience]);
        let tokens = Self {
            inner: Arc::new(Inner {
                clock,
                issuer: config.auth.issuer.clone(),
                audience: config.auth.audience.clone(),
                ttl: TimeDelta::seconds(config.access_token_ttl_s()),
                header,
                encoding,
                decoding,
                validation,
                jwks,
                verified: moka::sync::Cache::new(config.auth.viewer_cache_max),
            }),
        };
        tokens.try_out()?;
        Ok(tokens)
    }

    /// A key that cannot verify what it signs should stop the start, not the first log-in.
    fn try_out(&self) -> Result<(), Fault> {
        let (user_id, session_id) = (self.inner.clock.id(), self.inner.clock.id());
        let (token, _) = self.make(user_id, session_id)?;
        match self.verify(&token) {
            Ok(verified) if verified.user_id == user_id => Ok(()),
            _ => Err(Fault::Broken(
                "the key of access tokens does not verify its own signature".to_owned(),
            )),
        }
    }

    /// A token for a session, and until when it is good.
    ///
    /// # Errors
    /// The signature fails, which the start has tried.
    pub fn make(
        &self,
        user_id: UserId,
        session_id: SessionId,
    ) -> Result<(String, DateTime<Utc>), Fault> {
        let now = self.inner.clock.now();
        // Whole seconds, so that clients see the very moment that the token says.
        let iat = now.timestamp();
        let expires_at = DateTime::from_timestamp(iat, 0).unwrap_or(now) + self.inner.ttl;
        let claims = Claims {
            iss: self.inner.issuer.clone(),
            aud: self.inner.audience.clone(),
            sub: user_id,
            sid: session_id,
            iat,
            exp: expires_at.timestamp(),
        };
        let token = jsonwebtoken::encode(&self.inner.header, &claims, &self.inner.encoding)
            .map_err(Fault::doing("signing an access token"))?;
        Ok((token, expires_at))
    }

    /// Reads a token. Whether its session still stands is not its business.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn verify(&self, token: &str) -> Result<Verified, TokenRefusal> {
        if token.len() > TOKEN_MAX {
            return Err(TokenRefusal::Invalid);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let verified = match self.inner.verified.get(&hash) {
            Some(verified) => verified,
            None => {
                let verified = self.verify_signature(token)?;
                self.inner.verified.insert(hash, verified);
                verified
            }
        };
        if verified.expires_s <= self.inner.clock.now().timestamp() {
            return Err(TokenRefusal::Expired);
        }
        Ok(verified)
    }

    fn verify_signature(&self, token: &str) -> Result<Verified, TokenRefusal> {
        let (key, validation) = (&self.inner.decoding, &self.inner.validation);
        let data = jsonwebtoken::decode::<Claims>(token, key, validation)
            .map_err(|_| TokenRefusal::Invalid)?;
        Ok(Verified {
            user_id: data.claims.sub,
            session_id: data.claims.sid,
            expires_s: data.claims.exp,
        })
    }

    /// The public key as the JSON of a JWK Set (RFC 7517), for `/.well-known/jwks.json`.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.inner.jwks
    }
}

/// A refresh token and what is stored of it.
#[derive(Clone)]
pub struct RefreshSecret {
    /// What the client gets: 256 random bits.
    pub token: String,
    /// What the database has.
    pub hash: String,
}

impl RefreshSecret {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let token = random::secret();
        let hash = random::secret_hash(&token);
        Self { token, hash }
    }
}

impl Default for RefreshSecret {
    fn default() -> Self {
        Self::new()
    }
}
