//! Which media types a request has and wants.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, UPGRADE};

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

/// The form that suits the client best; none when it takes neither. Without `Accept`, and where a wildcard leaves the
/// choice to us, it is `application/json`, as the draft asks of servers that serve older clients.
pub(super) fn accepted(headers: &HeaderMap) -> Option<Media> {
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return Some(Media::Json);
    }
    let json = quality(&ranges, "application", "json");
    let graphql = quality(&ranges, "application", "graphql-response+json");
    match (json, graphql) {
        (None, None) => None,
        (None, Some(_)) => Some(Media::GraphqlResponse),
        (Some(_), None) => Some(Media::Json),
        (Some(json), Some(graphql)) => {
            // A type that was named goes before one that a wildcard lets in; of two that were named alike the newer.
            let newer = (graphql.permille, graphql.exactness) >= (json.permille, json.exactness)
                && graphql.exactness == Exactness::Named;
            Some(if newer {
                Media::GraphqlResponse
            } else {
                Media::Json
            })
        }
    }
}

/// Whether it is a browser that wants a page: it names HTML.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    quality(&ranges(headers), "text", "html")
        .is_some_and(|quality| quality.exactness == Exactness::Named)
}

/// Whether it is to be answered with an event stream: it is named, and goes before JSON if that is named too. Clients
/// that can read either send both, and are answered with JSON.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    let named = |main, sub| {
        quality(&ranges, main, sub)
            .filter(|quality| quality.exactness == Exactness::Named)
            .map(|quality| quality.permille)
    };
    let json = named("application", "json").max(named("application", "graphql-response+json"));
    let events = named("text", "event-stream");
    events.is_some() && events > json
}

/// Whether it opens a WebSocket.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    texts(headers, &UPGRADE)
        .flat_map(|text| text.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("websocket"))
}

/// Whether the body is JSON in UTF-8, sent as it is.
pub(super) fn has_json_body(headers: &HeaderMap) -> bool {
    let Some(range) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(Range::parse)
    else {
        return false;
    };
    let encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value != "identity");
    range.main == "application" && range.sub == "json" && range.is_utf8 && !encoded
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
fn quality(ranges: &[Range], main: &str, sub: &str) -> Option<Quality> {
    ranges
        .iter()
        .filter(|range| range.is_utf8)
        .filter_map(|range| {
            let exactness = match (range.main.as_str(), range.sub.as_str()) {
                ("*", "*") => Exactness::Any,
                (m, "*") if m == main => Exactness::MainType,
                (m, s) if m == main && s == sub => Exactness::Named,
                _ => return None,
            };
            Some(Quality {
                permille: range.permille,
                exactness,
            })
        })
        .max_by_key(|quality| (quality.exactness, quality.permille))
        .filter(|quality| quality.permille > 0)
}

fn ranges(headers: &HeaderMap) -> Vec<Range> {
    texts(headers, &ACCEPT)
        .flat_map(|text| text.split(','))
        .filter_map(Range::parse)
        .collect()
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

/// A media type or range with the parameters that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    main: String,
    sub: String,
    /// Quality in thousandths, so that it can be compared.
    permille: u16,
    /// Whether its charset is UTF-8 or not said.
    is_utf8: bool,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (main, sub) = parts.next()?.trim().split_once('/')?;
        let mut range = Self {
            main: main.to_ascii_lowercase(),
            sub: sub.to_ascii_lowercase(),
            permille: 1_000,
            is_utf8: true,
        };
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => range.permille = permille(value)?,
                "charset" => {
                    range.is_utf8 = ["utf-8", "utf8"]
                        .iter()
                        .any(|utf8| value.eq_ignore_ascii_case(utf8));
                }
                _ => {}
            }
        }
        Some(range)
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
            let found = accepted(&headers(ACCEPT, &[accept]));
            assert_eq!(found, media, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Some(J));
        let two = headers(ACCEPT, &["text/html", "application/json"]);
        assert_eq!(accepted(&two), Some(J));
        assert!(wants_html(&two));
        assert!(!wants_html(&headers(ACCEPT, &["*/*"])));
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
