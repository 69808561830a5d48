//! From syntax tree to text, and from text to well laid out text.
//!
//! [`print()`] writes a tree in canonical form, `SELECT a + 1 FROM t;`; [`format::format`] lays out what a user wrote.
//!
//! Invariants: `parse(print(tree)) == tree` for every tree that the parser can give.
//!
//! Does not: keep the user's spelling in [`print()`], nor change it in [`format::format`].

mod change;
mod define;
mod events;
mod expr;
pub(crate) mod format;
mod layout;
mod procedure;
mod query;
mod session;
mod timeline;
mod trigger;
mod types;
mod window;

use crate::Dialect;
use crate::ast::{Ident, Statement, StatementKind};

/// Statements as canonical text, one a line. An unsupported form becomes a comment, as the tree does not hold its text.
pub fn print(statements: &[Statement], dialect: Dialect) -> String {
    let mut printer = Printer {
        out: String::new(),
        dialect,
    };
    for statement in statements {
        printer.statement(statement);
        printer.out.push_str(";\n");
    }
    printer.out
}

/// Writes trees.
struct Printer {
    out: String,
    dialect: Dialect,
}

impl Printer {
    fn word(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Query(query) => self.query(query),
            StatementKind::Unsupported { feature } => self.unsupported(feature),
            kind => {
                // INVARIANT: each kind is one of these; the property test over all kinds would show an empty text.
                let _ = self.define(kind)
                    || self.change(kind)
                    || self.transaction(kind)
                    || self.timeline(kind)
                    || self.procedural(kind)
                    || self.trigger(kind)
                    || self.session(kind);
            }
        }
    }

    fn unsupported(&mut self, feature: &str) {
        self.word(&format!("/* unsupported: {} */", feature.replace("*/", "* /")));
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        for (at, value) in items.iter().enumerate() {
            if at > 0 {
                self.word(", ");
            }
            item(self, value);
        }
    }

    fn ident(&mut self, ident: &Ident) {
        match (ident.quoted, self.dialect) {
            (false, _) => self.word(&ident.text),
            (true, Dialect::Grizzly) => self.word(&format!("`{}`", ident.text.replace('`', "``"))),
            (true, Dialect::Ansi) => self.word(&format!("\"{}\"", ident.text.replace('"', "\"\""))),
        }
    }

    fn idents(&mut self, idents: &[Ident]) {
        self.word("(");
        self.list(idents, Self::ident);
        self.word(")");
    }

    fn string(&mut self, text: &str) {
        self.word(&format!("'{}'", text.replace('\'', "''")));
    }
}
