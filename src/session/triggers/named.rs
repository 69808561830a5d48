//! Names in the options of a trigger: `target: 'orders|sales.refunds'`.
//!
//! A name that has a dot, a `|` or a backtick stands in backticks: `` target: '`a|b`.`c.d`' ``.
//!
//! Invariants: a name that is written is read as the same.
//!
//! Does not: look them up.

/// A name as it is written in an option.
pub fn written(name: &str) -> String {
    let is_plain = !name.contains(['.', '|', '`']) && name.trim() == name && !name.is_empty();
    match is_plain {
        true => name.to_owned(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

/// The parts of a text between separators that stand in no backticks.
pub fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    let parts = text.split(|c: char| {
        is_quoted ^= c == '`';
        c == separator && !is_quoted
    });
    parts.collect()
}

/// The name that is written so.
pub fn read(part: &str) -> String {
    let part = part.trim();
    let quoted = part.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    quoted.map_or_else(|| part.to_owned(), |name| name.replace("``", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for name in ["t", "a b", "a.b", "a|b", "a`b", " a", "`", "a|`.b"] {
            let all = format!("x|{}.{}", written(name), written(name));
            let [_, path] = split(&all, '|')[..] else {
                panic!("{all}")
            };
            let parts: Vec<String> = split(path, '.').into_iter().map(read).collect();
            assert_eq!(parts, [name, name], "{all}");
        }
    }
}
