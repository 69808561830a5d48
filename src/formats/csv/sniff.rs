//! What a CSV file looks like, guessed from its beginning: delimiter, header, types.
//!
//! `id;name\n1;Ann\n` has the delimiter `;`, a header, and the columns `id bigint`, `name string`.
//!
//! Invariants: whatever the options fix is not guessed.
//!
//! Does not: report bad rows; reading does.

use super::CsvOptions;
use super::split::{Dialect, Records, Span};
use super::values::Guess;
use crate::types::text::distinct_names;
use crate::types::{Field, LogicalType};

/// Tried in this order; the first of equals wins.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// Records looked at.
const SAMPLE_RECORDS: usize = 20_480;

/// How to read a file.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) dialect: Dialect,
    pub(super) fields: Vec<Field>,
    /// Where the first record after the header starts in the sample.
    pub(super) data_start: usize,
}

/// Guesses from a sample that ends at the end of a record.
pub(super) fn sniff(sample: &[u8], options: &CsvOptions) -> Shape {
    let quote = options.quote.unwrap_or(b'"');
    let newline = line_end(sample, quote);
    let delimiter = options
        .delimiter
        .unwrap_or_else(|| guess_delimiter(sample, quote, newline));
    let dialect = Dialect {
        delimiter,
        quote,
        newline,
    };
    let table = Table::new(sample, dialect);
    // An empty file has a column, like any other.
    let columns = table.columns().max(1);
    let (with_first, without_first) = (table.types(0, columns), table.types(1, columns));
    let header = options.header.unwrap_or_else(|| {
        let first = table.records.first();
        first.is_some_and(|first| looks_like_header(&first.texts(sample), &with_first, &without_first))
    });
    let types = if header { without_first } else { with_first };
    let names = match table.records.first().filter(|_| header) {
        Some(first) => column_names(first.texts(sample)),
        None => (0..columns).map(|i| format!("column{i}")).collect(),
    };
    // A header decides the number of columns, even if the rows below it do not agree.
    let types = types.into_iter().chain(std::iter::repeat(LogicalType::String));
    let fields = names.into_iter().zip(types).map(|(name, guessed)| Field {
        ty: options.type_of(&name).unwrap_or(guessed),
        name,
        nullable: true,
    });
    Shape {
        dialect,
        fields: fields.collect(),
        data_start: if header {
            table.records.first().map_or(0, |first| first.end)
        } else {
            0
        },
    }
}

/// The sample, split.
struct Table<'a> {
    sample: &'a [u8],
    records: Vec<Record>,
}

struct Record {
    spans: Vec<Span>,
    end: usize,
}

impl Record {
    fn texts(&self, sample: &[u8]) -> Vec<String> {
        let text = |span: &Span| String::from_utf8_lossy(span.bytes(sample)).into_owned();
        self.spans.iter().map(text).collect()
    }

    fn is_blank(&self) -> bool {
        matches!(self.spans.as_slice(), [only] if only.start == only.end)
    }
}

impl<'a> Table<'a> {
    fn new(sample: &'a [u8], dialect: Dialect) -> Self {
        let mut reader = Records::new(sample, dialect);
        let mut records = Vec::new();
        let mut spans = Vec::new();
        // A malformed record ends the sample; reading will report it.
        while let Some(Ok(_)) = reader.next_into(&mut spans) {
            records.push(Record {
                spans: std::mem::take(&mut spans),
                end: reader.position().min(sample.len()),
            });
            if records.len() == SAMPLE_RECORDS {
                break;
            }
        }
        if records.iter().any(|record| !record.is_blank()) {
            let wide = records.iter().any(|record| record.spans.len() > 1);
            records.retain(|record| !(wide && record.is_blank()));
        }
        Self { sample, records }
    }

    /// The number of fields that most records have, and how many have it.
    fn usual(&self) -> (usize, usize) {
        let mut counts: Vec<usize> = self.records.iter().map(|record| record.spans.len()).collect();
        counts.sort_unstable();
        let groups = counts.chunk_by(|a, b| a == b);
        groups
            .map(|group| (group[0], group.len()))
            .max_by_key(|(_, times)| *times)
            .unwrap_or((0, 0))
    }

    fn columns(&self) -> usize {
        self.usual().0
    }

    fn types(&self, skip: usize, columns: usize) -> Vec<LogicalType> {
        let mut guesses = vec![Guess::new(); columns];
        for record in self.records.iter().skip(skip) {
            for (guess, span) in guesses.iter_mut().zip(&record.spans) {
                guess.see(&String::from_utf8_lossy(span.bytes(self.sample)));
            }
        }
        guesses.iter().map(Guess::ty).collect()
    }
}

/// The byte that ends lines, as the first line end outside quotes says.
pub(super) fn line_end(sample: &[u8], quote: u8) -> u8 {
    let mut quoted = false;
    for (at, byte) in sample.iter().enumerate() {
        match byte {
            byte if *byte == quote => quoted = !quoted,
            b'\n' if !quoted => return b'\n',
            b'\r' if !quoted => match sample.get(at + 1) {
                Some(b'\n') | None => return b'\n',
                Some(_) => return b'\r',
            },
            _ => {}
        }
    }
    b'\n'
}

fn guess_delimiter(sample: &[u8], quote: u8, newline: u8) -> u8 {
    let score = |delimiter: u8| {
        let dialect = Dialect {
            delimiter,
            quote,
            newline,
        };
        let table = Table::new(sample, dialect);
        let (fields, times) = table.usual();
        let share = times * 100 / table.records.len().max(1);
        (fields > 1, share, fields)
    };
    // `max_by_key` takes the last of equals, so the order is turned round.
    let best = DELIMITERS.into_iter().rev().max_by_key(|delimiter| score(*delimiter));
    best.unwrap_or(b',')
}

/// The first record is a header if a text in it fits no type but string while the column's others do, or if all columns
/// are strings (which cannot be told from data, and headers are the rule).
fn looks_like_header(first: &[String], with_first: &[LogicalType], without_first: &[LogicalType]) -> bool {
    let is_word = |text: &String| {
        let mut guess = Guess::new();
        guess.see(text);
        !text.is_empty() && guess.ty() == LogicalType::String
    };
    let differs = first
        .iter()
        .zip(without_first)
        .any(|(text, ty)| is_word(text) && *ty != LogicalType::String);
    let all_strings = with_first.iter().all(|ty| *ty == LogicalType::String);
    let named = first.iter().all(|text| !text.is_empty());
    differs || (all_strings && named)
}

fn column_names(texts: Vec<String>) -> Vec<String> {
    let texts = texts.into_iter().enumerate();
    distinct_names(texts.map(|(i, text)| match text.trim() {
        "" => format!("column{i}"),
        text => text.to_string(),
    }))
}
