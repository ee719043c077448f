//! What is a sentence for people, and what is an example of one.

use crate::literals::Literal;

/// How many words a text has at least to be a sentence.
const WORDS_MIN: usize = 4;

/// How far the parts of an example may be from each other: what is filled in between is a name, a number, a list.
const FILLED_MAX: usize = 600;

/// A text of the product.
#[derive(Debug)]
pub(crate) struct Sentence {
    /// The file, from the root of the repository.
    pub(crate) file: String,
    /// The line it begins at, from 1.
    pub(crate) line: usize,
    /// The text, with its placeholders.
    pub(crate) text: String,
}

/// Whether a literal is a sentence that a user may read, and not a part of a log, of a document or of a promise
/// that the code makes to itself.
pub(crate) fn is_sentence(literal: &Literal) -> bool {
    let fixed: String = parts(&literal.text).join(" ");
    let words = fixed
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphabetic));
    let upper = |text: &str| text.chars().next().is_some_and(char::is_uppercase);
    words.count() >= WORDS_MIN && !upper(&literal.text) && !is_for_others(&literal.before)
}

fn is_for_others(before: &str) -> bool {
    let log = ["info!(", "warn!(", "error!(", "debug!(", "trace!(", ".expect("];
    if log.iter().any(|call| before.contains(call)) {
        return true;
    }
    let attribute = before.rfind("#[").is_some_and(|at| !closed(&before[at..]));
    attribute && !before.contains("#[error(")
}

fn closed(attribute: &str) -> bool {
    let opened = attribute.matches('[').count();
    attribute.matches(']').count() >= opened
}

/// Whether the tests hold an example: all fixed parts of the sentence, in this order.
pub(crate) fn has_example(sentence: &Sentence, tests: &[String]) -> bool {
    let parts = parts(&sentence.text);
    tests.iter().any(|test| holds(test, &parts))
}

fn holds(test: &str, parts: &[String]) -> bool {
    let Some((first, others)) = parts.split_first() else {
        return true;
    };
    test.match_indices(first.as_str())
        .any(|(at, found)| follow(&test[at + found.len()..], others))
}

fn follow(mut rest: &str, parts: &[String]) -> bool {
    for part in parts {
        match rest.find(part.as_str()) {
            Some(at) if at <= FILLED_MAX => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    true
}

/// What is fixed of a text, between its placeholders; parts that are only punctuation say nothing.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '{' | '}' if rest.peek() == Some(&next) => {
                rest.next();
                push(&mut parts, next);
            }
            '{' => {
                while rest.next().is_some_and(|inner| inner != '}') {}
                parts.push(String::new());
            }
            other => push(&mut parts, other),
        }
    }
    let spaced = parts.iter().map(|part| one_space(part));
    spaced
        .filter(|part| part.chars().any(char::is_alphabetic))
        .collect()
}

fn push(parts: &mut [String], next: char) {
    if let Some(last) = parts.last_mut() {
        last.push(next);
    }
}

/// All white space as single spaces, none at the ends.
pub(crate) fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
