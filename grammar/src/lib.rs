//! PL-GRIZZLY: from text to syntax tree and back.
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
pub use parser::parse;
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

/// What parsing a script gives: every statement that could be read, and every error.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// In the order of the text; statements with errors are left out.
    pub statements: Vec<ast::Statement>,
    /// In the order of the text; empty means the script is well formed.
    pub diagnostics: Vec<Diagnostic>,
}
