//! What mails say.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use std::sync::{Arc, LazyLock};

/// Templates, or what is wrong with them.
type Templates = Result<Environment<'static>, Arc<minijinja::Error>>;

/// The templates, read once. Those whose names end in `.html` escape what is put into them.
static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.add_template("subject.txt", include_str!("templates/subject.txt"))?;
    templates.add_template("sentence.txt", include_str!("templates/sentence.txt"))?;
    templates.add_template("order.txt", include_str!("templates/order.txt"))?;
    templates.add_template("order.html", include_str!("templates/order.html"))?;
    Ok(templates)
});

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The order was made.
    Created,
    /// It was paid.
    Paid,
    /// It left the warehouse, whole or in part.
    Fulfilled,
    /// It was cancelled.
    Cancelled,
    /// Money went back.
    Refunded,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Created,
        Self::Paid,
        Self::Fulfilled,
        Self::Cancelled,
        Self::Refunded,
    ];

    /// Its name, in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Paid => "paid",
            Self::Fulfilled => "fulfilled",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }

    /// The kind of mail that an event causes, if it causes one.
    #[must_use]
    pub fn of_event(event_type: &str) -> Option<Self> {
        Some(match event_type {
            "tradepost.order.created.v1" => Self::Created,
            "tradepost.order.paid.v1" => Self::Paid,
            "tradepost.order.fulfilled.v1" => Self::Fulfilled,
            "tradepost.order.cancelled.v1" => Self::Cancelled,
            "tradepost.order.refunded.v1" => Self::Refunded,
            _ => return None,
        })
    }
}

/// What a mail about an order says, as the database knows it. Amounts are texts with their currency: `150.00 GBP`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// What happened.
    pub kind: Kind,
    /// The shop's name.
    pub shop: String,
    /// The customer's name.
    pub name: String,
    /// The order's number.
    pub number: String,
    /// What was bought; what is in the parcel; what is paid back.
    pub lines: Vec<Line>,
    /// What that costs, or what goes back; nothing for a parcel.
    pub total: Option<String>,
    /// Until when the stock is held, for an order that waits for its payment.
    pub held_until: Option<String>,
    /// Why, of a cancellation or a refund.
    pub reason: Option<String>,
    /// How a parcel is followed.
    pub tracking: Option<String>,
    /// The parcel is not all of the order.
    pub is_part: bool,
    /// Money was taken for the order.
    pub is_paid: bool,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What.
    pub name: String,
    /// Units.
    pub quantity: i64,
    /// Amount with its currency; nothing in a parcel.
    pub total: Option<String>,
}

/// A mail's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// For all.
    pub text: String,
    /// For those who see HTML.
    pub html: String,
}

/// Writes a letter.
///
/// # Errors
/// A template is wrong; the facts always have the same shape, so a test finds it.
pub fn letter(facts: &Facts) -> Result<Letter, Arc<minijinja::Error>> {
    let templates = TEMPLATES.as_ref().map_err(Arc::clone)?;
    let render = |name: &str, context: Value| -> Result<String, minijinja::Error> {
        templates.get_template(name)?.render(context)
    };
    let facts = Value::from(Serde(facts));
    let subject = render("subject.txt", facts.clone())?;
    // As a value, so that the page escapes it: an included template keeps its own way.
    let sentence = render("sentence.txt", facts.clone())?;
    let whole = context! { subject => subject.clone(), sentence, ..facts };
    Ok(Letter {
        text: render("order.txt", whole.clone())?,
        html: render("order.html", whole)?,
        subject,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: Kind) -> Facts {
        Facts {
            kind,
            shop: "Tea & Mugs".to_owned(),
            name: "Ada <Lovelace>".to_owned(),
            number: "ORD-2026-000001".to_owned(),
            lines: vec![Line {
                name: "Mug \"blue\"".to_owned(),
                quantity: 2,
                total: Some("15.00 GBP".to_owned()),
            }],
            total: Some("15.00 GBP".to_owned()),
            held_until: None,
            reason: Some("wrong <colour>".to_owned()),
            tracking: Some("RM123".to_owned()),
            is_part: false,
            is_paid: true,
        }
    }

    #[test]
    fn every_letter_says_what_happened_and_what_was_bought() {
        let mut subjects = std::collections::HashSet::new();
        for kind in Kind::ALL {
            let letter = letter(&facts(kind)).unwrap();
            assert!(letter.subject.contains("ORD-2026-000001"), "{letter:?}");
            assert!(!letter.subject.contains('\n'), "{letter:?}");
            assert!(letter.text.contains("Dear Ada <Lovelace>,"), "{letter:?}");
            let sum = match kind {
                Kind::Refunded => "Paid back",
                _ => "Total",
            };
            let lines = format!("\n2 x Mug \"blue\": 15.00 GBP\n{sum}: 15.00 GBP\n");
            assert!(letter.text.contains(&lines), "{letter:?}");
            assert!(letter.html.contains("Tea &amp; Mugs"), "{letter:?}");
            assert!(
                letter.html.contains("Dear Ada &lt;Lovelace&gt;,"),
                "{letter:?}"
            );
            assert!(!letter.html.contains("<colour>"), "{letter:?}");
            assert!(subjects.insert(letter.subject), "each has its own subject");
        }
    }

    #[test]
    fn letters_say_only_what_is_known() {
        let text = |facts: &Facts| letter(facts).unwrap().text;
        let cancelled = facts(Kind::Cancelled);
        assert!(text(&cancelled).contains("was cancelled. Reason: wrong <colour>. What you paid"));
        let silent = Facts {
            reason: None,
            tracking: None,
            is_paid: false,
            ..cancelled
        };
        assert!(!text(&silent).contains("Reason"));
        assert!(!text(&silent).contains("paid"));
        let sent = Facts {
            total: None,
            ..facts(Kind::Fulfilled)
        };
        assert!(text(&sent).contains("Your order ORD-2026-000001 is on its way. Tracking: RM123."));
        assert!(!text(&sent).contains("Total"));
        let part = Facts {
            is_part: true,
            lines: vec![Line {
                name: "Mug".to_owned(),
                quantity: 1,
                total: None,
            }],
            ..sent
        };
        assert!(text(&part).contains("A part of your order ORD-2026-000001 is on its way."));
        assert!(text(&part).contains("\n1 x Mug\n"));
        assert!(
            text(&facts(Kind::Refunded))
                .contains("15.00 GBP of your order ORD-2026-000001 was refunded.")
        );
        let held = Facts {
            held_until: Some("12:00 UTC".to_owned()),
            ..facts(Kind::Created)
        };
        assert!(text(&held).contains("We hold it for you until 12:00 UTC."));
    }
}
