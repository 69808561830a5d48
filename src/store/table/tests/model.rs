//! Random transactions on a table against a list of rows: appended, deleted, redefined, read as of every commit. Labels come to an enum
//! at any place.

use std::collections::BTreeMap;

use arrow::array::new_null_array;
use arrow::compute::concat;

use super::*;
use crate::store::cache::ChunkCache;
use crate::store::object::CommitId;
use crate::types::EnumType;
use crate::types::array::constant_array;
use crate::types::arrow::to_arrow;

/// A row: what each column shows.
type Row = BTreeMap<ColumnNo, String>;

struct Run {
    disk: SimDisk,
    random: SimRandom,
    database: Arc<Database>,
    cache: ChunkCache,
    id: EntityId,
    head: Snapshot,
    rows: Vec<Row>,
    next: i64,
    /// Commits, and what they show.
    past: Vec<(CommitId, Vec<String>)>,
}

/// A transaction under way.
struct Open {
    changes: Changes,
    rows: Vec<Row>,
}

const DECIMAL: LogicalType = LogicalType::Decimal { precision: 9, scale: 2 };

impl Run {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new();
        let mut def = pairs("t");
        def.columns = vec![
            column(0, "a", LogicalType::Integer),
            column(1, "b", LogicalType::String),
            column(2, "c", LogicalType::Real),
            column(3, "d", DECIMAL),
            column(
                4,
                "e",
                LogicalType::Enum(Arc::new(EnumType::new("e", vec!["first".into()]))),
            ),
        ];
        def.next_column = 5;
        def.primary_key = Some(KeyDef {
            name: "t_pkey".into(),
            columns: vec![ColumnNo(0)],
        });
        let (database, id, head) = with_table(&disk, def);
        Self {
            disk,
            random: SimRandom::new(seed),
            database,
            cache: ChunkCache::new(1 << 26),
            id,
            head,
            rows: Vec::new(),
            next: 0,
            past: Vec::new(),
        }
    }

    fn def(&self, changes: &Changes) -> TableDef {
        changes.catalog.table(self.id).unwrap().clone()
    }

    fn append(&mut self, open: &mut Open, count: usize) {
        let def = self.def(&open.changes);
        let mut columns: Vec<Vec<ArrayRef>> = def.columns.iter().map(|_| Vec::new()).collect();
        // Large batches repeat what they begin with, in all but the key.
        let distinct = count.min(40);
        let keys: Vec<i64> = (0..count as i64).map(|row| self.next + row).collect();
        self.next += count as i64;
        let mut rows: Vec<Row> = vec![Row::new(); count];
        for (column, arrays) in def.columns.iter().zip(&mut columns) {
            let values: Vec<Value> = (0..distinct).map(|_| self.value(&column.ty)).collect();
            for (at, (row, key)) in rows.iter_mut().zip(&keys).enumerate() {
                let value = match column.no {
                    ColumnNo(0) => Value::Int((*key).into()),
                    _ => values[at % distinct].clone(),
                };
                if value != Value::Null {
                    row.insert(column.no, value.display(&column.ty));
                }
                if at < distinct || column.no == ColumnNo(0) {
                    arrays.push(constant_array(&value, &column.ty, 1).unwrap());
                }
            }
            if column.no != ColumnNo(0) {
                let first: Vec<_> = arrays.iter().take(distinct).map(|array| &**array).collect();
                let first = concat(&first).unwrap();
                *arrays = (0..count.div_ceil(distinct))
                    .map(|at| first.slice(0, distinct.min(count - at * distinct)))
                    .collect();
            }
        }
        let arrays = columns.iter().zip(&def.columns).map(|(arrays, column)| {
            let parts: Vec<_> = arrays.iter().map(|array| &**array).collect();
            match parts.as_slice() {
                [] => new_null_array(&to_arrow(&column.ty), 0),
                parts => concat(parts).unwrap(),
            }
        });
        let batch = RecordBatch::try_new(arrow_schema(&def.fields()), arrays.collect()).unwrap();
        open.changes.table(self.id).unwrap().append(&def, &batch).unwrap();
        open.rows.extend(rows);
    }

    fn value(&self, ty: &LogicalType) -> Value {
        let seed = self.random.below(1 << 20) as i32;
        match ty {
            _ if seed % 5 == 0 => Value::Null,
            LogicalType::String if seed % 3 == 0 => Value::String(format!("text number {}", seed % 40).into()),
            LogicalType::String => Value::String(format!("{}", seed % 7).into()),
            LogicalType::Enum(labels) => Value::Int(i128::from(seed) % (labels.last() + 1)),
            LogicalType::Real | LogicalType::Double => Value::Float(f64::from(seed) / 4.0),
            _ => Value::Int(i128::from(seed % 300) - 100),
        }
    }

    /// Every row must be where the model has it.
    fn staged(&self, open: &Open) -> Vec<(RowAddress, String)> {
        let def = self.def(&open.changes);
        let table = self.head.table_as(self.id, &def).unwrap();
        let relation = table.relation(open.changes.tables.get(&self.id)).unwrap();
        cached_rows(&*relation, &self.cache)
    }

    fn delete(&mut self, open: &mut Open) {
        let shown = self.staged(open);
        let share = 1 + self.random.below(6);
        let mut gone = Vec::new();
        let mut kept = Vec::new();
        for (row, (address, _)) in open.rows.iter().zip(&shown) {
            match self.random.below(share) {
                0 => gone.push(*address),
                _ => kept.push(row.clone()),
            }
        }
        open.changes.table(self.id).unwrap().delete(&gone);
        open.rows = kept;
    }

    fn redefine(&mut self, open: &mut Open) {
        let mut def = self.def(&open.changes);
        let last = def.columns.len() - 1;
        match self.random.below(6) {
            4.. => {
                if let Some(LogicalType::Enum(labels)) = def.columns.get_mut(4).map(|column| &mut column.ty) {
                    let at = self.random.below(labels.labels.len() as u64 + 1) as usize;
                    let label = format!("label {}", labels.labels.len());
                    Arc::make_mut(labels).insert(at, label);
                }
            }
            0 => {
                let no = def.next_column;
                let mut added = column(no, &format!("x{no}"), LogicalType::SmallInt);
                added.missing = no.is_multiple_of(2).then(|| "12".to_string());
                if added.missing.is_some() {
                    open.rows
                        .iter_mut()
                        .for_each(|row| drop(row.insert(ColumnNo(no), "12".into())));
                }
                def.next_column += 1;
                def.columns.push(added);
            }
            1 if last > 4 => {
                let dropped = def.columns.remove(last);
                open.rows.iter_mut().for_each(|row| drop(row.remove(&dropped.no)));
            }
            2 => def.columns[1].name = format!("b{}", self.random.below(100)),
            _ => {
                let wider = |ty: &LogicalType| match ty {
                    LogicalType::SmallInt => LogicalType::Integer,
                    LogicalType::Integer => LogicalType::BigInt,
                    LogicalType::Real => LogicalType::Double,
                    other => other.clone(),
                };
                let at = self.random.below(last as u64 + 1) as usize;
                def.columns[at].ty = wider(&def.columns[at].ty);
            }
        }
        open.changes.catalog.replace(self.id, Entity::Table(def)).unwrap();
    }

    fn expected(&self, def: &TableDef, rows: &[Row]) -> Vec<String> {
        let text = |row: &Row| {
            let value = |column: &ColumnDef| row.get(&column.no).cloned().unwrap_or("NULL".into());
            def.columns.iter().map(value).collect::<Vec<_>>().join(" ")
        };
        rows.iter().map(text).collect()
    }

    fn transaction(&mut self) {
        let mut open = Open {
            changes: Changes::new(&self.head),
            rows: self.rows.clone(),
        };
        for _ in 0..=self.random.below(3) {
            let before = (open.changes.savepoint(), open.rows.clone());
            match self.random.below(12) {
                0..5 => {
                    let count = 1 + self.random.below(4) as usize;
                    self.append(&mut open, count);
                }
                5 => {
                    let count = [1500, 17_000][self.random.below(2) as usize] + self.random.below(1000) as usize;
                    self.append(&mut open, count);
                }
                6..9 => self.delete(&mut open),
                9 => {
                    open.changes.table(self.id).unwrap().truncate();
                    open.rows.clear();
                }
                _ => self.redefine(&mut open),
            }
            if self.random.below(5) == 0 {
                (open.changes, open.rows) = before;
            }
            if self.random.below(2) == 0 {
                let def = self.def(&open.changes);
                let shown: Vec<_> = self.staged(&open).into_iter().map(|(_, text)| text).collect();
                assert_eq!(shown, self.expected(&def, &open.rows));
            }
        }
        let def = self.def(&open.changes);
        self.head = self.database.commit("main", &self.head, open.changes, about()).unwrap();
        self.rows = open.rows;
        self.past
            .push((self.head.commit_id().unwrap(), self.expected(&def, &self.rows)));
    }

    fn check(&self, at: usize) {
        let (commit, expected) = &self.past[at];
        let table = self.database.snapshot(*commit).unwrap().table(self.id).unwrap();
        let shown = cached_rows(&*table.relation(None).unwrap(), &self.cache);
        let counts = (table.rows(), expected.len() as u64);
        assert_eq!(counts, (shown.len() as u64, shown.len() as u64), "{table:?}");
        let key = table.definition().primary_key.clone().unwrap();
        for (row, text) in shown.iter().step_by(1 + shown.len() / 20) {
            let a = Value::Int(text.split(' ').next().unwrap().parse().unwrap());
            assert_eq!(table.find_key(&key, &[a]).unwrap(), Some(*row));
        }
        let shown: Vec<_> = shown.into_iter().map(|(_, text)| text).collect();
        assert_eq!(shown, *expected);
    }

    /// Puts segments together: the same rows, in another order.
    fn compact(&mut self) {
        let effort = [Effort::Tiers, Effort::All][self.random.below(2) as usize];
        let made = self
            .database
            .compact("main", self.id, effort, about(), &|_| true)
            .unwrap();
        let Some(made) = made else { return };
        self.head = made;
        let table = self.head.table(self.id).unwrap();
        let shown = cached_rows(&*table.relation(None).unwrap(), &self.cache);
        let key = |text: &str| text.split(' ').next().unwrap().to_string();
        let mut by_key: BTreeMap<String, Row> = BTreeMap::new();
        for row in std::mem::take(&mut self.rows) {
            by_key.insert(row[&ColumnNo(0)].clone(), row);
        }
        let found = shown.iter().filter_map(|(_, text)| by_key.remove(&key(text)));
        self.rows = found.collect();
        assert!(by_key.is_empty(), "rows were lost: {by_key:?}");
        let def = table.definition().clone();
        self.past
            .push((self.head.commit_id().unwrap(), self.expected(&def, &self.rows)));
    }

    fn reopen(&mut self) {
        self.database.close().unwrap();
        self.database = open(&self.disk);
        self.head = self.database.head("main").unwrap();
    }
}

