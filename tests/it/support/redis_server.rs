//! A Redis of a test's own, to be killed, frozen and restarted.

use super::wait::eventually;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A server that keeps what it holds in a file; it ends when this is dropped.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    dir: TempDir,
    secured: bool,
}

/// What a secured server wants to hear.
const PASSWORD: &str = "only for this test";

impl RedisServer {
    /// Starts it on a free port and waits until it answers.
    pub(crate) async fn start() -> Self {
        Self::start_as(false).await
    }

    /// The same with TLS, by a certificate of its own authority ([`RedisServer::ca_file`]), and a password.
    pub(crate) async fn start_secured() -> Self {
        Self::start_as(true).await
    }

    async fn start_as(secured: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dir = tempfile::tempdir().unwrap();
        if secured {
            certify(dir.path());
        }
        let server = Self {
            child: spawn(port, &dir, secured),
            port,
            dir,
            secured,
        };
        server.until_ready().await;
        server
    }

    /// Its address for the setting `redis.url`.
    pub(crate) fn url(&self) -> String {
        if self.secured {
            let password = PASSWORD.replace(' ', "%20");
            format!("rediss://:{password}@localhost:{}", self.port)
        } else {
            format!("redis://127.0.0.1:{}", self.port)
        }
    }

    /// The authority that signed its certificate, for the setting `redis.ca_file`.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Writes what it holds into its file.
    pub(crate) async fn save(&self) {
        let _: String = redis::cmd("SAVE")
            .query_async(&mut self.connection().await.unwrap())
            .await
            .unwrap();
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again with what its file holds.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir, self.secured);
        self.until_ready().await;
    }

    /// Removes its file: it will start empty.
    pub(crate) fn lose_data(&self) {
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// Freezes it: connections stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Thaws it.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// A connection of the test's own.
    pub(crate) async fn connection(&self) -> Option<redis::aio::MultiplexedConnection> {
        let client = if self.secured {
            let certificates = redis::TlsCertificates {
                client_tls: None,
                root_cert: Some(std::fs::read(self.ca_file()).unwrap()),
            };
            redis::Client::build_with_tls(self.url(), certificates).unwrap()
        } else {
            redis::Client::open(self.url()).unwrap()
        };
        client.get_multiplexed_async_connection().await.ok()
    }

    async fn until_ready(&self) {
        eventually("Redis answers", async || {
            let mut connection = self.connection().await?;
            let pong: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
            pong.ok()
        })
        .await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

/// Writes an authority, and a certificate of it for `localhost`.
fn certify(dir: &Path) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    for (name, text) in [
        ("ca.pem", ca_pem),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

fn spawn(port: u16, dir: &TempDir, secured: bool) -> Child {
    let (port, dir) = (port.to_string(), dir.path());
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .arg("--dir")
        .arg(dir);
    if secured {
        command
            .args(["--port", "0", "--tls-auth-clients", "no"])
            .args(["--tls-port", &port, "--requirepass", PASSWORD])
            .arg("--tls-cert-file")
            .arg(dir.join("server.pem"))
            .arg("--tls-key-file")
            .arg(dir.join("server.key"))
            .arg("--tls-ca-cert-file")
            .arg(dir.join("ca.pem"));
    } else {
        command.args(["--port", &port]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed: scripts/services up")
}
