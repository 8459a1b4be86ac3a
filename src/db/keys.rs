//! Lists of keys in `WHERE … IN (…)`.

/// The keys without repeats, in order, filled up with their last to a power of two: statements then have few lengths,
/// so that the connection's cache of prepared statements is not flooded.
#[must_use]
pub fn padded<K: Copy + Ord>(keys: impl IntoIterator<Item = K>) -> Vec<K> {
    let mut keys: Vec<K> = keys.into_iter().collect();
    keys.sort_unstable();
    keys.dedup();
    if let Some(&last) = keys.last() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::padded;

    #[test]
    fn lists_of_keys_have_lengths_of_powers_of_two() {
        assert_eq!(padded(Vec::<u8>::new()), Vec::<u8>::new());
        assert_eq!(padded([7]), [7]);
        assert_eq!(padded([3, 1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(0..5).len(), 8);
    }
}
