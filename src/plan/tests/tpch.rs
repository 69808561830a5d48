//! TPC-H at scale 1 as a resolver without data: schemas and the statistics that Parquet files of it have.

use std::sync::Arc;

use crate::plan::logical::TableId;
use crate::plan::{Moment, Named, ResolveError, TableInfo, TableResolver};
use crate::types::{ColumnStats, Dictionary, Field, Layout, LogicalType, TableStats, Value, cast};

/// The tables by id.
pub(super) struct Tpch {
    tables: Vec<TableInfo>,
}

/// One column: name, type, least, greatest, distinct; or its complete list of values.
enum Spec {
    Plain(&'static str, &'static str, &'static str, &'static str, u64),
    Text(&'static str, u64),
    Dict(&'static str, Vec<String>),
}

use Spec::{Dict, Plain, Text};

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_string()).collect()
}

fn pairs(a: &[&str], b: &[&str]) -> Vec<String> {
    a.iter()
        .flat_map(|a| b.iter().map(move |b| format!("{a} {b}")))
        .collect()
}

fn part_types() -> Vec<String> {
    let first = ["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"];
    let second = ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"];
    let third = ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"];
    let start = pairs(&first, &second);
    pairs(&start.iter().map(String::as_str).collect::<Vec<_>>(), &third)
}

fn nations() -> Vec<String> {
    words(&[
        "ALGERIA",
        "ARGENTINA",
        "BRAZIL",
        "CANADA",
        "CHINA",
        "EGYPT",
        "ETHIOPIA",
        "FRANCE",
        "GERMANY",
        "INDIA",
        "INDONESIA",
        "IRAN",
        "IRAQ",
        "JAPAN",
        "JORDAN",
        "KENYA",
        "MOROCCO",
        "MOZAMBIQUE",
        "PERU",
        "ROMANIA",
        "RUSSIA",
        "SAUDI ARABIA",
        "UNITED KINGDOM",
        "UNITED STATES",
        "VIETNAM",
    ])
}

fn containers() -> Vec<String> {
    let sizes = ["SM", "LG", "MED", "JUMBO", "WRAP"];
    pairs(&sizes, &["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"])
}

fn brands() -> Vec<String> {
    (1..=5)
        .flat_map(|a| (1..=5).map(move |b| format!("Brand#{a}{b}")))
        .collect()
}

impl Tpch {
    pub(super) fn new() -> Tpch {
        let tables = [places(), partners(), parts(), orders(), lines()].concat();
        Tpch { tables }
    }
}

