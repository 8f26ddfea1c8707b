//! Names that are close to one that was mistyped. Pure.

/// Longer names are compared by their beginning: the longest known name is all that matters of a long one.
const COMPARED: usize = 60;

/// The known name that is nearest to what was written, where one is near enough to be meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|known| (distance(written, known), known));
    let near = near.min()?;
    (near.0 * 2 <= near.1.len()).then_some(near.1)
}

/// How many letters differ (Levenshtein).
pub fn distance(written: &str, known: &str) -> usize {
    let known: Vec<char> = known.chars().collect();
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (line, letter) in written.chars().take(COMPARED).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &other) in known.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_named_and_a_far_one_is_not() {
        let known = ["drop-table", "drop-column", "truncate"];
        assert_eq!(nearest("drop-colum", known), Some("drop-column"));
        assert_eq!(nearest("truncat", known), Some("truncate"));
        assert_eq!(nearest("zzzz", known), None);
        assert_eq!(nearest("", known), None);
    }
}
