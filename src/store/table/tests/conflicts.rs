//! What two transactions cannot both change, and keys that come and go.

use arrow::array::{Array, new_empty_array};
use arrow::compute::concat;

use super::*;
use crate::catalog::IndexDef;
use crate::types::array::constant_array;
use crate::types::arrow::to_arrow;
use crate::types::{Field, Interval};

fn conflict(result: Result<Snapshot, CommitError>) -> Conflict {
    match result {
        Err(CommitError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

/// A commit that puts another definition in the place of a table's.
fn redefine(
    database: &Database,
    base: &Snapshot,
    id: EntityId,
    change: impl Fn(&mut TableDef),
) -> Result<Snapshot, CommitError> {
    let mut changes = Changes::new(base);
    let mut def = base.catalog().table(id).unwrap().clone();
    change(&mut def);
    changes.catalog.replace(id, Entity::Table(def)).unwrap();
    database.commit("main", base, changes, about())
}

#[test]
fn definitions_are_changed_by_one() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, pairs("t"));
    let renamed = redefine(&database, &base, id, |def| def.name = "u".into()).unwrap();
    let lost = conflict(redefine(&database, &base, id, |def| def.name = "v".into()));
    assert_eq!((lost.on, lost.by), (ConflictOn::Definition, renamed.commit_id()));
    // Rows for a definition that is not there any more.
    let lost = conflict(append(&database, &base, id, &batch(&[(1, "one")])));
    assert_eq!((lost.on, lost.by), (ConflictOn::Definition, renamed.commit_id()));
    // Two things of one name.
    let mut first = Changes::new(&renamed);
    first.catalog.create("main", Entity::Table(pairs("w"))).unwrap();
    let mut second = Changes::new(&renamed);
    second.catalog.replace(id, Entity::Table(pairs("W"))).unwrap();
    database.commit("main", &renamed, first, about()).unwrap();
    assert_eq!(
        conflict(database.commit("main", &renamed, second, about())).on,
        ConflictOn::Name
    );
    // A dropped table takes its rows along.
    let head = database.head("main").unwrap();
    let head = append(&database, &head, id, &batch(&[(1, "one")])).unwrap();
    let mut changes = Changes::new(&head);
    changes.catalog.drop(id, false).unwrap();
    let head = database.commit("main", &head, changes, about()).unwrap();
    assert!(matches!(head.table(id), Err(crate::store::StoreError::NoTable(_))));
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn all_rows_are_deleted_once() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    let base = append(&database, &base, id, &batch(&[(1, "one"), (2, "two")])).unwrap();
    let mut changes = Changes::new(&base);
    changes.table(id).unwrap().truncate();
    changes
        .table(id)
        .unwrap()
        .append(&keyed("t"), &batch(&[(2, "zwei")]))
        .unwrap();
    let again = changes.savepoint();
    let next = database.commit("main", &base, changes, about()).unwrap();
    assert_eq!(texts(&next, id), ["2 zwei"]);
    let lost = conflict(database.commit("main", &base, again, about()));
    assert_eq!((lost.on, lost.by), (ConflictOn::AllRows, next.commit_id()));
}

#[test]
fn keys_come_and_go() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, pairs("t"));
    let base = append(&database, &base, id, &batch(&[(1, "one"), (2, "two"), (2, "again")])).unwrap();
    let key = keyed("t").primary_key;
    let with_key = |def: &mut TableDef| def.primary_key = key.clone();
    assert_eq!(
        duplicate(redefine(&database, &base, id, with_key)),
        "`t` has a row with (a) = (2) already, against `t_pkey`"
    );
    let mut changes = Changes::new(&base);
    let all = rows(&*base.table(id).unwrap().relation(None).unwrap());
    changes.table(id).unwrap().delete(&[all[2].0]);
    let base = database.commit("main", &base, changes, about()).unwrap();
    let keyed = redefine(&database, &base, id, with_key).unwrap();
    let find =
        |snapshot: &Snapshot, key: &KeyDef, value: Value| snapshot.table(id).unwrap().find_key(key, &[value]).unwrap();
    assert_eq!(find(&keyed, key.as_ref().unwrap(), Value::Int(2)), Some(all[1].0));
    duplicate(append(&database, &keyed, id, &batch(&[(1, "uno")])));
    // A unique index on the other column.
    let mut changes = Changes::new(&keyed);
    let index = IndexDef {
        name: "by_b".into(),
        table: id,
        columns: vec![ColumnNo(1)],
        unique: true,
    };
    changes.catalog.create("main", Entity::Index(index)).unwrap();
    let indexed = database.commit("main", &keyed, changes, about()).unwrap();
    assert_eq!(
        duplicate(append(&database, &indexed, id, &batch(&[(3, "one")]))),
        "`t` has a row with (b) = (one) already, against `by_b`"
    );
    // The key's type becomes one whose keys look different.
    let texts_now = redefine(&database, &indexed, id, |def| def.columns[0].ty = LogicalType::String).unwrap();
    let found = find(&texts_now, key.as_ref().unwrap(), Value::String("2".into()));
    assert_eq!(found, Some(all[1].0));
    assert_eq!(texts(&texts_now, id), ["1 one", "2 two"]);
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn null_is_no_key() {
    let disk = SimDisk::new();
    let mut def = keyed("t");
    def.primary_key = None;
    let (database, id, mut head) = with_table(&disk, def.clone());
    let null = constant_array(&Value::Null, &LogicalType::String, 1).unwrap();
    for a in 0..3 {
        let a = constant_array(&Value::Int(a), &LogicalType::BigInt, 1).unwrap();
        let row = RecordBatch::try_new(arrow_schema(&def.fields()), vec![a, null.clone()]).unwrap();
        head = append(&database, &head, id, &row).unwrap();
    }
    assert_eq!(texts(&head, id), ["0 NULL", "1 NULL", "2 NULL"]);
}