/// Like `rows`, through a cache.
fn cached_rows(relation: &dyn Relation, cache: &ChunkCache) -> Vec<(RowAddress, String)> {
    let fields = relation.schema();
    let index = |name: &str| fields.iter().position(|field| field.name == name);
    let (row, live) = (index(ROW_COLUMN).unwrap(), index(LIVE_COLUMN));
    let mut out = Vec::new();
    for unit in 0..relation.units() {
        let texts = |column: usize| {
            let (chunk, _, _) = cache.get_or_read(relation, unit, column, None).unwrap();
            assert_eq!(chunk.rows, relation.unit_rows(unit));
            let stats = &relation.stats().columns[column];
            assert!(stats.null_count != Some(0) || chunk.validity.is_none());
            chunk_texts(&chunk, &stats.layout, &fields[column].ty)
        };
        let columns: Vec<_> = (0..row).map(texts).collect();
        let (addresses, lives) = (texts(row), live.map(texts));
        for at in (0..addresses.len()).filter(|at| lives.as_ref().is_none_or(|lives| lives[*at] == "true")) {
            let values: Vec<_> = columns.iter().map(|column| column[at].as_str()).collect();
            out.push((RowAddress(addresses[at].parse().unwrap()), values.join(" ")));
        }
    }
    out
}

#[test]
fn a_table_is_what_a_list_of_rows_is() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut run = Run::new(seed);
        for step in 0..14 {
            run.transaction();
            if run.random.below(4) == 0 {
                run.reopen();
            }
            if run.random.below(3) == 0 {
                run.compact();
            }
            let at = run.random.below(step + 1) as usize;
            run.check(at);
        }
        run.reopen();
        (0..run.past.len()).for_each(|at| run.check(at));
        let report = run.database.verify(true).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}
