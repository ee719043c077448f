//! The string literals of a Rust source, with what stands before each, as far as this suite needs to know it.

/// A string literal.
#[derive(Debug)]
pub(crate) struct Literal {
    /// The line it begins at, from 1.
    pub(crate) line: usize,
    /// What it stands for: without line continuations and escapes.
    pub(crate) text: String,
    /// The code before it, up to the beginning of the statement or of the attribute.
    pub(crate) before: String,
}

/// All string literals of a source, comments left out.
pub(crate) fn literals(source: &str) -> Vec<Literal> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        before: String::new(),
        found: Vec::new(),
    };
    while reader.step() {}
    reader.found
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    before: String,
    found: Vec<Literal>,
}

impl Reader<'_> {
    /// Reads one comment, literal or character; false at the end.
    fn step(&mut self) -> bool {
        let Some(next) = self.rest.chars().next() else {
            return false;
        };
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if let Some(length) = character(self.rest) {
            self.skip(length);
        } else if next == '"' {
            self.plain();
        } else if let Some((opening, closing)) = raw(self.rest).filter(|_| !self.in_a_word()) {
            self.raw(opening, &closing);
        } else {
            self.code(next);
        }
        true
    }

    fn in_a_word(&self) -> bool {
        self.before
            .ends_with(|last: char| last.is_alphanumeric() || last == '_')
    }

    fn code(&mut self, next: char) {
        if matches!(next, ';' | '}') {
            self.before.clear();
        } else {
            self.before.push(next);
        }
        self.skip(next.len_utf8());
    }

    fn skip(&mut self, length: usize) {
        let (read, rest) = self.rest.split_at(length);
        self.line += read.matches('\n').count();
        self.rest = rest;
    }

    fn plain(&mut self) {
        let inner = &self.rest[1..];
        let mut escaped = false;
        let end = inner.find(|next: char| {
            let ends = next == '"' && !escaped;
            escaped = next == '\\' && !escaped;
            ends
        });
        let end = end.unwrap_or(inner.len());
        self.found(unescaped(&inner[..end]));
        self.skip((end + 2).min(self.rest.len()));
    }

    fn raw(&mut self, opening: usize, closing: &str) {
        let inner = &self.rest[opening..];
        let end = inner.find(closing).unwrap_or(inner.len());
        self.found(inner[..end].to_owned());
        self.skip((opening + end + closing.len()).min(self.rest.len()));
    }

    fn found(&mut self, text: String) {
        self.found.push(Literal {
            line: self.line,
            text,
            before: self.before.clone(),
        });
        self.before.push('"');
    }
}

/// The length of a character literal, if one begins here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let body = match inner.strip_prefix('\\') {
        Some(escaped) => 1 + escaped.chars().next()?.len_utf8(),
        None => inner.chars().next()?.len_utf8(),
    };
    let end = inner.get(body..)?;
    if inner.starts_with("\\u") {
        return inner.find('\'').map(|end| end + 2);
    }
    end.starts_with('\'').then_some(body + 2)
}

/// The length of the opening of a raw string, and its closing.
fn raw(rest: &str) -> Option<(usize, String)> {
    let hashes = rest.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    let opens = hashes[count..].starts_with('"');
    opens.then(|| (count + 2, format!("\"{}", "#".repeat(count))))
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => match rest.next() {
                Some('\n') => rest = rest.as_str().trim_start().chars(),
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}
