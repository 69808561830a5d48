//! The text form: what is refused, and that nothing makes the parser, the verifier or the printer panic.

use gobi_jit::testing::{Source, generate};
use gobi_jit::{text, verify};
use proptest::prelude::*;

#[test]
fn errors_name_line_and_column() {
    for (source, expected) in [
        ("fn f", "1:4: expected a name with `@`"),
        (
            "fn @f() {\nb0:\n  %x: i65 = const 1\n  return\n}",
            "3:7: unknown type i65",
        ),
        (
            "fn @f() {\nb0:\n  %x: i8 = const 1e5\n  return\n}",
            "3:18: bad number 1e5",
        ),
        (
            "fn @f() {\nb0:\n  %x: i8 = const 1\n  %3: i8 = const 1\n  return\n}",
            "value %1 is not defined",
        ),
        (
            "fn @f() {\nb0:\n  return\nb0:\n  return\n}",
            "4:1: block b0 is defined twice",
        ),
        ("note !1 \"x\"", "1:7: expected note !0"),
        ("note !0 \"x", "1:9: the string does not end"),
        (
            "fn @f() {\nb0:\n  %x: i8 = icmp lt %x, %x\n  return\n}",
            "3:17: icmp has no condition lt",
        ),
        (
            "fn @f(ptr) {\nb0(%p: ptr):\n  %x: i8 = load %p + 3000000000\n  return\n}",
            "3:22: offset",
        ),
        ("#", "1:1: unexpected character '#'"),
    ] {
        let message = text::parse(source).expect_err(source).to_string();
        assert!(message.contains(expected), "{source}: {message}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_module_or_an_error(source in "\\PC*") {
        let _ = text::parse(&source);
    }

    /// Words of the language in any order come further than noise.
    #[test]
    fn any_words_are_a_module_or_an_error(words in prop::collection::vec(word(), 0..40)) {
        let source = format!("fn @f(i64) -> i64 {{\nb0(%0: i64):\n{}\n}}", words.join(" "));
        if let Ok(module) = text::parse(&source) {
            let _ = verify(&module);
            let _ = text::print(&module);
        }
    }

    /// A module with a line removed, doubled or swapped is refused or still prints as it parses.
    #[test]
    fn damaged_modules_do_no_harm(seed in 0_u64..200, at in any::<prop::sample::Index>(), how in 0..3) {
        let printed = text::print(&generate(&mut Source::seeded(seed)).module);
        let mut lines: Vec<&str> = printed.lines().collect();
        let at = at.index(lines.len() - 1);
        match how {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at]),
            _ => lines.swap(at, at + 1),
        }
        if let Ok(module) = text::parse(&lines.join("\n")) && verify(&module).is_ok() {
            prop_assert_eq!(text::parse(&text::print(&module)), Ok(module));
        }
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "%0", "%1", "%x", ":", "i64", "i8", "=", "const", "1", "-1", "add", "icmp", "slt", ",", "jump", "b0", "b1",
        "return", "branch", "switch", "[", "]", "set", "$0", "local", "slot", "s0", "16", "call", "@f", "(", ")", "!",
        "load", "store", "+", "-", "*", "index", "ptr", "nan", "inf", "f64const", "0x7f", "cold", "}", "\n", "select",
    ])
}