/// Where.
fn places() -> Vec<TableInfo> {
    let regions = words(&["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]);
    vec![
        table(
            "region",
            5,
            vec![
                Plain("r_regionkey", "bigint", "0", "4", 5),
                Dict("r_name", regions),
                Text("r_comment", 5),
            ],
        ),
        table(
            "nation",
            25,
            vec![
                Plain("n_nationkey", "bigint", "0", "24", 25),
                Dict("n_name", nations()),
                Plain("n_regionkey", "bigint", "0", "4", 5),
                Text("n_comment", 25),
            ],
        ),
    ]
}

/// Who.
fn partners() -> Vec<TableInfo> {
    let segments = words(&["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]);
    let money = "decimal";
    vec![
        table(
            "supplier",
            10_000,
            vec![
                Plain("s_suppkey", "bigint", "1", "10000", 10_000),
                Text("s_name", 10_000),
                Text("s_address", 10_000),
                Plain("s_nationkey", "bigint", "0", "24", 25),
                Text("s_phone", 10_000),
                Plain("s_acctbal", money, "-998.22", "9999.72", 9_955),
                Text("s_comment", 10_000),
            ],
        ),
        table(
            "customer",
            150_000,
            vec![
                Plain("c_custkey", "bigint", "1", "150000", 150_000),
                Text("c_name", 150_000),
                Text("c_address", 150_000),
                Plain("c_nationkey", "bigint", "0", "24", 25),
                Text("c_phone", 150_000),
                Plain("c_acctbal", money, "-999.99", "9999.99", 140_187),
                Dict("c_mktsegment", segments),
                Text("c_comment", 150_000),
            ],
        ),
    ]
}

/// What.
fn parts() -> Vec<TableInfo> {
    let makers = (1..=5).map(|m| format!("Manufacturer#{m}")).collect();
    let money = "decimal";
    vec![
        table(
            "part",
            200_000,
            vec![
                Plain("p_partkey", "bigint", "1", "200000", 200_000),
                Text("p_name", 200_000),
                Dict("p_mfgr", makers),
                Dict("p_brand", brands()),
                Dict("p_type", part_types()),
                Plain("p_size", "integer", "1", "50", 50),
                Dict("p_container", containers()),
                Plain("p_retailprice", money, "901.00", "2098.99", 20_899),
                Text("p_comment", 131_753),
            ],
        ),
        table(
            "partsupp",
            800_000,
            vec![
                Plain("ps_partkey", "bigint", "1", "200000", 200_000),
                Plain("ps_suppkey", "bigint", "1", "10000", 10_000),
                Plain("ps_availqty", "integer", "1", "9999", 9_999),
                Plain("ps_supplycost", money, "1.00", "1000.00", 99_865),
                Text("ps_comment", 799_124),
            ],
        ),
    ]
}

/// When.
fn orders() -> Vec<TableInfo> {
    let priorities = words(&["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]);
    let money = "decimal";
    vec![table(
        "orders",
        1_500_000,
        vec![
            Plain("o_orderkey", "bigint", "1", "6000000", 1_500_000),
            Plain("o_custkey", "bigint", "1", "149999", 99_996),
            Dict("o_orderstatus", words(&["F", "O", "P"])),
            Plain("o_totalprice", money, "857.71", "555285.16", 1_464_556),
            Plain("o_orderdate", "date", "1992-01-01", "1998-08-02", 2_406),
            Dict("o_orderpriority", priorities),
            Text("o_clerk", 1_000),
            Plain("o_shippriority", "integer", "0", "0", 1),
            Text("o_comment", 1_482_071),
        ],
    )]
}

/// How much.
fn lines() -> Vec<TableInfo> {
    let modes = words(&["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]);
    let instructions = words(&["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"]);
    let money = "decimal";
    vec![table(
        "lineitem",
        6_001_215,
        vec![
            Plain("l_orderkey", "bigint", "1", "6000000", 1_500_000),
            Plain("l_partkey", "bigint", "1", "200000", 200_000),
            Plain("l_suppkey", "bigint", "1", "10000", 10_000),
            Plain("l_linenumber", "integer", "1", "7", 7),
            Plain("l_quantity", money, "1.00", "50.00", 50),
            Plain("l_extendedprice", money, "901.00", "104949.50", 933_900),
            Plain("l_discount", money, "0.00", "0.10", 11),
            Plain("l_tax", money, "0.00", "0.08", 9),
            Dict("l_returnflag", words(&["A", "N", "R"])),
            Dict("l_linestatus", words(&["F", "O"])),
            Plain("l_shipdate", "date", "1992-01-02", "1998-12-01", 2_526),
            Plain("l_commitdate", "date", "1992-01-31", "1998-10-31", 2_466),
            Plain("l_receiptdate", "date", "1992-01-04", "1998-12-31", 2_554),
            Dict("l_shipinstruct", instructions),
            Dict("l_shipmode", modes),
            Text("l_comment", 4_580_667),
        ],
    )]
}

fn table(name: &str, rows: u64, specs: Vec<Spec>) -> TableInfo {
    let (schema, columns) = specs.into_iter().map(column).unzip();
    TableInfo {
        system_columns: 0,
        name: name.into(),
        schema,
        stats: TableStats {
            rows: Some(rows),
            columns,
        },
    }
}

fn column(spec: Spec) -> (Field, ColumnStats) {
    let (name, ty, min, max, distinct, dictionary) = match spec {
        Plain(name, ty, min, max, distinct) => (name, ty, Some(min), Some(max), distinct, None),
        Text(name, distinct) => (name, "string", None, None, distinct, None),
        Dict(name, values) => (name, "string", None, None, values.len() as u64, Some(values)),
    };
    let ty = match ty {
        "bigint" => LogicalType::BigInt,
        "integer" => LogicalType::Integer,
        "date" => LogicalType::Date,
        "decimal" => LogicalType::Decimal {
            precision: 15,
            scale: 2,
        },
        _ => LogicalType::String,
    };
    let value = |text: &str| cast::cast(&Value::String(text.into()), &LogicalType::String, &ty).unwrap();
    let layout = match dictionary {
        Some(values) => Layout::Dict {
            codes: crate::types::Physical::I16,
            dictionary: Arc::new(Dictionary::new(values.iter().map(|v| Arc::from(v.as_str())).collect())),
        },
        None => Layout::Plain(ty.physical()),
    };
    let stats = ColumnStats {
        min: min.map(value),
        max: max.map(value),
        null_count: Some(0),
        distinct: Some(distinct),
        layout,
    };
    let field = Field {
        name: name.into(),
        ty,
        nullable: false,
    };
    (field, stats)
}

impl TableResolver for Tpch {
    fn by_name(&mut self, parts: &[&str], _: Option<&Moment>) -> Result<Option<Named>, ResolveError> {
        let at = self
            .tables
            .iter()
            .position(|t| Some(t.name.as_str()) == parts.last().copied());
        Ok(at.map(|at| Named::Table(TableId(at as u32))))
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        Err(ResolveError {
            code: "58P01",
            message: format!("file `{path}` does not exist"),
        })
    }

    fn info(&self, table: TableId) -> &TableInfo {
        &self.tables[table.0 as usize]
    }

    fn names(&self) -> Vec<String> {
        self.tables.iter().map(|t| t.name.clone()).collect()
    }
}
