//! Mail: into a folder, and to a server that takes it, refuses it, says to come back, or is not there.

use crate::support::settings;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
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

/// An SMTP server that says `verdict` to every recipient and keeps the mails it takes.
async fn server(verdict: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let mails = taken.clone();
    crate::support::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            crate::support::spawn(converse(stream, verdict, mails.clone()));
        }
    });
    (url, taken)
}

async fn converse(stream: TcpStream, verdict: &str, mails: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut say = async |text: &str| write.write_all(format!("{text}\r\n").as_bytes()).await;
    let mut answered = say("220 here").await;
    while let (Ok(()), Ok(Some(line))) = (answered, lines.next_line().await) {
        answered = match line.split_whitespace().next().unwrap_or_default() {
            "RCPT" => say(verdict).await,
            "DATA" => {
                let mut mail = String::new();
                let mut said = say("354 go on").await;
                while let (Ok(()), Ok(Some(line))) = (&said, lines.next_line().await) {
                    if line == "." {
                        mails.lock().unwrap().push(std::mem::take(&mut mail));
                        said = say("250 taken").await;
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                said
            }
            _ => say("250 yes").await,
        };
    }
}

#[tokio::test]
async fn a_server_gets_the_mail_with_its_name() {
    let (url, taken) = server("250 yes").await;
    let (mailer, _dir) = mailer(&[("mail.smtp_url", json!(url))]);
    assert_eq!(mailer.health().await.state, State::Ok);
    mailer.send(&mail("order-1")).await.unwrap();
    let mails = taken.lock().unwrap().clone();
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("Message-ID: <order-1@localhost>"),
        "{mails:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_for_good_and_a_delay_is_not() {
    for (verdict, refused) in [("550 no such user", true), ("451 come back", false)] {
        let (url, taken) = server(verdict).await;
        let (mailer, _dir) = mailer(&[("mail.smtp_url", json!(url))]);
        let error = mailer.send(&mail("order-1")).await.unwrap_err();
        assert_eq!(matches!(error, Error::Refused(_)), refused, "{error:?}");
        assert!(taken.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_says_nothing_may_be_asked_later() {
    // Nobody listens on a port that was just given back.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("smtp://{}", gone.local_addr().unwrap());
    drop(gone);
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
