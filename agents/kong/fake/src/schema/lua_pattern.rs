//! Lua patterns, in which Kong's schemas say what a text must look like.

/// Whether a text has a place that the pattern fits.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    match pattern.strip_prefix(&['^']) {
        Some(anchored) => fits(anchored, &text),
        None => (0..=text.len()).any(|start| fits(&pattern, &text[start..])),
    }
}

fn fits(pattern: &[char], text: &[char]) -> bool {
    let Some(first) = pattern.first() else { return true };
    if *first == '$' && pattern.len() == 1 {
        return text.is_empty();
    }
    let (item, rest) = pattern.split_at(item_length(pattern));
    match rest.first() {
        Some('*') => longest_first(item, 0, &rest[1..], text),
        Some('+') => longest_first(item, 1, &rest[1..], text),
        Some('-') => shortest_first(item, &rest[1..], text),
        Some('?') => (one(item, text) && fits(&rest[1..], &text[1..])) || fits(&rest[1..], text),
        _ => one(item, text) && fits(rest, &text[1..]),
    }
}

/// How much of the pattern its first item takes: a letter, `%d`, `[…]`.
fn item_length(pattern: &[char]) -> usize {
    match pattern[0] {
        '%' => pattern.len().min(2),
        '[' => set_length(pattern),
        _ => 1,
    }
}

fn set_length(pattern: &[char]) -> usize {
    let mut at = if pattern.get(1) == Some(&'^') { 2 } else { 1 };
    let first = at;
    while at < pattern.len() && (pattern[at] != ']' || at == first) {
        at += if pattern[at] == '%' { 2 } else { 1 };
    }
    (at + 1).min(pattern.len())
}

fn longest_first(item: &[char], least: usize, rest: &[char], text: &[char]) -> bool {
    let most = text.iter().take_while(|letter| one(item, &[**letter])).count();
    (least..=most).rev().any(|taken| fits(rest, &text[taken..]))
}

fn shortest_first(item: &[char], rest: &[char], text: &[char]) -> bool {
    let most = text.iter().take_while(|letter| one(item, &[**letter])).count();
    (0..=most).any(|taken| fits(rest, &text[taken..]))
}

fn one(item: &[char], text: &[char]) -> bool {
    let Some(letter) = text.first() else { return false };
    match item {
        ['%', class] => in_class(*class, *letter),
        ['[', '^', inside @ .., ']'] => !in_set(inside, *letter),
        ['[', inside @ .., ']'] => in_set(inside, *letter),
        ['.'] => true,
        [exact] => exact == letter,
        _ => false,
    }
}

fn in_class(class: char, letter: char) -> bool {
    let fits = match class.to_ascii_lowercase() {
        'a' => letter.is_ascii_alphabetic(),
        'd' => letter.is_ascii_digit(),
        'l' => letter.is_ascii_lowercase(),
        'p' => letter.is_ascii_punctuation(),
        's' => letter.is_ascii_whitespace(),
        'u' => letter.is_ascii_uppercase(),
        'w' => letter.is_ascii_alphanumeric(),
        'x' => letter.is_ascii_hexdigit(),
        'c' => letter.is_ascii_control(),
        _ => return letter == class,
    };
    fits != class.is_ascii_uppercase()
}

fn in_set(mut inside: &[char], letter: char) -> bool {
    loop {
        let (found, rest) = match inside {
            [] => return false,
            ['%', class, rest @ ..] => (in_class(*class, letter), rest),
            [low, '-', high, rest @ ..] => ((*low..=*high).contains(&letter), rest),
            [exact, rest @ ..] => (*exact == letter, rest),
        };
        if found {
            return true;
        }
        inside = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    fn check(pattern: &str, fitting: &[&str], other: &[&str]) {
        for text in fitting {
            assert!(matches(pattern, text), "`{text}` should fit {pattern}");
        }
        for text in other {
            assert!(!matches(pattern, text), "`{text}` should not fit {pattern}");
        }
    }

    #[test]
    fn reads_classes_and_anchors() {
        check("^%u+$", &["GET", "POST"], &["get", "GeT", "", "GET "]);
        check("^[0-9]+-[0-9]+$", &["200-299"], &["200", "200-", "a-b"]);
        check("^[a-z][a-z%d-]-[a-z%d]+$", &["my-env", "a1"], &["1a", "My", "a-"]);
    }

    #[test]
    fn reads_sets_and_wildcards() {
        check("^[^*]*%*?[^*]*$", &["a.b", "*.b", "a.*"], &["*.*"]);
        check("^%*%.", &["*.b"], &["a.*"]);
        check("//", &["/a//b"], &["/a/b"]);
        check("^.*[^:]$", &["a:b"], &["a:"]);
    }
}
