//! Mail: handed to an SMTP server, or written into a folder where none is configured.
//!
//! A mail is named by what caused it. The name is its `Message-ID` and, in the folder, its file's name: a mail that is
//! sent again after a crash is the same mail, and a folder holds it once.

use crate::config::{self, Config};
use crate::error::Fault;
use crate::health::Health;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// Answers that are about the server or about us, whatever mail is sent: it shuts down (RFC 5321, section 3.8), or does
/// not let us in (RFC 4954, section 6).
const ABOUT_THE_SERVER: &[u16] = &[421, 454, 530, 534, 535, 538];

/// A mail to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What caused it, the same when it is sent again: letters, digits, hyphens and dots.
    pub name: String,
    /// Address.
    pub to: String,
    /// The person's name.
    pub to_name: String,
    /// Subject.
    pub subject: String,
    /// The text for all.
    pub text: String,
    /// The same for those who see HTML.
    pub html: String,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It never will be: the address or the content is refused.
    #[error("the mail is refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server wants this mail later.
    #[error("the mail server wants the mail later")]
    Later(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No mail can be sent now: the server is away or shuts down.
    #[error("no mail can be sent now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends mails; cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailer {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    from: Mailbox,
    /// The part of a `Message-ID` after the `@`.
    domain: String,
    way: Way,
    timeout: Duration,
}

#[derive(Debug)]
enum Way {
    Folder(PathBuf),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Mailer {
    /// The mailer that the settings ask for; nothing is connected yet.
    ///
    /// # Errors
    /// The sender or the server's address cannot be read.
    pub fn new(config: &Config) -> Result<Self, Fault> {
        let config::Mail {
            smtp_url,
            from,
            timeout_ms,
            ..
        } = &config.mail;
        let from: Mailbox = from.parse().map_err(Fault::doing("reading mail.from"))?;
        let timeout = Duration::from_millis(*timeout_ms);
        let way = if smtp_url.expose().is_empty() {
            Way::Folder(config.mail_folder())
        } else {
            let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url.expose())
                .map_err(Fault::doing("reading mail.smtp_url"))?;
            Way::Smtp(builder.timeout(Some(timeout)).build())
        };
        Ok(Self {
            parts: Arc::new(Parts {
                domain: from.email.domain().to_owned(),
                from,
                way,
                timeout,
            }),
        })
    }

    /// Sends a mail, at most `mail.timeout_ms` long. After [`Error::Unavailable`] it may have been sent all the same.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(&self, mail: &Mail) -> Result<(), Error> {
        let message = self.message(mail)?;
        let sending = async {
            match &self.parts.way {
                Way::Folder(folder) => write(folder, &mail.name, &message.formatted())
                    .await
                    .map_err(|error| Error::Unavailable(Box::new(error))),
                Way::Smtp(server) => match server.send(message).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(smtp_error(error)),
                },
            }
        };
        tokio::time::timeout(self.parts.timeout, sending)
            .await
            .unwrap_or_else(|late| Err(Error::Unavailable(Box::new(late))))
    }

    fn message(&self, mail: &Mail) -> Result<Message, Error> {
        let refused = |error| Error::Refused(error);
        let address: Address = mail
            .to
            .parse()
            .map_err(|error: lettre::address::AddressError| refused(Box::new(error)))?;
        Message::builder()
            .from(self.parts.from.clone())
            .to(Mailbox::new(Some(mail.to_name.clone()), address))
            .subject(&mail.subject)
            .message_id(Some(format!("<{}@{}>", mail.name, self.parts.domain)))
            .multipart(MultiPart::alternative_plain_html(
                mail.text.clone(),
                mail.html.clone(),
            ))
            .map_err(|error| refused(Box::new(error)))
    }

    /// Whether the server answers, for `doctor` and `/readyz`.
    pub async fn health(&self) -> Health {
        match &self.parts.way {
            Way::Folder(folder) => Health::ok(format!("files in {}", folder.display())),
            Way::Smtp(server) => {
                match tokio::time::timeout(self.parts.timeout, server.test_connection()).await {
                    Ok(Ok(true)) => Health::ok("SMTP"),
                    Ok(Ok(false)) => Health::degraded("the SMTP server does not answer NOOP"),
                    Ok(Err(error)) => Health::degraded(format!(
                        "the SMTP server does not answer: {}",
                        crate::error::chain(&error)
                    )),
                    Err(_) => Health::degraded("the SMTP server does not answer in time"),
                }
            }
        }
    }
}

/// A refusal for good is an answer that begins with 5, one that may pass begins with 4 (RFC 5321, section 4.2.1).
/// Whatever is no answer says nothing about the mail.
fn smtp_error(error: smtp::Error) -> Error {
    let is_about_server = error
        .status()
        .is_some_and(|code| ABOUT_THE_SERVER.contains(&u16::from(code)));
    if is_about_server {
        Error::Unavailable(Box::new(error))
    } else if error.is_permanent() || error.is_client() {
        Error::Refused(Box::new(error))
    } else if error.is_transient() {
        Error::Later(Box::new(error))
    } else {
        Error::Unavailable(Box::new(error))
    }
}

/// Writes a file whole or not at all, once for each name.
async fn write(folder: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let (part, whole) = (
        folder.join(format!("{name}.part")),
        folder.join(format!("{name}.eml")),
    );
    let mut file = tokio::fs::File::create(&part).await?;
    file.write_all(content).await?;
    file.sync_all().await?;
    tokio::fs::rename(part, whole).await
}
