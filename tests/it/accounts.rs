//! Accounts through the API: registering, logging in, profiles, roles and statuses.

use crate::support::TestApp;
use crate::support::http::{Client, Running};
use entity::accounts::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) const PASSWORD: &str = "correct horse";

const REGISTER: &str = "mutation($input: UserRegisterInput!, $key: String) {
  userRegister(input: $input, idempotencyKey: $key) {
    user { id name email phone role status version } session { id }
    accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt
    userErrors { code message path retryable } } }";
const LOG_IN: &str = "mutation($input: SessionCreateInput!) {
  sessionCreate(input: $input) {
    accessToken refreshToken session { id createdAt expiresAt revokedAt } user { id email }
    userErrors { code message path retryable } } }";
const PROFILE: &str = "mutation($input: ProfileUpdateInput!) {
  profileUpdate(input: $input) { user { name phone version } userErrors { code path } } }";
const SET_ROLE: &str = "mutation($id: ID!, $role: Role!) {
  userSetRole(id: $id, role: $role) { user { id role version } userErrors { code path } } }";
const SET_STATUS: &str = "mutation($id: ID!, $status: UserStatus!) {
  userSetStatus(id: $id, status: $status) { user { id status } userErrors { code path } } }";
const USERS: &str =
    "query($filter: UserFilter, $orderBy: UserOrder, $first: Int, $after: String, $page: Int) {
  users(filter: $filter, orderBy: $orderBy, first: $first, after: $after, page: $page) {
    nodes { email } pageInfo { endCursor hasNextPage } totalCount } }";

/// A running server on an empty database.
pub(crate) struct Accounts {
    pub(crate) test: TestApp,
    #[expect(dead_code, reason = "held for its Drop")]
    server: Running,
    pub(crate) guest: Client,
}

