//! Names, dependants and the JSON form.

use super::*;
use crate::types::LogicalType;

fn table(name: &str) -> TableDef {
    let column = |no, name: &str, ty| ColumnDef {
        no: ColumnNo(no),
        name: name.into(),
        ty,
        not_null: no == 0,
        default: None,
        generated: None,
        missing: None,
    };
    TableDef {
        name: name.into(),
        columns: vec![
            column(0, "id", LogicalType::BigInt),
            column(
                2,
                "Amount",
                LogicalType::Decimal {
                    precision: 12,
                    scale: 2,
                },
            ),
        ],
        next_column: 3,
        primary_key: Some(KeyDef {
            name: format!("{name}_pkey"),
            columns: vec![ColumnNo(0)],
        }),
        unique: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        storage: Storage::Hybrid,
        partition_by: Vec::new(),
        sort_by: Vec::new(),
        made_by: None,
    }
}

fn view(name: &str, reads: &[EntityId]) -> Entity {
    Entity::View(ViewDef {
        name: name.into(),
        query: Source {
            text: "SELECT 1".into(),
            dialect: "grizzly".into(),
        },
        columns: Vec::new(),
        named_columns: 0,
        reads: reads.to_vec(),
        made_by: None,
    })
}

#[test]
fn names_differ_in_more_than_case() {
    let mut catalog = Catalog::default();
    let id = catalog.create("main", Entity::Table(table("Orders"))).unwrap();
    assert_eq!(catalog.find(&["ORDERS"]).unwrap().id, id);
    assert_eq!(catalog.find(&["Main", "orders"]).unwrap().entity.name(), "Orders");
    let taken = catalog.create("main", view("oRders", &[])).unwrap_err();
    assert_eq!(taken.to_string(), "the table `Orders` exists already");
    assert_eq!(taken.code(), "42P07");
    assert_eq!(catalog.create("sales", view("v", &[])).unwrap_err().code(), "3F000");
    catalog
        .create("", Entity::Schema(SchemaDef { name: "Sales".into() }))
        .unwrap();
    catalog.create("sales", Entity::Table(table("orders"))).unwrap();
    assert_ne!(catalog.find(&["SALES", "orders"]).unwrap().id, id);
}

#[test]
fn what_is_needed_is_not_dropped_alone() {
    let mut catalog = Catalog::default();
    let orders = catalog.create("main", Entity::Table(table("orders"))).unwrap();
    let index = IndexDef {
        name: "by_amount".into(),
        table: orders,
        columns: vec![ColumnNo(2)],
        unique: false,
    };
    catalog.create("main", Entity::Index(index)).unwrap();
    let big = catalog.create("main", view("big", &[orders])).unwrap();
    catalog.create("main", view("bigger", &[big])).unwrap();
    let refused = catalog.drop(orders, false).unwrap_err();
    assert_eq!(refused.to_string(), "`orders` is needed by view `big`, view `bigger`");
    assert_eq!(refused.code(), "2BP01");

    let mut without_views = catalog.clone();
    without_views.drop(big, true).unwrap();
    assert_eq!(
        without_views.drop(orders, false).unwrap().len(),
        2,
        "the index goes along"
    );

    assert_eq!(catalog.drop(orders, true).unwrap().len(), 4);
    assert_eq!(catalog.entries().count(), 0);
}

#[test]
fn a_foreign_key_goes_with_what_it_leads_to() {
    let mut catalog = Catalog::default();
    let orders = catalog.create("main", Entity::Table(table("orders"))).unwrap();
    let mut items = table("items");
    items.foreign_keys.push(ForeignKeyDef {
        name: "of_order".into(),
        columns: vec![ColumnNo(0)],
        table: orders,
        referenced: vec![ColumnNo(0)],
        on_delete: KeyAction::Refuse,
        on_update: KeyAction::Refuse,
    });
    let items = catalog.create("main", Entity::Table(items)).unwrap();
    let refused = catalog.drop(orders, false).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`orders` is needed by foreign key `of_order` of table `items`"
    );
    assert_eq!(catalog.drop(orders, true).unwrap().len(), 1);
    assert!(catalog.table(items).unwrap().foreign_keys.is_empty());
}

#[test]
fn changes_are_what_differs() {
    let mut base = Catalog::default();
    let kept = base.create("main", Entity::Table(table("kept"))).unwrap();
    let renamed = base.create("main", Entity::Table(table("old"))).unwrap();
    let gone = base.create("main", view("gone", &[kept])).unwrap();
    let mut catalog = base.clone();
    catalog.replace(renamed, Entity::Table(table("new"))).unwrap();
    catalog.drop(gone, false).unwrap();
    let added = catalog.create("main", view("added", &[])).unwrap();
    assert!(catalog.find(&["old"]).is_none());
    assert_eq!(
        catalog
            .replace(renamed, Entity::Table(table("KEPT")))
            .unwrap_err()
            .code(),
        "42P07"
    );
    let changes: Vec<(EntityId, bool)> = catalog
        .changes_since(&base)
        .into_iter()
        .map(|(id, entry)| (id, entry.is_some()))
        .collect();
    assert_eq!(changes, [(renamed, true), (added, true), (gone, false)]);
    let again = Catalog::new(catalog.entries().cloned(), catalog.next_id());
    assert!(again.changes_since(&catalog).is_empty());
}

#[test]
fn the_kept_form_is_read_back() {
    for entity in [
        Entity::Table(table("t")),
        view("v", &[EntityId(3)]),
        Entity::Schema(SchemaDef { name: "s".into() }),
    ] {
        assert_eq!(Entity::decode(&entity.encode()), Ok(entity));
    }
    let text = String::from_utf8(Entity::Table(table("t")).encode()).unwrap();
    assert!(
        text.starts_with(r#"{"kind":"table","name":"t","columns":[{"no":0,"name":"id","ty":"BigInt","#),
        "{text}"
    );
    assert!(Entity::decode(b"{}").is_err());
}
