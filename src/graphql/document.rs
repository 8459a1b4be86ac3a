//! What is looked at in a document before it may be validated: its size, and which operation it asks for.
//!
//! The parser recurses, so [`scan`] runs before it and does not; validation visits every spread of a fragment, so
//! [`inspect`] counts them first, each fragment once. Without the two, 3 KB from anybody end the process or keep it
//! busy for seconds.

use crate::config::Limits;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned};
use std::collections::{HashMap, HashSet};

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is larger than the limits allow: `QUERY_TOO_COMPLEX`.
    TooComplex(String),
    /// It is not a document, or has not the operation that was named: `BAD_USER_INPUT`.
    Invalid(String),
}

/// What [`scan`] saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Places where a variable is declared or used.
    pub variables: usize,
}

/// Reads the document once, without recursion, as the parser will: brackets of any kind may be nested
/// `limits.brackets` deep outside strings and comments, and there may be `limits.tokens` tokens.
///
/// A string without its end is refused here, because the parser would then see other tokens than this scan.
///
/// # Errors
/// The document is too large or too deep, or cannot be one.
pub fn scan(text: &str, limits: &Limits) -> Result<Scan, Refusal> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut tokens) = (0, 0_usize, 0_usize);
    let mut seen = Scan::default();
    while let Some(&byte) = bytes.get(at) {
        let mut end = at + 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at = end;
                continue;
            }
            b'#' => {
                at = run(bytes, end, |b| b != b'\n' && b != b'\r');
                continue;
            }
            0 => return Err(nul()),
            b'"' => end = string_end(bytes, at)?,
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > limits.brackets {
                    return Err(Refusal::TooComplex(format!(
                        "The document's brackets are nested more than {} deep.",
                        limits.brackets
                    )));
                }
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'.' => end = run(bytes, end, |b| b == b'.'),
            b'$' => seen.variables += 1,
            _ if is_word(byte) => end = run(bytes, end, is_word),
            _ => {}
        }
        at = end;
        tokens += 1;
        if tokens > limits.tokens {
            return Err(Refusal::TooComplex(format!(
                "The document has more than {} tokens.",
                limits.tokens
            )));
        }
    }
    Ok(seen)
}

fn nul() -> Refusal {
    Refusal::Invalid("The document contains the character NUL.".to_owned())
}

/// Letters of names and numbers, and all that is not ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The first place from `at` on whose byte is not `in_run`.
fn run(bytes: &[u8], at: usize, in_run: impl Fn(u8) -> bool) -> usize {
    bytes[at..]
        .iter()
        .position(|&b| !in_run(b))
        .map_or(bytes.len(), |length| at + length)
}

/// The place after the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let unended = || Refusal::Invalid("The document has a string without its end.".to_owned());
    let block = bytes[at..].starts_with(b"\"\"\"");
    let mut at = at + if block { 3 } else { 1 };
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match (rest.first(), block) {
            (None, _) | (Some(b'\n' | b'\r'), false) => return Err(unended()),
            (Some(0), _) => return Err(nul()),
            (Some(b'"'), false) => return Ok(at + 1),
            (Some(b'\\'), false) if rest.starts_with(b"\\u0000") => return Err(nul()),
            (Some(b'\\'), false) => at += 2,
            (Some(b'"'), true) if rest.starts_with(b"\"\"\"") => return Ok(at + 3),
            (Some(b'\\'), true) if rest.starts_with(b"\\\"\"\"") => at += 4,
            _ => at += 1,
        }
    }
}

/// The operation that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Names of its root fields through all fragments; each response key counts once, `__typename` does not.
    pub root_fields: Vec<String>,
}

/// Counts what the document asks for and finds the operation.
///
/// # Errors
/// The operation is not there or cannot be told, a fragment spreads itself, or a limit is passed.
pub fn inspect(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
    limits: &Limits,
) -> Result<Operation, Refusal> {
    check_size(document, limits)?;
    let (name, operation) = select(&document.operations, operation_name)?;
    let mut roots = Roots {
        document,
        fragments: HashSet::new(),
        keys: HashSet::new(),
        names: Vec::new(),
    };
    roots.add(&operation.selection_set.node);
    let root_fields = roots.names;
    if operation.ty == OperationType::Mutation && root_fields.len() > limits.root_mutations {
        return Err(Refusal::TooComplex(format!(
            "A request may have {} mutations; this one has {}.",
            limits.root_mutations,
            root_fields.len()
        )));
    }
    Ok(Operation {
        kind: operation.ty,
        name: name.map(ToString::to_string),
        root_fields,
    })
}

/// The operation that is meant in a document that was inspected: the one of this name, or the only one.
pub(super) fn selected<'d>(
    operations: &'d DocumentOperations,
    name: Option<&str>,
) -> Option<&'d Positioned<OperationDefinition>> {
    operations
        .iter()
        .find(|(found, _)| name.is_none() || found.map(Name::as_str) == name)
        .map(|(_, operation)| operation)
}

