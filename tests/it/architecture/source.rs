//! Reads Rust well enough for the rules: code without comments, text and unit tests, and every path it names.

use std::collections::HashMap;

/// A file as the rules see it.
pub(super) struct Source {
    /// Path from the repository's root, as `src/domain/orders/store.rs`.
    pub(super) path: String,
    /// As it was read.
    pub(super) text: String,
    /// Words and signs outside of comments, text literals and `#[cfg(test)]` items.
    pub(super) tokens: Vec<Token>,
    /// Lines without the `#[cfg(test)]` items.
    pub(super) lines: usize,
}

/// A word or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A path that the code names, from its root: `crate::domain::orders::store` or `sea_orm::DbErr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) parts: Vec<String>,
}

impl Named {
    /// Whether the path begins with these parts (`sea_orm`, `crate::domain`).
    pub(super) fn is_under(&self, root: &str) -> bool {
        let mut parts = self.parts.iter();
        root.split("::")
            .all(|part| parts.next().is_some_and(|found| found == part))
    }

    /// The part at a place, or nothing.
    pub(super) fn part(&self, place: usize) -> &str {
        self.parts.get(place).map_or("", String::as_str)
    }
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (tokens, test_lines) = without_tests(tokens(&blank(text)));
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            lines: text.lines().count().saturating_sub(test_lines),
            tokens,
        }
    }

    /// The module that the file is: `["crate", "domain", "orders"]` for `src/domain/orders/mod.rs`.
    fn module(&self) -> Vec<String> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let inner = inner.trim_end_matches("/mod");
        std::iter::once("crate")
            .chain(
                inner
                    .split('/')
                    .filter(|part| !matches!(*part, "lib" | "main" | "mod")),
            )
            .map(str::to_owned)
            .collect()
    }

    /// Every path that the code names, with `use`, `self` and `super` resolved.
    pub(super) fn named(&self) -> Vec<Named> {
        let module = self.module();
        let (mut named, mut aliases, mut rest) = (Vec::new(), HashMap::new(), Vec::new());
        let mut at = 0;
        while at < self.tokens.len() {
            if self.tokens[at].text == "use" {
                let mut leaves = Vec::new();
                at = use_tree(&self.tokens, at + 1, &[], &mut leaves);
                for (alias, leaf) in leaves {
                    let leaf = resolve(leaf, &module, &HashMap::new());
                    aliases.insert(alias, leaf.parts.clone());
                    named.push(leaf);
                }
            } else {
                rest.push(at);
                at += 1;
            }
        }
        let mut rest = rest.into_iter().peekable();
        while let Some(at) = rest.next() {
            if !is_word(&self.tokens[at].text) {
                continue;
            }
            let (line, mut parts) = (self.tokens[at].line, vec![self.tokens[at].text.clone()]);
            let mut end = at;
            while self.is(end + 1, "::")
                && self.tokens.get(end + 2).is_some_and(|t| is_word(&t.text))
            {
                parts.push(self.tokens[end + 2].text.clone());
                end += 2;
            }
            while rest.next_if(|next| *next <= end).is_some() {}
            if parts.len() > 1 {
                named.push(resolve(Named { line, parts }, &module, &aliases));
            }
        }
        named
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text)
    }

    /// Lines at which these tokens follow each other.
    pub(super) fn sequence(&self, texts: &[&str]) -> Vec<usize> {
        (0..self.tokens.len())
            .filter(|at| {
                texts
                    .iter()
                    .enumerate()
                    .all(|(n, text)| self.is(at + n, text))
            })
            .map(|at| self.tokens[at].line)
            .collect()
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Makes a path begin at its root: `super::store` becomes `crate::domain::orders::store`.
fn resolve(named: Named, module: &[String], aliases: &HashMap<String, Vec<String>>) -> Named {
    let Named { line, parts } = named;
    let supers = parts.iter().take_while(|part| *part == "super").count();
    let (root, skip) = if supers > 0 {
        (
            module[..module.len().saturating_sub(supers)].to_vec(),
            supers,
        )
    } else if parts[0] == "self" {
        (module.to_vec(), 1)
    } else if let Some(root) = aliases.get(&parts[0]) {
        (root.clone(), 1)
    } else {
        (Vec::new(), 0)
    };
    let parts = root
        .into_iter()
        .chain(parts.into_iter().skip(skip))
        .collect();
    Named { line, parts }
}

/// Reads one tree of a `use`; returns where it ends. A leaf is what it is called here and its path.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    above: &[String],
    leaves: &mut Vec<(String, Named)>,
) -> usize {
    let mut parts = above.to_vec();
    let mut line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = use_tree(tokens, at, &parts, leaves);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => {
                let alias = tokens.get(at + 1).map_or("_", |token| token.text.as_str());
                leaves.push((alias.to_owned(), Named { line, parts }));
                return at + 2;
            }
            "," | "}" | ";" => break,
            text => {
                line = token.line;
                // `{self, …}` is the module itself.
                if text != "self" || parts.is_empty() {
                    parts.push(text.to_owned());
                }
                at += 1;
            }
        }
    }
    if let Some(alias) = parts.last().cloned() {
        leaves.push((alias, Named { line, parts }));
    }
    at
}

/// Drops items that are marked `#[cfg(test)]`, and counts their lines.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, usize) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut dropped, mut at) = (Vec::with_capacity(tokens.len()), 0, 0);
    while at < tokens.len() {
        let marked = MARK
            .iter()
            .enumerate()
            .all(|(n, text)| tokens.get(at + n).is_some_and(|token| token.text == *text));
        if !marked {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let first = tokens[at].line;
        let mut depth = 0_usize;
        at += MARK.len();
        let mut last = first;
        while let Some(token) = tokens.get(at) {
            last = token.line;
            at += 1;
            match token.text.as_str() {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        dropped += last - first + 1;
    }
    (kept, dropped)
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            if !first.is_whitespace() {
                tokens.push(Token {
                    text: text.to_owned(),
                    line: number + 1,
                });
            }
            rest = after;
        }
    }
    tokens
}

/// The code with comments and literals of text blanked; lines stay where they are.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = comment(rest).or_else(|| literal(rest, &code));
        match length {
            Some(length) => {
                code.extend(
                    rest[..length]
                        .chars()
                        .map(|c| if c == '\n' { '\n' } else { ' ' }),
                );
                rest = &rest[length..];
            }
            None => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    code
}

/// Length of the comment that begins here.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(rest.len())
}

/// Length of the text or character literal that begins here; `before` is the code up to it.
fn literal(rest: &str, before: &str) -> Option<usize> {
    let in_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(raw) = rest.strip_prefix('r').or_else(|| rest.strip_prefix("br")) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = rest.len() - raw.len() + hashes + 1;
            return Some(
                rest[body..]
                    .find(&end)
                    .map_or(rest.len(), |at| body + at + end.len()),
            );
        }
    }
    if rest.starts_with('"') {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        return Some(end.map_or(rest.len(), |(at, _)| at + 1));
    }
    if rest.starts_with('\'') {
        let mut chars = rest.char_indices().skip(1);
        let (_, first) = chars.next()?;
        let (at, second) = chars.next()?;
        if first == '\\' {
            return Some(
                rest[at + second.len_utf8()..]
                    .find('\'')
                    .map_or(rest.len(), |end| at + second.len_utf8() + end + 1),
            );
        }
        // Otherwise it is a lifetime.
        return (second == '\'').then_some(at + 1);
    }
    None
}
