//! Which media types a request has and wants.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};

/// The two forms of a GraphQL answer. They differ in the status of a request that was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: 200 for every request that could be read.
    Json,
    /// `application/graphql-response+json`: 400 for what was not executed.
    GraphqlResponse,
}

impl Media {
    /// The value of `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// What a client takes, by its `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The form that suits it best; none when it takes neither. Without `Accept`, and where a wildcard leaves the choice
    /// to us, it is `application/json`, as the draft asks of servers that serve older clients.
    pub(super) media: Option<Media>,
    /// It is to be answered with an event stream: that is named, and goes before JSON if that is named too. Clients that
    /// can read either send both, and are answered with JSON.
    pub(super) events: bool,
    /// It is a browser that wants a page: it names HTML.
    pub(super) html: bool,
}

impl Wanted {
    /// What these headers say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(ACCEPT).iter();
        let first = values.next().map(HeaderValue::as_bytes);
        let one_form = |media| Self {
            media: Some(media),
            events: false,
            html: false,
        };
        // What nearly all programs send is told without reading it piece by piece.
        match first {
            None | Some(b"application/json" | b"*/*") if values.next().is_none() => {
                return one_form(Media::Json);
            }
            Some(b"application/graphql-response+json") if values.next().is_none() => {
                return one_form(Media::GraphqlResponse);
            }
            _ => {}
        }
        Self::read(headers)
    }

    fn read(headers: &HeaderMap) -> Self {
        if ranges(headers).next().is_none() {
            return Self {
                media: Some(Media::Json),
                events: false,
                html: false,
            };
        }
        let json = quality(headers, "application", "json");
        let graphql = quality(headers, "application", "graphql-response+json");
        let media = match (json, graphql) {
            (None, None) => None,
            (None, Some(_)) => Some(Media::GraphqlResponse),
            (Some(_), None) => Some(Media::Json),
            (Some(json), Some(graphql)) => {
                // A type that was named goes before one that a wildcard lets in; of two that were named alike the newer.
                let newer = (graphql.permille, graphql.exactness)
                    >= (json.permille, json.exactness)
                    && graphql.exactness == Exactness::Named;
                Some(if newer {
                    Media::GraphqlResponse
                } else {
                    Media::Json
                })
            }
        };
        let named = |quality: Option<Quality>| {
            let quality = quality.filter(|quality| quality.exactness == Exactness::Named);
            quality.map(|quality| quality.permille)
        };
        let events = named(quality(headers, "text", "event-stream"));
        Self {
            media,
            events: events.is_some() && events > named(json).max(named(graphql)),
            html: named(quality(headers, "text", "html")).is_some(),
        }
    }
}

/// Whether it opens a WebSocket.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    texts(headers, &UPGRADE)
        .flat_map(|text| text.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("websocket"))
}

/// Whether the body is JSON in UTF-8, sent as it is.
pub(super) fn has_json_body(headers: &HeaderMap) -> bool {
    let encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value != "identity");
    let given = headers.get(CONTENT_TYPE);
    if given.is_some_and(|value| value.as_bytes() == b"application/json") {
        return !encoded;
    }
    let Some(range) = given
        .and_then(|value| value.to_str().ok())
        .and_then(Range::parse)
    else {
        return false;
    };
    range.is("application", "json") && range.is_utf8 && !encoded
}

/// How a range matched a type; a later one is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Any,
    MainType,
    Named,
}

#[derive(Clone, Copy, Debug)]
struct Quality {
    permille: u16,
    exactness: Exactness,
}