fn select<'d>(
    operations: &'d DocumentOperations,
    wanted: Option<&str>,
) -> Result<(Option<&'d Name>, &'d OperationDefinition), Refusal> {
    let mut all = operations.iter();
    let found = match wanted {
        Some(wanted) => all.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => {
            let first = all.next();
            if all.next().is_some() {
                return Err(Refusal::Invalid(
                    "The document has several operations: say in operationName which one to run."
                        .to_owned(),
                ));
            }
            first
        }
    };
    let missing = || match wanted {
        Some(wanted) => {
            let wanted: String = wanted.chars().take(100).collect();
            Refusal::Invalid(format!("The document has no operation named {wanted:?}."))
        }
        None => Refusal::Invalid("The document has no operation.".to_owned()),
    };
    found
        .map(|(name, operation)| (name, &operation.node))
        .ok_or_else(missing)
}

/// The root fields of one operation.
struct Roots<'d> {
    document: &'d ExecutableDocument,
    fragments: HashSet<&'d str>,
    keys: HashSet<&'d str>,
    names: Vec<String>,
}

impl<'d> Roots<'d> {
    fn add(&mut self, set: &'d SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = field.node.name.node.as_str();
                    let key = field.node.response_key().node.as_str();
                    if name != "__typename" && self.keys.insert(key) {
                        self.names.push(name.to_owned());
                    }
                }
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.document.fragments.get(name);
                    if let Some(fragment) = fragment.filter(|_| self.fragments.insert(name)) {
                        self.add(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}

/// How much a selection set is once its fragments are spread.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    selections: usize,
    depth: usize,
}

/// A fragment's size, or the mark that it is being counted further up.
enum Seen {
    Counting,
    Counted(Size),
}

struct Counter<'d> {
    document: &'d ExecutableDocument,
    limits: &'d Limits,
    fragments: HashMap<&'d str, Seen>,
}

/// All operations count together, because validation visits all of them; fragments that no operation spreads count
/// each on its own.
fn check_size(document: &ExecutableDocument, limits: &Limits) -> Result<(), Refusal> {
    let mut counter = Counter {
        document,
        limits,
        fragments: HashMap::new(),
    };
    let mut total = 0_usize;
    for (_, operation) in document.operations.iter() {
        let size = counter.set(&operation.node.selection_set.node, 1)?;
        total = total.saturating_add(size.selections);
    }
    counter.check(total)?;
    for name in document.fragments.keys() {
        let size = counter.fragment(name, 1)?;
        counter.check(size.selections)?;
    }
    Ok(())
}

impl<'d> Counter<'d> {
    fn check(&self, selections: usize) -> Result<(), Refusal> {
        if selections <= self.limits.selections {
            return Ok(());
        }
        Err(Refusal::TooComplex(format!(
            "The document selects more than {} fields once its fragments are spread.",
            self.limits.selections
        )))
    }

    fn set(&mut self, set: &'d SelectionSet, level: usize) -> Result<Size, Refusal> {
        // Recursion ends here for chains of fragments, whose length the scan does not see.
        if level > self.limits.brackets {
            return Err(too_deep(self.limits));
        }
        let mut size = Size::default();
        for selection in &set.items {
            let below = match &selection.node {
                Selection::Field(field) => self.set(&field.node.selection_set.node, level + 1)?,
                Selection::InlineFragment(inline) => {
                    self.set(&inline.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, level + 1)?
                }
            };
            size.selections = size
                .selections
                .saturating_add(1)
                .saturating_add(below.selections);
            size.depth = size.depth.max(1 + below.depth);
        }
        Ok(size)
    }

    fn fragment(&mut self, name: &'d Name, level: usize) -> Result<Size, Refusal> {
        // Validation reports fragments that do not exist.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Size::default());
        };
        match self.fragments.get(name.as_str()) {
            Some(Seen::Counting) => {
                return Err(Refusal::Invalid(format!(
                    "The fragment {name} spreads itself."
                )));
            }
            Some(Seen::Counted(size)) if level + size.depth > self.limits.brackets => {
                return Err(too_deep(self.limits));
            }
            Some(Seen::Counted(size)) => return Ok(*size),
            None => {}
        }
        self.fragments.insert(name, Seen::Counting);
        let size = self.set(&fragment.node.selection_set.node, level)?;
        self.fragments.insert(name, Seen::Counted(size));
        Ok(size)
    }
}

