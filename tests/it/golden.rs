//! Compares texts with files under `tests/golden`; `GOBI_BLESS=1` writes the files instead.

use std::fs;
use std::path::Path;

/// Whether goldens are to be written.
pub fn blessing() -> bool {
    std::env::var_os("GOBI_BLESS").is_some()
}

/// How `actual` differs from the golden of a name; `None` if it does not, or if it was blessed.
pub fn difference(name: &str, actual: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if blessing() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return None;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    (expected != actual).then(|| format!("{name} differs\n--- expected\n{expected}\n--- actual\n{actual}"))
}
