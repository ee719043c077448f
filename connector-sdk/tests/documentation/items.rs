//! Reads the public items of a source file and their documentation, as far as sources are formatted by `rustfmt`: an
//! item begins in the first column, a member of an `impl` or trait in the fifth.

/// What an item is, as far as it matters for examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A module's own documentation.
    Module,
    /// A type, trait or function.
    Item,
    /// A method or constant of a type or trait.
    Member,
}

/// A public item.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The type or trait of a member.
    pub(crate) owner: Option<String>,
    pub(crate) docs: Vec<String>,
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// What a source file holds.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// What it says of itself.
    pub(crate) docs: Vec<String>,
    pub(crate) items: Vec<Item>,
    /// Its modules, and whether they are public.
    pub(crate) modules: Vec<(String, bool)>,
    /// The statements that re-export something.
    pub(crate) exports: Vec<String>,
}

impl Item {
    /// Its name with that of its type.
    pub(crate) fn full_name(&self) -> String {
        match &self.owner {
            Some(owner) => format!("{owner}::{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The code of its examples; what is marked as text or ignored is none.
    pub(crate) fn example(&self) -> String {
        let mut code = String::new();
        let mut fence: Option<&str> = None;
        for line in &self.docs {
            match (line.trim().strip_prefix("```"), fence) {
                (Some(_), Some(_)) => fence = None,
                (Some(tags), None) => fence = Some(tags),
                (None, Some("" | "no_run")) => {
                    code.push_str(line);
                    code.push('\n');
                }
                (None, _) => {}
            }
        }
        code
    }
}

/// Reads a source file.
pub(crate) fn read(file: &str, text: &str) -> Source {
    let mut reader = Reader {
        file,
        ..Reader::default()
    };
    for (position, line) in text.lines().enumerate() {
        reader.line(position + 1, line);
    }
    reader.source
}

/// Where the reader is.
#[derive(Debug, Default)]
struct Reader<'a> {
    file: &'a str,
    source: Source,
    /// The documentation of the item to come.
    docs: Vec<String>,
    is_for_tests: bool,
    /// Within a block that is not read.
    is_skipped: bool,
    /// The type or trait whose members come, and whether all of them are public.
    owner: Option<(String, bool)>,
    /// A re-export that goes on in the next line.
    export: Option<String>,
}

impl Reader<'_> {
    fn line(&mut self, number: usize, line: &str) {
        if self.is_skipped || self.owner.is_some() && line == "}" {
            self.is_skipped &= line != "}";
            self.owner = None;
        } else if let Some(export) = &mut self.export {
            export.push_str(line);
            self.end_export();
        } else if let Some(docs) = line.strip_prefix("//!") {
            self.source.docs.push(docs.to_owned());
        } else if let Some(docs) = line.trim_start().strip_prefix("///") {
            self.docs.push(docs.to_owned());
        } else if line.trim().is_empty() {
            self.docs.clear();
        } else if line == "#[cfg(test)]" {
            self.is_for_tests = true;
        } else {
            self.code(number, line);
        }
    }

    fn code(&mut self, number: usize, line: &str) {
        if let Some(member) = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')) {
            self.member(number, member);
        } else if !line.starts_with([' ', '#', ')', '}', '/']) {
            let is_for_tests = std::mem::take(&mut self.is_for_tests);
            match is_for_tests {
                true => self.is_skipped = line.ends_with('{'),
                false => self.item(number, line),
            }
        }
    }

    fn item(&mut self, number: usize, line: &str) {
        let (is_public, rest) = match line.strip_prefix("pub ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let mut words = rest
            .split([' ', '<', '(', ';', ':', '{'])
            .filter(|word| !word.is_empty());
        let words = words.by_ref().filter(|word| *word != "async");
        match (words.collect::<Vec<_>>().as_slice(), is_public) {
            (["mod", name, ..], _) => self.source.modules.push(((*name).to_owned(), is_public)),
            (["use", ..], true) => {
                self.export = Some(rest.to_owned());
                self.end_export();
            }
            (
                [
                    "struct" | "enum" | "type" | "fn" | "const" | "static" | "trait",
                    name,
                    ..,
                ],
                true,
            ) => {
                self.push(number, Kind::Item, name, None);
                self.owner = rest.starts_with("trait").then(|| ((*name).to_owned(), true));
            }
            (["impl", ..], _) if line.ends_with('{') => self.owner = implemented(line),
            _ => {}
        }
        self.docs.clear();
    }

    fn member(&mut self, number: usize, line: &str) {
        let Some((owner, all_are_public)) = self.owner.clone() else {
            return;
        };
        let public = match line.strip_prefix("pub ") {
            None if all_are_public => line,
            None => return,
            Some(rest) => rest,
        };
        let declared = ["async fn ", "const fn ", "fn ", "const "];
        if let Some(rest) = declared.iter().find_map(|word| public.strip_prefix(word)) {
            let name = rest.split(['(', '<', ':']).next().unwrap_or(rest);
            self.push(number, Kind::Member, name, Some(owner));
        }
    }

    fn push(&mut self, line: usize, kind: Kind, name: &str, owner: Option<String>) {
        self.source.items.push(Item {
            kind,
            name: name.to_owned(),
            owner,
            docs: std::mem::take(&mut self.docs),
            file: self.file.to_owned(),
            line,
        });
    }

    fn end_export(&mut self) {
        if let Some(export) = self.export.take_if(|export| export.ends_with(';')) {
            self.source.exports.push(export);
        }
    }
}

/// The type whose own members an `impl` holds; none for one of a trait.
fn implemented(line: &str) -> Option<(String, bool)> {
    let mut depth = 0_usize;
    let plain: String = line
        .chars()
        .filter(|character| {
            let was = depth;
            match character {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
            was == 0 && *character != '<'
        })
        .collect();
    let words: Vec<_> = plain.split_whitespace().collect();
    match words.as_slice() {
        [_, name, "{"] => Some(((*name).to_owned(), false)),
        _ => None,
    }
}