fn too_deep(limits: &Limits) -> Refusal {
    Refusal::TooComplex(format!(
        "Fields and fragments are nested more than {} deep.",
        limits.brackets
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use std::fmt::Write as _;

    fn limits() -> Limits {
        crate::config::Config::with::<u8>([]).unwrap().limits
    }

    fn inspect_text(text: &str, name: Option<&str>) -> Result<Operation, Refusal> {
        scan(text, &limits())?;
        inspect(&parse_query(text).unwrap(), name, &limits())
    }

    fn is_too_complex(result: &Result<impl std::fmt::Debug, Refusal>) -> bool {
        matches!(result, Err(Refusal::TooComplex(_)))
    }

    #[test]
    fn nested_literals_are_refused_before_the_parser_sees_them() {
        for (open, close) in [("[", "]"), ("{a:", "}"), ("(", ")")] {
            let text = format!("{{f(a:{}1{})}}", open.repeat(2_000), close.repeat(2_000));
            assert!(is_too_complex(&scan(&text, &limits())), "{open}");
        }
        let nested = |n: usize| format!("{{f(a:{}1{})}}", "[".repeat(n), "]".repeat(n));
        assert!(scan(&nested(38), &limits()).is_ok());
        assert!(is_too_complex(&scan(&nested(39), &limits())));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "[".repeat(100);
        for text in [
            format!("{{f(a:\"{many}\\\"{many}\")}}"),
            format!("{{f(a:\"\"\"{many}\\\"\"\"\n\"{many}\"\"\")}}"),
            format!("{{f}} # {many}\r"),
        ] {
            assert!(scan(&text, &limits()).is_ok(), "{text}");
        }
        assert!(is_too_complex(&scan(&format!("# x\r{many}"), &limits())));
    }

    #[test]
    fn a_string_without_end_cannot_hide_brackets() {
        // The parser takes `"""` without its end as an empty string and reads on.
        let hidden = format!("{{f(a:[\"\"\"x\" {}", "[".repeat(2_000));
        for text in [hidden.as_str(), "{f(a:\"x\n\")}", "{f(a:\"x", "{f(a:\"x\\"] {
            assert!(
                matches!(scan(text, &limits()), Err(Refusal::Invalid(_))),
                "{text:.40}"
            );
        }
    }

    #[test]
    fn nul_is_refused_in_every_form() {
        for text in ["{f\0}", "{f(a:\"\0\")}", "{f(a:\"\\u0000\")}"] {
            assert_eq!(scan(text, &limits()), Err(nul()), "{text:?}");
        }
        assert!(scan("{f(a:\"\\\\u0000\")}", &limits()).is_ok());
    }

    #[test]
    fn tokens_are_counted() {
        let limits = Limits {
            tokens: 8,
            ..limits()
        };
        let eight = "{ f(a: 12) } # x";
        assert_eq!(scan(eight, &limits), Ok(Scan::default()));
        assert!(is_too_complex(&scan("{ f(a: $b) }", &limits)));
        assert!(is_too_complex(&scan("{ f(a: 1) g }", &limits)));
    }

    #[test]
    fn thirty_doubling_fragments_are_refused_at_once() {
        let mut text = "{...f0} ".to_owned();
        for n in 0..30 {
            write!(
                text,
                "fragment f{n} on Query {{...f{} ...f{}}} ",
                n + 1,
                n + 1
            )
            .unwrap();
        }
        text.push_str("fragment f30 on Query {shop{name}}");
        let started = std::time::Instant::now();
        assert!(is_too_complex(&inspect_text(&text, None)));
        assert!(started.elapsed().as_millis() < 100);
        // The same when no operation spreads them.
        let unused = text.replacen("{...f0}", "{shop{name}}", 1);
        assert!(is_too_complex(&inspect_text(&unused, None)));
    }

    #[test]
    fn a_cycle_of_sixty_fragments_ends() {
        let mut text = "{...f0} ".to_owned();
        for n in 0..60 {
            write!(text, "fragment f{n} on Query {{...f{}}} ", (n + 1) % 60).unwrap();
        }
        assert!(inspect_text(&text, None).is_err());
        let small = "{...a} fragment a on Query {...b ...b} fragment b on Query {...a ...a}";
        assert!(matches!(
            inspect_text(small, None),
            Err(Refusal::Invalid(_))
        ));
    }

    #[test]
    fn a_long_chain_of_fragments_does_not_recurse_deeply() {
        let mut text = "{...f0} ".to_owned();
        for n in 0..1_500 {
            write!(text, "fragment f{n} on Query {{...f{}}} ", n + 1).unwrap();
        }
        text.push_str("fragment f1500 on Query {shop{name}}");
        assert!(is_too_complex(&inspect_text(&text, None)));
    }

    #[test]
    fn operations_are_found_by_name() {
        let text = "query A {shop{name}} mutation B {x: sessionCreate ...c} fragment c on Mutation {y: orderCreate __typename}";
        let b = inspect_text(text, Some("B")).unwrap();
        assert_eq!(b.kind, OperationType::Mutation);
        assert_eq!(b.root_fields, ["sessionCreate", "orderCreate"]);
        assert!(inspect_text(text, Some("C")).is_err());
        assert!(inspect_text(text, None).is_err());
        assert!(inspect_text("{shop{name}}", Some("A")).is_err());
        assert_eq!(inspect_text("{shop{name}}", None).unwrap().name, None);
    }

    #[test]
    fn root_mutations_are_limited_by_response_key() {
        let five = "mutation {a:f b:f c:f ...g} fragment g on Mutation {d:f e:f}";
        assert!(is_too_complex(&inspect_text(five, None)));
        let four = "mutation {a:f b:f c:f ...g ...g d:f} fragment g on Mutation {d:f}";
        assert_eq!(inspect_text(four, None).unwrap().root_fields.len(), 4);
    }
}
