//! The words of the language, for completion, highlighting and suggestions.
//!
//! `keywords()` holds `SELECT`; `statement_words()` those that begin a statement.
//!
//! Invariants: upper case, sorted, each once.
//!
//! Does not: say where a word is reserved; that is the grammar's business.

/// Every keyword, upper case, in alphabetical order.
pub fn keywords() -> &'static [&'static str] {
    KEYWORDS
}

/// Whether a word is a keyword somewhere in the language, whatever its case.
pub fn is_keyword(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    KEYWORDS.binary_search(&upper.as_str()).is_ok()
}

/// Whether a statement may begin with this word.
pub(crate) fn begins_statement(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    STATEMENTS.binary_search(&upper.as_str()).is_ok()
}

/// The words that begin a statement.
pub(crate) fn statement_words() -> &'static [&'static str] {
    STATEMENTS
}

#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "ADVANCE", "ALL", "ALTER", "ANALYZE", "AND", "ANTI", "AS", "ASC", "ASOF", "ASSERT", "ATTACH", "AUDIT", "AWAIT",
    "BEGIN", "BETWEEN", "BLAME", "BOTH", "BREAK", "BY", "CALL", "CANCEL", "CASE", "CAST", "CATCH", "CHANGES", "CHECKPOINT",
    "COMMENT", "COMMIT", "CONTINUE", "COPY", "CREATE", "CROSS", "CUBE", "DELETE", "DESC", "DESCRIBE", "DETACH", "DIFF",
    "DISABLE", "DISTINCT", "DIV", "DROP", "DSC", "ELIF", "ELSE", "ENABLE", "END", "ESCAPE", "EXCEPT", "EXCLUDE", "EXECUTE",
    "EXISTS", "EXPLAIN", "EXPORT", "EXTRACT", "FALSE", "FETCH", "FILTER", "FIRST", "FOR", "FORMAT", "FROM", "FULL",
    "FUNCTION", "GRANT", "GROUP", "GROUPING", "HAVING", "IF", "IGNORE", "ILIKE", "IMPORT", "IN", "INNER", "INSERT",
    "INSTALL", "INTERSECT", "INTERVAL", "INTO", "IS", "JIT", "JOIN", "LAST", "LATERAL", "LEADING", "LEFT", "LET", "LIKE",
    "LIMIT", "LIST", "LOAD", "LOG", "LOGIN", "LOGOUT", "MACRO", "MATCH", "MATERIALIZED", "MERGE", "MODULE", "NATURAL",
    "NOT", "NULL", "NULLS", "OF", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER", "PIVOT", "PRAGMA", "PREPARE",
    "PROCEDURE", "PROVE", "QUALIFY", "RECURSIVE", "REFRESH", "RENAME", "REPLACE", "RESET", "RESPECT", "RETURN", "REVOKE",
    "RIGHT", "ROLLBACK", "ROLLUP", "ROWS", "RUN", "SAVEPOINT", "SCHEDULE", "SELECT", "SEMI", "SET", "SETS", "SHOW",
    "SINCE", "SNAPSHOT", "SPAWN", "START", "STREAM", "TABLESAMPLE", "TEST", "THEN", "THROW", "TO", "TRAILING", "TRUE",
    "TRUNCATE", "TRY", "TRY_CAST", "TYPE", "UNION", "UNKNOWN", "UNPIVOT", "UNTIL", "UPDATE", "UPSERT", "USE", "USING",
    "VACUUM", "VALUES", "VERIFY", "WHEN", "WHERE", "WHILE", "WINDOW", "WITH", "WITHIN", "YIELD",
];

#[rustfmt::skip]
const STATEMENTS: &[&str] = &[
    "ADVANCE", "ALTER", "ANALYZE", "ASSERT", "ATTACH", "AUDIT", "BEGIN", "BLAME", "CALL", "CANCEL", "CHECKPOINT",
    "COMMENT", "COMMIT", "COPY", "CREATE", "DELETE", "DESC", "DESCRIBE", "DETACH", "DIFF", "DISABLE", "DROP", "ENABLE",
    "EXECUTE", "EXPLAIN", "EXPORT", "FOR", "FROM", "FUNCTION", "GRANT", "IF", "IMPORT", "INSERT", "INSTALL", "LET", "LIST",
    "LOAD", "LOG", "LOGIN", "LOGOUT", "MACRO", "MERGE", "MODULE", "PRAGMA", "PREPARE", "PROCEDURE", "PROVE", "REFRESH",
    "RESET", "RETURN", "REVOKE", "ROLLBACK", "RUN", "SAVEPOINT", "SCHEDULE", "SELECT", "SET", "SHOW", "SNAPSHOT", "START",
    "STREAM", "TEST", "THROW", "TRUNCATE", "TRY", "TYPE", "UPDATE", "UPSERT", "USE", "VACUUM", "VALUES", "VERIFY", "WHILE",
    "WITH", "YIELD",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_statement_words_are_keywords() {
        assert!(KEYWORDS.is_sorted());
        assert!(STATEMENTS.is_sorted());
        for word in STATEMENTS {
            assert!(is_keyword(word), "{word}");
        }
    }

    #[test]
    fn the_grammars_keywords_are_in_the_list() {
        // These are words of a form, never highlighted or completed on their own.
        let minor = ["precision", "varying", "zone", "within", "without", "format", "ties"];
        for line in include_str!("../keywords.pest").lines() {
            let Some((name, _)) = line.split_once(" =") else {
                continue;
            };
            let word = name.trim_start_matches("kw_");
            assert!(minor.contains(&word) || is_keyword(word), "{word}");
        }
    }
}