/// Every type, in a block and in a file.
#[test]
fn every_type_is_kept() {
    let list = LogicalType::Array(Box::new(LogicalType::Integer));
    let nested = LogicalType::Struct(vec![Field {
        name: "x".into(),
        ty: list.clone(),
        nullable: true,
    }]);
    let types = [
        (LogicalType::Boolean, Value::Boolean(true)),
        (LogicalType::TinyInt, Value::Int(-128)),
        (LogicalType::HugeInt, Value::Int(i128::MAX)),
        (LogicalType::UBigInt, Value::Int(u64::MAX.into())),
        (LogicalType::UInteger, Value::Int(u32::MAX.into())),
        (LogicalType::Real, Value::Float(-0.5)),
        (LogicalType::Double, Value::Float(1e300)),
        (LogicalType::String, Value::String("a text beyond a view".into())),
        (LogicalType::Blob, Value::Blob([0, 255, 3][..].into())),
        (LogicalType::Uuid, Value::Int(i128::MIN + 5)),
        (LogicalType::Json, Value::String("{\"a\": [1.50]}".into())),
        (LogicalType::Date, Value::Int(-719_162)),
        (LogicalType::Time, Value::Int(86_399_999_999)),
        (LogicalType::Timestamp, Value::Int(-1)),
        (LogicalType::TimestampTz, Value::Int(1_700_000_000_000_000)),
        (
            LogicalType::Interval,
            Value::Interval(Interval {
                months: -3,
                days: 40,
                micros: 5_000_001,
            }),
        ),
        (
            LogicalType::Decimal {
                precision: 38,
                scale: 10,
            },
            Value::Int(-(10_i128.pow(37))),
        ),
        (list, Value::Null),
        (nested, Value::Null),
    ];
    let mut def = pairs("t");
    let columns = types.iter().enumerate();
    def.columns = columns
        .map(|(no, (ty, _))| column(no as u32, &format!("c{no}"), ty.clone()))
        .collect();
    let rows_of = |count: usize| {
        let arrays = types.iter().map(|(ty, value)| {
            let value = constant_array(value, ty, count - count / 3).unwrap();
            let nulls = constant_array(&Value::Null, ty, count / 3).unwrap();
            let parts: [&dyn Array; 3] = [&value, &nulls, &new_empty_array(&to_arrow(ty))];
            concat(&parts).unwrap()
        });
        RecordBatch::try_new(arrow_schema(&def.fields()), arrays.collect()).unwrap()
    };
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, def.clone());
    let small = append(&database, &base, id, &rows_of(3)).unwrap();
    let large = append(&database, &small, id, &rows_of(20_000)).unwrap();
    let expected = texts(&small, id);
    let value: Vec<_> = types.iter().map(|(ty, value)| value.display(ty)).collect();
    assert_eq!(expected[0], value.join(" "));
    assert_eq!(expected[2], vec!["NULL"; types.len()].join(" "));
    let all = texts(&large, id);
    assert!(all[..2].iter().all(|row| *row == expected[0]));
    assert!(all[3..13_337].iter().all(|row| *row == expected[0]));
    assert!(all[13_337..].iter().all(|row| *row == expected[2]));
}
