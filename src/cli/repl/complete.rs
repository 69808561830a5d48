//! What Tab offers: keywords, tables, columns, and inside quotes files.
//!
//! `SELECT l_ret` offers `l_returnflag` once the table was used; `FROM 'da` offers `data/`.
//!
//! Invariants: a keyword is offered in the case of what was typed; a name as it is.
//!
//! Does not: know which names make sense where.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use reedline::{Completer, CompletionResult, Span, Suggestion};

/// The words that can be offered.
pub struct Words {
    names: Arc<Mutex<Vec<String>>>,
}

impl Words {
    /// Keywords, files, and names that may change between two lines.
    pub fn new(names: Arc<Mutex<Vec<String>>>) -> Self {
        Self { names }
    }

    fn words(&self, prefix: &str) -> Vec<String> {
        let lower = prefix.to_lowercase();
        let typed_lower = prefix.chars().any(char::is_lowercase);
        let keywords = gobi_grammar::keywords().iter().map(|word| match typed_lower {
            true => word.to_lowercase(),
            false => (*word).to_string(),
        });
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut words: Vec<_> = names.into_iter().chain(keywords).collect();
        words.retain(|word| word.to_lowercase().starts_with(&lower));
        words
    }
}

impl Completer for Words {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let before = line.get(..pos).unwrap_or(line);
        let (start, values) = match open_quote(before) {
            Some(start) => (start, files(before.get(start..).unwrap_or_default())),
            None => {
                let start = word_start(before);
                let prefix = before.get(start..).unwrap_or_default();
                (
                    start,
                    if prefix.is_empty() {
                        Vec::new()
                    } else {
                        self.words(prefix)
                    },
                )
            }
        };
        let suggest = |value: String| Suggestion {
            append_whitespace: !value.ends_with('/'),
            value,
            display_override: None,
            description: None,
            style: None,
            extra: None,
            span: Span::new(start, pos),
            match_indices: None,
        };
        CompletionResult::fresh(values.into_iter().map(suggest).collect::<Vec<_>>())
    }
}

/// Where the text of a string that is not closed begins.
fn open_quote(text: &str) -> Option<usize> {
    let mut open = None;
    for (at, c) in text.char_indices() {
        match (c, open) {
            ('\'', None) => open = Some(at + 1),
            ('\'', Some(_)) => open = None,
            _ => {}
        }
    }
    open
}

fn word_start(text: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
    text.char_indices()
        .rev()
        .take_while(|(_, c)| is_word(*c))
        .last()
        .map_or(text.len(), |(at, _)| at)
}

/// Files and folders whose path begins with a text.
fn files(prefix: &str) -> Vec<String> {
    let (folder, name) = prefix
        .rsplit_once('/')
        .map_or(("", prefix), |(folder, name)| (folder, name));
    let shown = if prefix.contains('/') {
        format!("{folder}/")
    } else {
        String::new()
    };
    let listed = if prefix.contains('/') { shown.as_str() } else { "." };
    let Ok(entries) = std::fs::read_dir(Path::new(listed)) else {
        return Vec::new();
    };
    let mut out: Vec<String> = Vec::new();
    for entry in entries.flatten() {
        let Ok(found) = entry.file_name().into_string() else {
            continue;
        };
        if found.starts_with(name) && (!found.starts_with('.') || name.starts_with('.')) {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            out.push(format!("{shown}{found}{slash}"));
        }
    }
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let names = Arc::new(Mutex::new(vec!["l_returnflag".to_string()]));
        let result = Words::new(names).complete(line, line.len());
        result
            .suggestions()
            .iter()
            .map(|suggestion| suggestion.value.clone())
            .collect()
    }

    #[test]
    fn keywords_follow_the_typed_case() {
        assert!(offered("sel").contains(&"select".to_string()));
        assert!(offered("SEL").contains(&"SELECT".to_string()));
    }

    #[test]
    fn names_are_offered_as_they_are() {
        assert_eq!(offered("SELECT L_RET"), ["l_returnflag"]);
    }

    #[test]
    fn files_are_offered_inside_quotes() {
        assert_eq!(offered("FROM 'Cargo.to"), ["Cargo.toml"]);
        assert_eq!(offered("FROM 'gramma"), ["grammar/"]);
        assert_eq!(offered("FROM 'a' WHERE "), Vec::<String>::new());
    }
}
