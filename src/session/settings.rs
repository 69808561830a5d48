//! Every setting of a session, in one table.
//!
//! `SET threads = 1` finds the row `threads` of [`SETTINGS`], which parses `1` into [`Settings::threads`]; `SHOW ALL` prints the
//! table.
//!
//! Invariants: `Settings::default()` is what the table's `default` texts say; `get` gives a text that `set` accepts.
//!
//! Does not: know who asks, or check what only a query can know.

use std::sync::LazyLock;

use gobi_grammar::Dialect;

use super::isolation::Isolation;
use crate::exec::JitMode;
use crate::host;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When queries run as machine code.
    pub jit: JitMode,
    /// How scripts are read.
    pub dialect: Dialect,
    /// Workers of a query; 0 takes every core.
    pub threads: usize,
    /// Budget of a query; 0 takes four fifths of the memory of the machine, or of its container.
    pub memory_limit_bytes: usize,
    /// Rows that one step of a pipeline takes at once.
    pub batch_rows: usize,
    /// What transactions see of each other, unless BEGIN says it.
    pub isolation: Isolation,
    /// Whether tables are compacted behind commits.
    pub auto_compact: bool,
    /// How long a statement waits for another transaction; 0 is as long as it takes.
    pub lock_timeout_ms: u64,
    /// How much history VACUUM keeps; none is all of it.
    pub retention_ms: Option<u64>,
    /// How long a statement may take; 0 is as long as it takes.
    pub statement_timeout_ms: u64,
}

/// One row of the table.
pub struct Setting {
    /// Name.
    pub name: &'static str,
    /// What may be assigned, in words.
    pub values: &'static str,
    /// Value before any SET.
    pub default: &'static str,
    /// What it does, one sentence.
    pub doc: &'static str,
    get: fn(&Settings) -> String,
    set: fn(&mut Settings, &str) -> Option<()>,
}

/// The table.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "auto_compact",
        values: "on or off",
        default: "on",
        doc: "whether small segments of a table are put together behind its commits",
        get: |settings| if settings.auto_compact { "on" } else { "off" }.to_string(),
        set: |settings, text| parse_switch(text).map(|on| settings.auto_compact = on),
    },
    Setting {
        name: "batch_size",
        values: "a number of rows, 1 to 1048576",
        default: "65536",
        doc: "rows that one step of a pipeline takes at once",
        get: |settings| settings.batch_rows.to_string(),
        set: |settings, text| parse_count(text, 1, 1 << 20).map(|rows| settings.batch_rows = rows),
    },
    Setting {
        name: "default_transaction_isolation",
        values: "'read committed', 'snapshot' or 'serializable'",
        default: "snapshot",
        doc: "what transactions see of each other, unless BEGIN says it",
        get: |settings| settings.isolation.to_string(),
        set: |settings, text| Isolation::parse(text).map(|level| settings.isolation = level),
    },
    Setting {
        name: "dialect",
        values: "grizzly or ansi",
        default: "grizzly",
        doc: "what \"…\", /, int and comments mean",
        get: |settings| dialect_name(settings.dialect).to_string(),
        set: |settings, text| parse_dialect(text).map(|dialect| settings.dialect = dialect),
    },
    Setting {
        name: "jit",
        values: "auto, on or off",
        default: "auto",
        doc: "when queries run as machine code; off interprets the same program",
        get: |settings| jit_name(settings.jit).to_string(),
        set: |settings, text| parse_jit(text).map(|jit| settings.jit = jit),
    },
    Setting {
        name: "lock_timeout",
        values: "a time such as 500ms or 2s, or off",
        default: "off",
        doc: "how long a statement waits for a row that another transaction has changed",
        get: |settings| time_text(settings.lock_timeout_ms),
        set: |settings, text| parse_ms(text).map(|ms| settings.lock_timeout_ms = ms),
    },
    Setting {
        name: "memory_limit",
        values: "a size such as 256MB, or auto",
        default: "auto",
        doc: "memory that one query may hold; auto is four fifths of the machine's",
        get: |settings| size_text(settings.memory_limit_bytes),
        set: |settings, text| parse_size(text).map(|bytes| settings.memory_limit_bytes = bytes),
    },
    Setting {
        name: "retention",
        values: "a time such as 12h or 7d, or forever",
        default: "forever",
        doc: "how much of the history VACUUM keeps",
        get: |settings| match settings.retention_ms {
            None => "forever".into(),
            Some(ms) => format!("{ms}ms"),
        },
        set: |settings, text| parse_retention(text).map(|kept| settings.retention_ms = kept),
    },
    Setting {
        name: "statement_timeout",
        values: "a time such as 500ms or 2s, or off",
        default: "off",
        doc: "how long a statement may take, with all that its bodies and triggers do",
        get: |settings| time_text(settings.statement_timeout_ms),
        set: |settings, text| parse_ms(text).map(|ms| settings.statement_timeout_ms = ms),
    },
    Setting {
        name: "threads",
        values: "a number, 1 to 1024, or auto",
        default: "auto",
        doc: "workers of one query; auto takes every core",
        get: |settings| count_text(settings.threads),
        set: |settings, text| parse_threads(text).map(|threads| settings.threads = threads),
    },
];

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Settings {
            jit: JitMode::Auto,
            dialect: Dialect::Grizzly,
            threads: 0,
            memory_limit_bytes: 0,
            batch_rows: 0,
            auto_compact: true,
            isolation: Isolation::Snapshot,
            lock_timeout_ms: 0,
            retention_ms: None,
            statement_timeout_ms: 0,
        };
        for setting in SETTINGS {
            (setting.set)(&mut settings, setting.default).expect("the table's defaults are valid");
        }
        settings
    }
}

