//! The rules of input structs (`validator`), as problems with the path that the client wrote.

use crate::error::{ErrorCode, Problem};
use crate::graphql::error::ApiError;
use async_graphql::MaybeUndefined;
use validator::{Validate, ValidationError, ValidationErrors, ValidationErrorsKind};

/// Checks an input; all mistakes are reported at once. Paths are relative to the input.
///
/// # Errors
/// One problem for each broken rule.
pub fn check(input: &impl Validate) -> Result<(), Vec<Problem>> {
    match input.validate() {
        Ok(()) => Ok(()),
        Err(errors) => {
            let mut problems = Vec::new();
            collect(&errors, &mut Vec::new(), &mut problems);
            problems.sort_by(|a, b| a.path.cmp(&b.path));
            Err(problems)
        }
    }
}

/// Checks the input of a query: its mistakes are one error of the field.
///
/// # Errors
/// `BAD_USER_INPUT` with every broken rule.
pub fn check_query(input: &impl Validate) -> Result<(), ApiError> {
    check(input).map_err(|problems| {
        let texts: Vec<String> = problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.path.join("."), problem.message))
            .collect();
        ApiError::BadUserInput(texts.join(" "))
    })
}

/// A rule for `#[validate(custom(…))]`: a text of at least one letter.
///
/// # Errors
/// It is empty or blank.
pub fn not_blank(text: &str) -> Result<(), ValidationError> {
    if text.trim().is_empty() {
        Err(ValidationError::new("required"))
    } else {
        Ok(())
    }
}

/// A rule for a text that a change may leave out: at most `max` characters, and with `min` above 0 neither null nor
/// blank.
///
/// # Errors
/// It breaks the rule.
pub fn changed(value: &MaybeUndefined<String>, min: u64, max: u64) -> Result<(), ValidationError> {
    match value {
        MaybeUndefined::Undefined => Ok(()),
        MaybeUndefined::Null if min > 0 => Err(ValidationError::new("required")),
        MaybeUndefined::Null => Ok(()),
        MaybeUndefined::Value(text) if min > 0 && text.trim().is_empty() => {
            Err(ValidationError::new("required"))
        }
        MaybeUndefined::Value(text) if text.chars().count() as u64 > max => {
            let mut error = ValidationError::new("length");
            error.add_param("max".into(), &max);
            Err(error)
        }
        MaybeUndefined::Value(_) => Ok(()),
    }
}

/// Under this name `validator` keeps the rules over several fields.
const WHOLE_STRUCT: &str = "__all__";

fn collect(errors: &ValidationErrors, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    for (field, kind) in errors.errors() {
        if let (WHOLE_STRUCT, ValidationErrorsKind::Field(errors)) = (field.as_ref(), kind) {
            problems.extend(errors.iter().map(|error| whole_struct(error, path)));
            continue;
        }
        path.push(camel_case(field));
        match kind {
            ValidationErrorsKind::Field(errors) => {
                problems.extend(errors.iter().map(|error| problem(error, path)));
            }
            ValidationErrorsKind::Struct(errors) => collect(errors, path, problems),
            ValidationErrorsKind::List(items) => {
                for (index, errors) in items {
                    path.push(index.to_string());
                    collect(errors, path, problems);
                    path.pop();
                }
            }
        }
        path.pop();
    }
}

/// A rule over several fields says in its parameter `field` which one it is about.
fn whole_struct(error: &ValidationError, path: &[String]) -> Problem {
    let field = error.params.get("field").and_then(|field| field.as_str());
    let path: Vec<String> = path.iter().cloned().chain(field.map(camel_case)).collect();
    problem(error, &path)
}

fn problem(error: &ValidationError, path: &[String]) -> Problem {
    let number = |name: &'static str| error.params.get(name).map(ToString::to_string);
    let (min, max) = (number("min"), number("max"));
    let value = error.params.get("value");
    let longer = || {
        let length = match value {
            Some(serde_json::Value::String(text)) => text.chars().count(),
            Some(serde_json::Value::Array(items)) => items.len(),
            _ => 0,
        };
        max.as_ref()
            .and_then(|max| max.parse::<usize>().ok())
            .is_some_and(|max| length > max)
    };
    let (code, text) = match error.code.as_ref() {
        "length" if longer() => (
            ErrorCode::TooLong,
            format!("At most {} are allowed.", max.unwrap_or_default()),
        ),
        "length" => (
            ErrorCode::Required,
            format!("At least {} is needed.", min.unwrap_or_default()),
        ),
        "range" => (ErrorCode::OutOfRange, range_text(min, max)),
        "email" => (
            ErrorCode::Invalid,
            "This is not an e-mail address.".to_owned(),
        ),
        "url" => (
            ErrorCode::Invalid,
            "This is not an address of the web.".to_owned(),
        ),
        "required" => (ErrorCode::Required, "This is needed.".to_owned()),
        "too_long" => (ErrorCode::TooLong, "This is too long.".to_owned()),
        "weak_password" => (
            ErrorCode::WeakPassword,
            "This password is easy to guess.".to_owned(),
        ),
        _ => (ErrorCode::Invalid, "This has the wrong form.".to_owned()),
    };
    let message = error.message.as_ref().map_or(text, ToString::to_string);
    Problem {
        path: path.to_vec(),
        ..Problem::new(code, message, &[])
    }
}

fn range_text(min: Option<String>, max: Option<String>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("The number must be between {min} and {max}."),
        (Some(min), None) => format!("The number must be {min} or more."),
        (None, Some(max)) => format!("The number must be {max} or less."),
        (None, None) => "The number is out of range.".to_owned(),
    }
}

/// `unit_price` as clients write it: `unitPrice`.
fn camel_case(field: &str) -> String {
    let mut parts = field.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut name, part| {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}