impl Accounts {
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(changes: &[(&'static str, Value)]) -> Self {
        let test = TestApp::with(changes).await;
        let server = test.serve().await;
        let guest = server.client();
        Self {
            test,
            server,
            guest,
        }
    }

    /// A user with a role, logged in.
    pub(crate) async fn member(&self, email: &str, role: Role) -> Client {
        let accounts = self.test.app.accounts();
        accounts
            .user_create(email, "Somebody", PASSWORD, role)
            .await
            .unwrap();
        self.log_in(email, PASSWORD).await
    }

    pub(crate) async fn log_in(&self, identifier: &str, password: &str) -> Client {
        let session = self.session(identifier, password).await;
        self.guest.with_token(
            session["accessToken"]
                .as_str()
                .unwrap_or_else(|| panic!("{session}")),
        )
    }

    /// The payload of `sessionCreate`.
    pub(crate) async fn session(&self, identifier: &str, password: &str) -> Value {
        let input = json!({ "identifier": identifier, "password": password });
        self.guest.data(LOG_IN, json!({ "input": input })).await["sessionCreate"].take()
    }

    async fn register(&self, input: Value, key: Option<&str>) -> Value {
        let variables = json!({ "input": input, "key": key });
        self.guest.data(REGISTER, variables).await["userRegister"].take()
    }
}

fn newcomer(email: &str, phone: Option<&str>) -> Value {
    json!({ "name": "Ada Lovelace", "email": email, "phone": phone, "password": PASSWORD })
}

fn codes(payload: &Value) -> Vec<(String, Value)> {
    let errors = payload["userErrors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| {
            (
                error["code"].as_str().unwrap().to_owned(),
                error["path"].clone(),
            )
        })
        .collect()
}

fn one(code: &str, path: Value) -> Vec<(String, Value)> {
    vec![(code.to_owned(), path)]
}

pub(crate) async fn me(client: &Client) -> Value {
    client
        .data(
            "{ me { id name email phone role status version } }",
            json!({}),
        )
        .await["me"]
        .take()
}

#[tokio::test]
async fn a_newcomer_registers_and_logs_in_by_e_mail_and_by_phone() {
    let accounts = Accounts::open().await;
    let input = json!({ "name": " Ada Lovelace ", "email": " Ada@Example.ORG", "phone": "+44 20 7183 8750",
        "password": PASSWORD });
    let made = accounts.register(input, None).await;
    let user = json!({ "id": made["user"]["id"], "name": "Ada Lovelace", "email": "ada@example.org",
        "phone": "+442071838750", "role": "CUSTOMER", "status": "ACTIVE", "version": 1 });
    assert_eq!(made["user"], user, "{made}");
    let client = accounts
        .guest
        .with_token(made["accessToken"].as_str().unwrap());
    assert_eq!(me(&client).await, user, "a newcomer is logged in at once");
    for identifier in [
        "ada@example.org",
        " ADA@example.org ",
        "+442071838750",
        "+44 (20) 7183-8750",
    ] {
        let client = accounts.log_in(identifier, PASSWORD).await;
        assert_eq!(me(&client).await["id"], user["id"], "{identifier}");
    }
    assert_eq!(me(&accounts.guest).await, Value::Null, "guests are nobody");
}

#[tokio::test]
async fn e_mails_and_phones_belong_to_one_user() {
    let accounts = Accounts::open().await;
    accounts
        .register(newcomer("ada@example.org", Some("+442071838750")), None)
        .await;
    let taken = |field: &str| ("ALREADY_EXISTS".to_owned(), json!(["input", field]));
    for key in [None, Some("k")] {
        let email = accounts
            .register(newcomer("ADA@example.org", None), key)
            .await;
        assert_eq!(
            (codes(&email), &email["user"]),
            (vec![taken("email")], &Value::Null)
        );
        let phone = accounts
            .register(newcomer("b@example.org", Some("+44 2071838750")), key)
            .await;
        assert_eq!(codes(&phone), [taken("phone")]);
        let both = accounts
            .register(newcomer("ada@example.org", Some("+442071838750")), key)
            .await;
        assert_eq!(codes(&both), [taken("email"), taken("phone")]);
    }
    // At the same time the look before the hash sees nothing: the unique indexes decide.
    let app = &accounts.test.app;
    let same = |number| {
        app.accounts()
            .user_create("new@example.org", "Some", PASSWORD, number)
    };
    let made = join_all([Role::Customer; 8].map(same)).await;
    assert_eq!(
        made.iter().filter(|result| result.is_ok()).count(),
        1,
        "{made:?}"
    );
    assert!(made.iter().all(|result| match result {
        Err(tradepost::error::Failure::Refused(errors)) =>
            *errors == [tradepost::domain::accounts::error::Error::EmailTaken],
        result => result.is_ok(),
    }));
    accounts
        .register(newcomer("c@example.org", Some("+442071838751")), None)
        .await;
    let client = accounts.log_in("c@example.org", PASSWORD).await;
    let changed = client
        .data(PROFILE, json!({ "input": { "phone": "+442071838750" } }))
        .await;
    assert_eq!(
        codes(&changed["profileUpdate"]),
        [taken("phone")],
        "also found by the unique index alone"
    );
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let accounts = Accounts::open().await;
    let query = "mutation($a: UserRegisterInput!, $b: UserRegisterInput!, $key: String) {
      a: userRegister(input: $a, idempotencyKey: $key) { userErrors { code path } }
      b: userRegister(input: $b) { userErrors { code path } } }";
    let variables = json!({
        "a": { "name": " ", "email": "ada", "phone": "12345", "password": "short" },
        "b": { "name": "a".repeat(121), "email": format!("{}@example.org", "a".repeat(250)), "phone": "+0123456789",
            "password": "é".repeat(37) },
        "key": "k".repeat(256),
    });
    let data = accounts.guest.data(query, variables).await;
    let found = |payload: &Value| {
        let mut all: Vec<String> = codes(payload)
            .into_iter()
            .map(|(code, path)| {
                format!(
                    "{code} {}",
                    path.as_array()
                        .unwrap()
                        .iter()
                        .map(|part| part.as_str().unwrap())
                        .collect::<Vec<_>>()
                        .join(".")
                )
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(
        found(&data["a"]),
        [
            "INVALID idempotencyKey",
            "INVALID input.email",
            "INVALID input.phone",
            "REQUIRED input.name",
            "WEAK_PASSWORD input.password"
        ]
    );
    assert_eq!(
        found(&data["b"]),
        [
            "INVALID input.phone",
            "TOO_LONG input.email",
            "TOO_LONG input.name",
            "TOO_LONG input.password"
        ]
    );
    let weak = ["password", "Passw0rd", "ada@example.org"];
    for password in weak {
        let input = json!({ "name": "", "email": "ada@example.org", "password": password });
        let answer = accounts.register(input, None).await;
        assert_eq!(
            found(&answer),
            ["REQUIRED input.name", "WEAK_PASSWORD input.password"],
            "{password}"
        );
    }
    let longest =
        json!({ "name": "a".repeat(120), "email": "a@example.org", "password": "a".repeat(72) });
    assert_eq!(codes(&accounts.register(longest, None).await), []);
}

#[tokio::test]
async fn a_repeated_registration_makes_one_user_and_asks_for_the_password() {
    let accounts = Accounts::open().await;
    let input = newcomer("ada@example.org", None);
    let all = join_all((0..8).map(|_| accounts.register(input.clone(), Some("once")))).await;
    for made in &all {
        assert_eq!(made["user"]["id"], all[0]["user"]["id"], "{made}");
        assert_eq!(codes(made), []);
    }
    let mut sessions: Vec<_> = all
        .iter()
        .map(|made| made["session"]["id"].as_str().unwrap())
        .collect();
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), 8, "each answer has a session of its own");
    let variables = json!({ "input": input, "key": "once" });
    let (_, headers, _) = accounts.guest.post(REGISTER, variables).await;
    assert_eq!(headers["idempotent-replayed"], "true");
    let other = |field: &str, value: &str| {
        let mut input = input.clone();
        input[field] = json!(value);
        input
    };
    for input in [other("password", "another horse"), other("name", "Eve")] {
        let refused = accounts.register(input, Some("once")).await;
        assert_eq!(
            codes(&refused),
            one("IDEMPOTENCY_KEY_REUSED", json!(["idempotencyKey"])),
            "{refused}"
        );
        assert_eq!(refused["accessToken"], Value::Null);
    }
    let stranger = accounts
        .register(newcomer("eve@example.org", None), Some("once"))
        .await;
    assert_eq!(
        codes(&stranger),
        [],
        "a guest's key does not stand in another guest's way"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_e_mail_get_the_same_answer_in_the_same_time() {
    let accounts = Accounts::with(&[("auth.bcrypt_cost", json!(8))]).await;
    accounts.member("ada@example.org", Role::Customer).await;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut answers = Vec::new();
    for _ in 0..15 {
        for (place, identifier) in ["ada@example.org", "bob@example.org", "+442071838750"]
            .into_iter()
            .enumerate()
        {
            let began = Instant::now();
            answers.push(accounts.session(identifier, "wrong horse").await);
            times[place].push(began.elapsed());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(
        codes(&answers[0]),
        one("INVALID_CREDENTIALS", json!(["input"]))
    );
    let [known, unknown, phone] = times.map(|mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    for other in [unknown, phone] {
        let ratio = other / known;
        assert!(
            (0.5..2.0).contains(&ratio),
            "known {known:.4} s, unknown {other:.4} s"
        );
    }
}

#[tokio::test]
async fn too_many_log_ins_at_once_are_told_to_come_again() {
    let changes = [
        ("auth.bcrypt_cost", json!(10)),
        ("auth.bcrypt_concurrency", json!(1)),
        ("auth.bcrypt_queue_max", json!(1)),
    ];
    let accounts = Accounts::with(&changes).await;
    let answers = join_all((0..10).map(|_| accounts.session("ada@example.org", PASSWORD))).await;
    let of = |code: &str| {
        answers
            .iter()
            .filter(|answer| answer["userErrors"][0]["code"] == code)
            .count()
    };
    assert!(
        of("INVALID_CREDENTIALS") >= 1 && of("OVERLOADED") >= 1,
        "{answers:?}"
    );
    assert_eq!(of("INVALID_CREDENTIALS") + of("OVERLOADED"), 10);
    let overloaded = answers
        .iter()
        .find(|answer| answer["userErrors"][0]["code"] == "OVERLOADED");
    assert_eq!(overloaded.unwrap()["userErrors"][0]["retryable"], true);
    assert_eq!(
        codes(&accounts.session("ada@example.org", PASSWORD).await)[0].0,
        "INVALID_CREDENTIALS"
    );
}

#[tokio::test]
async fn a_profile_changes_only_where_it_is_told_to() {
    let accounts = Accounts::open().await;
    accounts
        .register(newcomer("ada@example.org", Some("+442071838750")), None)
        .await;
    let client = accounts.log_in("ada@example.org", PASSWORD).await;
    let change = async |input: Value| {
        client.data(PROFILE, json!({ "input": input })).await["profileUpdate"].take()
    };
    let user = |name: &str, phone: Option<&str>, version: i32| json!({ "name": name, "phone": phone, "version": version });
    let same = user("Ada Lovelace", Some("+442071838750"), 1);
    assert_eq!(change(json!({})).await["user"], same);
    let named = user("Ada King", Some("+442071838750"), 2);
    assert_eq!(
        change(json!({ "name": " Ada King", "expectedVersion": 1 })).await["user"],
        named
    );
    let stale = change(json!({ "phone": null, "expectedVersion": 1 })).await;
    assert_eq!(
        codes(&stale),
        one("VERSION_STALE", json!(["input", "expectedVersion"]))
    );
    let cleared = user("Ada King", None, 3);
    assert_eq!(
        change(json!({ "phone": null, "expectedVersion": 2 })).await["user"],
        cleared
    );
    let again = user("Ada King", Some("+442071838751"), 4);
    assert_eq!(
        change(json!({ "phone": "+44 2071838751" })).await["user"],
        again
    );
    let wrong = change(json!({ "name": "", "phone": "x", "expectedVersion": 0 })).await;
    let mut found: Vec<_> = codes(&wrong).into_iter().map(|(code, _)| code).collect();
    found.sort();
    assert_eq!(found, ["INVALID", "OUT_OF_RANGE", "REQUIRED"]);
    let old = accounts.session("+442071838750", PASSWORD).await;
    assert_eq!(
        codes(&old)[0].0,
        "INVALID_CREDENTIALS",
        "the old phone logs nobody in"
    );
}

#[tokio::test]
async fn a_role_holds_at_once_and_without_a_new_token() {
    let accounts = Accounts::open().await;
    let admin = accounts.member("admin@example.org", Role::Admin).await;
    let client = accounts.member("ada@example.org", Role::Customer).await;
    let id = me(&client).await["id"].take();
    let code = async || {
        let (_, _, body) = client.post(USERS, json!({})).await;
        body["errors"][0]["extensions"]["code"].clone()
    };
    for (role, expected) in [
        ("STAFF", Value::Null),
        ("CUSTOMER", json!("FORBIDDEN")),
        ("STAFF", Value::Null),
    ] {
        let data = admin
            .data(SET_ROLE, json!({ "id": id, "role": role }))
            .await;
        assert_eq!(data["userSetRole"]["user"]["role"], role);
        assert_eq!(code().await, expected, "as {role}");
    }
    let unknown = json!({ "id": accounts.test.app.clock().id::<uuid::Uuid>(), "role": "STAFF" });
    let unknown = admin.data(SET_ROLE, unknown).await;
    assert_eq!(
        codes(&unknown["userSetRole"]),
        one("NOT_FOUND", json!(["id"]))
    );
    let wrong = admin
        .data(SET_ROLE, json!({ "id": "7", "role": "STAFF" }))
        .await;
    assert_eq!(codes(&wrong["userSetRole"]), one("INVALID", json!(["id"])));
}

#[tokio::test]
async fn the_last_admin_stays() {
    let accounts = Accounts::open().await;
    let first = accounts.member("first@example.org", Role::Admin).await;
    let second = accounts.member("second@example.org", Role::Admin).await;
    let (a, b) = (
        me(&first).await["id"].take(),
        me(&second).await["id"].take(),
    );
    let resign = async |client: &Client, id: &Value| {
        let data = client
            .data(SET_ROLE, json!({ "id": id, "role": "CUSTOMER" }))
            .await;
        codes(&data["userSetRole"]).len()
    };
    let (one_of_them, other) = tokio::join!(resign(&first, &a), resign(&second, &b));
    assert_eq!(
        one_of_them + other,
        1,
        "one of two who go at the same time stays"
    );
    let (last, id) = if one_of_them == 1 {
        (first, a)
    } else {
        (second, b)
    };
    let disabled = last
        .data(SET_STATUS, json!({ "id": id, "status": "DISABLED" }))
        .await;
    assert_eq!(
        codes(&disabled["userSetStatus"]),
        one("INVALID_TRANSITION", Value::Null)
    );
}

#[tokio::test]
async fn a_disabled_user_is_out_until_enabled_and_logged_in_anew() {
    let accounts = Accounts::open().await;
    let staff = accounts.member("staff@example.org", Role::Staff).await;
    let admin = accounts.member("admin@example.org", Role::Admin).await;
    let session = {
        accounts.member("ada@example.org", Role::Customer).await;
        accounts.session("ada@example.org", PASSWORD).await
    };
    let client = accounts
        .guest
        .with_token(session["accessToken"].as_str().unwrap());
    let id = me(&client).await["id"].take();
    let set = async |client: &Client, id: &Value, status: &str| {
        client
            .post(SET_STATUS, json!({ "id": id, "status": status }))
            .await
            .2
    };
    let reason = async || {
        let (status, _, body) = client.post("{ me { id } }", json!({})).await;
        (
            status.as_u16(),
            body["errors"][0]["extensions"]["reason"].clone(),
        )
    };
    set(&staff, &id, "DISABLED").await;
    assert_eq!(reason().await, (401, json!("SESSION_REVOKED")));
    let refused = accounts.session("ada@example.org", PASSWORD).await;
    assert_eq!(codes(&refused)[0].0, "INVALID_CREDENTIALS");
    let refresh = "mutation($token: String!) { sessionRefresh(refreshToken: $token) { userErrors { code path } } }";
    let token = json!({ "token": session["refreshToken"] });
    let refused = accounts.guest.data(refresh, token).await;
    assert_eq!(
        codes(&refused["sessionRefresh"]),
        one("TOKEN_INVALID", json!(["refreshToken"]))
    );
    set(&staff, &id, "ACTIVE").await;
    assert_eq!(
        reason().await,
        (401, json!("SESSION_REVOKED")),
        "old sessions stay ended"
    );
    accounts.log_in("ada@example.org", PASSWORD).await;

    let admin_id = me(&admin).await["id"].take();
    let forbidden = set(&staff, &admin_id, "DISABLED").await;
    assert_eq!(
        forbidden["errors"][0]["extensions"]["code"], "FORBIDDEN",
        "{forbidden}"
    );
    assert_eq!(forbidden["errors"][0]["path"], json!(["userSetStatus"]));
}

#[tokio::test]
async fn users_see_themselves_and_staff_sees_all() {
    let accounts = Accounts::open().await;
    let staff = accounts.member("staff@example.org", Role::Staff).await;
    let ada = accounts.member("ada@example.org", Role::Customer).await;
    let bob = accounts.member("bob@example.org", Role::Customer).await;
    let id = me(&ada).await["id"].take();
    let query = "query($id: ID!) { user(id: $id) { email } }";
    for (client, expected) in [
        (&ada, json!("ada@example.org")),
        (&staff, json!("ada@example.org")),
        (&bob, Value::Null),
    ] {
        assert_eq!(
            client.data(query, json!({ "id": id })).await["user"]["email"],
            expected
        );
    }
    let (_, _, body) = ada.post(query, json!({ "id": "7" })).await;
    assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");

    let emails = async |variables: Value| {
        let mut users = staff.data(USERS, variables).await["users"].take();
        let emails: Vec<String> = users["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["email"].as_str().unwrap().to_owned())
            .collect();
        (
            emails.join(" ").replace("@example.org", ""),
            users["totalCount"].take(),
            users["pageInfo"]["endCursor"].take(),
        )
    };
    let oldest = json!({ "field": "CREATED_AT", "direction": "ASC" });
    let first = emails(json!({ "first": 2, "orderBy": oldest })).await;
    assert_eq!((first.0.as_str(), &first.1), ("staff ada", &json!(3)));
    assert_eq!(
        emails(json!({ "first": 2, "orderBy": oldest, "after": first.2 }))
            .await
            .0,
        "bob"
    );
    assert_eq!(
        emails(json!({ "first": 2, "page": 2, "orderBy": oldest }))
            .await
            .0,
        "bob"
    );
    assert_eq!(emails(json!({})).await.0, "bob ada staff", "newest first");
    let cases = [
        (json!({ "role": { "eq": "STAFF" } }), "staff"),
        (json!({ "role": { "in": ["STAFF", "ADMIN"] } }), "staff"),
        (json!({ "role": { "eq": "STAFF", "in": ["ADMIN"] } }), ""),
        (json!({ "role": { "in": [] } }), ""),
        (json!({ "status": { "eq": "DISABLED" } }), ""),
        (json!({ "email": { "eq": " ADA@example.org" } }), "ada"),
        (
            json!({ "email": { "in": ["bob@example.org", "x"] }, "role": { "eq": "CUSTOMER" } }),
            "bob",
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            emails(json!({ "filter": filter })).await.0,
            expected,
            "{filter}"
        );
    }
    let by_name = json!({ "field": "NAME", "direction": "DESC" });
    assert_eq!(
        emails(json!({ "orderBy": by_name })).await.0,
        "bob ada staff",
        "equal names by their ids"
    );
    let (_, _, body) = staff.post(USERS, json!({ "after": first.2 })).await;
    assert_eq!(
        body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "a cursor of another order"
    );
}
