//! Where the built binaries are: beside the test's own executable.

use std::path::PathBuf;

/// The path of a built binary, for example `gatehouse`.
///
/// Cargo names the binaries of its own package only, so this looks in the profile's folder.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its executable");
    let mut folder = own.parent().expect("an executable is in a folder");
    if folder.ends_with("deps") {
        folder = folder.parent().expect("`deps` is in the profile's folder");
    }
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --workspace --all-targets` first (`./test build`)",
        path.display()
    );
    path
}
