//! Real documents that stories use.

use std::path::PathBuf;

/// GitHub's own description of its REST API (npm `@octokit/openapi`), which `./test tools` fetches.
pub fn github() -> PathBuf {
    let folder = std::env::var_os("GATEHOUSE_TEST_DOCUMENTS").map_or_else(default_folder, PathBuf::from);
    let path = folder.join("octokit-openapi/generated/api.github.com.json");
    assert!(
        path.is_file(),
        "{} is missing; `./test tools` fetches it",
        path.display()
    );
    path
}

fn default_folder() -> PathBuf {
    repository().join("target/test-documents")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("a package of a workspace").to_owned()
}
