//! The words that products are found by, and how well they fit (`docs/decisions/0121-search.md`).

use entity::catalog::{CategoryStatus, category, product, product_term, variant};
use entity::ids::{CategoryId, ProductId};
use std::collections::{BTreeMap, HashMap};
use unicode_normalization::UnicodeNormalization as _;

/// Characters of a word; of longer ones the beginning counts, in products and in searches alike.
const TERM_MAX: usize = 64;
/// Words of one product. A description of 10,000 characters has about 1,000 different ones; what is beyond is not found.
const TERMS_MAX: usize = 1_000;
/// Characters of a search.
pub const SEARCH_MAX: u64 = 200;
/// What a word that is only begun in the search is further away than the whole one.
pub const PREFIX_DISTANCE: i32 = 2;

/// Where a word of a product stands; the earlier, the more it says of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Sku,
    Name,
    Category,
    Description,
}

impl Field {
    /// Chosen so that a word of the SKU or name that is only begun is still nearer than a whole one of a category, and
    /// that one nearer than any of the description.
    const fn distance(self) -> i32 {
        match self {
            Self::Sku => 0,
            Self::Name => 1,
            Self::Category => 4,
            Self::Description => 6,
        }
    }
}

/// What a search looks for: products that have all whole words, and one that begins as the last word does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Search {
    /// All words but the last, folded, each once.
    pub whole: Vec<String>,
    /// The last word, folded; what follows it is free.
    pub begun: String,
}

/// A search has more words than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyWords;

impl Search {
    /// Reads a text; nothing when it has no word.
    ///
    /// # Errors
    /// It has more than `words_max` different words.
    pub fn of(text: &str, words_max: usize) -> Result<Option<Self>, TooManyWords> {
        let mut words = words(text);
        let Some(begun) = words.pop() else {
            return Ok(None);
        };
        let mut whole: Vec<String> = Vec::new();
        for word in words {
            if !whole.contains(&word) {
                whole.push(word);
            }
        }
        if whole.len() >= words_max {
            return Err(TooManyWords);
        }
        Ok(Some(Self { whole, begun }))
    }

    /// The least text that stands behind all texts that begin with the last word; nothing when there is none.
    #[must_use]
    pub fn behind_begun(&self) -> Option<String> {
        let mut letters: Vec<char> = self.begun.chars().collect();
        while let Some(last) = letters.pop() {
            if let Some(next) = (last..=char::MAX).nth(1) {
                letters.push(next);
                return Some(letters.into_iter().collect());
            }
        }
        None
    }
}

/// The words of a text in their order: runs of letters and digits without case, accents and apostrophes.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.nfkd().flat_map(char::to_lowercase) {
        match letter {
            // Accents, after the letters were taken apart, and apostrophes: O'Neill is one word.
            '\u{300}'..='\u{36f}' | '\'' | '’' | 'ʼ' => {}
            // Letters that Unicode does not take apart.
            'ß' => word.push_str("ss"),
            'æ' => word.push_str("ae"),
            'œ' => word.push_str("oe"),
            'þ' => word.push_str("th"),
            'ø' => word.push('o'),
            'đ' | 'ð' => word.push('d'),
            'ł' => word.push('l'),
            'ħ' => word.push('h'),
            'ı' => word.push('i'),
            'ς' => word.push('σ'),
            // Signs of other scripts that stand in the middle of words are no letters by themselves.
            _ if letter.is_alphanumeric()
                || unicode_normalization::char::is_combining_mark(letter) =>
            {
                word.push(letter);
            }
            _ => words.extend(term(&mut word)),
        }
    }
    words.extend(term(&mut word));
    words
}

/// Takes a finished word, cut to the length of terms.
fn term(word: &mut String) -> Option<String> {
    let word = std::mem::take(word);
    (!word.is_empty()).then(|| word.chars().take(TERM_MAX).collect())
}

