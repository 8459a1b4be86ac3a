//! Access and refresh tokens: what is taken, what is refused, and how soon a change holds.

use crate::accounts::{Accounts, PASSWORD, me};
use crate::support::http::Client;
use crate::support::wait::eventually;
use crate::support::{Profile, profile};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::accounts::{Role, refresh_token};
use futures::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sea_orm::EntityTrait;
use sea_orm::sea_query::Expr;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tradepost::app::App;
use tradepost::cache::push::Message;
use tradepost::domain::accounts::error::{Error, TokenRefusal};
use tradepost::domain::accounts::keys;
use tradepost::error::{Failure, Fault};
use tradepost::health::State;

const REFRESH: &str = "mutation($token: String!) { sessionRefresh(refreshToken: $token) {
  accessToken refreshToken session { id } user { email } userErrors { code path } } }";
const REVOKE: &str = "mutation($id: ID) { sessionRevoke(id: $id) { session { id revokedAt } userErrors { code path } } }";

/// Status, code and reason of the answer to a request with a token.
async fn refusal(client: &Client) -> (u16, Value, Value) {
    let (status, _, mut body) = client.post("{ me { id } }", json!({})).await;
    let mut extensions = body["errors"][0]["extensions"].take();
    (
        status.as_u16(),
        extensions["code"].take(),
        extensions["reason"].take(),
    )
}

fn refused(reason: &str) -> (u16, Value, Value) {
    (401, json!("UNAUTHENTICATED"), json!(reason))
}

impl Accounts {
    async fn refresh(&self, token: &Value) -> Value {
        self.guest.data(REFRESH, json!({ "token": token })).await["sessionRefresh"].take()
    }

    fn with_token(&self, payload: &Value) -> Client {
        self.guest.with_token(
            payload["accessToken"]
                .as_str()
                .unwrap_or_else(|| panic!("{payload}")),
        )
    }
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_used_one_ends_the_session() {
    let accounts = Accounts::open().await;
    accounts.member("ada@example.org", Role::Customer).await;
    let first = accounts.session("ada@example.org", PASSWORD).await;
    let second = accounts.refresh(&first["refreshToken"]).await;
    assert_eq!(second["session"]["id"], first["session"]["id"], "{second}");
    assert_ne!(second["refreshToken"], first["refreshToken"]);
    let third = accounts.refresh(&second["refreshToken"]).await;
    let client = accounts.with_token(&third);
    assert_eq!(me(&client).await["email"], "ada@example.org");

    let invalid = json!([{ "code": "TOKEN_INVALID", "path": ["refreshToken"] }]);
    assert_eq!(
        accounts.refresh(&first["refreshToken"]).await["userErrors"],
        invalid
    );
    assert_eq!(
        refusal(&client).await,
        refused("SESSION_REVOKED"),
        "the whole family has ended"
    );
    assert_eq!(
        accounts.refresh(&third["refreshToken"]).await["userErrors"],
        invalid
    );
    for unknown in ["", "x", &"A".repeat(43)] {
        assert_eq!(
            accounts.refresh(&json!(unknown)).await["userErrors"],
            invalid
        );
    }
}

#[tokio::test]
async fn a_refresh_token_ends_with_its_time() {
    let accounts = Accounts::open().await;
    accounts.member("ada@example.org", Role::Customer).await;
    let first = accounts.session("ada@example.org", PASSWORD).await;
    accounts.test.app.clock().advance(TimeDelta::days(20));
    let second = accounts.refresh(&first["refreshToken"]).await;
    accounts.test.app.clock().advance(TimeDelta::days(20));
    let third = accounts.refresh(&second["refreshToken"]).await;
    assert_eq!(
        me(&accounts.with_token(&third)).await["email"],
        "ada@example.org",
        "use lengthens a session"
    );
    accounts.test.app.clock().advance(TimeDelta::days(31));
    assert_eq!(
        accounts.refresh(&third["refreshToken"]).await["userErrors"][0]["code"],
        "TOKEN_INVALID"
    );
}

/// Keeps everybody from using a refresh token, from when it says so until it is released.
async fn tokens_hold(accounts: &Accounts, held: &Notify, release: &Notify) {
    let hold = accounts.test.app.db().write("test.hold", async |tx| {
        let same = Expr::col(refresh_token::Column::ExpiresAt);
        refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::ExpiresAt, same)
            .exec(&*tx)
            .await?;
        held.notify_one();
        release.notified().await;
        Ok::<_, Fault>(())
    });
    hold.await.unwrap();
}

