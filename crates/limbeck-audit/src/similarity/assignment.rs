//! The one-to-one matching of largest total similarity.

/// Pairs (row, column) of the matching with the largest sum of `similarity[row][column]`, by row: as many pairs as the
/// shorter side has entries. The Hungarian method with shortest augmenting paths (Kuhn 1955; Jonker & Volgenant 1987).
///
/// Rows of unequal length and values that are not finite make no matching: the result is empty.
pub(crate) fn assignment(similarity: &[Vec<f64>]) -> Vec<(usize, usize)> {
    let columns = similarity.first().map_or(0, Vec::len);
    let sound =
        similarity.iter().all(|row| row.len() == columns && row.iter().all(|value| value.is_finite()));
    if columns == 0 || !sound {
        return Vec::new();
    }
    if similarity.len() <= columns {
        return matched(similarity.len(), columns, |row, column| -similarity[row][column]);
    }
    let turned = matched(columns, similarity.len(), |row, column| -similarity[column][row]);
    let mut pairs: Vec<(usize, usize)> = turned.into_iter().map(|(row, column)| (column, row)).collect();
    pairs.sort_unstable();
    pairs
}

/// Cheapest matching of all rows, `rows <= columns`.
///
/// `row_price + column_price <= cost` holds throughout, with equality for matched pairs. Each row in turn grows a tree of
/// cheapest alternating paths until it meets a free column.
fn matched(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<(usize, usize)> {
    let (mut row_price, mut column_price) = (vec![0.0; rows], vec![0.0; columns]);
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    for start in 0..rows {
        // Slack of each column to the tree, and the tree's column through which it is reached.
        let mut slack = vec![f64::INFINITY; columns];
        let mut from: Vec<Option<usize>> = vec![None; columns];
        let mut reached = vec![false; columns];
        let (mut row, mut through) = (start, None);
        let end = loop {
            let mut nearest: Option<usize> = None;
            for column in (0..columns).filter(|&column| !reached[column]) {
                let here = cost(row, column) - row_price[row] - column_price[column];
                if here < slack[column] {
                    slack[column] = here;
                    from[column] = through;
                }
                if nearest.is_none_or(|best| slack[column] < slack[best]) {
                    nearest = Some(column);
                }
            }
            // There is one: fewer rows than columns are matched.
            let Some(column) = nearest else { return Vec::new() };
            let step = slack[column];
            row_price[start] += step;
            for other in 0..columns {
                match row_of[other].filter(|_| reached[other]) {
                    Some(row) => {
                        row_price[row] += step;
                        column_price[other] -= step;
                    }
                    None => slack[other] -= step,
                }
            }
            reached[column] = true;
            match row_of[column] {
                Some(next) => (row, through) = (next, Some(column)),
                None => break column,
            }
        };
        // Turn the path: every column on it takes the row of the one before.
        let mut column = end;
        while let Some(before) = from[column] {
            row_of[column] = row_of[before];
            column = before;
        }
        row_of[column] = Some(start);
    }
    let mut pairs: Vec<(usize, usize)> =
        row_of.iter().enumerate().filter_map(|(column, row)| row.map(|row| (row, column))).collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn total(similarity: &[Vec<f64>], pairs: &[(usize, usize)]) -> f64 {
        pairs.iter().map(|&(row, column)| similarity[row][column]).sum()
    }

    /// Best total over all ways to match the rows from `row` on, or to leave them out.
    fn best(similarity: &[Vec<f64>], row: usize, taken: &mut Vec<usize>, left: usize) -> f64 {
        if left == 0 {
            return 0.0;
        }
        if similarity.len() - row < left {
            return f64::NEG_INFINITY;
        }
        let mut found = best(similarity, row + 1, taken, left);
        for column in 0..similarity[0].len() {
            if !taken.contains(&column) {
                taken.push(column);
                found = found.max(similarity[row][column] + best(similarity, row + 1, taken, left - 1));
                taken.pop();
            }
        }
        found
    }

    #[test]
    fn as_good_as_the_best_of_all() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for case in 0..400 {
            let (rows, columns) = (rng.random_range(1..6), rng.random_range(1..6));
            // Whole numbers make ties.
            let draw = |rng: &mut ChaCha8Rng| {
                if case % 2 == 0 { f64::from(rng.random_range(-3..4)) } else { rng.random_range(-1.0..1.0) }
            };
            let similarity: Vec<Vec<f64>> =
                (0..rows).map(|_| (0..columns).map(|_| draw(&mut rng)).collect()).collect();
            let pairs = assignment(&similarity);
            let count = rows.min(columns);
            assert_eq!(pairs.len(), count);
            let (mut used_rows, mut used_columns): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
            used_rows.dedup();
            used_columns.sort_unstable();
            used_columns.dedup();
            assert_eq!((used_rows.len(), used_columns.len()), (count, count));
            let expected = best(&similarity, 0, &mut vec![], count);
            assert!((total(&similarity, &pairs) - expected).abs() < 1e-9, "case {case}");
        }
    }

    #[test]
    fn as_scipy() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/similarity.json")).unwrap();
        for case in golden["assignments"].as_array().unwrap() {
            let similarity: Vec<Vec<f64>> = serde_json::from_value(case["similarity"].clone()).unwrap();
            let expected: Vec<(usize, usize)> = serde_json::from_value(case["pairs"].clone()).unwrap();
            assert_eq!(assignment(&similarity), expected);
        }
    }

    #[test]
    fn nothing_to_match() {
        assert!(assignment(&[]).is_empty());
        assert!(assignment(&[vec![], vec![]]).is_empty());
        assert!(assignment(&[vec![1.0, f64::NAN]]).is_empty());
        assert!(assignment(&[vec![1.0], vec![1.0, 2.0]]).is_empty());
    }
}