/// The words that a product is found by for itself; of its variants those that are live count.
#[must_use]
pub fn own_terms<'a>(
    product: &product::Model,
    variants: impl IntoIterator<Item = &'a variant::Model>,
) -> Vec<product_term::Model> {
    let mut terms = BTreeMap::new();
    let mut add = |field: Field, text: &str| {
        for term in words(text) {
            if terms.len() < TERMS_MAX {
                // The field that says most comes first.
                terms.entry(term).or_insert_with(|| field.distance());
            }
        }
    };
    let live: Vec<&variant::Model> = variants
        .into_iter()
        .filter(|variant| variant.archived_at.is_none())
        .collect();
    for variant in &live {
        add(Field::Sku, &variant.sku);
    }
    add(Field::Name, &product.name);
    for variant in &live {
        add(Field::Name, &variant.name);
    }
    add(Field::Description, &product.description);
    terms
        .into_iter()
        .map(|(term, distance)| product_term::Model {
            term,
            product_id: product.id,
            source_id: product.id.into(),
            distance,
        })
        .collect()
}

/// The words that products are found by for the names of their categories. Of archived ones the public knows nothing,
/// so their names find nothing.
#[must_use]
pub fn category_terms(
    categories: &[category::Model],
    links: &[(ProductId, CategoryId)],
) -> Vec<product_term::Model> {
    let names: HashMap<CategoryId, Vec<String>> = categories
        .iter()
        .filter(|row| row.status == CategoryStatus::Active)
        .map(|row| {
            let mut words = words(&row.name);
            words.sort_unstable();
            words.dedup();
            (row.id, words)
        })
        .collect();
    let mut terms = Vec::new();
    for (product_id, category_id) in links {
        for term in names.get(category_id).into_iter().flatten() {
            terms.push(product_term::Model {
                term: term.clone(),
                product_id: *product_id,
                source_id: (*category_id).into(),
                distance: Field::Category.distance(),
            });
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_neither_case_nor_accents() {
        for (text, expected) in [
            ("  Crème BRÛLÉE – 200g!", vec!["creme", "brulee", "200g"]),
            (
                "POPPY'S T-LIGHT Children’s",
                vec!["poppys", "t", "light", "childrens"],
            ),
            (
                "Straße ŁÓDŹ Ærø İzmir",
                vec!["strasse", "lodz", "aero", "izmir"],
            ),
            ("ΟΔΟΣ οδος", vec!["οδοσ", "οδοσ"]),
            (
                "e\u{301}clair ﬁne №5 ２",
                vec!["eclair", "fine", "no5", "2"],
            ),
            ("gift_0001_40", vec!["gift", "0001", "40"]),
            ("緑茶 हिन्दी", vec!["緑茶", "हिन्दी"]),
            (" -- !? ", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        assert_eq!(words(&"x".repeat(100)), ["x".repeat(TERM_MAX)]);
    }

    #[test]
    fn a_search_is_whole_words_and_a_last_one_that_is_begun() {
        let search = Search::of("Red RED tea po", 3).unwrap().unwrap();
        assert_eq!(
            (search.whole.join(" "), search.begun.as_str()),
            ("red tea".into(), "po")
        );
        assert_eq!(Search::of("a b c d", 3), Err(TooManyWords));
        assert_eq!(Search::of(" ?! ", 3), Ok(None));
    }

    #[test]
    fn what_begins_as_a_word_stands_before_its_next() {
        let behind = |begun: &str| {
            let search = Search {
                whole: Vec::new(),
                begun: begun.to_owned(),
            };
            search.behind_begun()
        };
        assert_eq!(behind("cup"), Some("cuq".to_owned()));
        assert_eq!(
            behind("a\u{d7ff}"),
            Some("a\u{e000}".to_owned()),
            "no surrogates"
        );
        assert_eq!(behind("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(behind("\u{10ffff}"), None);
    }
}
