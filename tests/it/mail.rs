//! Mail: into a folder, and to a server that takes it, refuses it, says to come back, or is not there.

use crate::support::settings;
use crate::support::smtp::SmtpServer;
use serde_json::json;
use tokio::net::TcpListener;
use tradepost::config::Config;
use tradepost::health::State;
use tradepost::mail::{Error, Mail, Mailer};

fn mail(name: &str) -> Mail {
    Mail {
        name: name.to_owned(),
        to: "ada@example.org".to_owned(),
        to_name: "Ada Lovelace".to_owned(),
        subject: "Your order – £5".to_owned(),
        text: "Thank you.".to_owned(),
        html: "<p>Thank you.</p>".to_owned(),
    }
}

fn mailer(changes: &[(&'static str, serde_json::Value)]) -> (Mailer, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.extend_from_slice(changes);
    let config = Config::with(settings).unwrap();
    (Mailer::new(&config).unwrap(), dir)
}

#[tokio::test]
async fn without_a_server_each_mail_is_one_file() {
    let (mailer, dir) = mailer(&[]);
    mailer.send(&mail("order-1")).await.unwrap();
    mailer.send(&mail("order-2")).await.unwrap();
    // Sent again after a crash it is the same mail.
    mailer.send(&mail("order-1")).await.unwrap();
    let mut names: Vec<String> = std::fs::read_dir(dir.path().join("mail"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["order-1.eml", "order-2.eml"]);
    let text = std::fs::read_to_string(dir.path().join("mail/order-1.eml")).unwrap();
    for part in [
        "From: Tradepost <shop@localhost>",
        "To: \"Ada Lovelace\" <ada@example.org>",
        "Message-ID: <order-1@localhost>",
        "Thank you.",
        "<p>Thank you.</p>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(mailer.health().await.state, State::Ok);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_for_good() {
    let (mailer, _dir) = mailer(&[]);
    for to in [
        "nobody",
        "a b@example.org",
        "a@example.org\r\nBcc: b@example.org",
    ] {
        let mail = Mail {
            to: to.to_owned(),
            ..mail("order-1")
        };
        let error = mailer.send(&mail).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{to}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_gets_the_mail_with_its_name() {
    let server = SmtpServer::start().await;
    let (mailer, _dir) = mailer(&[("mail.smtp_url", json!(server.url()))]);
    assert_eq!(mailer.health().await.state, State::Ok);
    mailer.send(&mail("order-1")).await.unwrap();
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("Message-ID: <order-1@localhost>"),
        "{mails:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_for_good_a_delay_is_not_and_a_server_that_closes_says_nothing_of_the_mail() {
    let server = SmtpServer::start().await;
    let (mailer, _dir) = mailer(&[("mail.smtp_url", json!(server.url()))]);
    server.judge("ada@example.org", "550 no such user");
    let error = mailer.send(&mail("order-1")).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    server.judge("ada@example.org", "451 come back");
    let error = mailer.send(&mail("order-1")).await.unwrap_err();
    assert!(matches!(error, Error::Later(_)), "{error:?}");
    server.judge("ada@example.org", "421 closing");
    let error = mailer.send(&mail("order-1")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_server_that_is_away_or_says_nothing_may_be_asked_later() {
    let away = SmtpServer::stopped().await.url();
    // Accepts, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("smtp://{}", silent.local_addr().unwrap());
    for url in [away, mute] {
        let (mailer, _dir) = mailer(&[
            ("mail.smtp_url", json!(url)),
            ("mail.timeout_ms", json!(300)),
        ]);
        let error = mailer.send(&mail("order-1")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        assert_eq!(mailer.health().await.state, State::Degraded);
    }
}
