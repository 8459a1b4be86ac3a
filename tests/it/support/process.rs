//! The binary as a process of its own, to be killed.

use super::{Profile, TestApp, http, need, profile};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// A server process on a database of its own, which outlives it.
pub(crate) struct Process {
    child: Child,
    arguments: &'static [&'static str],
    settings: Vec<(String, String)>,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Process {
    /// Starts the binary on a test's database and waits until it is ready. The test's app runs no workers.
    pub(crate) async fn start(test: &TestApp) -> Self {
        Self::start_with(test, &["serve"]).await
    }

    /// The same with other arguments.
    pub(crate) async fn start_with(test: &TestApp, arguments: &'static [&'static str]) -> Self {
        Self::start_set(test, arguments, &[]).await
    }

    /// The same with further settings.
    pub(crate) async fn start_set(
        test: &TestApp,
        arguments: &'static [&'static str],
        more: &[(&str, &str)],
    ) -> Self {
        let config = test.app.config();
        let address = free_address();
        let mut settings: Vec<(String, String)> = [
            ("TRADEPOST_SERVER__ENV", "development".to_owned()),
            ("TRADEPOST_SERVER__ADDRESS", address.to_string()),
            ("TRADEPOST_SERVER__DATA_DIR", config.server.data_dir.clone()),
            ("TRADEPOST_HTTP__ADMIN_ADDRESS", String::new()),
            ("TRADEPOST_AUTH__BCRYPT_COST", "4".to_owned()),
            (
                "TRADEPOST_SHOP__RESERVATION_MIN",
                config.shop.reservation_min.to_string(),
            ),
            (
                "TRADEPOST_EVENTS__TOPIC_PREFIX",
                config.events.topic_prefix.clone(),
            ),
            (
                "TRADEPOST_EVENTS__ORDER_CREATED_TOPIC",
                config.events.order_created_topic.clone(),
            ),
            ("TRADEPOST_EVENTS__LEASE_MS", "1000".to_owned()),
            ("TRADEPOST_REDIS__PREFIX", config.redis.prefix.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        settings.push(("DATABASE_URL".to_owned(), test.database_url()));
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        settings.extend(more.iter().map(own));
        if profile() == Profile::Services {
            settings.push(("REDIS_URL".to_owned(), need("TRADEPOST_TEST_REDIS_URL")));
            settings.push((
                "KAFKA_BROKERS".to_owned(),
                need("TRADEPOST_TEST_KAFKA_BROKERS"),
            ));
        }
        let log = test.dir.path().join("server.log");
        let child = spawn(arguments, &settings, &log);
        let mut process = Self {
            child,
            arguments,
            settings,
            address,
            log,
        };
        process.wait_until_ready().await;
        process
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash does, and returns when it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether a process that ends by itself has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Starts it anew on the same database and address.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.arguments, &self.settings, &self.log);
        self.wait_until_ready().await;
    }

    /// Asks it to stop and returns its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }

    async fn wait_until_ready(&mut self) {
        let client = self.client();
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.log());
            }
            let ready = client.raw(::http::Method::GET, "/readyz").send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(
                began.elapsed() < START_LIMIT,
                "the server is not ready: {}",
                self.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A command on the same database and with the same settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradepost"));
        command
            .args(arguments)
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Where it says it.
    pub(crate) fn log_path(&self) -> &std::path::Path {
        &self.log
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A client without a token.
    pub(crate) fn client(&self) -> http::Client {
        http::Client::of(self.address)
    }

    /// A client of one of the demo users.
    pub(crate) async fn log_in(&self, identifier: &str, password: &str) -> http::Client {
        log_in(&self.client(), identifier, password).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

fn spawn(arguments: &[&str], settings: &[(String, String)], log: &std::path::Path) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_tradepost"))
        .args(arguments)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Logs in through the API.
pub(crate) async fn log_in(
    client: &http::Client,
    identifier: &str,
    password: &str,
) -> http::Client {
    let mutation = "mutation($input: SessionCreateInput!) { sessionCreate(input: $input) { accessToken userErrors { code } } }";
    let input: Value = json!({ "input": { "identifier": identifier, "password": password } });
    let data = client.data(mutation, input).await;
    let token = data["sessionCreate"]["accessToken"]
        .as_str()
        .unwrap_or_else(|| panic!("{data}"));
    client.with_token(token)
}
