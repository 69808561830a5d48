//! Random programs: interpreted, as machine code, and written with copies instead of changes in place, they do the same.
//!
//! `PROGRAMS=5000 cargo test --test it programs` runs more of them; the target `programs` in `fuzz/` makes them from what libFuzzer finds.
//!
//! Invariants: a failure prints its seed and the program.
//!
//! Does not: know what a program should do; the goldens of the language do.

// The fuzz target takes this file by its path, where nested modules are looked for beside it.
#[path = "programs/generate.rs"]
pub mod generate;

use generate::{Style, program};
use gobi::client::{Client, JitMode, Settings, StatementResult, cells};

#[test]
fn random_programs_do_the_same_in_all_ways() {
    let count = std::env::var("PROGRAMS").ok().and_then(|count| count.parse().ok());
    let mut failed = 0;
    let count = count.unwrap_or(60);
    for seed in 0..count {
        let bytes = bytes_of(seed);
        if let Err(message) = compare(&bytes) {
            panic!("seed {seed}: {message}");
        }
        failed += u64::from(run(&program(&bytes, Style::InPlace), JitMode::Off).is_err());
    }
    // Programs that fail early would show little.
    assert!(failed * 4 < count * 3, "{failed} of {count} programs end in an error");
}

/// Runs the program of some bytes in all ways.
pub fn compare(bytes: &[u8]) -> Result<(), String> {
    let text = program(bytes, Style::InPlace);
    let interpreted = run(&text, JitMode::Off);
    let native = run(&text, JitMode::On);
    if native != interpreted {
        return Err(format!(
            "as machine code\n{native:?}\ninterpreted\n{interpreted:?}\n{text}"
        ));
    }
    if let Err(error) = &native
        && (error.starts_with("42") || error.starts_with("XX") || error.starts_with("0A"))
    {
        return Err(format!("a program that is not well typed: {error}\n{text}"));
    }
    let copying = run(&program(bytes, Style::ByCopies), JitMode::On);
    let code = |result: &Result<String, String>| match result {
        Ok(shown) => shown.clone(),
        // The place and the words are those of another text.
        Err(error) => error.chars().take(5).collect(),
    };
    match code(&copying) == code(&native) {
        true => Ok(()),
        false => Err(format!("in place\n{native:?}\nby copies\n{copying:?}\n{text}")),
    }
}

/// What a program prints, or its error.
fn run(text: &str, jit: JitMode) -> Result<String, String> {
    let settings = Settings {
        jit,
        ..Settings::default()
    };
    let mut session = Client::embedded(settings, None).session();
    let mut shown = String::new();
    for result in session.execute(text) {
        let told = |error: gobi::client::Error| format!("{} {error}", error.code());
        if let StatementResult::Rows(rows) = result.map_err(told)? {
            let fields = rows.fields().to_vec();
            for batch in rows {
                let batch = batch.map_err(told)?;
                for (column, field) in batch.columns().iter().zip(&fields) {
                    for row in 0..batch.num_rows() {
                        shown.push_str(&cells::text(column, row, &field.ty).unwrap_or_else(|| "NULL".into()));
                    }
                }
            }
        }
    }
    Ok(shown)
}

/// Bytes that depend on nothing but the seed.
fn bytes_of(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..600).map(|_| next()).collect()
}
