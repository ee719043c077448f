//! A text that is read from its beginning to its end.

/// What is left of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// Goes past a word, if it is next.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Goes past one character.
    pub(super) fn character(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    /// Goes past all characters of a kind.
    pub(super) fn all(&mut self, kind: impl Fn(char) -> bool) -> &'a str {
        let end = self
            .rest
            .find(|sign: char| !kind(sign))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    pub(super) fn spaces(&mut self) {
        self.all(char::is_whitespace);
    }

    /// A text in quotation marks of either kind.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let mark = self
            .rest
            .chars()
            .next()
            .filter(|mark| *mark == '"' || *mark == '\'')?;
        let inside = &self.rest[1..];
        let end = inside.find(mark)?;
        self.rest = &inside[end + 1..];
        Some(&inside[..end])
    }

    /// A name with dots: it begins with a letter, and a dot at its end is not part of it.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        if !self
            .rest
            .starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
        {
            return None;
        }
        let before = self.rest;
        let name = self.all(|sign| sign.is_ascii_alphanumeric() || "_-.".contains(sign));
        let name = name.trim_end_matches('.');
        self.rest = &before[name.len()..];
        Some(name)
    }
}
