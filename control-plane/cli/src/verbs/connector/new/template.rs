//! The files of the template, and the names in them.

use gatehouse_schemas::identity::GatewayType;

/// Files of `connector-sdk/scaffold`, as they were when this program was built.
macro_rules! scaffold {
    ($($path:literal),* $(,)?) => {
        &[$((
            $path,
            include_str!(concat!("../../../../../../connector-sdk/scaffold/", $path)),
        )),*]
    };
}

/// All files that are the same in every crate but for names. `Cargo.toml` is not: see `manifest`.
const FILES: &[(&str, &str)] = scaffold![
    "README.md",
    "src/bin/tiny-gateway.rs",
    "src/client.rs",
    "src/client/documents.rs",
    "src/config.rs",
    "src/connector.rs",
    "src/connector/check.rs",
    "src/connector/listing.rs",
    "src/docs.md",
    "src/error.rs",
    "src/error/tests.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/tiny_gateway.rs",
    "src/tiny_gateway/admin_api.rs",
    "src/tiny_gateway/data_plane.rs",
    "src/tiny_gateway/paths.rs",
    "src/tiny_gateway/table.rs",
    "src/tiny_gateway/validity.rs",
    "src/translate.rs",
    "src/translate/back.rs",
    "src/translate/fidelity.rs",
    "src/translate/labels.rs",
    "src/translate/tests.rs",
    "test.yaml",
    "tests/conformance/driver.rs",
    "tests/conformance/gateway.rs",
    "tests/conformance/main.rs",
];

/// The manifest, which the checkout completes.
pub(super) const MANIFEST: &str = include_str!("../../../../../../connector-sdk/scaffold/Cargo.toml");

/// What version control leaves out.
const IGNORED: &str = "/target\n";

/// A gateway type as it is written in different places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    kebab: String,
    snake: String,
    pascal: String,
}

impl Names {
    pub(super) fn of(gateway_type: &GatewayType) -> Self {
        let kebab = gateway_type.to_string();
        Self {
            snake: kebab.replace('-', "_"),
            pascal: pascal(&kebab),
            kebab,
        }
    }

    /// The name of the crate's package.
    pub(super) fn package(&self) -> String {
        format!("gatehouse-agent-{}", self.kebab)
    }

    /// A text of the template with these names. Read once from beginning to end, so that a name that contains the
    /// template's own is not replaced again.
    pub(super) fn put_into(&self, text: &str) -> String {
        const SNAKE: &str = "gatehouse_agent_scaffold";
        let snake = format!("gatehouse_agent_{}", self.snake);
        let names = [
            (SNAKE, &snake),
            ("Scaffold", &self.pascal),
            ("scaffold", &self.kebab),
        ];
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((at, (old, new))) = names
            .iter()
            .filter_map(|name| Some((rest.find(name.0)?, name)))
            .min_by_key(|(at, _)| *at)
        {
            out.push_str(&rest[..at]);
            out.push_str(new);
            rest = &rest[at + old.len()..];
        }
        out + rest
    }
}

/// `my-gateway` is `MyGateway`. A type cannot begin with a digit.
fn pascal(kebab: &str) -> String {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let pascal: String = kebab.split('-').map(capitalised).collect();
    match pascal.starts_with(|first: char| first.is_ascii_digit()) {
        true => format!("Gateway{pascal}"),
        false => pascal,
    }
}

/// All files of the template under these names: path and content.
pub(super) fn files(names: &Names) -> Vec<(String, String)> {
    let files = FILES.iter();
    let mut files: Vec<_> = files
        .map(|(path, content)| ((*path).to_owned(), names.put_into(content)))
        .collect();
    files.push((".gitignore".to_owned(), IGNORED.to_owned()));
    files
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn names(name: &str) -> Names {
        Names::of(&name.parse().unwrap())
    }

    #[test]
    fn every_file_of_the_scaffold_is_in_the_template() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connector-sdk/scaffold");
        let mut there = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    there.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        there.remove("Cargo.toml");
        let listed: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, there);
    }

    #[test]
    fn names_are_written_as_rust_wants_them() {
        for (name, written) in [
            (
                "my-gateway",
                "MyGatewayConnector gatehouse_agent_my_gateway my-gateway",
            ),
            ("3scale", "Gateway3scaleConnector gatehouse_agent_3scale 3scale"),
            (
                "scaffold-2",
                "Scaffold2Connector gatehouse_agent_scaffold_2 scaffold-2",
            ),
        ] {
            let text = "ScaffoldConnector gatehouse_agent_scaffold scaffold";
            assert_eq!(names(name).put_into(text), written);
        }
    }

    #[test]
    fn nothing_of_the_templates_name_is_left() {
        for (path, content) in files(&names("my-gateway")) {
            let line = content
                .lines()
                .find(|line| line.to_lowercase().contains("scaffold"));
            assert_eq!(line, None, "{path}");
        }
    }
}
