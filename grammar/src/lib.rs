//! PL-GRIZZLY: from text to syntax tree and back.
//!
//! The life of a script: [`scan`] cuts it into tokens; the guard checks brackets and depth and finds the semicolons; the
//! comments are blanked out; pest reads each stretch by the `.pest` files of this crate; the parser turns pest's tree into
//! [`ast`], applying precedence. Where pest fails, its error becomes a [`Diagnostic`] and reading goes on at the next
//! semicolon or at a line that begins a statement.
//!
//! ```
//! use gobi_grammar::{Dialect, parse, print};
//!
//! let parsed = parse("FROM t SELECT a ORDER BY DESC a", Dialect::Grizzly);
//! assert_eq!(print(&parsed.statements, Dialect::Grizzly), "FROM t SELECT a ORDER BY a DESC;\n");
//! ```
//!
//! Invariants: no text makes anything here panic; time is linear in the length of the text; spans are byte ranges of the
//! script as it was given.
//!
//! Does not: know catalogs, files or terminals. How do I add a clause? Its rule goes into `query.pest` (and `clause`), its
//! words into `parser/words.rs`, its node into [`ast`], its reading into `parser/select.rs`, its text into
//! `printer/query.rs`. How do I add a statement? Its rule, named `…_stmt`, goes into the pest file of its area (`ddl`, `dml`,
//! `transaction`, `timeline`, `session`), its first word into `keywords.rs`, its node into the file of that area under `ast`,
//! and its reading and its text into the files of the same name under `parser` and `printer`.
pub mod ast;
pub mod diagnostic;
mod guard;
pub mod highlight;
pub mod keywords;
mod parser;
mod printer;
pub mod render;
pub mod scan;
pub mod similar;

pub use diagnostic::{Diagnostic, Label};
pub use highlight::{TokenKind, highlight, is_complete};
pub use keywords::keywords;
pub use parser::{parse, parse_at};
pub use printer::format::format;
pub use printer::print;

/// The dialect that decides what `"…"`, `/`, `int` and comments mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// PL-GRIZZLY, the default of the command line and of scripts.
    #[default]
    Grizzly,
    /// Standard SQL's reading, the default of the network endpoints.
    Ansi,
}

/// What parsing a script gives: every statement that could be read, every error, and every warning.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// In the order of the text; statements with errors are left out.
    pub statements: Vec<ast::Statement>,
    /// In the order of the text; empty means the script is well formed.
    pub diagnostics: Vec<Diagnostic>,
    /// What is worth a look in those statements.
    pub warnings: Vec<Diagnostic>,
}
