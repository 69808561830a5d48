//! Runs `filetests/**/*.gir`.
//!
//! The first line says what to do: `; test verify` (parse, print, parse again, verify), `; test interp` or `; test run`
//! (interpreter and machine code). Directives anywhere in the file: `; run: @f(1, 2) == 3` and, in a verify test,
//! `; error: text`, which the message must contain. Arguments are numbers, `nan`, `inf`, hexadecimal bits or lists of lanes.

use std::path::{Path, PathBuf};

use gobi_jit::ir::{FuncId, Module, Type};
use gobi_jit::testing::Pair;
use gobi_jit::{Opt, Options, text, verify};

#[test]
fn filetests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 10, "the file tests are missing");
    let failures: Vec<String> = files
        .iter()
        .filter_map(|path| check(path).err().map(|e| format!("{}: {e}", path.display())))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "gir") {
            files.push(path);
        }
    }
}

fn check(path: &Path) -> Result<(), String> {
    let source = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mode = source
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("; test "))
        .ok_or("no `; test` line")?;
    let errors: Vec<&str> = directives(&source, "error").map(|(_, text)| text).collect();
    let module = match text::parse(&source) {
        Ok(module) => module,
        Err(error) => return expect_error(&error.to_string(), &errors),
    };
    let printed = text::print(&module);
    let again = text::parse(&printed).map_err(|e| format!("what is printed does not parse: {e}\n{printed}"))?;
    if verify(&module).is_ok() && again != module {
        return Err(format!("printing and parsing changes the module:\n{printed}"));
    }
    if let Err(error) = verify(&module) {
        return expect_error(&error.to_string(), &errors);
    }
    if !errors.is_empty() {
        return Err("it verifies, but an error was expected".to_owned());
    }
    if mode == "verify" {
        return Ok(());
    }
    let runs = directives(&source, "run").collect::<Vec<_>>();
    if runs.is_empty() {
        return Err("nothing to run".to_owned());
    }
    for opt in [Opt::Speed, Opt::None] {
        let pair = Pair::new(
            &module,
            Options {
                opt,
                ..Options::default()
            },
        )
        .map_err(|e| e.to_string())?;
        for (line, run) in &runs {
            run_directive(&module, &pair, mode == "run", run).map_err(|e| format!("line {line} ({opt:?}): {e}"))?;
        }
    }
    Ok(())
}

fn directives<'a>(source: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = source.lines().enumerate();
    lines.filter_map(move |(i, line)| {
        Some((
            i + 1,
            line.trim().strip_prefix("; ")?.strip_prefix(word)?.strip_prefix(": ")?,
        ))
    })
}

fn expect_error(message: &str, expected: &[&str]) -> Result<(), String> {
    match expected {
        [expected] if message.contains(expected) => Ok(()),
        _ => Err(format!("{message}\n  expected: {expected:?}")),
    }
}

/// `@f(1, 2) == 3` or, for two results, `@f(1, 2) == 3, 0`.
fn run_directive(module: &Module, pair: &Pair, native: bool, run: &str) -> Result<(), String> {
    let (call, expected) = run.split_once(" == ").ok_or("no ` == `")?;
    let (name, args) = call
        .strip_prefix('@')
        .and_then(|call| call.split_once('('))
        .ok_or("no call")?;
    let args = args.strip_suffix(')').ok_or("no `)`")?;
    let id = module
        .functions
        .iter()
        .position(|function| function.name == name)
        .ok_or("no such function")?;
    let sig = &module.functions[id].sig;
    let args = values(args, &sig.params)?;
    let expected = values(expected, &sig.results)?;
    let function = FuncId(id as u32);
    let interpreted = pair.call_interpreted(function, &args);
    compare("interpreter", run, &interpreted.results, &expected, &sig.results)?;
    if native {
        compare(
            "machine code",
            run,
            &pair.call_native(function, &args).results,
            &expected,
            &sig.results,
        )?;
    }
    Ok(())
}

fn compare(way: &str, run: &str, found: &[u128], expected: &[u128], types: &[Type]) -> Result<(), String> {
    for ((found, expected), ty) in found.iter().zip(expected).zip(types) {
        if canonical(*found, *ty) != canonical(*expected, *ty) {
            return Err(format!("{run}: {way} gives {found:#x}, expected {expected:#x}"));
        }
    }
    Ok(())
}

/// All NaNs are one.
fn canonical(bits: u128, ty: Type) -> u128 {
    match ty {
        Type::F32 if f32::from_bits(bits as u32).is_nan() => 0x7fc0_0000,
        Type::F64 if f64::from_bits(bits as u64).is_nan() => 0x7ff8_0000_0000_0000,
        _ => bits,
    }
}

fn values(text: &str, types: &[Type]) -> Result<Vec<u128>, String> {
    let mut parts: Vec<&str> = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(&text[start..]);
    }
    if parts.len() != types.len() {
        return Err(format!("{} values for {} types", parts.len(), types.len()));
    }
    parts
        .iter()
        .zip(types)
        .map(|(part, ty)| value(part.trim(), *ty))
        .collect()
}

fn value(text: &str, ty: Type) -> Result<u128, String> {
    let bad = || format!("bad value {text:?} for {ty}");
    if let Some(lane) = ty.lane() {
        let lanes = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .ok_or_else(bad)?;
        let lanes = values(lanes, &vec![lane; ty.lanes() as usize])?;
        return Ok(lanes
            .iter()
            .rev()
            .fold(0, |bits, value| bits << (lane.bytes() * 8) | value));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u128::from_str_radix(digits, 16).map_err(|_| bad());
    }
    match ty {
        Type::F32 => text.parse::<f32>().map(|x| u128::from(x.to_bits())).map_err(|_| bad()),
        Type::F64 => text.parse::<f64>().map(|x| u128::from(x.to_bits())).map_err(|_| bad()),
        _ => {
            let mask = u128::MAX >> (128 - ty.bytes() * 8);
            let signed = text.parse::<i128>().map(|x| x as u128);
            signed
                .or_else(|_| text.parse::<u128>())
                .map(|x| x & mask)
                .map_err(|_| bad())
        }
    }
}