/// The quality that the closest range gives a type; none when it is refused or not mentioned.
fn quality(headers: &HeaderMap, main: &str, sub: &str) -> Option<Quality> {
    ranges(headers)
        .filter(|range| range.is_utf8)
        .filter_map(|range| {
            let exactness = if range.is("*", "*") {
                Exactness::Any
            } else if range.is(main, "*") {
                Exactness::MainType
            } else if range.is(main, sub) {
                Exactness::Named
            } else {
                return None;
            };
            Some(Quality {
                permille: range.permille,
                exactness,
            })
        })
        .max_by_key(|quality| (quality.exactness, quality.permille))
        .filter(|quality| quality.permille > 0)
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    texts(headers, &ACCEPT)
        .flat_map(|text| text.split(','))
        .filter_map(Range::parse)
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

/// A media type or range with the parameters that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range<'a> {
    main: &'a str,
    sub: &'a str,
    /// Quality in thousandths, so that it can be compared.
    permille: u16,
    /// Whether its charset is UTF-8 or not said.
    is_utf8: bool,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let (main, sub) = parts.next()?.trim().split_once('/')?;
        let mut range = Self {
            main,
            sub,
            permille: 1_000,
            is_utf8: true,
        };
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("q") {
                range.permille = permille(value)?;
            } else if name.eq_ignore_ascii_case("charset") {
                range.is_utf8 = ["utf-8", "utf8"]
                    .iter()
                    .any(|utf8| value.eq_ignore_ascii_case(utf8));
            }
        }
        Some(range)
    }

    /// Names are compared without case.
    fn is(&self, main: &str, sub: &str) -> bool {
        self.main.eq_ignore_ascii_case(main) && self.sub.eq_ignore_ascii_case(sub)
    }
}

/// `0.85` as 850.
fn permille(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !digits(fraction) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    Some(thousandths.min(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_best_form_is_chosen() {
        use Media::{GraphqlResponse as G, Json as J};
        for (accept, media) in [
            ("application/json", Some(J)),
            ("application/graphql-response+json", Some(G)),
            ("*/*", Some(J)),
            ("application/*", Some(J)),
            (
                "application/graphql-response+json, application/json",
                Some(G),
            ),
            (
                "application/json, application/graphql-response+json",
                Some(G),
            ),
            (
                "application/json, application/graphql-response+json;q=0.9",
                Some(J),
            ),
            ("application/graphql-response+json;q=0.5, */*", Some(J)),
            ("application/graphql-response+json, */*;q=0.1", Some(G)),
            ("application/json;q=0, */*", Some(G)),
            (
                "application/json;q=0, application/graphql-response+json",
                Some(G),
            ),
            ("Application/JSON; Charset=\"UTF-8\"", Some(J)),
            ("application/json; charset=iso-8859-1", None),
            ("text/html, image/png", None),
            ("text/html, */*;q=0.8", Some(J)),
            ("*/*;q=0", None),
            ("", Some(J)),
        ] {
            let given = headers(ACCEPT, &[accept]);
            assert_eq!(Wanted::of(&given).media, media, "{accept}");
            assert_eq!(Wanted::of(&given), Wanted::read(&given), "{accept}");
        }
        assert_eq!(Wanted::of(&HeaderMap::new()).media, Some(J));
        let two = headers(ACCEPT, &["text/html", "application/json"]);
        assert_eq!(Wanted::of(&two).media, Some(J));
        assert!(Wanted::of(&two).html);
        assert!(!Wanted::of(&headers(ACCEPT, &["*/*"])).html);
        let with_json = headers(ACCEPT, &["application/json", "text/html"]);
        assert!(Wanted::of(&with_json).html);
    }

    #[test]
    fn an_event_stream_goes_before_json_only_where_it_is_preferred() {
        for (accept, events) in [
            ("text/event-stream", true),
            ("text/event-stream, */*", true),
            ("text/event-stream, application/json", false),
            ("text/event-stream, application/json;q=0.9", true),
            (
                "text/event-stream;q=0.5, application/graphql-response+json",
                false,
            ),
            ("*/*", false),
            ("text/*", false),
        ] {
            let found = Wanted::of(&headers(ACCEPT, &[accept]));
            assert_eq!(found.events, events, "{accept}");
        }
    }

    #[test]
    fn only_json_in_utf_8_is_a_body() {
        for (content_type, fits) in [
            ("application/json", true),
            ("application/json;charset=utf-8", true),
            ("APPLICATION/JSON; charset=\"UTF-8\"", true),
            ("application/json; charset=utf-16", false),
            ("application/graphql-response+json", false),
            ("text/plain", false),
            ("multipart/form-data; boundary=x", false),
            ("application/x-www-form-urlencoded", false),
            ("json", false),
        ] {
            let found = has_json_body(&headers(CONTENT_TYPE, &[content_type]));
            assert_eq!(found, fits, "{content_type}");
        }
        assert!(!has_json_body(&HeaderMap::new()));
        let mut zipped = headers(CONTENT_TYPE, &["application/json"]);
        zipped.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!has_json_body(&zipped));
    }
}
