//! Values that are never printed.

use serde::{Deserialize, Serialize, Serializer};

/// A value that is never printed; of an address only the part without user and password is.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value with everything between `//` and `@` masked.
    #[must_use]
    pub fn masked(&self) -> String {
        match (self.0.find("://"), self.0.rfind('@')) {
            (Some(scheme), Some(at)) => format!("{}***{}", &self.0[..scheme + 3], &self.0[at..]),
            (Some(_), None) => self.0.clone(),
            _ if self.0.is_empty() => String::new(),
            _ => "***".to_owned(),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}