#[tokio::test]
async fn of_refreshes_at_the_same_time_one_wins_and_the_session_goes_on() {
    let accounts = Accounts::open().await;
    accounts.member("ada@example.org", Role::Customer).await;
    for _ in 0..5 {
        let session = accounts.session("ada@example.org", PASSWORD).await;
        let token = session["refreshToken"].as_str().unwrap();
        let service = accounts.test.app.accounts();
        let (held, release) = (Notify::new(), Notify::new());
        let refreshing = async {
            held.notified().await;
            let all = join_all((0..10).map(|_| service.session_refresh(token)));
            // A quick database would answer one before the next had begun: none ends before all wait.
            futures::future::join(all, async { release.notify_one() })
                .await
                .0
        };
        let (results, ()) = tokio::join!(refreshing, tokens_hold(&accounts, &held, &release));
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 9));
        for failure in lost {
            let Err(Failure::Refused(errors)) = failure else {
                panic!("a refresh failed instead of being refused");
            };
            assert_eq!(errors, [Error::TokenInvalid]);
        }
        for tokens in won.into_iter().flatten() {
            let client = accounts.guest.with_token(&tokens.access_token);
            assert_eq!(me(&client).await["email"], "ada@example.org");
            assert!(service.session_refresh(&tokens.refresh_token).await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_revoked_session_is_refused_at_once() {
    let accounts = Accounts::open().await;
    let client = accounts.member("ada@example.org", Role::Customer).await;
    let other = accounts.session("ada@example.org", PASSWORD).await;
    let stranger = accounts.member("eve@example.org", Role::Admin).await;
    let id = &other["session"]["id"];
    let not_found = json!([{ "code": "NOT_FOUND", "path": ["id"] }]);
    let data = stranger.data(REVOKE, json!({ "id": id })).await;
    assert_eq!(
        data["sessionRevoke"]["userErrors"], not_found,
        "another's session"
    );
    assert_eq!(
        me(&accounts.with_token(&other)).await["email"],
        "ada@example.org"
    );

    let data = client.data(REVOKE, json!({ "id": id })).await;
    assert_eq!(&data["sessionRevoke"]["session"]["id"], id);
    assert_eq!(
        refusal(&accounts.with_token(&other)).await,
        refused("SESSION_REVOKED")
    );
    assert_eq!(
        me(&client).await["email"],
        "ada@example.org",
        "the other session stands"
    );
    let again = client.data(REVOKE, json!({ "id": id })).await;
    assert_eq!(again, data, "ending it twice changes nothing");
    client.data(REVOKE, json!({})).await;
    assert_eq!(refusal(&client).await, refused("SESSION_REVOKED"));
    assert_eq!(
        accounts.refresh(&other["refreshToken"]).await["userErrors"][0]["code"],
        "TOKEN_INVALID"
    );
    // A token that is over does not stand in the way of a new log-in.
    let input = json!({ "identifier": "ada@example.org", "password": PASSWORD });
    let log_in =
        "mutation($input: SessionCreateInput!) { sessionCreate(input: $input) { accessToken } }";
    let data = client.data(log_in, json!({ "input": input })).await;
    assert!(data["sessionCreate"]["accessToken"].is_string());
}

#[tokio::test]
async fn another_replica_learns_of_a_revocation_by_push() {
    let accounts = Accounts::open().await;
    let first = &accounts.test.app;
    first.push().start(first.workers());
    let second = App::new(first.config().clone(), first.clock().clone())
        .await
        .unwrap();
    second.push().start(second.workers());
    let mut told = first.push().subscribe();
    let session = accounts.member("ada@example.org", Role::Customer).await;
    let tokens = first
        .accounts()
        .session_create("ada@example.org", PASSWORD)
        .await
        .unwrap();
    // What is told before both listen to Redis is lost.
    if profile() == Profile::Services {
        eventually("both replicas listen", async || {
            let listens = |app: &App| app.push().state().state == State::Ok;
            (listens(first) && listens(&second)).then_some(())
        })
        .await;
    }
    let stands = async || {
        second
            .accounts()
            .authenticate(&tokens.access_token)
            .await
            .is_ok()
    };
    assert!(
        stands().await,
        "both replicas have the same key and database"
    );
    session
        .data(REVOKE, json!({ "id": tokens.session.id.to_string() }))
        .await;
    if profile() == Profile::Embedded {
        // Two processes on one SQLite file have no push between them: here the test carries it.
        loop {
            let message = told.recv().await.unwrap();
            let is_it = matches!(message, Message::ViewerChanged(_));
            second.push().send(message);
            if is_it {
                break;
            }
        }
    }
    let began = Instant::now();
    while stands().await {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "well before the cache forgets by itself"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.workers().shut_down(Duration::from_secs(5)).await;
    first.workers().stopping().cancel();
}

#[tokio::test]
async fn an_expired_token_is_refused_though_its_signature_is_remembered() {
    let accounts = Accounts::with(&[("auth.access_token_ttl_s", json!(900))]).await;
    accounts.member("ada@example.org", Role::Customer).await;
    let session = accounts.session("ada@example.org", PASSWORD).await;
    let client = accounts.with_token(&session);
    accounts.test.app.clock().advance(TimeDelta::seconds(890));
    assert_eq!(me(&client).await["email"], "ada@example.org");
    accounts.test.app.clock().advance(TimeDelta::seconds(11));
    assert_eq!(refusal(&client).await, refused("TOKEN_EXPIRED"));
    let fresh = accounts.refresh(&session["refreshToken"]).await;
    assert_eq!(
        me(&accounts.with_token(&fresh)).await["email"],
        "ada@example.org"
    );
}

/// Signs claims with a key that is not ours to give.
fn signed(algorithm: Algorithm, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap()
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let accounts = Accounts::open().await;
    let client = accounts.member("ada@example.org", Role::Customer).await;
    let session = accounts.session("ada@example.org", PASSWORD).await;
    let token = session["accessToken"].as_str().unwrap();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["aud", "exp", "iat", "iss", "sid", "sub"],
        "and no role"
    );
    let config = accounts.test.app.config();
    let ours = EncodingKey::from_ec_pem(keys::load(config).unwrap().as_bytes()).unwrap();
    let elsewhere = Accounts::open().await;
    let pem = keys::load(elsewhere.test.app.config()).unwrap();
    let theirs = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    let jwks = accounts.test.app.accounts().jwks().to_owned();
    let keys: Value = serde_json::from_str(&jwks).unwrap();
    let key = &keys["keys"][0];
    let point: Vec<u8> = ["x", "y"]
        .into_iter()
        .flat_map(|part| URL_SAFE_NO_PAD.decode(key[part].as_str().unwrap()).unwrap())
        .collect();
    let other = |field: &str, value: Value| {
        let mut claims = claims.clone();
        claims[field] = value;
        claims
    };
    let without = |field: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(field);
        claims
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = json!({ "alg": "none", "typ": "JWT" });
    let stranger = json!(accounts.test.app.clock().id::<uuid::Uuid>());
    let forged = [
        signed(Algorithm::ES256, &claims, &theirs),
        signed(Algorithm::HS256, &claims, &EncodingKey::from_secret(&point)),
        signed(
            Algorithm::HS256,
            &claims,
            &EncodingKey::from_secret(&[&[4], point.as_slice()].concat()),
        ),
        signed(
            Algorithm::HS256,
            &claims,
            &EncodingKey::from_secret(jwks.as_bytes()),
        ),
        signed(Algorithm::ES256, &other("iss", json!("somebody")), &ours),
        signed(Algorithm::ES256, &other("aud", json!("somebody")), &ours),
        signed(Algorithm::ES256, &other("sub", json!("ada")), &ours),
        signed(Algorithm::ES256, &without("exp"), &ours),
        signed(Algorithm::ES256, &without("sid"), &ours),
        format!("{}.{payload}.", part(&none)),
        format!("{}.{payload}.{signature}", part(&none)),
        format!(
            "{header}.{}.{signature}",
            part(&other("sub", stranger.clone()))
        ),
        format!("{header}.{payload}.{}", "A".repeat(signature.len())),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{token}.x"),
        "x".repeat(10_000),
        "...".to_owned(),
        "🙂".to_owned(),
    ];
    for forged in forged {
        let result = accounts.test.app.accounts().authenticate(&forged).await;
        let Err(Failure::Refused(why)) = result else {
            panic!("{forged}: {result:?}");
        };
        assert_eq!(why, [TokenRefusal::Invalid], "{forged}");
    }
    assert_eq!(
        refusal(&accounts.guest.with_token("x")).await,
        refused("TOKEN_INVALID")
    );
    // Well signed, but the session is another's or none.
    for claims in [other("sub", stranger.clone()), other("sid", stranger)] {
        let token = signed(Algorithm::ES256, &claims, &ours);
        assert_eq!(
            refusal(&accounts.guest.with_token(&token)).await,
            refused("SESSION_REVOKED")
        );
    }
    assert_eq!(me(&client).await["email"], "ada@example.org");
}

#[tokio::test]
async fn the_public_key_is_there_and_names_itself_in_tokens() {
    let accounts = Accounts::open().await;
    accounts.member("ada@example.org", Role::Customer).await;
    let request = accounts
        .guest
        .raw(http::Method::GET, "/.well-known/jwks.json");
    let (status, headers, jwks) = crate::support::http::answer(request).await;
    assert_eq!(
        (status.as_u16(), &headers["content-type"]),
        (200, &"application/jwk-set+json".parse().unwrap())
    );
    let key = &jwks["keys"][0];
    let public = ["kty", "crv", "alg", "use"].map(|name| key[name].as_str().unwrap());
    assert_eq!(public, ["EC", "P-256", "ES256", "sig"]);
    assert!(key.get("d").is_none(), "the private part stays here");
    let session = accounts.session("ada@example.org", PASSWORD).await;
    let token = session["accessToken"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
}

#[tokio::test]
async fn who_asks_is_looked_up_once() {
    let accounts = Accounts::open().await;
    accounts.member("ada@example.org", Role::Customer).await;
    let app = &accounts.test.app;
    let tokens = app
        .accounts()
        .session_create("ada@example.org", PASSWORD)
        .await
        .unwrap();
    let before = app.db().statements();
    let all = join_all((0..50).map(|_| app.accounts().authenticate(&tokens.access_token))).await;
    assert!(
        all.into_iter()
            .all(|viewer| viewer.is_ok_and(|viewer| viewer.is(Role::Customer)))
    );
    assert_eq!(
        app.db().statements() - before,
        1,
        "fifty requests at once, one statement"
    );
    app.clock().advance(TimeDelta::seconds(31));
    app.accounts()
        .authenticate(&tokens.access_token)
        .await
        .unwrap();
    assert_eq!(
        app.db().statements() - before,
        2,
        "and one more when it is old"
    );
}

#[tokio::test]
async fn a_key_file_takes_the_place_of_the_generated_key() {
    let accounts = Accounts::open().await;
    accounts.member("ada@example.org", Role::Customer).await;
    let session = accounts.session("ada@example.org", PASSWORD).await;
    let first = &accounts.test.app;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let with_key = async |pem: &str| {
        std::fs::write(&file, pem).unwrap();
        let mut config = first.config().clone();
        config.auth.key_file = file.to_str().unwrap().to_owned();
        App::new(config, first.clock().clone()).await
    };
    let second = with_key(&keys::load(first.config()).unwrap())
        .await
        .unwrap();
    let token = session["accessToken"].as_str().unwrap();
    assert!(second.accounts().authenticate(token).await.is_ok());
    let elsewhere = Accounts::open().await;
    let other = with_key(&keys::load(elsewhere.test.app.config()).unwrap())
        .await
        .unwrap();
    assert!(other.accounts().authenticate(token).await.is_err());
    let error = with_key("no key").await.unwrap_err();
    assert!(error.to_string().contains("access tokens"), "{error}");
}