impl Settings {
    /// Assigns; an error says what may be assigned.
    pub fn set(&mut self, setting: &Setting, text: &str) -> Result<(), String> {
        (setting.set)(self, text).ok_or_else(|| format!("`{}` takes {}, not `{text}`", setting.name, setting.values))
    }

    /// The value as text.
    pub fn get(&self, setting: &Setting) -> String {
        (setting.get)(self)
    }

    /// Workers, with `auto` resolved.
    pub fn thread_count(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        // Asked once: the answer is read out of several files.
        static CORES: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        *CORES
    }

    /// Budget in bytes, with `auto` resolved.
    pub fn memory_bytes(&self) -> usize {
        if self.memory_limit_bytes > 0 {
            return self.memory_limit_bytes;
        }
        static PHYSICAL: LazyLock<Option<usize>> = LazyLock::new(host::memory_bytes);
        PHYSICAL.map_or(usize::MAX, |bytes| bytes / 5 * 4)
    }
}

/// The row of a name, in any case.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// `256MB` is 256,000,000 bytes, `1GiB` 1,073,741,824; `auto` is 0.
pub fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("auto") {
        return Some(0);
    }
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    (1.0..=9e18).contains(&bytes).then_some(bytes as usize)
}

/// `auto`, or 1 to 1024.
pub fn parse_threads(text: &str) -> Option<usize> {
    if text.eq_ignore_ascii_case("auto") {
        return Some(0);
    }
    parse_count(text, 1, 1024)
}

fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

fn parse_count(text: &str, least: usize, most: usize) -> Option<usize> {
    text.parse().ok().filter(|count| (least..=most).contains(count))
}

/// `grizzly` or `ansi`.
pub fn parse_dialect(text: &str) -> Option<Dialect> {
    match text.to_ascii_lowercase().as_str() {
        "grizzly" => Some(Dialect::Grizzly),
        "ansi" => Some(Dialect::Ansi),
        _ => None,
    }
}

/// `grizzly` or `ansi`.
pub fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Grizzly => "grizzly",
        Dialect::Ansi => "ansi",
    }
}

/// `auto`, `on` or `off`.
pub fn parse_jit(text: &str) -> Option<JitMode> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Some(JitMode::Auto),
        "on" | "true" => Some(JitMode::On),
        "off" | "false" => Some(JitMode::Off),
        _ => None,
    }
}

fn jit_name(jit: JitMode) -> &'static str {
    match jit {
        JitMode::Auto => "auto",
        JitMode::On => "on",
        JitMode::Off => "off",
    }
}

/// `500ms`, `2s`, `1min`; a number alone is milliseconds, `off` is 0.
fn parse_ms(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    if text == "off" {
        return Some(0);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// `7d`, or `0s`; none is `forever`.
pub fn parse_retention(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        all if all.eq_ignore_ascii_case("forever") => Some(None),
        // Here no time is one, too; `off` is not.
        off if off.eq_ignore_ascii_case("off") => None,
        text => parse_ms(text).map(Some),
    }
}

fn time_text(ms: u64) -> String {
    match ms {
        0 => "off".into(),
        _ => format!("{ms}ms"),
    }
}

fn count_text(count: usize) -> String {
    if count == 0 { "auto".into() } else { count.to_string() }
}

fn size_text(bytes: usize) -> String {
    match bytes {
        0 => "auto".into(),
        _ if bytes.is_multiple_of(1_000_000) => format!("{}MB", bytes / 1_000_000),
        _ => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_what_it_prints() {
        let mut settings = Settings::default();
        for setting in SETTINGS {
            let text = settings.get(setting);
            assert_eq!(text, setting.default, "{}", setting.name);
            settings.set(setting, &text).unwrap();
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("256MB"), Some(256_000_000));
        assert_eq!(parse_size("1.5 GiB"), Some(1_610_612_736));
        assert_eq!(parse_size("20"), Some(20));
        assert_eq!(parse_size("0MB"), None);
        assert_eq!(parse_size("many"), None);
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("off", 0),
            ("250", 250),
            ("500ms", 500),
            ("2 s", 2_000),
            ("1min", 60_000),
        ] {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
            assert_eq!(parse_ms(&time_text(ms)), Some(ms));
        }
        assert_eq!(parse_ms("soon"), None);
        assert_eq!(parse_ms("2 weeks"), None);
    }

    #[test]
    fn a_bad_value_says_what_is_allowed() {
        let setting = find("JIT").unwrap();
        let error = Settings::default().set(setting, "maybe").unwrap_err();
        assert_eq!(error, "`jit` takes auto, on or off, not `maybe`");
    }
}
