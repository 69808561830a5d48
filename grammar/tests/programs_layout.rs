//! `gobi fmt` of programs, by example.

mod common;

use common::check;
use expect_test::expect;
use gobi_grammar::{Dialect, format, parse};

#[test]
fn statements_of_a_block_have_a_line_each() {
    check(
        "Upsert Procedure take_in(src string,batch int=5) Returns INT {\n  let taken=0\n\n\n  for r in select * from raw_line order by line { if r.amount IS NULL { continue }\n insert into order_item (line, customer) values (r.line, r.customer); taken = taken+1 }\n  delete from raw_line where line<=batch; RETURN taken }",
        expect![[r#"
            upsert procedure take_in(src string, batch int = 5) returns INT {
              let taken = 0;

              for r in SELECT * FROM raw_line ORDER BY line {
                if r.amount is null { continue }
                INSERT INTO order_item (line, customer) VALUES (r.line, r.customer);
                taken = taken + 1;
              }
              DELETE FROM raw_line WHERE line <= batch;
              return taken;
            }
        "#]],
    );
}

#[test]
fn what_was_on_one_line_and_fits_stays_there() {
    check(
        "function grade(points int) { if points>=90 {return 'A'} points match {80..89->'B',_->'D'} }\nif a { b=1 } elif c { d=2 } else { e=3 }\nif a then b=1 end\nwhile n <> 1 { n = f(n); m = m + 1 }\ntry { insert into t values (1) } catch e { note = e.message }",
        expect![[r#"
            function grade(points int) {
              if points >= 90 { return 'A' }
              points match {80..89 -> 'B', _ -> 'D'}
            }
            if a { b = 1 } elif c { d = 2 } else { e = 3 }
            if a then b = 1 end
            while n <> 1 { n = f(n); m = m + 1 }
            try { INSERT INTO t VALUES (1) } catch e { note = e.message }
        "#]],
    );
    check(
        "if a { b=1 }\nelif c { d=2 }\nelse { e=3 }\nif a then b=1;\nc=2 else d=3 end\nwhile n <> 1 { a_rather_long_name_of_a_variable = a_rather_long_name_of_a_function(n, m); m = m + 1 }\nfunction f() {}\ntest t {\n}",
        expect![[r#"
            if a {
              b = 1;
            } elif c {
              d = 2;
            } else {
              e = 3;
            }
            if a then
              b = 1;
              c = 2;
            else
              d = 3;
            end
            while n <> 1 {
              a_rather_long_name_of_a_variable = a_rather_long_name_of_a_function(n, m);
              m = m + 1;
            }
            function f() {}
            test t {}
        "#]],
    );
}

#[test]
fn comments_of_blocks_stay_where_they_are() {
    check(
        "function f(a int) { -- behind the brace\n\n  -- before the first\n  let b = a -- behind it\n  /* of its own */\n\n  -- before the second\n  b = b + /* inside */ 1; /* behind; */ return b -- last\n  -- at the end\n} -- behind\n-- next\nmodule m { /* nothing */ }",
        expect![[r#"
            function f(a int) { -- behind the brace

              -- before the first
              let b = a; -- behind it
              /* of its own */

              -- before the second
              b = b + /* inside */ 1; /* behind; */
              return b; -- last
              -- at the end
            } -- behind
            -- next
            module m { /* nothing */
            }
        "#]],
    );
}

#[test]
fn heads_that_do_not_fit_are_broken_before_the_brace() {
    check(
        "for d in select doc, sum(amount) as off from entry where month = m group by doc, currency having sum(amount) <> 0 order by doc {\n throw Unbalanced(f'{d.doc}') }\nif exists (select 1 from month where name = the_name_of_the_month and closed) and not forced or the_user_is_an_administrator {\n return 1 }\nselect a_rather_long_column, another_rather_long_column from a_rather_long_table order by 1 then { n = n + 1 }",
        expect![[r#"
            for d in
              SELECT doc, sum(amount) AS off
              FROM entry
              WHERE month = m
              GROUP BY doc, currency
              HAVING sum(amount) <> 0
              ORDER BY doc
            {
              throw Unbalanced(f'{d.doc}');
            }
            if exists (SELECT 1 FROM month WHERE name = the_name_of_the_month AND closed)
              and not forced
              or the_user_is_an_administrator
            {
              return 1;
            }
            SELECT a_rather_long_column, another_rather_long_column
            FROM a_rather_long_table
            ORDER BY 1
            then {
              n = n + 1;
            }
        "#]],
    );
}

#[test]
fn values_that_do_not_fit_are_broken() {
    check(
        "let missing = (select min(currency) from entry where month = m and currency <> 'EUR' and currency not in (select currency from rate))\nlet n = select count(*) from a_rather_long_table_name where a_column_of_it = 1 and another_column_of_it = 2\nlet odd = select range as n from range(6) order by n then { if n % 2 = 1 { yield n } }\nlet small = select max(range) from range(10)\nlet total = a_rather_long_name_of_a_variable + another_rather_long_name_of_a_variable - a_third_name_of_a_variable\nlet both = a_rather_long_name_of_a_variable > 1 and another_rather_long_name_of_a_variable or a_third_name_of_one",
        expect![[r#"
            let missing = (
              SELECT min(currency)
              FROM entry
              WHERE month = m AND currency <> 'EUR' AND currency NOT IN (SELECT currency FROM rate)
            );
            let n =
              SELECT count(*)
              FROM a_rather_long_table_name
              WHERE a_column_of_it = 1 AND another_column_of_it = 2;
            let odd = SELECT range AS n FROM range(6) ORDER BY n then { if n % 2 = 1 { yield n } };
            let small = SELECT max(range) FROM range(10);
            let total = a_rather_long_name_of_a_variable +
              another_rather_long_name_of_a_variable -
              a_third_name_of_a_variable;
            let both = a_rather_long_name_of_a_variable > 1
              and another_rather_long_name_of_a_variable
              or a_third_name_of_one;
        "#]],
    );
}

#[test]
fn pipes_lambdas_and_arms() {
    check(
        "let names = ordered |> filter(l => l.n>0) |> map((l,i) => f'{i + 1}. {l.item}') |> join(', ')\nlet long = ordered |> filter(l => l.amount > 0 and l.price is not null) |> sort_by(l => l.price) |> map((l, i) => l.item) |> join(', ')\n{stock} |> each(s => {\n insert into log values (s.item); n = n + 1 })\nlet twice = x => { let y = x; y * 2 }\nlet g = points match { 90..100 -> 'A',\n 80..89 | 70..79 -> 'B' x if x < 0 -> { throw 'no' } _ -> null }\nlet x = try take(5) catch { NoStock => 0, _ => -1 }\nselect tier MATCH {'a' -> NULL, _ -> 1} from t where xs |> any(x => x is null)",
        expect![[r#"
            let names = ordered |> filter(l => l.n > 0) |> map((l, i) => f'{i + 1}. {l.item}') |> join(', ');
            let long = ordered
              |> filter(l => l.amount > 0 and l.price is not null)
              |> sort_by(l => l.price)
              |> map((l, i) => l.item)
              |> join(', ');
            {stock} |> each(s => {
              INSERT INTO log VALUES (s.item);
              n = n + 1;
            });
            let twice = x => { let y = x; y * 2 };
            let g = points match {
              90..100 -> 'A',
              80..89 | 70..79 -> 'B'
              x if x < 0 -> { throw 'no' }
              _ -> null
            };
            let x = try take(5) catch {NoStock => 0, _ => -1};
            SELECT tier match {'a' -> NULL, _ -> 1}
            FROM t
            WHERE xs |> any(x => x IS NULL);
        "#]],
    );
}

#[test]
fn definitions_of_programs() {
    check(
        "upsert procedure p<{kind:'full'}>=>select a from t\nupsert procedure daily <{ kind: 'incremental_by_time_range', time_column: 'day', start: '2026-01-01', lookback: 1 }> (src string) raises A, B returns int as async { return 1 }\nupsert procedure m <{ kind: 'scd_type_2_by_column', key: 'id', hard_deletes: true }> => select id, name, city from customer where not deleted\nfunction area <struct(w double,h double)> () => self.w*self.h\nfunction pair<A,B>(a A,b B) => a\ncreate or replace function f(a int) returns int as { a }\ntype struct as P(a int,b string) {a:1,b:'x'}\ntype enum as Tier('a','b'); type exception as NoStock ( 'none' )\nmacro ratio(a,b) {sum(a) / nullif(sum(b),0)}\nmacro scaled(x,by=10) => x*by\nmodule tax { function rate(c string) => 0.19\n\n macro m(a) => a }\nimport tax,other\nCALL daily ('x', until: now()) RESTATE FROM date '2026-01-01' TO date '2026-02-01'; call p() as of tag 'q1'\nlet s: array<int>=[1]; function g<int>=> self; s[0].a := 2\nspawn f(1)\nassert n=1,'one'\nupsert TRIGGER as price_item (timing:'before',event:'insert|update',target:'order_item', when: NEW.total IS NOT NULL)\ncreate trigger keep_trail after insert or update or delete on order_item for each row when (OLD.total is distinct from NEW.total) execute procedure keep_trail()",
        expect![[r#"
            upsert procedure p <{ kind: 'full' }> => SELECT a FROM t;
            upsert procedure daily
            <{ kind: 'incremental_by_time_range', time_column: 'day', start: '2026-01-01', lookback: 1 }>
            (src string)
            raises A, B
            returns int
            as async
            {
              return 1;
            }
            upsert procedure m <{ kind: 'scd_type_2_by_column', key: 'id', hard_deletes: true }> =>
              SELECT id, name, city
              FROM customer
              WHERE NOT deleted;
            function area <struct(w double, h double)>() => self.w * self.h;
            function pair<A, B>(a A, b B) => a;
            create or replace function f(a int) returns int as { a }
            type struct as P(a int, b string) {a: 1, b: 'x'};
            type enum as Tier('a', 'b');
            type exception as NoStock('none');
            macro ratio(a, b) { sum(a) / nullif(sum(b), 0) }
            macro scaled(x, by = 10) => x * by;
            module tax {
              function rate(c string) => 0.19;

              macro m(a) => a;
            }
            import tax, other;
            call daily('x', until: now()) restate from date '2026-01-01' to date '2026-02-01';
            call p() as of tag 'q1';
            let s: array<int> = [1];
            function g<int> => self;
            s[0].a := 2;
            spawn f(1);
            assert n = 1, 'one';
            upsert trigger as price_item (
              timing: 'before',
              event: 'insert|update',
              target: 'order_item',
              when: NEW.total is not null
            );
            CREATE TRIGGER keep_trail AFTER INSERT OR UPDATE OR DELETE ON order_item
              FOR EACH ROW WHEN (OLD.total IS DISTINCT FROM NEW.total) EXECUTE PROCEDURE keep_trail();
        "#]],
    );
}

/// The programs of the tests of the engine, and its examples.
fn programs(folder: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            programs(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "grz") {
            out.push(path);
        }
    }
}

fn comments(text: &str) -> usize {
    let tokens = gobi_grammar::scan::tokens(text, Dialect::Grizzly);
    let is_comment = |token: &&gobi_grammar::scan::Token| token.kind == gobi_grammar::scan::Kind::Comment;
    tokens.iter().filter(is_comment).count()
}

#[test]
fn every_program_keeps_its_meaning_and_its_comments() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    programs(&root.join("tests/golden"), &mut paths);
    programs(&root.join("examples"), &mut paths);
    let mut count = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("programs");
        // A file of goldens holds several, some of them with errors.
        for part in text.split("#! ") {
            let program = if text.starts_with("#! ") {
                part.split_once('\n').map_or("", |(_, program)| program)
            } else {
                part
            };
            let Ok(formatted) = format(program, Dialect::Grizzly) else {
                continue;
            };
            count += 1;
            let same = parse(&formatted, Dialect::Grizzly).statements == parse(program, Dialect::Grizzly).statements;
            assert!(same, "{}\n{program}\n{formatted}", path.display());
            assert_eq!(comments(&formatted), comments(program), "{program}\n{formatted}");
            assert_eq!(
                format(&formatted, Dialect::Grizzly).as_ref(),
                Ok(&formatted),
                "{program}"
            );
        }
    }
    assert!(count > 250, "only {count} programs");
}
