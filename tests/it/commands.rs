//! The commands of the binary, as `docs/operations.md` lists them.

use crate::support::process::Process;
use crate::support::wait::eventually;
use crate::support::{Profile, TestApp, profile};
use serde_json::json;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Events that the demo shop writes: its users, categories and products.
const SEEDED: usize = 33;

/// The binary with a test's database and folder, and none of this machine's settings.
struct Shell {
    test: TestApp,
}

/// What a command said and how it ended.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    ok: bool,
}

impl Shell {
    async fn new() -> Self {
        Self {
            test: TestApp::new().await,
        }
    }

    fn run(&self, arguments: &[&str], more: &[(&str, &str)], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tradepost"))
            .args(arguments)
            .current_dir(self.test.dir.path())
            .env_remove("REDIS_URL")
            .env_remove("KAFKA_BROKERS")
            .env("DATABASE_URL", self.test.database_url())
            .env("TRADEPOST_SERVER__ENV", "development")
            .env("TRADEPOST_SERVER__DATA_DIR", self.test.dir.path())
            .env("TRADEPOST_AUTH__BCRYPT_COST", "4")
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        Said {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            ok: output.status.success(),
        }
    }

    /// Runs a command that must succeed, and returns what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments, &[], "");
        assert!(said.ok, "{arguments:?}: {said:?}");
        said.out
    }

    /// Runs a command that must be refused, and returns why.
    fn refused(&self, arguments: &[&str], more: &[(&str, &str)]) -> String {
        let said = self.run(arguments, more, "");
        assert!(!said.ok, "{arguments:?}: {said:?}");
        said.err
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_migrated_filled_and_emptied() {
    let shell = Shell::new().await;
    shell.done(&["migrate", "fresh"]);
    let status = shell.done(&["migrate", "status"]);
    assert!(
        status.lines().count() > 10 && status.lines().all(|line| line.starts_with("done")),
        "{status}"
    );
    shell.done(&["migrate", "down", "1"]);
    let status = shell.done(&["migrate", "status"]);
    assert_eq!(
        status
            .lines()
            .filter(|line| line.starts_with("pending"))
            .count(),
        1,
        "{status}"
    );
    shell.done(&["migrate", "up"]);
    shell.done(&["seed"]);
    let why = shell.refused(&["seed"], &[]);
    assert!(why.contains("not empty"), "{why}");
    shell.done(&["migrate", "fresh"]);
    shell.done(&["seed"]);
    let waiting = shell.done(&["events", "list"]);
    assert_eq!(waiting.matches("tradepost.").count(), SEEDED, "{waiting}");
    let parked = shell.done(&["events", "list", "--parked"]);
    assert_eq!(parked, "0 events are set aside\n");
    shell.done(&[
        "events",
        "tail",
        "--from-beginning",
        "--no-follow",
        "--json",
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_looks_at_every_part_and_says_how_to_mend_what_is_wrong() {
    let shell = Shell::new().await;
    shell.done(&["migrate", "up"]);
    let said = shell.done(&["doctor"]);
    for part in ["database", "redis", "cache", "kafka", "events", "mail"] {
        let found = said
            .lines()
            .filter(|line| line.split_whitespace().nth(1) == Some(part));
        assert_eq!(found.count(), 1, "{part}: {said}");
    }
    assert!(said.contains("0 changes wait to be told"), "{said}");

    // Nothing listens there.
    let away = [("REDIS_URL", "redis://127.0.0.1:1")];
    let said = shell.run(&["doctor"], &away, "");
    assert!(!said.ok, "{said:?}");
    assert!(said.err.contains("not well: redis"), "{said:?}");
    let degraded = said.out.lines().filter(|line| line.starts_with("degraded"));
    assert!(
        degraded.count() >= 2,
        "the push channel and the cache: {said:?}"
    );
    assert!(said.out.contains("to mend: start Redis"), "{said:?}");

    shell.done(&["migrate", "down", "1"]);
    let said = shell.run(&["doctor"], &[], "");
    assert!(
        !said.ok && said.out.contains("to mend: `tradepost migrate up`"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_that_does_not_add_up_is_told_and_fails() {
    use entity::inventory::stock;
    use sea_orm::EntityTrait as _;
    use sea_orm::sea_query::{Expr, ExprTrait as _};
    let shell = Shell::new().await;
    shell.done(&["seed"]);
    let said = shell.done(&["stock", "verify"]);
    assert!(said.contains("places were recomputed"), "{said}");
    let broken = shell.test.app.db().write("test.break", async |tx| {
        stock::Entity::update_many()
            .col_expr(
                stock::Column::OnHand,
                Expr::col(stock::Column::OnHand).add(1),
            )
            .exec(&*tx)
            .await?;
        Ok::<_, tradepost::error::Fault>(())
    });
    broken.await.unwrap();
    let said = shell.run(&["stock", "verify"], &[], "");
    assert!(!said.ok, "{said:?}");
    assert!(said.out.contains("on hand"), "{said:?}");
    assert!(said.err.contains("does not add up"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_made_and_promoted() {
    let shell = Shell::new().await;
    let create = [
        "user",
        "create",
        "owner@example.com",
        "--name",
        "Olga Owner",
        "--role",
        "admin",
    ];
    let said = shell.run(&create, &[], "a long password\n");
    assert!(
        said.ok && said.out.contains("owner@example.com ADMIN"),
        "{said:?}"
    );
    assert!(
        !said.out.contains("password") && !said.err.contains("a long password"),
        "{said:?}"
    );
    let again = shell.run(&create, &[], "a long password");
    assert!(!again.ok && again.err.contains("email"), "{again:?}");
    let weak = shell.run(
        &["user", "create", "short@example.com", "--name", "S"],
        &[],
        "short",
    );
    assert!(!weak.ok && weak.err.contains("password"), "{weak:?}");
    let said = shell.run(
        &["user", "create", "helper@example.com", "--name", "Hal"],
        &[],
        "another password",
    );
    assert!(said.ok, "{said:?}");
    assert!(
        shell
            .done(&["user", "promote", "helper@example.com", "staff"])
            .contains("STAFF")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_destroys_nothing_unasked_and_secrets_are_masked() {
    let shell = Shell::new().await;
    shell.done(&["seed"]);
    let key = shell.test.dir.path().join("access-token-key.pem");
    let production = [
        ("TRADEPOST_SERVER__ENV", "production"),
        ("TRADEPOST_AUTH__KEY_FILE", key.to_str().unwrap()),
    ];
    for command in [["seed", ""].as_slice(), &["migrate", "fresh"]] {
        let command: Vec<_> = command
            .iter()
            .copied()
            .filter(|part| !part.is_empty())
            .collect();
        let why = shell.refused(&command, &production);
        assert!(why.contains("--yes-destroy"), "{why}");
    }
    let why = shell.refused(&["serve"], &production);
    assert!(why.contains("demo password"), "{why}");
    let why = shell.refused(&["serve"], &production[..1]);
    assert!(why.contains("auth.key_file"), "{why}");
    let said = shell.run(
        &["config"],
        &[("REDIS_URL", "redis://:hunter2@localhost:6379")],
        "",
    );
    assert!(
        said.ok && said.out.contains("low_stock_threshold") && !said.out.contains("hunter2"),
        "{said:?}"
    );
    let why = shell.refused(&["config"], &[("TRADEPOST_SHOP__CURENCY", "EUR")]);
    assert!(why.to_lowercase().contains("curency"), "{why}");
}

/// The demo users log in at a server without background work; a process of its own does that work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serving_and_background_work_may_be_two_processes() {
    let test = TestApp::new().await;
    let mut server = Process::start_with(&test, &["serve", "--no-workers"]).await;
    server.log_in("admin@example.com", "admin123").await;
    server.log_in("staff@example.com", "staff1234").await;
    let customer = server.log_in("customer@example.com", "customer123").await;
    let mutation = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } userErrors { code } } }";
    let input = json!({ "input": { "lines": [{ "sku": "GIFT-CARD", "quantity": 1 }] } });
    let data = customer.data(mutation, input).await;
    assert!(data["orderCreate"]["order"]["id"].is_string(), "{data}");
    assert!(server.command(&["health"]).status().unwrap().success());
    if profile() == Profile::Embedded {
        let second = server.command(&["worker"]).output().unwrap();
        assert!(
            !second.status.success(),
            "a second process took the SQLite file"
        );
    }
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
    assert!(!server.command(&["health"]).status().unwrap().success());
    let waiting = test.app.events().measure().await.unwrap().pending;
    assert_eq!(
        waiting,
        SEEDED as u64 + 1,
        "the order's beside those of the demo shop"
    );

    let mut worker = server
        .command(&["worker"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the worker publishes the event", async || {
        (test.app.events().measure().await.unwrap().pending == 0).then_some(())
    })
    .await;
    let pid = worker.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(worker.wait().unwrap().code(), Some(0));
}
