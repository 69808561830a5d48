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
    "ABORT", "ADD", "ADVANCE", "ALL", "ALTER", "ALWAYS", "ANALYZE", "AND", "ANTI", "AS", "ASC", "ASOF", "ASSERT",
    "ATTACH", "AUDIT", "AWAIT", "BEGIN", "BETWEEN", "BLAME", "BOTH", "BRANCH", "BREAK", "BY", "CACHE", "CALL", "CANCEL",
    "CASCADE", "CASE", "CAST", "CATCH", "CHANGES", "CHECK", "CHECKPOINT", "COLUMN", "COMMENT", "COMMIT", "COMPACT",
    "CONFLICT", "CONSTRAINT", "CONTINUE", "COPY", "CREATE", "CROSS", "CUBE", "DEALLOCATE", "DEFAULT", "DELETE", "DESC",
    "DESCRIBE", "DETACH", "DIFF", "DISABLE", "DISTINCT", "DIV", "DROP", "DSC", "ELIF", "ELSE", "ENABLE", "END",
    "ESCAPE", "EXCEPT", "EXCLUDE", "EXECUTE", "EXISTS", "EXPLAIN", "EXPORT", "EXTRACT", "FALSE", "FETCH", "FILTER",
    "FIRST", "FOR", "FOREIGN", "FORMAT", "FROM", "FULL", "FUNCTION", "GENERATED", "GRANT", "GROUP", "GROUPING",
    "HAVING", "IF", "IGNORE", "ILIKE", "IMPORT", "IN", "INDEX", "INNER", "INSERT", "INSTALL", "INTERSECT", "INTERVAL",
    "INTO", "IS", "JIT", "JOIN", "LAST", "LATERAL", "LEADING", "LEFT", "LET", "LIKE", "LIMIT", "LIST", "LOAD", "LOG",
    "LOGIN", "LOGOUT", "MACRO", "MATCH", "MATERIALIZED", "MERGE", "MODULE", "NATURAL", "NOT", "NULL", "NULLS", "OF",
    "OFFSET", "ON", "OR", "ORDER", "OURS", "OUTER", "OVER", "PIVOT", "PRAGMA", "PREPARE", "PRIMARY", "PROCEDURE", "PROVE",
    "QUALIFY", "READ", "RECURSIVE", "REFERENCES", "REFRESH", "RELEASE", "RENAME", "REPLACE", "RESET", "RESPECT",
    "RESTRICT", "RETURN", "RETURNING", "REVOKE", "RIGHT", "ROLLBACK", "ROLLUP", "ROWS", "RUN", "SAVEPOINT", "SCHEDULE",
    "SCHEMA", "SELECT", "SEMI", "SERIALIZABLE", "SET", "SETS", "SHOW", "SINCE", "SNAPSHOT", "SPAWN", "START", "STREAM",
    "TABLE", "TABLESAMPLE", "TEMP", "TEMPORARY", "TEST", "THEIRS", "THEN", "THROW", "TO", "TRAILING", "TRANSACTION", "TRUE",
    "TRUNCATE", "TRY", "TRY_CAST", "TYPE", "UNION", "UNIQUE", "UNKNOWN", "UNPIVOT", "UNTIL", "UPDATE", "UPSERT", "USE",
    "USING", "VACUUM", "VALUES", "VERIFY", "VIEW", "WATERMARK", "WHEN", "WHERE", "WHILE", "WINDOW", "WITH", "WITHIN",
    "YIELD",
];

#[rustfmt::skip]
const STATEMENTS: &[&str] = &[
    "ABORT", "ADVANCE", "ALTER", "ANALYZE", "ASSERT", "ATTACH", "AUDIT", "BEGIN", "BLAME", "CACHE", "CALL", "CANCEL",
    "CHECKPOINT", "COMMENT", "COMMIT", "COMPACT", "COPY", "CREATE", "DEALLOCATE", "DELETE", "DESC", "DESCRIBE",
    "DETACH", "DIFF", "DISABLE", "DROP", "ENABLE", "EXECUTE", "EXPLAIN", "EXPORT", "FOR", "FROM", "FUNCTION", "GRANT",
    "IF", "IMPORT", "INSERT", "INSTALL", "LET", "LIST", "LOAD", "LOG", "LOGIN", "LOGOUT", "MACRO", "MERGE", "MODULE",
    "PRAGMA", "PREPARE", "PROCEDURE", "PROVE", "REFRESH", "RELEASE", "RESET", "RETURN", "REVOKE", "ROLLBACK", "RUN",
    "SAVEPOINT", "SCHEDULE", "SELECT", "SET", "SHOW", "SNAPSHOT", "START", "STREAM", "TEST", "THROW", "TRUNCATE", "TRY",
    "TYPE", "UPDATE", "UPSERT", "USE", "VACUUM", "VALUES", "VERIFY", "WHILE", "WITH", "YIELD",
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
        let minor = [
            "action",
            "at",
            "clear",
            "committed",
            "data",
            "do",
            "incremental",
            "isolation",
            "key",
            "level",
            "matched",
            "message",
            "no",
            "nothing",
            "only",
            "precision",
            "repeatable",
            "source",
            "stats",
            "stored",
            "tag",
            "target",
            "ties",
            "uncommitted",
            "varying",
            "virtual",
            "without",
            "work",
            "write",
            "zone",
        ];
        for line in include_str!("../keywords.pest").lines() {
            let Some((name, _)) = line.split_once(" =") else {
                continue;
            };
            let word = name.trim_start_matches("kw_");
            assert!(minor.contains(&word) || is_keyword(word), "{word}");
        }
    }
}
